"""Text from records made harmless and visible, and how times, ages, numbers and units are written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import escape

from apps.clinician.words import t

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+.!|~$:<>&=-])")
_UNITS = {
    "mm[Hg]": "mmHg", "Cel": "°C", "10*3/uL": "10³/µL", "mL/(24.h)": "mL", "{score}": "points", "[pH]": "", "a": "y",
    "d": "days", "1": "",
}  # fmt: skip
_MICRO = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS_UP_TO, _MINUTES_UP_TO = 48, 120


def visible(text: object) -> str:
    """A text with its control and formatting characters made visible, so that none can turn or hide another."""
    return "".join(
        char if char.isprintable() or char == "\n" else f"⟨U+{ord(char):04X}⟩" for char in str(text)
    ).replace("\n", " ")


def show_text(text: object) -> str:
    """A text of a record for HTML: as typed, never as markup. Every FHIR string goes through here."""
    return f"<bdi>{escape(visible(text))}</bdi>"


def say(text: str) -> str:
    """A text of ours for HTML, translated."""
    return escape(t(text))


def label_text(text: object) -> str:
    """A text of a record for a Streamlit label, which would render markdown."""
    return _MARKDOWN.sub(r"\\\1", visible(text))


def unit_text(unit: str) -> str:
    """A UCUM unit as people write it."""
    return _UNITS.get(unit, unit)


def moment(value: str | int) -> datetime:
    """An instant of the ledger (text) or of a view (microseconds) on the clock of the site."""
    at = _EPOCH + value * _MICRO if isinstance(value, int) else datetime.fromisoformat(value)
    return at.astimezone()


def day(value: str | int | datetime) -> str:
    """`14 Mar 2026`."""
    at = value if isinstance(value, datetime) else moment(value)
    return f"{at.day} {at:%b %Y}"


def clock(value: str | int) -> str:
    """`09:47`."""
    return f"{moment(value):%H:%M}"


def seconds(value: str | int) -> str:
    """`09:47:31`."""
    return f"{moment(value):%H:%M:%S}"


def when(value: str | int) -> str:
    """`14 Mar 2026 09:47`."""
    return f"{day(value)} {clock(value)}"


def birth(text: str, today: datetime) -> tuple[str, str]:
    """A birth date as it is on record, and the age in years; both empty where it is not known."""
    parts = text.split("-")
    if not text or not all(part.isdecimal() for part in parts):
        return (visible(text), "")
    year = int(parts[0])
    if len(parts) < 3:
        return (text, f"about {today.year - year}")
    born = datetime(year, int(parts[1]), int(parts[2]))  # a day, not an instant
    had_it = (today.month, today.day) >= (born.month, born.day)
    return (day(born), str(today.year - year - (0 if had_it else 1)))


def age(value: str | int, now: int) -> str:
    """How old a value is, in words."""
    at = int((moment(value) - _EPOCH) / _MICRO) if isinstance(value, str) else value
    minutes = max(0, (now - at) // 60_000_000)
    if minutes < _MINUTES_UP_TO:
        return t("{n} min ago").format(n=minutes)
    if minutes < _HOURS_UP_TO * 60:
        return t("{n} h ago").format(n=minutes // 60)
    return t("{n} days old").format(n=minutes // 1440)


def due(value: int, now: int) -> tuple[str, bool]:
    """When something is due, and whether that is over."""
    at, today = moment(value), moment(now)
    if value < now:
        late = (now - value) // 3_600_000_000
        words = t("overdue {n} h").format(n=late) if late else t("overdue")
        return words, True
    days = (at.date() - today.date()).days
    names = {0: t("today"), 1: t("tomorrow")}
    return f"{names.get(days, day(at))} {at:%H:%M}", False


def in_threes(number: str) -> str:
    """An identifier of digits in threes, so that two can be compared by eye."""
    if not number.isdecimal():
        return number
    return " ".join(number[at : at + 3] for at in range(0, len(number), 3))


def in_fours(digest: str, line: int = 32) -> str:
    """A hash in fours, over lines."""
    lines = [digest[at : at + line] for at in range(0, len(digest), line)]
    return "<br>".join(" ".join(one[at : at + 4] for at in range(0, len(one), 4)) for one in lines)


def signed(value: float, decimals: int = 2) -> str:
    """A number that always shows its sign, with a real minus."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def counted(number: int) -> str:
    """`18,442`."""
    return f"{number:,}"


def sex_word(text: str) -> str:
    """Administrative gender in words; what is not known is said."""
    return t({"female": "Female", "male": "Male", "other": "Other"}.get(text, "Not known"))
