"""Instants as whole microseconds since 1970-01-01T00:00Z, the form in which times are compared."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cdss.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOUR = 3_600_000_000
DAY = 24 * HOUR
YEAR = 365.25 * DAY
NEVER = 2**63 - 1

_WRITE = "Write it like 2026-01-04T00:00:00Z or 2026-01-04T00:00:00-05:00."
_FIRST_YEAR, _LAST_YEAR = 1900, 2300
_DURATION = re.compile(r"P(?:(\d+)W|(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?)")


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The UTC datetime of an instant."""
    return EPOCH + timedelta(microseconds=micros)


def instant_text(micros: int) -> str:
    """ISO 8601 in UTC with a `Z`, fractions of a second only where there are any."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")


def parse_index_time(text: str | datetime) -> int:
    """Read an index time, which must say its offset from UTC.

    Raises
    ------
    UsageError
        If the text is not ISO 8601 or carries no offset.
    """
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise UsageError(f"index time is not an ISO 8601 date and time. {_WRITE}") from None
    if moment.tzinfo is None:
        raise UsageError(f"index time has no offset from UTC. {_WRITE}")
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise UsageError(f"index time lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}. {_WRITE}")
    return to_micros(moment)


def parse_duration(text: str) -> int:
    """Microseconds of an ISO 8601 duration in weeks, days, hours, minutes and seconds.

    Months and years are refused: they have no fixed length.
    """
    found = _DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        raise UsageError(f"duration {text!r} is not one of weeks, days, hours, minutes, seconds. Write it like PT24H.")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return span // MICROSECOND
