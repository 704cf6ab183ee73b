"""A release on disk: numbers in JSON and UBJSON, never pickle; every digest is checked before a parser sees a byte."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xgboost

from cdss.domain.digest import canonical_bytes, sha256
from cdss.errors import IntegrityError, UnknownModelError
from cdss.risk.calibrate import Floats, Logistic, TeamFit
from cdss.risk.estimator import contributions, margins
from cdss.risk.explain import TOLERANCE
from cdss.risk.forest import Forest, forest_of
from cdss.risk.interval import Bootstrap

MANIFEST = "manifest.json"
FILES = ("spec.toml", "model.ubj", "calibrator.json", "interval.json", "golden.json", "evaluation.json", "card.md")
SIZE_LIMIT = 16 << 20
GOLDEN_TOLERANCE = 1e-6
_FETCH = "Fetch the release again; it must not be used."


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the machine says of n rows: margin and calibrated log-odds, SHAP values (n, k + 1), spread of log-odds."""

    margin: Floats
    log_odds: tuple[float, ...]
    shap_values: Floats
    spread: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """The fitted half of a model: trees, calibrator, bootstrap, and the team's combination where there is one."""

    booster: xgboost.Booster
    forest: Forest
    calibrator: Logistic
    bootstrap: Bootstrap
    team: TeamFit | None
    _one_at_a_time: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(cls, booster: xgboost.Booster, calibrator: Logistic, bootstrap: Bootstrap, team: TeamFit | None) -> Machine:
        """A machine around a booster, which from now on scores on one thread: rows are few and results the same."""
        booster.set_param({"nthread": 1})
        return cls(booster, forest_of(booster), calibrator, bootstrap, team)

    def score(self, values: Floats) -> Scores:
        """Score rows; the margin is read from the plain trees, the SHAP values from XGBoost, so each checks the other.

        Parameters
        ----------
        values : ndarray, shape (n, k)
        """
        margin = self.forest.margin(values)
        with self._one_at_a_time:  # calls of one Booster from several threads are not safe (XGBoost issue 5339)
            shap_values = contributions(self.booster, values)
        return Scores(
            margin=margin,
            log_odds=tuple(self.calibrator.log_odds(one) for one in margin.tolist()),
            shap_values=shap_values,
            spread=self.bootstrap.spread(values),
        )

    def files(self) -> dict[str, bytes]:
        """The fitted numbers as the files of a release."""
        team = None if self.team is None else self.team.to_dict()
        calibrator = {"schema": 1, "method": "logistic (Platt) on out-of-fold log-odds", **self.calibrator.to_dict()}
        return {
            "model.ubj": bytes(self.booster.save_raw("ubj")),
            "calibrator.json": json_bytes({**calibrator, "team": team}),
            "interval.json": json_bytes({"schema": 1, **self.bootstrap.to_dict()}),
        }


def json_bytes(value: object) -> bytes:
    """Readable JSON with a fixed order; numbers that are not finite are refused."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n").encode()


def golden_vectors(machine: Machine, values: Floats) -> bytes:
    """Rows and what the machine says of them, for every later load to check."""
    rows = [[None if math.isnan(number) else number for number in row] for row in values.tolist()]
    booster_margin = margins(machine.booster, values).tolist()
    return json_bytes({"schema": 1, "rows": rows, "margin": booster_margin})


def write_release(out: Path, files: Mapping[str, bytes], about: Mapping[str, object]) -> str:
    """Write the files of a release with their manifest, and return the manifest's digest.

    Parameters
    ----------
    out : Path
        An empty directory.
    files : mapping of str to bytes
        Exactly `FILES`.
    about : mapping
        Name, version and whatever else the manifest states; no floats.
    """
    listed = {name: {"sha256": sha256(files[name]), "bytes": len(files[name])} for name in FILES}
    body = {"schema": 1, **about, "xgboost": xgboost.__version__, "files": listed}
    manifest = canonical_bytes({**body, "self": sha256(canonical_bytes(body))})
    for name in FILES:
        (out / name).write_bytes(files[name])
    (out / MANIFEST).write_bytes(manifest)
    return sha256(manifest)


@dataclass(frozen=True, slots=True, eq=False)
class StoredRelease:
    """A release whose digests hold; its numbers are not parsed yet."""

    path: Path
    digest: str
    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]


def open_release(path: Path, pinned: str | None = None) -> StoredRelease:
    """Read a release and check every digest.

    Parameters
    ----------
    path : Path
    pinned : str, optional
        The digest its manifest must have.

    Raises
    ------
    UnknownModelError
        If there is no release at the path.
    IntegrityError
        If a file is missing, too large, of another size or digest than the manifest says.
    """
    try:
        raw = _limited(path / MANIFEST)
    except FileNotFoundError as error:
        if pinned is not None or any((path / name).exists() for name in FILES):
            raise IntegrityError(f"{path.name}: {MANIFEST} is missing. {_FETCH}") from error
        raise UnknownModelError(f"{path.name}: no release here (no {MANIFEST}). Check the name or path.") from error
    if pinned is not None and sha256(raw) != pinned:
        raise IntegrityError(
            f"{path.name}: the manifest is not the one this version of cdss was shipped with. {_FETCH}"
        )
    try:
        manifest = json.loads(raw)
        body = {name: value for name, value in manifest.items() if name != "self"}
        if canonical_bytes(manifest) != raw or manifest["self"] != sha256(canonical_bytes(body)) or body["schema"] != 1:
            raise ValueError
        listed = {name: (entry["sha256"], entry["bytes"]) for name, entry in manifest["files"].items()}
        if not isinstance(manifest["name"], str) or not isinstance(manifest["version"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path.name}: {MANIFEST} was changed, or is not of schema 1. {_FETCH}") from error
    if set(listed) != set(FILES):
        raise IntegrityError(f"{path.name}: the manifest does not list exactly the files of a release. {_FETCH}")
    files = {}
    for name in FILES:
        try:
            files[name] = _limited(path / name)
        except FileNotFoundError as error:
            raise IntegrityError(f"{path.name}: {name} is missing. {_FETCH}") from error
        if (sha256(files[name]), len(files[name])) != listed[name]:
            raise IntegrityError(f"{path.name}: {name} was changed since it was released. {_FETCH}")
    return StoredRelease(path, sha256(raw), manifest, files)


def _limited(path: Path) -> bytes:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise IntegrityError(f"{path.name}: is not a plain file. {_FETCH}")
    try:
        with path.open("rb") as opened:
            raw = opened.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise IntegrityError(f"{path.name}: cannot be read ({error.strerror}). Check its permissions.") from error
    if len(raw) > SIZE_LIMIT:
        raise IntegrityError(f"{path.name}: is larger than any file of a release. {_FETCH}")
    return raw


def read_machine(stored: StoredRelease, features: int) -> Machine:
    """Parse a release whose digests hold, and check it against its golden vectors.

    Raises
    ------
    IntegrityError
        If a part does not parse, has another number of features, or answers a golden vector differently.
    """
    place = stored.path.name
    try:
        trees = stored.files["model.ubj"]
        # XGBoost's parser ends the process on an empty file, and reads on beyond the end of one that was cut.
        if not (trees.startswith(b"{") and trees.endswith(b"}")):
            raise ValueError
        booster = xgboost.Booster()
        booster.load_model(bytearray(stored.files["model.ubj"]))
        calibrator, interval, golden = (
            json.loads(stored.files[name]) for name in ("calibrator.json", "interval.json", "golden.json")
        )
        if not calibrator["schema"] == interval["schema"] == golden["schema"] == 1:
            raise ValueError
        rows = np.array([[np.nan if n is None else n for n in row] for row in golden["rows"]], np.float64)
        expected = np.array(golden["margin"], np.float64)
        team = calibrator["team"]
    except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{place}: a part of the release cannot be read. {_FETCH}") from error
    if booster.num_features() != features or rows.ndim != 2 or rows.shape[1] != features or len(rows) < 32:
        raise IntegrityError(f"{place}: trees, golden vectors and spec.toml do not have the same features. {_FETCH}")
    machine = Machine.of(
        booster,
        Logistic.from_dict(calibrator, 1),
        Bootstrap.from_dict(interval, features),
        None if team is None else TeamFit.from_dict(team),
    )
    found = margins(booster, rows)
    if (
        expected.shape != found.shape
        or not (np.abs(found - expected) <= GOLDEN_TOLERANCE * (1 + np.abs(expected))).all()
    ):
        raise IntegrityError(f"{place}: the trees answer a golden vector differently on this machine. {_FETCH}")
    if not (np.abs(machine.forest.margin(rows) - found) <= TOLERANCE).all():
        raise IntegrityError(f"{place}: two readings of the same trees differ. {_FETCH}")
    return machine
