"""Log-odds to probability, and a clinician's estimate beside the machine's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from cdss.errors import EvidenceError, IntegrityError
from cdss.risk.calibrate import Logistic, TeamFit, expit, fit_logistic, fit_team, logit


def made(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=count), generator.normal(size=count)
    risk = 1 / (1 + np.exp(-(0.3 + 0.8 * first - 1.4 * second)))
    return first, second, (generator.uniform(size=count) < risk).astype(np.int64)


def unpenalised(columns: list[np.ndarray], outcome: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=np.inf, tol=1e-12, max_iter=5000).fit(np.stack(columns, axis=1), outcome)


@pytest.mark.parametrize("seed", range(4))
def test_platt_scaling_is_scikit_learns_unpenalised_logistic_regression(seed: int) -> None:
    first, _, outcome = made(seed)
    fit, oracle = fit_logistic([first], outcome), unpenalised([first], outcome)
    assert fit.intercept == pytest.approx(oracle.intercept_[0], abs=1e-6)
    assert fit.weights == pytest.approx(oracle.coef_[0], abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_two_inputs_are_scikit_learns_unpenalised_logistic_regression(seed: int) -> None:
    first, second, outcome = made(seed)
    fit, oracle = fit_logistic([first, second], outcome), unpenalised([first, second], outcome)
    assert fit.intercept == pytest.approx(oracle.intercept_[0], abs=1e-6)
    assert fit.weights == pytest.approx(oracle.coef_[0], abs=1e-6)


def test_a_known_answer_two_by_two() -> None:
    # Of ten with x = 0 two have the outcome, of ten with x = 1 six: logit(0.2), and logit(0.6) - logit(0.2).
    x = np.repeat([0.0, 1.0], 10)
    outcome = np.array([1] * 2 + [0] * 8 + [1] * 6 + [0] * 4)
    fit = fit_logistic([x], outcome)
    assert fit.intercept == pytest.approx(math.log(0.25), abs=1e-9)
    assert fit.weights[0] == pytest.approx(math.log(1.5) - math.log(0.25), abs=1e-9)


def test_calibrated_risks_add_up_to_the_number_of_outcomes() -> None:
    first, _, outcome = made(7)
    fit = fit_logistic([first], outcome)
    assert sum(expit(fit.log_odds(one)) for one in first.tolist()) == pytest.approx(outcome.sum(), abs=1e-6)


@pytest.mark.parametrize("outcome", [np.zeros(20, np.int64), np.ones(20, np.int64)])
def test_one_class_alone_cannot_be_calibrated(outcome: np.ndarray) -> None:
    with pytest.raises(EvidenceError, match="with and without"):
        fit_logistic([np.arange(20.0)], outcome)


def test_scores_that_separate_the_outcomes_are_refused() -> None:
    with pytest.raises(EvidenceError):
        fit_logistic([np.arange(20.0)], (np.arange(20) > 9).astype(np.int64))


def test_a_score_that_says_nothing_twice_is_refused() -> None:
    first, _, outcome = made(1)
    with pytest.raises(EvidenceError):
        fit_logistic([np.ones_like(first)], outcome)


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-6, 1 - 1e-6))
def test_log_odds_and_probability_are_each_others_inverse(probability: float) -> None:
    assert expit(logit(probability)) == pytest.approx(probability, abs=1e-12)


@pytest.mark.parametrize(("log_odds", "probability"), [(0, 0.5), (1e4, 1.0), (-1e4, 0.0), (math.log(3), 0.75)])
def test_extreme_log_odds_do_not_overflow(log_odds: float, probability: float) -> None:
    assert expit(log_odds) == pytest.approx(probability)


# ---- the team -------------------------------------------------------------------------------------------------------


def test_the_team_is_a_logistic_fit_on_both_log_odds_with_the_estimate_clipped() -> None:
    machine, other, outcome = made(3)
    estimates = 1 / (1 + np.exp(other * 3))
    assert estimates.min() < 0.05  # so that the clip matters
    assert estimates.max() > 0.95
    kept = np.clip(estimates, 0.05, 0.95)
    team, oracle = (
        fit_team(machine, estimates, outcome, 0.05),
        unpenalised([machine, np.log(kept / (1 - kept))], outcome),
    )
    assert team.fitted_on == 400
    assert (team.fit.intercept, *team.fit.weights) == pytest.approx((oracle.intercept_[0], *oracle.coef_[0]), abs=1e-6)


@pytest.mark.parametrize(("given", "counted_as"), [(0.0, 0.05), (0.04, 0.05), (1.0, 0.95), (0.96, 0.95), (0.3, 0.3)])
def test_an_estimate_of_certainty_counts_as_the_clip(given: float, counted_as: float) -> None:
    team = TeamFit(Logistic(0.1, (0.7, 0.5)), clip=0.05, fitted_on=10)
    by_hand = 1 / (1 + math.exp(-(0.1 + 0.7 * 0.4 + 0.5 * math.log(counted_as / (1 - counted_as)))))
    assert team.probability(0.4, given) == pytest.approx(by_hand, abs=1e-12)


def test_a_team_is_stored_as_numbers_and_read_again() -> None:
    team = TeamFit(Logistic(0.1, (0.7, 0.5)), clip=0.05, fitted_on=10)
    assert TeamFit.from_dict(team.to_dict()) == team


@pytest.mark.parametrize(
    "change", [{"clip": 0.0}, {"clip": 0.5}, {"clip": None}, {"n": "ten"}, {"weights": [1.0]}, {"intercept": math.nan}]
)
def test_a_team_with_a_bad_number_is_not_used(change: dict[str, object]) -> None:
    stored = TeamFit(Logistic(0.1, (0.7, 0.5)), clip=0.05, fitted_on=10).to_dict()
    with pytest.raises(IntegrityError):
        TeamFit.from_dict({**stored, **change})


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"intercept": 0.0},
        {"intercept": "x", "weights": [1.0]},
        {"intercept": 0.0, "weights": []},
        {"intercept": 0.0, "weights": [1.0, 2.0]},
        {"intercept": 0.0, "weights": [math.inf]},
        {"intercept": math.nan, "weights": [1.0]},
        {"intercept": 0.0, "weights": 1.0},
    ],
)
def test_a_calibrator_with_a_bad_number_is_not_used(stored: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        Logistic.from_dict(stored, 1)
