"""Which font draws a character. Letters no font has come out as their code point, so that none is lost."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from threading import Lock
from typing import Literal

from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont

Face = Literal["text", "strong", "mono"]
_FILES: dict[Face, tuple[str, ...]] = {
    "text": ("cdssText-Regular", "cdssScripts-Regular"),
    "strong": ("cdssText-Semibold", "cdssScripts-Semibold"),
    "mono": ("cdssMono-Regular", "cdssScripts-Regular"),
}
FIRST = "cdssText-Regular"
_NOT_SHOWN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
_lock = Lock()


@cache
def _load(name: str) -> TTFont:
    font = TTFont(name, BytesIO((files("cdss.paper") / "fonts" / f"{name}.ttf").read_bytes()))
    registerFont(font)
    return font


def load_fonts() -> None:
    """Make the fonts known to reportlab, once."""
    with _lock:
        for name in sorted({name for names in _FILES.values() for name in names}):
            _load(name)


@lru_cache(maxsize=4096)
def font_for(cluster: str, face: Face) -> str | None:
    """The first font of a face that has every character of a cluster.

    Parameters
    ----------
    cluster : str
        A letter with the marks on it.
    face : {"text", "strong", "mono"}

    Returns
    -------
    str or None
        None where it cannot be drawn, or must not be because it would be invisible.
    """
    if any(unicodedata.category(char) in _NOT_SHOWN for char in cluster):
        return None
    for name in _FILES[face]:
        if all(ord(char) in _load(name).face.charToGlyph for char in cluster):
            return name
    return None


@lru_cache(maxsize=4096)
def width_of(text: str, font: str, size: float) -> float:
    """Width of a text in points."""
    return float(_load(font).stringWidth(text, size))


def code_point(char: str) -> str:
    """A character by number, such as U+1F600."""
    return f"U+{ord(char):04X}"
