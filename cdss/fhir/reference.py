"""Whose is it: references resolved by the rules of FHIR (section 2.6.0.3, resolving references in Bundles)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from msgspec import UNSET, UnsetType

from cdss.fhir.finding import PutAside
from cdss.fhir.schema import Reference

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_HISTORY = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}$")
_DEFINITIONS = "http://hl7.org/fhir/StructureDefinition/"
BY_IDENTIFIER = "identifier:"


@dataclass(frozen=True, slots=True)
class Scope:
    """What references inside one Bundle may point at; empty outside a Bundle.

    `by_url` maps an entry's fullUrl to `Type/id`; `bases` gives the server bases of each `Type/id` that has one.
    """

    by_url: dict[str, str] = field(default_factory=dict)
    bases: dict[str, set[str]] = field(default_factory=dict)


def base_of(full_url: str, name: str) -> str | None:
    """Server base of a RESTful fullUrl, or None for a urn."""
    return full_url[: -len(name)] if full_url.startswith(("http://", "https://")) and full_url.endswith(name) else None


@lru_cache(maxsize=65536)
def relative_name(text: str) -> str | None:
    """`Type/id` of a relative reference, without its version; remembered, because records repeat their subject."""
    found = _RELATIVE.fullmatch(text)
    return f"{found[1]}/{found[2]}" if found else None


def without_version(url: str) -> str:
    """A URL without `/_history/...`."""
    return _HISTORY.sub("", url)


def resolve(reference: Reference | UnsetType, location: str, scope: Scope, own_base: str | None) -> str:
    """The `Type/id` a reference points at, or `identifier:system|value` for a logical one.

    Raises
    ------
    PutAside
        If the reference is missing, contained, or points outside what was read.
    """
    about = location.removesuffix("Reference")
    if isinstance(reference, UnsetType):
        raise PutAside(location, f"{about}-missing", "the resource does not say whose it is")
    text = reference.reference
    if isinstance(text, UnsetType):
        logical = reference.identifier
        if isinstance(logical, UnsetType) or logical.value is UNSET or logical.system is UNSET:
            raise PutAside(location, f"{about}-missing", "the reference names nobody")
        return f"{BY_IDENTIFIER}{logical.system}|{logical.value}"
    if name := relative_name(text):
        if own_base is not None and own_base not in scope.bases.get(name, {own_base}):
            raise PutAside(location, f"{about}-unresolved", "the same id on another server is another record")
        return name
    if text.startswith("#"):
        raise PutAside(location, f"{about}-contained", "a contained record has no identity of its own")
    if found := scope.by_url.get(without_version(text)):
        return found
    raise PutAside(location, f"{about}-unresolved", "the reference points outside what was read")


def patient_of(reference: Reference | UnsetType, scope: Scope, own_base: str | None) -> str:
    """Like `resolve`, for a subject, which must be a Patient."""
    name = resolve(reference, "subject", scope, own_base)
    said = UNSET if isinstance(reference, UnsetType) else reference.type
    if isinstance(said, str) and said.removeprefix(_DEFINITIONS) != "Patient":
        raise PutAside("subject.type", "subject-not-patient", "the subject is said to be no Patient")
    if not name.startswith(("Patient/", BY_IDENTIFIER)):
        raise PutAside("subject", "subject-not-patient", "the subject is not a Patient")
    return name
