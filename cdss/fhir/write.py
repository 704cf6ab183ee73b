"""Domain -> FHIR R4: a signed decision as RiskAssessment and Provenance, an entry of the ledger as AuditEvent.

Probabilities are 0 to 1 in the domain and percent in FHIR; this is the one place that multiplies. Every resource is
checked with fhir.resources before it is given out.
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cdss.domain.instant import instant_text, parse_duration, parse_index_time
from cdss.errors import IntegrityError, UsageError
from cdss.fhir.reference import BY_IDENTIFIER, relative_name

SCHEMA = 1
LEAF = "urn:cdss:leaf"
PERSON = "urn:cdss:person"
PSEUDONYM = "urn:cdss:pseudonym"
CASE = "urn:cdss:case"
KIND = "urn:cdss:kind"

Resource = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_ASTM = "urn:iso-astm:E1762-95:2013"
_ACT_REASON = f"{_TERMINOLOGY}/v3-ActReason"
_ENTITY_TYPE = f"{_TERMINOLOGY}/audit-entity-type"
_OBJECT_ROLE = f"{_TERMINOLOGY}/object-role"
_SOURCE_TYPE = f"{_TERMINOLOGY}/security-source-type"
_PARTICIPANT_TYPE = f"{_TERMINOLOGY}/provenance-participant-type"
_PARTICIPANT = {"author": "author", "second": "verifier"}
# What a signature attests, by its meaning, else by its slot.
_REVIEWED = "reviewed"
_ATTESTED = {
    _REVIEWED: ("1.2.840.10065.1.12.1.13", "Review Signature"),
    "author": ("1.2.840.10065.1.12.1.1", "Author's Signature"),
    "second": ("1.2.840.10065.1.12.1.5", "Verification Signature"),
}
_MODEL = "model"
_ID_LENGTH = 32
# Nine decimals of a probability: what is left out stays within half of 1e-9, and noise of binary floats does not show.
_PERCENT_STEP = Decimal("0.0000001")
_TOLERANCE = Decimal("0.000000001")
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_STAY = "stay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signature as the ledger holds it.

    Parameters
    ----------
    seq, leaf, at : int, str, str
        The entry that holds it: its number, its leaf in hex and its time.
    sub, name, role : str
        Who signed.
    meaning : str
        What the signer attested, in words.
    slot : str
        `author` or `second`.
    decision : str
        Leaf of the decision that was signed, in hex.
    value, key : str
        The Ed25519 signature in base64, and the id of the log's key that made it.
    """

    seq: int
    leaf: str
    at: str
    sub: str
    name: str
    role: str
    meaning: str
    slot: str
    decision: str
    value: str
    key: str


def resource_id(leaf: str) -> str:
    """The FHIR id of what an entry became, from its leaf: the same entry always has the same id."""
    return leaf[:_ID_LENGTH]


def percent(probability: object, place: str) -> Decimal:
    """A probability as FHIR writes it: 0.37 is 37, to seven decimals.

    Parameters
    ----------
    probability : int, float or Decimal
        0 to 1.
    place : str
        What to name in an error.

    Raises
    ------
    IntegrityError
        If it is no number from 0 to 1.
    """
    number = _decimal(probability)
    if not number.is_finite() or not 0 <= number <= 1:
        raise IntegrityError(f"{place}: a probability is not a number from 0 to 1. Nothing is written for it.")
    return (number * 100).quantize(_PERCENT_STEP).normalize() + 0


def risk_assessment(record: Mapping[str, Any], signature: Signed) -> Resource:
    """The RiskAssessment of a signed decision.

    Parameters
    ----------
    record : mapping
        The frozen decision record, schema 1; with `amendments` (`text`, `at`, `by`) where words were added later.
    signature : Signed
        The signature that made it count, the author's where there is one.

    Returns
    -------
    dict
        JSON of FHIR R4. An abstention has no prediction, and says that this does not mean a low risk.

    Raises
    ------
    IntegrityError
        If the record is of another schema, is not whole, names two patients, or holds a probability outside 0 to 1.
    """
    with _reading(record, signature.decision) as place:
        assessment = record["assessment"]
        estimate = assessment["kind"] == "estimate"
        if not estimate and assessment["kind"] != "abstention":
            raise IntegrityError(f"{place}: holds neither an estimate nor an abstention. Run cdss ledger verify.")
        predicted = {"prediction": [_prediction(assessment, place)]} if estimate else {}
        resource = {
            "resourceType": "RiskAssessment",
            "id": resource_id(signature.decision),
            **_meta(record),
            "contained": [_device(record)],
            "identifier": [{"system": LEAF, "value": signature.decision}],
            "status": "amended" if record.get("amendments") else "final",
            "method": {"text": f"XGBoost with calibration, {_model_name(assessment)}"},
            "code": {"text": record["model"]["title"]},
            "subject": _subject(record, place),
            "encounter": _reference(assessment["encounter"]) if assessment.get("encounter") else None,
            "occurrenceDateTime": assessment["index_time"],
            "performer": {"reference": f"#{_MODEL}"},
            "basis": [_reference(source) for source in _sources(assessment)],
            **predicted,
            "mitigation": record["decision"]["plan"],
            "note": _notes(record, signature, place),
        }
        written = _validated(resource, place)
        _check_prediction(written, assessment, place)
    return written


def provenance(record: Mapping[str, Any], signatures: Sequence[Signed], target: str) -> Resource:
    """The Provenance of a signed decision: who signed what, from which resources, with the signatures themselves.

    Parameters
    ----------
    record : mapping
        The frozen decision record, schema 1.
    signatures : sequence of Signed
        All on this decision, at least one.
    target : str
        What it is about, such as `RiskAssessment/<id>`.

    Raises
    ------
    UsageError
        If there is no signature.
    IntegrityError
        If the signatures are of several decisions, one cannot be read, or the record is not whole.
    """
    if not signatures:
        raise UsageError(f"{target}: has no signature, so there is nothing to attest. Sign the decision first.")
    decision = signatures[0].decision
    with _reading(record, decision) as place:
        if any(signed.decision != decision for signed in signatures):
            raise IntegrityError(f"{place}: a signature is of another decision. Run cdss ledger verify.")
        leaves = (decision, *(signed.leaf for signed in signatures))
        resource = {
            "resourceType": "Provenance",
            "id": resource_id(decision),
            **_meta(record),
            "contained": [_device(record)],
            "target": [{"reference": target}],
            "occurredDateTime": record["at"],
            "recorded": max(signed.at for signed in signatures),
            "agent": [*(_signer(signed, place) for signed in signatures), _assembler()],
            "entity": [
                *({"role": "source", "what": _reference(source)} for source in _sources(record["assessment"])),
                *({"role": "source", "what": _identified(LEAF, leaf)} for leaf in leaves),
            ],
            "signature": [_signature(signed, place) for signed in signatures],
        }
        return _validated(resource, place)


def audit_event(entry: Mapping[str, Any]) -> Resource:
    """The AuditEvent of one entry of the ledger; the patient stays a pseudonym.

    Parameters
    ----------
    entry : mapping
        The fields of the body, and `leaf`.

    Raises
    ------
    UsageError
        If the kind is not known to this version.
    """
    place = f"entry {entry['seq']}"
    known = _audit()["kind"].get(entry["kind"])
    if known is None:
        raise UsageError(f"{place}: of a kind this version does not know. Export with the version that wrote it.")
    actor = entry["actor"]
    person = [{"type": _code(_ENTITY_TYPE, "1", "Person"), "role": _code(_OBJECT_ROLE, "1", "Patient"),
               "what": _identified(PSEUDONYM, entry["subject"])}] if entry.get("subject") else []  # fmt: skip
    things = [(CASE, entry["case"])] if entry.get("case") else []
    resource = {
        "resourceType": "AuditEvent",
        "id": resource_id(entry["leaf"]),
        "type": _audit_code(known["type"]),
        "subtype": [
            {"system": KIND, "code": entry["kind"]},
            *([_audit_code(known["subtype"])] if "subtype" in known else []),
        ],
        "action": known["action"],
        "recorded": entry["at"],
        "outcome": known.get("outcome", "0"),
        "agent": [
            {
                "role": [{"text": actor["role"]}],
                "who": {**_identified(PERSON, actor["sub"]), "display": actor["name"]},
                "name": actor["name"],
                "requestor": True,
            }
        ],
        "source": {
            "observer": {"display": entry["log"]},
            "type": [_code(_SOURCE_TYPE, "4", "Application Server")],
        },
        "entity": [
            *person,
            *(
                {"type": _code(_ENTITY_TYPE, "2", "System Object"), "what": _identified(system, value)}
                for system, value in (*things, (LEAF, entry["leaf"]))
            ),
        ],
    }
    return _validated(resource, place)


def audit_kinds() -> frozenset[str]:
    """The kinds of entry that audit.toml has a row for."""
    return frozenset(_audit()["kind"])


@cache
def _audit() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("audit.toml").read_text("utf-8"))


def _audit_code(name: str) -> Resource:
    return _code(*_audit()["code"][name])


@contextmanager
def _reading(record: Mapping[str, Any], decision: str) -> Iterator[str]:
    """How to name this record in an error; what it lacks becomes an error of ours."""
    place = f"decision {decision[:16]}"
    if record.get("schema") != SCHEMA:
        raise IntegrityError(f"{place}: its record is not of schema {SCHEMA}. Use the version of cdss that wrote it.")
    try:
        yield place
    except KeyError as error:
        raise IntegrityError(f"{place}: its record has no {error.args[0]}. Run cdss ledger verify.") from None


def _decimal(number: object) -> Decimal:
    """A number as it is written; anything else is not a number."""
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        return Decimal("NaN")
    return Decimal(str(number))  # not Decimal(0.37), which is 0.36999...


def _code(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}


def _meta(record: Mapping[str, Any]) -> Resource:
    return {"meta": {"tag": [_code(_ACT_REASON, "HTEST", "test health data")]}} if record.get("synthetic") else {}


def _identified(system: str, value: str) -> Resource:
    return {"identifier": {"system": system, "value": value}}


def _person(sub: str, name: str) -> Resource:
    return {"type": "Practitioner", **_identified(PERSON, sub), "display": name}


def _reference(source: str) -> Resource:
    """A reference where the name is one; a resource without an id has only the place where it stood."""
    if source.startswith(BY_IDENTIFIER):
        system, _, value = source.removeprefix(BY_IDENTIFIER).partition("|")
        return _identified(system, value)
    return {"reference": source} if relative_name(source) else {"display": source}


def _subject(record: Mapping[str, Any], place: str) -> Resource:
    patient = record["patient"]
    if patient["reference"] != record["assessment"]["subject"]:
        raise IntegrityError(f"{place}: its record names two patients. Nothing is written for it.")
    known = patient.get("identifier") or {}
    identifier = _identified(known["system"], known["value"]) if known.get("value") else {}
    return {**_reference(patient["reference"]), "type": "Patient", **identifier}


def _model_name(assessment: Mapping[str, Any]) -> str:
    return f"{assessment['model']['name']} {assessment['model']['version']}"


def _device(record: Mapping[str, Any]) -> Resource:
    model = record["assessment"]["model"]
    return {
        "resourceType": "Device",
        "id": _MODEL,
        "identifier": [{"system": "urn:cdss:model", "value": model["digest"]}],
        "deviceName": [{"name": model["name"], "type": "other"}],
        "version": [{"value": model["version"]}],
    }


def _sources(assessment: Mapping[str, Any]) -> list[str]:
    """The resources an explanation rests on, each once, in the order they are named."""
    contributions = assessment.get("explanation", {}).get("contributions", ())
    return list(dict.fromkeys(source for contribution in contributions for source in contribution["sources"]))


def _prediction(assessment: Mapping[str, Any], place: str) -> Resource:
    start, horizon, interval = assessment["index_time"], assessment["horizon"], assessment["interval"]
    # How long a stay will last is not known when it is asked about.
    end = None if horizon == _STAY else instant_text(parse_index_time(start) + parse_duration(horizon))
    low, high = (_rounded(interval[bound]) for bound in ("low", "high"))
    return {
        "outcome": {"text": assessment["outcome"]},
        "probabilityDecimal": percent(assessment["probability"], place),
        "qualitativeRisk": {"text": assessment["band"]},
        "whenPeriod": {"start": start, "end": end},
        "rationale": f"{_rounded(interval['level'])} interval {low} to {high} ({interval['method']})",
    }


def _rounded(probability: float) -> str:
    return f"{probability * 100:.3g} %"


def _check_prediction(written: Resource, assessment: Mapping[str, Any], place: str) -> None:
    found = [_decimal(one["probabilityDecimal"]) for one in written.get("prediction", ())]
    wanted = [_decimal(assessment["probability"])] if assessment["kind"] == "estimate" else []
    close = len(found) == len(wanted) and all(
        0 <= one <= 100 and abs(one / 100 - other) <= _TOLERANCE for one, other in zip(found, wanted, strict=True)
    )
    if not close:
        raise IntegrityError(f"{place}: the risk as written is not that of the estimate. Nothing is written for it.")


def _notes(record: Mapping[str, Any], signature: Signed, place: str) -> list[Resource]:
    assessment, author = record["assessment"], _person(signature.sub, signature.name)
    by_signer = {"authorReference": author, "time": record["at"]}
    together = assessment.get("team", {}).get("probability")
    notes = [
        {**by_signer, "text": record["statement"]},
        {**by_signer, "text": _decided(record["decision"])},
        {**by_signer, "text": record["decision"].get("note")},
        *(_amendment(amendment) for amendment in record.get("amendments", ())),
        *(_own_estimate(estimate, place) for estimate in record["estimates"]),
        *([{"text": f"Clinician and model together: {_rounded(together)}"}] if together is not None else ()),
        *([{"text": _no_estimate(assessment)}] if assessment["kind"] == "abstention" else ()),
        {"text": f"The model is not for: {record['model']['not_for']}"},
    ]
    return [note for note in notes if note["text"] and note["text"].strip()]


def _decided(decision: Mapping[str, Any]) -> str:
    parts = [
        f"Decision: {decision['outcome']}",
        decision.get("reason_text") or decision.get("reason"),
        f"own risk band {decision['risk_band']}" if decision.get("risk_band") else None,
        f"until {decision['until']}" if decision.get("until") else None,
        f"knows of {', '.join(decision['knows'])}" if decision.get("knows") else None,
    ]
    return "; ".join(part for part in parts if part)


def _amendment(amendment: Mapping[str, Any]) -> Resource:
    by = amendment["by"]
    author = _person(by["sub"], by["name"])
    return {"authorReference": author, "time": amendment["at"], "text": f"Added later: {amendment['text']}"}


def _own_estimate(estimate: Mapping[str, Any], place: str) -> Resource:
    by = estimate["by"]
    risk = f"{percent(estimate['risk'], place):f} %"
    apart = "" if estimate["combined"] else f" Not combined with the model: {estimate['why_not']}."
    what = f"Own estimate {estimate['number']} ({by['role']}): risk {risk}."
    return {
        "authorReference": _person(by["sub"], by["name"]),
        "time": estimate["at"],
        "text": f"{what} Asked: {estimate['question']}{apart}",
    }


def _no_estimate(assessment: Mapping[str, Any]) -> str:
    reasons = " ".join(f"{reason['message']} {reason['remedy']}" for reason in assessment["reasons"])
    return f"The model made no estimate. This does not mean that the risk is low. {reasons}"


def _participant(code: str, display: str) -> Resource:
    return {"coding": [_code(_PARTICIPANT_TYPE, code, display)]}


def _signer(signed: Signed, place: str) -> Resource:
    if signed.slot not in _PARTICIPANT:
        raise IntegrityError(f"{place}: entry {signed.seq} signs in no slot that is known. Run cdss ledger verify.")
    participant = _PARTICIPANT[signed.slot]
    return {
        "type": _participant(participant, participant.title()),
        "role": [{"text": signed.role}],
        "who": _person(signed.sub, signed.name),
    }


def _assembler() -> Resource:
    return {"type": _participant("assembler", "Assembler"), "who": {"reference": f"#{_MODEL}"}}


def _signature(signed: Signed, place: str) -> Resource:
    attests = _REVIEWED if signed.meaning == _REVIEWED and signed.slot == "author" else signed.slot
    try:
        base64.b64decode(signed.value, validate=True)
    except (binascii.Error, ValueError):
        raise IntegrityError(f"{place}: the signature of entry {signed.seq} is not base64.") from None
    return {
        "extension": [
            {"url": "urn:cdss:meaning", "valueString": signed.meaning},
            {"url": "urn:cdss:key", "valueString": signed.key},
        ],
        "type": [_code(_ASTM, *_ATTESTED[attests])],
        "when": signed.at,
        "who": _person(signed.sub, signed.name),
        # Bare Ed25519 over a statement of the ledger, so neither JOSE nor a signature of this resource.
        "sigFormat": "application/octet-stream",
        "data": signed.value,
    }


def _clean(value: Any) -> Any:
    """Without what is blank, which FHIR forbids, and with characters FHIR text cannot hold replaced."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", value) if value.strip() else None
    if isinstance(value, Mapping):
        members = {name: _clean(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None} or None
    if isinstance(value, list):
        return [member for member in map(_clean, value) if member is not None] or None
    return value


def _validated(resource: Resource, place: str) -> Resource:
    kind = resource["resourceType"]
    try:
        written: Resource = get_fhir_model_class(kind).model_validate(_clean(resource)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"would not be valid FHIR at {kind}.{where} ({first['type']})"
        raise IntegrityError(f"{place}: {what}. Nothing is written for it.") from None
    return written
