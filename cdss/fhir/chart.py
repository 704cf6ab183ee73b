"""What a screen shows of a Bundle beside the numbers: who the patient is, and each value as it was received.

Nothing here is ever a feature. Text is passed on as typed; whoever shows it makes it harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cdss.fhir.strict import read_strict

_TEST_DATA = "HTEST"
_OPEN = ("in-progress", "arrived", "triaged", "onleave")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A value as it stands in the record: digits and unit to the letter, and when it was taken."""

    value: str
    unit: str
    effective: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Two identifiers and the place: what every page about a patient begins with. What is not on record is empty."""

    reference: str
    family: str
    given: str
    birth_date: str
    sex: str
    identifier_system: str
    identifier: str
    ward: str
    bed: str
    attending: str
    synthetic: bool

    def to_dict(self) -> dict[str, Any]:
        """The `patient` of a decision record."""
        return {
            "reference": self.reference,
            "family": self.family,
            "given": self.given,
            "birth_date": self.birth_date,
            "sex": self.sex,
            "identifier": {"system": self.identifier_system, "value": self.identifier},
            "ward": self.ward,
            "bed": self.bed,
            "attending": self.attending,
        }


class Chart:
    """The resources of one Bundle, read once more for showing."""

    def __init__(self, raw: bytes) -> None:
        document = read_strict(raw)
        self._resources = list(_resources(document))

    def banner(self, subject: str, encounter: str | None) -> Banner:
        """Who the patient `Patient/ID` is, and where in the stay `Encounter/ID`.

        Parameters
        ----------
        subject : str
        encounter : str or None
            The open stay of the patient where none is named.
        """
        patient = self._find("Patient", subject)
        stay = self._find("Encounter", encounter) if encounter else self._open_stay(subject)
        name = _preferred(patient.get("name"))
        number = _preferred(patient.get("identifier"))
        ward, bed = _place(stay)
        return Banner(
            reference=subject,
            family=_text(name.get("family")) or _text(name.get("text")),
            given=" ".join(_text(part) for part in _list(name.get("given"))),
            birth_date=_text(patient.get("birthDate")),
            sex=_text(patient.get("gender")),
            identifier_system=_text(number.get("system")),
            identifier=_text(number.get("value")),
            ward=ward,
            bed=bed,
            attending=_attending(stay),
            synthetic=self.synthetic,
        )

    @property
    def synthetic(self) -> bool:
        """Whether every resource is labelled as test data (HTEST)."""
        return bool(self._resources) and all(
            any(tag.get("code") == _TEST_DATA for tag in _list(_dict(one.get("meta")).get("tag")) if _is(tag))
            for one in self._resources
        )

    def received(self, source: str) -> Sequence[Received]:
        """Each version of an Observation `Observation/ID` with its value as it stands there."""
        kind, _, own_id = source.partition("/")
        found = [one for one in self._resources if one.get("resourceType") == kind and one.get("id") == own_id]
        return [value for one in found if (value := _received(one)) is not None]

    def _find(self, kind: str, name: str) -> Mapping[str, Any]:
        own_id = name.rpartition("/")[2]
        found = (one for one in self._resources if one.get("resourceType") == kind and one.get("id") == own_id)
        return next(found, {})

    def _open_stay(self, subject: str) -> Mapping[str, Any]:
        return next(
            (
                one
                for one in self._resources
                if one.get("resourceType") == "Encounter"
                and one.get("status") in _OPEN
                and _dict(one.get("subject")).get("reference") == subject
            ),
            {},
        )


def _resources(document: object) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, dict):
        return
    if document.get("resourceType") != "Bundle":
        yield document
        return
    for entry in _list(document.get("entry")):
        resource = _dict(entry).get("resource")
        if isinstance(resource, dict):
            yield from _resources(resource)


def _received(observation: Mapping[str, Any]) -> Received | None:
    effective = _text(observation.get("effectiveDateTime")) or _text(observation.get("effectiveInstant"))
    quantity = observation.get("valueQuantity")
    if isinstance(quantity, dict):
        value = _text(quantity.get("comparator")) + _number(quantity.get("value"))
        return Received(
            value=value, unit=_text(quantity.get("unit")) or _text(quantity.get("code")), effective=effective
        )
    text = observation.get("valueString")
    return None if text is None else Received(value=_text(text), unit="", effective=effective)


def _number(value: object) -> str:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else _text(value)


def _place(stay: Mapping[str, Any]) -> tuple[str, str]:
    """Ward and bed of the present location, `Ward 7B, bed 12`; one text where it is not written so."""
    places = [_dict(one) for one in _list(stay.get("location"))]
    now = next((one for one in places if one.get("status") in ("active", None)), {})
    ward, _, bed = _text(_dict(now.get("location")).get("display")).partition(", ")
    return ward, bed


def _attending(stay: Mapping[str, Any]) -> str:
    for one in map(_dict, _list(stay.get("participant"))):
        codes = (
            coding.get("code")
            for kind in _list(one.get("type"))
            for coding in map(_dict, _list(_dict(kind).get("coding")))
        )
        if "ATND" in codes:
            return _text(_dict(one.get("individual")).get("display"))
    return ""


def _preferred(values: object) -> Mapping[str, Any]:
    """The usual or official one, else the first that is not old."""
    found = [_dict(one) for one in _list(values)]
    for use in ("usual", "official", None):
        for one in found:
            if one.get("use") == use:
                return one
    return next((one for one in found if one.get("use") != "old"), {})


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is(value: object) -> bool:
    return isinstance(value, dict)
