"""Lines alike, read by their template: many at a time, column by column, with no object for any one of them."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cdss.fhir.gather import Disposition, Gatherer
from cdss.fhir.observation import PLAIN_NUMBER
from cdss.fhir.template import QUEUED, TEXT, Kind, Place, Role, Template, cut, find_places, make_template
from cdss.fhir.times import NO_TIME, read_instants
from cdss.table import ROW

_ID_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
_LONGEST_ID = 64
_PATIENCE = 1024  # lines in vain, after which only one in so many is looked at
_MOST_KEPT = 1 << 13  # templates and layouts
_MOST_ALIKE = 24  # layouts of one length
_MOST_TRIES = 4  # lines of one kind that are not plain, after which none is expected to be
_MOST_QUEUED = 1 << 11
_MOST_OWNERS = 1 << 16

# How a line is cut, what must stand between its places, and the template of lines of which that is true.
_Way = tuple[Callable[[bytes], tuple[bytes, ...]], tuple[bytes, ...], Template]

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(float_hook=msgspec.Raw).decode


class _Layout:
    """How lines of one length are cut, told apart by a few bytes where none of them has a place."""

    __slots__ = ("examples", "telling", "ways")

    def __init__(self) -> None:
        self.telling: Callable[[bytes], object] = itemgetter(0)
        self.ways: dict[object, _Way] = {}
        self.examples: dict[bytes, _Way] = {}

    def add(self, literal: bytes, way: _Way) -> None:
        """Add a way to cut a line, given with zeros at its places, if it can be told apart."""
        examples = self.examples | {literal: way}
        at = _tell_apart(list(examples)) if len(examples) <= _MOST_ALIKE else None
        if at is not None:
            self.examples, self.telling = examples, itemgetter(*at)
            self.ways = {self.telling(literal): way for literal, way in examples.items()}


def _tell_apart(literals: Sequence[bytes]) -> list[int] | None:
    """Where to look to tell these apart; None if nothing does that is not at a place of one of them."""
    letters = np.frombuffer(b"".join(literals), np.uint8).reshape(len(literals), -1)
    shared = letters.all(axis=0)
    at: list[int] = []
    for number in range(1, len(literals)):
        while (same := (letters[:number, at] == letters[number, at]).all(axis=1)).any():
            apart = np.flatnonzero((letters[same.argmax()] != letters[number]) & shared)
            if not len(apart):
                return None
            at.append(int(apart[0]))
    return at or [0]


class Alike:
    """Reads the lines that a template is known for; `in_full` reads one whose texts are not plain, under its number."""

    def __init__(self, found: Gatherer, in_full: Callable[[str, int, bytes], object]) -> None:
        self._known: dict[tuple[bytes, ...], Template] = {}
        self._seen: dict[tuple[int, int], int | tuple[int, ...]] = {}  # how often in vain, or which places are kept
        self._layouts: dict[int, _Layout] = {}
        self._layout_count = 0
        self._queues: dict[Kind, list[Any]] = {}
        self.give_to(found, in_full)
        self.start_file("")

    def give_to(self, found: Gatherer, in_full: Callable[[str, int, bytes], object]) -> None:
        """Let the lines from here on go to another gatherer, of the same code map."""
        self._found, self._in_full = found, in_full
        self._owners: dict[bytes, str] = {}
        self._next = -1
        self._looked: tuple[bytes, Sequence[Place], tuple[int, int]] = b"", (), (0, 0)

    def start_file(self, name: str) -> None:
        """Lines of another file follow."""
        self._file = name
        self._hits = self._misses = 0
        self._full = _MOST_QUEUED  # the hits after which the queues are read

    def take(self, place: int, line: bytes) -> bool:
        """Put a line in the queue, if there is a template for it; `place` is its number in the file."""
        layout = self._layouts.get(len(line))
        template = None
        if layout is not None and (way := layout.ways.get(layout.telling(line))) is not None:
            unpack, literals, alike = way
            pieces = unpack(line)
            if pieces[::2] == literals:
                template, texts = alike, pieces[1::2]
        if template is None:
            template, texts = self._look(line)
            if template is None:
                self._make_room()
                return False
        if (number := self._next) < 0:
            number = len(self._found.sources)
        self._next = number + 1
        queue = template.queue
        queue += number, template, place, hash(line)  # the line itself need not stay in memory
        queue += texts
        self._hits += 1
        if self._hits >= self._full:
            self.flush()
        return True

    def flush(self) -> None:
        """Read what waits in the queues."""
        self._full = self._hits + _MOST_QUEUED
        self._make_room()
        for kind, queue in self._queues.items():
            if queue:
                self._read(kind, queue)
                queue.clear()

    def _make_room(self) -> None:
        """Reserve the numbers of what waits, before another resource is entered."""
        if self._next >= 0:
            self._found.reserve(self._next - len(self._found.sources))
            self._next = -1

    def _look(self, line: bytes) -> tuple[Template | None, tuple[bytes, ...]]:
        """The template of a line of a layout that is new, if there is one, and what stands at its places."""
        if self._misses > _PATIENCE + self._hits and self._misses % _PATIENCE:
            return None, ()
        places = find_places(line)
        mark = len(places), hash(cut(line, places))
        kept = self._seen.get(mark)
        if isinstance(kept, tuple):
            held = [places[at] for at in kept]
            literals = cut(line, held)
            if (template := self._known.get(literals)) is not None:
                texts = tuple(line[place.start : place.end] for place in held)
                self._keep_layout(literals, texts, template)
                return template, texts
            mark = len(places), hash(literals)
        self._looked = line, places, mark
        return None, ()

    def _keep_layout(self, literals: tuple[bytes, ...], texts: tuple[bytes, ...], template: Template) -> None:
        """Remember where the places are in lines of this length that hold the same where it tells."""
        if self._layout_count >= _MOST_KEPT:
            return
        self._layout_count += 1
        places = [*(bytes(len(text)) for text in texts), b""]
        parts = [part for pair in zip(literals, places, strict=True) for part in pair]
        unpack = struct.Struct("".join(f"{len(part)}s" for part in parts[:-1])).unpack
        literal = b"".join(parts)
        self._layouts.setdefault(len(literal), _Layout()).add(literal, (unpack, literals, template))

    def learn(self, line: bytes) -> None:
        """Look at a line that was just read in full: the second of its like makes a template."""
        self._misses += 1
        looked, places, mark = self._looked
        tries = self._seen.get(mark, 0)
        if looked is not line or isinstance(tries, tuple) or tries > _MOST_TRIES:
            return
        if len(self._seen) >= _MOST_KEPT:
            self._seen.clear()
            self._known.clear()
        made = make_template(line, places, self._found.notes.code_map) if tries else None
        if made is None:
            self._seen[mark] = tries + 1
            return
        template, kept = made
        self._seen[mark] = kept
        self._known[template.literals] = template
        template.queue = self._queues.setdefault(template.kind, [])

    def _read(self, kind: Kind, queue: list[Any]) -> None:
        """Read lines of one kind; those whose texts are not plain are read in full."""
        columns = _Columns(kind, queue)
        plain = columns.check()
        if plain.all():
            columns.put(self._found, self._owners)
            return
        for at in np.flatnonzero(~plain).tolist():
            self._found.reserved = columns.numbers[at]
            self._in_full(self._file, columns.places[at], columns.line(at))
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
        self.hashes: list[int] = columns[3]
        self.texts: list[list[bytes]] = columns[QUEUED:]
        self.size = len(self.numbers)
        self.effective = self.known = np.zeros(0, np.int64)
        self.values: list[NDArray[np.float64]] = []

    def column(self, role: int) -> Sequence[bytes]:
        """What stands at the place of a role in each line; nothing, where the kind has no such place."""
        place = self.kind.place(role)
        return self.texts[place] if place >= 0 else ()

    def line(self, at: int) -> bytes:
        """A line as it stood in the file."""
        literals, texts = self.templates[at].literals, [column[at] for column in self.texts]
        return b"".join([part for pair in zip(literals, [*texts, b""], strict=True) for part in pair])

    def check(self) -> NDArray[np.bool_]:
        """Read ids, times and numbers; whether all of them are plain, line by line."""
        plain = np.ones(self.size, bool)
        for role, column in zip(self.kind.roles, self.texts, strict=True):
            if role == Role.ID:
                plain &= _are_ids(column)
            elif role in (Role.SUBJECT, Role.ENCOUNTER):
                named = list(set(column))
                if not (are := _are_ids(named)).all():
                    others = set(compress(named, (~are).tolist()))
                    plain &= [text not in others for text in column]
            elif role == Role.INERT_NUMBER:
                others = {text for text in set(column) if not PLAIN_NUMBER.fullmatch(text)}
                if others:
                    plain &= [text not in others for text in column]
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
        texts, rules = self.texts[place], [template.rules[event] for template in self.templates]
        values = [rule.values.get(text) for rule, text in zip(rules, texts, strict=True)]
        for at in [at for at, value in enumerate(values) if value is None]:
            rule, text = rules[at], texts[at]
            values[at] = rule.values[text] if text in rule.values else rule.read(text)
            plain[at] &= values[at] is not None
        return np.array(values, np.float64)

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
        all_sources, all_subjects = found.sources, found.subjects
        for number, source, subject in zip(self.numbers, sources, subjects, strict=True):
            all_sources[number], all_subjects[number] = source, names[subject]
        self._put_references(found)
        if kind.version is not None:
            self._put_versions(found, kind.version)
        if kind.place(Role.ISSUED) < 0:
            found.notes.issued_missing.update(template.unissued for template in self.templates)
        if any(template.findings for template in set(self.templates)):
            self._put_findings(found)
        if kind.numbers:
            self._put_events(found, {subject: found.buffer.subjects.number(name) for subject, name in names.items()})

    def _hashes(self) -> list[int]:
        if self.kind.is_canonical:
            return [content or 1 for content in self.hashes]
        return [hash(_encode(_decode(self.line(at)))) or 1 for at in range(self.size)]

    def _put_references(self, found: Gatherer) -> None:
        encounters = self.column(Role.ENCOUNTER)
        add = {}
        for encounter in set(encounters):
            name = f"Encounter/{encounter.decode()}"
            references = found.encounter_references.get(name)
            if references is None:
                references = found.encounter_references[name] = array("i")
            add[encounter] = references.append
        for number, encounter in zip(self.numbers, encounters, strict=False):
            add[encounter](number)

    def _put_versions(self, found: Gatherer, version: tuple[str, str]) -> None:
        versions, updated = self.column(Role.VERSION), self.column(Role.UPDATED)
        for at, number in enumerate(self.numbers):
            found.versions[number] = (
                versions[at].decode() if versions else version[0],
                updated[at].decode() if updated else version[1],
            )

    def _put_findings(self, found: Gatherer) -> None:
        for number, template in zip(self.numbers, self.templates, strict=True):
            for location, reason, message, severity, codes in template.findings:
                found.reject(number, found.sources[number], location, reason, message, severity, codes)

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
