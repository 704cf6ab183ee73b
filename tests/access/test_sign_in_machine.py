"""Sign-in, lock-out and expiry against a model of a few lines, in any order and at any time."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from clinic import OPERATOR, OTHER, PASSWORD, Clinic, open_clinic
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from cdss.access import LockedOutError, SessionExpiredError, WrongPasswordError

LOGINS = ["marlow", "thorsby", "nobody"]


@dataclass
class Count:
    failures: int = 0
    locks: int = 0
    until: datetime | None = None
    last: datetime | None = None


@dataclass
class Open:
    login: str
    created: datetime
    seen: datetime
    ended: bool = False

    def alive(self, now: datetime) -> bool:
        young, awake = now < self.created + timedelta(hours=12), now < self.seen + timedelta(minutes=15)
        return not self.ended and young and awake


class SignIn(RuleBasedStateMachine):
    tokens = Bundle("tokens")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clinic: Clinic = open_clinic(Path(self.folder.name) / "cdss.db")
        self.clinic.staff("marlow")
        self.clinic.staff("thorsby")
        self.counts = {login: Count() for login in LOGINS}
        self.open: dict[str, Open] = {}
        self.disabled: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "clinic"):
            self.clinic.store._engine.dispose()
            self.folder.cleanup()

    def expect(self, login: str, right: bool) -> str:
        now, count = self.clinic.clock(), self.counts[login]
        if count.until and now < count.until:
            return "auth.failed locked"
        if right and login not in {"nobody", *self.disabled}:
            self.counts[login] = Count()
            return "auth.ok"
        quiet = max([at for at in (count.last, count.until) if at], default=now)
        if now - quiet >= timedelta(hours=24):
            count = self.counts[login] = Count()
        count.last, count.failures = now, count.failures + 1
        if count.failures < 5:
            return "auth.failed wrong"
        wait = min(timedelta(minutes=15) * 2**count.locks, timedelta(hours=4))
        count.failures, count.locks, count.until = 0, count.locks + 1, now + wait
        return "auth.locked"

    @rule(target=tokens, login=st.sampled_from(LOGINS), right=st.booleans())
    def sign_in(self, login: str, right: bool) -> object:
        expected, token = self.expect(login, right), None
        password = PASSWORD if right else OTHER
        if expected == "auth.ok":
            token = self.clinic.sessions.sign_in(login, password).token
            self.open[token] = Open(login, self.clinic.clock(), self.clinic.clock())
        else:
            error = WrongPasswordError if expected == "auth.failed wrong" else LockedOutError
            with pytest.raises(error) as refused:
                self.clinic.sessions.sign_in(login, password)
            if isinstance(refused.value, LockedOutError):
                assert refused.value.until == self.counts[login].until
        fact = self.clinic.facts[-1]
        kind, _, cause = expected.partition(" ")
        assert fact.kind == kind
        assert fact.data.get("cause") == (None if token else cause or "wrong")
        return multiple(token) if token else multiple()

    @rule(login=st.sampled_from(LOGINS), times=st.integers(5, 6))
    def guess(self, login: str, times: int) -> None:
        for _ in range(times):
            self.sign_in(login, right=False)

    @rule(token=tokens)
    def act(self, token: str) -> None:
        now, known = self.clinic.clock(), self.open[token]
        person = self.clinic.who(token)
        assert (person is not None) == known.alive(now)
        if known.alive(now) and now - known.seen >= timedelta(minutes=1):
            known.seen = now

    @rule(token=tokens)
    def prove(self, token: str) -> None:
        now, known = self.clinic.clock(), self.open[token]
        asked = {"meaning": "reviewed", "decision": "d", "login": known.login}
        if not known.alive(now):
            with pytest.raises(SessionExpiredError):
                self.clinic.proofs.prove(token, PASSWORD, **asked)
            return
        proof = self.clinic.proofs.prove(token, PASSWORD, **asked)
        known.seen = now
        with self.clinic.store.write() as connection:
            self.clinic.proofs.consume(connection, proof, person=proof.person, meaning="reviewed", decision="d")

    @rule(token=tokens)
    def sign_out(self, token: str) -> None:
        self.clinic.sessions.sign_out(token)
        self.open[token].ended = True

    @rule()
    def disable(self) -> None:
        self.clinic.accounts.disable(OPERATOR, "thorsby")
        self.disabled.add("thorsby")
        for known in self.open.values():
            known.ended |= known.login == "thorsby"

    @rule(minutes=st.sampled_from([0.5, 1, 7, 14, 15, 16, 60, 240, 1440]))
    def wait(self, minutes: float) -> None:
        self.clinic.clock.pass_(minutes=minutes)

    @rule()
    def tidy(self) -> None:
        self.clinic.sessions.tidy()

    @invariant()
    def a_session_is_alive_exactly_as_long_as_the_model_says(self) -> None:
        now = self.clinic.clock()
        for token, known in self.open.items():
            assert (self.clinic.sessions.peek(token, now) is not None) == known.alive(now)


TestSignIn = SignIn.TestCase
TestSignIn.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
