"""Which resource types and top-level elements FHIR R4 has, so that a misspelt one is found instead of passed over."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

_R4 = tomllib.loads(files(__package__).joinpath("r4.toml").read_text("utf-8"))

RESOURCE_TYPES: frozenset[str] = frozenset(_R4["resource_types"])
ELEMENTS: Mapping[str, frozenset[str]] = {name: frozenset(elements) for name, elements in _R4["elements"].items()}
_TYPE_BY_LOWER_NAME = {name.lower(): name for name in RESOURCE_TYPES}
_LONGEST_NAME = 64


def type_meant(name: str) -> str | None:
    """The resource type that differs from this name by capitals or blanks only."""
    return _TYPE_BY_LOWER_NAME.get(name.strip().lower())


def unknown_elements(name: str, document: Mapping[str, object]) -> tuple[str, ...]:
    """Top-level elements that a resource of this type does not have, as a message may show them."""
    known = ELEMENTS[name]
    if document.keys() <= known:
        return ()
    return tuple(shown_name(element) for element in sorted(document.keys() - known))


def shown_name(name: str) -> str:
    """A name out of the input, short and with whatever does not print made visible."""
    text = "".join(char if char.isprintable() else "?" for char in name)
    return text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "..."
