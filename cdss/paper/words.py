"""How numbers, times and digests are written on paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from cdss.risk.words import span_words

MINUS, NO_BREAK = "\u2212", "\u00a0"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_DIGITS = 7


def of_hundred(probability: float) -> str:
    """A probability as so many of 100; what rounds to nothing or to all is not called so."""
    whole = f"{probability:.0%}".rstrip("%")
    return {"0": "<1", "100": ">99"}.get(whole, whole)


def signed(number: float) -> str:
    """Log-odds with their sign and two decimals, such as +0.46."""
    text = f"{number:+.2f}".replace("-", MINUS)
    return "0.00" if text.endswith("0.00") else text


def value_text(value: object, comparator: str | None = None) -> str:
    """A value as received; a computed one is cut to two decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:.15g}"
    if len(text.strip("-").replace(".", "")) > _MOST_DIGITS:
        text = f"{value:.2f}" if abs(value) < 10 ** (_MOST_DIGITS - 2) else f"{value:.7g}"
    return f"{comparator or ''}{text}".replace("-", MINUS)


def threes(number: object) -> str:
    """A count with commas; anything else as it is."""
    return f"{number:,}" if isinstance(number, int) else str(number)


def fours(digest: str) -> str:
    """A digest in groups of four."""
    name, colon, digits = digest.rpartition(":")
    return f"{name}{colon}{' ' if name else ''}{' '.join(digits[at : at + 4] for at in range(0, len(digits), 4))}"


def hospital_number(identifier: object) -> str:
    """A number in threes where it divides so, else as it is."""
    text = str(identifier)
    if not (text.isascii() and text.isdigit() and len(text) % 3 == 0):
        return text
    return NO_BREAK.join(text[at : at + 3] for at in range(0, len(text), 3))


def day(text: str) -> str:
    """An ISO date with its month in letters; one without day or month stays so."""
    parts = text.split("-")
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return text
    if len(parts) > 1 and not 1 <= int(parts[1]) <= 12:
        return text
    month = [_MONTHS[int(part) - 1] for part in parts[1:2]]
    return " ".join([*(str(int(part)) for part in parts[2:]), *month, parts[0]])


def moment(text: object, *, seconds: bool = True, zone: bool = False) -> str:
    """An instant as 14 Mar 2026 09:47:31, in UTC; what is no instant stays as it is.

    Parameters
    ----------
    text : object
        ISO 8601 with an offset.
    seconds : bool
        Without them, the time ends with the minute.
    zone : bool
        Whether UTC is written behind it.
    """
    if not text:
        return ""
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    if when.tzinfo is None:
        return str(text)
    when = when.astimezone(UTC)
    clock = f"{when:%H:%M:%S}" if seconds else f"{when:%H:%M}"
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year} {clock}{' UTC' if zone else ''}"


def years_between(born: str, at: object) -> int | None:
    """Completed years from a full date of birth to an instant; None where either is not exact."""
    try:
        birth, now = date.fromisoformat(born), datetime.fromisoformat(str(at)).date()
    except ValueError:
        return None
    return now.year - birth.year - ((now.month, now.day) < (birth.month, birth.day))


def what_happens(assessment: Mapping[str, Any], about: Mapping[str, Any], *, past: bool = False) -> str:
    """The outcome and its horizon in words, the model's own where it has some: die within 180 days, or died."""
    outcome = str(assessment.get("outcome") or "death")
    plain = ("died" if past else "die") if outcome == "death" else f"{'had' if past else 'have'} the outcome {outcome}"
    verb = str((about.get("event") or {}).get("past" if past else "ask") or plain)
    span = str(assessment.get("horizon") or "")
    known = {"": "", "stay": "during this stay"}
    horizon = str(about.get("horizon") or (known[span] if span in known else f"within {span_words(span)}"))
    return f"{verb} {horizon}".strip()


def stopped(text: str) -> str:
    """A text with a full stop at its end; else as it is."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def capital(text: str) -> str:
    """A text with a capital at its start."""
    return text[:1].upper() + text[1:]


def lower_start(text: str) -> str:
    """A text that can go on a sentence; an abbreviation at its start stays."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
