"""SUPPORT2 -> FHIR R4, as docs/reference/dataset-support2.md describes.

Knaus WA et al. The SUPPORT prognostic model. Ann Intern Med 1995;122:191-203. The file has no dates: every patient is
given one fictitious admission, and every resource is tagged as test data.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from cdss.datasets.writing import TEST_TAG, Dataset, DatasetWriter, concept, time_text, write_admission
from cdss.domain.coding import LOINC, SNOMED_CT, SUPPORT2, UCUM
from cdss.errors import CohortError, InputRefusedError, SourceNotFoundError

ADMISSION = datetime(1990, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=180)

# Column: system, code, UCUM unit. Codes from models.md section 1, each with a correct check digit.
MEASUREMENTS = {
    "meanbp": (LOINC, "8478-0", "mm[Hg]"),
    "hrt": (LOINC, "8867-4", "/min"),
    "resp": (LOINC, "9279-1", "/min"),
    "temp": (LOINC, "8310-5", "Cel"),
    "pafi": (LOINC, "50984-4", "mm[Hg]"),
    "ph": (LOINC, "2744-1", "[pH]"),
    "crea": (LOINC, "2160-0", "mg/dL"),
    "sod": (LOINC, "2951-2", "mmol/L"),
    "alb": (LOINC, "1751-7", "g/dL"),
    "bili": (LOINC, "1975-2", "mg/dL"),
    "glucose": (LOINC, "2345-7", "mg/dL"),
    "bun": (LOINC, "3094-0", "mg/dL"),
    "wblc": (LOINC, "6690-2", "10*3/uL"),
    "urine": (LOINC, "9192-6", "mL"),
    "scoma": (SUPPORT2, "scoma", "{score}"),
    "adlsc": (SUPPORT2, "adlsc", "{score}"),
    "num.co": (SUPPORT2, "num-co", "{score}"),
}
DISEASE_GROUPS = {
    "ARF/MOSF w/Sepsis": "arf-mosf-sepsis",
    "CHF": "chf",
    "COPD": "copd",
    "Cirrhosis": "cirrhosis",
    "Colon Cancer": "colon-cancer",
    "Coma": "coma",
    "Lung Cancer": "lung-cancer",
    "MOSF w/Malig": "mosf-malignancy",
}
COMORBIDITIES = {"diabetes": "73211009", "dementia": "52448006"}
CANCER = {"yes": "363346000", "metastatic": "128462008"}
ESTIMATES = {"prg6m": "Practitioner/support2-physician", "surv6m": "Device/support2-model-1995"}
REQUIRED = ("id", "age", "sex", "dzgroup", "hday", "ca", *COMORBIDITIES, *MEASUREMENTS)
_MISSING = frozenset({"", "NA", "NaN", "nan"})
_LARGEST_EXPONENT = 30
_LONGEST_STAY = 36_525
_LONGEST_ID = 40


@dataclass(frozen=True)
class _Stay:
    row: Mapping[str, str]
    place: str

    def text(self, column: str) -> str:
        found = (self.row.get(column) or "").strip()
        return "" if found in _MISSING else found

    def number(self, column: str) -> Decimal | None:
        """A number of the row, or None where it is missing."""
        text = self.text(column)
        if not text:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
            raise self._bad(column, "a number")
        return number

    def probability(self, column: str) -> Decimal | None:
        """A probability of the row, or None where it is missing."""
        number = self.number(column)
        if number is not None and not 0 <= number <= 1:
            raise self._bad(column, "a probability from 0 to 1")
        return number

    def flag(self, column: str) -> bool | None:
        """A yes or no of the row, written 1 or 0; None where it is missing."""
        number = self.number(column)
        if number not in (None, 0, 1):
            raise self._bad(column, "0 or 1")
        return None if number is None else number == 1

    def day(self, column: str) -> int:
        """A day of stay of the row, counted from 1."""
        number = self.number(column)
        if number is None or not 1 <= number <= _LONGEST_STAY or number != int(number):
            raise self._bad(column, "a day of stay from 1")
        return int(number)

    def age(self, column: str) -> Decimal | None:
        """An age in years of the row, or None where it is missing."""
        number = self.number(column)
        if number is not None and not 0 <= number <= 150:
            raise self._bad(column, "an age in years")
        return number

    def _bad(self, column: str, needed: str) -> CohortError:
        reason = f"column {column} is not {needed}"
        return CohortError(place=self.place, reason=reason, remedy="Mend the cell, or empty it if it may be missing.")


def write_support2(inputs: Sequence[Path], out: Path, progress: Callable[[int], Any] = lambda rows: None) -> Dataset:
    """Write SUPPORT2 rows as FHIR.

    Parameters
    ----------
    inputs : sequence of Path
        CSV files, plain or gzip, with `id` and the original column names.
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
        If a file is missing, is not such a CSV, or holds a cell that is not what its column promises.
    """
    seen: set[str] = set()
    columns = ("subject", "index_time", "encounter")
    with DatasetWriter(out, (*columns, "clinician_estimate"), (*columns, "outcome")) as writer:
        for resource in _estimators():
            writer.resource(resource)
        for path in inputs:
            for stay in _stays(path):
                name = stay.text("id")
                if not name.isascii() or not name.isalnum() or len(name) > _LONGEST_ID or name in seen:
                    raise CohortError(
                        place=stay.place,
                        reason="id is missing, not plain, too long or repeated",
                        remedy="Give each row its id.",
                    )
                seen.add(name)
                _write_stay(writer, stay, f"support2-{name}")
                progress(1)
        return writer.rows


def _stays(path: Path) -> Iterator[_Stay]:
    if not path.is_file():
        raise SourceNotFoundError(path)
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig") as text:
            rows = csv.DictReader(text, strict=True)
            absent = [column for column in REQUIRED if column not in (rows.fieldnames or ())]
            if absent:
                raise InputRefusedError(
                    place=path.name,
                    reason="columns-missing",
                    message=f"has no column {', '.join(absent)}",
                    remedy="Give the SUPPORT2 file with its original column names and an id column.",
                )
            for row in rows:
                place = f"{path.name}, line {rows.line_num}"
                if None in row or None in row.values():
                    remedy = "Fetch the file again, or mend the row."
                    raise CohortError(place=place, reason="has more or fewer cells than the header", remedy=remedy)
                yield _Stay(row, place)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputRefusedError(
            place=path.name, reason="not-csv", message="is not a readable CSV file", remedy="Fetch it again."
        ) from error


def _estimators() -> Iterator[dict[str, Any]]:
    yield {"resourceType": "Practitioner", "id": "support2-physician", "meta": TEST_TAG}
    yield {
        "resourceType": "Device",
        "id": "support2-model-1995",
        "meta": TEST_TAG,
        "deviceName": [{"name": "SUPPORT prognostic model, 1995", "type": "user-friendly-name"}],
    }


def _write_stay(writer: DatasetWriter, stay: _Stay, name: str) -> None:
    age = stay.age("age")
    entry = ADMISSION + timedelta(days=stay.day("hday") - 1)
    measured, index = entry + timedelta(days=2, hours=12), entry + timedelta(days=3)
    born = None if age is None else (ADMISSION - timedelta(days=round(float(age) * 365.25))).date()
    gender = stay.text("sex") if stay.text("sex") in ("male", "female") else None
    whose = write_admission(writer, name, ADMISSION, born=born, gender=gender)
    for column, code in _conditions(stay):
        writer.resource(
            {
                "resourceType": "Condition", "id": f"{name}-{column}", "meta": TEST_TAG, **whose,
                "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
                "verificationStatus": concept(
                    "http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"
                ),
                "code": concept(SNOMED_CT, code), "onsetDateTime": time_text(ADMISSION),
                "recordedDate": time_text(entry),
            }
        )  # fmt: skip
    for observation in _observations(stay, name, whose, entry, measured):
        writer.resource(observation)
    for column, performer in ESTIMATES.items():
        if (alive := stay.probability(column)) is not None:
            writer.resource(_risk_assessment(name, column, performer, whose, alive, entry, measured))
    alive = stay.probability("prg6m")
    key = (f"Patient/{name}", time_text(index), f"Encounter/{name}")
    writer.row("cohort.csv", (*key, "" if alive is None else format(1 - alive, "f")))
    writer.row("outcomes.csv", (*key, _outcome(stay)))


def _conditions(stay: _Stay) -> Iterator[tuple[str, str]]:
    for column, code in COMORBIDITIES.items():
        if stay.flag(column):
            yield column, code
    if code := CANCER.get(stay.text("ca"), ""):
        yield "ca", code


def _observations(
    stay: _Stay, name: str, whose: Mapping[str, Any], entry: datetime, measured: datetime
) -> Iterator[dict[str, Any]]:
    def observation(column: str, system: str, code: str, at: datetime) -> dict[str, Any]:
        return {
            "resourceType": "Observation", "id": f"{name}-{column.replace('.', '')}", "meta": TEST_TAG,
            "status": "final", "code": concept(system, code), **whose, "effectiveDateTime": time_text(at),
            "issued": time_text(at),
        }  # fmt: skip

    for column, (system, code, unit) in MEASUREMENTS.items():
        if (number := stay.number(column)) is not None:
            quantity = {"value": msgspec.Raw(format(number, "f").encode()), "unit": unit, "system": UCUM, "code": unit}
            yield {**observation(column, system, code, measured), "valueQuantity": quantity}
    if group := DISEASE_GROUPS.get(stay.text("dzgroup")):
        yield {**observation("dzgroup", SUPPORT2, "dzgroup", entry), "valueCodeableConcept": concept(SUPPORT2, group)}


def _risk_assessment(
    name: str, column: str, performer: str, whose: Mapping[str, Any], alive: Decimal, entry: datetime, at: datetime
) -> dict[str, Any]:
    percent = format((1 - alive) * 100, "f")
    return {
        "resourceType": "RiskAssessment", "id": f"{name}-{column}", "meta": TEST_TAG, "status": "final", **whose,
        "occurrenceDateTime": time_text(at), "performer": {"reference": performer},
        "prediction": [
            {
                "outcome": {"text": "death"}, "probabilityDecimal": msgspec.Raw(percent.encode()),
                "whenPeriod": {"start": time_text(entry), "end": time_text(entry + HORIZON)},
            }
        ],
    }  # fmt: skip


def _outcome(stay: _Stay) -> str:
    death, days = stay.flag("death"), stay.number("d.time")
    if death is None or days is None:
        return ""
    return "1" if death and days <= HORIZON.days else "0"
