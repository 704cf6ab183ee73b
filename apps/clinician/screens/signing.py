"""The sign panel: the very sentence, patient and act once more, who you are once more, one signature."""

from __future__ import annotations

from typing import Any

import streamlit as st

from apps.clinician.screens import typed
from apps.clinician.screens.records import record_place
from apps.clinician.screens.visit import Visit, acting, card, go, problem, trying, who_again
from apps.clinician.views import record as records
from apps.clinician.views.frame import notice, title
from apps.clinician.views.text import birth, clock, in_threes, label_text, moment, say, seconds, show_text
from apps.clinician.words import t


def panel(here: Visit, view: Any) -> None:
    """Statement left, signature right; nothing is signed until the ledger has stored it."""
    decided = view.case.decided
    frozen = here.hospital.frozen(here.person, view.case.id)
    with card("sign"):
        left, right = st.columns([64, 36], gap="medium")
        with left:
            st.html(
                title("You are about to sign this") + records.statement(frozen["statement_parts"]) + _pairs(here, view)
            )
        with right:
            if decided.sub != here.person.sub:
                said = t("{name} decided this at {at} and has not signed yet.").format(
                    name=decided.name, at=clock(decided.at)
                )
                st.html(notice("amber", t("Not yours to sign."), said))
                return
            _form(here, view)


def _form(here: Visit, view: Any) -> None:
    decided = view.case.decided
    meanings = here.hospital.words.meanings(decided.outcome.value)
    born, _ = birth(view.patient["birth_date"], moment(here.now))
    name = f"{view.patient['given']} {view.patient['family']}"
    problem("sign")
    with st.form(f"sign-{decided.leaf}", border=False):
        meaning = st.selectbox(
            t("Meaning of your signature"),
            list(meanings),
            format_func=lambda code: t(meanings[code]),
            key="sign-meaning",
        )
        login, password = who_again(here, "sign")
        label = t("Sign for {name}, born {born}").format(name=label_text(name), born=label_text(born or t("not known")))
        sent = st.form_submit_button(label, type="primary", width="stretch", disabled=bool(here.stopped))
    if sent:
        trying("sign", password)
        with acting("sign"):
            here.hospital.sign_decision(
                here.by, view.case.id, decision=decided.leaf, meaning=meaning, password=password, login=login
            )
        typed.forget(here, view)
        go(record_place(), case=view.case.id)
    if st.button(t("Back, do not sign"), width="stretch", key="sign-back"):
        st.query_params["change"] = "1"
        typed.again(view)
        st.rerun()
    checked = t(
        "Nothing is signed until the ledger has stored it. No newer data or model version since {at}, checked {now}."
    )
    st.html(f"<p class='fine'>{say(checked).format(at=clock(view.case.asked), now=seconds(here.now))}</p>")


def _pairs(here: Visit, view: Any) -> str:
    answer, patient = view.answer, view.patient
    born, _ = birth(patient["birth_date"], moment(here.now))
    warnings = [one["text"] for one in view.reliance if not one["ok"]]
    if answer["kind"] == "estimate" and answer["team"].get("disagreement"):
        warnings.append(t("you two disagree"))
    second = (
        t("Another person signs after you")
        if view.case.decided.to_second
        else t("Not needed for this decision at this site")
    )
    digest = f'<span class="mono">{show_text(_short(answer["model"]["digest"]))}</span>'
    inputs = f'<span class="mono">{show_text(_short(answer["inputs_digest"]))}</span>'
    name = f"{show_text(patient['family'].upper())}, {show_text(patient['given'])}"
    pairs = (
        (
            "Patient",
            f"{name} · {say('born')} {show_text(born)} · {show_text(in_threes(patient['identifier']['value']))}",
        ),
        ("Model", f"{show_text(answer['model']['name'])} {show_text(answer['model']['version'])} · {digest}"),
        (
            "Inputs",
            f"{view.facts['present']} {say('of')} {view.facts['of']}, "
            f"{say('frozen')} {clock(view.case.asked)} · {inputs}",
        ),
        ("Warnings shown", show_text(" · ".join(t(one) for one in warnings) or t("none"))),
        ("Second signer", say(second)),
    )
    listed = "".join(f"<div><dt>{say(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="pairs">{listed}</dl>'


def _short(digest: str) -> str:
    kind, _, value = digest.partition(":")
    return f"{kind}:{value[:4]}…{value[-4:]}"
