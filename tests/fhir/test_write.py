"""What leaves as FHIR says what was signed: percent of the same probability, no number where there was none."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bedside import bundle, patient, to_bytes
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st

import cdss
from cdss.errors import CdssError, IntegrityError, UsageError
from cdss.fhir import write
from cdss.fhir.write import Signed, audit_event, audit_kinds, percent, provenance, resource_id, risk_assessment
from cdss.ledger.kinds import Kind

LEAF, SECOND_LEAF, DECISION = "ab" * 32, "cd" * 32, "0123456789abcdef" * 4
HTEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
STATEMENT = "I have reviewed this estimate and its inputs."

AUTHOR = Signed(
    seq=8, leaf=LEAF, at="2026-03-14T09:47:13.000000Z", sub="u1", name="Amal Hussein", role="clinician",
    meaning=STATEMENT, slot="author", decision=DECISION, value=base64.b64encode(b"a" * 64).decode(), key="1f2e3d4c",
)  # fmt: skip
SECOND = replace(
    AUTHOR, seq=9, leaf=SECOND_LEAF, at="2026-03-14T10:02:00.000000Z", sub="u2", name="Ben Okafor", role="approver",
    slot="second", value=base64.b64encode(b"b" * 64).decode(),
)  # fmt: skip

HEAD: dict[str, Any] = {
    "schema": 1, "kind": "estimate", "id": "urn:uuid:00000000-0000-8000-8000-000000000001", "subject": "Patient/p1",
    "encounter": "Encounter/e1", "index_time": "2026-03-14T00:00:00Z",
    "model": {"name": "serious-illness-180d", "version": "1.0.0", "digest": "sha256:" + "5" * 64},
    "outcome": "death", "horizon": "P180D",
}  # fmt: skip
TAIL: dict[str, Any] = {"findings": [], "inputs_digest": "sha256:" + "6" * 64, "release_state": "live"}


def contribution(*sources: str) -> dict[str, Any]:
    return {"feature": "f", "label": "F", "value": 2.1, "unit": "1", "effective": None, "shap_value": 0.1,
            "sources": list(sources), "text": "..."}  # fmt: skip


ESTIMATE: dict[str, Any] = {
    **HEAD,
    "probability": 0.37,
    "interval": {"low": 0.29, "high": 0.46, "level": 0.9, "method": "bootstrap forests"},
    "log_odds": -0.532,
    "band": "high",
    "flag": True,
    "explanation": {
        "scale": "log-odds",
        "base_value": -0.12,
        "contributions": [
            contribution("Observation/c9"),
            contribution("Observation/o2", "Observation/c9"),
            contribution(),
            contribution("Patient/p1"),
        ],
    },
    "comparators": [],
    "team": {"clinician_estimate": 0.2, "probability": 0.28, "disagreement": False},
    **TAIL,
}
ABSTENTION: dict[str, Any] = {
    **HEAD,
    "kind": "abstention",
    "reasons": [{"code": "required-missing", "message": "Creatinine: nothing on record.", "remedy": "Measure it."}],
    **TAIL,
}
RECORD: dict[str, Any] = {
    "schema": 1,
    "case": "c1",
    "version": 3,
    "patient": {
        "reference": "Patient/p1", "family": "Musterfrau", "given": "Erika", "birth_date": "1957-03-02",
        "sex": "female", "identifier": {"system": "https://hospital.example/mrn", "value": "730418226"},
        "ward": "7B", "bed": "12", "attending": "Amal Hussein",
    },
    "assessment": ESTIMATE,
    "model": {"title": "Death within 180 days", "intended_use": "A conversation.", "not_for": "ICU triage."},
    "estimates": [
        {"number": 1, "alive": 80, "risk": 0.2, "question": "How many will be alive?", "at": "2026-03-14T09:43:02.5Z",
         "by": {"sub": "u1", "name": "Amal Hussein", "role": "clinician"}, "combined": True, "why_not": None},
        {"number": 2, "alive": 65, "risk": 0.35, "question": "How many will be alive?", "at": "2026-03-14T09:45:02Z",
         "by": {"sub": "u1", "name": "Amal Hussein", "role": "clinician"}, "combined": False,
         "why_not": "made after the score was seen"},
    ],
    "decision": {"outcome": "overridden", "reason": "clinical-judgement", "reason_text": "Clinical judgement differs",
                 "knows": ["imaging"], "note": "New mass on CT.", "plan": "Family meeting on Monday.", "until": None,
                 "risk_band": "middle"},
    "statement": STATEMENT,
    "at": "2026-03-14T09:47:12Z",
}  # fmt: skip


def told(**changes: Any) -> dict[str, Any]:
    """The record above; `probability=0.5` changes the estimate, `decision={...}` a part, the rest the record itself."""
    record = deepcopy(RECORD)
    for name, value in changes.items():
        if name in record["assessment"] and name != "model":
            record["assessment"][name] = value
        elif isinstance(record.get(name), dict) and isinstance(value, dict) and name != "assessment":
            record[name] |= value
        else:
            record[name] = value
    return record


def abstained() -> dict[str, Any]:
    return told(assessment=deepcopy(ABSTENTION))


def as_json(resource: dict[str, Any]) -> str:
    """What would be sent, after fhir.resources read it back."""
    text = json.dumps(resource)
    get_fhir_model_class(resource["resourceType"]).model_validate_json(text)
    return text


def texts(resource: dict[str, Any]) -> list[str]:
    return [note["text"] for note in resource["note"]]


# ---- percent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        pytest.param(0.37, "37", id="whole"),
        pytest.param(0.372, "37.2", id="one-decimal"),
        pytest.param(0.005, "0.5", id="below-one-percent"),
        pytest.param(0.07, "7", id="seven"),
        pytest.param(0.1 + 0.2, "30", id="noise-of-binary-floats"),
        pytest.param(0.123456789, "12.3456789", id="nine-decimals"),
        pytest.param(0, "0", id="zero"),
        pytest.param(1.0, "100", id="one"),
        pytest.param(1e-12, "0", id="next-to-zero"),
        pytest.param(Decimal("0.37"), "37", id="decimal"),
    ],
)
def test_a_probability_is_written_as_plain_percent(probability: Any, expected: str) -> None:
    written = as_json(risk_assessment(told(probability=probability), AUTHOR))
    shown = written.partition('"probabilityDecimal": ')[2].partition(",")[0]
    assert Decimal(shown) == Decimal(expected)
    assert shown in (expected, f"{expected}.0")


@given(probability=st.floats(0, 1))
def test_percent_is_a_hundred_times_the_probability(probability: float) -> None:
    (prediction,) = risk_assessment(told(probability=probability), AUTHOR)["prediction"]
    shown = prediction["probabilityDecimal"]
    assert 0 <= shown <= 100
    assert abs(shown / 100 - probability) <= 1e-9


@pytest.mark.parametrize("wrong", [-0.001, 1.001, 37, float("nan"), float("inf"), True, "0.37", None])
def test_what_is_no_probability_is_refused_and_not_shown(wrong: Any) -> None:
    with pytest.raises(IntegrityError, match="not a number from 0 to 1") as caught:
        risk_assessment(told(probability=wrong), AUTHOR)
    assert str(wrong) not in str(caught.value).replace("from 0 to 1", "")


def test_a_number_that_is_not_the_estimates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "percent", lambda probability, place: Decimal("37.001"))
    with pytest.raises(IntegrityError, match="not that of the estimate"):
        risk_assessment(told(), AUTHOR)


def test_percent_never_has_an_exponent() -> None:
    assert [f"{percent(value, 'x'):f}" for value in (1, 0.1, 1e-8)] == ["100", "10", "0.000001"]


# ---- the risk assessment --------------------------------------------------------------------------------------------


def test_a_signed_estimate_says_who_what_when_and_from_what() -> None:
    found = risk_assessment(told(), AUTHOR)
    as_json(found)
    assert found["id"] == resource_id(DECISION) == DECISION[:32]
    assert found["identifier"] == [{"system": "urn:cdss:leaf", "value": DECISION}]
    assert found["status"] == "final"
    assert found["subject"]["reference"] == "Patient/p1"
    assert found["subject"]["identifier"]["value"] == "730418226"
    assert found["encounter"] == {"reference": "Encounter/e1"}
    assert found["occurrenceDateTime"] == "2026-03-14T00:00:00Z"
    assert found["basis"] == [{"reference": name} for name in ("Observation/c9", "Observation/o2", "Patient/p1")]
    assert found["mitigation"] == "Family meeting on Monday."
    (prediction,) = found["prediction"]
    assert prediction["outcome"] == {"text": "death"}
    assert prediction["qualitativeRisk"] == {"text": "high"}
    assert prediction["whenPeriod"] == {"start": "2026-03-14T00:00:00Z", "end": "2026-09-10T00:00:00Z"}
    assert prediction["rationale"] == "90 % interval 29 % to 46 % (bootstrap forests)"
    assert "meta" not in found


def test_the_model_is_named_with_version_and_digest() -> None:
    found = risk_assessment(told(), AUTHOR)
    assert found["performer"] == {"reference": "#model"}
    (device,) = found["contained"]
    assert (device["resourceType"], device["id"]) == ("Device", "model")
    assert device["identifier"][0]["value"] == ESTIMATE["model"]["digest"]
    assert device["version"] == [{"value": "1.0.0"}]
    assert found["method"]["text"] == "XGBoost with calibration, serious-illness-180d 1.0.0"


def test_the_decision_and_the_own_estimates_stand_beside_the_number() -> None:
    notes = risk_assessment(told(), AUTHOR)["note"]
    assert [note["text"] for note in notes] == [
        STATEMENT,
        "Decision: overridden; Clinical judgement differs; own risk band middle; knows of imaging",
        "New mass on CT.",
        "Own estimate 1 (clinician): risk 20 %. Asked: How many will be alive?",
        "Own estimate 2 (clinician): risk 35 %. Asked: How many will be alive? "
        "Not combined with the model: made after the score was seen.",
        "Clinician and model together: 28 %",
        "The model is not for: ICU triage.",
    ]
    assert notes[0]["authorReference"]["identifier"] == {"system": "urn:cdss:person", "value": "u1"}
    assert notes[3]["time"] == "2026-03-14T09:43:02.500000Z"


def test_words_added_later_make_it_amended() -> None:
    amendment = {"text": "The CT was of another day.", "at": "2026-03-15T08:00:00Z",
                 "by": {"sub": "u1", "name": "Amal Hussein", "role": "clinician"}}  # fmt: skip
    found = risk_assessment(told(amendments=[amendment]), AUTHOR)
    as_json(found)
    assert found["status"] == "amended"
    assert "Added later: The CT was of another day." in texts(found)


def test_a_horizon_of_the_stay_has_no_end() -> None:
    (prediction,) = risk_assessment(told(horizon="stay"), AUTHOR)["prediction"]
    assert prediction["whenPeriod"] == {"start": "2026-03-14T00:00:00Z"}


def test_what_was_not_said_is_left_out() -> None:
    record = told(decision={"plan": " ", "note": "", "until": None}, estimates=[], team={"absent": "none given"},
                  patient={"identifier": {"system": "", "value": ""}})  # fmt: skip
    del record["assessment"]["encounter"]
    found = risk_assessment(record, AUTHOR)
    as_json(found)
    assert not {"mitigation", "encounter"} & set(found)
    assert found["subject"] == {"reference": "Patient/p1", "type": "Patient"}
    assert len(texts(found)) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Observation/c9", {"reference": "Observation/c9"}, id="relative"),
        pytest.param("Observation at line 3", {"display": "Observation at line 3"}, id="resource-without-id"),
    ],
)
def test_a_source_is_a_reference_only_where_it_can_be_followed(name: str, expected: dict[str, str]) -> None:
    explained = ESTIMATE["explanation"] | {"contributions": [contribution(name)]}
    assert risk_assessment(told(explanation=explained), AUTHOR)["basis"] == [expected]


def test_a_patient_known_by_an_identifier_alone_is_named_by_it() -> None:
    name = "identifier:urn:oid:1.2.3|A|1"
    record = told(subject=name, patient={"reference": name, "identifier": None})
    assert risk_assessment(record, AUTHOR)["subject"]["identifier"] == {"system": "urn:oid:1.2.3", "value": "A|1"}


@pytest.mark.catalogue(66)
def test_synthetic_records_are_marked_in_both_resources() -> None:
    record = told(synthetic=True)
    for found in (risk_assessment(record, AUTHOR), provenance(record, [AUTHOR], "RiskAssessment/x")):
        (tag,) = found["meta"]["tag"]
        assert {"system": tag["system"], "code": tag["code"]} == HTEST


def test_an_abstention_carries_no_number_and_never_reads_as_low() -> None:
    found = risk_assessment(abstained(), AUTHOR)
    text = as_json(found)
    assert found["status"] == "final"
    assert "prediction" not in found
    assert "basis" not in found
    assert "probability" not in text
    assert "qualitativeRisk" not in text
    (said,) = (note for note in texts(found) if "no estimate" in note)
    assert "does not mean that the risk is low" in said
    assert said.endswith("Creatinine: nothing on record. Measure it.")


@pytest.mark.parametrize("record", [told(), abstained(), told(synthetic=True, probability=0.999)])
def test_a_written_risk_assessment_is_never_read_as_a_feature(tmp_path: Path, record: dict[str, Any]) -> None:
    path = tmp_path / "back.json"
    path.write_bytes(to_bytes(bundle(patient(), risk_assessment(record, AUTHOR))))
    read = cdss.read(path, strict=True)
    assert (read.counts.resources, read.counts.used, read.counts.not_needed) == (2, 1, 1)
    assert read.counts.events == 0
    assert not [found for found in read.rejections if found.severity == "error"]


# ---- records that are not what they should be -----------------------------------------------------------------------


def test_a_record_of_two_patients_is_refused() -> None:
    with pytest.raises(IntegrityError, match="two patients") as caught:
        risk_assessment(told(patient={"reference": "Patient/p2"}), AUTHOR)
    assert not any(text in str(caught.value) for text in ("p1", "p2", "Musterfrau", "730418226"))


@pytest.mark.parametrize("name", ["assessment", "patient", "decision", "statement", "estimates", "model", "at"])
def test_a_record_that_is_not_whole_is_refused_by_the_name_of_what_it_lacks(name: str) -> None:
    record = told()
    del record[name]
    with pytest.raises(IntegrityError, match=name):
        risk_assessment(record, AUTHOR)


@pytest.mark.parametrize("changes", [{"schema": 2}, {"kind": "guess"}])
def test_a_record_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    record = told()
    (record if "schema" in changes else record["assessment"]).update(changes)
    with pytest.raises(IntegrityError):
        risk_assessment(record, AUTHOR)


def test_what_would_not_be_fhir_is_refused_without_its_value() -> None:
    with pytest.raises(IntegrityError, match=r"RiskAssessment\.note\.0\.time") as caught:
        risk_assessment(told(at="Erika's birthday"), AUTHOR)
    assert "Erika" not in str(caught.value)


# ---- provenance -----------------------------------------------------------------------------------------------------


def test_provenance_names_signer_model_sources_and_entries() -> None:
    found = provenance(told(), [AUTHOR], "RiskAssessment/r1")
    as_json(found)
    assert found["target"] == [{"reference": "RiskAssessment/r1"}]
    assert found["recorded"] == "2026-03-14T09:47:13Z"
    author, assembler = found["agent"]
    assert author["type"]["coding"][0]["code"] == "author"
    assert author["who"] == {"type": "Practitioner", "display": "Amal Hussein",
                             "identifier": {"system": "urn:cdss:person", "value": "u1"}}  # fmt: skip
    assert assembler["type"]["coding"][0]["code"] == "assembler"
    assert assembler["who"] == {"reference": "#model"}
    assert {entity["role"] for entity in found["entity"]} == {"source"}
    named = [entity["what"] for entity in found["entity"]]
    assert named[:3] == [{"reference": name} for name in ("Observation/c9", "Observation/o2", "Patient/p1")]
    assert [what["identifier"]["value"] for what in named[3:]] == [DECISION, LEAF]


def test_a_second_signer_is_a_verifier_with_a_signature_of_their_own() -> None:
    found = provenance(told(), [AUTHOR, SECOND], "RiskAssessment/r1")
    as_json(found)
    assert [agent["type"]["coding"][0]["code"] for agent in found["agent"]] == ["author", "verifier", "assembler"]
    assert found["recorded"] == "2026-03-14T10:02:00Z"
    first, second = found["signature"]
    assert [one["type"][0]["code"] for one in (first, second)] == ["1.2.840.10065.1.12.1.1", "1.2.840.10065.1.12.1.5"]
    assert {one["type"][0]["system"] for one in (first, second)} == {"urn:iso-astm:E1762-95:2013"}
    assert second["who"]["display"] == "Ben Okafor"
    assert second["when"] == "2026-03-14T10:02:00Z"
    assert (first["data"], second["data"]) == (AUTHOR.value, SECOND.value)
    assert first["sigFormat"] == "application/octet-stream"
    assert [one["valueString"] for one in first["extension"]] == [STATEMENT, "1f2e3d4c"]


@pytest.mark.parametrize(
    ("slot", "meaning", "code"),
    [("author", "reviewed", "13"), ("author", "authored", "1"), ("author", "overridden", "1"),
     ("second", "approved", "5"), ("second", "reviewed", "5")],
)  # fmt: skip
def test_the_type_of_a_signature_follows_its_meaning_and_slot(slot: str, meaning: str, code: str) -> None:
    (one,) = provenance(told(), [replace(AUTHOR, slot=slot, meaning=meaning)], "RiskAssessment/r1")["signature"]
    assert one["type"][0]["code"] == f"1.2.840.10065.1.12.1.{code}"


@pytest.mark.parametrize(
    ("signatures", "error"),
    [
        pytest.param([], UsageError, id="none"),
        pytest.param([AUTHOR, replace(SECOND, decision=LEAF)], IntegrityError, id="of-another-decision"),
        pytest.param([replace(AUTHOR, value="!!!")], IntegrityError, id="not-base64"),
        pytest.param([replace(AUTHOR, slot="third")], IntegrityError, id="unknown-slot"),
    ],
)
def test_signatures_that_attest_nothing_are_refused(signatures: list[Signed], error: type[CdssError]) -> None:
    with pytest.raises(error):
        provenance(told(), signatures, "RiskAssessment/r1")


@pytest.mark.catalogue(48)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"}]},{"resourceType":"Patient', id="json"),
        pytest.param("a\nb\u2028c\u0085d", id="line-ends"),
        pytest.param("<script>alert(1)</script>", id="markup"),
        pytest.param("\u202egpj.exe", id="right-to-left"),
        pytest.param("Zoë 😀 李", id="other-scripts"),
    ],
)
def test_hostile_text_arrives_as_it_was(text: str) -> None:
    record = told(statement=text, decision={"plan": text})
    found = json.loads(as_json(risk_assessment(record, replace(AUTHOR, name=text))))
    assert found["note"][0]["text"] == found["note"][0]["authorReference"]["display"] == found["mitigation"] == text
    assert set(found) == set(risk_assessment(told(), AUTHOR))
    signed = json.loads(as_json(provenance(record, [replace(AUTHOR, name=text)], "RiskAssessment/r1")))
    assert signed["agent"][0]["who"]["display"] == text


def test_characters_that_fhir_forbids_are_replaced_in_sight() -> None:
    found = risk_assessment(told(statement="a\x00b\ud800c\td"), AUTHOR)
    assert texts(found)[0] == "a\ufffdb\ufffdc\td"
    as_json(found)


# ---- audit events ---------------------------------------------------------------------------------------------------


def entry(kind: str = "case.viewed", **changes: Any) -> dict[str, Any]:
    return {
        "v": 1, "log": "cdss/5b1c/ledger", "seq": 7, "prev": "0" * 64, "id": "i", "idem": "i", "kind": kind,
        "at": "2026-03-14T09:43:02.000000Z", "clock": "ok", "case": "c1", "subject": "f00d", "refs": [], "data": {},
        "actor": {"sub": "u1", "name": "Amal Hussein", "role": "clinician"}, "leaf": LEAF,
    } | changes  # fmt: skip


def test_the_table_names_every_kind_and_no_other() -> None:
    assert audit_kinds() == {kind.value for kind in Kind}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_a_valid_audit_event(kind: Kind) -> None:
    found = audit_event(entry(kind.value))
    as_json(found)
    assert found["action"] in set("CRUDE")
    assert found["type"]["system"] in (
        "http://dicom.nema.org/resources/ontology/DCM",
        "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    )
    assert found["subtype"][0] == {"system": "urn:cdss:kind", "code": kind.value}
    failed = kind in (Kind.AUTH_FAILED, Kind.SIGNOFF_REJECTED, Kind.WRITEBACK_FAILED)
    assert (found["outcome"] in ("4", "8")) == failed
    assert failed or found["outcome"] == "0"


def test_an_audit_event_says_who_did_what_when_and_to_whom() -> None:
    found = audit_event(entry())
    assert found["id"] == LEAF[:32]
    assert found["recorded"] == "2026-03-14T09:43:02Z"
    (agent,) = found["agent"]
    assert agent["requestor"] is True
    assert agent["who"]["identifier"] == {"system": "urn:cdss:person", "value": "u1"}
    assert (agent["name"], agent["role"]) == ("Amal Hussein", [{"text": "clinician"}])
    assert found["source"]["observer"] == {"display": "cdss/5b1c/ledger"}
    named = [tuple(entity["what"]["identifier"].values()) for entity in found["entity"]]
    assert named == [("urn:cdss:pseudonym", "f00d"), ("urn:cdss:case", "c1"), ("urn:cdss:leaf", LEAF)]
    assert found["entity"][0]["role"]["display"] == "Patient"


def test_an_entry_about_nobody_names_no_patient() -> None:
    plain = entry("auth.failed", actor={"sub": "u9", "name": "", "role": "clinician"})
    del plain["case"], plain["subject"]
    found = audit_event(plain)
    as_json(found)
    assert [entity["what"]["identifier"]["system"] for entity in found["entity"]] == ["urn:cdss:leaf"]
    assert "name" not in found["agent"][0]


def test_a_kind_of_a_newer_version_is_refused() -> None:
    with pytest.raises(UsageError, match="entry 7"):
        audit_event(entry("tea.made"))
