"""Numbers, units and answers: a value is used only where it can be proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bedside import code, look, look_at, measured, patient, potassium, pressure, quantity, to_bytes

ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "error"}
NONE: dict[str, None] = {"valueQuantity": None}


@pytest.mark.catalogue(1, 4, 7, 9)
@pytest.mark.parametrize(
    ("loinc", "value", "unit", "expected"),
    [
        pytest.param("8310-5", 310.75, "K", "37.6 Cel", id="temperature-in-kelvin"),
        pytest.param("8310-5", 98.6, "[degF]", "37 Cel", id="temperature-in-fahrenheit"),
        pytest.param("6690-2", 13100, "/mm3", "13.1 10*3/uL", id="white-cells-per-cubic-millimetre"),
        pytest.param("2160-0", 88.4, "umol/L", "0.9999808 mg/dL", id="creatinine-on-a-mass-code-in-micromoles"),
        pytest.param("59408-5", 0.93, "1", "93 %", id="saturation-as-a-fraction"),
        pytest.param("9279-1", 18, "{breaths}/min", "18 /min", id="rate-with-an-annotation"),
        pytest.param("2823-3", 3.9, "meq/L", "3.9 mmol/L", id="potassium-in-milliequivalents"),
    ],
)
def test_a_result_in_another_unit_is_converted(
    tmp_path: Path, loinc: str, value: float, unit: str, expected: str
) -> None:
    assert look(tmp_path, measured(loinc, value, unit)).value(loinc) == expected


@pytest.mark.catalogue(2, 7, 8, 15, 16)
@pytest.mark.parametrize(
    ("loinc", "value", "unit"),
    [
        pytest.param("8310-5", 101.3, "Cel", id="fahrenheit-coded-as-celsius"),
        pytest.param("8310-5", 38.4, "[degF]", id="celsius-coded-as-fahrenheit"),
        pytest.param("2345-7", 118, "mm[Hg]", id="glucose-as-a-pressure"),
        pytest.param("59408-5", 950, "%", id="saturation-of-950"),
        pytest.param("8867-4", -88, "/min", id="negative-heart-rate"),
        pytest.param("8867-4", 0, "/min", id="heart-rate-of-zero"),
        pytest.param("8310-5", -0.0, "Cel", id="temperature-of-minus-zero"),
    ],
)
def test_an_impossible_result_is_put_aside_and_never_clipped(
    tmp_path: Path, loinc: str, value: float, unit: str
) -> None:
    reading = look(tmp_path, measured(loinc, value, unit))
    assert reading.value(loinc) is None
    assert reading.report["put_aside"] == 1
    assert reading.reasons("error")


@pytest.mark.catalogue(3, 5, 12)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"unit": None, "system": None, "code": None}, "unit-missing", id="no-unit"),
        pytest.param({"unit": "mmol/L", "code": "mg/dL"}, "unit-contradiction", id="unit-and-code-disagree"),
        pytest.param({"value": "3.9"}, "value-wrong-type", id="number-as-text"),
        pytest.param({"value": True}, "value-wrong-type", id="number-as-boolean"),
        pytest.param({"value": None}, "value-wrong-type", id="number-as-null"),
        pytest.param({"value": [3.9]}, "value-wrong-type", id="number-as-list"),
        pytest.param({"comparator": "ad"}, "comparator-unknown", id="comparator-unknown"),
    ],
)
def test_a_quantity_that_cannot_be_proven_is_put_aside(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    given = quantity() | changes
    given = {name: part for name, part in given.items() if part is not None or name == "value"}
    reading = look(tmp_path, potassium(valueQuantity=given))
    assert reading.value() is None
    assert reading.reasons("error") == {reason}


@pytest.mark.catalogue(14)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"1e400", id="1e400"),
        pytest.param(b"-1e400", id="minus-1e400"),
        pytest.param(b"1e-400", id="1e-400"),
        pytest.param(b"1e999999999999999999999", id="an-exponent-of-21-digits"),
        pytest.param(b"9" * 5000, id="a-number-of-5000-digits"),
        pytest.param(b"0e999999999", id="zero-with-a-huge-exponent"),
    ],
)
def test_a_number_beyond_any_measurement_is_put_aside(tmp_path: Path, text: bytes) -> None:
    raw = to_bytes({"resourceType": "Bundle", "entry": [{"resource": patient()}, {"resource": potassium()}]})
    reading = look_at(tmp_path, raw.replace(b"3.9", text))
    assert reading.value() is None
    assert reading.reasons("error") == {"value-impossible"}


@pytest.mark.catalogue(15)
@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"39e-1", "3.9"), (b"3.90", "3.9"), (b"4", "4"), (b"3.90000000000000000000000001", "3.9"), (b"0.39E+1", "3.9")],
)
def test_a_number_may_be_written_in_any_way_json_allows(tmp_path: Path, text: bytes, expected: str) -> None:
    raw = to_bytes({"resourceType": "Bundle", "entry": [{"resource": patient()}, {"resource": potassium()}]})
    assert look_at(tmp_path, raw.replace(b"3.9", text)).value() == f"{expected} mmol/L"


@pytest.mark.catalogue(10, 11, 17, 18, 41)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(NONE | {"valueString": "7.1 H haemolysed"}, "value-not-quantity", id="prose"),
        pytest.param(NONE | {"valueString": "38,4"}, "value-not-quantity", id="decimal-comma"),
        pytest.param(NONE | {"valueString": "<0.01"}, "value-not-quantity", id="comparator-in-text"),
        pytest.param(NONE | {"valueRange": {"low": quantity()}}, "value-not-quantity", id="range"),
        pytest.param(NONE | {"valueRatio": {}}, "value-not-quantity", id="ratio"),
        pytest.param(NONE | {"valueSampledData": {}}, "value-not-quantity", id="sampled-data"),
        pytest.param(NONE | {"valuePeriod": {}}, "value-not-quantity", id="period"),
        pytest.param(NONE | {"valueCodeableConcept": code("LA9340-6")}, "value-not-quantity", id="code-for-a-number"),
        pytest.param({"valueString": "4.1"}, "value-multiple", id="two-values"),
        pytest.param({"valueInteger": 4}, "value-multiple", id="quantity-and-integer"),
        pytest.param({"dataAbsentReason": code("error", system="x")}, "value-and-absent-reason", id="value-and-reason"),
        pytest.param(NONE, "value-missing", id="nothing"),
        pytest.param({"focus": [{"reference": "Patient/baby"}]}, "focus-not-patient", id="about-the-baby"),
        pytest.param({"modifierExtension": [{"url": "http://x"}]}, "modifier-extension", id="modifier-extension"),
        pytest.param({"implicitRules": "http://x"}, "modifier-extension", id="implicit-rules"),
    ],
)
def test_a_result_that_is_no_plain_number_is_put_aside(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    reading = look(tmp_path, potassium(**changes))
    assert reading.value() is None
    assert reading.reasons("error") == {reason}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(12)
def test_null_in_place_of_a_quantity_is_put_aside_with_its_path(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(valueQuantity=None) | {"valueQuantity": None})
    (finding,) = [found for found in reading.report["rejections"] if found["severity"] == "error"]
    assert (finding["source"], finding["location"]) == ("Observation/k", "valueQuantity")


@pytest.mark.catalogue(10)
def test_a_bound_keeps_its_comparator(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(valueQuantity=quantity(comparator="<")))
    assert reading.value() == "<3.9 mmol/L"
    assert reading.reasons() == {"value-censored"}


@pytest.mark.catalogue(17, 42)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(NONE | {"dataAbsentReason": code("unknown", system="http://x")}, id="data-absent-reason"),
        pytest.param({"valueQuantity": {"_value": {"extension": []}, "unit": "mmol/L"}}, id="extension-only"),
    ],
)
def test_a_result_recorded_as_absent_is_absent_with_a_note(tmp_path: Path, changes: dict[str, Any]) -> None:
    reading = look(tmp_path, potassium(**changes))
    assert reading.value() is None
    assert reading.reasons() == {"value-absent"}


@pytest.mark.catalogue(42)
def test_a_plain_unknown_extension_is_harmless(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(extension=[{"url": "http://x"}]))
    assert reading.value() == "3.9 mmol/L"
    assert not reading.reasons()


@pytest.mark.catalogue(19)
@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "unknown", "registered", "done", "Final"])
def test_a_result_that_does_not_stand_gives_way_to_the_newest_good_one(tmp_path: Path, status: str) -> None:
    later = potassium("k2", status=status, effectiveDateTime="2025-09-03T18:30:00Z", valueQuantity=quantity(5.9))
    reading = look(tmp_path, potassium(), later)
    assert reading.value() == "3.9 mmol/L"
    assert reading.reasons("error") == {"status-not-usable"}


class TestBloodPressure:
    """Panels and their parts."""

    @pytest.mark.catalogue(45)
    @pytest.mark.parametrize("panel", ["85354-9", "55284-4"])
    def test_both_parts_of_a_panel_are_read(self, tmp_path: Path, panel: str) -> None:
        reading = look(tmp_path, pressure(panel=panel))
        assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", "76 mm[Hg]")

    @pytest.mark.catalogue(16)
    def test_systolic_below_diastolic_is_put_aside(self, tmp_path: Path) -> None:
        reading = look(tmp_path, pressure(76, 124))
        assert (reading.value("8480-6"), reading.value("8462-4")) == (None, None)
        assert reading.reasons("error") == {"value-contradiction"}

    @pytest.mark.catalogue(17, 41)
    @pytest.mark.parametrize(
        ("part", "reason"),
        [
            pytest.param({"modifierExtension": [{"url": "http://x"}]}, "modifier-extension", id="modifier-extension"),
            pytest.param({"valueQuantity": quantity(7600, "mm[Hg]")}, "value-impossible", id="impossible"),
            pytest.param({"dataAbsentReason": code("x", system="y")}, "value-and-absent-reason", id="value-and-reason"),
        ],
    )
    def test_a_faulty_part_is_put_aside_alone(self, tmp_path: Path, part: dict[str, Any], reason: str) -> None:
        diastolic = {"code": code("8462-4"), "valueQuantity": quantity(76, "mm[Hg]")} | part
        reading = look(tmp_path, pressure(124, diastolic))
        assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", None)
        assert reading.reasons("error") == {reason}

    def test_two_different_systolic_pressures_in_one_panel_are_both_put_aside(self, tmp_path: Path) -> None:
        panel = pressure()
        panel["component"].append({"code": code("8480-6"), "valueQuantity": quantity(190, "mm[Hg]")})
        reading = look(tmp_path, panel)
        assert (reading.value("8480-6"), reading.value("8462-4")) == (None, "76 mm[Hg]")
        assert reading.reasons("error") == {"values-contradict"}

    @pytest.mark.catalogue(17)
    def test_an_absent_part_is_absent(self, tmp_path: Path) -> None:
        reading = look(tmp_path, pressure(124, {"code": code("8462-4"), "dataAbsentReason": code("x", system="y")}))
        assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", None)
        assert reading.reasons("error") == set()


@pytest.mark.catalogue(41, 46)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"Comparator": "<"}, "element-unknown", id="comparator-in-capitals"),
        pytest.param({"comparater": "<"}, "element-unknown", id="comparator-misspelt"),
        pytest.param({"Unit": "mg/dL"}, "element-unknown", id="unit-in-capitals"),
        pytest.param({"modifierExtension": [{"url": "http://x"}]}, "modifier-extension", id="modifier-extension"),
        pytest.param({"_value": {"extension": [ABSENT]}}, "value-and-absent-reason", id="value-and-reason"),
        pytest.param({"extension": [ABSENT]}, "value-and-absent-reason", id="value-and-reason-on-the-quantity"),
    ],
)
def test_a_quantity_that_says_more_than_is_understood_is_put_aside(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    reading = look(tmp_path, potassium(valueQuantity=quantity(**changes)))
    assert reading.value() is None
    assert reading.reasons("error") == {reason}
    (finding,) = [found for found in reading.record.rejections if found.severity == "error"]
    assert finding.subject == "Patient/p1"


@pytest.mark.catalogue(42)
def test_a_plain_extension_on_a_quantity_is_harmless(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(valueQuantity=quantity(extension=[{"url": "http://x"}], _unit={}, id="q")))
    assert reading.value() == "3.9 mmol/L"
    assert not reading.reasons()


@pytest.mark.catalogue(46)
def test_a_misspelt_comparator_in_one_pressure_is_found(tmp_path: Path) -> None:
    diastolic = {"code": code("8462-4"), "valueQuantity": quantity(76, "mm[Hg]", Comparator="<")}
    assert look(tmp_path, pressure(124, diastolic)).reasons("error") == {"element-unknown"}


@pytest.mark.catalogue(41)
def test_a_rule_on_the_code_may_change_what_was_measured(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(code=code("2823-3") | {"modifierExtension": [{"url": "http://x"}]}))
    assert reading.value() is None
    assert reading.reasons("error") == {"modifier-extension"}


def test_a_result_about_its_own_patient_is_used(tmp_path: Path) -> None:
    assert look(tmp_path, potassium(focus=[{"reference": "Patient/p1"}])).value() == "3.9 mmol/L"


def test_loinc_under_its_oid_is_loinc(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(code=code("2823-3", system="urn:oid:2.16.840.1.113883.6.1")))
    assert reading.value() == "3.9 mmol/L"
    assert not reading.reasons()


def test_a_result_that_contradicts_its_own_component_is_put_aside(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(component=[{"code": code("2823-3"), "valueQuantity": quantity(6.9)}]))
    assert reading.value() is None
    assert reading.reasons("error") == {"values-contradict", "no-usable-part"}


@pytest.mark.catalogue(43, 44)
@pytest.mark.parametrize(
    ("coded", "reason"),
    [
        pytest.param(code("2823-4"), "loinc-check-digit", id="wrong-check-digit"),
        pytest.param(code(" 2823-3"), "code-malformed", id="blank-before-the-code"),
        pytest.param(code("2823-3", system="http://LOINC.org"), "code-system-misspelt", id="capitals-in-the-system"),
        pytest.param(code("2823-3", system="https://loinc.org/"), "code-system-misspelt", id="https-in-the-system"),
        pytest.param({"text": "Potassium"}, "code-missing", id="text-only"),
        pytest.param({"coding": [{"code": "2823-3"}]}, "code-no-system", id="no-system"),
        pytest.param(code("2160-0", "2823-3"), "codes-contradict", id="creatinine-and-potassium"),
        pytest.param(code("2160-0", "2345-7"), "codes-contradict", id="creatinine-and-glucose-in-one-unit"),
        pytest.param(code("2823-3\x00"), "code-malformed", id="a-control-character"),
    ],
)
def test_a_code_that_cannot_be_believed_is_not_mapped(tmp_path: Path, coded: dict[str, Any], reason: str) -> None:
    reading = look(tmp_path, potassium(code=coded))
    assert reading.report["values"] == []
    assert reading.reasons() == {reason}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(45)
def test_pulse_oximetry_under_both_us_core_codes_is_read_once(tmp_path: Path) -> None:
    both = potassium(code=code("59408-5", "2708-6"), valueQuantity=quantity(95, "%"))
    reading = look(tmp_path, both)
    assert (reading.value("59408-5"), reading.value("2708-6")) == ("95 %", None)


@pytest.mark.catalogue(45)
def test_a_loinc_beside_a_local_code_is_found(tmp_path: Path) -> None:
    both = {"coding": code("K", system="http://hospital.example")["coding"] + code("2823-3")["coding"]}
    reading = look(tmp_path, potassium(code=both))
    assert reading.value() == "3.9 mmol/L"
    assert not reading.reasons()


@pytest.mark.parametrize("answer", ["LA9340-6", "LA4-4", "LA30122-8", "LP29684-5"])
def test_loinc_answer_codes_are_legal(tmp_path: Path, answer: str) -> None:
    reading = look(tmp_path, potassium(code=code("80288-4"), valueQuantity=None, valueCodeableConcept=code(answer)))
    assert reading.value("80288-4") == f"{answer} None"
    assert not reading.reasons()


@pytest.mark.catalogue(46, 47)
@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("efectiveDateTime", "2025"),
        ("valueQuantitty", {}),
        ("fhirVersion", "5.0.0"),
    ],
)
def test_a_misspelt_or_foreign_element_is_a_finding(tmp_path: Path, element: str, value: Any) -> None:
    reading = look(tmp_path, potassium(**{element: value}))
    assert reading.value() == "3.9 mmol/L"
    assert reading.reasons() == {"element-unknown"}
