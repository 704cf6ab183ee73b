"""The whole record of a predictor, the comparison of two, and what rows are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.errors import CdssError, EvidenceError
from cdss.evaluation import (
    auroc,
    average_precision,
    brier,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
    compare,
    evaluate,
    observed_expected,
    reliability_table,
)
from tests.evaluation.samples import Cohort, calibrated, cohorts


def test_evaluation_gathers_every_figure_with_its_method() -> None:
    y, p = calibrated(1000)
    result = evaluate(y, p, level=0.9)
    assert (result.n, result.events, result.prevalence) == (1000, y.sum(), y.mean())
    assert result.auroc.value == auroc(y, p)
    assert result.average_precision.value == average_precision(y, p)
    assert result.brier == brier(y, p, 0.9)
    assert result.calibration_slope == calibration_slope(y, p, 0.9)
    assert result.calibration_intercept == calibration_intercept(y, p, 0.9)
    assert result.observed_expected == observed_expected(y, p, 0.9)
    assert result.auroc.method == "DeLong, plain scale"
    assert result.auroc.level == 0.9


@given(cohorts(predictors=2), st.randoms(use_true_random=False))
def test_shuffling_the_patients_changes_not_one_bit(cohort: Cohort, random: Random) -> None:
    y, (a, b) = cohort
    order = list(range(len(y)))
    random.shuffle(order)
    assert repr(evaluate(y[order], a[order])) == repr(evaluate(y, a))
    assert repr(compare(y[order], a[order], b[order])) == repr(compare(y, a, b))
    assert repr(calibration_curve(y[order], a[order])) == repr(calibration_curve(y, a))
    assert repr(reliability_table(y[order], a[order])) == repr(reliability_table(y, a))


@given(cohorts(predictors=2))
def test_every_result_can_be_written_as_strict_json(cohort: Cohort) -> None:
    y, (a, b) = cohort
    for result in (evaluate(y, a), compare(y, a, b), calibration_curve(y, a)):
        json.dumps(result.to_dict(), allow_nan=False)


def test_a_figure_that_cannot_be_estimated_is_null_with_its_reason() -> None:
    written = evaluate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).to_dict()["calibration_slope"]
    assert isinstance(written, dict)
    assert written["value"] is None
    assert "separate" in written["method"]


def test_the_true_risk_is_better_than_a_noisy_copy_in_both_measures() -> None:
    y, p = calibrated(3000)
    noisy = np.clip(p + np.random.default_rng(2).normal(0, 0.3, len(p)), 0, 1)
    forward, backward = compare(y, p, noisy), compare(y, noisy, p)
    assert (forward.auroc.verdict, forward.brier.verdict) == ("better", "better")
    assert (backward.auroc.verdict, backward.brier.verdict) == ("worse", "worse")
    assert forward.brier.interval.value < 0 < forward.auroc.interval.value


def test_paired_brier_difference_is_the_difference_of_the_scores() -> None:
    y, p = calibrated(400)
    other = p**2
    difference = compare(y, p, other).brier
    assert difference.interval.value == pytest.approx(brier(y, p).value - brier(y, other).value, abs=1e-12)
    gap = (p - y) ** 2 - (other - y) ** 2
    assert difference.z == pytest.approx(gap.mean() / (gap.std(ddof=1) / 20))


def test_chance_alone_is_not_shown_to_be_better() -> None:
    rng = np.random.default_rng(4)
    y, a, b = rng.integers(0, 2, 300), rng.random(300), rng.random(300)
    assert compare(y, a, b).auroc.verdict == compare(y, b, a).auroc.verdict == "not shown to be better"


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([0, 1, 1], [0.1, 0.2], "probability has 2 rows and y has 3"),
        ([0, 1, 2, 1], [0.1, 0.2, 0.3, 0.4], "y has 1 values that are neither 0 nor 1"),
        ([0, 1, np.nan, 1], [0.1, 0.2, 0.3, 0.4], "y has 1 missing values"),
        ([0, 1, 0, 1], [0.1, np.nan, np.nan, 0.4], "probability has 2 missing values"),
        ([0, 1, 0, 1], [0.1, 0.2, 0.3, 40], "probability has 1 values outside 0 to 1"),
        ([0, 1, 0, 1], [0.1, 0.2, 0.3, -0.1], "probability has 1 values outside 0 to 1"),
        ([0, 1, 0, 1], [0.1, 0.2, 0.3, None], "probability has 1 missing values"),
        (["no", "yes"], [0.1, 0.2], "y holds something that is not a number"),
        ([[0, 1]], [0.1, 0.2], "y has 2 dimensions"),
        ([], [], "y has no rows"),
        ([0, 0, 0], [0.1, 0.2, 0.3], "y has 0 events among 3 rows"),
        ([1, 1, 0], [0.1, 0.2, 0.3], "y has 1 non-events among 3 rows"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_by_name(y: list[object], p: list[object], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        evaluate(y, p)  # type: ignore[arg-type]
    assert isinstance(caught.value, CdssError)


@pytest.mark.parametrize("statistic", [brier, observed_expected, calibration_slope, calibration_intercept, evaluate])
def test_a_level_that_is_no_confidence_level_is_refused(statistic: Callable[..., object]) -> None:
    with pytest.raises(EvidenceError, match="level"):
        statistic([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], 95)


def test_comparison_names_the_predictor_that_is_wrong() -> None:
    with pytest.raises(EvidenceError, match=r"^b has 1 values outside"):
        compare([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 4])
