"""Resources one by one -> events, facts and findings; whatever needs the whole source is left to `settle`."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import UNSET, convert

from cdss.domain.event import EventKind, Rejection, Severity
from cdss.fhir.clinical import ACTIVITIES, read_activity, read_condition, read_encounter, read_patient
from cdss.fhir.concept import likely_codes, read_codes
from cdss.fhir.elements import (
    MEANT,
    RESOURCE_TYPES,
    TURNING,
    is_foreign,
    meant_as,
    names_other_version,
    other_version,
    shown_name,
    type_meant,
    unknown_elements,
    unknown_members,
)
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.observation import read_observation
from cdss.fhir.reference import BY_IDENTIFIER, ID, Scope, base_of, patient_of, resolve
from cdss.fhir.schema import (
    Activity,
    Condition,
    Encounter,
    Identifier,
    Medication,
    Observation,
    Patient,
    PatientLink,
    Reference,
)
from cdss.record import PatientFacts
from cdss.table import UNKNOWN_TIME, EventBuffer, EventRow

READ: dict[str, type[msgspec.Struct]] = {
    "Observation": Observation,
    "Condition": Condition,
    "Encounter": Encounter,
    "Patient": Patient,
    "Medication": Medication,
    **dict.fromkeys(ACTIVITIES, Activity),
}
# What a model may be closed to: that it is there must be known even where it cannot be used.
_MAY_EXCLUDE = ("Condition", "Procedure")
_EVENT_TYPES = READ.keys() - {"Patient", "Medication"}

# `exception` is not among them: exports report with it what they left out on purpose.
_INCOMPLETE = frozenset("incomplete timeout too-costly throttled transient".split())  # noqa: SIM905
_SEVERE = ("error", "fatal")

_IN_URL = re.compile(r"^https?://.*/([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?$")

_encode = msgspec.json.encode
_NOWHERE = Scope()


class Disposition(IntEnum):
    """Where a resource ended up; each is in exactly one."""

    USED = 0
    NOT_NEEDED = 1
    PUT_ASIDE = 2
    REFUSED = 3


@dataclass(slots=True)
class Pending:
    """An activity whose medication is another resource, which may come later."""

    number: int
    type_name: str
    activity: Activity
    medication: str


@dataclass(slots=True)
class Gatherer:
    """Everything gathered so far, resource by resource, numbered in order of reading.

    `sources`, `dispositions`, `subjects` and `contents` (a hash of the content within this process, 0 where none is
    compared) are columns of the resources; `versions` has the versionId and lastUpdated of those that have one, and
    `of_type` the numbers of those of a type that others depend on. `claims` has the system and value of an identifier
    that stands beside the reference to a subject; `incomplete` is where a server says that data is missing, `foreign`
    where one says that it speaks another version of FHIR; `links` has the number of a Patient that links to another,
    whom it names, and the type of the link. `codes` has those of each Condition and Procedure that was used, `periods`
    the Observations over a period, for what is found out about them later. `deleted` has the server and time of each
    deletion by name, `bases` the server of each resource that has one, `nameless` a name by content for what has no id.
    """

    strict: bool = False
    buffer: EventBuffer = field(default_factory=EventBuffer)
    sources: list[str] = field(default_factory=list)
    dispositions: bytearray = field(default_factory=bytearray)
    subjects: list[str | None] = field(default_factory=list)
    contents: array[int] = field(default_factory=lambda: array("q"))
    versions: dict[int, tuple[str, str]] = field(default_factory=dict)
    of_type: dict[str, array[int]] = field(default_factory=lambda: {"Patient": array("i"), "Encounter": array("i")})
    deleted: dict[str, list[tuple[str | None, str]]] = field(default_factory=dict)
    bases: dict[int, str] = field(default_factory=dict)
    nameless: dict[int, str] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    patients: dict[int, PatientFacts] = field(default_factory=dict)
    identifiers: dict[str, set[str]] = field(default_factory=dict)
    medications: dict[int, tuple[str, ...]] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    undated: dict[int, tuple[int, str, tuple[str, ...]]] = field(default_factory=dict)
    encounters: dict[int, tuple[int, int]] = field(default_factory=dict)
    encounter_references: dict[str, array[int]] = field(default_factory=dict)
    claims: dict[int, tuple[str, str]] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)
    periods: set[int] = field(default_factory=set)
    codes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    links: list[tuple[int, str, str]] = field(default_factory=list)
    reserved: int = -1

    def enter(self, source: str, disposition: Disposition, subject: str | None = None) -> int:
        """Count one resource and return its number: the next, or the one that was reserved for it."""
        number, self.reserved = self.reserved, -1
        if number < 0:
            number = len(self.sources)
            self.reserve(1)
        self.sources[number], self.dispositions[number], self.subjects[number] = source, disposition, subject
        return number

    def reserve(self, count: int) -> None:
        """Give the next numbers to resources that are entered later."""
        self.sources.extend([""] * count)
        self.dispositions.extend(bytes(count))
        self.subjects.extend([None] * count)
        self.contents.extend([0] * count)

    def reject(
        self, number: int | None, source: str, location: str, reason: str, message: str,
        severity: Severity = Severity.ERROR, codes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Keep a finding about a resource, or about the input when there is no number."""
        subject = None if number is None else self.subjects[number]
        self.rejections.append(
            Rejection(
                source=source, location=location, reason=reason, severity=severity, message=message, subject=subject,
                codes=codes,
            )
        )  # fmt: skip

    def put_aside(self, number: int, fault: PutAside) -> None:
        """Put a whole resource aside for a fault."""
        self.dispositions[number] = Disposition.PUT_ASIDE
        source, codes = self.sources[number], fault.codes or self.codes.get(number, ())
        self.reject(number, source, fault.location, fault.reason, fault.message, fault.severity, codes)

    def misfile(self, number: int, holder: str) -> None:
        """Put a resource of another patient aside; the finding is about the record that holds it."""
        self.subjects[number] = holder
        self.put_aside(number, PutAside("subject", "other-patient", "it belongs to another patient: a misfiled record"))

    def refuse(
        self, source: str, location: str, reason: str, message: str, severity: Severity = Severity.ERROR
    ) -> None:
        """Count something that stood where a resource belongs and is none."""
        self.reject(self.enter(source, Disposition.REFUSED), source, location, reason, message, severity)

    def take(self, document: object, place: str, scope: Scope = _NOWHERE, full_url: str = "") -> None:
        """Read one resource.

        Parameters
        ----------
        document : object
            From `read_strict`.
        place : str
            Where it stood, for a resource without an id.
        scope, full_url
            The Bundle it came in and its fullUrl there, if any.
        """
        if not isinstance(document, dict):
            self.refuse(place, "", "not-fhir", "this is not a FHIR resource")
            return
        name = document.get("resourceType")
        if not isinstance(name, str) or not name:
            self.refuse(place, "resourceType", "not-fhir", "there is no resourceType, so this is not a FHIR resource")
            return
        own_id = document.get("id", UNSET)
        valid = isinstance(own_id, str) and ID.fullmatch(own_id) is not None
        source = f"{name}/{own_id}" if valid else scope.by_url.get(full_url) or f"{shown_name(name)} at {place}"
        number = self.enter(source, Disposition.NOT_NEEDED)
        if base := base_of(full_url, source):
            self.bases[number] = sys.intern(base)
        if name in self.of_type:
            self.of_type[name].append(number)
        self.notes.found.clear()
        if name not in READ:
            self._pass_over(number, name, document, scope, full_url)
            return
        try:
            rows = self._read_resource(number, name, document, scope, full_url)
        except PutAside as fault:
            if self.subjects[number] is None:
                self.subjects[number] = subject_in(document, scope, base_of(full_url, source))
            if name == "Patient":
                self._keep_links(number, links_in(document), scope, base_of(full_url, source))
            if name in _MAY_EXCLUDE:
                fault.codes = fault.codes or likely_codes(document.get("code"), self.notes.code_map)
            self._keep_notes(number)
            self.put_aside(number, fault)
        else:
            self._keep_notes(number)
            self.keep_rows(number, rows)

    def keep_rows(self, number: int, rows: list[EventRow]) -> None:
        """Put the events of a resource in the buffer."""
        if rows:
            self.dispositions[number] = Disposition.USED
            subject = self.subjects[number] or ""
            for row in rows:
                self.buffer.add(subject, number, row)
                if row.kind in (EventKind.CONDITION, EventKind.PROCEDURE):
                    self.codes[number] = row.codes

    def is_current(self, number: int) -> bool:
        """Whether a resource was not found to be superseded, a duplicate or deleted."""
        return self.contents[number] != _OUT

    def is_live(self, number: int) -> bool:
        """Whether a resource is current and was not put aside."""
        return self.dispositions[number] != Disposition.PUT_ASIDE and self.is_current(number)

    def drop(self, number: int) -> None:
        """Mark a resource as superseded, a duplicate or deleted."""
        self.contents[number] = _OUT
        if self.dispositions[number] != Disposition.PUT_ASIDE:
            self.dispositions[number] = Disposition.NOT_NEEDED

    def _pass_over(self, number: int, name: str, document: dict[str, Any], scope: Scope, full_url: str) -> None:
        if name == "OperationOutcome":
            if says_incomplete(document):
                self.incomplete.append(self.sources[number])
            message = "the server reported a problem among the data"
            self.reject(number, self.sources[number], "", "operation-outcome", message, Severity.NOTE)
        elif name == "CapabilityStatement" and is_foreign(document.get("fhirVersion")):
            self.foreign.append(self.sources[number])
            message = "the server speaks another version of FHIR than R4; export from its R4 endpoint"
            self.reject(number, self.sources[number], "fhirVersion", "not-r4", message)
        elif name not in RESOURCE_TYPES:
            meant = type_meant(name)
            message = (
                f"{meant} is written with other capitals or blanks" if meant else "FHIR R4 has no such resource type"
            )
            self.subjects[number] = subject_in(document, scope, base_of(full_url, self.sources[number]))
            self.put_aside(number, PutAside("resourceType", "type-unknown", message))
        elif "contained" in document:
            self._note_contained(document["contained"])
            self._keep_notes(number)
        elif name == "Parameters":
            parts = document.get("parameter")
            inside = (
                [part.get("resource") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
            )
            self._note_contained([resource for resource in inside if resource is not None], "parameter")
            self._keep_notes(number)

    def _read_resource(
        self, number: int, name: str, document: dict[str, Any], scope: Scope, full_url: str
    ) -> list[EventRow]:
        source = self.sources[number]
        own_id = document.get("id", UNSET)
        if own_id is UNSET and " at " in source:
            self.nameless[number] = f"{name} sha256:{sha256(_encode(document)).hexdigest()[:16]}"
        if own_id is not UNSET:
            if not isinstance(own_id, str) or not ID.fullmatch(own_id):
                raise PutAside("id", "id-invalid", "the id is not a FHIR id")
            self._keep_version(number, source, document)
            named = _IN_URL.search(full_url)
            if named and named[1] == name and named[2] != own_id:
                raise PutAside("id", "id-contradicts", "the fullUrl of its entry names another id")
        if name == "Patient":
            self.subjects[number] = source
            if not source.startswith("Patient/"):
                raise PutAside("id", "id-missing", "a Patient without an id: nothing can say that it is theirs")
        for element in unknown_elements(name, document):
            self._note_element(name, element)
        for place, kind in unknown_members(document):
            message = f"a {kind} has no such element in FHIR R4: misspelt, or from another version of FHIR"
            if kind == "Period" or meant_as(place.rpartition(".")[2], MEANT):
                raise PutAside(place, "element-unknown", message)
            self.notes.note(place, "element-unknown", message)
        self._note_profiles(document.get("meta"))
        if "contained" in document:
            self._note_contained(document["contained"])
        modifier = next((key for key in ("modifierExtension", "implicitRules") if key in document), None)
        if modifier and name != "Patient":
            message = "a rule we do not know may change what this resource means"
            raise PutAside(modifier, "modifier-extension", message)
        if self.strict:
            from cdss.fhir.validate import validate  # fhir.resources takes a second to load

            validate(_encode(document), name)
        try:
            resource = convert(document, READ[name])
        except msgspec.ValidationError as error:
            raise _decode_fault(error) from error
        return self._read(number, name, resource, scope, base_of(full_url, source), modifier or "")

    def _note_element(self, name: str, element: str) -> None:
        reason = "element-unknown"
        message = f"{name} has no such element in FHIR R4: misspelt, or from another version of FHIR"
        if version := other_version(name, element):
            reason, message = "not-r4", f"{name} has this element in FHIR {version} and not in R4; export it as R4"
        turns = element.removeprefix("_") in TURNING if reason == "not-r4" else meant_as(element, MEANT)
        if turns or (name == "Patient" and element.lower().startswith(("deceased", "_deceased"))):
            raise PutAside(element, reason, message)
        self.notes.note(element, reason, message)

    def _note_profiles(self, meta: object) -> None:
        profiles = meta.get("profile") if isinstance(meta, dict) else None
        if isinstance(profiles, list) and any(map(names_other_version, profiles)):
            message = "it says that it follows another version of FHIR, but was read as R4; export it as R4"
            self.notes.note("meta.profile", "not-r4", message)

    def _keep_version(self, number: int, source: str, document: Mapping[str, Any]) -> None:
        self.contents[number] = hash(_encode(document)) or 1
        meta = document.get("meta")
        if isinstance(meta, dict) and ("versionId" in meta or "lastUpdated" in meta):
            self.versions[number] = str(meta.get("versionId", "")), str(meta.get("lastUpdated", ""))

    def _keep_notes(self, number: int) -> None:
        for location, reason, severity, message, codes in self.notes.found:
            self.reject(number, self.sources[number], location, reason, message, severity, codes)

    def _note_contained(self, contained: object, place: str = "contained") -> None:
        parts = contained if isinstance(contained, list) else [contained]
        if any(isinstance(part, dict) and str(part.get("resourceType")) in _EVENT_TYPES for part in parts):
            message = "a resource inside this one has no identity of its own and is not read"
            self.notes.note(place, "contained-not-read", message)

    def _read(
        self, number: int, name: str, resource: object, scope: Scope, own_base: str | None, modifier: str
    ) -> list[EventRow]:
        notes = self.notes
        if isinstance(resource, Patient):
            subject = self.sources[number]
            self.patients[number] = read_patient(resource, subject, modifier, notes)
            self.dispositions[number] = Disposition.USED
            self._keep_links(number, resource.link, scope, own_base)
            for identifier in resource.identifier:
                self.identifiers.setdefault(f"{identifier.system}|{identifier.value}", set()).add(subject)
            return []
        if isinstance(resource, Medication):
            self.medications[number] = read_codes(resource.code, "code", notes)
            return []
        whose: Reference = resource.subject  # type: ignore[attr-defined]
        self.subjects[number] = owner = patient_of(whose, scope, own_base)
        if isinstance(whose.identifier, Identifier) and not owner.startswith(BY_IDENTIFIER):
            system, value = whose.identifier.system, whose.identifier.value
            if isinstance(system, str) and isinstance(value, str):
                self.claims[number] = system, value
        if isinstance(resource, Observation):
            if resource.effective_period is not UNSET:
                self.periods.add(number)
            if resource.focus is not UNSET and _is_only(resource.focus, owner, scope, own_base):
                resource.focus = UNSET
            self._keep_encounter(number, resource.encounter, scope, own_base)
            return read_observation(resource, notes)
        if isinstance(resource, Condition):
            rows = read_condition(resource, notes)
            encounter = self._keep_encounter(number, resource.encounter, scope, own_base)
            if rows[0].effective == UNKNOWN_TIME:
                self.undated[number] = len(self.buffer), encounter, rows[0].codes
            return rows
        if isinstance(resource, Encounter):
            rows = read_encounter(resource, notes)
            self.encounters[number] = rows[0].effective, rows[0].end
            return rows
        assert isinstance(resource, Activity)
        if isinstance(resource.medication_reference, Reference):
            text = resource.medication_reference.reference
            if isinstance(text, str) and text.startswith("#"):
                return []  # a contained Medication: no feature reads one
            medication = resolve(resource.medication_reference, "medicationReference", scope, own_base)
            self.pending.append(Pending(number, name, resource, medication))
            return []
        return read_activity(resource, ACTIVITIES[name], (), notes)

    def _keep_links(self, number: int, links: tuple[PatientLink, ...], scope: Scope, own_base: str | None) -> None:
        for link in links:
            try:
                other = resolve(link.other, "link", scope, own_base)
            except PutAside:
                continue  # the link forbids a score of this patient all the same
            self.links.append((number, other, link.type if isinstance(link.type, str) else ""))

    def _keep_encounter(self, number: int, reference: object, scope: Scope, own_base: str | None) -> str:
        if not isinstance(reference, Reference):
            return ""
        try:
            encounter = resolve(reference, "encounter", scope, own_base)
        except PutAside:
            self.notes.note("encounter", "encounter-unresolved", "the encounter it names is not in what was read")
            return ""
        self.encounter_references.setdefault(encounter, array("i")).append(number)
        return encounter


_OUT = -(2**63)  # no hash is this


def subject_in(document: Mapping[str, Any], scope: Scope, own_base: str | None) -> str | None:
    """The patient that a resource names which cannot be read as a whole, or None."""
    try:
        return patient_of(convert(document["subject"], Reference), scope, own_base)
    except (KeyError, msgspec.ValidationError, PutAside):
        return None


def links_in(document: Mapping[str, Any]) -> tuple[PatientLink, ...]:
    """The links of a Patient that cannot be read as a whole."""
    try:
        return convert(document.get("link", ()), tuple[PatientLink, ...])
    except msgspec.ValidationError:
        return ()


def _is_only(focus: object, owner: str, scope: Scope, own_base: str | None) -> bool:
    """Whether a focus names its patient and nothing else."""
    parts = focus if isinstance(focus, list) else [focus]
    return bool(parts) and all(subject_in({"subject": part}, scope, own_base) == owner for part in parts)


def says_incomplete(outcome: Mapping[str, Any]) -> bool:
    """Whether a server says that it did not send everything."""
    issues = outcome.get("issue")
    return any(
        isinstance(issue, dict) and issue.get("severity") in _SEVERE and str(issue.get("code")) in _INCOMPLETE
        for issue in (issues if isinstance(issues, list) else ())
    )


def _decode_fault(error: msgspec.ValidationError) -> PutAside:
    text, path = str(error), _path(error)
    if "unknown field" not in text:
        return PutAside(path, "wrong-type", "a field has a type that FHIR R4 does not allow")
    _, _, element = text.partition("unknown field `")
    element = shown_name(element.partition("`")[0])
    message = "a Quantity has no such element in FHIR R4: what it says may change the value"
    return PutAside(f"{path}.{element}", "element-unknown", message)


def _path(error: msgspec.ValidationError) -> str:
    """The place msgspec names, as in `valueQuantity.unit`."""
    _, _, path = str(error).rpartition("`$")
    return path.rstrip("`").lstrip(".") or "resource"
