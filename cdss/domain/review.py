"""What a clinician decides about one recommendation, and what may follow what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cdss.errors import UsageError


class Outcome(StrEnum):
    """The four ways a recommendation ends in a decision; the words are those of the ledger."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"
    DEFERRED = "deferred"
    NOT_APPLICABLE = "not-applicable"


class Stage(StrEnum):
    """Where one clinician stands in one case; each stage is a row of the ledger before a page shows the next.

    ::

        FACTS (own estimate) -> RESULT -> DECIDED -> SIGNED -> COUNTERSIGNED
                                 or, with nothing to sign: NOTED
    """

    FACTS = "facts"
    RESULT = "result"
    DECIDED = "decided"
    NOTED = "noted"
    SIGNED = "signed"
    COUNTERSIGNED = "countersigned"
    EXPIRED = "expired"


class Fate(StrEnum):
    """What became of a decision, for whoever reads its record; "waits" is not in force yet."""

    NONE = "none"
    UNSIGNED = "not signed"
    NOTED = "noted"
    SIGNED = "signed"
    WAITS = "waits for a second person"
    SIGNED_BY_TWO = "signed by two"
    REFUSED = "refused"


CLOSED = frozenset({Stage.NOTED, Stage.SIGNED, Stage.COUNTERSIGNED, Stage.EXPIRED})
"""Stages after which nothing is left to decide in a case."""

_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDecision:
    """A decision before it is recorded.

    Parameters
    ----------
    outcome : Outcome
    reason : str, optional
        Code of review.toml; an override needs one.
    knows : tuple of str
        What the clinician knows that the machine does not, as codes of review.toml.
    note, plan : str
        Free text, at most 2,000 characters each.
    until : str, optional
        ISO 8601 instant; a deferral needs one.
    """

    outcome: Outcome
    reason: str | None = None
    knows: tuple[str, ...] = ()
    note: str = ""
    plan: str = ""
    until: str | None = None

    def check(self, *, reasons: frozenset[str], needs_text: frozenset[str], known: frozenset[str]) -> None:
        """Refuse a decision that leaves out what its outcome needs.

        Raises
        ------
        UsageError
            Naming what is missing, never what was typed.
        """
        if self.outcome is Outcome.OVERRIDDEN and self.reason not in reasons:
            raise UsageError("An override needs a reason. Choose one.")
        if self.outcome is not Outcome.OVERRIDDEN and self.reason is not None:
            raise UsageError("A reason goes with an override only. Leave it out.")
        if self.reason in needs_text and not self.note.strip():
            raise UsageError("This reason needs a few words. Write them, then continue.")
        if self.outcome is Outcome.DEFERRED and (self.until is None or not self.plan.strip()):
            raise UsageError("A deferral needs a time and what for. Give both.")
        if self.outcome is not Outcome.DEFERRED and self.until is not None:
            raise UsageError("Only a deferral has a time. Leave it out.")
        if unknown := set(self.knows) - known:
            raise UsageError(f"{len(unknown)} of the choices are not known. Choose from the list.")
        if max(len(self.note), len(self.plan)) > _LONGEST_TEXT:
            raise UsageError(f"A text has over {_LONGEST_TEXT} characters. Shorten it.")
