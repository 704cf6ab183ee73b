"""Resources one by one -> events, facts and findings; whatever needs the whole source is left to `settle`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec
from msgspec import UNSET

from cdss.domain.event import Rejection, Severity
from cdss.fhir.clinical import ACTIVITIES, read_activity, read_condition, read_encounter, read_patient
from cdss.fhir.concept import read_codes
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.observation import read_observation
from cdss.fhir.reference import ID, Scope, base_of, patient_of, resolve
from cdss.fhir.schema import Activity, Condition, Encounter, Head, Medication, Observation, Patient, Reference
from cdss.record import PatientFacts
from cdss.table import UNKNOWN_TIME, EventBuffer, EventRow

_FHIR_TYPE = {"Observation": Observation, "Condition": Condition, "Encounter": Encounter, "Patient": Patient}
_FHIR_TYPE |= dict.fromkeys(ACTIVITIES, Activity) | {"Medication": Medication}
_BY_LOWER_NAME = {name.lower(): name for name in (*_FHIR_TYPE, "Bundle", "OperationOutcome")}

_read_head = msgspec.json.Decoder(Head).decode
_DECODE = {name: msgspec.json.Decoder(kind).decode for name, kind in _FHIR_TYPE.items()}


class Disposition(IntEnum):
    """Where a resource ended up; each is in exactly one."""

    USED = 0
    NOT_NEEDED = 1
    PUT_ASIDE = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class Version:
    """What tells versions of one resource apart; `content` is a hash of its bytes within this process."""

    number: int
    version: int | None
    updated: str
    content: int


@dataclass(slots=True)
class Pending:
    """An activity whose medication is another resource, which may come later."""

    number: int
    type_name: str
    activity: Activity
    medication: str


@dataclass(slots=True)
class Gatherer:
    """Everything gathered so far, resource by resource, numbered in order of reading."""

    strict: bool = False
    buffer: EventBuffer = field(default_factory=EventBuffer)
    sources: list[str] = field(default_factory=list)
    dispositions: list[Disposition] = field(default_factory=list)
    subjects: list[str | None] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    issued_missing: Counter[str] = field(default_factory=Counter)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    patients: dict[int, PatientFacts] = field(default_factory=dict)
    identifiers: dict[str, set[str]] = field(default_factory=dict)
    medications: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    undated: dict[int, tuple[int, str]] = field(default_factory=dict)
    encounters: dict[str, tuple[int, int]] = field(default_factory=dict)
    encounter_references: list[tuple[int, str]] = field(default_factory=list)

    def enter(self, source: str, disposition: Disposition, subject: str | None = None) -> int:
        """Count one resource and return its number."""
        self.sources.append(source)
        self.dispositions.append(disposition)
        self.subjects.append(subject)
        return len(self.sources) - 1

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
        self.reject(
            number, self.sources[number], fault.location, fault.reason, fault.message, fault.severity, fault.codes
        )

    def refuse(self, source: str, location: str, reason: str, message: str, severity: Severity = Severity.ERROR) -> None:
        """Count something that stood where a resource belongs and is none."""
        self.reject(self.enter(source, Disposition.REFUSED), source, location, reason, message, severity)

    def take(self, raw: bytes, place: str, scope: Scope, full_url: str = "") -> None:
        """Read one resource, already known to be strict JSON.

        Parameters
        ----------
        raw : bytes
        place : str
            Where it stood, for a resource without an id.
        scope, full_url
            The Bundle it came in and its fullUrl there, if any.
        """
        try:
            head = _read_head(raw)
        except msgspec.ValidationError as error:
            self.refuse(place, _path(error), "not-fhir", "this is not a FHIR resource")
            return
        name = head.resource_type
        if not isinstance(name, str) or not name:
            self.refuse(place, "resourceType", "not-fhir", "there is no resourceType, so this is not a FHIR resource")
            return
        source = f"{name}/{head.id}" if isinstance(head.id, str) else scope.by_url.get(full_url, f"{name} at {place}")
        number = self.enter(source, Disposition.NOT_NEEDED)
        if name not in _FHIR_TYPE:
            self._pass_over(number, name, source)
            return
        notes = Notes()
        try:
            if isinstance(head.id, str):
                if not ID.fullmatch(head.id):
                    self.sources[number] = f"{name} at {place}"
                    raise PutAside("id", "id-invalid", "the id is not a FHIR id")
                self._keep_version(number, source, head, raw)
            modified = bool(head.modifier) or bool(head.rules)
            if modified and name != "Patient":
                at = "modifierExtension" if head.modifier else "implicitRules"
                raise PutAside(at, "modifier-extension", "a rule we do not know may change what this resource means")
            if self.strict:
                from cdss.fhir.validate import validate  # fhir.resources takes a second to load

                validate(raw, name)
            own_base = base_of(full_url, source)
            resource = _DECODE[name](raw)
            rows = self._read(number, name, resource, scope, own_base, modified, notes)
        except msgspec.ValidationError as error:
            self.put_aside(number, PutAside(_path(error), "wrong-type", "a field has a type that FHIR does not allow"))
        except PutAside as fault:
            self._keep_notes(number, notes)
            self.put_aside(number, fault)
        else:
            self._keep_notes(number, notes)
            self.keep_rows(number, rows)

    def keep_rows(self, number: int, rows: list[EventRow]) -> None:
        """Put the events of a resource in the buffer."""
        subject = self.subjects[number]
        for row in rows:
            self.dispositions[number] = Disposition.USED
            self.buffer.add(subject or "", number, row)

    def _pass_over(self, number: int, name: str, source: str) -> None:
        if name == "OperationOutcome":
            self.reject(
                number, source, "", "operation-outcome", "the server reported a problem among the data", Severity.NOTE
            )
        elif meant := _BY_LOWER_NAME.get(name.strip().lower()):
            message = f"there is no such FHIR type; {meant} is written with other capitals"
            self.put_aside(number, PutAside("resourceType", "type-unknown", message))

    def _keep_version(self, number: int, source: str, head: Head, raw: bytes) -> None:
        meta = head.meta
        text = UNSET if meta is UNSET else meta.version  # type: ignore[union-attr]
        updated = UNSET if meta is UNSET else meta.updated  # type: ignore[union-attr]
        version = int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 19 else None
        self.versions.setdefault(source, []).append(
            Version(number, version, updated if isinstance(updated, str) else "", hash(raw))
        )

    def _keep_notes(self, number: int, notes: Notes) -> None:
        for location, reason, severity, message, codes in notes.found:
            if reason == "issued-missing":
                self.issued_missing[codes[0]] += 1
            else:
                self.reject(number, self.sources[number], location, reason, message, severity, codes)

    def _read(
        self, number: int, name: str, resource: object, scope: Scope, own_base: str | None, modified: bool, notes: Notes
    ) -> list[EventRow]:
        if isinstance(resource, Patient):
            self.subjects[number] = subject = self.sources[number]
            self.patients[number] = read_patient(resource, subject, modified, notes)
            self.dispositions[number] = Disposition.USED
            for identifier in resource.identifier:
                self.identifiers.setdefault(f"{identifier.system}|{identifier.value}", set()).add(subject)
            return []
        if isinstance(resource, Medication):
            self.medications[self.sources[number]] = read_codes(resource.code, "code", notes)
            return []
        self.subjects[number] = patient_of(resource.subject, scope, own_base)  # type: ignore[attr-defined]
        if isinstance(resource, Observation):
            self._keep_encounter(number, resource.encounter, scope, own_base, notes)
            return read_observation(resource, notes)
        if isinstance(resource, Condition):
            rows = read_condition(resource, notes)
            encounter = self._keep_encounter(number, resource.encounter, scope, own_base, notes)
            if rows[0].effective == UNKNOWN_TIME:
                self.undated[number] = len(self.buffer), encounter
            return rows
        if isinstance(resource, Encounter):
            rows = read_encounter(resource, notes)
            self.encounters[self.sources[number]] = rows[0].effective, rows[0].end
            return rows
        assert isinstance(resource, Activity)  # noqa: S101 - the last of the types in _FHIR_TYPE
        rule = ACTIVITIES[name]
        if isinstance(resource.medication_reference, Reference):
            text = resource.medication_reference.reference
            if isinstance(text, str) and text.startswith("#"):
                return []  # a contained Medication: no feature reads one
            medication = resolve(resource.medication_reference, "medicationReference", scope, own_base)
            self.pending.append(Pending(number, name, resource, medication))
            return []
        return read_activity(resource, rule, (), notes)

    def _keep_encounter(
        self, number: int, reference: object, scope: Scope, own_base: str | None, notes: Notes
    ) -> str:
        if not isinstance(reference, Reference):
            return ""
        try:
            encounter = resolve(reference, "encounter", scope, own_base)
        except PutAside:
            notes.note("encounter", "encounter-unresolved", "the encounter it names is not in what was read")
            return ""
        self.encounter_references.append((number, encounter))
        return encounter


def _path(error: msgspec.ValidationError) -> str:
    """The place msgspec names, as in `valueQuantity.unit`."""
    _, _, path = str(error).partition("`$")
    return path.rstrip("`").lstrip(".") or "resource"
