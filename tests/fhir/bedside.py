"""One made-up patient, one potassium and what `read` says about them: small inputs for tests of single rules."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from cdss.domain.instant import parse_index_time
from cdss.fhir.read import read
from cdss.workflow.reading import read_report

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
AS_OF = parse_index_time("2025-09-03T19:00:00Z")
BASE = "https://fhir.example.org/r4/"

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
