"""The paired difference between two predictors of the same patients, and what may be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cdss.evaluation.interval import Interval, json_number, normal_interval, normal_quantile

Verdict = Literal["better", "worse", "not shown to be better"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """First minus second, measured on the same patients.

    Attributes
    ----------
    interval : Interval
        The difference and its limits, in the unit of the measure.
    z, p : float
        Difference over its standard error, and two-sided p value; NaN where no standard error can be estimated.
    better : {"higher", "lower"}
        Which direction of the measure is the good one.
    """

    interval: Interval
    z: float
    p: float
    better: Literal["higher", "lower"]

    @property
    def verdict(self) -> Verdict:
        """What may be said of the first predictor; "not shown to be better" whenever the interval holds 0."""
        if self.interval.holds(0):
            return "not shown to be better"
        return "better" if (self.interval.value > 0) == (self.better == "higher") else "worse"

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values; None where a number is NaN or infinite."""
        return {
            "difference": self.interval.to_dict(),
            "z": json_number(self.z),
            "p": json_number(self.p),
            "better": self.better,
            "verdict": self.verdict,
        }


def paired_difference(
    value: float, standard_error: float, level: float, method: str, *, better: Literal["higher", "lower"]
) -> Difference:
    """Judge a difference by its standard error, with a normal interval and test.

    Where the standard error is 0, an exact 0 (two predictors that always agree) gets limits 0 and 0, z = 0 and p = 1;
    any other difference gets neither limits nor test.
    """
    if standard_error == 0 and value == 0:
        normal_quantile(level)
        same = Interval(value=0.0, low=0.0, high=0.0, level=level, method=f"{method}; no row differs")
        return Difference(interval=same, z=0.0, p=1.0, better=better)
    z = value / standard_error if standard_error > 0 else math.nan
    interval = normal_interval(value, standard_error, level, method)
    return Difference(interval=interval, z=z, p=math.erfc(abs(z) / math.sqrt(2)), better=better)
