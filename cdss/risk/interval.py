"""How sure the machine is of its own number: a bootstrap of model and calibrator, kept as plain trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdss.domain.assessment import Interval
from cdss.domain.feature import IntervalSettings
from cdss.errors import EvidenceError, IntegrityError
from cdss.risk.calibrate import Floats, Logistic, expit, fit_logistic
from cdss.risk.estimator import fit_trees, margins
from cdss.risk.forest import Forest, forest_of, joined

_TRIES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """Members of the bootstrap: the trees of one after the trees of another in one forest, and a calibrator each.

    References
    ----------
    Efron B, Tibshirani R. An Introduction to the Bootstrap. 1993, chapter 12.
    """

    level: float
    forest: Forest
    calibrators: tuple[Logistic, ...]

    @property
    def method(self) -> str:
        """The method's name, as every interval carries it."""
        return f"bootstrap of model and calibrator (B = {len(self.calibrators)}), normal on the log-odds"

    def spread(self, values: Floats) -> Floats:
        """Standard deviation of the members' calibrated log-odds, shape (n,)."""
        members = len(self.calibrators)
        margins = self.forest.leaves(values).reshape(len(values), members, -1).sum(axis=2)
        intercepts = np.array([calibrator.intercept for calibrator in self.calibrators])
        weights = np.array([calibrator.weights[0] for calibrator in self.calibrators])
        return np.array([np.std(row, ddof=1) for row in intercepts + weights * margins])

    def interval(self, log_odds: float, spread: float) -> Interval:
        """The interval around one calibrated estimate."""
        reach = NormalDist().inv_cdf(0.5 + self.level / 2) * spread
        return Interval(low=expit(log_odds - reach), high=expit(log_odds + reach), level=self.level, method=self.method)

    def to_dict(self) -> dict[str, Any]:
        """Numbers only."""
        return {
            "method": self.method,
            "level": self.level,
            "calibrators": [calibrator.to_dict() for calibrator in self.calibrators],
            "forest": self.forest.to_dict(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], features: int) -> Bootstrap:
        """Read `to_dict` again."""
        try:
            level, stored_calibrators = float(stored["level"]), list(stored["calibrators"])
            forest = Forest.from_dict(stored["forest"], features)
            if not 0 < level < 1 or len(stored_calibrators) < 2 or len(forest.leaf) % len(stored_calibrators):
                raise ValueError
            found = cls(level, forest, tuple(Logistic.from_dict(one, 1) for one in stored_calibrators))
            if stored["method"] != found.method:
                raise ValueError
            return found
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("interval: not a complete bootstrap. Fetch the release again.") from error


def fit_bootstrap(
    values: Floats,
    outcome: NDArray[np.int64],
    groups: Sequence[str],
    settings: IntervalSettings,
    estimator: Mapping[str, Any],
    monotone: Sequence[int],
    seed: int,
) -> Bootstrap:
    """Refit trees and calibrator on resampled patients, each calibrated on the patients it did not draw.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    outcome : ndarray of int, shape (n,)
    groups : sequence of str, length n
        Whose row it is: patients are drawn, not rows.
    settings, estimator, monotone, seed
        As in the specification.
    """
    generator = np.random.default_rng(seed)
    own = {**estimator, "rounds": settings.rounds, "eta": settings.eta}
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    forests, calibrators = [], []
    for member in range(settings.members):
        for _ in range(_TRIES):
            times = np.bincount(generator.integers(0, len(names), len(names)), minlength=len(names))[owner]
            rows, left = np.repeat(np.arange(len(owner)), times), times == 0
            if len(np.unique(outcome[rows])) == len(np.unique(outcome[left])) == 2:
                break
        else:
            raise EvidenceError("too few patients to bootstrap: bring more rows with and without the outcome.")
        booster = fit_trees(values[rows], outcome[rows], own, monotone, seed + 1 + member)
        forest, calibrator = forest_of(booster), fit_logistic([margins(booster, values[left])], outcome[left])
        forests.append(forest)
        # The joined forest has no base margin of its own, so each member's goes into its intercept.
        shifted = calibrator.intercept + calibrator.weights[0] * forest.base
        calibrators.append(Logistic(shifted, calibrator.weights))
    return Bootstrap(settings.level, joined(forests), tuple(calibrators))
