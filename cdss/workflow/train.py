"""Fit, calibrate, evaluate, and write a release proposal: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cdss.codes import CodeMap
from cdss.domain.digest import canonical_bytes, sha256
from cdss.domain.feature import FeatureSpec
from cdss.domain.instant import instant_text
from cdss.errors import CohortError, EvidenceError, UsageError
from cdss.evaluation import compare, evaluate, operating_point, risk_bands
from cdss.features import FeatureMatrix, build_features, read_spec
from cdss.fhir.codemap import read_code_map
from cdss.fhir.read import read
from cdss.record import PatientRecord
from cdss.risk.abstain import abstention_reasons
from cdss.risk.artefact import golden_vectors, json_bytes, write_release
from cdss.risk.calibrate import Floats
from cdss.risk.fit import FOLDS, CrossValidated, TrainingRows, cross_validate, fit_machine
from cdss.workflow.card import write_card
from cdss.workflow.cohort import CohortRow, read_cohort, read_outcomes
from cdss.workflow.model import Model, load_model

STEPS = (FOLDS + 1) * (FOLDS + 1) + 1
GOLDEN_ROWS = 64
ESTIMATE_CLIP = 0.01


@dataclass(frozen=True, slots=True)
class Cohort:
    """Rows with a known outcome that the model would answer for, and why the others are out."""

    rows: list[CohortRow]
    outcomes: list[int]
    values: Floats
    attrition: dict[str, int]
    abstained: dict[str, dict[str, int]]


def train(
    model_dir: str | Path,
    source: str | Path,
    cohort: str | Path | pd.DataFrame,
    outcomes: str | Path | pd.DataFrame,
    out: str | Path | None = None,
    *,
    code_map: str | Path | CodeMap | None = None,
    step: Callable[[int], Any] = lambda done: None,
) -> Model:
    """Train a model on FHIR and write a release proposal.

    Parameters
    ----------
    model_dir : str or Path
        Holds `spec.toml`.
    source : str or Path
        FHIR, as `cdss.read` takes it.
    cohort, outcomes : str, Path or DataFrame
        As in the contract.
    out : str or Path, optional
        Directory of the release, which must not exist or be empty; `proposals/<name>` in the working directory
        without it.
    code_map : str, Path or CodeMap, optional
        What the hospital's own codes mean; the manifest names its digest.
    step : callable
        Called with 1 at each of `STEPS` steps.

    Returns
    -------
    Model
        The release, loaded again from what was written.

    Raises
    ------
    UsageError, CohortError, InputRefusedError, EvidenceError
        If a file is not usable, or the rows cannot support a model.
    """
    model_dir = Path(model_dir)
    out = Path("proposals") / model_dir.name if out is None else Path(out)
    try:
        raw_spec = (model_dir / "spec.toml").read_bytes()
    except OSError as error:
        raise UsageError(f"{model_dir}: holds no readable spec.toml. Name a model directory.") from error
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: exists already. Name a new directory for the release.")
    spec = read_spec(raw_spec, f"{model_dir.name}/spec.toml")
    asked, known = read_cohort(cohort), read_outcomes(outcomes)
    codes = read_code_map(code_map) if isinstance(code_map, (str, Path)) else code_map
    found = select(spec, read(source, code_map=codes), asked, known)
    rows = TrainingRows(
        found.values,
        np.array(found.outcomes, np.int64),
        np.array([np.nan if row.clinician_estimate is None else row.clinician_estimate for row in found.rows]),
        [row.subject for row in found.rows],
    )
    machine = fit_machine(rows, spec, step)
    held_out = cross_validate(rows, spec, step)
    evidence = evidence_of(spec, found, rows, held_out)
    features = [
        {"name": feature.name, "unit": feature.unit, **_seen(column)}
        for feature, column in zip(spec.features, rows.values.T, strict=True)
    ]
    about = {
        "name": spec.name,
        "version": spec.version,
        "outcome": spec.outcome,
        "horizon": spec.horizon,
        "features": features,
        "training": {"rows": len(rows), "events": int(rows.outcome.sum()), "digest": _training_digest(found)},
        **({} if codes is None else {"code_map": codes.to_dict()}),
    }
    files = {
        "spec.toml": raw_spec,
        **machine.files(),
        "golden.json": golden_vectors(machine, _golden_rows(rows.values, int(spec.estimator["seed"]))),
        "evaluation.json": json_bytes(evidence),
        "card.md": write_card(spec, evidence).encode(),
    }
    _write(out, files, about)
    return load_model(out.resolve())


def select(
    spec: FeatureSpec,
    record: PatientRecord,
    asked: Sequence[CohortRow],
    known: dict[tuple[str, int, str], int | None],
) -> Cohort:
    """Rows the model would answer for and whose outcome is known, sorted, with the attrition of all others.

    Raises
    ------
    CohortError
        If no row of the cohort finds an outcome.
    """
    if not any(row.key in known for row in asked):
        remedy = "Check that both files name subjects, index times and encounters alike."
        raise CohortError(place="outcomes", reason="hold no row of the cohort", remedy=remedy)
    asked = sorted(set(asked), key=lambda row: (row.key, row.clinician_estimate is None, row.clinician_estimate or 0.0))
    matrix = build_features(
        record.events, record.patients, [row.subject for row in asked], [row.index_time for row in asked], spec,
        [row.encounter for row in asked],
    )  # fmt: skip
    tests = _made_up_among_real(record)
    keep, outcomes, why = [], [], Counter[str]()
    abstained: dict[str, Counter[str]] = {}
    for number, row in enumerate(asked):
        outcome = known.get(row.key)
        reasons = _why_not(spec, record, matrix, number, row)
        if row.subject in tests:
            why["test-patient"] += 1
        elif outcome is None:
            why["outcome-unknown"] += 1
        elif reasons:
            why[reasons[0]] += 1
            for reason in dict.fromkeys(reasons):
                abstained.setdefault(reason, Counter()).update({"n": 1, "events": outcome})
        else:
            keep.append(number)
            outcomes.append(outcome)
    if not keep:
        raise EvidenceError("no row of the cohort can be used; `cdss assess` gives the reason of each row.")
    attrition = {"cohort": len(asked), **dict(sorted(why.items())), "used": len(keep)}
    return Cohort(
        [asked[number] for number in keep], outcomes, matrix.values[keep], attrition,
        {reason: dict(count) for reason, count in sorted(abstained.items())},
    )  # fmt: skip


def _made_up_among_real(record: PatientRecord) -> frozenset[str]:
    """Patients labelled as test data, unless all are: then the source is a test or a study as a whole."""
    tests = frozenset(name for name, facts in record.patients.items() if facts.is_test)
    return tests if len(tests) < len(record.patients) else frozenset()


def _why_not(spec: FeatureSpec, record: PatientRecord, matrix: FeatureMatrix, number: int, row: CohortRow) -> list[str]:
    facts = record.patients.get(row.subject)
    if facts is None:
        return ["subject-not-found"]
    blocks = facts.blocks_at(row.index_time)
    reasons = abstention_reasons(spec, matrix.vector(number), blocks)
    return [reason.code if reason.feature is None else f"{reason.code}: {reason.feature}" for reason in reasons]


def evidence_of(spec: FeatureSpec, found: Cohort, rows: TrainingRows, held_out: CrossValidated) -> dict[str, Any]:
    """Everything the card is written from; numbers of held-out rows only."""
    y = rows.outcome
    cuts = [band.low for band in spec.bands[1:]]
    bands = risk_bands(y, held_out.machine, cuts)
    evidence: dict[str, Any] = {
        "schema": 1,
        "model": {"name": spec.name, "version": spec.version, "outcome": spec.outcome, "horizon": spec.horizon},
        "process": f"{FOLDS}-fold cross-validation by patient; calibrator and team fitted inside each fold",
        "attrition": found.attrition,
        "abstained": found.abstained,
        "machine": evaluate(y, held_out.machine).to_dict(),
        "bands": [{"name": named.name, **band.to_dict()} for named, band in zip(spec.bands, bands, strict=True)],
        "operating_point": operating_point(y, held_out.machine, spec.threshold).to_dict(),
        "team": None,
    }
    both = np.flatnonzero(~np.isnan(held_out.team))
    if len(both):
        evidence["team"] = _human_machine(
            spec, y[both], rows.estimates[both], held_out.machine[both], held_out.team[both]
        )
    return evidence


def _human_machine(spec: FeatureSpec, y: Any, clinician: Floats, machine: Floats, team: Floats) -> dict[str, Any]:
    def table(rows: Any) -> dict[str, Any]:
        return {
            "clinician": evaluate(y[rows], clinician[rows], clip=ESTIMATE_CLIP).to_dict(),
            "machine": evaluate(y[rows], machine[rows], clip=ESTIMATE_CLIP).to_dict(),
            "team": evaluate(y[rows], team[rows], clip=ESTIMATE_CLIP).to_dict(),
            "team_against_clinician": compare(y[rows], team[rows], clinician[rows]).to_dict(),
            "machine_against_clinician": compare(y[rows], machine[rows], clinician[rows]).to_dict(),
        }

    differ = np.abs(clinician - machine) >= spec.disagreement
    found = {"all": table(np.ones(len(y), bool)), "disagreement_from": spec.disagreement}
    for name, rows in (("agree", ~differ), ("disagree", differ)):
        try:
            found[name] = table(rows)
        except EvidenceError as error:
            found[name] = {"absent": str(error)}
    return found


def _seen(column: Floats) -> dict[str, str | None]:
    """Least and greatest value of a feature; null where no row had one."""
    present = column[~np.isnan(column)].tolist()
    return {"low": repr(min(present)), "high": repr(max(present))} if present else {"low": None, "high": None}


def _golden_rows(values: Floats, seed: int) -> Floats:
    """Made-up rows: each column drawn on its own from its own quantiles, so that no row is a patient's."""
    generator = np.random.default_rng(seed)
    columns = []
    for column in values.T:
        present = column[~np.isnan(column)]
        places = generator.uniform(0, 1, GOLDEN_ROWS)
        drawn = np.quantile(present, places) if len(present) else np.full(GOLDEN_ROWS, np.nan)
        drawn = drawn.astype(np.float32).astype(np.float64)
        drawn[generator.uniform(0, 1, GOLDEN_ROWS) < 1 - len(present) / len(column)] = np.nan
        columns.append(drawn)
    return np.stack(columns, axis=1)


def _training_digest(found: Cohort) -> str:
    rows = [
        [row.subject, instant_text(row.index_time), row.encounter, str(outcome), [repr(value) for value in values]]
        for row, outcome, values in zip(found.rows, found.outcomes, found.values.tolist(), strict=True)
    ]
    return sha256(canonical_bytes(rows))


def _write(out: Path, files: Mapping[str, bytes], about: Mapping[str, object]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            write_release(scratch, files, about)
            load_model(scratch)  # what does not load is not a release
            scratch.chmod(0o755)
            os.replace(scratch, out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}). Name another directory.") from error
