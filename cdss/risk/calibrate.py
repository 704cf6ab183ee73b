"""Log-odds -> probability, and a clinician's estimate beside it; both are logistic fits kept as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdss.errors import EvidenceError, IntegrityError

Floats = NDArray[np.float64]
_STEPS = 100


def expit(log_odds: float) -> float:
    """Probability of log-odds, without overflow at either end."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def logit(probability: float) -> float:
    """Log-odds of a probability strictly between 0 and 1."""
    return math.log(probability / (1 - probability))


@dataclass(frozen=True, slots=True)
class Logistic:
    """Logistic regression: log-odds = intercept + sum(weights x inputs)."""

    intercept: float
    weights: tuple[float, ...]

    def log_odds(self, *inputs: float) -> float:
        """Log-odds of one row."""
        return self.intercept + sum(weight * value for weight, value in zip(self.weights, inputs, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The fit as numbers."""
        return {"intercept": self.intercept, "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], inputs: int) -> Logistic:
        """Read `to_dict` again.

        Raises
        ------
        IntegrityError
            If a number is missing or not finite, or there is not one weight for each input.
        """
        try:
            fit = cls(float(stored["intercept"]), tuple(float(weight) for weight in stored["weights"]))
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("calibrator: not a complete logistic fit. Fetch the release again.") from error
        if len(fit.weights) != inputs or not all(map(math.isfinite, (fit.intercept, *fit.weights))):
            raise IntegrityError("calibrator: its numbers are not those of this model. Fetch the release again.")
        return fit


def fit_logistic(inputs: Sequence[Floats], outcome: NDArray[np.int64]) -> Logistic:
    """Maximum-likelihood logistic regression by Newton's method (Platt scaling for a single input).

    Parameters
    ----------
    inputs : sequence of ndarray, each of shape (n,)
    outcome : ndarray of int, shape (n,)
        0 or 1.

    Raises
    ------
    EvidenceError
        If the outcome has one class only, or the inputs separate the classes.

    References
    ----------
    Platt J. Probabilistic outputs for support vector machines. 1999. Cox DR. Biometrika 1958;45:562-565.
    """
    design = np.stack([np.ones(len(outcome)), *inputs], axis=1)
    weights = np.zeros(design.shape[1])
    if outcome.min() == outcome.max():
        raise EvidenceError("calibration needs patients with and without the outcome; bring more rows.")
    for _ in range(_STEPS):
        risk = 1 / (1 + np.exp(-np.clip(design @ weights, -35, 35)))
        gradient = design.T @ (outcome - risk)
        information = design.T @ (design * (risk * (1 - risk))[:, None])
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError as error:
            raise EvidenceError("calibration found no finite fit; bring more rows.") from error
        weights += step
        if np.abs(step).max() < 1e-10:
            return Logistic(float(weights[0]), tuple(float(weight) for weight in weights[1:]))
    raise EvidenceError("calibration did not settle: the scores separate the outcomes; bring more rows.")


@dataclass(frozen=True, slots=True)
class TeamFit:
    """Clinician and machine together: a logistic fit on both log-odds, the clinician's estimate clipped."""

    fit: Logistic
    clip: float
    fitted_on: int

    def probability(self, machine_log_odds: float, clinician_estimate: float) -> float:
        """The combined probability.

        Parameters
        ----------
        machine_log_odds : float
            Calibrated.
        clinician_estimate : float
            Probability of the outcome, 0 to 1.
        """
        estimate = min(max(clinician_estimate, self.clip), 1 - self.clip)
        return expit(self.fit.log_odds(machine_log_odds, logit(estimate)))

    def to_dict(self) -> dict[str, Any]:
        """The fit as numbers."""
        return {"method": "logistic on both log-odds", "clip": self.clip, "n": self.fitted_on, **self.fit.to_dict()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TeamFit:
        """Read `to_dict` again."""
        fit = Logistic.from_dict(stored, 2)
        clip = stored.get("clip")
        if not isinstance(clip, float) or not 0 < clip < 0.5 or not isinstance(stored.get("n"), int):
            raise IntegrityError("calibrator: the team's combination is not complete. Fetch the release again.")
        return cls(fit, clip, stored["n"])


def fit_team(machine_log_odds: Floats, estimates: Floats, outcome: NDArray[np.int64], clip: float = 0.01) -> TeamFit:
    """Fit the combination on rows scored out of fold.

    Parameters
    ----------
    machine_log_odds, estimates : ndarray, shape (n,)
        Calibrated log-odds; the clinician's probabilities.
    outcome : ndarray of int, shape (n,)
    clip : float
        Estimates are kept this far from 0 and 1: of patients given no risk at all, some die.
    """
    kept = np.clip(estimates, clip, 1 - clip)
    fit = fit_logistic([machine_log_odds, np.log(kept / (1 - kept))], outcome)
    return TeamFit(fit, clip, len(outcome))
