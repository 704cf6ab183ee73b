"""The one rule for "known by then": what a row of a cohort may see at its index time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdss.domain.instant import NEVER
from cdss.table import EventTable

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Table rows each cohort row may see, one segment after another.

    `rows` has shape (m,); segment i is `rows[offsets[i]:offsets[i + 1]]`, oldest first; `offsets` has shape (n + 1,).
    """

    rows: Ints
    offsets: Ints

    @property
    def owner(self) -> Ints:
        """Number of the cohort row each table row belongs to, shape (m,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def only(self, keep: NDArray[np.bool_]) -> Windows:
        """The same segments with some of their rows only."""
        if keep.all():
            return self
        kept = np.concatenate(([0], np.cumsum(keep)))
        return Windows(self.rows[keep], kept[self.offsets])


def subject_bounds(table: EventTable) -> tuple[Ints, Ints]:
    """First row and row after the last of each subject number; equal where a subject has no event, as for -1."""
    first = np.zeros(len(table.subjects) + 1, np.int64)
    stop = np.zeros(len(table.subjects) + 1, np.int64)
    if len(table):
        starts = np.flatnonzero(np.concatenate(([True], table.subject[1:] != table.subject[:-1])))
        first[table.subject[starts]] = starts
        stop[table.subject[starts]] = np.concatenate((starts[1:], [len(table)]))
    return first, stop


def known_windows(
    table: EventTable,
    rows: Ints,
    bounds: tuple[Ints, Ints],
    subjects: Ints,
    index_times: Ints,
    lookback: int | None,
    *,
    by_end: bool = False,
) -> Windows:
    """What is known at each index time of some kind of event, within a look-back.

    Parameters
    ----------
    table : EventTable
    rows : ndarray of int64, shape (r,)
        Table rows of one kind, ascending.
    bounds : tuple of ndarray
        From `subject_bounds`.
    subjects, index_times : ndarray of int64, shape (n,)
        Subject number (-1 for one without events) and index time in microseconds.
    lookback : int or None
        Microseconds; both ends count.
    by_end : bool
        Whether the look-back asks when an event ended, as for a treatment, and not when it began.

    Returns
    -------
    Windows
        Of several results of one time and code only those of the best status known by then: a final one replaces a
        preliminary one, a corrected one both.
    """
    low, high = np.searchsorted(rows, bounds[0][subjects]), np.searchsorted(rows, bounds[1][subjects])
    counts = high - low
    offsets = np.concatenate(([0], np.cumsum(counts)))
    owner = np.repeat(np.arange(len(subjects)), counts)
    picked = rows[np.arange(offsets[-1]) - offsets[owner] + low[owner]]
    windows = Windows(picked, offsets)
    times = index_times[owner]
    effective = table.effective[picked]
    keep = (effective <= times) & (table.known[picked] <= times)
    if lookback is not None:
        keep &= (table.end[picked] if by_end else effective) >= times - lookback
    windows = windows.only(keep)
    return _best_status(table, windows)


def _best_status(table: EventTable, windows: Windows) -> Windows:
    rows = windows.rows
    rank = table.rank[rows]
    if not len(rows) or rank.min() == rank.max():
        return windows
    owner, effective, codes = windows.owner, table.effective[rows], table.codes[rows]
    edge = (owner[1:] != owner[:-1]) | (effective[1:] != effective[:-1]) | (codes[1:] != codes[:-1])
    starts = np.flatnonzero(np.concatenate(([True], edge)))
    best = np.maximum.reduceat(rank, starts)
    group = np.cumsum(np.concatenate(([0], edge.astype(np.int64))))
    return windows.only(rank == best[group])


def still_true(table: EventTable, windows: Windows, index_times: Ints) -> Windows:
    """Only what has not ended by the index time."""
    end = table.end[windows.rows]
    return windows.only((end == NEVER) | (end > index_times[windows.owner]))
