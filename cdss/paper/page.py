"""The sheet: who it is about on top of every page, which entry of the ledger it is at its foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

from cdss.paper.fonts import FIRST, load_fonts
from cdss.paper.text import AMBER, AMBER_TINT, INK, INK2, INK3, LINE, NAVY, Panel, Span, Text
from cdss.paper.words import capital, day, fours, hospital_number, years_between

WIDE, HIGH = A4
SIDE, TOP, FOOT = 48.0, 24.0, 44.0
INNER = WIDE - 2 * SIDE
_LINES_OF_NAME = 3


def patient_name(patient: Mapping[str, Any]) -> str:
    """Surname, then given name, as typed."""
    return ", ".join(str(patient[part]) for part in ("family", "given") if patient.get(part)) or "No name on record"


def _named(word: str, value: object) -> str:
    """Ward 7B of 7B, and of Ward 7B."""
    text = str(value or "")
    return text if not text or text.lower().startswith(word) else f"{word} {text}"


def patient_words(patient: Mapping[str, Any], at: object) -> list[Span]:
    """Birth date, sex, hospital number, place and attending, with their labels."""
    born = str(patient.get("birth_date") or "")
    age = years_between(born, at) if born else None
    place = [_named(word, patient.get(word)) for word in ("ward", "bed")]
    number = (patient.get("identifier") or {}).get("value")
    said = (
        ("Born", f"{day(born)}{f' ({age} y)' if age is not None else ''}" if born else "not on record"),
        ("Sex", str(patient.get("sex") or "").capitalize() or "not on record"),
        ("Hospital no.", hospital_number(number) if number else "not on record"),
        ("Place", capital(", ".join(part for part in place if part))),
        ("Attending", str(patient.get("attending") or "")),
    )
    spans: list[Span] = []
    for label, words in said:
        if words:
            gap = "    " if spans else ""
            spans += [Span(f"{gap}{label} ", size=7.5, ink=INK3), Span(words, "strong", 8)]
    return spans


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on every page."""

    name: str
    about: Sequence[Span]
    number: str
    digest: str
    without_digest: str
    synthetic: bool

    def _parts(self) -> tuple[Text, Text, Text]:
        record = [Span("Record ", size=7.5, ink=INK3), Span(self.number or "without a number", "strong", 9)]
        return (
            Text(Span(self.name, "strong", 12.5), leading=16, most=_LINES_OF_NAME),
            Text(record, align="right", leading=16, most=1),
            Text(self.about, leading=12, most=4),
        )

    def _sizes(self) -> tuple[float, float, float]:
        name, record, about = self._parts()
        right = min(record.widest() + 14, INNER * 0.4)
        name_high = max(name.wrap(INNER - right, HIGH)[1], record.wrap(right, HIGH)[1])
        return right, name_high, about.wrap(INNER, HIGH)[1]

    def is_cut(self) -> bool:
        """Whether something is too long for the head, and has to stand in full elsewhere."""
        right = self._sizes()[0]
        name, record, about = self._parts()
        for text, width in ((name, INNER - right), (record, right), (about, INNER)):
            text.wrap(width, HIGH)
        return name.cut or record.cut or about.cut

    def top(self) -> float:
        """Height of the head, in points from the edge of the paper."""
        _, name, about = self._sizes()
        return TOP + (22 if self.synthetic else 0) + name + about + 12

    def draw(self, canvas: Canvas, page: int, pages: int) -> None:
        """Draw head and foot of one page."""
        canvas.saveState()
        y = HIGH - TOP
        if self.synthetic:
            band = Text(
                [
                    Span("SYNTHETIC DATA", "strong", 8, AMBER),
                    Span(" \u2013 demo hospital. Not a real patient.", "text", 8, AMBER),
                ],
                align="center",
                leading=10,
                panel=Panel(pad=(6, 2.6), ground=AMBER_TINT, edge=AMBER, dashed=True),
            )
            y = _put(canvas, band, SIDE, y, INNER) - 7
        right, name_high, _ = self._sizes()
        name, record, about = self._parts()
        _put(canvas, name, SIDE, y, INNER - right)
        _put(canvas, record, SIDE + INNER - right, y, right)
        y = _put(canvas, about, SIDE, y - name_high, INNER) - 4
        canvas.setStrokeColor(HexColor(NAVY))
        canvas.setLineWidth(1.2)
        canvas.line(SIDE, y, SIDE + INNER, y)
        canvas.setStrokeColor(HexColor(LINE))
        canvas.setLineWidth(0.6)
        canvas.line(SIDE, FOOT - 8, SIDE + INNER, FOOT - 8)
        foot = [Span("Entry hash  ", size=7, ink=INK3), Span(fours(self.digest), "mono", 6.6, INK2)]
        if not self.digest:
            foot = [Span(self.without_digest, size=7, ink=INK3)]
        _put(canvas, Text(foot, leading=9, most=1), SIDE, FOOT - 13, INNER - 74)
        count = Text(Span(f"Page {page} of {pages}", "strong", 7.5, INK), leading=9, align="right")
        _put(canvas, count, SIDE + INNER - 74, FOOT - 13, 74)
        canvas.restoreState()

    def build(self, story: Sequence[Flowable], pages: int, title: str) -> tuple[bytes, int]:
        """Lay a story out; gives the document and how many pages it has."""
        load_fonts()
        out = BytesIO()
        document = BaseDocTemplate(
            out, pagesize=A4, title=title, author="cdss", creator="cdss", subject="Clinical decision record",
            lang="en", displayDocTitle=True, invariant=1, initialFontName=FIRST,
        )  # fmt: skip
        frame = Frame(
            SIDE, FOOT, INNER, HIGH - FOOT - self.top(),
            leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0,
        )  # fmt: skip

        def furnish(canvas: Canvas, _: BaseDocTemplate) -> None:
            self.draw(canvas, canvas.getPageNumber(), pages)

        document.addPageTemplates([PageTemplate(id="sheet", frames=[frame], onPage=furnish)])
        document.build(list(story))
        return out.getvalue(), document.page


def _put(canvas: Canvas, text: Text, left: float, top: float, width: float) -> float:
    """Draw below a height; gives where it ends."""
    base = top - float(text.wrapOn(canvas, width, HIGH)[1])
    text.drawOn(canvas, left, base)
    return base
