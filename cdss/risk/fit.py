"""Fitting a machine: trees on all rows, calibrator and team on rows scored out of fold; all again for the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from cdss.domain.feature import FeatureSpec
from cdss.errors import EvidenceError
from cdss.risk.artefact import Machine
from cdss.risk.calibrate import Floats, Logistic, TeamFit, expit, fit_logistic, fit_team
from cdss.risk.estimator import fit_trees, margins
from cdss.risk.interval import fit_bootstrap

FOLDS = 5
MIN_TEAM_ROWS = 200
MIN_EVENTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Rows to learn from, in one fixed order.

    `values` has shape (n, k); `outcome` and `estimates` shape (n,), an estimate NaN where the clinician gave none;
    `groups` names whose row each is, so that no patient stands on both sides of a split.
    """

    values: Floats
    outcome: NDArray[np.int64]
    estimates: Floats
    groups: Sequence[str]

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, rows: NDArray[np.int64]) -> TrainingRows:
        """Some of the rows."""
        groups = [self.groups[row] for row in rows.tolist()]
        return TrainingRows(self.values[rows], self.outcome[rows], self.estimates[rows], groups)


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidated:
    """Held-out probabilities of every row, shape (n,); the team's is NaN where the clinician gave no estimate."""

    machine: Floats
    team: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Core:
    booster: xgboost.Booster
    calibrator: Logistic
    team: TeamFit | None


def fit_machine(rows: TrainingRows, spec: FeatureSpec, step: Callable[[int], Any] = lambda done: None) -> Machine:
    """Fit everything a release holds; the same rows give the same numbers on one machine.

    Raises
    ------
    EvidenceError
        If there are too few rows with and without the outcome.
    """
    core = _fit(rows, spec, _seed(spec), step)
    monotone = [feature.monotone for feature in spec.features]
    bootstrap = fit_bootstrap(
        rows.values, rows.outcome, rows.groups, spec.interval, spec.estimator, monotone, _seed(spec)
    )
    step(1)
    return Machine.of(core.booster, core.calibrator, bootstrap, core.team)


def cross_validate(
    rows: TrainingRows, spec: FeatureSpec, step: Callable[[int], Any] = lambda done: None
) -> CrossValidated:
    """Score every row by a machine that was fitted, calibrated and combined without it or its patient."""
    machine, team = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for number, (inside, outside) in enumerate(_folds(rows, _seed(spec))):
        core = _fit(rows.take(inside), spec, _seed(spec) + 1000 * (number + 1), step)
        for row, margin in zip(outside.tolist(), margins(core.booster, rows.values[outside]).tolist(), strict=True):
            log_odds = core.calibrator.log_odds(margin)
            machine[row] = expit(log_odds)
            estimate = float(rows.estimates[row])
            if core.team is not None and estimate == estimate:
                team[row] = core.team.probability(log_odds, estimate)
    return CrossValidated(machine, team)


def _fit(rows: TrainingRows, spec: FeatureSpec, seed: int, step: Callable[[int], Any]) -> _Core:
    monotone = [feature.monotone for feature in spec.features]
    held_out = np.full(len(rows), np.nan)
    for inside, outside in _folds(rows, seed):
        booster = fit_trees(rows.values[inside], rows.outcome[inside], spec.estimator, monotone, seed)
        held_out[outside] = margins(booster, rows.values[outside])
        step(1)
    calibrator = fit_logistic([held_out], rows.outcome)
    log_odds = calibrator.intercept + calibrator.weights[0] * held_out
    given = np.flatnonzero(~np.isnan(rows.estimates))
    team = None
    if len(given) >= MIN_TEAM_ROWS:
        team = fit_team(log_odds[given], rows.estimates[given], rows.outcome[given], spec.team.clip)
    booster = fit_trees(rows.values, rows.outcome, spec.estimator, monotone, seed)
    step(1)
    return _Core(booster, calibrator, team)


def _folds(rows: TrainingRows, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    events = int(rows.outcome.sum())
    if min(events, len(rows) - events) < MIN_EVENTS:
        raise EvidenceError(
            f"training needs at least {MIN_EVENTS} rows with and {MIN_EVENTS} without the outcome; these are "
            f"{events} and {len(rows) - events}. Bring more rows."
        )
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    yield from splitter.split(rows.values, rows.outcome, np.asarray(rows.groups))


def _seed(spec: FeatureSpec) -> int:
    return int(spec.estimator["seed"])
