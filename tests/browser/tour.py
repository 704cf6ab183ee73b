"""Every page once, as the people who work there see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from browser.desk import Desk
from browser.ward import Ward


class Scene:
    """Patients at every step, made once."""

    def __init__(self, ward: Ward) -> None:
        self.ward = ward
        thorsby, marlow = ward.sign_in("thorsby"), ward.sign_in("marlow")
        self.fresh = ward.admit("Brandthuber", "Axelrood")
        self.open = ward.admit("Hallgrímsvik", "Bexleyan")
        self.none_at_all = ward.admit("Oyelarsen", "Jevington")
        self.open_too = ward.admit("Lindqvarn", "Cordwainer")
        self.to_sign = ward.admit("Brandthuber", "Drosselmann")
        self.signed = ward.admit("Brandthuber", "Eastmarch")
        self.noted = ward.admit("Lindqvarn", "Fennimoore")
        self.deferred = ward.admit("Lindqvarn", "Garrowby")
        self.none = ward.admit("Bolatovski", "Ironbridgers")
        ward.estimate(thorsby, self.open, alive=70)
        ward.estimate(thorsby, self.open_too, alive=80, seen_score=True)
        ward.decide(thorsby, self.to_sign)
        ward.sign(marlow, self.signed)
        ward.hospital.amend(marlow, self.signed, "The family was told.", password="demo hospital ward")
        ward.decide(thorsby, self.noted, signed=False)
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        ward.decide(thorsby, self.deferred, "deferred", signed=False, until=tomorrow)


def clinician(desk: Desk, scene: Scene) -> Iterator[str]:
    """What a clinician sees; each name is said when its page is drawn."""
    desk.go("/")
    desk.heading("Worklist")
    desk.choose("Whose", "All")
    yield "worklist"
    pages = desk.page.get_by_role("navigation", name="Pages of the list")
    pages.get_by_role("link", name="2").click()
    expect(pages.locator("[aria-current]")).to_have_text("2")
    expect(desk.group("Whose").get_by_role("radio", name="All")).to_be_checked()
    desk.heading("Worklist")
    yield "worklist, second page"
    desk.go("/?worklist-view=Table")
    desk.sees("Arrows move, Shift and Space choose a row")
    desk.page.get_by_test_id("stDataFrame").hover()
    expect(desk.page.get_by_test_id("stElementToolbar")).to_be_hidden()  # it would save the table unrecorded
    yield "worklist as a table"
    desk.open(scene.fresh)
    yield "estimate"
    desk.write("Alive, of 100 patients", "80" if desk.is_dark() else "70")
    desk.button("Commit my estimate").click()
    desk.sees("Answer both questions;")
    yield "estimate refused"
    desk.open(scene.open)
    desk.step("Decide")
    yield "review"
    desk.button("Imaging").click()
    desk.choose("Your decision", "Override: my judgement differs")
    expect(desk.page.get_by_role("combobox", name="Reason for the override")).to_be_visible()
    yield "override"
    desk.choose("Your decision", "Defer to a later time")
    desk.button("Continue to signing").click()
    desk.sees("A deferral needs a time and what for.")
    yield "defer"
    desk.open(scene.open)
    desk.page.get_by_text("Report a problem with this score").click()
    desk.sees("What looks wrong?")
    yield "report"
    desk.open(scene.to_sign)
    desk.heading("You are about to sign this")
    yield "sign"
    desk.open(scene.none)
    desk.heading("No estimate for this patient")
    yield "abstention"
    desk.open(scene.none_at_all)
    desk.heading("No estimate for this patient")
    yield "abstention, never measured"
    desk.go(f"/record?case={scene.noted}")
    desk.heading("Noted, without a signature")
    yield "record without a signature"
    desk.go("/records-list")
    desk.heading("Records")
    yield "records"
    desk.go("/help")
    desk.heading("With the keyboard")
    yield "help"
    desk.go("/try")
    desk.heading("Try a file")
    yield "try"
    desk.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {"name": "one.json", "mimeType": "application/json", "buffer": scene.ward.bundle(scene.none)}
    )
    desk.sees("one.json")
    desk.button("Read it").click()
    desk.heading("What became of it")
    yield "try, answered"
    changed = scene.ward.admit("Lindqvarn", "Hathersage")
    desk.open(changed)
    scene.ward.new_creatinine(changed, 4.4)
    desk.choose("Have you seen a risk score for this stay?", "No")
    desk.sees("Newer data came.")
    yield "newer data"
    other = desk.another_tab()
    other.open(scene.open_too)
    other.button("Work on this patient instead").click()
    other.step("Decide")
    desk.group("Have you seen a risk score").get_by_text("Yes, or not sure").click()
    desk.sees("Another patient is open in a second tab.")
    yield "locked"
    other.page.close()
    desk.open(scene.open_too)
    desk.step("Decide")
    yield "review, not combined"
    desk.go("/review?case=0")
    desk.sees("There is no such case.")
    yield "no such case"
    scene.ward.hospital.sign_out(desk.by.token)
    desk.sees("You are signed out.")
    yield "signed out"


def approver(desk: Desk, scene: Scene) -> Iterator[str]:
    desk.go("/second")
    desk.heading("Second signature")
    yield "second signatures"
    desk.link("Open the record of Eastmarch").click()
    desk.heading("What was decided and signed")
    yield "second signature"
    desk.go(f"/record?case={scene.signed}")
    desk.heading("Ledger receipt")
    desk.page.get_by_text("Add an amendment").click()
    desk.sees("What is to be added")
    yield "record"


def auditor(desk: Desk, scene: Scene) -> Iterator[str]:
    desk.go("/audit")
    desk.heading(re.compile("Ledger unbroken"))
    yield "audit"
    desk.field("Record, patient pseudonym or model").fill("nothing of that kind")
    desk.button("Search").click()
    desk.sees("No entries match.")
    yield "audit, nothing found"


def nobody(desk: Desk, scene: Scene) -> Iterator[str]:
    desk.go("/")
    desk.heading("Sign in")
    yield "sign-in"
    desk.watch.expect(r"status of 401 .*/sign-in$")
    desk.field("User name").fill("nobody")
    desk.field("Password").fill("nothing")
    desk.button("Sign in").click()
    desk.sees("The log-in name or the password is not right.")
    yield "sign-in refused"


TOURS: dict[str, tuple[str | None, Callable[[Desk, Scene], Iterator[str]]]] = {
    "clinician": ("thorsby", clinician),
    "approver": ("vantongeren", approver),
    "auditor": ("holmquay", auditor),
    "nobody": (None, nobody),
}
