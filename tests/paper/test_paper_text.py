"""Text on paper: order, forms, lines, and how things are written."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdss.paper.axis import Axis, Mark
from cdss.paper.bidi import levels, shape, visual
from cdss.paper.fonts import load_fonts
from cdss.paper.text import Span, Text
from cdss.paper.words import (
    day,
    fours,
    hospital_number,
    lower_start,
    moment,
    of_hundred,
    signed,
    stopped,
    value_text,
    years_between,
)


def test_letters_take_the_form_their_neighbours_ask_for() -> None:
    def drawn(text: str) -> list[str]:
        return [unicodedata.decomposition(shown).split(">")[0].strip("<") for _, shown in shape(text)]

    assert drawn("ليلى") == ["initial", "medial", "medial", "final"]
    assert drawn("نور") == ["initial", "final", ""]
    assert [shown for _, shown in shape("سلام")] == ["\ufeb3", "\ufefc", "م"]  # lam and alef are one
    assert "".join(typed for typed, _ in shape("سَلام Ada")) == "سَلام Ada"


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("אבג", "גבא"),
        ("Dr אבג, 12", "Dr 12 ,גבא"),
        ("אבג 12", "12 גבא"),
        ("אבג (דה)", "(הד) גבא"),
        ("אבג, דה", "הד ,גבא"),
        ("a (אב) c", "a (בא) c"),
        ("1.5-2 mg", "1.5-2 mg"),
    ],
)
def test_text_from_right_to_left_is_drawn_in_its_order(typed: str, drawn: str) -> None:
    depth = levels(typed)
    swap = str.maketrans("()", ")(")
    turned = [char.translate(swap) if level % 2 else char for char, level in zip(typed, depth, strict=True)]
    assert "".join(turned[at] for at in visual(depth)) == drawn


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_order_and_forms_lose_nothing(text: str) -> None:
    assert sorted(visual(levels(text))) == list(range(len(text)))
    assert "".join(typed for typed, _ in shape(text)) == text


@pytest.mark.parametrize(
    "text", ["word " * 40, "x" * 400, "Observation/" + "ab-" * 80, "النورمارية " * 20, "\u0301" * 9]
)
@pytest.mark.parametrize("width", [30.0, 90.0, 499.0])
def test_lines_stay_inside_their_width(text: str, width: float) -> None:
    load_fonts()
    lines = Text(Span(text))
    lines.wrap(width, 1000)
    assert all(sum(unit.width for unit in line if unit.drawn != " ") <= width + 0.1 for line in lines._lines)
    typed = "".join(unit.typed for line in lines._lines for unit in line)
    assert typed == unicodedata.normalize("NFC", text)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3))
@settings(max_examples=200)
def test_labels_on_the_axis_never_stand_on_one_another(chances: list[float]) -> None:
    load_fonts()
    names = ("First estimate", "Machine", "Both together")
    marks = [Mark(at, name, of_hundred(at), "circle") for at, name in zip(chances, names, strict=False)]
    axis = Axis(marks, [("low", 0.0), ("high", 0.5)], None)
    axis.wrap(499, 1000)
    taken = sorted((row, left, left + wide) for _, _, wide, (left, row) in axis._placed)
    assert all(left >= 0 and right <= 499 for _, left, right in taken)
    assert all(one[0] != other[0] or one[2] < other[1] for one, other in pairwise(taken))


def test_how_things_are_written() -> None:
    assert [of_hundred(one) for one in (0.0001, 0.5412, 0.9999)] == ["<1", "54", ">99"]
    assert [signed(one) for one in (0.46, -0.284, 0.001, -0.001)] == ["+0.46", "\u22120.28", "0.00", "0.00"]
    assert [value_text(one) for one in (26.0, 7.34, -4, 176.55288, "word")] == [
        "26",
        "7.34",
        "\u22124",
        "176.55",
        "word",
    ]
    assert value_text(0.2, "<") == "<0.2"
    assert [day(one) for one in ("1957-03-02", "1957-03", "1957", "unknown", "1957-13-01")] == [
        "2 Mar 1957", "Mar 1957", "1957", "unknown", "1957-13-01",
    ]  # fmt: skip
    assert moment("2026-03-14T10:47:31.9+01:00", zone=True) == "14 Mar 2026 09:47:31 UTC"
    assert moment("2026-03-14 10:47") == "2026-03-14 10:47"  # no offset: as it is
    assert hospital_number("730418226").split("\u00a0") == ["730", "418", "226"]
    assert hospital_number("A-12") == "A-12"
    assert fours("sha256:9f3a71c4") == "sha256: 9f3a 71c4"
    assert years_between("1957-03-02", "2026-03-01T00:00:00Z") == 68
    assert years_between("1957", "2026-03-01T00:00:00Z") is None
    assert [stopped(one) for one in ("pH 7.1 is low", "Why?", "")] == ["pH 7.1 is low.", "Why?", ""]
    assert [lower_start(one) for one in ("Limiting treatment", "ICU triage")] == ["limiting treatment", "ICU triage"]
