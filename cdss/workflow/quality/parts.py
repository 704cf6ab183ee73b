"""Pieces of the page: harmless text, tables, and plots as inline SVG with their words in `aria-label`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cdss.domain.coding import ACT_CODE, DIABETES130, ICD_9_CM, ICD_10_CM, LOINC, PHYSIONET2012, SNOMED_CT, SUPPORT2

Report = Mapping[str, Any]
"""The object of quality.json."""

OUTCOMES = (("used", "used"), ("not_needed", "not needed"), ("put_aside", "put aside"), ("refused", "refused"))
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
_LONGEST = 160
_SYSTEMS = {
    LOINC: "LOINC", SNOMED_CT: "SNOMED CT", ICD_10_CM: "ICD-10-CM", ICD_9_CM: "ICD-9-CM", ACT_CODE: "ActCode",
    SUPPORT2: "SUPPORT2", DIABETES130: "Diabetes 130-US", PHYSIONET2012: "PhysioNet 2012",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10", "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/cvx": "CVX", "http://hl7.org/fhir/sid/ndc": "NDC", "http://www.ama-assn.org/go/cpt": "CPT",
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def words(value: object) -> str:
    """Any text as harmless HTML: what does not print made visible, no address to follow, not without end."""
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(value)[: 2 * _LONGEST])
    text = text.replace("http://", "").replace("https://", "")
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...", quote=True)


def system_words(system: str) -> str:
    """The name of a code system, else where it is from."""
    return words(_SYSTEMS.get(system, system))


def count(number: int | None) -> str:
    """`18,442`; a dash where there is nothing to count."""
    return DASH if number is None else f"{number:,}"


def percent(part: float | None) -> str:
    """A share in per cent: never 100 or 0 unless it is all or nothing."""
    if part is None:
        return DASH
    if 0.9995 <= part < 1:
        return "&gt;99.9%"
    if 0 < part < 0.0005:
        return "&lt;0.1%"
    return f"{part:.1%}" if part not in (0, 1) else f"{part:.0%}"


def number(value: float) -> str:
    """A measured number with at most four significant digits, and a real minus sign."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return text.replace("-", MINUS)


def zero(value: int) -> str:
    """A count whose zero stays in the background."""
    return count(value) if value else '<span class="zero">0</span>'


def part_of(part: int, whole: int) -> str:
    """A share of a whole, or nothing where there is none."""
    return percent(part / whole) if whole else ""


def month(text: str) -> str:
    """`Mar 2026` of `2026-03`."""
    year, _, of_year = text.rpartition("-")
    return f"{_MONTHS[int(of_year) - 1]} {year}"


def moment(text: str) -> str:
    """`14 Mar 2026 09:47 UTC` of an ISO 8601 instant in UTC."""
    date, _, time = text.partition("T")
    return f"{int(date[8:10])} {month(date[:7])} {time[:5]} UTC"


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    kind: str = "",
    empty: str = "None.",
) -> str:
    """A table that scrolls by itself where it is too wide.

    Parameters
    ----------
    caption : str
        What it shows; also the name of the region it scrolls in.
    head : sequence of str
    rows : sequence of sequence of str
        Cells as HTML; the first of each is its header.
    right : sequence of int
        Columns of numbers.
    kind : str
        A class for the table.
    empty : str
        What stands in place of no rows.
    """
    if not rows:
        return f'<p class="empty"><b>{words(caption)}.</b> {words(empty)}</p>'

    def sided(place: int) -> str:
        return ' class="n"' if place in right else ""

    heads = "".join(f'<th scope="col"{sided(place)}>{cell}</th>' for place, cell in enumerate(head))
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{sided(place)}>{cell}</td>" for place, cell in enumerate(row[1:], start=1))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{words(caption)}"><table class="{kind}">'
        f"<caption>{words(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _svg(width: int, height: int, label: str, body: str, kind: str = "") -> str:
    return (
        f'<svg role="img" aria-label="{words(label)}" class="{kind}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{body}</svg>'
    )


def outcome_bar(row: Mapping[str, int], width: int = 220) -> str:
    """Used, not needed, put aside and refused as lengths on one bar; each that is there gets a visible part."""
    total = row["resources"]
    names = [name for name, _ in OUTCOMES]
    sizes = [max(2.0, width * row[name] / total) if row[name] else 0.0 for name in names]
    scale = width / sum(sizes) if sum(sizes) else 0.0
    body, left = "", 0.0
    for name, size in zip(names, sizes, strict=True):
        if size:
            wide = size * scale
            body += f'<rect class="{name}" x="{left + 0.5:.1f}" y="1.5" width="{max(1.0, wide - 1):.1f}" height="11"/>'
            left += wide
    label = ", ".join(f"{row[name]:,} {name.replace('_', ' ')}" for name in names)
    return _svg(width, 14, label, body, "bar")


def share_bar(part: float | None, label: str, width: int = 64) -> str:
    """A share as a filled length."""
    if part is None:
        return ""
    body = f'<rect class="rail" x="0.5" y="2.5" width="{width - 1}" height="7"/>'
    body += f'<rect class="used" x="0.5" y="2.5" width="{(width - 1) * min(1.0, part):.1f}" height="7"/>'
    return _svg(width, 12, label, body, "bar")


def periods(by_month: Mapping[str, int], first: str, last: str, most: int = 60) -> tuple[list[tuple[str, int]], int]:
    """Counts of equal periods from the first to the last month, few enough to draw, and the months in each."""
    start, stop = _ordinal(first), _ordinal(last)
    span = next(
        (size for size in (1, 3, 6, 12, 24, 60, 120) if (stop - start) // size < most), (stop - start) // most + 1
    )
    origin = start // span * span
    bins = [0] * ((stop - origin) // span + 1)
    for text, events in by_month.items():
        place = (_ordinal(text) - origin) // span
        if 0 <= place < len(bins):
            bins[place] += events
    return [(_month_of(origin + place * span), events) for place, events in enumerate(bins)], span


def _ordinal(text: str) -> int:
    year, _, of_year = text.rpartition("-")
    return int(year) * 12 + int(of_year) - 1


def _month_of(ordinal: int) -> str:
    return f"{ordinal // 12:04}-{ordinal % 12 + 1:02}"


def period_words(start: str, span: int) -> str:
    """`Mar 2026` for a month, `Jan 2026 to Mar 2026` for more."""
    return month(start) if span == 1 else f"{month(start)} to {month(_month_of(_ordinal(start) + span - 1))}"


def spark(by_month: Mapping[str, int], first: str, last: str, width: int = 132, height: int = 22) -> str:
    """Counts over time as small bars from the first to the last month of the whole source."""
    bins, span = periods(by_month, first, last)
    top, step = max(events for _, events in bins) or 1, width / len(bins)
    body = f'<line class="axis" x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}"/>'
    for place, (_, events) in enumerate(bins):
        if events:
            tall = max(1.5, (height - 2) * events / top)
            body += (
                f'<rect class="used" x="{place * step:.1f}" y="{height - 1 - tall:.1f}" '
                f'width="{max(1.0, step - 0.6):.1f}" height="{tall:.1f}"/>'
            )
    busiest = max(bins, key=lambda entry: entry[1])
    filled = sum(1 for _, events in bins if events)
    label = (
        f"{filled:,} of {len(bins):,} periods of {_span_words(span)} have any; most in "
        f"{period_words(busiest[0], span)}: {busiest[1]:,}"
    )
    return _svg(width, height, label, body, "spark")


def _span_words(span: int) -> str:
    if span % 12 == 0:
        return "a year" if span == 12 else f"{span // 12} years"
    return "a month" if span == 1 else f"{span} months"


def history(by_month: Mapping[str, int], first: str, last: str) -> str:
    """Counts over time as a chart with its scale."""
    width, height, left, floor = 960, 170, 64, 142
    bins, span = periods(by_month, first, last, 120)
    top = max(events for _, events in bins) or 1
    step = (width - left) / len(bins)
    body = "".join(
        f'<line class="axis" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{count(shown)}</text>'
        for y, shown in ((floor, 0), (12, top))
    )
    for place, (_, events) in enumerate(bins):
        if events:
            tall = max(1.5, (floor - 12) * events / top)
            body += (
                f'<rect class="used" x="{left + place * step + 0.5:.1f}" y="{floor - tall:.1f}" '
                f'width="{max(1.0, step - 1):.1f}" height="{tall:.1f}"/>'
            )
    body += f'<text x="{left}" y="162">{words(month(bins[0][0]))}</text>'
    if len(bins) > 1:
        body += f'<text x="{width}" y="162" text-anchor="end">{words(period_words(bins[-1][0], span))}</text>'
    busiest = max(bins, key=lambda entry: entry[1])
    label = (
        f"Events in each period of {_span_words(span)}, {month(first)} to {month(last)}; most in "
        f"{period_words(busiest[0], span)}: {busiest[1]:,}"
    )
    return _svg(width, height, label, body, "history")


def strip(values: Mapping[str, float], plausible: Sequence[float] | None, width: int = 190) -> str:
    """Minimum to maximum as a line, the middle nine tenths as a bar, the median as a mark, over the plausible range."""
    low, p5, median, p95, high = (values[name] for name in ("minimum", "p5", "median", "p95", "maximum"))
    start, stop = (min(low, plausible[0]), max(high, plausible[1])) if plausible else (low, high)
    spread = (stop - start) or 1.0

    def at(value: float) -> float:
        return 4 + (width - 8) * (value - start) / spread

    body = ""
    if plausible:
        wide = at(plausible[1]) - at(plausible[0])
        body += f'<rect class="band" x="{at(plausible[0]):.1f}" y="1" width="{max(1.0, wide):.1f}" height="16"/>'
    body += f'<line class="whisker" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="9" y2="9"/>'
    body += "".join(f'<line class="whisker" x1="{at(v):.1f}" x2="{at(v):.1f}" y1="6" y2="12"/>' for v in (low, high))
    body += f'<rect class="used" x="{at(p5):.1f}" y="5.5" width="{max(2.0, at(p95) - at(p5)):.1f}" height="7"/>'
    body += f'<rect class="mark" x="{at(median) - 1.5:.1f}" y="3" width="3" height="12"/>'
    range_words = f"; plausible {number(plausible[0])} to {number(plausible[1])}" if plausible else ""
    label = (
        f"Minimum {number(low)}, 5th percentile {number(p5)}, median {number(median)}, 95th percentile {number(p95)}, "
        f"maximum {number(high)}{range_words}"
    )
    return _svg(width, 18, label, body, "strip")
