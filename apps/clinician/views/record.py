"""The frozen record on screen: what was decided, the numbers, the history, the receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from apps.clinician.views.frame import table
from apps.clinician.views.text import counted, day, in_fours, moment, say, seconds, show_text, when
from apps.clinician.words import t

_ZERO = timedelta(0)


def statement(parts: Sequence[Sequence[Any]]) -> str:
    """The very sentence that is or was signed."""
    said = "".join(f"<b>{show_text(text)}</b>" if strong else show_text(text) for text, strong in parts)
    return f'<blockquote class="statement">{said}</blockquote>'


def numbers(record: Mapping[str, Any]) -> str:
    """Estimate, interval and time of each of the three."""
    answer, about = record["assessment"], record["model"]
    rows = []
    for one in record["estimates"]:
        which = t("first estimate") if one["number"] == 1 else t("estimate {n}").format(n=one["number"])
        rows.append(
            (
                f"{show_text(one['by']['name'])}, {say(which)}",
                str(100 - one["alive"]),
                say("not asked"),
                seconds(one["at"]),
            )
        )
    if answer["kind"] == "estimate":
        interval = answer["interval"]
        low, high, level = (round(interval[name] * 100) for name in ("low", "high", "level"))
        span = f"{low} {say('to')} {high} ({level} %)"
        name = f"{say('Machine')}, {show_text(answer['model']['name'])} {show_text(answer['model']['version'])}"
        at = seconds(record.get("answered_at") or record["at"])
        rows.append((name, str(round(answer["probability"] * 100)), span, at))
        both = answer["team"].get("probability")
        why = answer["team"].get("absent") or ""
        rows.append(
            (say("Both together"), str(round(both * 100)), say("not fitted"), seconds(record["at"]))
            if both is not None
            else (say("Both together"), "–", f"{say('Not combined')}: {show_text(why)}", "")
        )
    else:
        rows.append((say("Machine"), "–", say("No estimate. That does not mean low risk."), seconds(record["at"])))
    body = "".join(
        f'<tr><th scope="row">{who}</th><td class="num">{number}</td><td>{span}</td><td>{at}</td></tr>'
        for who, number, span, at in rows
    )
    first = f"{t('Of 100')}, {about['event']['ask']} {about['horizon']}" if about else t("Of 100")
    heads = ((first, ""), ("Estimate", "num"), ("Interval", ""), ("Time", ""))
    return table("plain", "Estimates", heads, f"<tbody>{body}</tbody>")


def history(rows: Sequence[Mapping[str, Any]]) -> str:
    """Each entry of the case: time, act, by, number."""
    body = "".join(
        f"<tr><td>{seconds(one['at'])}</td><td>{say(one['act'])}</td><td>{show_text(one['by'])}</td>"
        f'<td class="num mono">{counted(one["seq"])}</td></tr>'
        for one in rows
    )
    heads = (("Time", ""), ("Act", ""), ("By", ""), ("Entry", "num"))
    return table("plain", "History of this case", heads, f"<tbody>{body}</tbody>")


def receipt(found: Mapping[str, Any]) -> str:
    """What proves the record: entry, hash, root, signed head; checked by the verifier's arithmetic before."""
    pairs = (
        ("Record", show_text(found["number"])),
        ("Entry", f"{counted(found['seq'])} {say('of')} {counted(found['size'])}"),
        ("Stored", f"{day(found['at'])} {found['at'][11:23]} UTC"),
    )
    listed = "".join(f"<div><dt>{say(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return (
        f'<dl class="pairs">{listed}</dl><p class="fine">{say("Entry hash")}</p>'
        f'<p class="mono hash">{in_fours(found["leaf"])}</p>'
        f'<p class="fine">{say("Ledger root of the signed head")}</p><p class="mono hash">{in_fours(found["root"])}</p>'
        f'<p class="fine">{say("Signed head")}</p><p>{say("Size")} {counted(found["size"])}</p>'
    )


def signatures(found: Mapping[str, Any]) -> str:
    """Who signed, as what, with which meaning."""
    rows = "".join(
        f"<li><b>{show_text(one['name'])}</b>, {show_text(one['role'])}: {say(one['meaning'])}"
        f'<span class="fine">{when(one["at"])} · {say("entry")} {counted(one["seq"])} · {say("key")} '
        f'<span class="mono">{show_text(one["key"])}</span></span></li>'
        for one in found["signatures"]
    )
    return f'<ul class="signatures">{rows}</ul>'


def added(rows: Sequence[Mapping[str, str]]) -> str:
    """Amendments and reports, in order."""
    items = ""
    for one in rows:
        who = f"{say(one['what'])} · {show_text(one['by'])} · {when(one['at'])}"
        items += f"<li><p>{show_text(one['text'])}</p><span class='fine'>{who}</span></li>"
    return f'<ul class="added">{items}</ul>'


def outcome_line(record: Mapping[str, Any], signed: Sequence[Mapping[str, Any]], at: str, by: str, role: str) -> str:
    """One line: what was done, by whom, when."""
    done = t(record["decision"]["outcome_text"])
    names = ", ".join(f"{one['name']}, {one['role']}" for one in signed) or f"{by}, {role}"
    offset = f"{_offset(at)}"
    return f"{show_text(done)} · {show_text(names)} · {day(at)} {seconds(at)} ({offset})"


def _offset(at: str) -> str:
    minutes = int((moment(at).utcoffset() or _ZERO).total_seconds() // 60)
    sign = "+" if minutes >= 0 else "−"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
