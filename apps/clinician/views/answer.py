"""You, the machine, both together: three numbers in one ink, one axis, and where they disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.clinician.views.facts import picture
from apps.clinician.views.text import clock, say, show_text
from apps.clinician.words import t

_NEAR = 9  # labels nearer than this, of 100, stand on lines of their own
_FIRST_LINE, _LINE, _BRACKET = 21, 17, 24


def of_100(probability: float) -> int:
    """How many of 100."""
    return round(probability * 100)


def bands_of(interval: Mapping[str, float], bands: list[Mapping[str, Any]]) -> list[str]:
    """The names of all bands an interval touches."""
    found = []
    for at, band in enumerate(bands):
        high = bands[at + 1]["low"] if at + 1 < len(bands) else 1.01
        if interval["low"] < high and interval["high"] >= band["low"]:
            found.append(str(band["name"]))
    return found


def trio(view: Any, own: Any | None, *, dark: bool) -> str:
    """The three numbers, each with what was said and where it comes from, and the icon array of the machine's."""
    answer, about, evidence = view.answer, view.about, view.evidence
    interval, team = answer["interval"], answer["team"]
    machine = of_100(answer["probability"])
    low, high = of_100(interval["low"]), of_100(interval["high"])
    touched = bands_of(interval, about["bands"])
    band = f"band {answer['band']}"
    if len(touched) > 1:
        band = f"{' or '.join(touched)}: the model cannot separate these"
    reference = evidence.get("band")
    rate = (
        f". Of all {reference['n']:,} patients of band {answer['band']} in the study, {of_100(reference['rate'])} "
        f"of 100 {about['event']['past']}"
        if reference
        else ""
    )
    level = f"{of_100(interval['level'])} % interval{rate}"
    yours = _column(
        "●", "You", 100 - own.alive if own else None,
        f"You answered {own.alive} alive" if own else "No estimate of yours",
        _given(own) if own else "None was committed",
    )  # fmt: skip
    theirs = _column("■", "Machine", machine, f"{low} to {high}, {band}", level)
    both = team.get("probability")
    absent = team.get("absent") or ""
    together = _column(
        "◇", "Both together", of_100(both) if both is not None else None,
        "Yours and the machine’s" if both is not None else "Not combined",
        evidence.get("together", "") if both is not None else _first_up(absent),
    )  # fmt: skip
    ask = say(about["event"]["ask"])
    alt = f"{say('Machine')}: {machine} {say('of 100')} {ask}, {100 - machine} {say('do not')}"
    return (
        f'<div class="trio">{yours}{theirs}{together}<figure class="icons">'
        f'<img src="{picture(icon_array(machine, dark=dark))}" width="108" height="108" alt="{alt}">'
        f"<figcaption>{say('Machine')}: {machine} {say(about['event']['ask'])}</figcaption></figure></div>"
    )


def _given(own: Any) -> str:
    return f"{clock(own.at)}, {'before any score' if own.combined else own.why_not or ''}"


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _column(mark: str, who: str, number: int | None, line: str, source: str) -> str:
    shown = (
        f"<b>{number}</b> <span>{say('of 100')}</span>" if number is not None else f'<b class="none">{say("None")}</b>'
    )
    if number is None and who == "Both together":
        shown = f'<b class="none">{say("Not combined")}</b>'
        line = ""
    said = f'<p class="line">{show_text(t(line))}</p>' if line else ""
    return (
        f'<section aria-label="{say(who)}"><h3><span class="shape" aria-hidden="true">{mark}</span>{say(who)}</h3>'
        f'<p class="risk">{shown}</p>{said}<p class="source">{show_text(t(source))}</p></section>'
    )


def icon_array(count: int, *, dark: bool) -> str:
    """A hundred small rounds, filled for the event: form, not hue; gaps after 5 and 50."""
    shapes, ink = [], "#B4C0CB" if dark else "#46535F"
    for number in range(100):
        row, column = divmod(number, 10)
        x, y = 5 + column * 10 + (4 if column > 4 else 0), 5 + row * 10 + (4 if row > 4 else 0)
        fill = ink if number < count else "none"
        shapes.append(f'<circle cx="{x}" cy="{y}" r="3.6" fill="{fill}" stroke="{ink}" stroke-width="1"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 105 105">{"".join(shapes)}</svg>'


def axis(view: Any, own: Any | None) -> str:
    """0 to 100 with the bands, the interval and the three markers; the whole sentence is its label."""
    answer, about = view.answer, view.about
    marks = [("■", "Machine", answer["probability"])]
    if own is not None:
        marks.insert(0, ("●", "You", (100 - own.alive) / 100))
    both = answer["team"].get("probability")
    if both is not None:
        marks.append(("◇", "Both", both))
    bands = about["bands"]
    parts = []
    for at, band in enumerate(bands):
        left = band["low"] * 100
        right = bands[at + 1]["low"] * 100 if at + 1 < len(bands) else 100
        parts.append(f'<span class="band b{at}" style="left:{left:g}%;width:{right - left:g}%"></span>')
        parts.append(f'<span class="name" style="left:{(left + right) / 2:g}%">{show_text(band["name"])}</span>')
        parts.append(f'<span class="tick" style="left:{left:g}%">{left:g}</span>')
    parts.append('<span class="tick" style="left:100%">100</span>')
    interval = answer["interval"]
    low, high = interval["low"] * 100, interval["high"] * 100
    parts.append(f'<span class="whisker" style="left:{low:.1f}%;width:{high - low:.1f}%"></span>')
    lines: list[float] = []  # where the last label of each line above the axis stands
    for mark, name, value in sorted(marks, key=lambda one: one[2]):
        place = value * 100
        line = next((at for at, last in enumerate(lines) if place - last >= _NEAR), len(lines))
        lines[line : line + 1] = [place]
        kind = {"●": "dot", "■": "square", "◇": "diamond"}[mark]
        parts.append(f'<span class="marker {kind}" style="left:{place:.1f}%"></span>')
        above = _FIRST_LINE + _LINE * line
        parts.append(f'<span class="label" style="left:{place:.1f}%;top:-{above}px">{say(name)} {of_100(value)}</span>')
    high_up = _FIRST_LINE + _LINE * (len(lines) - 1)
    if own is not None and answer["team"].get("disagreement"):
        first, second = sorted(((100 - own.alive), answer["probability"] * 100))
        words = f"{abs((100 - own.alive) - of_100(answer['probability']))} {say('apart')}"
        high_up += _BRACKET
        place = f"left:{first:.1f}%;width:{second - first:.1f}%;top:-{high_up - 8}px"
        parts.append(f'<span class="apart" style="{place}"><i>{words}</i></span>')
    said = "; ".join(f"{t(name)} {of_100(value)}" for _, name, value in marks)
    words = (
        f"{t('On a scale from 0 to 100')}: {said}; {t('interval of the machine')} {of_100(interval['low'])} {t('to')} "
        f"{of_100(interval['high'])}."
    )
    return (
        f'<div class="axis" style="padding-top:{high_up + 6}px" role="img" aria-label="{say(words)}">'
        f'<div class="rail" aria-hidden="true">{"".join(parts)}</div></div>'
    )


def disagreement(view: Any, own: Any | None) -> str:
    """Say plainly that the two differ, where to look, and who was right more often in the study."""
    answer = view.answer
    if own is None or not answer["team"].get("disagreement"):
        return ""
    machine, mine = of_100(answer["probability"]), 100 - own.alive
    against = machine < mine
    strongest = [
        _inside(one["label"])
        for one in answer["explanation"]["contributions"]
        if (one["shap_value"] < 0) == against and one["value"] is not None
    ][:2]
    first = t("You two disagree, by {n} of 100.").format(n=abs(machine - mine))
    look = t("Look again at {facts}, and at what you know that the record does not.").format(
        facts=" and ".join(strongest)
    )
    study = view.evidence.get("disagree")
    fine = ""
    if study:
        better = study["clinician"] > study["machine"]
        names = ("doctors", "the machine") if better else ("the machine", "doctors")
        numbers = (study["clinician"], study["machine"]) if better else (study["machine"], study["clinician"])
        fine = (
            f"In the study, where the two were this far apart, {names[0]} ranked patients better than {names[1]}: "
            f"AUROC {numbers[0]:.2f} against {numbers[1]:.2f}, together {study['team']:.2f}."
        )
    return (
        f'<div class="notice amber" role="note"><p><b>{show_text(first)}</b> {show_text(look)}</p>'
        f'<span class="fine">{show_text(t(fine))}</span></div>'
    )


def _inside(label: str) -> str:
    """A label within a sentence: `creatinine`, but `PaO2/FiO2`."""
    return label[:1].lower() + label[1:] if label[1:2].islower() and not any(c.isupper() for c in label[1:]) else label


def question(about: Mapping[str, Any]) -> str:
    """The question as the machine answers it: of 100 patients like this one, how many die within 180 days."""
    return t("Of 100 patients like this one, how many {ask} {horizon}?").format(
        ask=about["event"]["ask"], horizon=about["horizon"]
    )
