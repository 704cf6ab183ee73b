"""Made-up rows to learn from, boosters grown on them, and a small release that holds together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from cdss.domain.digest import canonical_bytes, sha256
from cdss.domain.feature import IntervalSettings
from cdss.risk.artefact import FILES, MANIFEST, Machine, golden_vectors, json_bytes, write_release
from cdss.risk.calibrate import TeamFit, fit_logistic
from cdss.risk.estimator import fit_trees, margins
from cdss.risk.interval import fit_bootstrap

Floats = NDArray[np.float64]
ESTIMATOR = {"max_depth": 3, "eta": 0.3, "rounds": 8, "seed": 5}
SPEC = """
name = "made-up"
version = "0.1.0"
title = "A made-up model"
outcome = "death"
horizon = "P30D"
population = "Adults."
intended_use = "Tests."
not_for = "Patients."
threshold = 0.5
disagreement = 0.3
team_question = "How many of 100?"
[[band]]
name = "all"
low = 0.0
[estimator]
rounds = 8
max_depth = 3
eta = 0.3
seed = 5
[interval]
members = 3
rounds = 4
eta = 0.5
level = 0.9
[team]
clip = 0.05
"""
FEATURE = """
[[feature]]
name = "{name}"
label = "{name}"
about = "About it."
unit = "{unit}"
[[feature.reading]]
kind = "observation"
aggregate = "last"
codes = ["http://loinc.org|{code}"]
"""
NAMES = (("heart rate", "/min", "8867-4"), ("temperature", "Cel", "8310-5"), ("creatinine", "mg/dL", "2160-0"))


def rows(count: int = 300, features: int = 3, seed: int = 0, missing: float = 0.15) -> tuple[Floats, NDArray[np.int64]]:
    """Values with gaps, and an outcome that depends on the first two features."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, features))
    risk = 1 / (1 + np.exp(-1.5 * values[:, 0] + values[:, 1 % features]))
    outcome = (generator.uniform(size=count) < risk).astype(np.int64)
    values[generator.uniform(size=values.shape) < missing] = np.nan
    return values, outcome


def grown(count: int = 300, features: int = 3, seed: int = 0, missing: float = 0.15, **how: Any) -> xgboost.Booster:
    values, outcome = rows(count, features, seed, missing)
    return fit_trees(values, outcome, {**ESTIMATOR, **how}, [0] * features, seed)


def machine() -> Machine:
    """Trees, calibrator, bootstrap and team of the made-up rows."""
    values, outcome = rows()
    booster = grown()
    calibrator = fit_logistic([margins(booster, values)], outcome)
    settings = IntervalSettings(members=3, rounds=4, eta=0.5, level=0.9)
    groups = [f"Patient/{n}" for n in range(len(outcome))]
    bootstrap = fit_bootstrap(values, outcome, groups, settings, ESTIMATOR, [0, 0, 0], 5)
    clinician = outcome + np.random.default_rng(9).normal(size=len(outcome))
    team = TeamFit(fit_logistic([margins(booster, values), clinician], outcome), 0.05, len(outcome))
    return Machine.of(booster, calibrator, bootstrap, team)


def release_files() -> dict[str, bytes]:
    made = machine()
    spec = SPEC + "".join(FEATURE.format(name=name, unit=unit, code=code) for name, unit, code in NAMES)
    golden = np.where(np.isnan(rows(40, seed=3)[0]), np.nan, rows(40, seed=3)[0].astype(np.float32))
    return {
        "spec.toml": spec.encode(),
        **made.files(),
        "golden.json": golden_vectors(made, golden),
        "evaluation.json": json_bytes({"schema": 1}),
        "card.md": b"# A made-up model\n",
    }


ABOUT = {
    "name": "made-up",
    "version": "0.1.0",
    "outcome": "death",
    "horizon": "P30D",
    "features": [{"name": name, "unit": unit, "low": "-3.0", "high": "3.0"} for name, unit, _ in NAMES],
    "training": {"rows": 300, "events": 150, "digest": "sha256:0"},
}


def write(folder: Path, files: dict[str, bytes], **about: Any) -> str:
    """A release whose digests are right, whatever its files hold."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_release(folder, files, {**ABOUT, **about})


def edit_json(files: dict[str, bytes], name: str, change: Callable[[Any], Any]) -> dict[str, bytes]:
    """The files with one JSON file changed; NaN and infinity are written as Python does."""
    held = json.loads(files[name])
    held = change(held) or held
    return {**files, name: json.dumps(held).encode()}


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    held = json.loads((folder / MANIFEST).read_bytes())
    change(held)
    (folder / MANIFEST).write_bytes(canonical_bytes(held))


__all__ = ["ABOUT", "FILES", "MANIFEST", "sha256"]
