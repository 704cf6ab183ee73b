"""The audit: who did what, in the order it happened, and whether the ledger is whole."""

from __future__ import annotations

import hashlib
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from cdss.access import Act, Person, require
from cdss.ledger.engine import store_file
from cdss.ledger.export import export
from cdss.ledger.kinds import Draft, Entry, Kind
from cdss.ledger.verify import Report, verify
from cdss.workflow.ports import Ports, actor

_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to look for; an empty part is no condition. `text` is part of a record number, pseudonym or release."""

    since: str = ""
    kind: str = ""
    person: str = ""
    text: str = ""
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Entries found, newest first; `more` if there are older ones."""

    entries: Sequence[Mapping[str, Any]]
    more: bool
    size: int
    kinds: Mapping[str, str]
    people: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the verifier said, and how long it took in seconds."""

    report: Report
    seconds: float
    first: str
    last: str
    clock: Sequence[int]


@cache
def kind_words() -> Mapping[str, str]:
    """Each kind of entry in words."""
    found: dict[str, str] = tomllib.loads(files(__package__).joinpath("acts.toml").read_text("utf-8"))["act"]
    return found


def act_words(entry: Entry) -> str:
    """What an entry says was done, in words."""
    data = entry.fields["data"]
    if entry.kind == Kind.CASE_VIEWED and data.get("shown") == "score":
        return "Estimate shown"
    if entry.kind == Kind.CASE_VIEWED and data.get("shown") == "audit":
        return "Audit searched"
    if entry.kind == Kind.CASE_VIEWED and data.get("shown") == "record":
        return "Record read"
    if entry.kind == Kind.AUTH_FAILED and data.get("cause") == "same person":
        return "Second signature refused: same person"
    if entry.kind == Kind.AUTH_OK and data.get("what") == "prove":
        return "Identity proved for a signature"
    if entry.kind == Kind.SIGNOFF_REJECTED and "sig" not in entry.fields:
        return "Signature refused: already signed"
    return kind_words()[entry.kind]


def search(ports: Ports, by: Person, wanted: Filter) -> AuditPage:
    """Entries of the ledger, newest first; the look itself is recorded before it is answered."""
    person = require(by, Act.READ_AUDIT)
    asked = {name: value for name in ("since", "kind", "person") if (value := getattr(wanted, name))}
    data = {"shown": "audit", "filter": asked | ({"text": "given"} if wanted.text else {})}
    looked = hashlib.sha256(repr((wanted, ports.now() // _HOUR)).encode()).hexdigest()
    name = f"audit:{person.session or person.sub}:{looked}"
    if ports.store.find(name) is None:  # a page draws itself often; one look in an hour is one entry
        ports.store.append(Draft(kind=Kind.CASE_VIEWED, actor=actor(person), data=data, idem=name))
    entries = list(ports.store.entries())
    numbers = {one.leaf: record_number(one.at, one.seq) for one in entries if _is_decision(one)}
    whose = _patients(ports, wanted.text)
    found: list[Mapping[str, Any]] = []
    people: set[str] = set()
    more = False
    for entry in reversed(entries):
        body = entry.fields
        people.add(body["actor"]["name"])
        shown = _shown(entry, body, numbers)
        if not _fits(shown, body, wanted, whose):
            continue
        if len(found) == wanted.limit:
            more = True
            continue
        found.append(shown)
    size = ports.board.refresh().size
    return AuditPage(entries=found, more=more, size=size, kinds=kind_words(), people=sorted(people))


def record_number(at: str, seq: int) -> str:
    """The number of a decision record: the year and the entry of the decision."""
    return f"DR-{at[:4]}-{seq:06}"


def _is_decision(entry: Entry) -> bool:
    return entry.kind.startswith("decision.") and entry.kind != Kind.DECISION_AMENDED


def _patients(ports: Ports, text: str) -> frozenset[str]:
    """The pseudonyms of patients whose hospital number or name is searched for; an auditor sees no list of them."""
    wanted = " ".join(text.casefold().split())
    if not wanted:
        return frozenset()
    found = {ports.keys.pseudonym(text.strip())}
    for case in ports.board.refresh().cases.values():
        head = ports.blob_json(case.head) if case.head else None
        if head and wanted in (
            head["identifier"]["value"].casefold(),
            head["family"].casefold(),
            f"{head['given']} {head['family']}".casefold(),
            f"{head['family']}, {head['given']}".casefold(),
        ):
            found.add(case.subject)
    return frozenset(found)


def _shown(entry: Entry, body: Mapping[str, Any], numbers: Mapping[str, str]) -> dict[str, Any]:
    decision = body.get("sig", {}).get("decision") or body["data"].get("decision", "")
    return {
        "seq": entry.seq,
        "at": entry.at,
        "act": act_words(entry),
        "kind": entry.kind,
        "who": body["actor"]["name"],
        "role": body["actor"]["role"],
        "subject": body.get("subject", ""),
        "case": entry.case,
        "record": numbers.get(entry.leaf) or numbers.get(decision, ""),
        "leaf": entry.leaf,
        "clock": body["clock"],
    }


def _fits(shown: Mapping[str, Any], body: Mapping[str, Any], wanted: Filter, whose: frozenset[str]) -> bool:
    if wanted.before is not None and shown["seq"] >= wanted.before:
        return False
    if wanted.since and shown["at"] < wanted.since:
        return False
    if wanted.kind and shown["kind"] != wanted.kind:
        return False
    if wanted.person and shown["who"] != wanted.person:
        return False
    text = wanted.text.strip().casefold().removeprefix("pt-")
    if not text or shown["subject"] in whose:
        return True
    model = str(body["data"].get("model") or body["data"].get("release") or "")
    places = (shown["record"], shown["subject"], shown["case"] or "", model, str(shown["seq"]), shown["who"])
    return any(text in place.casefold() for place in places)


def verify_now(ports: Ports, by: Person | None) -> Verdict:
    """Run the separate verifier; that a person ran it, and what it said, is an entry."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        path = store_file(ports.store_url)
        if path is None:
            path = Path(scratch) / "ledger.ndjson"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(export(ports.store, contents=True))
        report = verify(path, key=ports.keys.log.public, kek=ports.keys.kek)
    seconds = time.perf_counter() - started
    if report.findings:
        ports.store.freeze(f"the ledger is broken at entry {report.first_bad or 'unknown'}")
    elif by is not None:
        data = {"size": str(report.size), "verdict": "unbroken"}
        ports.store.append(Draft(kind=Kind.VERIFY_RUN, actor=actor(by), data=data))
    first = last = ""
    turned = []
    for entry in ports.store.entries() if not report.findings else ():
        first = first or entry.at
        last = entry.at
        if b'"clock":"ok"' not in entry.body:
            turned.append(entry.seq)
    return Verdict(report=report, seconds=seconds, first=first, last=last, clock=turned)


def export_ledger(ports: Ports, person: Person) -> Iterator[str]:
    """The lines of the ledger, after the entry that says so."""
    ports.store.append(Draft(kind=Kind.EXPORT_MADE, actor=actor(person), data={"form": "ledger"}))
    ports.store.checkpoint()
    return export(ports.store)
