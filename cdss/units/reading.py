"""Which unit a FHIR quantity is in, and the exact line from it to the unit the models read.

A unit is never guessed: it is a UCUM code, a spelling from the published alias table, or a problem, and then the value
is put aside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from cdss.units.analyte import Analyte, aliases_of, in_short, special_conversion
from cdss.units.ucum import Measure, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

UCUM = "http://unitsofmeasure.org"

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})
_MISSING_ALLOWED = {"{score}": "unit-missing-score", "[pH]": "unit-missing-ph"}  # there is only one unit it could be
_DIGITS = re.compile(r"(?<![\w*^])(?!10[*^]\d)\d+(?:[.,]\d+)?")
_LONGEST_SHOWN = 40
_LARGEST_EXPONENT = 400  # beyond any float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitReading:
    """How one combination of system, code and text is read for one analyte: converted = value * scale + offset.

    Parameters
    ----------
    unit : str
        Unit of the converted value: the analyte's reference unit, or the quantity's own unit where there is no analyte.
    scale, offset : Fraction
    note : str or None
        Why it is worth telling although it is used, such as "unit-alias"; None for plain UCUM.
    problem : str or None
        Why the value must not be used, such as "unit-wrong-dimension".
    message : str
        One sentence with what was found, what was expected and the next step; "" where there is nothing to tell.
    """

    unit: str
    scale: Fraction
    offset: Fraction
    note: str | None
    problem: str | None
    message: str

    @property
    def identity(self) -> bool:
        """Whether the value is already in `unit`."""
        return self.problem is None and self.scale == 1 and self.offset == 0


@lru_cache(maxsize=8192)
def read_unit(analyte: Analyte | None, system: str | None, code: str | None, text: str | None) -> UnitReading:
    """Find the unit of a quantity and the way to the analyte's reference unit.

    Parameters
    ----------
    analyte : Analyte or None
        What is measured; None keeps the quantity's own unit, unconverted.
    system, code, text : str or None
        FHIR Quantity.system, .code and .unit.

    Returns
    -------
    UnitReading
        With a `problem` where the unit is missing, unknown, contradictory or of another kind; never an exception.
    """
    written = (text or "").strip()
    if analyte is None:
        own = code if system == UCUM and code else written
        return UnitReading(unit=own, scale=Fraction(1), offset=Fraction(0), note=None, problem=None, message="")
    if system == UCUM and code:
        reading, beside = _read(analyte, code), written
        said = code
    else:
        reading, said, beside = _read_text(analyte, written, code or "")
    if reading.problem is not None or not beside:
        return reading
    agrees = _agrees(analyte, reading, beside)
    if agrees is None and (plain := in_short(beside)) != beside:
        agrees = _agrees(analyte, reading, plain)
    if agrees is False:
        return _problem(
            analyte,
            "unit-contradiction",
            f"{analyte.label} is coded in {_shown(said)}, but its unit text says {_shown(beside)}. "
            f"Correct the one that is wrong at the source.",
        )
    if agrees is None and reading.note is None:
        message = f"{analyte.label} was read in {_shown(said)}, its code. The unit text beside it is no unit known here"
        return replace(reading, note="unit-text-unknown", message=f"{message}: correct it at the source.")
    return reading


def convert(value: Decimal | Fraction | int, reading: UnitReading) -> Fraction:
    """Convert a value exactly; round once, with ``float()``, where a float is needed.

    Raises
    ------
    ValueError
        If the reading has a problem (its value must not be used), or the value is not a number.
    OverflowError
        If the value is beyond any float: refused before a billion digits are written out.
    """
    if reading.problem is not None:
        raise ValueError(reading.message)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise OverflowError("a value has an exponent beyond that of any measurement; put it aside")
    return Fraction(value) * reading.scale + reading.offset


def _read_text(analyte: Analyte, written: str, local: str) -> tuple[UnitReading, str, str]:
    """Read a quantity without a UCUM code, by text or local code; also say which of them, and what stands beside it."""
    if not written and not local:
        return _missing(analyte), "", ""
    said, beside = (written, local) if written else (local, "")
    reading = _read(analyte, said)
    if reading.problem == "unit-unknown" and beside:
        said, beside = beside, ""
        reading = _read(analyte, said)
    if reading.problem is None and reading.note is None:
        message = f"{analyte.label} has {_shown(said)} as text only. Send it as a UCUM code with system {UCUM}."
        reading = replace(reading, note="unit-from-text", message=message)
    return reading, said, beside


def _read(analyte: Analyte, written: str) -> UnitReading:
    """The first way to read `written` that suits the analyte, else what is wrong with it."""
    tried = []
    for _, reading in _readings(analyte, written):
        if reading.problem is None:
            return reading
        tried.append(reading)
    return next((reading for reading in tried if reading.problem != "unit-unknown"), tried[-1])


def _readings(analyte: Analyte, written: str) -> Iterator[tuple[str, UnitReading]]:
    """Each UCUM unit that `written` may stand for, with what it is to the analyte."""
    plain = written.translate(_MICRO)
    # The reference unit itself comes first, so that the common case never asks the converter.
    if _bare(plain) != _bare(analyte.unit):
        for unit in aliases_of(plain):
            yield unit, _noted(analyte, written, unit, _towards(analyte, unit, written))
    reading = _towards(analyte, plain, written)
    yield plain, (reading if plain == written else _noted(analyte, written, plain, reading))


def _noted(analyte: Analyte, written: str, unit: str, reading: UnitReading) -> UnitReading:
    if reading.problem is not None or reading.note is not None:
        return reading
    message = f"{analyte.label}: {_shown(written)} is not a UCUM unit of it and was read as {unit}. Send {unit}."
    return replace(reading, note="unit-alias", message=message)


def _agrees(analyte: Analyte, reading: UnitReading, beside: str) -> bool | None:
    """Whether the text beside a code is the same unit, or another one; None where it is no unit at all."""
    agrees: bool | None = None
    for unit, other in _readings(analyte, beside):
        if other.problem is None and (other.scale, other.offset) == (reading.scale, reading.offset):
            return True
        # "units", "ratio" and "score" are wording, not units, wherever they do not suit the analyte.
        wording = other.problem == "unit-unknown" or (other.problem is not None and _bare(unit) in {"", "[pH]"})
        agrees = agrees if wording else False
    return agrees


def _towards(analyte: Analyte, unit: str, written: str) -> UnitReading:
    """From one UCUM unit to the analyte's reference unit."""
    bare = _bare(unit)
    if bare == _bare(analyte.unit):
        return _line(analyte, Fraction(1))
    special = special_conversion(analyte, bare)
    if special is not None:
        return _line(analyte, *special)
    found = measure(unit)
    wanted = None if found is None else measure(analyte.unit)
    if found is None or wanted is None:
        return _problem(
            analyte,
            "unit-unknown",
            f"{analyte.label} is recorded in {_shown(written, known=False)}, which is no UCUM unit this product reads "
            f"and not in its alias table; the models read {analyte.unit}. Correct the unit at the source, or add it "
            f"with its reference to units.toml.",
        )
    if found.kind == wanted.kind:
        if not wanted.kind:
            return _pure_number(analyte, found, wanted, written, amounts="mol" in bare)
        return _line(analyte, found.scale / wanted.scale, (found.offset - wanted.offset) / wanted.scale)
    if analyte.unit == "[pH]" and found.kind == () and found.scale == 1:
        return _noted(analyte, written, "[pH]", _line(analyte, Fraction(1)))  # "1" and "{pH}": a pH has no other unit
    return _by_amount(analyte, found, wanted, written)


def _pure_number(analyte: Analyte, found: Measure, wanted: Measure, written: str, *, amounts: bool) -> UnitReading:
    """Percent, fraction or score. A ratio of amounts (mmol/mol) needs an equation of its own: it is no percentage."""
    if amounts or found.scale not in {wanted.scale, Fraction(1)}:
        return _wrong_dimension(analyte, written)
    if found.scale == wanted.scale:
        return _line(analyte, Fraction(1))
    message = f"{analyte.label} is recorded as a fraction and was read in {analyte.unit}. Send it in {analyte.unit}."
    return replace(_line(analyte, 1 / wanted.scale), note="unit-fraction", message=message)


def _by_amount(analyte: Analyte, found: Measure, wanted: Measure, written: str) -> UnitReading:
    """Between mass, amount and equivalents per volume, by the analyte's molar mass and valence."""
    per_mole = {
        "gram": analyte.molar_mass,
        "mole": Fraction(1),
        "eq": None if analyte.valence is None else Fraction(analyte.valence),
    }
    here, there = dict(found.kind), dict(wanted.kind)
    ours, theirs = here.keys() & per_mole.keys(), there.keys() & per_mole.keys()
    if len(ours) != 1 or len(theirs) != 1:
        return _wrong_dimension(analyte, written)
    (ours_in,), (theirs_in,) = ours, theirs
    if here.pop(ours_in) != 1 or there.pop(theirs_in) != 1 or here != there or not here:
        return _wrong_dimension(analyte, written)
    source, target = per_mole[ours_in], per_mole[theirs_in]
    if source is None or target is None:
        unknown = ours_in if source is None else theirs_in
        problem, missing = ("unit-no-molar-mass", "molar mass") if unknown == "gram" else ("unit-no-valence", "valence")
        return _problem(
            analyte,
            problem,
            f"{analyte.label} is recorded in {_shown(written)}, and without a {missing} it cannot be turned into "
            f"{analyte.unit}. Send it in {analyte.unit}, or add the {missing} with its reference to units.toml.",
        )
    return _line(analyte, found.scale * target / source / wanted.scale)


def _line(analyte: Analyte, scale: Fraction, offset: Fraction = Fraction(0)) -> UnitReading:
    return UnitReading(unit=analyte.unit, scale=scale, offset=offset, note=None, problem=None, message="")


def _problem(analyte: Analyte, problem: str, message: str) -> UnitReading:
    return replace(_line(analyte, Fraction(1)), problem=problem, message=message)


def _wrong_dimension(analyte: Analyte, written: str) -> UnitReading:
    return _problem(
        analyte,
        "unit-wrong-dimension",
        f"{analyte.label} is recorded in {_shown(written)}, which cannot be turned into {analyte.unit}. "
        f"Correct the unit, or the code of the measurement, at the source.",
    )


def _missing(analyte: Analyte) -> UnitReading:
    note = _MISSING_ALLOWED.get(analyte.unit)
    if note is not None:
        message = f"{analyte.label} has no unit and was read as {analyte.unit}. Send the UCUM code {analyte.unit}."
        return replace(_line(analyte, Fraction(1)), note=note, message=message)
    message = f"{analyte.label} has no unit; the models read {analyte.unit}. Add the unit at the source."
    return _problem(analyte, "unit-missing", message)


def _bare(unit: str) -> str:
    return _ANNOTATION.sub("", unit)


def _shown(written: str, *, known: bool = True) -> str:
    """A unit as a message may name it: short, printable and, where it is free wording, without digits of a value."""
    text = written if known else _DIGITS.sub("#", written)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
