"""FHIR dates and times as intervals of microseconds.

A date without a time covers a day somewhere on Earth: it counts as over, and so as known, only once that day has
ended in the last time zone (UTC-12). A time without an offset from UTC could be any of 26 hours and is not used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cdss.domain.instant import DAY, HOUR, from_micros, to_micros

_INSTANT = re.compile(
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:)(\d\d)(\.\d+)?"
    r"(Z|[+-](?:0\d|1[0-4]):[0-5]\d)"
)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")
_PARTIAL = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_FIRST_ZONE, _LAST_ZONE = timedelta(hours=14), timedelta(hours=12)
_SHORTEST, _CLOCK = 20, 19  # 2026-01-04T00:00:00Z, and what stands before its Z
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
_MARKS, _MARK = np.array([4, 7, 10, 13, 16]), np.frombuffer(b"--T::", np.uint8)
NO_TIME = -(2**63)
_FIRST_PLAIN, _LAST_PLAIN = (to_micros(datetime(year, 1, 3, tzinfo=UTC)) for year in (1900, 9999))
DEFAULT_TIME = to_micros(datetime(1900, 1, 1, tzinfo=UTC) + _LAST_ZONE)  # midnight, in the last time zone
# How long a date without a time may be, from its first moment in any zone to its last.
PRECISIONS = {"a day": 50 * HOUR, "a month": 31 * DAY + 26 * HOUR, "a year": 366 * DAY + 26 * HOUR}


class TimeProblem(ValueError):  # noqa: N818 - becomes a finding, never reaches a caller
    """A text that is no usable FHIR time; `reason` is a stable code."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(message)


def read_plausible_time(text: str) -> tuple[int, int]:
    """Like `read_time`, for when something was true: a default such as 1900-01-01 is no time.

    Raises
    ------
    TimeProblem
        Also `time-implausible`, for a time that may lie at or before 1 January 1900.
    """
    first, last = read_time(text)
    if first <= DEFAULT_TIME:
        raise TimeProblem("time-implausible", "1 January 1900 or before: a default that a system filled in")
    return first, last


@lru_cache(maxsize=65536)
def read_time(text: str) -> tuple[int, int]:
    """First and last instant of a FHIR date, dateTime or instant, in microseconds since the epoch.

    Raises
    ------
    TimeProblem
        `time-without-zone` for a time of day without an offset, `time-invalid` for anything else that is no FHIR time.
    """
    found = _INSTANT.fullmatch(text)
    try:
        if found:
            whole, second, fraction, zone = found.groups()
            # A leap second has no place in POSIX time: 23:59:60 is the first instant of the next minute.
            extra = timedelta(seconds=1) if second == "60" else timedelta()
            moment = datetime.fromisoformat(f"{whole}{'59' if extra else second}{(fraction or '')[:7]}{zone}")
            micros = to_micros(moment + extra)
            from_micros(micros)  # the first and the last day of the calendar may lie outside it in UTC
            return micros, micros
        if partial := _PARTIAL.fullmatch(text):
            first, last = _days(*partial.groups())
            start = datetime(first.year, first.month, first.day, tzinfo=UTC) - _FIRST_ZONE
            stop = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) + _LAST_ZONE
            return to_micros(start), to_micros(stop)
    except (ValueError, OverflowError) as error:
        raise TimeProblem("time-invalid", "the time does not exist in the calendar") from error
    if _LOCAL.fullmatch(text):
        raise TimeProblem("time-without-zone", "the time has no offset from UTC")
    raise TimeProblem("time-invalid", "the text is not a FHIR date or time")


def precision_of(first: int, last: int) -> str:
    """What a partial date is dated to, given its first and last instant; a name of `PRECISIONS`."""
    return next(name for name, longest in PRECISIONS.items() if last - first <= longest)


def read_instants(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """The instant of each text, read at once; `NO_TIME` where `read_plausible_time` must decide.

    That is for whatever is no whole date, time of day and offset from UTC, a leap second, and the ends of the calendar.
    """
    widths = set(map(len, texts))
    if len(widths) == 1:
        return _instants_of_width(texts, widths.pop())
    instants = np.full(len(texts), NO_TIME)
    for width in widths:
        at = [number for number, text in enumerate(texts) if len(text) == width]
        instants[at] = _instants_of_width([texts[number] for number in at], width)
    return instants


def _instants_of_width(texts: Sequence[bytes], width: int) -> NDArray[np.int64]:
    instants = np.full(len(texts), NO_TIME)
    if width < _SHORTEST:
        return instants
    letters = np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), width)
    if not (letters[:, _DIGITS] - ord("0") <= 9).all() or not (letters[:, _MARKS] == _MARK).all():
        return instants if len(texts) == 1 else np.concatenate([_instants_of_width([text], width) for text in texts])
    try:
        local = np.ascontiguousarray(letters[:, :_CLOCK]).view(f"S{_CLOCK}").ravel().astype("M8[us]").view(np.int64)
    except ValueError:  # one of them is not in the calendar
        return instants if len(texts) == 1 else np.concatenate([_instants_of_width([text], width) for text in texts])
    if (letters[:, _CLOCK:] == letters[0, _CLOCK:]).all():
        rest: NDArray[np.int64] = np.full(len(texts), _rest(texts[0][_CLOCK:]))
    else:
        rest = np.array([_rest(text[_CLOCK:]) for text in texts])
    plain = (rest != NO_TIME) & (local > _FIRST_PLAIN) & (local < _LAST_PLAIN)
    instants[plain] = local[plain] + rest[plain]
    return instants


@lru_cache(maxsize=65536)
def _rest(text: bytes) -> int:
    """What a fraction of a second and an offset from UTC add to a local time, in microseconds."""
    try:
        return read_time(f"1970-01-01T00:00:00{text.decode('ascii')}")[0]
    except (TimeProblem, UnicodeDecodeError):
        return NO_TIME


def read_birth(text: str) -> tuple[int, int]:
    """First and last instant a birth date allows, at midnight UTC; a full date is one instant.

    Raises
    ------
    TimeProblem
        If the text is not a FHIR date.
    """
    partial = _PARTIAL.fullmatch(text)
    if not partial:
        raise TimeProblem("time-invalid", "the birth date is not a FHIR date")
    try:
        first, last = _days(*partial.groups())
    except ValueError as error:
        raise TimeProblem("time-invalid", "the birth date does not exist in the calendar") from error
    bounds = [to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC)) for day in (first, last)]
    return bounds[0], bounds[1]


def _days(year: str, month: str | None, day: str | None) -> tuple[date, date]:
    first = date(int(year), int(month or 1), int(day or 1))
    if day:
        return first, first
    following = date(first.year + 1, 1, 1) if not month else (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first, following - timedelta(days=1)
