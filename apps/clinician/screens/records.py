"""Decision records: the list, and one of them with its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens.visit import Visit, acting, card, clear_desk, problem, trying, visit, who_again
from apps.clinician.views import record as records
from apps.clinician.views.facts import source_table
from apps.clinician.views.frame import banner, notice, page_title, tag, title, verdict_row
from apps.clinician.views.text import say
from apps.clinician.views.worklist import record_table
from apps.clinician.words import t

# What became of a decision: the kind of mark, the mark, the words. Only what is in force carries a tick.
_FATES = {
    cdss.Fate.SIGNED: ("ok", "✓", "Signed and stored"),
    cdss.Fate.SIGNED_BY_TWO: ("ok", "✓", "Signed by two and stored"),
    cdss.Fate.WAITS: ("wait", "◷", "Signed, not in force: waits for a second person"),
    cdss.Fate.REFUSED: ("stop", "✕", "Refused by the second person"),
    cdss.Fate.NOTED: ("none", "–", "Noted, without a signature"),
    cdss.Fate.UNSIGNED: ("wait", "◷", "Not signed yet"),
}


def page() -> None:
    """The list of records."""
    here = visit()
    rows = here.hospital.records(here.person)
    st.html(
        page_title(
            "Records",
            say("Every decision, newest first. A record is read only; amendments are added, never edited in."),
        )
    )
    with card("records"):
        if rows:
            st.html(record_table(rows, lambda row: f"/record?case={row.case}"))
        else:
            st.html(f'<p class="empty">{say("No decision is on record yet.")}</p>')


def one() -> None:
    """One record: what was decided, as it was shown; the history; the proof."""
    here = visit()
    clear_desk(here)
    case = st.query_params.get("case", "")
    try:
        found = here.hospital.record(here.person, case)
    except cdss.CdssError as error:
        st.html(notice("stop", t("Not shown."), str(error)))
        return
    record, decided = found.record, found.decided
    with st.container(key="banner"):
        st.html(banner(record["patient"], here.now))
    left, right = st.columns([64, 36], gap="medium")
    signed = found.receipt["signatures"] if found.receipt else []
    with left:
        with card("result"):
            kind, mark, done = _FATES[found.fate]
            at = signed[-1]["at"] if signed else decided.at
            line = records.outcome_line(record, signed, at, decided.name, decided.role)
            st.html(verdict_row(kind, mark, f'<h1 tabindex="-1">{say(done)}</h1><p>{line}</p>'))
            may_print = here.hospital.may(here.person, "export record")
            pdf = (
                f'<a class="button" href="/records/{case}.pdf" download>{say("Download PDF")}</a>' if may_print else ""
            )
            back = f'<a class="button primary" href="/" target="_self">{say("Back to the worklist")}</a>'
            st.html(f'<p class="acts">{pdf}{back}</p>')
        with card("decided"):
            st.html(
                title("What was decided", say("Frozen copy. Amendments are added below, never edited in."))
                + records.statement(record["statement_parts"])
                + records.numbers(record)
            )
        if found.added:
            with card("added"):
                st.html(title("Added later") + records.added(found.added))
        if here.hospital.may(here.person, "amend decision"):
            with card("amend"), st.expander(t("Add an amendment")):
                _amend(here, case)
        with card("inputs"), st.expander(t("All inputs with their sources, as they were shown")):
            st.html(source_table(record["facts"], here.now))
        with card("history"):
            st.html(title("History of this case") + records.history(found.history))
    with right, card("receipt"):
        _receipt(found)


def _receipt(found: cdss.DecisionRecord) -> None:
    if found.receipt is None:
        none = say("Nothing is signed here, so there is no receipt.")
        st.html(title("Ledger receipt") + f"<p class='quiet'>{none}</p>")
        return
    kind, words = ("ok", "✓ proof checked") if found.receipt["proved"] else ("stop", "✕ proof fails")
    st.html(
        title("Ledger receipt", tag(kind, words)) + records.receipt(found.receipt) + records.signatures(found.receipt)
    )
    st.download_button(
        t("Save the receipt"), data=_receipt_text(found.receipt), file_name=f"{found.number}-receipt.txt",
        width="stretch", key="record-receipt", on_click="ignore",
    )  # fmt: skip
    keep = say("Keep this: with it anyone can prove the record was not changed later. It contains no patient data.")
    st.html(f"<p class='fine'>{keep}</p>")


def _receipt_text(receipt: Mapping[str, Any]) -> str:
    path = "\n".join(receipt["path"])
    return (
        f"record {receipt['number']}\nentry {receipt['seq']}\nleaf {receipt['leaf']}\nroot {receipt['root']}\n\n"
        f"path\n{path}\n\n{receipt['checkpoint']}"
    )


def _amend(here: Visit, case: str) -> None:
    done = st.session_state.get(f"amend-done-{case}", 0)
    with st.form(f"amend-{case}", border=False):
        text = st.text_area(t("What is to be added"), key=f"amend-text-{case}-{done}", max_chars=2000)
        login, password = who_again(here, "amend")
        sent = st.form_submit_button(t("Add the amendment"), disabled=bool(here.stopped))
    if sent:
        trying("amend", password)
        with acting("amend"):
            here.hospital.amend(here.by, case, text, password=password, login=login)
        st.session_state[f"amend-done-{case}"] = done + 1
        st.rerun()
    problem("amend")


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Records", url_path="records-list")


def record_place() -> Any:
    """The page of one record."""
    return st.Page(one, title="Decision record", url_path="record")
