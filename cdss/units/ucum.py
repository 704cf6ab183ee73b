"""How large a UCUM unit is, exactly: ucumvert reads the code, pint defines the atoms, Fractions do the arithmetic.

Only atoms listed here are read. ucumvert 0.3 on pint 0.25 silently gets others wrong: `hbar` is Planck's constant,
`mg%` a hundredth of a milligram, `m[g]` a milligram, `[in_i'Hg]` 0.3 % off, every arbitrary unit ([IU], [HPF]) one.
A test holds each atom below, with each prefix, against UCUM's own table.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from pint import UnitRegistry

_ATOMS = """
    g t m L l s min h d wk mo a K mol kat U Pa m[H2O] [psi] atm Hz J cal N dyn W V A Ohm S Bq Gy Sv
    [lb_av] [oz_av] [in_i] [ft_i] [yd_i] 10* % [ppth] [ppm] [ppb]
"""
ATOMS = frozenset(_ATOMS.split())
"""Atoms whose pint definition equals UCUM's."""

# UCUM makes an equivalent and an osmole a mole, ucumvert an arbitrary unit the number one. Here each is a kind of its
# own: meq/L becomes mmol/L only by an analyte's valence, and 5 [IU]/L is never 5 cells per litre.
OWN_KIND = frozenset({"eq", "osm", "[IU]", "[iU]", "[arb'U]", "[pH]"})

# pint's mercury column is 2.9e-6 off UCUM's 133.3220 kPa; ucumvert reads g% as gram times percent.
REDEFINED = {"m[Hg]": ("kPa", Fraction("133.3220")), "g%": ("g/dL", Fraction(1))}

# Scales with a zero of their own stand alone: neither a prefix nor a product has a meaning. In kelvin: scale, offset.
SPECIAL = {
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}

# Codes of clinical use have some 30 characters at most. The parser is cubic in the length; 10*999999999 has a billion
# digits.
_CODE = re.compile(r"[!-~]{1,60}")
_HUGE_EXPONENT = re.compile(r"(?<=[^\d./(){}+-])[+-]?\d{3,}|\d[+-]\d{3,}")

_LOCK = threading.RLock()  # pint fills caches of its own while it reads


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit as a number of base units: base = value * scale + offset; `kind` holds the exponents of the base units."""

    scale: Fraction
    offset: Fraction
    kind: tuple[tuple[str, int], ...]


_ONE = Measure(Fraction(1), Fraction(0), ())


class _NotReadError(Exception):
    """The code is no UCUM, or holds an atom that is not on the list."""


@lru_cache(maxsize=4096)
def measure(code: str) -> Measure | None:
    """Size and kind of a UCUM unit, or None if the code is not UCUM or not a unit of this product.

    Parameters
    ----------
    code : str
        A case-sensitive UCUM code. Annotations ({beats}/min) count as the number one, as UCUM says.
    """
    if not _CODE.fullmatch(code) or _HUGE_EXPONENT.search(code):
        return None
    from lark.exceptions import LarkError
    from ucumvert import parse_ucum

    with _LOCK:
        engine = _engine()
        try:
            return engine.value(parse_ucum(code, engine.parser))
        except (LarkError, _NotReadError, ZeroDivisionError):
            return None


class _Engine:
    """The grammar and the definitions, loaded once."""

    def __init__(self, parser: Lark, registry: UnitRegistry[Any], spelling: dict[str, str]) -> None:
        self.parser, self.registry, self.spelling = parser, registry, spelling
        self.atoms: dict[tuple[str, str], Measure] = {}

    def value(self, node: Tree[Token] | Token) -> Measure:
        """Work out one node of the parsed code."""
        from lark import Token

        if isinstance(node, Token):
            return _ONE  # an annotation alone
        parts = node.children
        if node.data == "main_term":
            return _times(_ONE, self.value(parts[1]), -1) if len(parts) > 1 else self.value(parts[0])
        if node.data == "term":
            left, operator, right = parts
            return _times(self.value(left), self.value(right), -1 if operator == "/" else 1)
        if node.data == "component":
            return self.value(parts[0])  # the annotation beside it says nothing about the size
        if node.data == "annotatable":
            base = self.value(parts[0])
            return _power(base, int(str(parts[1]))) if len(parts) > 1 else base
        first = parts[0]
        if isinstance(first, Token) and first.type == "FACTOR":
            return Measure(Fraction(int(first)), Fraction(0), ())
        prefix, atom = ("", str(first)) if len(parts) == 1 else (str(first), str(parts[1]))
        if (prefix, atom) not in self.atoms:
            self.atoms[prefix, atom] = self._atom(prefix, atom)
        return self.atoms[prefix, atom]

    def _atom(self, prefix: str, atom: str) -> Measure:
        if atom in SPECIAL:
            if prefix:
                raise _NotReadError(prefix + atom)
            return Measure(*SPECIAL[atom], (("kelvin", 1),))
        # The prefix is read on the metre: joined to any atom, pint would take "hbar" for a physical constant.
        factor = self._pint(f"{prefix}m").scale if prefix else Fraction(1)
        if atom in OWN_KIND:
            return Measure(factor, Fraction(0), ((atom, 1),))
        if atom in REDEFINED:
            unit, times = REDEFINED[atom]
            base = self.value(self.parser.parse(unit))
            return Measure(base.scale * times * factor, Fraction(0), base.kind)
        if atom not in ATOMS:
            raise _NotReadError(atom)
        base = self._pint(self.spelling.get(atom, atom))
        return Measure(base.scale * factor, Fraction(0), base.kind)

    def _pint(self, name: str) -> Measure:
        quantity = self.registry(name).to_root_units()
        kind = {str(unit): int(str(exponent)) for unit, exponent in quantity.unit_items()}
        return Measure(Fraction(quantity.magnitude), Fraction(0), tuple(sorted(kind.items())))


@lru_cache(maxsize=1)
def _engine() -> _Engine:
    import pint
    import ucumvert
    from ucumvert.ucum_pint import MAPPINGS_UCUM_TO_PINT

    # Not PintUcumRegistry: it reads codes with a second registry, the global one, in floats. An empty registry filled
    # by hand also skips pint's table of all unit pairs, a third of the loading time.
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None, non_int_type=Fraction)
    registry.load_definitions(Path(pint.__file__).with_name("default_en.txt"))
    registry.load_definitions(Path(ucumvert.__file__).with_name("pint_ucum_defs.txt"))
    return _Engine(ucumvert.get_ucum_parser(), registry, dict(MAPPINGS_UCUM_TO_PINT))


def _times(left: Measure, right: Measure, sign: int) -> Measure:
    if left.offset or right.offset:
        raise _NotReadError("a temperature with its own zero cannot be part of a product")
    kind = dict(left.kind)
    for unit, exponent in right.kind:
        kind[unit] = kind.get(unit, 0) + sign * exponent
    return Measure(left.scale * right.scale**sign, Fraction(0), tuple(sorted((u, e) for u, e in kind.items() if e)))


def _power(base: Measure, exponent: int) -> Measure:
    if base.offset:
        raise _NotReadError("a temperature with its own zero has no power")
    return Measure(base.scale**exponent, Fraction(0), tuple((u, e * exponent) for u, e in base.kind))
