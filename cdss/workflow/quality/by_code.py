"""Sections of the page with a row for each known code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdss.workflow.quality.parts import (
    DASH,
    Report,
    count,
    month,
    number,
    part_of,
    percent,
    share_bar,
    spark,
    strip,
    system_words,
    table,
    words,
    zero,
)

_READ = {
    "as is": "reference unit",
    "equal": "equal to it", "converted": "converted", "alias": "alias table", "text": "from text only",
    "assumed": "assumed", "not read": "not read", "no unit": "",
}  # fmt: skip
_REASONS_SHOWN = 4
_UNITS_SHOWN = 5


def completeness_section(report: Report) -> str:
    """What was sent of each code, what could be used, and when."""
    people = report["patients"]["n"]
    months = [entry["month"] for entry in report["months"]]
    rows = []
    for code in _present(report):
        time = code["time"]
        line = spark(time["by_month"], months[0], months[-1]) if time else ""
        gap = time and time["longest_gap_days"]
        rows.append(
            [
                _name(code),
                count(code["sent"]),
                count(code["usable"]),
                zero(code["absent"]),
                zero(sum(code["put_aside"].values())),
                zero(code["elsewhere"]),
                percent(code["share_usable"]),
                share_bar(code["share_usable"], f"{code['usable']:,} of {code['sent'] - code['elsewhere']:,}"),
                _patients(code["patients"], people),
                line,
                f"{count(time['months_with_any'])} of {count(time['months_spanned'])}" if time else DASH,
                DASH
                if gap is None
                else f'{number(gap)} d<span class="fine">from {words(month(time["longest_gap_from"]))}</span>',
                percent(code["without_issued"] / code["sent"] if code["sent"] else None),
            ]
        )
    head = (
        "code", "sent", "usable", "absent", "put aside", "else", "share", "as a bar", "patients", "when", "months",
        "longest gap", "no issued",
    )  # fmt: skip
    absent = [code for code in report["codes"] if not code["sent"] and not code["usable"]]
    here = {code["label"] for code in report["codes"] if code["sent"] or code["usable"]}
    missing = list(dict.fromkeys(code["label"] or code["code"] for code in absent if code["label"] not in here))
    span = f"{month(months[0])} to {month(months[-1])}" if months else ""
    return (
        '<p class="quiet">Each code of units.toml and of the models. Sent: results and components that carry the code. '
        "Usable: events that came of them. Absent: sent without a value, with a reason. Put aside: findings that name "
        "the code. Else: repeated, an older version, or set aside with its resource for status or owner; the share "
        f"leaves these out. The bars run over the whole source, {words(span)}.</p>"
        + table(
            "What was sent of each code, and when",
            head,
            rows,
            right=(1, 2, 3, 4, 5, 6, 8, 10, 11, 12),
            empty="No known code was sent.",
        )
        + _absent(missing, len(absent))
    )


def _patients(number_of: int, people: int) -> str:
    return f"{count(number_of)} ({part_of(number_of, people)})" if people else count(number_of)


def _absent(missing: Sequence[str], codes: int) -> str:
    if not codes:
        return ""
    what = f"<b>Not in this source at all:</b> {'; '.join(words(label) for label in missing)}. " if missing else ""
    return f'<p class="fine wide">{what}{count(codes)} known codes are not used here; quality.json has each.</p>'


def conformance_section(report: Report) -> str:
    """The units each code was sent in, and the findings about it."""
    rows = []
    for code in _present(report):
        aside = sorted(code["put_aside"].items(), key=lambda item: (-item[1], item[0]))
        notes = sorted(code["notes"].items(), key=lambda item: (-item[1], item[0]))
        rows.append(
            [
                _name(code),
                words(code["limits"]["unit"]) if code["limits"] else DASH,
                _listed([_unit(unit) for unit in code["units"]], _UNITS_SHOWN),
                _listed([f"{words(reason)} {count(n)}" for reason, n in aside], _REASONS_SHOWN),
                _listed([f"{words(reason)} {count(n)}" for reason, n in notes], _REASONS_SHOWN),
            ]
        )
    units = [
        [
            f"<code>{words(unit['unit'])}</code>",
            words(_READ[unit["read"]] or "no quantity"),
            words(unit["reason"] or DASH),
            count(unit["values"]),
            count(unit["codes"]),
        ]
        for unit in report["units"]
    ]
    head = ("code", "reference unit", "units as sent", "put aside (findings)", "notes (findings)")
    return (
        table("Units and reasons of each code", head, rows, empty="No known code was sent.")
        + table(
            "By unit, over all known codes",
            ("unit as sent", "how it is read", "reason", "values", "codes"),
            units,
            right=(3, 4),
            kind="narrow",
            empty="No known code was sent.",
        )
        + '<p class="fine">Put aside counts findings that name the code. A result put aside for its owner '
        "or its status, "
        "or counted once because it is a repetition, is not among them; section “Findings” has those.</p>"
    )


def _unit(unit: Mapping[str, Any]) -> str:
    shown = f"<code>{words(unit['unit'])}</code>" if unit["read"] != "no unit" else words(unit["unit"])
    if unit["read"] == "not read":
        return f'{shown} {count(unit["values"])}, <span class="tag error">put aside</span>: {words(unit["reason"])}'
    how = _READ[unit["read"]]
    return f"{shown} {count(unit['values'])}{', ' + words(how) if how else ''}"


def _listed(entries: Sequence[str], most: int) -> str:
    if not entries:
        return '<span class="zero">none</span>'
    more = [f"and {len(entries) - most} more"] if len(entries) > most else []
    return f"<ul>{''.join(f'<li>{entry}</li>' for entry in [*entries[:most], *more])}</ul>"


def plausibility_section(report: Report) -> str:
    """How the usable values of each code lie, beside their limits."""
    rows = []
    for code in _present(report):
        values, limits = code["values"], code["limits"]
        if values is None:
            continue
        plausible = limits["plausible"] if limits else None
        rows.append(
            [
                _name(code),
                words(values["unit"]),
                count(values["n"]),
                *(number(values[name]) for name in ("minimum", "p5", "median", "p95", "maximum")),
                strip(values, plausible),
                _range(plausible),
                zero(limits["outside_plausible"]) if limits else DASH,
                _range(limits["physical"] if limits else None),
                zero(limits["outside_physical"]) if limits else DASH,
            ]
        )
    head = (
        "code", "unit", "values", "min", "p5", "median", "p95", "max", "how they lie", "plausible", "outside",
        "physical", "outside",
    )  # fmt: skip
    return (
        '<p class="quiet">In the reference unit, of usable bare numbers; bounds such as &lt; 0.01 are left out. '
        "Outside the plausible limits a value is used with a note; outside the physical limits it is put aside. "
        "Ground: plausible range. Line: minimum to maximum. Bar: 5th to 95th percentile. Mark: median.</p>"
        + table(
            "Values by code",
            head,
            rows,
            right=(2, 3, 4, 5, 6, 7, 9, 10, 11, 12),
            empty="No usable number of a known code.",
        )
    )


def _range(limits: Sequence[float] | None) -> str:
    return DASH if limits is None else f"{number(limits[0])} to {number(limits[1])}"


def _present(report: Report) -> list[Mapping[str, Any]]:
    return [code for code in report["codes"] if code["sent"] or code["usable"]]


def _name(code: Mapping[str, Any]) -> str:
    system = system_words(code["system"])
    return f'{words(code["label"] or code["code"])}<span class="fine">{system} {words(code["code"])}</span>'
