"""The smoothed calibration curve, and its distance from the diagonal: ICI, E50, E90."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cdss.errors import EvidenceError
from cdss.evaluation.rows import Numbers, Outcomes, read_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationCurve:
    """Observed risk as a smooth function of predicted risk.

    Attributes
    ----------
    predicted, observed : tuple of float
        Points of the curve, predicted rising; probabilities.
    ici, e50, e90 : float
        Mean, median and 90th centile over patients of |predicted - smoothed observed|; probabilities.
    method : str
        The smoother.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    ici: float
    e50: float
    e90: float
    method: str

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "predicted": list(self.predicted),
            "observed": list(self.observed),
            "ici": self.ici,
            "e50": self.e50,
            "e90": self.e90,
            "method": self.method,
        }


def calibration_curve(
    y: ArrayLike, probability: ArrayLike, *, span: float = 0.75, points: int = 200
) -> CalibrationCurve:
    """Smooth outcomes over predictions by loess, as R does by default: local quadratic, tricube weights, span 0.75.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    probability : array_like of float, shape (n,)
        Predicted probability of the event, 0 to 1.
    span : float
        Share of the patients, 0 to 1, that each local fit looks at.
    points : int
        At most so many local fits, at quantiles of the distinct predictions; straight lines between them.

    Returns
    -------
    CalibrationCurve
        The curve is cut at 0 and 1.

    Raises
    ------
    EvidenceError
        If the rows are not usable, span is not in (0, 1], or points is below 2.

    References
    ----------
    Austin PC, Steyerberg EW. Stat Med 2019;38:4051-4065. Cleveland WS, Devlin SJ. J Am Stat Assoc 1988;83:596-610.
    """
    if not 0 < span <= 1 or points < 2:
        raise EvidenceError(f"span is {span} and points is {points}. Give a span in (0, 1] and at least 2 points.")
    outcome, (column,) = read_probabilities(y, {"probability": probability})
    distinct = np.unique(column)
    support = distinct
    if len(distinct) > points:
        support = np.unique(np.quantile(distinct, np.linspace(0, 1, points), method="nearest"))
    nearest = max(1, int(span * len(column)))
    observed = np.clip([_local_fit(at, column, outcome, nearest) for at in support], 0, 1)
    distance = np.abs(column - np.interp(column, support, observed))
    return CalibrationCurve(
        predicted=tuple(support.tolist()),
        observed=tuple(observed.tolist()),
        ici=float(distance.mean()),
        e50=float(np.quantile(distance, 0.5)),
        e90=float(np.quantile(distance, 0.9)),
        method=f"loess, degree 2, tricube, span {span:g}, at {len(support)} points",
    )


def _local_fit(at: float, predicted: Numbers, outcome: Outcomes, nearest: int) -> float:
    """Height at `at` of a weighted parabola through the `nearest` patients.

    Where ties leave fewer distinct predictions than the parabola needs, least squares of least norm still gives the
    mean outcome at `at`.
    """
    distance = np.abs(predicted - at)
    reach = float(np.partition(distance, nearest - 1)[nearest - 1])
    if reach == 0:
        return float(outcome[distance == 0].mean())
    used = distance < reach
    offset = (predicted[used] - at) / reach
    root = np.sqrt((1 - np.abs(offset) ** 3) ** 3)
    design = np.column_stack([np.ones_like(offset), offset, offset**2])
    answer = np.linalg.lstsq(design * root[:, None], outcome[used] * root, rcond=None)[0]
    return float(answer[0])
