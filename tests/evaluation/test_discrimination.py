"""AUROC, DeLong and average precision against pROC, scikit-learn, the definition, and the laws they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from cdss.evaluation import auroc, auroc_interval, average_precision, average_precision_interval, compare_auroc
from tests.evaluation.samples import Cohort, asah, calibrated, cohorts


def test_auroc_of_asah_is_what_proc_prints() -> None:
    poor, wfns, s100b = asah()
    assert (len(poor), poor.sum()) == (113, 41)
    assert auroc(poor, wfns) == pytest.approx(0.823678861788618, abs=1e-12)
    assert auroc(poor, s100b) == pytest.approx(0.731369, abs=5e-7)


def test_delong_interval_of_asah_follows_from_the_variance_proc_prints() -> None:
    poor, wfns, s100b = asah()
    for score, variance in ((wfns, 0.00146991470882363), (s100b, 0.00266868245717244)):
        interval = auroc_interval(poor, score)
        assert interval.high - interval.low == pytest.approx(2 * 1.959963984540054 * variance**0.5, rel=1e-10)
        assert (interval.high + interval.low) / 2 == pytest.approx(interval.value, rel=1e-12)


def test_paired_delong_test_of_asah_is_what_proc_prints() -> None:
    poor, wfns, s100b = asah()
    difference = compare_auroc(poor, wfns, s100b)
    assert difference.z == pytest.approx(2.20898359144091, rel=1e-10)
    assert difference.p == pytest.approx(0.0271757822291882, rel=1e-10)
    assert difference.interval.low == pytest.approx(0.0104061769564846, rel=1e-10)
    assert difference.interval.high == pytest.approx(0.174214419249478, rel=1e-10)
    assert difference.verdict == "better"
    assert compare_auroc(poor, s100b, wfns).verdict == "worse"


def test_at_99_percent_wfns_is_not_shown_to_be_better_than_s100b() -> None:
    poor, wfns, s100b = asah()
    assert compare_auroc(poor, wfns, s100b, level=0.99).verdict == "not shown to be better"


@given(cohorts())
def test_auroc_and_average_precision_agree_with_scikit_learn(cohort: Cohort) -> None:
    y, (score,) = cohort
    assert auroc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    assert average_precision(y, score) == pytest.approx(average_precision_score(y, score), abs=1e-12)


@given(cohorts(predictors=2))
def test_fast_delong_agrees_with_comparing_every_pair(cohort: Cohort) -> None:
    y, scores = cohort
    by_event, by_other = [], []
    for score in scores:
        gap = score[y == 1][:, None] - score[y == 0][None, :]
        wins = (gap > 0) + 0.5 * (gap == 0)
        by_event.append(wins.mean(axis=1))
        by_other.append(wins.mean(axis=0))
    covariance = np.cov(by_event) / (y == 1).sum() + np.cov(by_other) / (y == 0).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = compare_auroc(y, scores[0], scores[1])
    assert difference.interval.value == pytest.approx(by_event[0].mean() - by_event[1].mean(), abs=1e-12)
    if variance > 1e-12:
        assert difference.z == pytest.approx(difference.interval.value / variance**0.5, rel=1e-6)
    single = auroc_interval(y, scores[0])
    if covariance[0, 0] > 1e-12:
        reach = 1.959963984540054 * covariance[0, 0] ** 0.5
        assert single.low == pytest.approx(max(0, single.value - reach), abs=1e-9)
        assert single.high == pytest.approx(min(1, single.value + reach), abs=1e-9)


@given(cohorts())
def test_auroc_ignores_the_scale_of_the_score(cohort: Cohort) -> None:
    y, (score,) = cohort
    assert auroc(y, np.exp(3 * score) - 7) == auroc(y, score)


@given(cohorts())
def test_swapping_event_and_no_event_turns_auroc_into_one_minus_auroc(cohort: Cohort) -> None:
    y, (score,) = cohort
    assert auroc(1 - y, score) == pytest.approx(1 - auroc(y, score), abs=1e-12)
    assert auroc(y, -score) == pytest.approx(1 - auroc(y, score), abs=1e-12)


@given(cohorts(predictors=2))
def test_swapping_the_two_predictors_flips_the_sign_and_nothing_else(cohort: Cohort) -> None:
    y, (a, b) = cohort
    forward, backward = compare_auroc(y, a, b), compare_auroc(y, b, a)
    assert forward.interval.value == pytest.approx(-backward.interval.value, abs=1e-12)
    assert forward.interval.low == pytest.approx(-backward.interval.high, abs=1e-12, nan_ok=True)
    assert forward.p == pytest.approx(backward.p, abs=1e-9, nan_ok=True)


@given(cohorts())
def test_a_predictor_is_not_better_than_itself(cohort: Cohort) -> None:
    y, (score,) = cohort
    difference = compare_auroc(y, score, score)
    assert (difference.interval.value, difference.z, difference.p) == (0, 0, 1)
    assert difference.verdict == "not shown to be better"


def test_equal_scores_for_all_rank_like_a_coin() -> None:
    y = [0, 1, 0, 1]
    assert auroc(y, [0.3] * 4) == 0.5
    assert average_precision(y, [0.3] * 4) == 0.5


def test_perfect_ranking_is_one_and_gets_no_false_certainty() -> None:
    y, score = [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]
    for interval in (auroc_interval(y, score), average_precision_interval(y, score)):
        assert interval.value == 1
        assert np.isnan([interval.low, interval.high]).all()
        assert "no limits" in interval.method
    assert compare_auroc(y, score, score[::-1]).verdict == "not shown to be better"


def test_infinite_log_odds_can_be_ranked() -> None:
    assert auroc([0, 1, 0, 1], [-np.inf, np.inf, 0, 0]) == 0.875


@pytest.mark.parametrize("seed", range(3))
def test_delong_and_average_precision_intervals_cover_the_truth_about_95_times_in_100(seed: int) -> None:
    y, risk = calibrated(200_000, seed=99)
    truth = auroc(y, risk), average_precision(y, risk)
    rng, repeats, covered = np.random.default_rng(seed), 300, np.zeros(2)
    for _ in range(repeats):
        rows = rng.integers(0, len(y), 300)
        intervals = auroc_interval(y[rows], risk[rows]), average_precision_interval(y[rows], risk[rows])
        covered += [interval.holds(value) for interval, value in zip(intervals, truth, strict=True)]
    assert (covered / repeats > 0.91).all()
    assert (covered / repeats < 0.99).all()


@given(st.floats(0.5, 0.98), cohorts())
def test_a_higher_level_never_narrows_the_interval(level: float, cohort: Cohort) -> None:
    y, (score,) = cohort
    narrow, wide = auroc_interval(y, score, level), auroc_interval(y, score, level + 0.01)
    if not np.isnan(narrow.low):
        assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high
