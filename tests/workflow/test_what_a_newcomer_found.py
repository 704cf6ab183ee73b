"""What somebody who had only the README ran into, each as a test."""

from __future__ import annotations

import pytest
from at_work import FLAGGED, FLAGGED_TOO, Day

from cdss.domain.review import Fate
from cdss.errors import UsageError
from cdss.workflow.audit import Filter


def refused(day: Day, case: str) -> None:
    """An override by Marlow, signed, that Vantongeren refuses."""
    marlow, other = day.sign_in(), day.sign_in("vantongeren")
    decided = day.decide(marlow, case, "overridden")
    day.sign(marlow, case, decided)
    day.second(other, case, decided, approve=False, why="The scan does not say that.")


def test_a_refused_decision_is_never_called_signed(day: Day) -> None:
    case = day.cases[FLAGGED]
    refused(day, case)
    marlow = day.sign_in()
    record = day.hospital.record(marlow.person, case)
    assert record.fate is Fate.REFUSED
    (row,) = [row for row in day.hospital.records(marlow.person) if row.case == case]
    assert row.fate is Fate.REFUSED
    number, content = day.hospital.print_record(marlow.person, case)
    assert number == record.number
    assert content.startswith(b"%PDF")


def test_the_author_is_told_who_refused_and_why(day: Day) -> None:
    case = day.cases[FLAGGED]
    refused(day, case)
    view = day.hospital.look(day.sign_in().person, case)
    assert view.refusal is not None
    assert (view.refusal["by"], view.refusal["why"]) == ("Dr Orla Vantongeren", "The scan does not say that.")


def test_an_old_refusal_is_not_added_to_the_decision_that_followed(day: Day) -> None:
    case = day.cases[FLAGGED]
    refused(day, case)
    marlow, other = day.sign_in(), day.sign_in("vantongeren")
    version = day.hospital.look(marlow.person, case).case.version
    again = day.decide(marlow, case, "overridden", version=version, reason="data-wrong", plan="Repeat it.")
    day.sign(marlow, case, again)
    day.second(other, case, again)
    record = day.hospital.record(marlow.person, case)
    assert record.fate is Fate.SIGNED_BY_TWO
    assert record.added == []
    assert day.hospital.look(marlow.person, case).refusal is None


def test_a_decision_that_waits_for_its_second_person_says_so(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.sign(marlow, case, day.decide(marlow, case, "overridden"))
    assert day.hospital.record(marlow.person, case).fate is Fate.WAITS


def test_accepting_against_ones_own_judgement_needs_words(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.estimate(marlow, case, 95)
    view = day.hospital.look(marlow.person, case)
    assert view.answer is not None
    assert view.answer["team"]["disagreement"]
    before = day.size
    with pytest.raises(UsageError, match="You two disagree"):
        day.decide(marlow, case, "accepted", version=view.case.version, plan=" ")
    assert day.size == before
    day.decide(marlow, case, "accepted", version=view.case.version, plan="The scan of today changes my mind.")


def test_a_deferral_goes_seven_days_ahead_at_most(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    version = day.result(marlow, case).case.version
    with pytest.raises(UsageError, match="at most 7 days"):
        day.decide(marlow, case, "deferred", version=version, plan="CT", until="2036-11-01T09:00:00Z")


def test_the_other_patient_of_the_same_name_is_named_where_one_signs(day: Day) -> None:
    marlow = day.sign_in()
    ruth, ronke = day.cases[12], day.cases[13]
    assert "same surname" in day.hospital.look(marlow.person, ruth).alerts
    assert "same surname" in day.hospital.look(marlow.person, ronke).alerts
    assert day.hospital.look(marlow.person, day.cases[FLAGGED_TOO]).alerts == []


def test_the_audit_finds_a_signature_by_record_number_and_a_patient_by_hospital_number(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.sign(marlow, case, day.decide(marlow, case, "overridden"))
    number = day.hospital.record(marlow.person, case).number
    auditor = day.sign_in("holmquay")
    acts = [one["act"] for one in day.hospital.audit(auditor.person, Filter(text=number)).entries]
    assert {"Signed", "Decision: overridden"} <= set(acts)
    head = day.hospital.ports.blob_json(day.case(case).head)
    for text in (head["identifier"]["value"], head["family"], f"{head['given']} {head['family']}"):
        found = day.hospital.audit(auditor.person, Filter(text=text)).entries
        assert found, text
        assert {one["subject"] for one in found} == {day.case(case).subject}


def test_a_signature_at_the_last_moment_is_not_ended_as_not_reviewed(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    before = day.case(case)
    day.sign(marlow, case, decided)
    with monkeypatch.context() as patched:  # what a clock tick sees that read the board a moment before the signature
        patched.setattr(type(before), "is_closed", lambda self, now: self.id != case)
        day.clock.pass_(hours=100)
        day.hospital.catch_up()
    assert not day.case(case).expired
    assert "recommendation.expired" not in [one.kind for one in day.hospital.ports.store.entries(case=case)]
