"""The demo hospital at work: copies of one made once, a clock that is told the time, and the ways to a signature."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cdss.access import AccessSettings, Role, SignedIn, local_operator
from cdss.compose import open_hospital
from cdss.demo import DemoPatient, demo_hospital
from cdss.demo.start import MODEL, PASSWORD, start_demo
from cdss.domain.instant import instant_text, to_micros
from cdss.domain.review import Outcome, ReviewDecision, Stage
from cdss.ledger.kinds import Entry
from cdss.ledger.verify import verify
from cdss.settings import Settings
from cdss.workflow.board import Board, Case
from cdss.workflow.hospital import Hospital
from cdss.workflow.recording import CaseView

NOW = datetime(2026, 3, 14, 9, 40, tzinfo=UTC)
QUICK = AccessSettings(argon2_memory_kib=8, argon2_passes=1)
RELEASE = f"{MODEL}@1.0.0"
SETTLING, FLAGGED, FLAGGED_TOO, OUTSIDE, NO_NUMBER = 1, 26, 17, 27, 34
"""Patients of the demo by number: not flagged, flagged (twice), flagged on values unseen in training, no estimate."""
ESTIMATED, ABSTAINED = range(1, 34), range(34, 45)
EVERY_ACT: dict[Outcome, dict[str, Any]] = {
    Outcome.ACCEPTED: {"plan": "Family meeting tomorrow."},
    Outcome.OVERRIDDEN: {"reason": "clinical-judgement", "knows": ("frailty", "wish")},
    Outcome.DEFERRED: {"plan": "CT of the head", "until": "2026-03-14T15:30:00Z"},
    Outcome.NOT_APPLICABLE: {"note": "Going home today"},
}


class Clock:
    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, **time: float) -> None:
        self.at += timedelta(**time)


@cache
def patients() -> Mapping[int, DemoPatient]:
    return dict(enumerate(demo_hospital(NOW), start=1))


def make_template(home: Path) -> None:
    with start_demo(Settings(home=str(home)), clock=Clock(), access=QUICK) as hospital:
        quill = {"login": "quill", "name": "Dr Sam Quill", "roles": [Role.TRAINEE]}
        hospital.ports.accounts.add(local_operator("tests"), password=PASSWORD, **quill)


def bundle(number: int, **latest: float) -> bytes:
    """The Bundle of a demo patient with other newest values, such as `creatinine=2.4`."""
    found = copy.deepcopy(dict(patients()[number].bundle))
    names = {"creatinine": "2160-0", "sodium": "2951-2"}
    for name, value in latest.items():
        newest = max(
            (
                one["resource"]
                for one in found["entry"]
                if names[name] in json.dumps(one["resource"].get("code", {})) and "valueQuantity" in one["resource"]
            ),
            key=lambda one: one["effectiveDateTime"],
        )
        newest["valueQuantity"]["value"] = value
    return json.dumps(found, ensure_ascii=False).encode()


@dataclass
class Day:
    """One open hospital and the people in it."""

    home: Path
    hospital: Hospital
    clock: Clock
    broken: bool = False

    def __post_init__(self) -> None:
        board = self.hospital.ports.board.refresh()
        heads = {one.id: self.hospital.ports.blob_json(one.head) for one in board.cases.values()}
        self.cases = {int(head["reference"].rpartition("-")[2]): case for case, head in heads.items()}

    def sign_in(self, login: str = "marlow", role: str | None = None) -> SignedIn:
        return self.hospital.sign_in(login, PASSWORD, role=role)

    def case(self, case: str) -> Case:
        return self.hospital.ports.board.refresh().cases[case]

    def stage(self, by: SignedIn, case: str) -> Stage:
        return self.case(case).stage(by.person.sub, self.hospital.now(), estimate_first=True)

    def answer(self, case: str) -> dict[str, Any]:
        """What the machine said, as it stands in the ledger."""
        return self.hospital.ports.blob_json(self.case(case).assessment)

    def estimate(self, by: SignedIn, case: str, alive: int = 60, *, treating: bool = True, seen: bool = False) -> Entry:
        version = self.case(case).version
        return self.hospital.commit_estimate(
            by.person, case, version=version, alive=alive, treating=treating, seen_score=seen
        )

    def result(self, by: SignedIn, case: str, alive: int = 60) -> CaseView:
        """What a person sees once their own estimate is committed."""
        if self.case(case).has_number and not self.case(case).estimate_of(by.person.sub):
            self.estimate(by, case, alive)
        return self.hospital.look(by.person, case)

    def decide(
        self,
        by: SignedIn,
        case: str,
        outcome: str = "accepted",
        *,
        version: int | None = None,
        sign: bool = False,
        **more: Any,
    ) -> Entry:
        chosen = Outcome(outcome)
        decision = ReviewDecision(outcome=chosen, **(more or EVERY_ACT[chosen]))
        version = self.result(by, case).case.version if version is None else version
        return self.hospital.decide(by.person, case, version=version, decision=decision, sign=sign)

    def sign(self, by: SignedIn, case: str, decided: Entry, **how: Any) -> Entry:
        outcome = decided.kind.partition(".")[2]
        usual = {"meaning": next(iter(self.hospital.words.meanings(outcome))), "password": PASSWORD}
        usual["login"] = next(one.login for one in self.hospital.ports.accounts.list() if one.id == by.person.account)
        return self.hospital.sign_decision(by, case, decision=decided.leaf, **(usual | how))

    def second(self, by: SignedIn, case: str, decided: Entry, *, approve: bool = True, **how: Any) -> Entry:
        usual = {"password": PASSWORD, "why": "" if approve else "The plan is missing."}
        usual["login"] = next(one.login for one in self.hospital.ports.accounts.list() if one.id == by.person.account)
        return self.hospital.second_sign(by, case, decision=decided.leaf, approve=approve, **(usual | how))

    def receive(self, number: int, content: bytes | None = None, **latest: float) -> str:
        """A Bundle of a demo patient comes in; the same one again without `content` and `latest`."""
        patient = patients()[number]
        return self.hospital.receive(
            content or (bundle(number, **latest) if latest else patient.to_json()),
            name=f"demo-{number:02}.json",
            subject=patient.subject,
            encounter=patient.encounter,
            index_time=instant_text(to_micros(patient.index_time)),
            model=MODEL,
            sender="ward",
        )

    def entries(self, first: int = 1) -> list[Entry]:
        return list(self.hospital.ports.store.entries(first))

    @property
    def size(self) -> int:
        return self.hospital.ports.store.head().size

    def kinds(self, after: int) -> list[str]:
        return [one.kind for one in self.entries(after + 1)]

    def findings(self) -> list[str]:
        """What the separate verifier finds wrong."""
        keys = self.hospital.ports.keys
        return [one.what for one in verify(self.home / "cdss.db", key=keys.log.public, kek=keys.kek).findings]

    def read_again(self) -> Board:
        """What somebody who opens the ledger now makes of it."""
        return Board(self.hospital.ports.store).refresh()


@contextmanager
def a_day(template: Path, home: Path) -> Iterator[Day]:
    """A hospital of its own; at the end of the day its ledger must be whole, unless the test broke it."""
    shutil.copytree(template, home)
    clock = Clock()
    with open_hospital(Settings(home=str(home)), clock=clock, access=QUICK) as hospital:
        day = Day(home, hospital, clock)
        yield day
        if not day.broken:
            assert day.findings() == []
            assert day.read_again().cases == hospital.ports.board.refresh().cases


def rows(home: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    link = sqlite3.connect(home / "cdss.db")
    with link:
        found = link.execute(query, values).fetchall()
    link.close()
    return found


def flip(home: Path, seq: int, place: int | None = None) -> None:
    """Change one bit in the body of an entry, as somebody with the file in hand could."""
    ((body,),) = rows(home, "SELECT body FROM ledger_entry WHERE seq = ?", seq)
    at = len(body) // 2 if place is None else place % len(body)
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    rows(home, "DROP TRIGGER IF EXISTS ledger_entry_no_update")
    rows(home, "UPDATE ledger_entry SET body = ? WHERE seq = ?", changed, seq)


def parts(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of what was handed out, with the names that lead to it."""
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from parts(getattr(value, one.name), f"{place}.{one.name}")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from parts(one, f"{place}.{name}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, one in enumerate(value):
            yield from parts(one, f"{place}[{number}]")
    else:
        yield place, value
