"""The facts the machine will use, before any score: as received, with usual range, course and age."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from apps.clinician.views.frame import table
from apps.clinician.views.text import age, clock, day, moment, say, show_text, unit_text, when

_GROUPS = (("vital", "Vital signs"), ("gas", "Consciousness and gas exchange"), ("blood", "Blood and urine"))
_WIDE, _HIGH, _SPAN = 96.0, 18.0, timedelta(hours=72)


def history(facts: Mapping[str, Any]) -> str:
    """Disease group, history and stay, as a definition list."""
    by_name = {one["name"]: one for one in facts["facts"]}
    group = facts["group"]
    rows = [("Disease group", show_text(group) if group else say("Not answered"))]
    conditions = [one for one in facts["facts"] if one["kind"] == "condition"]
    on_record = ", ".join(show_text(one["label"].lower()) for one in conditions if one["value"])
    absent = ", ".join(show_text(one["label"].lower()) for one in conditions if not one["value"])
    said = [f"<b>{say('On record')}: {on_record}</b>"] if on_record else []
    said += [f"{say('Not on record')}: {absent}"] if absent else []
    for name, words in (
        ("adlsc", "dependent in {n} of 7 daily activities before admission"),
        ("comorbidities", "number of comorbidities: {n}"),
    ):
        if name in by_name and by_name[name]["value"] is not None:
            said.append(say(words).format(n=f"{by_name[name]['value']:g}"))
    rows.append(
        ("History", ". ".join(part[0].upper() + part[1:] if part[0].isalpha() else part for part in said) + ".")
    )
    stay = by_name.get("days_in_hospital")
    if stay and stay["value"] is not None:
        rows.append(("In hospital", f"{stay['value']:.0f} {say('days at the index time')}"))
    listed = "".join(f"<div><dt>{say(name)}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="pairs">{listed}</dl>'


def fact_table(facts: Mapping[str, Any], now: int, stale: frozenset[str], *, dark: bool, course: bool = True) -> str:
    """Every measurement: name, value, unit, word, usual range, last 72 h, age; what is missing says what it does."""
    heads = [("Measurement", ""), ("Latest value", "num"), ("", ""), ("", ""), ("Usual range", "range")]
    heads += [("Last 72 h", "course")] if course else []
    heads.append(("Age of value", "right"))
    body = []
    for group, words in _GROUPS:
        rows = [one for one in facts["facts"] if one["group"] == group]
        if rows:
            body.append(f'<tbody><tr class="group"><th scope="colgroup" colspan="{len(heads)}">{say(words)}</th></tr>')
            body += [
                _row(one, facts["index_time"], now, one["name"] in stale, dark=dark, course=course) for one in rows
            ]
            body.append("</tbody>")
    return table("facts", "Measurements the machine will use", heads, "".join(body))


def _row(one: Mapping[str, Any], index_time: str, now: int, old: bool, *, dark: bool, course: bool) -> str:
    note = f'<span class="fine">{say(one["note"])}</span>' if one.get("note") else ""
    name = f'<th scope="row">{show_text(one["label"])}{note}</th>'
    aside = "".join(_aside(found) for found in one.get("aside", ()))
    if one["value"] is None:
        span = 6 if course else 5
        lookback = say("in the 24 h before the index time") if one["lookback"] else say("on record")
        older = one.get("older")
        more = f' <span class="fine">{_older(older, now)}</span>' if older else ""
        said = f"<b>{say('Not measured')}</b> {lookback}{more}{aside}"
        return f'<tr class="missing">{name}<td colspan="{span}">{said}</td></tr>'
    value, unit, converted = shown_value(one)
    usual = one["usual"] or {}
    picture = _sparkline(one, index_time, dark=dark) if course else ""
    return (
        f"<tr>{name}<td class='num'>{show_text(value)}{converted}</td><td class='unit'>{show_text(unit)}</td>"
        f"<td class='word'>{say(one['word']) if one['word'] else ''}</td><td class='range'>{usual_text(usual)}</td>"
        + (f"<td class='course'>{picture}</td>" if course else "")
        + f"<td class='right'>{_age(one, now, old)}{aside}</td></tr>"
    )


def shown_value(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """The digits and unit of a fact: as received where the unit is the model's own, else converted, and said so."""
    received, unit = one.get("received"), unit_text(one["unit"])
    if received is None:
        note = (
            f'<span class="fine">{say("computed")}</span>'
            if one["kind"] == "observation" and not one["comparator"]
            else ""
        )
        return one["text"] or "", unit, note
    if received["unit"] in (one["unit"], unit) or one["unit"] in ("{score}", "[pH]"):
        return received["value"], unit, ""
    if _number(received["value"]) == one["value"]:
        return received["value"], unit, f'<span class="fine">{say("recorded as")} {show_text(received["unit"])}</span>'
    note = f'<span class="fine">{say("from")} {show_text(received["value"])} {show_text(received["unit"])}</span>'
    return one["text"] or "", unit, note


def _number(text: str) -> float | None:
    try:
        return float(text.lstrip("<>="))
    except ValueError:
        return None


def usual_text(usual: Mapping[str, Any]) -> str:
    """A range as people write it: from and to, `over 300`, or the upper end alone."""
    low, high = usual.get("low"), usual.get("high")
    if low is not None and high is not None:
        decimals = max(_decimals(low), _decimals(high))
        return f"{low:.{decimals}f}–{high:.{decimals}f}"
    if low is not None:
        return f"{say('over')} {low:g}"
    return "" if high is None else f"{high:g}"


def _decimals(number: float) -> int:
    return len(f"{number:g}".partition(".")[2])


def _age(one: Mapping[str, Any], now: int, old: bool) -> str:
    if one["effective"] is None:
        return ""
    words = age(one["effective"], now)
    taken = when(one["effective"])
    return f'<span class="tag amber">◷ {words}</span>' if old else f'<time datetime="{taken}">{words}</time>'


def _older(older: Mapping[str, str], now: int) -> str:
    return (
        f"{say('Last')}: {show_text(older['value'])} {show_text(unit_text(older['unit']))}, {when(older['effective'])} "
        f"({age(older['effective'], now)})"
    )


def _aside(found: Mapping[str, str]) -> str:
    """What was put aside, in quotes, as received."""
    received = f"{found['value']} {found['unit']}".strip()
    quoted = f"“{show_text(received)}” " if found["value"] else ""
    mark = f'<span class="tag amber">△ {say("not used")}</span>'
    return f'<span class="aside">{quoted}{mark} {show_text(found["message"])}</span>'


def _sparkline(one: Mapping[str, Any], index_time: str, *, dark: bool) -> str:
    """The course of 72 hours as a picture with its numbers in words; grey is usual, the dot the value used."""
    series = [(moment(at), float(value)) for at, value in one.get("series", ())]
    if len(series) < 2:
        return ""
    end = moment(index_time)
    usual = one["usual"] or {}
    numbers = [value for _, value in series]
    bounds = [bound for bound in (usual.get("low"), usual.get("high")) if bound is not None]
    low, high = float(min(numbers + bounds)), float(max(numbers + bounds))
    span = (high - low) or 1.0
    low, high = low - span * 0.12, high + span * 0.12

    def across(at: datetime) -> float:
        return _WIDE * (1 - (end - at) / _SPAN)

    def down(value: float) -> float:
        return _HIGH - _HIGH * (value - low) / (high - low)

    ink, shade, dot = ("#B4C0CB", "#222D39", "#E6EBF0") if dark else ("#46535F", "#E6EAEE", "#17212B")
    top = down(usual["high"]) if usual.get("high") is not None else 0.0
    bottom = down(usual["low"]) if usual.get("low") is not None else _HIGH
    points = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in series)
    at, value = series[-1]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -2 {_WIDE + 4:g} {_HIGH + 4:g}" width="100" height="22">'
        f'<rect x="0" y="{top:.1f}" width="{_WIDE:g}" height="{max(bottom - top, 1):.1f}" fill="{shade}"/>'
        f'<polyline points="{points}" fill="none" stroke="{ink}" stroke-width="1.4"/>'
        f'<circle cx="{across(at):.1f}" cy="{down(value):.1f}" r="2.6" fill="{dot}"/></svg>'
    )
    first = f"{numbers[0]:g} {clock(one['series'][0][0])} {day(one['series'][0][0])}"
    words = (
        f"{one['label']}: {len(series)} values, from {first} to {numbers[-1]:g}; lowest {min(numbers):g}, "
        f"highest {max(numbers):g}"
    )
    return f'<img src="{picture(svg)}" alt="{show_text(words)[5:-6]}" width="100" height="22">'


def picture(svg: str) -> str:
    """An SVG as a data address."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def source_table(facts: Mapping[str, Any], now: int) -> str:
    """Every input with where it came from, in UCUM."""
    rows = []
    for one in facts["facts"]:
        value = one["text"] if one["value"] is not None else say("Not measured")
        if one["kind"] == "condition":
            value = say("on record") if one["value"] else say("not on record")
        sources = ", ".join(show_text(name) for name in one["sources"]) or "–"
        taken = when(one["effective"]) if one["effective"] else "–"
        rows.append(
            f'<tr><th scope="row">{show_text(one["label"])}</th><td class="num">{show_text(value or "")}</td>'
            f'<td class="unit mono">{show_text(one["unit"])}</td><td>{taken}</td><td class="mono">{sources}</td></tr>'
        )
    heads = (("Input", ""), ("Value", "num"), ("UCUM", ""), ("Taken", ""), ("FHIR source", ""))
    return table("plain", "All inputs with their sources", heads, f"<tbody>{''.join(rows)}</tbody>")


def frozen_words(view_facts: Mapping[str, Any], asked: int) -> str:
    """Index time, when it was frozen, how much is there."""
    return (
        f"{say('Index time')} {when(view_facts['index_time'])} · {say('frozen')} {clock(asked)} · "
        f"{view_facts['present']} {say('of')} {view_facts['of']} {say('present')}"
    )
