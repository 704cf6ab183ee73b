"""Boosted trees: fitting, and margins with their SHAP values in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FIXED = {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "verbosity": 0}


def fit_trees(
    values: Floats, outcome: NDArray[np.int64], estimator: Mapping[str, Any], monotone: Sequence[int], seed: int
) -> xgboost.Booster:
    """Fit gradient-boosted trees on one thread, so that the same input gives the same bytes.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        NaN is missing.
    outcome : ndarray of int, shape (n,)
    estimator : mapping
        `rounds`, and XGBoost's own parameters.
    monotone : sequence of int, length k
        -1, 0 or 1 for each feature.
    seed : int
    """
    own = {name: value for name, value in estimator.items() if name not in ("rounds", "seed")}
    constraints = "(" + ",".join(map(str, monotone)) + ")"
    data = xgboost.DMatrix(values.astype(np.float32), outcome, nthread=1)
    parameters = {**_FIXED, **own, "seed": seed, "monotone_constraints": constraints}
    return xgboost.train(parameters, data, num_boost_round=int(estimator["rounds"]))


def margins(booster: xgboost.Booster, values: Floats) -> Floats:
    """Log-odds of each row, shape (n,)."""
    found = booster.inplace_predict(values.astype(np.float32), predict_type="margin")
    return np.asarray(found, np.float64)


def contributions(booster: xgboost.Booster, values: Floats) -> Floats:
    """Exact TreeSHAP values, shape (n, k + 1); the last column is the base value.

    References
    ----------
    Lundberg SM et al. Nat Mach Intell 2020;2:56-67.
    """
    data = xgboost.DMatrix(values.astype(np.float32), nthread=1)
    return np.asarray(booster.predict(data, pred_contribs=True), np.float64)
