"""One case: facts, own estimate, machine and team, decision, signature. The database says which step."""

from __future__ import annotations

from typing import Any

import streamlit as st

import cdss
from apps.clinician.screens import deciding, signing, typed
from apps.clinician.screens.visit import STEPS, Visit, acting, card, go, on_desk, problem, take_desk, visit
from apps.clinician.views import answer as answers
from apps.clinician.views import reasons
from apps.clinician.views.facts import fact_table, frozen_words, history, source_table
from apps.clinician.views.frame import banner, notice, steps, title, verdict_row
from apps.clinician.views.text import clock, counted, say, show_text
from apps.clinician.words import t

_OF_100 = 100


def page() -> None:
    """Draw the step the case is at."""
    here = visit()
    case = st.query_params.get("case", "")
    try:
        view = here.hospital.look(here.person, case)
    except cdss.CdssError as error:
        st.html(notice("stop", t("Not shown."), str(error)))
        return
    if view.stage in (cdss.Stage.SIGNED, cdss.Stage.COUNTERSIGNED, cdss.Stage.NOTED):
        from apps.clinician.screens.records import record_place

        go(record_place(), case=case)
    with st.container(key="banner"):
        st.html(banner(view.patient, here.now, view.alerts))
    if not on_desk(here, case):
        st.html(
            notice(
                "amber",
                t("Another patient is open in a second tab."),
                "This one is locked, so that nothing is signed for the wrong patient.",
            )
        )
        if st.button(t("Work on this patient instead"), key="review-take", type="primary"):
            take_desk(here, case)
            st.rerun()
        return
    version = _say_what_changed(view)
    if view.refusal:
        said = t("{by} refused the decision at {at} as second person: {why}").format(
            by=view.refusal["by"], at=clock(view.refusal["at"]), why=view.refusal["why"]
        )
        st.html(notice("amber", t("Refused. Decide again."), said))
    own = next((one for one in view.estimates if one.sub == here.person.sub), None)
    if view.stage is cdss.Stage.EXPIRED:
        st.html(
            notice(
                "amber",
                t("This review ended as not reviewed."),
                "Its time was over. A newer input opens the case again.",
            )
        )
        with card("facts"):
            _facts(here, view)
    elif view.answer is None:
        _estimate_first(here, view, version)
    elif view.answer["kind"] == "abstention":
        _abstention(here, view, own, version)
    elif view.stage is cdss.Stage.DECIDED and "change" not in st.query_params:
        st.html(steps(STEPS, 5))
        with card("answer"):
            _answer(here, view, own)
        signing.panel(here, view)
    else:
        _decide(here, view, own, version)


def _say_what_changed(view: Any) -> int:
    """If newer data came since this tab last showed the case: say so, and show the difference.

    Returns the version of the case that was shown last: an act rests on that one, and is refused if it is not the
    newest any more.
    """
    name = f"review-shown-{view.case.id}"
    now = {one["label"]: one["text"] or t("not measured") for one in view.facts["facts"]}
    scored, version, before = st.session_state.get(name) or (view.case.scored_version, view.case.version, now)
    if scored == view.case.scored_version:
        st.session_state[name] = (scored, view.case.version, now)
        return int(version)
    changes = [f"{label}: {before.get(label)} → {text}" for label, text in now.items() if before.get(label) != text]
    said = "; ".join(changes) or t("the record was sent again, with the same values")
    st.html(notice("amber", t("Newer data came."), said, t("Look at the change before you decide or sign.")))
    if st.button(t("I have seen the change"), key="review-changed"):
        st.session_state[name] = (view.case.scored_version, view.case.version, now)
        st.rerun()
    return int(version)


def _stale(here: Visit, view: Any) -> frozenset[str]:
    return here.hospital.stale(view.facts)


def _facts(here: Visit, view: Any) -> None:
    st.html(title("Facts the machine will use", frozen_words(view.facts, view.case.asked)))
    st.html(history(view.facts))
    st.html(fact_table(view.facts, here.now, _stale(here, view), dark=here.dark))
    with st.expander(t("All inputs with their sources")):
        st.html(source_table(view.facts, here.now))


def _estimate_first(here: Visit, view: Any, version: int) -> None:
    st.html(steps(STEPS, 2))
    left, right = st.columns([64, 36], gap="medium")
    with left, card("facts"):
        _facts(here, view)
    with right:
        with card("estimate"):
            st.html(title("Your estimate, before the machine’s"))
            _ask(here, view, version, full=True)
        with card("why-first"):
            st.html(title("Why first?"))
            why = (
                "People who see a number first drift towards it. In the study behind this model, doctor and machine "
                "together did better than either, and the doctor’s figure was given unseen."
            )
            st.html(f"<p class='quiet'>{say(why)}</p>")


def _ask(here: Visit, view: Any, version: int, *, full: bool) -> None:
    keys = {name: f"estimate-{name}-{view.case.id}" for name in ("alive", "treating", "seen")}
    typed.restore(here, view, keys, "estimate")
    st.html(f'<p class="question">{show_text(t(view.about["question"]))}</p>')
    with st.container(horizontal=True, vertical_alignment="bottom", key="estimate-row"):
        written = st.text_input(
            t("Alive, of 100 patients"), width=170, placeholder=t("0 to 100"), key=keys["alive"], autocomplete="off"
        )
        st.html(f'<p class="beside">{say("of 100 alive")}<br>{say("in six months")}</p>')
    alive = _whole(written)
    if alive is not None:
        st.html(f'<p class="echo" role="status">{say("That is {n} of 100 dying.").format(n=100 - alive)}</p>')
    treating: str | None = "No"
    seen: str | None = "No"
    if full:
        treating = st.radio(
            t("Are you a treating attending physician of this patient?"), ["Yes", "No"], index=None, horizontal=True,
            key=keys["treating"], format_func=t,
        )  # fmt: skip
        seen = st.radio(
            t("Have you seen a risk score for this stay?"), ["No", "Yes, or not sure"], index=None, horizontal=True,
            key=keys["seen"], format_func=t,
        )  # fmt: skip
    typed.keep(here, view, keys, "estimate")
    label = t("Commit my estimate") if full else t("Record my estimate")
    if st.button(label, type="primary", width="stretch", key="estimate-commit", disabled=bool(here.stopped)):
        if alive is None:
            st.session_state["estimate-problem"] = t("Enter a whole number from 0 to 100.")
            st.rerun()
        if treating is None or seen is None:
            st.session_state["estimate-problem"] = t(
                "Answer both questions; they decide whether your estimate is combined."
            )
            st.rerun()
        with acting("estimate"):
            here.hospital.commit_estimate(
                here.person, view.case.id, version=version, alive=alive, treating=treating == "Yes",
                seen_score=seen != "No",
            )  # fmt: skip
            typed.forget(here, view)
        st.rerun()
    problem("estimate")
    kept = (
        "Kept as your first estimate, with your name and the time. You may add a second one later; the first is "
        "never overwritten."
    )
    st.html(f"<p class='fine'>{say(kept)}</p>")


def _whole(written: str) -> int | None:
    """A whole number from 0 to 100 as it was typed; 4.5 is none, since it would be cut to another answer."""
    text = written.strip()
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= _OF_100 else None


def _answer(here: Visit, view: Any, own: Any) -> None:
    meta = t("Any cause, as the study counted it; asked at the index time")
    st.html(
        title(answers.question(view.about), say(meta))
        + answers.trio(view, own, dark=here.dark)
        + answers.axis(view, own)
        + answers.disagreement(view, own)
    )


def _decide(here: Visit, view: Any, own: Any, version: int) -> None:
    st.html(steps(STEPS, 4))
    left, right = st.columns([67, 33], gap="medium")
    with left:
        with card("answer"):
            _answer(here, view, own)
        with card("reliance"):
            model = view.answer["model"]
            about = f'<a href="/help" target="_self">{say("what it is for")}</a>'
            meta = f"{show_text(model['name'])} {show_text(model['version'])} · {about}"
            st.html(title("Can it be relied on here?", meta) + reasons.reliance(view.reliance))
        with card("reasons"):
            meta = say("Strongest three each way. They describe the machine, not the patient’s disease.")
            st.html(title("What speaks for and against", meta) + reasons.for_and_against(view, here.now))
        with card("contributions"):
            st.html(title("How far each fact moves the machine") + reasons.contributions(view))
            with st.expander(t("All inputs with their sources")):
                st.html(source_table(view.facts, here.now))
    with right, st.container(key="rail"):
        deciding.form(here, view, version)


def _abstention(here: Visit, view: Any, own: Any, version: int) -> None:
    left, right = st.columns([64, 36], gap="medium")
    answer = view.answer
    with left:
        with card("no-estimate"):
            st.html(verdict_row("none", "–", f"<h2>{say('No estimate for this patient')}</h2><p>{_why(answer)}</p>"))
            study, fine = view.evidence.get("abstained"), ""
            if study:
                fine = t(
                    "In the study, {a} of {n} patients left without a number for this reason died within 180 days; "
                    "{b} of 100 did overall."
                ).format(a=round(study["rate"] * study["n"]), n=study["n"], b=round(view.evidence["all"]["rate"] * 100))
            st.html(
                notice(
                    "amber",
                    t("No number is not reassuring."),
                    fine or t("That the machine gives no number does not mean low risk."),
                )
            )
        with card("needed"):
            st.html(title("What is needed") + reasons.needed(view, here.now))
        with card("there"):
            there = f"{view.facts['present']} {say('of')} {view.facts['of']} {say('inputs')}"
            st.html(title("What is there", there) + history(view.facts))
            st.html(fact_table(view.facts, here.now, _stale(here, view), dark=here.dark))
    with right:
        with card("now"):
            st.html(title("What you can do now"))
            if own is None:
                st.html(f"<p class='quiet'>{say('Your own judgement stands on its own and is recorded as such.')}</p>")
                _ask(here, view, version, full=False)
            else:
                st.html(f"<p>{say('You answered')} <b>{own.alive} {say('alive')}</b>, {clock(own.at)}.</p>")
            deciding.without_number(here, view, version)
        with card("on-record"):
            counts = say("It counts in the published share of patients without a number.")
            entry = f"{say('Entry')} {counted(view.case.scored)}: {say('no estimate')}. {counts}"
            st.html(title("On record") + f"<p class='quiet'>{entry}</p>")


def _why(answer: Any) -> str:
    codes = {one["code"] for one in answer["reasons"]}
    if codes & {"required-missing", "too-many-missing"}:
        return say("A value the machine must have is missing, so it gives no number, no band and no guess.")
    return "; ".join(show_text(one["message"][:1].upper() + one["message"][1:]) for one in answer["reasons"]) + "."


def place() -> Any:
    """The page for the navigation; made anew for each run, since Streamlit writes into it."""
    return st.Page(page, title="Review", url_path="review")
