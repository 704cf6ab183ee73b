"""The record of a decision: exactly what was shown, in words a signer can put their name to, and sealed by its hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from at_work import EVERY_ACT, FLAGGED, NO_NUMBER, PASSWORD, SETTLING, Day, a_day, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from cdss.domain.review import Outcome, ReviewDecision
from cdss.errors import IntegrityError
from cdss.workflow.ports import vocabulary
from cdss.workflow.recording import CaseView
from tests.ledger.hospital import memory_home

WORDS = vocabulary()
GOLDEN = {
    (FLAGGED, "accepted"): (
        "I have reviewed this estimate and its inputs. My own judgement is 40 of 100 die within 180 days. "
        "I accept the suggestion to add a conversation about goals of care, with the machine’s 87 of 100 before me. "
        "My plan is: Family meeting tomorrow."
    ),
    (FLAGGED, "overridden"): (
        "I have reviewed this estimate and its inputs. My own judgement is 40 of 100 die within 180 days. "
        "I override the machine’s 87 of 100, because my clinical judgement differs (frailty, patient's wish)."
    ),
    (FLAGGED, "deferred"): (
        "I have reviewed this estimate and its inputs. My own judgement is 40 of 100 die within 180 days. "
        "I defer the machine’s 87 of 100 until 14 Mar 2026 15:30 UTC. My plan is: CT of the head."
    ),
    (FLAGGED, "not-applicable"): (
        "I have reviewed this estimate and its inputs. My own judgement is 40 of 100 die within 180 days. "
        "I set aside the machine’s 87 of 100 as not applicable to this patient: Going home today."
    ),
    (NO_NUMBER, "deferred"): (
        "I have seen that the machine gives no estimate, and why. I have given no estimate of my own. "
        "I defer this case until 14 Mar 2026 15:30 UTC. My plan is: CT of the head."
    ),
    (NO_NUMBER, "not-applicable"): (
        "I have seen that the machine gives no estimate, and why. I have given no estimate of my own. "
        "I set aside this case as not applicable to this patient: Going home today."
    ),
}


def frozen_bytes(day: Day, entry: Any) -> bytes:
    name = next(ref["sha256"] for ref in entry.fields["refs"] if ref["role"] == "record")
    return day.hospital.ports.store.get_blob(name)[0]


def is_what_was_shown(record: dict[str, Any], view: CaseView) -> None:
    """Every part of the page is in the record, and the record has no other machine's number."""
    as_stored = json.loads(
        json.dumps({name: getattr(view, name) for name in ("patient", "facts", "evidence", "about")})
    )
    assert record["assessment"] == view.answer
    assert {name: record[name] for name in ("patient", "facts", "evidence")} | {"about": record["model"]} == as_stored
    assert (record["effects"], record["reliance"]) == (list(view.effects), list(view.reliance))
    assert [one["alive"] for one in record["estimates"]] == [one.alive for one in view.estimates]
    assert record["version"] == view.case.version
    assert view.recommendation is not None
    assert (record["recommendation"], record["policy"]) == (view.recommendation.id, view.recommendation.policy)


@pytest.mark.parametrize(("number", "outcome"), list(GOLDEN), ids=lambda value: str(value))
def test_the_statement_says_what_was_reviewed_judged_done_and_planned(day: Day, number: int, outcome: str) -> None:
    marlow, case = day.sign_in(), day.cases[number]
    view = day.result(marlow, case)
    entry = day.decide(marlow, case, outcome, version=view.case.version)
    kept = frozen_bytes(day, entry)
    record = json.loads(kept)
    assert record["statement"] == GOLDEN[number, outcome]
    assert "".join(text for text, _ in record["statement_parts"]).strip() == record["statement"]
    assert hashlib.sha256(kept).hexdigest() == entry.fields["data"]["shown"]
    is_what_was_shown(record, view)
    assert record["synthetic"] is True
    assert record["at"] == "2026-03-14T09:40:00Z"


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=200)


@settings(max_examples=25)
@given(
    outcome=st.sampled_from(list(Outcome)),
    knows=st.lists(st.sampled_from(sorted(WORDS.knows)), unique=True),
    reason=st.sampled_from(sorted(WORDS.reason)),
    note=texts, plan=texts, number=st.sampled_from([FLAGGED, SETTLING]), alive=st.integers(0, 100),
)  # fmt: skip
def test_whatever_is_typed_is_kept_as_typed_and_hashed_with_what_was_shown(
    template: Path, outcome: Outcome, knows: list[str], reason: str, note: str, plan: str, number: int, alive: int
) -> None:
    decision = ReviewDecision(
        outcome=outcome,
        knows=tuple(knows),
        reason=reason if outcome is Outcome.OVERRIDDEN else None,
        note=note if note.strip() else "x",
        plan=plan if plan.strip() else "x",
        until="2026-03-15T08:00:00+01:00" if outcome is Outcome.DEFERRED else None,
    )
    with memory_home() as folder, a_day(template, folder / "home") as day:
        marlow, case = day.sign_in(), day.cases[number]
        view = day.result(marlow, case, alive)
        entry = day.hospital.decide(marlow.person, case, version=view.case.version, decision=decision)
        kept = frozen_bytes(day, entry)
        assert hashlib.sha256(kept).hexdigest() == entry.fields["data"]["shown"]
        record = json.loads(kept)
        is_what_was_shown(record, view)
        said = record["decision"]
        assert (said["note"], said["plan"], said["outcome"]) == (decision.note, decision.plan, outcome.value)
        assert f"{100 - alive} of 100 die within 180 days" in record["statement"]
        assert decision.plan.strip().rstrip(".") in record["statement"]
        if said["reason"]:
            assert WORDS.reason[said["reason"]]["words"] in record["statement"]
            assert said["hl7"]["code"] == WORDS.reason[said["reason"]].get("hl7")
        assert day.hospital.frozen(marlow.person, case) == record


def test_what_comes_later_does_not_change_a_record(day: Day) -> None:
    """A colleague's estimate, a second of one's own, an amendment and a newer result: the copy stays as it was."""
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    entry = day.decide(marlow, case)
    first = frozen_bytes(day, entry)
    day.estimate(marlow, case, 5)
    day.estimate(day.sign_in("thorsby"), case, 95)
    day.sign(marlow, case, entry)
    day.hospital.amend(marlow, case, "Added.", password=PASSWORD)
    record = day.hospital.record(marlow.person, case).record
    assert {name: value for name, value in record.items() if name != "number"} == json.loads(first)
    day.receive(FLAGGED, creatinine=3.1)
    again = day.hospital.record(marlow.person, case)
    assert again.record == record


def test_the_history_names_each_step_in_order_and_who(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    day.sign(marlow, case, day.decide(marlow, case))
    history = day.hospital.record(marlow.person, case).history
    assert [(one["act"], one["by"]) for one in history] == [
        ("Input received, frozen", "demo hospital feed"),
        ("Estimate made", "serious-illness-180d"),
        ("Own estimate committed", "Dr Ines Marlow"),
        ("Case opened", "Dr Ines Marlow"),
        ("Case viewed", "Dr Ines Marlow"),
        ("Estimate shown", "Dr Ines Marlow"),
        ("Decision: accepted", "Dr Ines Marlow"),
        ("Signed", "Dr Ines Marlow"),
        ("Record read", "Dr Ines Marlow"),
    ]
    assert [one["seq"] for one in history] == sorted(one["seq"] for one in history)


def test_a_copy_that_is_not_what_was_decided_is_not_shown(day: Day) -> None:
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    entry = day.decide(marlow, case)
    name = next(ref["sha256"] for ref in entry.fields["refs"] if ref["role"] == "record")
    ((sealed,),) = rows(day.home, "SELECT ciphertext FROM blob WHERE sha256 = ?", name)
    day.broken = True
    rows(day.home, "DROP TRIGGER blob_no_update")
    rows(day.home, "UPDATE blob SET ciphertext = ? WHERE sha256 = ?", sealed[:-1] + bytes([sealed[-1] ^ 1]), name)
    for door in ("record", "frozen", "print_record"):
        with pytest.raises(IntegrityError, match="cdss ledger verify"):
            getattr(day.hospital, door)(marlow.person, case)
    assert day.findings()
    assert set(EVERY_ACT) == set(Outcome)


def test_names_notes_and_scores_stand_in_no_entry_and_not_in_the_clear(day: Day) -> None:
    """What tells who the patient is, and what was typed, is sealed; the chain holds pseudonyms and hashes alone."""
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    entry = day.decide(marlow, case, note="Xanthippe objects", plan="Call Xanthippe")
    day.sign(marlow, case, entry)
    stored = (day.home / "cdss.db").read_bytes()
    patient = day.hospital.frozen(marlow.person, case)["patient"]
    for secret in ("Xanthippe", patient["family"], patient["birth_date"], patient["identifier"]["value"]):
        assert secret.encode() not in stored
    assert PASSWORD.encode() not in stored
    assert marlow.token.encode() not in stored
