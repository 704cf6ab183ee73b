"""Who is asking: the person a session belongs to, and the one function by which identity enters.

Doors hold one `Identify` and ask it on every call and every rerun. `Sessions.identify` is one; sign-in by OIDC will
make sessions for the same one; a test puts a lambda in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody signed in, in one role.

    Parameters
    ----------
    sub : str
        The person's id; the same from each of their accounts.
    name : str
    role : str
        What this session acts as, one of `Role`.
    account : str
        The id of the account.
    session : str, optional
        SHA-256 of the session id in hex, never the id itself.
    client : str, optional
        What they came with, such as `browser`.
    auth_time : datetime, optional
        When they last showed who they are.
    amr : tuple of str
        How (RFC 8176): `pwd` for a password.
    """

    sub: str
    name: str
    role: str
    account: str
    session: str | None = None
    client: str | None = None
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()

    def actor(self) -> dict[str, Any]:
        """The fields of the ledger's actor, by name."""
        known = {"client": self.client, "session": self.session, "auth_time": instant_text(self.auth_time)}
        named = {"sub": self.sub, "name": self.name, "role": self.role, "amr": self.amr}
        return named | {name: value for name, value in known.items() if value is not None}


Identify = Callable[[str | None, datetime], Person | None]
"""`identify(token, now)`: who a session id belongs to now; None if to nobody, for whatever cause."""


def local_operator(name: str) -> Person:
    """Whoever runs a command on the machine itself, which already has the store: for `cdss users`, never for a page."""
    return Person(sub=f"operator:{name}", name=name, role="admin", account="operator", client="command", amr=("os",))


def instant_text(at: datetime | None) -> str | None:
    """UTC with microseconds and a `Z`; all of one length, so that they compare as text."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
