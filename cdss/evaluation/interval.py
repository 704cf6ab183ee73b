"""A number with its uncertainty, and the ways of getting from one to the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from cdss.errors import EvidenceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its two-sided confidence interval.

    Attributes
    ----------
    value, low, high : float
        Estimate and limits, in the unit of the estimate; NaN where the data do not determine them.
    level : float
        Coverage the method aims at, such as 0.95.
    method : str
        How the limits were made, and why they are missing where they are.
    """

    value: float
    low: float
    high: float
    level: float
    method: str

    def holds(self, number: float) -> bool:
        """Whether `number` lies in the interval, limits included; an interval without limits rules nothing out."""
        return not (number < self.low or number > self.high)

    def to_dict(self) -> dict[str, float | str | None]:
        """Return plain JSON values; None where a number is NaN or infinite."""
        return {
            "value": json_number(self.value),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "level": self.level,
            "method": self.method,
        }


def json_number(value: float) -> float | None:
    """Return `value` as JSON can hold it: a plain float, or None where it is NaN or infinite."""
    return float(value) if math.isfinite(value) else None


def normal_quantile(level: float) -> float:
    """Return how many standard errors either side of the estimate give a two-sided interval of `level`.

    Raises
    ------
    EvidenceError
        If `level` is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise EvidenceError(f"level is {level}, but a confidence level lies between 0 and 1. Give 0.95 for 95 %.")
    return NormalDist().inv_cdf(0.5 + level / 2)


def normal_interval(
    value: float,
    standard_error: float,
    level: float,
    method: str,
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Return value ± z standard errors, cut at `bounds`.

    A standard error of 0, or none, gives no limits: an interval of no width would claim a certainty no sample can give.
    """
    if not (standard_error > 0 and math.isfinite(standard_error)):
        return without_limits(value, level, method, "no limits: no standard error can be estimated")
    reach = normal_quantile(level) * standard_error
    low, high = max(bounds[0], value - reach), min(bounds[1], value + reach)
    return Interval(value=value, low=low, high=high, level=level, method=method)


def without_limits(value: float, level: float, method: str, reason: str) -> Interval:
    """Return an estimate whose limits the data do not determine: NaN, with the reason added to `method`."""
    normal_quantile(level)  # refuses a level that is none
    return Interval(value=value, low=math.nan, high=math.nan, level=level, method=f"{method}; {reason}")


def wilson_interval(k: int, n: int, level: float = 0.95) -> Interval:
    """Estimate a proportion with Wilson's score interval.

    Parameters
    ----------
    k, n : int
        Events, and patients among whom they were counted.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Interval
        Proportion in [0, 1]. With n = 0 the value is NaN and the limits are 0 and 1: nothing is known.

    Raises
    ------
    EvidenceError
        Unless 0 <= k <= n and 0 < level < 1.

    References
    ----------
    Wilson EB. J Am Stat Assoc 1927;22:209-212. Brown LD, Cai TT, DasGupta A. Stat Sci 2001;16:101-133.
    """
    if not 0 <= k <= n:
        raise EvidenceError(f"k = {k} of n = {n} is not a count of events among patients. Give 0 <= k <= n.")
    z = normal_quantile(level)
    centre = (k + z * z / 2) / (n + z * z)
    reach = z / (n + z * z) * math.sqrt((k * (n - k) / n if n else 0.0) + z * z / 4)
    return Interval(
        value=k / n if n else math.nan,
        low=0.0 if k == 0 else centre - reach,
        high=1.0 if k == n else centre + reach,
        level=level,
        method="Wilson score",
    )
