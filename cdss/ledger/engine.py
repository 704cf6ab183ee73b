"""How a store is opened so that a commit is durable, and what its failures mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from cdss.errors import CdssError, DependencyError, IntegrityError, SourceNotFoundError, UsageError

WAIT_S = 10
# Below this, WAL has a rare race that corrupts the file.
_WAL_FROM = (3, 51, 3)


def journal_mode(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """The journal mode for a version of SQLite; with either, `synchronous` is FULL."""
    return "WAL" if version >= _WAL_FROM else "TRUNCATE"


def open_engine(url: str, *, writing: bool) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql://...`.

    Raises
    ------
    UsageError
        If the URL is neither, or names a file that is not there and is only to be read.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("The store is not a URL. Write sqlite:///FILE or postgresql://USER@HOST/NAME.") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database:
        return _sqlite(parsed, Path(parsed.database), writing=writing)
    if backend == "postgresql":
        settings = f"-c synchronous_commit=on -c lock_timeout={WAIT_S * 1000}"
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": WAIT_S, "options": settings},
            pool_pre_ping=True,
            hide_parameters=True,
        )
    raise UsageError("The store is neither sqlite:///FILE nor postgresql://USER@HOST/NAME.")


def store_file(url: str) -> Path | None:
    """The file of a store that is one; None for a server."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def place_of(engine: Engine) -> str:
    """The store by name, without any password."""
    url = engine.url
    return str(url.database) if url.get_backend_name() == "sqlite" else f"{url.host or 'local'}/{url.database}"


def _sqlite(url: URL, path: Path, *, writing: bool) -> Engine:
    if writing:
        _make_private(path)
    elif not path.is_file():
        raise SourceNotFoundError(path)
    engine = create_engine(url, connect_args={"timeout": WAIT_S}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _connected(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        if not writing:
            return
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA journal_mode={journal_mode()}")
        mode = str(next(iter(cursor.fetchone() or ())))
        if mode.upper() != journal_mode():
            raise DependencyError(f"{path}: is in journal mode {mode}. Stop other programs that use it and try again.")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA secure_delete=ON")  # a destroyed key is overwritten in the file
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        now = connection.get_execution_options().get("cdss_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if now else "BEGIN")

    return engine


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except PermissionError:
        if not path.is_file():
            raise DependencyError(f"{path}: cannot be made. Check the rights of its directory.") from None
    except OSError as error:
        raise DependencyError(f"{path}: cannot be opened ({error.strerror}). Check the disk.") from None


_SQLITE = {
    "SQLITE_BUSY": "is locked by another program. Try again, or stop that program",
    "SQLITE_LOCKED": "is locked by another program. Try again, or stop that program",
    "SQLITE_FULL": "the disk is full. Free some space and try again",
    "SQLITE_READONLY": "cannot be written. Check the rights of the file and its directory",
    "SQLITE_CANTOPEN": "cannot be opened. Check the rights of the file and its directory",
    "SQLITE_IOERR": "the disk reports an error. Look at the disk before anything else",
}
_POSTGRESQL = {
    "55P03": "is locked by another program. Try again",
    "53100": "the disk of the database server is full. Free some space and try again",
    "25006": "the database is read-only. Point the store at the one that can be written",
}


def is_disk_error(error: DBAPIError) -> bool:
    """Whether the disk itself failed, so that the file must not be trusted further."""
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith("SQLITE_IOERR")


def failure(error: DBAPIError, place: str) -> CdssError:
    """What a failure of the database means, in words and without values."""
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(f"{place}: the store is damaged. Run cdss ledger verify, then restore a backup.")
    for known, words in _SQLITE.items():
        if name.startswith(known):
            return DependencyError(f"{place}: {words}. Nothing was recorded.")
    state = str(getattr(error.orig, "sqlstate", None))
    if state in _POSTGRESQL:
        return DependencyError(f"{place}: {_POSTGRESQL[state]}. Nothing was recorded.")
    cut = isinstance(error, OperationalError) and state == "None"
    if error.connection_invalidated or cut or state.startswith(("08", "57")):
        return DependencyError(f"{place}: the database is not reachable. Once it is, ask whether the last act stands.")
    return DependencyError(f"{place}: the database refused ({name or state}). Nothing was recorded.")
