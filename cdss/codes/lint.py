"""The linter of codes and units: `python -m cdss.codes.lint` fails where two reviewed files disagree.

It finds a wrong check digit, an ICD code that has not the form of one, a LOINC name that is not one of its analyte
(lactate dehydrogenase under lactate), a unit of another kind than the analyte's, a limit outside another, and a code
that stands for two things.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cdss.codes.loinc import LoincTable, loinc_table
from cdss.codes.valueset import ValueSet, value_sets
from cdss.domain.coding import (
    LOINC,
    SNOMED_CT,
    UCUM,
    Coding,
    code_shape_holds,
    loinc_check_digit_holds,
    snomed_check_digit_holds,
)
from cdss.units import Analyte, analytes, read_unit
from cdss.units.ucum import measure
from cdss.units.usual import Usual, usual_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Everything that is held together; the shipped files, unless a test plants a mistake."""

    analytes: Sequence[Analyte] = field(default_factory=analytes)
    loinc: LoincTable = field(default_factory=loinc_table)
    sets: Mapping[str, ValueSet] = field(default_factory=value_sets)
    usual: Mapping[str, Usual] = field(default_factory=usual_ranges)


def findings(known: Knowledge) -> list[str]:
    """Every disagreement, one sentence each; none when the data may be shipped."""
    return [
        *_check_digits(known),
        *_shared_codes(known),
        *_names(known),
        *_units(known),
        *_limits(known),
        *_usual_ranges(known),
        *_exclusive_sets(known),
        *_set_texts(known),
    ]


def _check_digits(known: Knowledge) -> Iterator[str]:
    places = [(analyte.name, key) for analyte in known.analytes for key in analyte.codes]
    places += [(one.name, key) for one in known.sets.values() for key in one.keys]
    places += [("loinc.toml", f"{LOINC}|{code}") for code in known.loinc.names]
    for place, key in places:
        coding = Coding.from_key(key)
        if coding.system == LOINC and not loinc_check_digit_holds(coding.code):
            yield f"{place}: {coding.code} is no LOINC code: its check digit is wrong"
        if coding.system == SNOMED_CT and not snomed_check_digit_holds(coding.code):
            yield f"{place}: {coding.code} is no SNOMED CT code: its check digit is wrong"
        if not code_shape_holds(coding.system, coding.code.removesuffix("*")):
            yield f"{place}: {coding.code} is no ICD code or category: it has not the form of one"


def _shared_codes(known: Knowledge) -> Iterator[str]:
    owner: dict[str, str] = {}
    for analyte in known.analytes:
        for key in analyte.codes:
            first = owner.setdefault(key, analyte.name)
            if first != analyte.name:
                yield f"{analyte.name}: {key} stands under {first} too; a code belongs to one analyte"


def _names(known: Knowledge) -> Iterator[str]:
    for analyte in known.analytes:
        rule = known.loinc.rules.get(analyte.name)
        for coding in _loinc_codes(analyte):
            named = known.loinc.names.get(coding.code)
            if named is None:
                yield f"{analyte.name}: {coding.code} has no reviewed name; add it to loinc.toml with its source"
            elif rule is None:
                yield f"{analyte.name}: loinc.toml does not say which names are this analyte"
            elif not rule.allows(named):
                yield f"{analyte.name}: {coding.code} is {named.name}, which is another measurement"
    for named in known.loinc.names.values():
        if named.source not in known.loinc.sources:
            yield f"loinc.toml: {named.code} names the source {named.source}, which is not listed"


def _units(known: Knowledge) -> Iterator[str]:
    for analyte in known.analytes:
        if measure(analyte.unit) is None:
            yield f"{analyte.name}: {analyte.unit} is no UCUM unit"
            continue
        for coding in _loinc_codes(analyte):
            named = known.loinc.names.get(coding.code)
            if named is not None and read_unit(analyte, UCUM, named.unit, None).problem is not None:
                yield f"{analyte.name}: {coding.code} is measured in {named.unit}, of another kind than {analyte.unit}"


def _limits(known: Knowledge) -> Iterator[str]:
    for analyte in known.analytes:
        (lowest, highest), (low, high) = analyte.physical, analyte.plausible
        if not lowest < highest:
            yield f"{analyte.name}: its physical limits leave no value"
        if not low < high:
            yield f"{analyte.name}: its plausible limits leave no value"
        if low < lowest or high > highest:
            yield f"{analyte.name}: a plausible limit lies outside the physical limits"


def _usual_ranges(known: Knowledge) -> Iterator[str]:
    owner = {key: analyte for analyte in known.analytes for key in analyte.codes}
    for key, usual in known.usual.items():
        analyte = owner.get(key)
        if analyte is None:
            yield f"usual.toml: {key} is a code of no analyte"
            continue
        if usual.unit != analyte.unit:
            yield f"usual.toml: {key} is in {usual.unit}, but {analyte.name} is read in {analyte.unit}"
        lowest, highest = analyte.physical
        bounds = [Fraction(bound) for bound in (usual.low, usual.high) if bound is not None]
        if any(not lowest <= bound <= highest for bound in bounds):
            yield f"usual.toml: {key} has a usual limit outside the physical limits of {analyte.name}"


def _exclusive_sets(known: Knowledge) -> Iterator[str]:
    owner: dict[tuple[str, str], str] = {}
    for one in known.sets.values():
        for key in one.keys if one.exclusive else ():
            first = owner.setdefault((one.collection, key), one.name)
            if first != one.name:
                yield f"{one.name}: {key} stands in {first} too; in {one.collection} a code is in one set at most"


def _set_texts(known: Knowledge) -> Iterator[str]:
    for one in known.sets.values():
        if not (one.version and one.date and one.source):
            yield f"{one.name}: a value set has a version, a date and a source"
        if len(set(one.keys)) != len(one.keys) or not one.keys:
            yield f"{one.name}: a code stands there twice, or none at all"
        for concept in one.concepts:
            if not concept.display:
                yield f"{one.name}: {concept.code} has no display"
            named = known.loinc.names.get(concept.code) if concept.system == LOINC else None
            if named is not None and named.name != concept.display:
                yield f"{one.name}: {concept.code} is {named.name}, not {concept.display}"


def _loinc_codes(analyte: Analyte) -> Iterator[Coding]:
    return (coding for coding in map(Coding.from_key, analyte.codes) if coding.system == LOINC)


def main() -> int:
    """Print every finding of the shipped data; 1 if there is one."""
    found = findings(Knowledge())
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
