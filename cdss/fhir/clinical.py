"""Condition, Encounter, Procedure and the medication resources -> events; Patient -> facts."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from cdss.domain.event import EventKind, Severity
from cdss.domain.instant import NEVER
from cdss.fhir.concept import keys_of, read_codes
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.schema import Activity, Condition, Encounter, Patient, Period, camel
from cdss.fhir.times import TimeProblem, precision_of, read_birth, read_plausible_time, read_time
from cdss.record import Block, PatientFacts
from cdss.table import UNKNOWN_TIME, EventRow

_ENCOUNTER_STATUS = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})
_PRESENT = frozenset({"active", "recurrence", "relapse"})
_GONE = frozenset({"inactive", "remission", "resolved"})
_REFUTED = frozenset({"refuted", "entered-in-error"})
_TEST_DATA = "HTEST"
_NOT_DONE = frozenset(
    "preparation not-done entered-in-error draft cancelled declined not-taken intended".split()  # noqa: SIM905
)
_NOT_ORDERED = frozenset({"proposal", "plan", "option"})
_UNPROVEN = frozenset({"unconfirmed", "provisional", "differential"})


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """Which statuses of a resource type count, and which fields hold its time."""

    kind: EventKind
    statuses: frozenset[str]
    times: tuple[str, ...]
    not_done: frozenset[str] = _NOT_DONE


ACTIVITIES = {
    "Procedure": ActivityRule(
        EventKind.PROCEDURE,
        frozenset({"completed", "in-progress", "on-hold", "stopped"}),
        ("performed_date_time", "performed_period"),
    ),
    "MedicationAdministration": ActivityRule(
        EventKind.MEDICATION,
        frozenset({"completed", "in-progress", "on-hold", "stopped"}),
        ("effective_date_time", "effective_period"),
    ),
    "MedicationRequest": ActivityRule(
        EventKind.MEDICATION, frozenset({"active", "completed", "on-hold", "stopped"}), ("authored_on",)
    ),
    "MedicationStatement": ActivityRule(
        EventKind.MEDICATION,
        frozenset({"active", "completed", "on-hold", "stopped"}),
        ("effective_date_time", "effective_period"),
    ),
    "MedicationDispense": ActivityRule(
        EventKind.MEDICATION,
        frozenset({"completed", "in-progress", "on-hold", "stopped"}),
        ("when_handed_over", "when_prepared"),
    ),
}


def _interval(
    value: str | Period | UnsetType, location: str, notes: Notes, codes: tuple[str, ...]
) -> tuple[int, int] | None:
    """Last instant of the start and of the end of a time or a period; an open end is NEVER."""

    def begin(text: str) -> int:
        first, last = read_plausible_time(text)
        if first != last:
            message = f"dated to {precision_of(first, last)}: it counts from the last moment of that"
            notes.note(location, "time-partial", message, codes)
        return last

    try:
        if isinstance(value, str):
            last = begin(value)
            return last, last
        if isinstance(value, Period) and isinstance(value.start, str):
            start = begin(value.start)
            end = read_time(value.end)[1] if isinstance(value.end, str) else NEVER
            if end < start and read_time(str(value.end))[1] < read_time(value.start)[0]:
                raise PutAside(location, "time-reversed", "the period ends before it starts")
            return start, max(start, end)
    except TimeProblem as problem:
        raise PutAside(location, problem.reason, problem.message) from problem
    return None


def _status_codes(concept: object) -> set[str]:
    return {coding.code for coding in getattr(concept, "coding", ()) if isinstance(coding.code, str)}


def read_condition(condition: Condition, notes: Notes) -> list[EventRow]:
    """One event: present from its onset, known from when it was recorded, over at its abatement.

    A Condition with neither onset nor recordedDate gets `UNKNOWN_TIME`: its encounter's end dates it later, or it is
    put aside.

    Raises
    ------
    PutAside
        With the codes of what was put aside, since it may be present all the same.
    """
    try:
        return _condition_rows(condition, notes)
    except PutAside as fault:
        fault.codes = fault.codes or keys_of(condition.code, notes.code_map)
        raise


def _condition_rows(condition: Condition, notes: Notes) -> list[EventRow]:
    verification = _status_codes(condition.verification_status)
    if verification & _REFUTED:
        raise PutAside("verificationStatus", "condition-refuted", "refuted or entered in error: it never counts")
    unclear = verification - _UNPROVEN - {"confirmed"}
    if unclear or (condition.verification_status is not UNSET and not verification):
        raise PutAside("verificationStatus", "status-not-usable", "not a FHIR verification status")
    if verification & _UNPROVEN:
        raise PutAside(
            "verificationStatus", "condition-unconfirmed", "not confirmed: it does not count", severity=Severity.NOTE
        )
    clinical = _status_codes(condition.clinical_status)
    if condition.clinical_status is not UNSET and not clinical & (_PRESENT | _GONE):
        raise PutAside("clinicalStatus", "status-not-usable", "not a FHIR clinical status")
    keys = read_codes(condition.code, "code", notes)
    onset = _interval(condition.onset_date_time, "onsetDateTime", notes, keys)
    onset = onset or _interval(condition.onset_period, "onsetPeriod", notes, keys)
    recorded = _interval(condition.recorded_date, "recordedDate", notes, keys)
    abated = _interval(condition.abatement_date_time, "abatementDateTime", notes, keys)
    abated = abated or _interval(condition.abatement_period, "abatementPeriod", notes, keys)
    start = onset[0] if onset else recorded[0] if recorded else UNKNOWN_TIME
    known = max(start, recorded[0]) if recorded else start
    end = abated[0] if abated else onset[1] if onset and onset[1] != onset[0] else NEVER
    undated = (condition.abatement_age, condition.abatement_range, condition.abatement_string) != (UNSET,) * 3
    if end == NEVER and (undated or clinical & _GONE):
        message = "over, without a date: it does not count as present"
        notes.note("clinicalStatus", "condition-over-undated", message, keys)
        end = known
    return [EventRow(kind=EventKind.CONDITION, codes=keys, effective=start, known=known, end=end)]


def read_encounter(encounter: Encounter, notes: Notes) -> list[EventRow]:
    """One event under the encounter's class, from its start to its end."""
    if encounter.status not in _ENCOUNTER_STATUS:
        raise PutAside("status", "status-not-usable", "the encounter did not take place, or its status says nothing")
    stay = _interval(encounter.period, "period", notes, ())
    if stay is None:
        raise PutAside("period", "time-missing", "an encounter without a start")
    if encounter.status == "finished" and stay[1] == NEVER:
        raise PutAside("period.end", "time-missing", "a finished encounter without an end")
    coding = encounter.class_
    if isinstance(coding, UnsetType) or coding.system is UNSET or coding.code is UNSET:
        raise PutAside("class", "code-missing", "an encounter without a coded class")
    return [
        EventRow(
            kind=EventKind.ENCOUNTER, codes=(f"{coding.system}|{coding.code}",), effective=stay[0], known=stay[0],
            end=stay[1],
        )
    ]  # fmt: skip


def read_activity(activity: Activity, rule: ActivityRule, codes: tuple[str, ...], notes: Notes) -> list[EventRow]:
    """One event of a procedure or a medication resource; `codes` come from a referenced Medication, if any."""
    if activity.status in rule.not_done:
        raise PutAside("status", "not-done", "not done, planned only, or entered in error: it does not count")
    if activity.status not in rule.statuses:
        raise PutAside("status", "status-not-usable", "the status is unknown, missing or not of FHIR")
    if activity.do_not_perform is True:
        raise PutAside("doNotPerform", "not-to-be-done", "an order not to do it")
    if activity.intent in _NOT_ORDERED:
        raise PutAside("intent", "not-ordered", "proposed or planned, not ordered", severity=Severity.NOTE)
    if not codes:
        concept = activity.code if rule.kind is EventKind.PROCEDURE else activity.medication_codeable_concept
        codes = read_codes(concept, "code" if rule.kind is EventKind.PROCEDURE else "medicationCodeableConcept", notes)
    for name in rule.times:
        if span := _interval(getattr(activity, name), camel(name), notes, codes):
            return [EventRow(kind=rule.kind, codes=codes, effective=span[0], known=span[0], end=span[1])]
    raise PutAside(camel(rule.times[0]), "time-missing", "nothing says when this was")


def read_patient(patient: Patient, subject: str, modifier: str, notes: Notes) -> PatientFacts:
    """The facts of a Patient, and what in it forbids a score; `modifier` is an element that may change its meaning."""
    blocks: list[Block] = []

    def block(location: str, reason: str, message: str) -> None:
        blocks.append(Block(reason=reason, source=f"{subject}.{location}", message=message))

    if modifier:
        block(modifier, "modifier-extension", "a rule we do not know may change what this record means")
    if patient.active is False:
        block("active", "patient-inactive", "the record is marked as no longer in use")
    links = {link.type for link in patient.link}
    if "replaced-by" in links:
        block("link", "patient-merged", "the record was replaced by another; ask for that one")
    elif patient.link:
        block("link", "patient-linked", "other records of this patient exist and are not read")
    birth = None
    if isinstance(patient.birth_date, str):
        try:
            birth = read_birth(patient.birth_date)
        except TimeProblem as problem:
            notes.fault(PutAside("birthDate", problem.reason, problem.message))
        else:
            if birth[0] != birth[1]:
                notes.note("birthDate", "birth-date-imprecise", "a partial date: the age is known to the year only")
    else:
        notes.note("birthDate", "birth-date-missing", "no birth date, so no age")
    if patient.gender not in ("male", "female"):
        notes.note("gender", "sex-unknown", "neither male nor female is recorded; no default is taken")
    labels = () if isinstance(patient.meta, UnsetType) else (*patient.meta.security, *patient.meta.tag)
    deceased = None
    undated = patient.deceased_boolean is True or patient.deceased_no_time is not UNSET
    if isinstance(patient.deceased_time, str):
        try:
            deceased = read_time(patient.deceased_time)[0]
        except TimeProblem as problem:
            undated = True
            notes.fault(PutAside("deceasedDateTime", problem.reason, problem.message))
    return PatientFacts(
        subject=subject,
        source=subject,
        birth=birth,
        female={"female": True, "male": False}.get(patient.gender) if isinstance(patient.gender, str) else None,
        deceased=deceased,
        deceased_undated=undated,
        blocks=tuple(blocks),
        is_test=any(label.code == _TEST_DATA for label in labels),
    )
