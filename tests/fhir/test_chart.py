"""What a screen shows of a Bundle: two identifiers, the place, and each value with the digits it was received with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.demo import demo_hospital
from cdss.fhir.chart import Chart
from tests.demo.ward import NOW

WARD = {one.subject: one for one in demo_hospital(NOW)}


def bundle(*resources: dict[str, Any]) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    ).encode()


def observation(number: str) -> bytes:
    quantity = f'{{"value": {number}, "unit": "mg/dL"}}'
    resource = f'{{"resourceType": "Observation", "id": "o1", "valueQuantity": {quantity}}}'
    return f'{{"resourceType": "Bundle", "type": "collection", "entry": [{{"resource": {resource}}}]}}'.encode()


@pytest.mark.parametrize("subject", sorted(WARD))
def test_every_patient_of_the_ward_has_the_banner_of_their_own_record(subject: str) -> None:
    one = WARD[subject]
    found = Chart(one.to_json()).banner(subject, one.encounter)
    assert (found.family, found.given, found.identifier) == (one.family, one.given, one.mrn)
    assert (found.ward, found.bed) == (f"Ward {one.ward}", f"bed {one.bed}")
    assert found.attending == one.attending.name
    assert found.sex == one.sex
    assert one.birth_date.isoformat().startswith(found.birth_date)
    assert found.synthetic


@given(st.decimals(min_value=0, max_value=9999, allow_nan=False, allow_infinity=False, places=3))
def test_digits_are_shown_as_they_were_received(number: Any) -> None:
    (found,) = Chart(observation(str(number))).received("Observation/o1")
    assert found.value == str(number)


@pytest.mark.parametrize("number", ["2.50", "1e1", "39e-1", "0.10", "7", "12.000"])
def test_no_digit_is_rounded_or_dropped(number: str) -> None:
    (found,) = Chart(observation(number)).received("Observation/o1")
    assert found.value == number


def test_a_bound_keeps_its_sign_and_a_text_its_words() -> None:
    bounded = Chart(
        bundle({"resourceType": "Observation", "id": "a", "valueQuantity": {"value": 3, "comparator": "<"}})
    )
    assert bounded.received("Observation/a")[0].value == "<3"
    words = Chart(bundle({"resourceType": "Observation", "id": "b", "valueString": "7.1 H haemolysed"}))
    assert words.received("Observation/b")[0].value == "7.1 H haemolysed"


def test_two_versions_of_a_result_are_both_there() -> None:
    first = {"resourceType": "Observation", "id": "o1", "valueQuantity": {"value": 1, "unit": "mg/dL"}}
    second = {"resourceType": "Observation", "id": "o1", "valueQuantity": {"value": 2, "unit": "mg/dL"}}
    assert [one.value for one in Chart(bundle(first, second)).received("Observation/o1")] == ["1", "2"]


@pytest.mark.parametrize(
    "patient",
    [
        {},
        {"name": "Ruth"},
        {"name": [None, 3, {"family": ["x"], "given": "Ruth"}]},
        {"identifier": {"value": "7"}, "birthDate": 1957, "gender": {}},
        {"meta": "x", "name": [{"use": "old", "family": "Before"}]},
    ],
)
def test_an_odd_patient_gives_an_empty_banner_and_no_crash(patient: dict[str, Any]) -> None:
    found = Chart(bundle({"resourceType": "Patient", "id": "p1", **patient})).banner("Patient/p1", None)
    assert found.reference == "Patient/p1"
    assert not found.synthetic
    assert "Before" not in found.family


@pytest.mark.catalogue(66)
def test_a_record_is_synthetic_only_if_every_resource_says_so() -> None:
    tagged = {"meta": {"tag": [{"system": "x", "code": "HTEST"}]}}
    marked, plain = {"resourceType": "Patient", "id": "p", **tagged}, {"resourceType": "Patient", "id": "q"}
    assert Chart(bundle(marked)).synthetic
    assert not Chart(bundle(marked, plain)).synthetic
    assert not Chart(bundle()).synthetic
