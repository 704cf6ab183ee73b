"""Whatever people do in whatever order: what the board, the ledger and a new reader say of a case is one thing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from at_work import EVERY_ACT, FLAGGED, FLAGGED_TOO, NO_NUMBER, OUTSIDE, SETTLING, Day, a_day
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cdss.access import AccessDeniedError
from cdss.domain.review import Outcome, Stage
from cdss.errors import AlreadySignedError, ConflictError, UsageError
from cdss.ledger.kinds import Kind
from tests.ledger.hospital import memory_home

NUMBERS = st.sampled_from([SETTLING, FLAGGED, OUTSIDE, NO_NUMBER])
PEOPLE = st.sampled_from(["marlow", "altamira", "vantongeren"])
REFUSED = (UsageError, ConflictError, AccessDeniedError)
SETTLED = {Stage.SIGNED: "signed", Stage.COUNTERSIGNED: "countersigned", Stage.EXPIRED: "expired"}


class Ward(RuleBasedStateMachine):
    """Four cases, three people and a clock."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(memory_home())
        self.day = self.stack.enter_context(a_day(self.template, folder / "home"))
        self.people = {login: self.day.sign_in(login) for login in ("marlow", "altamira", "vantongeren")}
        self.results = 1.0
        self.cases = {number: self.day.cases[number] for number in (SETTLING, FLAGGED, OUTSIDE, NO_NUMBER)}

    def teardown(self) -> None:
        self.stack.close()

    def attempt(self, act: Callable[[], Any]) -> None:
        """Done, or refused with nothing recorded that is not about looking or signing in."""
        before = self.day.size
        try:
            act()
        except REFUSED:
            left = set(self.day.kinds(before))
            assert left <= {"case.opened", "case.viewed", "auth.ok", "auth.failed", "estimate.committed"}, left

    @rule(login=PEOPLE, number=NUMBERS, alive=st.integers(0, 100))
    def estimates(self, login: str, number: int, alive: int) -> None:
        self.attempt(lambda: self.day.estimate(self.people[login], self.cases[number], alive))

    @rule(login=PEOPLE, number=NUMBERS)
    def looks(self, login: str, number: int) -> None:
        who, case = self.people[login], self.cases[number]
        owes = self.day.case(case).has_number and not self.day.case(case).estimate_of(who.person.sub)
        view = self.day.hospital.look(who.person, case)
        if view.answer is not None and owes:
            assert view.stage is not Stage.RESULT, "a score was shown before the own estimate"

    @rule(login=PEOPLE, number=NUMBERS, outcome=st.sampled_from(list(Outcome)), behind=st.integers(0, 1))
    def decides(self, login: str, number: int, outcome: Outcome, behind: int) -> None:
        more = dict(EVERY_ACT[outcome])
        if outcome is Outcome.DEFERRED:
            more["until"] = f"{self.day.clock.at.isoformat()[:11]}23:59:00Z"
        version = self.day.case(self.cases[number]).version - behind
        self.attempt(lambda: self.day.decide(self.people[login], self.cases[number], outcome, version=version, **more))

    @rule(login=PEOPLE, number=NUMBERS)
    def signs(self, login: str, number: int) -> None:
        decided = self.day.case(self.cases[number]).decided
        if decided:
            entry = self.day.hospital.ports.store.entry(decided.seq)
            self.attempt(lambda: self.day.sign(self.people[login], self.cases[number], entry))

    @rule(login=st.sampled_from(["altamira", "vantongeren"]), number=NUMBERS, approve=st.booleans())
    def seconds(self, login: str, number: int, approve: bool) -> None:
        decided = self.day.case(self.cases[number]).decided
        if decided:
            entry = self.day.hospital.ports.store.entry(decided.seq)
            self.attempt(lambda: self.day.second(self.people[login], self.cases[number], entry, approve=approve))

    @precondition(lambda self: self.results < 4)
    @rule(number=NUMBERS)
    def a_result_comes(self, number: int) -> None:
        if number != NO_NUMBER:
            self.results += 0.1
            self.cases[number] = self.day.receive(number, creatinine=round(self.results, 1))

    @rule(hours=st.sampled_from([0.1, 14, 80]))
    def time_passes(self, hours: float) -> None:
        self.day.clock.pass_(hours=hours)
        self.day.hospital.catch_up()
        self.people = {login: self.day.sign_in(login) for login in self.people}

    @invariant()
    def the_board_and_the_projection_say_the_same(self) -> None:
        for case in self.day.hospital.ports.board.refresh().cases.values():
            state = self.day.hospital.ports.store.case_state(case.id)
            assert state is not None
            assert (state.version, state.decision) == (case.version, case.decided.leaf if case.decided else None)
            stage = case.stage("", self.day.hospital.now(), estimate_first=False)
            assert SETTLED.get(stage, state.status) == state.status, (stage, state)
            if case.signatures:
                assert case.decided is not None
                assert case.signatures[0].kind == Kind.SIGNOFF_SIGNED, "the author signs first"
                assert case.signatures[0].sub == case.decided.sub
                assert len({one.sub for one in case.signatures}) == len(case.signatures) <= 2
            firsts = {(one.sub, one.version): one for one in reversed(case.estimates)}
            for one in case.estimates:
                assert not one.combined or firsts[one.sub, one.version] == one


def test_the_laws_hold_whatever_people_do(template: Path) -> None:
    Ward.template = template
    run_state_machine_as_test(Ward, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))


def together(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each gave, or how it was refused, when all act at one moment."""
    gate, found = threading.Barrier(len(acts)), [None] * len(acts)

    def act(place: int) -> None:
        gate.wait()
        try:
            found[place] = acts[place]()
        except (UsageError, ConflictError) as refused:
            found[place] = refused

    threads = [threading.Thread(target=act, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("number", [SETTLING, FLAGGED, FLAGGED_TOO, OUTSIDE, NO_NUMBER])
def test_several_people_open_one_case_at_one_moment(day: Day, number: int) -> None:
    people = [day.sign_in(login) for login in ("marlow", "altamira", "vantongeren", "thorsby")]
    found = together([lambda who=who: day.hospital.look(who.person, day.cases[number]) for who in people])
    assert [one for one in found if isinstance(one, Exception)] == []
    assert [one.kind for one in day.entries()].count("case.opened") == 1


def test_one_person_signs_in_two_windows_at_one_moment_and_signs_once(day: Day) -> None:
    marlow, again, case = day.sign_in(), day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    found = together([lambda who=who: day.sign(who, case, decided) for who in (marlow, again, marlow, again)])
    signed = [one for one in day.entries() if one.kind == "signoff.signed"]
    assert len(signed) == 1
    assert signed[0] in found
    assert all(one == signed[0] or isinstance(one, (AlreadySignedError, UsageError)) for one in found)


def test_two_people_decide_at_one_moment_and_one_of_them_is_told_to_look_again(day: Day) -> None:
    people, case = [day.sign_in(login) for login in ("marlow", "altamira")], day.cases[FLAGGED]
    for who in people:
        day.result(who, case)
    version = day.case(case).version
    found = together([lambda who=who: day.decide(who, case, version=version) for who in people])
    assert sorted(isinstance(one, ConflictError) for one in found) == [False, True], found


def test_two_feeds_send_one_bundle_at_one_moment_and_there_is_one_case(day: Day) -> None:
    marlow = day.sign_in()
    day.sign(marlow, day.cases[FLAGGED], day.decide(marlow, day.cases[FLAGGED]))
    before = set(day.hospital.ports.board.refresh().cases)
    found = together([lambda: day.receive(FLAGGED, creatinine=3.1) for _ in range(3)])
    new = set(day.hospital.ports.board.refresh().cases) - before
    assert len(new) == 1, found
