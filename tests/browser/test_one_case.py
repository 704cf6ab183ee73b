"""One clinician and one patient, from the worklist to the receipt."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from browser.desk import Desk
from browser.ward import Ward

_SIGN = re.compile("^Sign for ")


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
    expect(desk.button("Sign for Grethe Halvorsund, born 19 Mar 1957")).to_be_visible()
    desk.sign("marlow")
    desk.heading("Ledger receipt")
    desk.sees("proof checked")
    assert ward.kinds(case)[-3:] == ["estimate.committed", "decision.overridden", "signoff.signed"]
    assert desk.page.locator(".statement").inner_text() == said
    with desk.page.expect_download() as waiting:
        desk.link("Download PDF").click()
    assert re.fullmatch(r"DR-20\d\d-\d{6}\.pdf", waiting.value.suggested_filename)
    with open(waiting.value.path(), "rb") as file:
        content = file.read()
    printed = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    leaf = re.sub(r"\s", "", desk.page.locator(".hash").first.inner_text())
    assert waiting.value.suggested_filename.removesuffix(".pdf") in printed
    assert "Halvorsund" in printed or "HALVORSUND" in printed
    assert leaf == ward.board(case).signatures[-1].leaf
    assert leaf in re.sub(r"\s", "", printed)
    assert ward.kinds(case)[-1] == "export.made"
