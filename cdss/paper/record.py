"""The printed decision record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.platypus import Flowable

from cdss.paper.estimates import estimates, no_estimate
from cdss.paper.evidence import findings, for_and_against, inputs, model, reliance
from cdss.paper.fonts import load_fonts
from cdss.paper.page import Sheet, patient_name, patient_words
from cdss.paper.parts import grid, listed, section, small
from cdss.paper.proof import NOT_SIGNED, case_history, ledger_receipt, signatures
from cdss.paper.text import INK2, LINE, QUIET, Panel, Span, Text
from cdss.paper.words import capital, lower_start, moment, stopped

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
        `added` are amendments and reported problems: `at`, `by`, `what` and `text` of each.
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
        *_added(record.get("added") or ()),
        *(estimates(record) if answered else no_estimate(record)),
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


# What a reader must know before anything else: that a signed decision is not, or not yet, in force.
_FATES = {
    "refused": ". REFUSED by the second person",
    "waits for a second person": ". NOT IN FORCE: waits for a second person",
}


def _title(record: Mapping[str, Any], receipt: Mapping[str, Any] | None) -> list[Flowable]:
    decision, signed = record.get("decision") or {}, (receipt or {}).get("signatures") or []
    outcome = str(decision.get("outcome") or "")
    words = _OUTCOMES.get(outcome) or capital(outcome.replace("-", " ")) or "No decision on record"
    if signed:
        author = next((one for one in signed if one.get("slot") == "author"), signed[0])
        said = [str(author[part]) for part in ("name", "role") if author.get(part)]
        words = ", ".join([f"{words}, signed by {said[0] if said else 'no name'}", *said[1:]])
        words = ", ".join(part for part in (words, moment(author.get("at"), zone=True)) if part)
        words += _FATES.get(str(record.get("fate") or ""), "")
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
        parts = [(str(text), bool(strong)) for text, strong in record.get("statement_parts") or ()]
        if "".join(text for text, _ in parts).strip() != statement.strip():
            parts = [(statement, False)]
        spans = [Span(text, "strong" if strong else "text", 10) for text, strong in parts]
        story.append(Text(spans, leading=14, panel=panel, after=3))
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


def _added(later: Sequence[Mapping[str, Any]]) -> list[Flowable]:
    if not later:
        return []
    rows: list[list[str | Flowable]] = [
        [
            Text(Span(moment(one.get("at")), size=8)),
            Text([Span(str(one.get("what") or ""), "strong", 8), Span(f"\n{one.get('text') or ''}", size=8)]),
            Text(Span(str(one.get("by") or ""), size=8)),
        ]
        for one in later
    ]
    table = grid(("Time (UTC)", "What", "By"), rows, (100, 279, 120))
    return section("Added later", table, remark="what stands above was not changed")


def _limits(about: Mapping[str, Any]) -> list[Flowable]:
    first, words = "This is not a medical device.", stopped(str(about.get("not_for") or ""))
    if not words.startswith(first[:-1]):
        words = f"{first} It is not for {lower_start(words)}" if words else first
    return [Text(Span(words, size=8, ink=INK2), panel=Panel(pad=(12, 7), ground=QUIET, edge=LINE), before=12)]
