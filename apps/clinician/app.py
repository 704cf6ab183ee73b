"""The app's one script: who is here, what they may see, the frame, and the page they asked for."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import streamlit as st

from apps.clinician.screens import audit, guide, records, review, second, try_file, worklist
from apps.clinician.screens.visit import Visit, visit
from apps.clinician.views.facts import picture
from apps.clinician.views.frame import MARK, notice
from apps.clinician.views.text import say, show_text
from apps.clinician.words import t

HERE = Path(__file__).parent
_LOOK_S = 5
MENU = (
    (worklist.place, "Worklist", "view worklist"),
    (second.place, "Second signature", "second sign"),
    (records.place, "Records", "view decision record"),
    (audit.place, "Audit", "read audit"),
    (try_file.place, "Try a file", "try a file"),
    (guide.place, "Help", "view help"),
)


def frame(here: Visit, shown: list[tuple[Any, str]]) -> None:
    """Brand, menu by role, the synthetic badge, who is signed in."""
    with st.container(key="shell", horizontal=True, vertical_alignment="center"):
        ground, bars = ("#3B78B5", "#FFFFFF") if here.dark else ("#14375E", "#FFFFFF")
        mark = picture(MARK.format(ground=ground, bars=bars))
        st.html(f'<p class="brand"><img src="{mark}" alt="" width="20" height="20">cdss</p>')
        for page, name in shown:
            st.page_link(page, label=t(name))
        if here.hospital.synthetic:
            st.html(f'<span class="badge">△ {say("Synthetic data — demo hospital")}</span>')
        roles = [role for role in here.hospital.roles_of(here.person) if role != here.person.role]
        others = "".join(
            f' · <a href="/role?as={role.replace(" ", "+")}" target="_self">{say("act as")} {say(role)}</a>'
            for role in roles
        )
        st.html(
            f'<div class="user"><b>{show_text(here.person.name)}</b><span>{say(here.person.role)}{others} · '
            f'<a href="/sign-out" target="_self">{say("Sign out")}</a></span></div>'
        )


# In the page itself: asked for by its address, it may come when the session is over, and be refused.
_ICON = "data:image/png;base64," + b64encode((HERE / "static" / "icon.png").read_bytes()).decode()


@st.fragment(run_every=_LOOK_S)
def watch(here: Visit) -> None:
    """Now and then, without keeping the session alive: once it has ended, nothing of a patient stays on the screen."""
    if not here.hospital.is_signed_in(here.by.token):
        st.rerun()


def _shown(here: Visit, act: str) -> bool:
    """Whether a page is in the menu: by role, and the trying of files in the demo only."""
    return here.hospital.may(here.person, act) and (act != "try a file" or here.hospital.synthetic)


def main() -> None:
    """Draw one run."""
    st.set_page_config(page_title="cdss", page_icon=_ICON, layout="wide")
    st.html(HERE / "style.css")
    here = visit()
    waiting = len(here.hospital.waiting_for_second(here.person)) if here.hospital.may(here.person, "second sign") else 0
    counted = {"Second signature": f"{t('Second signature')} ({waiting})"} if waiting else {}
    shown = [(place(), counted.get(name, name)) for place, name, act in MENU if _shown(here, act)]
    pages = [page for page, _ in shown]
    if not here.hospital.may(here.person, "view worklist"):
        pages.insert(0, st.Page(lambda: st.switch_page(shown[0][0]), title="cdss", url_path="start", default=True))
    chosen = st.navigation([*pages, review.place(), records.record_place()], position="hidden")
    frame(here, shown)
    watch(here)
    if here.stopped:
        st.html(notice("stop", t("Read only."), f"{here.stopped}. {t('Nothing can be recorded or signed now.')}"))
    chosen.run()


main()
