"""Whether predicted probabilities mean what they say: Brier score, calibration slope and intercept, O/E."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from cdss.errors import EvidenceError
from cdss.evaluation.interval import Interval, normal_interval, normal_quantile, without_limits
from cdss.evaluation.rows import Numbers, Outcomes, read_probabilities

CLIP = 0.001
"""Nearest that a probability may come to 0 or 1 where a statistic takes its log-odds, which are infinite at 0 and 1."""


def brier(y: ArrayLike, probability: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean squared distance of probability and outcome, with the normal interval of a mean, cut at 0 and 1.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    probability : array_like of float, shape (n,)
        Predicted probability of the event, 0 to 1.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Interval
        In [0, 1], lower is better. Limits are NaN with one row, or when every row has the same error.

    Raises
    ------
    EvidenceError
        If the rows are not usable.

    References
    ----------
    Brier GW. Mon Weather Rev 1950;78:1-3. Bradley AA et al. Weather Forecast 2008;23:992-1006 (its sampling variance).
    """
    outcome, (column,) = read_probabilities(y, {"probability": probability})
    squared = (column - outcome) ** 2
    error = float(squared.std(ddof=1)) / math.sqrt(len(squared)) if len(squared) > 1 else math.nan
    return normal_interval(float(squared.mean()), error, level, "normal, variance of the mean", bounds=(0, 1))


def observed_expected(y: ArrayLike, probability: ArrayLike, level: float = 0.95) -> Interval:
    """Return observed events over expected events, with a log-normal interval that takes the expected as fixed.

    Parameters
    ----------
    y, probability : array_like, shape (n,)
        As in `brier`.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Interval
        1 means as many events as predicted, above 1 more. The standard error of its logarithm is
        sqrt((1 - events / n) / events); limits are NaN when no row or every row is an event, and
        the value too when every probability is 0.

    Raises
    ------
    EvidenceError
        If the rows are not usable.

    References
    ----------
    Debray TPA et al. BMJ 2017;356:i6460.
    """
    outcome, (column,) = read_probabilities(y, {"probability": probability})
    observed, expected = int(outcome.sum()), float(column.sum())
    method = "log-normal, expected taken as fixed"
    if expected == 0:
        return without_limits(math.nan, level, method, "not estimable: no event is expected")
    value = observed / expected
    if observed in (0, len(outcome)):
        return without_limits(value, level, method, "no limits: all outcomes are the same")
    factor = math.exp(normal_quantile(level) * math.sqrt((1 - observed / len(outcome)) / observed))
    return Interval(value=value, low=value / factor, high=value * factor, level=level, method=method)


def calibration_slope(y: ArrayLike, probability: ArrayLike, level: float = 0.95, *, clip: float = CLIP) -> Interval:
    """Return the slope of a logistic regression of the outcome on the log-odds of the prediction, with Wald's interval.

    Parameters
    ----------
    y, probability : array_like, shape (n,)
        As in `brier`.
    level : float
        Two-sided confidence level.
    clip : float
        Probabilities are first moved into [clip, 1 - clip]; `method` says how many were.

    Returns
    -------
    Interval
        1 is ideal; below 1 the predictions are too extreme. All NaN, with the reason in `method`, where the fit has no
        finite answer: the predictions separate events from non-events, or are all the same; also where the fit does
        not settle, because they all but separate.

    Raises
    ------
    EvidenceError
        If the rows are not usable, hold only one class, or `clip` is not in (0, 0.5).

    References
    ----------
    Cox DR. Biometrika 1958;45:562-565. Van Calster B et al. J Clin Epidemiol 2016;74:167-176.
    """
    outcome, log_odds, method = _recalibration_rows(y, probability, clip)
    of_events, of_others = log_odds[outcome], log_odds[~outcome]
    if log_odds.min() == log_odds.max():
        return without_limits(math.nan, level, method, "not estimable: every prediction is the same")
    if of_others.max() <= of_events.min() or of_events.max() <= of_others.min():
        return without_limits(math.nan, level, method, "not estimable: predictions separate events from non-events")
    centre, scale = float(log_odds.mean()), float(log_odds.std())
    design = np.column_stack([np.ones_like(log_odds), (log_odds - centre) / scale])
    estimate, error = _logistic_fit(design, outcome, np.zeros_like(log_odds))
    return normal_interval(float(estimate[1]) / scale, float(error[1]) / scale, level, method)


def calibration_intercept(y: ArrayLike, probability: ArrayLike, level: float = 0.95, *, clip: float = CLIP) -> Interval:
    """Return calibration-in-the-large: the shift in log-odds that makes the mean prediction right; Wald's interval.

    A logistic regression of the outcome on a constant, the log-odds of the prediction entering as an offset (slope 1).

    Parameters
    ----------
    y, probability, level, clip
        As in `calibration_slope`.

    Returns
    -------
    Interval
        Log-odds; 0 is ideal, above 0 the predictions are too low.

    Raises
    ------
    EvidenceError
        If the rows are not usable, hold only one class, or `clip` is not in (0, 0.5).

    References
    ----------
    Cox DR. Biometrika 1958;45:562-565. Van Calster B et al. J Clin Epidemiol 2016;74:167-176.
    """
    outcome, log_odds, method = _recalibration_rows(y, probability, clip)
    estimate, error = _logistic_fit(np.ones((len(log_odds), 1)), outcome, log_odds)
    return normal_interval(float(estimate[0]), float(error[0]), level, method)


def _recalibration_rows(y: ArrayLike, probability: ArrayLike, clip: float) -> tuple[Outcomes, Numbers, str]:
    """Outcomes, log-odds of the clipped probabilities, and the name of the method, which counts the clipped."""
    if not 0 < clip < 0.5:
        raise EvidenceError(f"clip is {clip}, but must lie between 0 and 0.5. Leave it out for {CLIP}.")
    outcome, (column,) = read_probabilities(y, {"probability": probability}, per_class=1)
    inside = np.clip(column, clip, 1 - clip)
    moved = int(np.count_nonzero(inside != column))
    method = "Wald, Fisher information"
    if moved:
        method += f"; {moved} probabilities moved into [{clip:g}, {1 - clip:g}]"
    return outcome, np.log(inside / (1 - inside)), method


def _logistic_fit(design: Numbers, outcome: Outcomes, offset: Numbers) -> tuple[Numbers, Numbers]:
    """Maximum likelihood by Newton's method: coefficients and their standard errors, NaN where it does not settle.

    A step that lowers the likelihood is halved: the likelihood is concave, so this climbs to its maximum if it has one.
    """

    def log_likelihood(coefficients: Numbers) -> float:
        eta = offset + design @ coefficients
        return float((eta * outcome - np.logaddexp(0, eta)).sum())

    coefficients, unsettled = np.zeros(design.shape[1]), np.full(design.shape[1], np.nan)
    best = log_likelihood(coefficients)
    for _ in range(100):
        mean = 0.5 * (1 + np.tanh((offset + design @ coefficients) / 2))
        information = (design.T * (mean * (1 - mean))) @ design
        try:
            covariance = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            return unsettled, unsettled
        step = covariance @ (design.T @ (outcome - mean))
        if not np.isfinite(step).all():
            return unsettled, unsettled
        if np.abs(step).max() <= 1e-10 * (1 + np.abs(coefficients).max()):
            return coefficients, np.sqrt(np.diag(covariance))
        rounding = 1e-10 * (1 + abs(best))
        while not (now := log_likelihood(coefficients + step)) >= best - rounding:
            step = step / 2
        coefficients, best = coefficients + step, now
    return unsettled, unsettled
