"""Everything that can go wrong, as one family.

::

    CdssError
    ├── UsageError               the caller asked for something that does not exist or cannot be read (exit 2)
    │   ├── SourceNotFoundError  no such path, or a URL, a pipe or a device
    │   ├── CodeMapError         a row of a hospital's code map cannot be proved
    │   ├── CohortError          a cohort or outcome row is not usable
    │   ├── SpecError            a model's spec.toml breaks its own rules
    │   ├── UnknownModelError    no such model or release
    │   └── OutOfScopeError      a method asked outside what it was made for
    ├── InputRefusedError        the input as a whole is refused: not FHIR, cut, over a limit (exit 3)
    │   ├── AmbiguousSubjectError  several patients and none named
    │   └── SubjectNotFoundError   the patient named is not in the source
    ├── ConflictError            somebody else was first: look again, then act (exit 2; 409 over HTTP)
    │   ├── AlreadySignedError   the signature asked for is on this decision already
    │   └── StaleDecisionError   the decision to be signed is no longer the one on record
    ├── IntegrityError           a digest, a signature or a promise of a release does not hold (exit 4)
    ├── DependencyError          a part this depends on fails: store locked, full or read-only, key missing (exit 6)
    └── EvidenceError            the data cannot support the statistic or the training asked for (exit 2)

Each message names the record, the reason and the next step, and never a patient's values.
"""

from __future__ import annotations

import os
import re
from typing import ClassVar

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # of two letters or more: one is a drive


class CdssError(Exception):
    """The root of the family; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(CdssError):
    """The caller asked for something that does not exist or cannot be read."""

    exit_code = 2


class SourceNotFoundError(UsageError):
    """What the caller named is not there, or is nothing that can be read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if _URL.match(str(path)):
            why = "is a URL, and servers are not read yet. Export the data, and name the file or directory."
        elif os.path.isdir(path):
            why = "is a directory. Name a file."
        elif os.path.exists(path):
            why = "is neither a file nor a directory. Write what it gives into a file, and name that."
        else:
            why = "no such file or directory. Check the path and try again."
        super().__init__(f"{path}: {why}")


class CodeMapError(UsageError):
    """A row of a hospital's code map cannot be proved, so the map as a whole is not used."""

    def __init__(self, *, place: str, reason: str, remedy: str) -> None:
        self.place, self.reason, self.remedy = place, reason, remedy
        super().__init__(f"{place}: {reason}. {remedy}")


class CohortError(UsageError):
    """A row of a cohort or outcome file is not usable."""

    def __init__(self, *, place: str, reason: str, remedy: str) -> None:
        self.place, self.reason, self.remedy = place, reason, remedy
        super().__init__(f"{place}: {reason}. {remedy}")


class SpecError(UsageError):
    """A model's spec.toml breaks a rule of the specification language."""


class UnknownModelError(UsageError):
    """No model or release of that name is installed."""


class OutOfScopeError(UsageError, ValueError):
    """A published method was asked for a patient it was not made for."""

    def __init__(self, *, what: str, needs: str, got: str) -> None:
        super().__init__(f"{what} needs {needs}, but was given {got}.")


class InputRefusedError(CdssError):
    """The input as a whole is refused; nothing of it was used."""

    exit_code = 3

    def __init__(self, *, place: str, reason: str, message: str, remedy: str) -> None:
        self.place, self.reason, self.remedy = place, reason, remedy
        super().__init__(f"{place}: {message}. {remedy}")


class AmbiguousSubjectError(InputRefusedError):
    """The source holds several patients and the caller named none."""

    def __init__(self, *, place: str, count: int) -> None:
        super().__init__(
            place=place,
            reason="ambiguous-subject",
            message=f"holds {count} patients and none was named",
            remedy="Name one with --subject (or subject=...).",
        )


class SubjectNotFoundError(InputRefusedError):
    """The patient named by the caller is not in the source."""

    def __init__(self, *, place: str, subject: str) -> None:
        super().__init__(
            place=place,
            reason="subject-not-found",
            message=f"holds no {subject}",
            remedy="Check the id, or name a source that holds this patient.",
        )


class ConflictError(CdssError):
    """Somebody else was first; nothing of the act was done."""

    exit_code = 2


class AlreadySignedError(ConflictError):
    """The slot of this decision is taken."""

    def __init__(self, *, case: str, slot: str, name: str, at: str) -> None:
        self.case, self.slot, self.name, self.at = case, slot, name, at
        super().__init__(f"case {case}: already signed by {name} at {at} ({slot}). Open the case again to see it.")


class StaleDecisionError(ConflictError):
    """A newer score, correction or decision came since the form was shown."""

    def __init__(self, *, case: str) -> None:
        self.case = case
        super().__init__(f"case {case}: something newer is on record than what was to be signed. Review it, then sign.")


class IntegrityError(CdssError):
    """A digest, a signature, a schema or a golden vector does not hold."""

    exit_code = 4


class DependencyError(CdssError):
    """A part this depends on fails: a store is locked, full or read-only, a key is missing."""

    exit_code = 6


class EvidenceError(CdssError, ValueError):
    """The data cannot support the statistic or the training that was asked for."""

    exit_code = 2
