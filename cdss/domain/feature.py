"""What a model reads: its specification, and one row of the numbers made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cdss.domain.coding import undotted


class IfMissing(StrEnum):
    """What a missing feature means for the answer."""

    ALLOW = "allow"
    REQUIRED = "required"
    NOT_ELIGIBLE = "not-eligible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to get a feature from a record.

    A code is `system|code`; one that ends in `*` stands for every code that begins so, as in ICD. `lookback` is an
    ISO 8601 duration before the index time; without one the whole record counts. `per`, `within` and `factor` make
    a ratio of two observations: value = numerator / (denominator x factor), the denominator charted at most
    `within` before. `coverage` is the least time between the first and the last charted entry of a sum,
    and `gap` the most between two of them.
    """

    kind: str
    aggregate: str
    codes: tuple[str, ...] = ()
    lookback: str | None = None
    per: tuple[str, ...] = ()
    within: str | None = None
    factor: float = 1.0
    coverage: str | None = None
    gap: str | None = None
    cap: float | None = None

    def reads(self, codes: tuple[str, ...]) -> bool:
        """Whether it reads an event with any of these `system|code` keys."""
        keys = tuple(map(undotted, (*self.codes, *self.per)))
        prefixes = tuple(key[:-1] for key in keys if key.endswith("*"))
        return any(code in keys or code.startswith(prefixes) for code in map(undotted, codes))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDefinition:
    """One feature: its readings in the order they are tried, its unit and its words for a clinician.

    A patient with less than `at_least`, or more than `at_most`, is outside the population.
    `categories` are the `system|code` keys of a coded answer with their labels; the feature's number is the position.
    `monotone` is +1 or -1 where physiology demands that the risk never falls (rises) as the value rises.
    """

    name: str
    label: str
    about: str
    unit: str
    readings: tuple[Reading, ...]
    if_missing: IfMissing = IfMissing.ALLOW
    remedy: str = ""
    at_least: float | None = None
    at_most: float | None = None
    monotone: int = 0
    categories: tuple[tuple[str, str], ...] = ()
    decimals: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A fact that puts a patient outside the model's population."""

    code: str
    message: str
    remedy: str
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A half-open band of risk [low, next band's low)."""

    name: str
    low: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLimit:
    """Abstain when more than `most` of these features are absent."""

    features: tuple[str, ...]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSettings:
    """The bootstrap behind the interval: how many members, boosted for how many rounds at which rate."""

    members: int
    rounds: int
    eta: float
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSettings:
    """How far inside the combination a clinician's estimate is kept from 0 and 1."""

    clip: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """The declarative half of a model, read from its spec.toml.

    `digest` is the SHA-256 of the file's bytes; a release carries its own copy.
    """

    name: str
    version: str
    title: str
    outcome: str
    horizon: str
    population: str
    intended_use: str
    not_for: str
    threshold: float
    disagreement: float
    team_question: str
    bands: tuple[Band, ...]
    missing_limit: MissingLimit
    exclusions: tuple[Exclusion, ...]
    features: tuple[FeatureDefinition, ...]
    estimator: dict[str, float | int | str]
    interval: IntervalSettings
    team: TeamSettings
    digest: str

    def band(self, probability: float) -> str:
        """The name of the one band a probability falls in."""
        return [band.name for band in self.bands if band.low <= probability][-1]

    def reads(self, codes: tuple[str, ...]) -> bool:
        """Whether this model reads an event with any of these `system|code` keys."""
        readings = [reading for feature in self.features for reading in feature.readings]
        return any(reading.reads(codes) for reading in (*readings, *(each.reading for each in self.exclusions)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureValue:
    """One number with where it came from.

    `number` is NaN when missing. `effective` is the newest instant (microseconds) of the values it rests on, and
    `comparator` says that it is a bound.
    """

    number: float
    effective: int | None = None
    sources: tuple[str, ...] = ()
    comparator: str | None = None

    @property
    def missing(self) -> bool:
        """Whether there is no value."""
        return self.number != self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureVector:
    """The features of one subject at one index time, in the order of the specification."""

    subject: str
    index_time: int
    encounter: str | None
    values: tuple[FeatureValue, ...]
    exclusions: tuple[bool, ...]
    spec_digest: str
