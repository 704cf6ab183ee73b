"""Sizes of UCUM units, against UCUM's own table."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from ucum_essence import Essence

from cdss.units.ucum import ATOMS, REDEFINED, measure

if TYPE_CHECKING:
    from pathlib import Path

_CLINICAL = """
    mg/dL g/dL g/L mg/L ug/L ng/mL ng/L pg/mL ug/dL g% mg% mmol/L umol/L nmol/L pmol/L mmol/mol mmol/kg U/L
    kU/L ukat/L nkat/L mm[Hg] cm[H2O] kPa Pa [psi] 10*3/uL 10*6/uL 10*9/L 10*12/L /uL /mm3 /L {cells}/uL /min
    /s Hz /h 1/min min-1 s-1 L/min mL/min mL/h L/h mL L dL cL mL/(24.h) L/(24.h) L/d mL/kg/h mL/min/{1.73_m2}
    g/(24.h) fL pg kg g mg ug mg/{total} [lb_av] [oz_av] cm m mm [in_i] [ft_i] kg/m2 % [ppth] [ppm] 1 10*-3 K
    s min h d wk mo a dyn.s/cm5 J kJ kcal W mV V mA
"""
CLINICAL = _CLINICAL.split()

BASE_NAMES = {"gram": "g", "meter": "m", "second": "s", "kelvin": "K", "mole": "mol"}


@pytest.fixture(scope="module")
def essence(data_dir: Path) -> Essence:
    return Essence(data_dir / "ucum" / "ucum-essence.xml")


@pytest.mark.parametrize("code", CLINICAL)
def test_a_clinical_unit_has_exactly_the_size_ucum_gives_it(code: str, essence: Essence) -> None:
    found = measure(code)
    assert found is not None
    scale, kind = essence.size(code)
    if "V" in code or "A" in code:  # electrical base units differ (coulomb, ampere): the size alone is compared
        assert found.scale == scale
    else:
        assert (found.scale, {BASE_NAMES.get(name, name): n for name, n in found.kind}) == (scale, kind)


@pytest.mark.parametrize("atom", sorted(ATOMS | REDEFINED.keys()))
def test_every_atom_the_product_reads_agrees_with_ucum_under_every_prefix(atom: str, essence: Essence) -> None:
    for prefix in ["", *(essence.prefixes if essence.metric(atom) else ())]:
        code = prefix + atom
        if prefix and (code in essence.units or code in essence.base):
            continue  # "cd" is the candela, not a hundredth of a day
        found = measure(code)
        assert found is not None, code
        assert found.scale == essence.size(code)[0], code


def test_a_millimetre_of_mercury_is_133_322_pascal_as_ucum_says() -> None:
    mercury, pascal = measure("mm[Hg]"), measure("Pa")
    assert mercury is not None
    assert pascal is not None
    assert mercury.scale / pascal.scale == Fraction("133.322")
    assert mercury.kind == pascal.kind


@pytest.mark.parametrize(
    "code",
    [
        "MMOL/L",
        "mmHg",
        "bpm",
        "x10^3/uL",
        "10^3/uL",
        "K/uL/",
        "µmol/L",
        "mg / dL",
        "",
        " ",
        "hbar",
        "m[g]",
        "[in_i'Hg]",
    ],
)
def test_what_is_not_a_unit_of_the_product_has_no_size(code: str) -> None:
    assert measure(code) is None


@pytest.mark.parametrize("code", ["mCel", "10.Cel", "Cel/min", "Cel2", "k[degF]", "/Cel"])
def test_a_temperature_with_its_own_zero_stands_alone(code: str) -> None:
    assert measure(code) is None


def test_equivalents_osmoles_and_international_units_are_kinds_of_their_own() -> None:
    kinds = [measure(code).kind for code in ("meq/L", "mosm/L", "m[IU]/L", "mmol/L", "10*3/L", "[pH]")]  # type: ignore[union-attr]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize(
    "code",
    [
        "10*9999999/L",
        "m999999999",
        "10*-999999/L",
        "(" * 30 + "m" + ")" * 29,
        "(" * 5000,
        "m." * 29 + "m",
        "m" * 100_000,
    ],
)
def test_a_hostile_unit_costs_neither_time_nor_an_exception(code: str) -> None:
    measure("mg/dL")  # loads the reader
    start = time.perf_counter()
    measure(code)
    assert time.perf_counter() - start < 1


def test_many_threads_read_the_same_sizes() -> None:
    codes = ["mg/dL", "mmol/L", "mm[Hg]", "U/L", "mL/(24.h)", "10*3/uL"] * 20
    measure.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(measure, codes)) == [measure(code) for code in codes]
