"""Whether to rely on the number here, what speaks for and against, and how far each fact moves the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.clinician.views.facts import shown_value, usual_text
from apps.clinician.views.frame import table
from apps.clinician.views.text import age, say, show_text, signed, unit_text
from apps.clinician.words import t

_SHOWN = 8


def reliance(notes: Sequence[Mapping[str, Any]]) -> str:
    """✓ and ! in two columns."""
    columns = []
    for ok, mark in ((True, "✓"), (False, "!")):
        items = "".join(
            f'<li><span class="mark" aria-hidden="true">{mark}</span><div>{show_text(t(one["text"]))}'
            + (f'<span class="fine">{show_text(t(one["detail"]))}</span>' if one["detail"] else "")
            + "</div></li>"
            for one in notes
            if one["ok"] is ok
        )
        words = say("Speaks for it") if ok else say("Look at this first")
        columns.append(f'<ul class="{"good" if ok else "look"}" aria-label="{words}">{items}</ul>')
    return f'<div class="reliance">{"".join(columns)}</div>'


def for_and_against(view: Any, now: int) -> str:
    """Three sentences each way; both columns always stand."""
    facts = {one["name"]: one for one in view.facts["facts"]}
    columns = []
    for up in (True, False):
        found = [
            one for one in view.answer["explanation"]["contributions"]
            if one["value"] is not None and (one["shap_value"] > 0) == up and abs(one["shap_value"]) >= 0.005
        ][:3]  # fmt: skip
        heading = f"▲ {say('For a higher risk')}" if up else f"▼ {say('For a lower risk')}"
        empty = "Nothing recorded speaks for a higher risk." if up else "Nothing recorded speaks for a lower risk."
        rows = (
            "".join(_sentence(one, facts[one["feature"]], now) for one in found)
            or f"<li class='none'>{say(empty)}</li>"
        )
        columns.append(f'<section class="{"up" if up else "down"}"><h3>{heading}</h3><ul>{rows}</ul></section>')
    return f'<div class="both-sides">{"".join(columns)}</div>'


def _sentence(one: Mapping[str, Any], fact: Mapping[str, Any], now: int) -> str:
    about = one["text"].partition(" the estimate. ")[2]
    if fact["word"] and one["shap_value"] < 0:
        about = t("Unusual, yet it lowers the machine’s number here. That describes the machine, not the patient.")
    below = f"<p class='fine'>{_below(fact, now)}</p><p class='fine'>{show_text(about)}</p>"
    return f"<li><p>{_said(one, fact)}</p>{below}</li>"


def _said(one: Mapping[str, Any], fact: Mapping[str, Any]) -> str:
    label = show_text(one["label"])
    if fact["kind"] == "condition":
        return (
            f"<b>{label}</b> {say('on record')}."
            if fact["value"]
            else f"<b>{say('No')} {label.lower()}</b> {say('on record')}."
        )
    if isinstance(one["value"], str):
        return f"{label}: <b>{show_text(one['value'])}</b>."
    value, unit, _ = shown_value(fact)
    word = f", {say(fact['word'])}" if fact["word"] else ""
    measured = f"<b>{show_text(value)}</b>" + (f" <span class='unit'>{show_text(unit)}</span>" if unit else "")
    return f"{label} {measured}{word}."


def _below(fact: Mapping[str, Any], now: int) -> str:
    usual = usual_text(fact["usual"] or {})
    parts = [f"{say('Usual')} {usual}"] if usual else []
    if fact["effective"] and fact["kind"] == "observation" and "received" in fact:
        parts.append(age(fact["effective"], now))
    return " · ".join(parts)


def contributions(view: Any) -> str:
    """How far each fact moves the machine, in log-odds, on one zero line, and what calibration makes of the sum."""
    explanation = view.answer["explanation"]
    facts = {one["name"]: one for one in view.facts["facts"]}
    rows, rest = explanation["contributions"][:_SHOWN], explanation["contributions"][_SHOWN:]
    other = sum(one["shap_value"] for one in rest)
    most = max([abs(one["shap_value"]) for one in rows] + [abs(other), 0.05])
    body = [_bar(one, facts[one["feature"]], most) for one in rows]
    if rest:
        words = say("{n} others together").format(n=len(rest))
        body.append(
            f'<tr class="rest"><th scope="row">{words}</th><td></td><td></td>{_cell(other, most, hollow=True)}</tr>'
        )
    total = view.answer["log_odds"]
    base = signed(explanation["base_value"])
    risk = round(view.answer["probability"] * 100)
    last = say("Starting point {base}, then these facts. Calibration turns the sum into {risk} of 100.").format(
        base=base, risk=risk
    )
    sides = f'<span class="left">{say("lowers")} ▼</span><span class="right">▲ {say("raises")}</span>'
    head = (
        f'<th scope="col">{say("Fact")}</th><th scope="col" class="num">{say("Value")}</th><td></td>'
        f'<th scope="col" class="bar">{sides}</th><th scope="col" class="num">{say("Log-odds")}</th>'
    )
    foot = f"<tfoot><tr><td colspan='4'>{last}</td><td class='num'>{signed(total)}</td></tr></tfoot>"
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{say("Contributions")}"><table class="bars">'
        f"<caption>{say('How far each fact moves the machine, in log-odds')}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody>{foot}</table></div>"
    )


def _bar(one: Mapping[str, Any], fact: Mapping[str, Any], most: float) -> str:
    if one["value"] is None:
        value, unit = f"<span class='missing'>{say('Not measured')}</span>", ""
    elif fact["kind"] == "condition":
        value, unit = say("on record") if fact["value"] else say("not on record"), ""
    elif isinstance(one["value"], str):
        value, unit = "", ""
    else:
        shown, unit, _ = shown_value(fact)
        value = show_text(shown)
    label = show_text(one["label"])
    if isinstance(one["value"], str):
        label += f"<span class='fine'>{show_text(one['value'])}</span>"
    return (
        f'<tr><th scope="row">{label}</th><td class="num">{value}</td><td class="unit">{show_text(unit)}</td>'
        f"{_cell(one['shap_value'], most)}</tr>"
    )


def _cell(value: float, most: float, *, hollow: bool = False) -> str:
    wide = abs(value) / most * 50
    side = "up" if value > 0 else "down"
    left = 50 if value > 0 else 50 - wide
    kind = f"{side} hollow" if hollow else side
    bar = f'<span class="bar-fill {kind}" style="left:{left:.2f}%;width:{wide:.2f}%"></span>'
    number = "rest" if hollow else side
    return f'<td class="bar"><span class="zero"></span>{bar}</td><td class="num {number}">{signed(value)}</td>'


def needed(view: Any, now: int) -> str:
    """What an answer would need: the value, what the record holds, what to do."""
    facts = {one["name"]: one for one in view.facts["facts"]}
    rows = []
    for one in view.answer["reasons"]:
        fact = facts.get(one.get("feature", ""))
        label = show_text(fact["label"]) if fact else show_text(one["message"][:1].upper() + one["message"][1:])
        holds = _holds(fact, now) if fact else ""
        rows.append(f'<tr><th scope="row">{label}</th><td>{holds}</td><td>{show_text(one["remedy"])}</td></tr>')
    heads = (("Value", ""), ("What the record holds", ""), ("What to do", ""))
    return table("plain needed", "What is needed for a number", heads, f"<tbody>{''.join(rows)}</tbody>")


def _holds(fact: Mapping[str, Any], now: int) -> str:
    parts = []
    older = fact.get("older")
    for found in fact.get("aside", ()):
        quoted = f"“{found['value']} {found['unit']}”" if found["value"] else t("A result of another patient")
        why = (
            f'<span class="tag amber">△ {say("not used")}</span><span class="fine">{show_text(found["message"])}</span>'
        )
        parts.append(f"<p>{show_text(quoted)} {why}</p>")
    if older:
        parts.append(
            f"<p><b>{show_text(older['value'])}</b> <span class='unit'>{show_text(unit_text(older['unit']))}</span> "
            f'<span class="tag stop">◷ {age(older["effective"], now)}</span>'
            f"<span class='fine'>{say('Must be within 24 h of the index time')}</span></p>"
        )
    if fact["value"] is not None and not parts:
        value, unit, _ = shown_value(fact)
        parts.append(f"<p><b>{show_text(value)}</b> <span class='unit'>{show_text(unit)}</span></p>")
    return "".join(parts) or f"<p><b class='missing'>{say('Nothing')}</b></p>"
