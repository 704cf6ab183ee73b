"""What a password must be like, and that its hash keeps up with the settings."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from clinic import OPERATOR, OTHER, PASSWORD, QUICK, Clinic, open_clinic
from hypothesis import given
from hypothesis import strategies as st

from cdss.access import AccessSettings, PasswordRuleError
from cdss.access.passwords import Hasher, check_password
from cdss.access.tables import account
from cdss.errors import UsageError

QUICK_HASHER = Hasher(QUICK)


def refuse(password: str) -> str:
    with pytest.raises(PasswordRuleError) as refused:
        check_password(password, login="marlow", name="Dr Ines Marlow-Oye", settings=QUICK)
    assert password.strip().lower() not in str(refused.value).lower() or not password.strip()
    return str(refused.value)


@pytest.mark.parametrize("password", ["", " ", "short", "elevenchars"])
def test_under_twelve_characters_is_too_short(password: str) -> None:
    assert "12 to 256" in refuse(password)


def test_over_the_longest_is_too_long() -> None:
    assert "257" in refuse("x" * 257)


@pytest.mark.parametrize("password", ["password1234", "PassWord1234", "qwertyuiop12", "Correct Horse Battery Staple"])
def test_what_is_tried_first_is_refused(password: str) -> None:
    assert "tried first" in refuse(password)


@pytest.mark.parametrize("password", ["my-marlow-pass", "xxINESxxMARLOWxx", "MARLOW-OYE 123456"])
def test_the_own_name_is_refused(password: str) -> None:
    assert "name" in refuse(password)


@pytest.mark.parametrize(
    "password", ["aaaa bbbb cccc", "lowercase only words", "ünïcödé pässwörd", "雪月花雪月花雪月花雪月花"]
)
def test_no_rule_asks_for_digits_or_signs(password: str) -> None:
    check_password(password, login="marlow", name="Ines Marlow", settings=QUICK)


@given(st.text(min_size=1, max_size=60))
def test_a_password_is_itself_and_no_other(password: str) -> None:
    stored = QUICK_HASHER.hash(password)
    assert QUICK_HASHER.matches(stored, password)
    assert not QUICK_HASHER.matches(stored, password + "x")
    assert not QUICK_HASHER.matches(None, password)


def test_composed_and_decomposed_letters_are_the_same_password() -> None:
    assert QUICK_HASHER.matches(QUICK_HASHER.hash("pässwörd wörds"), "pa\u0308sswo\u0308rd wo\u0308rds")


def test_what_a_keyboard_cannot_write_is_only_wrong() -> None:
    stored = QUICK_HASHER.hash("a password")
    assert not QUICK_HASHER.matches(stored, "\ud800" * 20)
    assert not QUICK_HASHER.matches(stored, "x" * 5_000_000)
    assert not QUICK_HASHER.matches("no hash at all", "a password")


def test_the_defaults_are_what_owasp_asks_for_or_more() -> None:
    default = AccessSettings()
    assert default.argon2_memory_kib >= 19_456
    assert default.argon2_passes >= 2
    assert default.argon2_lanes >= 1
    assert Hasher(default).hash("a password").startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_a_hash_of_old_parameters_is_renewed_at_sign_in(clinic: Clinic, tmp_path) -> None:
    clinic.staff("marlow")
    stronger = open_clinic(tmp_path / "cdss.db", clinic.clock, replace(QUICK, argon2_passes=2))

    def stored() -> str:
        with clinic.store.read() as connection:
            return str(connection.scalar(account.select().with_only_columns(account.c.password)))

    assert ",t=1," in stored()
    stronger.sessions.sign_in("marlow", PASSWORD)
    renewed = stored()
    assert ",t=2," in renewed
    stronger.sessions.sign_in("marlow", PASSWORD)
    assert stored() == renewed
    stronger.store._engine.dispose()


def test_an_unknown_name_takes_as_long_as_a_wrong_password(tmp_path) -> None:
    slow = open_clinic(tmp_path / "slow.db", settings=replace(QUICK, argon2_memory_kib=16384, failures=1000))
    slow.staff("marlow")
    slow.staff("closed")
    slow.accounts.disable(OPERATOR, "closed")

    def took(login: str) -> float:
        begun = time.thread_time()  # work, not waiting: a busy machine is no difference between two names
        with pytest.raises(Exception, match="not right"):
            slow.sessions.sign_in(login, OTHER)
        return time.thread_time() - begun

    names = ["marlow", "nobody", "closed", "no\0body"]
    least = dict.fromkeys(names, 9.0)
    for _ in range(7):
        for name in names:
            least[name] = min(least[name], took(name))
    assert max(least.values()) < 2 * min(least.values()), least
    slow.store._engine.dispose()


def test_every_name_costs_one_hash_and_one_fact(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.staff("marlow")
    hashed: list[bool] = []
    matches = clinic.store.hasher.matches
    monkeypatch.setattr(clinic.store.hasher, "matches", lambda *args: hashed.append(True) or matches(*args))
    for login in ("marlow", "nobody", "", "x" * 5000, "\ud800", "a b", "Ünal"):
        before = len(hashed), len(clinic.facts)
        with pytest.raises(Exception, match="not right"):
            clinic.sessions.sign_in(login, OTHER)
        assert (len(hashed), len(clinic.facts)) == (before[0] + 1, before[1] + 1)


def test_the_key_of_access_is_not_short(clinic: Clinic) -> None:
    with pytest.raises(UsageError, match="16 bytes"):
        type(clinic.store)(clinic.store._engine, record=lambda fact, change: None, clock=clinic.clock, key=b"short")
