"""What a clinician is shown of an answer, in words, and the frozen copy of exactly that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cdss
from cdss.domain.instant import instant_text, parse_duration, parse_index_time
from cdss.domain.recommendation import Policy, Recommendation
from cdss.domain.review import Outcome, ReviewDecision, Stage
from cdss.risk.words import span_words
from cdss.workflow.board import Case, OwnEstimate
from cdss.workflow.model import Model
from cdss.workflow.ports import Vocabulary

_HOUR = 3_600_000_000

Parts = list[tuple[str, bool]]
"""A sentence in pieces, each with whether it is strong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """Everything a person may see of a case now; `answer` is None while the own estimate is still owed.

    Parameters
    ----------
    case : Case
    stage : Stage
    patient, facts : mapping
        As frozen when the input came.
    estimates : sequence of OwnEstimate
        The person's own; everybody's once the answer may be seen.
    answer : mapping or None
        The assessment in its public form, with the team's part.
    recommendation : Recommendation or None
    evidence : mapping
        What the release says of patients like this one.
    reliance : sequence of mapping
        `ok`, `text` and `detail`: what speaks for and against relying on the number here.
    effects : sequence of mapping
        Between which risks any plausible value of what was not measured would put the patient.
    about : mapping
        What the release is for and not for.
    refusal : mapping or None
        `by`, `at` and `why`, if a second person refused the newest decision.
    alerts : sequence of str
        `same surname`, `same birth date`: another open case could be taken for this one.
    """

    case: Case
    stage: Stage
    patient: Mapping[str, Any]
    facts: Mapping[str, Any]
    estimates: Sequence[OwnEstimate]
    answer: Mapping[str, Any] | None
    recommendation: Recommendation | None
    evidence: Mapping[str, Any]
    reliance: Sequence[Mapping[str, Any]]
    effects: Sequence[Mapping[str, Any]]
    about: Mapping[str, Any]
    refusal: Mapping[str, str] | None = None
    alerts: Sequence[str] = ()


def of_100(probability: float) -> int:
    """How many of 100."""
    return round(probability * 100)


def about_model(model: Model, vocabulary: Vocabulary) -> dict[str, Any]:
    """What a screen says of a release; the event in words, the question, the bands."""
    spec = model.spec
    horizon = "during this stay" if spec.horizon == "stay" else f"within {span_words(spec.horizon)}"
    return {
        "name": spec.name,
        "version": spec.version,
        "digest": model.reference.digest,
        "title": spec.title,
        "population": " ".join(spec.population.split()),
        "intended_use": spec.intended_use,
        "not_for": spec.not_for,
        "question": spec.team_question,
        "horizon": horizon,
        "event": dict(vocabulary.event[spec.outcome]),
        "bands": [{"name": band.name, "low": band.low} for band in spec.bands],
        "threshold": spec.threshold,
        "disagreement": spec.disagreement,
        "groups": [label for feature in spec.features for _, label in feature.categories],
    }


def evidence_of(model: Model, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the release's own evaluation says of this band, of disagreement, and of patients without a number."""
    evaluation = json.loads((model.path / "evaluation.json").read_bytes())
    found: dict[str, Any] = {}
    for band in evaluation["bands"]:
        if band["name"] == answer.get("band"):
            rate = band["observed"]
            found["band"] = {"n": band["n"], "rate": rate["value"], "low": rate["low"], "high": rate["high"]}
    disagree = evaluation["team"].get("disagree")
    if disagree:
        found["disagree"] = {who: disagree[who]["auroc"]["value"] for who in ("clinician", "machine", "team")}
    brier = {who: evaluation["team"]["all"][who]["brier"]["value"] for who in ("clinician", "machine", "team")}
    if brier["team"] < min(brier["clinician"], brier["machine"]):
        found["together"] = "Closest to what happened in the study, of the three (Brier score)"
    everyone = evaluation["machine"]
    found["all"] = {"n": everyone["n"], "rate": everyone["events"] / everyone["n"]}
    for reason in answer.get("reasons", ()):
        named = f"{reason['code']}: {reason['feature']}" if reason["code"] == "required-missing" else reason["code"]
        if row := evaluation["abstained"].get(named):
            found["abstained"] = {"n": row["n"], "rate": row["events"] / row["n"]}
            break
    return found


def reliance_of(
    answer: Mapping[str, Any], facts: Mapping[str, Any], effects: Sequence[Mapping[str, Any]], policy: Policy, now: int
) -> list[dict[str, Any]]:
    """What speaks for and against relying on a number for this patient, most important first."""
    notes: list[dict[str, Any]] = []

    def note(ok: bool, text: str, detail: str = "") -> None:
        notes.append({"ok": ok, "text": text, "detail": detail})

    note(True, "Patient fits the intended population")
    outside = [one["message"] for one in answer["findings"] if one["reason"] == "outside-training-range"]
    if outside:
        note(False, "Outside what the machine has seen", "; ".join(outside))
    else:
        note(True, f"All {facts['present']} values inside the range seen in training")
    note(answer["release_state"] == "live", f"Release {answer['model']['version']} is {answer['release_state']} here")
    if effects:
        low = min(of_100(one["low"]) for one in effects)
        high = max(of_100(one["high"]) for one in effects)
        names = ", ".join(one["label"] for one in effects)
        note(False, f"Not measured: {names}", f"Any one plausible value keeps it between {low} and {high}")
    old = [one["label"] for one in facts["facts"] if is_stale(one, policy, now)]
    if old:
        note(False, f"Old: {', '.join(old)}", "Older than this site expects of such a value")
    aside = sum(len(one.get("aside", ())) for one in facts["facts"])
    if aside:
        note(False, f"{aside} {'value was' if aside == 1 else 'values were'} put aside as not usable")
    other = [one for one in answer["findings"] if one["reason"] in ("other-patient", "source-parts-unused")]
    if other:
        note(False, "The record holds parts that could not be used or name another patient")
    note(False, "Not yet validated here", "Five US hospitals, 1989 to 1994")
    return notes


def is_stale(fact: Mapping[str, Any], policy: Policy, now: int) -> bool:
    """Whether a measured value is older than the policy expects of its group."""
    if fact["effective"] is None or fact["kind"] != "observation" or fact["group"] == "history":
        return False
    limit = policy.stale_after.get(fact["group"], policy.stale_after["other"])
    return now - parse_index_time(fact["effective"]) > limit


def statement(
    view: CaseView, decision: ReviewDecision, own: OwnEstimate | None, words: Vocabulary, until: str = ""
) -> Parts:
    """The sentence a signer puts their name to: that they reviewed it, their judgement, their act, their plan."""
    about, answer = view.about, view.answer or {}
    event, horizon = about["event"], about["horizon"]
    parts: Parts = [("I have reviewed this estimate and its inputs. ", False)]
    if answer.get("kind") == "abstention":
        parts = [("I have seen that the machine gives no estimate, and why. ", False)]
    if own is None:
        parts.append(("I have given no estimate of my own. ", False))
    else:
        parts.append(("My own judgement is ", False))
        parts.append((f"{100 - own.alive} of 100 {event['ask']} {horizon}", True))
        parts.append((". ", False))
    act = words.outcome[decision.outcome.value]["act"]
    machine = f"the machine’s {of_100(answer['probability'])} of 100" if "probability" in answer else "this case"
    parts.append(("I ", False))
    if decision.outcome is Outcome.NOT_APPLICABLE:
        parts += [("set aside ", True), (machine, False), (" as ", False), ("not applicable", True)]
        parts.append((" to this patient", False))
    elif decision.outcome is Outcome.ACCEPTED:
        says = words.outcome["accepted"]["says" if answer.get("flag") else "says_below"]
        parts += [(act, True), (f" {says}", False), (f", with {machine} before me", False)]
    else:
        parts += [(act, True), (f" {machine}", False)]
    if decision.reason:
        reason = words.reason[decision.reason]["words"]
        known = [words.knows[code].lower() for code in decision.knows]
        parts.append((", because ", False))
        parts.append((reason + (f" ({', '.join(known)})" if known else ""), True))
    elif decision.knows:
        known = [words.knows[code].lower() for code in decision.knows]
        parts.append((", knowing of ", False))
        parts.append((", ".join(known), True))
    if decision.note.strip():
        parts += [(": ", False), (decision.note.strip().rstrip("."), True)]
    if until:
        parts += [(" until ", False), (until, True)]
    parts.append((". ", False))
    if decision.plan.strip():
        parts += [("My plan is: ", False), (decision.plan.strip().rstrip("."), True), (".", False)]
    return parts


def plain(parts: Parts) -> str:
    """A statement as one text."""
    return "".join(text for text, _ in parts).strip()


def frozen(
    view: CaseView, decision: ReviewDecision, own: OwnEstimate | None, words: Vocabulary, *, at: int, until: str
) -> dict[str, Any]:
    """The decision record: what was shown, what was decided, in which words, by which rules."""
    parts = statement(view, decision, own, words, until)
    about = view.about
    return {
        "schema": 1,
        "case": view.case.id,
        "version": view.case.version,
        "synthetic": bool(view.patient.get("synthetic")),
        "patient": view.patient,
        "assessment": view.answer,
        "facts": view.facts,
        "effects": list(view.effects),
        "evidence": dict(view.evidence),
        "observed": view.evidence.get("band"),
        "reliance": list(view.reliance),
        "model": dict(about),
        "estimates": [estimate_dict(one, about["question"]) for one in view.estimates],
        "decision": {
            "outcome": decision.outcome.value,
            "outcome_text": words.label(decision.outcome.value, flag=bool((view.answer or {}).get("flag"))),
            "reason": decision.reason,
            "reason_text": words.reason[decision.reason]["label"] if decision.reason else "",
            "hl7": {"system": words.hl7_system, "code": words.reason[decision.reason].get("hl7")}
            if decision.reason
            else None,
            "knows": [words.knows[code] for code in decision.knows],
            "note": decision.note,
            "plan": decision.plan,
            "until": decision.until,
        },
        "statement": plain(parts),
        "statement_parts": [[text, strong] for text, strong in parts],
        "recommendation": None if view.recommendation is None else view.recommendation.id,
        "policy": None if view.recommendation is None else view.recommendation.policy,
        "software": f"cdss {cdss.__version__}",
        "answered_at": view.case.scored_at,
        "at": instant_text(at),
    }


def estimate_dict(one: OwnEstimate, question: str) -> dict[str, Any]:
    """A clinician's own estimate as the record keeps it."""
    return {
        "number": one.number,
        "alive": one.alive,
        "risk": risk_of(one.alive),
        "question": question,
        "at": one.at,
        "by": {"sub": one.sub, "name": one.name, "role": one.role},
        "combined": one.combined,
        "why_not": one.why_not,
    }


def risk_of(alive: int) -> float:
    """The probability of the event of an answer `alive of 100`, kept off 0 and 1 (models.md)."""
    return min(0.99, max(0.01, 1 - alive / 100))


def lookback_words(duration: str | None) -> str:
    """A look-back in words, `24 h`."""
    return "" if not duration else f"{parse_duration(duration) // _HOUR} h"
