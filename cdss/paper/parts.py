"""Headings, tables and small print that every section uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.platypus import CondPageBreak, Flowable, Table

from cdss.paper.fonts import FIRST
from cdss.paper.page import INNER
from cdss.paper.text import AMBER, AMBER_TINT, INK2, INK3, LINE, QUIET, Align, Panel, Span, Text

_LEAST_BELOW = 84.0


def section(title: str, *flowables: Flowable, remark: str = "", least: float = _LEAST_BELOW) -> list[Flowable]:
    """A heading and what belongs to it; a heading never stands alone at the foot of a page."""
    return [CondPageBreak(least), _Heading(title, remark), *flowables]


class _Heading(Text):
    """Title of a section, with a remark on the same line; it is in the outline."""

    def __init__(self, title: str, remark: str) -> None:
        words = [Span(title, "strong", 10.5)]
        super().__init__(words + ([Span(f"   {remark}", size=7.5, ink=INK3)] if remark else []), before=9.5, after=2)
        self._title = title

    def draw(self) -> None:
        """Draw it, and put it into the outline."""
        place = f"section {self.canv.getPageNumber()} {self._title}"
        self.canv.bookmarkHorizontal(place, 0, self.height)
        self.canv.addOutlineEntry(self._title, place, 0)
        super().draw()


def small(text: str, *, after: float = 0, before: float = 0) -> Text:
    """A remark in small print."""
    return Text(Span(text, size=7.5, ink=INK3), before=before, after=after)


def note(first: str, rest: str) -> Text:
    """What to look at again: a sentence beside a thick line."""
    spans = [Span(first, "strong", 8.5, AMBER), Span(f" {rest}", size=8.5)]
    return Text(spans, panel=Panel(pad=(10, 5), ground=AMBER_TINT, rule=AMBER), before=5, after=3)


def grid(
    head: Sequence[str | Flowable],
    rows: Sequence[Sequence[str | Flowable]],
    widths: Sequence[float],
    *,
    right: Collection[int] = (),
    merged: Sequence[tuple[int, int, int]] = (),
    open_below: Collection[int] = (),
    together: Collection[int] = (),
    tight: float = 1.9,
    boxed: bool = False,
) -> Table:
    """Lay out a table with hairlines; its head is repeated on every page it runs over.

    Parameters
    ----------
    head : sequence of str or Flowable
        Empty for a table without one.
    rows : sequence of sequence of str or Flowable
    widths : sequence of float
        Shares of the width of the page; they need not add up to it.
    right : collection of int
        Columns of numbers, set to the right.
    merged : sequence of (row, first, last)
        Cells of one row that are one.
    open_below : collection of int
        Rows without a line beneath.
    together : collection of int
        Rows that stay on one page with the next.
    tight : float
        Points above and below what a cell holds.
    boxed : bool
        Whether it stands on a ground with an edge.
    """
    scale = INNER / sum(widths)

    def cell(content: str | Flowable, column: int, ink: str, size: float) -> Flowable:
        align: Align = "right" if column in right else "left"
        return Text(Span(content, size=size, ink=ink), align=align) if isinstance(content, str) else content

    first = 1 if head else 0
    body: list[list[Any]] = [[cell(word, at, INK3, 7.5) for at, word in enumerate(head)]] if head else []
    body += [[cell(content, at, INK2, 8) for at, content in enumerate(row)] for row in rows]
    style: list[Any] = [
        ("FONTNAME", (0, 0), (-1, -1), FIRST),  # of empty cells, else Helvetica comes in
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), tight),
        ("BOTTOMPADDING", (0, 0), (-1, -1), tight),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    style += [("RIGHTPADDING", (at, 0), (at, -1), 11) for at in right if at < len(widths) - 1]
    if any(isinstance(one, str) and one for one in head):
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.7, HexColor(INK3)))
    style += [
        ("LINEBELOW", (0, at + first), (-1, at + first), 0.4, HexColor(LINE))
        for at in range(len(rows))
        if at not in open_below
    ]
    if boxed:
        style += [
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(QUIET)),
            ("BOX", (0, 0), (-1, -1), 0.6, HexColor(LINE)),
            ("LEFTPADDING", (0, 0), (0, -1), 10),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 10),
            ("TOPPADDING", (0, 0), (-1, 0), 6),
            ("BOTTOMPADDING", (0, -1), (-1, -1), 6),
        ]
    style += [("NOSPLIT", (0, at + first), (-1, at + first + 1)) for at in together]
    style += [("SPAN", (begin, at + first), (end, at + first)) for at, begin, end in merged]
    return Table(body, colWidths=[width * scale for width in widths], repeatRows=first, style=style, splitInRow=1)


def listed(
    pairs: Sequence[tuple[str, str | Flowable]],
    *,
    wide: Sequence[tuple[str, str | Flowable]] = (),
    label: float = 84,
    columns: int = 1,
    boxed: bool = False,
) -> list[Flowable]:
    """Labels and what belongs to them, in columns; `wide` ones take all columns. Those with nothing are left out."""

    def two(name: str, words: str | Flowable) -> list[str | Flowable]:
        said = Text(Span(words, size=8 if columns > 1 else 8.5), leading=12.1) if isinstance(words, str) else words
        return [Text(Span(name, size=7.5, ink=INK3), leading=12.1), said]

    cells = [cell for name, words in pairs if words for cell in two(name, words)]
    across = 2 * columns
    cells += [""] * (-len(cells) % across)
    rows = [cells[at : at + across] for at in range(0, len(cells), across)]
    first = len(rows)
    rows += [[*two(name, words), *[""] * (across - 2)] for name, words in wide if words]
    if not rows:
        return []
    widths = (label, INNER / columns - label) * columns
    merged = [(at, 1, across - 1) for at in range(first, len(rows))]
    return [grid((), rows, widths, merged=merged, open_below=range(len(rows)), tight=1.2, boxed=boxed)]
