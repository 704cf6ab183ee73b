"""One clinician and one patient, from the worklist to the receipt."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from playwright.sync_api import expect
from pypdf import PdfReader

from browser.desk import Desk, sign_label
from browser.ward import PASSWORD, Ward


def test_a_flagged_case_is_overridden_with_a_reason_and_read_in_the_record_and_its_pdf(
    ward: Ward, sit_down: Callable[..., Desk]
) -> None:
    case, desk = ward.case("Halvorsund, Grethe"), sit_down("marlow")
    machine = ward.of_100(case)
    desk.go("/")
    desk.choose("Whose", "Ward 7A")
    desk.link("Estimate: Halvorsund, Grethe").click()
    desk.is_patient(case)
    desk.commit(70)
    desk.sees("You two disagree")
    desk.choose("Your decision", "Override: my judgement differs")
    desk.button("Imaging").click()
    desk.pick("Reason for the override", "Clinical judgement differs")
    desk.write("Your plan", "Repeat the ultrasound on Monday")
    desk.button("Continue to signing").click()
    desk.heading("You are about to sign this")
    said = desk.page.locator(".statement").inner_text()
    assert "30 of 100 die within 180 days" in said
    assert f"override the machine’s {machine} of 100" in said
    assert "because my clinical judgement differs (imaging)" in said
    assert "My plan is: Repeat the ultrasound on Monday." in said
    expect(desk.button(sign_label(ward, case))).to_be_visible()
    desk.sign("marlow")
    desk.heading("Ledger receipt")
    desk.sees("proof checked")
    assert ward.kinds(case)[-3:] == ["estimate.committed", "decision.overridden", "signoff.signed"]
    assert desk.page.locator(".statement").inner_text() == said
    with desk.page.expect_download() as waiting:
        desk.link("Download PDF").click()
    assert re.fullmatch(r"DR-20\d\d-\d{6}\.pdf", waiting.value.suggested_filename)
    printed = " ".join(page.extract_text() for page in PdfReader(waiting.value.path()).pages)
    leaf = re.sub(r"\s", "", desk.page.locator(".hash").first.inner_text())
    assert waiting.value.suggested_filename.removesuffix(".pdf") in printed
    assert "Halvorsund" in printed or "HALVORSUND" in printed
    assert leaf == ward.board(case).signatures[-1].leaf
    assert leaf in re.sub(r"\s", "", printed)
    assert ward.kinds(case)[-1] == "export.made"


def test_a_flagged_case_is_deferred_until_tomorrow_and_signed(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Mbekenstein, Samuel"), sit_down("marlow")
    ward.estimate(desk.by, case, alive=50)
    desk.open(case)
    desk.choose("Your decision", "Defer to a later time")
    desk.button("Continue to signing").click()
    desk.sees("A deferral needs a time and what for. Give both.")
    assert ward.board(case).decided is None
    tomorrow = datetime.now().astimezone() + timedelta(days=1)
    desk.pick("Until", "tomorrow 09:00")
    desk.write("For what", "The scan of the head comes tomorrow")
    desk.button("Continue to signing").click()
    desk.heading("You are about to sign this")
    desk.sign("marlow")
    desk.heading("Ledger receipt")
    assert ward.kinds(case)[-2:] == ["decision.deferred", "signoff.signed"]
    until = datetime.fromtimestamp(ward.board(case).decided.until / 1e6).astimezone()
    assert (until.date(), until.hour, until.minute) == (tomorrow.date(), 9, 0)
    desk.link("Back to the worklist").click()
    desk.heading(re.compile("^Deferred · "))
    desk.sees("tomorrow 09:00")


def test_an_unflagged_case_is_noted_with_one_click_and_no_signature(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Palimoana"), sit_down("marlow")
    ward.estimate(desk.by, case, alive=85)
    desk.open(case)
    desk.accept()
    desk.button("Note it, without a signature").click()
    desk.heading("Noted, without a signature")
    desk.sees("Nothing is signed here, so there is no receipt.")
    assert ward.kinds(case)[-1] == "decision.accepted"
    assert not ward.board(case).decided.to_sign


def test_a_case_without_a_number_shows_none_and_keeps_the_own_estimate(
    ward: Ward, sit_down: Callable[..., Desk]
) -> None:
    case, desk = ward.case("Oyelarsen"), sit_down("marlow")
    desk.go("/")
    desk.heading(re.compile("^No estimate possible · "))
    desk.sees("The machine has no number here. That does not mean low risk.")
    desk.link("Resolve: Oyelarsen, Tomas").click()
    desk.is_patient(case)
    desk.heading("No estimate for this patient")
    desk.sees("No number is not reassuring.")
    desk.still()
    assert not re.search(r"of 100 (die|dying)|interval|band (low|moderate|high)|\b\d+ %", desk.text())
    desk.write("Alive, of 100 patients", "35")
    desk.button("Record my estimate").click()
    desk.sees("35 alive")
    assert ward.kinds(case)[-1] == "estimate.committed"
    assert not ward.board(case).estimates[-1].combined
    desk.set_aside()
    desk.heading("Noted, without a signature")
    desk.sees("No estimate. That does not mean low risk.")
    assert ward.kinds(case)[-1] == "decision.not-applicable"


def test_a_reload_at_each_step_loses_nothing(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Kamaubridge"), sit_down("marlow")

    def reload(typed: str = "") -> None:
        desk.kept(case, typed)
        desk.page.reload()
        desk.is_patient(case)
        desk.still()

    desk.open(case)
    reload()
    desk.step("Your estimate")
    desk.write("Alive, of 100 patients", "35")
    desk.sees("That is 65 of 100 dying.")
    desk.choose("Are you a treating attending physician of this patient?", "Yes")
    reload("Yes")
    expect(desk.field("Alive, of 100 patients")).to_have_value("35")
    expect(desk.group("Are you a treating").get_by_role("radio", name="Yes")).to_be_checked()
    desk.choose("Have you seen a risk score for this stay?", "No")
    desk.button("Commit my estimate").click()
    desk.step("Decide")
    reload()
    desk.step("Decide")
    desk.sees("You answered 35 alive")
    desk.choose("Your decision", "Override: my judgement differs")
    desk.button("Patient's wish").click()
    desk.pick("Reason for the override", "Choice of patient or family")
    desk.write("Your plan", "Speak with the family at six")
    reload("Speak with the family at six")
    expect(desk.group("Your decision").get_by_role("radio", name="Override")).to_be_checked()
    reason = desk.page.get_by_role("combobox", name="Reason for the override")
    expect(reason).to_have_value("Choice of patient or family")
    expect(desk.field("Your plan")).to_have_value("Speak with the family at six")
    desk.button("Continue to signing").click()
    desk.step("Sign")
    said = desk.page.locator(".statement").inner_text()
    assert "(patient's wish)" in said
    reload()
    desk.step("Sign")
    assert desk.page.locator(".statement").inner_text() == said
    desk.sign("marlow")
    desk.heading("Ledger receipt")
    number = desk.page.get_by_text(re.compile(r"^DR-\d{4}-\d{6}$")).inner_text()
    reload()
    desk.heading("Ledger receipt")
    desk.sees(number)
    assert desk.page.locator(".statement").inner_text() == said
    kinds = ward.kinds(case)
    assert [kinds.count(one) for one in ("estimate.committed", "decision.overridden", "signoff.signed")] == [1, 1, 1]


def test_back_and_forward_come_to_the_pages_they_say(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Lindqvarn"), sit_down("marlow")
    desk.go("/")
    desk.heading("Worklist")
    desk.link("Estimate: Lindqvarn, Per").click()
    desk.is_patient(case)
    desk.link("Help").click()
    desk.heading("Help")
    desk.page.go_back()
    desk.is_patient(case)
    desk.step("Your estimate")
    desk.page.go_back()
    desk.heading("Worklist")
    desk.page.go_forward()
    desk.is_patient(case)
    desk.page.go_forward()
    desk.heading("Help")
    assert ward.board(case).decided is None


def test_a_double_click_on_sign_gives_one_signature(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Obiandale"), sit_down("altamira")
    ward.decide(desk.by, case)
    desk.open(case)
    desk.field("Your user name").fill("altamira")
    desk.field("Your password").fill(PASSWORD)
    desk.button(sign_label(ward, case)).dblclick()
    desk.heading("Ledger receipt")
    assert ward.kinds(case).count("signoff.signed") == 1
    assert ward.kinds(case).count("decision.accepted") == 1
