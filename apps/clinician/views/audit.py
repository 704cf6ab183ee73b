"""The audit: a verdict first, then the entries, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.clinician.views.frame import notice, table, verdict_row
from apps.clinician.views.text import counted, day, say, show_text
from apps.clinician.words import t


def verdict(found: Any, anchors_note: str) -> tuple[str, str]:
    """The verdict's headline with its line, and the list of what was checked; a warning never hides the verdict."""
    report = found.report
    if report.findings:
        worst = report.findings[0]
        where = (
            t("Ledger broken at entry {n}.").format(n=counted(report.first_bad))
            if report.first_bad
            else t("Ledger broken.")
        )
        proved = (
            t("Entries up to {n} are proved.").format(n=counted(report.first_bad - 1))
            if report.first_bad and report.first_bad > 1
            else ""
        )
        text = f"{proved} {t('Do not sign. Keep the store as it is, and call your safety officer.')}".strip()
        return notice("stop", f"✕ {where}", text, worst.what), ""
    span = (
        f"{day(found.first)} {found.first[11:16]} {t('to')} {day(found.last)} {found.last[11:16]} UTC"
        if found.first
        else ""
    )
    line = f"{span}. {t('Checked just now in {s} s.').format(s=f'{found.seconds:.2f}')}"
    size = counted(report.size)
    words = f"{say('Ledger unbroken')}: {size} {say('of')} {size} {say('entries verified')}"
    head = verdict_row("ok", "✓", f"<h2>{words}</h2><p>{show_text(line)}</p>")
    good = [
        "No gap, no repeat in the sequence",
        "Each entry names the one before it",
        f"{counted(report.checkpoints)} of {counted(report.checkpoints)} signed heads match",
        f"{counted(report.blobs)} of {counted(report.blobs)} sealed documents are unchanged",
    ]
    look = []
    if report.anchors:
        good.append(f"{counted(report.anchors)} of {counted(report.anchors)} outside anchors match")
    else:
        look.append(("No outside anchor", anchors_note))
    if report.unsigned_tail:
        look.append(
            (
                f"{counted(report.unsigned_tail)} newest entries are not under a signed head yet",
                "They come under the next one",
            )
        )
    if found.clock:
        many = len(found.clock)
        times = "once" if many == 1 else f"{counted(many)} times"
        look.append(
            (
                f"The clock ran backwards or jumped {times}",
                f"First at entry {counted(found.clock[0])}. Order is kept by sequence, not by time",
            )
        )
    items = "".join(
        f'<li class="good"><span class="mark" aria-hidden="true">✓</span><div>{say(one)}</div></li>' for one in good
    )
    for one, more in look:
        said = f'<div>{say(one)}<span class="fine">{say(more)}</span></div>'
        items += f'<li class="look"><span class="mark" aria-hidden="true">!</span>{said}</li>'
    return head, f'<ul class="checks">{items}</ul>'


def entries(rows: Sequence[Mapping[str, Any]]) -> str:
    """Entries as a table; times in UTC, and marked so."""
    body = []
    for one in rows:
        subject = f"pt-{one['subject'][:8]}" if one["subject"] else ""
        cells = (
            f'<td class="num mono">{counted(one["seq"])}</td><td>{day(one["at"])} {one["at"][11:19]}</td>',
            f"<th scope='row'>{say(one['act'])}</th><td>{show_text(one['who'])}</td>",
            f"<td class='role'>{show_text(one['role'])}</td>",
            f'<td class="mono">{subject}</td><td class="mono">{show_text(one["record"]) if one["record"] else ""}</td>',
            f'<td class="mono">{one["leaf"][:8]}…</td>',
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    heads = (
        ("Entry", "num"), ("Time, UTC", ""), ("Act", ""), ("Who", ""), ("As", ""), ("Patient", ""), ("Record", ""),
        ("Hash", ""),
    )  # fmt: skip
    return table("plain entries", "Entries of the ledger, newest first", heads, f"<tbody>{''.join(body)}</tbody>")
