"""Aggregates of the values a window holds; each also says which table rows it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdss.domain.instant import DAY
from cdss.features.window import Ints, Windows
from cdss.table import EventTable

Floats = NDArray[np.float64]
HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Aggregated:
    """A number for each cohort row (NaN where there is none), and the rows it rests on."""

    number: Floats
    used: Windows


def nothing(count: int) -> Aggregated:
    """No value for any of `count` rows."""
    return Aggregated(np.full(count, np.nan), Windows(np.empty(0, np.int64), np.zeros(count + 1, np.int64)))


def _single(windows: Windows, places: Ints, number: Floats) -> Aggregated:
    """Rest each filled segment on one of its places; `places` and `number` are of the filled segments, in order."""
    filled = np.diff(windows.offsets) > 0
    result = np.full(len(filled), np.nan)
    result[filled] = number
    return Aggregated(result, Windows(windows.rows[places], np.concatenate(([0], np.cumsum(filled)))))


def _all(windows: Windows, number: Floats) -> Aggregated:
    filled = np.diff(windows.offsets) > 0
    result = np.full(len(filled), np.nan)
    result[filled] = number
    return Aggregated(result, windows)


def aggregate_values(table: EventTable, windows: Windows, name: str) -> Aggregated:
    """Aggregate measured values: last, first, minimum, maximum, mean, sum, slope (per day), range, delta.

    Parameters
    ----------
    table : EventTable
    windows : Windows
    name : str

    Returns
    -------
    Aggregated
    """
    windows = windows.only(~np.isnan(table.value[windows.rows]))
    filled = np.diff(windows.offsets) > 0
    starts, stops = windows.offsets[:-1][filled], windows.offsets[1:][filled]
    if not len(starts):
        return nothing(len(filled))
    value = table.value[windows.rows]
    if name == "last":
        return _single(windows, stops - 1, value[stops - 1])
    if name == "first":
        return _single(windows, starts, value[starts])
    if name in ("minimum", "maximum"):
        extreme = (np.minimum if name == "minimum" else np.maximum).reduceat(value, starts)
        at = np.where(value == np.repeat(extreme, stops - starts), np.arange(len(value)), -1)
        return _single(windows, np.maximum.reduceat(at, starts), extreme)
    if name == "sum":
        return _all(windows, np.add.reduceat(value, starts))
    if name == "mean":
        return _all(windows, np.add.reduceat(value, starts) / (stops - starts))
    if name == "range":
        return _all(windows, np.maximum.reduceat(value, starts) - np.minimum.reduceat(value, starts))
    if name == "delta":
        return _all(windows, value[stops - 1] - value[starts])
    return _all(windows, _slope(table, windows, starts, stops))


def _slope(table: EventTable, windows: Windows, starts: Ints, stops: Ints) -> Floats:
    """Least-squares slope per day; NaN for a single moment."""
    value, counts = table.value[windows.rows], stops - starts
    effective = table.effective[windows.rows]
    days = (effective - np.repeat(effective[starts], counts)) / DAY
    mean_day = np.add.reduceat(days, starts) / counts
    mean_value = np.add.reduceat(value, starts) / counts
    off_day, off_value = days - np.repeat(mean_day, counts), value - np.repeat(mean_value, counts)
    spread = np.add.reduceat(off_day * off_day, starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, np.add.reduceat(off_day * off_value, starts) / spread, np.nan)


def covered(table: EventTable, aggregated: Aggregated, coverage: int, gap: int) -> Aggregated:
    """Only where the entries used span at least `coverage`, with no more than `gap` between two (microseconds)."""
    offsets = aggregated.used.offsets
    filled = np.diff(offsets) > 0
    effective = table.effective[aggregated.used.rows]
    enough = np.zeros(len(filled), bool)
    starts, stops = offsets[:-1][filled], offsets[1:][filled]
    if len(starts):
        since = np.diff(effective, prepend=effective[:1])
        since[starts] = 0  # the first entry of a row follows none
        enough[filled] = effective[stops - 1] - effective[starts] >= coverage
        enough[filled] &= np.maximum.reduceat(since, starts) <= gap
    keep = enough[aggregated.used.owner]
    return Aggregated(np.where(enough, aggregated.number, np.nan), aggregated.used.only(keep))


def aggregate_events(table: EventTable, windows: Windows, name: str, index_times: Ints) -> Aggregated:
    """Aggregate the mere fact of events: present (0 or 1), count, time_since (hours since the newest)."""
    counts = np.diff(windows.offsets)
    if name == "present":
        return Aggregated((counts > 0).astype(np.float64), windows)
    if name == "count":
        return Aggregated(counts.astype(np.float64), windows)
    filled = counts > 0
    last = windows.offsets[1:][filled] - 1
    return _single(windows, last, (index_times[filled] - table.effective[windows.rows[last]]) / HOUR)


def last_category(table: EventTable, windows: Windows, categories: Sequence[str]) -> Aggregated:
    """Position of the newest coded answer among the categories; an answer that is none or two of them is missing."""
    place = {key: number for number, key in enumerate(categories)}
    named = [{place[key] for key in answer if key in place} for answer in table.answers]
    position = np.array([next(iter(found)) if len(found) == 1 else -1 for found in named], np.int64)
    windows = windows.only(table.coded[windows.rows] > 0)
    filled = np.diff(windows.offsets) > 0
    last = windows.offsets[1:][filled] - 1
    found = position[table.coded[windows.rows[last]]]
    return _single(windows, last, np.where(found < 0, np.nan, found))


def paired_ratio(table: EventTable, above: Windows, below: Windows, within: int, factor: float) -> Aggregated:
    """Newest numerator that has a denominator charted at most `within` before it, divided by it and by `factor`.

    A bound has no ratio: both must be plain values.
    """
    above, below = (windows.only(table.comparator[windows.rows] == 0) for windows in (above, below))
    count = len(above.offsets) - 1
    number, rows, used = np.full(count, np.nan), [], np.zeros(count + 1, np.int64)
    for row in range(count):
        tops = above.rows[above.offsets[row] : above.offsets[row + 1]]
        bottoms = below.rows[below.offsets[row] : below.offsets[row + 1]]
        times = table.effective[bottoms]
        for top in tops[::-1] if len(bottoms) else ():
            at = table.effective[top]
            place = int(np.searchsorted(times, at, side="right")) - 1
            if place >= 0 and times[place] >= at - within and table.value[bottoms[place]] > 0:
                number[row] = table.value[top] / (table.value[bottoms[place]] * factor)
                rows += [int(top), int(bottoms[place])]
                used[row + 1] = 2
                break
    return Aggregated(number, Windows(np.array(rows, np.int64), np.cumsum(used)))


def stay_days(
    table: EventTable, windows: Windows, index_times: Ints, named: Mapping[int, frozenset[int]]
) -> Aggregated:
    """Days since the start of the outermost stay that holds the index time.

    Stays in a unit lie inside the hospital stay, so the earliest of those still open is the one that counts. `named`
    gives the source numbers of the encounter a cohort row names, which must be one of them.
    """
    count = len(index_times)
    number, rows, used = np.full(count, np.nan), [], np.zeros(count + 1, np.int64)
    for row in range(count):
        stays = windows.rows[windows.offsets[row] : windows.offsets[row + 1]]
        if len(stays) and (row not in named or not named[row].isdisjoint(table.source[stays].tolist())):
            number[row] = (index_times[row] - table.effective[stays[0]]) / DAY
            rows.append(int(stays[0]))
            used[row + 1] = 1
    return Aggregated(number, Windows(np.array(rows, np.int64), np.cumsum(used)))
