"""Names as typed, and no number before one's own."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.desk import Desk, sign_label
from browser.ward import Ward

_MOST_TRIED = 3
HOSTILE = {
    "html, markdown and a formula": ("=1+1 <b>Ohmsworth", "thorsby"),
    "right to left": ("النورمارية", "altamira"),
}


@pytest.mark.catalogue(48, 49)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_name_is_shown_as_typed_wherever_it_stands(kind: str, ward: Ward, sit_down: Callable[..., Desk]) -> None:
    start, login = HOSTILE[kind]
    case, desk = ward.case(start), sit_down(login)
    head = ward.head(case)
    family, given = head["family"], head["given"]
    desk.go("/")
    row = desk.page.get_by_role("row").filter(has_text=family.upper())
    expect(row.locator(".name")).to_have_text(f"{family.upper()}, {given}")
    assert row.locator("a").get_attribute("aria-label") == f"Estimate: {family}, {given}"
    row.get_by_role("link").click()
    desk.is_patient(case)
    expect(desk.page.locator(".banner .who")).to_have_text(f"{family.upper()}, {given}")
    ward.decide(desk.by, case)
    desk.page.reload()
    desk.heading("You are about to sign this")
    button = desk.button(sign_label(ward, case))
    expect(button).to_be_visible()
    assert button.inner_text() == sign_label(ward, case)
    expect(button.locator("a, em, strong, code, b, .katex")).to_have_count(0)
    desk.sign(login)
    desk.heading("Ledger receipt")
    expect(desk.page.locator(".banner .who")).to_have_text(f"{family.upper()}, {given}")
    desk.go("/records-list")
    desk.heading("Records")
    link = desk.page.get_by_role("link", name=f"Open the record of {family}")
    expect(link).to_be_visible()
    expect(desk.page.get_by_test_id("stHtml").locator("b", has_text=re.compile("^Ohmsworth"))).to_have_count(0)


def hear(page: Page) -> list[bytes]:
    """All that comes through sockets and answers from now on."""
    heard: list[bytes] = []

    def keep(payload: str | bytes) -> None:
        heard.append(payload.encode() if isinstance(payload, str) else payload)

    page.on("websocket", lambda socket: socket.on("framereceived", keep))
    return heard


def spellings(probability: float) -> list[bytes]:
    """How a probability may stand in a frame: in text, of 100 with decimals, in bytes of either width."""
    text = [f"{probability:.4f}", repr(probability)[:6], f"{probability * 100:.2f}"]
    raw = [struct.pack(form, probability) for form in ("<d", ">d", "<f", ">f")]
    return [one.encode() for one in text] + raw


def test_no_score_reaches_the_browser_before_the_own_estimate(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Quispemayta-Lund"), sit_down("thorsby")
    probability = ward.answer(case)["probability"]
    hidden = spellings(probability)
    other = ward.sign_in("marlow")
    ward.sign(other, case)  # somebody else has decided: neither their record nor the list may tell
    case = ward.new_creatinine(case, 1.4)  # signed and done with: this opens a new case
    hidden += spellings(ward.answer(case)["probability"])
    shown = f"{ward.of_100(case)} of 100"
    heard = hear(desk.page)
    desk.go("/")
    desk.choose("Whose", "All")
    desk.choose("View", "Table")
    desk.sees("Arrows move, Shift and Space choose a row")
    desk.still()
    desk.open(case)
    desk.step("Your estimate")
    desk.choose("Are you a treating attending physician of this patient?", "Yes")
    desk.still()
    assert len(heard) > _MOST_TRIED
    everything = b"".join(heard) + desk.page.content().encode()
    assert not [one for one in hidden if one in everything]
    assert shown not in desk.text()
    desk.commit(60)
    desk.step("Decide")
    desk.still()
    assert f"{ward.of_100(case)}" in desk.page.get_by_role("region", name="Machine").inner_text()


def test_the_worklist_tells_the_score_of_the_own_estimates_only(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    known, unknown = ward.case("Estergaard"), ward.case("Petrovanna")
    desk = sit_down("thorsby")
    ward.estimate(desk.by, known, alive=80)
    heard = hear(desk.page)
    desk.go("/")
    desk.heading(re.compile("^Ready to decide"))
    row = desk.page.get_by_role("row").filter(has_text="ESTERGAARD")
    expect(row.locator(".big")).to_have_text(str(ward.of_100(known)))
    desk.still()
    everything = b"".join(heard) + desk.page.content().encode()
    assert not [one for one in spellings(ward.answer(unknown)["probability"]) if one in everything]
    expect(desk.page.get_by_role("row").filter(has_text="PETROVANNA").locator(".big")).to_have_count(0)
