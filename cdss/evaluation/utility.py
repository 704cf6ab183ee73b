"""What acting on a threshold costs and gains: net benefit, predictive value, alerts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cdss.errors import EvidenceError
from cdss.evaluation.interval import Interval, json_number, wilson_interval
from cdss.evaluation.rows import read_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """What happens when every patient at or above a threshold is flagged.

    Attributes
    ----------
    threshold : float
        Probability from which a patient is flagged.
    true_positives, false_positives, false_negatives, true_negatives : int
        Patients.
    sensitivity, specificity, ppv : Interval
        Proportions, with Wilson's interval; the value is NaN where nobody is in the denominator.
    net_benefit, net_benefit_of_flagging_all : float
        True positives per patient, less false positives weighted by the odds of the threshold.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    net_benefit: float
    net_benefit_of_flagging_all: float

    @property
    def n(self) -> int:
        """Patients in all."""
        return self.true_positives + self.false_positives + self.false_negatives + self.true_negatives

    @property
    def alerts_per_100(self) -> float:
        """Flagged patients among 100."""
        return 100 * (self.true_positives + self.false_positives) / self.n

    @property
    def number_needed_to_evaluate(self) -> float:
        """Flagged patients to look at for one event, 1 / PPV; NaN where no event was flagged."""
        flagged = self.true_positives + self.false_positives
        return flagged / self.true_positives if self.true_positives else math.nan

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values; None where a number is NaN."""
        return {
            "threshold": self.threshold,
            "n": self.n,
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "true_negatives": self.true_negatives,
            "sensitivity": self.sensitivity.to_dict(),
            "specificity": self.specificity.to_dict(),
            "ppv": self.ppv.to_dict(),
            "number_needed_to_evaluate": json_number(self.number_needed_to_evaluate),
            "alerts_per_100": self.alerts_per_100,
            "net_benefit": self.net_benefit,
            "net_benefit_of_flagging_all": self.net_benefit_of_flagging_all,
        }


def net_benefit(*, true_positives: int, false_positives: int, n: int, threshold: float) -> float:
    """Return true positives per patient, less false positives per patient times the odds of the threshold.

    Parameters
    ----------
    true_positives, false_positives, n : int
        Flagged with the event, flagged without it, and patients in all.
    threshold : float
        Probability at which the decision is made, in [0, 1).

    Returns
    -------
    float
        Net true positives per patient; flagging nobody gives 0.

    Raises
    ------
    EvidenceError
        If the counts do not fit n, or the threshold is not in [0, 1).

    References
    ----------
    Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574.
    """
    if min(true_positives, false_positives) < 0 or n < 1 or true_positives + false_positives > n:
        raise EvidenceError(
            f"{true_positives} true and {false_positives} false positives do not fit {n} patients. Check the counts."
        )
    if not 0 <= threshold < 1:
        raise EvidenceError(f"threshold is {threshold}, but must be at least 0 and below 1. Give a probability.")
    return true_positives / n - false_positives / n * threshold / (1 - threshold)


def operating_point(y: ArrayLike, probability: ArrayLike, threshold: float, level: float = 0.95) -> OperatingPoint:
    """Count what flagging every patient with probability >= threshold would have done.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    probability : array_like of float, shape (n,)
        Predicted probability of the event, 0 to 1.
    threshold : float
        In [0, 1).
    level : float
        Two-sided confidence level.

    Returns
    -------
    OperatingPoint

    Raises
    ------
    EvidenceError
        If the rows are not usable or the threshold is not in [0, 1).
    """
    outcome, (column,) = read_probabilities(y, {"probability": probability})
    flagged = column >= threshold
    n, events, alerts = len(outcome), int(outcome.sum()), int(flagged.sum())
    caught = int(np.count_nonzero(flagged & outcome))
    false_alarms = alerts - caught
    return OperatingPoint(
        threshold=threshold,
        true_positives=caught,
        false_positives=false_alarms,
        false_negatives=events - caught,
        true_negatives=n - events - false_alarms,
        sensitivity=wilson_interval(caught, events, level),
        specificity=wilson_interval(n - events - false_alarms, n - events, level),
        ppv=wilson_interval(caught, alerts, level),
        net_benefit=net_benefit(true_positives=caught, false_positives=false_alarms, n=n, threshold=threshold),
        net_benefit_of_flagging_all=net_benefit(
            true_positives=events, false_positives=n - events, n=n, threshold=threshold
        ),
    )
