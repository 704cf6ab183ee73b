"""Wilson's interval, risk bands and the reliability table."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cdss.errors import EvidenceError
from cdss.evaluation import reliability_table, risk_bands, wilson_interval
from tests.evaluation.samples import Cohort, calibrated, cohorts


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_interval_agrees_with_scipy(counts: tuple[int, int], level: float) -> None:
    k, n = counts
    interval = wilson_interval(k, n, level)
    expected = binomtest(k, n).proportion_ci(confidence_level=level, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_nothing_is_known_of_an_empty_band() -> None:
    interval = wilson_interval(0, 0)
    assert math.isnan(interval.value)
    assert (interval.low, interval.high) == (0, 1)


@pytest.mark.parametrize(("k", "n", "level"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 0), (1, 2, 1), (1, 2, 95)])
def test_counts_that_do_not_fit_and_levels_that_are_none_are_refused(k: int, n: int, level: float) -> None:
    with pytest.raises(EvidenceError):
        wilson_interval(k, n, level)


def test_a_cut_point_belongs_to_the_band_above_it_and_1_to_the_last() -> None:
    bands = risk_bands([0, 1, 0, 1, 1], [0, 0.2, 0.19999, 0.5, 1], cuts=[0.2, 0.5])
    assert [(band.low, band.high, band.n, band.events) for band in bands] == [
        (0, 0.2, 2, 0),
        (0.2, 0.5, 1, 1),
        (0.5, 1, 2, 2),
    ]
    assert bands[2].predicted == 0.75


@given(cohorts(), st.lists(st.integers(1, 20), max_size=6, unique=True))
def test_every_patient_is_in_exactly_one_band(cohort: Cohort, cuts: list[int]) -> None:
    y, (p,) = cohort
    bands = risk_bands(y, p, sorted(cut / 20 for cut in cuts))
    assert len(bands) == len(cuts) + 1
    assert sum(band.n for band in bands) == len(y)
    assert sum(band.events for band in bands) == y.sum()


@pytest.mark.parametrize("cuts", [[0], [0.5, 0.5], [0.6, 0.4], [1.1], [-0.1], [float("nan")]])
def test_cut_points_that_do_not_rise_within_0_and_1_are_refused(cuts: list[float]) -> None:
    with pytest.raises(EvidenceError, match="cut-points"):
        risk_bands([0, 1], [0.1, 0.9], cuts)


def test_an_empty_band_is_shown_and_can_be_written_as_json() -> None:
    empty = risk_bands([0, 1], [0.1, 0.2], cuts=[0.5])[1]
    assert (empty.n, empty.observed.low, empty.observed.high) == (0, 0, 1)
    assert json.loads(json.dumps(empty.to_dict(), allow_nan=False))["predicted"] is None


def test_deciles_hold_a_tenth_each_and_the_observed_rate_follows_the_predicted() -> None:
    y, p = calibrated(10_000)
    table = reliability_table(y, p)
    assert len(table) == 10
    assert all(abs(band.n - 1000) <= 1 for band in table)
    assert all(abs(band.observed.value - band.predicted) < 0.05 for band in table)


@given(cohorts(), st.integers(1, 12))
def test_equal_predictions_share_a_bin_and_no_bin_is_empty(cohort: Cohort, bins: int) -> None:
    y, (p,) = cohort
    table = reliability_table(y, p, bins)
    assert 1 <= len(table) <= bins
    assert all(band.n > 0 for band in table)
    assert sum(band.n for band in table) == len(y)


def test_one_prediction_for_all_makes_one_bin() -> None:
    (only,) = reliability_table([0, 1, 1], np.full(3, 1.0))
    assert (only.n, only.events, only.predicted) == (3, 2, 1)
    with pytest.raises(EvidenceError, match="bins"):
        reliability_table([0, 1], [0.1, 0.2], bins=0)
