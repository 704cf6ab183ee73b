"""A decision as it stands for ever: the frozen copy, what was added, its history, and the receipt that proves it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdss.access import Act, Person, require
from cdss.domain.review import Fate, Stage
from cdss.errors import IntegrityError, UsageError
from cdss.ledger.checkpoint import read_note
from cdss.ledger.kinds import Draft, Entry, Kind, Proof
from cdss.ledger.verify import root_of_path
from cdss.workflow.audit import act_words, record_number
from cdss.workflow.board import Case, Decided
from cdss.workflow.ports import Ports, actor, as_json
from cdss.workflow.review import find_case
from cdss.workflow.worklist import Row, row_of

_SETTLED = {Kind.SIGNOFF_SIGNED.value, Kind.SECOND_SIGNED.value, Kind.SIGNOFF_REJECTED.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """What a record page, a PDF and FHIR are made from.

    Parameters
    ----------
    case : Case
    decided : Decided
    stage : Stage
    fate : Fate
    number : str
        `DR-YEAR-ENTRY`.
    record : mapping
        The frozen copy.
    history : sequence of mapping
        `at`, `act`, `by`, `seq` of each entry of the case.
    added : sequence of mapping
        Amendments and reported problems: `at`, `by`, `what`, `text`.
    receipt : mapping or None
        None while nothing is signed.
    """

    case: Case
    decided: Decided
    stage: Stage
    fate: Fate
    number: str
    record: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    added: Sequence[Mapping[str, Any]]
    receipt: Mapping[str, Any] | None


def read_record(ports: Ports, by: Person, case_id: str) -> DecisionRecord:
    """The record of the newest decision of a case; that it was read is recorded first.

    Raises
    ------
    UsageError
        If nothing was decided in the case.
    IntegrityError
        If the frozen copy is not what the decision names.
    """
    person = require(by, Act.VIEW_RECORD)
    case = find_case(ports, case_id)
    decided = case.decided
    if decided is None:
        raise UsageError("Nothing was decided in this case yet. Open it from the worklist.")
    frozen = read_frozen(ports, person, case)
    case = find_case(ports, case_id)
    entries = list(ports.store.entries(case=case.id))
    number = record_number(decided.at, decided.seq)
    fate = case.fate(ports.now())
    return DecisionRecord(
        case=case,
        decided=decided,
        stage=case.stage(person.sub, ports.now(), estimate_first=ports.policy.estimate_first),
        fate=fate,
        number=number,
        record={**frozen, "number": number},
        history=[
            {"at": one.at, "act": act_words(one), "by": one.fields["actor"]["name"], "seq": one.seq} for one in entries
        ],
        added=_added(ports, entries, decided.leaf),
        receipt=_receipt(ports, case, number),
    )


def read_frozen(ports: Ports, person: Person, case: Case) -> Mapping[str, Any]:
    """The frozen copy for somebody to read; that they read it is recorded first, once a session."""
    seq = case.decided.seq if case.decided else 0
    name = f"view:{case.id}:{seq}:record:{person.session or person.sub}"
    if case.decided and ports.store.find(name) is None:
        viewed = Draft(
            kind=Kind.CASE_VIEWED, actor=actor(person), case=case.id, subject=case.subject, data={"shown": "record"},
            idem=name,
        )  # fmt: skip
        ports.store.append(viewed)
    return frozen_copy(ports, case)


def frozen_copy(ports: Ports, case: Case) -> Mapping[str, Any]:
    """The frozen copy of the newest decision of a case.

    Raises
    ------
    UsageError
        If nothing was decided.
    IntegrityError
        If the copy is not what the decision names.
    """
    decided = case.decided
    if decided is None:
        raise UsageError("Nothing was decided in this case yet. Open it from the worklist.")
    raw, _ = ports.store.get_blob(decided.record)
    if hashlib.sha256(raw).hexdigest() != ports.store.entry(decided.seq).fields["data"]["shown"]:
        raise IntegrityError(f"entry {decided.seq}: the frozen copy is not what was decided. Run cdss ledger verify.")
    found: Mapping[str, Any] = json.loads(raw)
    return found


def print_record(ports: Ports, person: Person, case_id: str) -> tuple[str, bytes]:
    """Number and PDF of a record; the entry export.made comes before the bytes are given out."""
    from cdss.paper import decision_pdf  # reportlab takes a third of a second to load

    found = read_record(ports, person, case_id)
    said = Draft(
        kind=Kind.EXPORT_MADE, actor=actor(person), case=found.case.id, subject=found.case.subject,
        data={"record": found.number, "form": "pdf"},
    )  # fmt: skip
    ports.store.append(said)
    return found.number, decision_pdf(
        {**found.record, "added": found.added, "fate": found.fate.value}, found.history, found.receipt
    )


def _added(ports: Ports, entries: Sequence[Entry], decision: str) -> list[dict[str, str]]:
    found = []
    for one in entries:
        body = one.fields
        amended = one.kind == Kind.DECISION_AMENDED and body["data"]["decision"] == decision
        refused = one.kind == Kind.SIGNOFF_REJECTED and body.get("sig", {}).get("decision") == decision
        if not (amended or refused or one.kind == Kind.INCIDENT_REPORTED):
            continue
        text = ports.store.get_blob(body["refs"][0]["sha256"])[0].decode()
        found.append({"at": one.at, "by": body["actor"]["name"], "what": act_words(one), "text": text})
    return found


def refusal_of(ports: Ports, case: Case) -> dict[str, str] | None:
    """Who refused the newest decision as second person, when, and why; None if nobody did."""
    refused = next((one for one in case.signatures if one.kind == Kind.SIGNOFF_REJECTED), None)
    if refused is None:
        return None
    refs = ports.store.entry(refused.seq).fields["refs"]
    why = ports.store.get_blob(refs[0]["sha256"])[0].decode() if refs else ""
    return {"by": refused.name, "at": refused.at, "why": why}


def _receipt(ports: Ports, case: Case, number: str) -> dict[str, Any] | None:
    if not case.signatures:
        return None
    last = case.signatures[-1]
    proof = ports.store.prove(last.seq)
    return {
        "number": number,
        "seq": last.seq,
        "size": proof.checkpoint.size,
        "at": last.at,
        "leaf": last.leaf,
        "root": proof.checkpoint.root,
        "checkpoint": proof.checkpoint.note,
        "path": list(proof.path),
        "proved": proof_holds(proof, ports.keys.log.public),
        "signatures": [
            {
                "seq": one.seq, "kind": one.kind, "sub": one.sub, "name": one.name, "role": one.role,
                "meaning": one.sig["meaning"], "at": one.at, "slot": one.sig.get("slot", ""), "key": one.sig["key"],
                "value": one.sig["value"],
            }
            for one in case.signatures
        ],
    }  # fmt: skip


def proof_holds(proof: Proof, public: str) -> bool:
    """Whether an entry's bytes lead to the root that the log's key has signed, by the verifier's own arithmetic."""
    size, root = read_note(proof.checkpoint.note, public)
    leaf = hashlib.sha256(b"\0" + proof.entry.body).digest()
    return root_of_path(leaf, proof.entry.seq - 1, size, [bytes.fromhex(step) for step in proof.path]) == root


def records_of(ports: Ports, heads: dict[str, dict[str, Any]], by: Person) -> list[Row]:
    """The cases with a decision, newest decision first."""
    person = require(by, Act.VIEW_RECORD)
    now = ports.now()
    found = [
        row_of(ports, heads, person, case, case.stage(person.sub, now, estimate_first=ports.policy.estimate_first))
        for case in ports.board.refresh().cases.values()
        if case.decided and (case.signatures or not case.decided.to_sign)
    ]
    return sorted(found, key=lambda row: row.decision or 0, reverse=True)


def replay(ports: Ports, case: Case) -> bool:
    """Whether assessing the frozen input again gives the very bytes that are on record."""
    from dataclasses import replace

    from cdss.workflow.assess import assess_rows
    from cdss.workflow.intake import frozen_input

    record, row = frozen_input(ports, case)
    again = replace(assess_rows(ports.load(case.model), record, [row])[0], release_state="live")
    return as_json(again.to_dict()) == ports.store.get_blob(case.assessment)[0]
