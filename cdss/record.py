"""What was read of one patient, or of all patients of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cdss.domain.event import Rejection
from cdss.domain.instant import YEAR
from cdss.table import EventTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Conservation: every resource read is in exactly one of the four."""

    used: int
    not_needed: int
    put_aside: int
    refused: int
    events: int

    @property
    def resources(self) -> int:
        """How many resources were read."""
        return self.used + self.not_needed + self.put_aside + self.refused


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Sent:
    """One way in which a code was sent: under which unit, or with what in place of a quantity.

    `form` is "quantity", "answer" (a coded one), "none" (neither a value nor a component has one) or "other".
    """

    key: str
    form: str
    system: str = ""
    unit: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """A source counted by what it is made of, for a report on its quality.

    `resources` counts by file, FHIR R4 type ("" for what is none) and outcome, named as in `Counts`. The rest counts
    the Observations as sent, before any rule: `sent` each place a code stands at, `without_issued` by code;
    `observations` and `unissued` are all of them, and those without `issued`.
    """

    resources: Mapping[tuple[str, str, str], int]
    sent: Mapping[Sent, int]
    without_issued: Mapping[str, int]
    observations: int
    unissued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Something that forbids any score of a record."""

    reason: str
    source: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """The three public fields."""
        return {"reason": self.reason, "source": self.source, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFacts:
    """What the Patient resource states.

    `birth` is the first and the last instant (microseconds) the birth may have been at; `deceased` the first instant
    the death may have been at, with `deceased_undated` for a death without a date. `female` is None unless the
    record says male or female. `is_test` says that the record is labelled as test data (HTEST).
    """

    subject: str
    source: str
    birth: tuple[int, int] | None
    female: bool | None
    deceased: int | None
    deceased_undated: bool
    blocks: tuple[Block, ...]
    is_test: bool = False

    def age(self, index_time: int) -> float | None:
        """Age in years at an index time; the middle of what a partial birth date allows."""
        if self.birth is None:
            return None
        return (index_time - (self.birth[0] + self.birth[1]) / 2) / YEAR

    def blocks_at(self, index_time: int | None) -> tuple[Block, ...]:
        """What forbids a score at an index time; without one, a death at any time counts."""
        blocks = self.blocks
        dated = self.deceased is not None and (index_time is None or self.deceased <= index_time)
        if self.deceased_undated or dated:
            blocks += (
                Block(
                    reason="deceased",
                    source=self.source,
                    message="the patient is recorded as deceased at the index time, or without a date",
                ),
            )
        if index_time is not None and self.birth is not None:
            age = (index_time - self.birth[0]) / YEAR
            if not 0 <= age < 123:
                blocks += (
                    Block(
                        reason="birth-date-implausible",
                        source=f"{self.source}.birthDate",
                        message="the birth date gives an age that nobody has reached, or lies in the future",
                    ),
                )
        return blocks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatientRecord:
    """Patients, events, findings and counts of a source.

    A single patient is a record of one: the same type holds one patient or all patients of a source. `blocked` is
    everything that forbids a score of anyone here; `source_blocks` are those of them that forbid every score. `census`
    is there only where the source was read with one.
    """

    place: str
    patients: Mapping[str, PatientFacts]
    events: EventTable
    rejections: Sequence[Rejection]
    counts: Counts
    blocked: Sequence[Block] = ()
    source_blocks: Sequence[Block] = ()
    census: Census | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject a Patient or an event names, sorted."""
        named = {self.events.subjects[number] for number in np.unique(self.events.subject)}
        return tuple(sorted({*self.patients, *named}))

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"PatientRecord({self.place}: {len(self.patients)} patients, {counts.events} events; {counts.resources} "
            f"resources = {counts.used} used + {counts.not_needed} not needed + {counts.put_aside} put aside + "
            f"{counts.refused} refused)"
        )
