"""A ledger as FHIR: signed decisions as RiskAssessment and Provenance, every entry as AuditEvent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cdss.errors import IntegrityError, UsageError
from cdss.fhir.write import Signed, audit_event, provenance, risk_assessment
from cdss.ledger.kinds import Entry, Kind
from cdss.ledger.reading import LedgerReader

OpenBlob = Callable[[str], tuple[bytes, str]]

RECORD = "record"
"""The role of the blob that holds the frozen decision record."""
TEXT = "text"
"""The role of the blob that holds the words of an amendment."""

_TYPES = ("RiskAssessment", "Provenance", "AuditEvent")
_LEFT_OUT = ("unsigned", "withdrawn", "rejected", "unrecorded", "erased")
_DECIDES = "decision."
_DECISIONS = (
    Kind.DECISION_ACCEPTED, Kind.DECISION_OVERRIDDEN, Kind.DECISION_DEFERRED, Kind.DECISION_NOT_APPLICABLE,
)  # fmt: skip
_SIGNS = (Kind.SIGNOFF_SIGNED, Kind.SECOND_SIGNED)


@dataclass(slots=True)
class _Decision:
    """One decision and what followed; `ended` says how, if it no longer stands."""

    entry: Entry
    signatures: list[Signed] = field(default_factory=list)
    amendments: list[Entry] = field(default_factory=list)
    ended: str | None = None

    @property
    def left_out(self) -> str | None:
        """Why it is not written; None if it is."""
        if self.ended or not self.signatures:
            return self.ended or "unsigned"
        return None if self.record else "unrecorded"

    @property
    def record(self) -> str | None:
        """The SHA-256 of the blob of the decision record."""
        return _blob(self.entry, RECORD)


def _blob(entry: Entry, role: str) -> str | None:
    return next((ref["sha256"] for ref in entry.fields["refs"] if ref["role"] == role), None)


def export_fhir(reader: LedgerReader, open_blob: OpenBlob, out_dir: str | Path) -> dict[str, int]:
    """Write `RiskAssessment.ndjson`, `Provenance.ndjson` and `AuditEvent.ndjson`, all of them or none.

    Every entry is an AuditEvent. A decision is written while it stands, with its amendments: signed, and neither
    withdrawn nor rejected by the second signer.

    Parameters
    ----------
    reader : LedgerReader
        The ledger, up to where it ends when the export begins. Its proofs are not checked: `cdss ledger verify` does.
    open_blob : callable
        From the SHA-256 of a sealed blob to its bytes and media type, such as `LedgerStore.get_blob`.
    out_dir : path
        A directory that is new or empty. Only its owner can read it: it tells who the patients are.

    Returns
    -------
    dict
        Resources by type; `decisions`; and of those the ones left out: `unsigned`, `withdrawn`, `rejected`,
        `unrecorded` (no frozen record goes with them) and `erased`. With the RiskAssessments they add up.

    Raises
    ------
    UsageError
        If the directory is not empty, or cannot be written.
    IntegrityError
        If a record is not whole, not that of its entry, or not what was stored.
    """
    counts = Counter(dict.fromkeys((*_TYPES, "decisions", *_LEFT_OUT), 0))
    with _whole_directory(Path(out_dir)) as scratch, ExitStack() as stack:
        opened = {
            name: stack.enter_context((scratch / f"{name}.ndjson").open("w", encoding="ascii")) for name in _TYPES
        }
        decisions: dict[str, _Decision] = {}
        for entry in reader.entries():
            fields = entry.fields
            _write(audit_event({**fields, "leaf": entry.leaf}), opened, counts)
            _follow(decisions, entry, fields)
        for decision in decisions.values():
            counts["decisions"] += 1
            left_out = decision.left_out or _export(decision, open_blob, opened, counts)
            if left_out:
                counts[left_out] += 1
    return dict(counts)


def _follow(decisions: dict[str, _Decision], entry: Entry, fields: Mapping[str, Any]) -> None:
    """What one entry means for the decisions so far."""
    if entry.kind in _DECISIONS:
        decisions[entry.leaf] = _Decision(entry)
    if entry.kind == Kind.DECISION_AMENDED and (amended := decisions.get(fields["data"].get("decision"))):
        amended.amendments.append(entry)
    sig = fields.get("sig")
    decision = decisions.get(sig["decision"]) if sig else None
    if sig is None or decision is None:
        return
    if entry.kind in _SIGNS:
        decision.signatures.append(_signed(entry, fields["actor"], sig))
    elif entry.kind == Kind.SIGNOFF_WITHDRAWN:
        decision.ended = "withdrawn"
    elif entry.kind == Kind.SIGNOFF_REJECTED:
        decision.ended = decision.ended or "rejected"


def _signed(entry: Entry, actor: Mapping[str, Any], sig: Mapping[str, Any]) -> Signed:
    return Signed(
        seq=entry.seq, leaf=entry.leaf, at=sig["at"], sub=sig["signer"], name=actor["name"], role=actor["role"],
        meaning=sig["meaning"], slot=sig["slot"], decision=sig["decision"], value=sig["value"], key=sig["key"],
    )  # fmt: skip


def _export(
    decision: _Decision, open_blob: OpenBlob, opened: Mapping[str, IO[str]], counts: Counter[str]
) -> str | None:
    """Write what a signed decision becomes; why not, if its record was erased."""
    try:
        data, _ = open_blob(str(decision.record))
        amendments = [_amendment(entry, open_blob) for entry in decision.amendments]
    except UsageError:
        return "erased"
    record = _read_record(data, decision.entry) | {"amendments": amendments}
    signatures = sorted(decision.signatures, key=lambda signed: signed.slot)  # the author before the second signer
    assessment = risk_assessment(record, signatures[0])
    _write(assessment, opened, counts)
    _write(provenance(record, signatures, f"RiskAssessment/{assessment['id']}"), opened, counts)
    return None


def _amendment(entry: Entry, open_blob: OpenBlob) -> dict[str, Any]:
    text, _ = open_blob(str(_blob(entry, TEXT)))
    return {"text": text.decode("utf-8", "replace"), "at": entry.at, "by": entry.fields["actor"]}


def _read_record(data: bytes, entry: Entry) -> dict[str, Any]:
    try:
        record = json.loads(data)
        told = record["case"], f"{_DECIDES}{record['decision']['outcome']}"
    except (ValueError, LookupError, TypeError):
        raise IntegrityError(f"entry {entry.seq}: its record cannot be read. Run cdss ledger verify.") from None
    if told != (entry.case, entry.kind):
        raise IntegrityError(f"entry {entry.seq}: its record is of another decision. Run cdss ledger verify.")
    found: dict[str, Any] = record
    return found


def _write(resource: Mapping[str, Any], opened: Mapping[str, IO[str]], counts: Counter[str]) -> None:
    # ASCII, because some readers take U+2028 for the end of a line.
    kind = resource["resourceType"]
    opened[kind].write(json.dumps(resource, separators=(",", ":"), allow_nan=False) + "\n")
    counts[kind] += 1


@contextmanager
def _whole_directory(out: Path) -> Iterator[Path]:
    """A scratch directory that becomes `out` only if all goes well."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: exists and is not an empty directory. Name a new one.")
    scratch = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        yield scratch
        os.replace(scratch, out)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}). Name another directory.") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
