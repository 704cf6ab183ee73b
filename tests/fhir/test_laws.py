"""Laws of reading: order, repetition, company and packing change no event; whatever comes in, the counts balance."""

from __future__ import annotations

import copy
import gzip
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bedside import AS_OF, bundle, code, measured, patient, potassium, pressure, quantity, to_bytes, to_ndjson
from hypothesis import given, settings
from hypothesis import strategies as st

from cdss.errors import CdssError
from cdss.fhir.read import read
from cdss.workflow.reading import events_table, read_report

SNOMED = "http://snomed.info/sct"
SUBJECT = {"subject": {"reference": "Patient/p1"}}
IDENTIFIER = {"system": "urn:oid:1", "value": "7"}
STAY = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "period": {"start": "2025-09-01T06:00:00Z", "end": "2025-09-02T06:00:00Z"},
} | SUBJECT
RESOURCES: list[dict[str, Any]] = [
    patient(identifier=[IDENTIFIER]),
    STAY,
    potassium("k1"),
    potassium("k2", status="preliminary", valueQuantity=quantity(4.6), issued="2025-09-03T18:30:00Z"),
    potassium("k3"),
    potassium("k4", valueQuantity=quantity(3.1), meta={"versionId": "1"}, effectiveDateTime="2025-09-03T18:11:00Z"),
    potassium("k4", valueQuantity=quantity(3.3), meta={"versionId": "2"}, effectiveDateTime="2025-09-03T18:11:00Z"),
    potassium(
        "k5",
        valueQuantity=quantity(comparator="<"),
        subject={"identifier": IDENTIFIER},
        effectiveDateTime="2025-09-03T18:12:00Z",
    ),
    measured("8310-5", 98.6, "[degF]", own_id="t"),
    potassium("a", code=code("80288-4"), valueQuantity=None, valueCodeableConcept=code("LA9340-6")),
    pressure(encounter={"reference": "Encounter/e"}),
    {"resourceType": "Condition", "id": "c", "code": code("44054006", system=SNOMED),
     "encounter": {"reference": "Encounter/e"}} | SUBJECT,
    {"resourceType": "Medication", "id": "m", "code": code("7806", system="http://www.nlm.nih.gov/research/umls/rxnorm")},
    {"resourceType": "MedicationRequest", "id": "r", "status": "active", "intent": "order",
     "authoredOn": "2025-09-01T10:00:00Z", "medicationReference": {"reference": "Medication/m"}} | SUBJECT,
    {"resourceType": "Procedure", "id": "o", "status": "completed", "code": code("1", system=SNOMED),
     "performedDateTime": "2025-09-01"} | SUBJECT,
]  # fmt: skip
IRRELEVANT = [
    {"resourceType": "Organization", "id": "org"},
    {"resourceType": "AllergyIntolerance", "id": "al", "patient": {"reference": "Patient/p1"}},
    potassium("bad", status="entered-in-error"),
    potassium("stranger", subject={"reference": "Patient/p2"}),
    {"resourceType": "OperationOutcome"},
    {"resourceType": "Nonsense", "id": "n"},
]


@contextmanager
def source(files: dict[str, bytes]) -> Iterator[Path]:
    """A file, or a directory where there are several."""
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(raw)
        yield path if len(files) == 1 else Path(folder)


def events_of(files: dict[str, bytes]) -> list[Any]:
    with source(files) as path:
        return list(read(path, subject="p1", index_time=AS_OF).events)


def as_bundle(resources: list[Any]) -> dict[str, bytes]:
    return {"all.json": to_bytes(bundle(*resources))}


EVENTS = events_of(as_bundle(RESOURCES))


def test_the_example_has_every_kind_of_event() -> None:
    assert {event.kind.name for event in EVENTS} == {"OBSERVATION", "CONDITION", "ENCOUNTER", "PROCEDURE", "MEDICATION"}
    assert len(EVENTS) == 12


@pytest.mark.catalogue(21)
@given(st.permutations(RESOURCES))
def test_order_changes_no_event(resources: list[Any]) -> None:
    assert events_of(as_bundle(resources)) == EVENTS


@pytest.mark.catalogue(23)
@given(st.lists(st.sampled_from(RESOURCES), max_size=8))
def test_repetition_changes_no_event(again: list[Any]) -> None:
    assert events_of(as_bundle(RESOURCES + again)) == EVENTS


@given(st.lists(st.sampled_from(IRRELEVANT), max_size=8), st.integers(0, len(RESOURCES)))
def test_company_changes_no_event(others: list[Any], place: int) -> None:
    assert events_of(as_bundle(RESOURCES[:place] + others + RESOURCES[place:])) == EVENTS


@given(st.lists(st.integers(0, 2), min_size=len(RESOURCES), max_size=len(RESOURCES)), st.booleans(), st.booleans())
def test_packing_changes_no_event(parts: list[int], lines: bool, packed: bool) -> None:
    files = {}
    for part in set(parts):
        chosen = [resource for resource, where in zip(RESOURCES, parts, strict=True) if where == part]
        raw = to_ndjson(*chosen) if lines else to_bytes(bundle(*chosen))
        name = f"{part}.{'ndjson' if lines else 'json'}{'.gz' if packed else ''}"
        files[f"folder{part}/{name}"] = gzip.compress(raw) if packed else raw
    assert events_of(files) == EVENTS


def test_one_resource_a_file_changes_no_event() -> None:
    assert events_of({f"{number}.json": to_bytes(one) for number, one in enumerate(RESOURCES)}) == EVENTS


def test_the_exported_table_has_one_row_an_event() -> None:
    with source(as_bundle(RESOURCES)) as path:
        record = read(path)
    table = events_table(record)
    assert table.num_rows == len(record.events) == record.counts.events
    assert table.column("source").to_pylist() == [event.source for event in record.events]
    assert table.column("value").to_pylist() == [
        event.value if isinstance(event.value, float) else None for event in record.events
    ]
    assert table.column("effective").to_pylist() == [event.effective for event in record.events]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["Patient/p1", "Patient", "2025", "2025-09-03T18:10:00Z", "http://loinc.org", "2823-3", "final"]),
    st.builds(dict),
    st.builds(list),
    st.recursive(st.text(max_size=3), lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part)),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(member, (*path, key))


PLACES = list(places(bundle(*RESOURCES)))


def mutate(document: Any, path: tuple[Any, ...], junk: Any, delete: bool) -> None:
    for step in path[:-1]:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return  # an earlier mutation took the place away
    if isinstance(document, dict) and delete:
        document.pop(path[-1], None)
    elif isinstance(document, dict) or (isinstance(document, list) and path[-1] in range(len(document))):
        document[path[-1]] = junk


@pytest.mark.parametrize("lines", [False, True])
@settings(max_examples=300)
@given(mutations=st.lists(st.tuples(st.sampled_from(PLACES), JUNK, st.booleans()), min_size=1, max_size=4))
def test_whatever_comes_in_the_counts_balance(lines: bool, mutations: list[tuple[Any, Any, bool]]) -> None:
    document = copy.deepcopy(bundle(*RESOURCES))
    for path, junk, delete in mutations:
        mutate(document, path, junk, delete)
    raw = json.dumps(document).encode() + b"\n"
    with source({"input.ndjson" if lines else "input.json": raw}) as path:
        try:
            record = read(path, index_time=AS_OF)
        except CdssError:
            return
    report = read_report(record, subject="p1", index_time=AS_OF, lookback=None)
    json.dumps(report)
    assert record.counts.resources == sum(
        getattr(record.counts, part) for part in ("used", "not_needed", "put_aside", "refused")
    )
    entries = document.get("entry")
    if isinstance(entries, list) and document.get("resourceType") == "Bundle":
        assert record.counts.resources >= len(entries)
    assert all(event.effective <= event.issued for event in record.events)
