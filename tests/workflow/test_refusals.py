"""What is not allowed leaves nothing behind but the note that somebody tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from at_work import FLAGGED, FLAGGED_TOO, SETTLING, Day, rows

from cdss.access import (
    AccessDeniedError,
    LockedOutError,
    LoginNeededError,
    SessionExpiredError,
    WrongPasswordError,
    local_operator,
)
from cdss.demo.start import PASSWORD
from cdss.domain.review import Outcome, ReviewDecision, Stage
from cdss.errors import StaleDecisionError, UsageError

AUTH = {"auth.ok", "auth.failed", "auth.locked"}


def nothing_but_auth(day: Day, before: int) -> None:
    assert set(day.kinds(before)) <= AUTH


def used_proofs(day: Day) -> int:
    return int(rows(day.home, "SELECT count(*) FROM access_proof WHERE used_at IS NOT NULL")[0][0])


# ---- something newer came ------------------------------------------------------------------------------------------


def test_what_was_decided_on_an_older_answer_is_refused(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    shown = day.result(marlow, case).case.version
    day.receive(FLAGGED, creatinine=3.1)
    day.estimate(marlow, case)
    before = day.size
    with pytest.raises(StaleDecisionError):
        day.decide(marlow, case, version=shown)
    assert day.kinds(before) == []
    assert day.case(case).decided is None


@pytest.mark.parametrize("approve", [True, False])
def test_what_was_decided_on_an_older_answer_is_not_signed(day: Day, approve: bool) -> None:
    marlow, second, case, other = day.sign_in(), day.sign_in("vantongeren"), day.cases[FLAGGED], day.cases[FLAGGED_TOO]
    decided, foreign = day.decide(marlow, case), day.decide(marlow, other)
    day.receive(FLAGGED, creatinine=3.1)
    before = day.size
    with pytest.raises(StaleDecisionError, match="something newer"):
        day.sign(marlow, case, decided)
    with pytest.raises(StaleDecisionError):
        day.second(second, case, decided, approve=approve)
    with pytest.raises(StaleDecisionError):
        day.sign(marlow, case, foreign)
    assert day.size == before
    assert used_proofs(day) == 0


def test_a_changed_decision_is_another_one_to_sign(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    first = day.decide(marlow, case)
    second = day.decide(marlow, case, "deferred", version=day.case(case).version)
    with pytest.raises(StaleDecisionError):
        day.sign(marlow, case, first)
    assert day.sign(marlow, case, second).fields["sig"]["decision"] == second.leaf


# ---- twice ---------------------------------------------------------------------------------------------------------


def test_the_same_form_sent_twice_is_one_decision_and_one_signature(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    version = day.result(marlow, case).case.version
    first = day.decide(marlow, case, version=version)
    assert day.decide(marlow, case, version=version) == first
    signed = day.sign(marlow, case, first)
    before = day.size
    assert day.sign(marlow, case, first) == signed
    assert day.decide(marlow, case, version=version) == first
    assert day.size == before
    assert used_proofs(day) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"outcome": Outcome.DEFERRED, "plan": "CT", "until": "2026-03-14T15:30:00Z"},
        {"outcome": Outcome.ACCEPTED, "plan": "Hospice referral."},
        {"outcome": Outcome.ACCEPTED, "plan": "Family meeting tomorrow.", "note": "After the CT"},
    ],
)
def test_another_decision_is_never_taken_for_the_first(day: Day, other: dict[str, Any]) -> None:
    """The page is reloaded and the form filled in anew: it is refused, not answered with the decision before it."""
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    view = day.result(marlow, case)
    day.decide(marlow, case, version=view.case.version)
    before = day.size
    with pytest.raises(StaleDecisionError):
        day.hospital.decide(marlow.person, case, version=view.case.version, decision=ReviewDecision(**other))
    assert view.recommendation is not None
    outcome = other.pop("outcome").value
    with pytest.raises(StaleDecisionError):
        day.hospital.sign(view.recommendation, by=marlow, outcome=outcome, proof=PASSWORD, login="marlow", **other)
    assert day.size == before


def test_a_program_that_mistypes_the_password_can_try_again(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    what = {"by": marlow, "outcome": "accepted", "plan": "Family meeting.", "login": "marlow"}
    recommendation = day.result(marlow, case).recommendation
    assert recommendation is not None
    with pytest.raises(WrongPasswordError):
        day.hospital.sign(recommendation, proof="wrong horse battery", **what)
    assert day.stage(marlow, case) is Stage.DECIDED
    record = day.hospital.sign(recommendation, proof=PASSWORD, **what)
    assert record.receipt is not None
    assert record.receipt["proved"]
    assert [one.kind for one in day.entries()].count("decision.accepted") == 1


# ---- who -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["thorsby", "altamira", "vantongeren"])
def test_nobody_signs_anothers_decision(day: Day, login: str) -> None:
    marlow, other, case = day.sign_in(), day.sign_in(login), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    before = day.size
    with pytest.raises(AccessDeniedError, match="another person's decision"):
        day.sign(other, case, decided)
    assert day.size == before


def failing(day: Day, act: Callable[[], Any], error: type[Exception], decided: Any, case: str) -> None:
    before = day.size
    with pytest.raises(error):
        act()
    nothing_but_auth(day, before)
    assert day.case(case).signatures == ()
    assert day.case(case).decided is not None
    assert day.case(case).decided.leaf == decided.leaf
    assert used_proofs(day) == 0


def test_a_wrong_password_a_wrong_name_and_no_name_sign_nothing(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)

    def sign(**how: Any) -> Callable[[], Any]:
        return lambda: day.sign(marlow, case, decided, **how)

    failing(day, sign(password="demo hospital Ward"), WrongPasswordError, decided, case)
    failing(day, sign(password=""), WrongPasswordError, decided, case)
    failing(day, sign(login="thorsby"), WrongPasswordError, decided, case)
    failing(day, sign(login=None), LoginNeededError, decided, case)
    failing(day, sign(meaning="approved"), UsageError, decided, case)
    failing(day, sign(meaning="overridden"), UsageError, decided, case)
    assert day.sign(marlow, case, decided, login=" Marlow ").kind == "signoff.signed"


def test_the_second_signature_of_a_session_needs_the_password_alone(day: Day) -> None:
    marlow = day.sign_in()
    day.sign(marlow, day.cases[FLAGGED], day.decide(marlow, day.cases[FLAGGED]))
    other = day.cases[FLAGGED_TOO]
    decided = day.decide(marlow, other)
    with pytest.raises(WrongPasswordError):
        day.sign(marlow, other, decided, login=None, password="no")
    assert day.sign(marlow, other, decided, login=None).kind == "signoff.signed"


def test_five_wrong_passwords_lock_the_signer_out_and_end_the_session(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    for _ in range(4):
        failing(day, lambda: day.sign(marlow, case, decided, password="no"), WrongPasswordError, decided, case)
    failing(day, lambda: day.sign(marlow, case, decided, password="no"), LockedOutError, decided, case)
    failing(day, lambda: day.sign(marlow, case, decided), SessionExpiredError, decided, case)
    again = day.sign_in()
    failing(day, lambda: day.sign(again, case, decided), LockedOutError, decided, case)
    day.clock.pass_(minutes=16)
    late = day.sign_in()
    assert day.sign(late, case, decided).kind == "signoff.signed"


def test_a_session_left_alone_for_15_minutes_signs_nothing(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    day.clock.pass_(minutes=14, seconds=59)
    assert day.hospital.is_signed_in(marlow.token)
    day.clock.pass_(seconds=1)
    failing(day, lambda: day.sign(marlow, case, decided), SessionExpiredError, decided, case)
    assert day.hospital.identify(marlow.token) is None


@pytest.mark.parametrize("end", ["sign out", "disabled", "role taken away"])
def test_an_ended_session_signs_nothing(day: Day, end: str) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    if end == "sign out":
        day.hospital.sign_out(marlow.token)
    elif end == "disabled":
        day.hospital.ports.accounts.disable(local_operator("t"), "marlow")
    else:
        day.hospital.ports.accounts.change_roles(local_operator("t"), "marlow", ["trainee"])
    failing(day, lambda: day.sign(marlow, case, decided), SessionExpiredError, decided, case)


def test_a_forged_session_is_nobodys(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    forged = type(marlow)(token="A" * 43, person=marlow.person)
    failing(day, lambda: day.sign(forged, case, decided), SessionExpiredError, decided, case)
    for token in (None, "", "A" * 43):
        assert day.hospital.identify(token) is None


# ---- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "more"),
    [
        ("overridden", {}),
        ("overridden", {"reason": "because"}),
        ("overridden", {"reason": "other"}),
        ("overridden", {"reason": "other", "note": "  "}),
        ("accepted", {"reason": "other", "note": "x"}),
        ("deferred", {"plan": "CT"}),
        ("deferred", {"until": "2026-03-14T15:30:00Z"}),
        ("deferred", {"until": "tomorrow", "plan": "CT"}),
        ("deferred", {"until": "2026-03-14T15:30:00", "plan": "CT"}),
        ("accepted", {"until": "2026-03-14T15:30:00Z"}),
        ("accepted", {"knows": ("gossip",)}),
        ("accepted", {"note": "x" * 2001}),
    ],
)
def test_a_form_with_a_part_missing_or_too_much_decides_nothing(day: Day, outcome: str, more: dict[str, Any]) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    version = day.result(marlow, case).case.version
    before = day.size
    decision = ReviewDecision(outcome=Outcome(outcome), **more)
    with pytest.raises(UsageError) as refused:
        day.hospital.decide(marlow.person, case, version=version, decision=decision)
    assert day.size == before
    typed = [text for text in more.values() if isinstance(text, str) and len(text) > 5]
    assert not any(text in str(refused.value) for text in typed), "what was typed is not repeated"


def test_a_case_that_is_not_there_is_said_in_words(day: Day) -> None:
    marlow = day.sign_in()
    before = day.size
    for act in (
        lambda: day.hospital.look(marlow.person, "none"),
        lambda: day.hospital.record(marlow.person, "none"),
        lambda: day.hospital.report_problem(marlow.person, "none", "x"),
        lambda: day.hospital.sign_decision(marlow, "none", decision="0" * 64, meaning="reviewed", password=PASSWORD),
    ):
        with pytest.raises(UsageError, match="no such case"):
            act()
    with pytest.raises(UsageError, match="Nothing was decided"):
        day.hospital.record(marlow.person, day.cases[SETTLING])
    assert day.size == before
