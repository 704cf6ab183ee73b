"""Which unit a quantity is in: known answers, aliases, contradictions, and what is put aside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from cdss.units import Analyte, UnitReading, analyte_for, convert, read_unit

if TYPE_CHECKING:
    from pathlib import Path

UCUM = "http://unitsofmeasure.org"
LOCAL = "https://hospital.example/units"
SUPPORT2 = "https://cdss.example/fhir/CodeSystem/support2"

CREATININE, GLUCOSE, POTASSIUM, SODIUM = "2160-0", "2345-7", "2823-3", "2951-2"
TEMPERATURE, HEART_RATE, SPO2, FIO2, PH = "8310-5", "8867-4", "59408-5", "3150-0", "2744-1"
WHITE_CELLS, MAGNESIUM, LACTATE, UREA_NITROGEN, ALBUMIN = "6690-2", "19123-9", "2524-7", "3094-0", "1751-7"
HBA1C, PAO2, URINE_24H, ALT, GLASGOW, SYSTOLIC = "4548-4", "2703-7", "9192-6", "1742-6", "9269-2", "8480-6"


def analyte(code: str) -> Analyte:
    found = analyte_for(f"http://loinc.org|{code}")
    assert found is not None
    return found


def read(code: str, unit: str | None, text: str | None = None, system: str | None = UCUM) -> UnitReading:
    return read_unit(analyte(code), system, unit, text)


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected", "digits"),
    [
        (CREATININE, "88.4", "umol/L", "1.00", 2),
        ("14682-9", "88.4", "umol/L", "1.00", 2),
        (GLUCOSE, "10", "mmol/L", "180.2", 1),
        (HBA1C, "53", "mmol/mol", "7.0", 1),
        (HBA1C, "48", "mmol/mol{Hb}", "6.5", 1),
        (HBA1C, "7.0", "%", "7.0", 6),
        (TEMPERATURE, "98.6", "[degF]", "37", 12),
        (TEMPERATURE, "101.3", "[degF]", "38.5", 12),
        (TEMPERATURE, "310.75", "K", "37.6", 12),
        (PAO2, "14.4", "kPa", "108.0", 1),
        (WHITE_CELLS, "13100", "/mm3", "13.1", 12),
        (WHITE_CELLS, "13100", "/uL", "13.1", 12),
        (WHITE_CELLS, "13.1", "10*9/L", "13.1", 12),
        (LACTATE, "12.6", "mg/dL", "1.40", 2),
        (MAGNESIUM, "1", "mmol/L", "2.43", 2),
        (MAGNESIUM, "2", "meq/L", "2.43", 2),
        (POTASSIUM, "3.9", "meq/L", "3.9", 12),
        ("17861-6", "2.5", "mmol/L", "10.02", 2),
        ("17861-6", "5", "meq/L", "10.02", 2),
        ("2075-0", "104", "meq/L", "104", 12),
        ("1963-8", "24", "meq/L", "24", 12),
        (UREA_NITROGEN, "1", "mmol/L", "2.801", 3),
        ("22664-7", "6.0056", "mg/dL", "1", 12),
        ("1975-2", "17.1", "umol/L", "1.00", 2),
        (ALBUMIN, "40", "g/L", "4.0", 12),
        ("2093-3", "5.2", "mmol/L", "201", 0),
        (URINE_24H, "1500", "mL", "1500", 12),
        (URINE_24H, "1500", "mL/(24.h)", "1500", 12),
        (URINE_24H, "1.5", "L/(24.h)", "1500", 12),
        (URINE_24H, "1500", "mL/d", "1500", 12),
        (URINE_24H, "62.5", "mL/h", "1500", 12),
        (ALT, "1", "ukat/L", "60", 12),
        (SPO2, "0.93", "1", "93", 12),
        (FIO2, "0.21", "{ratio}", "21", 12),
        ("4544-3", "0.45", "L/L", "45", 12),
        (HEART_RATE, "88", "{beats}/min", "88", 12),
        (HEART_RATE, "1.5", "Hz", "90", 12),
        (SYSTOLIC, "124", "mm[Hg]{systolic}", "124", 12),
        ("29463-7", "150", "[lb_av]", "68.04", 2),
        ("29463-7", "70000", "g", "70", 12),
        ("8302-2", "70", "[in_i]", "177.8", 12),
        ("8302-2", "1.8", "m", "180", 12),
        (CREATININE, "1", "mg%", "1", 12),
        (PH, "7.35", "[pH]", "7.35", 12),
        (GLASGOW, "13", "{score}", "13", 12),
        (GLASGOW, "13", "1", "13", 12),
    ],
)
def test_a_known_answer(code: str, value: str, unit: str, expected: str, digits: int) -> None:
    reading = read(code, unit)
    assert reading.problem is None
    assert reading.unit == analyte(code).unit
    assert float(convert(Decimal(value), reading)) == pytest.approx(float(expected), abs=0.5000001 * 10.0**-digits)


def test_rounding_happens_once_so_exact_answers_are_exact_floats() -> None:
    assert float(convert(13100, read(WHITE_CELLS, "/mm3"))) == 13.1
    assert float(convert(Decimal("98.6"), read(TEMPERATURE, "[degF]"))) == 37.0
    assert float(convert(Decimal("310.75"), read(TEMPERATURE, "K"))) == 37.6
    assert float(convert(Decimal("0.93"), read(SPO2, "1"))) == 93.0
    assert convert(Decimal("53"), read(HBA1C, "mmol/mol")) == Fraction("7.00044")


@pytest.mark.parametrize(
    ("code", "unit", "text", "system", "note"),
    [
        ("9279-1", None, "breaths/minute", None, "unit-alias"),
        (HEART_RATE, "bpm", None, UCUM, "unit-alias"),
        (HEART_RATE, "bpm", "bpm", LOCAL, "unit-alias"),
        (SYSTOLIC, "mmHg", "mmHg", UCUM, "unit-alias"),
        (WHITE_CELLS, "K/uL", None, UCUM, "unit-alias"),
        (WHITE_CELLS, "10^3/uL", None, UCUM, "unit-alias"),
        (POTASSIUM, None, "MMOL/L", None, "unit-alias"),
        (POTASSIUM, "mEq/L", None, LOCAL, "unit-alias"),
        (TEMPERATURE, None, "C", None, "unit-alias"),
        (TEMPERATURE, None, "°F", None, "unit-alias"),
        (TEMPERATURE, "C", "C", UCUM, "unit-alias"),
        (CREATININE, None, "µmol/L", None, "unit-alias"),
        (CREATININE, None, "μmol/L", None, "unit-alias"),
        (ALT, "[IU]/L", "IU/L", UCUM, "unit-alias"),
        (ALBUMIN, None, "G/L", None, "unit-alias"),
        (WHITE_CELLS, None, "G/L", None, "unit-alias"),
        (PH, None, "units", None, "unit-alias"),
        (PH, "1", None, UCUM, "unit-alias"),
        (POTASSIUM, None, "mmol/L", None, "unit-from-text"),
        (POTASSIUM, None, " mmol/L ", None, "unit-from-text"),
        (POTASSIUM, "mmol/L", None, None, "unit-from-text"),
        (POTASSIUM, None, "mmol/L", UCUM, "unit-from-text"),
        (CREATININE, "x17", "umol/L", LOCAL, "unit-from-text"),
        (SPO2, "1", None, UCUM, "unit-fraction"),
        (FIO2, None, "ratio", None, "unit-fraction"),
        (GLASGOW, None, None, None, "unit-missing-score"),
        (PH, None, "", UCUM, "unit-missing-ph"),
    ],
)
def test_an_unusual_spelling_is_used_and_noted(
    code: str, unit: str | None, text: str | None, system: str | None, note: str
) -> None:
    reading = read(code, unit, text, system)
    assert (reading.problem, reading.note) == (None, note)
    assert reading.message.endswith(".")


def test_the_same_letters_mean_grams_of_protein_and_thousand_millions_of_cells() -> None:
    assert convert(40, read(ALBUMIN, None, "G/L", None)) == 4
    assert convert(9, read(WHITE_CELLS, None, "G/L", None)) == 9


@pytest.mark.parametrize(
    ("code", "unit", "text", "system", "problem"),
    [
        (CREATININE, None, None, None, "unit-missing"),
        (CREATININE, None, " ", UCUM, "unit-missing"),
        (SPO2, None, None, None, "unit-missing"),
        (GLUCOSE, "mm[Hg]", "mmHg", UCUM, "unit-wrong-dimension"),
        (GLUCOSE, None, "mmHg", None, "unit-wrong-dimension"),
        (GLUCOSE, "mmol/kg", None, UCUM, "unit-wrong-dimension"),
        (POTASSIUM, "K/uL", None, UCUM, "unit-wrong-dimension"),
        (WHITE_CELLS, "[IU]/L", None, UCUM, "unit-wrong-dimension"),
        (WHITE_CELLS, "mmol/L", None, UCUM, "unit-wrong-dimension"),
        (SODIUM, "mosm/L", None, UCUM, "unit-wrong-dimension"),
        (GLASGOW, "%", None, UCUM, "unit-wrong-dimension"),
        (SPO2, "mm[Hg]", None, UCUM, "unit-wrong-dimension"),
        (SPO2, "/[HPF]", None, UCUM, "unit-unknown"),
        (HBA1C, "umol/mmol", None, UCUM, "unit-wrong-dimension"),
        (HBA1C, "mol/mol", None, UCUM, "unit-wrong-dimension"),
        ("29463-7", "mol", None, UCUM, "unit-wrong-dimension"),
        (ALBUMIN, "umol/L", None, UCUM, "unit-no-molar-mass"),
        ("10839-9", "nmol/L", None, UCUM, "unit-no-molar-mass"),
        (GLUCOSE, "meq/L", None, UCUM, "unit-no-valence"),
        (CREATININE, "florps", None, UCUM, "unit-unknown"),
        (CREATININE, None, "see comment", None, "unit-unknown"),
        (CREATININE, " mg/dL", None, UCUM, "unit-unknown"),
        (POTASSIUM, "MMOL/l", None, UCUM, "unit-unknown"),
        (TEMPERATURE, "mCel", None, UCUM, "unit-unknown"),
        (CREATININE, "MG%", "mg/dL", UCUM, "unit-unknown"),
    ],
)
def test_a_unit_that_cannot_be_proved_is_put_aside(
    code: str, unit: str | None, text: str | None, system: str | None, problem: str
) -> None:
    reading = read(code, unit, text, system)
    assert reading.problem == problem
    assert not reading.identity
    assert reading.message.endswith(".")
    with pytest.raises(ValueError, match=re.escape(reading.message)):
        convert(1, reading)


@pytest.mark.parametrize(
    ("code", "unit", "text", "system"),
    [
        (GLUCOSE, "mg/dL", "mmol/L", UCUM),
        (GLUCOSE, "mg/dL", "g/dL", UCUM),
        (GLUCOSE, "mg/dL", "mmHg", UCUM),
        (GLUCOSE, "mg/dL", "MMOL/L", UCUM),
        (CREATININE, "umol/L", "mg/dL", UCUM),
        (TEMPERATURE, "Cel", "°F", UCUM),
        (TEMPERATURE, "Cel", "F", UCUM),
        (TEMPERATURE, "Cel", "K", UCUM),
        (SPO2, "%", "fraction", UCUM),
        (MAGNESIUM, "mmol/L", "mEq/L", UCUM),
        (POTASSIUM, "mg/dL", "mmol/L", LOCAL),
    ],
)
def test_a_text_that_names_another_unit_than_the_code_is_a_contradiction(
    code: str, unit: str, text: str, system: str
) -> None:
    reading = read(code, unit, text, system)
    assert reading.problem == "unit-contradiction"
    assert "glucose" not in reading.message.lower() or (unit in reading.message and text in reading.message)


@pytest.mark.parametrize(
    ("code", "unit", "text"),
    [
        (HEART_RATE, "/min", "count"),
        (SPO2, "%", "O2 sat"),
        (ALT, "U/L", "units"),
        ("50984-4", "mm[Hg]", "ratio"),
        (CREATININE, "mg/dL", "foo"),
    ],
)
def test_wording_that_is_no_unit_contradicts_nothing_and_is_noted(code: str, unit: str, text: str) -> None:
    assert (read(code, unit, text).problem, read(code, unit, text).note) == (None, "unit-text-unknown")


@pytest.mark.parametrize(
    ("code", "unit", "text"),
    [
        (GLUCOSE, "mg/dL", "millimole per liter"),
        (GLUCOSE, "mg/dL", "mmol / L"),
        (GLUCOSE, "mg/dL", "mmol/l (fasting)"),
        (CREATININE, "mg/dL", "micromol per litre"),
        (CREATININE, "mg/dL", "Mikromol/l"),
        (TEMPERATURE, "Cel", "degrees Fahrenheit"),
    ],
)
def test_another_unit_in_words_beside_the_code_is_a_contradiction(code: str, unit: str, text: str) -> None:
    assert read(code, unit, text).problem == "unit-contradiction"


@pytest.mark.parametrize(
    ("code", "unit", "text"),
    [
        (CREATININE, "mg/dL", "milligram per deciliter"),
        (GLUCOSE, "mmol/L", "Millimoles per Litre (venous)"),
        (SYSTOLIC, "mm[Hg]", "millimeters of mercury"),
        (TEMPERATURE, "Cel", "degrees Celsius"),
    ],
)
def test_the_same_unit_in_words_is_no_finding(code: str, unit: str, text: str) -> None:
    assert (read(code, unit, text).problem, read(code, unit, text).note) == (None, None)


@pytest.mark.parametrize(
    ("code", "unit", "text"),
    [
        (HEART_RATE, "/min", "beats per minute"),
        (HEART_RATE, "/min", "beats/minute"),
        (SPO2, "%", "percent"),
        (TEMPERATURE, "Cel", "C"),
        (TEMPERATURE, "[degF]", "F"),
        (POTASSIUM, "mmol/L", "mEq/L"),
        (POTASSIUM, "meq/L", "mmol/L"),
        (WHITE_CELLS, "10*3/uL", "K/uL"),
        (WHITE_CELLS, "10*3/uL", "10*9/L"),
        (CREATININE, "umol/L", "µmol/L"),
        (PH, "[pH]", "pH"),
        (PH, "[pH]", "units"),
        (URINE_24H, "mL/(24.h)", "mL"),
        (SYSTOLIC, "mm[Hg]", "mm Hg"),
    ],
)
def test_wording_or_the_same_unit_in_other_letters_is_no_contradiction(code: str, unit: str, text: str) -> None:
    assert (read(code, unit, text).problem, read(code, unit, text).note) == (None, None)


def test_free_text_beside_a_local_code_does_not_hide_the_code() -> None:
    assert read(POTASSIUM, "mmol/L", "per litre, see comment", LOCAL).note == "unit-from-text"


@pytest.mark.parametrize(
    ("system", "code", "text", "unit"),
    [(UCUM, "mg/dL", "mg/dL", "mg/dL"), (UCUM, "fL", None, "fL"), (LOCAL, "x", "pg", "pg"), (None, None, None, "")],
)
def test_a_code_without_analyte_keeps_its_own_unit(
    system: str | None, code: str | None, text: str | None, unit: str
) -> None:
    reading = read_unit(None, system, code, text)
    assert (reading.unit, reading.note, reading.problem, reading.identity) == (unit, None, None, True)


def test_a_message_shows_no_value_that_was_written_into_the_unit() -> None:
    message = read(POTASSIUM, None, "7.1 H haemolysed, repeat", None).message
    assert "7" not in message
    assert "1" not in message
    assert "mmol/L" in message


def test_a_message_is_short_and_printable_whatever_the_unit_text_is() -> None:
    message = read(POTASSIUM, None, "\x00\n<script>" + "x" * 10_000, None).message
    assert message.isprintable()
    assert len(message) < 400


def test_a_number_that_is_none_is_refused() -> None:
    plain = read(POTASSIUM, "mmol/L")
    with pytest.raises(ValueError, match="NaN"):
        convert(Decimal("NaN"), plain)
    with pytest.raises(OverflowError):
        convert(Decimal("Infinity"), plain)
    with pytest.raises(OverflowError):
        convert(Decimal("1e999999999"), plain)


def test_plain_records_never_load_the_converter() -> None:
    program = f"""
import sys
from cdss.units import analytes, read_unit
for analyte in analytes():
    assert read_unit(analyte, {UCUM!r}, analyte.unit, None).identity
    assert read_unit(analyte, {UCUM!r}, analyte.unit, analyte.unit).identity
for code, unit, text in [("8867-4", "/min", "beats/minute"), ("8310-5", "Cel", "C"), ("8480-6", "mm[Hg]", "mmHg"),
                         ("6690-2", "10*3/uL", "K/uL"), ("9192-6", "mL", "mL"), ("8867-4", "{{beats}}/min", None)]:
    analyte = next(a for a in analytes() if f"http://loinc.org|{{code}}" in a.codes)
    assert read_unit(analyte, {UCUM!r}, unit, text).identity
print(sorted({{"pint", "ucumvert", "lark", "numpy"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        ("d001-clean-control.json", POTASSIUM, 3.9),
        ("d002-k-meq.json", POTASSIUM, 3.9),
        ("d003-lac-mgdl.json", LACTATE, 1.4),
        ("d004-temp-kelvin.json", TEMPERATURE, 37.6),
        ("d005-rr-no-code.json", "9279-1", 18),
        ("d006-glu-wrong-dimension.json", GLUCOSE, None),
        ("d007-spo2-over-100.json", SPO2, None),
    ],
)
def test_the_hostile_units_come_out_as_required(data_dir: Path, file: str, code: str, expected: float | None) -> None:
    bundle = json.loads((data_dir / "hostile-fhir" / file).read_text("utf-8"), parse_float=Decimal, parse_int=Decimal)
    quantities = [
        resource["valueQuantity"]
        for resource in (entry["resource"] for entry in bundle["entry"])
        if "valueQuantity" in resource and any(c["code"] == code for c in resource["code"]["coding"])
    ]
    (quantity,) = quantities
    reading = read(code, quantity.get("code"), quantity.get("unit"), quantity.get("system"))
    low, high = analyte(code).physical
    usable = reading.problem is None and low <= convert(quantity["value"], reading) <= high
    assert usable == (expected is not None)
    if expected is not None:
        assert float(convert(quantity["value"], reading)) == pytest.approx(expected, abs=0.01)
