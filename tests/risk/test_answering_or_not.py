"""When no estimate is given and why, and an explanation that adds up or is not shown."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pytest
from patients import INDEX, Told, patient, record_of, seriously_ill, without

import cdss
from cdss.domain.assessment import Abstention, Reason, RiskEstimate
from cdss.domain.feature import FeatureValue, FeatureVector
from cdss.errors import IntegrityError
from cdss.risk.explain import explain

MUST_HAVE = {
    "mean blood pressure": "meanbp",
    "heart rate": "hrt",
    "respiratory rate": "resp",
    "temperature": "temp",
    "creatinine": "creatinine",
    "sodium": "sodium",
    "study coma score": "scoma",
    "daily activities": "adlsc",
    "comorbidities": "comorbidities",
}
OTHERS = [
    "white cells",
    "arterial pH",
    "PaO2/FiO2",
    "albumin",
    "bilirubin",
    "glucose",
    "urea nitrogen",
    "urine of a day",
]


@cache
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


def answer(told: Told, index_time: str = INDEX) -> RiskEstimate | Abstention:
    return model().assess(record_of(told), index_time)


def reasons(told: Told, index_time: str = INDEX) -> list[Reason]:
    found = answer(told, index_time)
    assert isinstance(found, Abstention)
    for reason in found.reasons:
        assert reason.message
        assert reason.remedy
    return list(found.reasons)


def codes(told: Told, index_time: str = INDEX) -> list[tuple[str, str | None]]:
    return [(reason.code, reason.feature) for reason in reasons(told, index_time)]


def test_a_patient_the_model_was_made_for_gets_an_estimate() -> None:
    assert isinstance(answer(seriously_ill()), RiskEstimate)


@pytest.mark.parametrize(("measurement", "feature"), MUST_HAVE.items())
def test_each_must_have_measurement_is_asked_for_by_name(measurement: str, feature: str) -> None:
    (reason,) = reasons(without(seriously_ill(), measurement))
    assert (reason.code, reason.feature) == ("required-missing", feature)
    assert "24 hours" in reason.message


def test_a_value_older_than_a_day_is_not_used_in_its_place() -> None:
    stale = without(seriously_ill(), "sodium").measured("sodium", 133, hours=-25)
    assert codes(stale) == [("required-missing", "sodium")]


def test_no_birth_date_no_estimate() -> None:
    assert codes(seriously_ill().stating(birthDate=None)) == [("required-missing", "age")]


def test_a_patient_outside_the_study_groups_is_not_eligible() -> None:
    bare = dataclasses.replace(
        seriously_ill(),
        resources=tuple(r for r in seriously_ill().resources if "valueCodeableConcept" not in r),
    )
    assert codes(bare) == [("not-eligible", "disease_group")]


def test_a_patient_not_in_hospital_is_not_eligible() -> None:
    bare = dataclasses.replace(
        seriously_ill(), resources=tuple(r for r in seriously_ill().resources if r["resourceType"] != "Encounter")
    )
    assert codes(bare) == [("not-eligible", "days_in_hospital")]


@pytest.mark.parametrize(("born", "eligible"), [("2008-03-03", True), ("2008-03-05", False), ("2010-01-01", False)])
def test_children_are_not_eligible(born: str, *, eligible: bool) -> None:
    told = seriously_ill().born(born)
    if eligible:
        assert isinstance(answer(told), RiskEstimate)
    else:
        assert codes(told) == [("not-eligible", "age")]


@pytest.mark.parametrize(("absent", "abstains"), [(6, False), (7, True), (8, True)])
def test_more_than_six_of_the_eight_further_measurements_absent_is_too_many(absent: int, *, abstains: bool) -> None:
    told = seriously_ill()
    for name in OTHERS[:absent]:
        told = without(told, name)
    if abstains:
        (reason,) = reasons(told)
        assert reason.code == "too-many-missing"
        assert f"{absent} of 8" in reason.message
    else:
        assert isinstance(answer(told), RiskEstimate)


def test_comfort_care_and_pregnancy_are_reasons_of_their_own() -> None:
    comfort = seriously_ill().with_procedure("133918004", hours=-5)
    assert codes(comfort) == [("comfort-care", None)]
    assert codes(seriously_ill().with_condition("pregnancy", since=-2000)) == [("pregnancy", None)]
    assert isinstance(answer(seriously_ill().with_condition("pregnancy", since=-9000, until=-2000)), RiskEstimate)


@pytest.mark.parametrize(("hours", "blocks"), [(-1, True), (0, True), (1, False), (None, True)])
def test_a_death_by_the_index_time_or_without_a_date_forbids_an_estimate(hours: float | None, *, blocks: bool) -> None:
    told = seriously_ill().died(hours=hours)
    if blocks:
        assert codes(told) == [("deceased", None)]
    else:
        assert isinstance(answer(told), RiskEstimate)


@pytest.mark.parametrize(
    ("told", "code", "remedy"),
    [
        (seriously_ill().died(), "deceased", "None: no estimate is made for a patient who has died by the index time."),
        (seriously_ill().stating(active=False), "patient-inactive", "Ask for the record now in use."),
        (seriously_ill().stating(deceasedOn="2026-01-01"), "patient-unusable", "See the finding on the Patient."),
    ],
)
def test_what_forbids_an_estimate_says_what_to_do(told: Told, code: str, remedy: str) -> None:
    found = answer(told)
    assert isinstance(found, Abstention)
    assert [reason.remedy for reason in found.reasons if reason.code == code] == [remedy]


def test_a_later_death_changes_nothing() -> None:
    before, after = answer(seriously_ill()), answer(seriously_ill().died(hours=1))
    assert before.to_dict() == after.to_dict()


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"active": False}, "patient-inactive"),
        ({"link": [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]}, "patient-merged"),
        ({"modifierExtension": [{"url": "https://x.example/y", "valueBoolean": True}]}, "modifier-extension"),
        ({"birthDate": "1850-01-01"}, "birth-date-implausible"),
    ],
)
def test_a_record_that_may_not_be_used_says_why(facts: dict[str, object], code: str) -> None:
    assert (code, None) in codes(seriously_ill().stating(**facts))


def test_every_reason_is_named_and_not_the_first_alone() -> None:
    told = patient().born("1950-02-01").died(hours=-1)
    found = codes(told)
    assert found[0] == ("deceased", None)
    assert {feature for code, feature in found if code == "required-missing"} == set(MUST_HAVE.values())
    assert ("not-eligible", "disease_group") in found
    assert ("not-eligible", "days_in_hospital") in found
    assert ("too-many-missing", None) in found


def test_an_abstention_carries_no_number() -> None:
    found = answer(without(seriously_ill(), "sodium")).to_dict()
    assert found["kind"] == "abstention"
    assert not {"probability", "band", "flag", "log_odds", "interval", "explanation", "team"} & found.keys()


def test_reasons_never_show_the_patients_values() -> None:
    told = without(seriously_ill(), "sodium").with_creatinine(4.567, hours=-2)
    assert "4.567" not in str([reason.to_dict() for reason in reasons(told)])


# ---- explaining -----------------------------------------------------------------------------------------------------


def a_vector() -> FeatureVector:
    spec = model().spec
    return FeatureVector(
        subject="Patient/p1",
        index_time=0,
        encounter=None,
        values=tuple(FeatureValue(number=1.0) for _ in spec.features),
        exclusions=(),
        spec_digest=spec.digest,
    )


def shap_values() -> np.ndarray:
    return np.linspace(-0.5, 0.7, len(model().spec.features) + 1)


@pytest.mark.parametrize("off", [2e-4, -2e-4, math.nan, math.inf])
def test_parts_that_do_not_add_up_are_not_shown(off: float) -> None:
    parts = shap_values()
    with pytest.raises(IntegrityError, match="do not add up"):
        explain(model().spec, a_vector(), parts, float(parts.sum()) + off)


def test_a_nan_among_the_parts_is_not_shown() -> None:
    parts = shap_values()
    whole = float(parts.sum())
    parts[3] = math.nan
    with pytest.raises(IntegrityError):
        explain(model().spec, a_vector(), parts, whole)


@pytest.mark.parametrize("off", [0.0, 9e-5, -9e-5])
def test_parts_that_add_up_are_shown_largest_first(off: float) -> None:
    parts = shap_values()
    found = explain(model().spec, a_vector(), parts, float(parts.sum()) + off)
    sizes = [abs(part.shap_value) for part in found.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert found.base_value == parts[-1]
    assert {part.feature for part in found.contributions} == {feature.name for feature in model().spec.features}


def test_an_explanation_that_does_not_add_up_stops_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(seriously_ill())
    fresh = cdss.load_model("serious-illness-180d")
    from cdss.risk import artefact

    honest = artefact.contributions
    monkeypatch.setattr(artefact, "contributions", lambda booster, values: honest(booster, values) + 0.01)
    with pytest.raises(IntegrityError):
        fresh.assess(record, INDEX)


def test_words_say_what_was_measured_when_and_which_way_it_points() -> None:
    found = answer(without(seriously_ill(), "albumin"))
    assert isinstance(found, RiskEstimate)
    texts = {part.feature: part for part in found.explanation.contributions}
    creatinine = texts["creatinine"]
    way = "raises" if creatinine.shap_value > 0 else "lowers"
    assert creatinine.text.startswith(f"Creatinine 2.1 mg/dL, 12 h before the index time, {way} the estimate.")
    assert creatinine.sources == ("Observation/p1-8",)
    assert texts["albumin"].value is None
    assert texts["albumin"].text.startswith("Albumin: nothing usable in the 24 hours before the index time")
    assert texts["dementia"].text.startswith("Dementia not on record")
    assert texts["diabetes"].text.startswith("Diabetes on record")
    assert texts["disease_group"].value == "Acute respiratory failure or multiple organ failure with sepsis"


def test_a_bound_is_shown_as_a_bound() -> None:
    told = without(seriously_ill(), "bilirubin").measured("bilirubin", 0.2, hours=-6, comparator="<")
    found = answer(told)
    assert isinstance(found, RiskEstimate)
    (part,) = [part for part in found.explanation.contributions if part.feature == "bilirubin"]
    assert part.comparator == "<"
    assert part.text.startswith("Bilirubin < 0.2 mg/dL")
