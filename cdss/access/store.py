"""What accounts and sessions stand on: the database, the clock, and the port through which facts reach the ledger."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cdss.access import tables
from cdss.access.identity import Person
from cdss.access.passwords import Hasher
from cdss.access.settings import AccessSettings
from cdss.errors import DependencyError, UsageError

_KEY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What the ledger is to remember: its kind, who acted, and data without secrets.

    Parameters
    ----------
    kind : str
        A kind of the ledger, such as `auth.ok`.
    data : mapping
        Text, lists and mappings of text only.
    person : Person, optional
        Who acted; None for an attempt to sign in, which could be anybody's.
    """

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    person: Person | None = None

    def actor(self) -> dict[str, Any]:
        """The fields of the ledger's actor, by name."""
        if self.person is not None:
            return self.person.actor()
        return {"sub": "anonymous", "name": "not signed in", "role": "none"}


Change = Callable[[Connection], None]
"""What the fact does to the tables of access."""

Record = Callable[[Fact, Change], None]
"""Write the fact, run the change in the same transaction, commit; on any exception, neither. May raise `CdssError`."""

Clock = Callable[[], datetime]


class AccessStore:
    """The database of access, with what is needed to use it.

    Parameters
    ----------
    engine : Engine
        The same database as the ledger's. Open it with `hide_parameters=True`, so that no error shows a digest.
    record : Record
        With a ledger store: `lambda fact, change: store.append(draft(fact), also=lambda link, entry: change(link))`.
    clock : Clock
        Gives an aware time.
    key : bytes
        16 bytes or more, kept outside the database: log-in names that were tried are stored under it, as people type
        their password there.
    settings : AccessSettings
    """

    def __init__(
        self,
        engine: Engine,
        *,
        record: Record,
        clock: Clock,
        key: bytes,
        settings: AccessSettings | None = None,
    ) -> None:
        if len(key) < _KEY_BYTES:
            raise UsageError(f"The key of access has under {_KEY_BYTES} bytes. Make one with secrets.token_bytes.")
        self._engine = engine
        self._record = record
        self._clock = clock
        self._key = key
        self.settings = settings or AccessSettings()
        self.hasher = Hasher(self.settings)

    def __repr__(self) -> str:
        return "AccessStore()"

    def prepare(self) -> None:
        """Make the tables that are not there."""
        with self.write() as connection:
            tables.create(connection)

    def now(self) -> datetime:
        """The present, in UTC."""
        return utc(self._clock())

    def key_of(self, purpose: str, name: str) -> str:
        """A name under the key, in hex."""
        text = f"{purpose}\0{name}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256).hex()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with _in_words(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of our own, for what is no fact of the ledger: that a session is alive or has ended."""
        with _in_words(), _writing(self._engine) as connection:
            yield connection

    def record(self, fact: Fact, change: Change) -> None:
        """Record a fact and change the tables by it, both or neither.

        Raises
        ------
        DependencyError
            If it cannot be written; nothing has changed.
        """
        done = False

        def watched(connection: Connection) -> None:
            nonlocal done
            change(connection)
            done = True

        with _in_words():
            self._record(fact, watched)
        if not done:
            raise DependencyError(f"{fact.kind}: was recorded without what it does. See how the ledger is connected.")


def record_with(engine: Engine, keep: Callable[[Fact], None]) -> Record:
    """A `Record` without a ledger, for tests and trials: `keep` gets each fact within the transaction of its change."""

    def record(fact: Fact, change: Change) -> None:
        with _writing(engine) as connection:
            change(connection)
            keep(fact)

    return record


def utc(at: datetime) -> datetime:
    """The same instant in UTC.

    Raises
    ------
    UsageError
        If the time has no offset.
    """
    if at.utcoffset() is None:
        raise UsageError("The time has no offset. Give an aware one, such as datetime.now(UTC).")
    return at.astimezone(UTC)


def digest(secret: str) -> str:
    """SHA-256 in hex; enough for secrets of 256 random bits, and for nothing else."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    # The option asks an engine of the ledger to take SQLite's write lock at once; other engines ignore it.
    with engine.connect().execution_options(cdss_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def _in_words() -> Iterator[None]:
    """A failure of the database in words; its own text may hold digests, so it goes no further."""
    try:
        yield
    except DBAPIError as error:
        raise DependencyError(
            f"The store of accounts cannot be read or written ({type(error.orig).__name__}). "
            "Nothing was changed; try again, then look at the disk."
        ) from None
