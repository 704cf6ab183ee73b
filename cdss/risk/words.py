"""How durations and units are printed for a reader; everywhere else they are ISO 8601 and UCUM."""

from __future__ import annotations

_PRINTED = {
    "1": "", "a": "years", "d": "days", "{score}": "", "[pH]": "", "mm[Hg]": "mmHg", "Cel": "°C", "10*3/uL": "10³/µL",
    "mL/(24.h)": "mL in 24 h", "/min": "per minute",
}  # fmt: skip


def span_words(duration: str) -> str:
    """An ISO 8601 duration of hours or days in words."""
    return f"{duration.strip('PTHD')} {'hours' if 'H' in duration else 'days'}"


def unit_words(unit: str) -> str:
    """A UCUM unit as it is printed; empty where none is."""
    return _PRINTED.get(unit, unit)
