"""The page: well formed, harmless, asking nobody for anything, and readable in both themes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sources import directory, lines, one_file, patient, report_of, result

from cdss.domain.reasons import known_reasons
from cdss.workflow.quality import quality_page
from cdss.workflow.quality.kahn import COMPLETENESS, CONFORMANCE, FIRST, PLAUSIBILITY, place_of
from cdss.workflow.quality.parts import month, number, percent, periods, words

ROOT = Path(__file__).resolve().parents[2]
ATTACK = "<script>alert(1)</script>\"'&\u202e\x00https://evil.example/x"
EMPTY = {"meta", "rect", "line"}


class Page(HTMLParser):
    """Elements with their attributes; a wrong nesting fails at once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.within: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.within.append(tuple(self.open))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.within.append(tuple(self.open))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile() -> dict[str, Any]:
    quantity = {"value": 1, "unit": ATTACK}
    odd = {"coding": [{"system": "http://evil.example/<b>", "code": "<i>x</i>"}]}
    source = directory(
        {
            f"{ATTACK[:25].replace('/', '')}.ndjson": lines(
                patient("a"),
                result("r1", 1, valueQuantity=quantity),
                result("r2", 1, valueQuantity=quantity) | {"code": odd},
                result("r3", 1, **{ATTACK: 1}),
                result("r4", 1, status=ATTACK),
                {"resourceType": ATTACK},
            ),
            "<img src=x>.json": b"{",
        }
    )
    return report_of(source)[1]


@pytest.fixture(scope="module", params=["examples", "hostile", "nothing"])
def page(request: pytest.FixtureRequest) -> tuple[str, Page]:
    reports = {
        "examples": lambda: report_of(str(ROOT / "docs" / "examples"))[1],
        "hostile": hostile,
        "nothing": lambda: report_of(one_file({"resourceType": "Organization", "id": "o"}))[1],
    }
    text = quality_page(reports[request.param]())
    return text, Page(text)


def test_nothing_is_asked_of_anybody(page):
    text, parsed = page
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", text, re.IGNORECASE)
    tags = {tag for tag, _ in parsed.elements}
    assert tags.isdisjoint(
        {"script", "link", "img", "iframe", "object", "embed", "form", "base", "audio", "video", "use"}
    )
    for tag, attributes in parsed.elements:
        assert not any(
            name.startswith("on") or name in ("src", "srcset", "style", "xlink:href") for name in attributes
        ), tag
        assert attributes.get("href", "#").startswith("#")
    (policy,) = (one["content"] for one in parsed.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_no_text_of_the_source_is_markup(page):
    text, parsed = page
    for attack in ("<script", "<i>", "<img", '<b>"', "\u202e", "\x00", "evil.example/<"):
        assert attack not in text
    assert {tag for tag, _ in parsed.elements}.isdisjoint({"script", "i", "img"})


def test_every_table_has_a_caption_and_scopes(page):
    _, parsed = page
    tables = parsed.all("table")
    assert len(parsed.all("caption")) == len(tables)
    assert {one.get("scope") for one in parsed.all("th")} == {"col", "row"}
    assert '<th scope="col"></th>' not in page[0], "a column without a name"
    regions = [one for one in parsed.all("div") if one.get("role") == "region"]
    assert len(regions) == len(tables)
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in regions)


def test_every_plot_has_words(page):
    _, parsed = page
    for attributes in parsed.all("svg"):
        assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])


def test_the_page_is_one_document_with_headings_and_targets(page):
    text, parsed = page
    assert text.startswith("<!DOCTYPE html>")
    assert parsed.all("html") == [{"lang": "en"}]
    assert len(parsed.all("h1")) == len(parsed.all("main")) == len(parsed.all("title")) == 1
    names = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(names) == len(set(names))
    assert {one["href"][1:] for one in parsed.all("a")} <= set(names)


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def themes() -> list[dict[str, str]]:
    style = files("cdss.workflow.quality").joinpath("style.css").read_text("utf-8")
    found = [dict(re.findall(r"--(\w+): (#\w+);", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)]
    assert len(found) == 3, "light, dark, print"
    return found


@pytest.mark.parametrize("theme", themes())
def test_text_and_marks_stand_out(theme):
    for ground in ("card", "ground"):
        for ink in ("ink", "ink2", "ink3", "amber", "stop", "ok", "link"):
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
    for ink in ("amber", "stop", "ok"):
        assert contrast(theme[ink], theme[f"{ink}tint"]) >= 4.5
    assert contrast(theme["edge"], theme["card"]) >= 3
    assert contrast(theme["ink2"], theme["band"]) >= 3


def test_print_is_the_light_theme():
    light, _, paper = themes()
    assert {name: paper[name] for name in light if name not in ("ground", "card")} == {
        name: light[name] for name in light if name not in ("ground", "card")
    }


def test_every_finding_has_its_place_in_the_framework():
    """To mend: give the new reason its `quality` in cdss/domain/reasons.toml."""
    never = {  # a refusal of the whole input, or a finding beside an estimate: never in a record that was read
        "ambiguous-subject", "subject-not-found", "no-fhir-files", "columns-missing", "not-csv", "not-parquet",
            "not-this-data-set", "outcome-without-stay",
        "outside-training-range",
    }  # fmt: skip
    for reason, known in known_reasons().items():
        if {"error", "note", "refused"} & set(re.findall(r"\w+", known.severity)) and reason not in never:
            category, subcategory = place_of(reason)
            assert category in (CONFORMANCE, COMPLETENESS, PLAUSIBILITY, "as intended"), reason
            assert subcategory, reason
    assert set(FIRST) <= set(known_reasons())
    assert place_of("no-such-reason") == ("other", "not listed")


@pytest.mark.parametrize(
    ("part", "shown"),
    [(0.5, "50.0%"), (1.0, "100%"), (0.0, "0%"), (0.99999, "&gt;99.9%"), (0.00001, "&lt;0.1%"), (None, "\u2013")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, shown):
    assert percent(part) == shown


def test_numbers_and_months_as_they_are_written():
    assert [number(value) for value in (1.5, -0.25, 1234.567, 13060, float("nan"))] == [
        "1.5", "\u22120.25", "1235", "13,060", "\u2013",
    ]  # fmt: skip
    assert month("2026-03") == "Mar 2026"
    assert words("a\u200bb\n<") == "a\\u200bb\\u000a&lt;"
    assert len(words("x" * 1000)) < 200


def test_periods_keep_every_event_and_are_few():
    counts = {"1900-01": 2, "1950-06": 3, "2026-12": 4}
    bins, span = periods(counts, "1900-01", "2026-12")
    assert len(bins) <= 60
    assert span == 36 or span % 12 == 0
    assert sum(events for _, events in bins) == 9
    assert periods({"2026-01": 1}, "2026-01", "2026-01") == ([("2026-01", 1)], 1)


def test_every_field_of_the_figures_is_documented():
    page = (ROOT / "docs" / "reference" / "quality.md").read_text("utf-8")
    named_by_data = {"put_aside", "notes", "by_month", "classes", "blocked"}

    def names(value: object) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(names, value))
        if not isinstance(value, dict):
            return set()
        inner = [names(part) for name, part in value.items() if name not in named_by_data]
        return set(value).union(*inner)

    assert {name for name in names(hostile()) if f"`{name}`" not in page} == set()
