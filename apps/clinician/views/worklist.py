"""The worklist as rows of real links, in groups that share one column grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.clinician.views.frame import table, tag, title
from apps.clinician.views.text import age, birth, due, in_threes, moment, say, show_text, when
from apps.clinician.words import t

_SEX = {"female": "F", "male": "M"}
_STALE = 6 * 3_600_000_000
_GROUPS: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "no number": (
        "No estimate possible", "The machine has no number here. That does not mean low risk.",
        ("Patient", "Why, and what would help", "Newest data", "Missing", "Due", "Open"), "Resolve",
    ),
    "estimate": (
        "Your estimate first", "The machine’s number appears once you commit yours. Sorted by due time.",
        ("Patient", "Disease group", "Newest data", "Missing", "Due", "Open"), "Estimate",
    ),
    "ready": (
        "Ready to decide", "You have committed an estimate. Sorted by the machine’s risk.",
        ("Patient", "Machine: of 100", "Since last", "You", "Due", "Open"), "Decide",
    ),
    "to sign": (
        "Decided, not signed", "Nothing is in force until it is signed.",
        ("Patient", "Decision", "Decided", "Missing", "Due", "Open"), "Sign",
    ),
    "deferred": (
        "Deferred", "Open again at the time you named.",
        ("Patient", "Decision", "Decided", "Missing", "Until", "Open"), "Look",
    ),
}  # fmt: skip
_OUTCOMES = {"accepted": "Accept", "overridden": "Override", "deferred": "Defer", "not-applicable": "Not applicable"}


def heading(rows: Sequence[Any], about: str) -> str:
    """What the list is about, how many are open, how many of them without a number."""
    none = sum(row.group == "no number" for row in rows)
    return f"{say(about)} <b>{len(rows)} {say('open')}</b>, {none} {say('of them without a number')}."


def group_card(group: str, rows: Sequence[Any], now: int, link: Callable[[Any], str]) -> str:
    """One group as a table of links."""
    name, meta, columns, act = _GROUPS[group]
    head = "".join(f'<th scope="col" class="c{at}">{say(column)}</th>' for at, column in enumerate(columns))
    body = "".join(_row(group, row, now, link(row), act) for row in rows)
    heading_ = title(f"{t(name)} · {len(rows)}", say(meta))
    return (
        f'{heading_}<table class="worklist" role="table"><caption>{say(name)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table>'
    )


def _row(group: str, row: Any, now: int, address: str, act: str) -> str:
    cells = [_patient(row, now), *_MIDDLE[group](row, now), _due(row, now)]
    label = f"{t(act)}: {row.patient['family']}, {row.patient['given']}"
    cells.append(f'<a href="{address}" target="_self" aria-label="{say(label)}">{say(act)}</a>')
    tags = "".join(
        f'<{"th" if not at else "td"} {"scope=row " if not at else ""}class="c{at}">{cell}</{"th" if not at else "td"}>'
        for at, cell in enumerate(cells)
    )
    return f'<tr role="row">{tags}</tr>'


def _patient(row: Any, now: int) -> str:
    one = row.patient
    born, years = birth(one["birth_date"], moment(now))
    alerts = (f" {tag('stop', '✕ refused by the second person')}" if row.fate == "refused" else "") + (
        f" {tag('amber', '△ same surname')}" if row.same_surname else ""
    )
    alerts += f" {tag('amber', '△ same birth date')}" if row.same_birth_date else ""
    below = (
        f"{say('born')} {show_text(born)}{f' ({years} y)' if years else ''} · {_SEX.get(one['sex'], '–')} · "
        f'<span class="id">{show_text(in_threes(one["identifier"]["value"]))}</span> · {show_text(one["bed"])}'
    )
    name = f"{show_text(one['family'].upper())}, {show_text(one['given'])}"
    return f'<p class="name">{name}{alerts}</p><p class="fine">{below}</p>'


def _why(row: Any, now: int) -> tuple[str, str, str]:
    why, help_ = _short(row.reasons[0]) if row.reasons else ("", "")
    more = f" · {t('{n} more').format(n=len(row.reasons) - 1)}" if len(row.reasons) > 1 else ""
    return f"<p class='clip'>{show_text(why + more)}</p><p class='fine clip'>{show_text(help_)}</p>", *_data(row, now)


def _short(reason: Mapping[str, str]) -> tuple[str, str]:
    """A reason in one line each; the case itself says it in full."""
    label = reason["message"].partition(":")[0]
    known = {
        "required-missing": (t("{what}: nothing usable in the last 24 h"), t("Measure it, or mend the record")),
        "too-many-missing": (t("Too many values are missing"), t("Measure some of them")),
        "deceased": (t("The patient is recorded as having died"), t("No number is meant for this patient")),
        "comfort-care": (t("Care is for comfort only"), t("No number is meant for this patient now")),
        "not-eligible": (t("{what}: outside the model’s population"), t("No number is meant for this patient now")),
    }
    why, help_ = known.get(reason["code"], (reason["message"][:1].upper() + reason["message"][1:], reason["remedy"]))
    return why.format(what=label), help_


def _question(row: Any, now: int) -> tuple[str, str, str]:
    return show_text(row.patient["group"] or t("Not answered")), *_data(row, now)


def _data(row: Any, now: int) -> tuple[str, str]:
    if row.newest is None:
        newest = tag("stop", "none")
    else:
        words = age(row.newest, now)
        newest = tag("amber", f"◷ {words}") if now - row.newest > _STALE else words
    missing = row.of - row.present
    return newest, f"{missing} {say('of')} {row.of}" if missing else say("none")


def _risk(row: Any, now: int) -> tuple[str, str, str]:
    answer = row.answer
    if answer is None:
        return "", "", ""
    risk = answer["probability"] * 100
    low, high = answer["interval"]["low"] * 100, answer["interval"]["high"] * 100
    bar = (
        f'<span class="mini" aria-hidden="true"><span style="left:{low:.1f}%;width:{high - low:.1f}%"></span>'
        f'<i style="left:{risk:.1f}%"></i></span>'
    )
    flag = f" {tag('amber', 'flagged')}" if answer["flag"] else ""
    span = f'<span class="fine">{low:.0f} {say("to")} {high:.0f}, {show_text(answer["band"])}</span>'
    cell = f'<b class="big">{risk:.0f}</b>{bar}{span}{flag}'
    since = "–"
    if row.previous is not None:
        change = round(risk - row.previous * 100)
        since = f"▲ {change}" if change > 0 else f"▼ {-change}" if change < 0 else "0"
    own = "–"
    if row.alive is not None:
        mine = 100 - row.alive
        own = f"{mine}" + (f" {tag('amber', 'differ')}" if abs(mine - risk) >= 30 else "")
    return cell, since, own


def _decided(row: Any, now: int) -> tuple[str, str, str]:
    done = f"{when(row.decided_at)}" if row.decided_at else ""
    return (
        f"{say(_OUTCOMES.get(row.outcome, ''))}<p class='fine'>{show_text(row.decided_by or '')}</p>",
        done,
        _data(row, now)[1],
    )


def _due(row: Any, now: int) -> str:
    if row.group == "deferred" and row.until:
        return due(row.until, now)[0]
    words, over = due(row.due, now)
    return tag("stop", f"◷ {words}") if over else words


_MIDDLE = {"no number": _why, "estimate": _question, "ready": _risk, "to sign": _decided, "deferred": _decided}


def table_rows(rows: Sequence[Any], now: int) -> list[dict[str, Any]]:
    """The same list as plain values, for the table view; what is hidden stays hidden."""
    return [
        {
            t("Patient"): f"{row.patient['family'].upper()}, {row.patient['given']}",
            t("Born"): row.patient["birth_date"],
            t("Bed"): row.patient["bed"],
            t("State"): t(_GROUPS[row.group][0]),
            t("Disease group"): row.patient["group"] or t("Not answered"),
            t("Newest data"): age(row.newest, now) if row.newest is not None else t("none"),
            t("Missing"): row.of - row.present,
            t("Machine, of 100"): _machine(row),
            t("You, of 100"): "" if row.alive is None else str(100 - row.alive),
            t("Due"): due(row.due, now)[0],
        }
        for row in rows
    ]


def _state(row: Any) -> str:
    kind = {"waits for a second person": "amber", "refused": "stop"}.get(row.fate)
    words = row.fate[:1].upper() + row.fate[1:]
    return tag(kind, words) if kind else say(words)


def _machine(row: Any) -> str:
    if row.group == "no number":
        return t("no estimate")
    return t("after yours") if row.answer is None else f"{row.answer['probability'] * 100:.0f}"


def record_table(rows: Sequence[Any], link: Callable[[Any], str]) -> str:
    """Decided cases, newest first, as links."""
    body = "".join(
        f'<tr><th scope="row">{show_text(row.patient["family"].upper())}, {show_text(row.patient["given"])}'
        f'<span class="fine">{show_text(in_threes(row.patient["identifier"]["value"]))}</span></th>'
        f"<td>{say(_OUTCOMES.get(row.outcome or '', ''))}</td><td>{show_text(row.decided_by or '')}</td>"
        f"<td>{when(row.decided_at) if row.decided_at else ''}</td><td>{_state(row)}</td>"
        f'<td class="right"><a href="{link(row)}" target="_self" aria-label="{say("Open the record of")} '
        f'{show_text(row.patient["family"])[5:-6]}">{say("Open")}</a></td></tr>'
        for row in rows
    )
    heads = (("Patient", ""), ("Decision", ""), ("By", ""), ("At", ""), ("State", ""), ("Record", "right"))
    return table("plain", "Decisions", heads, f"<tbody>{body}</tbody>")
