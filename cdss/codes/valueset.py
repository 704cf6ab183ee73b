"""Value sets: which codes of a terminology count as one thing, as versioned data files with their source.

A file in ``valuesets/`` holds some sets of one kind. A code that ends in ``*`` stands for all that begin so;
``390..459`` or ``O00..O99`` stands for the ICD categories from one to the other, each with everything below it.
An ICD code is the same with its dot and without, and one that has not the form of its system is in no set.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from cdss.domain.coding import Coding, code_shape_holds, stands_for, undotted

_RANGE = re.compile(r"([A-Z]?)([0-9]{2,3})\.\.\1([0-9]{2,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One line of a value set, as it is written there."""

    system: str
    code: str
    display: str

    @property
    def keys(self) -> tuple[str, ...]:
        """`system|code` of every code it stands for, in the form a specification takes: exact, or ending in `*`."""
        found = _RANGE.fullmatch(self.code)
        if not found:
            return (f"{self.system}|{self.code}",)
        letter, first, last = found.groups()
        numbers = range(int(first), int(last) + 1)
        return tuple(f"{self.system}|{letter}{number:0{len(first)}}*" for number in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSet:
    """Codes that count as one thing.

    Parameters
    ----------
    name, title : str
        The name in data ("diabetes") and the words for a reader.
    kind : str
        What carries the codes: condition, procedure, medication, encounter or observation.
    version, date, source : str
        Of the file it stands in; the source says where codes and names come from.
    collection : str
        Name of that file.
    exclusive : bool
        Whether a code may stand in one set of the collection only.
    concepts : tuple of Concept
    """

    name: str
    title: str
    kind: str
    version: str
    date: str
    source: str
    collection: str
    exclusive: bool
    concepts: tuple[Concept, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key of every concept, in the order of the file."""
        return tuple(key for concept in self.concepts for key in concept.keys)

    def holds(self, key: str) -> bool:
        """Whether a `system|code` is in the set."""
        return any(stands_for(own, key) for own in self.keys)


@cache
def value_sets() -> Mapping[str, ValueSet]:
    """Every shipped value set by name, in order of file and place."""
    found: dict[str, ValueSet] = {}
    folder = files(__package__).joinpath("valuesets")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            for one in read_sets(file.read_text("utf-8"), file.name.removesuffix(".toml")):
                if one.name in found:
                    raise ValueError(f"{file.name}: the value set {one.name} stands in another file too")
                found[one.name] = one
    return MappingProxyType(found)


def read_sets(text: str, collection: str) -> tuple[ValueSet, ...]:
    """The value sets of one file."""
    raw = tomllib.loads(text)
    return tuple(_value_set(entry, raw, collection) for entry in raw["set"])


def sets_holding(key: str) -> tuple[ValueSet, ...]:
    """The value sets a `system|code` is in."""
    coding, index = Coding.from_key(key), _index()
    if not code_shape_holds(coding.system, coding.code):
        return ()
    key = undotted(key)
    prefixes = (f"{key[:length]}*" for length in range(len(key) + 1))
    found = {one.name: one for written in (key, *prefixes) for one in index.get(written, ())}
    return tuple(found.values())


@cache
def _index() -> Mapping[str, tuple[ValueSet, ...]]:
    found: dict[str, tuple[ValueSet, ...]] = {}
    for one in value_sets().values():
        for key in map(undotted, one.keys):
            found[key] = (*found.get(key, ()), one)
    return found


def _value_set(entry: Mapping[str, Any], raw: Mapping[str, Any], collection: str) -> ValueSet:
    return ValueSet(
        name=entry["name"],
        title=entry["title"],
        kind=raw["kind"],
        version=raw["version"],
        date=raw["date"].isoformat(),
        source=raw["source"],
        collection=collection,
        exclusive=raw.get("exclusive", False),
        concepts=tuple(Concept(system=system, code=code, display=display) for system, code, display in entry["codes"]),
    )
