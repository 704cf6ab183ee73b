"""Which resource types and top-level elements FHIR R4 has, so that a misspelt one is found instead of passed over."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files

_R4 = tomllib.loads(files(__package__).joinpath("r4.toml").read_text("utf-8"))

RESOURCE_TYPES: frozenset[str] = frozenset(_R4["resource_types"])
ELEMENTS: Mapping[str, frozenset[str]] = {name: frozenset(elements) for name, elements in _R4["elements"].items()}
BUNDLE_TYPES: frozenset[str] = frozenset(_R4["bundle_types"])
BUNDLE_ELEMENTS = ELEMENTS["Bundle"]
MEANT: tuple[str, ...] = tuple(_R4["turning"]["meant"])
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
_MEMBERS: Mapping[str, str] = _R4["members"]
_DATATYPES: Mapping[str, frozenset[str]] = {name: frozenset(known) for name, known in _R4["datatypes"].items()}
_INNER: Mapping[str, Mapping[str, str]] = {
    "CodeableConcept": {"coding": "Coding"},
    "Component": {"code": "CodeableConcept", "valueCodeableConcept": "CodeableConcept"},
    "Link": {"other": "Reference"},
}
_TYPE_BY_LOWER_NAME = {name.lower(): name for name in RESOURCE_TYPES}
_LONGEST_NAME = 64
_ALIKE = 0.85  # of difflib: one letter wrong or too many in a word of six, or capitals


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


def meant_as(element: str, names: Sequence[str]) -> bool:
    """Whether an unknown element was most likely meant as one of these names, given in small letters."""
    name = element.lower().strip("_ ")[:_LONGEST_NAME]
    return bool(get_close_matches(name, names, n=1, cutoff=_ALIKE))


def unknown_members(holder: Mapping[str, object], kinds: Mapping[str, str] = _MEMBERS) -> Iterator[tuple[str, str]]:
    """Place of each member that the data type of an element does not have in R4, and that data type."""
    for element in holder.keys() & kinds.keys():
        value, kind = holder[element], kinds[element]
        several = isinstance(value, list)
        for number, part in enumerate(value if isinstance(value, list) else (value,)):
            if not isinstance(part, dict):
                continue
            place = f"{element}[{number}]" if several else element
            for name in part.keys() - _DATATYPES[kind]:
                yield f"{place}.{shown_name(name)}", kind
            for inner, inner_kind in unknown_members(part, _INNER.get(kind, {})):
                yield f"{place}.{inner}", inner_kind


def shown_name(name: str) -> str:
    """A name out of the input, short and with whatever does not print made visible."""
    text = "".join(char if char.isprintable() else "?" for char in name)
    return text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "..."
