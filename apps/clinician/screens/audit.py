"""The audit: verify, search, export. Looking here is itself an entry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens.visit import acting, card, problem, visit
from apps.clinician.views import audit as audits
from apps.clinician.views.frame import page_title
from apps.clinician.views.text import say
from apps.clinician.words import t

_ANCHOR = "Keep a signed head on another volume: cdss ledger checkpoint prints one"


def page() -> None:
    """Verdict, filters, entries."""
    here = visit()
    st.html(page_title("Audit", say("Every act, in order. Looking here is itself an entry.")))
    problem("audit")
    with card("verdict"):
        left, right = st.columns([76, 24], vertical_alignment="top")
        with right, st.container(horizontal=True, horizontal_alignment="right", key="audit-acts"):
            again = st.button(t("Verify again"), key="audit-verify")
            if here.hospital.may(here.person, "export audit"):
                st.html(f'<a class="button" href="/ledger.ndjson" download>{say("Export proof")}</a>')
        if again or "audit-verdict" not in st.session_state:
            with acting("audit"):
                st.session_state["audit-verdict"] = here.hospital.verify(here.person)
        head, checks = audits.verdict(st.session_state["audit-verdict"], _ANCHOR)
        with left:
            st.html(head)
        if checks:
            st.html(checks)
    with card("entries"):
        with st.container(key="audit-filters"):
            since, kind, who, text, act = st.columns([18, 20, 22, 28, 12], vertical_alignment="bottom")
            day = since.date_input(t("From"), value=None, key="audit-since", format="YYYY-MM-DD")
            page_ = here.hospital.audit(here.person, _filter(day))
            names = dict(page_.kinds)
            kinds = ["", *sorted(names, key=names.__getitem__)]
            kind.selectbox(t("Act"), kinds, format_func=lambda code: t(names.get(code, "All acts")), key="audit-kind")
            who.selectbox(
                t("Person"), ["", *page_.people], format_func=lambda name: name or t("All people"), key="audit-who"
            )
            text.text_input(t("Record, patient pseudonym or model"), key="audit-text")
            act.button(t("Search"), key="audit-search", width="stretch")
        if page_.entries:
            st.html(audits.entries(page_.entries))
        else:
            st.html(f'<p class="empty">{say("No entries match. Clear the filters.")}</p>')
        if page_.more:
            st.button(t("Show older entries"), key="audit-older", on_click=_older)


def _older() -> None:
    st.session_state["audit-limit"] = st.session_state.get("audit-limit", 50) + 100


def _filter(day: object) -> cdss.Filter:
    typed = st.session_state
    since = ""
    if day is not None:
        since = datetime(day.year, day.month, day.day, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # type: ignore[attr-defined]
    return cdss.Filter(
        since=since, kind=typed.get("audit-kind", "") or "", person=typed.get("audit-who", "") or "",
        text=typed.get("audit-text", "") or "", limit=typed.get("audit-limit", 50),
    )  # fmt: skip


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Audit", url_path="audit")
