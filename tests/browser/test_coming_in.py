"""Who comes in, how far, and for how long."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from browser.desk import Desk, Watch, sign_label
from browser.ward import PASSWORD, Ward

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REFUSED = r"status of 401 .*/sign-in$"


def test_signing_in_by_the_form_leads_to_the_worklist_and_out_again(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    desk = sit_down()
    desk.go("/")
    desk.heading("Sign in")
    expect(desk.field("User name")).to_be_focused()
    desk.field("User name").fill("marlow")
    desk.field("Password").fill(PASSWORD)
    desk.field("Password").press("Enter")
    desk.heading("Worklist")
    [cookie] = [one for one in desk.page.context.cookies() if one["name"] == "cdss_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    desk.link("Sign out").click()
    desk.heading("Sign in")
    assert ward.hospital.identify(cookie["value"]) is None
    assert "cdss_session" not in {one["name"] for one in desk.page.context.cookies()}


def test_a_wrong_password_says_so_and_five_make_wait(sit_down: Callable[..., Desk]) -> None:
    desk = sit_down()
    desk.watch.expect(_REFUSED)
    desk.go("/sign-in")
    for number in range(1, 7):
        desk.field("User name").fill("nobody of that name")
        desk.field("Password").fill("not the right one")
        with desk.page.expect_navigation():
            desk.button("Sign in").click()
        said = "The log-in name or the password is not right." if number < 5 else "Too many failures. Try again after "
        expect(desk.page.get_by_role("alert")).to_contain_text(said)
        assert "nobody of that name" not in desk.page.content()


def test_a_wrong_password_signs_nothing(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Wrenfield"), sit_down("marlow")
    ward.decide(desk.by, case)
    desk.open(case)
    desk.sign("marlow", "not the right one")
    desk.sees("The log-in name or the password is not right.")
    desk.still()
    expect(desk.field("Your password")).to_have_value("")
    failures = ward.failures()
    desk.field("Your user name").fill("thorsby")
    desk.field("Your password").fill(PASSWORD)
    desk.button(sign_label(ward, case)).click()
    desk.until(lambda: ward.failures() == failures + 1)
    desk.still()
    expect(desk.field("Your password")).to_have_value("")
    desk.sees("Not done.")
    assert "signoff.signed" not in ward.kinds(case)
    desk.sign("marlow")
    desk.heading("Ledger receipt")
    assert ward.kinds(case).count("signoff.signed") == 1


def test_an_ended_session_keeps_the_text_and_comes_back_to_the_same_step(
    ward: Ward, sit_down: Callable[..., Desk]
) -> None:
    case, desk = ward.case("Quintavallejo"), sit_down("marlow")
    ward.estimate(desk.by, case)
    desk.open(case)
    desk.accept()
    desk.field("Your plan").fill("Speak with the daughter on Sunday")
    ward.end_session(desk.by)
    desk.field("Your plan").press("Tab")
    desk.sees("You are signed out.")
    expect(desk.page.get_by_role("region", name="Patient")).to_have_count(0)
    desk.link("Sign in").click()
    desk.field("User name").fill("marlow")
    desk.field("Password").fill(PASSWORD)
    desk.button("Sign in").click()
    desk.is_patient(case)
    desk.step("Decide")
    expect(desk.field("Your plan")).to_have_value("Speak with the daughter on Sunday")
    expect(desk.group("Your decision").get_by_role("radio", name="Accept")).to_be_checked()


def test_an_ended_session_keeps_the_estimate_typed_so_far(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Castellanvar"), sit_down("marlow")
    desk.open(case)
    desk.field("Alive, of 100 patients").fill("88")
    ward.end_session(desk.by)
    desk.field("Alive, of 100 patients").press("Tab")
    desk.sees("You are signed out.")
    token = ward.sign_in("marlow").token
    desk.page.context.add_cookies([{"name": "cdss_session", "value": token, "url": ward.url}])
    desk.link("Sign in").click()
    desk.is_patient(case)
    expect(desk.field("Alive, of 100 patients")).to_have_value("88")


def test_signing_out_in_one_tab_ends_the_other(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Finchley-Okoro"), sit_down("thorsby")
    desk.open(case)
    other = desk.another_tab()
    other.go("/help")
    other.heading("Help")
    other.link("Sign out").click()
    other.heading("Sign in")
    desk.sees("You are signed out.")  # without a touch, within seconds
    assert "finchley" not in desk.page.content().lower()
    other.page.go_back()
    other.heading("Sign in")


def test_nobody_gets_no_page_no_socket_no_pdf_and_no_ledger(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case = ward.case("Ó Raghallmór")
    by = ward.sign_in("altamira")
    ward.sign(by, case)
    pages = ("/", "/review", "/record", "/records-list", "/second", "/audit", "/help", "/try", "/anything")
    desk = sit_down()
    for page in pages:
        desk.go(page)
        desk.heading("Sign in")
    for path in (f"/records/{case}.pdf", "/ledger.ndjson", "/media/x.txt", "/_stcore/metrics", "/component/x/y.js"):
        status, _, said = ward.ask(path)
        assert (status, said) == (401, "Sign in first."), path
        status, named, _ = ward.ask(path, headers={"Accept": "text/html"})
        assert status == 401 or named["location"].startswith("/sign-in?next="), path
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Origin": ward.url,
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    assert ward.ask("/_stcore/stream", headers=upgrade)[0] == 403
    with_cookie = upgrade | {"Cookie": f"cdss_session={by.token}x"}
    assert ward.ask("/_stcore/stream", headers=with_cookie)[0] == 403
    assert ward.ask("/records/%2e%2e/health.pdf", headers={"Cookie": "cdss_session="})[0] == 401


def test_each_role_gets_its_own_pages_also_by_address(ward: Ward, sit_down: Callable[..., Desk], watch: Watch) -> None:
    case = ward.case("Willkapoma")
    watch.expect("The page that you have requested does not seem to exist")
    ward.sign(ward.sign_in("altamira"), case)
    family = ward.head(case)["family"]
    auditor = sit_down("holmquay")
    auditor.go("/")
    auditor.heading("Records")
    auditor.link("Audit").click()
    auditor.heading("Audit")
    expect(auditor.link("Worklist")).to_have_count(0)
    auditor.go(f"/review?case={case}")
    auditor.sees("The role auditor may not open case.")
    auditor.go(f"/record?case={case}")
    auditor.heading("Ledger receipt")
    expect(auditor.link("Download PDF")).to_have_count(0)
    expect(auditor.page.get_by_text("Add an amendment")).to_have_count(0)
    assert auditor.page.request.get(f"{ward.url}/records/{case}.pdf").status == 403
    assert auditor.page.request.get(f"{ward.url}/ledger.ndjson").status == 200
    for page in ("/worklist", "/second"):
        auditor.go(page)
        auditor.still()
        assert "Your estimate first" not in auditor.text(), page
    admin = sit_down("arkwell")
    admin.go("/")
    admin.heading("Help")
    for page in (f"/review?case={case}", f"/record?case={case}", "/records-list", "/audit", "/second", "/worklist"):
        admin.go(page)
        admin.still()
        assert family not in admin.page.content(), page
        assert family.upper() not in admin.page.content(), page
        assert "Entries of the ledger" not in admin.page.content(), page
    for path in (f"/records/{case}.pdf", "/ledger.ndjson"):
        answer = admin.page.request.get(ward.url + path)
        assert answer.status == 403
        assert family not in answer.text()
    clinician = sit_down("marlow")
    for page, heading in (("/audit", "Entries of the ledger"), ("/second", "Signed decisions that need another")):
        clinician.go(page)
        clinician.still()
        assert heading not in clinician.page.content(), page
    assert clinician.page.request.get(f"{ward.url}/ledger.ndjson").status == 403
    answer = clinician.page.request.get(f"{ward.url}/role?as=auditor")
    assert answer.status == 403


def test_a_deep_link_goes_there_after_signing_in(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case, desk = ward.case("Venderholt"), sit_down()
    desk.go(f"/review?case={case}")
    desk.heading("Sign in")
    desk.field("User name").fill("thorsby")
    desk.field("Password").fill(PASSWORD)
    desk.button("Sign in").click()
    desk.is_patient(case)
    assert desk.page.url == f"{ward.url}/review?case={case}"


@pytest.mark.parametrize(
    "next_", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "\thttps://e.example", "x"]
)
def test_signing_in_never_leads_to_another_site(ward: Ward, next_: str) -> None:
    body = urlencode({"login": "arkwell", "password": PASSWORD, "next": next_})
    status, named, _ = ward.ask("/sign-in", method="POST", body=body, headers=_FORM)
    assert (status, named["location"]) == (303, "/")
    _, _, page = ward.ask(f"/sign-in?{urlencode({'next': next_})}")
    assert 'name="next" value="/"' in page


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://e.example"}]
)
def test_a_sign_in_sent_by_another_site_is_refused(ward: Ward, headers: dict[str, str]) -> None:
    body = urlencode({"login": "arkwell", "password": PASSWORD})
    status, named, said = ward.ask("/sign-in", method="POST", body=body, headers=_FORM | headers)
    assert status == 403
    assert "set-cookie" not in named
    assert "The form came from another page." in said


def test_another_site_can_neither_sign_out_nor_switch_the_role(ward: Ward) -> None:
    by = ward.sign_in("altamira")
    headers = {"Cookie": f"cdss_session={by.token}", "Sec-Fetch-Site": "cross-site"}
    ward.ask("/sign-out", headers=headers)
    ward.ask("/role?as=approver", headers=headers)
    assert ward.hospital.identify(by.token) == by.person


def test_every_answer_carries_the_headers_of_the_house(ward: Ward) -> None:
    cookie = {"Cookie": f"cdss_session={ward.sign_in('marlow').token}"}
    for path, headers in (
        ("/", cookie), ("/review", cookie), ("/sign-in", {}), ("/health", {}), ("/ledger.ndjson", {}),
        ("/static/x", {}), ("/app/static/sign-in.css", {}), ("/records/x.pdf", cookie), ("/role?as=x", cookie),
    ):  # fmt: skip
        _, named, _ = ward.ask(path, headers=headers)
        policy = dict(part.strip().partition(" ")[::2] for part in named["content-security-policy"].split(";"))
        assert policy["frame-ancestors"] == "'none'", path
        assert policy["default-src"] == "'self'"
        assert policy["object-src"] == "'none'"
        assert re.fullmatch(r"'self'( 'sha256-[\w+/=]+')+", policy["script-src"])
        assert named["x-content-type-options"] == "nosniff"
        assert named["x-frame-options"] == "DENY"
        assert named["referrer-policy"] in ("same-origin", "no-referrer")
        assert "server" not in named
        assert named.get("cache-control") == "no-store" or "html" not in named.get("content-type", ""), path


@pytest.mark.catalogue(48)
def test_an_inline_script_of_somebody_else_does_not_run(sit_down: Callable[..., Desk]) -> None:
    desk = sit_down("marlow")
    desk.watch.expect("CSP script-src-elem inline|Content Security Policy")
    desk.go("/help")
    desk.heading("Help")
    ran = desk.page.evaluate(
        """() => { const one = document.createElement('script'); one.textContent = 'window.ran = true';
                   document.body.append(one); return window.ran === true; }"""
    )
    assert ran is False


def test_another_site_cannot_show_the_app_in_a_frame(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    desk = sit_down("marlow")
    desk.watch.expect("frame-ancestors|http://127.0.0.1:1/|chrome-error:")
    frame = f'<!DOCTYPE html><title>x</title><iframe src="{ward.url}/help"></iframe>'
    desk.page.route("http://127.0.0.1:1/", lambda route: route.fulfill(body=frame, content_type="text/html"))
    desk.page.goto("http://127.0.0.1:1/")
    [inner] = desk.page.frames[1:]
    assert inner.url.startswith("chrome-error:")


def test_health_names_no_patient(ward: Ward) -> None:
    status, _, said = ward.ask("/health")
    assert status == 200
    assert set(json.loads(said)) == {"status", "entries", "models"}
