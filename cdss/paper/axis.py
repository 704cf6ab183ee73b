"""The axis from 0 to 100 with bands, interval and the three marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from cdss.paper.text import INK, INK2, INK3, Span, Text

_GREYS = ("#EEF1F4", "#DFE4EA", "#CFD6DE", "#BFC8D2")
_TRACK, _SIDE, _LABEL = 9.0, 8.0, 10.5


@dataclass(frozen=True, slots=True)
class Mark:
    """One estimate on the axis: probability, words, figure, and the shape that tells it apart."""

    at: float
    words: str
    figure: str
    shape: Literal["circle", "square", "diamond"]


class Axis(Flowable):
    """Probability from 0 to 100 of 100, drawn from checked numbers only.

    Parameters
    ----------
    marks : sequence of Mark
    bands : sequence of (str, float)
        Name of each band and where it begins, ascending.
    interval : (float, float), optional
    """

    def __init__(
        self, marks: Sequence[Mark], bands: Sequence[tuple[str, float]], interval: tuple[float, float] | None
    ) -> None:
        super().__init__()
        self._marks = sorted(marks, key=lambda mark: mark.at)
        self._bands = list(bands) or [("", 0.0)]
        self._interval = interval
        self.spaceBefore, self.spaceAfter = 4, 3

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: N803 - reportlab's names
        """Place the labels: those too near go one line up."""
        self.width = aW
        self._placed: list[tuple[Mark, Text, float, float, int]] = []
        ends: list[float] = []
        for mark in self._marks:
            label = Text([Span(f"{mark.words} ", size=7.5, ink=INK2), Span(mark.figure, "strong", 7.5)])
            wide = min(label.widest() + 1, aW)
            left = min(max(self._x(mark.at) - wide / 2, 0), aW - wide)
            row = next((at for at, end in enumerate(ends) if end + 6 <= left), len(ends))
            ends[row : row + 1] = [left + wide]
            self._placed.append((mark, label, left, wide, row))
        self._rows = max(len(ends), 1)
        self.height = self._rows * _LABEL + 7 + _TRACK + 24
        return self.width, self.height

    def _x(self, probability: float) -> float:
        return _SIDE + min(max(probability, 0.0), 1.0) * (self.width - 2 * _SIDE)

    def draw(self) -> None:
        """Draw bands, ticks, whisker, marks and labels."""
        canvas: Canvas = self.canv
        bottom = 24.0
        middle = bottom + _TRACK / 2
        edges = [*(low for _, low in self._bands), 1.0]
        for number, (name, low) in enumerate(self._bands):
            left, right = self._x(low), self._x(edges[number + 1])
            canvas.setFillColor(HexColor(_GREYS[min(number, len(_GREYS) - 1)]))
            canvas.rect(left, bottom, right - left, _TRACK, fill=1, stroke=0)
            if name:
                self._words(name, (left + right) / 2, 0, ink=INK3)
        canvas.setLineWidth(0.5)
        for ten in range(0, 101, 10):
            x = self._x(ten / 100)
            canvas.setStrokeColor(HexColor(INK3))
            canvas.line(x, bottom - (3.4 if ten % 50 == 0 else 2.2), x, bottom)
            if ten % 20 == 0:
                self._words(str(ten), x, 10, ink=INK3)
        if self._interval:
            low, high = (self._x(end) for end in self._interval)
            canvas.setStrokeColor(HexColor(INK))
            canvas.setLineWidth(1)
            canvas.line(low, middle, high, middle)
            for end in (low, high):
                canvas.line(end, middle - 3.2, end, middle + 3.2)
        top = bottom + _TRACK
        for mark, label, left, wide, row in self._placed:
            x, lift = self._x(mark.at), row * _LABEL
            canvas.setStrokeColor(HexColor(INK3))
            canvas.setLineWidth(0.4)
            canvas.line(x, middle, x, top + 5 + lift)
            label.wrapOn(canvas, wide, _LABEL)
            label.drawOn(canvas, left, top + 5 + lift)
        for mark, *_ in self._placed:
            draw_mark(canvas, mark.shape, self._x(mark.at), middle, 3.3)

    def _words(self, words: str, centre: float, bottom: float, ink: str) -> None:
        text = Text(Span(words, size=7, ink=ink), align="center")
        wide = text.widest() + 1
        left = min(max(centre - wide / 2, 0), self.width - wide)
        text.wrapOn(self.canv, wide, _LABEL)
        text.drawOn(self.canv, left, bottom)


def draw_mark(canvas: Canvas, shape: str, x: float, y: float, half: float) -> None:
    """Draw a filled circle, a filled square or a hollow diamond in ink."""
    canvas.saveState()
    canvas.setFillColor(HexColor("#FFFFFF" if shape == "diamond" else INK))
    canvas.setStrokeColor(HexColor("#FFFFFF"))
    canvas.setLineWidth(0.7)
    if shape == "circle":
        canvas.circle(x, y, half, fill=1)
    elif shape == "square":
        canvas.rect(x - half, y - half, 2 * half, 2 * half, fill=1)
    else:
        canvas.setStrokeColor(HexColor(INK))
        canvas.setLineWidth(1.1)
        path = canvas.beginPath()
        reach = half * 1.25
        path.moveTo(x, y + reach)
        for right, up in ((reach, 0), (0, -reach), (-reach, 0)):
            path.lineTo(x + right, y + up)
        path.close()
        canvas.drawPath(path, fill=1, stroke=1)
    canvas.restoreState()


class Symbol(Flowable):
    """One mark of the axis, small, beside a row of a table."""

    def __init__(self, shape: str) -> None:
        super().__init__()
        self._shape = shape

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: N803
        """Give the size: one line."""
        self.width, self.height = aW, 12.1
        return self.width, self.height

    def draw(self) -> None:
        """Draw it in the middle of the line."""
        draw_mark(self.canv, self._shape, 4, 6, 3)
