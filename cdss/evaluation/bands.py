"""What happened to the patients of each band of predicted risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cdss.errors import EvidenceError
from cdss.evaluation.interval import Interval, json_number, wilson_interval
from cdss.evaluation.rows import read_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Patients whose predicted risk lies in [low, high); the last band also takes 1.

    Attributes
    ----------
    low, high : float
        Edges of the band; probabilities.
    n, events : int
        Patients in the band, and how many had the event.
    predicted : float
        Mean predicted risk; NaN in an empty band.
    observed : Interval
        Observed risk, with Wilson's interval.
    """

    low: float
    high: float
    n: int
    events: int
    predicted: float
    observed: Interval

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values; None where a number is NaN."""
        return {
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "events": self.events,
            "predicted": json_number(self.predicted),
            "observed": self.observed.to_dict(),
        }


def risk_bands(y: ArrayLike, probability: ArrayLike, cuts: Sequence[float], level: float = 0.95) -> tuple[Band, ...]:
    """Count events in half-open bands [0, c1), [c1, c2), ..., [ck, 1]; the last one is closed.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    probability : array_like of float, shape (n,)
        Predicted probability of the event, 0 to 1.
    cuts : sequence of float
        Cut-points c1 < c2 < ... in (0, 1]; k cut-points make k + 1 bands.
    level : float
        Two-sided confidence level of each band's interval.

    Returns
    -------
    tuple of Band
        Rising; every patient is in exactly one band, and an empty band is kept.

    Raises
    ------
    EvidenceError
        If the rows are not usable, or the cut-points do not rise strictly within (0, 1].
    """
    edges = np.asarray([0.0, *cuts], dtype=np.float64)
    if not ((np.diff(edges) > 0).all() and edges[-1] <= 1):
        raise EvidenceError(f"cuts are {list(cuts)}, but cut-points rise strictly and lie above 0 and up to 1.")
    outcome, (column,) = read_probabilities(y, {"probability": probability})
    place = np.searchsorted(edges, column, side="right") - 1
    bands = []
    for index, (low, high) in enumerate(zip(edges, [*edges[1:], 1.0], strict=True)):
        inside = place == index
        n, events = int(inside.sum()), int(outcome[inside].sum())
        bands.append(
            Band(
                low=float(low),
                high=float(high),
                n=n,
                events=events,
                predicted=float(column[inside].mean()) if n else float("nan"),
                observed=wilson_interval(events, n, level),
            )
        )
    return tuple(bands)


def reliability_table(y: ArrayLike, probability: ArrayLike, bins: int = 10, level: float = 0.95) -> tuple[Band, ...]:
    """Count events in bins of about equal size, cut at quantiles of the predicted risk.

    Equal predictions always share a bin, so heavy ties give fewer, larger bins.

    Parameters
    ----------
    y, probability : array_like, shape (n,)
        As in `risk_bands`.
    bins : int
        Number of bins aimed at; 10 gives deciles.
    level : float
        Two-sided confidence level of each bin's interval.

    Returns
    -------
    tuple of Band
        Rising; none is empty.

    Raises
    ------
    EvidenceError
        If the rows are not usable or bins is below 1.
    """
    if bins < 1:
        raise EvidenceError(f"bins is {bins}. Give 1 or more; 10 makes deciles.")
    _, (column,) = read_probabilities(y, {"probability": probability})
    inner = np.quantile(column, np.arange(1, bins) / bins, method="higher")
    cuts = np.unique(inner[inner > column[0]])
    return risk_bands(y, probability, cuts.tolist(), level)
