"""One predictor's figures in one record, and two predictors side by side."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from cdss.evaluation.calibration import (
    CLIP,
    brier,
    calibration_intercept,
    calibration_slope,
    observed_expected,
)
from cdss.evaluation.difference import Difference, paired_difference
from cdss.evaluation.discrimination import auroc_interval, average_precision_interval, compare_auroc
from cdss.evaluation.interval import Interval
from cdss.evaluation.rows import read_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How well predicted probabilities did on one set of patients.

    Attributes
    ----------
    n, events : int
        Patients, and those with the event.
    auroc, average_precision, brier, calibration_slope, calibration_intercept, observed_expected : Interval
        Each names its method; see the function of that name for unit and limits.
    """

    n: int
    events: int
    auroc: Interval
    average_precision: Interval
    brier: Interval
    calibration_slope: Interval
    calibration_intercept: Interval
    observed_expected: Interval

    @property
    def prevalence(self) -> float:
        """Share of patients with the event."""
        return self.events / self.n

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values; None where a number could not be estimated."""
        return {
            "n": self.n,
            "events": self.events,
            "prevalence": self.prevalence,
            "auroc": self.auroc.to_dict(),
            "average_precision": self.average_precision.to_dict(),
            "brier": self.brier.to_dict(),
            "calibration_slope": self.calibration_slope.to_dict(),
            "calibration_intercept": self.calibration_intercept.to_dict(),
            "observed_expected": self.observed_expected.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two predictors on the same patients: first minus second.

    Attributes
    ----------
    n, events : int
        Patients, and those with the event.
    auroc, brier : Difference
        Each carries its own `verdict` on the first predictor.
    """

    n: int
    events: int
    auroc: Difference
    brier: Difference

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values; None where a number could not be estimated."""
        return {"n": self.n, "events": self.events, "auroc": self.auroc.to_dict(), "brier": self.brier.to_dict()}


def evaluate(y: ArrayLike, probability: ArrayLike, level: float = 0.95, *, clip: float = CLIP) -> Performance:
    """Measure predicted probabilities against outcomes.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    probability : array_like of float, shape (n,)
        Predicted probability of the event, 0 to 1.
    level : float
        Two-sided confidence level of every interval.
    clip : float
        For slope and intercept only: how near to 0 and 1 a probability may come.

    Returns
    -------
    Performance
        The same bits whatever the order of the rows.

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold fewer than two events or two non-events.
    """
    outcome, (column,) = read_probabilities(y, {"probability": probability}, per_class=2)
    return Performance(
        n=len(outcome),
        events=int(outcome.sum()),
        auroc=auroc_interval(outcome, column, level),
        average_precision=average_precision_interval(outcome, column, level),
        brier=brier(outcome, column, level),
        calibration_slope=calibration_slope(outcome, column, level, clip=clip),
        calibration_intercept=calibration_intercept(outcome, column, level, clip=clip),
        observed_expected=observed_expected(outcome, column, level),
    )


def compare(y: ArrayLike, a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Comparison:
    """Compare two predicted probabilities of the same patients, `a` minus `b`.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    a, b : array_like of float, shape (n,)
        Predicted probabilities, 0 to 1. For a score that is not a probability use `compare_auroc`.
    level : float
        Two-sided confidence level of both intervals.

    Returns
    -------
    Comparison
        AUROC by DeLong's paired test (higher is better); Brier score by the mean paired difference (lower is better).

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold fewer than two events or two non-events.
    """
    outcome, (first, second) = read_probabilities(y, {"a": a, "b": b}, per_class=2)
    gap = (first - outcome) ** 2 - (second - outcome) ** 2
    error = float(gap.std(ddof=1)) / len(gap) ** 0.5
    return Comparison(
        n=len(outcome),
        events=int(outcome.sum()),
        auroc=compare_auroc(outcome, first, second, level),
        brier=paired_difference(float(gap.mean()), error, level, "normal, paired differences", better="lower"),
    )
