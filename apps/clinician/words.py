"""Every string a person reads goes through `t`: English is the key, and a catalogue may hold another language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGE = "en"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """The words of a language by their English; English needs none."""
    path = Path(__file__).parent / "words" / f"{language}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def t(text: str) -> str:
    """A text in the language of the page."""
    return catalogue(LANGUAGE).get(text, text)
