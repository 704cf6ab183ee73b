"""How the readers of single resources speak: a fault puts aside, a note goes along."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cdss.domain.event import Severity

if TYPE_CHECKING:
    from cdss.codes import CodeMap


class PutAside(Exception):  # noqa: N818 - an outcome, not an error of the program
    """A resource, or a part of one, cannot be used; raised by a reader, turned into a rejection by the caller."""

    def __init__(
        self,
        location: str,
        reason: str,
        message: str,
        *,
        codes: tuple[str, ...] = (),
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.location, self.reason, self.message, self.codes, self.severity = location, reason, message, codes, severity
        super().__init__(message)


class Notes:
    """Findings about one resource while it is read: location, reason, severity, message, codes.

    `issued_missing` counts, over all resources and by code, what has no issued time: too common for a finding each.
    `code_map` is the hospital's own, if it gave one.
    """

    __slots__ = ("code_map", "found", "issued_missing")

    def __init__(self) -> None:
        self.code_map: CodeMap | None = None
        self.found: list[tuple[str, str, Severity, str, tuple[str, ...]]] = []
        self.issued_missing: Counter[str] = Counter()

    def note(self, location: str, reason: str, message: str, codes: tuple[str, ...] = ()) -> None:
        """Remark on something that was used."""
        self.found.append((location, reason, Severity.NOTE, message, codes))

    def fault(self, fault: PutAside, prefix: str = "") -> None:
        """Keep a fault; `prefix` is the place of the part it was raised in."""
        location = ".".join(part for part in (prefix, fault.location) if part)
        self.found.append((location, fault.reason, fault.severity, fault.message, fault.codes))
