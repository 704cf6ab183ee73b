"""An assessment is exactly what the contract says, from one patient or many, with or without a clinician."""

from __future__ import annotations

import json
import math
import uuid
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import INDEX, Told, patient, read_resources, record_of, seriously_ill, without

import cdss
from cdss.domain.assessment import Abstention, RiskEstimate
from cdss.errors import AmbiguousSubjectError, CohortError, SubjectNotFoundError, UsageError
from cdss.workflow.cohort import CohortRow

HEAD = ["schema", "kind", "id", "subject", "index_time", "model", "outcome", "horizon"]
TAIL = ["findings", "inputs_digest", "release_state"]
ESTIMATE = ["probability", "interval", "log_odds", "band", "flag", "explanation", "comparators", "team"]
SICKER = seriously_ill()


@cache
def shipped() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


@pytest.fixture
def model() -> cdss.Model:
    return shipped()


def answer(model: cdss.Model, told: Told = SICKER, **how: Any) -> dict[str, Any]:
    return model.assess(record_of(told), INDEX, **how).to_dict()


# ---- the shape ------------------------------------------------------------------------------------------------------


def test_an_estimate_has_exactly_the_contracts_keys_in_order(model: cdss.Model) -> None:
    found = answer(model)
    assert list(found) == [*HEAD, *ESTIMATE, *TAIL]
    assert (found["schema"], found["kind"], found["release_state"]) == (1, "estimate", "unregistered")
    assert list(found["model"]) == ["name", "version", "digest"]
    assert list(found["interval"]) == ["low", "high", "level", "method"]
    assert list(found["explanation"]) == ["scale", "base_value", "contributions"]
    assert found["explanation"]["scale"] == "log-odds"
    assert found["comparators"] == []
    assert list(found["team"]) == ["absent"]


def test_an_abstention_has_the_same_head_then_its_reasons(model: cdss.Model) -> None:
    found = answer(model, without(SICKER, "sodium"))
    assert list(found) == [*HEAD, "reasons", *TAIL]
    assert found["kind"] == "abstention"
    (reason,) = found["reasons"]
    assert list(reason) == ["code", "feature", "message", "remedy"]
    (other,) = answer(model, SICKER.died(hours=-1))["reasons"]
    assert list(other) == ["code", "message", "remedy"]


def test_the_encounter_is_there_when_the_row_names_one(model: cdss.Model) -> None:
    for named in ("p1-stay", "Encounter/p1-stay"):
        found = answer(model, encounter=named)
        assert list(found) == [*HEAD[:4], "encounter", *HEAD[4:], *ESTIMATE, *TAIL]
        assert found["encounter"] == "Encounter/p1-stay"


def test_every_entry_has_its_type(model: cdss.Model) -> None:
    found = answer(model)
    assert all(isinstance(found[name], str) for name in ("id", "subject", "index_time", "outcome", "horizon", "band"))
    assert isinstance(found["flag"], bool)
    assert all(type(found[name]) is float for name in ("probability", "log_odds"))
    assert all(type(found["interval"][name]) is float for name in ("low", "high", "level"))
    for part in found["explanation"]["contributions"]:
        assert set(part) - {"comparator"} == {
            "feature",
            "label",
            "value",
            "unit",
            "effective",
            "shap_value",
            "sources",
            "text",
        }
        assert part["value"] is None or isinstance(part["value"], float | str)
        assert type(part["shap_value"]) is float
        assert isinstance(part["sources"], list)
    assert found["inputs_digest"].startswith("sha256:")
    assert len(found["inputs_digest"]) == 7 + 64
    assert found["model"]["digest"] == model.reference.digest


def test_it_is_strict_json(model: cdss.Model) -> None:
    for told in (SICKER, without(SICKER, "albumin"), without(SICKER, "sodium")):
        text = json.dumps(answer(model, told), allow_nan=False)
        assert json.loads(text) == answer(model, told)


def test_times_are_utc_with_a_z(model: cdss.Model) -> None:
    found = model.assess(record_of(SICKER), "2026-03-03T19:00:00-05:00").to_dict()
    assert found["index_time"] == "2026-03-04T00:00:00Z"
    for part in found["explanation"]["contributions"]:
        assert part["effective"] is None or part["effective"].endswith("Z")


def test_the_numbers_hang_together(model: cdss.Model) -> None:
    found = answer(model)
    explanation = found["explanation"]
    whole = explanation["base_value"] + sum(part["shap_value"] for part in explanation["contributions"])
    assert whole == pytest.approx(found["log_odds"], abs=1e-4)
    calibrator = model.machine.calibrator
    calibrated = calibrator.intercept + calibrator.weights[0] * found["log_odds"]
    assert found["probability"] == pytest.approx(1 / (1 + math.exp(-calibrated)), abs=1e-12)
    assert 0 < found["interval"]["low"] < found["probability"] < found["interval"]["high"] < 1
    assert found["band"] == model.spec.band(found["probability"])
    assert found["flag"] == (found["probability"] >= model.spec.threshold)


def test_the_explanation_names_every_feature_once_with_resources_of_this_record(model: cdss.Model) -> None:
    record = record_of(SICKER)
    found = model.assess(record, INDEX).to_dict()
    parts = found["explanation"]["contributions"]
    assert sorted(part["feature"] for part in parts) == sorted(feature.name for feature in model.spec.features)
    known = {f"{one['resourceType']}/{one['id']}" for one in SICKER.as_resources()}
    for part in parts:
        assert set(part["sources"]) <= known
        if part["unit"] != "1":
            assert bool(part["sources"]) == (part["value"] is not None), part["feature"]


# ---- id and digest --------------------------------------------------------------------------------------------------


def test_the_id_is_a_uuid_of_version_8_of_the_rfc_variant(model: cdss.Model) -> None:
    found = uuid.UUID(answer(model)["id"].removeprefix("urn:uuid:"))
    assert found.variant == uuid.RFC_4122
    assert (found.int >> 76) & 0xF == 8


def test_the_same_question_has_the_same_id_and_any_other_question_another(model: cdss.Model) -> None:
    ids = [
        answer(model)["id"],
        answer(model, seriously_ill("p2"))["id"],
        model.assess(record_of(SICKER), SICKER.at(-0.5)).to_dict()["id"],
        answer(model, SICKER.with_creatinine(2.2, hours=-1))["id"],
        answer(model, without(SICKER, "sodium"))["id"],
    ]
    assert len(set(ids)) == len(ids)
    assert answer(model)["id"] == ids[0]


def test_another_release_gives_another_id_for_the_same_inputs(model: cdss.Model) -> None:
    from dataclasses import replace

    from cdss.workflow.assess import Scorer, assess_rows

    fields = {name: getattr(model, name) for name in ("spec", "machine", "ranges", "path")}
    other = Scorer(reference=replace(model.reference, digest="sha256:other"), **fields)
    row = CohortRow(subject="Patient/p1", index_time=1_772_582_400_000_000)
    record = record_of(SICKER)
    one, two = assess_rows(model, record, [row])[0], assess_rows(other, record, [row])[0]
    assert one.inputs_digest == two.inputs_digest
    assert one.id != two.id


def test_the_digest_holds_values_and_their_sources(model: cdss.Model) -> None:
    other_source = without(SICKER, "creatinine").with_creatinine(2.1, hours=-12)
    same_value = answer(model, other_source)
    assert same_value["probability"] == answer(model)["probability"]
    assert same_value["inputs_digest"] != answer(model)["inputs_digest"]


def test_a_clinicians_estimate_is_no_input_of_the_machine(model: cdss.Model) -> None:
    alone, beside = answer(model), answer(model, clinician_estimate=0.9)
    assert {k: v for k, v in alone.items() if k != "team"} == {k: v for k, v in beside.items() if k != "team"}


# ---- the team -------------------------------------------------------------------------------------------------------


def test_without_an_estimate_the_team_is_absent_and_says_so(model: cdss.Model) -> None:
    assert set(answer(model)["team"]) == {"absent"}


def test_with_an_estimate_the_team_is_the_fitted_combination(model: cdss.Model) -> None:
    found = answer(model, clinician_estimate=0.6)
    assert list(found["team"]) == ["clinician_estimate", "probability", "disagreement"]
    fit = model.machine.team
    assert fit is not None
    log_odds = model.machine.calibrator.log_odds(found["log_odds"])
    assert found["team"]["clinician_estimate"] == 0.6
    assert found["team"]["probability"] == pytest.approx(fit.probability(log_odds, 0.6), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1))
def test_two_who_differ_by_three_tenths_or_more_disagree(estimate: float) -> None:
    found = answer(shipped(), clinician_estimate=estimate)
    assert found["team"]["disagreement"] == (abs(estimate - found["probability"]) >= 0.3)


def test_exactly_three_tenths_is_a_disagreement_and_a_hair_less_is_not(model: cdss.Model) -> None:
    risk = answer(model)["probability"]
    assert 0.3 < risk < 0.7 or risk > 0.31
    edge = risk - 0.3
    while abs(edge - risk) < 0.3:
        edge = math.nextafter(edge, 0)
    inside = math.nextafter(edge, 1)
    while abs(inside - risk) >= 0.3:
        inside = math.nextafter(inside, 1)
    assert answer(model, clinician_estimate=edge)["team"]["disagreement"] is True
    assert answer(model, clinician_estimate=inside)["team"]["disagreement"] is False
    assert edge == pytest.approx(inside, abs=1e-15)


@pytest.mark.parametrize("estimate", [0.0, 1.0])
def test_certainty_is_kept_as_given_and_clipped_in_the_combination_alone(model: cdss.Model, estimate: float) -> None:
    found = answer(model, clinician_estimate=estimate)["team"]
    clip = model.spec.team.clip
    inside = answer(model, clinician_estimate=clip if estimate == 0 else 1 - clip)["team"]
    assert found["clinician_estimate"] == estimate
    assert found["probability"] == inside["probability"]


def test_a_higher_estimate_never_lowers_the_combination(model: cdss.Model) -> None:
    risks = [answer(model, clinician_estimate=n / 20)["team"]["probability"] for n in range(21)]
    assert risks == sorted(risks)
    assert risks[0] < risks[-1]


def test_an_abstention_has_no_team(model: cdss.Model) -> None:
    assert "team" not in answer(model, without(SICKER, "sodium"), clinician_estimate=0.5)


@pytest.mark.parametrize("estimate", [1.5, -0.1, 37, math.nan, math.inf])
def test_an_estimate_that_is_no_probability_is_refused(model: cdss.Model, estimate: float) -> None:
    with pytest.raises(CohortError):
        answer(model, clinician_estimate=estimate)


def risk_assessment(told: Told, performer: str, percent: float) -> dict[str, Any]:
    return {
        "resourceType": "RiskAssessment",
        "status": "final",
        "occurrenceDateTime": told.at(-6),
        "performer": {"reference": performer},
        "prediction": [{"outcome": {"text": "death"}, "probabilityDecimal": percent}],
    }


@pytest.mark.parametrize("percent", [1, 99])
@pytest.mark.parametrize("performer", ["Practitioner/d1", "Device/m1"])
def test_a_risk_assessment_in_the_record_is_never_an_input_and_never_the_team(
    model: cdss.Model, performer: str, percent: float
) -> None:
    told = SICKER.with_resource(risk_assessment(SICKER, performer, percent))
    assert answer(model, told) == answer(model)
    given = answer(model, told, clinician_estimate=0.4)
    assert given["team"] == answer(model, clinician_estimate=0.4)["team"]


# ---- whose ----------------------------------------------------------------------------------------------------------


def test_two_patients_and_none_named_is_refused(model: cdss.Model) -> None:
    both = record_of(SICKER, seriously_ill("p2"))
    with pytest.raises(AmbiguousSubjectError) as caught:
        model.assess(both, INDEX)
    assert caught.value.exit_code == 3
    assert model.assess(both, INDEX, subject="p2").subject == "Patient/p2"


def test_no_patient_at_all_is_refused(model: cdss.Model) -> None:
    from patients import read_resources

    record = read_resources([{"resourceType": "Practitioner", "id": "d1"}])
    with pytest.raises(SubjectNotFoundError):
        model.assess(record, INDEX)


def test_a_patient_named_who_is_not_there_is_an_abstention(model: cdss.Model) -> None:
    found = model.assess(record_of(SICKER), INDEX, subject="Patient/else")
    assert isinstance(found, Abstention)
    assert [reason.code for reason in found.reasons] == ["subject-not-found"]


@pytest.mark.parametrize("time", ["2026-03-04T00:00:00", "2026-03-04", "now", ""])
def test_an_index_time_without_an_offset_is_refused(model: cdss.Model, time: str) -> None:
    with pytest.raises(UsageError) as caught:
        model.assess(record_of(SICKER), time)
    assert caught.value.exit_code == 2


def test_a_record_with_a_patient_and_nothing_else_abstains_and_does_not_fail(model: cdss.Model) -> None:
    found = answer(model, patient().born("1950-01-01"))
    assert found["kind"] == "abstention"


def test_another_patients_value_in_the_bundle_never_enters(model: cdss.Model) -> None:
    alone = answer(model)
    intruder = seriously_ill("p2").with_creatinine(9.9, hours=-1)
    beside = model.assess(record_of(SICKER, intruder), INDEX, subject="p1").to_dict()
    assert beside == alone


# ---- findings -------------------------------------------------------------------------------------------------------


def test_what_was_put_aside_and_concerns_the_model_is_found_with_the_answer(model: cdss.Model) -> None:
    told = SICKER.with_creatinine(1e6, hours=-2)
    found = answer(model, told)
    (finding,) = [one for one in found["findings"] if one["severity"] == "error"]
    assert set(finding) == {"severity", "source", "reason", "message"}
    assert finding["source"] == f"Observation/p1-{told.count}"
    assert "1000000" not in json.dumps(found["findings"])


def test_a_value_outside_what_the_model_has_seen_is_said(model: cdss.Model) -> None:
    place = [feature.name for feature in model.spec.features].index("sodium")
    low = float(model.ranges[place][0])
    told = without(SICKER, "sodium").measured("sodium", low - 2, hours=-3)
    found = answer(model, told)
    (said,) = [one for one in found["findings"] if one["reason"] == "outside-training-range"]
    assert said["severity"] == "note"
    assert said["source"] == f"Observation/p1-{told.count}"
    assert "Sodium" in said["message"]
    assert found["findings"][-1]["message"].startswith("Sodium lies outside")
    assert not [one for one in answer(model)["findings"] if one["reason"] == "outside-training-range"]


def test_asking_for_nobody_answers_nothing(model: cdss.Model) -> None:
    assert model.assess_rows(record_of(SICKER), []) == []


def test_python_gives_frozen_answers(model: cdss.Model) -> None:
    found = model.assess(record_of(SICKER), INDEX)
    assert isinstance(found, RiskEstimate)
    with pytest.raises(AttributeError):
        found.probability = 0.0  # type: ignore[misc]


def test_a_comorbidity_whose_condition_was_put_aside_is_not_called_absent(model: cdss.Model) -> None:
    told = seriously_ill().with_resource(
        {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"system": "http://example.org", "code": "active"}]},
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C34.9"}]},
            "recordedDate": "2026-03-01T10:00:00",  # no offset from UTC
        }
    )
    found = answer(model, told)
    assert found["kind"] == "abstention"
    assert ("condition-unproven", "cancer") in [(reason["code"], reason["feature"]) for reason in found["reasons"]]


def test_what_could_not_be_given_to_anybody_is_told_to_everybody(model: cdss.Model) -> None:
    told = seriously_ill()
    lost = {"resourceType": "Observation", "id": "lost", "status": "final", "code": {}}
    record = read_resources([*told.as_resources(), lost])
    found = model.assess(record, told.index, subject=told.id).to_dict()
    assert [finding["reason"] for finding in found["findings"] if finding["severity"] == "error"] == [
        "source-parts-unused"
    ]
