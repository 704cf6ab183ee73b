"""The plain Python functions: paths in, domain types or a DataFrame out. None of them opens a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from cdss.codes import CodeMap
from cdss.fhir.codemap import read_code_map
from cdss.fhir.read import read as read_source
from cdss.record import PatientRecord
from cdss.workflow.by_parts import answers_of, open_record
from cdss.workflow.cohort import read_cohort
from cdss.workflow.model import Model, load_model


def read(
    source: str | Path,
    *,
    subject: str | None = None,
    strict: bool = False,
    code_map: str | Path | CodeMap | None = None,
) -> PatientRecord:
    """Read FHIR R4: a Bundle, a resource, an NDJSON file, or a directory of them.

    Parameters
    ----------
    source : str or Path
    subject : str, optional
        `ID` or `Patient/ID`; all patients without it.
    strict : bool
        Also validate with fhir.resources.
    code_map : str, Path or CodeMap, optional
        What the hospital's own codes mean: CSV or a FHIR ConceptMap. An event keeps its own codes too.

    Raises
    ------
    InputRefusedError, SourceNotFoundError
        If the input as a whole cannot be used; its message says why and what to do.
    CodeMapError
        If a row of the code map cannot be proved, naming it.
    """
    return read_source(source, subject=subject, strict=strict, code_map=code_map_of(code_map))


def code_map_of(given: str | Path | CodeMap | None) -> CodeMap | None:
    """A code map as it was given, or read from the file it was named by."""
    return read_code_map(given) if isinstance(given, (str, Path)) else given


def assess_cohort(
    source: str | Path | PatientRecord,
    model: Model | str,
    cohort: str | Path | pd.DataFrame | Iterable[Mapping[str, object]],
    *,
    code_map: str | Path | CodeMap | None = None,
) -> pd.DataFrame:
    """Assess every row of a cohort.

    Parameters
    ----------
    source : str, Path or PatientRecord
    model : Model or str
    cohort : str, Path, DataFrame or mappings
        `subject, index_time[, encounter][, clinician_estimate]`.
    code_map : str, Path or CodeMap, optional
        For a path: what the hospital's own codes mean. A record has been read with its own.

    Returns
    -------
    DataFrame
        One row per cohort row, in its order. Columns `kind, subject, encounter, index_time, probability, low, high,
        log_odds, band, flag, team_probability, disagreement, reasons, id, inputs_digest`; `assessment` is the whole
        answer as JSON text.
    """
    loaded = load_model(model) if isinstance(model, str) else model
    rows = read_cohort(cohort)
    with ExitStack() as stack:
        held = (
            source
            if isinstance(source, PatientRecord)
            else stack.enter_context(open_record(source, code_map=code_map_of(code_map)))
        )
        flat = [flat_answer(answer) for answer in answers_of(loaded, held, rows, lambda count: None)]
    return pd.DataFrame(flat, columns=list(flat_answer({})))


def flat_answer(answer: Mapping[str, Any]) -> dict[str, object]:
    """One assessment, in its public JSON form, as a flat row."""
    interval, team = answer.get("interval", {}), answer.get("team", {})
    reasons = [reason["code"] for reason in answer.get("reasons", ())]
    plain = ("kind", "subject", "encounter", "index_time", "probability")
    return {
        **{name: answer.get(name) for name in plain},
        "low": interval.get("low"),
        "high": interval.get("high"),
        **{name: answer.get(name) for name in ("log_odds", "band", "flag")},
        "team_probability": team.get("probability"),
        "disagreement": team.get("disagreement"),
        "reasons": " ".join(reasons) or None,
        **{name: answer.get(name) for name in ("id", "inputs_digest")},
        "assessment": json.dumps(answer, ensure_ascii=False),
    }
