"""`build_features`: the one way from events to numbers, for every door. A single patient is a batch of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cdss.domain.event import EventKind
from cdss.domain.feature import FeatureDefinition, FeatureSpec, FeatureValue, FeatureVector, Reading
from cdss.domain.instant import NEVER, parse_duration
from cdss.features.aggregate import (
    Aggregated,
    Floats,
    aggregate_events,
    aggregate_values,
    covered,
    last_category,
    nothing,
    paired_ratio,
    stay_days,
)
from cdss.features.window import Ints, Windows, known_windows, still_true, subject_bounds
from cdss.record import PatientFacts
from cdss.table import COMPARATORS, EventTable
from cdss.units import analyte_for

_KINDS = {kind.name.lower(): kind for kind in EventKind}


@dataclass(frozen=True, slots=True)
class _Column:
    """One feature for all rows: its numbers, and for each reading the table rows behind it."""

    number: Floats
    readings: tuple[Aggregated, ...]
    chosen: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureMatrix:
    """Features of a cohort.

    `values` has shape (n, k), in the order of the rows asked for and of the specification; NaN is missing.
    `excluded` has shape (n, e), one column for each exclusion of the specification.
    """

    spec: FeatureSpec
    table: EventTable
    subjects: Sequence[str]
    index_times: Sequence[int]
    encounters: Sequence[str | None]
    values: Floats
    excluded: Floats
    columns: tuple[_Column, ...]

    def __len__(self) -> int:
        return len(self.values)

    def vector(self, row: int) -> FeatureVector:
        """One row with the sources of each value."""
        return FeatureVector(
            subject=self.subjects[row],
            index_time=self.index_times[row],
            encounter=self.encounters[row],
            values=tuple(self._value(at, row) for at in range(len(self.columns))),
            exclusions=tuple(bool(found) for found in self.excluded[row]),
            spec_digest=self.spec.digest,
        )

    def _value(self, at: int, row: int) -> FeatureValue:
        column = self.columns[at]
        number, chosen = float(column.number[row]), int(column.chosen[row])
        if chosen < 0:
            return FeatureValue(number=number)
        if self.spec.features[at].readings[chosen].kind == "patient":
            return FeatureValue(number=number, sources=(self.subjects[row],))
        used = column.readings[chosen].used
        rows = used.rows[used.offsets[row] : used.offsets[row + 1]]
        if not len(rows):
            return FeatureValue(number=number)
        table = self.table
        bounds = sorted({COMPARATORS[mark] for mark in table.comparator[rows] if mark})
        return FeatureValue(
            number=number,
            effective=int(table.effective[rows].max()),
            sources=tuple(dict.fromkeys(table.sources[number] for number in table.source[rows])),
            comparator=bounds[0] if bounds else None,
        )


class _Builder:
    def __init__(
        self,
        table: EventTable,
        patients: Mapping[str, PatientFacts],
        subjects: Sequence[str],
        index_times: Sequence[int],
        encounters: Sequence[str | None],
    ) -> None:
        self.table, self.patients, self.subjects = table, patients, subjects
        self.index_times = np.asarray(index_times, np.int64)
        self.numbers = np.array([table.subject_numbers.get(subject, -1) for subject in subjects], np.int64)
        self.bounds = subject_bounds(table)
        self.known: dict[tuple[str, str | None], Windows] = {}
        sources = {row: name for row, name in enumerate(encounters) if name}
        named = set(sources.values())
        places: dict[str, set[int]] = {}
        for place in np.unique(table.source[table.kind == EventKind.ENCOUNTER]).tolist() if named else ():
            places.setdefault(table.sources[place], set()).add(place)
        self.named = {row: frozenset(places.get(name, ())) for row, name in sources.items()}

    def column(self, feature: FeatureDefinition) -> _Column:
        count = len(self.subjects)
        number, chosen = np.full(count, np.nan), np.full(count, -1, np.int64)
        readings: list[Aggregated] = []
        for place, reading in enumerate(feature.readings):
            found = self.read(reading, tuple(key for key, _ in feature.categories))
            if reading.aggregate in ("ratio", "sum"):
                found = _possible(found, feature)
            readings.append(found)
            fills = np.isnan(number) & ~np.isnan(found.number)
            number[fills], chosen[fills] = found.number[fills], place
            if not np.isnan(number).any():
                break
        return _Column(number, tuple(readings), chosen)

    def read(self, reading: Reading, categories: Sequence[str]) -> Aggregated:
        """One reading for all rows."""
        if reading.kind == "patient":
            return self._patient(reading)
        windows = self._windows(reading, reading.codes)
        name = reading.aggregate
        if reading.kind == "encounter" and name == "days_since_start":
            return stay_days(
                self.table, still_true(self.table, windows, self.index_times), self.index_times, self.named
            )
        if name == "category":
            return last_category(self.table, windows, categories)
        if name == "ratio":
            below = self._windows(reading, reading.per)
            return paired_ratio(self.table, windows, below, parse_duration(reading.within or ""), reading.factor)
        if name in ("present", "count", "time_since"):
            if reading.kind == "condition" and name == "present":
                windows = still_true(self.table, windows, self.index_times)
            return aggregate_events(self.table, windows, name, self.index_times)
        found = aggregate_values(self.table, windows, name)
        if reading.coverage:
            gap = parse_duration(reading.gap) if reading.gap else NEVER
            found = covered(self.table, found, parse_duration(reading.coverage), gap)
        return found

    def _windows(self, reading: Reading, codes: Sequence[str]) -> Windows:
        """What is known of some codes; features that share kind and look-back share the time filter."""
        key = reading.kind, reading.lookback
        if key not in self.known:
            kind = _KINDS[reading.kind]
            self.known[key] = known_windows(
                self.table,
                self.table.rows_of(kind),
                self.bounds,
                self.numbers,
                self.index_times,
                parse_duration(reading.lookback) if reading.lookback else None,
                by_end=kind in (EventKind.PROCEDURE, EventKind.MEDICATION),
            )
        windows = self.known[key]
        return windows.only(self.table.carries(codes)[self.table.codes[windows.rows]])

    def _patient(self, reading: Reading) -> Aggregated:
        found = nothing(len(self.subjects))
        for row, (subject, index_time) in enumerate(zip(self.subjects, self.index_times.tolist(), strict=True)):
            facts = self.patients.get(subject)
            if facts is None:
                continue
            if reading.aggregate == "age":
                age = facts.age(index_time)
                if age is not None:
                    found.number[row] = age if reading.cap is None else min(age, reading.cap)
            elif facts.female is not None:
                found.number[row] = float(facts.female)
        return found


def _possible(found: Aggregated, feature: FeatureDefinition) -> Aggregated:
    """Only what the measurement itself can be: a computed value has the same physical limits as a measured one."""
    analytes = [analyte_for(key) for reading in feature.readings for key in reading.codes]
    limits = [analyte.physical for analyte in analytes if analyte and analyte.unit == feature.unit]
    if not limits:
        return found
    low, high = limits[0]
    keep = (found.number >= float(low)) & (found.number <= float(high))
    return Aggregated(np.where(keep, found.number, np.nan), found.used.only(keep[found.used.owner]))


def build_features(
    table: EventTable,
    patients: Mapping[str, PatientFacts],
    subjects: Sequence[str],
    index_times: Sequence[int],
    spec: FeatureSpec,
    encounters: Sequence[str | None] | None = None,
) -> FeatureMatrix:
    """Features of each subject at each index time; nothing known after the index time is seen.

    Parameters
    ----------
    table : EventTable
    patients : mapping of str to PatientFacts
    subjects : sequence of str, length n
        `Patient/ID`; a subject without events has every observation missing.
    index_times : sequence of int, length n
        Microseconds since the epoch.
    spec : FeatureSpec
    encounters : sequence of str or None, length n, optional
        `Encounter/ID` of the stay each row is about, where it names one.

    Returns
    -------
    FeatureMatrix
    """
    encounters = [None] * len(subjects) if encounters is None else encounters
    builder = _Builder(table, patients, subjects, index_times, encounters)
    columns = tuple(builder.column(feature) for feature in spec.features)
    excluded = [builder.read(exclusion.reading, ()).number for exclusion in spec.exclusions]
    return FeatureMatrix(
        spec=spec,
        table=table,
        subjects=subjects,
        index_times=index_times,
        encounters=encounters,
        values=np.stack([column.number for column in columns], axis=1),
        excluded=np.stack(excluded, axis=1) if excluded else np.empty((len(subjects), 0)),
        columns=columns,
    )
