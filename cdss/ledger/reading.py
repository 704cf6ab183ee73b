"""Reading a store: entries, heads, proofs and where a case stands. Needs no key and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, Select, func, inspect, select
from sqlalchemy.exc import DBAPIError

from cdss.errors import UsageError
from cdss.ledger import tree
from cdss.ledger.engine import failure, open_engine, place_of
from cdss.ledger.kinds import CaseState, Checkpoint, Entry, Head, Proof
from cdss.ledger.schema import case_state, ledger_checkpoint, ledger_entry, ledger_node, log_key

_PAGE = 1000


def node_reader(connection: Connection) -> tree.Reader:
    """Stored subtrees by level and index."""

    def read(level: int, index: int) -> bytes:
        if level == 0:
            found = connection.scalar(select(ledger_entry.c.leaf).where(ledger_entry.c.seq == index + 1))
        else:
            place = ledger_node.c.level == level, ledger_node.c.idx == index
            found = connection.scalar(select(ledger_node.c.hash).where(*place))
        if not isinstance(found, bytes):
            raise UsageError("The tree of the ledger has a hole. Run cdss ledger verify.")
        return found

    return read


def read_state(connection: Connection, case: str | None) -> CaseState | None:
    """Where a case stands, within a transaction."""
    row = connection.execute(select(case_state).where(case_state.c.case_id == case)).one_or_none() if case else None
    if row is None:
        return None
    return CaseState(case=row.case_id, version=row.version, status=row.status, decision=row.decision_leaf)


def read_entry(row: Row[Any]) -> Entry:
    """One row of the entries."""
    return Entry(
        seq=row.seq,
        id=row.id,
        idem=row.idem,
        kind=row.kind,
        case=row.case_id,
        at=row.at,
        body=row.body,
        leaf=row.leaf.hex(),
    )


def current_key(connection: Connection) -> str | None:
    """The public text of the key that signs now."""
    return connection.scalar(select(log_key.c.public).where(log_key.c.to_size.is_(None)))


class LedgerReader:
    """A store that is only read."""

    def __init__(self, url: str, *, writing: bool = False) -> None:
        self._engine = open_engine(url, writing=writing)
        self.place = place_of(self._engine)
        self.origin = ""

    @property
    def engine(self) -> Engine:
        """The database, for what is kept beside the ledger in it."""
        return self._engine

    def public_key(self) -> str | None:
        """The public text of the key that signs now; None where there is no ledger yet."""
        with self.reading() as connection:
            return current_key(connection) if inspect(connection).has_table("log_key") else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that only reads; what the database reports becomes an error of ours."""
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise failure(error, self.place) from error

    def head(self) -> Head:
        """Where the log ends now."""
        with self.reading() as connection:
            newest = select(ledger_entry.c.seq, ledger_entry.c.leaf, ledger_entry.c.at)
            last = connection.execute(newest.order_by(ledger_entry.c.seq.desc()).limit(1)).first()
            size = last.seq if last else 0
            root = tree.root(size, node_reader(connection)).hex()
        leaf, at = (last.leaf.hex(), last.at) if last else (None, None)
        return Head(log=self.origin, size=size, root=root, leaf=leaf, at=at)

    def entry(self, seq: int) -> Entry:
        """One entry by its sequence number.

        Raises
        ------
        UsageError
            If there is none.
        """
        with self.reading() as connection:
            row = connection.execute(select(ledger_entry).where(ledger_entry.c.seq == seq)).one_or_none()
        if row is None:
            raise UsageError(f"{self.place}: holds no entry {seq}. `cdss ledger head` says where it ends.")
        return read_entry(row)

    def find(self, idem: str) -> Entry | None:
        """The entry of an act by its idempotency name: after a lost answer, this says what is true."""
        with self.reading() as connection:
            row = connection.execute(select(ledger_entry).where(ledger_entry.c.idem == idem)).one_or_none()
        return read_entry(row) if row else None

    def entries(self, first: int = 1, last: int | None = None, *, case: str | None = None) -> Iterator[Entry]:
        """Entries in order, up to `last` or to where the log ended when reading began; of one case if it is named."""
        if last is None:
            with self.reading() as connection:
                last = connection.scalar(select(func.max(ledger_entry.c.seq))) or 0
        wanted = select(ledger_entry).order_by(ledger_entry.c.seq).limit(_PAGE)
        if case is not None:
            wanted = wanted.where(ledger_entry.c.case_id == case)
        while page := self.rows(wanted.where(ledger_entry.c.seq.between(first, last))):
            yield from map(read_entry, page)
            first = page[-1].seq + 1

    def rows(self, wanted: Select[Any]) -> list[Row[Any]]:
        """One page of rows in a transaction of its own, so that a slow reader never holds up a writer."""
        with self.reading() as connection:
            return list(connection.execute(wanted).all())

    def checkpoints(self, first: int = 0) -> Iterator[Checkpoint]:
        """Checkpoints in order of size, from size `first` on."""
        wanted = select(ledger_checkpoint).order_by(ledger_checkpoint.c.size).limit(_PAGE)
        while page := self.rows(wanted.where(ledger_checkpoint.c.size >= first)):
            yield from (Checkpoint(size=row.size, root=row.root.hex(), note=row.note) for row in page)
            first = page[-1].size + 1

    def newest_checkpoint(self) -> Checkpoint | None:
        """The signed head; None while there is none."""
        newest = select(ledger_checkpoint).order_by(ledger_checkpoint.c.size.desc()).limit(1)
        return next((Checkpoint(size=row.size, root=row.root.hex(), note=row.note) for row in self.rows(newest)), None)

    def prove(self, seq: int) -> Proof:
        """That an entry is in the log, against the newest checkpoint.

        Raises
        ------
        UsageError
            If there is no such entry, or no checkpoint covers it yet.
        """
        entry, checkpoint = self.entry(seq), self.newest_checkpoint()
        if checkpoint is None or checkpoint.size < seq:
            raise UsageError(f"No checkpoint covers entry {seq} yet. Run cdss ledger checkpoint, then try again.")
        with self.reading() as connection:
            path = tree.inclusion(seq - 1, checkpoint.size, node_reader(connection))
        return Proof(entry=entry, checkpoint=checkpoint, path=tuple(step.hex() for step in path))

    def consistency(self, first: int, second: int) -> tuple[str, ...]:
        """The path, in hex, that proves the log at size `first` to be the beginning of that at `second`."""
        with self.reading() as connection:
            path = tree.consistency(first, second, node_reader(connection))
        return tuple(step.hex() for step in path)

    def case_state(self, case: str) -> CaseState | None:
        """Where a case stands; None if nothing is known of it."""
        with self.reading() as connection:
            return read_state(connection, case)


def read_ledger(url: str) -> LedgerReader:
    """Open a store that is there, for reading.

    Raises
    ------
    UsageError
        If there is no ledger at `url`.
    DependencyError
        If the store is locked or not reachable.
    """
    reader = LedgerReader(url)
    public = reader.public_key()
    if public is None:
        reader.close()
        raise UsageError(f"{reader.place}: holds no ledger. Check CDSS_STORE and CDSS_HOME.")
    reader.origin = public.split("+", 1)[0]
    return reader
