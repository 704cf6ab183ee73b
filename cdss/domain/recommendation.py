"""What the machine puts to a clinician, and the site's policy that makes it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cdss.domain.instant import instant_text
from cdss.domain.review import Outcome


class Indicator(StrEnum):
    """How urgent a card is (CDS Hooks); nothing here interrupts, so `critical` is never used by itself."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a site decides about its reviews (policy.toml).

    Parameters
    ----------
    version : str
    estimate_first : bool
        Whether scores stay hidden until the clinician's own estimate is committed.
    review_within, expires_after : int
        Microseconds from when the question was asked to when a review is due, and to when it ends as not reviewed.
    defer_at_most : int
        Microseconds from now; a deferral does not go further.
    sign_unflagged, sign_flagged : frozenset of Outcome
        Which outcomes need a signature; the others are noted with one click.
    second_flagged : frozenset of Outcome
        Which outcomes of a flagged case need a second person.
    stale_after : mapping of str to int
        Microseconds after which a value of a group is marked as old.
    """

    version: str
    estimate_first: bool
    review_within: int
    expires_after: int
    defer_at_most: int
    sign_unflagged: frozenset[Outcome]
    sign_flagged: frozenset[Outcome]
    second_flagged: frozenset[Outcome]
    stale_after: Mapping[str, int]

    def needs_signature(self, outcome: Outcome, *, flag: bool) -> bool:
        """Whether a decision is signed; otherwise it is noted."""
        return outcome in (self.sign_flagged if flag else self.sign_unflagged)

    def needs_second(self, outcome: Outcome, *, flag: bool) -> bool:
        """Whether a signed decision needs another person too."""
        return flag and outcome in self.second_flagged


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One question put to a clinician: an assessment in one case at one version.

    A newer input or score makes a newer version, and what was shown of the older one can no longer be signed.
    """

    id: str
    case: str
    version: int
    assessment: Mapping[str, Any]
    indicator: Indicator
    summary: str
    options: tuple[Outcome, ...]
    policy: str
    due: str
    expires: str

    @property
    def flag(self) -> bool:
        """Whether the machine's risk is at or above the operating threshold; an abstention has no flag."""
        return bool(self.assessment.get("flag", False))


def recommend(
    policy: Policy, assessment: Mapping[str, Any], *, case: str, version: int, asked: int, due: int | None
) -> Recommendation:
    """Make the recommendation of an assessment; the same arguments give the same one.

    Parameters
    ----------
    policy : Policy
    assessment : mapping
        In its public form.
    case : str
    version : int
        Of the case.
    asked, due : int
        Microseconds: when the input came, and when a review is wanted if somebody has said so.
    """
    flag = assessment.get("flag", False)
    no_number = assessment["kind"] == "abstention"
    summary = "no estimate" if no_number else "flagged" if flag else "not flagged"
    return Recommendation(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{case}/{version}/{assessment['id']}/{policy.version}")),
        case=case,
        version=version,
        assessment=assessment,
        indicator=Indicator.WARNING if flag else Indicator.INFO,
        summary=summary,
        options=tuple(Outcome) if not no_number else (Outcome.DEFERRED, Outcome.NOT_APPLICABLE),
        policy=policy.version,
        due=instant_text(asked + policy.review_within if due is None else due),
        expires=instant_text(asked + policy.expires_after),
    )
