"""Brier, slope, intercept, O/E and the smoothed curve against scikit-learn, hand calculation, simulation and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from cdss.evaluation import brier, calibration_curve, calibration_intercept, calibration_slope, observed_expected
from tests.evaluation.samples import Cohort, Numbers, calibrated, cohorts


def logit(p: Numbers) -> Numbers:
    return np.log(p / (1 - p))


def expit(x: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-x))


@given(cohorts())
def test_brier_score_agrees_with_scikit_learn_and_lies_between_0_and_1(cohort: Cohort) -> None:
    y, (p,) = cohort
    interval = brier(y, p)
    assert interval.value == pytest.approx(brier_score_loss(y, p), abs=1e-12)
    assert 0 <= interval.value <= 1
    if not math.isnan(interval.low):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_calibration_of_simulated_perfect_predictions_is_1_and_0() -> None:
    y, p = calibrated(100_000)
    assert calibration_slope(y, p).value == pytest.approx(1, abs=0.03)
    assert calibration_intercept(y, p).value == pytest.approx(0, abs=0.03)
    assert observed_expected(y, p).value == pytest.approx(1, abs=0.02)
    assert calibration_curve(y, p).ici < 0.01


def test_predictions_twice_too_extreme_have_slope_one_half() -> None:
    y, p = calibrated(100_000)
    assert calibration_slope(y, expit(2 * logit(p)), clip=1e-9).value == pytest.approx(0.5, abs=0.02)


def test_predictions_half_a_log_odds_too_low_have_intercept_one_half_and_too_many_events() -> None:
    y, p = calibrated(100_000)
    low = expit(logit(p) - 0.5)
    assert calibration_intercept(y, low, clip=1e-9).value == pytest.approx(0.5, abs=0.03)
    assert observed_expected(y, low).value > 1.1


def test_slope_agrees_with_unpenalised_logistic_regression() -> None:
    y, p = calibrated(800, seed=5)
    p = np.clip(p, 0.01, 0.99)
    fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(logit(p)[:, None], y)
    slope = calibration_slope(y, p)
    assert slope.value == pytest.approx(fitted.coef_[0, 0], rel=1e-6)
    design, mean = np.column_stack([np.ones(800), logit(p)]), fitted.predict_proba(logit(p)[:, None])[:, 1]
    information = design.T @ (design * (mean * (1 - mean))[:, None])
    error = np.linalg.inv(information)[1, 1] ** 0.5
    assert slope.high - slope.value == pytest.approx(1.959963984540054 * error, rel=1e-5)


def test_intercept_makes_the_mean_prediction_equal_the_event_rate() -> None:
    y, p = calibrated(800, seed=6)
    p = np.clip(p * 0.6, 0.01, 0.99)
    intercept = calibration_intercept(y, p)
    shifted = expit(logit(p) + intercept.value)
    assert shifted.mean() == pytest.approx(y.mean(), abs=1e-10)
    error = (shifted * (1 - shifted)).sum() ** -0.5
    assert intercept.high - intercept.value == pytest.approx(1.959963984540054 * error, rel=1e-8)


def test_observed_over_expected_of_20_events_where_25_were_expected() -> None:
    interval = observed_expected([1] * 20 + [0] * 80, [0.25] * 100)
    assert interval.value == pytest.approx(0.8)
    spread = 1.959963984540054 * math.sqrt(0.8 / 20)
    assert (interval.low, interval.high) == pytest.approx((0.8 * math.exp(-spread), 0.8 * math.exp(spread)))


def test_observed_over_expected_needs_only_an_expected_event() -> None:
    none = observed_expected([0, 0], [0.1, 0.2])
    assert none.value == 0
    assert math.isnan(none.high)
    assert "no event is expected" in observed_expected([0, 1], [0, 0]).method


@pytest.mark.parametrize("p", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]])
def test_slope_of_predictions_that_separate_the_outcomes_says_so_instead_of_running_away(p: list[float]) -> None:
    slope = calibration_slope([0, 0, 1, 1], p)
    assert np.isnan([slope.value, slope.low, slope.high]).all()
    assert "separate" in slope.method


def test_slope_of_one_prediction_for_all_says_so() -> None:
    slope = calibration_slope([0, 1, 0, 1], [0.4] * 4)
    assert math.isnan(slope.value)
    assert "every prediction is the same" in slope.method


def test_slope_of_predictions_that_all_but_separate_ends() -> None:
    p = np.array([*np.full(50, 0.2), 0.5 + 1e-13, 0.5, *np.full(50, 0.8)])
    y = np.array([0] * 51 + [1] * 51)
    slope = calibration_slope(y, p)
    assert math.isnan(slope.value) or slope.value > 10


@given(cohorts())
def test_slope_and_intercept_always_end_with_numbers_or_a_reason(cohort: Cohort) -> None:
    y, (p,) = cohort
    slope, intercept = calibration_slope(y, p), calibration_intercept(y, p)
    assert math.isfinite(slope.value) or "not estimable" in slope.method
    assert math.isfinite(intercept.value)


def test_probabilities_of_0_and_1_are_moved_inside_and_counted() -> None:
    y, p = calibrated(500)
    p[:3], p[3:5] = 0, 1
    p[5:] = np.clip(p[5:], 0.01, 0.99)
    assert "5 probabilities moved into [0.001, 0.999]" in calibration_slope(y, p).method
    inside = np.clip(p, 0.01, 0.99)
    assert calibration_slope(y, p, clip=0.01).value == calibration_slope(y, inside).value


def test_slope_interval_covers_the_truth_about_95_times_in_100() -> None:
    covered = np.zeros(4)
    for seed in range(400):
        y, p = calibrated(400, seed=seed)
        truth = float((p * (1 - p)).mean())
        estimates = calibration_slope(y, p), calibration_intercept(y, p), observed_expected(y, p), brier(y, p)
        covered += [estimate.holds(value) for estimate, value in zip(estimates, (1, 0, 1, truth), strict=True)]
    assert (covered / 400 > 0.92).all()


def test_curve_of_a_quadratic_truth_is_that_quadratic() -> None:
    p = np.linspace(0.05, 0.95, 181)
    groups = [(x, round(400 * (0.2 * x + 0.7 * x * x))) for x in p]
    y = np.concatenate([np.r_[np.ones(k), np.zeros(400 - k)] for _, k in groups])
    curve = calibration_curve(y, np.repeat(p, 400))
    truth = 0.2 * p + 0.7 * p * p
    assert np.interp(p, curve.predicted, curve.observed) == pytest.approx(truth, abs=2e-3)
    assert curve.ici == pytest.approx(np.abs(p - truth).mean(), abs=2e-3)
    assert curve.e50 == pytest.approx(np.median(np.abs(p - truth)), abs=2e-3)


def test_curve_point_is_the_weighted_parabola_of_its_neighbours() -> None:
    y, p = calibrated(150, seed=3)
    curve = calibration_curve(y, p)
    at = curve.predicted[70]
    distance = np.abs(p - at)
    reach = np.sort(distance)[int(0.75 * 150) - 1]
    weight = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
    keep = weight > 0
    fit = np.polyfit(p[keep] - at, y[keep], 2, w=weight[keep] ** 0.5)
    assert curve.observed[70] == pytest.approx(fit[-1], abs=1e-9)


def test_curve_of_two_tied_predictions_is_the_event_rate_of_each() -> None:
    y, p = [0, 0, 0, 1, 0, 1, 1, 1], [0.2] * 4 + [0.8] * 4
    curve = calibration_curve(y, p)
    assert curve.predicted == (0.2, 0.8)
    assert curve.observed == pytest.approx((0.25, 0.75))
    assert curve.ici == pytest.approx(0.05)


def test_curve_of_one_prediction_for_all_is_the_event_rate() -> None:
    curve = calibration_curve([0, 1, 1, 1], [0.5] * 4)
    assert curve.observed == (0.75,)
    assert curve.ici == curve.e90 == 0.25


@given(cohorts())
def test_curve_stays_between_0_and_1_and_its_points_rise_in_prediction(cohort: Cohort) -> None:
    y, (p,) = cohort
    curve = calibration_curve(y, p)
    assert all(0 <= value <= 1 for value in curve.observed)
    assert list(curve.predicted) == sorted(set(p.tolist()))
    assert 0 <= curve.e50 <= curve.e90 <= 1
