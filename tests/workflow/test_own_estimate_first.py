"""Nothing of any score reaches a clinician before their own estimate is on record."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from at_work import ESTIMATED, EVERY_ACT, FLAGGED, FLAGGED_TOO, NO_NUMBER, SETTLING, Day, bundle, parts

from cdss.domain.review import Outcome, Stage
from cdss.errors import UsageError
from cdss.workflow.worklist import Group


def secrets(answer: dict[str, Any]) -> dict[str, str]:
    """Every number of an answer as somebody could read it off, to eight characters."""
    found = {place: repr(value) for place, value in parts(answer) if isinstance(value, float)}
    kept = ("probability", "log_odds", "interval.low", "interval.high", "shap_value")
    shown = {place: value[:8] for place, value in found.items() if place.endswith(kept) and len(value) > 8}
    assert {".probability", ".log_odds", ".interval.low"} <= set(shown)
    return shown | {"float32": struct.pack(">f", answer["probability"]).hex(), "id": answer["id"]}


def leaks(shown: object, answer: dict[str, Any]) -> list[str]:
    """Which numbers of an answer, or whose names, stand in what was handed out."""
    found = list(parts(shown))
    text = repr(found) + json.dumps(found, default=repr)
    numbers = [place for place, secret in secrets(answer).items() if secret in text]
    names = ("probability", "interval", "log_odds", "band", "flag", "shap_value", "explanation", "team", "previous")
    return numbers + [
        place
        for place, value in found
        if place.rpartition(".")[2].rstrip("]0123456789[") in names and value is not None
    ]


def test_the_search_for_leaks_finds_one(day: Day) -> None:
    marlow = day.sign_in()
    view = day.result(marlow, day.cases[FLAGGED])
    assert len(leaks(view, day.answer(day.cases[FLAGGED]))) > 10
    (row,) = [row for row in day.hospital.worklist(marlow.person) if row.case == day.cases[FLAGGED]]
    assert leaks(row, day.answer(row.case))


@pytest.mark.parametrize("login", ["marlow", "quill", "vantongeren"])
def test_an_opened_case_shows_facts_and_nothing_of_any_score(day: Day, login: str) -> None:
    who = day.sign_in(login)
    for number in ESTIMATED:
        case = day.cases[number]
        view = day.hospital.look(who.person, case)
        assert (view.stage, view.answer, view.recommendation) == (Stage.FACTS, None, None)
        assert (view.evidence, list(view.reliance), list(view.effects), list(view.estimates)) == ({}, [], [], [])
        assert view.facts["present"] > 10
        assert leaks(view, day.answer(case)) == []
    assert not any(day.case(case).seen for case in day.cases.values()), "nobody is noted as having seen a score"


def test_the_worklist_shows_a_score_only_to_whom_it_is_open(day: Day) -> None:
    marlow, thorsby = day.sign_in("marlow"), day.sign_in("thorsby")
    day.estimate(marlow, day.cases[FLAGGED])
    for who, open_to in ((marlow, {day.cases[FLAGGED]}), (thorsby, set())):
        rows = [row for row in day.hospital.worklist(who.person) if row.group is not Group.NO_NUMBER]
        assert len(rows) == len(ESTIMATED)
        assert {row.case for row in rows if leaks(row, day.answer(row.case))} == open_to
        assert {row.case for row in rows if row.answer is not None} == open_to


def test_what_stands_on_the_worklist_is_not_sorted_by_a_hidden_risk(day: Day) -> None:
    rows = [row for row in day.hospital.worklist(day.sign_in().person) if row.group is Group.ESTIMATE]
    assert [(row.due, row.case) for row in rows] == sorted((row.due, row.case) for row in rows)


def test_a_draft_gives_back_what_was_typed_and_nothing_else(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    typed = {"alive": "70", "plan": "Ask the daughter"}
    assert day.hospital.draft(marlow.person, case, 2) == {}
    day.hospital.keep_draft(marlow.person, case, 2, typed)
    assert day.hospital.draft(marlow.person, case, 2) == typed
    assert day.hospital.draft(day.sign_in("thorsby").person, case, 2) == {}, "each has a draft of their own"
    assert day.hospital.draft(marlow.person, case, 3) == {}, "what was typed for something older is not offered"


def test_the_facts_hold_no_score_that_came_with_the_record(day: Day) -> None:
    found = json.loads(bundle(FLAGGED, creatinine=2.4))
    patient = next(one["resource"] for one in found["entry"] if one["resource"]["resourceType"] == "Patient")
    foreign = {
        "resourceType": "RiskAssessment", "id": "foreign", "status": "final",
        "subject": {"reference": f"Patient/{patient['id']}"},
        "prediction": [{"outcome": {"text": "death"}, "probabilityDecimal": 0.98713}],
    }  # fmt: skip
    found["entry"].append({"resource": foreign})
    case = day.receive(FLAGGED, json.dumps(found).encode())
    view = day.hospital.look(day.sign_in().person, case)
    assert view.stage is Stage.FACTS
    assert "0.98713" not in repr(list(parts(view)))


def test_one_clinicians_estimate_opens_the_score_to_nobody_else(day: Day) -> None:
    case = day.cases[FLAGGED]
    day.result(day.sign_in("marlow"), case, alive=37)
    view = day.hospital.look(day.sign_in("thorsby").person, case)
    assert leaks(view, day.answer(case)) == []
    assert "37" not in {str(value) for place, value in parts(view) if place.endswith("alive")}, "nor their number"


@pytest.mark.parametrize("number", [FLAGGED, SETTLING])
def test_nobody_decides_before_their_own_estimate(day: Day, number: int) -> None:
    case, marlow = day.cases[number], day.sign_in()
    before = day.size
    for outcome in Outcome:
        with pytest.raises(UsageError, match="own estimate comes first"):
            day.decide(marlow, case, outcome, version=2)
    assert day.size == before


def test_nor_does_a_colleague_who_decided_first_spare_them_their_own(day: Day) -> None:
    """Altamira has decided and not signed. Thorsby, who gave no estimate, neither sees the score nor decides anew."""
    case = day.cases[FLAGGED]
    day.decide(day.sign_in("altamira"), case)
    thorsby = day.sign_in("thorsby")
    view = day.hospital.look(thorsby.person, case)
    assert leaks(view, day.answer(case)) == []
    with pytest.raises(UsageError, match="own estimate comes first"):
        day.decide(thorsby, case, version=day.case(case).version)
    (row,) = [row for row in day.hospital.worklist(thorsby.person) if row.case == case]
    assert leaks(row, day.answer(case)) == []


def test_nor_does_a_deferral_put_the_score_on_a_colleagues_worklist(day: Day) -> None:
    case = day.cases[FLAGGED_TOO]
    marlow = day.sign_in("marlow")
    day.sign(marlow, case, day.decide(marlow, case, "deferred"))
    for who, sees in ((day.sign_in("thorsby"), False), (marlow, True)):
        (row,) = [row for row in day.hospital.worklist(who.person) if row.case == case]
        assert row.group is Group.DEFERRED
        assert bool(leaks(row, day.answer(case))) is sees


def test_that_a_score_was_shown_is_on_record_before_it_is_shown(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.estimate(marlow, case)
    before = day.size
    view = day.hospital.look(marlow.person, case)
    assert view.answer is not None
    shown = [one.fields["data"]["shown"] for one in day.entries(before + 1) if one.kind == "case.viewed"]
    assert shown == ["facts", "score"]
    again = day.size
    assert day.hospital.look(marlow.person, case).answer == view.answer
    assert day.size == again, "the same page drawn again is no second look"


def test_an_abstention_needs_no_estimate_and_says_why(day: Day) -> None:
    view = day.hospital.look(day.sign_in().person, day.cases[NO_NUMBER])
    assert view.stage is Stage.RESULT
    assert view.answer is not None
    assert [reason["code"] for reason in view.answer["reasons"]] == ["required-missing"]
    assert set(view.recommendation.options if view.recommendation else ()) == {Outcome.DEFERRED, Outcome.NOT_APPLICABLE}
    assert "probability" not in view.answer
    assert set(EVERY_ACT) == set(Outcome)
