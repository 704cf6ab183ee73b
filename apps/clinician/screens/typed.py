"""What is typed and not committed: kept at each run, so that a reload or an ended session loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens.visit import LEFT, Visit, acting


def restore(here: Visit, view: Any, keys: Mapping[str, str], place: str) -> None:
    """After a reload or a new sign-in: what was typed here before, once."""
    if f"{place}-restored-{view.case.id}" in st.session_state:
        return
    st.session_state[f"{place}-restored-{view.case.id}"] = True
    for name, value in here.hospital.draft(here.person, view.case.id, view.case.scored_version).items():
        if name.endswith("_day") and name in keys:
            st.session_state[keys[name]] = date.fromisoformat(value)
        elif name.endswith("_time") and name in keys:
            st.session_state[keys[name]] = time.fromisoformat(value)
        elif name in keys:
            st.session_state[keys[name]] = value


def again(view: Any) -> None:
    """Let the fields of a decision be filled from what is kept once more, as after "back, do not sign"."""
    for name in ("decide-restored", "decide-kept"):
        st.session_state.pop(f"{name}-{view.case.id}", None)


def keep(here: Visit, view: Any, keys: Mapping[str, str], place: str) -> None:
    """Keep what stands in the fields now, if it has changed; and remember how, for the run after the session's end."""

    def left() -> None:
        with suppress(cdss.CdssError):
            if found := _typed(keys):
                here.hospital.keep_draft(here.person, view.case.id, view.case.scored_version, found)

    st.session_state[LEFT] = left
    kept = _typed(keys)
    if st.session_state.get(f"{place}-kept-{view.case.id}") != kept:
        with acting(place):
            here.hospital.keep_draft(here.person, view.case.id, view.case.scored_version, kept)
        st.session_state[f"{place}-kept-{view.case.id}"] = kept


def forget(here: Visit, view: Any) -> None:
    """What was typed is committed; nothing is left to keep."""
    st.session_state.pop(LEFT, None)
    here.hospital.keep_draft(here.person, view.case.id, view.case.scored_version, {})


def _typed(keys: Mapping[str, str]) -> dict[str, Any]:
    typed = {name: st.session_state.get(key) for name, key in keys.items()}
    return {
        name: value.isoformat() if isinstance(value, date | time) else value
        for name, value in typed.items()
        if value not in (None, "", [])
    }
