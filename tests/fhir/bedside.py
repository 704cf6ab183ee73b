"""One made-up patient, one potassium and what `read` says about them: small inputs for tests of single rules."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from cdss.domain.instant import parse_index_time
from cdss.errors import InputRefusedError
from cdss.fhir.read import read
from cdss.workflow.reading import read_report

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
AS_OF = parse_index_time("2025-09-03T19:00:00Z")
BASE = "https://fhir.example.org/r4/"
ONE_ASIDE, ONE_USED = (1, 0, 1, 0), (2, 0, 0, 0)
"""Used, not needed, put aside, refused: the patient is used; the result is put aside, or used too."""

Resource = dict[str, Any]


def patient(own_id: str = "p1", **changes: Any) -> Resource:
    return {"resourceType": "Patient", "id": own_id, "gender": "female", "birthDate": "1958-05-17"} | changes


def code(*codes: str, system: str = LOINC) -> Resource:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def quantity(value: Any = 3.9, unit: str = "mmol/L", **changes: Any) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit} | changes


def potassium(own_id: str = "k", **changes: Any) -> Resource:
    """A potassium of 3.9 mmol/L; a change to None leaves the element out."""
    resource = {
        "resourceType": "Observation",
        "id": own_id,
        "status": "final",
        "code": code("2823-3"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2025-09-03T18:10:00Z",
        "valueQuantity": quantity(),
    } | changes
    return {element: value for element, value in resource.items() if value is not None}


def measured(loinc: str, value: Any, unit: str, own_id: str = "k", **changes: Any) -> Resource:
    return potassium(own_id, code=code(loinc), valueQuantity=quantity(value, unit), **changes)


P1: Resource = {"subject": {"reference": "Patient/p1"}}
STAY: Resource = {
    "resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"system": "http://x", "code": "IMP"},
    "period": {"start": "2025-09-03T06:00:00Z"},
} | P1  # fmt: skip
DIABETES = {
    "resourceType": "Condition", "id": "c", "code": code("44054006", system="http://snomed.info/sct"),
    "recordedDate": "2020-01-01T00:00:00Z",
} | P1  # fmt: skip
ORDER = {
    "resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
    "authoredOn": "2025-09-01T00:00:00Z", "medicationCodeableConcept": code("1", system="http://x"),
} | P1  # fmt: skip
PROCEDURE = {
    "resourceType": "Procedure", "id": "o", "status": "completed", "code": code("1", system="http://x"),
    "performedDateTime": "2025-09-01T10:00:00Z",
} | P1  # fmt: skip


def pressure(systolic: Any = 124, diastolic: Any = 76, panel: str = "85354-9", **changes: Any) -> Resource:
    parts = [("8480-6", systolic), ("8462-4", diastolic)]
    components = [
        {"code": code(loinc), "valueQuantity": quantity(value, "mm[Hg]")} if not isinstance(value, dict) else value
        for loinc, value in parts
    ]
    return potassium("bp", code=code(panel), valueQuantity=None, component=components, **changes)


def bundle(*resources: Any, kind: str = "collection", base: str = BASE, **more: Any) -> Resource:
    entries = [
        {"fullUrl": f"{base}{resource['resourceType']}/{resource['id']}", "resource": deepcopy(resource)}
        if isinstance(resource, dict) and "resourceType" in resource and "id" in resource
        else resource
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries} | more


def to_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def to_ndjson(*resources: Any) -> bytes:
    return b"".join(to_bytes(resource) + b"\n" for resource in resources)


class Reading:
    """What `read` reports of a file about patient p1."""

    def __init__(self, path: Path, index_time: int | None = AS_OF, subject: str | None = "p1") -> None:
        self.record = read(path, subject=subject, index_time=index_time)
        self.report = read_report(self.record, subject=subject, index_time=index_time, lookback=None)
        parts = [self.report[name] for name in ("used", "not_needed", "put_aside", "refused")]
        assert self.report["resources"] == sum(parts)

    def value(self, loinc: str = "2823-3") -> str | None:
        """Number, with the comparator before and the unit after it."""
        for found in self.report.get("values", ()):
            if (found["system"], found["code"]) == (LOINC, loinc):
                return f"{found['comparator'] or ''}{found['value']} {found['unit']}"
        return None

    def reasons(self, severity: str | None = None) -> set[str]:
        return {
            finding["reason"]
            for finding in self.report["rejections"]
            if severity in (None, finding["severity"]) and finding["reason"] != "issued-missing"
        }

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Used, not needed, put aside, refused: each resource is in one of them."""
        counts = self.record.counts
        return counts.used, counts.not_needed, counts.put_aside, counts.refused

    def findings(self, severity: str) -> set[tuple[str, str, str]]:
        """Source, place in it and reason of each finding."""
        return {
            (found["source"], found["location"], found["reason"])
            for found in self.report["rejections"]
            if found["severity"] == severity and found["reason"] != "issued-missing"
        }

    @property
    def blocked(self) -> set[str]:
        return {block["reason"] for block in self.report["blocked"]}


def look(folder: Path, *resources: Any, with_patient: bool = True, **options: Any) -> Reading:
    """Read these resources as one Bundle, behind patient p1 unless the test brings its own."""
    everyone = (patient(), *resources) if with_patient else resources
    return look_at(folder, to_bytes(bundle(*everyone)), **options)


def look_at(folder: Path, raw: bytes, name: str = "input.json", **options: Any) -> Reading:
    """Read these bytes as a file."""
    path = folder / name
    path.write_bytes(raw)
    return Reading(path, **options)


def is_put_aside(reading: Reading, location: str, reason: str, source: str = "Observation/k") -> None:
    """The one result beside the patient is put aside, for this reason at this place, and gives no value."""
    assert reading.findings("error") == {(source, location, reason)}
    assert reading.counts == ONE_ASIDE
    assert reading.report["values"] == []
    assert not reading.blocked


def is_used(reading: Reading, *notes: tuple[str, str]) -> None:
    """The one result beside the patient is used, with these notes about it."""
    assert reading.findings("error") == set()
    assert reading.findings("note") == {("Observation/k", location, reason) for location, reason in notes}
    assert reading.counts == ONE_USED
    assert not reading.blocked


def is_refused(folder: Path, raw: bytes, reason: str, where: str = "", name: str = "input.json") -> None:
    """The input as a whole is refused, with its place, and nothing of it is used or left on the disk."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputRefusedError) as refused:
        look_at(folder, raw, name)
    assert (refused.value.reason, refused.value.exit_code) == (reason, 3)
    assert where in str(refused.value)
    assert sorted(folder.rglob("*")) == sorted({*before, folder / name})
