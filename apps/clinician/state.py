"""What the server hands to every page: the hospital it opened. Set once, before the first page is drawn."""

from __future__ import annotations

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


_desks: dict[str, tuple[int, str]] = {}


def on_desk(session: str, tab: int, case: str) -> bool:
    """Whether a tab has its case on the desk of its session; an empty desk is taken."""
    holder = _desks.setdefault(session, (tab, case))
    return holder[0] == tab or holder[1] == case


def take_desk(session: str, tab: int, case: str) -> None:
    """Put a case on the desk of a session."""
    _desks[session] = (tab, case)
