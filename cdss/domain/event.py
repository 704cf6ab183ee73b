"""What a resource becomes: a clinical event, or a rejection that says why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from cdss.domain.coding import Coding


class EventKind(IntEnum):
    """What sort of fact an event states; a feature reads one kind."""

    OBSERVATION = 0
    CONDITION = 1
    ENCOUNTER = 2
    PROCEDURE = 3
    MEDICATION = 4


class Severity(StrEnum):
    """`ERROR`: something could not be used. `NOTE`: it was used, or nothing was lost, and somebody should know."""

    ERROR = "error"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalEvent:
    """One coded fact about one subject: true from `effective`, on record from `issued`.

    `value` is in `unit`: the reference unit of units.toml where that file knows the code. A `comparator` makes it a
    bound, never a bare number.
    """

    subject: str
    kind: EventKind
    codes: tuple[Coding, ...]
    effective: datetime
    issued: datetime
    end: datetime | None
    value: float | Coding | None
    unit: str | None
    comparator: str | None
    source: str

    def known_at(self, index_time: datetime) -> bool:
        """Whether someone at the bedside at `index_time` could have read this."""
        return max(self.effective, self.issued) <= index_time


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rejection:
    """A finding about one place in the input: what was not used, or used with a remark.

    `subject` is whose record it concerns, where that is known; `codes` are the `system|code` keys it is about.
    """

    source: str
    location: str
    reason: str
    severity: Severity
    message: str
    subject: str | None = None
    codes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, str]:
        """The five public fields."""
        return {
            "source": self.source,
            "location": self.location,
            "reason": self.reason,
            "severity": self.severity.value,
            "message": self.message,
        }
