"""A small clinic: a store in a file, a clock that is told the time, and a ledger that is a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine

from cdss.access import (
    AccessSettings,
    AccessStore,
    Accounts,
    Fact,
    Person,
    Proofs,
    Sessions,
    local_operator,
    record_with,
)

START = datetime(2026, 3, 14, 9, 40, tzinfo=UTC)
QUICK = AccessSettings(argon2_memory_kib=8, argon2_passes=1)
PASSWORD = "heron lantern gravel"
OTHER = "copper meadow violin"
OPERATOR = local_operator("root")
KEY = b"k" * 16


class Clock:
    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, **time: float) -> None:
        self.at += timedelta(**time)


@dataclass
class Clinic:
    store: AccessStore
    clock: Clock
    facts: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts, self.sessions, self.proofs = Accounts(self.store), Sessions(self.store), Proofs(self.store)

    def staff(self, login: str, *roles: str, password: str = PASSWORD, person: str | None = None) -> str:
        added = self.accounts.add(
            OPERATOR, login=login, name="Ines Marlow", password=password, roles=roles or ("clinician",), person=person
        )
        return added.person

    def who(self, token: str | None) -> Person | None:
        return self.sessions.identify(token, self.clock())

    def kinds(self) -> list[str]:
        return [fact.kind for fact in self.facts]


def open_clinic(path: Path, clock: Clock | None = None, settings: AccessSettings = QUICK) -> Clinic:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True)
    facts: list[Fact] = []
    clock = clock or Clock()
    store = AccessStore(engine, record=record_with(engine, facts.append), clock=clock, key=KEY, settings=settings)
    store.prepare()
    return Clinic(store, clock, facts)
