"""Usual ranges of adults, for orientation on screens; no model reads them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """A usual range in `unit`, both ends inclusive; None is open. `group` and `note` are for screens."""

    group: str
    unit: str
    reference: str
    low: float | None = None
    high: float | None = None
    note: str = ""

    def word(self, value: float) -> str:
        """`low`, `high`, or nothing."""
        if self.low is not None and value < self.low:
            return "low"
        return "high" if self.high is not None and value > self.high else ""


@cache
def usual_ranges() -> Mapping[str, Usual]:
    """Every usual range, by `system|code`."""
    rows = tomllib.loads(files(__package__).joinpath("usual.toml").read_text("utf-8"))["usual"]
    return {code: Usual(**{k: v for k, v in row.items() if k != "codes"}) for row in rows for code in row["codes"]}
