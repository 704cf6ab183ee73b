"""What must not matter does not change a bit of a patient's features; what may only raise the risk never lowers it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patients import CONDITIONS, DISEASE_GROUPS, INDEX, MEASUREMENTS, Told, patient, read_resources, record_of

import cdss
from cdss.domain.feature import FeatureVector
from cdss.domain.instant import parse_index_time
from cdss.features import build_features
from cdss.workflow.assess import inputs_digest

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

USUAL = {
    "mean blood pressure": (40, 140),
    "heart rate": (40, 180),
    "respiratory rate": (8, 50),
    "temperature": (34, 41),
    "creatinine": (0.4, 12),
    "sodium": (115, 160),
    "study coma score": (0, 100),
    "white cells": (0.5, 60),
    "arterial pH": (6.95, 7.65),
    "PaO2/FiO2": (60, 600),
    "PaO2": (40, 400),
    "FiO2": (21, 100),
    "albumin": (1, 5),
    "bilirubin": (0.2, 30),
    "glucose": (40, 500),
    "urea nitrogen": (4, 150),
    "urine of a day": (0, 5000),
    "urine charted": (0, 600),
    "daily activities": (0, 7),
    "comorbidities": (0, 9),
}


@cache
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


@st.composite
def records(draw: st.DrawFn, name: str = "p1", index: str = INDEX) -> Told:
    """A record of anything the shipped model reads, before and after the index time."""
    told = patient(name, index=index).born(draw(st.sampled_from(["1931-05-02", "1960-07", "1988"])))
    told = draw(st.sampled_from([told.female(), told.male(), told]))
    told = told.in_disease_group(draw(st.sampled_from(DISEASE_GROUPS)))
    told = told.in_hospital(since=-draw(st.integers(1, 300)), stay=f"{name}-stay")
    for what in draw(st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=3, unique=True)):
        since = draw(st.integers(-5000, 100))
        told = told.with_condition(what, since=since, recorded=since + draw(st.integers(0, 50)))
    number = draw(st.integers(5, 30))
    for _ in range(number):
        what = draw(st.sampled_from(sorted(USUAL)))
        low, high = USUAL[what]
        value = round(draw(st.floats(low, high)), 2)
        hours = draw(st.integers(-40, 10))
        status = draw(st.sampled_from(["final"] * 4 + ["preliminary", "corrected", "entered-in-error"]))
        told = told.measured(what, value, hours=hours, known=hours + draw(st.integers(0, 6)), status=status)
    return told


def vector_of(resources: list[dict[str, Any]], subject: str = "Patient/p1", index_time: str = INDEX) -> FeatureVector:
    record = read_resources(resources)
    return build_features(
        record.events, record.patients, [subject], [parse_index_time(index_time)], model().spec
    ).vector(0)


def bits(vector: FeatureVector) -> bytes:
    return np.array([value.number for value in vector.values]).tobytes() + bytes(vector.exclusions)


@few
@given(records(), st.randoms(use_true_random=False))
def test_the_order_of_resources_does_not_matter(told: Told, order: random.Random) -> None:
    resources = told.as_resources()
    shuffled = resources[:]
    order.shuffle(shuffled)
    before, after = vector_of(resources), vector_of(shuffled)
    assert bits(before) == bits(after)
    assert inputs_digest(before) == inputs_digest(after)


@pytest.mark.catalogue(23)
@few
@given(records(), st.data())
def test_a_resource_sent_twice_counts_once(told: Told, data: st.DataObject) -> None:
    resources = told.as_resources()
    again = data.draw(st.lists(st.sampled_from(resources), min_size=1, max_size=6))
    before, after = vector_of(resources), vector_of(resources + again)
    assert bits(before) == bits(after)
    assert inputs_digest(before) == inputs_digest(after)


@pytest.mark.catalogue(23)
@few
@given(records(), st.data())
def test_the_same_result_under_a_second_id_counts_once(told: Told, data: st.DataObject) -> None:
    resources = told.as_resources()
    results = [resource for resource in resources if resource["resourceType"] == "Observation"]
    again = [
        {**one, "id": f"zz-{number}"}
        for number, one in enumerate(data.draw(st.lists(st.sampled_from(results), min_size=1, max_size=6)))
    ]
    assert bits(vector_of(resources)) == bits(vector_of(resources + again))


def irrelevant(told: Told) -> list[dict[str, Any]]:
    """Resources no feature of the model reads."""
    subject = {"subject": {"reference": told.reference}}
    return [
        {"resourceType": "Practitioner", "id": "doctor"},
        {"resourceType": "Immunization", "id": "i", "status": "completed", "patient": {"reference": told.reference},
         "vaccineCode": {"text": "flu"}, "occurrenceDateTime": told.at(-3)},
        {"resourceType": "RiskAssessment", "id": "r", "status": "final", **subject,
         "prediction": [{"probabilityDecimal": 99}]},
        {"resourceType": "Observation", "id": "potassium", "status": "final", **subject,
         "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]}, "effectiveDateTime": told.at(-2),
         "valueQuantity": {"value": 4.1, "system": "http://unitsofmeasure.org", "code": "mmol/L"}},
        {"resourceType": "Condition", "id": "cough", **subject, "recordedDate": told.at(-2),
         "code": {"coding": [{"system": "http://snomed.info/sct", "code": "49727002"}]}},
    ]  # fmt: skip


@few
@given(records(), st.randoms(use_true_random=False))
def test_resources_the_model_does_not_read_change_nothing(told: Told, order: random.Random) -> None:
    resources = told.as_resources()
    more = resources + irrelevant(told)
    order.shuffle(more)
    before, after = vector_of(resources), vector_of(more)
    assert bits(before) == bits(after)
    assert inputs_digest(before) == inputs_digest(after)


@few
@given(records(), st.from_regex(r"[A-Za-z0-9\-.]{1,40}", fullmatch=True))
def test_a_patient_by_another_id_has_the_same_features(told: Told, name: str) -> None:
    text = [*told.as_resources()]
    renamed = [
        {**resource, "subject": {"reference": f"Patient/{name}"}} if "subject" in resource else {**resource, "id": name}
        for resource in text
    ]
    assert bits(vector_of(text)) == bits(vector_of(renamed, f"Patient/{name}"))


EXACT = {
    "creatinine": ("umol/L", lambda number: number * 88.42),
    "mean blood pressure": ("kPa", lambda number: number * 0.133322),
    "white cells": ("/mm3", lambda number: number * 1000),
    "temperature": ("K", lambda number: number + 273.15),
    "albumin": ("g/L", lambda number: number * 10),
    "sodium": ("mol/L", lambda number: number / 1000),
}


@pytest.mark.catalogue(1)
@few
@given(st.data())
def test_a_change_of_unit_changes_no_value(data: st.DataObject) -> None:
    what = data.draw(st.sampled_from(["mean blood pressure", "white cells", "temperature", "albumin", "sodium"]))
    low, high = USUAL[what]
    number = data.draw(st.integers(int(low * 100) + 1, int(high * 100))) / 100
    unit, convert = EXACT[what]
    usual = patient().measured(what, number, hours=-3)
    other = patient().measured(what, float(f"{convert(number):.15g}"), unit, hours=-3)
    before, after = (np.array([v.number for v in vector_of(one.as_resources()).values]) for one in (usual, other))
    assert (
        np.isfinite(before).sum()
        > np.isfinite(np.array([v.number for v in vector_of(patient().as_resources()).values])).sum()
    )
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=0)


@pytest.mark.catalogue(4)
@few
@given(st.integers(40, 1200))
def test_creatinine_in_umol_per_litre_is_the_same_creatinine(hundredths: int) -> None:
    usual = patient().with_creatinine(hundredths / 100, "mg/dL", hours=-3)
    place = [feature.name for feature in model().spec.features].index("creatinine")
    before = vector_of(usual.as_resources()).values[place].number
    molar = vector_of(patient().with_creatinine(100.0, "umol/L", hours=-3).as_resources()).values[place].number
    factor = 100.0 / molar  # umol/L in 1 mg/dL, as units.toml has it
    other = patient().with_creatinine(float(f"{hundredths / 100 * factor:.15g}"), "umol/L", hours=-3)
    assert vector_of(other.as_resources()).values[place].number == pytest.approx(before, rel=1e-9)
    assert factor == pytest.approx(88.4, rel=1e-3)


@few
@given(records(), st.integers(-400, 400), st.integers(0, 86_399))
def test_all_times_moved_together_change_nothing_but_the_age(told: Told, days: int, seconds: int) -> None:
    """The birth date stays out of it: it has no time of day to move by."""
    shift = timedelta(days=days, seconds=seconds)

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(member) for name, member in value.items()}
        if isinstance(value, list):
            return [moved(member) for member in value]
        if isinstance(value, str) and value.endswith("Z") and "T" in value:
            return (datetime.fromisoformat(value) + shift).isoformat()
        return value

    ageless = told.stating(birthDate=None).as_resources()
    later = (datetime.fromisoformat(INDEX) + shift).isoformat()
    assert bits(vector_of(ageless)) == bits(vector_of(moved(ageless), index_time=later))


@pytest.mark.catalogue(25)
@few
@given(records(), records())
def test_nothing_known_later_changes_an_earlier_answer(told: Told, other: Told) -> None:
    """Everything of a second record is added, each thing known only after the index time."""
    resources = told.as_resources()
    future = []
    for number, resource in enumerate(other.as_resources()[1:]):
        late = {**resource, "id": f"later-{number}"}
        kind, after = resource["resourceType"], told.at(0.001 + number)
        if kind == "Observation":
            # Half were sampled before the index time and reported after it.
            early = number % 2
            late |= {"effectiveDateTime": told.at(-1) if early else after, "issued": after}
        elif kind == "Condition":
            late |= {"recordedDate": after}
        else:
            late |= {"period": {"start": after}}
        future.append(late)
    before, after_all = vector_of(resources), vector_of(resources + future)
    assert bits(before) == bits(after_all)
    assert inputs_digest(before) == inputs_digest(after_all)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=6, unique=True), st.data())
def test_a_patient_in_a_batch_has_the_features_of_a_patient_alone(names: list[int], data: st.DataObject) -> None:
    told = [data.draw(records(f"p{name}")) for name in names]
    everyone = record_of(*told)
    at = parse_index_time(INDEX)
    subjects = [one.reference for one in told]
    matrix = build_features(everyone.events, everyone.patients, subjects, [at] * len(told), model().spec)
    for row, one in enumerate(told):
        alone = vector_of(one.as_resources(), one.reference)
        assert bits(matrix.vector(row)) == bits(alone)
        assert inputs_digest(matrix.vector(row)) == inputs_digest(alone)


# ---- monotone -------------------------------------------------------------------------------------------------------


def test_the_shipped_model_promises_some_monotone_features() -> None:
    assert sum(feature.monotone != 0 for feature in model().spec.features) >= 5


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_where_physiology_demands_it_a_worse_value_never_lowers_the_risk(data: st.DataObject) -> None:
    spec, ranges, machine = model().spec, model().ranges, model().machine
    row = [
        data.draw(st.one_of(st.floats(low, high, width=32), st.just(np.nan)))
        if feature.if_missing == "allow"
        else data.draw(st.floats(low, high, width=32))
        for feature, (low, high) in zip(spec.features, np.float32(ranges).tolist(), strict=True)
    ]
    for place, feature in enumerate(spec.features):
        if not feature.monotone:
            continue
        low, high = np.float32(ranges[place]).tolist()
        ladder = np.sort(data.draw(st.lists(st.floats(low, high, width=32), min_size=2, max_size=8)))
        rows = np.tile(row, (len(ladder), 1))
        rows[:, place] = ladder
        steps = np.diff(machine.forest.margin(rows)) * feature.monotone
        assert (steps >= -1e-9).all(), feature.name


def test_more_of_a_bad_thing_shows_in_a_patients_own_estimate() -> None:
    from patients import seriously_ill, without

    risks = []
    for score in (0, 26, 55, 100):
        told = without(seriously_ill(), "study coma score").measured("study coma score", score, hours=-12)
        found = model().assess(record_of(told), INDEX).to_dict()
        risks.append(found["log_odds"])
    assert risks == sorted(risks)
    assert risks[0] < risks[-1]


def test_the_laws_are_tried_on_records_that_say_something() -> None:
    """Guard of the guards: the generated records fill features, so that equal does not mean equally empty."""
    told = replace(patient().born("1931-05-02").in_disease_group("chf"))
    for what, (low, high) in USUAL.items():
        told = told.measured(what, (low + high) / 2, hours=-2)
    filled = sum(not value.missing for value in vector_of(told.as_resources()).values)
    assert filled >= 20
    assert set(USUAL) == set(MEASUREMENTS)
