"""spec.toml -> FeatureSpec; every rule of the specification language is checked here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import msgspec

from cdss.domain.digest import sha256
from cdss.domain.feature import (
    Band,
    Exclusion,
    FeatureDefinition,
    FeatureSpec,
    IntervalSettings,
    MissingLimit,
    Reading,
    TeamSettings,
)
from cdss.domain.instant import parse_duration
from cdss.errors import SpecError, UsageError
from cdss.units import analyte_for

T = TypeVar("T")

AGGREGATES = {
    "patient": {"age", "sex"},
    "observation": {
        "last", "first", "minimum", "maximum", "mean", "sum", "slope", "range", "delta", "count", "present",
        "time_since", "category", "ratio",
    },
    "condition": {"present", "count", "time_since"},
    "procedure": {"present", "count", "time_since"},
    "medication": {"present", "count", "time_since"},
    "encounter": {"days_since_start", "count"},
}  # fmt: skip
_IN_ANALYTE_UNIT = {"last", "first", "minimum", "maximum", "mean", "range", "delta"}


def read_spec(raw: bytes, place: str) -> FeatureSpec:
    """Read and check a specification.

    Parameters
    ----------
    raw : bytes
        TOML.
    place : str
        Where it came from, for messages.

    Raises
    ------
    SpecError
        Naming the entry, the rule it breaks and what would satisfy it.
    """
    try:
        document = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{place}: not readable as TOML ({error}). Mend the file.") from error
    features = tuple(_feature(entry, place) for entry in document.pop("feature", ()))
    exclusions = tuple(_exclusion(entry, place) for entry in document.pop("exclusion", ()))
    bands = tuple(_make(Band, entry, f"{place}: band") for entry in document.pop("band", ()))
    limit = _make(MissingLimit, document.pop("missing_limit", {"features": [], "most": 0}), f"{place}: missing_limit")
    interval = _make(IntervalSettings, document.pop("interval", {}), f"{place}: interval")
    team = _make(TeamSettings, document.pop("team", {}), f"{place}: team")
    spec = _make(
        FeatureSpec,
        {
            **document, "features": features, "exclusions": exclusions, "bands": bands, "missing_limit": limit,
            "interval": interval, "team": team, "digest": sha256(raw),
        },
        place,
    )  # fmt: skip
    _check_whole(spec, place)
    return spec


def _make(kind: type[T], entry: Mapping[str, Any], place: str) -> T:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(entry.keys() - names):
        raise SpecError(f"{place}: unknown entry {unknown[0]!r}. Known are {', '.join(sorted(names))}.")
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}  # type: ignore[arg-type]
    if lacking := sorted(needed - entry.keys()):
        raise SpecError(f"{place}: {lacking[0]!r} is missing. Add it.")
    try:
        return msgspec.convert(dict(entry), kind)
    except msgspec.ValidationError as error:
        raise SpecError(f"{place}: {error}. Mend the entry.") from error


def _feature(entry: dict[str, Any], place: str) -> FeatureDefinition:
    where = f"{place}: feature {entry.get('name', '?')}"
    readings = tuple(_reading(reading, where) for reading in entry.pop("reading", ()))
    if not readings:
        raise SpecError(f"{where}: no reading. Say how it is read from a record.")
    categories = tuple((key, label) for key, label in entry.pop("categories", {}).items())
    feature = _make(FeatureDefinition, {**entry, "readings": readings, "categories": categories}, where)
    for reading in readings:
        if (reading.aggregate == "category") != bool(categories):
            raise SpecError(f"{where}: categories belong to the aggregate 'category', and it needs them.")
        if reading.kind == "observation" and reading.aggregate in _IN_ANALYTE_UNIT:
            for key in reading.codes:
                analyte = analyte_for(key)
                if analyte is None or analyte.unit != feature.unit:
                    known = analyte.unit if analyte else "nothing"
                    raise SpecError(f"{where}: {key} is read in {known} by units.toml, not in {feature.unit}.")
    if feature.monotone not in (-1, 0, 1):
        raise SpecError(f"{where}: monotone is -1, 0 or 1.")
    return feature


def _reading(entry: dict[str, Any], where: str) -> Reading:
    reading = _make(Reading, entry, where)
    if reading.kind not in AGGREGATES:
        raise SpecError(f"{where}: kind {reading.kind!r} is not one of {', '.join(AGGREGATES)}.")
    if reading.aggregate not in AGGREGATES[reading.kind]:
        known = ", ".join(sorted(AGGREGATES[reading.kind]))
        raise SpecError(f"{where}: aggregate {reading.aggregate!r} of kind {reading.kind} is not one of {known}.")
    if (reading.kind == "patient") == bool(reading.codes):
        raise SpecError(f"{where}: codes belong to every kind but patient.")
    if (reading.aggregate == "ratio") != bool(reading.per and reading.within):
        raise SpecError(f"{where}: a ratio, and only a ratio, has per and within.")
    for duration in (reading.lookback, reading.within, reading.coverage):
        if duration is not None:
            try:
                parse_duration(duration)
            except UsageError as error:
                raise SpecError(f"{where}: {error}") from error
    for key in (*reading.codes, *reading.per):
        if "|" not in key:
            raise SpecError(f"{where}: code {key!r} has no system. Write it as system|code.")
    return reading


def _exclusion(entry: dict[str, Any], place: str) -> Exclusion:
    where = f"{place}: exclusion {entry.get('code', '?')}"
    return _make(Exclusion, {**entry, "reading": _reading(entry.pop("reading", {}), where)}, where)


def _check_whole(spec: FeatureSpec, place: str) -> None:
    names = [feature.name for feature in spec.features]
    if len(set(names)) != len(names) or not names:
        raise SpecError(f"{place}: feature names must be there, and each only once.")
    if unknown := set(spec.missing_limit.features) - set(names):
        raise SpecError(f"{place}: missing_limit names {sorted(unknown)[0]!r}, which is no feature.")
    lows = [band.low for band in spec.bands]
    if not lows or lows[0] != 0 or lows != sorted(set(lows)) or lows[-1] >= 1:
        raise SpecError(f"{place}: bands start at 0 and rise, so that each probability falls in exactly one.")
    if not 0 < spec.threshold < 1:
        raise SpecError(f"{place}: threshold lies between 0 and 1.")
