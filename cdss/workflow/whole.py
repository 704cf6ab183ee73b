"""All patients of a source, read without holding all of it: what `cdss read` tells and writes."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cdss.codes import CodeMap
from cdss.domain.event import Rejection, Severity
from cdss.fhir.files import open_source
from cdss.fhir.partition import Parts, split
from cdss.fhir.read import read_traced
from cdss.fhir.scratch import Scratch
from cdss.fhir.settle import in_order, issued_missing
from cdss.record import Counts, PatientFacts, PatientRecord
from cdss.workflow.put_aside import Keeper
from cdss.workflow.reading import events_table

_ROWS_AT_ONCE = 1 << 9
_ROWS_WRITTEN = 1 << 16

WriteEvents = Callable[[Path], None]


class StoredRejections(Sequence[Rejection]):
    """Findings in files, each in order, given as one sequence in order."""

    def __init__(self, paths: Sequence[Path], count: int) -> None:
        self._paths, self._count = paths, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Rejection]:
        return heapq.merge(*map(_stored, self._paths), key=in_order)

    @overload
    def __getitem__(self, place: int) -> Rejection: ...
    @overload
    def __getitem__(self, place: slice) -> list[Rejection]: ...
    def __getitem__(self, place: int | slice) -> Rejection | list[Rejection]:
        """One finding, or some of them; the first ones are soonest found."""
        if isinstance(place, slice):
            return list(islice(self, *place.indices(len(self))))
        return next(islice(self, range(len(self))[place], None))


@contextmanager
def open_whole(
    path: str | Path,
    *,
    with_events: bool,
    put_aside: Path | None = None,
    index_time: int | None = None,
    strict: bool = False,
    code_map: CodeMap | None = None,
    progress: Callable[[int], Any] = lambda size: None,
) -> Iterator[tuple[PatientRecord, WriteEvents]]:
    """The record of a source, and what writes its events into a Parquet file.

    Of large NDJSON the record holds no events, and its findings are on disk until the end of the context. With
    `put_aside`, an empty directory, what was not used for a fault is kept there.

    Raises
    ------
    SourceNotFoundError, InputRefusedError
        As `read` does.
    """
    source = open_source(path)
    options: dict[str, Any] = {"index_time": index_time, "strict": strict, "code_map": code_map, "progress": progress}
    with split(source, **options) as parts:
        if parts is not None:
            with closing(Scratch()) as scratch:
                yield _gathered(parts, scratch.folder, put_aside, with_events=with_events)
            return
        record, trace = read_traced(source, **options)
        if put_aside is not None:
            Keeper(put_aside).keep(trace, record.rejections)
        yield record, lambda out: write_events_of(record, out)


def write_events_of(record: PatientRecord, out: Path) -> None:
    """Write the events of a record that holds them into a Parquet file."""
    pq.write_table(events_table(record), out)


def _gathered(
    parts: Parts, folder: Path, put_aside: Path | None, *, with_events: bool
) -> tuple[PatientRecord, WriteEvents]:
    """Read part after part, and keep on disk what grows with the source."""
    totals: Counter[str] = Counter()
    patients: dict[str, PatientFacts] = {}
    rejections: list[Path] = []
    events: list[Path] = []
    record: PatientRecord | None = None
    keeper = None if put_aside is None else Keeper(put_aside)
    for number, record in enumerate(parts.records()):
        patients |= record.patients
        if keeper is not None:
            keeper.keep(parts.trace, record.rejections)
        rejections.append(folder / f"findings-{number}")
        totals["findings"] += _store(record.rejections, rejections[-1])
        totals.update({name: getattr(record.counts, name) for name in Counts.__slots__})
        if with_events:
            events.append(folder / f"events-{number}")
            _store_events(events_table(record), events[-1])
    assert record is not None, "there is one part at least"
    rejections.append(folder / "unissued")
    totals["findings"] += _store(issued_missing(parts.unissued, parts.source.place), rejections[-1])
    blocks = [block for _, facts in sorted(patients.items()) for block in facts.blocks_at(parts.index_time)]
    whole = replace(
        record,
        patients=patients,
        events=record.events.where(np.zeros(len(record.events), bool)),
        rejections=StoredRejections(rejections, totals.pop("findings")),
        counts=Counts(**totals),
        blocked=(*parts.blocked, *blocks),
    )
    return whole, lambda out: _write_events(events, out)


def _store(rejections: Sequence[Rejection], path: Path) -> int:
    with path.open("w", encoding="ascii") as lines:
        for found in rejections:
            lines.write(json.dumps({**found.to_dict(), "subject": found.subject, "codes": found.codes}) + "\n")
    return len(rejections)


def _stored(path: Path) -> Iterator[Rejection]:
    with path.open(encoding="ascii") as lines:
        for line in lines:
            fields = json.loads(line)
            yield Rejection(**{**fields, "severity": Severity(fields["severity"]), "codes": tuple(fields["codes"])})


def _store_events(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=_ROWS_AT_ONCE)


def _write_events(paths: Sequence[Path], out: Path) -> None:
    """Write the events of all parts in the order of their subjects; each subject is in one part."""
    slices = heapq.merge(*map(_by_subject, paths), key=lambda found: found[0])
    with pa.OSFile(str(paths[0]), "rb") as file:
        schema = pa.ipc.open_stream(file).schema
    with pq.ParquetWriter(out, schema) as writer:
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for _, batch in slices:
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= _ROWS_WRITTEN:
                writer.write_table(pa.Table.from_batches(waiting).combine_chunks())
                waiting, rows = [], 0
        writer.write_table(pa.Table.from_batches(waiting, schema).combine_chunks())


def _by_subject(path: Path) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each subject of a part, in order."""
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            subjects = batch.column(0).to_pylist()
            starts = [at for at, name in enumerate(subjects) if not at or name != subjects[at - 1]]
            for start, stop in zip(starts, [*starts[1:], len(subjects)], strict=True):
                yield subjects[start], batch.slice(start, stop - start)
