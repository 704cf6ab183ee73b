"""Which resource types and top-level elements FHIR R4 has, so that a misspelt one is found instead of passed over."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files

_R4 = tomllib.loads(files(__package__).joinpath("r4.toml").read_text("utf-8"))

RESOURCE_TYPES: frozenset[str] = frozenset(_R4["resource_types"])
ELEMENTS: Mapping[str, frozenset[str]] = {name: frozenset(elements) for name, elements in _R4["elements"].items()}
TURNING: frozenset[str] = frozenset(_R4["turning"]["elements"])
_VERSIONS: dict[tuple[str, str], list[str]] = {}
for _version, _types in _R4["elsewhere"].items():
    for _type, _elements in _types.items():
        for _element in _elements:
            _VERSIONS.setdefault((_type, _element), []).append(_version)
# The canonical address of a definition of FHIR itself, which may name a version before or behind it.
_OWN_PROFILE = re.compile(
    r"https?://hl7\.org/fhir/(?:(?P<path>\d\.\d)/)?StructureDefinition/[^|]*(?:\|(?P<pinned>\d+\.\d+).*)?"
)
_R4_VERSION = "4.0"
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


def other_version(name: str, element: str) -> str:
    """The versions of FHIR that have an element R4 does not have on this type, as in `STU3 or R5`; "" for none."""
    return " or ".join(_VERSIONS.get((name, element.removeprefix("_")), ()))


def is_foreign(version: object) -> bool:
    """Whether a fhirVersion is another than R4's."""
    return isinstance(version, str) and version != _R4_VERSION and not version.startswith(f"{_R4_VERSION}.")


def names_other_version(profile: object) -> bool:
    """Whether a profile is a definition of FHIR itself in another version than R4."""
    found = _OWN_PROFILE.fullmatch(profile) if isinstance(profile, str) else None
    return found is not None and any(part not in (None, _R4_VERSION) for part in found.groups())


def shown_name(name: str) -> str:
    """A name out of the input, short and with whatever does not print made visible."""
    text = "".join(char if char.isprintable() else "?" for char in name)
    return text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "..."
