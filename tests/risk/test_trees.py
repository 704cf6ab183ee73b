"""Two readings of the same trees, their SHAP values, and the bootstrap behind the interval."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import xgboost
from made_up import ESTIMATOR, grown, rows

from cdss.domain.feature import IntervalSettings
from cdss.errors import EvidenceError, IntegrityError
from cdss.risk.calibrate import Logistic, expit
from cdss.risk.estimator import contributions, fit_trees, margins
from cdss.risk.forest import Forest, forest_of, joined
from cdss.risk.interval import Bootstrap, fit_bootstrap

SHAPES = [
    {"max_depth": 1},
    {"max_depth": 2, "rounds": 1},
    {"max_depth": 3},
    {"max_depth": 6, "min_child_weight": 0},
    {"max_depth": 4, "subsample": 0.6, "colsample_bynode": 0.5, "reg_lambda": 5.0},
    {"max_depth": 3, "base_score": 0.2},
]


def new_rows(count: int, features: int, seed: int) -> np.ndarray:
    """Rows never trained on: gaps, whole rows missing, values on both sides of anything."""
    generator = np.random.default_rng(seed)
    values = generator.normal(scale=2, size=(count, features)).astype(np.float32).astype(np.float64)
    values[generator.uniform(size=values.shape) < 0.3] = np.nan
    values[0], values[1] = np.nan, 1e30
    return values


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_plain_trees_give_xgboosts_margin(shape: dict[str, float], seed: int) -> None:
    booster = grown(features=4, seed=seed, **shape)
    values = new_rows(200, 4, seed + 10)
    assert np.abs(forest_of(booster).margin(values) - margins(booster, values)).max() < 1e-5


@pytest.mark.parametrize("seed", [0, 1])
def test_a_value_exactly_on_a_threshold_goes_the_same_way_in_both_readings(seed: int) -> None:
    booster = grown(features=3, seed=seed)
    forest = forest_of(booster)
    cuts = np.unique(forest.threshold[forest.threshold != 0])
    values = np.repeat(cuts.astype(np.float64)[:, None], 3, axis=1)
    assert np.abs(forest.margin(values) - margins(booster, values)).max() < 1e-5


def test_trees_that_never_split_give_one_margin_for_everyone() -> None:
    values, outcome = np.zeros((40, 2)), np.array([0, 1] * 20)
    booster = fit_trees(values, outcome, {**ESTIMATOR, "rounds": 3}, [0, 0], 1)
    forest = forest_of(booster)
    assert forest.depth == 0
    assert forest.margin(new_rows(5, 2, 0)) == pytest.approx(margins(booster, new_rows(5, 2, 0)), abs=1e-6)


def test_a_model_without_gaps_in_training_still_answers_rows_with_gaps_alike() -> None:
    booster = grown(missing=0.0)
    values = new_rows(100, 3, 4)
    assert np.abs(forest_of(booster).margin(values) - margins(booster, values)).max() < 1e-5


def test_a_forest_is_stored_as_numbers_and_read_again() -> None:
    forest = forest_of(grown())
    again = Forest.from_dict(json.loads(json.dumps(forest.to_dict())), 3)
    values = new_rows(50, 3, 2)
    assert (again.margin(values) == forest.margin(values)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 13}, {"depth": -1}, {"depth": "x"}, {"trees": 0}, {"trees": 7}, {"base": None},
        {"base": float("nan")}, {"base": float("inf")}, {"leaf": "!!"}, {"leaf": ""}, {"feature": 3},
        {"threshold": None},
    ],
)  # fmt: skip
def test_a_forest_that_cannot_be_is_not_used(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        Forest.from_dict({**forest_of(grown()).to_dict(), **change}, 3)


def test_a_forest_over_more_features_than_the_model_has_is_not_used() -> None:
    with pytest.raises(IntegrityError, match="features the model does not have"):
        Forest.from_dict(forest_of(grown(features=3)).to_dict(), 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_shap_values_add_up_to_the_margin(shape: dict[str, float]) -> None:
    booster = grown(features=4, **shape)
    values = new_rows(200, 4, 3)
    assert np.abs(contributions(booster, values).sum(axis=1) - margins(booster, values)).max() < 1e-4


@pytest.mark.parametrize("seed", [0, 1])
def test_shap_values_are_those_of_the_shap_library(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    booster = grown(features=4, seed=seed, max_depth=4)
    values = new_rows(60, 4, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
        oracle = explainer.shap_values(values)
    found = contributions(booster, values)
    assert np.abs(found[:, :-1] - oracle).max() < 1e-4
    assert np.abs(found[:, -1] - explainer.expected_value).max() < 1e-4


def test_monotone_features_hold_in_the_trees() -> None:
    values, outcome = rows(400, 3, seed=2)
    booster = fit_trees(values, outcome, ESTIMATOR, [1, -1, 0], 3)
    base = np.nan_to_num(new_rows(100, 3, 5)[2:], nan=0.0)
    for column, direction in ((0, 1), (1, -1)):
        higher = base.copy()
        higher[:, column] += np.random.default_rng(1).uniform(0.1, 3, len(base))
        assert (direction * (margins(booster, higher) - margins(booster, base)) >= 0).all()


# ---- interval -------------------------------------------------------------------------------------------------------

SETTINGS = IntervalSettings(members=4, rounds=3, eta=0.5, level=0.9)


def bootstrap(seed: int = 5, groups: list[str] | None = None) -> Bootstrap:
    values, outcome = rows()
    names = groups or [f"Patient/{n}" for n in range(len(outcome))]
    return fit_bootstrap(values, outcome, names, SETTINGS, ESTIMATOR, [0, 0, 0], seed)


def test_the_bootstrap_gives_the_same_numbers_again_and_others_with_another_seed() -> None:
    assert bootstrap().to_dict() == bootstrap().to_dict()
    assert bootstrap().to_dict() != bootstrap(6).to_dict()


def test_an_interval_holds_its_estimate_and_names_level_and_method() -> None:
    found = bootstrap()
    for log_odds in (-3.0, 0.0, 2.5):
        interval = found.interval(log_odds, 0.4)
        assert 0 < interval.low < expit(log_odds) < interval.high < 1
        assert interval.level == 0.9
        assert "B = 4" in interval.method


def test_an_interval_is_normal_on_the_log_odds() -> None:
    interval = bootstrap().interval(0.5, 0.4)
    assert interval.low == pytest.approx(expit(0.5 - 1.6448536269514722 * 0.4), abs=1e-12)
    assert interval.high == pytest.approx(expit(0.5 + 1.6448536269514722 * 0.4), abs=1e-12)


def test_members_that_agree_give_no_spread_and_members_that_differ_do() -> None:
    twice = joined([forest_of(grown()), forest_of(grown())])
    same = Bootstrap(0.9, twice, (Logistic(0, (1,)), Logistic(0, (1,))))
    apart = Bootstrap(0.9, twice, (Logistic(0, (1,)), Logistic(2, (1,))))
    values = new_rows(5, 3, 1)
    assert same.spread(values).tolist() == [0] * 5
    assert apart.spread(values) == pytest.approx([np.sqrt(2)] * 5)


def test_the_spread_of_a_patient_does_not_depend_on_who_else_is_asked_about() -> None:
    found, values = bootstrap(), new_rows(30, 3, 8)
    together = found.spread(values)
    assert [float(found.spread(values[row : row + 1])[0]) for row in range(30)] == together.tolist()


def test_patients_are_drawn_and_not_rows() -> None:
    # Two rows of each patient: a member never calibrates on a patient it was grown on, so the fit is another.
    paired = [f"Patient/{n // 2}" for n in range(300)]
    assert bootstrap(groups=paired).to_dict() != bootstrap().to_dict()


def test_a_member_added_or_lost_is_noticed() -> None:
    stored = bootstrap().to_dict()
    with pytest.raises(IntegrityError):
        Bootstrap.from_dict({**stored, "calibrators": [*stored["calibrators"], stored["calibrators"][0]]}, 3)


@pytest.mark.parametrize("depths", [(1, 3), (3, 1), (2, 2)])
def test_trees_joined_keep_their_leaves_whatever_their_depths(depths: tuple[int, int]) -> None:
    forests = [forest_of(grown(max_depth=depth)) for depth in depths]
    values = new_rows(40, 3, 6)
    together = joined(forests).leaves(values)
    assert (together == np.concatenate([forest.leaves(values) for forest in forests], axis=1)).all()


def test_the_spread_is_that_of_the_members_calibrated_log_odds() -> None:
    forests = [forest_of(grown(seed=1)), forest_of(grown(seed=2, base_score=0.3))]
    fits = [Logistic(0.2, (1.1,)), Logistic(-0.3, (0.8,))]
    shifted = [
        Logistic(fit.intercept + fit.weights[0] * f.base, fit.weights) for fit, f in zip(fits, forests, strict=True)
    ]
    values = new_rows(10, 3, 8)
    each = [fit.intercept + fit.weights[0] * f.margin(values) for fit, f in zip(fits, forests, strict=True)]
    found = Bootstrap(0.9, joined(forests), tuple(shifted)).spread(values)
    assert found == pytest.approx(np.abs(each[0] - each[1]) / np.sqrt(2), abs=1e-9)


def test_a_bootstrap_is_stored_as_numbers_and_read_again() -> None:
    found = bootstrap()
    again = Bootstrap.from_dict(json.loads(json.dumps(found.to_dict())), 3)
    values = new_rows(10, 3, 8)
    assert again.spread(values).tolist() == found.spread(values).tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"level": 1.0}, {"level": 0}, {"level": "x"}, {"level": float("nan")}, {"calibrators": []},
        {"calibrators": [{}]}, {"calibrators": [{}, {}, {}, {}]}, {"calibrators": 3}, {"forest": {}}, {"forest": None},
    ],
)  # fmt: skip
def test_an_incomplete_bootstrap_is_not_used(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        Bootstrap.from_dict({**bootstrap().to_dict(), **change}, 3)


def test_a_single_patient_cannot_be_bootstrapped() -> None:
    with pytest.raises(EvidenceError):
        bootstrap(groups=["Patient/1"] * 300)


def test_fitting_twice_gives_the_same_bytes() -> None:
    assert bytes(grown().save_raw("ubj")) == bytes(grown().save_raw("ubj"))
    assert isinstance(grown(), xgboost.Booster)
