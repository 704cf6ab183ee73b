"""The event table: clinical events as numpy columns, in one order that no order of input can change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from struct import Struct
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from cdss.domain.coding import Coding, undotted
from cdss.domain.event import ClinicalEvent, EventKind
from cdss.domain.instant import NEVER, from_micros

COMPARATORS = ("", "<", "<=", ">=", ">", "ad")
UNKNOWN_TIME = -(2**63)
_COMPARATOR_NUMBER = {comparator: number for number, comparator in enumerate(COMPARATORS)}

T = TypeVar("T")


class Vocabulary(Generic[T]):
    """Distinct values numbered in order of first sight."""

    __slots__ = ("_number", "values")

    def __init__(self) -> None:
        self.values: list[T] = []
        self._number: dict[T, int] = {}

    def number(self, value: T) -> int:
        """The number of a value, a new one if it was never seen."""
        known = self._number.get(value)
        if known is None:
            known = self._number[value] = len(self.values)
            self.values.append(value)
        return known


@dataclass(slots=True, kw_only=True)
class EventRow:
    """One event on its way into the table; times in microseconds, `value` in `unit`."""

    kind: EventKind
    codes: tuple[str, ...]
    effective: int
    known: int
    end: int = NEVER
    value: float = float("nan")
    coded: tuple[str, ...] = ()
    unit: str = ""
    comparator: str = ""
    rank: int = 2


ROW = np.dtype(
    [
        ("kind", "i1"), ("comparator", "i1"), ("rank", "i1"), ("spare", "i1"), ("codes", "<i4"), ("coded", "<i4"),
        ("unit", "<i4"), ("subject", "<i4"), ("source", "<i4"), ("effective", "<i8"), ("known", "<i8"), ("end", "<i8"),
        ("value", "<f8"),
    ]
)  # fmt: skip
_pack = Struct("<bbbx5i3qd").pack
_TIMES, _TIMES_AT = Struct("<2q"), 24


class EventBuffer:
    """Events being gathered, before they are put in order: rows of `ROW`, one behind the other."""

    def __init__(self) -> None:
        self.subjects: Vocabulary[str] = Vocabulary()
        self.codesets: Vocabulary[tuple[str, ...]] = Vocabulary()
        self.answers: Vocabulary[tuple[str, ...]] = Vocabulary()
        self.units: Vocabulary[str] = Vocabulary()
        self.answers.number(())
        self._rows = bytearray()

    def __len__(self) -> int:
        return len(self._rows) // ROW.itemsize

    def add(self, subject: str, source: int, row: EventRow) -> None:
        """Append one event of a subject; `source` is the number of the resource it came from."""
        self._rows += self.pack(row, self.subjects.number(subject), source)

    def pack(self, row: EventRow, subject: int = 0, source: int = 0) -> bytes:
        """One event as this buffer holds it."""
        return _pack(
            row.kind, _COMPARATOR_NUMBER[row.comparator], row.rank, self.codesets.number(row.codes),
            self.answers.number(row.coded), self.units.number(row.unit), subject, source, row.effective, row.known,
            row.end, row.value,
        )  # fmt: skip

    def extend(self, rows: NDArray[np.void]) -> None:
        """Append events in the form of `ROW`."""
        self._rows += rows.data

    def date(self, row: int, effective: int, known: int) -> None:
        """Give an event the times that another resource holds."""
        _TIMES.pack_into(self._rows, row * ROW.itemsize + _TIMES_AT, effective, known)

    def rename(self, owners: Mapping[int, str]) -> None:
        """Give events the subject their source turned out to have."""
        numbers = {source: self.subjects.number(subject) for source, subject in owners.items()}
        columns = self.columns()
        subjects = columns["subject"]
        for row, source in enumerate(columns["source"].tolist()):
            if source in numbers:
                subjects[row] = numbers[source]

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns as arrays that share the buffer's memory; nothing can be added while one of them is held."""
        rows = np.frombuffer(self._rows, ROW)
        return {name: rows[name] for name in ROW.names or () if name != "spare"}


@dataclass(frozen=True, kw_only=True, eq=False)
class EventTable(Sequence[ClinicalEvent]):
    """Events as columns, ordered by subject, effective time, code, status rank, known time and source.

    Each column has shape (n,). `subject`, `codes`, `coded`, `unit` and `source` number the lists of the same name;
    `effective`, `known` and `end` are microseconds since the epoch, `known` never before `effective`; `value` is in
    the unit numbered by `unit` (NaN for coded answers). `rank` is 1 for preliminary, 2 for final, 3 for corrected.
    """

    subjects: Sequence[str]
    codesets: Sequence[tuple[str, ...]]
    answers: Sequence[tuple[str, ...]]
    units: Sequence[str]
    sources: Sequence[str]
    kind: NDArray[np.int8]
    comparator: NDArray[np.int8]
    rank: NDArray[np.int8]
    subject: NDArray[np.int32]
    codes: NDArray[np.int32]
    coded: NDArray[np.int32]
    unit: NDArray[np.int32]
    source: NDArray[np.int32]
    effective: NDArray[np.int64]
    known: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.value)

    @overload
    def __getitem__(self, place: int) -> ClinicalEvent: ...
    @overload
    def __getitem__(self, place: slice) -> list[ClinicalEvent]: ...
    def __getitem__(self, place: int | slice) -> ClinicalEvent | list[ClinicalEvent]:
        """One event, or a list of some, as domain objects."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        end, answer, value = int(self.end[place]), self.answers[self.coded[place]], float(self.value[place])
        return ClinicalEvent(
            subject=self.subjects[self.subject[place]],
            kind=EventKind(int(self.kind[place])),
            codes=tuple(Coding.from_key(key) for key in self.codesets[self.codes[place]]),
            effective=from_micros(int(self.effective[place])),
            issued=from_micros(int(self.known[place])),
            end=None if end == NEVER else from_micros(end),
            value=Coding.from_key(answer[0]) if answer else None if value != value else value,
            unit=self.units[self.unit[place]] or None,
            comparator=COMPARATORS[self.comparator[place]] or None,
            source=self.sources[self.source[place]],
        )

    def __iter__(self) -> Iterator[ClinicalEvent]:
        return (self[number] for number in range(len(self)))

    def where(self, rows: NDArray[np.bool_]) -> EventTable:
        """The same table with some rows only."""
        columns = {name: column[rows] for name, column in vars(self).items() if isinstance(column, np.ndarray)}
        return replace(self, **columns)  # type: ignore[arg-type]

    @cached_property
    def subject_numbers(self) -> dict[str, int]:
        """Number of each subject."""
        return {subject: number for number, subject in enumerate(self.subjects)}

    @cached_property
    def _codesets_of_key(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number in np.unique(self.codes).tolist():
            for key in self.codesets[number]:
                found.setdefault(undotted(key), []).append(number)
        return found

    def rows_of(self, kind: EventKind) -> NDArray[np.int64]:
        """Rows of one kind, in table order."""
        return np.flatnonzero(self.kind == kind)

    def carries(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each of `codesets` holds any of these `system|code` keys; `E11*` stands for all that begin so."""
        known, found = self._codesets_of_key, np.zeros(len(self.codesets), bool)
        for key in map(undotted, keys):
            if key.endswith("*"):
                for code, numbers in known.items():
                    if code.startswith(key[:-1]):
                        found[numbers] = True
            elif numbers := known.get(key, []):
                found[numbers] = True
        return found


def build_table(buffer: EventBuffer, sources: Sequence[str], keep: NDArray[np.bool_]) -> EventTable:
    """Put the kept events of a buffer in their one order.

    Parameters
    ----------
    buffer : EventBuffer
    sources : sequence of str
        Reference of each resource, numbered as the buffer's `source` column.
    keep : ndarray of bool, shape (n,)
    """
    columns = {name: column[keep] for name, column in buffer.columns().items()}
    subject_rank = _rank(buffer.subjects.values)[columns["subject"]]
    code_rank = _rank(["\n".join(codes) for codes in buffer.codesets.values])[columns["codes"]]
    leading = (columns["known"], columns["rank"], code_rank, columns["effective"], subject_rank)
    order = np.lexsort(leading)
    order = _settle_ties(order, leading, sources, columns["source"])
    return EventTable(
        subjects=buffer.subjects.values,
        codesets=buffer.codesets.values,
        answers=buffer.answers.values,
        units=buffer.units.values,
        sources=sources,
        **{name: column[order] for name, column in columns.items()},
    )


def _rank(texts: Sequence[str]) -> NDArray[np.int16] | NDArray[np.int32]:
    rank = np.empty(len(texts), np.int32)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts), dtype=np.int32)
    return rank.astype(np.int16) if len(texts) < 1 << 15 else rank  # sixteen bits sort faster


def _settle_ties(
    order: NDArray[np.int64], keys: Sequence[NDArray[np.generic]], sources: Sequence[str], source: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Order events that agree in every key by the text of their source, so that input order never shows."""
    if len(order) < 2:
        return order
    same = np.ones(len(order) - 1, bool)
    for key in keys:
        ordered = key[order]
        same &= ordered[1:] == ordered[:-1]
    settled = order.copy()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        settled[start : stop + 1] = sorted(order[start : stop + 1], key=lambda row: sources[int(source[row])])
    return settled
