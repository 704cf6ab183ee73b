"""The table of analytes: codes, limits, references."""

from __future__ import annotations

import csv
import gzip
import re
import tomllib
from fractions import Fraction
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from cdss.units import Analyte, analyte_for, analytes, convert, read_unit
from cdss.units.ucum import measure

if TYPE_CHECKING:
    from pathlib import Path

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SUPPORT2 = "https://cdss.example/fhir/CodeSystem/support2"
TOML = tomllib.loads(files("cdss.units").joinpath("units.toml").read_text("utf-8"))

every_analyte = pytest.mark.parametrize("analyte", analytes(), ids=lambda analyte: analyte.name)


def loinc(code: str) -> Analyte:
    found = analyte_for(f"{LOINC}|{code}")
    assert found is not None, code
    return found


def check_digit(number: str) -> int:
    """LOINC's mod-10 digit: every second digit from the right is doubled."""
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(number))]
    return -sum(d // 10 + d % 10 for d in doubled) % 10


@every_analyte
def test_every_loinc_passes_its_check_digit(analyte: Analyte) -> None:
    for key in analyte.codes:
        system, code = key.split("|")
        if system == LOINC:
            number, digit = code.split("-")
            assert check_digit(number) == int(digit), code


def test_the_fio2_code_with_a_wrong_check_digit_is_not_known() -> None:
    assert check_digit("3150") == 0
    assert analyte_for(f"{LOINC}|3150-6") is None


def test_no_code_stands_under_two_analytes() -> None:
    codes = [code for analyte in analytes() for code in analyte.codes]
    assert len(codes) == len(set(codes))


def test_names_and_labels_are_unique() -> None:
    assert len({a.name for a in analytes()}) == len({a.label for a in analytes()}) == len(analytes())


@every_analyte
def test_plausible_values_are_physically_possible(analyte: Analyte) -> None:
    assert analyte.physical[0] <= analyte.plausible[0] < analyte.plausible[1] <= analyte.physical[1]


@every_analyte
def test_the_reference_unit_needs_no_conversion(analyte: Analyte) -> None:
    assert measure(analyte.unit) is not None
    reading = read_unit(analyte, UCUM, analyte.unit, None)
    assert reading.identity
    assert (reading.unit, reading.note, reading.problem, reading.message) == (analyte.unit, None, None, "")


@every_analyte
def test_every_analyte_says_where_its_numbers_come_from(analyte: Analyte) -> None:
    assert analyte.reference.endswith(".")


@pytest.mark.parametrize("row", TOML["conversion"], ids=lambda row: row["analyte"])
def test_every_equation_names_its_analyte_and_its_source(row: dict[str, str]) -> None:
    assert row["analyte"] in {analyte.name for analyte in analytes()}
    assert row["reference"].endswith(".")


@pytest.mark.parametrize(
    ("code", "formula"),
    [
        ("2160-0", "C4 H7 N3 O1"),
        ("2345-7", "C6 H12 O6"),
        ("2524-7", "C3 H6 O3"),
        ("1975-2", "C33 H36 N4 O6"),
        ("2093-3", "C27 H46 O1"),
        ("3094-0", "N2"),
        ("22664-7", "C1 H4 N2 O1"),
        ("2951-2", "Na1"),
        ("2823-3", "K1"),
        ("2075-0", "Cl1"),
        ("17861-6", "Ca1"),
        ("19123-9", "Mg1"),
    ],
)
def test_a_molar_mass_is_the_sum_of_its_atoms(code: str, formula: str) -> None:
    weights = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "Na": 22.990, "K": 39.098}
    weights |= {"Cl": 35.45, "Ca": 40.078, "Mg": 24.305}
    atoms = re.findall(r"([A-Z][a-z]?)(\d+)", formula)
    molar_mass = loinc(code).molar_mass
    assert molar_mass is not None
    assert float(molar_mass) == pytest.approx(sum(weights[atom] * int(n) for atom, n in atoms), rel=1e-4)


@pytest.mark.parametrize("code", ["8867-4", "9279-1", "8478-0", "8480-6", "8462-4", "29463-7", "8302-2"])
def test_a_zero_vital_sign_is_never_a_level(code: str) -> None:
    assert loinc(code).physical[0] > 0


def test_slipped_decimal_points_are_outside_the_physical_limits() -> None:
    assert loinc("59408-5").physical[1] < 950  # SpO2 95.0 as 950
    assert loinc("2744-1").physical[1] < 735  # pH 7.35 as 735
    assert loinc("6690-2").physical[1] < 12500  # cells, not thousands
    assert loinc("8310-5").physical[1] < Fraction("98.6")  # Fahrenheit coded Cel


def test_lactate_dehydrogenase_is_not_lactate() -> None:
    assert analyte_for(f"{LOINC}|2532-0") is None


def test_pulse_oximetry_and_arterial_saturation_are_two_measurements() -> None:
    assert loinc("59408-5") is not loinc("2708-6")


def test_urea_is_not_urea_nitrogen() -> None:
    assert loinc("22664-7") is not loinc("3094-0")


@pytest.mark.parametrize(
    ("arterial", "unstated"), [("2703-7", "11556-8"), ("2019-8", "11557-6"), ("2708-6", "20564-1")]
)
def test_blood_that_may_be_venous_is_not_arterial(arterial: str, unstated: str) -> None:
    assert loinc(arterial) is not loinc(unstated)
    assert loinc(unstated).physical[0] <= loinc(arterial).physical[0]


def test_an_ifcc_result_is_never_read_as_ngsp_percent() -> None:
    ifcc, ngsp = loinc("59261-8"), loinc("4548-4")
    assert read_unit(ifcc, UCUM, "mmol/mol", None).identity
    assert read_unit(ifcc, UCUM, "%", None).problem == "unit-wrong-dimension"
    assert float(convert(53, read_unit(ngsp, UCUM, "mmol/mol", None))) == pytest.approx(7.0, abs=0.01)


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        ("59826-8", "88.4", "umol/L", 1.00), ("15074-8", "10", "mmol/L", 180.2), ("14743-9", "5.5", "mmol/L", 99.1),
        ("14631-6", "17.1", "umol/L", 1.00), ("14937-7", "5", "mmol/L", 14.0), ("3091-6", "60", "mg/dL", 9.99),
        ("14118-4", "18", "mg/dL", 2.00), ("2601-3", "1", "mmol/L", 2.43), ("2000-8", "2.5", "mmol/L", 10.0),
        ("14647-2", "5.2", "mmol/L", 201.1), ("1751-7", "40", "g/L", 4.0), ("2703-7", "10", "kPa", 75.0),
        ("11556-8", "13.3", "kPa", 99.8), ("48703-3", "0.42", "1", 42), ("34728-6", "25", "meq/L", 25),
    ],
)  # fmt: skip
def test_the_everyday_units_of_other_countries_come_out_right(
    code: str, value: str, unit: str, expected: float
) -> None:
    found = loinc(code)
    assert float(convert(Fraction(value), read_unit(found, UCUM, unit, None))) == pytest.approx(expected, rel=5e-3)


def test_the_support_coma_score_is_not_glasgow() -> None:
    coma = analyte_for(f"{SUPPORT2}|scoma")
    assert coma is not None
    assert coma.physical == (Fraction(0), Fraction(100))
    assert loinc("9269-2").physical == (Fraction(3), Fraction(15))


def test_a_bare_code_without_its_system_is_unknown() -> None:
    assert analyte_for("2160-0") is None
    assert analyte_for("|2160-0") is None


def test_support2_loses_only_impossible_values(data_dir: Path) -> None:
    columns = {
        **{"meanbp": "8478-0", "hrt": "8867-4", "resp": "9279-1", "temp": "8310-5", "wblc": "6690-2", "crea": "2160-0"},
        **{"sod": "2951-2", "ph": "2744-1", "pafi": "50984-4", "alb": "1751-7", "bili": "1975-2", "glucose": "2345-7"},
        **{"bun": "3094-0", "urine": "9192-6"},
    }
    outside = dict.fromkeys(columns, 0)
    with gzip.open(data_dir / "support2" / "support2_dev.csv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            for column, code in columns.items():
                if row[column]:
                    low, high = loinc(code).physical
                    outside[column] += not low <= Fraction(row[column]) <= high
    found = {column: count for column, count in outside.items() if count}
    # Heart rate, breathing, pressure and white cells of zero or nearly so; albumin 0.4, 10.9 and 29; glucose 9.
    assert found == {"meanbp": 34, "hrt": 55, "resp": 40, "wblc": 7, "alb": 3, "glucose": 1}
