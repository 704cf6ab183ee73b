"""Small sources made by hand: what is in them is known, so the figures of their report are too."""

from __future__ import annotations

import json
from typing import Any

from cdss.cli.quality import shipped_specs
from cdss.domain.instant import parse_index_time
from cdss.fhir.census import read_counted
from cdss.fhir.files import Source, SourceFile, source_of
from cdss.record import PatientRecord
from cdss.workflow.quality import quality_report

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
MADE = parse_index_time("2026-03-01T00:00:00Z")
Resource = dict[str, Any]


def patient(own_id: str, **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": own_id, "gender": "female", "birthDate": "1950-01-02"} | more


def result(
    own_id: str, value: Any, *, unit: str = "mg/dL", owner: str = "a", code: str = "2160-0", **more: Any
) -> Resource:
    made = {
        "resourceType": "Observation",
        "id": own_id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{owner}"},
        "effectiveDateTime": "2026-01-03T10:00:00Z",
        "issued": "2026-01-03T11:00:00Z",
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    } | more
    return {name: part for name, part in made.items() if part is not None}


def stay(own_id: str, start: str, end: str | None, owner: str = "a") -> Resource:
    return {
        "resourceType": "Encounter",
        "id": own_id,
        "status": "finished" if end else "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{owner}"},
        "period": {"start": start} | ({"end": end} if end else {}),
    }


def lines(*resources: Any) -> bytes:
    return b"".join(
        json.dumps(one).encode() + b"\n" if not isinstance(one, bytes) else one + b"\n" for one in resources
    )


def directory(files: dict[str, bytes]) -> Source:
    """A directory of files that are in memory."""
    return Source(
        "export", tuple(source_of(raw, name).files[0] for name, raw in sorted(files.items())), is_directory=True
    )


def one_file(*resources: Any) -> Source:
    return source_of(lines(*resources), "all.ndjson")


def report_of(source: Source | str, **options: Any) -> tuple[PatientRecord, dict[str, Any]]:
    record = read_counted(source, **options)
    return record, quality_report(record, shipped_specs(), made=MADE, version="test", **options)


__all__ = ["LOINC", "MADE", "SourceFile", "directory", "lines", "one_file", "patient", "report_of", "result", "stay"]
