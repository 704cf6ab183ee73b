"""What the clinician expected, what the machine answered, and both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.platypus import Flowable

from cdss.paper.axis import Axis, Mark, Symbol
from cdss.paper.parts import grid, note, section, small
from cdss.paper.text import AMBER, INK, INK2, INK3, Panel, Span, Text
from cdss.paper.words import moment, of_hundred, stopped, value_text, what_happens

_ORDER = ("First", "Second", "Third", "Fourth", "Fifth")


def estimates(record: Mapping[str, Any]) -> list[Flowable]:
    """All estimates in one table, the disagreement, and the axis."""
    assessment = record["assessment"]
    team = assessment.get("team") or {}
    rows = [*_own_rows(record), _machine_row(assessment)]
    both = team.get("probability")
    if both is None:
        rows.append(_not_combined(_why_not_combined(record, team)))
    else:
        words, reach = Text(Span("Both together", "strong")), Text(Span("no interval fitted", size=8, ink=INK3))
        rows.append([Symbol("diamond"), words, _figure(of_hundred(float(both))), reach, ""])
    story = _table(record, rows, [(len(rows) - 1, 3, 4)] if both is None else [])
    return [*story, *_apart(record), *_axis(record)]


def no_estimate(record: Mapping[str, Any]) -> list[Flowable]:
    """That there is none, why, what would help, and what the clinician expected all the same."""
    panel = Panel(pad=(12, 8), edge=INK3, dashed=True)
    said = [
        Span("No estimate", "strong", 14),
        Span("\nThe machine gave no number for this patient. ", ink=INK2),
        Span("That does not mean low risk.", "strong", ink=AMBER),
    ]
    reasons: list[list[str | Flowable]] = [
        [
            Text(Span(stopped(str(one.get("message") or one.get("code") or "No reason on record")), ink=INK)),
            Text(Span(stopped(str(one.get("remedy") or "Nothing is known that would help")))),
        ]
        for one in (record.get("assessment") or {}).get("reasons") or [{}]
    ]
    table = grid(("Why there is none", "What would make one possible"), reasons, (1, 1))
    story = section("What the machine answered", Text(said, leading=15, panel=panel, after=6), table)
    rows = _own_rows(record)
    if rows:
        none = Text(Span("No estimate", "strong", ink=AMBER))
        rows.append([Symbol("square"), Text(Span("Machine", "strong")), "", none, ""])
        rows.append(_not_combined("the machine gave no estimate"))
        story += _table(record, rows, [(len(rows) - 1, 3, 4)])
    return story


def _table(
    record: Mapping[str, Any], rows: Sequence[Sequence[str | Flowable]], merged: Sequence[tuple[int, int, int]]
) -> list[Flowable]:
    head = ("", "", "Of 100", "Interval", "Time (UTC)")
    table = grid(head, rows, (14, 210, 41, 132, 102), right=(2,), merged=merged, tight=1.5)
    happens = what_happens(record.get("assessment") or {}, record.get("model") or {})
    return section(f"Of 100, {happens}", table)


def _figure(words: str) -> Text:
    return Text(Span(words, "strong", 11), align="right", leading=13)


def _own_figure(one: Mapping[str, Any]) -> str:
    """As it was answered: `risk` is kept off 0 and 1 for the combination."""
    if isinstance(one.get("alive"), int):
        return str(100 - one["alive"])
    return "none" if one.get("risk") is None else of_hundred(float(one["risk"]))


def _label(place: int) -> str:
    return f"{_ORDER[place]} estimate" if place < len(_ORDER) else f"Estimate {place + 1}"


def _counted(record: Mapping[str, Any]) -> int:
    """Place of the own estimate that went into the combination; else the first."""
    known = list(record.get("estimates") or ())
    return next((place for place, one in enumerate(known) if one.get("combined")), 0)


def _own_rows(record: Mapping[str, Any]) -> list[list[str | Flowable]]:
    rows: list[list[str | Flowable]] = []
    told: list[str] = []
    for place, one in enumerate(record.get("estimates") or ()):
        by = one.get("by") or {}
        who = ", ".join(str(part) for part in (by.get("name") or by.get("sub"), by.get("role")) if part)
        spans = [Span(_label(place), "strong"), Span(f", {who}" if who else "")]
        if one.get("alive") is not None:
            asked = str(one.get("question") or "")
            again = " to the same question" if asked in told else f" to “{asked}”"
            said = f"\nAnswered {value_text(one['alive'])} alive{again if asked else ''}"
            spans.append(Span(said, size=7.2, ink=INK3))
            told.append(asked)
        combined = [Span("not asked", size=8, ink=INK3)]
        if one.get("combined") is False:
            combined = [Span(f"Not combined: {one.get('why_not') or 'no reason on record'}", size=8)]
        rows.append([
            Symbol("circle") if place == _counted(record) else "",
            Text(spans, leading=11),
            _figure(_own_figure(one)),
            Text(combined),
            Text(Span(moment(one.get("at")), size=8, ink=INK2)),
        ])  # fmt: skip
    return rows


def _machine_row(assessment: Mapping[str, Any]) -> list[str | Flowable]:
    which, interval, ends = assessment.get("model") or {}, assessment.get("interval") or {}, _ends(assessment)
    name = " ".join(str(which[part]) for part in ("name", "version") if which.get(part))
    machine = [Span("Machine", "strong"), Span(f", {name}" if name else "")]
    if assessment.get("band"):
        machine.append(Span(f"\nBand: {assessment['band']}", size=7.2, ink=INK3))
    reach = [Span("not stated", size=8, ink=INK3)]
    if ends:
        level = f" ({float(interval['level']) * 100:g} %)" if interval.get("level") else ""
        reach = [Span(f"{of_hundred(ends[0])} to {of_hundred(ends[1])}", "strong"), Span(level, size=8)]
        reach.append(Span(f"\n{interval['method']}" if interval.get("method") else "", size=7.2, ink=INK3))
    asked = f"as of {moment(assessment['index_time'], seconds=False)}" if assessment.get("index_time") else ""
    return [
        Symbol("square"),
        Text(machine, leading=11),
        _figure(of_hundred(float(assessment["probability"]))),
        Text(reach, leading=11),
        Text(Span(asked, size=8, ink=INK2)),
    ]


def _not_combined(why: str) -> list[str | Flowable]:
    return ["", Text(Span("Both together", "strong")), "", Text([Span("Not combined", "strong"), Span(f": {why}")]), ""]


def _why_not_combined(record: Mapping[str, Any], team: Mapping[str, Any]) -> str:
    told = [str(one["why_not"]) for one in record.get("estimates") or () if one.get("why_not")]
    return str(team.get("absent") or (told[0] if told else "no reason on record"))


def _ends(assessment: Mapping[str, Any]) -> tuple[float, float] | None:
    interval = assessment.get("interval") or {}
    if interval.get("low") is None or interval.get("high") is None:
        return None
    return float(interval["low"]), float(interval["high"])


def _own(record: Mapping[str, Any]) -> tuple[float, str, str] | None:
    """Probability, figure and label of the own estimate that is compared with the machine's."""
    known = list(record.get("estimates") or ())
    place = _counted(record)
    if known and known[place].get("risk") is not None:
        return float(known[place]["risk"]), _own_figure(known[place]), _label(place)
    risk = (record["assessment"].get("team") or {}).get("clinician_estimate")
    return None if risk is None else (float(risk), of_hundred(float(risk)), "Own estimate")


def _apart(record: Mapping[str, Any]) -> list[Flowable]:
    assessment, own = record["assessment"], _own(record)
    if own is None or not (assessment.get("team") or {}).get("disagreement"):
        return []
    mine, its = own[1], of_hundred(float(assessment["probability"]))
    apart = f": {abs(int(mine) - int(its))} apart" if mine.isdigit() and its.isdigit() else ""
    return [note("The two disagree.", f"The clinician said {mine} of 100, the machine {its} of 100{apart}.")]


def _axis(record: Mapping[str, Any]) -> list[Flowable]:
    assessment, own, about = record["assessment"], _own(record), record.get("model") or {}
    risk, ends, both = (
        float(assessment["probability"]),
        _ends(assessment),
        (assessment.get("team") or {}).get("probability"),
    )
    marks = [Mark(risk, "Machine", of_hundred(risk), "square")]
    if own is not None:
        marks.append(Mark(own[0], own[2], own[1], "circle"))
    if both is not None:
        marks.append(Mark(float(both), "Both together", of_hundred(float(both)), "diamond"))
    known = [one for one in about.get("bands") or () if one.get("low") is not None]
    bands = sorted(((str(one.get("name") or ""), float(one["low"])) for one in known), key=lambda band: band[1])
    remarks = (_bands_reached(bands, ends), _observed(record))
    return [Axis(marks, bands, ends), *(small(words) for words in remarks if words)]


def _bands_reached(bands: Sequence[tuple[str, float]], ends: tuple[float, float] | None) -> str:
    if ends is None or not bands:
        return ""
    tops = [*(low for _, low in bands[1:]), float("inf")]
    reached = [name for (name, low), top in zip(bands, tops, strict=True) if low <= ends[1] and top > ends[0]]
    if len(reached) < 2:
        return ""
    named = f"{', '.join(reached[:-1])} or {reached[-1]}"
    return f"Band {named}: the interval reaches into {len(reached)} bands, and the model cannot separate them."


def _observed(record: Mapping[str, Any]) -> str:
    seen = record.get("observed")
    if not seen or seen.get("rate") is None:
        return ""
    reach = ""
    if seen.get("low") is not None and seen.get("high") is not None:
        reach = f" (interval {of_hundred(float(seen['low']))} to {of_hundred(float(seen['high']))})"
    count = f"{seen['n']:,} patients" if seen.get("n") is not None else "patients"
    rate = of_hundred(float(seen["rate"]))
    did = what_happens(record["assessment"], record.get("model") or {}, past=True)
    return f"Observed: of {count} in the same band when the model was tested, {rate} of 100 {did}{reach}."
