"""The store of the ledger: one act, one transaction, one durable commit, and only then an answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError as ConstraintError

from cdss.errors import AlreadySignedError, DependencyError, IntegrityError, StaleDecisionError, UsageError
from cdss.ledger import projection, schema, tree
from cdss.ledger.body import NO_LEAF, at_text, body_bytes, check, uuid7
from cdss.ledger.checkpoint import LogKey, read_note
from cdss.ledger.engine import WAIT_S, failure, is_disk_error
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import SLOTS, Actor, Attachment, CaseState, Checkpoint, Draft, Entry, Kind, Ref, Tick
from cdss.ledger.reading import LedgerReader, current_key, node_reader, read_entry, read_state
from cdss.ledger.schema import blob as blobs
from cdss.ledger.schema import case_state, ledger_anchor, ledger_checkpoint, ledger_entry, ledger_node, log_key, outbox
from cdss.ledger.schema import signature_slot as slots
from cdss.ledger.vault import Vault

Clock = Callable[[], Tick]
Also = Callable[[Connection, Entry], None]

_CHECKPOINT_ENTRIES = 64
_CHECKPOINT_S = 60
_JUMP_S = 300
_DISK_ERRORS = 3
_ADVISORY_LOCK = 0x63647373  # "cdss"


def system_clock() -> Tick:
    """The clock of this machine."""
    return Tick(datetime.now(UTC), time.monotonic())


class LedgerStore(LedgerReader):
    """An append-only log in SQLite or PostgreSQL.

    Close it when done: closing signs a last checkpoint. One store serves many threads; a forked child opens its own.
    """

    def __init__(self, url: str, keys: Keys, clock: Clock) -> None:
        super().__init__(url, writing=True)
        self._keys = keys
        self._vault = Vault(keys.kek)
        self._clock = clock
        self._last_tick = clock()
        self._lock = threading.Lock()
        self._disk_errors = 0
        self.read_only = ""

    @classmethod
    def open(cls, url: str, keys: Keys, *, clock: Clock = system_clock) -> LedgerStore:
        """Open a store, making it if it is not there.

        Parameters
        ----------
        url : str
            `sqlite:///FILE` or `postgresql://...`.
        keys : Keys
        clock : callable
            Gives a `Tick` whenever an entry is made.

        Raises
        ------
        DependencyError
            If the store is locked, full or not reachable.
        IntegrityError
            If the keys are not those of this store.
        """
        store = cls(url, keys, clock)
        with ExitStack() as undo:
            undo.callback(store._engine.dispose)
            store._prepare()
            undo.pop_all()  # prepared: the engine stays open
        return store

    def _prepare(self) -> None:
        key = self._keys.log
        if self.public_key() is None:
            with self._write() as connection:
                schema.create(connection)
                if current_key(connection) is None:
                    connection.execute(insert(log_key), {"key_id": key.key_id, "public": key.public, "from_size": 0})
        if self.public_key() != key.public:
            raise IntegrityError(f"{self.place}: log.key is not the key of this ledger. Restore the right one.")
        self.origin = key.origin

    def close(self) -> None:
        """Sign what is not signed yet, and let go of the database."""
        try:
            if not self.read_only:
                self.checkpoint()
        finally:
            super().close()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if self.read_only:
            raise DependencyError(f"{self.place}: read-only, since {self.read_only}. Nothing was recorded; look there.")
        if not self._lock.acquire(timeout=WAIT_S):
            raise DependencyError(f"{self.place}: busy for over {WAIT_S} s. Nothing was recorded; try again.")
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(cdss_write=True)
                with connection.begin():
                    if connection.dialect.name == "postgresql":
                        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
                    yield connection
        except ConstraintError:
            raise
        except DBAPIError as error:
            self._engine.dispose()  # the next try opens the file anew: a failed sync is never asked again of one handle
            if is_disk_error(error):
                self._disk_errors += 1
                if self._disk_errors >= _DISK_ERRORS:
                    self.freeze("the disk reported errors")
            raise failure(error, self.place) from error
        else:
            self._disk_errors = 0
        finally:
            self._lock.release()

    def append(self, draft: Draft, *, attach: Sequence[Attachment] = (), also: Also | None = None) -> Entry:
        """Record one act, durably, before returning.

        Parameters
        ----------
        draft : Draft
        attach : sequence of Attachment
            Sealed under the key of the draft's subject and added to its refs, in the same transaction.
        also : callable, optional
            Called with the connection and the entry before the commit; what it raises undoes everything. It is not
            called again when `draft.idem` is known already.

        Returns
        -------
        Entry
            The entry, or the first one of the same `idem`.

        Raises
        ------
        AlreadySignedError
            If somebody holds this signature slot; the attempt leaves an entry `signoff.rejected`.
        StaleDecisionError
            If the decision signed is not, or no longer, the one on record, or the case has another version than the
            draft expects.
        UsageError
            If the draft cannot be recorded, or its `idem` names another act.
        DependencyError
            If the store cannot be written; nothing was recorded.
        """
        check(draft)
        with self._write() as connection:
            entry = self._find(connection, draft.idem)
            if entry is None:
                entry = self._append(connection, draft, attach, also)
        if entry.kind == Kind.SIGNOFF_REJECTED and "sig" not in entry.fields:
            lost = entry.fields["data"]
            first = self.entry(lost["holder"])
            raise AlreadySignedError(
                case=str(entry.case), slot=lost["slot"], name=first.fields["actor"]["name"], at=first.at
            )
        if (entry.kind, entry.case, entry.fields["actor"]["sub"]) != (draft.kind, draft.case, draft.actor.sub):
            raise UsageError("The same idempotency name was used for another act. Use one name for one act.")
        return entry

    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint, which covers every entry; None while there are no entries."""
        with self._write() as connection:
            size = connection.scalar(select(func.max(ledger_entry.c.seq))) or 0
            row = connection.execute(select(ledger_checkpoint).where(ledger_checkpoint.c.size == size)).one_or_none()
            if row is not None:
                return Checkpoint(size=row.size, root=row.root.hex(), note=row.note)
            return self._checkpoint(connection, size) if size else None

    def add_anchor(self, sink: str, receipt: str) -> None:
        """Note that a sink outside the store holds a checkpoint; its receipt is the note it was given.

        Raises
        ------
        IntegrityError
            If the receipt is not a checkpoint of this ledger.
        """
        size, _ = read_note(receipt, self._keys.log.public)
        at = at_text(self._clock().at)
        with self._write() as connection:
            connection.execute(insert(ledger_anchor), {"size": size, "sink": sink, "receipt": receipt, "at": at})

    def freeze(self, why: str) -> None:
        """Record nothing more until the store is opened again; `why` follows "since" in what callers are told."""
        self.read_only = why

    def put_blob(self, subject: str | None, data: bytes, media_type: str) -> str:
        """Seal bytes under a patient's key, or the site's; return the SHA-256 of the ciphertext in hex."""
        with self._write() as connection:
            return self._vault.put(connection, subject, data, media_type)

    def get_blob(self, sha256: str) -> tuple[bytes, str]:
        """The bytes of a blob, and their media type.

        Raises
        ------
        UsageError
            If it is not there, or erased.
        IntegrityError
            If it is not what was stored, or the keys are not its own.
        """
        with self.reading() as connection:
            return self._vault.get(connection, sha256)

    def erase(self, draft: Draft) -> Entry:
        """Destroy a subject's data key and blobs, and record it; whether the law allows it was asked before.

        Parameters
        ----------
        draft : Draft
            Of kind `subject.erased`, naming the subject.
        """
        if draft.kind is not Kind.SUBJECT_ERASED or draft.subject is None:
            raise UsageError("An erasure is an entry subject.erased that names the subject.")
        subject = draft.subject
        return self.append(draft, also=lambda link, entry: self._vault.destroy(link, subject, entry.at, entry.seq))

    def rotate(self, key: LogKey, actor: Actor) -> Entry:
        """Name a new key for this log, under a checkpoint that both keys sign; the new one signs from here on."""
        if key.origin != self.origin:
            raise UsageError("A log keeps its origin. Make the new key with LogKey.generate(origin).")
        draft = Draft(kind=Kind.KEY_ROTATED, actor=actor, data={"key": key.public})

        def hand_over(connection: Connection, entry: Entry) -> None:
            here = ledger_checkpoint.c.size == entry.seq
            found = connection.execute(select(ledger_checkpoint).where(here)).one_or_none()
            both = found or self._checkpoint(connection, entry.seq)
            root = found.root if found else bytes.fromhex(both.root)
            note = both.note + key.checkpoint(entry.seq, root).split("\n\n")[1]
            connection.execute(update(ledger_checkpoint).where(here).values(note=note))
            old = log_key.c.key_id == self._keys.log.key_id
            connection.execute(update(log_key).where(old).values(to_size=entry.seq))
            new = {"key_id": key.key_id, "public": key.public, "from_size": entry.seq}
            connection.execute(insert(log_key), new)

        entry = self.append(draft, also=hand_over)
        self._keys = replace(self._keys, log=key)
        return entry

    def _find(self, connection: Connection, idem: str | None) -> Entry | None:
        if idem is None:
            return None
        row = connection.execute(select(ledger_entry).where(ledger_entry.c.idem == idem)).one_or_none()
        return read_entry(row) if row else None

    def _append(self, connection: Connection, draft: Draft, attach: Sequence[Attachment], also: Also | None) -> Entry:
        state = read_state(connection, draft.case)
        if draft.expects is not None and draft.expects != (state.version if state else None):
            raise StaleDecisionError(case=str(draft.case))
        holder = self._holder(connection, draft, state)
        if holder is not None:
            lost = {"reason": "already signed", "slot": SLOTS[draft.kind], "holder": holder}
            refused = replace(draft, kind=Kind.SIGNOFF_REJECTED, data=lost, sig=None, refs=())
            return self._insert(connection, refused, state)
        sealed = [self._seal(connection, draft.subject, item) for item in attach]
        draft = replace(draft, refs=(*draft.refs, *sealed))
        wanted = {ref.sha256 for ref in draft.refs}
        known = select(func.count()).select_from(blobs).where(blobs.c.sha256.in_(wanted))
        if wanted and connection.scalar(known) != len(wanted):
            raise UsageError(f"{draft.kind}: refers to a blob that is not stored. Store it first.")
        entry = self._insert(connection, draft, state)
        for item, ref in zip(attach, sealed, strict=True):
            if item.send:
                self._send(connection, entry, ref.sha256)
        if also is not None:
            also(connection, entry)
        return entry

    def _seal(self, connection: Connection, subject: str | None, item: Attachment) -> Ref:
        return Ref(item.role, self._vault.put(connection, subject, item.data, item.media_type))

    def _send(self, connection: Connection, entry: Entry, payload: str) -> None:
        row = {"id": uuid7(self._last_tick.at), "idem": f"{entry.leaf}:{payload}", "case_id": entry.case}
        waiting = {"payload": payload, "state": "waiting", "tries": 0, "next_at": entry.at}
        connection.execute(insert(outbox), row | waiting)

    def _holder(self, connection: Connection, draft: Draft, state: CaseState | None) -> int | None:
        """The entry that holds the slot a draft wants; a draft that may not be signed at all is refused."""
        if draft.sig is None:
            return None
        place = slots.c.case_id == draft.case, slots.c.decision_version == draft.sig.version
        if draft.kind is Kind.SIGNOFF_WITHDRAWN:
            held = select(ledger_entry.c.body).join(slots, slots.c.seq == ledger_entry.c.seq).where(*place)
            signed = {json.loads(body)["sig"]["decision"] for body in connection.scalars(held)}
            if draft.sig.decision not in signed:
                raise StaleDecisionError(case=str(draft.case))
            return None
        if state is None or (draft.sig.version, draft.sig.decision) != (state.version, state.decision):
            raise StaleDecisionError(case=str(draft.case))
        return connection.scalar(select(slots.c.seq).where(*place, slots.c.slot == SLOTS[draft.kind]))

    def _insert(self, connection: Connection, draft: Draft, state: CaseState | None) -> Entry:
        last = connection.execute(
            select(ledger_entry.c.seq, ledger_entry.c.leaf, ledger_entry.c.at)
            .order_by(ledger_entry.c.seq.desc())
            .limit(1)
        ).first()
        tick, at, clock = self._now(last.at if last else "")
        seq, id_ = last.seq + 1 if last else 1, uuid7(tick.at)
        row: dict[str, Any] = {"seq": seq, "id": id_, "idem": draft.idem or id_, "kind": draft.kind.value, "at": at}
        chain = {name: row[name] for name in ("seq", "id", "idem", "at")}
        chain |= {"log": self.origin, "prev": last.leaf.hex() if last else NO_LEAF, "clock": clock}
        body = body_bytes(draft, chain, self._statement(connection, draft, at))
        leaf = tree.leaf_hash(body)
        connection.execute(insert(ledger_entry), row | {"case_id": draft.case, "body": body, "leaf": leaf})
        for level, index, value in tree.grown(seq - 1, leaf, node_reader(connection)):
            connection.execute(insert(ledger_node), {"level": level, "idx": index, "hash": value})
        self._project(connection, draft, state, seq, leaf.hex())
        if draft.sig or self._checkpoint_due(connection, seq, tick.at):
            self._checkpoint(connection, seq)
        return Entry(**row, case=draft.case, body=body, leaf=leaf.hex())

    def _now(self, last_at: str) -> tuple[Tick, str, str]:
        before, tick = self._last_tick, self._clock()
        self._last_tick = tick
        at = at_text(tick.at)
        if at < last_at:
            return tick, at, "regressed"
        passed = (tick.at - before.at).total_seconds() - (tick.monotonic - before.monotonic)
        return tick, at, "jumped" if passed > _JUMP_S else "ok"

    def _statement(self, connection: Connection, draft: Draft, at: str) -> dict[str, Any] | None:
        if draft.sig is None:
            return None
        key = self._signing_key(connection)
        slot = {"slot": SLOTS[draft.kind]} if draft.kind in SLOTS else {}
        statement = {
            "case": draft.case,
            "decision": draft.sig.decision,
            "version": draft.sig.version,
            "meaning": draft.sig.meaning,
            "signer": draft.actor.sub,
            "at": at,
            **slot,
        }
        return {**statement, "key": key.key_id, "value": key.sign_statement(statement)}

    def _project(self, connection: Connection, draft: Draft, state: CaseState | None, seq: int, leaf: str) -> None:
        if draft.case is None:
            return
        if draft.sig and draft.kind in SLOTS:
            taken = {"case_id": draft.case, "decision_version": draft.sig.version, "slot": SLOTS[draft.kind]}
            connection.execute(insert(slots), taken | {"seq": seq})
        new = projection.after(state, draft.case, draft.kind, leaf, draft.sig.version if draft.sig else None)
        if new is None or new == state:
            return
        row = {"version": new.version, "status": new.status, "decision_leaf": new.decision}
        if state is None:
            connection.execute(insert(case_state), row | {"case_id": draft.case})
        else:
            connection.execute(update(case_state).where(case_state.c.case_id == draft.case).values(row))

    def _checkpoint_due(self, connection: Connection, size: int, now: datetime) -> bool:
        signed = connection.scalar(select(func.max(ledger_checkpoint.c.size))) or 0
        if size - signed >= _CHECKPOINT_ENTRIES:
            return True
        since = connection.scalar(select(ledger_entry.c.at).where(ledger_entry.c.seq == signed + 1))
        return since is not None and abs((now - datetime.fromisoformat(since)).total_seconds()) >= _CHECKPOINT_S

    def _checkpoint(self, connection: Connection, size: int) -> Checkpoint:
        found = tree.root(size, node_reader(connection))
        note = self._signing_key(connection).checkpoint(size, found)
        connection.execute(insert(ledger_checkpoint), {"size": size, "root": found, "note": note})
        return Checkpoint(size=size, root=found.hex(), note=note)

    def _signing_key(self, connection: Connection) -> LogKey:
        if current_key(connection) != self._keys.log.public:
            raise DependencyError(f"{self.place}: log.key was replaced by a newer key. Start again with that one.")
        return self._keys.log
