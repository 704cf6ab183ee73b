"""The auditor's page; and what happens to everybody when the ledger was tampered with."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

from playwright.sync_api import expect

from browser.desk import Desk, sign_label
from browser.ward import PASSWORD, Ward

_ACTS = re.compile("^(Sign for|Commit|Record|Continue|Note it|Look again|Not applicable|Report|Add the)")


def test_the_audit_finds_by_person_act_and_record_and_verifies_again(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    case = ward.case("Fehérvárnagy")
    ward.sign(ward.sign_in("thorsby"), case)
    decided = ward.board(case).decided
    number = f"DR-{decided.at[:4]}-{decided.seq:06}"
    desk = sit_down("holmquay")
    desk.go("/audit")
    desk.sees(re.compile(r"Ledger unbroken: [\d,]+ of [\d,]+ entries verified"))
    rows = desk.page.get_by_role("region", name="Entries of the ledger, newest first").locator("tbody tr")
    expect(rows).to_have_count(50)

    desk.pick("Person", "Dr Kwabena Thorsby")
    expect(rows.filter(has_not_text="Dr Kwabena Thorsby")).to_have_count(0)
    desk.pick("Act", "Decision: overridden")
    expect(rows.filter(has_not_text="Decision: overridden")).to_have_count(0)
    expect(rows.first).to_contain_text("Dr Kwabena Thorsby")
    desk.pick("Act", "All acts")
    desk.pick("Person", "All people")
    desk.field("Record, patient pseudonym or model").fill(number)
    desk.button("Search").click()
    expect(rows).to_have_count(3)  # the decision, the signature, and that its author had the record made
    found = rows.filter(has_text=number)
    expect(found.first).to_be_visible()
    desk.field("Record, patient pseudonym or model").fill("nothing of that kind")
    desk.button("Search").click()
    desk.sees("No entries match. Clear the filters.")
    shown = desk.text()
    assert "Fehérvárnagy" not in shown
    assert "FEHÉRVÁRNAGY" not in shown

    before = desk.sees(re.compile("Ledger unbroken")).inner_text()
    desk.button("Verify again").click()
    expect(desk.page.get_by_role("heading", name="Ledger unbroken")).not_to_have_text(before)
    kinds = [one.kind for one in ward.hospital.ports.store.entries()]
    assert kinds.count("verify.run") >= 2


def test_the_proof_is_exported_by_the_auditor(ward: Ward, sit_down: Callable[..., Desk]) -> None:
    desk = sit_down("holmquay")
    desk.go("/audit")
    with desk.page.expect_download() as waiting:
        desk.link("Export proof").click()
    assert waiting.value.suggested_filename == "ledger.ndjson"
    with open(waiting.value.path(), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) > 100
    with open(waiting.value.path(), encoding="utf-8") as file:
        assert "Lindqvarn" not in file.read()


def test_a_tampered_ledger_is_said_broken_and_nothing_can_be_signed_any_more(
    own_ward: Ward, sit_down: Callable[..., Desk]
) -> None:
    ward = own_ward
    case = ward.case("Lefèvremont")
    flagged = ward.case("Papathorne")
    by = ward.sign_in("altamira")
    ward.decide(by, flagged)
    clinician = sit_down("altamira", at=ward)
    clinician.open(flagged)  # a deep link is the first page that this server ever draws
    clinician.heading("You are about to sign this")
    broken = 9
    flip_a_byte(ward, broken)
    auditor = sit_down("holmquay", at=ward)
    auditor.go("/audit")
    verdict = auditor.page.locator(".notice.stop", has_text="Ledger broken at entry 9.")
    expect(verdict).to_be_visible()
    expect(verdict).to_contain_text("Entries up to 8 are proved. Do not sign.")
    assert verdict.locator("b").evaluate("one => getComputedStyle(one).color") == "rgb(163, 21, 43)"
    size = ward.size()

    clinician.field("Your user name").fill("altamira")
    clinician.field("Your password").fill(PASSWORD)
    clinician.button(sign_label(ward, flagged)).click()
    clinician.sees(re.compile("Read only"))
    clinician.still()
    expect(clinician.page.get_by_role("heading", name="Ledger receipt")).to_have_count(0)
    for path in ("/", f"/review?case={case}", f"/review?case={flagged}", "/records-list", "/help"):
        clinician.go(path)
        clinician.sees("Read only.")
        clinician.still()
        acts = clinician.page.get_by_test_id("stMain").get_by_role("button", name=_ACTS, disabled=False)
        expect(acts).to_have_count(0)
    for path in ("/audit", "/records-list", "/help"):
        auditor.go(path)
        auditor.sees("Read only.")
    auditor.go("/audit")
    expect(verdict).to_be_visible()
    status, _, said = ward.ask("/health")
    assert status == 503
    assert "broken at entry 9" in said
    _, _, page = ward.ask("/sign-in")
    assert "Nothing can be recorded or signed here now" in page
    assert ward.size() == size
    assert "signoff.signed" not in ward.kinds(flagged)


def flip_a_byte(ward: Ward, seq: int) -> None:
    """What somebody with the database file in hand can do."""
    with closing(sqlite3.connect(ward.home / "cdss.db")) as store:
        for (trigger,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            store.execute(f'DROP TRIGGER "{trigger}"')
        [body] = store.execute("SELECT body FROM ledger_entry WHERE seq = ?", (seq,)).fetchone()
        changed = bytearray(body)
        changed[-3] ^= 1
        store.execute("UPDATE ledger_entry SET body = ? WHERE seq = ?", (bytes(changed), seq))
        store.commit()
