"""What stands around every page: brand, banner with two identifiers, steps, notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.clinician.views.text import birth, in_threes, moment, say, sex_word, show_text

MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="22" height="22">'
    '<rect width="24" height="24" rx="5" fill="{ground}"/>'
    '<g fill="{bars}"><rect x="5" y="6.5" width="14" height="2.4" rx="1"/>'
    '<rect x="5" y="11" width="14" height="2.4" rx="1"/><rect x="5" y="15.5" width="14" height="2.4" rx="1"/></g></svg>'
)


def banner(patient: Mapping[str, Any], now: int, alerts: Sequence[str] = ()) -> str:
    """One strip: who the patient is, where, and who attends."""
    born, years = birth(patient["birth_date"], moment(now))
    place = ", ".join(part for part in (patient["ward"], patient["bed"]) if part)
    parts = (
        ("Born", f"{show_text(born)} ({years} y)" if years else show_text(born or "not known")),
        ("Sex", say(sex_word(patient["sex"]))),
        ("Hospital no.", f'<span class="id">{show_text(in_threes(patient["identifier"]["value"]) or "none")}</span>'),
        ("Place", show_text(place or "not known")),
        ("Attending", show_text(patient["attending"] or "not known")),
    )
    listed = "".join(f"<div><dt>{say(name)}</dt><dd>{value}</dd></div>" for name, value in parts)
    name = f"{show_text(patient['family'].upper())}, {show_text(patient['given'])}"
    name += "".join(f" {tag('amber', f'△ {one}')}" for one in alerts)
    return f'<section class="banner" aria-label="{say("Patient")}"><p class="who">{name}</p><dl>{listed}</dl></section>'


def steps(names: Sequence[str], at: int) -> str:
    """Where in the review this page stands; the database decides, so nothing here can be clicked."""
    items = []
    for number, name in enumerate(names, start=1):
        done, here = number < at, number == at
        mark = "✓" if done else str(number)
        state = "done" if done else "here" if here else "next"
        current = ' aria-current="step"' if here else ""
        items.append(f'<li class="{state}"{current}><span class="mark">{mark}</span>{say(name)}</li>')
    return f'<ol class="steps" aria-label="{say("Steps of the review")}">{"".join(items)}</ol>'


def title(text: str, meta: str = "", *, level: int = 2) -> str:
    """The title row of a card: heading left, one line right; `meta` is HTML already."""
    right = f'<span class="meta">{meta}</span>' if meta else ""
    return f'<div class="title"><h{level}>{say(text)}</h{level}>{right}</div>'


def page_title(text: str, below: str = "") -> str:
    """The heading of a page; `below` is HTML already."""
    under = f'<p class="under">{below}</p>' if below else ""
    return f'<div class="page-title"><h1 tabindex="-1">{say(text)}</h1>{under}</div>'


def notice(kind: str, strong: str, text: str = "", fine: str = "") -> str:
    """A left rule in amber or stop colour; all three are plain text."""
    more = f" {say(text)}" if text else ""
    small = f'<span class="fine">{say(fine)}</span>' if fine else ""
    role = "alert" if kind == "stop" else "note"
    return f'<div class="notice {kind}" role="{role}"><p><b>{say(strong)}</b>{more}</p>{small}</div>'


def verdict_row(kind: str, mark: str, said: str) -> str:
    """A round mark beside a heading and its line, which are HTML already."""
    round_ = f'<span class="round {kind}" aria-hidden="true">{mark}</span>'
    return f'<div class="verdict {kind}">{round_}<div>{said}</div></div>'


def tag(kind: str, text: str) -> str:
    """A small tinted word; `text` is plain."""
    return f'<span class="tag {kind}">{say(text)}</span>'


def table(kind: str, name: str, heads: Sequence[tuple[str, str]], body: str, foot: str = "") -> str:
    """A table in a region that scrolls by keyboard; `heads` are names with their class, the rest is HTML already."""
    cells = "".join(
        f'<th scope="col" class="{which}">{say(head)}</th>' if head else f'<td class="{which}"></td>'
        for head, which in heads
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{say(name)}"><table class="{kind}">'
        f"<caption>{say(name)}</caption><thead><tr>{cells}</tr></thead>{body}{foot}</table></div>"
    )
