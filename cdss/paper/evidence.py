"""What the machine was given and what it made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from reportlab.platypus import Flowable

from cdss.paper.parts import grid, listed, section
from cdss.paper.text import AMBER, DOWN, INK, INK2, INK3, OK, UP, Panel, Span, Text
from cdss.paper.words import capital, fours, moment, of_hundred, signed, stopped, value_text
from cdss.risk.words import unit_words

_STRONGEST = 3


def _direction(number: float) -> tuple[str, str, str]:
    """Sign, word and ink of a change in log-odds."""
    if signed(number) == "0.00":
        return "", "hardly", INK3
    return ("▲", "raises", UP) if number > 0 else ("▼", "lowers", DOWN)


def reliance(items: Sequence[Mapping[str, Any]]) -> list[Flowable]:
    """Can it be relied on here: a tick or an exclamation mark, and words."""
    if not items:
        return []
    cells: list[Flowable] = []
    for item in items:
        sign, ink = ("✓", OK) if item.get("ok") else ("!", AMBER)
        spans = [Span(f"{sign}  ", "strong", 8.5, ink), Span(str(item.get("text") or ""), "strong", 8.5)]
        if not item.get("ok"):
            spans.insert(1, Span("Look again: ", "strong", 8.5, AMBER))
        if item.get("detail"):
            spans.append(Span(f"\n{item['detail']}", size=7.5, ink=INK2))
        cells.append(Text(spans, leading=11.5))
    rows = [[left, right] for left, right in zip(cells[::2], [*cells[1::2], Text("")], strict=False)]
    return section("Can it be relied on here?", grid((), rows, (1, 1), open_below=range(len(rows)), tight=1.1))


def for_and_against(contributions: Sequence[Mapping[str, Any]]) -> list[Flowable]:
    """The strongest facts on either side, in sentences of the release."""
    if not contributions:
        return []
    columns: list[list[Flowable]] = []
    for sign, ink, title, empty, facing in (
        ("▲", UP, "For a higher risk", "Nothing recorded speaks for a higher risk.", 1),
        ("▼", DOWN, "For a lower risk", "Nothing recorded speaks for a lower risk.", -1),
    ):
        mine = [one for one in contributions if float(one.get("shap_value") or 0) * facing > 0 and one.get("text")]
        mine.sort(key=lambda one: -abs(float(one["shap_value"])))
        column: list[Flowable] = [Text(Span(f"{sign} {title}", "strong", 8.5, ink))]
        if not mine:
            column.append(Text(Span(empty, size=8, ink=INK2)))
        for one in mine[:_STRONGEST]:
            first, stop, rest = str(one["text"]).partition(". ")
            spans = [
                Span(f"{signed(float(one['shap_value']))}   ", "strong", 8, ink),
                Span(first + stop.strip() + " ", size=8, ink=INK),
                Span(rest, size=8, ink=INK2),
            ]
            column.append(Text(spans, leading=10.8, panel=Panel(pad=(8, 0.5), rule=ink)))
        columns.append(column)
    rows: list[list[str | Flowable]] = [[left, "", right] for left, right in zip_longest(*columns, fillvalue=Text(""))]
    table = grid(rows[0], rows[1:], (1, 0.04, 1), open_below=range(len(rows)), tight=1.3)
    return section("Strongest facts for and against", table, remark="change in log-odds")


def inputs(assessment: Mapping[str, Any]) -> list[Flowable]:
    """Every fact the model read, with where it came from and what it changed."""
    explanation = assessment.get("explanation") or {}
    contributions = explanation.get("contributions") or []
    if not contributions:
        return []
    rows: list[list[str | Flowable]] = []
    merged: list[tuple[int, int, int]] = []
    for one in contributions:
        value, unit = _value(one)
        if unit is None:
            merged.append((len(rows), 1, 2))
        rows.append([
            Text(Span(str(one.get("label") or one.get("feature") or ""), size=8)),
            value,
            Text(Span(unit or "", size=7.5, ink=INK3)),
            _small(moment(one.get("effective"), seconds=False) or ("" if one.get("value") is None else "no time")),
            _small(", ".join(str(source) for source in one.get("sources") or ()) or "no entry"),
            *_effect(float(one.get("shap_value") or 0)),
        ])  # fmt: skip
    for words, number in (
        ("Starting point, before anything is known of this patient", explanation.get("base_value")),
        ("Sum in log-odds", assessment.get("log_odds")),
    ):
        if number is not None:
            merged.append((len(rows), 0, 4))
            figure = Text(Span(signed(float(number)), "strong", 8), align="right")
            rows.append([Text(Span(words, "strong", 8)), "", "", "", "", figure, ""])
    if assessment.get("probability") is not None:
        merged += [(len(rows), 0, 4), (len(rows), 5, 6)]
        figure = Text(Span(f"{of_hundred(float(assessment['probability']))} of 100", "strong", 8), align="right")
        rows.append([Text(Span("After calibration", "strong", 8)), "", "", "", "", figure, ""])
    head = ("Fact", "Value", "Unit", "Taken at (UTC)", "Source", "Log-odds", "Estimate")
    table = grid(head, rows, (118, 47, 54, 80, 112, 47, 41), right=(1, 5), merged=merged, tight=1.5)
    return section("What it was given", table, remark="all inputs, the largest change first")


def _small(words: str) -> Text:
    return Text(Span(words, size=7.2, ink=INK2), leading=11.3)


def _effect(number: float) -> tuple[Text, Text]:
    sign, word, ink = _direction(number)
    return (
        Text(Span(signed(number), "strong", 8, ink), align="right"),
        Text(Span(f"{sign} {word}".strip(), size=7.5, ink=ink)),
    )


def _value(one: Mapping[str, Any]) -> tuple[Text, str | None]:
    """Value and unit; no unit where the value takes both columns."""
    value, unit = one.get("value"), str(one.get("unit") or "")
    if value is None:
        return Text(Span("Not measured", "strong", 8, AMBER)), None
    if unit == "1" and value in (0, 1) and "on record" in str(one.get("text") or ""):
        return Text(Span("On record" if value else "Not on record", size=8)), None
    if isinstance(value, str):
        return Text(Span(value, size=8)), None
    return Text(Span(value_text(value, one.get("comparator")), "strong", 8), align="right"), unit_words(unit)


def findings(found: Sequence[Mapping[str, Any]]) -> list[Flowable]:
    """What was put aside or noted in the patient's record."""
    if not found:
        return section("Findings in the record", Text(Span("None.", size=8.5, ink=INK2)))
    rows: list[list[str | Flowable]] = [
        [
            Text(Span(capital(str(one.get("severity") or "")), "strong", 8)),
            Text([Span(stopped(str(one.get("message") or "")), size=8),
                  Span(f"  {one.get('reason') or ''}", size=7.2, ink=INK3)]),
            _small(str(one.get("source") or "")),
        ]
        for one in found
    ]  # fmt: skip
    table = grid(("Severity", "What was found", "Source"), rows, (62, 320, 117))
    return section("Findings in the record", table)


def model(assessment: Mapping[str, Any], about: Mapping[str, Any]) -> list[Flowable]:
    """Which model answered, and what it is for."""
    which = assessment.get("model") or {}
    digests = (
        ("Release digest", str(which.get("digest") or "")),
        ("Inputs digest", str(assessment.get("inputs_digest") or "")),
    )
    version = " ".join(str(which[part]) for part in ("name", "version") if which.get(part))
    state = str(assessment.get("release_state") or "")
    table = listed([

            ("Title", str(about.get("title") or "")),
            ("Name and version", f"{version}{f', release state: {state}' if state else ''}" if version else ""),
            *((name, Text(Span(fours(digest), "mono", 6.6, INK2), leading=12.1)) for name, digest in digests if digest),
            ("Assessment", str(assessment.get("id") or "")),
            ("Intended use", str(about.get("intended_use") or "")),
            ("Not for", str(about.get("not_for") or "")),
        ])  # fmt: skip
    return section("Model", *table, least=150) if table else []
