"""The review of one case: look, commit an own estimate, see the answer, decide, sign. Each step is an entry first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select

from cdss.access import AccessDeniedError, Act, Person, Proof, SamePersonError, SignedIn, require, require_other
from cdss.domain.assessment import RiskEstimate, Team
from cdss.domain.instant import DAY, from_micros, instant_text, parse_index_time
from cdss.domain.recommendation import recommend
from cdss.domain.review import Outcome, ReviewDecision, Stage
from cdss.errors import StaleDecisionError, UsageError
from cdss.ledger.kinds import Actor, Attachment, Draft, Entry, Kind, SignOff
from cdss.ledger.schema import case_state, signature_slot
from cdss.workflow.assess import assess_rows
from cdss.workflow.board import Case, OwnEstimate
from cdss.workflow.intake import JSON, frozen_input
from cdss.workflow.ports import Ports, actor, as_json, vocabulary
from cdss.workflow.recording import CaseView, about_model, evidence_of, frozen, reliance_of, risk_of

_DECISIONS = {
    Outcome.ACCEPTED: Kind.DECISION_ACCEPTED,
    Outcome.OVERRIDDEN: Kind.DECISION_OVERRIDDEN,
    Outcome.DEFERRED: Kind.DECISION_DEFERRED,
    Outcome.NOT_APPLICABLE: Kind.DECISION_NOT_APPLICABLE,
}
_ENDED = "This review has ended as not reviewed; nothing was recorded. It opens again with a newer input."
POLICY_ACTOR = Actor(sub="system:policy", name="policy", role="service")


def find_case(ports: Ports, case_id: str) -> Case:
    """A case by its id.

    Raises
    ------
    UsageError
        If there is none.
    """
    case = ports.board.refresh().cases.get(case_id)
    if case is None:
        raise UsageError("There is no such case. Open it from the worklist.")
    return case


def look(ports: Ports, by: Person, case_id: str) -> CaseView:
    """What a person may see of a case now; that they see it is recorded first.

    Raises
    ------
    AccessDeniedError, SessionExpiredError
        If the role may not open cases.
    """
    person = require(by, Act.OPEN_CASE)
    case = find_case(ports, case_id)
    _note_opening(ports, person, case)
    stage = case.stage(person.sub, ports.now(), estimate_first=ports.policy.estimate_first)
    owed = case.hides_score_from(person.sub, estimate_first=ports.policy.estimate_first)
    hidden = not case.scored_version or (owed and stage in (Stage.FACTS, Stage.EXPIRED))
    if case.has_number and not hidden:
        _note(ports, person, case, "score")
        case = find_case(ports, case_id)
    return view_of(ports, person, case, stage, hidden=hidden)


def _note_opening(ports: Ports, person: Person, case: Case) -> None:
    name = f"open:{case.id}"
    if ports.store.find(name) is None:
        opened = Draft(kind=Kind.CASE_OPENED, actor=actor(person), case=case.id, subject=case.subject, idem=name)
        try:
            ports.store.append(opened)
        except UsageError:  # a colleague opened it at this very moment
            if ports.store.find(name) is None:
                raise
    _note(ports, person, case, "facts")


def _note(ports: Ports, person: Person, case: Case, shown: str) -> None:
    name = f"view:{case.id}:{case.scored_version}:{shown}:{person.session or person.sub}"
    if ports.store.find(name) is None:
        data = {"shown": shown}
        draft = Draft(
            kind=Kind.CASE_VIEWED, actor=actor(person), case=case.id, subject=case.subject, data=data, idem=name
        )
        ports.store.append(draft)


def view_of(ports: Ports, person: Person, case: Case, stage: Stage, *, hidden: bool) -> CaseView:
    """Put a view together; with `hidden`, nothing of any score is in it."""
    facts, patient = ports.blob_json(case.facts), ports.blob_json(case.head)
    model = ports.load(case.model) if case.model else None
    about = about_model(model, vocabulary()) if model else {}
    own = case.estimate_of(person.sub)
    mine = [one for one in case.estimates if one.sub == person.sub]
    if hidden or model is None:
        bare = replace(case, probability=None, previous=None, estimates=tuple(mine))
        return CaseView(
            case=bare, stage=stage, patient=patient, facts=facts, estimates=mine, answer=None, recommendation=None,
            evidence={}, reliance=(), effects=(), about=about,
        )  # fmt: skip
    answer = answer_of(ports, case, own)
    effects = _effects(ports, case) if case.has_number else []
    reliance = reliance_of(answer, facts, effects, ports.policy, ports.now()) if case.has_number else []
    return CaseView(
        case=case,
        stage=stage,
        patient=patient,
        facts=facts,
        estimates=[one for one in case.estimates if one.version == case.scored_version],
        answer=answer,
        recommendation=recommend(
            ports.policy, answer, case=case.id, version=case.version, asked=case.asked, due=case.due
        ),
        evidence=evidence_of(model, answer),
        reliance=reliance,
        effects=effects,
        about=about,
    )


def answer_of(ports: Ports, case: Case, own: OwnEstimate | None) -> dict[str, Any]:
    """The assessment on record, with the team's part where an own estimate was given.

    The team's number comes from assessing the frozen input again together with the estimate, so that it is the number
    every other door gives.
    """
    stored: dict[str, Any] = ports.blob_json(case.assessment)
    if own is None or stored["kind"] != "estimate":
        return stored
    model = ports.load(case.model)
    record, row = frozen_input(ports, case)
    again = assess_rows(model, record, [replace(row, clinician_estimate=risk_of(own.alive))])[0]
    if not isinstance(again, RiskEstimate) or again.id != stored["id"]:
        raise StaleDecisionError(case=case.id)
    if not own.combined and isinstance(again.team, Team):
        team = replace(again.team, probability=None, absent=own.why_not or "not combined")
        again = replace(again, team=team)
    return replace(again, release_state=stored["release_state"]).to_dict()


def _effects(ports: Ports, case: Case) -> list[dict[str, Any]]:
    entry = ports.store.entry(case.scored)
    name = next((ref["sha256"] for ref in entry.fields["refs"] if ref["role"] == "effects"), None)
    return [] if name is None else ports.blob_json(name)


def commit_estimate(
    ports: Ports, by: Person, case_id: str, *, version: int, alive: int, treating: bool, seen_score: bool
) -> Entry:
    """Record a person's own estimate, as asked: of 100 such patients, how many will be alive.

    Parameters
    ----------
    ports : Ports
    by : Person
    case_id : str
    version : int
        Of the case, as it was shown.
    alive : int
        0 to 100.
    treating : bool
        Whether the person is a treating attending physician of this patient.
    seen_score : bool
        Whether they have seen any score of this stay.

    Raises
    ------
    UsageError
        If the number is not whole and from 0 to 100.
    StaleDecisionError
        If something newer is on record than what was shown.
    """
    person = require(by, Act.COMMIT_ESTIMATE)
    if isinstance(alive, bool) or not isinstance(alive, int) or not 0 <= alive <= 100:
        raise UsageError("Enter a whole number from 0 to 100.")
    case = find_case(ports, case_id)
    why = _why_not_combined(ports, person, case, treating=treating, seen_score=seen_score)
    model = ports.load(case.model)
    mine = sum(one.sub == person.sub and one.version == case.scored_version for one in case.estimates)
    data = {
        "question": model.spec.team_question,
        "alive": str(alive),
        "version": str(case.scored_version),
        "treating": "yes" if treating else "no",
        "seen": "yes" if seen_score else "no",
        "combined": "no" if why else "yes",
        **({"why": why} if why else {}),
    }
    return ports.store.append(
        Draft(
            kind=Kind.ESTIMATE_COMMITTED, actor=actor(person), case=case.id, subject=case.subject, data=data,
            idem=f"estimate:{case.id}:{case.scored_version}:{person.sub}:{mine}:{version}", expects=version,
        )
    )  # fmt: skip


def _why_not_combined(ports: Ports, person: Person, case: Case, *, treating: bool, seen_score: bool) -> str | None:
    """Why an estimate is kept and not combined; None where it is what the combination was fitted on."""
    if not case.has_number:
        return "the machine gave no number"
    if case.estimate_of(person.sub):
        return "it is not your first estimate"
    before = (one for one in ports.board.cases.values() if one.subject == case.subject)
    if seen_score or any(person.sub in (one.seen or {}) for one in before):
        return "you had seen a score of this stay"
    if person.role not in ("clinician", "approver") or not treating:
        return "it was fitted on estimates of treating attending physicians only"
    return None


def decide(
    ports: Ports, by: Person, case_id: str, *, version: int, decision: ReviewDecision, sign: bool = False
) -> Entry:
    """Record a decision with the frozen copy of what was shown; a signature may still be needed.

    With `sign`, one is wanted even where the policy needs none.

    Raises
    ------
    UsageError
        If the decision leaves out what its outcome needs, or the case is not at this step.
    StaleDecisionError
        If something newer is on record than what was shown.
    """
    person = require(by, Act.DECIDE)
    words = vocabulary()
    needs_text = frozenset(code for code, row in words.reason.items() if row.get("needs_text"))
    decision.check(reasons=frozenset(words.reason), needs_text=needs_text, known=frozenset(words.knows))
    case = find_case(ports, case_id)
    now = ports.now()
    chosen = hashlib.sha256(repr((decision, sign)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    name = f"decide:{case.id}:{version}:{person.sub}:{chosen}"
    if done := ports.store.find(name):
        return done
    stage = case.stage(person.sub, now, estimate_first=ports.policy.estimate_first)
    if stage is Stage.FACTS:
        raise UsageError("Your own estimate comes first. Commit it, then decide.")
    if stage is Stage.EXPIRED:
        raise UsageError(_ENDED)
    if stage not in (Stage.RESULT, Stage.DECIDED):
        raise UsageError("This case is decided already. Open its record.")
    until = _deferred_until(ports, decision, now)
    view = view_of(ports, person, case, stage, hidden=False)
    if view.recommendation is None or decision.outcome not in view.recommendation.options:
        raise UsageError("The machine gives no estimate here to accept or override. Defer, or set it aside.")
    answer = view.answer or {}
    flag = bool(answer.get("flag", False))
    outside = sum(one["reason"] == "outside-training-range" for one in answer.get("findings", ()))
    if outside and decision.outcome is Outcome.ACCEPTED:
        raise UsageError(f"{outside} values lie outside what the machine has seen. Override or defer instead.")
    disagree = bool(answer.get("team", {}).get("disagreement"))
    if disagree and decision.outcome is Outcome.ACCEPTED and not (decision.plan + decision.note).strip():
        raise UsageError("You two disagree. Write in your plan what you make of that, then accept.")
    record = frozen(view, decision, case.estimate_of(person.sub), words, at=now, until=until)
    shown = as_json(record)
    data: dict[str, Any] = {
        "outcome": decision.outcome.value,
        "sign": "yes" if sign or ports.policy.needs_signature(decision.outcome, flag=flag) else "no",
        "second": "yes" if ports.policy.needs_second(decision.outcome, flag=flag) else "no",
        "shown": hashlib.sha256(shown).hexdigest(),
        "assessment": answer.get("id", ""),
        "policy": ports.policy.version,
        "knows": list(decision.knows),
        **({"reason": decision.reason} if decision.reason else {}),
        **({"until": decision.until} if decision.until else {}),
    }
    return ports.store.append(
        Draft(
            kind=_DECISIONS[decision.outcome], actor=actor(person), case=case.id, subject=case.subject, data=data,
            idem=name, expects=version,
        ),
        attach=[Attachment(role="record", data=shown, media_type=JSON)],
    )  # fmt: skip


def _deferred_until(ports: Ports, decision: ReviewDecision, now: int) -> str:
    if decision.until is None:
        return ""
    until = parse_index_time(decision.until)
    if until <= now:
        raise UsageError("The time to defer to lies in the past. Choose a later one.")
    if until > now + ports.policy.defer_at_most:
        days = ports.policy.defer_at_most // DAY
        raise UsageError(f"A deferral goes at most {days} days ahead. Choose an earlier time.")
    return f"{from_micros(until):%-d %b %Y %H:%M} UTC"


def sign(
    ports: Ports, by: SignedIn, case_id: str, *, decision: str, meaning: str, password: str, login: str | None = None
) -> Entry:
    """Sign the decision on record: prove once more who you are, and store it; only then is it signed.

    Parameters
    ----------
    ports : Ports
    by : SignedIn
    case_id : str
    decision : str
        The leaf of the decision entry, in hex, as it was shown.
    meaning : str
        A code of review.toml that fits the outcome.
    password : str
    login : str, optional
        Needed at the first signature of a session.

    Raises
    ------
    StaleDecisionError, AlreadySignedError
        If something newer is on record, or somebody was first; nothing was signed.
    WrongPasswordError, LoginNeededError, LockedOutError, SessionExpiredError
        If the proof of identity fails; nothing was signed.
    """
    person = require(ports.sessions.peek(by.token, ports.clock()), Act.SIGN)
    case = _to_sign(ports, case_id, decision)
    decided = case.decided
    if decided is None or decided.sub != person.sub:
        raise AccessDeniedError(role=person.role, act="sign another person's decision", remedy="Its author signs it.")
    if meaning not in vocabulary().meanings(decided.outcome.value):
        raise UsageError("Choose what your signature means.")
    if not decided.to_sign:
        raise UsageError("This decision needs no signature; it is recorded.")
    _still_live(ports, case)
    return _put_name(ports, by, person, case, Kind.SIGNOFF_SIGNED, meaning, password, login)


def second(
    ports: Ports,
    by: SignedIn,
    case_id: str,
    *,
    decision: str,
    approve: bool,
    password: str,
    login: str | None = None,
    why: str = "",
) -> Entry:
    """Sign as the second person, or refuse to; the first signer may not, from whichever account.

    Raises
    ------
    SamePersonError
        If the first signature is this person's; the attempt is recorded.
    """
    signer = ports.sessions.peek(by.token, ports.clock())
    case = _to_sign(ports, case_id, decision)
    if case.decided is None or not case.is_signed(Kind.SIGNOFF_SIGNED):
        raise UsageError("The author has not signed yet. A second signature comes after the first.")
    try:
        person = require_other(signer, Act.SECOND_SIGN, case.decided.sub)
    except SamePersonError:
        if signer is not None:
            data = {"what": "second sign", "cause": "same person"}
            refused = Draft(kind=Kind.AUTH_FAILED, actor=actor(signer), case=case.id, subject=case.subject, data=data)
            ports.store.append(refused)
        raise
    if not approve and not why.strip():
        raise UsageError("A refusal needs a reason. Write it, then refuse.")
    kind, meaning = (Kind.SECOND_SIGNED, "approved") if approve else (Kind.SIGNOFF_REJECTED, "rejected")
    attach = [] if approve else [Attachment(role="text", data=why.encode(), media_type="text/plain")]
    return _put_name(ports, by, person, case, kind, meaning, password, login, attach)


def _to_sign(ports: Ports, case_id: str, decision: str) -> Case:
    case = find_case(ports, case_id)
    if case.decided is None or case.decided.leaf != decision:
        raise StaleDecisionError(case=case.id)
    if case.expired:
        raise UsageError(_ENDED)
    return case


def _still_live(ports: Ports, case: Case) -> None:
    known = ports.board.models.get(case.model, {})
    if known.get("state") != "live":
        raise UsageError(
            f"{case.model} is {known.get('state', 'unknown')} now. Nothing was signed; review a newer answer."
        )


def _put_name(
    ports: Ports,
    by: SignedIn,
    person: Person,
    case: Case,
    kind: Kind,
    meaning: str,
    password: str,
    login: str | None,
    attach: list[Attachment] | None = None,
) -> Entry:
    decided = case.decided
    if decided is None:
        raise StaleDecisionError(case=case.id)
    name = f"sign:{decided.leaf}:{kind.value}:{person.sub}"
    if done := ports.store.find(name):
        return done
    proof = ports.proofs.prove(by.token, password, meaning=meaning, decision=decided.leaf, login=login)
    return ports.store.append(
        Draft(
            kind=kind, actor=actor(proof.person), case=case.id, subject=case.subject,
            data={"outcome": decided.outcome.value}, idem=name,
            sig=SignOff(decision=decided.leaf, version=decided.version, meaning=meaning),
        ),
        attach=attach or [],
        also=_use_up(ports, proof, person),
    )  # fmt: skip


def _use_up(ports: Ports, proof: Proof, person: Person) -> Callable[[Connection, Entry], None]:
    def also(connection: Connection, entry: Entry) -> None:
        ports.proofs.consume(connection, proof, person=person, meaning=proof.meaning, decision=proof.decision)

    return also


def amend(ports: Ports, by: SignedIn, case_id: str, text: str, *, password: str, login: str | None = None) -> Entry:
    """Add to a signed record; nothing of it is changed. Proved like a signature."""
    person = require(ports.sessions.peek(by.token, ports.clock()), Act.AMEND)
    case = find_case(ports, case_id)
    if case.decided is None or not text.strip():
        raise UsageError("An amendment adds words to a record that is there. Write them.")
    decision = case.decided.leaf
    proof = ports.proofs.prove(by.token, password, meaning="amended", decision=decision, login=login)
    kept = Attachment(role="text", data=text.encode(), media_type="text/plain")
    draft = Draft(
        kind=Kind.DECISION_AMENDED, actor=actor(proof.person), case=case.id, subject=case.subject,
        data={"decision": decision},
    )  # fmt: skip
    return ports.store.append(draft, attach=[kept], also=_use_up(ports, proof, person))


def report_problem(ports: Ports, by: Person, case_id: str, text: str) -> Entry:
    """Record that a score looks wrong to somebody who saw it."""
    person = require(by, Act.REPORT_PROBLEM)
    case = find_case(ports, case_id)
    if not text.strip():
        raise UsageError("Say in a few words what looks wrong.")
    kept = Attachment(role="text", data=text.encode(), media_type="text/plain")
    data = {"model": case.model, "scored": str(case.scored)}
    draft = Draft(kind=Kind.INCIDENT_REPORTED, actor=actor(person), case=case.id, subject=case.subject, data=data)
    return ports.store.append(draft, attach=[kept])


def expire(ports: Ports) -> int:
    """End the reviews that nobody did in time, each with an entry; return how many."""
    now, ended = ports.now(), 0
    for case in list(ports.board.refresh().cases.values()):
        ends = _ends(ports, case)
        if case.scored_version and ends <= now and not case.is_closed(now):
            data = {"expired": instant_text(ends), "model": case.model}
            draft = Draft(
                kind=Kind.RECOMMENDATION_EXPIRED, actor=POLICY_ACTOR, case=case.id, subject=case.subject, data=data,
                idem=f"expire:{case.id}:{case.version}", expects=case.version,
            )  # fmt: skip
            with suppress(StaleDecisionError):  # somebody acted at this very moment: then nothing has expired
                # A deferral that is due again was signed long ago: that signature ends no review.
                again = case.is_due_again(now) and case.is_signed(Kind.SIGNOFF_SIGNED)
                ports.store.append(draft, also=None if again else _unless_signed)
                ended += 1
    return ended


def _unless_signed(connection: Connection, entry: Entry) -> None:
    """Refuse an expiry if the newest decision of its case was signed meanwhile; signing raises no version."""
    here = (
        signature_slot.c.case_id == case_state.c.case_id,
        signature_slot.c.decision_version == case_state.c.version,
        case_state.c.case_id == entry.case,
    )
    if connection.scalar(select(func.count()).select_from(signature_slot).where(*here)):
        raise StaleDecisionError(case=str(entry.case))


def _ends(ports: Ports, case: Case) -> int:
    """When a review ends as not reviewed; one that was deferred has its time once more when it opens again."""
    decided = case.decided
    stands = decided and (case.is_signed(Kind.SIGNOFF_SIGNED) or not decided.to_sign)
    if not (decided and stands and decided.until):
        return case.expires
    return max(case.expires, decided.until + ports.policy.expires_after)
