"""Counting failures: after some of them one waits, and each wait is twice the last.

Counted by log-in name, whether or not an account has it, so that nothing tells the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError as ConstraintError

from cdss.access.settings import AccessSettings
from cdss.access.tables import tries as table


class MovedError(Exception):
    """Somebody else changed the row since it was read; nothing was written. Read again, then decide again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """The failures under one key: those since the last lock, the locks so far, and the row's version (0: no row)."""

    key: str
    failures: int = 0
    locks: int = 0
    locked_until: datetime | None = None
    last_at: datetime | None = None
    version: int = 0

    def locked(self, now: datetime) -> datetime | None:
        """Until when one has to wait; None if not."""
        return self.locked_until if self.locked_until and now < self.locked_until else None


def read(connection: Connection, key: str) -> Tries:
    """What is known under a key."""
    row = connection.execute(select(table).where(table.c.key == key)).one_or_none()
    return Tries(**row._mapping) if row else Tries(key=key)


def after_failure(found: Tries, now: datetime, settings: AccessSettings) -> Tries:
    """One more failure, and a lock if that makes enough of them."""
    quiet_since = max(filter(None, (found.last_at, found.locked_until)), default=now)
    if now - quiet_since >= settings.forget:
        found = after_success(found, now)
    failures = found.failures + 1
    if failures < settings.failures:
        return replace(found, failures=failures, last_at=now)
    doublings = min(found.locks, 32)
    wait = min(settings.first_wait * 2**doublings, settings.longest_wait)
    return replace(found, failures=0, locks=found.locks + 1, locked_until=now + wait, last_at=now)


def after_success(found: Tries, now: datetime) -> Tries:
    """All forgotten."""
    return Tries(key=found.key, version=found.version, last_at=now)


def save(connection: Connection, old: Tries, new: Tries) -> None:
    """Write `new` where `old` still stands: of many guesses at one time, each counts.

    Raises
    ------
    MovedError
        If it does not stand any more.
    """
    row = {
        "failures": new.failures,
        "locks": new.locks,
        "locked_until": new.locked_until,
        "last_at": new.last_at,
        "version": old.version + 1,
    }
    if old.version:
        stands = table.c.key == old.key, table.c.version == old.version
        if connection.execute(update(table).where(*stands).values(row)).rowcount != 1:
            raise MovedError
        return
    try:
        connection.execute(insert(table), row | {"key": old.key})
    except ConstraintError:
        raise MovedError from None
