"""Who signed, what happened when, and how it can be shown later that nothing was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.platypus import Flowable

from cdss.paper.parts import grid, listed, section
from cdss.paper.text import INK2, INK3, Span, Text
from cdss.paper.words import capital, fours, moment, threes

NOT_SIGNED = "Recorded, not signed"
_HALF = 32


def signatures(signed: Sequence[Mapping[str, Any]]) -> list[Flowable]:
    """Each signature with its meaning, its key and its value."""
    if not signed:
        return section("Signatures", Text(Span(f"{NOT_SIGNED}.", "strong", 8.5)))
    rows: list[list[str | Flowable]] = []
    for one in signed:
        who = [Span(str(one.get("name") or "No name on record"), "strong", 8.5)]
        if one.get("role"):
            who.append(Span(f", {one['role']}", size=8))
        rows.append([
            Text(who),
            Text(Span(capital(str(one.get("meaning") or "")), size=8)),
            Text(Span(moment(one.get("at")), size=8)),
            Text(Span(str(one.get("slot") or ""), size=8)),
        ])  # fmt: skip
        proof = [Span("Key ", size=7, ink=INK3), Span(str(one.get("key") or "none"), "mono", 6.4, INK2)]
        proof += [Span("\nSignature ", size=7, ink=INK3), Span(str(one.get("value") or "none"), "mono", 6.4, INK2)]
        rows.append([Text(proof, leading=9.6), "", "", ""])
    pairs = range(0, len(rows), 2)
    table = grid(
        ("Signed by", "Meaning", "Time (UTC)", "As"), rows, (190, 130, 115, 64),
        merged=[(at + 1, 0, 3) for at in pairs], open_below=pairs, together=pairs,
    )  # fmt: skip
    return section("Signatures", table)


def case_history(acts: Sequence[Mapping[str, Any]]) -> list[Flowable]:
    """What happened in the case, in order."""
    if not acts:
        return []
    rows: list[list[str | Flowable]] = [
        [
            Text(Span(moment(one.get("at")), size=8)),
            Text(Span(str(one.get("act") or ""), size=8)),
            Text(Span(str(one.get("by") or ""), size=8)),
            Text(Span(threes(one.get("seq") if one.get("seq") is not None else "none"), size=8), align="right"),
        ]
        for one in acts
    ]
    table = grid(("Time (UTC)", "Act", "By", "Entry"), rows, (110, 215, 124, 50), right=(3,))
    return section("History of this case", table)


def ledger_receipt(receipt: Mapping[str, Any] | None) -> list[Flowable]:
    """The place of the record in the ledger, and what is needed to prove it."""
    if not receipt:
        words = f"{NOT_SIGNED}. There is no receipt: nothing about this record has been signed into the ledger."
        return section("Ledger receipt", Text(Span(words, size=8.5)))
    seq, size = receipt.get("seq"), receipt.get("size")
    table = listed(
        [
            ("Record", str(receipt.get("number") or "")),
            ("Entry", f"{threes(seq)} of {threes(size)}" if seq is not None else ""),
            ("Stored", moment(receipt.get("at"), zone=True)),
            ("Signed head", f"Size {threes(size)}" if size is not None else ""),
            ("Entry hash", _digest(receipt.get("leaf"))),
            ("Ledger root", _digest(receipt.get("root"))),
        ],
        wide=[
            ("Checkpoint", _mono(str(receipt.get("checkpoint") or "").rstrip("\n"))),
            ("Inclusion path", _path(receipt.get("path") or ())),
        ],
        label=72,
        columns=2,
        boxed=True,
    )
    words = "Keep this: with it anyone can prove that the record was not changed later. It contains no patient data."
    return section("Ledger receipt", Text(Span(words, size=8), after=4), *table)


def _mono(text: str) -> Flowable | str:
    return Text(Span(text, "mono", 6.5, INK2), leading=9.2) if text else ""


def _digest(digest: object) -> Flowable | str:
    text = str(digest or "")
    return _mono(f"{fours(text[:_HALF])}\n{fours(text[_HALF:])}" if len(text) == 2 * _HALF else fours(text))


def _path(path: Sequence[object]) -> Flowable | str:
    return _mono("\n".join(f"{place:>2}  {fours(str(digest))}" for place, digest in enumerate(path, 1)))
