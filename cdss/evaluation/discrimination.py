"""How well a score ranks patients: AUROC with DeLong's interval and paired test, average precision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from cdss.evaluation.difference import Difference, paired_difference
from cdss.evaluation.interval import Interval, normal_interval, normal_quantile, without_limits
from cdss.evaluation.rows import Numbers, Outcomes, read_scores


def auroc(y: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve: the chance that an event outranks a non-event, a tie counting half.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    score : array_like of float, shape (n,)
        Higher means riskier; any scale.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold only one class.

    References
    ----------
    Hanley JA, McNeil BJ. Radiology 1982;143:29-36.
    """
    outcome, (column,) = read_scores(y, {"score": score}, per_class=1)
    return float(_placements(outcome, column)[0].mean())


def auroc_interval(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> Interval:
    """Return the area under the ROC curve with DeLong's interval on the plain scale, cut at 0 and 1 (as pROC does).

    Parameters
    ----------
    y, score : array_like, shape (n,)
        As in `auroc`.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Interval
        Limits are NaN where DeLong's variance is 0 (perfect ranking, or every score the same).

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold fewer than two events or two non-events.

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
    Sun X, Xu W. IEEE Signal Process Lett 2014;21:1389-1393 (the O(n log n) computation by midranks).
    """
    outcome, (column,) = read_scores(y, {"score": score}, per_class=2)
    events, others = _placements(outcome, column)
    return normal_interval(
        float(events.mean()), _delong_error(events, others), level, "DeLong, plain scale", bounds=(0, 1)
    )


def compare_auroc(y: ArrayLike, a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Difference:
    """Compare two scores of the same patients by DeLong's paired test.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    a, b : array_like of float, shape (n,)
        The two scores; each may have its own scale.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Difference
        AUROC of `a` minus AUROC of `b`; higher is better.

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold fewer than two events or two non-events.

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
    """
    outcome, (first, second) = read_scores(y, {"a": a, "b": b}, per_class=2)
    (events_a, others_a), (events_b, others_b) = _placements(outcome, first), _placements(outcome, second)
    events, others = events_a - events_b, others_a - others_b
    return paired_difference(
        float(events.mean()), _delong_error(events, others), level, "DeLong, paired", better="higher"
    )


def average_precision(y: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the precision-recall curve as a sum of steps, without interpolation.

    Parameters
    ----------
    y, score : array_like, shape (n,)
        As in `auroc`.

    Returns
    -------
    float
        Sum over distinct thresholds of (gain in recall) * (precision); a score that knows nothing gets the prevalence.

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold no event.

    References
    ----------
    Davis J, Goadrich M. ICML 2006:233-240.
    """
    outcome, (column,) = read_scores(y, {"score": score}, per_class=1)
    thresholds, position = np.unique(column, return_inverse=True)
    flagged = np.cumsum(np.bincount(position)[::-1])
    caught = np.cumsum(np.bincount(position, weights=outcome, minlength=len(thresholds))[::-1])
    gain = np.diff(caught, prepend=0.0) / caught[-1]
    return float((gain * caught / flagged).sum())


def average_precision_interval(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> Interval:
    """Return average precision with the closed-form interval on the logit scale.

    Parameters
    ----------
    y, score : array_like, shape (n,)
        As in `auroc`.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Interval
        Limits are NaN when average precision is 1.

    Raises
    ------
    EvidenceError
        If the rows are not usable or hold only one class.

    References
    ----------
    Boyd K, Eng KH, Page CD. ECML PKDD 2013, LNCS 8190:451-466.
    """
    value = average_precision(y, score)
    events = int(np.asarray(y, dtype=np.float64).sum())
    method = "logit scale (Boyd 2013)"
    if value >= 1:
        return without_limits(value, level, method, "no limits: the ranking is perfect")
    centre, reach = math.log(value / (1 - value)), normal_quantile(level) / math.sqrt(events * value * (1 - value))
    low, high = (1 / (1 + math.exp(-edge)) for edge in (centre - reach, centre + reach))
    return Interval(value=value, low=low, high=high, level=level, method=method)


def _midranks(values: Numbers) -> Numbers:
    """Rank from 1 upwards, equal values sharing the mean of the ranks they take up."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Numbers = (np.cumsum(counts) - (counts - 1) / 2)[position]
    return ranks


def _placements(outcome: Outcomes, score: Numbers) -> tuple[Numbers, Numbers]:
    """For each event, the share of non-events it outranks; for each non-event, the share of events that outrank it."""
    overall, events, others = _midranks(score), int(outcome.sum()), int((~outcome).sum())
    of_events = (overall[outcome] - _midranks(score[outcome])) / others
    of_others = 1 - (overall[~outcome] - _midranks(score[~outcome])) / events
    return of_events, of_others


def _delong_error(of_events: Numbers, of_others: Numbers) -> float:
    return math.sqrt(of_events.var(ddof=1) / len(of_events) + of_others.var(ddof=1) / len(of_others))
