"""A clinician's own estimate: asked as the combination was fitted, kept as asked, combined only where that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from at_work import FLAGGED, NO_NUMBER, RELEASE, SETTLING, Day, a_day, patients
from hypothesis import given, settings
from hypothesis import strategies as st

import cdss
from cdss.access import Role
from cdss.domain.assessment import RiskEstimate
from cdss.errors import StaleDecisionError, UsageError
from cdss.workflow.recording import risk_of
from tests.ledger.hospital import memory_home


@settings(max_examples=25)
@given(alive=st.integers(0, 100), number=st.integers(1, 33))
def test_it_is_kept_as_asked_and_the_team_is_what_the_model_makes_of_it(
    template: Path, alive: int, number: int
) -> None:
    """Of 100 such patients `alive` will be alive: the entry says so; look() gives the number of every other door."""
    model = cdss.load_model(RELEASE)
    with memory_home() as folder, a_day(template, folder / "home") as day:
        marlow, case, patient = day.sign_in(), day.cases[number], patients()[number]
        entry = day.estimate(marlow, case, alive)
        assert entry.fields["data"] == {
            "question": model.spec.team_question,
            "alive": str(alive), "version": "2", "treating": "yes", "seen": "no", "combined": "yes",
        }  # fmt: skip
        assert entry.fields["actor"]["sub"] == marlow.person.sub
        (folder / f"demo-{number:02}.json").write_bytes(patient.to_json())
        record = cdss.read(folder / f"demo-{number:02}.json")
        when = patient.index_time.isoformat()
        again = model.assess(record, when, encounter=patient.encounter, clinician_estimate=risk_of(alive))
        assert isinstance(again, RiskEstimate)
        shown = day.hospital.look(marlow.person, case).answer
        assert shown is not None
        assert shown == again.to_dict() | {"release_state": "live"}
        assert shown["team"]["clinician_estimate"] == min(0.99, max(0.01, 1 - alive / 100))
        assert shown["team"]["disagreement"] is (abs(risk_of(alive) - shown["probability"]) >= model.spec.disagreement)


@pytest.mark.parametrize("wrong", [-1, 101, 10**9, 50.0, 0.5, True, "50", None])
def test_no_other_answer_than_a_whole_number_from_0_to_100_is_taken(day: Day, wrong: Any) -> None:
    marlow, before = day.sign_in(), day.size
    with pytest.raises(UsageError, match="whole number from 0 to 100"):
        day.estimate(marlow, day.cases[FLAGGED], wrong)
    assert day.size == before


def test_a_second_estimate_stands_beside_the_first_and_moves_no_number(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    first = day.result(marlow, case, alive=20).answer
    entry = day.estimate(marlow, case, alive=90)
    assert (entry.fields["data"]["combined"], entry.fields["data"]["why"]) == ("no", "it is not your first estimate")
    view = day.hospital.look(marlow.person, case)
    assert view.answer == first
    assert [(one.number, one.alive, one.combined) for one in view.estimates] == [(1, 20, True), (2, 90, False)]


def team(day: Day, who: Any, case: str) -> dict[str, Any]:
    answer = day.hospital.look(who.person, case).answer
    assert answer is not None
    found: dict[str, Any] = answer["team"]
    return found


def kept_and_not_combined(day: Day, who: Any, case: str, why: str) -> None:
    """The estimate is on record with the reason, and there is a number of the machine but none of both together."""
    own = day.case(case).estimate_of(who.person.sub)
    assert own is not None
    assert (own.combined, own.why_not) == (False, why)
    found = team(day, who, case)
    assert (found["absent"], found["clinician_estimate"]) == (why, risk_of(own.alive))
    assert found.get("probability") is None


SEEN = "you had seen a score of this stay"
OTHERS = "it was fitted on estimates of treating attending physicians only"


def test_somebody_who_says_they_saw_a_score_is_not_combined(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.estimate(marlow, case, seen=True)
    kept_and_not_combined(day, marlow, case, SEEN)


def test_somebody_who_was_shown_a_score_is_not_combined_whatever_they_say(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.result(marlow, case)
    assert day.receive(FLAGGED, creatinine=3.1) == case
    day.estimate(marlow, case, seen=False)
    kept_and_not_combined(day, marlow, case, SEEN)
    thorsby = day.sign_in("thorsby")
    day.estimate(thorsby, case)
    assert team(day, thorsby, case)["probability"] is not None, "a colleague who saw none is"


def test_a_score_seen_in_an_earlier_case_of_the_same_patient_counts(day: Day) -> None:
    marlow, first = day.sign_in(), day.cases[FLAGGED]
    day.sign(marlow, first, day.decide(marlow, first))
    second = day.receive(FLAGGED, creatinine=3.1)
    assert second != first, "the first case is closed"
    day.estimate(marlow, second)
    kept_and_not_combined(day, marlow, second, SEEN)


@pytest.mark.parametrize("door", ["record", "frozen", "print_record"])
def test_a_score_read_in_a_decision_record_counts_as_seen(day: Day, door: str) -> None:
    """Vantongeren reads what Marlow decided; after the next result she gives an estimate of her own."""
    marlow, reader, first = day.sign_in(), day.sign_in("vantongeren"), day.cases[FLAGGED]
    day.sign(marlow, first, day.decide(marlow, first))
    before = day.size
    getattr(day.hospital, door)(reader.person, first)
    assert "case.viewed" in day.kinds(before), "that it was read is on record"
    second = day.receive(FLAGGED, creatinine=3.1)
    day.estimate(reader, second)
    kept_and_not_combined(day, reader, second, SEEN)


def test_a_trainees_estimate_is_kept_with_the_role_and_not_combined(day: Day) -> None:
    quill, case = day.sign_in("quill"), day.cases[FLAGGED]
    assert day.estimate(quill, case).fields["actor"]["role"] == Role.TRAINEE
    kept_and_not_combined(day, quill, case, OTHERS)


def test_an_estimate_of_somebody_not_treating_is_not_combined(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.estimate(marlow, case, treating=False)
    kept_and_not_combined(day, marlow, case, OTHERS)


def test_where_the_machine_gives_no_number_an_estimate_is_kept_all_the_same(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[NO_NUMBER]
    entry = day.estimate(marlow, case, 80)
    assert (entry.fields["data"]["alive"], entry.fields["data"]["why"]) == ("80", "the machine gave no number")
    view = day.hospital.look(marlow.person, case)
    assert view.answer == day.answer(case), "nothing was added to the abstention"


def test_a_form_older_than_the_newest_result_is_not_taken(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[SETTLING]
    shown = day.hospital.look(marlow.person, case).case.version
    day.receive(SETTLING, creatinine=2.2)
    before = day.size
    with pytest.raises(StaleDecisionError, match="something newer is on record"):
        day.hospital.commit_estimate(
            marlow.person, case, version=shown, alive=60, treating=True, seen_score=False
        )  # fmt: skip
    assert day.size == before
    assert day.case(case).estimates == ()
