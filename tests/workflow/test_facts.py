"""The facts on screen before any score: as received, aged, and honest about what is missing or was put aside."""

from __future__ import annotations

from typing import Any

import pytest

import cdss
from cdss.demo import DemoPatient, demo_hospital
from cdss.domain.instant import to_micros
from cdss.features import build_features
from cdss.fhir.chart import Chart
from cdss.fhir.files import source_of
from cdss.fhir.read import read
from cdss.workflow.facts import facts
from tests.demo.ward import NOW

WARD = {one.story: one for one in demo_hospital(NOW)}
EVERYBODY = demo_hospital(NOW)


@pytest.fixture(scope="module")
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


def of(model: cdss.Model, one: DemoPatient) -> dict[str, Any]:
    raw = one.to_json()
    record = read(source_of(raw, "bundle.json"), subject=one.subject)
    asked = [one.subject], [to_micros(one.index_time)], model.spec, [one.encounter]
    vector = build_features(record.events, record.patients, *asked).vector(0)
    return facts(model.spec, vector, record, Chart(raw))


def named(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["facts"] if one["name"] == name)


@pytest.mark.parametrize("one", EVERYBODY, ids=lambda one: one.subject)
def test_every_value_on_screen_is_the_value_the_machine_reads(model: cdss.Model, one: DemoPatient) -> None:
    found = of(model, one)
    assert [fact["name"] for fact in found["facts"]] == [feature.name for feature in model.spec.features]
    assert found["present"] == sum(fact["value"] is not None for fact in found["facts"])
    for fact in found["facts"]:
        received = fact.get("received")
        if received and received["unit"] == fact["unit"]:
            assert float(received["value"].lstrip("<>=")) == pytest.approx(fact["value"], rel=1e-9)
        if fact["value"] is not None and fact["effective"] is not None:
            assert fact["effective"] <= found["index_time"]
        assert all(at <= found["index_time"] for at, _ in fact.get("series", ()))


def test_a_wrong_unit_is_shown_as_received_and_the_older_value_with_its_time(model: cdss.Model) -> None:
    creatinine = named(of(model, WARD["wrong unit"]), "creatinine")
    assert creatinine["value"] is None
    (aside,) = creatinine["aside"]
    assert (aside["value"], aside["unit"], aside["reason"]) == ("1.3", "mm[Hg]", "unit-wrong-dimension")
    assert creatinine["older"]["unit"] == "mg/dL"
    assert creatinine["older"]["effective"] < aside["effective"]


def test_another_patients_number_is_never_shown(model: cdss.Model) -> None:
    one = WARD["misfiled result"]
    (misfiled,) = [
        entry["resource"]
        for entry in one.bundle["entry"]
        if entry["resource"].get("subject", {"reference": one.subject})["reference"] != one.subject
    ]
    creatinine = named(of(model, one), "creatinine")
    assert creatinine["value"] is not None
    assert creatinine["value"] != misfiled["valueQuantity"]["value"]
    assert not [aside for aside in creatinine["aside"] if aside["value"]]
    assert f"Observation/{misfiled['id']}" not in creatinine["sources"]


def test_of_two_versions_the_one_that_counts_is_shown(model: cdss.Model) -> None:
    creatinine = named(of(model, WARD["corrected version"]), "creatinine")
    assert float(creatinine["received"]["value"]) == creatinine["value"]


def test_a_bound_is_shown_as_a_bound(model: cdss.Model) -> None:
    bilirubin = named(of(model, WARD["censored value"]), "bilirubin")
    assert bilirubin["comparator"] == "<"
    assert bilirubin["received"]["value"].startswith("<")


def test_a_missing_value_is_none_and_says_nothing_else(model: cdss.Model) -> None:
    glucose = named(of(model, WARD["half the labs missing"]), "glucose")
    assert (glucose["value"], glucose["text"], glucose["effective"], glucose["word"]) == (None, None, None, "")


def test_age_is_in_whole_years_as_people_say_it(model: cdss.Model) -> None:
    for one in EVERYBODY:
        age = named(of(model, one), "age")
        if age["value"] is not None:
            assert int(age["text"]) == int(age["value"])
