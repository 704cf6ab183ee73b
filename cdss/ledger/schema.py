"""The tables, one schema for SQLite and PostgreSQL, and the triggers that refuse to change what is written.

Hashes of the tree are bytes; a hash that names something (a blob, a decision) is hexadecimal text, as in the bodies.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()
_Size = BigInteger().with_variant(Integer, "sqlite")

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("seq", _Size, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("idem", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("case_id", Text),
    Column("at", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False, unique=True),
    Index("ledger_entry_case", "case_id"),
)
ledger_node = Table(
    "ledger_node",
    metadata,
    Column("level", Integer, nullable=False),
    Column("idx", _Size, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "idx"),
)
ledger_checkpoint = Table(
    "ledger_checkpoint",
    metadata,
    Column("size", _Size, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
)
ledger_anchor = Table(
    "ledger_anchor",
    metadata,
    Column("size", _Size, nullable=False),
    Column("sink", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("size", "sink"),
)
blob = Table(
    "blob",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("subject_key_id", Text, nullable=False, index=True),
    Column("media_type", Text, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
)
subject_key = Table(
    "subject_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("wrapped_key", LargeBinary),
    Column("destroyed_at", Text),
    Column("destroy_entry_seq", _Size),
)
log_key = Table(
    "log_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("public", Text, nullable=False),
    Column("from_size", _Size, nullable=False),
    Column("to_size", _Size),
)
case_state = Table(
    "case_state",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("decision_leaf", Text),
)
signature_slot = Table(
    "signature_slot",
    metadata,
    Column("case_id", Text, nullable=False),
    Column("decision_version", Integer, nullable=False),
    Column("slot", Text, nullable=False),
    Column("seq", _Size, nullable=False),
    PrimaryKeyConstraint("case_id", "decision_version", "slot"),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("idem", Text, nullable=False, unique=True),
    Column("case_id", Text),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Text, nullable=False),
    Column("remote_id", Text),
)

# What may still change, as a condition on OLD and NEW; `None` is nothing at all.
_UPDATES: dict[str, str | None] = {
    "ledger_entry": None,
    "ledger_node": None,
    "ledger_checkpoint": (
        "NEW.size = OLD.size AND NEW.root = OLD.root AND substr(NEW.note, 1, length(OLD.note)) = OLD.note"
    ),
    "ledger_anchor": None,
    "blob": None,
    "subject_key": "NEW.id = OLD.id AND OLD.destroyed_at IS NULL",
    "log_key": (
        "NEW.key_id = OLD.key_id AND NEW.public = OLD.public AND NEW.from_size = OLD.from_size"
        " AND OLD.to_size IS NULL AND NEW.to_size IS NOT NULL"
    ),
    "signature_slot": None,
}
_KEY_LIVES = "EXISTS (SELECT 1 FROM subject_key WHERE id = OLD.subject_key_id AND destroyed_at IS NULL)"


def create(connection: Connection) -> None:
    """Make the tables and triggers that are not there."""
    metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        _guard_postgresql(connection)
    else:
        _guard_sqlite(connection)


def _guard_sqlite(connection: Connection) -> None:
    for table, allowed in _UPDATES.items():
        unless = f"WHEN NOT ({allowed}) " if allowed else ""
        only = f"WHEN {_KEY_LIVES} " if table == "blob" else ""
        for act, condition in (("UPDATE", unless), ("DELETE", only)):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {table}_no_{act.lower()} BEFORE {act} ON {table} {condition}"
                f"BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"
            )


def _guard_postgresql(connection: Connection) -> None:
    refuse = "RAISE EXCEPTION USING MESSAGE = 'append-only: ' || TG_TABLE_NAME;"
    spare = f"IF {_KEY_LIVES} THEN {refuse} END IF; RETURN OLD;"
    for function, does in (("cdss_refuse", refuse), ("cdss_spare_blob", spare)):
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does} END $$"
        )
    for table, allowed in _UPDATES.items():
        unless = f"WHEN (NOT ({allowed})) " if allowed else ""
        delete = "cdss_spare_blob" if table == "blob" else "cdss_refuse"
        for act, scope, call in (
            ("UPDATE", f"FOR EACH ROW {unless}", "cdss_refuse"),
            ("DELETE", "FOR EACH ROW ", delete),
            ("TRUNCATE", "FOR EACH STATEMENT ", "cdss_refuse"),
        ):
            connection.exec_driver_sql(
                f"CREATE OR REPLACE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} {scope}"
                f"EXECUTE FUNCTION {call}()"
            )
