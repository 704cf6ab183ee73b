"""The linter of codes and units: quiet on what is shipped, and every mistake planted in it is caught by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.codes.lint import Knowledge, findings
from cdss.codes.loinc import LoincName, loinc_table
from cdss.codes.valueset import Concept, value_sets
from cdss.domain.coding import ICD_10_CM, LOINC, SNOMED_CT, loinc_check_digit_holds, snomed_check_digit_holds
from cdss.units import Analyte, analytes
from cdss.units.usual import usual_ranges


def test_what_is_shipped_has_no_finding() -> None:
    assert findings(Knowledge()) == []
    done = subprocess.run([sys.executable, "-m", "cdss.codes.lint"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def with_analyte(name: str, change: Callable[[Analyte], Analyte]) -> Knowledge:
    known = analytes()
    assert name in {analyte.name for analyte in known}
    return Knowledge(analytes=tuple(change(analyte) if analyte.name == name else analyte for analyte in known))


def with_codes(name: str, *codes: str) -> Knowledge:
    added = tuple(f"{LOINC}|{code}" for code in codes)
    return with_analyte(name, lambda analyte: replace(analyte, codes=(*analyte.codes, *added)))


def with_concept(name: str, concept: Concept) -> Knowledge:
    changed = replace(value_sets()[name], concepts=(*value_sets()[name].concepts, concept))
    return Knowledge(sets={**value_sets(), name: changed})


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (
            with_codes("lactate", "2532-0"),
            "lactate: 2532-0 is Lactate dehydrogenase [Enzymatic activity/volume] in Serum or",
        ),
        (
            with_codes("creatinine", "2161-8"),
            "creatinine: 2161-8 is Creatinine [Mass/volume] in Urine, which is another",
        ),
        (
            with_codes("glucose", "5792-7"),
            "glucose: 5792-7 is Glucose [Mass/volume] in Urine by Test strip, which is another",
        ),
        (with_codes("ph_arterial", "5803-2"), "ph_arterial: 5803-2 is pH of Urine by Test strip, which is another"),
        (
            with_codes("hba1c", "59261-8"),
            "hba1c: 59261-8 is Hemoglobin A1c/Hemoglobin.total in Blood by IFCC protocol, which",
        ),
        (
            with_codes("oxygen_saturation_arterial", "59408-5"),
            "59408-5 is Oxygen saturation in Arterial blood by Pulse",
        ),
        (
            with_codes("cholesterol", "2085-9"),
            "cholesterol: 2085-9 is Cholesterol in HDL [Mass/volume] in Serum or Plasma",
        ),
        (
            with_codes("systolic_blood_pressure", "8440-0"),
            "8440-0 is Pulmonary artery Systolic blood pressure, which is",
        ),
        (with_codes("inspired_oxygen", "3150-6"), "inspired_oxygen: 3150-6 is no LOINC code: its check digit is wrong"),
        (with_codes("sodium", "2823-3"), f"potassium: {LOINC}|2823-3 stands under sodium too"),
        (with_codes("sodium", "1234-4"), "sodium: 1234-4 has no reviewed name"),
        (
            with_analyte("creatinine", lambda analyte: replace(analyte, unit="mm[Hg]")),
            "creatinine: 2160-0 is measured in mg/dL, of another kind than mm[Hg]",
        ),
        (
            with_analyte("albumin", lambda analyte: replace(analyte, unit="umol/L")),
            "albumin: 1751-7 is measured in g/dL, of another kind than umol/L",
        ),
        (
            with_analyte("urea", lambda analyte: replace(analyte, unit="mmol")),
            "urea: 22664-7 is measured in mmol/L, of",
        ),
        (with_analyte("urea", lambda analyte: replace(analyte, unit="millimol")), "urea: millimol is no UCUM unit"),
        (
            with_analyte("sodium", lambda analyte: replace(analyte, plausible=(Fraction(80), Fraction(175)))),
            "sodium: a plausible limit lies outside the physical limits",
        ),
        (
            with_analyte("sodium", lambda analyte: replace(analyte, plausible=(Fraction(175), Fraction(110)))),
            "sodium: its plausible limits leave no value",
        ),
        (
            with_analyte("sodium", lambda analyte: replace(analyte, physical=(Fraction(200), Fraction(90)))),
            "sodium: its physical limits leave no value",
        ),
        (
            Knowledge(
                usual={**usual_ranges(), f"{LOINC}|2951-2": replace(usual_ranges()[f"{LOINC}|2951-2"], high=1450)}
            ),
            f"usual.toml: {LOINC}|2951-2 has a usual limit outside the physical limits of sodium",
        ),
        (
            Knowledge(usual={f"{LOINC}|2951-2": replace(usual_ranges()[f"{LOINC}|2951-2"], unit="mg/dL")}),
            f"usual.toml: {LOINC}|2951-2 is in mg/dL, but sodium is read in mmol/L",
        ),
        (
            with_concept("diabetes", Concept(system=SNOMED_CT, code="73211008", display="Diabetes mellitus")),
            "diabetes: 73211008 is no SNOMED CT code: its check digit is wrong",
        ),
        (
            with_concept("cancer", Concept(system=ICD_10_CM, code="C*", display="Malignant neoplasms")),
            "cancer: C* is no ICD code or category: it has not the form of one",
        ),
        (
            with_concept("cancer", Concept(system=ICD_10_CM, code="C00..D48", display="Neoplasms")),
            "cancer: C00..D48 is no ICD code or category: it has not the form of one",
        ),
        (
            with_concept(
                "group-digestive", Concept(system="http://hl7.org/fhir/sid/icd-9-cm", code="459..460", display="x")
            ),
            "group-digestive: http://hl7.org/fhir/sid/icd-9-cm|459* stands in group-circulatory too",
        ),
        (
            with_concept("diabetes", Concept(system=SNOMED_CT, code="73211009", display="Diabetes mellitus")),
            "diabetes: a code stands there twice",
        ),
        (
            with_concept("blood-pressure-panel", Concept(system=LOINC, code="8867-4", display="Blood pressure")),
            "blood-pressure-panel: 8867-4 is Heart rate, not Blood pressure",
        ),
        (
            Knowledge(sets={"x": replace(value_sets()["dementia"], name="x", source="")}),
            "x: a value set has a version, a date and a source",
        ),
        (
            with_concept("dementia", Concept(system=SNOMED_CT, code="281004", display="")),
            "dementia: 281004 has no display",
        ),
    ],
)
def test_a_planted_mistake_is_caught(planted: Knowledge, found: str) -> None:
    assert [finding for finding in findings(planted) if found in finding], findings(planted)


def test_a_name_with_an_unlisted_source_and_an_analyte_without_a_rule_are_caught() -> None:
    table = loinc_table()
    heart = LoincName(code="8867-4", name="Heart rate", unit="/min", source="Z")
    strange = replace(table, names={**table.names, "8867-4": heart}, rules={})
    found = findings(Knowledge(loinc=strange))
    assert "loinc.toml: 8867-4 names the source Z, which is not listed" in found
    assert "heart_rate: loinc.toml does not say which names are this analyte" in found


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Creatinine [Mass/volume] in Serum or Plasma", ("Creatinine", "Serum or Plasma", "")),
        ("Hemoglobin A1c/Hemoglobin.total in Blood by HPLC", ("Hemoglobin A1c/Hemoglobin.total", "Blood", "HPLC")),
        ("pH of Arterial blood", ("pH", "Arterial blood", "")),
        ("Systolic blood pressure by Noninvasive", ("Systolic blood pressure", "", "Noninvasive")),
        ("Heart rate", ("Heart rate", "", "")),
    ],
)
def test_a_name_is_taken_apart(name: str, parts: tuple[str, str, str]) -> None:
    assert LoincName(code="x", name=name, unit="1", source="S").parts == parts


@pytest.mark.parametrize("code", ["73211009", "44054006", "363346000", "40617009", "90781000119102"])
def test_snomed_codes_pass_their_check_digit(code: str) -> None:
    assert snomed_check_digit_holds(code)


@pytest.mark.parametrize("code", ["", "12345", "073211009", "7321100a", "73211009 ", "1234567890123456789"])
def test_what_has_not_the_form_of_a_snomed_code_is_none(code: str) -> None:
    assert not snomed_check_digit_holds(code)


@given(place=st.integers(0, 8), add=st.integers(1, 9))
def test_one_wrong_digit_of_a_snomed_code_is_always_found(place: int, add: int) -> None:
    digits = list("363346000")
    digits[place] = str((int(digits[place]) + add) % 10)
    assert digits[0] == "0" or not snomed_check_digit_holds("".join(digits))


@given(place=st.integers(0, 7))
def test_two_digits_of_a_snomed_code_changed_over_are_always_found(place: int) -> None:
    digits = list("254837009")
    if digits[place] != digits[place + 1]:
        digits[place], digits[place + 1] = digits[place + 1], digits[place]
        assert not snomed_check_digit_holds("".join(digits))


@pytest.mark.catalogue(43)
@given(place=st.integers(0, 4), add=st.integers(1, 9))
def test_one_wrong_digit_of_a_loinc_code_is_always_found(place: int, add: int) -> None:
    digits = list("32693")
    digits[place] = str((int(digits[place]) + add) % 10)
    assert not loinc_check_digit_holds("".join(digits) + "-4")
