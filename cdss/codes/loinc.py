"""Reviewed LOINC names, and what a name must say to stand under an analyte."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

# "Creatinine [Mass/volume] in Serum or Plasma by Bromocresol": component, specimen, method.
_NAME = re.compile(r"(?P<component>.+?)(?: \[[^\]]+\])?(?: (?:in|of) (?P<specimen>.+?))?(?: by (?P<method>.+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoincName:
    """A LOINC code with its long common name, an example unit of its property, and where the name was read."""

    code: str
    name: str
    unit: str
    source: str

    @property
    def parts(self) -> tuple[str, str, str]:
        """Component, specimen and method, as the long common name says them; "" where it says none."""
        found = _NAME.fullmatch(self.name)
        return (found["component"], found["specimen"] or "", found["method"] or "") if found else (self.name, "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRule:
    """Which components, specimens and methods are an analyte; no methods means any."""

    component: tuple[str, ...]
    specimen: tuple[str, ...]
    method: tuple[str, ...] = ()

    def allows(self, name: LoincName) -> bool:
        """Whether a LOINC name is one of the analyte."""
        component, specimen, method = name.parts
        return component in self.component and specimen in self.specimen and (not self.method or method in self.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoincTable:
    """``loinc.toml``, read."""

    version: str
    date: str
    sources: Mapping[str, str]
    names: Mapping[str, LoincName]
    rules: Mapping[str, NameRule]


@cache
def loinc_table() -> LoincTable:
    """The reviewed names and rules that are shipped."""
    raw = tomllib.loads(files(__package__).joinpath("loinc.toml").read_text("utf-8"))
    blood = tuple(raw["rule"]["blood"])
    names = {
        code: LoincName(code=code, name=name, unit=unit, source=source)
        for code, (name, unit, source) in raw["name"].items()
    }
    rules = {
        analyte: NameRule(
            component=tuple(rule["component"]),
            specimen=tuple(rule.get("specimen", blood)),
            method=tuple(rule.get("method", ())),
        )
        for analyte, rule in raw["analyte"].items()
    }
    return LoincTable(
        version=raw["version"],
        date=raw["date"].isoformat(),
        sources=MappingProxyType(raw["source"]),
        names=MappingProxyType(names),
        rules=MappingProxyType(rules),
    )
