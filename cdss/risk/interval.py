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
from cdss.risk.forest import Forest, forest_of

_TRIES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """Members of the bootstrap: trees and calibrator of each.

    References
    ----------
    Efron B, Tibshirani R. An Introduction to the Bootstrap. 1993, chapter 12.
    """

    level: float
    forests: tuple[Forest, ...]
    calibrators: tuple[Logistic, ...]

    @property
    def method(self) -> str:
        """The method's name, as every interval carries it."""
        return f"bootstrap of model and calibrator (B = {len(self.forests)}), normal on the log-odds"

    def spread(self, values: Floats) -> Floats:
        """Standard deviation of the members' calibrated log-odds, shape (n,)."""
        each = [
            calibrator.intercept + calibrator.weights[0] * forest.margin(values)
            for forest, calibrator in zip(self.forests, self.calibrators, strict=True)
        ]
        return np.array([np.std(row, ddof=1) for row in np.stack(each, axis=1)])

    def interval(self, log_odds: float, spread: float) -> Interval:
        """The interval around one calibrated estimate."""
        reach = NormalDist().inv_cdf(0.5 + self.level / 2) * spread
        return Interval(low=expit(log_odds - reach), high=expit(log_odds + reach), level=self.level, method=self.method)

    def to_dict(self) -> dict[str, Any]:
        """Numbers only."""
        return {
            "method": self.method,
            "level": self.level,
            "members": [
                {"calibrator": calibrator.to_dict(), "forest": forest.to_dict()}
                for forest, calibrator in zip(self.forests, self.calibrators, strict=True)
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], features: int) -> Bootstrap:
        """Read `to_dict` again."""
        try:
            level, members = float(stored["level"]), list(stored["members"])
            if not 0 < level < 1 or len(members) < 2:
                raise ValueError
            return cls(
                level,
                tuple(Forest.from_dict(member["forest"], features) for member in members),
                tuple(Logistic.from_dict(member["calibrator"], 1) for member in members),
            )
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
        forests.append(forest_of(booster))
        calibrators.append(fit_logistic([margins(booster, values[left])], outcome[left]))
    return Bootstrap(settings.level, tuple(forests), tuple(calibrators))
