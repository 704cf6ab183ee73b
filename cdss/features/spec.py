"""spec.toml -> FeatureSpec; every rule of the specification language is checked here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from itertools import pairwise
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
_ONLY_WITH = {"coverage": "sum", "gap": "sum", "cap": "age", "factor": "ratio"}
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
    features = tuple(_feature(entry, place) for entry in _tables(document, "feature", place))
    exclusions = tuple(_exclusion(entry, place) for entry in _tables(document, "exclusion", place))
    bands = tuple(_make(Band, entry, f"{place}: band") for entry in _tables(document, "band", place))
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
    _check_names(spec, place)
    _check_numbers(spec, place)
    return spec


def _tables(entry: dict[str, Any], name: str, place: str) -> list[dict[str, Any]]:
    """Take a list of tables out of an entry."""
    found = entry.pop(name, [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise SpecError(f"{place}: {name} is not a list of tables. Write [[{name}]] above each.")
    return found


def _make(kind: type[T], entry: object, place: str) -> T:
    if not isinstance(entry, Mapping):
        raise SpecError(f"{place}: is not a table of names and values. Write it as one.")
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
    readings = tuple(_reading(reading, where) for reading in _tables(entry, "reading", where))
    if not readings:
        raise SpecError(f"{where}: no reading. Say how it is read from a record.")
    named = entry.pop("categories", {})
    if not isinstance(named, dict) or not all("|" in key for key in named):
        raise SpecError(f"{where}: categories are a table of system|code = label.")
    categories = tuple(named.items())
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
    is_ratio = reading.aggregate == "ratio"
    if bool(reading.per) != is_ratio or bool(reading.within) != is_ratio:
        raise SpecError(f"{where}: a ratio, and only a ratio, has per and within.")
    for name, aggregate in _ONLY_WITH.items():
        if name in entry and reading.aggregate != aggregate:
            raise SpecError(f"{where}: {name} belongs to the aggregate {aggregate!r}.")
    for duration in (reading.lookback, reading.within, reading.coverage, reading.gap):
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


def _check_names(spec: FeatureSpec, place: str) -> None:
    names = [feature.name for feature in spec.features]
    if len(set(names)) != len(names) or not names:
        raise SpecError(f"{place}: feature names must be there, and each only once.")
    if unknown := set(spec.missing_limit.features) - set(names):
        raise SpecError(f"{place}: missing_limit names {sorted(unknown)[0]!r}, which is no feature.")
    bands = [band.name for band in spec.bands]
    if len(set(bands)) != len(bands):
        raise SpecError(f"{place}: band names must be there only once each.")


def _check_numbers(spec: FeatureSpec, place: str) -> None:
    lows = [band.low for band in spec.bands]
    if not lows or lows[0] != 0 or not all(low < high for low, high in pairwise([*lows, 1.0])):
        raise SpecError(f"{place}: bands start at 0 and rise, so that each probability falls in exactly one.")
    for name, value, most in (
        ("threshold", spec.threshold, 1), ("disagreement", spec.disagreement, 1),
        ("interval: level", spec.interval.level, 1), ("team: clip", spec.team.clip, 0.5),
    ):  # fmt: skip
        if not 0 < value < most:
            raise SpecError(f"{place}: {name} lies between 0 and {most}.")
    if spec.interval.members < 2 or spec.interval.rounds < 1:
        raise SpecError(f"{place}: interval needs at least 2 members of at least 1 round.")
    for name, least in (("rounds", 1), ("seed", 0)):
        number = spec.estimator.get(name)
        if type(number) is not int or number < least:
            raise SpecError(f"{place}: estimator needs {name!r}, a whole number from {least}.")
    if spec.horizon != "stay":
        try:
            parse_duration(spec.horizon)
        except UsageError as error:
            raise SpecError(f"{place}: horizon: {error}") from error
