"""What became of a file that was tried: the counts that must balance, the findings, the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.clinician.views.frame import notice, table, verdict_row
from apps.clinician.views.text import counted, say, show_text
from apps.clinician.words import t

_SHOWN = 200


def refused(found: Mapping[str, str]) -> str:
    """The file as a whole could not be used."""
    return notice("stop", t("Refused as a whole."), found["message"], f"{t('Reason')}: {found['reason']}")


def counts(report: Mapping[str, Any]) -> str:
    """The conservation of resources, as an equation."""
    parts = (("used", "used"), ("not needed", "not_needed"), ("put aside", "put_aside"), ("refused", "refused"))
    right = " + ".join(f"<b>{counted(report[name])}</b> {say(words)}" for words, name in parts)
    return f'<p class="equation"><b>{counted(report["resources"])}</b> {say("resources")} = {right}</p>'


def findings(report: Mapping[str, Any]) -> str:
    """What was put aside or used with a remark, and what forbids any score."""
    rows = [("error", one["source"], "", one["reason"], one["message"]) for one in report["blocked"]] + [
        (one["severity"], one["source"], one["location"], one["reason"], one["message"]) for one in report["rejections"]
    ]
    if not rows:
        return f'<p class="empty">{say("Nothing was put aside, and nothing is to be remarked.")}</p>'
    body = ""
    for severity, source, location, reason, message in rows[:_SHOWN]:
        kind = "stop" if severity == "error" else "amber"
        mark = f'<span class="tag {kind}">{say("error") if severity == "error" else say("note")}</span>'
        body += (
            f'<tr><td>{mark}</td><th scope="row" class="mono">{show_text(reason)}</th>'
            f'<td class="mono">{show_text(source)}{" · " if location else ""}{show_text(location)}</td>'
            f"<td>{show_text(message)}</td></tr>"
        )
    more = len(rows) - _SHOWN
    foot = f"<tfoot><tr><td colspan='4'>{counted(more)} {say('more')}</td></tr></tfoot>" if more > 0 else ""
    heads = (("", ""), ("Reason", ""), ("Where", ""), ("What", ""))
    return table("plain", "Findings", heads, f"<tbody>{body}</tbody>", foot)


def values(report: Mapping[str, Any]) -> str:
    """The newest usable value of each code, as the models read it."""
    body = "".join(
        f'<tr><th scope="row" class="mono">{show_text(one["code"])}</th>'
        f'<td class="num">{show_text(one["comparator"] or "")}{show_text(one["value"])}</td>'
        f'<td class="unit mono">{show_text(one["unit"] or "")}</td>'
        f'<td class="mono">{show_text(one["effective"])}</td></tr>'
        for one in report.get("values", ())
    )
    heads = (("Code", ""), ("Value", "num"), ("UCUM", ""), ("Effective, UTC", ""))
    return table("plain", "Values known at the index time", heads, f"<tbody>{body}</tbody>")


def answer(found: Mapping[str, Any]) -> str:
    """The estimate, or why there is none."""
    one = found["answer"]
    if one is None:
        return verdict_row("none", "–", f"<h2>{say('No estimate')}</h2><p>{show_text(found['why'])}</p>")
    if one["kind"] == "abstention":
        why = "; ".join(f"{reason['message']} ({reason['code']})" for reason in one["reasons"])
        low = say("That does not mean low risk.")
        return verdict_row("none", "–", f"<h2>{say('No estimate')}</h2><p>{show_text(why)}. {low}</p>")
    risk, interval = round(one["probability"] * 100), one["interval"]
    span = f"{round(interval['low'] * 100)} {say('to')} {round(interval['high'] * 100)}, {show_text(one['band'])}"
    return verdict_row("ok", "✓", f"<h2>{risk} {say('of 100')}</h2><p>{span}</p>")
