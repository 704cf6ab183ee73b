"""Analytes: what a code measures, in which unit the models read it, and which values can be true.

All of it is data in ``units.toml``, each entry with its reference; this module only reads that file.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOINC = "http://loinc.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyte:
    """One thing that is measured, under all the codes a hospital sends it by.

    Parameters
    ----------
    name, label : str
        The name in specifications ("creatinine") and the one a clinician writes ("Creatinine").
    unit : str
        The reference UCUM unit; every limit below is in it.
    codes : tuple of str
        "system|code"; a code belongs to one analyte only.
    molar_mass : Fraction or None
        g/mol, for mass <-> amount of substance.
    valence : int or None
        Charges per ion, for equivalents <-> amount of substance.
    physical : tuple of Fraction
        Inclusive limits; a value beyond them cannot be true and is put aside.
    plausible : tuple of Fraction
        Inclusive limits; a value beyond them is rare and gets a note.
    reference : str
        Where molar mass and limits come from.
    """

    name: str
    label: str
    unit: str
    codes: tuple[str, ...]
    molar_mass: Fraction | None
    valence: int | None
    physical: tuple[Fraction, Fraction]
    plausible: tuple[Fraction, Fraction]
    reference: str

    def __hash__(self) -> int:
        """The name alone: it is unique, and an analyte is looked up once per value read."""
        return hash(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Knowledge:
    """units.toml, read."""

    analytes: tuple[Analyte, ...]
    by_code: Mapping[str, Analyte]
    aliases: Mapping[str, tuple[str, ...]]
    conversions: Mapping[tuple[str, str], tuple[Fraction, Fraction]]
    words: Mapping[str, str]


def analytes() -> tuple[Analyte, ...]:
    """Every analyte the product knows, in the order of ``units.toml``."""
    return _knowledge().analytes


def analyte_for(key: str) -> Analyte | None:
    """The analyte that a code measures, or None if the product does not know the code.

    Parameters
    ----------
    key : str
        "system|code", for example "http://loinc.org|2160-0".
    """
    return _knowledge().by_code.get(key)


def aliases_of(text: str) -> tuple[str, ...]:
    """The UCUM units that a spelling outside UCUM may stand for; the analyte decides between them."""
    return _knowledge().aliases.get(text, ())


def in_short(text: str) -> str:
    """A unit text without brackets and blanks, its words as UCUM writes them: `millimole per liter` is `mmol/L`."""
    words = _knowledge().words
    plain = re.sub(r"\([^)]*\)", " ", text)
    return re.sub(r"[^\W\d_]+", lambda word: words.get(word[0].lower(), word[0]), plain).replace(" ", "")


def special_conversion(analyte: Analyte, unit: str) -> tuple[Fraction, Fraction] | None:
    """Scale and offset of a published equation between units that UCUM cannot relate, such as HbA1c mmol/mol -> %."""
    return _knowledge().conversions.get((analyte.name, unit))


@lru_cache(maxsize=1)
def _knowledge() -> _Knowledge:
    # Numbers are kept as written: 0.09148 is 9148/100000, not the nearest double.
    raw = tomllib.loads(files(__package__).joinpath("units.toml").read_text("utf-8"), parse_float=Fraction)
    known = tuple(_analyte(name, entry) for name, entry in raw["analyte"].items())
    return _Knowledge(
        analytes=known,
        by_code=MappingProxyType({code: analyte for analyte in known for code in analyte.codes}),
        aliases=MappingProxyType(
            {text: (unit,) if isinstance(unit, str) else tuple(unit) for text, unit in raw["alias"].items()}
        ),
        conversions=MappingProxyType(
            {
                (row["analyte"], unit): (Fraction(row["scale"]), Fraction(row["offset"]))
                for row in raw["conversion"]
                for unit in row["from"]
            }
        ),
        words=MappingProxyType(raw["word"]),
    )


def _analyte(name: str, entry: dict[str, Any]) -> Analyte:
    system = entry.get("system", _LOINC)
    molar_mass = entry.get("molar_mass")
    return Analyte(
        name=name,
        label=entry["label"],
        unit=entry["unit"],
        codes=tuple(f"{system}|{code}" for code in entry["codes"]),
        molar_mass=None if molar_mass is None else Fraction(molar_mass),
        valence=entry.get("valence"),
        physical=_limits(entry["physical"]),
        plausible=_limits(entry["plausible"]),
        reference=entry["reference"],
    )


def _limits(pair: list[Any]) -> tuple[Fraction, Fraction]:
    low, high = pair
    return Fraction(low), Fraction(high)
