"""Diabetes 130-US hospitals -> FHIR R4, as docs/reference/dataset-diabetes130.md describes.

Strack B et al. Impact of HbA1c measurement on hospital readmission rates. BioMed Research International 2014:781670.
The file has no dates, and its order is not time: every stay gets a fictitious one, and every resource is tagged as test
data.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from cdss.datasets.tables import read_rows
from cdss.datasets.writing import TEST_TAG, Dataset, DatasetWriter, time_text
from cdss.domain.coding import (
    ACT_CODE,
    ATC,
    DIABETES130,
    DISCHARGE_DISPOSITION,
    ICD_9_CM,
    LOINC,
    SNOMED_CT,
    UCUM,
    code_shape_holds,
)
from cdss.errors import CohortError

COLUMNS: Mapping[str, Any] = tomllib.loads(files(__package__).joinpath("diabetes130.toml").read_text("utf-8"))
DIAGNOSES = ("diag_1", "diag_2", "diag_3")
DOSES = {"Steady": "steady", "Up": "up", "Down": "down"}
OUTCOMES = {"<30": "1", ">30": "0", "NO": "0", "": ""}
REQUIRED = (
    "encounter_id", "patient_nbr", "gender", "age", *COLUMNS["id"], "time_in_hospital", "medical_specialty", *DIAGNOSES,
    *(entry["column"] for kind in ("number", "answer", "bin") for entry in COLUMNS[kind]), *COLUMNS["drug"],
)  # fmt: skip
FIRST_YEAR = 2000
APART = timedelta(days=30)  # from discharge to discharge of one patient: more than twice the longest stay
LONGEST_STAY = 14
LEFT_OUT = "code-malformed"
_MOST_STAYS = 61  # in one age band: five years, from its middle to its end
_MISSING = frozenset({"", "?", "NaN", "nan"})
_NO_SPECIALTY = "PhysicianNotFound"
_BAND = re.compile(r"\[([0-9]{1,2})-([0-9]{2,3})\)")
_ID, _COUNT = re.compile(r"[0-9]{1,20}"), re.compile(r"[0-9]{1,6}")
_SPECIALTY = re.compile(r"[A-Za-z][A-Za-z&/ -]{0,59}")
_SHORT_ICD = re.compile(r"^[0-9]{1,2}(?=\.|$)")
_MEND = "Mend the cell, or empty it if it may be missing."


@dataclass(frozen=True)
class _Row:
    cells: Mapping[str, str]
    place: str

    def text(self, column: str, *missing: str) -> str:
        """A cell, or "" where it is missing."""
        found = self.cells.get(column, "").strip()
        return "" if found in _MISSING or found in missing else found

    def matching(self, column: str, shape: re.Pattern[str], needed: str) -> str:
        """A cell that must be there and have this shape."""
        found = self.text(column)
        if not shape.fullmatch(found):
            raise self.bad(column, needed)
        return found

    def level(self, column: str, levels: Mapping[str, Any], *missing: str) -> Any:
        """What a level of the column stands for, or None where the cell is missing."""
        found = self.text(column, *missing)
        if found and found not in levels:
            raise self.bad(column, f"one of {', '.join(level for level in levels if level)}")
        return levels[found] if found else None

    def number(self, column: str) -> int | None:
        """A count, or None where it is missing."""
        return int(self.matching(column, _COUNT, "a count")) if self.text(column) else None

    @property
    def encounter(self) -> str:
        return self.matching("encounter_id", _ID, "a number")

    @property
    def patient(self) -> str:
        return self.matching("patient_nbr", _ID, "a number")

    @property
    def band(self) -> int:
        """The lower end of the age band, in years."""
        found = _BAND.fullmatch(self.text("age"))
        low, high = (int(found[1]), int(found[2])) if found else (-1, -1)
        if low % 10 or high != low + 10:
            raise self.bad("age", "an age band of ten years, such as [70-80)")
        return low

    @property
    def days(self) -> int:
        """Days in hospital."""
        days = self.number("time_in_hospital")
        if days is None or not 1 <= days <= LONGEST_STAY:
            raise self.bad("time_in_hospital", f"a number of days from 1 to {LONGEST_STAY}")
        return days

    def bad(self, column: str, needed: str) -> CohortError:
        return CohortError(place=self.place, reason=f"column {column} is not {needed}", remedy=_MEND)


@dataclass
class _Patient:
    """What all rows of a patient say together: sexes, and encounter ids by age band."""

    place: str
    genders: set[str] = field(default_factory=set)
    stays: dict[int, list[int]] = field(default_factory=dict)

    @property
    def birth(self) -> datetime:
        """So that the patient is in the middle of the lowest band on the first day of `FIRST_YEAR`."""
        return datetime(FIRST_YEAR - _middle(min(self.stays)), 1, 1, tzinfo=UTC)

    def discharges(self) -> Iterator[tuple[int, datetime]]:
        """A made-up discharge for each encounter, at an age of its band."""
        for band, encounters in self.stays.items():
            if len(encounters) > _MOST_STAYS:
                reason = f"its patient has more than {_MOST_STAYS} stays in one age band"
                raise CohortError(place=self.place, reason=reason, remedy="Check patient_nbr.")
            first = datetime(self.birth.year + _middle(band), 1, 1, tzinfo=UTC)
            for number, encounter in enumerate(sorted(encounters)):
                yield encounter, first + number * APART


def _middle(band: int) -> int:
    return band + 5


def write_diabetes130(inputs: Sequence[Path], out: Path, progress: Callable[[int], Any] = lambda rows: None) -> Dataset:
    """Write Diabetes 130-US rows as FHIR.

    The rows are read twice, a few at a time: first for what several of them say of one patient, then one by one. Only
    the ids are held in memory.

    Parameters
    ----------
    inputs : sequence of Path
        Parquet or CSV files (CSV plain or gzip) with the original column names.
    out : Path
        Directory of the NDJSON, `cohort.csv` and `outcomes.csv`.
    progress : callable
        Called with 1 for each row.

    Returns
    -------
    Dataset

    Raises
    ------
    SourceNotFoundError, InputRefusedError, CohortError
        If a file is missing, is no such table, or holds a cell that is not what its column promises.
    """
    columns = ("subject", "index_time", "encounter")
    with DatasetWriter(out, columns, (*columns, "outcome")) as writer:
        patients = _patients(inputs)
        discharge: dict[int, datetime] = {}
        for number, patient in patients.items():
            discharge.update(patient.discharges())
            for resource in _patient_resources(f"diabetes130-{number}", patient):
                writer.resource(resource)
        for row in _rows(inputs):
            stay = _Stay(row, discharge[int(row.encounter)])
            for resource in stay.resources():
                writer.resource(resource)
            for column in stay.left_out:
                writer.left_out(f"Encounter/{stay.name}", column, LEFT_OUT)
            key = (stay.subject, time_text(stay.end), f"Encounter/{stay.name}")
            writer.row("cohort.csv", key)
            writer.row("outcomes.csv", (*key, row.level("readmitted", OUTCOMES) or ""))
            progress(1)
        return writer.rows


def _rows(inputs: Sequence[Path]) -> Iterator[_Row]:
    for place, cells in chain.from_iterable(read_rows(path, REQUIRED) for path in inputs):
        yield _Row(cells, place)


def _patients(inputs: Sequence[Path]) -> dict[str, _Patient]:
    patients: dict[str, _Patient] = {}
    seen: set[int] = set()
    for row in _rows(inputs):
        encounter = int(row.encounter)
        if encounter in seen:
            remedy = "Give each stay once, under its own encounter_id."
            raise CohortError(place=row.place, reason="encounter_id is repeated", remedy=remedy)
        seen.add(encounter)
        patient = patients.setdefault(str(int(row.patient)), _Patient(row.place))
        patient.stays.setdefault(row.band, []).append(encounter)
        if row.text("gender") in ("Female", "Male"):
            patient.genders.add(row.text("gender").lower())
    return patients


def _patient_resources(name: str, patient: _Patient) -> Iterator[dict[str, Any]]:
    resource: dict[str, Any] = {"resourceType": "Patient", "id": name, "meta": TEST_TAG}
    if len(patient.genders) == 1:  # rows that contradict each other say nothing
        (resource["gender"],) = patient.genders
    resource["birthDate"] = patient.birth.date().isoformat()
    yield resource
    inclusion = COLUMNS["inclusion"]
    known = time_text(min(at for _, at in patient.discharges()) - timedelta(days=LONGEST_STAY))
    yield {
        "resourceType": "Condition", "id": f"{name}-inclusion", "meta": TEST_TAG,
        "clinicalStatus": _concept(("http://terminology.hl7.org/CodeSystem/condition-clinical", "active")),
        "verificationStatus": _verified(),
        "code": _concept((SNOMED_CT, inclusion["snomed"]), (DIABETES130, inclusion["code"], inclusion["display"])),
        "subject": {"reference": f"Patient/{name}"}, "onsetDateTime": known, "recordedDate": known,
    }  # fmt: skip


class _Stay:
    """One row as resources."""

    def __init__(self, row: _Row, end: datetime) -> None:
        self.row, self.end = row, end
        self.start = end - timedelta(days=row.days)
        self.left_out: list[str] = []
        self.name = f"diabetes130-{int(row.encounter)}"
        self.subject = f"Patient/diabetes130-{int(row.patient)}"
        self.whose = {"subject": {"reference": self.subject}, "encounter": {"reference": f"Encounter/{self.name}"}}

    def resources(self) -> Iterator[dict[str, Any]]:
        """The encounter and all that was found in it."""
        conditions = list(self._conditions())
        yield self._encounter([one["id"] for one in conditions])
        yield from conditions
        yield from self._observations()
        yield from self._medications()

    def _encounter(self, conditions: Sequence[str]) -> dict[str, Any]:
        days = self.row.days
        stay: dict[str, Any] = {
            "resourceType": "Encounter", "id": self.name, "meta": TEST_TAG, "status": "finished",
            "class": {"system": ACT_CODE, "code": "IMP"}, "subject": self.whose["subject"],
            "period": {"start": time_text(self.start), "end": time_text(self.end)},
            "length": {"value": days, "unit": "d", "system": UCUM, "code": "d"},
        }  # fmt: skip
        if kind := self._id("admission_type_id"):
            stay["type"] = [_concept(kind)]
        if (specialty := self.row.text("medical_specialty", _NO_SPECIALTY)) != "":
            self.row.matching("medical_specialty", _SPECIALTY, "a specialty")
            code = re.sub(r"[^a-z]+", "-", specialty.lower()).strip("-")
            stay["serviceType"] = _concept((DIABETES130, f"specialty-{code}", specialty))
        hospitalization = {}
        if source := self._id("admission_source_id"):
            hospitalization["admitSource"] = _concept(source)
        if disposition := self._id("discharge_disposition_id"):
            standard = COLUMNS["disposition"].get(self.row.text("discharge_disposition_id"), "oth")
            hospitalization["dischargeDisposition"] = _concept(disposition, (DISCHARGE_DISPOSITION, standard))
        if hospitalization:
            stay["hospitalization"] = hospitalization
        if conditions:
            stay["diagnosis"] = [
                {"condition": {"reference": f"Condition/{one}"}, "rank": int(one[-1])} for one in conditions
            ]
        return stay

    def _id(self, column: str) -> tuple[str, str, str] | None:
        table = COLUMNS["id"][column]
        name = self.row.level(column, table["names"], *map(str, table["missing"]))
        return name and (DIABETES130, f"{table['code']}-{self.row.text(column)}", name)

    def _conditions(self) -> Iterator[dict[str, Any]]:
        """The diagnoses of the stay, over a day after it, so that no other stay of the patient has them."""
        codes = COLUMNS["condition"]
        for column in DIAGNOSES:
            if written := self.row.text(column):
                code = _SHORT_ICD.sub(lambda found: found[0].zfill(3), written)
                if not code_shape_holds(ICD_9_CM, code):
                    self.left_out.append(column)
                    continue
                yield {
                    "resourceType": "Condition", "id": f"{self.name}-{column.replace('_', '-')}", "meta": TEST_TAG,
                    "clinicalStatus": _concept(
                        ("http://terminology.hl7.org/CodeSystem/condition-clinical", codes["clinical"])
                    ),
                    "verificationStatus": _verified(),
                    "category": [
                        _concept(("http://terminology.hl7.org/CodeSystem/condition-category", codes["category"]))
                    ],
                    "code": _concept((ICD_9_CM, code)), **self.whose, "onsetDateTime": time_text(self.start),
                    "abatementDateTime": time_text(self.end + timedelta(days=1)), "recordedDate": time_text(self.end),
                }  # fmt: skip

    def _observations(self) -> Iterator[dict[str, Any]]:
        for entry in COLUMNS["number"]:
            if (number := self.row.number(entry["column"])) is not None:
                at = self.start if entry["at"] == "admission" else self.end
                quantity = {"value": number, "unit": "{count}", "system": UCUM, "code": "{count}"}
                yield {**self._observation(entry, _own(entry), at), "valueQuantity": quantity}
        for entry in COLUMNS["answer"]:
            if answer := self.row.level(entry["column"], entry["levels"]):
                coded = _concept((DIABETES130, answer))
                yield {**self._observation(entry, _own(entry), self.end), "valueCodeableConcept": coded}
        for entry in COLUMNS["bin"]:
            if found := self.row.level(entry["column"], entry["levels"], entry["not_measured"]):
                unit = entry["unit"]
                bound = {"value": found["value"], "comparator": found["comparator"], "unit": unit}
                part = {"code": _own(entry), "valueCodeableConcept": _concept((DIABETES130, found["code"]))}
                yield {
                    **self._observation(entry, _concept((LOINC, entry["loinc"])), self.end),
                    "valueQuantity": {**bound, "system": UCUM, "code": unit}, "component": [part],
                }  # fmt: skip

    def _observation(self, entry: Mapping[str, Any], code: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        return {
            "resourceType": "Observation", "id": f"{self.name}-{entry['code']}", "meta": TEST_TAG, "status": "final",
            "code": code, **self.whose, "effectiveDateTime": time_text(at), "issued": time_text(at),
        }  # fmt: skip

    def _medications(self) -> Iterator[dict[str, Any]]:
        for drug, atc in COLUMNS["drug"].items():
            if dose := self.row.level(drug, DOSES, "No"):
                codes = [(ATC, atc)] if atc else []
                yield {
                    "resourceType": "MedicationRequest", "id": f"{self.name}-{drug}", "meta": TEST_TAG,
                    "status": "completed", "intent": "order",
                    "medicationCodeableConcept": _concept(*codes, (DIABETES130, f"{drug}-{dose}")), **self.whose,
                    "authoredOn": time_text(self.end),
                }  # fmt: skip


def _own(entry: Mapping[str, Any]) -> dict[str, Any]:
    return _concept((DIABETES130, entry["code"], entry["display"]))


def _verified() -> dict[str, Any]:
    return _concept(
        ("http://terminology.hl7.org/CodeSystem/condition-ver-status", COLUMNS["condition"]["verification"])
    )


def _concept(*codings: tuple[str, ...]) -> dict[str, Any]:
    """A CodeableConcept of codings (system, code[, display])."""
    return {"coding": [dict(zip(("system", "code", "display"), coding, strict=False)) for coding in codings]}
