"""The catalogue of inputs, rows 1 to 18: units, numbers, and values that are none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from bedside import (
    ONE_ASIDE,
    ONE_USED,
    code,
    is_put_aside,
    is_used,
    look,
    look_at,
    measured,
    patient,
    potassium,
    pressure,
    quantity,
    to_bytes,
    to_ndjson,
)
from patients import INDEX, record_of, seriously_ill, without

import cdss
from cdss.units import Analyte, analyte_for, analytes, convert, read_unit

LOCAL = "https://hospital.example/units"
UCUM = "http://unitsofmeasure.org"

SYSTOLIC = {"code": code("8480-6"), "valueQuantity": quantity(124, "mm[Hg]")}
DIASTOLIC = {"code": code("8462-4"), "valueQuantity": quantity(76, "mm[Hg]")}
ABSENT = {"dataAbsentReason": code("unknown", system="http://terminology.hl7.org/CodeSystem/data-absent-reason")}


def loinc(number: str) -> Analyte:
    found = analyte_for(f"http://loinc.org|{number}")
    assert found is not None
    return found


# ---- units


CONVERSIONS = [
    pytest.param("8310-5", "101.3", "[degF]", Fraction("38.5"), id="101.3-degrees-fahrenheit"),
    pytest.param("8310-5", "310.75", "K", Fraction("37.6"), id="310.75-kelvin"),
    pytest.param("2703-7", "14.4", "kPa", Fraction(14400) / Fraction("133.322"), id="14.4-kilopascal"),
    pytest.param("6690-2", "13100", "/mm3", Fraction("13.1"), id="13100-cells-per-cubic-millimetre"),
]


@pytest.mark.catalogue(1)
@pytest.mark.parametrize(("number", "value", "unit", "expected"), CONVERSIONS)
def test_a_result_is_converted_into_the_unit_of_the_models(
    tmp_path: Path, number: str, value: str, unit: str, expected: Fraction
) -> None:
    reading = look(tmp_path, measured(number, float(value), unit))
    is_used(reading)
    (found,) = reading.report["values"]
    assert found["unit"] == loinc(number).unit
    assert abs(Fraction(found["value"]) / expected - 1) <= Fraction(1, 10**9)


@pytest.mark.catalogue(1)
@pytest.mark.parametrize(("number", "value", "unit", "expected"), CONVERSIONS)
def test_a_unit_is_converted_both_ways_to_nine_digits(number: str, value: str, unit: str, expected: Fraction) -> None:
    analyte = loinc(number)
    there = convert(Decimal(value), read_unit(analyte, UCUM, unit, None))
    back = convert(there, read_unit(replace(analyte, unit=unit), UCUM, analyte.unit, None))
    assert abs(there / expected - 1) <= Fraction(1, 10**9)
    assert abs(back / Fraction(value) - 1) <= Fraction(1, 10**9)


@pytest.mark.catalogue(2)
@pytest.mark.parametrize(
    ("number", "value", "unit"),
    [
        pytest.param("8310-5", 101.3, "Cel", id="a-fever-in-fahrenheit-coded-as-celsius"),
        pytest.param("8310-5", 38.4, "[degF]", id="a-fever-in-celsius-coded-as-fahrenheit"),
        pytest.param("2345-7", 7.9, "mg/dL", id="a-glucose-in-mmol-coded-as-mg"),
    ],
)
def test_a_value_in_the_unit_of_another_country_is_never_corrected_by_guessing(
    tmp_path: Path, number: str, value: float, unit: str
) -> None:
    is_put_aside(look(tmp_path, measured(number, value, unit)), "valueQuantity.value", "value-impossible")


@pytest.mark.catalogue(3)
@pytest.mark.parametrize(
    "unitless", [{}, {"unit": ""}, {"unit": " "}, {"system": UCUM}, {"system": UCUM, "code": ""}, {"system": LOCAL}]
)
def test_a_creatinine_without_a_unit_is_put_aside(tmp_path: Path, unitless: dict[str, str]) -> None:
    result = potassium(code=code("2160-0"), valueQuantity={"value": 88} | unitless)
    is_put_aside(look(tmp_path, result), "valueQuantity", "unit-missing")


@pytest.mark.catalogue(3)
def test_a_creatinine_as_a_bare_whole_number_is_put_aside(tmp_path: Path) -> None:
    result = potassium(code=code("2160-0"), valueQuantity=None, valueInteger=88)
    is_put_aside(look(tmp_path, result), "valueInteger", "unit-missing")


@pytest.mark.catalogue(4)
@pytest.mark.parametrize(
    ("number", "value", "unit", "expected"),
    [
        pytest.param("2160-0", 116.7, "umol/L", "1.3201", id="creatinine-on-its-mass-code-in-micromoles"),
        pytest.param("14682-9", 116.7, "umol/L", "1.3201", id="creatinine-on-its-amount-code"),
        pytest.param("2524-7", 12.6, "mg/dL", "1.3988", id="lactate-in-milligrams"),
        pytest.param("2345-7", 10, "mmol/L", "180.16", id="glucose-in-millimoles"),
        pytest.param("4548-4", 53, "mmol/mol", "7.0004", id="hba1c-in-millimoles-per-mole"),
    ],
)
def test_amount_and_mass_are_converted_by_molar_mass_and_never_taken_raw(
    tmp_path: Path, number: str, value: float, unit: str, expected: str
) -> None:
    reading = look(tmp_path, measured(number, value, unit))
    is_used(reading)
    (found,) = reading.report["values"]
    assert (float(found["value"]), found["unit"]) == (pytest.approx(float(expected), rel=1e-4), loinc(number).unit)


@pytest.mark.catalogue(4)
@pytest.mark.parametrize(("number", "unit"), [("1751-7", "umol/L"), ("10839-9", "nmol/L")])
def test_an_amount_of_something_without_a_molar_mass_is_put_aside(tmp_path: Path, number: str, unit: str) -> None:
    is_put_aside(look(tmp_path, measured(number, 5, unit)), "valueQuantity", "unit-no-molar-mass")


@pytest.mark.catalogue(5)
@pytest.mark.parametrize(
    ("number", "text", "coded"),
    [
        ("2345-7", "mmol/L", "mg/dL"),
        ("2160-0", "umol/L", "mg/dL"),
        ("8310-5", "°F", "Cel"),
        ("2703-7", "kPa", "mm[Hg]"),
        ("6690-2", "/mm3", "10*3/uL"),
        ("19123-9", "meq/L", "mmol/L"),
    ],
)
def test_a_unit_that_says_one_thing_and_codes_another_is_put_aside(
    tmp_path: Path, number: str, text: str, coded: str
) -> None:
    result = potassium(code=code(number), valueQuantity=quantity(38, coded) | {"unit": text})
    is_put_aside(look(tmp_path, result), "valueQuantity", "unit-contradiction")


@pytest.mark.catalogue(6)
@pytest.mark.parametrize(
    ("number", "value", "written", "expected", "note"),
    [
        pytest.param("8867-4", 88, {"system": LOCAL, "code": "bpm", "unit": "bpm"}, "88 /min", "unit-alias",
                     id="system-local"),
        pytest.param("8867-4", 88, {"system": UCUM, "code": "bpm", "unit": "bpm"}, "88 /min", "unit-alias", id="bpm"),
        pytest.param("6690-2", 9.2, {"system": UCUM, "code": "K/uL", "unit": "K/uL"}, "9.2 10*3/uL", "unit-alias",
                     id="K-per-uL"),
        pytest.param("2823-3", 3.9, {"unit": "MMOL/L"}, "3.9 mmol/L", "unit-alias", id="MMOL-per-L"),
        pytest.param("9279-1", 18, {"unit": "breaths/minute"}, "18 /min", "unit-alias", id="unit-text-only"),
        pytest.param("2823-3", 3.9, {"unit": "mmol/L"}, "3.9 mmol/L", "unit-from-text", id="ucum-as-text-only"),
        pytest.param("8480-6", 124, {"unit": "mmHg"}, "124 mm[Hg]", "unit-alias", id="mmHg"),
    ],
)  # fmt: skip
def test_a_unit_in_other_letters_is_read_by_the_published_table_with_a_note(
    tmp_path: Path, number: str, value: float, written: dict[str, str], expected: str, note: str
) -> None:
    reading = look(tmp_path, potassium(code=code(number), valueQuantity={"value": value} | written))
    is_used(reading, ("valueQuantity", note))
    assert reading.value(number) == expected


@pytest.mark.catalogue(6)
@pytest.mark.parametrize(
    "written",
    [
        {"system": LOCAL, "code": "x17"},
        {"unit": "see comment"},
        {"unit": "mmol pro Liter"},
        {"system": UCUM, "code": "MMOL/l"},
        {"system": UCUM, "code": " mmol/L"},
        {"system": UCUM, "code": "florps"},
    ],
)
def test_a_unit_that_is_in_no_table_is_put_aside(tmp_path: Path, written: dict[str, str]) -> None:
    result = potassium(valueQuantity={"value": 3.9} | written)
    is_put_aside(look(tmp_path, result), "valueQuantity", "unit-unknown")


@pytest.mark.catalogue(7)
def test_a_saturation_written_as_a_fraction_is_read_as_percent_with_a_note(tmp_path: Path) -> None:
    reading = look(tmp_path, measured("59408-5", 0.93, "1"))
    is_used(reading, ("valueQuantity", "unit-fraction"))
    assert reading.value("59408-5") == "93 %"


@pytest.mark.catalogue(7)
@pytest.mark.parametrize(("value", "unit"), [(950, "%"), (0.93, "%"), (93, "1"), (9.5, "%")])
def test_a_saturation_with_a_slipped_point_is_put_aside(tmp_path: Path, value: float, unit: str) -> None:
    reading = look(tmp_path, measured("59408-5", value, unit))
    assert reading.findings("error") == {("Observation/k", "valueQuantity.value", "value-impossible")}
    assert (reading.counts, reading.report["values"]) == (ONE_ASIDE, [])


@pytest.mark.catalogue(8)
@pytest.mark.parametrize(
    ("number", "unit"),
    [
        ("2345-7", "mm[Hg]"), ("8867-4", "mg/dL"), ("8310-5", "mm[Hg]"), ("2160-0", "10*3/uL"), ("8480-6", "/min"),
        ("6690-2", "mmol/L"), ("2823-3", "mmol/kg"), ("59408-5", "mm[Hg]"), ("29463-7", "cm"), ("9269-2", "%"),
    ],
)  # fmt: skip
def test_a_result_in_the_unit_of_something_else_is_put_aside(tmp_path: Path, number: str, unit: str) -> None:
    is_put_aside(look(tmp_path, measured(number, 13, unit)), "valueQuantity", "unit-wrong-dimension")


@pytest.mark.catalogue(9)
@pytest.mark.parametrize(
    ("number", "value", "unit", "expected"),
    [
        ("9279-1", 18, "{breaths}/min", "18 /min"),
        ("8867-4", 88, "{beats}/min", "88 /min"),
        ("8480-6", 124, "mm[Hg]{systolic}", "124 mm[Hg]"),
        ("6690-2", 9.2, "10*3{cells}/uL", "9.2 10*3/uL"),
    ],
)
def test_words_in_braces_beside_a_unit_change_nothing(
    tmp_path: Path, number: str, value: float, unit: str, expected: str
) -> None:
    reading = look(tmp_path, measured(number, value, unit))
    is_used(reading)
    assert reading.value(number) == expected


@pytest.mark.catalogue(9)
@pytest.mark.parametrize(
    ("number", "equivalents", "valence"),
    [
        pytest.param("2951-2", 140, 1, id="sodium"),
        pytest.param("2823-3", 4, 1, id="potassium"),
        pytest.param("2075-0", 104, 1, id="chloride"),
        pytest.param("1963-8", 24, 1, id="bicarbonate"),
        pytest.param("19123-9", 2, 2, id="magnesium"),
        pytest.param("17861-6", 5, 2, id="calcium"),
    ],
)
def test_milliequivalents_are_read_by_the_valence_of_the_ion(
    tmp_path: Path, number: str, equivalents: int, valence: int
) -> None:
    given = look(tmp_path, measured(number, equivalents, "meq/L"))
    is_used(given)
    assert given.value(number) == look(tmp_path, measured(number, equivalents / valence, "mmol/L")).value(number)


@pytest.mark.catalogue(9)
@pytest.mark.parametrize("number", ["2345-7", "2160-0", "3094-0"])
def test_milliequivalents_of_what_is_no_ion_are_put_aside(tmp_path: Path, number: str) -> None:
    is_put_aside(look(tmp_path, measured(number, 5, "meq/L")), "valueQuantity", "unit-no-valence")


# ---- numbers


@pytest.mark.catalogue(10)
@pytest.mark.parametrize("sign", ["<", "<=", ">=", ">"])
def test_a_bound_is_used_with_its_sign_and_a_note(tmp_path: Path, sign: str) -> None:
    reading = look(tmp_path, potassium(valueQuantity=quantity(comparator=sign)))
    is_used(reading, ("valueQuantity.comparator", "value-censored"))
    assert reading.value() == f"{sign}3.9 mmol/L"


@pytest.mark.catalogue(10)
def test_a_bound_in_one_pressure_of_a_panel_keeps_its_sign(tmp_path: Path) -> None:
    bound = {"code": code("8462-4"), "valueQuantity": quantity(40, "mm[Hg]", comparator="<")}
    reading = look(tmp_path, pressure(124, bound))
    assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", "<40 mm[Hg]")
    assert reading.findings("note") == {("Observation/bp", "component[1].valueQuantity.comparator", "value-censored")}


@pytest.mark.catalogue(10)
@pytest.mark.parametrize("sign", ["<", ">"])
def test_the_explanation_of_an_estimate_shows_a_bound_as_a_bound(sign: str) -> None:
    told = without(seriously_ill(), "bilirubin").measured("bilirubin", 0.3, hours=-12, comparator=sign)
    answer = cdss.load_model("serious-illness-180d").assess(record_of(told), INDEX)
    assert isinstance(answer, cdss.RiskEstimate)
    signs = {found.feature: found.comparator for found in answer.explanation.contributions if found.comparator}
    assert signs == {"bilirubin": sign}


@pytest.mark.catalogue(10, 11)
@pytest.mark.parametrize(
    "words",
    ["<0.01", "> 15", "7.1 H haemolysed", "38,4", "3.9", "3.9 mmol/L", "3.9 (see comment)", "٣٫٩", "negative", ""],
)
def test_no_number_is_fished_out_of_words(tmp_path: Path, words: str) -> None:
    is_put_aside(look(tmp_path, potassium(valueQuantity=None, valueString=words)), "valueString", "value-not-quantity")


@pytest.mark.catalogue(11)
def test_words_in_one_pressure_put_that_pressure_aside(tmp_path: Path) -> None:
    reading = look(tmp_path, pressure(124, {"code": code("8462-4"), "valueString": "76, patient restless"}))
    assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", None)
    assert reading.findings("error") == {("Observation/bp", "component[1].valueString", "value-not-quantity")}
    assert reading.counts == ONE_USED


@pytest.mark.catalogue(12)
@pytest.mark.parametrize("value", ["3.9", "", True, False, None, [3.9], [], {"value": 3.9}])
def test_a_number_that_is_not_written_as_one_is_put_aside_with_its_path(tmp_path: Path, value: Any) -> None:
    reading = look(tmp_path, potassium(valueQuantity=quantity(value)))
    is_put_aside(reading, "valueQuantity.value", "value-wrong-type")


@pytest.mark.catalogue(12)
def test_a_pressure_that_is_not_written_as_a_number_is_named_by_its_place_in_the_panel(tmp_path: Path) -> None:
    reading = look(tmp_path, pressure(124, "76"))
    assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", None)
    assert reading.findings("error") == {("Observation/bp", "component[1].valueQuantity.value", "value-wrong-type")}


@pytest.mark.catalogue(12)
@pytest.mark.parametrize("given", [3.9, "3.9 mmol/L", True, [quantity()], None])
def test_something_else_in_place_of_a_quantity_is_put_aside(tmp_path: Path, given: Any) -> None:
    reading = look(tmp_path, potassium() | {"valueQuantity": given})
    is_put_aside(reading, "valueQuantity", "wrong-type")


HUGE = [b"1e400", b"-1e400", b"9" * 5000, b"1e" + b"9" * 30, b"0." + b"0" * 5000 + b"1"]


@pytest.mark.catalogue(14)
@pytest.mark.parametrize("text", HUGE, ids=lambda text: f"{text[:6].decode()}-of-{len(text)}")
@pytest.mark.parametrize("name", ["input.json", "input.ndjson"])
def test_a_number_that_no_computer_holds_is_put_aside(tmp_path: Path, text: bytes, name: str) -> None:
    raw = to_ndjson(patient(), potassium())
    if name == "input.json":
        raw = to_bytes({"resourceType": "Bundle", "entry": [{"resource": one} for one in (patient(), potassium())]})
    is_put_aside(look_at(tmp_path, raw.replace(b"3.9", text), name), "valueQuantity.value", "value-impossible")


@pytest.mark.catalogue(15)
@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"3.90000000000000000000000000", "3.9"), (b"39e-1", "3.9"), (b"0.00039E4", "3.9"), (b"390e-2", "3.9")],
)
def test_a_number_in_unusual_form_is_the_number_it_is(tmp_path: Path, text: bytes, expected: str) -> None:
    reading = look_at(tmp_path, to_ndjson(patient(), potassium()).replace(b"3.9", text), "input.ndjson")
    is_used(reading)
    assert reading.value() == f"{expected} mmol/L"


@pytest.mark.catalogue(15)
def test_minus_zero_is_zero_where_zero_can_be_and_put_aside_where_not(tmp_path: Path) -> None:
    is_put_aside(look(tmp_path, measured("8310-5", -0.0, "Cel")), "valueQuantity.value", "value-impossible")
    urine = look(tmp_path, measured("9187-6", -0.0, "mL"))
    assert (urine.value("9187-6"), urine.counts) == ("0 mL", ONE_USED)


@pytest.mark.catalogue(2, 16)
@pytest.mark.parametrize("analyte", analytes(), ids=lambda analyte: analyte.name)
@pytest.mark.parametrize("beyond", ["below", "above", "negative"])
def test_what_no_patient_can_have_is_put_aside_and_never_clipped(tmp_path: Path, analyte: Analyte, beyond: str) -> None:
    system, _, number = analyte.codes[0].partition("|")
    low, high = map(float, analyte.physical)
    value = {"below": low - 0.001, "above": high + 0.001, "negative": -high}[beyond]
    reading = look(tmp_path, potassium(code=code(number, system=system), valueQuantity=quantity(value, analyte.unit)))
    is_put_aside(reading, "valueQuantity.value", "value-impossible")


@pytest.mark.catalogue(16)
@pytest.mark.parametrize(("number", "unit"), [("8867-4", "/min"), ("9279-1", "/min"), ("8480-6", "mm[Hg]")])
def test_a_vital_sign_of_zero_is_no_measurement(tmp_path: Path, number: str, unit: str) -> None:
    is_put_aside(look(tmp_path, measured(number, 0, unit)), "valueQuantity.value", "value-impossible")


@pytest.mark.catalogue(16)
def test_a_pressure_with_its_two_numbers_changed_over_is_put_aside(tmp_path: Path) -> None:
    is_put_aside(look(tmp_path, pressure(76, 124)), "component", "value-contradiction", "Observation/bp")


# ---- no value, or more than one


@pytest.mark.catalogue(17)
def test_a_result_with_a_reason_for_its_absence_is_absent_and_says_so(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(valueQuantity=None, **ABSENT))
    assert reading.findings("note") == {("Observation/k", "dataAbsentReason", "value-absent")}
    assert (reading.findings("error"), reading.counts, reading.report["values"]) == (set(), (1, 1, 0, 0), [])


@pytest.mark.catalogue(17)
def test_a_value_beside_a_reason_for_its_absence_is_put_aside(tmp_path: Path) -> None:
    is_put_aside(look(tmp_path, potassium(**ABSENT)), "dataAbsentReason", "value-and-absent-reason")


@pytest.mark.catalogue(17)
@pytest.mark.parametrize(
    ("part", "severity", "reason"),
    [
        pytest.param({"code": code("8462-4")} | ABSENT, "note", "value-absent", id="alone"),
        pytest.param(DIASTOLIC | ABSENT, "error", "value-and-absent-reason", id="beside-a-value"),
    ],
)
def test_a_pressure_with_a_reason_for_its_absence_leaves_the_other_pressure(
    tmp_path: Path, part: dict[str, Any], severity: str, reason: str
) -> None:
    reading = look(tmp_path, pressure(124, part))
    assert (reading.value("8480-6"), reading.value("8462-4")) == ("124 mm[Hg]", None)
    assert ("Observation/bp", "component[1].dataAbsentReason", reason) in reading.findings(severity)
    assert reading.counts == ONE_USED


@pytest.mark.catalogue(18)
@pytest.mark.parametrize(
    ("values", "location", "reason"),
    [
        ({"valueQuantity": quantity(), "valueString": "3.9"}, "value[x]", "value-multiple"),
        ({"valueQuantity": quantity(), "valueInteger": 4}, "value[x]", "value-multiple"),
        ({"valueQuantity": quantity(), "valueCodeableConcept": code("LA9340-6")}, "value[x]", "value-multiple"),
        ({"valueRange": {"low": quantity(), "high": quantity(4.1)}}, "valueRange", "value-not-quantity"),
        ({"valueSampledData": {"data": "3.9 4.0"}}, "valueSampledData", "value-not-quantity"),
        ({"valueRatio": {"numerator": quantity()}}, "valueRatio", "value-not-quantity"),
        ({"valuePeriod": {"start": "2025-09-03T10:00:00Z"}}, "valuePeriod", "value-not-quantity"),
        ({"valueTime": "10:00:00"}, "valueTime", "value-not-quantity"),
        ({"valueBoolean": True}, "valueBoolean", "value-not-quantity"),
    ],
)
@pytest.mark.parametrize("in_a_panel", [False, True])
def test_two_values_or_one_that_is_no_quantity_are_put_aside(
    tmp_path: Path, values: dict[str, Any], location: str, reason: str, in_a_panel: bool
) -> None:
    if not in_a_panel:
        is_put_aside(look(tmp_path, potassium(valueQuantity=None) | values), location, reason)
        return
    part = {"code": code("2823-3")} | values
    reading = look(tmp_path, potassium(code=code("51990-0"), valueQuantity=None, component=[SYSTOLIC, part]))
    assert reading.findings("error") == {("Observation/k", f"component[1].{location}", reason)}
    assert (reading.value(), reading.value("8480-6")) == (None, "124 mm[Hg]")
