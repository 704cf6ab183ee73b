"""Who is here for this run of a page, and what pages share: acts that may fail, links, which patient is on the desk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

import cdss
from apps.clinician import state
from apps.clinician.views.frame import notice
from apps.clinician.views.text import say
from apps.clinician.words import t

LEFT = "visit-left"  # in the state of a tab: what keeps the fields of the last run
STEPS = ("Facts", "Your estimate", "Machine and team", "Decide", "Sign")


@dataclass(frozen=True, slots=True)
class Visit:
    """One run of a page by one person; looked up anew every time."""

    hospital: cdss.Hospital
    by: cdss.SignedIn
    now: int
    dark: bool
    stopped: str  # why nothing can be recorded now; empty as long as it can

    @property
    def person(self) -> cdss.Person:
        """Who acts."""
        return self.by.person


def visit() -> Visit:
    """The person of this browser now; without one, the page ends here."""
    hospital = state.hospital()
    token = st.context.cookies.get(state.COOKIE, "")
    person = hospital.identify(token)
    if person is None:
        if left := st.session_state.pop(LEFT, None):
            left()
        why = (
            "After 15 minutes without activity, or in another tab. What you had typed is kept. Sign in again and go on."
        )
        st.html(notice("stop", "You are signed out.", why))
        st.html(f'<p><a class="act" href="{escape(_address())}" target="_self">{say("Sign in")}</a></p>')
        st.stop()
    dark = st.context.theme.type == "dark"
    stopped = "; ".join(hospital.health()[1].get("reasons", ()))
    return Visit(hospital, cdss.SignedIn(token=token, person=person), hospital.now(), dark, stopped)


def _address() -> str:
    """The page asked for, within the app; whoever is not signed in is asked to, and comes back here."""
    query = urlencode(st.query_params.to_dict())
    return (urlsplit(st.context.url or "").path or "/") + (f"?{query}" if query else "")


@contextmanager
def acting(place: str) -> Iterator[None]:
    """An act that may be refused: what it said is shown on the next run, at a place of the page."""
    try:
        yield
    except cdss.CdssError as error:
        st.session_state[f"{place}-problem"] = str(error)
        st.rerun()


def problem(place: str) -> None:
    """What an act at this place was refused for, once."""
    said = st.session_state.pop(f"{place}-problem", None)
    if said:
        st.html(notice("stop", t("Not done."), said))


def who_again(here: Visit, place: str) -> tuple[str | None, str]:
    """The fields by which a signer proves who they are; after a try the one of the password is a new, empty one."""
    asked = here.hospital.asks_login(here.person)
    login = st.text_input(t("Your user name"), key=f"{place}-login", autocomplete="username") if asked else None
    number = st.session_state.get(f"{place}-tries", 0)
    password = st.text_input(
        t("Your password"), type="password", key=f"{place}-password-{number}", autocomplete="current-password"
    )
    return login or None, password


def trying(place: str, password: str) -> None:
    """Count a try at a place. Without a password there is none: a second click finds the field empty already."""
    if not password:
        st.session_state.setdefault(f"{place}-problem", t("Enter your password."))
        st.rerun()
    st.session_state[f"{place}-tries"] = st.session_state.get(f"{place}-tries", 0) + 1


def go(page: Any, **query: str) -> None:
    """Go to another page of this app, without a new load."""
    st.switch_page(page, query_params=query)


def card(key: str, **more: Any) -> Any:
    """A bordered container with a name that the stylesheet knows."""
    return st.container(border=True, key=f"card-{key}", **more)


def _tab() -> str:
    """The tab, as Streamlit names it; a reload makes a new one and closes the old."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def on_desk(here: Visit, case: str) -> bool:
    """Whether this tab may act on a case: one person works on one patient at a time."""
    is_open = runtime.get_instance().is_active_session if runtime.exists() else lambda tab: False
    return state.on_desk(here.person.session or here.person.sub, _tab(), case, is_open)


def take_desk(here: Visit, case: str) -> None:
    """Put a case on the desk in this tab; another tab with another patient is locked by it."""
    state.take_desk(here.person.session or here.person.sub, _tab(), case)


def clear_desk(here: Visit) -> None:
    """Nothing of a patient is open in this tab any more."""
    state.clear_desk(here.person.session or here.person.sub, _tab())
