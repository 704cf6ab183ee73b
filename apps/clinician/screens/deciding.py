"""The decision form: four acts, what the clinician knows, a reason, a plan. What is typed is kept as a draft."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens import typed
from apps.clinician.screens.visit import Visit, acting, card, problem
from apps.clinician.views.frame import title
from apps.clinician.views.text import moment, say, show_text
from apps.clinician.words import t

_FIELDS = ("outcome", "knows", "reason", "note", "plan", "until")
_LATER_H = 8


def form(here: Visit, view: Any, version: int) -> None:
    """The rail beside a number; `version` is that of the case as it was last shown."""
    words, case = here.hospital.words, view.case.id
    keys = {name: f"decide-{name}-{case}" for name in _FIELDS}
    typed.restore(here, view, keys, "decide")
    with card("decision"):
        st.html(title("Your decision"))
        outcome = st.radio(
            t("Your decision"), list(words.outcome), index=None, key=keys["outcome"], label_visibility="collapsed",
            format_func=lambda code: t(words.label(code, flag=bool(view.answer["flag"]))),
        )  # fmt: skip
        knows = st.pills(
            t("What do you know that it doesn’t?"), list(words.knows), selection_mode="multi", key=keys["knows"],
            format_func=lambda code: t(words.knows[code]),
        )  # fmt: skip
        reason, note, until = None, "", None
        if outcome == "overridden":
            reason = st.selectbox(
                t("Reason for the override"), list(words.reason), index=None, key=keys["reason"],
                placeholder=t("Choose a reason"), format_func=lambda code: t(words.reason[code]["label"]),
            )  # fmt: skip
            if reason == "other":
                note = st.text_input(t("In a few words"), key=keys["note"])
        if outcome == "deferred":
            until = _until(here, keys)
        label = t("For what") if outcome == "deferred" else t("Your plan")
        plan = st.text_input(label, key=keys["plan"])
        typed.keep(here, view, keys, "decide")
        signed = outcome is None or here.hospital.policy.needs_signature(
            cdss.Outcome(outcome), flag=bool(view.answer["flag"])
        )
        stopped = bool(here.stopped)
        sign = st.button(t("Continue to signing"), type="primary", width="stretch", key="decide-sign", disabled=stopped)
        noted = not signed and st.button(
            t("Note it, without a signature"), width="stretch", key="decide-note", disabled=stopped
        )
        if sign or noted:
            _decide(here, view, version, outcome, reason, tuple(knows or ()), note, plan, until, sign=sign)
        problem("decide")
        use = f"{show_text(t(view.about['intended_use']))} {say('Not for treatment limits, DNR or bed decisions.')}"
        st.html(f"<p class='fine'>{use}</p>")
        second_estimate(here, view, version)
        _report(here, view)


def _until(here: Visit, keys: dict[str, str]) -> datetime | None:
    """A time chosen from a list: a date typed by hand can be wrong in ways that nobody sees."""
    now = moment(here.now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    times = {f"in {hours} h": now + timedelta(hours=hours) for hours in (2, 4, 8)}
    times |= {f"tomorrow {hour:02}:00": midnight + timedelta(days=1, hours=hour) for hour in (9, 15)}
    times |= {f"in {days} days, 09:00": midnight + timedelta(days=days, hours=9) for days in (2, 3, 5)}
    chosen = st.selectbox(
        t("Until"), list(times), index=None, key=keys["until"], placeholder=t("Choose a time"), format_func=t
    )
    return times[chosen] if chosen else None


def _decide(
    here: Visit,
    view: Any,
    version: int,
    outcome: str | None,
    reason: str | None,
    knows: tuple[str, ...],
    note: str,
    plan: str,
    until: datetime | None,
    *,
    sign: bool,
) -> None:
    if outcome is None:
        st.session_state["decide-problem"] = t("Choose what you decide.")
        st.rerun()
    with acting("decide"):
        decision = cdss.ReviewDecision(
            outcome=cdss.Outcome(outcome),
            reason=reason,
            knows=knows,
            note=note,
            plan=plan,
            until=until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if until else None,
        )
        here.hospital.decide(here.person, view.case.id, version=version, decision=decision, sign=sign)
        if not sign:
            typed.forget(here, view)
    st.query_params.pop("change", None)
    st.rerun()


def without_number(here: Visit, view: Any, version: int) -> None:
    """What can be done where the machine gives no number."""
    missing = [one for one in view.answer["reasons"] if one["code"] == "required-missing"]
    words = t("Look again in {n} h").format(n=_LATER_H)
    asked = f"abstain-asked-{view.case.id}"
    if st.button(words, width="stretch", key="abstain-later", disabled=bool(here.stopped)):
        st.session_state[asked] = "deferred"
    if st.button(t("Not applicable to this patient"), width="stretch", key="abstain-not", disabled=bool(here.stopped)):
        st.session_state[asked] = "not-applicable"
    outcome = st.session_state.get(asked)
    if outcome:
        usual = t("Look again when the missing values may have come") if missing else t("Look again")
        plan = st.text_input(
            t("Your plan"), value=usual if outcome == "deferred" else "", key=f"abstain-plan-{outcome}"
        )
        what = words if outcome == "deferred" else t("Not applicable to this patient")
        if st.button(t("Record it: {what}").format(what=what), type="primary", width="stretch", key="abstain-record"):
            until = moment(here.now) + timedelta(hours=_LATER_H) if outcome == "deferred" else None
            _without(here, view, version, outcome, plan, until)
        if st.button(t("Back, record nothing"), width="stretch", key="abstain-back"):
            del st.session_state[asked]
            st.rerun()
    problem("decide")


def second_estimate(here: Visit, view: Any, version: int) -> None:
    """A revision after the machine's number was seen: kept beside the first, never in its place."""
    with st.expander(t("Add a second estimate")), st.form(f"again-{view.case.id}", border=False, clear_on_submit=True):
        written = st.text_input(t("Alive now, of 100 patients"), key=f"again-alive-{view.case.id}", autocomplete="off")
        if st.form_submit_button(t("Keep it beside the first"), width="stretch", disabled=bool(here.stopped)):
            text = written.strip()
            with acting("again"):
                alive = int(text) if text.isascii() and text.isdecimal() else -1
                here.hospital.commit_estimate(
                    here.person, view.case.id, version=version, alive=alive, treating=True, seen_score=True
                )
            st.rerun()
    problem("again")
    later = [one for one in view.estimates if one.sub == here.person.sub][1:]
    if later:
        said = ", ".join(f"{100 - one.alive} {say('of 100')}" for one in later)
        st.html(f"<p class='fine'>{say('Later estimates, not combined')}: {said}</p>")


def _without(here: Visit, view: Any, version: int, outcome: str, plan: str, until: datetime | None) -> None:
    _decide(here, view, version, outcome, None, (), "", plan, until, sign=False)


def _report(here: Visit, view: Any) -> None:
    with (
        st.expander(t("Report a problem with this score")),
        st.form(f"report-{view.case.id}", border=False, clear_on_submit=True),
    ):
        text = st.text_area(t("What looks wrong?"), key=f"report-text-{view.case.id}", max_chars=2000)
        if st.form_submit_button(t("Report a problem"), width="stretch", disabled=bool(here.stopped)):
            if text.strip():  # the second click of a double click finds the field empty already
                with acting("report"):
                    here.hospital.report_problem(here.person, view.case.id, text)
            st.session_state["report-done"] = bool(text.strip()) or st.session_state.get("report-done", False)
        if st.session_state.pop("report-done", False):
            st.html(f"<p class='fine' role='status'>{say('Reported and kept with the case.')}</p>")
    problem("report")
