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
_TRACK, _SIDE, _LABEL, _HANG, _GAP = 9.0, 8.0, 10.5, 3.0, 6.0
_WAYS = {1: ("c",), 2: ("cc", "lr"), 3: ("ccc", "lrc", "clr", "lur")}


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
        """Place the labels so that none stands on another."""
        self.width = aW
        labels = [
            Text([Span(f"{one.words} ", size=7.5, ink=INK2), Span(one.figure, "strong", 7.5)]) for one in self._marks
        ]
        wide = [min(label.widest() + 1, aW) for label in labels]
        centres = [self._x(one.at) for one in self._marks]
        places = next(
            (found for way in _WAYS.get(len(wide), ()) if _is_clear(found := _places(way, centres, wide), wide, aW)),
            _stacked(centres, wide, aW),
        )
        self._placed = list(zip(self._marks, labels, wide, places, strict=True))
        self.height = (1 + max((row for _, row in places), default=0)) * _LABEL + 7 + _TRACK + 24
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
        canvas.setStrokeColor(HexColor(INK3))
        canvas.setLineWidth(0.4)
        for mark, _, _, (_, row) in self._placed:
            x = self._x(mark.at)
            canvas.line(x, middle, x, top + 5 + row * _LABEL)
        for _, label, wide, (left, row) in self._placed:
            canvas.setFillColor(HexColor("#FFFFFF"))
            canvas.rect(left - 1, top + 5 + row * _LABEL, wide + 2, _LABEL, fill=1, stroke=0)
            label.wrapOn(canvas, wide, _LABEL)
            label.drawOn(canvas, left, top + 5 + row * _LABEL)
        for mark, *_ in self._placed:
            draw_mark(canvas, mark.shape, self._x(mark.at), middle, 3.3)

    def _words(self, words: str, centre: float, bottom: float, ink: str) -> None:
        text = Text(Span(words, size=7, ink=ink), align="center")
        wide = text.widest() + 1
        left = min(max(centre - wide / 2, 0), self.width - wide)
        text.wrapOn(self.canv, wide, _LABEL)
        text.drawOn(self.canv, left, bottom)


def _places(way: str, centres: Sequence[float], wide: Sequence[float]) -> list[tuple[float, int]]:
    """Left edge and row of each label: c centred, l hung to the left, r to the right, u centred one row up."""
    found = []
    for at, (how, x, width) in enumerate(zip(way, centres, wide, strict=True)):
        if how == "l":
            found.append((min(x + _HANG, (x + centres[at + 1]) / 2 - _HANG) - width, 0))
        elif how == "r":
            found.append((max(x - _HANG, (x + centres[at - 1]) / 2 + _HANG), 0))
        else:
            found.append((x - width / 2, int(how == "u")))
    return found


def _is_clear(places: Sequence[tuple[float, int]], wide: Sequence[float], room: float) -> bool:
    ends = [-_GAP, -_GAP]
    for (left, row), width in zip(places, wide, strict=True):
        if left < max(ends[row] + _GAP, 0) or left + width > room:
            return False
        ends[row] = left + width
    return True


def _stacked(centres: Sequence[float], wide: Sequence[float], room: float) -> list[tuple[float, int]]:
    found: list[tuple[float, int]] = []
    ends: list[float] = []
    for x, width in zip(centres, wide, strict=True):
        left = min(max(x - width / 2, 0), room - width)
        row = next((at for at, end in enumerate(ends) if end + _GAP <= left), len(ends))
        ends[row : row + 1] = [left + width]
        found.append((left, row))
    return found


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
