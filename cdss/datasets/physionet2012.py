"""PhysioNet/CinC Challenge 2012 -> FHIR R4, as docs/reference/dataset-physionet2012.md describes.

Silva I et al. Predicting in-hospital mortality of ICU patients: the PhysioNet/Computing in Cardiology Challenge 2012.
Comput Cardiol 2012;39:245-248. The files have no dates: every stay is given one fictitious admission, and every
resource is tagged as test data. One stay is held in memory at a time.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cdss.datasets.tables import read_rows
from cdss.datasets.writing import TEST_TAG, Dataset, DatasetWriter, concept, time_text, write_admission
from cdss.domain.coding import LOINC, PHYSIONET2012, SNOMED_CT, UCUM
from cdss.errors import CohortError, InputRefusedError, SourceNotFoundError

ADMISSION = datetime(2001, 1, 1, tzinfo=UTC)
INDEX_AFTER = timedelta(hours=48)

TABLE: Mapping[str, Any] = tomllib.loads(files(__package__).joinpath("physionet2012.toml").read_text("utf-8"))
"""What each parameter becomes: `series`, `procedure`, `question` and `answer`."""

_CODES = {
    name: {"coding": [{"system": LOINC, "code": code} for code in series["code"]]}
    for name, series in TABLE["series"].items()
}
_NO_VALUE = {name: frozenset({-1, *series.get("missing", ())}) for name, series in TABLE["series"].items()}
_MISSING = frozenset({-1})
_GENDERS = {1: "male", 0: "female"}
_ABOUT_THE_STAY = frozenset({"RecordID", "Age", "Gender"})
_RECORD, _TABLE = ("Time", "Parameter", "Value"), ("RecordID", "minute", "Parameter", "Value")
_OUTCOMES = ("RecordID", "In-hospital_death")
_NO_TEXT = frozenset({"", "NA", "NaN", "nan"})
_TIME = re.compile(r"(\d\d):([0-5]\d)", re.ASCII)
_MINUTE = re.compile(r"\d{1,4}", re.ASCII)
_LAST_MINUTE = 100 * 60 - 1  # 99:59
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:\.\d{1,18})?(?:[eE][-+]?\d\d?)?", re.ASCII)
_LARGEST_EXPONENT = 30
_RECORD_ID = re.compile(r"[1-9]\d{0,17}", re.ASCII)


class _Row(NamedTuple):
    place: str
    minute: int
    parameter: str
    value: Decimal


_Stay = tuple[str, list[_Row]]
"""RecordID, and the rows that have a parameter and a value."""


def write_physionet2012(
    inputs: Sequence[Path], out: Path, progress: Callable[[int], Any] = lambda stays: None
) -> Dataset:
    """Write stays of the PhysioNet Challenge 2012 as FHIR.

    Parameters
    ----------
    inputs : sequence of Path
        Records as the Challenge gives them (`<RecordID>.txt`), sets of records as Parquet (RecordID, minute, Parameter,
        Value), files of outcomes, or directories of these.
    out : Path
        Directory of the NDJSON, `cohort.csv` and `outcomes.csv`.
    progress : callable
        Called with 1 for each stay.

    Returns
    -------
    Dataset

    Raises
    ------
    SourceNotFoundError, InputRefusedError, CohortError
        If a file is missing, is of another kind, holds a row that is not what its column promises, or names an outcome
        of a stay that is in none of the files.
    """
    readers: list[Iterator[_Stay]] = []
    outcomes: dict[str, str] = {}
    for path in chain.from_iterable(map(_files_of, inputs)):
        form = _form_of(path)
        if form is _OUTCOMES:
            _read_outcomes(path, outcomes)
        else:
            readers.append(_stays_of_table(path) if form is _TABLE else _stay_of_record(path))
    seen: set[str] = set()
    columns = ("subject", "index_time", "encounter")
    with DatasetWriter(out, columns, (*columns, "outcome")) as writer:
        for record, rows in chain.from_iterable(readers):
            if record in seen:
                reason, remedy = "is given twice, or its rows do not follow each other", "Give each stay once."
                raise CohortError(place=f"RecordID {record}", reason=reason, remedy=remedy)
            seen.add(record)
            _write_stay(writer, record, rows, outcomes.get(record, ""))
            progress(1)
        if unknown := outcomes.keys() - seen:
            raise InputRefusedError(
                place=f"RecordID {min(unknown, key=int)}",
                reason="outcome-without-stay",
                message=f"has an outcome and no stay, as have {len(unknown) - 1} others",
                remedy="Give the records that belong to the outcomes, and no outcomes of another set.",
            )
        return writer.rows


# ---- reading --------------------------------------------------------------------------------------------------------


def _files_of(path: Path) -> list[Path]:
    """The files one input stands for, in the order of their names."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceNotFoundError(path)
    found = sorted(one for one in path.iterdir() if one.suffix in (".txt", ".parquet") and one.is_file())
    if not found:
        raise _refused(path, "holds no .txt and no .parquet file")
    return found


def _form_of(path: Path) -> tuple[str, ...]:
    """Which columns a file has: a record's, a table's of many records, or those of outcomes."""
    try:
        with path.open("rb") as raw:
            head = raw.readline(4096)
        columns = [] if head.startswith(b"PAR1") else head.decode("utf-8-sig").strip().split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, "cannot be read as a record, a table of records or outcomes") from error
    if not columns or "minute" in columns:
        return _TABLE
    if "RecordID" in columns:
        return _OUTCOMES
    if "Time" in columns:
        return _RECORD
    raise _refused(path, "is no record, no table of records and no outcomes")


def _read_outcomes(path: Path, outcomes: dict[str, str]) -> None:
    for place, row in read_rows(path, _OUTCOMES):
        record, died = _record_id(row["RecordID"], place), row["In-hospital_death"].strip()
        if record in outcomes:
            raise _bad(place, f"RecordID {record} is repeated")
        if died not in ("0", "1", "-1", ""):
            raise _bad(place, "In-hospital_death is not 0 or 1")
        outcomes[record] = "" if died == "-1" else died


def _stay_of_record(path: Path) -> Iterator[_Stay]:
    """The one stay of a file as the Challenge gives it."""
    record, rows = _record_id(path.stem, path.name), list[_Row]()
    for place, row in read_rows(path, _RECORD):
        if not (time := _TIME.fullmatch(row["Time"].strip())):
            raise _bad(place, "Time is not hours:minutes")
        rows += _row(place, int(time[1]) * 60 + int(time[2]), row)
    yield record, rows


def _stays_of_table(path: Path) -> Iterator[_Stay]:
    """The stays of a long table, in which the rows of one stay follow each other."""
    for text, found in groupby(read_rows(path, _TABLE), key=lambda placed: placed[1]["RecordID"]):
        record, rows = "", list[_Row]()
        for place, row in found:
            record = record or _record_id(text, place)
            minute = row["minute"].strip()
            if not _MINUTE.fullmatch(minute) or int(minute) > _LAST_MINUTE:
                raise _bad(place, "minute is not a minute of the first hundred hours")
            rows += _row(place, int(minute), row)
        yield record, rows


def _row(place: str, minute: int, row: Mapping[str, str]) -> Iterator[_Row]:
    """A row that says something: none where parameter or value is missing."""
    parameter, text = row["Parameter"].strip(), row["Value"].strip()
    if text in _NO_TEXT or not parameter:
        return
    value = _decimal(text)
    if value is None:
        raise _bad(place, "Value is not a number, or has too many digits")
    if value not in _NO_VALUE.get(parameter, _MISSING):
        yield _Row(place, minute, parameter, value)


@lru_cache(maxsize=1 << 14)
def _decimal(text: str) -> Decimal | None:
    value = Decimal(text) if _NUMBER.fullmatch(text) else None
    return None if value is None or abs(value.adjusted()) > _LARGEST_EXPONENT else value


def _record_id(text: str, place: str) -> str:
    if not _RECORD_ID.fullmatch(text.strip()):
        raise _bad(place, "RecordID is missing or no whole number")
    return text.strip()


def _bad(place: str, reason: str) -> CohortError:
    return CohortError(place=place, reason=reason, remedy="Mend it, or empty the cell if it may be missing.")


def _refused(path: Path, message: str) -> InputRefusedError:
    return InputRefusedError(
        place=path.name,
        reason="not-this-data-set",
        message=message,
        remedy="Give the records (<RecordID>.txt or Parquet) and outcomes of the Challenge, or a directory of them.",
    )


# ---- writing --------------------------------------------------------------------------------------------------------


def _write_stay(writer: DatasetWriter, record: str, rows: Sequence[_Row], outcome: str) -> None:
    name = f"physionet2012-{record}"
    born, gender = _about(record, rows)
    whose = write_admission(writer, name, ADMISSION, born=born, gender=gender)
    ids: Counter[str] = Counter()
    for place, minute, parameter, value in rows:
        if parameter in _ABOUT_THE_STAY:
            continue
        own = f"{name}-{minute // 60:02}{minute % 60:02}-{parameter}"
        ids[own] += 1
        head = {"id": own if ids[own] == 1 else f"{own}-{ids[own]}", "meta": TEST_TAG}
        resource = _resource(parameter, value, head, whose, _moment(minute))
        if resource is None:
            raise _bad(place, "is no parameter of the Challenge, or has a value that it does not have")
        writer.resource(resource)
    key = (f"Patient/{name}", time_text(ADMISSION + INDEX_AFTER), f"Encounter/{name}")
    writer.row("cohort.csv", key)
    writer.row("outcomes.csv", (*key, outcome))


def _resource(
    parameter: str, value: Decimal, head: Mapping[str, Any], whose: Mapping[str, Any], at: str
) -> Mapping[str, Any] | None:
    """The resource of one value, or None where it has no meaning."""
    times = {"status": "final", "effectiveDateTime": at, "issued": at}
    if series := TABLE["series"].get(parameter):
        unit = series["unit"]
        quantity = {"value": _json(value, series.get("times", 1)), "unit": unit, "system": UCUM, "code": unit}
        code = _CODES[parameter]
        return {"resourceType": "Observation", **head, **times, **whose, "code": code, "valueQuantity": quantity}
    if (code := TABLE["procedure"].get(parameter)) and value in (0, 1):
        status, done = "completed" if value else "not-done", concept(SNOMED_CT, code)
        return {"resourceType": "Procedure", **head, "status": status, "code": done, **whose, "performedDateTime": at}
    question, answers = TABLE["question"].get(parameter), TABLE["answer"].get(parameter, {})
    if answer := answers.get(f"{value.normalize():f}"):
        code, found = concept(PHYSIONET2012, question), concept(PHYSIONET2012, answer)
        return {"resourceType": "Observation", **head, **times, **whose, "code": code, "valueCodeableConcept": found}
    return None


def _about(record: str, rows: Sequence[_Row]) -> tuple[date | None, str | None]:
    """Birth date and gender of a stay, where it has them."""
    told: dict[str, Decimal] = {}
    for place, _, parameter, value in rows:
        if parameter not in _ABOUT_THE_STAY:
            continue
        if told.setdefault(parameter, value) != value:
            raise _bad(place, f"{parameter} is given twice, and differs")
        if parameter == "RecordID" and value != int(record):
            raise _bad(place, "RecordID is another than that of the stay")
        if parameter == "Age" and not (0 <= value <= 150 and value == int(value)):
            raise _bad(place, "Age is not an age in whole years")
        if parameter == "Gender" and value not in _GENDERS:
            raise _bad(place, "Gender is not 0 or 1")
    age, gender = told.get("Age"), told.get("Gender")
    born = None if age is None else ADMISSION.date().replace(year=ADMISSION.year - int(age))
    return born, None if gender is None else _GENDERS[int(gender)]


@lru_cache(maxsize=1 << 14)
def _json(value: Decimal, times: int) -> msgspec.Raw:
    """A number as JSON: no exponent, and no zeros at its end that a form of the data set may leave out."""
    text = format(value * times, "f")
    return msgspec.Raw((text.rstrip("0").rstrip(".") if "." in text else text).encode())


@lru_cache(maxsize=_LAST_MINUTE + 1)
def _moment(minute: int) -> str:
    return time_text(ADMISSION + timedelta(minutes=minute))
