"""The separate reader of a ledger: `python -m cdss.ledger.verify STORE|EXPORT`.

It shares no code with the writer and needs the standard library and `cryptography` alone, so this file can be copied
to another machine. It reads an SQLite store or an exported stream once, front to back, and ends with 0 if all of it
holds, else with 4, naming the first bad sequence number. The steps are those of docs/reference/ledger.md.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sqlite3
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Record = dict[str, Any]
FORMAT = 1
_LEAF, _NODE = b"\x00", b"\x01"
_MOST = 1000  # findings kept
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_NOTE = re.compile("([^\n]+)\n([1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n\n((?:— [^\n]+\n)+)")
_COLUMNS = *((name, name) for name in ("log", "id", "seq", "idem", "kind", "at")), ("case_id", "case")
_SLOTS = {"signoff.signed": "author", "second.signed": "second", "signoff.rejected": "second"}
_SIGNED = {"signoff.signed": "signed", "second.signed": "countersigned", "signoff.rejected": "rejected"}
_MUST_SIGN = ("signoff.signed", "second.signed", "signoff.withdrawn")
_NEWER = {"input.received": "received", "score.made": "scored", "score.abstained": "abstained"}
_DECIDED = dict.fromkeys(("decision.accepted", "decision.overridden", "decision.not-applicable"), "decided")
_DECIDED["decision.deferred"] = "deferred"
# One checkpoint after the other; what is not one is kept, to be found bad.
_ANCHOR = re.compile("[^\n]*\n[^\n]*\n[^\n]*\n\n(?:— [^\n]*\n)*|.+")
_SMALL = ("log_key", "ledger_anchor", "subject_key", "case_state", "signature_slot")
_IN_HEX, _IN_BASE64 = {"leaf", "hash", "root"}, {"ciphertext", "wrapped_key"}


class Unreadable(Exception):  # noqa: N818  # what was given cannot be read as a ledger, or stops before its end
    """The input is no ledger, or not all of one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not hold: between which sequence numbers (0: in no entry), by which step, and in words."""

    first: int
    last: int
    step: int
    what: str


@dataclass(slots=True)
class Report:
    """What was verified, what was found (`first_bad` is None if no entry is to blame), and what was not checked."""

    log: str = ""
    size: int = 0
    root: str = ""
    checkpoints: int = 0
    anchors: int = 0
    blobs: int = 0
    unsigned_tail: int = 0
    first_bad: int | None = None
    partial: bool = False
    readable: bool = True
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Key(NamedTuple):
    """A public key of the log; it signs the sizes over `start`, up to `end`."""

    key_id: str
    public: str
    start: int
    end: int | None
    verifier: Ed25519PublicKey


def _whole(text: str) -> int:
    if abs(number := int(text)) >= 2**53:
        raise ValueError
    return number


_decode = json.JSONDecoder(parse_float=_whole, parse_int=_whole, parse_constant=_whole).decode
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _hash(*parts: bytes | bytearray) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


class _Tree:
    """Every complete subtree, rebuilt: one byte string of hashes for each level."""

    def __init__(self) -> None:
        self.levels: list[bytearray] = [bytearray()]

    def append(self, leaf: bytes) -> None:
        index, level, current = len(self.levels[0]) // 32, 0, leaf
        self.levels[0] += leaf
        while index & 1:
            current = _hash(_NODE, self.levels[level][(index - 1) * 32 : index * 32], current)
            level, index = level + 1, index >> 1
            if level == len(self.levels):
                self.levels.append(bytearray())
            self.levels[level] += current

    def root(self) -> bytes:
        current = b""
        for level in self.levels:
            if len(level) // 32 & 1:
                current = _hash(_NODE, level[-32:], current) if current else bytes(level[-32:])
        return current or _hash()


def root_of_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162, 2.1.3); nothing if it is too long or too short."""
    if size <= 1 or not path:
        return b"" if size > 1 or path else leaf
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return _hash(_NODE, root_of_path(leaf, index, left, path[:-1]), path[-1])
    return _hash(_NODE, path[-1], root_of_path(leaf, index - left, size - left, path[:-1]))


def _plain64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:  # one spelling only
        raise ValueError("is not canonical base64")
    return data


class _Verifier:
    """Takes the records of a ledger in stream order and gathers what does not hold."""

    def __init__(self, trusted: str | None, kek: bytes | None) -> None:
        self.report, self.tree = Report(), _Tree()
        self._trusted, self._kek = trusted, AESGCM(kek) if kek else None
        self._keys: list[_Key] = []
        self._handed_over: set[int] = set()
        self._roots: dict[int, list[tuple[bytes, str, int]]] = {}  # size -> (root, where, step)
        self._sound_to = self._seq = 0
        self._newest = 0, b""  # size and root of the newest checkpoint
        self._prev: bytes | None = b"\x00" * 32  # None: the entry before is bad, and its links say nothing more
        self._prev_at = ""
        self._names: dict[str, array[int]] = {"id": array("Q"), "idem": array("Q")}
        self._contents: bool | None = None
        self._subject_keys: dict[str, Record] = {}
        self._blobs: set[bytes] = set()
        self._bad_blobs: dict[str, str] = {}
        self._missing: list[tuple[int, str, str | None]] = []
        self._rotations: dict[int, str] = {}
        self._erasures: dict[int, tuple[str | None, str]] = {}
        self._cases: dict[str, tuple[int, str, str | None, int]] = {}
        self._slots: dict[tuple[str, int, str], tuple[int, str]] = {}
        self._nodes: dict[int, int] = {}
        self._unread: set[int] = set()  # entries without which a replay goes astray

    def take(self, table: str, row: Record) -> None:
        try:
            getattr(self, f"_take_{table}")(row)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"a malformed record of {table[:40]} ({type(error).__name__})"
            self._bad(row.get("seq") or row.get("size") or 0, 1, what)

    def _bad(self, seq: int, step: int, what: str, *, last: int = 0) -> None:
        first = seq if isinstance(seq, int) and seq > 0 else 0
        if len(self.report.findings) < _MOST:
            self.report.findings.append(Finding(first, max(first, last), step, what))

    def _take_log(self, row: Record) -> None:
        if row["format"] != FORMAT:
            raise Unreadable("an export in a newer format: use a newer verifier")
        self.report.partial, self._contents = bool(row["partial"]), bool(row["contents"])

    def _take_log_key(self, row: Record) -> None:
        origin, hashed, coded = row["public"].split("+", 2)
        data, start = _plain64(coded), row["from_size"]
        if data[:1] != b"\x01" or not row["key_id"] == hashed == _hash(origin.encode(), b"\n", data)[:4].hex():
            raise ValueError
        key = _Key(hashed, row["public"], start, row["to_size"], Ed25519PublicKey.from_public_bytes(data[1:]))
        if key.start != (self._keys[-1].end if self._keys else 0):
            self._bad(key.start, 2, f"key {key.key_id} does not begin where the key before it ends")
        self._keys.append(key)
        self.report.log = origin

    def _key_at(self, size: int) -> _Key | None:
        return next((key for key in self._keys if key.start < size and (key.end is None or size <= key.end)), None)

    def _read_note(self, note: str) -> tuple[int, bytes]:
        """Size and root of a note that every key of its size has signed: two keys where one hands over to the next."""
        found = _NOTE.fullmatch(note)
        if not found:
            raise ValueError("is not a checkpoint")
        origin, size = found[1], int(found[2])
        signers = [key for key in (self._key_at(size), self._key_at(size + 1)) if key and key.start <= size]
        if origin != self.report.log or not signers:
            raise ValueError("is of another log")
        signed = [_plain64(line.split(" ")[-1]) for line in found[4].splitlines() if line.startswith(f"— {origin} ")]
        for key in signers if size == signers[0].end else signers[:1]:
            signature = next((data[4:] for data in signed if data[:4].hex() == key.key_id), b"")
            key.verifier.verify(signature, note[: found.end(3) + 1].encode())
        if size == signers[0].end:
            self._handed_over.add(size)
        return size, _plain64(found[3])

    def _note(self, note: str, size: int | None, where: str, step: int) -> tuple[int, bytes] | None:
        try:
            found = self._read_note(note)
        except (ValueError, InvalidSignature) as error:
            reason = str(error) if str(error).startswith("is ") else "carries a signature that does not hold"
            self._bad(size or 0, step, f"{where} {reason}")
            return None
        if size not in (None, found[0]):
            self._bad(size or 0, step, f"{where} is stored under another size than it signs")
        self._roots.setdefault(found[0], []).append((found[1], where, step))
        return found

    def _take_ledger_checkpoint(self, row: Record) -> None:
        size = row["size"]
        self.report.checkpoints += 1
        found = self._note(row["note"], size, f"checkpoint {size}", 2)
        self._newest = found or self._newest
        if found and found[1] != row["root"]:
            self._bad(size, 2, f"checkpoint {size} has another root in its note than in its row")

    def _take_ledger_anchor(self, row: Record) -> None:
        self.report.anchors += 1
        self._note(row["receipt"], row.get("size"), f"the receipt of {row['sink']}", 4)

    def _compare_root(self, size: int) -> None:
        for root, where, step in self._roots.pop(size, ()):
            if root == self.tree.root():
                self._sound_to = size
            elif self._sound_to >= 0:
                self._bad(self._sound_to + 1, step, f"the log does not have the root of {where}", last=size)
                self._sound_to = -1  # no later root can hold

    def _take_subject_key(self, row: Record) -> None:
        self._subject_keys[row["id"]], wrapped = row, row["wrapped_key"]
        if self._kek and wrapped:
            try:
                row["key"] = AESGCM(self._kek.decrypt(wrapped[:12], wrapped[12:], row["id"].encode()))
            except InvalidTag:
                self._bad(0, 7, "a data key cannot be opened with the key-encryption key")

    def _take_blob(self, row: Record) -> None:
        self.report.blobs += 1
        name, owner = row["sha256"], self._subject_keys.get(row["subject_key_id"])
        problem = self._blob_problem(row, owner) if self._contents else None
        if owner is None or owner["wrapped_key"] is None:
            problem = "is sealed under a key that is not there"
        if problem:
            self._bad_blobs[name] = problem
        self._blobs.add(bytes.fromhex(name))

    def _blob_problem(self, row: Record, owner: Record | None) -> str | None:
        sealed = row["ciphertext"]
        head = b"cdss blob v1\n" + _encode({"key": row["subject_key_id"], "type": row["media_type"]}).encode() + b"\n"
        start = len(head) + 12
        if _hash(sealed).hex() != row["sha256"] or not sealed.startswith(head):
            return "has other bytes, another key or another media type than its name stands for"
        try:
            if owner and "key" in owner:
                owner["key"].decrypt(sealed[len(head) : start], sealed[start:], head)
        except (InvalidTag, ValueError):
            return "cannot be opened with its data key"
        return None

    def _take_ledger_entry(self, row: Record) -> None:
        seq, leaf = row["seq"], _hash(_LEAF, row["body"])
        if seq <= self._seq:
            self._bad(seq, 1, f"entry {seq} comes again or out of order")
            return
        if self.report.partial:
            self._seq, self.report.size = seq, self.report.size + 1
            self._entry_alone(row, leaf)
            return
        if seq != self._seq + 1:
            self._bad(self._seq + 1, 1, f"entry {self._seq + 1} is missing; the next one is {seq}")
            self._prev = None
            self._unread.update(range(self._seq + 1, min(seq, self._seq + _MOST)))
        before, self._prev, self._seq = self._prev, None, seq
        self.tree.append(leaf)
        self._compare_root(seq)
        fields = self._entry_itself(row, leaf)
        if fields is None:
            self._unread.add(seq)
            return
        if before is not None and fields["prev"] != before.hex():
            self._bad(max(seq - 1, 1), 1, f"entry {seq} is linked to another entry before it")
        self._prev = leaf
        self._replay(seq, leaf.hex(), fields)

    def _entry_itself(self, row: Record, leaf: bytes) -> Record | None:
        """What an entry must hold alone; its fields if it is the one that was hashed."""
        seq, row = row["seq"], {**row, "log": self.report.log}
        if row["leaf"] != leaf:
            self._bad(seq, 1, f"entry {seq} does not hash to its leaf")
        try:
            fields: Record = _decode(row["body"].decode())
            if _encode(fields).encode() != row["body"] or not _AT.fullmatch(fields["at"]):
                raise ValueError
        except (ValueError, TypeError, LookupError, RecursionError):
            self._bad(seq, 1, f"entry {seq} is not the canonical JSON of an entry")
            return None
        if fields["v"] != FORMAT:
            raise Unreadable(f"entry {seq} is in a newer format: use a newer verifier")
        for column, name in _COLUMNS:
            if row[column] != fields.get(name):
                self._bad(seq, 1, f"entry {seq}: the column {column} differs from the body")
        return fields if row["leaf"] == leaf and fields["seq"] == seq else None

    def _entry_alone(self, row: Record, leaf: bytes) -> None:
        """An entry of a partial export: proven by its path to the newest checkpoint."""
        seq, fields = row["seq"], self._entry_itself(row, leaf)
        size, root = self._newest
        if seq > size or root_of_path(leaf, seq - 1, size, [bytes.fromhex(step) for step in row["proof"]]) != root:
            self._bad(seq, 2, f"entry {seq} is not proven to be in the log")
        if fields and "sig" in fields:
            self._check_signature(seq, fields)

    def _replay(self, seq: int, leaf: str, fields: Record) -> None:
        kind, subject, at = fields["kind"], fields.get("subject"), fields["at"]
        if (at < self._prev_at) != (fields["clock"] == "regressed"):
            self._bad(seq, 1, f"entry {seq} says of the clock what its time does not bear out")
        self._prev_at = at
        for name, seen in self._names.items():
            seen.append(int.from_bytes(hashlib.blake2b(fields[name].encode(), digest_size=8).digest(), "big"))
        for ref in fields["refs"]:
            name = ref["sha256"]
            if name in self._bad_blobs:
                self._bad(seq, 7, f"entry {seq}: its blob {name[:16]} {self._bad_blobs.pop(name)}")
            if bytes.fromhex(name) not in self._blobs:
                self._missing.append((seq, name, subject))
        if kind == "key.rotated":
            self._rotations[seq] = fields["data"]["key"]
        if kind == "subject.erased":
            self._erasures[seq] = subject, at
        if "sig" in fields:
            self._check_signature(seq, fields)
        elif kind in _MUST_SIGN:
            self._bad(seq, 5, f"entry {seq} is a sign-off without a signature")
        if "case" in fields:
            self._replay_case(seq, leaf, fields)

    def _replay_case(self, seq: int, leaf: str, fields: Record) -> None:
        kind, case = fields["kind"], fields["case"]
        version, status, decision, _ = self._cases.get(case, (0, "", None, 0))
        if kind in _NEWER:
            self._cases[case] = version + 1, _NEWER[kind], None, seq
        elif kind in _DECIDED:
            self._cases[case] = version + 1, _DECIDED[kind], leaf, seq
        elif kind == "case.opened" and not status:
            self._cases[case] = 0, "open", None, seq
        elif kind == "recommendation.expired" and status:
            self._cases[case] = version, "expired", decision, seq
        elif "sig" in fields and self._settles(seq, fields, version, decision):
            self._cases[case] = version, _SIGNED.get(kind, "withdrawn"), decision, seq

    def _settles(self, seq: int, fields: Record, version: int, decision: str | None) -> bool:
        """Whether a signature changes where its case stands."""
        kind, case, sig = fields["kind"], fields["case"], fields["sig"]
        if kind == "signoff.withdrawn":
            held = [self._slots.get((case, sig["version"], slot), (0, ""))[1] for slot in ("author", "second")]
            if sig["decision"] not in held:
                self._bad(seq, 5, f"entry {seq} withdraws a signature that nobody gave")
            return bool(sig["version"] == version)
        holder, _ = self._slots.setdefault((case, version, _SLOTS[kind]), (seq, sig["decision"]))
        if (sig["version"], sig["decision"]) != (version, decision):
            self._bad(seq, 5, f"entry {seq} signs another decision than the one on record")
        elif holder != seq:
            self._bad(seq, 6, f"entry {seq} takes the signature slot that entry {holder} holds")
        return holder == seq

    def _check_signature(self, seq: int, fields: Record) -> None:
        sig, key = dict(fields["sig"]), self._key_at(seq)
        value, key_id = sig.pop("value", ""), sig.pop("key", "")
        must = {"case": fields.get("case"), "signer": fields["actor"]["sub"], "at": fields["at"]}
        if fields["kind"] in _SLOTS:
            must["slot"] = _SLOTS[fields["kind"]]
        try:
            told = {**sig, **must} == sig and sig.keys() - must.keys() == {"decision", "version", "meaning"}
            if not told or key is None or key.key_id != key_id or fields["kind"] not in {*_SLOTS, *_MUST_SIGN}:
                raise ValueError
            key.verifier.verify(_plain64(value), b"cdss sign-off v1\n" + _encode(sig).encode())
        except (ValueError, TypeError, InvalidSignature):
            self._bad(seq, 5, f"entry {seq}: its signature is not of this case, decision, meaning, signer and time")

    def _take_ledger_node(self, row: Record) -> None:
        level, index = row["level"], row["idx"]
        stored = self.tree.levels[level] if 0 < level < len(self.tree.levels) else b""
        self._node_gap(level, index)
        self._nodes[level] = index + 1
        if row["hash"] != stored[index * 32 : index * 32 + 32]:
            what = f"the stored node {(level, index)} is not that of the log"
            self._bad((index << level) + 1, 3, what, last=(index + 1) << level)

    def _node_gap(self, level: int, index: int) -> None:
        wanted = self._nodes.get(level, 0)
        if wanted != index:
            what = f"the stored tree lacks or repeats nodes from {(level, wanted)} on"
            self._bad((wanted << level) + 1, 3, what, last=(wanted + 1) << level)

    def _take_case_state(self, row: Record) -> None:
        *state, seq = self._cases.pop(row["case_id"], (0, "", None, 0))
        if [row["version"], row["status"], row["decision_leaf"]] != state:
            self._bad(seq, 6, "a case stands elsewhere than its entries say")

    def _take_signature_slot(self, row: Record) -> None:
        seq, _ = self._slots.pop((row["case_id"], row["decision_version"], row["slot"]), (0, ""))
        if seq != row["seq"]:
            self._bad(seq, 6, "a signature slot is not held as recorded")

    def finish(self) -> Report:
        """What only shows at the end."""
        report = self.report
        if not self._keys or self._contents is None:
            raise Unreadable("there is no key of a log: not a ledger, or its beginning is missing")
        if self._trusted is None:
            report.notes.append("No --key was given: whoever replaced the key in the store as well is not seen.")
        elif self._trusted not in [key.public for key in self._keys]:
            self._bad(0, 2, "the key given is not a key of this log")
        if self._keys[-1].end is not None:
            self._bad(0, 2, "the last key of the log has ended, and none follows")
        if report.partial:
            report.notes.append("A part of a ledger: each entry is proven alone; what was left out cannot be seen.")
        else:
            self._finish_log()
        if self._unread:  # a replay that went astray blames no entry
            report.findings = [Finding(0, 0, 6, f.what) if f.step == 6 else f for f in report.findings]
        exact = [found.first for found in report.findings if found.step == 1]
        told = [f for f in report.findings if f.first == f.last or not any(f.first <= at <= f.last for at in exact)]
        report.findings = sorted(told, key=lambda found: (found.first == 0, found.first, found.step))
        report.first_bad = report.findings[0].first or None if report.findings else None
        return report

    def _finish_log(self) -> None:
        report, size = self.report, self._seq
        report.size, report.root, report.unsigned_tail = size, self.tree.root().hex(), max(size - self._newest[0], 0)
        for old, new in pairwise(self._keys):
            end = old.end or 0
            if self._rotations.get(end) != new.public or end not in self._handed_over:
                self._bad(end, 2, f"no entry and checkpoint of the old key name the key {new.key_id}")
        for wanted in sorted(wanted for wanted in self._roots if wanted > size)[:1]:
            _, where, step = self._roots[wanted][0]
            self._unread.add(size + 1)
            self._bad(size + 1, step, f"entries {size + 1} to {wanted} are missing: {where} signs them")
        for name, seen in self._names.items():
            twice = {one for one, other in pairwise(sorted(seen)) if one == other}
            places = [seq for seq, value in enumerate(seen, 1) if value in twice] if twice else []
            if places:
                self._bad(places[-1], 1, f"entry {places[-1]} repeats the {name} of an entry before it")
        for level in range(1, len(self.tree.levels)):
            self._node_gap(level, len(self.tree.levels[level]) // 32)
        for *_, seq in self._cases.values():
            self._bad(seq, 6, "a case of the entries is missing from case_state")
        for seq, _ in self._slots.values():
            self._bad(seq, 6, "a signature slot of the entries is missing from signature_slot")
        self._finish_blobs()

    def _finish_blobs(self) -> None:
        erased: dict[str | None, int] = {}
        for key_id, row in self._subject_keys.items():
            seq, at, (owner, _, number) = row["destroy_entry_seq"], row["destroyed_at"], key_id.rpartition("-")
            numbered = number == "1" or (number.isdecimal() and f"{owner}-{int(number) - 1}" in self._subject_keys)
            gone = row["wrapped_key"] is None
            if numbered and gone and self._erasures.pop(seq, seq in self._unread) in ((owner, at), True):
                erased[owner] = max(seq, erased.get(owner, 0))
            elif not numbered or gone or seq is not None or at is not None:
                self._bad(seq, 7, "a data key is destroyed, by half or under another name, and no entry says so")
        for seq in self._erasures:
            self._bad(seq, 7, f"entry {seq} records an erasure, and the data key is not destroyed")
        for name, problem in self._bad_blobs.items():
            self._bad(0, 7, f"the blob {name[:16]}, which no entry names, {problem}")
        for seq, name, subject in self._missing:
            if erased.get(subject, 0) < seq:
                self._bad(seq, 7, f"entry {seq}: its blob {name[:16]} is missing, and no erasure explains it")
        if self.report.blobs and not self._contents:
            self.report.notes.append("The export leaves out the bytes of the blobs: only that they exist was checked.")
        elif self.report.blobs and not self._kek:
            self.report.notes.append("No --kek was given: the blobs were hashed, not opened.")


def _store_records(path: Path) -> Iterator[tuple[str, Record]]:
    """A store file: small tables as of one moment, then the large ones in pages that hold up no writer."""
    mode = "rw" if os.access(path, os.W_OK) else "ro"  # rw, so that a commit cut short can be rolled back
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=10)) as link:
        link.isolation_level, link.row_factory = None, sqlite3.Row
        link.execute("PRAGMA query_only=ON")
        if link.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise Unreadable("the database file is damaged (integrity_check)")
        link.execute("BEGIN")
        size, signed = link.execute(
            "SELECT max(seq), (SELECT max(size) FROM ledger_checkpoint) FROM ledger_entry"
        ).fetchone()
        small = {one: link.execute(f"SELECT * FROM {one} ORDER BY 1").fetchall() for one in _SMALL}  # nosec B608
        small["log_key"].sort(key=lambda row: row["from_size"])
        link.execute("COMMIT")
        yield "log", {"format": FORMAT, "partial": False, "contents": True}
        yield from ((table, dict(row)) for table in _SMALL[:3] for row in small[table])
        for table, order, most, limit in (
            ("ledger_checkpoint", "size", 500, f"size <= {signed or 0}"),
            ("blob", "sha256", 20, "1"),
            ("ledger_entry", "seq", 500, f"seq <= {size or 0}"),
            ("ledger_node", "level, idx", 5000, f"(idx + 1) << level <= {size or 0}"),
        ):
            last: tuple[Any, ...] = ("",) if table == "blob" else (-(2**63), 0)[: order.count(",") + 1]
            where = f"({order}) > ({', '.join('?' * len(last))}) AND {limit} ORDER BY {order} LIMIT {most}"
            while rows := link.execute(f"SELECT * FROM {table} WHERE {where}", last).fetchall():  # nosec B608
                yield from ((table, dict(row)) for row in rows)
                last = tuple(rows[-1][name] for name in order.split(", "))
        yield from ((table, dict(row)) for table in _SMALL[3:] for row in small[table])


def _stream_records(path: Path) -> Iterator[tuple[str, Record]]:
    """An exported stream: a record a line, the last of which counts those before it."""
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            try:
                row = json.loads(line)
                table = row.pop("table")
                row |= {name: bytes.fromhex(row[name]) for name in _IN_HEX & row.keys()}
                row |= {name: base64.b64decode(row[name]) for name in _IN_BASE64 & row.keys() if row[name] is not None}
                row |= {"body": row["body"].encode("utf-8", "surrogateescape")} if "body" in row else {}
            except (ValueError, LookupError, TypeError, AttributeError):
                raise Unreadable(f"line {number + 1} is not a record: the export is damaged or cut") from None
            if table == "end" and row.get("records") == number:
                return
            yield table, row
    raise Unreadable("the export is incomplete: it stops before its last line, or lacks some before it")


def verify(path: str | Path, *, key: str | None = None, anchors: str = "", kek: bytes | None = None) -> Report:
    """Verify a store file or an exported stream.

    `key` is a public key of the log and `anchors` the text of checkpoints, both kept elsewhere; `kek` opens the blobs.
    """
    verifier = _Verifier(key, kek)
    waiting = [{"receipt": note, "sink": "the anchor file"} for note in _ANCHOR.findall(anchors)]
    try:
        with open(path, "rb") as file:
            is_store = file.read(16) == b"SQLite format 3\x00"
        for table, row in (_store_records if is_store else _stream_records)(Path(path)):
            while waiting and table not in ("log", "log_key"):
                verifier.take("ledger_anchor", waiting.pop())
            verifier.take(table, row)
        return verifier.finish()
    except (Unreadable, sqlite3.Error, OSError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, (Unreadable, sqlite3.Error)) else type(error).__name__
        verifier.report.readable = False
        verifier.report.findings.append(Finding(0, 0, 0, f"incomplete or unreadable: {reason}"))
        return verifier.report


def show(report: Report, *, as_json: bool) -> None:
    """Print a report, in words or as one JSON document."""
    if as_json:
        return print(json.dumps({"ok": not report.findings, **asdict(report)}))
    print(f"{report.log or 'no ledger'}: entries {report.size}, checkpoints {report.checkpoints}", end="")
    print(f", anchors {report.anchors}, blobs {report.blobs}, unsigned tail {report.unsigned_tail}")
    told = [f"note: {note}\n" for note in report.notes] + [f"step {f.step}: {f.what}\n" for f in report.findings[:20]]
    print(*told, sep="", end="")
    first = f"BAD: {len(report.findings)} found; first bad sequence number: {report.first_bad or 'none'}"
    print(first if report.findings else f"OK: root {report.root}")


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a store or an export; 0 if it holds, else 4."""
    parser = argparse.ArgumentParser(prog="python -m cdss.ledger.verify", description="Verify a ledger.")
    parser.add_argument("path", metavar="STORE|EXPORT", help="an SQLite file or an exported stream")
    parser.add_argument("--key", metavar="FILE", help="the public key of the log, kept elsewhere")
    parser.add_argument("--anchors", metavar="FILE", help="checkpoints kept elsewhere")
    parser.add_argument("--kek", metavar="FILE", help="the key-encryption key, to open the blobs as well")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(argv)
    try:
        key, notes, kek = (Path(it).read_text("utf-8") if it else "" for it in (given.key, given.anchors, given.kek))
        report = verify(given.path, key=key.strip() or None, anchors=notes, kek=bytes.fromhex(kek) or None)
    except (OSError, ValueError) as error:
        parser.error(f"a key or anchor file cannot be read ({type(error).__name__})")
    show(report, as_json=given.json)
    return 4 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
