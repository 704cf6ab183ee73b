"""Net benefit, predictive value and alerts at a threshold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.errors import EvidenceError
from cdss.evaluation import net_benefit, operating_point
from tests.evaluation.samples import Cohort, cohorts


def test_net_benefit_of_80_true_and_200_false_alarms_among_1000_at_10_percent() -> None:
    value = net_benefit(true_positives=80, false_positives=200, n=1000, threshold=0.10)
    assert value == pytest.approx(0.05778, abs=5e-6)
    assert value == pytest.approx(80 / 1000 - 200 / 1000 / 9)


def test_operating_point_counts_the_same_1000_patients() -> None:
    y = np.repeat([1, 1, 0, 0], [80, 20, 200, 700])
    p = np.repeat([0.1, 0.09, 0.4, 0.0], [80, 20, 200, 700])
    point = operating_point(y, p, 0.10)
    assert (point.true_positives, point.false_positives) == (80, 200)
    assert (point.false_negatives, point.true_negatives) == (20, 700)
    assert point.net_benefit == pytest.approx(0.05778, abs=5e-6)
    assert point.net_benefit_of_flagging_all == pytest.approx(0.1 - 0.9 / 9)
    assert point.sensitivity.value == 0.8
    assert point.specificity.value == pytest.approx(700 / 900)
    assert point.ppv.value == pytest.approx(80 / 280)
    assert point.number_needed_to_evaluate == 3.5
    assert point.alerts_per_100 == 28
    assert point.ppv.method == "Wilson score"


@given(cohorts(), st.floats(0, 0.99))
def test_counts_add_up_and_nobody_gains_more_than_the_event_rate(cohort: Cohort, threshold: float) -> None:
    y, (p,) = cohort
    point = operating_point(y, p, threshold)
    assert point.n == len(y)
    assert point.true_positives + point.false_negatives == y.sum()
    assert point.net_benefit <= y.mean()


@given(cohorts())
def test_threshold_0_flags_everyone(cohort: Cohort) -> None:
    y, (p,) = cohort
    point = operating_point(y, p, 0)
    assert point.alerts_per_100 == 100
    assert point.net_benefit == point.net_benefit_of_flagging_all == pytest.approx(y.mean())


def test_no_alert_means_no_benefit_and_no_predictive_value() -> None:
    point = operating_point([0, 1], [0.1, 0.2], 0.9)
    assert point.net_benefit == 0
    assert math.isnan(point.number_needed_to_evaluate)
    written = json.loads(json.dumps(point.to_dict(), allow_nan=False))
    assert written["number_needed_to_evaluate"] is None
    assert written["ppv"]["value"] is None


@pytest.mark.parametrize("threshold", [-0.1, 1, 10, math.nan])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(EvidenceError, match="threshold"):
        operating_point([0, 1], [0.1, 0.2], threshold)


@pytest.mark.parametrize(("tp", "fp", "n"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_do_not_fit_the_patients_are_refused(tp: int, fp: int, n: int) -> None:
    with pytest.raises(EvidenceError, match="do not fit"):
        net_benefit(true_positives=tp, false_positives=fp, n=n, threshold=0.1)
