"""What only the whole source can say: versions, duplicates, owners, dates that another resource holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cdss.domain.event import EventKind, Rejection, Severity
from cdss.domain.instant import NEVER
from cdss.fhir.clinical import ACTIVITIES, read_activity
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.gather import Disposition, Gatherer
from cdss.fhir.reference import BY_IDENTIFIER
from cdss.fhir.times import TimeProblem, read_time
from cdss.record import Block, Counts, PatientFacts, PatientRecord
from cdss.table import EventTable, build_table

_TIME_OF_KIND = {
    EventKind.OBSERVATION: "effectiveDateTime",
    EventKind.CONDITION: "onsetDateTime",
    EventKind.ENCOUNTER: "period",
    EventKind.PROCEDURE: "performedDateTime",
    EventKind.MEDICATION: "effectiveDateTime",
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What the other parts of a source hold that matters in each: the Medications, and whether there are Encounters."""

    medications: Mapping[str, set[tuple[str, ...]]] = field(default_factory=dict)
    has_encounters: bool = False


def settle(
    found: Gatherer,
    place: str,
    *,
    blocked: Sequence[Block],
    subject: str | None,
    index_time: int | None,
    closed: bool,
    beside: Beside | None = None,
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
    beside : Beside, optional
        What the other parts hold, if this is one part of a source.
    """
    beside = beside or Beside()
    _settle_medications(found, beside)
    again = _find_again(found)
    for _, numbers in sorted(again.items()):
        _settle_versions(found, numbers)
    _settle_deleted(found, again)
    _settle_hosts(found)
    _settle_encounters(found)
    _settle_undated(found)
    patients = _patients(found)
    _settle_claims(found)
    _settle_owners(found, patients, subject, closed)
    _note_dangling(found, closed or beside.has_encounters)
    if subject is not None:
        patients = {name: facts for name, facts in patients.items() if name == subject}
    table = _settle_events(found, index_time)
    rejections = [r for r in found.rejections if subject is None or r.subject in (None, subject)]
    rejections += issued_missing(found.notes.issued_missing, place)
    counts = Counter(found.dispositions)
    facts_blocked = [block for _, facts in sorted(patients.items()) for block in facts.blocks_at(index_time)]
    return PatientRecord(
        place=place,
        patients=patients,
        events=table,
        rejections=tuple(sorted(rejections, key=in_order)),
        counts=Counts(
            used=counts[Disposition.USED],
            not_needed=counts[Disposition.NOT_NEEDED],
            put_aside=counts[Disposition.PUT_ASIDE],
            refused=counts[Disposition.REFUSED],
            events=len(table),
        ),
        source_blocks=tuple(blocked),
        blocked=(*blocked, *facts_blocked),
    )


def in_order(rejection: Rejection) -> tuple[str, ...]:
    """What the findings of a record are sorted by."""
    return (rejection.severity, rejection.source, rejection.location, rejection.reason, rejection.message)


def _set_down(found: Gatherer, number: int, reason: str, message: str) -> None:
    found.drop(number)
    found.reject(number, found.sources[number], "", reason, message, Severity.NOTE)


def medications_of(found: Gatherer) -> dict[str, set[tuple[str, ...]]]:
    """The codes of each Medication, one set of them for each version."""
    medications: dict[str, set[tuple[str, ...]]] = {}
    for number, codes in found.medications.items():
        medications.setdefault(found.sources[number], set()).add(codes)
    return medications


def _settle_medications(found: Gatherer, beside: Beside) -> None:
    """Give each activity the codes of the Medication it names, once every version of that has been read."""
    medications = {**beside.medications, **medications_of(found)}
    for pending in found.pending:
        notes = Notes()
        codes_found = medications.get(pending.medication, set())
        try:
            if len(codes_found) != 1:
                message = "the medication is not in the source, not coded, or there in two versions"
                raise PutAside("medicationReference", "medication-unresolved", message)
            (codes,) = codes_found
            rows = read_activity(pending.activity, ACTIVITIES[pending.type_name], codes, notes)
        except PutAside as fault:
            found.put_aside(pending.number, fault)
        else:
            found.keep_rows(pending.number, rows)


def _find_again(found: Gatherer) -> dict[str, list[int]]:
    """The numbers of all resources that share their `Type/id`, by that name; hashes tell most of them apart."""
    named = np.flatnonzero(np.frombuffer(found.contents, np.int64))
    if len(named) < 2:
        return {}
    marks = np.fromiter(map(hash, found.sources), np.int64, len(found.sources))[named]
    order = np.argsort(marks, kind="stable")
    same = marks[order][1:] == marks[order][:-1]
    candidates = np.unique(named[order[np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))]])
    again: dict[str, list[int]] = {}
    for number in candidates.tolist() if same.any() else ():
        again.setdefault(found.sources[number], []).append(number)
    return {source: numbers for source, numbers in again.items() if len(numbers) > 1}


def _settle_versions(found: Gatherer, numbers: Sequence[int]) -> None:
    """Keep the newest of several resources with one id, whatever their order."""
    first_of: dict[int, int] = {}
    for number in numbers:
        if first_of.setdefault(found.contents[number], number) != number:
            _set_down(found, number, "duplicate", "the same resource stands in the source again; it counts once")
    kept = list(first_of.values())
    if len(kept) == 1:
        return
    ages = [_age(found, number) for number in kept]
    for age in zip(*ages, strict=True):
        known = [part for part in age if part is not None]
        if len(set(known)) == len(kept):
            newest = kept[age.index(max(known))]
            break
    else:
        fault = PutAside("id", "same-id-different-content", "one id, different contents, no version to tell them apart")
        for number in kept:
            if found.dispositions[number] != Disposition.PUT_ASIDE:
                found.put_aside(number, fault)
        return
    for number in kept:
        if number != newest:
            _set_down(found, number, "superseded-version", "a newer version of this resource is in the source")


def _age(found: Gatherer, number: int) -> tuple[int | None, int | None]:
    """The version of a resource as a number and as an instant, None where there is none."""
    version, updated = found.versions.get(number, ("", ""))
    try:
        instant = read_time(updated)[0] if updated else None
    except TimeProblem:
        instant = None
    return int(version) if version.isdecimal() and len(version) < 19 else None, instant


def _settle_deleted(found: Gatherer, again: Mapping[str, Sequence[int]]) -> None:
    if not found.deleted:
        return
    gone = {source: [n] for n, source in enumerate(found.sources) if source in found.deleted and found.contents[n]}
    for source, numbers in sorted(gone.items()):
        for number in again.get(source, numbers):
            if found.is_live(number) and any(_is_gone(found, number, *by) for by in found.deleted[source]):
                _set_down(found, number, "deleted", "deleted by another entry of the source")


def _is_gone(found: Gatherer, number: int, base: str | None, when: str) -> bool:
    """Whether a deletion on a server, at a time, means this resource and not one made again later."""
    if base is not None and found.bases.get(number, base) != base:
        return False
    try:
        deleted = read_time(when)[1] if when else None
    except TimeProblem:
        deleted = None
    updated = _age(found, number)[1]
    return deleted is None or updated is None or updated <= deleted


def _settle_hosts(found: Gatherer) -> None:
    """Put aside what names a patient of its own server where the patient read is on another: an id is no proof."""
    if not found.bases:
        return
    homes: dict[str, set[str]] = {}
    claimed: dict[str, set[str]] = {}
    for number, base in found.bases.items():
        owner = found.subjects[number]
        if owner is not None and owner.startswith("Patient/"):
            (homes if owner == found.sources[number] else claimed).setdefault(owner, set()).add(base)
    message = "the same id on another server is another record"
    for number, base in found.bases.items():
        owner = found.subjects[number]
        home = homes.get(owner or "") or claimed.get(owner or "", {base})
        if owner is None or not found.is_live(number) or (base in home and len(home) == 1):
            continue
        if owner == found.sources[number]:
            found.put_aside(number, PutAside("id", "same-id-other-server", message))
        elif owner.startswith("Patient/"):
            found.put_aside(number, PutAside("subject", "subject-unresolved", message))


def _settle_encounters(found: Gatherer) -> None:
    """Put aside what names a patient and an encounter of another patient; the finding reaches whoever asks."""
    fault = PutAside("encounter", "encounter-of-other-patient", "the encounter it names belongs to another patient")
    owners_of: dict[str, set[str | None]] = {}
    for number in found.of_type["Encounter"]:
        if found.contents[number]:
            owners_of.setdefault(found.sources[number], set()).add(found.subjects[number])
    for encounter, numbers in found.encounter_references.items():
        owners = owners_of.get(encounter)
        if owners is None:
            continue
        if any(owner is None or owner.startswith(BY_IDENTIFIER) for owner in owners):
            continue
        for number in numbers:
            owner = found.subjects[number]
            by_name = owner is not None and not owner.startswith(BY_IDENTIFIER)
            if by_name and owner not in owners and found.dispositions[number] == Disposition.USED:
                found.subjects[number] = None
                found.put_aside(number, fault)


def _settle_claims(found: Gatherer) -> None:
    """Put aside what names its patient by a reference and, beside it, by an identifier the patient does not have."""
    if not found.claims:
        return
    fault = PutAside("subject.identifier", "subject-contradicts", "the reference names one patient, the identifier not")
    for number, (system, value) in found.claims.items():
        owner = found.subjects[number]
        has = [key for key, named in found.identifiers.items() if owner in named and key.startswith(f"{system}|")]
        if has and f"{system}|{value}" not in has and found.dispositions[number] == Disposition.USED:
            found.subjects[number] = None
            found.put_aside(number, fault)


def _settle_undated(found: Gatherer) -> None:
    """Date a Condition without a date of its own by its encounter: present from its start, known at its end."""
    encounters = {found.sources[number]: stay for number, stay in found.encounters.items() if found.is_live(number)}
    for number, (row, encounter, codes) in found.undated.items():
        start, end = encounters.get(encounter, (0, NEVER))
        if found.dispositions[number] != Disposition.USED:
            continue
        if end == NEVER:
            message = "neither onset, recordedDate nor an encounter that ended"
            found.put_aside(number, PutAside("recordedDate", "time-missing", message, codes=codes))
        else:
            found.buffer.date(row, start, end)
            found.reject(
                number, found.sources[number], "recordedDate", "time-from-encounter",
                "no date of its own: it counts as known from the end of its encounter", Severity.NOTE,
            )  # fmt: skip


def _patients(found: Gatherer) -> dict[str, PatientFacts]:
    """Facts of each patient; one whose resource was put aside keeps its name and forbids any score."""
    patients = {}
    for number in found.of_type["Patient"]:
        source = found.sources[number]
        if not source.startswith("Patient/") or not found.is_current(number):
            continue
        if found.dispositions[number] == Disposition.USED:
            patients[source] = found.patients[number]
        elif found.dispositions[number] == Disposition.PUT_ASIDE:
            unusable = Block(
                reason="patient-unusable",
                source=source,
                message="the Patient resource was put aside, so death, merging and age are unknown",
            )
            patients[source] = PatientFacts(
                subject=source, source=source, birth=None, female=None, deceased=None, deceased_undated=False,
                blocks=(unusable,),
            )  # fmt: skip
    _settle_links(found, patients)
    return patients


def _settle_links(found: Gatherer, patients: dict[str, PatientFacts]) -> None:
    """Forbid a score of those whom another record names as the same person: it may hold what is missing here."""
    for number, target, kind in found.links:
        holder = found.sources[number]
        if not found.is_current(number):
            continue
        named = {target}
        if target.startswith(BY_IDENTIFIER):
            named = found.identifiers.get(target.removeprefix(BY_IDENTIFIER), set())
        for name in named & patients.keys() - {holder}:
            if kind == "replaces":
                reason, message = "patient-merged", "another record says that it replaces this one; ask for that one"
            else:
                reason, message = "patient-linked", "another record of this patient exists and is not read"
            facts = patients[name]
            block = Block(reason=reason, source=f"{holder}.link", message=message)
            patients[name] = replace(facts, blocks=(*facts.blocks, block))


def _settle_owners(found: Gatherer, patients: dict[str, PatientFacts], subject: str | None, closed: bool) -> None:
    renamed: dict[int, str] = {}
    wanted = subject if subject is not None else next(iter(patients)) if closed and len(patients) == 1 else None
    owners = {owner for owner in set(found.subjects) if owner is not None and owner != wanted}
    if wanted is None:
        owners = {owner for owner in owners if owner.startswith(BY_IDENTIFIER)}
    for number, owner in enumerate(found.subjects) if owners else ():
        if owner is None or owner not in owners:
            continue
        if owner.startswith(BY_IDENTIFIER):
            named = found.identifiers.get(owner.removeprefix(BY_IDENTIFIER), set())
            if len(named) != 1:
                found.subjects[number] = None  # it may be anyone's, so the finding reaches whoever asks
                fault = PutAside("subject", "subject-unresolved", "no one patient of the source has this identifier")
                found.put_aside(number, fault)
                continue
            (owner,) = named
            found.subjects[number] = renamed[number] = owner
        if wanted is None or owner == wanted:
            continue
        if not closed and (owner in patients or not patients):
            found.drop(number)
        elif found.dispositions[number] == Disposition.USED:
            found.misfile(number, wanted)
    if renamed:
        found.buffer.rename(renamed)
    for place, finding in enumerate(found.rejections):
        if finding.subject is not None and finding.subject.startswith(BY_IDENTIFIER):
            named = found.identifiers.get(finding.subject.removeprefix(BY_IDENTIFIER), set())
            found.rejections[place] = replace(finding, subject=next(iter(named)) if len(named) == 1 else None)


def _note_dangling(found: Gatherer, has_encounters: bool) -> None:
    """Note encounters that a used resource names and nobody gave, unless the source holds no encounters at all."""
    named = (found.sources[number] for number in found.of_type["Encounter"])
    present = {source for source in named if source.startswith("Encounter/")}
    if not present and not has_encounters:
        return
    message = "the encounter it names is not in what was read"
    for encounter, numbers in found.encounter_references.items():
        if encounter not in present:
            for number in numbers:
                if found.dispositions[number] == Disposition.USED:
                    source = found.sources[number]
                    found.reject(number, source, "encounter", "encounter-unresolved", message, Severity.NOTE)


def _settle_events(found: Gatherer, index_time: int | None) -> EventTable:
    used = np.frombuffer(found.dispositions, np.uint8) == Disposition.USED
    columns = found.buffer.columns()
    source, effective = columns["source"], columns["effective"]
    keep = used[source] if len(source) else np.zeros(0, bool)
    if index_time is not None and len(source):
        later = keep & (np.maximum(columns["known"], effective) > index_time)
        keep &= ~later
        left = set(source[keep].tolist())
        message = "not known at the index time, so not used"
        for row in np.flatnonzero(later).tolist():
            number = int(source[row])
            if number not in left and found.dispositions[number] == Disposition.USED:
                place = "issued"
                if effective[row] > index_time:
                    kind = EventKind(int(columns["kind"][row]))
                    place = "effectivePeriod" if number in found.periods else _TIME_OF_KIND[kind]
                found.put_aside(number, PutAside(place, "after-index-time", message))
    sources: Sequence[str] = found.sources
    if found.nameless:  # where it stood differs from door to door
        sources = [found.nameless.get(number, source) for number, source in enumerate(sources)]
    table = build_table(found.buffer, sources, keep)
    return _without_contradictions(found, _without_repeats(found, table))


def _without_repeats(found: Gatherer, table: EventTable) -> EventTable:
    """Count the same result once, however many ids it has: the one known first stays."""
    columns = (
        table.coded, table.unit, table.comparator, table.value.view(np.int64), table.end, table.rank, table.codes,
        table.kind, table.effective, table.subject,
    )  # fmt: skip
    order, same = _alike(table, columns)
    repeats = order[1:][same]
    repeats = repeats[table.kind[repeats] != EventKind.ENCOUNTER]  # two stays alike are two stays
    if not len(repeats):
        return table
    stays = np.ones(len(table), bool)
    stays[repeats] = False
    left = set(table.source[stays].tolist())
    for number in sorted(set(table.source[repeats].tolist()) - left):
        _set_down(found, number, "duplicate", "the same result stands in the source under another id; it counts once")
    return table.where(stays)


def _without_contradictions(found: Gatherer, table: EventTable) -> EventTable:
    """Put aside results that differ in their value alone: nothing says which of them is true."""
    columns = (table.kind, table.rank, table.known, table.codes, table.effective, table.subject)
    order, same = _alike(table, columns)
    same &= table.kind[order[1:]] == EventKind.OBSERVATION
    if not same.any():
        return table
    stays = np.ones(len(table), bool)
    stays[order[1:][same]] = stays[order[:-1][same]] = False
    left = set(table.source[stays].tolist())
    message = "another result of the same time and code has another value; nothing says which is true"
    for row in np.flatnonzero(~stays).tolist():
        number, codes = int(table.source[row]), table.codesets[table.codes[row]]
        if number in left:
            found.reject(number, found.sources[number], "value[x]", "values-contradict", message, codes=codes)
        else:
            found.put_aside(number, PutAside("value[x]", "values-contradict", message, codes=codes))
    return table.where(stays)


def _alike(table: EventTable, columns: Sequence[NDArray[np.generic]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of a table in an order by these columns, and whether each but the first equals the one before.

    Only rows that share subject, time and code with a neighbour are looked at: the table stands in that order.
    """
    near = np.ones(max(0, len(table) - 1), bool)
    leading: tuple[NDArray[np.generic], ...] = (table.subject, table.effective, table.codes)
    for key in leading:
        near &= key[1:] == key[:-1]
    rows = np.flatnonzero(np.append(near, False) | np.insert(near, 0, False)) if near.any() else np.zeros(0, np.int64)
    order = rows[np.lexsort([column[rows] for column in columns])]
    same = np.ones(max(0, len(order) - 1), bool)
    for column in columns:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    return order, same


def issued_missing(counts: Mapping[str, int], place: str) -> list[Rejection]:
    """One note for each code whose results carry no issued time."""
    return [
        Rejection(
            source=place,
            location="Observation.issued",
            reason="issued-missing",
            severity=Severity.NOTE,
            message=f"{count} results of {key} carry no issued time; they count as known from their effective time",
            codes=(key,),
        )
        for key, count in sorted(counts.items())
    ]
