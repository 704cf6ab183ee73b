"""Where every case stands: the ledger read once, entry by entry, and caught up with before each answer.

Nothing here is stored. A second process, a restart or a replay reads the same entries and comes to the same board.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cdss.domain.instant import parse_index_time
from cdss.domain.review import CLOSED, Fate, Outcome, Stage
from cdss.errors import IntegrityError, UsageError
from cdss.ledger.kinds import Entry, Kind
from cdss.ledger.reading import LedgerReader


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEstimate:
    """A clinician's own estimate, as asked: how many of 100 will be alive. The first one is never overwritten."""

    seq: int
    at: str
    version: int
    sub: str
    name: str
    role: str
    number: int
    alive: int
    combined: bool
    why_not: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The newest decision of a case; `record` is the blob of what was shown."""

    seq: int
    leaf: str
    at: str
    version: int
    sub: str
    name: str
    role: str
    outcome: Outcome
    reason: str | None
    until: int | None
    to_sign: bool
    to_second: bool
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signature under a decision, as the entry holds it."""

    seq: int
    leaf: str
    at: str
    kind: str
    sub: str
    name: str
    role: str
    sig: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question about one patient; all that the ledger says of it, without who the patient is."""

    id: str
    subject: str
    version: int = 0
    scored_version: int = 0
    index_time: int = 0
    asked: int = 0
    due: int = 0
    expires: int = 0
    model: str = ""
    head: str = ""
    facts: str = ""
    bundle: str = ""
    bundle_name: str = ""
    assessment: str = ""
    scored: int = 0
    scored_at: str = ""
    has_number: bool = False
    previous: str | None = None
    probability: str | None = None
    estimates: tuple[OwnEstimate, ...] = ()
    seen: Mapping[str, int] | None = None
    decided: Decided | None = None
    signatures: tuple[Signed, ...] = ()
    expired: bool = False

    def estimate_of(self, sub: str) -> OwnEstimate | None:
        """The first estimate of a person about what was last scored."""
        return next((one for one in self.estimates if one.sub == sub and one.version == self.scored_version), None)

    def hides_score_from(self, sub: str, *, estimate_first: bool) -> bool:
        """Whether a person still owes their own estimate, so that no score of this case may be shown to them."""
        return self.has_number and estimate_first and self.estimate_of(sub) is None

    def is_signed(self, kind: Kind) -> bool:
        """Whether the newest decision carries a signature of a kind."""
        return any(one.kind == kind for one in self.signatures)

    def is_due_again(self, now: int) -> bool:
        """Whether a deferral has come to its end, so that the case is open again."""
        decided = self.decided
        return bool(
            decided and decided.outcome is Outcome.DEFERRED and decided.until is not None and decided.until <= now
        )

    def stage(self, sub: str, now: int, *, estimate_first: bool) -> Stage:
        """Where a person stands in this case at an instant (microseconds)."""
        if self.expired:
            return Stage.EXPIRED
        decided = self.decided if not (self.is_signed(Kind.SIGNOFF_REJECTED) or self.is_due_again(now)) else None
        owes = self.hides_score_from(sub, estimate_first=estimate_first)
        if decided:
            if self.is_signed(Kind.SECOND_SIGNED):
                return Stage.COUNTERSIGNED
            if self.is_signed(Kind.SIGNOFF_SIGNED):
                return Stage.SIGNED
            if not decided.to_sign:
                return Stage.NOTED
            if not owes or decided.sub == sub:
                return Stage.DECIDED
        return Stage.FACTS if owes else Stage.RESULT

    def fate(self, now: int) -> Fate:
        """What became of the newest decision."""
        if self.decided is None:
            return Fate.NONE
        if self.is_signed(Kind.SIGNOFF_REJECTED):
            return Fate.REFUSED
        if self.is_signed(Kind.SECOND_SIGNED):
            return Fate.SIGNED_BY_TWO
        if self.is_signed(Kind.SIGNOFF_SIGNED):
            return Fate.WAITS if self.decided.to_second else Fate.SIGNED
        return Fate.UNSIGNED if self.decided.to_sign else Fate.NOTED

    def is_closed(self, now: int) -> bool:
        """Whether nothing is left to decide."""
        return self.stage("", now, estimate_first=False) in CLOSED

    def waits_for_second(self, now: int) -> bool:
        """Whether it is signed, and policy wants another person too."""
        signed = self.stage("", now, estimate_first=False) is Stage.SIGNED
        return bool(signed and self.decided and self.decided.to_second)


class Board:
    """All cases of a ledger, by id, and which releases it calls live."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._seq = 0
        self.cases: dict[str, Case] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.synthetic = False

    def refresh(self) -> Board:
        """Read what was added since.

        Raises
        ------
        IntegrityError
            At an entry that cannot be read; nothing behind it counts.
        """
        with self._lock:
            for entry in self._reader.entries(self._seq + 1):
                try:
                    self._take(entry)
                except (ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
                    what = "cannot be read. Keep the store as it is, and run cdss ledger verify"
                    raise IntegrityError(f"entry {entry.seq}: {what}.") from error
                self._seq = entry.seq
        return self

    @property
    def size(self) -> int:
        """How many entries were read."""
        return self._seq

    def _take(self, entry: Entry) -> None:
        if entry.kind == Kind.CONFIG_CHANGED:
            self.synthetic = self.synthetic or entry.fields["data"].get("patients") == "made up"
        if entry.kind.startswith("model."):
            self._take_model(entry)
        if entry.case is None:
            return
        body = entry.fields
        case = self.cases.get(entry.case) or Case(id=entry.case, subject=str(body.get("subject", "")))
        step = _STEPS.get(Kind(entry.kind))
        if step is not None:
            self.cases[entry.case] = step(case, entry, body)

    def _take_model(self, entry: Entry) -> None:
        body = entry.fields
        data = body["data"]
        state = entry.kind.partition(".")[2]
        known = self.models.get(data["release"], {})
        manifest = next((ref["sha256"] for ref in body["refs"] if ref["role"] == "manifest"), known.get("manifest"))
        self.models[data["release"]] = known | {
            "release": data["release"], "digest": data["digest"], "state": state, "manifest": manifest,
            "since": entry.at, "seq": entry.seq, "by": body["actor"]["name"],
        }  # fmt: skip


# What shows a score: after it, an estimate of this person is no longer given unseen.
_TELLING = frozenset({"score", "record"})


def _ref(body: Mapping[str, Any], role: str) -> str:
    return next((str(ref["sha256"]) for ref in body["refs"] if ref["role"] == role), "")


def _received(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    data = body["data"]
    return replace(
        case,
        version=case.version + 1,
        scored_version=0,
        index_time=parse_index_time(data["index_time"]),
        asked=parse_index_time(entry.at),
        due=parse_index_time(data["due"]),
        expires=parse_index_time(data["expires"]),
        head=_ref(body, "head"),
        facts=_ref(body, "facts"),
        bundle=_ref(body, "input"),
        bundle_name=data["name"],
        decided=None,
        signatures=(),
        expired=False,
    )


def _scored(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    data = body["data"]
    return replace(
        case,
        version=case.version + 1,
        scored_version=case.version + 1,
        model=data["model"],
        assessment=_ref(body, "assessment"),
        scored=entry.seq,
        scored_at=entry.at,
        has_number=entry.kind == Kind.SCORE_MADE,
        previous=case.probability,
        probability=data.get("probability"),
        decided=None,
        signatures=(),
    )


def _estimated(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    data, actor = body["data"], body["actor"]
    mine = sum(one.sub == actor["sub"] for one in case.estimates)
    new = OwnEstimate(
        seq=entry.seq,
        at=entry.at,
        version=int(data["version"]),
        sub=actor["sub"],
        name=actor["name"],
        role=actor["role"],
        number=mine + 1,
        alive=int(data["alive"]),
        combined=data["combined"] == "yes",
        why_not=data.get("why"),
    )
    return replace(case, estimates=(*case.estimates, new))


def _viewed(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    if body["data"].get("shown") not in _TELLING or not case.has_number:
        return case
    return replace(case, seen={body["actor"]["sub"]: entry.seq, **(case.seen or {})})


def _decided(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    data, actor = body["data"], body["actor"]
    until = data.get("until")
    new = Decided(
        seq=entry.seq,
        leaf=entry.leaf,
        at=entry.at,
        version=case.version + 1,
        sub=actor["sub"],
        name=actor["name"],
        role=actor["role"],
        outcome=Outcome(data["outcome"]),
        reason=data.get("reason"),
        until=None if until is None else parse_index_time(until),
        to_sign=data["sign"] == "yes",
        to_second=data["second"] == "yes",
        record=_ref(body, "record"),
    )
    return replace(case, version=new.version, decided=new, signatures=())


def _signed(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    if "sig" not in body or case.decided is None or body["sig"]["decision"] != case.decided.leaf:
        return case
    actor = body["actor"]
    new = Signed(
        seq=entry.seq,
        leaf=entry.leaf,
        at=entry.at,
        kind=entry.kind,
        sub=actor["sub"],
        name=actor["name"],
        role=actor["role"],
        sig=body["sig"],
    )
    return replace(case, signatures=(*case.signatures, new))


def _expired(case: Case, entry: Entry, body: Mapping[str, Any]) -> Case:
    return replace(case, expired=True)


_STEPS = {
    Kind.INPUT_RECEIVED: _received,
    Kind.SCORE_MADE: _scored,
    Kind.SCORE_ABSTAINED: _scored,
    Kind.ESTIMATE_COMMITTED: _estimated,
    Kind.CASE_VIEWED: _viewed,
    Kind.DECISION_ACCEPTED: _decided,
    Kind.DECISION_OVERRIDDEN: _decided,
    Kind.DECISION_DEFERRED: _decided,
    Kind.DECISION_NOT_APPLICABLE: _decided,
    Kind.SIGNOFF_SIGNED: _signed,
    Kind.SECOND_SIGNED: _signed,
    Kind.SIGNOFF_REJECTED: _signed,
    Kind.RECOMMENDATION_EXPIRED: _expired,
}
