"""Writing a data set: all files or none."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from cdss.domain.coding import ACT_CODE
from cdss.errors import UsageError

TEST_TAG = {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}
_encode = msgspec.json.Encoder().encode

Dataset = Mapping[str, int]
"""How many rows each file of a written data set has, by file name."""


class DatasetWriter:
    """`<ResourceType>.ndjson`, `cohort.csv` and `outcomes.csv`, moved into place only when all are complete."""

    def __init__(self, out: Path, cohort_columns: Sequence[str], outcome_columns: Sequence[str]) -> None:
        self.out, self.rows = out, dict[str, int]()
        self._columns = {"cohort.csv": cohort_columns, "outcomes.csv": outcome_columns}
        self._files: dict[str, IO[Any]] = {}

    def __enter__(self) -> DatasetWriter:
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise UsageError(f"{self.out}: exists and is not empty. Name a new directory for --out.")
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-", dir=self.out.parent))
        except OSError as error:
            raise UsageError(f"{self.out}: cannot be written ({error.strerror}). Name another --out.") from error
        for name, columns in self._columns.items():
            self._files[name] = opened = (self._scratch / name).open("w", newline="", encoding="utf-8")
            csv.writer(opened, lineterminator="\n").writerow(columns)
            self.rows[name] = 0
        return self

    def resource(self, resource: Mapping[str, Any]) -> None:
        """Write one resource to the file of its type."""
        name = f"{resource['resourceType']}.ndjson"
        if name not in self._files:
            self._files[name], self.rows[name] = (self._scratch / name).open("wb"), 0
        self._files[name].write(_encode(resource) + b"\n")
        self.rows[name] += 1

    def left_out(self, encounter: str, column: str, reason: str) -> None:
        """Tell, in `left-out.csv`, of a cell that became nothing because it is not what its column promises."""
        name = "left-out.csv"
        if name not in self._files:
            self._files[name] = (self._scratch / name).open("w", newline="", encoding="utf-8")
            self.rows[name] = -1
            self.row(name, ("encounter", "column", "reason"))
        self.row(name, (encounter, column, reason))

    def row(self, name: str, values: Iterable[object]) -> None:
        """Write one row of a CSV file."""
        csv.writer(self._files[name], lineterminator="\n").writerow(values)
        self.rows[name] += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in self._files.values():
            opened.close()
        try:
            if kind is None:
                self.out.mkdir(exist_ok=True)
                for name in self._files:
                    os.replace(self._scratch / name, self.out / name)
        except OSError as failure:
            raise UsageError(f"{self.out}: cannot be written ({failure.strerror}). Name another --out.") from failure
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)


def write_admission(
    writer: DatasetWriter, name: str, start: datetime, *, born: date | None, gender: str | None
) -> dict[str, Any]:
    """Write a patient and a stay in hospital without an end; give what refers to both, `subject` and `encounter`."""
    patient: dict[str, Any] = {"resourceType": "Patient", "id": name, "meta": TEST_TAG}
    if gender is not None:
        patient["gender"] = gender
    if born is not None:
        patient["birthDate"] = born.isoformat()
    writer.resource(patient)
    whose = {"subject": {"reference": f"Patient/{name}"}, "encounter": {"reference": f"Encounter/{name}"}}
    writer.resource(
        {
            "resourceType": "Encounter", "id": name, "meta": TEST_TAG, "status": "in-progress",
            "class": {"system": ACT_CODE, "code": "IMP"}, "subject": whose["subject"],
            "period": {"start": time_text(start)},
        }
    )  # fmt: skip
    return whose


def concept(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}


def time_text(moment: datetime) -> str:
    """A FHIR instant of a moment in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
