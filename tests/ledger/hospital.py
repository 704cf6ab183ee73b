"""A made-up ward that fills a ledger: lawful acts, chosen by a seed."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Actor, Attachment, Draft, Entry, Kind, SignOff, Tick
from cdss.ledger.store import LedgerStore

# A sync costs nothing in memory; the tests of crashes and disks use the disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
HUSSEIN = Actor(sub="u1", name="Amal Hussein", role="clinician", amr=("pwd", "pin"))
OKAFOR = Actor(sub="u2", name="Ben Okafor", role="approver", session="3f", auth_time="2026-01-04T00:00:00Z")
DECISIONS = (Kind.DECISION_ACCEPTED, Kind.DECISION_OVERRIDDEN, Kind.DECISION_DEFERRED, Kind.DECISION_NOT_APPLICABLE)


class FakeClock:
    """Goes forward by a second whenever it is read; wall time can be turned alone."""

    def __init__(self) -> None:
        self.at, self.monotonic = datetime(2026, 1, 4, tzinfo=UTC), 0.0

    def __call__(self) -> Tick:
        self.pass_(1)
        return Tick(self.at, self.monotonic)

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.monotonic += seconds

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@contextmanager
def memory_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(dir=MEMORY, prefix="cdss-test-"))
    try:
        yield home
    finally:
        shutil.rmtree(home)


def url(home: Path) -> str:
    return f"sqlite:///{home / 'cdss.db'}"


def open_store(home: Path, clock: FakeClock | None = None) -> LedgerStore:
    return LedgerStore.open(url(home), Keys.open(home, create=True), clock=clock or FakeClock())


def draft(kind: Kind = Kind.SCORE_MADE, case: str | None = "c1", **more) -> Draft:
    return Draft(kind=kind, case=case, **{"actor": HUSSEIN, **more})


def signature(store: LedgerStore, case: str) -> SignOff:
    state = store.case_state(case)
    assert state is not None
    assert state.decision is not None
    return SignOff(decision=state.decision, version=state.version, meaning="I have reviewed this estimate.")


def decide_and_sign(store: LedgerStore, case: str = "c1", **more) -> Entry:
    store.append(draft(Kind.DECISION_ACCEPTED, case))
    return store.append(draft(Kind.SIGNOFF_SIGNED, case, sig=signature(store, case), **more))


class Ward:
    """Acts on a few cases and patients at random, never against the rules."""

    def __init__(self, store: LedgerStore, keys: Keys, seed: int) -> None:
        self.store, self.keys, self.dice = store, keys, random.Random(seed)
        self.signed: dict[str, set[str]] = {}
        self.last: dict[str, SignOff] = {}

    def act(self, times: int) -> None:
        for _ in range(times):
            self.dice.choice(
                (self.score, self.score, self.decide, self.sign, self.sign, self.look, self.attach, self.erase)
            )()

    def _case(self) -> str:
        return f"c{self.dice.randrange(5)}"

    def _patient(self) -> str:
        return self.keys.pseudonym(f"p{self.dice.randrange(3)}")

    def score(self) -> None:
        kind = self.dice.choice((Kind.SCORE_MADE, Kind.SCORE_ABSTAINED, Kind.CASE_OPENED, Kind.INPUT_RECEIVED))
        data = {"score": f"{self.dice.random():.3f}", "note": self.dice.choice(("é", "\u2028", "a\tb", "😀"))}
        self.store.append(draft(kind, self._case(), subject=self._patient(), data=data))

    def decide(self) -> None:
        kind = self.dice.choice((*DECISIONS, Kind.RECOMMENDATION_EXPIRED))
        self.store.append(draft(kind, self._case(), actor=self.dice.choice((HUSSEIN, OKAFOR))))

    def sign(self) -> None:
        case = self._case()
        state = self.store.case_state(case)
        if case in self.last and self.dice.random() < 0.2:
            self.store.append(draft(Kind.SIGNOFF_WITHDRAWN, case, sig=self.last.pop(case)))
            return
        if state is None or state.decision is None:
            self.decide()
            return
        taken = self.signed.setdefault(state.decision, set())
        kind = self.dice.choice((Kind.SIGNOFF_SIGNED, Kind.SECOND_SIGNED, Kind.SIGNOFF_REJECTED))
        slot = "author" if kind is Kind.SIGNOFF_SIGNED else "second"
        if slot not in taken:
            taken.add(slot)
            self.last[case] = signature(self.store, case)
            self.store.append(draft(kind, case, sig=self.last[case], actor=OKAFOR))

    def look(self) -> None:
        self.store.append(
            draft(self.dice.choice((Kind.CASE_VIEWED, Kind.AUTH_OK)), None, data={"tries": 1, "ok": True})
        )

    def attach(self) -> None:
        item = Attachment(role="input", data=self.dice.randbytes(40), media_type="application/fhir+json", send=True)
        patient = self.dice.choice((None, self._patient()))
        self.store.append(draft(Kind.INPUT_RECEIVED, self._case(), subject=patient), attach=[item])

    def erase(self) -> None:
        if self.dice.random() < 0.1:
            self.store.erase(draft(Kind.SUBJECT_ERASED, None, subject=self._patient()))


def filled(home: Path, seed: int, acts: int) -> Keys:
    """A closed store with that many acts."""
    keys = Keys.open(home, create=True)
    with LedgerStore.open(url(home), keys, clock=FakeClock()) as store:
        Ward(store, keys, seed).act(acts)
    return keys
