"""What holds for every unit and every value."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.units import Analyte, UnitReading, analytes, convert, read_unit
from cdss.units.ucum import measure

UCUM = "http://unitsofmeasure.org"
ALIASES = {
    text: [unit] if isinstance(unit, str) else unit
    for text, unit in tomllib.loads(files("cdss.units").joinpath("units.toml").read_text("utf-8"))["alias"].items()
}
_UNITS = """
    mg/dL g/dL g/L ng/mL ug/L mmol/L umol/L meq/L mm[Hg] kPa cm[H2O] 10*3/uL /mm3 10*9/L /min Hz Cel [degF] K % 1
    mmol/mol mL L mL/(24.h) L/d kg [lb_av] cm [in_i] U/L ukat/L [pH] {score}
"""
UNITS = _UNITS.split()
READINGS = [
    (analyte, unit, reading)
    for analyte in analytes()
    for unit in UNITS
    if (reading := read_unit(analyte, UCUM, unit, None)).problem is None
]

readings = st.sampled_from(READINGS)
values = st.decimals(min_value=-(10**6), max_value=10**6, allow_nan=False, allow_infinity=False, places=6)


@given(readings, values)
def test_there_and_back_again_is_exact(read: tuple[Analyte, str, UnitReading], value: Decimal) -> None:
    _, _, reading = read
    assert (convert(value, reading) - reading.offset) / reading.scale == Fraction(value)


@given(readings, values, values)
def test_the_higher_value_stays_the_higher(
    read: tuple[Analyte, str, UnitReading], one: Decimal, other: Decimal
) -> None:
    _, _, reading = read
    assert reading.scale > 0
    assert (convert(one, reading) < convert(other, reading)) == (one < other)


@given(st.integers(0, 10**7))
def test_a_cell_count_is_the_same_float_in_every_unit(count: int) -> None:
    white_cells = next(analyte for analyte in analytes() if analyte.name == "leukocytes")
    per_mm3 = float(convert(count, read_unit(white_cells, UCUM, "/mm3", None)))
    thousands = float(convert(Decimal(count).scaleb(-3), read_unit(white_cells, UCUM, "10*3/uL", None)))
    assert per_mm3 == thousands == count / 1000


@given(readings, st.text(max_size=80))
def test_no_text_beside_a_code_changes_the_number(read: tuple[Analyte, str, UnitReading], text: str) -> None:
    analyte, unit, plain = read
    reading = read_unit(analyte, UCUM, unit, text)
    assert reading.problem == "unit-contradiction" or (reading.scale, reading.offset) == (plain.scale, plain.offset)


@given(st.sampled_from(analytes()), *[st.none() | st.text(max_size=80) | st.sampled_from([UCUM, *UNITS])] * 3)
def test_no_unit_whatever_raises(analyte: Analyte, system: str | None, code: str | None, text: str | None) -> None:
    reading = read_unit(analyte, system, code, text)
    assert reading.unit == analyte.unit
    assert bool(reading.message) == (reading.note is not None or reading.problem is not None)


@pytest.mark.parametrize("text", ALIASES)
def test_every_alias_stands_for_a_ucum_unit_that_suits_some_analyte(text: str) -> None:
    for unit in ALIASES[text]:
        assert measure(unit) is not None
    assert any(read_unit(analyte, None, None, text).problem is None for analyte in analytes())


@pytest.mark.parametrize("text", ALIASES)
def test_no_alias_overrules_a_ucum_unit_of_the_same_kind(text: str) -> None:
    itself = measure(text)
    for unit in ALIASES[text]:
        meant = measure(unit)
        assert meant is not None
        assert itself is None or itself.kind != meant.kind or itself == meant
