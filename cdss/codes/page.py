"""The page docs/reference/codes.md, made from the data: `python -m cdss.codes.page` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from cdss.codes.loinc import loinc_table
from cdss.codes.valueset import ValueSet, value_sets
from cdss.domain.coding import (
    ACT_CODE,
    ATC,
    DISCHARGE_DISPOSITION,
    ICD_9_CM,
    ICD_10,
    ICD_10_CM,
    LOINC,
    PHYSIONET2012,
    RXNORM,
    SNOMED_CT,
    SUPPORT2,
)
from cdss.units import analytes

_SYSTEMS = {
    LOINC: "LOINC",
    SNOMED_CT: "SNOMED CT",
    ICD_9_CM: "ICD-9-CM",
    ICD_10: "ICD-10",
    ICD_10_CM: "ICD-10-CM",
    ATC: "ATC",
    RXNORM: "RxNorm",
    ACT_CODE: "HL7 v3 ActCode",
    DISCHARGE_DISPOSITION: "HL7 discharge disposition",
    SUPPORT2: "local: SUPPORT2",
    PHYSIONET2012: "local: PhysioNet 2012",
}

_HEAD = """\
# Codes

This page is written from `cdss/codes/` by `make docs`; a test holds it to the data. To change it, change the data.

- A **value set** says which codes count as one thing. It has a version, a date and a source.
- A code that ends in `*` stands for every code that begins so, `390..459` for the ICD categories from one to the other.
- An ICD code is the same with its dot and without. One that has not the form of its system is in no set: `COPD` begins
  with C and is no cancer, and `c78.7` is not `C78.7`, since ICD is written in upper case.
- SNOMED CT is listed code by code: its hierarchy is not shipped.
- The codes of measurements, with their units and limits, are in [units.md](units.md); their reviewed names are below.
- `cdss/codes/display.toml` holds the words by which a display is held against its LOINC code. One that names another
  measurement or specimen than the code is a finding, `display-contradicts-code`; the code is what counts.
- `make lint` fails on a wrong check digit (LOINC, SNOMED CT), an ICD code that has not the form of one, a name that is
  not one of its analyte, a unit of another kind, a limit outside another, and a code under two things.
- A hospital adds its own codes with a [map](../how-to/map-local-codes.md) to the codes of these two pages.
"""


def page() -> str:
    """The whole page."""
    return "\n".join((_HEAD, "## Systems", "", *_systems(), "", *_collections(), *_names()))


def _systems() -> Iterator[str]:
    yield "| system | URI |"
    yield "|---|---|"
    for uri, name in _SYSTEMS.items():
        yield f"| {name} | `{uri}` |"


def _collections() -> Iterator[str]:
    collections: dict[str, list[ValueSet]] = {}
    for one in value_sets().values():
        collections.setdefault(one.collection, []).append(one)
    for collection, members in collections.items():
        first = members[0]
        yield f"## {collection.replace('-', ' ').capitalize()}"
        yield ""
        yield f"Codes of each {first.kind}. Version {first.version}, {first.date}. Source: {first.source}"
        if first.exclusive:
            yield "A code is in one of these sets at most."
        yield ""
        yield "| set | system | code | display |"
        yield "|---|---|---|---|"
        for one in members:
            for concept in one.concepts:
                yield f"| {one.title} | {_SYSTEMS[concept.system]} | `{concept.code}` | {concept.display} |"
        yield ""


def _names() -> Iterator[str]:
    table = loinc_table()
    owner = {key.partition("|")[2]: analyte.label for analyte in analytes() for key in analyte.codes}
    panels = {concept.code for one in value_sets().values() for concept in one.concepts if concept.system == LOINC}
    yield "## Reviewed LOINC names"
    yield ""
    yield f"Version {table.version}, {table.date}. LOINC is © Regenstrief Institute, Inc. Where a name was read:"
    yield ""
    yield from (f"- **{letter}**: {source}" for letter, source in table.sources.items())
    yield ""
    yield "| code | name | measured in | read as | source |"
    yield "|---|---|---|---|---|"
    for code, named in table.names.items():
        read_as = owner.get(code) or ("a panel" if code in panels else "not read: a near miss")
        yield f"| `{code}` | {named.name} | `{named.unit}` | {read_as} | {named.source} |"
    yield ""


if __name__ == "__main__":
    print(page(), end="")
