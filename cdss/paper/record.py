"""The printed decision record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.platypus import Flowable

from cdss.paper.axis import Axis, Mark, Symbol
from cdss.paper.evidence import findings, for_and_against, inputs, model, reliance
from cdss.paper.fonts import load_fonts
from cdss.paper.page import Sheet, patient_name, patient_words
from cdss.paper.parts import grid, listed, note, section, small
from cdss.paper.proof import NOT_SIGNED, case_history, ledger_receipt, signatures
from cdss.paper.text import AMBER, INK, INK2, INK3, LINE, QUIET, Panel, Span, Text
from cdss.paper.words import moment, of_hundred, sentence, value_text, what_happens

_ORDER = ("First", "Second", "Third", "Fourth", "Fifth")
_OUTCOMES = {"overridden": "Overridden with reason", "deferred": "Deferred", "accepted": "Accepted", "noted": "Noted"}


def decision_pdf(
    record: Mapping[str, Any], history: Sequence[Mapping[str, Any]], receipt: Mapping[str, Any] | None
) -> bytes:
    """Print one decision record.

    The same arguments give the same bytes. Nothing is fetched, and no text is read as markup.

    Parameters
    ----------
    record : mapping
        The stored decision record: patient, assessment, model, estimates, decision and statement. Parts may be absent.
    history : sequence of mapping
        The acts of the case in order: `at`, `act`, `by` and `seq`, the number of the entry in the ledger.
    receipt : mapping or None
        Place in the ledger, proof and signatures; None where nothing is signed.

    Returns
    -------
    bytes
        A PDF of A4 pages. Its title has the number of the record and no name.
    """
    load_fonts()
    number = str(record.get("number") or (receipt or {}).get("number") or "")
    patient = record.get("patient") or {}
    assessment = record.get("assessment") or {}
    sheet = Sheet(
        name=patient_name(patient),
        about=patient_words(patient, assessment.get("index_time") or record.get("at")),
        number=number,
        digest=str((receipt or {}).get("leaf") or ""),
        without_digest=f"{NOT_SIGNED}: there is no entry hash.",
        synthetic=bool(record.get("synthetic")),
    )
    title = f"Decision record {number}".strip().encode("utf_8", "replace").decode("utf_8")
    _, pages = sheet.build(_story(record, history, receipt, sheet), 0, title)
    document, _ = sheet.build(_story(record, history, receipt, sheet), pages, title)
    return document


def _story(
    record: Mapping[str, Any], history: Sequence[Mapping[str, Any]], receipt: Mapping[str, Any] | None, sheet: Sheet
) -> list[Flowable]:
    assessment = record.get("assessment") or {}
    about = record.get("model") or {}
    contributions = (assessment.get("explanation") or {}).get("contributions") or []
    answered = assessment.get("kind") != "abstention" and assessment.get("probability") is not None
    return [
        *_title(record, receipt),
        *_whole_name(record, sheet),
        *_decided(record),
        *(_estimates(record, assessment) if answered else _no_estimate(record, assessment)),
        *reliance(record.get("reliance") or []),
        *(for_and_against(contributions) if answered else []),
        *(inputs(assessment) if answered else []),
        *findings(assessment.get("findings") or []),
        *model(assessment, about),
        *signatures((receipt or {}).get("signatures") or []),
        *case_history(history),
        *ledger_receipt(receipt),
        *_limits(about),
    ]


def _title(record: Mapping[str, Any], receipt: Mapping[str, Any] | None) -> list[Flowable]:
    decision, signed = record.get("decision") or {}, (receipt or {}).get("signatures") or []
    outcome = str(decision.get("outcome") or "")
    words = _OUTCOMES.get(outcome) or sentence(outcome.replace("-", " ")).rstrip(".") or "No decision on record"
    if signed:
        author = next((one for one in signed if one.get("slot") == "author"), signed[0])
        said = [str(author[part]) for part in ("name", "role") if author.get(part)]
        words = ", ".join([f"{words}, signed by {said[0] if said else 'no name'}", *said[1:]])
        words = ", ".join(part for part in (words, moment(author.get("at"), zone=True)) if part)
    else:
        words = ", ".join(part for part in (f"{words}. {NOT_SIGNED}", moment(record.get("at"), zone=True)) if part)
    about, assessment = record.get("model") or {}, record.get("assessment") or {}
    asked = moment(assessment.get("index_time"), seconds=False, zone=True)
    meta = [
        str(about.get("title") or ""),
        f"as of {asked}" if asked else "",
        f"record version {record['version']}" if record.get("version") is not None else "",
    ]
    return [
        Text(Span("Decision record", "strong", 19), leading=22, before=6),
        Text(Span(words, "strong", 10.5), leading=15, before=2),
        small("  ·  ".join(part for part in meta if part), after=7, before=2),
    ]


def _whole_name(record: Mapping[str, Any], sheet: Sheet) -> list[Flowable]:
    if not sheet.is_cut():
        return []
    words = [Span(sheet.name, "strong", 8.5), Span("\n"), *sheet.about, Span(f"\nRecord {sheet.number}", size=8)]
    return section("Patient", Text(words), remark="too long for the head of the page; here in full")


def _decided(record: Mapping[str, Any]) -> list[Flowable]:
    decision = record.get("decision") or {}
    statement = str(record.get("statement") or "")
    story: list[Flowable] = []
    if statement:
        panel = Panel(pad=(12, 6), ground=QUIET, edge=LINE)
        story.append(Text(Span(statement, size=10), leading=14, panel=panel, after=3))
    knows = decision.get("knows") or ()
    said = [
        ("Decision", str(decision.get("outcome_text") or "")),
        ("Reason", str(decision.get("reason_text") or "")),
        ("Also known", ", ".join(str(one) for one in knows)),
        ("Plan", str(decision.get("plan") or "")),
        ("Until", moment(decision.get("until"), seconds=False, zone=True)),
        ("Note", str(decision.get("note") or "")),
    ]
    return [*story, *listed(said, label=52, columns=2)]


def _name_of(estimate: Mapping[str, Any]) -> str:
    by = estimate.get("by") or {}
    return str(by.get("name") or by.get("sub") or "")


def _own_rows(record: Mapping[str, Any]) -> list[list[str | Flowable]]:
    rows: list[list[str | Flowable]] = []
    told: list[str] = []
    for place, one in enumerate(record.get("estimates") or ()):
        who = ", ".join(part for part in (_name_of(one), str((one.get("by") or {}).get("role") or "")) if part)
        label = f"{_ORDER[place]} estimate" if place < len(_ORDER) else f"Estimate {place + 1}"
        spans = [Span(label, "strong", 8.5), Span(f", {who}" if who else "", size=8.5)]
        if one.get("alive") is not None:
            asked = str(one.get("question") or "")
            again = " to the same question" if asked in told else f" to “{asked}”"
            said = f"\nAnswered {value_text(one['alive'])} alive{again if asked else ''}"
            spans.append(Span(said, size=7.2, ink=INK3))
            told.append(asked)
        combined = [Span("not asked", size=8, ink=INK3)]
        if one.get("combined") is False:
            combined = [Span("Not combined", size=8), Span(f": {one.get('why_not') or 'no reason on record'}", size=8)]
        rows.append([
            Symbol("circle") if place == 0 else "",
            Text(spans, leading=11),
            _figure(one.get("risk")),
            Text(combined),
            Text(Span(moment(one.get("at")), size=8, ink=INK2)),
        ])  # fmt: skip
    return rows


def _figure(probability: Any) -> Text:
    words = "none" if probability is None else of_hundred(float(probability))
    return Text(Span(words, "strong", 11), align="right", leading=13)


def _why_not_combined(record: Mapping[str, Any], assessment: Mapping[str, Any]) -> str:
    team = assessment.get("team") or {}
    told = [str(one["why_not"]) for one in record.get("estimates") or () if one.get("why_not")]
    return str(team.get("absent") or (told[0] if told else "no reason on record"))


def _table(
    rows: Sequence[Sequence[str | Flowable]], assessment: Mapping[str, Any], merged: Sequence[tuple[int, int, int]]
) -> list[Flowable]:
    head = ("", "", "Of 100", "Interval", "Time (UTC)")
    table = grid(head, rows, (14, 216, 41, 135, 93), right=(2,), merged=merged, tight=1.5)
    return section(f"Of 100, {what_happens(assessment)}", table)


def _estimates(record: Mapping[str, Any], assessment: Mapping[str, Any]) -> list[Flowable]:
    risk, interval, team = assessment["probability"], assessment.get("interval") or {}, assessment.get("team") or {}
    which = assessment.get("model") or {}
    name = " ".join(str(which[part]) for part in ("name", "version") if which.get(part))
    rows = _own_rows(record)
    reach = [Span("not stated", size=8, ink=INK3)]
    ends = _ends(assessment)
    if ends:
        low, high = of_hundred(ends[0]), of_hundred(ends[1])
        level = f" ({float(interval['level']) * 100:g} %)" if interval.get("level") else ""
        reach = [Span(f"{low} to {high}", "strong", 8.5), Span(level, size=8)]
        reach.append(Span(f"\n{interval['method']}" if interval.get("method") else "", size=7.2, ink=INK3))
    machine = [Span("Machine", "strong", 8.5), Span(f", {name}" if name else "", size=8.5)]
    if assessment.get("band"):
        machine.append(Span(f"\nBand: {assessment['band']}", size=7.2, ink=INK3))
    asked = f"as of {moment(assessment['index_time'], seconds=False)}" if assessment.get("index_time") else ""
    when = Text(Span(asked, size=8, ink=INK2))
    rows.append([Symbol("square"), Text(machine, leading=11), _figure(risk), Text(reach, leading=11), when])
    both = team.get("probability")
    if both is None:
        words = [Span("Not combined", "strong", 8.5), Span(f": {_why_not_combined(record, assessment)}", size=8.5)]
        rows.append(["", Text([Span("Both together", "strong", 8.5)]), "", Text(words), ""])
    else:
        together = [
            Text(Span("Both together", "strong", 8.5)),
            _figure(both),
            Text(Span("no interval fitted", size=8, ink=INK3)),
        ]
        rows.append([Symbol("diamond"), *together, ""])
    story = _table(rows, assessment, [(len(rows) - 1, 3, 4)] if both is None else [])
    return [*story, *_apart(record, team, float(risk)), *_axis(record, assessment)]


def _ends(assessment: Mapping[str, Any]) -> tuple[float, float] | None:
    interval = assessment.get("interval") or {}
    if interval.get("low") is None or interval.get("high") is None:
        return None
    return float(interval["low"]), float(interval["high"])


def _own_risk(record: Mapping[str, Any], team: Mapping[str, Any]) -> float | None:
    first: Mapping[str, Any] = next(iter(record.get("estimates") or ()), {})
    own = team.get("clinician_estimate") if first.get("risk") is None else first["risk"]
    return None if own is None else float(own)


def _apart(record: Mapping[str, Any], team: Mapping[str, Any], risk: float) -> list[Flowable]:
    own = team.get("clinician_estimate")
    if not team.get("disagreement") or own is None:
        return []
    mine, its = of_hundred(float(own)), of_hundred(risk)
    apart = abs(round(float(own) * 100) - round(risk * 100))
    rest = f"The clinician said {mine} of 100, the machine {its} of 100: {apart} apart."
    return [note("The two disagree.", rest)]


def _axis(record: Mapping[str, Any], assessment: Mapping[str, Any]) -> list[Flowable]:
    risk, ends, team = float(assessment["probability"]), _ends(assessment), assessment.get("team") or {}
    own, both = _own_risk(record, team), team.get("probability")
    marks = [Mark(risk, "Machine", "square")]
    if own is not None:
        marks.append(Mark(own, "First estimate", "circle"))
    if both is not None:
        marks.append(Mark(float(both), "Both together", "diamond"))
    known = [one for one in (record.get("model") or {}).get("bands") or () if one.get("low") is not None]
    bands = sorted(((str(one.get("name") or ""), float(one["low"])) for one in known), key=lambda band: band[1])
    story: list[Flowable] = [Axis(marks, bands, ends)]
    story += [small(words) for words in (_bands_reached(bands, ends), _observed(record, assessment)) if words]
    return story


def _bands_reached(bands: Sequence[tuple[str, float]], ends: tuple[float, float] | None) -> str:
    if ends is None or not bands:
        return ""
    tops = [*(low for _, low in bands[1:]), float("inf")]
    reached = [name for (name, low), top in zip(bands, tops, strict=True) if low <= ends[1] and top > ends[0]]
    if len(reached) < 2:
        return ""
    named = f"{', '.join(reached[:-1])} or {reached[-1]}"
    return f"Band {named}: the interval reaches into {len(reached)} bands, and the model cannot separate them."


def _observed(record: Mapping[str, Any], assessment: Mapping[str, Any]) -> str:
    seen = record.get("observed")
    if not seen or seen.get("rate") is None:
        return ""
    reach = ""
    if seen.get("low") is not None and seen.get("high") is not None:
        reach = f" (interval {of_hundred(float(seen['low']))} to {of_hundred(float(seen['high']))})"
    count = f"{seen['n']:,} patients" if seen.get("n") is not None else "patients"
    rate = of_hundred(float(seen["rate"]))
    did = what_happens(assessment).replace("die", "died", 1).replace("have the", "had the", 1)
    return f"Observed: of {count} in the same band when the model was tested, {rate} of 100 {did}{reach}."


def _no_estimate(record: Mapping[str, Any], assessment: Mapping[str, Any]) -> list[Flowable]:
    panel = Panel(pad=(12, 8), edge=INK3, dashed=True)
    words = [
        Span("No estimate", "strong", 14),
        Span("\nThe machine gave no number for this patient. ", size=8.5, ink=INK2),
        Span("That does not mean low risk.", "strong", 8.5, AMBER),
    ]
    reasons: list[list[str | Flowable]] = [
        [
            Text(
                [Span(sentence(str(one.get("message") or one.get("code") or "No reason on record")), size=8.5, ink=INK)]
            ),
            Text(Span(sentence(str(one.get("remedy") or "Nothing is known that would help")), size=8.5)),
        ]
        for one in assessment.get("reasons") or [{}]
    ]
    table = grid(("Why there is none", "What would make one possible"), reasons, (1, 1))
    story = section("What the machine answered", Text(words, leading=15, panel=panel, after=6), table)
    own = _own_rows(record)
    if own:
        none = Text(Span("Machine", "strong", 8.5))
        own.append([Symbol("square"), none, "", Text(Span("No estimate", "strong", 8.5, AMBER)), ""])
        words = [Span("Not combined", "strong", 8.5), Span(": the machine gave no estimate", size=8.5)]
        own.append(["", Text(Span("Both together", "strong", 8.5)), "", Text(words), ""])
        story += _table(own, assessment, [(len(own) - 1, 3, 4)])
    return story


def _limits(about: Mapping[str, Any]) -> list[Flowable]:
    first, words = "This is not a medical device.", sentence(str(about.get("not_for") or ""))
    if not words.startswith(first[:-1]):
        words = f"{first} It is not for {words[:1].lower()}{words[1:]}" if words else first
    return [Text(Span(words, size=8, ink=INK2), panel=Panel(pad=(12, 7), ground=QUIET, edge=LINE), before=12)]
