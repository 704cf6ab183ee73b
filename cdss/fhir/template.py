"""Templates: what is known of one line of NDJSON holds for every line that is the same but for ids, times and numbers.

An export repeats itself: two Observations of one code differ in their id, whose they are, when, and how much. A line is
cut at those places. What lies between is compared to the byte with lines that were read in full, by `read_strict` and
`Gatherer.take`; what stands at the places must be an id, an instant or a number and nothing else. Then the line is
strict JSON, has no misspelt element and no name twice, and means the same, because nothing else about it differs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, convert

from cdss.codes import CodeMap
from cdss.domain.event import Severity
from cdss.fhir.concept import read_codes
from cdss.fhir.finding import Notes
from cdss.fhir.gather import Disposition, Gatherer
from cdss.fhir.observation import DIASTOLIC, STATUS_RANK, SYSTOLIC, NumberRule, read_value
from cdss.fhir.schema import Component, Observation, Quantity
from cdss.fhir.strict import StrictJsonError, read_strict
from cdss.table import EventRow

_SLOT = re.compile(
    rb'"(?:(?:id|lastUpdated|versionId|effectiveDateTime|effectiveInstant|issued|value(?:String|DateTime)?)"\s*:\s*"'
    rb'|reference"\s*:\s*"[A-Z][A-Za-z]+/|value"\s*:\s*(?=[-0-9]))'
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?=\s*[,}])")
# Elements of an Observation that say nothing a reading depends on, whatever text or number stands in them.
_INERT = frozenset(
    "identifier basedOn partOf category performer interpretation note bodySite method specimen device "  # noqa: SIM905
    "referenceRange hasMember derivedFrom extension valueString valueDateTime".split()
)
# Notes on what no place holds: an element, a unit, a reason for no value. All lines alike have them.
_STEADY = frozenset(
    "contained-not-read element-unknown not-r4 unit-alias unit-fraction unit-from-text unit-missing-ph "  # noqa: SIM905
    "unit-missing-score value-absent value-censored value-text-only".split()
)
# What a line alike leaves in a gatherer; one that leaves anything else behind is always read in full.
_LEFT = frozenset(
    "buffer sources dispositions subjects contents versions rejections notes encounter_references".split()  # noqa: SIM905
)
QUEUED = 4  # what stands before the texts of a line in a queue
_MARK = 86_420_135_791_000  # what no export holds
TEXT = bytes(code for code in range(32, 127) if code not in b'"\\')

_encode = msgspec.json.encode


class Role(IntEnum):
    """What the text at a place is to the reader."""

    INERT_NUMBER = -2
    INERT = -1
    ID = 0
    SUBJECT = 1
    ENCOUNTER = 2
    EFFECTIVE = 3
    ISSUED = 4
    VERSION = 5
    UPDATED = 6
    NUMBER = 7  # and 8, 9 ... in component 0, 1 ...


_PREFIX: dict[int, bytes] = {Role.SUBJECT: b"Patient/", Role.ENCOUNTER: b"Encounter/"}


class Place(NamedTuple):
    """Where a line may differ: behind `anchor`; a number ends with its digits, a text at its quotation mark."""

    start: int
    end: int
    anchor: bytes
    is_number: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """What templates that are read in one go have in common.

    `roles` are those of the places; `numbers` has, for each event of a line, the place of its number or -1; `pressures`
    says which events are a systolic and a diastolic pressure; `version` is what stands in meta where no place does.
    """

    roles: tuple[int, ...]
    numbers: tuple[int, ...]
    pressures: tuple[int, int] | None
    is_canonical: bool
    version: tuple[str, str] | None

    def place(self, role: int) -> int:
        """Where a role stands, or -1."""
        return self.roles.index(role) if role in self.roles else -1


@dataclass(slots=True, eq=False)
class Template:
    """What lines alike have in common: their kind, their findings, and their events but for whose, when and how much.

    `literals` is what stands before, between and behind the places. `queue` holds the lines of its kind that wait to be
    read, one behind the other: number among the resources, template, number in the file, a hash of the line, and the
    texts at its places. A line is no object of its own there, so that the garbage collector has nothing to look at, and
    the little that waits stays near the processor. `unissued` is the key that a missing `issued` is counted under;
    `packed` are the events as the buffer that is `bound` packs them.
    """

    literals: tuple[bytes, ...]
    kind: Kind
    rows: tuple[EventRow, ...]
    rules: tuple[NumberRule, ...]
    unissued: str
    findings: tuple[tuple[str, str, str, Severity, tuple[str, ...]], ...]
    packed: tuple[bytes, ...] = ()
    bound: object = None
    queue: list[Any] = field(default_factory=list)


def make_template(
    line: bytes, places: Sequence[Place], code_map: CodeMap | None
) -> tuple[Template, tuple[int, ...]] | None:
    """The template of a line that was read in full, and which of the places it has; None where it is not plain."""
    try:
        document = read_strict(line)
        roles = _roles(line, places)
    except StrictJsonError:
        return None  # with its own texts at the places, or with others
    kept = tuple(number for number, role in enumerate(roles) if role is not None)
    literals = cut(line, [places[number] for number in kept])
    template = _template(document, line, literals, tuple(role for role in roles if role is not None), code_map)
    return None if template is None else (template, kept)


def find_places(line: bytes) -> list[Place]:
    """Where ids, times, references and numbers stand in a line."""
    places = []
    for slot in _SLOT.finditer(line):
        start, is_number = slot.end(), line[slot.end() - 1] not in b'"/'
        if is_number:
            number = _NUMBER.match(line, start)
            end = number.end() if number else -1
        else:
            end = line.find(b'"', start)
        if end > start and not line[start:end].translate(None, TEXT):
            places.append(Place(start, end, slot.group(), is_number))
    return places


def cut(line: bytes, places: Sequence[Place]) -> tuple[bytes, ...]:
    """What lies before, between and behind the places."""
    literals, position = [], 0
    for start, end, _, _ in places:
        literals.append(line[position:start])
        position = end
    literals.append(line[position:])
    return tuple(literals)


def _roles(line: bytes, places: Sequence[Place]) -> list[int | None]:
    """What each place is to the reader, found by putting a mark there; None where it must stay as it is."""
    literals = cut(line, places)
    marks = [b"%d" % (_MARK + number) for number in range(len(places))]
    document = read_strict(b"".join(part for pair in zip(literals, [*marks, b""], strict=True) for part in pair))
    if not isinstance(document, dict) or document.get("resourceType") != "Observation":
        return [None] * len(places)
    at: dict[int, object] = {
        Role.ID: document.get("id"),
        Role.SUBJECT: _member(document.get("subject"), "reference"),
        Role.ENCOUNTER: _member(document.get("encounter"), "reference"),
        Role.EFFECTIVE: document.get("effectiveDateTime", document.get("effectiveInstant")),
        Role.ISSUED: document.get("issued"),
        Role.VERSION: _member(document.get("meta"), "versionId"),
        Role.UPDATED: _member(document.get("meta"), "lastUpdated"),
        Role.NUMBER: _member(document.get("valueQuantity"), "value"),
    }
    components = document.get("component")
    for number, component in enumerate(components if isinstance(components, list) else ()):
        at[Role.NUMBER + 1 + number] = _member(_member(component, "valueQuantity"), "value")
    role_of = {str(value): role for role, value in at.items()}
    inert = _encode({name: value for name, value in document.items() if name in _INERT})
    roles: list[int | None] = []
    for place, mark in zip(places, marks, strict=True):
        prefix = b"" if place.is_number else place.anchor.rpartition(b'"')[2]
        named = (prefix + mark).decode()
        role = role_of.get(named)
        if role is not None:
            roles.append(None if prefix != _PREFIX.get(role, prefix) else role)
        else:
            is_inert = inert.count(mark) == 1
            roles.append(None if not is_inert else Role.INERT_NUMBER if place.is_number else Role.INERT)
    return roles


def _member(holder: object, name: str) -> object:
    return holder.get(name) if isinstance(holder, dict) else None


def _template(
    document: object, line: bytes, literals: tuple[bytes, ...], roles: tuple[int, ...], code_map: CodeMap | None
) -> Template | None:
    if not {Role.ID, Role.SUBJECT, Role.EFFECTIVE} <= set(roles) or not isinstance(document, dict):
        return None
    alone = Gatherer()
    alone.notes.code_map = code_map
    alone.take(document, "")
    steady = all(one.reason in _STEADY and one.severity == Severity.NOTE for one in alone.rejections)
    before = Gatherer()
    left = {part.name for part in fields(Gatherer) if getattr(alone, part.name) != getattr(before, part.name)}
    plain = steady and left <= _LEFT and alone.dispositions[0] <= Disposition.NOT_NEEDED
    if not plain or bool(alone.encounter_references) != (Role.ENCOUNTER in roles):
        return None
    observation = convert(document, Observation)
    if (observation.issued is UNSET) == (Role.ISSUED in roles):
        return None
    rows, rules, numbers = _rows(observation, roles, alone.notes)
    named = [key for row in rows for key in row.codes]
    if len(rows) != len(alone.buffer) or len(set(named)) != len(named):
        return None
    kind = Kind(roles, numbers, _pressures(rows), _encode(document) == line, alone.versions.get(0))
    unissued = "" if observation.issued is not UNSET else read_codes(observation.code, "code", alone.notes)[0]
    findings = tuple((one.location, one.reason, one.message, one.severity, one.codes) for one in alone.rejections)
    return Template(literals, kind, rows, rules, unissued, findings)


def _rows(
    observation: Observation, roles: Sequence[int], notes: Notes
) -> tuple[tuple[EventRow, ...], tuple[NumberRule, ...], tuple[int, ...]]:
    """The events of an Observation without a fault, and where in a line the number of each stands."""
    rows: list[EventRow] = []
    rules: list[NumberRule] = []
    numbers: list[int] = []
    holders: list[Observation | Component] = [observation, *observation.component]
    for number, holder in enumerate(holders):
        keys = read_codes(holder.code, "code", notes)
        row = read_value(holder, keys, notes, whole=not observation.component)
        if row is not None:
            row.rank = STATUS_RANK[str(observation.status)]
            quantity, role = holder.value_quantity, Role.NUMBER + number
            rows.append(row)
            rules.append(NumberRule(quantity if isinstance(quantity, Quantity) else Quantity(), keys))
            numbers.append(roles.index(role) if role in roles else -1)
    return tuple(rows), tuple(rules), tuple(numbers)


def _pressures(rows: Sequence[EventRow]) -> tuple[int, int] | None:
    """Which of the events are a systolic and a diastolic pressure, where there are both."""
    found = [
        next((number for number, row in enumerate(rows) if not codes.isdisjoint(row.codes)), -1)
        for codes in (SYSTOLIC, DIASTOLIC)
    ]
    return (found[0], found[1]) if min(found) >= 0 else None
