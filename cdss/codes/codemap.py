"""A hospital's own code map: which codes of its systems mean a code that the product reads.

A map adds a code to an event and takes none away. It is refused as a whole where one row of it cannot be proved: half a
map, in silence, is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cdss.codes.loinc import loinc_table
from cdss.codes.valueset import sets_holding
from cdss.domain.coding import (
    ICD_9_CM,
    ICD_10,
    ICD_10_CM,
    LOINC,
    SNOMED_CT,
    Coding,
    code_shape_holds,
    loinc_check_digit_holds,
    snomed_check_digit_holds,
)
from cdss.domain.event import Rejection
from cdss.errors import CodeMapError
from cdss.units import analyte_for

_CHECK_DIGITS = {LOINC: ("LOINC", loinc_check_digit_holds), SNOMED_CT: ("SNOMED CT", snomed_check_digit_holds)}
_ICD = {ICD_9_CM: "ICD-9-CM", ICD_10: "ICD-10", ICD_10_CM: "ICD-10-CM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One row: `own` means `target`. `place` is where it stands, for messages."""

    place: str
    own: Coding
    target: Coding


@dataclass(frozen=True, eq=False, kw_only=True)
class CodeMap:
    """A map that holds; two maps are the same only if they are one object, so that readers may remember by it.

    Parameters
    ----------
    place : str
        Name of its file.
    digest : str
        SHA-256 of the bytes of its file.
    targets : mapping of str to tuple of str
        The codes, as `system|code`, that each own code means besides itself; sorted.
    ignored : tuple of Rejection
        Parts of the file that are not used, each with its reason; never a part of a CSV file.
    """

    place: str
    digest: str
    targets: Mapping[str, tuple[str, ...]]
    ignored: tuple[Rejection, ...] = ()

    def extended(self, keys: Sequence[str]) -> tuple[str, ...]:
        """The `system|code` keys themselves, followed by what they mean."""
        means = [target for key in keys for target in self.targets.get(key, ())]
        return tuple(dict.fromkeys((*keys, *means)))

    def to_dict(self) -> dict[str, str | int]:
        """What a report says of the map."""
        return {"file": self.place, "digest": self.digest, "codes": len(self.targets)}


def build_map(rows: Sequence[MapRow], place: str, digest: str, ignored: tuple[Rejection, ...] = ()) -> CodeMap:
    """Check every row, and put them together; their order is irrelevant.

    Raises
    ------
    CodeMapError
        Naming the first row that cannot be proved, and why.
    """
    targets: dict[str, set[str]] = {}
    for row in rows:
        _check(row)
        known = targets.setdefault(row.own.key, set())
        for other in sorted(known):
            if _meaning(other) != _meaning(row.target.key):
                raise _refuse(
                    row,
                    f"the same code is mapped to {Coding.from_key(other).code} too, which is {_meaning(other)}, "
                    f"not {_meaning(row.target.key)}",
                    "Keep the one that is right.",
                )
        known.add(row.target.key)
    ordered = {own: tuple(sorted(found)) for own, found in sorted(targets.items())}
    return CodeMap(place=place, digest=digest, targets=MappingProxyType(ordered), ignored=ignored)


def _check(row: MapRow) -> None:
    for which, coding in (("source", row.own), ("target", row.target)):
        if "*" in coding.code:
            reason = f"a {which} code is one code, and {coding.code} is a pattern"
            raise _refuse(row, reason, "Write a row for each code.")
        if not code_shape_holds(coding.system, coding.code):
            reason = f"{coding.code} is no {_ICD[coding.system]} code: it has not the form of one"
            raise _refuse(row, reason, "Correct it; its letters are upper case.")
        name, holds = _CHECK_DIGITS.get(coding.system, ("", None))
        if holds is not None and not holds(coding.code):
            raise _refuse(row, f"{coding.code} is no {name} code: its check digit is wrong", "Correct it.")
    if row.own == row.target:
        raise _refuse(row, "a code is mapped to itself", "Leave the row out.")
    meaning = _meaning(row.target.key)
    if meaning is None:
        raise _refuse(
            row,
            f"{row.target.code} is a code that no analyte and no value set of this product holds",
            "Take one of docs/reference/units.md or codes.md, or leave the row out.",
        )
    already = _meaning(row.own.key)
    if already is not None and already != meaning:
        raise _refuse(row, f"{row.own.code} is {already} already, not {meaning}", "Correct the target.")
    _check_name(row)


def _check_name(row: MapRow) -> None:
    """Refuse a LOINC code whose reviewed name is another measurement, such as lactate dehydrogenase for lactate."""
    analyte = analyte_for(row.target.key)
    named = loinc_table().names.get(row.own.code) if row.own.system == LOINC else None
    rule = None if analyte is None else loinc_table().rules.get(analyte.name)
    if named is not None and rule is not None and not rule.allows(named):
        raise _refuse(row, f"{row.own.code} is {named.name}, another measurement", "Correct the target.")


def _meaning(key: str) -> str | None:
    """What a code stands for: an analyte, or what the value sets that hold it are about; None if nothing knows it."""
    analyte = analyte_for(key)
    if analyte is not None:
        return analyte.label
    held = sets_holding(key)
    return f"a code of a {held[0].kind}" if held else None


def _refuse(row: MapRow, reason: str, remedy: str) -> CodeMapError:
    return CodeMapError(place=row.place, reason=f"{row.own.code} -> {row.target.code}: {reason}", remedy=remedy)
