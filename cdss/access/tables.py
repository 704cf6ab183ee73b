"""The tables of access. They lie in the same database as the ledger and know nothing of it.

Nothing here is a secret in clear: passwords are kept as Argon2id, session ids and nonces as SHA-256, log-in names that
were tried as HMAC. A person has accounts, an account has roles and sessions, a session has proofs.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
)

from cdss.access.identity import instant_text

metadata = MetaData()


class Instant(TypeDecorator[datetime]):
    """An aware time, stored as text of one length, the same in SQLite and PostgreSQL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: D102
        return instant_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: D102
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


class _Sealed(str):
    """A text that does not show itself, not even where a library logs rows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class Sealed(TypeDecorator[str]):
    """Text that is read as `_Sealed`."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: D102
        return None if value is None else _Sealed(value)


person = Table(
    "access_person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
account = Table(
    "access_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person_id", Text, ForeignKey(person.c.id), nullable=False),
    Column("login", Text, nullable=False, unique=True),
    Column("password", Sealed, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)
grant = Table(
    "access_grant",
    metadata,
    Column("account_id", Text, ForeignKey(account.c.id), nullable=False),
    Column("role", Text, nullable=False),
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "role"),
)
tries = Table(
    "access_tries",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("locks", Integer, nullable=False),
    Column("locked_until", Instant),
    Column("last_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)
session = Table(
    "access_session",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("account_id", Text, ForeignKey(account.c.id), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("client", Text),
    Column("amr", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("auth_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
proof = Table(
    "access_proof",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("session", Text, ForeignKey(session.c.digest), nullable=False, index=True),
    Column("person_id", Text, ForeignKey(person.c.id), nullable=False),
    Column("meaning", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)


def create(connection: Connection) -> None:
    """Make the tables that are not there."""
    metadata.create_all(connection)
