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

_FIELDS = ("outcome", "knows", "reason", "note", "plan", "until_day", "until_time")
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
            format_func=lambda code: t(words.outcome[code]["label"]),
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
        plan = st.text_input(label, key=keys["plan"], max_chars=500)
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
        _report(here, view)


def _until(here: Visit, keys: dict[str, str]) -> datetime | None:
    now = moment(here.now)
    left, right = st.columns(2)
    day = left.date_input(t("Until"), value=None, min_value=now.date(), key=keys["until_day"], format="YYYY-MM-DD")
    at = right.time_input(t("At"), value=None, key=keys["until_time"], step=1800)
    return datetime.combine(day, at, tzinfo=now.tzinfo) if day and at else None


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
        typed.forget(here, view)
    st.query_params.pop("change", None)
    st.rerun()


def without_number(here: Visit, view: Any, version: int) -> None:
    """What can be done where the machine gives no number."""
    missing = [one for one in view.answer["reasons"] if one["code"] == "required-missing"]
    words = t("Look again in {n} h").format(n=_LATER_H)
    if st.button(words, width="stretch", key="abstain-later", disabled=bool(here.stopped)):
        until = moment(here.now) + timedelta(hours=_LATER_H)
        plan = t("Look again when the missing values may have come") if missing else t("Look again")
        _without(here, view, version, "deferred", plan, until)
    if st.button(t("Not applicable to this patient"), width="stretch", key="abstain-not", disabled=bool(here.stopped)):
        _without(here, view, version, "not-applicable", "", None)
    problem("decide")


def _without(here: Visit, view: Any, version: int, outcome: str, plan: str, until: datetime | None) -> None:
    _decide(here, view, version, outcome, None, (), "", plan, until, sign=False)


def _report(here: Visit, view: Any) -> None:
    with (
        st.expander(t("Report a problem with this score")),
        st.form(f"report-{view.case.id}", border=False, clear_on_submit=True),
    ):
        text = st.text_area(t("What looks wrong?"), key=f"report-text-{view.case.id}", max_chars=2000)
        if st.form_submit_button(t("Report a problem"), width="stretch", disabled=bool(here.stopped)):
            with acting("report"):
                here.hospital.report_problem(here.person, view.case.id, text)
            st.session_state["report-done"] = True
        if st.session_state.pop("report-done", False):
            st.html(f"<p class='fine' role='status'>{say('Reported and kept with the case.')}</p>")
    problem("report")
