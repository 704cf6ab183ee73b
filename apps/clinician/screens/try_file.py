"""Try a file, in the demo only: what this version reads of any FHIR file, what it puts aside, and what it answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from apps.clinician.screens.visit import acting, card, problem, visit
from apps.clinician.views import trying
from apps.clinician.views.frame import page_title, title
from apps.clinician.views.text import say, show_text
from apps.clinician.words import t


def page() -> None:
    """Draw the form, and what became of the file."""
    here = visit()
    below = say("Any FHIR R4 Bundle, resource or NDJSON. Nothing of the file is kept. Use no real patient's data.")
    st.html(page_title("Try a file", below))
    problem("try")
    with card("try"), st.form("try-form", border=False):
        given = st.file_uploader(t("FHIR file"), key="try-file")  # what it is, the reader finds out
        left, right = st.columns(2)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        when = left.text_input(t("Index time, with offset"), value=now, key="try-when")
        whose = right.text_input(t("Patient, if there are several"), key="try-whose")
        sent = st.form_submit_button(t("Read it"), type="primary")
    if not sent or given is None:
        return
    with acting("try"):
        found = here.hospital.try_file(here.person, given.name, given.getvalue(), subject=whose, index_time=when)
    with card("try-result"):
        if "refused" in found:
            st.html(title("What became of it", show_text(given.name)) + trying.refused(found["refused"]))
            return
        st.html(
            title("What became of it", show_text(given.name)) + trying.counts(found["report"]) + trying.answer(found)
        )
    with card("try-findings"):
        st.html(title("Findings") + trying.findings(found["report"]))
    if found["report"].get("values"):
        with card("try-values"):
            st.html(title("Values known at the index time") + trying.values(found["report"]))


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Try a file", url_path="try")
