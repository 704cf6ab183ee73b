"""Headings, tables and small print that every section uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.platypus import Flowable, Table

from cdss.paper.page import INNER
from cdss.paper.text import AMBER, AMBER_TINT, INK2, INK3, LINE, NAVY, Panel, Span, Text


class Heading(Text):
    """Title of a section, with a remark on the same line; it stays with what follows and is in the outline."""

    def __init__(self, title: str, remark: str = "") -> None:
        words = [Span(title, "strong", 10.5, NAVY)]
        super().__init__(words + ([Span(f"   {remark}", size=7.5, ink=INK3)] if remark else []), before=13, after=3)
        self._title = title
        self.keepWithNext = 1

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
    head: Sequence[str],
    rows: Sequence[Sequence[str | Flowable]],
    widths: Sequence[float],
    *,
    right: Collection[int] = (),
    merged: Sequence[tuple[int, int, int]] = (),
    open_below: Collection[int] = (),
) -> Table:
    """Lay out a table with hairlines; its head is repeated on every page it runs over.

    Parameters
    ----------
    head : sequence of str
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
    """
    scale = INNER / sum(widths)

    def cell(content: str | Flowable, column: int, ink: str, size: float) -> Flowable:
        align = "right" if column in right else "left"
        return Text(Span(content, size=size, ink=ink), align=align) if isinstance(content, str) else content

    first = 1 if head else 0
    body: list[list[Any]] = [[cell(word, at, INK3, 7.5) for at, word in enumerate(head)]] if head else []
    body += [[cell(content, at, INK2, 8) for at, content in enumerate(row)] for row in rows]
    style: list[Any] = [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2.1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.1),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    if head:
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.7, HexColor(INK3)))
    style += [
        ("LINEBELOW", (0, at + first), (-1, at + first), 0.4, HexColor(LINE))
        for at in range(len(rows))
        if at not in open_below
    ]
    style += [("SPAN", (begin, at + first), (end, at + first)) for at, begin, end in merged]
    return Table(body, colWidths=[width * scale for width in widths], repeatRows=first, style=style, splitInRow=1)


def listed(pairs: Sequence[tuple[str, str | Flowable]], label: float = 84) -> Table:
    """Labels and what belongs to them; those with nothing are left out."""
    rows: list[list[str | Flowable]] = [
        [Text(Span(name, size=7.5, ink=INK3)), words if isinstance(words, Flowable) else Text(Span(words, size=8.5))]
        for name, words in pairs
        if words
    ]
    return grid((), rows, (label, INNER - label), open_below=range(len(rows)))
