"""The second signature: decisions that wait for another person, oldest first."""

from __future__ import annotations

from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens.visit import Visit, acting, card, go, problem, trying, visit, who_again
from apps.clinician.views import record as records
from apps.clinician.views.frame import banner, page_title, title
from apps.clinician.views.text import birth, label_text, moment, say, show_text, when
from apps.clinician.views.worklist import record_table
from apps.clinician.words import t


def page() -> None:
    """The queue, or one decision of it."""
    here = visit()
    case = st.query_params.get("case", "")
    rows = here.hospital.waiting_for_second(here.person)
    if case not in {row.case for row in rows}:
        st.html(page_title("Second signature", say("Signed decisions that need another person, oldest first.")))
        with card("second"):
            if rows:
                st.html(record_table(rows, lambda row: f"/second?case={row.case}"))
            else:
                st.html(f'<p class="empty">{say("Nothing waits for your signature.")}</p>')
        return
    frozen = here.hospital.frozen(here.person, case)
    found = here.hospital.record(here.person, case)
    decided = found.decided
    with st.container(key="banner"):
        st.html(banner(frozen["patient"], here.now))
    with card("sign"):
        left, right = st.columns([64, 36], gap="medium")
        with left:
            by = f"{show_text(decided.name)}, {show_text(decided.role)} · {when(decided.at)}"
            st.html(
                title("What was decided and signed", by)
                + records.statement(frozen["statement_parts"])
                + records.numbers(frozen)
            )
        with right:
            _form(here, found)


def _form(here: Visit, found: cdss.DecisionRecord) -> None:
    from apps.clinician.screens.records import record_place

    patient, decided = found.record["patient"], found.decided
    born, _ = birth(patient["birth_date"], moment(here.now))
    with st.form(f"second-{decided.leaf}", border=False):
        choice = st.radio(
            t("As the second person"), ["Approve", "Refuse"], index=None, format_func=t, key="second-choice"
        )
        why = st.text_input(t("Reason, if you refuse"), key="second-why", max_chars=500)
        login, password = who_again(here, "second")
        name = label_text(f"{patient['given']} {patient['family']}")
        sent = st.form_submit_button(
            t("Sign for {name}, born {born}").format(name=name, born=label_text(born)),
            type="primary",
            width="stretch",
            disabled=bool(here.stopped),
        )
    if sent and choice is None:
        st.session_state["second-problem"] = t("Choose whether you approve or refuse.")
        st.rerun()
    if sent:
        trying("second", password)
        with acting("second"):
            here.hospital.second_sign(
                here.by,
                found.case.id,
                decision=decided.leaf,
                approve=choice == "Approve",
                password=password,
                login=login,
                why=why,
            )
        go(record_place(), case=found.case.id)
    problem("second")
    note = say("Nothing is signed until the ledger has stored it. You must be another person than the first signer.")
    st.html(f"<p class='fine'>{note}</p>")


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Second signature", url_path="second")
