"""Which codes of a source no model can read, by frequency: what a hospital's own code map has to cover.

The Observations are counted as sent, in a pass of their own over a handful of fields, before any rule about status,
time or owner: a code counts whether or not its results could be used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from cdss.codes import CodeMap, sets_holding
from cdss.errors import InputRefusedError
from cdss.fhir.concept import keys_of
from cdss.fhir.files import SourceFile, open_source, read_document, read_lines
from cdss.fhir.schema import CodeableConcept
from cdss.fhir.schema import Coding as Key
from cdss.units import analyte_for

_DISTINCT = 100_000  # codes told apart; hostile input may make up more
_DEEPEST = 8  # Bundles in Bundles
_REST = ("", "", "codes beyond those listed")


class _Coding(Struct):
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    display: str | UnsetType = UNSET


class _Concept(Struct):
    coding: tuple[_Coding, ...] = ()
    text: str | UnsetType = UNSET


class _Quantity(Struct):
    code: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET


class _Part(Struct, rename="camel"):
    code: _Concept | UnsetType = UNSET
    value_quantity: _Quantity | UnsetType = UNSET


class _Subject(Struct):
    reference: str | UnsetType = UNSET


class _Entry(Struct):
    resource: Raw | UnsetType = UNSET


class _Resource(_Part, rename="camel"):
    resource_type: str = ""
    subject: _Subject | UnsetType = UNSET
    component: tuple[_Part, ...] = ()
    entry: tuple[_Entry, ...] = ()


@dataclass(slots=True)
class UnmappedCode:
    """One code that is read as no analyte and is in no value set: how often it came, and from how many patients.

    `display` and `unit` are the first that were seen; they are the sender's words, not yet safe to print.
    """

    system: str
    code: str
    display: str
    count: int = 0
    unit: str = ""
    subjects: set[int] = field(default_factory=set)

    @property
    def patients(self) -> int:
        """How many patients have it."""
        return len(self.subjects)


@dataclass(slots=True)
class Coverage:
    """How many coded places of the Observations are read, and the codes of the others.

    `observations` counts each value by itself: a component is one, and a panel without a value of its own is none.
    """

    observations: int = 0
    unmapped: int = 0
    codes: dict[tuple[str, str, str], UnmappedCode] = field(default_factory=dict)

    @property
    def by_frequency(self) -> list[UnmappedCode]:
        """The unmapped codes, the most frequent first."""
        return sorted(self.codes.values(), key=lambda found: (-found.count, found.system, found.code, found.display))

    def to_dict(self) -> dict[str, int]:
        """The counts alone."""
        return {"observations": self.observations, "unmapped": self.unmapped, "codes": len(self.codes)}


def coverage(
    path: str | Path, code_map: CodeMap | None = None, progress: Callable[[int], Any] = lambda size: None
) -> Coverage:
    """Count the codes of every Observation of a source.

    Parameters
    ----------
    path : str or Path
        As `cdss.read` takes it.
    code_map : CodeMap, optional
        With it, a mapped code counts as read.
    progress : callable
        Called with the number of bytes read since the last call.

    Raises
    ------
    SourceNotFoundError, InputRefusedError
        If the path does not exist, or a directory holds no FHIR file.
    """
    counter = _Counter(code_map)
    for file in open_source(path).files:
        try:
            for raw in _documents(file, progress):
                counter.take(raw)
        except InputRefusedError:
            continue  # read up to where it could be; `read` says what is wrong with it
    return counter.found


def _documents(file: SourceFile, progress: Callable[[int], Any]) -> Iterator[bytes]:
    if not file.is_ndjson:
        yield read_document(file, progress)
        return
    for _, line in read_lines(file, progress):
        yield line


class _Counter:
    def __init__(self, code_map: CodeMap | None) -> None:
        self.code_map = code_map
        self.found = Coverage()
        self.known: dict[tuple[tuple[object, object], ...], bool] = {}
        self.subjects: dict[str, int] = {}
        self.decoder = msgspec.json.Decoder(_Resource)

    def take(self, raw: bytes | Raw, depth: int = 0) -> None:
        """Count one resource, or the resources of one Bundle; what is none is left to the reader."""
        try:
            resource = self.decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if resource.resource_type == "Bundle" and depth < _DEEPEST:
            for entry in resource.entry:
                if not isinstance(entry.resource, UnsetType):
                    self.take(entry.resource, depth + 1)
        if resource.resource_type != "Observation":
            return
        subject = self._subject(resource)
        if not resource.component or resource.value_quantity is not UNSET:
            self._count(resource, subject)
        for part in resource.component:
            self._count(part, subject)

    def _count(self, part: _Part, subject: int) -> None:
        self.found.observations += 1
        concept = _Concept() if isinstance(part.code, UnsetType) else part.code
        if self._is_known(concept):
            return
        self.found.unmapped += 1
        name = _name(concept)
        if name not in self.found.codes and len(self.found.codes) >= _DISTINCT:
            name = _REST
        row = self.found.codes.get(name)
        if row is None:
            row = self.found.codes[name] = UnmappedCode(name[0], name[1], name[2] or _display(concept))
        row.count += 1
        row.unit = row.unit or _unit(part.value_quantity)
        if subject >= 0:
            row.subjects.add(subject)

    def _is_known(self, concept: _Concept) -> bool:
        codings = tuple((coding.system, coding.code) for coding in concept.coding)
        known = self.known.get(codings)
        if known is None:
            pairs = tuple(Key(system=coding.system, code=coding.code) for coding in concept.coding)
            keys = keys_of(CodeableConcept(coding=pairs), self.code_map)
            known = any(analyte_for(key) is not None or sets_holding(key) for key in keys)
            if len(self.known) < _DISTINCT:
                self.known[codings] = known
        return known

    def _subject(self, resource: _Resource) -> int:
        subject = resource.subject
        reference = "" if isinstance(subject, UnsetType) else _text(subject.reference)
        return self.subjects.setdefault(reference, len(self.subjects)) if reference else -1


def _name(concept: _Concept) -> tuple[str, str, str]:
    """System and code of the first coding that has a code; the words, where there is none."""
    for coding in concept.coding:
        if _text(coding.code):
            return _text(coding.system), _text(coding.code), ""
    return "", "", _display(concept)


def _display(concept: _Concept) -> str:
    shown = (_text(coding.display) for coding in concept.coding)
    return next((display for display in shown if display), _text(concept.text))


def _unit(quantity: _Quantity | UnsetType) -> str:
    return "" if isinstance(quantity, UnsetType) else _text(quantity.unit) or _text(quantity.code)


def _text(value: str | UnsetType) -> str:
    return value if isinstance(value, str) else ""
