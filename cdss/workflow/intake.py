"""A Bundle comes in: it is frozen, a case is opened for it, and the live model answers before anybody looks."""

from __future__ import annotations

import hashlib
import struct
import uuid
from dataclasses import replace
from typing import Any

import numpy as np

from cdss.domain.assessment import Abstention, RiskEstimate
from cdss.domain.instant import instant_text
from cdss.errors import InputRefusedError, UsageError
from cdss.features import build_features
from cdss.fhir.chart import Chart
from cdss.fhir.files import source_of
from cdss.fhir.read import read, subject_name
from cdss.ledger.kinds import Actor, Attachment, Draft, Kind, Ref
from cdss.record import PatientRecord
from cdss.risk.calibrate import expit
from cdss.workflow.assess import Scorer, assess_rows
from cdss.workflow.board import Case
from cdss.workflow.cohort import CohortRow
from cdss.workflow.facts import facts
from cdss.workflow.model import Model
from cdss.workflow.ports import Ports, as_json

JSON, FHIR_JSON = "application/json", "application/fhir+json"
_STEPS = 9


def receive(
    ports: Ports,
    content: bytes,
    *,
    name: str,
    subject: str,
    encounter: str | None,
    index_time: int,
    release: str,
    sender: Actor,
    due: int | None = None,
) -> str:
    """Take in a Bundle about one patient and put the question of a release to it.

    Parameters
    ----------
    ports : Ports
    content : bytes
        A FHIR Bundle.
    name : str
        What findings call the document.
    subject, encounter : str
        `Patient/ID`, and `Encounter/ID` or None.
    index_time : int
        Microseconds.
    release : str
        `name@version` of a live release.
    sender : Actor
    due : int, optional
        When a review is wanted; the policy says where the sender does not.

    Returns
    -------
    str
        The id of the case: the open one of this patient and stay, or a new one.

    Raises
    ------
    InputRefusedError
        If the input as a whole cannot be read; it is kept as input.quarantined.
    """
    subject = subject_name(subject)
    pseudonym = ports.keys.pseudonym(subject)
    try:
        record = read(source_of(content, name), subject=subject)
    except InputRefusedError as error:
        kept = Attachment(role="input", data=content, media_type=FHIR_JSON)
        draft = Draft(kind=Kind.INPUT_QUARANTINED, actor=sender, subject=pseudonym, data={"reason": error.reason})
        ports.store.append(draft, attach=[kept])
        raise
    model = ports.load(release)
    row = CohortRow(subject=subject, index_time=index_time, encounter=encounter)
    chart = Chart(content)
    frozen = facts(model.spec, _vector(model, record, row), record, chart)
    banner = chart.banner(subject, encounter).to_dict() | {"encounter": encounter, "synthetic": chart.synthetic}
    listed = {name: frozen[name] for name in ("newest", "present", "of", "group")}
    seen = {"head": banner | listed, "facts": frozen}
    known = _open_case(ports, pseudonym, encounter)
    if known and _is_answered(ports, known, content, index_time, release):
        return known.id
    case = known.id if known else _next_case(ports, pseudonym, encounter)
    now = ports.now()
    data = {
        "name": name,
        "index_time": instant_text(index_time),
        "release": release,
        "due": instant_text(now + ports.policy.review_within if due is None else due),
        "expires": instant_text(now + ports.policy.expires_after),
    }
    attach = [Attachment(role="input", data=content, media_type=FHIR_JSON)]
    attach += [Attachment(role=role, data=as_json(value), media_type=JSON) for role, value in seen.items()]
    digest = hashlib.sha256(content).hexdigest()
    ports.store.append(
        Draft(
            kind=Kind.INPUT_RECEIVED, actor=sender, case=case, subject=pseudonym, data=data,
            idem=f"input:{case}:{known.version if known else 0}:{digest}:{index_time}:{sender.sub}",
        ),
        attach=attach,
    )  # fmt: skip
    score(ports, case, record, row, release)
    return case


def score(ports: Ports, case: str, record: PatientRecord, row: CohortRow, release: str) -> None:
    """Let a live release answer, and record the answer with everything it rests on."""
    model = ports.load(release)
    board = ports.board.refresh()
    live = board.models.get(release, {})
    if live.get("state") != "live" or live.get("digest") != model.reference.digest:
        raise UsageError(f"{release}: the registry does not call this release live. Nothing was scored.")
    answer = replace(assess_rows(model, record, [row])[0], release_state="live")
    state = ports.store.case_state(case)
    version = state.version if state else 0
    attach = [Attachment(role="assessment", data=as_json(answer.to_dict()), media_type=JSON)]
    if isinstance(answer, RiskEstimate):
        attach.append(Attachment(role="effects", data=as_json(effects(model, record, row)), media_type=JSON))
    ports.store.append(
        Draft(
            kind=Kind.SCORE_MADE if isinstance(answer, RiskEstimate) else Kind.SCORE_ABSTAINED,
            actor=Actor(sub=f"model:{release}", name=model.reference.name, role=f"model {model.reference.version}"),
            case=case,
            subject=board.cases[case].subject,
            refs=(Ref("input", board.cases[case].bundle), Ref("manifest", live["manifest"])),
            data=_said(answer, release),
            idem=f"score:{case}:{version}:{answer.id}",
            expects=version,
        ),
        attach=attach,
    )


def _said(answer: RiskEstimate | Abstention, release: str) -> dict[str, Any]:
    said: dict[str, Any] = {"model": release, "assessment": answer.id, "inputs": answer.inputs_digest}
    if isinstance(answer, Abstention):
        return said | {"reasons": sorted({reason.code for reason in answer.reasons})}
    bits = struct.pack(">f", answer.probability).hex()
    return said | {"probability": repr(answer.probability), "float32": bits, "band": answer.band}


def _vector(model: Scorer, record: PatientRecord, row: CohortRow) -> Any:
    asked = [row.subject], [row.index_time], model.spec, [row.encounter]
    return build_features(record.events, record.patients, *asked).vector(0)


def _open_case(ports: Ports, pseudonym: str, encounter: str | None) -> Case | None:
    now = ports.now()
    for case in ports.board.refresh().cases.values():
        mine = case.subject == pseudonym and not case.is_closed(now)
        if mine and ports.blob_json(case.head)["encounter"] == encounter:
            return case
    return None


def _next_case(ports: Ports, pseudonym: str, encounter: str | None) -> str:
    """The id of a patient's next case: the same for all who ask at one moment, so that one stay has one open case."""
    before = sum(one.subject == pseudonym for one in ports.board.cases.values())
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{pseudonym}/{encounter or ''}/{before}").hex


def _is_answered(ports: Ports, case: Case, content: bytes, index_time: int, release: str) -> bool:
    """Whether the newest answer of a case is one to this very question, so that nothing new has come."""
    same = (case.index_time, case.model) == (index_time, release) and case.scored_version > 0
    return same and ports.store.get_blob(case.bundle)[0] == content


def effects(model: Model, record: PatientRecord, row: CohortRow) -> list[dict[str, Any]]:
    """For each value that was not measured: between which risks any value seen in training would put the patient.

    Returns
    -------
    list of dict
        `feature`, `label`, and `low` and `high` as probabilities.
    """
    built = build_features(record.events, record.patients, [row.subject], [row.index_time], model.spec, [row.encounter])
    found = []
    for at, feature in enumerate(model.spec.features):
        low, high = model.ranges[at]
        if not np.isnan(built.values[0, at]) or not low <= high:
            continue
        tried = np.repeat(built.values, _STEPS, axis=0)
        tried[:, at] = np.linspace(low, high, _STEPS)
        margins = model.machine.forest.margin(tried).tolist()
        risks = [expit(model.machine.calibrator.log_odds(margin)) for margin in margins]
        found.append({"feature": feature.name, "label": feature.label, "low": min(risks), "high": max(risks)})
    return found


def catch_up(ports: Ports) -> int:
    """Score the cases whose input is on record without an answer, as after a stop between the two."""
    waiting = [case for case in ports.board.refresh().cases.values() if case.bundle and not case.scored_version]
    for case in waiting:
        ask_again(ports, case)
    return len(waiting)


def ask_again(ports: Ports, case: Case) -> None:
    """Put the question of a case once more to the release it was meant for."""
    entry = next(one for one in reversed(list(ports.store.entries(case=case.id))) if one.kind == Kind.INPUT_RECEIVED)
    record, row = frozen_input(ports, case)
    score(ports, case.id, record, row, entry.fields["data"]["release"])


def frozen_input(ports: Ports, case: Case) -> tuple[PatientRecord, CohortRow]:
    """The record and the question of a case, read again from what was kept."""
    head = ports.blob_json(case.head)
    content = ports.store.get_blob(case.bundle)[0]
    record = read(source_of(content, case.bundle_name), subject=head["reference"])
    row = CohortRow(subject=head["reference"], index_time=case.index_time, encounter=head["encounter"])
    return record, row
