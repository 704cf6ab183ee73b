"""A review from the first look to the last signature, each way it can go."""

from __future__ import annotations

import pytest
from at_work import (
    EVERY_ACT,
    FLAGGED,
    FLAGGED_TOO,
    NO_NUMBER,
    OUTSIDE,
    RELEASE,
    SETTLING,
    Day,
    bundle,
)  # fmt: skip

from cdss.access import Role, SamePersonError, local_operator
from cdss.demo.start import PASSWORD
from cdss.domain.review import Outcome, Stage
from cdss.errors import UsageError
from cdss.ledger.kinds import Kind
from cdss.workflow import registry
from cdss.workflow.decision_record import read_record
from cdss.workflow.worklist import Group

WEEK = "2026-03-21T09:00:00Z"


def test_accepted_and_signed_is_done_and_can_be_proved(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    before = day.size
    decided = day.decide(marlow, case)
    assert day.stage(marlow, case) is Stage.DECIDED
    signed = day.sign(marlow, case, decided)
    assert day.stage(marlow, case) is Stage.SIGNED
    assert day.kinds(before) == [
        "estimate.committed", "case.opened", "case.viewed", "case.viewed", "decision.accepted", "auth.ok",
        "signoff.signed",
    ]  # fmt: skip
    sig = signed.fields["sig"]
    assert (sig["decision"], sig["meaning"], sig["signer"]) == (decided.leaf, "reviewed", marlow.person.sub)
    record = day.hospital.record(marlow.person, case)
    assert record.receipt is not None
    assert (record.receipt["proved"], record.receipt["seq"]) == (True, signed.seq)
    assert case not in {row.case for row in day.hospital.worklist(marlow.person)}
    assert [row.case for row in day.hospital.records(marlow.person)] == [case]


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("number", [FLAGGED, SETTLING])
def test_what_is_signed_and_by_how_many_is_what_the_policy_says(day: Day, number: int, outcome: Outcome) -> None:
    """All of a flagged case is signed, an override of it by two; of the others only an override is, by one."""
    marlow, case = day.sign_in(), day.cases[number]
    flagged = number == FLAGGED
    decided = day.decide(marlow, case, outcome)
    overridden = outcome is Outcome.OVERRIDDEN
    said = {name: decided.fields["data"][name] for name in ("sign", "second")}
    assert said == {
        "sign": "yes" if flagged or overridden else "no",
        "second": "yes" if flagged and overridden else "no",
    }
    if said["sign"] == "no":
        assert day.stage(marlow, case) is Stage.NOTED
        with pytest.raises(UsageError, match="needs no signature"):
            day.sign(marlow, case, decided)
        return
    day.sign(marlow, case, decided)
    waiting = [row.case for row in day.hospital.waiting_for_second(day.sign_in("vantongeren").person)]
    assert waiting == ([case] if said["second"] == "yes" else [])


def test_a_signature_can_be_asked_for_where_the_policy_needs_none(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[SETTLING]
    decided = day.decide(marlow, case, sign=True)
    day.sign(marlow, case, decided)
    assert day.stage(marlow, case) is Stage.SIGNED


def test_an_override_of_a_flagged_estimate_takes_two_people(day: Day) -> None:
    marlow, second, case = day.sign_in(), day.sign_in("vantongeren"), day.cases[FLAGGED]
    decided = day.decide(marlow, case, "overridden")
    with pytest.raises(UsageError, match="author has not signed yet"):
        day.second(second, case, decided)
    day.sign(marlow, case, decided)
    entry = day.second(second, case, decided)
    assert (entry.kind, entry.fields["sig"]["meaning"], entry.fields["sig"]["slot"]) == (
        "second.signed", "approved", "second",
    )  # fmt: skip
    assert day.stage(marlow, case) is Stage.COUNTERSIGNED
    assert day.hospital.waiting_for_second(second.person) == []
    receipt = day.hospital.record(marlow.person, case).receipt
    assert receipt is not None
    assert [one["name"] for one in receipt["signatures"]] == ["Dr Ines Marlow", "Dr Orla Vantongeren"]


def test_a_refusal_by_the_second_person_opens_the_case_again_with_the_reason(day: Day) -> None:
    marlow, second, case = day.sign_in(), day.sign_in("vantongeren"), day.cases[FLAGGED]
    decided = day.decide(marlow, case, "overridden")
    day.sign(marlow, case, decided)
    before = day.size
    with pytest.raises(UsageError, match="refusal needs a reason"):
        day.second(second, case, decided, approve=False, why=" ")
    assert day.size == before
    entry = day.second(second, case, decided, approve=False)
    assert (entry.kind, entry.fields["sig"]["meaning"]) == ("signoff.rejected", "rejected")
    assert day.stage(marlow, case) is Stage.RESULT
    added = day.hospital.record(marlow.person, case).added
    assert [(one["by"], one["text"]) for one in added] == [("Dr Orla Vantongeren", "The plan is missing.")]
    again = day.decide(marlow, case, "overridden", reason="already-acted", plan="Palliative team sees her at 15:00")
    day.sign(marlow, case, again)
    day.second(second, case, again)
    assert day.stage(marlow, case) is Stage.COUNTERSIGNED
    assert decided.leaf != again.leaf


@pytest.mark.parametrize("way", ["other role", "other account", "author in the other role"])
def test_nobody_is_their_own_second_from_whichever_account_or_role(day: Day, way: str) -> None:
    case = day.cases[FLAGGED]
    author = day.sign_in("altamira", role="approver" if way == "author in the other role" else "clinician")
    decided = day.decide(author, case, "overridden")
    day.sign(author, case, decided)
    if way == "other account":
        add = day.hospital.ports.accounts.add
        name, roles = author.person.name, [Role.APPROVER]
        add(local_operator("t"), login="yuki", name=name, password=PASSWORD, roles=roles, person=author.person.sub)
    login, role = ("yuki", "approver") if way == "other account" else ("altamira", "approver")
    same = day.sign_in(login, role)
    before = day.size
    for approve in (True, False):
        with pytest.raises(SamePersonError, match="another person"):
            day.second(same, case, decided, approve=approve)
    tried = day.entries(before + 1)
    assert [(one.kind, one.fields["data"]["cause"]) for one in tried] == [("auth.failed", "same person")] * 2
    assert {one.case for one in tried} == {case}
    assert day.stage(author, case) is Stage.SIGNED
    day.second(day.sign_in("vantongeren"), case, decided)


def test_a_deferral_opens_again_when_its_time_comes_and_not_before(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case, "deferred")
    day.sign(marlow, case, decided)
    until = day.case(case).decided.until
    group = {True: Group.DEFERRED, False: Group.READY}
    for minutes, early in ((0, True), (349, True), (1, False), (60, False)):
        day.clock.pass_(minutes=minutes)
        assert (day.hospital.now() < until) is early
        (row,) = [row for row in day.hospital.worklist(marlow.person) if row.case == case]
        assert row.group is group[early]
    later = day.sign_in()
    assert day.stage(later, case) is Stage.RESULT
    again = day.decide(later, case, version=day.case(case).version)
    day.sign(later, case, again)
    assert day.stage(later, case) is Stage.SIGNED


def test_a_deferral_beyond_the_end_of_the_review_still_opens_again(day: Day) -> None:
    """A week is longer than the 72 h after which a review ends as not reviewed; this one was reviewed."""
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case, "deferred", plan="After the course of treatment", until=WEEK)
    day.sign(marlow, case, decided)
    day.clock.pass_(days=7)
    day.hospital.catch_up()
    later = day.sign_in()
    assert day.stage(later, case) is Stage.RESULT
    day.clock.pass_(hours=72)
    day.hospital.catch_up()
    assert day.stage(later, case) is Stage.EXPIRED, "nor does it stay open for ever"


def test_a_deferral_into_the_past_is_refused(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    for until in ("2026-03-14T09:40:00Z", "2026-03-13T00:00:00Z", "2026-03-14T09:40:00+02:00"):
        with pytest.raises(UsageError, match="lies in the past"):
            day.decide(marlow, case, "deferred", plan="CT", until=until)
    assert day.case(case).decided is None


@pytest.mark.parametrize("number", [FLAGGED, NO_NUMBER])
def test_not_applicable_is_an_end_too(day: Day, number: int) -> None:
    marlow, case = day.sign_in(), day.cases[number]
    decided = day.decide(marlow, case, "not-applicable")
    assert day.stage(marlow, case) is (Stage.DECIDED if number == FLAGGED else Stage.NOTED)
    assert decided.fields["data"]["outcome"] == "not-applicable"


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.OVERRIDDEN])
def test_where_there_is_no_number_there_is_nothing_to_accept_or_override(day: Day, outcome: Outcome) -> None:
    marlow, case = day.sign_in(), day.cases[NO_NUMBER]
    with pytest.raises(UsageError):
        day.decide(marlow, case, outcome)
    assert day.case(case).decided is None


def test_values_outside_what_the_machine_has_seen_cannot_be_accepted(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[OUTSIDE]
    with pytest.raises(UsageError, match="lie outside what the machine has seen"):
        day.decide(marlow, case)
    assert day.case(case).decided is None
    day.sign(marlow, case, day.decide(marlow, case, "overridden"))
    assert day.stage(marlow, case) is Stage.SIGNED


def test_an_amendment_adds_and_changes_nothing(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.sign(marlow, case, day.decide(marlow, case))
    before = day.hospital.record(marlow.person, case)
    text = "The daughter was called at 11:20."
    day.hospital.amend(marlow, case, text, password=PASSWORD)
    after = day.hospital.record(marlow.person, case)
    assert [(one["by"], one["text"]) for one in after.added] == [("Dr Ines Marlow", text)]
    assert (after.record, after.case.signatures, after.number) == (before.record, before.case.signatures, before.number)
    assert text.encode() not in (day.home / "cdss.db").read_bytes()
    with pytest.raises(UsageError, match="Write them"):
        day.hospital.amend(marlow, case, "  ", password=PASSWORD)


def test_a_problem_with_a_score_is_kept_with_the_case(day: Day) -> None:
    quill, case = day.sign_in("quill"), day.cases[FLAGGED]
    entry = day.hospital.report_problem(quill.person, case, "Weight is 700 kg?")
    assert entry.fields["data"] == {"model": RELEASE, "scored": str(day.case(case).scored)}
    assert "700" not in entry.body.decode()
    marlow = day.sign_in()
    day.decide(marlow, case)
    assert [one["text"] for one in read_record(day.hospital.ports, marlow.person, case).added] == ["Weight is 700 kg?"]
    with pytest.raises(UsageError, match="few words"):
        day.hospital.report_problem(quill.person, case, "\n")


def test_a_review_nobody_did_ends_as_not_reviewed_and_only_then(day: Day) -> None:
    marlow, done, undone = day.sign_in(), day.cases[FLAGGED], day.cases[FLAGGED_TOO]
    day.sign(marlow, done, day.decide(marlow, done))
    half = day.cases[SETTLING]
    decided = day.decide(marlow, half, sign=True)
    day.clock.pass_(hours=71, minutes=59)
    day.hospital.catch_up()
    assert "recommendation.expired" not in day.kinds(0)
    day.clock.pass_(minutes=1)
    day.hospital.catch_up()
    ended = [one for one in day.entries() if one.kind == "recommendation.expired"]
    assert {one.case for one in ended} == set(day.cases.values()) - {done}
    assert {one.fields["actor"]["sub"] for one in ended} == {"system:policy"}
    day.hospital.catch_up()
    assert len([one for one in day.entries() if one.kind == "recommendation.expired"]) == len(ended)
    late = day.sign_in()
    assert (day.stage(late, done), day.stage(late, undone)) == (Stage.SIGNED, Stage.EXPIRED)
    assert day.hospital.worklist(late.person) == []
    before = day.size
    with pytest.raises(UsageError):
        day.decide(late, undone, version=2)
    with pytest.raises(UsageError):
        day.sign(late, half, decided)
    assert day.size == before, "what has ended is neither decided nor signed"


def test_the_same_bundle_again_changes_nothing(day: Day) -> None:
    """A feed that sends twice neither wakes anybody up nor makes a decision stale."""
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    before = day.size
    assert day.receive(FLAGGED) == case
    assert day.size == before
    day.sign(marlow, case, decided)


def test_an_older_bundle_that_comes_back_is_a_newer_input(day: Day) -> None:
    """First one creatinine, then another, then the first again: the answer is that of what stands in the case."""
    case = day.cases[FLAGGED]
    first = day.answer(case)
    day.receive(FLAGGED, creatinine=3.1)
    other = day.answer(case)
    day.receive(FLAGGED)
    assert other["probability"] != first["probability"]
    assert day.answer(case) == first
    assert day.hospital.ports.store.get_blob(day.case(case).bundle)[0] != bundle(FLAGGED, creatinine=3.1)
    view = day.result(day.sign_in(), case)
    assert view.answer is not None
    assert view.answer["probability"] == first["probability"]


def test_a_release_that_was_retired_in_between_is_not_signed(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    approver = day.sign_in("vantongeren")
    model = day.hospital.ports.load(RELEASE)
    registry.change_state(day.hospital.ports, approver.person, Kind.MODEL_RETIRED, model, why="stop rule reached")
    before = day.size
    with pytest.raises(UsageError, match=r"is retired now\. Nothing was signed"):
        day.sign(marlow, case, decided)
    assert day.size == before
    with pytest.raises(UsageError, match="no release is live"):
        day.receive(SETTLING, creatinine=1.9)
    assert day.hospital.health()[0] is False
    assert day.hospital.record(marlow.person, case).record["decision"]["outcome"] == "accepted", "still readable"
    assert set(EVERY_ACT) == set(Outcome)
