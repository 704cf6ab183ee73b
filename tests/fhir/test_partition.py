"""A source read in parts says what the same source says whole: events, findings, counts, blocks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bedside import BASE, code, measured, patient, potassium, to_bytes, to_ndjson

from cdss.domain.event import Rejection
from cdss.errors import InputRefusedError
from cdss.fhir.files import open_source
from cdss.fhir.partition import HoldsBundleError, Parts
from cdss.fhir.read import read
from cdss.fhir.settle import in_order, issued_missing
from cdss.record import PatientRecord

MRN = "https://example.org/mrn"
Resource = dict[str, Any]


def events(record: PatientRecord) -> Counter[tuple[object, ...]]:
    table = record.events
    return Counter(
        (
            table.subjects[table.subject[row]], table.codesets[table.codes[row]], table.answers[table.coded[row]],
            table.units[table.unit[row]], table.sources[table.source[row]], int(table.kind[row]), int(table.rank[row]),
            int(table.effective[row]), int(table.known[row]), int(table.end[row]), repr(float(table.value[row])),
            int(table.comparator[row]),
        )
        for row in range(len(table))
    )  # fmt: skip


def in_parts(path: Path, count: int) -> tuple[list[PatientRecord], list[Rejection], Parts]:
    parts = Parts(open_source(path), count)
    try:
        parts.split()
        records = list(parts.records())
        assert parts._scratch is not None
        folder = parts._scratch.folder
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        parts.close()
    assert not folder.exists()
    rejections = [found for record in records for found in record.rejections]
    rejections += issued_missing(parts.unissued, parts.source.place)
    return records, sorted(rejections, key=in_order), parts


def check(path: Path, count: int) -> Parts:
    whole = read(path)
    records, rejections, parts = in_parts(path, count)
    assert sum((events(record) for record in records), Counter()) == events(whole)
    assert Counter(rejections) == Counter(whole.rejections)
    for field in ("used", "not_needed", "put_aside", "refused", "events"):
        assert sum(getattr(record.counts, field) for record in records) == getattr(whole.counts, field), field
    assert {name: facts for record in records for name, facts in record.patients.items()} == dict(whole.patients)
    assert set(parts.blocked) == set(whole.source_blocks)
    for name in whole.patients:
        mine = records[parts.group_of(name)]
        assert name in mine.patients
    for record in records:
        assert set(record.source_blocks) == set(whole.source_blocks)
    return parts


def ward(count: int = 40) -> list[Resource]:
    """Patients whose records are in order."""
    found: list[Resource] = []
    for number in range(count):
        who = f"w{number}"
        found.append(patient(who, identifier=[{"system": MRN, "value": f"m{number}"}]))
        subject = {"reference": f"Patient/{who}"}
        stay = {"reference": f"Encounter/e{number}"}
        found.append(
            {
                "resourceType": "Encounter", "id": f"e{number}", "status": "finished", "subject": subject,
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "period": {"start": "2025-09-01T08:00:00Z", "end": "2025-09-05T08:00:00Z"},
            }
        )  # fmt: skip
        for hour in range(6):
            at = f"2025-09-02T{10 + hour}:00:00Z"
            issued = {"issued": at} if number % 2 else {}
            found.append(
                measured(
                    "2823-3", 3.5 + hour / 10, "mmol/L", f"k{number}-{hour}", subject=subject, encounter=stay,
                    effectiveDateTime=at, **issued,
                )
            )  # fmt: skip
        found.append(
            {"resourceType": "Condition", "id": f"c{number}", "code": code("44054006", system="http://snomed.info/sct"),
             "subject": subject, "encounter": stay}
        )  # fmt: skip
        found.append(
            {"resourceType": "MedicationRequest", "id": f"r{number}", "status": "active", "intent": "order",
             "medicationReference": {"reference": f"Medication/d{number % 3}"}, "subject": subject,
             "authoredOn": "2025-09-02T10:00:00Z"}
        )  # fmt: skip
    found += [
        {"resourceType": "Medication", "id": f"d{number}", "code": code(f"{number}", system="http://example.org/drugs")}
        for number in range(2)
    ]
    found += [{"resourceType": "Organization", "id": f"o{number}"} for number in range(7)]
    return found


def odd() -> list[Any]:
    """What ties records together, or belongs to nobody."""
    other = {"subject": {"reference": "Patient/w2"}}
    by_number = {"subject": {"identifier": {"system": MRN, "value": "m5"}}}
    return [
        potassium("k1-0", **other),  # the id of another patient's result
        potassium("k3-0", **other),
        potassium("stray", **other, encounter={"reference": "Encounter/e9"}),
        potassium("lost", **other, encounter={"reference": "Encounter/nowhere"}),
        potassium("lost2", subject={"reference": "Patient/w3"}, encounter={"reference": "Encounter/nowhere"}),
        potassium("numbered", **by_number),
        potassium("unnumbered", subject={"identifier": {"system": MRN, "value": "nobody"}}),
        potassium("claimed", subject={"reference": "Patient/w7", "identifier": {"system": MRN, "value": "m8"}}),
        patient("twin", identifier=[{"system": MRN, "value": "m6"}]),
        potassium("of-twins", subject={"identifier": {"system": MRN, "value": "m6"}}),
        potassium("nobodys", subject=None),
        potassium("elsewhere", subject={"reference": f"{BASE}Patient/w1"}),
        potassium("wrong", subject={"reference": "Patient/w4"}, status="unknown"),
        {"resourceType": "observation", "id": "case", "subject": {"reference": "Patient/w4"}},
        {"resourceType": "DiagnosticReport", "id": "dr", "subject": {"reference": "Patient/w4"}},
        {"resourceType": "Medication", "id": "d0", "code": code("9", system="http://example.org/drugs")},
        patient("w11", active=False),
        {"no": "type"},
        [1, 2],
    ]


RAW = [b'{"resourceType":"Observation","id":"nan","value":NaN}', b'{"id":"1","id":"2"}', b"{", b"\xff", b'"text"']


@pytest.mark.parametrize("count", [1, 2, 5, 17])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_any_number_of_parts_a_source_says_the_same(tmp_path: Path, count: int, seed: int) -> None:
    lines = [to_bytes(resource) for resource in (*ward(), *odd())] + RAW
    random.Random(seed).shuffle(lines)
    (tmp_path / "a.ndjson").write_bytes(b"\n".join(lines[::2]))
    (tmp_path / "b.ndjson").write_bytes(b"\r\n".join(lines[1::2]) + b"\n")
    check(tmp_path, count)


def test_records_in_order_are_never_tied_together(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(to_ndjson(*ward()))
    parts = check(tmp_path, 6)
    assert len(parts._groups) == 6


def test_without_encounters_a_dangling_one_is_no_finding_in_any_part(tmp_path: Path) -> None:
    resources = [one for one in ward() if one["resourceType"] not in ("Encounter", "Condition")]
    (tmp_path / "a.ndjson").write_bytes(to_ndjson(*resources))
    check(tmp_path, 4)


@pytest.mark.parametrize(
    "bad", [b"", b"{}\n[]\n", b'{"resourceType":"Observation",\n', b"\x1f\x8b cut", b"<html>", b"\xff\xfe{\0"]
)
def test_a_file_that_cannot_be_read_blocks_every_part(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "a.ndjson").write_bytes(to_ndjson(*ward(10)))
    (tmp_path / "bad.ndjson").write_bytes(bad)
    check(tmp_path, 3)


def test_an_incomplete_export_blocks_every_part(tmp_path: Path) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    (tmp_path / "a.ndjson").write_bytes(to_ndjson(*ward(10), outcome))
    assert check(tmp_path, 3).blocked


def test_a_single_file_that_cannot_be_read_is_refused_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"{}\n{}\n")
    with pytest.raises(InputRefusedError) as whole:
        read(path)
    with pytest.raises(InputRefusedError) as parted:
        in_parts(path, 3)
    assert str(parted.value) == str(whole.value)


def test_a_bundle_among_the_lines_is_never_split(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(to_ndjson(*ward(3), {"resourceType": "Bundle", "type": "collection", "entry": []}))
    with pytest.raises(HoldsBundleError):
        in_parts(path, 3)


def test_real_records_say_the_same_in_parts(data_set: Callable[[str], Path], tmp_path: Path) -> None:
    for number, path in enumerate(sorted(data_set("mimic-iv-demo").rglob("*.ndjson*"))):
        (tmp_path / f"{number:02}-{path.name}").write_bytes(path.read_bytes())
    check(tmp_path, 4)
