"""What is remembered: the kinds of entry, who acted, and the draft a caller hands in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What happened."""

    INPUT_RECEIVED = "input.received"
    INPUT_QUARANTINED = "input.quarantined"
    SCORE_MADE = "score.made"
    SCORE_ABSTAINED = "score.abstained"
    EXPLANATION_MADE = "explanation.made"
    CASE_OPENED = "case.opened"
    CASE_VIEWED = "case.viewed"
    ESTIMATE_COMMITTED = "estimate.committed"
    DECISION_ACCEPTED = "decision.accepted"
    DECISION_OVERRIDDEN = "decision.overridden"
    DECISION_DEFERRED = "decision.deferred"
    DECISION_NOT_APPLICABLE = "decision.not-applicable"
    DECISION_AMENDED = "decision.amended"
    SIGNOFF_SIGNED = "signoff.signed"
    SIGNOFF_REJECTED = "signoff.rejected"
    SIGNOFF_WITHDRAWN = "signoff.withdrawn"
    SECOND_SIGNED = "second.signed"
    EXPORT_MADE = "export.made"
    BREAKGLASS_USED = "breakglass.used"
    BREAKGLASS_REVIEWED = "breakglass.reviewed"
    AUTH_OK = "auth.ok"
    AUTH_FAILED = "auth.failed"
    AUTH_LOCKED = "auth.locked"
    MODEL_PROPOSED = "model.proposed"
    MODEL_APPROVED = "model.approved"
    MODEL_SILENT = "model.silent"
    MODEL_LIVE = "model.live"
    MODEL_RETIRED = "model.retired"
    MODEL_ROLLED_BACK = "model.rolled-back"
    USER_ADDED = "user.added"
    USER_CHANGED = "user.changed"
    USER_DISABLED = "user.disabled"
    RETRAIN_RUN = "retrain.run"
    CONFIG_CHANGED = "config.changed"
    WRITEBACK_SENT = "writeback.sent"
    WRITEBACK_ACKED = "writeback.acked"
    WRITEBACK_FAILED = "writeback.failed"
    KEY_ROTATED = "key.rotated"
    SUBJECT_ERASED = "subject.erased"
    RECOMMENDATION_EXPIRED = "recommendation.expired"
    INCIDENT_REPORTED = "incident.reported"
    CONSENT_OBJECTED = "consent.objected"
    CLOCK_REGRESSED = "clock.regressed"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    VERIFY_RUN = "verify.run"


# The place a signature takes on one version of a decision. A withdrawal takes none.
SLOTS = {Kind.SIGNOFF_SIGNED: "author", Kind.SECOND_SIGNED: "second", Kind.SIGNOFF_REJECTED: "second"}
# These carry a signature. A rejection without one is the store's own: what the loser of a race leaves behind.
SIGNED = frozenset({*SLOTS, Kind.SIGNOFF_WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Tick:
    """One reading of the clock: UTC wall time, and monotonic seconds to see a jump by."""

    at: datetime
    monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acted, as the session knew them; `session` is a digest, never the session's secret."""

    sub: str
    name: str
    role: str
    client: str | None = None
    session: str | None = None
    auth_time: str | None = None
    amr: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The actor of a body; what is not known is left out."""
        given = {name: getattr(self, name) for name in ("client", "session", "auth_time")}
        known = {name: value for name, value in given.items() if value is not None}
        methods = {"amr": list(self.amr)} if self.amr else {}
        return {"sub": self.sub, "name": self.name, "role": self.role, **known, **methods}


@dataclass(frozen=True, slots=True)
class Ref:
    """A stored blob by the part it plays, such as `input` or `model`, and the SHA-256 of its ciphertext in hex."""

    role: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Bytes to seal and refer to in the same transaction; `send` also puts them in the outbox."""

    role: str
    data: bytes
    media_type: str
    send: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """What a signer puts their name to: a decision by its leaf (hex) and version, and what the signature means."""

    decision: str
    version: int
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a caller gives; the store adds sequence, time and proof.

    Parameters
    ----------
    kind : Kind
    actor : Actor
    case : str, optional
        Opaque id of the case.
    subject : str, optional
        Keyed pseudonym (`Keys.pseudonym`), never a name or record number.
    refs : tuple of Ref
        Blobs that are already stored.
    data : mapping
        Canonical JSON without floats and without anything that tells who the patient is.
    sig : SignOff, optional
        For sign-offs; needs a case.
    idem : str, optional
        The caller's name for this act: the same name again gives the first result. Left out, the entry's id.
    expects : int, optional
        The version of the case that the actor was shown; if another one is on record, nothing is recorded.
    """

    kind: Kind
    actor: Actor
    case: str | None = None
    subject: str | None = None
    refs: tuple[Ref, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    sig: SignOff | None = None
    idem: str | None = None
    expects: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One remembered act; `body` is the exact bytes that were hashed, `leaf` their hash in hex."""

    seq: int
    id: str
    idem: str
    kind: str
    case: str | None
    at: str
    body: bytes
    leaf: str

    @property
    def fields(self) -> dict[str, Any]:
        """The body, read."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the log ends: its size, the root of its tree in hex, the last leaf in hex and its time."""

    log: str
    size: int
    root: str
    leaf: str | None
    at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed head."""

    size: int
    root: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That an entry is in the log a checkpoint signs: `path` holds the sibling hashes in hex, from the leaf up."""

    entry: Entry
    checkpoint: Checkpoint
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseState:
    """Where a case stands: `version` counts what a signer could have seen, `decision` is the leaf to sign (hex)."""

    case: str
    version: int
    status: str
    decision: str | None
