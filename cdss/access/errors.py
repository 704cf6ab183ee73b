"""What access refuses, as one family below `CdssError`; each ends a command with exit code 5.

::

    AccessError
    ├── WrongPasswordError      log-in name or password is not right, or the account is disabled: one text for all
    ├── LockedOutError          too many failures; `until` says when to try again
    ├── SessionExpiredError     no session, or it has ended
    ├── AccessDeniedError       the role does not hold the act
    │   └── SamePersonError     a second signature needs another person
    └── ProofError              a proof of identity does not fit what is signed, or came too late
        ├── LoginNeededError    the first signature of a session asks for the log-in name too
        └── ProofUsedError      it was used already

No message holds a password, a log-in name, a session id or a nonce.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cdss.errors import CdssError


class AccessError(CdssError):
    """Who asks is not known, or may not do this."""

    exit_code = 5


class WrongPasswordError(AccessError):
    """The log-in name or the password is not right; the text does not say which."""

    def __init__(self) -> None:
        super().__init__("The log-in name or the password is not right. Try again; several failures make you wait.")


class LockedOutError(AccessError):
    """Too many failures for this log-in name, whether or not an account has it."""

    def __init__(self, until: datetime) -> None:
        self.until = until.astimezone(UTC)
        super().__init__(f"Too many failures. Try again after {self.until:%Y-%m-%d %H:%M:%S} UTC, or ask an admin.")


class SessionExpiredError(AccessError):
    """There is no session, or it has ended."""

    def __init__(self) -> None:
        super().__init__("The session has ended. Sign in again; what was saved as a draft is still there.")


class AccessDeniedError(AccessError):
    """The role a session acts in does not hold an act."""

    def __init__(self, *, role: str, act: str, remedy: str = "Ask somebody whose role holds it, or an admin.") -> None:
        self.role, self.act = role, act
        super().__init__(f"The role {role} may not {act}. {remedy}")


class SamePersonError(AccessDeniedError):
    """A second signature by the person of the first, from whichever account."""

    def __init__(self, *, role: str, act: str) -> None:
        super().__init__(role=role, act=act, remedy="You gave the first signature; a second needs another person.")


class ProofError(AccessError):
    """A proof of identity does not fit what is signed, or came too late."""

    def __init__(self, problem: str, remedy: str = "Nothing was signed. Give the password again.") -> None:
        super().__init__(f"The proof of identity {problem}. {remedy}")


class LoginNeededError(ProofError):
    """The first signature of a session asks for both the log-in name and the password."""

    def __init__(self) -> None:
        super().__init__("needs the log-in name too at the first signature", "Give both.")


class ProofUsedError(ProofError):
    """The proof was used already; one proof is good for one signature."""

    def __init__(self) -> None:
        super().__init__("was used already", "See whether the first signature stands before you prove again.")
