"""Sessions: opaque, short-lived, and gone at once when they should be."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from clinic import OPERATOR, OTHER, PASSWORD, START, Clinic
from sqlalchemy import text

from cdss.access import AccessDeniedError, LockedOutError, SessionExpiredError, WrongPasswordError
from cdss.errors import UsageError


def test_a_session_knows_who_in_which_role_and_how(clinic: Clinic) -> None:
    sub = clinic.staff("marlow", "clinician", "approver")
    begun = clinic.sessions.sign_in(" MARLOW", PASSWORD, client="browser")
    found = clinic.who(begun.token)
    assert found == begun.person
    assert found.actor() == {
        "sub": sub, "name": "Ines Marlow", "role": "clinician", "client": "browser", "session": found.session,
        "auth_time": "2026-03-14T09:40:00.000000Z", "amr": ("pwd",),
    }  # fmt: skip
    assert clinic.facts[-1].actor() == found.actor()
    assert clinic.facts[-1].data == {"what": "sign in", "account": found.account}


def test_the_session_id_is_256_bits_and_is_not_in_the_store(clinic: Clinic, tmp_path) -> None:
    clinic.staff("marlow")
    tokens = {clinic.sessions.sign_in("marlow", PASSWORD).token for _ in range(5)}
    assert len(tokens) == 5
    assert {len(token) for token in tokens} == {43}
    stored = (tmp_path / "cdss.db").read_bytes()
    assert not any(token.encode() in stored for token in tokens)


@pytest.mark.parametrize("token", [None, "", "x", "x" * 100_000, "\ud800", "' OR 1=1 --", "\0"])
def test_anything_else_is_nobodys_session(clinic: Clinic, token: str | None) -> None:
    clinic.staff("marlow")
    clinic.sessions.sign_in("marlow", PASSWORD)
    assert clinic.who(token) is None


def test_the_digest_in_the_ledger_is_no_session_id(clinic: Clinic) -> None:
    clinic.staff("marlow")
    assert clinic.who(clinic.sessions.sign_in("marlow", PASSWORD).person.session) is None


def test_a_session_ends_after_fifteen_idle_minutes_and_not_before(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    for _ in range(10):
        clinic.clock.pass_(minutes=14)
        assert clinic.who(token)
    clinic.clock.pass_(minutes=15)
    assert clinic.who(token) is None


def test_a_page_that_refreshes_itself_keeps_nothing_alive(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    for _ in range(15):
        assert clinic.sessions.peek(token, clinic.clock())
        clinic.clock.pass_(minutes=1)
    assert clinic.sessions.peek(token, clinic.clock()) is None


def test_a_session_ends_after_twelve_hours_however_busy(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    while clinic.clock.at < START + timedelta(hours=12, minutes=-10):
        clinic.clock.pass_(minutes=10)
        assert clinic.who(token)
    clinic.clock.pass_(minutes=10)
    assert clinic.who(token) is None


def test_a_session_from_the_future_is_refused(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    assert clinic.sessions.identify(token, START - timedelta(seconds=60))
    assert clinic.sessions.identify(token, START - timedelta(seconds=61)) is None


def test_signing_out_ends_that_session_only(clinic: Clinic) -> None:
    clinic.staff("marlow")
    one, two = (clinic.sessions.sign_in("marlow", PASSWORD).token for _ in range(2))
    clinic.sessions.sign_out(one)
    clinic.sessions.sign_out(one)
    clinic.sessions.sign_out("never was")
    assert clinic.who(one) is None
    assert clinic.who(two)


def test_a_role_taken_away_ends_the_session_that_acts_in_it(clinic: Clinic) -> None:
    clinic.staff("marlow", "clinician", "approver")
    token = clinic.sessions.sign_in("marlow", PASSWORD, role="approver").token
    assert clinic.who(token).role == "approver"
    with clinic.store.write() as connection:
        connection.execute(text("DELETE FROM access_grant WHERE role = 'approver'"))
    assert clinic.who(token) is None


def test_a_role_the_account_does_not_hold_is_refused_and_recorded(clinic: Clinic) -> None:
    clinic.staff("marlow")
    with pytest.raises(AccessDeniedError, match="admin"):
        clinic.sessions.sign_in("marlow", PASSWORD, role="admin")
    assert (clinic.kinds()[-1], clinic.facts[-1].data["cause"]) == ("auth.failed", "role")
    with pytest.raises(WrongPasswordError):
        clinic.sessions.sign_in("marlow", OTHER, role="admin")


def test_switching_role_makes_a_new_session_that_lasts_no_longer(clinic: Clinic) -> None:
    clinic.staff("marlow", "clinician", "approver")
    first = clinic.sessions.sign_in("marlow", PASSWORD)
    clinic.clock.pass_(minutes=10)
    second = clinic.sessions.switch_role(first.token, "approver")
    assert clinic.who(first.token) is None
    assert clinic.who(second.token) == second.person
    assert (second.person.role, second.person.auth_time) == ("approver", START)
    assert clinic.facts[-1].data == {"what": "role", "from": "clinician"}
    for refused, error in ((first.token, SessionExpiredError), ("x", SessionExpiredError)):
        with pytest.raises(error):
            clinic.sessions.switch_role(refused, "clinician")
    with pytest.raises(AccessDeniedError):
        clinic.sessions.switch_role(second.token, "admin")
    while clinic.clock.at < START + timedelta(hours=12, minutes=-10):
        clinic.clock.pass_(minutes=10)
        assert clinic.who(second.token)
    clinic.clock.pass_(minutes=10)
    assert clinic.who(second.token) is None


def lock(clinic: Clinic, login: str) -> LockedOutError:
    for _ in range(4):
        with pytest.raises(WrongPasswordError):
            clinic.sessions.sign_in(login, OTHER)
    with pytest.raises(LockedOutError) as locked:
        clinic.sessions.sign_in(login, OTHER)
    return locked.value


@pytest.mark.parametrize("login", ["marlow", "nobody"])
def test_each_wait_is_twice_the_last_for_known_and_unknown_names(clinic: Clinic, login: str) -> None:
    clinic.staff("marlow")
    for minutes in (15, 30, 60, 120, 240, 240):
        assert lock(clinic, login).until == clinic.clock() + timedelta(minutes=minutes)
        assert clinic.kinds()[-5:] == ["auth.failed"] * 4 + ["auth.locked"]
        with pytest.raises(LockedOutError):
            clinic.sessions.sign_in(login, PASSWORD)
        assert clinic.facts[-1].data["cause"] == "locked"
        clinic.clock.pass_(minutes=minutes)


def test_nothing_tells_a_name_that_exists_from_one_that_does_not(clinic: Clinic) -> None:
    clinic.staff("marlow")
    said = {str(lock(clinic, login)) for login in ("marlow", "nobody")}
    assert len(said) == 1


def test_a_day_without_failures_forgets_them(clinic: Clinic) -> None:
    clinic.staff("marlow")
    lock(clinic, "marlow")
    clinic.clock.pass_(hours=25)
    assert lock(clinic, "marlow").until == clinic.clock() + timedelta(minutes=15)


def test_a_right_password_forgets_failures_too(clinic: Clinic) -> None:
    clinic.staff("marlow")
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(WrongPasswordError):
                clinic.sessions.sign_in("marlow", OTHER)
        assert clinic.sessions.sign_in("marlow", PASSWORD)


def test_an_admin_unlocks(clinic: Clinic) -> None:
    clinic.staff("marlow")
    lock(clinic, "marlow")
    clinic.accounts.unlock(OPERATOR, "marlow")
    assert clinic.sessions.sign_in("marlow", PASSWORD)
    assert clinic.facts[-2].data["what"] == "unlocked"


def test_a_lock_leaves_live_sessions_alone(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    lock(clinic, "marlow")
    assert clinic.who(token)


def test_tidying_takes_only_what_has_ended(clinic: Clinic) -> None:
    clinic.staff("marlow")
    old = clinic.sessions.sign_in("marlow", PASSWORD)
    clinic.proofs.prove(old.token, PASSWORD, meaning="reviewed", decision="d", login="marlow")
    lock(clinic, "nobody")
    clinic.clock.pass_(hours=37)
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    clinic.proofs.prove(token, PASSWORD, meaning="reviewed", decision="d", login="marlow")
    clinic.sessions.tidy()
    assert clinic.who(token)
    with clinic.store.read() as connection:
        tables = "access_session", "access_proof", "access_tries"
        left = [connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables]
    assert left == [1, 1, 2]


def test_a_time_without_an_offset_is_refused(clinic: Clinic) -> None:
    with pytest.raises(UsageError, match="aware"):
        clinic.sessions.identify("x", datetime(2026, 3, 14))
    clinic.clock.at = datetime(2026, 3, 14)
    with pytest.raises(UsageError, match="aware"):
        clinic.sessions.sign_in("marlow", PASSWORD)
