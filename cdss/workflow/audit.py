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
    found: list[Mapping[str, Any]] = []
    people: set[str] = set()
    size = ports.board.refresh().size
    more = False
    for entry in reversed(list(ports.store.entries())):
        body = entry.fields
        people.add(body["actor"]["name"])
        if not _fits(entry, body, wanted):
            continue
        if len(found) == wanted.limit:
            more = True
            continue
        found.append(_shown(entry, body))
    return AuditPage(entries=found, more=more, size=size, kinds=kind_words(), people=sorted(people))


def _shown(entry: Entry, body: Mapping[str, Any]) -> dict[str, Any]:
    decision = entry.kind.startswith("decision.") and entry.kind != Kind.DECISION_AMENDED
    return {
        "seq": entry.seq,
        "at": entry.at,
        "act": act_words(entry),
        "kind": entry.kind,
        "who": body["actor"]["name"],
        "role": body["actor"]["role"],
        "subject": body.get("subject", ""),
        "case": entry.case,
        "record": f"DR-{entry.at[:4]}-{entry.seq:06}" if decision else "",
        "leaf": entry.leaf,
        "clock": body["clock"],
    }


def _fits(entry: Entry, body: Mapping[str, Any], wanted: Filter) -> bool:
    if wanted.before is not None and entry.seq >= wanted.before:
        return False
    if wanted.since and entry.at < wanted.since:
        return False
    if wanted.kind and entry.kind != wanted.kind:
        return False
    if wanted.person and body["actor"]["name"] != wanted.person:
        return False
    text = wanted.text.strip().casefold().removeprefix("pt-")
    if not text:
        return True
    shown = _shown(entry, body)
    model = str(body["data"].get("model") or body["data"].get("release") or "")
    places = (shown["record"], body.get("subject", ""), entry.case or "", model, str(entry.seq), body["actor"]["name"])
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
