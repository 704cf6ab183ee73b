"""A specification with the features a test is about, and nothing else."""

from __future__ import annotations

import numpy as np
from patients import INDEX, Told, record_of

from cdss.domain.feature import FeatureSpec, FeatureValue
from cdss.domain.instant import parse_index_time
from cdss.features import FeatureMatrix, build_features, read_spec

HEAD = """
name = "small"
version = "0.1.0"
title = "A small model"
outcome = "death"
horizon = "P30D"
population = "Adults."
intended_use = "Tests."
not_for = "Patients."
threshold = 0.5
disagreement = 0.3
team_question = "How many of 100?"
"""
TAIL = """
[estimator]
rounds = 5
max_depth = 2
eta = 0.3
seed = 1
[interval]
members = 2
rounds = 2
eta = 0.3
level = 0.9
[team]
clip = 0.01
"""
BAND = """
[[band]]
name = "all"
low = 0.0
"""
CREATININE = 'kind = "observation"\ncodes = ["http://loinc.org|2160-0"]'


def feature(reading: str, *, name: str = "asked", unit: str = "mg/dL", more: str = "", after: str = "") -> str:
    """One [[feature]] with one reading; `more` goes with the feature, `after` behind the reading."""
    return (
        f'[[feature]]\nname = "{name}"\nlabel = "Asked"\nabout = "About it."\nunit = "{unit}"\n{more}\n'
        f"[[feature.reading]]\n{reading}\n{after}\n"
    )


def toml(*features: str, head: str = HEAD, bands: str = BAND, tail: str = TAIL) -> str:
    return "\n".join((head, bands, tail, *features))


def spec_of(*features: str) -> FeatureSpec:
    return read_spec(toml(*features).encode(), "spec.toml")


def features_of(spec: FeatureSpec, *told: Told, index_time: str = INDEX, encounter: str | None = None) -> FeatureMatrix:
    """The features of some patients, all at one index time."""
    record = record_of(*told)
    return build_features(
        record.events,
        record.patients,
        [one.reference for one in told],
        [parse_index_time(index_time)] * len(told),
        spec,
        [encounter] * len(told),
    )


def value_of(
    reading: str, told: Told, *, unit: str = "mg/dL", index_time: str = INDEX, encounter: str | None = None,
    more: str = "", after: str = "",
) -> FeatureValue:  # fmt: skip
    """What one reading gives for one patient."""
    spec = spec_of(feature(reading, unit=unit, more=more, after=after))
    matrix = features_of(spec, told, index_time=index_time, encounter=encounter)
    value = matrix.vector(0).values[0]
    assert value.number == matrix.values[0, 0] or np.isnan(value.number)
    return value


def number_of(reading: str, told: Told, **how: str) -> float | None:
    """The number alone; None when it is missing."""
    value = value_of(reading, told, **how)
    return None if value.missing else value.number


def creatinine(aggregate: str, **entries: str) -> str:
    """A reading of serum creatinine."""
    return "\n".join([CREATININE, f'aggregate = "{aggregate}"', *(f'{name} = "{v}"' for name, v in entries.items())])
