"""Patients for the tests of the evaluation room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Outcomes = NDArray[np.int_]
Cohort = tuple[Outcomes, list[Numbers]]


def asah() -> tuple[Outcomes, Numbers, Numbers]:
    """Poor outcome (1), WFNS grade and S100B of the 113 patients in asah.csv."""
    lines = Path(__file__).with_name("asah.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if not line.startswith(("#", "outcome"))]
    poor = np.array([row[0] == "Poor" for row in rows], dtype=int)
    return poor, np.array([float(row[1]) for row in rows]), np.array([float(row[2]) for row in rows])


def calibrated(n: int, seed: int = 1) -> tuple[Outcomes, Numbers]:
    """Outcomes drawn with exactly the predicted risk."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(1.5, 2.5, n)
    return (rng.random(n) < risk).astype(int), risk


@st.composite
def cohorts(draw: st.DrawFn, predictors: int = 1) -> Cohort:
    """Small cohorts with at least two events and two others, and coarse probabilities so that ties are common."""
    n = draw(st.integers(4, 40))
    y = np.array([1, 1, 0, 0, *draw(st.lists(st.integers(0, 1), min_size=n - 4, max_size=n - 4))])
    percent = st.lists(st.integers(0, 20), min_size=n, max_size=n)
    return y, [np.array(draw(percent)) / 20 for _ in range(predictors)]
