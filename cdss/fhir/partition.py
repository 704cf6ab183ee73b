"""A large source of NDJSON in parts, patient by patient, so that memory does not grow with it.

Pass one gives each line to the part of its patient, on disk. Pass two reads part after part, each as `read` would. What
resources of one part may know of another is little: the codes of Medications, whether there are Encounters, and what
the whole source lacks. Where one id, encounter or identifier ties two parts together, they are read as one.
"""

from __future__ import annotations

import heapq
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct, UnsetType, convert
from numpy.typing import NDArray

from cdss.codes import CodeMap
from cdss.errors import InputRefusedError
from cdss.fhir.files import Source, SourceFile, read_lines
from cdss.fhir.finding import PutAside
from cdss.fhir.gather import READ, Gatherer
from cdss.fhir.read import Reader, Span, Trace, no_resource
from cdss.fhir.reference import BY_IDENTIFIER, ID, Scope, patient_of, resolve
from cdss.fhir.schema import Identifier, PatientLink, Reference
from cdss.fhir.scratch import Scratch
from cdss.fhir.settle import Beside, medications_of, settle
from cdss.fhir.strict import StrictJsonError, read_strict
from cdss.record import Block, PatientRecord

LARGE = 1 << 26
_PART = 1 << 25
_MOST_PARTS = 128
_PACKED_BY = 10  # what gzip makes of NDJSON, about
_KEPT = 1 << 17  # bytes of a part, or marks, before they are written
_MOST_OWNERS = 1 << 16
_BUCKETS = 16
_NOWHERE = Scope()
_OF_SERVERS = ("OperationOutcome", "CapabilityStatement")  # what a server says of all its data
_MARKS = np.dtype([("mark", "<i8"), ("part", "<i2"), ("kind", "<i2")])
_RESOURCE, _IDENTIFIER, _NAMED = range(3)


class _Head(Struct):
    resourceType: str  # noqa: N815 - as FHIR spells it
    id: Raw | UnsetType = UNSET
    subject: Raw | UnsetType = UNSET
    encounter: Raw | UnsetType = UNSET
    identifier: Raw | UnsetType = UNSET
    link: Raw | UnsetType = UNSET


_head = msgspec.json.Decoder(_Head).decode
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class HoldsBundleError(Exception):
    """A line is a Bundle, whose entries may belong to anybody: the source cannot be split by its lines."""


def parts_of(source: Source) -> int:
    """How many parts a source is read in; 1 where it is small, or not NDJSON alone."""
    size = 0
    for file in source.files:
        if not file.is_ndjson or file.content is not None:
            return 1
        stored = file.path.stat().st_size
        size += stored * _PACKED_BY if file.path.name.lower().endswith(".gz") else stored
    return 1 if size < LARGE else min(_MOST_PARTS, 1 + size // _PART)


class Parts:
    """The parts of a source, in a directory of their own until `close`.

    `blocked` forbids every score of the source; `unissued` counts, once all records were read, the results of each code
    without an issued time; `trace` says what became of the resources of the record given last.
    """

    trace: Trace

    def __init__(
        self,
        source: Source,
        count: int,
        *,
        index_time: int | None = None,
        strict: bool = False,
        code_map: CodeMap | None = None,
        progress: Callable[[int], Any] = lambda size: None,
    ) -> None:
        self.source, self.count = source, count
        self.index_time, self._strict, self._code_map, self._progress = index_time, strict, code_map, progress
        self.blocked: list[Block] = []
        self.unissued: Counter[str] = Counter()
        self._scratch: Scratch | None = None

    def close(self) -> None:
        """Take the parts off the disk."""
        if self._scratch is not None:
            self._scratch.close()

    def group_of(self, subject: str) -> int:
        """The number of the record that holds a patient, in the order of `records`."""
        return self._group_of[_part_of(subject, self.count)]

    def records(self) -> Iterator[PatientRecord]:
        """Read one group of parts after another."""
        beside, alike = Beside(has_encounters=self._has_encounters), None
        for number, group in enumerate(self._groups):
            reader = Reader(self.source, self._strict, lambda size: None)
            reader.found.notes.code_map = self._code_map
            if alike is not None:
                reader.alike = alike
                alike.give_to(reader.found, reader.read_line)
            alike = reader.alike
            if not number:
                self._begin(reader)
            spans = []
            for file, lines in self._lines(group):
                name, first = self.source.files[file].name, len(reader.found.sources)
                reader.take_lines(name, lines)
                spans.append(Span(name, first, len(reader.found.sources), partial(self._raws, group, file)))
            if not number:
                beside = Beside(medications_of(reader.found), self._has_encounters)
            self.unissued.update(reader.found.notes.issued_missing)
            reader.found.notes.issued_missing.clear()
            record = settle(
                reader.found, self.source.place, blocked=self.blocked, subject=None, index_time=self.index_time,
                closed=False, beside=beside,
            )  # fmt: skip
            self.trace = Trace(reader.found.sources, reader.found.dispositions, tuple(spans))
            yield record

    def _begin(self, reader: Reader) -> None:
        """Give the first part what belongs to the source and to no line of it."""
        reader.begin(self._code_map)
        for file, error in self._refused:
            reader.refuse_file(file, error)

    def split(self) -> None:
        """Write the parts, before the records are read.

        Raises
        ------
        InputRefusedError
            As `read` does.
        HoldsBundleError
            If a line is a Bundle.
        """
        self._scratch = Scratch()
        splitter = _Splitter(self.source, self.count, self._scratch.folder)
        reader = Reader(self.source, self._strict, self._progress)  # only for what a refused file blocks
        reader.block_unread()
        self._refused: list[tuple[SourceFile, InputRefusedError]] = []
        for number, file in enumerate(self.source.files):
            try:
                splitter.take_file(number, file, self._progress)
            except InputRefusedError as error:
                if not self.source.is_directory:
                    raise
                reader.refuse_file(file, error)
                self._refused.append((file, error))
        splitter.close()
        reader.block_by_servers(splitter.outcomes)
        self.blocked, self._has_encounters = reader.blocked, splitter.has_encounters
        self._groups = splitter.groups()
        self._group_of = {part: number for number, group in enumerate(self._groups) for part in group}

    def _lines(self, group: list[int]) -> Iterator[tuple[int, Iterator[tuple[int, bytes]]]]:
        """The lines of a group of parts, file by file, in the order in which they were read."""
        for file in range(len(self.source.files)):
            yield file, self._lines_of(group, file)

    def _lines_of(self, group: list[int], file: int) -> Iterator[tuple[int, bytes]]:
        assert self._scratch is not None, "split first"
        streams = [_stored(self._scratch.folder, part, file) for part in group]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams)

    def _raws(self, group: list[int], file: int) -> Iterator[tuple[str, bytes]]:
        return ((f"line {number}", line) for number, line in self._lines_of(group, file))


def _part_of(owner: str, count: int) -> int:
    return zlib.crc32(owner.encode()) % count


def _stored(folder: Path, part: int, file: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line of a file that a part holds."""
    path = folder / f"{part}-{file}"
    if not path.exists():
        return
    numbers = np.fromfile(path.with_suffix(".n"), np.int64).tolist()
    with path.open("rb") as lines:
        for number, line in zip(numbers, lines, strict=True):
            yield number, line[:-1]


@contextmanager
def split(
    source: Source,
    *,
    index_time: int | None = None,
    strict: bool = False,
    code_map: CodeMap | None = None,
    progress: Callable[[int], Any] = lambda size: None,
) -> Iterator[Parts | None]:
    """The parts of a large source of NDJSON, or None for one that is read whole.

    Raises
    ------
    InputRefusedError
        As `read` does.
    """
    count = parts_of(source)
    if count == 1:
        yield None
        return
    parts = Parts(source, count, index_time=index_time, strict=strict, code_map=code_map, progress=progress)
    try:
        parts.split()
    except HoldsBundleError:
        parts.close()
        yield None
        return
    except BaseException:
        parts.close()
        raise
    try:
        yield parts
    finally:
        parts.close()


class _Splitter:
    """Gives each line to a part; `outcomes` has read what servers say among them."""

    def __init__(self, source: Source, count: int, folder: Path) -> None:
        self.source, self.count, self.folder = source, count, folder
        self.outcomes = Gatherer()
        self.has_encounters = False
        self._buffers = [bytearray() for _ in range(count)]
        self._numbers = [array("q") for _ in range(count)]
        self._owners: dict[bytes, tuple[int, str] | None] = {}
        self._encounters: dict[bytes, int] = {}
        self._marks, self._mark_parts, self._mark_kinds = array("q"), array("h"), array("h")
        self._file = 0
        self._last = (0, 0)

    def take_file(self, number: int, file: SourceFile, progress: Callable[[int], Any]) -> None:
        """Split one file; the error of a file that cannot be read comes after the lines that could."""
        self._file, faults, accepted = number, 0, False
        try:
            for place, line in read_lines(file, progress):
                if not accepted:
                    accepted, fault = _accepts(line)
                    faults += fault
                part = self._take(place, line)
                buffer = self._buffers[part]
                buffer += line
                buffer += b"\n"
                self._numbers[part].append(place)
                if len(buffer) > _KEPT:
                    self._write(part)
        finally:
            for part in range(self.count):
                self._write(part)
        if not accepted:
            raise no_resource(file, faults)

    def _write(self, part: int) -> None:
        if not self._buffers[part]:
            return
        path = self.folder / f"{part}-{self._file}"
        with path.open("ab") as lines, path.with_suffix(".n").open("ab") as numbers:
            lines.write(self._buffers[part])
            self._numbers[part].tofile(numbers)
        self._buffers[part], self._numbers[part] = bytearray(), array("q")

    def _take(self, place: int, line: bytes) -> int:
        """The part a line belongs to; what cannot be read belongs anywhere."""
        try:
            head = _head(line)
        except _FAULTS:
            return place % self.count
        kind, own_id = head.resourceType, _text(head.id)
        if kind in ("Bundle", *_OF_SERVERS) or (kind == "Encounter" and not self.has_encounters):
            self._note(kind, place, line)
        name = f"{kind}/{own_id}" if own_id is not None and ID.fullmatch(own_id) else ""
        if kind == "Medication":
            part = 0  # read first, and known to all
        elif kind == "Patient" and name:
            part = _part_of(name, self.count)
            self._mark_identifiers(head.identifier, part)
            self._mark_links(head.link, part)
        else:
            owner = self._owner(head.subject)
            part = owner[0] if owner is not None else _part_of(name, self.count) if name else place % self.count
            if owner is not None and owner[1]:
                self._mark(hash(owner[1]), part, _NAMED)
        if name and kind in READ:
            self._mark(hash(name), part, _RESOURCE)
        if not isinstance(head.encounter, UnsetType):
            self._mark_encounter(bytes(head.encounter), part)
        return part

    def _note(self, kind: str, place: int, line: bytes) -> None:
        """Look closer at the few lines that say something of the whole source."""
        try:
            document = read_strict(line)
        except StrictJsonError:
            return
        if kind == "Bundle":
            raise HoldsBundleError
        if kind in _OF_SERVERS:
            many, name = len(self.source.files) > 1, self.source.files[self._file].name
            self.outcomes.take(document, f"{name}, line {place}" if many else f"line {place}")
        elif isinstance(document, dict):
            own_id = document.get("id")
            self.has_encounters = isinstance(own_id, str) and ID.fullmatch(own_id) is not None

    def _owner(self, subject: Raw | UnsetType) -> tuple[int, str] | None:
        """The part of whoever a reference names, and the name if it is an identifier."""
        if isinstance(subject, UnsetType):
            return None
        key = bytes(subject)
        if key not in self._owners:
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            try:
                name = patient_of(convert(msgspec.json.decode(key), Reference), _NOWHERE, None)
            except (*_FAULTS, PutAside):
                self._owners[key] = None
            else:
                identifier = name if name.startswith(BY_IDENTIFIER) else ""
                self._owners[key] = _part_of(name, self.count), identifier
        return self._owners[key]

    def _mark_encounter(self, reference: bytes, part: int) -> None:
        mark = self._encounters.get(reference)
        if mark is None:
            if len(self._encounters) >= _MOST_OWNERS:
                self._encounters.clear()
            try:
                found = convert(msgspec.json.decode(reference), Reference)
                mark = hash(resolve(found, "encounter", _NOWHERE, None))
            except (*_FAULTS, PutAside):
                mark = 0
            self._encounters[reference] = mark
        if mark and self._last != (mark, part):
            self._last = mark, part
            self._mark(mark, part, _NAMED)

    def _mark_identifiers(self, raw: Raw | UnsetType, part: int) -> None:
        if isinstance(raw, UnsetType):
            return
        try:
            for identifier in convert(msgspec.json.decode(raw), tuple[Identifier, ...]):
                self._mark(hash(f"{BY_IDENTIFIER}{identifier.system}|{identifier.value}"), part, _IDENTIFIER)
        except _FAULTS:
            return

    def _mark_links(self, raw: Raw | UnsetType, part: int) -> None:
        if isinstance(raw, UnsetType):
            return
        try:
            links = convert(msgspec.json.decode(raw), tuple[PatientLink, ...])
        except _FAULTS:
            return
        for link in links:
            with suppress(PutAside):
                self._mark(hash(resolve(link.other, "link", _NOWHERE, None)), part, _NAMED)

    def _mark(self, mark: int, part: int, kind: int) -> None:
        """Remember that a part holds or names something, to find what two parts have in common."""
        self._marks.append(mark)
        self._mark_parts.append(part)
        self._mark_kinds.append(kind)
        if len(self._marks) >= _KEPT:
            self.close()

    def close(self) -> None:
        """Write the marks, in files by their last bits."""
        marks = np.empty(len(self._marks), _MARKS)
        marks["mark"], marks["part"], marks["kind"] = self._marks, self._mark_parts, self._mark_kinds
        bucket = marks["mark"] % _BUCKETS
        for number in range(_BUCKETS):
            with (self.folder / f"marks-{number}").open("ab") as file:
                marks[bucket == number].tofile(file)
        self._marks, self._mark_parts, self._mark_kinds = array("q"), array("h"), array("h")

    def groups(self) -> list[list[int]]:
        """Parts that must be read together, the one with the Medications first."""
        joined = list(range(self.count))

        def head(part: int) -> int:
            while joined[part] != part:
                part = joined[part]
            return part

        for number in range(_BUCKETS):
            for one, two in _ties(np.fromfile(self.folder / f"marks-{number}", _MARKS)):
                heads = sorted((head(one), head(two)))
                joined[heads[1]] = heads[0]
        found: dict[int, list[int]] = {}
        for part in range(self.count):
            found.setdefault(head(part), []).append(part)
        return list(found.values())


def _ties(marks: NDArray[np.void]) -> Iterator[tuple[int, int]]:
    """Pairs of parts that hold one id, or of which one names what another holds."""
    if not len(marks):
        return
    marks = marks[np.argsort(marks["mark"], kind="stable")]
    starts = np.flatnonzero(np.append(True, marks["mark"][1:] != marks["mark"][:-1]))
    stops = np.append(starts[1:], len(marks))
    apart = np.minimum.reduceat(marks["part"], starts) != np.maximum.reduceat(marks["part"], starts)
    for start, stop in zip(starts[apart].tolist(), stops[apart].tolist(), strict=True):
        kinds = set(marks["kind"][start:stop].tolist())
        if _RESOURCE in kinds or {_IDENTIFIER, _NAMED} <= kinds:
            first, *others = np.unique(marks["part"][start:stop]).tolist()
            yield from ((first, other) for other in others)


def _accepts(line: bytes) -> tuple[bool, bool]:
    """Whether a line is a resource, and whether it is no strict JSON."""
    try:
        document = read_strict(line)
    except StrictJsonError:
        return False, True
    kind = document.get("resourceType") if isinstance(document, dict) else None
    return isinstance(kind, str) and kind != "", False


def _text(raw: Raw | UnsetType) -> str | None:
    """The text of a JSON string, or None for anything else."""
    if isinstance(raw, UnsetType):
        return None
    text = bytes(raw)
    if text[:1] != b'"':
        return None
    return str(msgspec.json.decode(text)) if b"\\" in text else text[1:-1].decode("utf-8", "replace")
