"""Help: what it is for and not for, limits, how to work with the keyboard, which version this is."""

from __future__ import annotations

from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens.visit import card, visit
from apps.clinician.views import guide as guides
from apps.clinician.views.frame import page_title, title
from apps.clinician.views.text import say


def page() -> None:
    """Draw the page."""
    here = visit()
    st.html(page_title("Help", say("What this is for, what it is not for, and how to use it.")))
    left, right = st.columns([60, 40], gap="medium")
    about = here.hospital.about()
    with left:
        for one in about:
            with card(f"model-{one['name']}"):
                st.html(title(one["title"], f"{one['name']} {one['version']}") + guides.model(one))
        with card("flow"):
            st.html(title("One case in a minute") + guides.flow())
    with right:
        with card("keys"):
            st.html(title("With the keyboard") + guides.keys())
        with card("words"):
            st.html(title("How things are written") + guides.words())
        with card("version"):
            st.html(title("This version") + guides.version(cdss.__version__, here.hospital.environment))


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Help", url_path="help")
