"""Every reason code, with what it means and what to do, from ``reasons.toml``.

``python -m cdss.domain.reasons`` prints the page docs/reference/reasons.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReason:
    """A stable code, and what a reader needs beside it.

    `remedy` says what to do; `block_remedy` says it where the reason forbids a score and stands without its meaning.
    `quality` is category and subcategory in the framework of data quality; None for what no finding carries.
    """

    severity: str
    meaning: str
    remedy: str
    block_remedy: str
    quality: tuple[str, str] | None


@cache
def known_reasons() -> Mapping[str, KnownReason]:
    """Every reason by its code.

    Raises
    ------
    ValueError
        If a code stands in two sections.
    """
    found: dict[str, KnownReason] = {}
    for section in _data()["sections"]:
        for code, entry in section["reasons"].items():
            if code in found:
                raise ValueError(f"reasons.toml: {code} stands in two sections. Keep one.")
            quality = entry.get("quality")
            found[code] = KnownReason(
                severity=entry["severity"],
                meaning=entry["meaning"],
                remedy=entry["remedy"],
                block_remedy=entry.get("block_remedy", entry["remedy"]),
                quality=None if quality is None else (quality[0], quality[1]),
            )
    return found


def page() -> str:
    """The whole page."""
    data = _data()
    return "\n".join(
        ("# Reasons", "", data["intro"], *(line for section in data["sections"] for line in _section(section)))
    )


def _section(section: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {section['title']}"
    yield ""
    if above := section.get("above"):
        yield from (above, "")
    yield "| reason | severity | meaning | what to do |"
    yield "|---|---|---|---|"
    for code, entry in section["reasons"].items():
        yield f"| `{code}` | {entry['severity']} | {entry['meaning']} | {entry['remedy']} |"
    yield ""
    if below := section.get("below"):
        yield from (below, "")


def _data() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("reasons.toml").read_text("utf-8"))


if __name__ == "__main__":
    print(page(), end="")
