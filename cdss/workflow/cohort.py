"""Cohort and outcome files: whom to assess, when, and what became of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cdss.domain.instant import instant_text, parse_index_time
from cdss.errors import CohortError, UsageError

_SUBJECT = re.compile(r"(?:Patient/)?([A-Za-z0-9\-.]{1,64})")
_ENCOUNTER = re.compile(r"(?:Encounter/)?([A-Za-z0-9\-.]{1,64})")
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_MEND = "Mend the row and try again."


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CohortRow:
    """One question: a subject, an instant (microseconds), a stay; with the clinician's estimate, if any."""

    subject: str
    index_time: int
    encounter: str | None = None
    clinician_estimate: float | None = None

    @property
    def key(self) -> tuple[str, int, str]:
        """What an outcome is joined on."""
        return self.subject, self.index_time, self.encounter or ""


def cohort_row(subject: str, index_time: str, encounter: str = "", estimate: str = "", *, place: str) -> CohortRow:
    """Check one row of a cohort.

    Raises
    ------
    CohortError
        Naming the row and what is wrong with it, never its values.
    """
    whose = _SUBJECT.fullmatch(subject.strip())
    if not whose:
        raise CohortError(place=place, reason="subject is not a FHIR id", remedy=_MEND)
    stay = _ENCOUNTER.fullmatch(encounter.strip()) if encounter.strip() else None
    if encounter.strip() and not stay:
        raise CohortError(place=place, reason="encounter is not a FHIR id", remedy=_MEND)
    try:
        instant = parse_index_time(index_time)
    except UsageError as error:
        reason, _, remedy = str(error).partition(". ")
        raise CohortError(place=place, reason=reason, remedy=remedy or _MEND) from error
    probability = None
    if estimate.strip():
        probability = float(estimate) if _NUMBER.fullmatch(estimate.strip()) else -1.0
        if not 0 <= probability <= 1:
            raise CohortError(
                place=place,
                reason="clinician_estimate is not a probability from 0 to 1",
                remedy="Write 0.37, not 37; leave it empty where there is none.",
            )
    return CohortRow(
        subject=f"Patient/{whose[1]}",
        index_time=instant,
        encounter=f"Encounter/{stay[1]}" if stay else None,
        clinician_estimate=probability,
    )


def read_cohort(source: str | Path | pd.DataFrame | Iterable[Mapping[Any, object]]) -> list[CohortRow]:
    """Rows of a cohort, with the columns `subject, index_time[, encounter][, clinician_estimate]`.

    Parameters
    ----------
    source : str, Path, DataFrame or mappings
        A path is read as CSV.

    Raises
    ------
    CohortError
        If a column is missing or a row is not usable.
    """
    rows = []
    for place, row in _rows(source, ("subject", "index_time"), ("encounter", "clinician_estimate")):
        estimate = row.get("clinician_estimate", "")
        rows.append(cohort_row(row["subject"], row["index_time"], row.get("encounter", ""), estimate, place=place))
    return rows


def read_outcomes(source: str | Path | pd.DataFrame) -> dict[tuple[str, int, str], int | None]:
    """Outcome (0, 1 or unknown) of each `subject, index_time[, encounter]`.

    Raises
    ------
    CohortError
        If a column is missing, an outcome is neither 0, 1 nor empty, or two rows contradict each other.
    """
    found: dict[tuple[str, int, str], int | None] = {}
    for place, row in _rows(source, ("subject", "index_time", "outcome"), ("encounter",)):
        key = cohort_row(row["subject"], row["index_time"], row.get("encounter", ""), place=place).key
        text = row["outcome"].strip()
        if text not in ("0", "1", "0.0", "1.0", ""):
            raise CohortError(place=place, reason="outcome is neither 0, 1 nor empty", remedy=_MEND)
        outcome = None if not text else int(float(text))
        if found.setdefault(key, outcome) != outcome:
            raise CohortError(place=place, reason="outcome contradicts an earlier row of the same key", remedy=_MEND)
    return found


def _rows(
    source: str | Path | pd.DataFrame | Iterable[Mapping[Any, object]], needed: Sequence[str], allowed: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    if isinstance(source, str | Path):
        yield from _file_rows(Path(source), needed, allowed)
        return
    records = source.to_dict("records") if isinstance(source, pd.DataFrame) else source
    for number, record in enumerate(records, start=1):
        place = f"cohort row {number}"
        _check_columns(place, [str(name) for name in record], needed, allowed)
        yield place, {str(name): _text(value) for name, value in record.items()}


def _file_rows(path: Path, needed: Sequence[str], allowed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            _check_columns(path.name, list(reader.fieldnames or ()), needed, allowed)
            for row in reader:
                place = f"{path.name}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise CohortError(place=place, reason="has more or fewer cells than the header", remedy=_MEND)
                yield place, row
    except OSError as error:
        raise CohortError(
            place=str(path), reason=f"cannot be read ({error.strerror})", remedy="Check the path."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(
            place=path.name, reason="is not a readable CSV file in UTF-8", remedy="Export it again."
        ) from error


def _check_columns(place: str, found: Sequence[str], needed: Sequence[str], allowed: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in found]:
        raise CohortError(place=place, reason=f"has no column {missing[0]}", remedy=f"It needs {', '.join(needed)}.")
    if twice := [name for number, name in enumerate(found) if name in found[:number]]:
        raise CohortError(place=place, reason=f"has the column {twice[0]} twice", remedy="Take one of them out.")
    if unknown := [name for name in found if name not in (*needed, *allowed)]:
        known = ", ".join((*needed, *allowed))
        raise CohortError(place=place, reason=f"has an unknown column {unknown[0]!r}", remedy=f"Known are {known}.")


def _text(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, pd.Timestamp):
        return instant_text(parse_index_time(value.to_pydatetime())) if value.tzinfo else value.isoformat()
    return str(value)
