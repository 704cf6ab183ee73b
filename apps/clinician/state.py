"""What the server hands to every page: the hospital it opened. Set once, before the first page is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cdss

COOKIE = "cdss_session"


@dataclass(slots=True)
class _Held:
    hospital: cdss.Hospital | None = None


_held = _Held()


def hold(hospital: cdss.Hospital) -> None:
    """Keep the hospital for the pages of this process."""
    _held.hospital = hospital


def hospital() -> cdss.Hospital:
    """The hospital of this process."""
    if _held.hospital is None:
        raise RuntimeError("The app was started without a hospital. Start it with cdss serve or cdss demo.")
    return _held.hospital


_desks: dict[str, tuple[str, str]] = {}


def on_desk(session: str, tab: str, case: str, is_open: Callable[[str], bool]) -> bool:
    """Whether a tab may work on a case: unless another tab that is still open has another patient on the desk."""
    holder, other = _desks.get(session, (tab, case))
    if holder != tab and other != case and is_open(holder):
        return False
    _desks[session] = (tab, case)
    return True


def take_desk(session: str, tab: str, case: str) -> None:
    """Put a case on the desk of a session."""
    _desks[session] = (tab, case)


def clear_desk(session: str, tab: str) -> None:
    """Take off what this tab had on the desk."""
    if _desks.get(session, ("", ""))[0] == tab:
        del _desks[session]
