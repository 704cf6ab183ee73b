"""The worklist: list and table view, filters in the address."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

import cdss
from apps.clinician.screens.visit import card, clear_desk, go, visit
from apps.clinician.views.frame import page_title
from apps.clinician.views.text import say, seconds
from apps.clinician.views.worklist import group_card, heading, table_rows
from apps.clinician.words import t

_A_PAGE = 25
_HERE = ' aria-current="page"'
_GROUPS = ("no number", "estimate", "ready", "to sign", "deferred")


def page() -> None:
    """Draw the list."""
    here = visit()
    clear_desk(here)
    rows = here.hospital.worklist(here.person)
    places = sorted({row.patient["ward"] for row in rows if row.patient["ward"]})
    top, filters = st.columns([52, 48], vertical_alignment="bottom")
    with filters, st.container(horizontal=True, horizontal_alignment="right", key="worklist-filters"):
        whose = st.segmented_control(
            t("Whose"), ["Mine", *places, "All"], key="worklist-whose", format_func=t, bind="query-params",
            default="Mine" if here.person.role == "clinician" else "All", label_visibility="collapsed", required=True,
        )  # fmt: skip
        view = st.segmented_control(
            t("View"), ["List", "Table"], default="List", key="worklist-view", format_func=t, bind="query-params",
            label_visibility="collapsed", required=True,
        )  # fmt: skip
        wanted = st.text_input(
            t("Find a patient"), key="worklist-find", placeholder=t("Name or hospital no."), width=190,
            label_visibility="collapsed", autocomplete="off",
        )  # fmt: skip
    everywhere = "All" if wanted.strip() else whose or "All"
    shown = [row for row in rows if _fits(row, everywhere, here.person.name) and _named(row, wanted)]
    with top:
        about = t("Risk of death within 180 days, serious illness.")
        st.html(page_title("Worklist", heading(shown, about)))
    if not shown:
        st.html(f'<p class="empty">{say("No open cases here. Last checked")} {seconds(here.now)}.</p>')
    elif view == "Table":
        _table(shown, here.now)
    else:
        _list(shown, here.now)
    st.html(
        f'<footer class="foot"><span>{say("Showing")} {len(shown)} {say("of")} {len(rows)} · '
        f"{say('updated')} {seconds(here.now)}</span>"
        f"<span>{say('Not for triage, treatment limits, DNR or bed decisions')} · "
        f'<a href="/help" target="_self">{say("Intended use")}</a></span></footer>'
    )


def _fits(row: cdss.Row, whose: str, name: str) -> bool:
    patient = row.patient
    return whose == "All" or patient["ward"] == whose or (whose == "Mine" and patient["attending"] == name)


def _named(row: cdss.Row, wanted: str) -> bool:
    patient, text = row.patient, "".join(wanted.casefold().split())
    places = (
        patient["family"] + patient["given"],
        patient["given"] + patient["family"],
        patient["identifier"]["value"],
    )
    return any(text in "".join(place.casefold().split()) for place in places)


def _list(rows: list[cdss.Row], now: int) -> None:
    at = max(
        1,
        min(
            int(st.query_params.get("page", "1") or 1) if st.query_params.get("page", "1").isdecimal() else 1,
            -(-len(rows) // _A_PAGE),
        ),
    )
    part = rows[(at - 1) * _A_PAGE : at * _A_PAGE]
    for group in _GROUPS:
        mine = [row for row in part if row.group == group]
        if mine:
            with card(f"list-{group.replace(' ', '-')}"):
                st.html(group_card(group, mine, now, lambda row: f"/review?case={row.case}"))
    pages = -(-len(rows) // _A_PAGE)
    if pages > 1:
        links = "".join(
            f'<a href="{_page_address(number)}" target="_self"{_HERE if number == at else ""}>{number}</a>'
            for number in range(1, pages + 1)
        )
        st.html(f'<nav class="pages" aria-label="{say("Pages of the list")}">{links}</nav>')


def _page_address(number: int) -> str:
    """Another page of the list with the same filters."""
    return escape("?" + urlencode({**st.query_params.to_dict(), "page": str(number)}))


def _table(rows: list[cdss.Row], now: int) -> None:
    st.html(f'<p class="under">{say("Arrows move, Shift and Space choose a row; then open it below.")}</p>')
    chosen = st.dataframe(
        pd.DataFrame(table_rows(rows, now)), hide_index=True, selection_mode="single-row", on_select="rerun",
        key="worklist-table",
        height="content" if len(rows) <= 15 else 560,
    )  # fmt: skip
    picked = chosen["selection"]["rows"]
    if picked and st.button(t("Open this case"), key="worklist-open", type="primary"):
        from apps.clinician.screens.review import place as review

        go(review(), case=rows[picked[0]].case)


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Worklist", url_path="worklist", default=True)
