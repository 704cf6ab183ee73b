"""Two people, two tabs, two versions of the truth: what must not cross."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from browser.desk import Desk, sign_label
from browser.ward import PASSWORD, Ward


def test_a_second_signature_is_refused_to_the_same_person_and_given_by_another(
    ward: Ward, sit_down: Callable[..., Desk]
) -> None:
    case, desk = ward.case("Halvorstad"), sit_down("altamira")
    ward.sign(desk.by, case)
    assert ward.board(case).waits_for_second(ward.hospital.now())
    desk.go(f"/record?case={case}")
    desk.heading("Signed, not in force: waits for a second person")
    desk.page.wait_for_load_state("networkidle")  # the button that saves the receipt asks whether it can
    desk.link("act as approver").click()
    desk.link("Second signature").click()
    desk.link("Open the record of Halvorstad").click()
    desk.is_patient(case)
    desk.choose("As the second person", "Approve")
    desk.sign("altamira")
    desk.sees("You gave the first signature; a second needs another person.")
    assert "signoff.second" not in ward.kinds(case)
    assert ward.kinds(case)[-1] == "auth.failed"

    other = sit_down("vantongeren")
    other.go("/second")
    other.link("Open the record of Halvorstad").click()
    other.is_patient(case)
    other.choose("As the second person", "Refuse")
    other.sign("vantongeren")
    other.sees("A refusal needs a reason. Write it, then refuse.")
    other.choose("As the second person", "Approve")
    expect(other.field("Your password")).to_have_value("")
    other.sign("vantongeren")
    other.heading("Ledger receipt")
    other.heading("Signed by two and stored")
    found = ward.board(case).signatures
    assert [one.name for one in found] == ["Dr Yuki Altamira", "Dr Orla Vantongeren"]


def test_a_second_tab_with_another_patient_is_locked(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    first, second = ward.case("Rossellana"), ward.case("Tömörsen")
    desk = sit_down("altamira")
    ward.estimate(desk.by, first)
    ward.estimate(desk.by, second)
    desk.open(first)
    desk.step("Decide")
    other = desk.another_tab()
    other.open(second)
    other.sees("Another patient is open in a second tab.")
    expect(other.button("Continue to signing")).to_have_count(0)
    other.button("Work on this patient instead").click()
    other.step("Decide")
    desk.group("Your decision").get_by_text(re.compile("^Accept: ")).click()
    desk.sees("Another patient is open in a second tab.")
    expect(desk.button("Note it, without a signature")).to_have_count(0)
    assert ward.board(first).decided is None
    other.page.close()
    desk.page.reload()
    desk.step("Decide")


def test_new_data_stop_an_estimate_that_was_typed_before_they_came(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Dunquillan"), sit_down("thorsby")
    desk.open(case)
    desk.write("Alive, of 100 patients", "90")
    desk.choose("Are you a treating attending physician of this patient?", "Yes")
    desk.choose("Have you seen a risk score for this stay?", "No")
    desk.still()
    ward.new_creatinine(case, 4.4)
    desk.button("Commit my estimate").click()
    desk.sees("Newer data came.")
    desk.sees(re.compile(r"Creatinine: \S+ → 4\.4"))
    desk.sees(re.compile("something newer is on record"))
    assert "estimate.committed" not in ward.kinds(case)
    expect(desk.field("Alive, of 100 patients")).to_have_value("90")
    desk.button("I have seen the change").click()
    desk.sees_not("Newer data came.")
    desk.button("Commit my estimate").click()
    desk.step("Decide")
    assert ward.kinds(case)[-1] == "estimate.committed"


def test_new_data_stop_a_decision_that_was_made_before_they_came(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Brandthuber"), sit_down("thorsby")
    ward.estimate(desk.by, case)
    desk.open(case)
    desk.accept()
    desk.still()
    ward.new_creatinine(case, 4.4)
    desk.button("Continue to signing").click()
    desk.sees("Newer data came.")
    desk.sees(re.compile(r"Creatinine: \S+ → 4\.4"))
    desk.still()
    assert ward.board(case).decided is None
    assert "decision.accepted" not in ward.kinds(case)
    expect(desk.button(sign_label(ward, case))).to_have_count(0)


def test_new_data_stop_an_act_where_there_is_no_number(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Zawadzkova-Reyes"), sit_down("altamira")
    desk.open(case)
    ward.new_creatinine(case, 4.4)
    desk.set_aside()
    desk.sees("Newer data came.")
    desk.sees(re.compile("something newer is on record"))
    assert "decision.not-applicable" not in ward.kinds(case)


def test_new_data_stop_a_signature(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Achterberidis"), sit_down("thorsby")
    ward.decide(desk.by, case)
    desk.open(case)
    desk.heading("You are about to sign this")
    ward.new_creatinine(case, 4.4)
    desk.field("Your user name").fill("thorsby")
    desk.field("Your password").fill(PASSWORD)
    desk.button(sign_label(ward, case)).click()
    desk.sees("Newer data came.")
    desk.sees(re.compile(r"Creatinine: \S+ → 4\.4"))
    desk.still()
    assert "signoff.signed" not in ward.kinds(case)
    desk.step("Your estimate")


def test_a_decision_by_somebody_else_is_not_overwritten_unseen(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk, other = ward.case("Taufatongi"), sit_down("marlow"), ward.sign_in("thorsby")
    ward.estimate(desk.by, case)
    desk.open(case)
    desk.accept()
    desk.still()
    ward.decide(other, case, "overridden", reason="clinical-judgement")
    desk.button("Continue to signing").click()
    desk.sees("Not yours to sign.")
    desk.sees(re.compile("Dr Kwabena Thorsby decided this at .* and has not signed yet"))
    assert ward.board(case).decided.name == "Dr Kwabena Thorsby"
    assert "decision.accepted" not in ward.kinds(case)
