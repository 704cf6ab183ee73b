import pytest
from browser.test_one_case import *
from browser.desk import sign_label
@pytest.mark.parametrize("n", range(12))
def test_dbl(n, ward, sit_down):
    case, desk = ward.admit("Obiandale", f"Dbl{n}x"), sit_down("altamira")
    ward.decide(desk.by, case)
    desk.open(case)
    desk.field("Your user name").fill("altamira")
    desk.field("Your password").fill(PASSWORD)
    desk.button(sign_label(ward, case)).dblclick()
    try:
        expect(desk.page.get_by_role("heading", name="Ledger receipt")).to_be_visible(timeout=8000)
    except AssertionError:
        print("FAILED", desk.text()[-700:], ward.kinds(case)); raise
    assert ward.kinds(case).count("signoff.signed") == 1
