"""The worklist: every open case as one person may see it now. A score is on it only once their own estimate is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cdss.access import Act, Person, require
from cdss.domain.instant import parse_index_time
from cdss.domain.review import CLOSED, Fate, Stage
from cdss.workflow.board import Case
from cdss.workflow.ports import Ports

_WHOLE_DATE = 10  # of YYYY-MM-DD; a year alone is shared by many


class Group(StrEnum):
    """Where a row stands on the list; abstentions come first, since nobody else looks after them."""

    NO_NUMBER = "no number"
    ESTIMATE = "estimate"
    READY = "ready"
    TO_SIGN = "to sign"
    DEFERRED = "deferred"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case on a list.

    `answer` is None as long as its score is hidden from this person. `newest` and `due` are in microseconds.
    """

    case: str
    group: Group
    stage: Stage
    patient: Mapping[str, Any]
    newest: int | None
    present: int
    of: int
    due: int
    reasons: tuple[Mapping[str, str], ...] = ()
    answer: Mapping[str, Any] | None = None
    previous: float | None = None
    alive: int | None = None
    outcome: str | None = None
    decided_at: str | None = None
    decided_by: str | None = None
    decision: int | None = None
    until: int | None = None
    fate: Fate = Fate.NONE
    same_surname: bool = False
    same_birth_date: bool = False


def head_of(ports: Ports, heads: dict[str, dict[str, Any]], sha256: str) -> dict[str, Any]:
    """Who a case is about; opened once and kept, since a list of a thousand is drawn at every click."""
    if sha256 not in heads:
        heads[sha256] = ports.blob_json(sha256)
    return heads[sha256]


def worklist(ports: Ports, heads: dict[str, dict[str, Any]], by: Person) -> list[Row]:
    """The open cases, by group and due time; those with a visible score by risk."""
    person = require(by, Act.VIEW_WORKLIST)
    now = ports.now()
    stages = {
        case.id: case.stage(person.sub, now, estimate_first=ports.policy.estimate_first)
        for case in ports.board.refresh().cases.values()
        if case.scored_version
    }
    waiting = [case for case in ports.board.cases.values() if _is_open(case, stages.get(case.id), now)]
    rows = [row_of(ports, heads, person, case, stages[case.id]) for case in waiting]
    return sorted(_alerted(rows), key=_order)


def second_queue(ports: Ports, heads: dict[str, dict[str, Any]], by: Person) -> list[Row]:
    """Signed decisions that wait for another person."""
    person = require(by, Act.SECOND_SIGN)
    now = ports.now()
    waiting = [case for case in ports.board.refresh().cases.values() if case.waits_for_second(now)]
    rows = [row_of(ports, heads, person, case, Stage.SIGNED) for case in waiting]
    return sorted(rows, key=lambda row: row.decided_at or "")


def _is_open(case: Case, stage: Stage | None, now: int) -> bool:
    if stage is None:
        return False
    return stage not in CLOSED or bool(case.decided and case.decided.until and case.decided.until > now)


def row_of(ports: Ports, heads: dict[str, dict[str, Any]], person: Person, case: Case, stage: Stage) -> Row:
    """One case as a person may see it on a list."""
    head = head_of(ports, heads, case.head)
    own, decided = case.estimate_of(person.sub), case.decided
    owes = case.hides_score_from(person.sub, estimate_first=ports.policy.estimate_first)
    hidden = owes and _is_open(case, stage, ports.now())
    answer = None if hidden else _summary(ports, heads, case)
    reasons = tuple(answer.get("reasons", ())) if answer else ()
    return Row(
        case=case.id,
        group=_group(case, stage),
        stage=stage,
        patient=head,
        newest=None if head["newest"] is None else parse_index_time(head["newest"]),
        present=head["present"],
        of=head["of"],
        due=case.due,
        reasons=reasons,
        answer=answer if case.has_number else None,
        previous=None if hidden or case.previous is None else float(case.previous),
        alive=own.alive if own else None,
        outcome=decided.outcome.value if decided else None,
        decided_at=decided.at if decided else None,
        decided_by=decided.name if decided else None,
        decision=decided.seq if decided else None,
        until=decided.until if decided else None,
        fate=case.fate(ports.now()),
    )


def _summary(ports: Ports, heads: dict[str, dict[str, Any]], case: Case) -> dict[str, Any]:
    """What a list shows of an answer; opened once and kept."""
    if case.assessment not in heads:
        answer = ports.blob_json(case.assessment)
        shown = ("kind", "probability", "interval", "band", "flag", "reasons")
        heads[case.assessment] = {name: answer[name] for name in shown if name in answer}
    return heads[case.assessment]


def _group(case: Case, stage: Stage) -> Group:
    if stage is Stage.DECIDED:
        return Group.TO_SIGN
    if stage in CLOSED:
        return Group.DEFERRED if case.decided and case.decided.until else Group.DONE
    if not case.has_number:
        return Group.NO_NUMBER
    return Group.ESTIMATE if stage is Stage.FACTS else Group.READY


def _alerted(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    people = {row.patient["reference"]: row.patient for row in rows}.values()
    names = Counter(one["family"].casefold() for one in people)
    births = Counter(one["birth_date"] for one in people)
    return [
        replace(
            row,
            same_surname=names[row.patient["family"].casefold()] > 1,
            same_birth_date=len(row.patient["birth_date"]) == _WHOLE_DATE and births[row.patient["birth_date"]] > 1,
        )
        for row in rows
    ]


def alerts_of(ports: Ports, heads: dict[str, dict[str, Any]], case: Case) -> list[str]:
    """What another open case shares with this one, so that the two could be taken for each other."""
    now, mine, found = ports.now(), head_of(ports, heads, case.head), set()
    for other in ports.board.cases.values():
        if other.subject == case.subject or not other.head or other.is_closed(now):
            continue
        head = head_of(ports, heads, other.head)
        if head["family"].casefold() == mine["family"].casefold():
            found.add("same surname")
        if len(mine["birth_date"]) == _WHOLE_DATE and head["birth_date"] == mine["birth_date"]:
            found.add("same birth date")
    return sorted(found, reverse=True)


def _order(row: Row) -> tuple[int, float, int, str]:
    risk = -row.answer["probability"] if row.group is Group.READY and row.answer else 0.0
    return list(Group).index(row.group), risk, row.due, row.case
