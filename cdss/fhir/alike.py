"""Lines alike, read by their template: many at a time, column by column, with no object for any one of them."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cdss.fhir.gather import Disposition, Gatherer
from cdss.fhir.template import QUEUED, TEXT, Kind, Place, Role, Template, cut, find_places, make_template
from cdss.fhir.times import NO_TIME, read_instants
from cdss.table import ROW

_BRACE = ord("}")
_ID_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
_LONGEST_ID = 64
_LONGEST_PLAN = 12
_PATIENCE = 1024  # lines in vain, after which only one in so many is looked at
_MOST_KEPT = 1 << 13  # templates and layouts
_MOST_ALIKE = 24  # layouts of one length
_TELLING = 8
_MOST_QUEUED = 1 << 10
_MOST_OWNERS = 1 << 16

_Unpack = Callable[[bytes], tuple[bytes, ...]]
_Anchors = tuple[tuple[bytes, int, bool], ...]
_UNLIKE: _Anchors = ((b"\n", 1, False),)  # the anchors of what makes no template; no line holds one

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(float_hook=msgspec.Raw).decode


@dataclass(slots=True)
class _Layout:
    """How lines of one length are cut, told apart by what stands in them from `start` to `stop`."""

    start: int = 0
    stop: int = 0
    unpack: dict[bytes, _Unpack] = field(default_factory=dict)
    examples: dict[bytes, _Unpack] = field(default_factory=dict)

    def add(self, literal: bytes, unpack: _Unpack) -> None:
        """Add a way to cut a line, given with zeros at its places; widen what is looked at until it tells it apart."""
        if len(self.examples) >= _MOST_ALIKE:
            return
        for other in self.examples:
            if other[self.start : self.stop] == literal[self.start : self.stop]:
                one, two = np.frombuffer(other, np.uint8), np.frombuffer(literal, np.uint8)
                apart = np.flatnonzero((one != two) & (one > 0) & (two > 0))
                at = int(apart[0]) if len(apart) else self.start
                self.start, self.stop = min(at, self.start) if self.stop else at, max(at + _TELLING, self.stop)
        self.examples[literal] = unpack
        self.unpack = {key[self.start : self.stop]: way for key, way in self.examples.items()}


class Alike:
    """Reads the lines that a template is known for; `in_full` reads one whose texts are not plain, under its number."""

    def __init__(self, found: Gatherer, in_full: Callable[[str, int, bytes], object]) -> None:
        self._known: dict[tuple[bytes, ...], Template] = {}
        self._seen: dict[int, _Anchors] = {}
        self._layouts: dict[int, _Layout] = {}
        self._layout_count = 0
        self._queues: dict[Kind, list[Any]] = {}
        self._queued = 0
        self.give_to(found, in_full)
        self.start_file("")

    def give_to(self, found: Gatherer, in_full: Callable[[str, int, bytes], object]) -> None:
        """Let the lines from here on go to another gatherer, of the same code map."""
        self._found, self._in_full = found, in_full
        self._owners: dict[bytes, str] = {}
        self._next = -1

    def start_file(self, name: str) -> None:
        """Forget the order of elements: another file has its own."""
        self._file = name
        self._plan: _Anchors = ()
        self._hits = self._misses = 0

    def take(self, place: int, line: bytes) -> bool:
        """Put a line in the queue, if there is a template for it; `place` is its number in the file."""
        layout = self._layouts.get(len(line))
        template = None
        if layout is not None and (unpack := layout.unpack.get(line[layout.start : layout.stop])) is not None:
            pieces = unpack(line)
            template = self._known.get(pieces[::2])
            texts = pieces[1::2]
        if template is None:
            literals, texts = self._cut_by_plan(line)
            template = self._known.get(literals)
            if template is None:
                self._make_room()
                return False
            self._keep_layout(line, literals, texts)
        if self._next < 0:
            self._next = len(self._found.sources)
        template.queue += (self._next, template, place, line, *texts)
        self._next += 1
        self._queued += 1
        if self._queued >= _MOST_QUEUED:
            self.flush()
        return True

    def flush(self) -> None:
        """Read what waits in the queues."""
        self._hits += self._queued
        self._make_room()
        for kind, queue in self._queues.items():
            if queue:
                self._read(kind, queue)
                queue.clear()
        self._queued = 0

    def _make_room(self) -> None:
        """Reserve the numbers of what waits, before another resource is entered."""
        if self._next >= 0:
            self._found.reserve(self._next - len(self._found.sources))
            self._next = -1

    def _cut_by_plan(self, line: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """What lies between the places of a line, found by their anchors, and what stands at them."""
        literals, texts, position, find = [], [], 0, line.find
        for anchor, size, is_number in self._plan:
            start = find(anchor, position)
            if start < 0:
                continue
            start += size
            end = find(b"," if is_number else b'"', start)
            if is_number and (end < 0 or line[end - 1] == _BRACE):
                end = start + len(line[start:end].rstrip(b"}]"))
            literals.append(line[position:start])
            texts.append(line[start:end])
            position = end
        literals.append(line[position:])
        return tuple(literals), tuple(texts)

    def _keep_layout(self, line: bytes, literals: Sequence[bytes], texts: Sequence[bytes]) -> None:
        """Remember where the places are in lines of this length that hold the same at one tell-tale place."""
        if self._layout_count >= _MOST_KEPT:
            return
        self._layout_count += 1
        places = [*(bytes(len(text)) for text in texts), b""]
        parts = [part for pair in zip(literals, places, strict=True) for part in pair]
        unpack = struct.Struct("".join(f"{len(part)}s" for part in parts[:-1])).unpack
        self._layouts.setdefault(len(line), _Layout()).add(b"".join(parts), unpack)

    def learn(self, line: bytes) -> None:
        """Look at a line that was just read in full: the second of its like makes a template."""
        self._misses += 1
        if self._misses > _PATIENCE + self._hits + self._queued and self._misses % _PATIENCE:
            return
        places = find_places(line)
        mark = hash(cut(line, places))
        anchors = self._seen.get(mark)
        if anchors is None:
            if len(self._seen) >= _MOST_KEPT:
                self._seen.clear()
                self._known.clear()
            self._seen[mark] = ()
        elif anchors == ():
            anchors = self._seen[mark] = self._make(line, places)
        if anchors and anchors is not _UNLIKE:
            self._extend_plan(anchors)

    def _make(self, line: bytes, places: Sequence[Place]) -> _Anchors:
        """Make a template of a line, if it is plain, and give its anchors."""
        made = make_template(line, places, self._found.notes.code_map)
        if made is None:
            return _UNLIKE
        template, kept = made
        self._known[cut(line, kept)] = template
        template.queue = self._queues.setdefault(template.kind, [])
        return tuple((place.anchor, len(place.anchor), place.is_number) for place in kept)

    def _extend_plan(self, anchors: _Anchors) -> None:
        """Let the plan hold these anchors in their order, and what it held before in its order."""
        plan: list[tuple[bytes, int, bool]] = []
        rest = list(self._plan)
        for anchor in anchors:
            if anchor in rest:
                at = rest.index(anchor) + 1
                plan += rest[:at]
                rest = rest[at:]
            else:
                plan.append(anchor)
        plan += rest
        self._plan = tuple(plan) if len(plan) <= _LONGEST_PLAN else anchors

    def _read(self, kind: Kind, queue: list[Any]) -> None:
        """Read lines of one kind; those whose texts are not plain are read in full."""
        columns = _Columns(kind, queue)
        plain = columns.check()
        if plain.all():
            columns.put(self._found, self._owners)
            return
        for at in np.flatnonzero(~plain).tolist():
            self._found.reserved = columns.numbers[at]
            self._in_full(self._file, columns.places[at], columns.lines[at])
        rest = list(compress(queue, np.repeat(plain, columns.width).tolist()))
        if rest:
            columns = _Columns(kind, rest)
            columns.check()
            columns.put(self._found, self._owners)


class _Columns:
    """Lines of one kind, column by column."""

    def __init__(self, kind: Kind, queue: list[Any]) -> None:
        self.kind, self.width = kind, QUEUED + len(kind.roles)
        columns = [queue[at :: self.width] for at in range(self.width)]
        self.numbers: list[int] = columns[0]
        self.templates: list[Template] = columns[1]
        self.places: list[int] = columns[2]
        self.lines: list[bytes] = columns[3]
        self.texts: list[list[bytes]] = columns[QUEUED:]
        self.size = len(self.numbers)
        self.effective = self.known = np.zeros(0, np.int64)
        self.values: list[NDArray[np.float64]] = []

    def column(self, role: int) -> Sequence[bytes]:
        """What stands at the place of a role in each line; nothing, where the kind has no such place."""
        place = self.kind.place(role)
        return self.texts[place] if place >= 0 else ()

    def check(self) -> NDArray[np.bool_]:
        """Read ids, times and numbers; whether all of them are plain, line by line."""
        plain = np.ones(self.size, bool)
        for role, column in zip(self.kind.roles, self.texts, strict=True):
            if role in (Role.ID, Role.SUBJECT, Role.ENCOUNTER):
                plain &= _are_ids(column)
            elif role in (Role.INERT, Role.VERSION, Role.UPDATED) and b"".join(column).translate(None, TEXT):
                plain &= [not text.translate(None, TEXT) for text in column]
        self.effective = self.known = read_instants(self.column(Role.EFFECTIVE))
        plain &= self.effective != NO_TIME
        if issued := self.column(Role.ISSUED):
            instants = read_instants(issued)
            plain &= instants != NO_TIME
            self.known = np.maximum(self.effective, instants)
        for event, place in enumerate(self.kind.numbers):
            self.values.append(self._values(event, place, plain))
        if self.kind.pressures is not None:
            systolic, diastolic = self.kind.pressures
            plain &= self.values[systolic] >= self.values[diastolic]
        return plain

    def _values(self, event: int, place: int, plain: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The value of one event of each line; lines whose number needs a closer look are not plain."""
        if place < 0:
            return np.fromiter((template.rows[event].value for template in self.templates), np.float64, self.size)
        values = []
        for at, (template, text) in enumerate(zip(self.templates, self.texts[place], strict=True)):
            rule = template.rules[event]
            assert rule is not None, "its number has a place"
            value = rule.values.get(text)
            if value is None and (value := rule.read(text)) is None:
                value, plain[at] = 0.0, False
            values.append(value)
        return np.array(values)

    def put(self, found: Gatherer, owners: dict[bytes, str]) -> None:
        """Enter the lines under the numbers that were reserved for them."""
        kind, where = self.kind, np.array(self.numbers)
        used = Disposition.USED if kind.numbers else Disposition.NOT_NEEDED
        np.frombuffer(found.dispositions, np.uint8)[where] = used
        np.frombuffer(found.contents, np.int64)[where] = self._hashes()
        sources = (b"Observation/" + b"\nObservation/".join(self.column(Role.ID))).decode().split("\n")
        subjects = self.column(Role.SUBJECT)
        names = {subject: owners.get(subject) or f"Patient/{subject.decode()}" for subject in set(subjects)}
        if len(owners) < _MOST_OWNERS:
            owners |= names
        for number, source, subject in zip(self.numbers, sources, subjects, strict=True):
            found.sources[number], found.subjects[number] = source, names[subject]
        self._put_references(found)
        if kind.version is not None:
            self._put_versions(found, kind.version)
        if kind.place(Role.ISSUED) < 0:
            found.notes.issued_missing.update(template.unissued for template in self.templates)
        if kind.numbers:
            self._put_events(found, {subject: found.buffer.subjects.number(name) for subject, name in names.items()})

    def _hashes(self) -> list[int]:
        if self.kind.is_canonical:
            return [hash(line) or 1 for line in self.lines]
        return [hash(_encode(_decode(line))) or 1 for line in self.lines]

    def _put_references(self, found: Gatherer) -> None:
        encounters = self.column(Role.ENCOUNTER)
        references = {
            encounter: found.encounter_references.setdefault(f"Encounter/{encounter.decode()}", array("i"))
            for encounter in set(encounters)
        }
        for number, encounter in zip(self.numbers, encounters, strict=False):
            references[encounter].append(number)

    def _put_versions(self, found: Gatherer, version: tuple[str, str]) -> None:
        versions, updated = self.column(Role.VERSION), self.column(Role.UPDATED)
        for at, number in enumerate(self.numbers):
            found.versions[number] = (
                versions[at].decode() if versions else version[0],
                updated[at].decode() if updated else version[1],
            )

    def _put_events(self, found: Gatherer, subjects: dict[bytes, int]) -> None:
        buffer = found.buffer
        for template in set(self.templates):
            if template.bound is not buffer:
                template.packed, template.bound = tuple(buffer.pack(row) for row in template.rows), buffer
        owners = [subjects[subject] for subject in self.column(Role.SUBJECT)]
        for event, values in enumerate(self.values):
            rows = np.frombuffer(bytearray().join([template.packed[event] for template in self.templates]), ROW)
            rows["subject"], rows["source"], rows["value"] = owners, self.numbers, values
            rows["effective"], rows["known"] = self.effective, self.known
            buffer.extend(rows)


def _are_ids(column: Sequence[bytes]) -> NDArray[np.bool_]:
    sizes = np.fromiter(map(len, column), np.int64, len(column))
    fit = (sizes > 0) & (sizes <= _LONGEST_ID)
    if b"".join(column).translate(None, _ID_BYTES):
        fit &= np.fromiter((not text.translate(None, _ID_BYTES) for text in column), bool, len(column))
    return fit
