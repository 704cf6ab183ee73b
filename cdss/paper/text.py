"""Text on paper. No markup is ever read: what was typed is what is drawn, whatever signs it has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from cdss.paper.bidi import JOINER, MIRRORED, NON_JOINER, is_mark, levels, shape, visual
from cdss.paper.fonts import Face, code_point, font_for, width_of

INK, INK2, INK3 = "#17212B", "#46535F", "#5A6773"
LINE, SUNKEN, QUIET, NAVY = "#DDE2E8", "#EEF1F4", "#F6F7F9", "#14375E"
UP, DOWN, AMBER, AMBER_TINT, OK = "#B34700", "#0B5FA5", "#7A4B00", "#FFF4DB", "#17663A"
_MOST_MARKS = 4
_BREAKS_AFTER = (" ", "-", "/", "|", "\u2013", "\u2014")
_CAP = 0.727  # height of a capital letter, so that it stands in the middle of its line

Align = Literal["left", "right", "center"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in one face, size and ink.

    Its direction is its own: a name from right to left turns nothing beside it around.
    """

    text: str
    face: Face = "text"
    size: float = 8.5
    ink: str = INK


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is drawn as one piece and never broken: a letter with its marks, or a code point."""

    typed: str
    drawn: str
    font: str
    size: float
    ink: str
    width: float
    level: int
    span: int
    boxed: bool
    breaks: bool
    reshaped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Ground, edge and inner space of a text; `rule` is a thick line on its left."""

    pad: tuple[float, float] = (10, 8)
    ground: str | None = None
    edge: str | None = None
    rule: str | None = None
    dashed: bool = False


def _clusters(text: str, face: Face) -> list[tuple[str, str, str | None]]:
    """Typed, drawn and font; no font where only the code point can be drawn."""
    found: list[tuple[str, str, str | None]] = []
    for typed, drawn in shape(text):
        last = found[-1] if found else ("", "", None)
        if typed in (JOINER, NON_JOINER) and last[2] and unicodedata.bidirectional(last[0][0]) == "AL":
            found[-1] = (last[0] + typed, last[1], last[2])
            continue
        if is_mark(typed) and last[2] and last[0][0].isalpha() and len(last[0]) <= _MOST_MARKS:
            together = font_for(last[1] + drawn, face)
            if together:
                found[-1] = (last[0] + typed, last[1] + drawn, together)
                continue
        found.append((typed, drawn, None if is_mark(typed) else font_for(drawn, face)))
    return found


def _units(spans: Iterable[Span]) -> list[list[_Unit]]:
    """Paragraphs of units, one for each line that was typed."""
    paragraphs: list[list[_Unit]] = [[]]
    for number, span in enumerate(spans):
        typed_lines = span.text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
        for count, line in enumerate(typed_lines):
            if count:
                paragraphs.append([])
            clusters = _clusters(unicodedata.normalize("NFC", line), span.face)
            depth = levels([typed[0] if font else code_point(typed) for typed, _, font in clusters])
            for (typed, drawn, font), level in zip(clusters, depth, strict=True):
                shown = (
                    MIRRORED.get(drawn, drawn[::-1]) if level % 2 else drawn
                )  # there, a mark comes before its letter
                name, size = font or font_for("U", "mono") or "", span.size
                if font is None:
                    shown, size = code_point(typed), span.size * 0.82
                paragraphs[-1].append(
                    _Unit(
                        typed=typed,
                        drawn=shown,
                        font=name,
                        size=size,
                        ink=span.ink,
                        width=width_of(shown, name, size) + (3 if font is None else 0),
                        level=level,
                        span=number,
                        boxed=font is None,
                        breaks=typed in _BREAKS_AFTER,
                        reshaped=font is not None and typed != drawn,
                    )
                )
    return paragraphs


def _broken(paragraph: list[_Unit], width: float) -> list[list[_Unit]]:
    lines: list[list[_Unit]] = []
    start, last_break, used = 0, None, 0.0
    at = 0
    while at < len(paragraph):
        unit = paragraph[at]
        if unit.drawn != " " and used + unit.width > width + 0.01 and at > start:
            end = last_break if last_break is not None else at
            lines.append(paragraph[start:end])
            start = at = end
            last_break, used = None, 0.0
            continue
        used += unit.width
        at += 1
        if unit.breaks:
            last_break = at
    lines.append(paragraph[start:])
    return lines


def _extent(line: Sequence[_Unit]) -> tuple[list[_Unit], float]:
    end = len(line)
    while end and line[end - 1].drawn == " ":
        end -= 1
    return list(line[:end]), sum(unit.width for unit in line[:end])


class Text(Flowable):
    """Lines of spans that wrap, break between pages and stay inside their width.

    Parameters
    ----------
    spans : str, Span or sequence of Span
    leading : float, optional
        From line to line, in points; by default 1.42 times the largest size.
    align : {"left", "right", "center"}
    panel : Panel, optional
    most : int, optional
        Lines at most; what is left out is marked with an ellipsis, and `cut` is then true.
    before, after : float
        Space around it, in points.
    """

    def __init__(
        self,
        spans: str | Span | Sequence[Span],
        *,
        leading: float | None = None,
        align: Align = "left",
        panel: Panel | None = None,
        most: int | None = None,
        before: float = 0,
        after: float = 0,
    ) -> None:
        super().__init__()
        if isinstance(spans, str):
            spans = Span(spans)
        self._spans = [spans] if isinstance(spans, Span) else list(spans)
        self._leading = leading or 1.42 * max((span.size for span in self._spans), default=9)
        self._size = max((span.size for span in self._spans), default=9)
        self._align, self._panel, self._most = align, panel or Panel(pad=(0, 0)), most
        self.spaceBefore, self.spaceAfter = before, after
        self._paragraphs: list[list[_Unit]] | None = None
        self._lines: list[list[_Unit]] = []
        self.cut = False

    def widest(self) -> float:
        """Width it would take on one line, in points."""
        return 2 * self._panel.pad[0] + max((_extent(line)[1] for line in self._all()), default=0)

    def _all(self) -> list[list[_Unit]]:
        if self._paragraphs is None:
            self._paragraphs = _units(self._spans)
        return self._paragraphs

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: N803 - reportlab's names
        """Break into lines for a width; gives the size taken."""
        across, down = self._panel.pad
        inner = aW - 2 * across
        self._lines = [line for paragraph in self._all() for line in _broken(paragraph, inner)]
        if self._most is not None and len(self._lines) > self._most:
            self.cut = True
            self._lines = [*self._lines[: self._most - 1], self._shortened(self._lines[self._most - 1], inner)]
        self.width, self.height = aW, len(self._lines) * self._leading + 2 * down
        return self.width, self.height

    def _shortened(self, line: list[_Unit], inner: float) -> list[_Unit]:
        ((dots,),) = _units([replace(self._spans[-1], text="…")])
        while line and _extent(line)[1] + dots.width > inner:
            line = line[:-1]
        return [*line, replace(dots, span=line[-1].span if line else 0)]

    def split(self, aW: float, aH: float) -> list[Flowable]:  # noqa: N803
        """Give what fits into a height, and the rest; at least two lines each, or nothing."""
        self.wrap(aW, aH)
        fits = int((aH - 2 * self._panel.pad[1] + 0.01) // self._leading)
        fits = min(fits, len(self._lines) - 2)
        if fits < 2:
            return []
        return [self._part(self._lines[:fits]), self._part(self._lines[fits:])]

    def _part(self, lines: list[list[_Unit]]) -> Text:
        part = Text(self._spans, leading=self._leading, align=self._align, panel=self._panel)
        part._paragraphs = lines
        return part

    def draw(self) -> None:
        """Draw the lines broken by `wrap`."""
        canvas: Canvas = self.canv
        self._ground(canvas)
        across, down = self._panel.pad
        for number, line in enumerate(self._lines):
            units, taken = _extent(line)
            free = self.width - 2 * across - taken
            left = across + {"left": 0, "center": free / 2, "right": free}[self._align]
            top = self.height - down - number * self._leading
            draw_line(canvas, left, top - (self._leading + _CAP * self._size) / 2, units)

    def _ground(self, canvas: Canvas) -> None:
        panel = self._panel
        canvas.saveState()
        canvas.setLineWidth(0.6)
        if panel.dashed:
            canvas.setDash(2.4, 1.8)
        if panel.ground:
            canvas.setFillColor(HexColor(panel.ground))
        if panel.edge:
            canvas.setStrokeColor(HexColor(panel.edge))
        if panel.ground or panel.edge:
            radius = 0 if panel.rule else 3
            fill, stroke = int(bool(panel.ground)), int(bool(panel.edge))
            canvas.roundRect(0, 0, self.width, self.height, radius, fill=fill, stroke=stroke)
        if panel.rule:
            canvas.setFillColor(HexColor(panel.rule))
            canvas.rect(0, 0, 2.2, self.height, fill=1, stroke=0)
        canvas.restoreState()


def draw_line(canvas: Canvas, left: float, base: float, units: Sequence[_Unit]) -> None:
    """Draw one line; a letter in a joined form carries the one typed, for those who copy or search."""
    order: list[int] = []
    for _, group in groupby(range(len(units)), key=lambda at: units[at].span):
        places = list(group)
        order += [places[at] for at in visual([units[at].level for at in places])]
    for reshaped, group in groupby(order, key=lambda at: at if units[at].reshaped else -1):
        run = [units[at] for at in group]
        if reshaped >= 0:
            typed = "".join(unit.typed for unit in run).encode("utf_16_be").hex().upper()
            canvas.addLiteral(f"/Span <</ActualText <FEFF{typed}>>> BDC")
        left = _draw_run(canvas, left, base, run)
        if reshaped >= 0:
            canvas.addLiteral("EMC")


def _draw_run(canvas: Canvas, left: float, base: float, run: Sequence[_Unit]) -> float:
    at = left
    for unit in run:
        if unit.boxed:
            canvas.saveState()
            canvas.setFillColor(HexColor(SUNKEN))
            canvas.setStrokeColor(HexColor(LINE))
            canvas.setLineWidth(0.4)
            canvas.rect(at + 0.5, base - 0.25 * unit.size, unit.width - 1, 1.25 * unit.size, fill=1)
            canvas.restoreState()
        at += unit.width
    text = canvas.beginText(left, base)
    at = left
    for (font, size, ink, boxed), group in groupby(run, key=lambda one: (one.font, one.size, one.ink, one.boxed)):
        units = list(group)
        text.setFont(font, size)
        text.setFillColor(HexColor(ink))
        if not boxed:
            text.textOut("".join(unit.drawn for unit in units))
            at += sum(unit.width for unit in units)
            continue
        for unit in units:  # set apart, so that it is not taken for what was typed
            text.setTextOrigin(at + 1.5, base)
            text.textOut(unit.drawn)
            at += unit.width
        text.setTextOrigin(at, base)
    canvas.drawText(text)
    return at
