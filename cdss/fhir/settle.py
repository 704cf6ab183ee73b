"""What only the whole source can say: versions, duplicates, owners, dates that another resource holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cdss.domain.event import Rejection, Severity
from cdss.domain.instant import NEVER
from cdss.fhir.clinical import ACTIVITIES, read_activity
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.gather import Disposition, Gatherer, Version
from cdss.fhir.reference import BY_IDENTIFIER
from cdss.record import Block, Counts, PatientFacts, PatientRecord
from cdss.table import EventTable, build_table


def settle(
    found: Gatherer, place: str, *, blocked: Sequence[Block], subject: str | None, index_time: int | None, closed: bool
) -> PatientRecord:
    """Turn what was gathered into a record.

    Parameters
    ----------
    found : Gatherer
    place : str
        Name of the source, for messages.
    blocked : sequence of Block
        What forbids any score of any record of this source.
    subject : str or None
        The patient asked for; all patients without one.
    index_time : int or None
        Microseconds; results not known by then are put aside, each with a finding.
    closed : bool
        Whether the source is one Bundle, in which every resource should be the patient's own.
    """
    for _, versions in sorted(found.versions.items()):
        if len(versions) > 1:
            _settle_versions(found, versions)
    for source in found.deleted & found.versions.keys():
        for version in found.versions[source]:
            _set_down(found, version.number, "deleted", "deleted by a later entry of this history")
    _settle_medications(found)
    _settle_undated(found)
    patients = {
        facts.subject: facts
        for number, facts in found.patients.items()
        if found.dispositions[number] is Disposition.USED
    }
    _settle_owners(found, patients, subject, closed)
    if subject is not None:
        patients = {name: facts for name, facts in patients.items() if name == subject}
    table = _settle_events(found, index_time)
    rejections = [r for r in found.rejections if subject is None or r.subject in (None, subject)]
    rejections += _issued_missing(found, place)
    counts = Counter(found.dispositions)
    facts_blocked = [block for facts in patients.values() for block in facts.blocks_at(index_time)]
    return PatientRecord(
        place=place,
        patients=patients,
        events=table,
        rejections=tuple(sorted(rejections, key=_in_order)),
        counts=Counts(
            used=counts[Disposition.USED],
            not_needed=counts[Disposition.NOT_NEEDED],
            put_aside=counts[Disposition.PUT_ASIDE],
            refused=counts[Disposition.REFUSED],
            events=len(table),
        ),
        blocked=(*blocked, *facts_blocked),
    )


def _in_order(rejection: Rejection) -> tuple[str, ...]:
    return (rejection.severity, rejection.source, rejection.location, rejection.reason, rejection.message)


def _set_down(found: Gatherer, number: int, reason: str, message: str) -> None:
    if found.dispositions[number] is not Disposition.NOT_NEEDED:
        found.dispositions[number] = Disposition.NOT_NEEDED
        found.reject(number, found.sources[number], "", reason, message, Severity.NOTE)


def _settle_versions(found: Gatherer, versions: list[Version]) -> None:
    by_content = {version.content: version for version in reversed(versions)}
    kept = list(by_content.values())
    for version in versions:
        if by_content[version.content] is not version:
            _set_down(found, version.number, "duplicate", "the same resource stands in the source again; it counts once")
    if len(kept) == 1:
        return
    kept.sort(key=lambda version: (version.version or 0, version.updated))
    newest, second = kept[-1], kept[-2]
    if (newest.version or 0, newest.updated) == (second.version or 0, second.updated):
        fault = PutAside("id", "same-id-different-content", "one id, different contents and no version to tell them apart")
        for version in versions:
            if found.dispositions[version.number] is Disposition.USED:
                found.put_aside(version.number, fault)
        return
    for version in kept[:-1]:
        _set_down(found, version.number, "superseded-version", "a newer version of this resource is in the source")


def _settle_medications(found: Gatherer) -> None:
    for pending in found.pending:
        notes = Notes()
        try:
            codes = found.medications.get(pending.medication)
            if not codes:
                raise PutAside("medicationReference", "medication-unresolved", "the medication is not in the source")
            rows = read_activity(pending.activity, ACTIVITIES[pending.type_name], codes, notes)
        except PutAside as fault:
            found.put_aside(pending.number, fault)
        else:
            found.keep_rows(pending.number, rows)


def _settle_undated(found: Gatherer) -> None:
    """Date a Condition without a date of its own by its encounter: present from its start, known at its end."""
    for number, (row, encounter) in found.undated.items():
        start, end = found.encounters.get(encounter, (0, NEVER))
        if found.dispositions[number] is not Disposition.USED:
            continue
        if end == NEVER:
            fault = PutAside("recordedDate", "time-missing", "neither onset, recordedDate nor an encounter that ended")
            found.put_aside(number, fault)
        else:
            found.buffer.date(row, start, end)
            found.reject(
                number, found.sources[number], "recordedDate", "time-from-encounter",
                "no date of its own: it counts as known from the end of its encounter", Severity.NOTE,
            )  # fmt: skip


def _settle_owners(
    found: Gatherer, patients: dict[str, PatientFacts], subject: str | None, closed: bool
) -> None:
    renamed: dict[int, str] = {}
    wanted = subject if subject is not None else next(iter(patients)) if len(patients) == 1 else None
    for number, owner in enumerate(found.subjects):
        if owner is None:
            continue
        if owner.startswith(BY_IDENTIFIER):
            named = found.identifiers.get(owner.removeprefix(BY_IDENTIFIER), set())
            if len(named) != 1:
                fault = PutAside("subject", "subject-unresolved", "no one patient of the source has this identifier")
                found.put_aside(number, fault)
                continue
            owner = next(iter(named))
            found.subjects[number] = renamed[number] = owner
        if wanted is None or owner == wanted:
            continue
        if owner in patients and not closed:
            found.dispositions[number] = Disposition.NOT_NEEDED
        elif found.dispositions[number] is Disposition.USED:
            found.subjects[number] = None  # so that the finding reaches whoever asked for the other patient
            found.put_aside(number, PutAside("subject", "other-patient", "it belongs to another patient: a misfiled record"))
    if renamed:
        found.buffer.rename(renamed)


def _settle_events(found: Gatherer, index_time: int | None) -> EventTable:
    used = np.array([disposition is Disposition.USED for disposition in found.dispositions], bool)
    columns = found.buffer.columns()
    source = columns["source"]
    keep = used[source] if len(source) else np.zeros(0, bool)
    if index_time is not None and len(source):
        later = keep & (np.maximum(columns["known"], columns["effective"]) > index_time)
        keep &= ~later
        for number in sorted(set(source[later].tolist()) - set(source[keep].tolist())):
            found.put_aside(number, PutAside("effective", "after-index-time", "not known at the index time, so not used"))
    table = build_table(found.buffer, found.sources, keep)
    return _without_repeats(found, table)


def _without_repeats(found: Gatherer, table: EventTable) -> EventTable:
    """Count the same result once, however many ids it has: the one known first stays."""
    if len(table) < 2:
        return table
    columns = (
        table.coded, table.unit, table.comparator, table.value.view(np.int64), table.end, table.rank, table.codes,
        table.kind, table.effective, table.subject,
    )  # fmt: skip
    order = np.lexsort(columns)
    same = np.ones(len(table) - 1, bool)
    for column in columns:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    repeats = order[1:][same]
    if not len(repeats):
        return table
    stays = np.ones(len(table), bool)
    stays[repeats] = False
    left = set(table.source[stays].tolist())
    for number in sorted(set(table.source[repeats].tolist()) - left):
        _set_down(found, number, "duplicate", "the same result stands in the source under another id; it counts once")
    return table.where(stays)


def _issued_missing(found: Gatherer, place: str) -> list[Rejection]:
    return [
        Rejection(
            source=place,
            location="Observation.issued",
            reason="issued-missing",
            severity=Severity.NOTE,
            message=f"{count} results of {key} carry no issued time; they count as known from their effective time",
            codes=(key,),
        )
        for key, count in sorted(found.issued_missing.items())
    ]

