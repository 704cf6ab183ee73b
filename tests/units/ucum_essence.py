"""A second reader of UCUM, written from its own table alone, to hold the product's sizes against."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAG = "{http://unitsofmeasure.org/ucum-essence}"
_TOKEN = re.compile(r"\{[^}]*\}|[./()]|(?:\[[^\]]*\]|[^./(){}\[\]])+")
_POWER = re.compile(r"(.*?[^\d+-])([+-]?\d+)")

Size = tuple[Fraction, dict[str, int]]


class Essence:
    """ucum-essence.xml: sizes of units in UCUM's base units."""

    def __init__(self, path: Path) -> None:
        root = ET.parse(path).getroot()
        self.prefixes = {p.get("Code", ""): Fraction(_value(p).get("value", "")) for p in root.iter(f"{_TAG}prefix")}
        self.base = {b.get("Code", "") for b in root.iter(f"{_TAG}base-unit")}
        self.units = {u.get("Code", ""): u for u in root.iter(f"{_TAG}unit")}

    def metric(self, atom: str) -> bool:
        """Whether the atom may carry a prefix."""
        return atom in self.base or (atom in self.units and self.units[atom].get("isMetric") == "yes")

    def size(self, code: str) -> Size:
        """Size of a unit, and the powers of base units in it; amounts of substance stay moles, not 6e23."""
        return self._term(_TOKEN.findall(code), 0)[0]

    def _term(self, tokens: list[str], at: int) -> tuple[Size, int]:
        total: Size = (Fraction(1), {})
        sign = 1
        while at < len(tokens):
            token, at = tokens[at], at + 1
            if token == ")":
                break
            if token in "./":
                sign = 1 if token == "." else -1
                continue
            if token == "(":
                factor, at = self._term(tokens, at)
            elif token.startswith("{"):
                factor = (Fraction(1), {})
            elif token.isdigit():
                factor = (Fraction(token), {})
            else:
                factor = self._simple(token)
            total = _times(total, factor, sign)
        return total, at

    def _simple(self, token: str) -> Size:
        power = _POWER.fullmatch(token)
        if power is None or token in self.units:
            return self._atom(token)
        (scale, kind), exponent = self._atom(power[1]), int(power[2])
        return scale**exponent, {unit: n * exponent for unit, n in kind.items()}

    def _atom(self, token: str) -> Size:
        if token in self.base or token == "mol":
            return Fraction(1), {token: 1}
        if token in self.units:
            unit = self.units[token]
            assert unit.get("isSpecial") != "yes", f"{token} is not a multiple of anything"
            value = _value(unit)
            return _times((Fraction(value.get("value", "")), {}), self.size(value.get("Unit", "")), 1)
        for prefix in sorted(self.prefixes, key=len, reverse=True):
            if token.startswith(prefix) and self.metric(token.removeprefix(prefix)):
                return _times((self.prefixes[prefix], {}), self._atom(token.removeprefix(prefix)), 1)
        raise KeyError(token)


def _value(element: ET.Element) -> ET.Element:
    value = element.find(f"{_TAG}value")
    assert value is not None
    return value


def _times(left: Size, right: Size, sign: int) -> Size:
    kind = dict(left[1])
    for unit, exponent in right[1].items():
        kind[unit] = kind.get(unit, 0) + sign * exponent
    return left[0] * right[0] ** sign, {unit: n for unit, n in kind.items() if n}
