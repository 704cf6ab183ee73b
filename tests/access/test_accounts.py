"""Accounts: who may change them, what is recorded, and what ends with them."""

from __future__ import annotations

import pytest
from clinic import OPERATOR, OTHER, PASSWORD, Clinic

from cdss.access import (
    AccessDeniedError,
    Accounts,
    PasswordRuleError,
    Person,
    Role,
    UnknownAccountError,
    WrongPasswordError,
)
from cdss.errors import DependencyError, UsageError

CLINICIAN = Person(sub="p9", name="Kwabena Thorsby", role="clinician", account="a9")


def test_an_account_is_added_listed_and_recorded(clinic: Clinic) -> None:
    added = clinic.accounts.add(
        OPERATOR, login=" Marlow ", name=" Ines   Marlow ", password=PASSWORD, roles=["clinician", "approver"]
    )
    assert clinic.accounts.list() == [added]
    assert (added.login, added.name) == ("marlow", "Ines Marlow")
    assert added.roles == (Role.CLINICIAN, Role.APPROVER)
    assert added.person != added.id
    (fact,) = clinic.facts
    assert (fact.kind, fact.actor()["sub"]) == ("user.added", "operator:root")
    assert fact.data == {
        "account": added.id, "person": added.person, "login": "marlow", "name": "Ines Marlow",
        "roles": ["clinician", "approver"],
    }  # fmt: skip


def test_only_an_admin_changes_accounts(clinic: Clinic) -> None:
    clinic.staff("marlow")
    before = clinic.accounts.list()
    for act in (
        lambda: clinic.accounts.add(CLINICIAN, login="x", name="X", password=PASSWORD, roles=["admin"]),
        lambda: clinic.accounts.disable(CLINICIAN, "marlow"),
        lambda: clinic.accounts.change_roles(CLINICIAN, "marlow", ["admin"]),
        lambda: clinic.accounts.change_password(CLINICIAN, "marlow", OTHER),
        lambda: clinic.accounts.unlock(CLINICIAN, "marlow"),
    ):
        with pytest.raises(AccessDeniedError):
            act()
    assert clinic.accounts.list() == before
    assert clinic.kinds() == ["user.added"]


def test_an_admin_does_not_change_their_own_account(clinic: Clinic) -> None:
    person = clinic.staff("arkwell", "admin")
    admin = clinic.sessions.sign_in("arkwell", PASSWORD).person
    for act in (
        lambda: clinic.accounts.change_roles(admin, "arkwell", ["admin", "clinician"]),
        lambda: clinic.accounts.disable(admin, "arkwell"),
        lambda: clinic.accounts.change_password(admin, "arkwell", OTHER),
        lambda: clinic.accounts.unlock(admin, "arkwell"),
    ):
        with pytest.raises(AccessDeniedError, match="own account"):
            act()
    with pytest.raises(AccessDeniedError, match="own account"):
        clinic.accounts.add(
            admin, login="second", name="Ines Marlow", password=PASSWORD, roles=["approver"], person=person
        )
    assert clinic.accounts.find("arkwell").roles == (Role.ADMIN,)


@pytest.mark.parametrize(
    "changes",
    [
        {"login": ""}, {"login": "a b"}, {"login": "x" * 101}, {"login": "ünal"}, {"login": "a\0b"},
        {"login": "MARLOW"}, {"name": " "}, {"name": "x" * 101}, {"name": "a\u202eb"},
        {"roles": []}, {"roles": ["surgeon"]}, {"roles": ["admin", "admin"]}, {"password": "short"},
        {"person": "no such person"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_an_account_changes_nothing(clinic: Clinic, changes: dict[str, object]) -> None:
    clinic.staff("marlow")
    given = {"login": "new", "name": "Ines Marlow", "password": PASSWORD, "roles": ["clinician"]} | changes
    with pytest.raises(UsageError):
        clinic.accounts.add(OPERATOR, **given)
    assert [account.login for account in clinic.accounts.list()] == ["marlow"]
    assert clinic.kinds() == ["user.added"]


def test_two_accounts_can_be_one_person(clinic: Clinic) -> None:
    person = clinic.staff("marlow")
    clinic.staff("marlow-ward", "approver", person=person)
    first, second = (clinic.sessions.sign_in(login, PASSWORD).person for login in ("marlow", "marlow-ward"))
    assert first.sub == second.sub == person
    assert first.account != second.account


def test_disabling_ends_sessions_and_keeps_the_name(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    closed = clinic.accounts.disable(OPERATOR, "marlow")
    assert closed.disabled_at == clinic.clock()
    assert clinic.who(token) is None
    with pytest.raises(WrongPasswordError):
        clinic.sessions.sign_in("marlow", PASSWORD)
    with pytest.raises(UsageError, match="taken"):
        clinic.staff("marlow")


@pytest.mark.parametrize("act", ["roles", "password"])
def test_a_change_ends_sessions(clinic: Clinic, act: str) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    if act == "roles":
        clinic.accounts.change_roles(OPERATOR, "marlow", ["approver"])
    else:
        clinic.accounts.change_password(OPERATOR, "marlow", OTHER)
    assert clinic.who(token) is None
    assert clinic.facts[-1].data["what"] == act
    again = clinic.sessions.sign_in("marlow", OTHER if act == "password" else PASSWORD)
    assert again.person.role == ("approver" if act == "roles" else "clinician")


def test_the_own_password_is_changed_by_showing_the_old_one(clinic: Clinic) -> None:
    clinic.staff("marlow")
    begun = clinic.sessions.sign_in("marlow", PASSWORD)
    with pytest.raises(PasswordRuleError):
        clinic.accounts.change_own_password(begun.person, PASSWORD, "short")
    with pytest.raises(WrongPasswordError):
        clinic.accounts.change_own_password(begun.person, OTHER, OTHER)
    assert clinic.who(begun.token)
    clinic.accounts.change_own_password(begun.person, PASSWORD, OTHER)
    assert clinic.who(begun.token) is None
    assert clinic.kinds()[-2:] == ["auth.failed", "user.changed"]
    with pytest.raises(WrongPasswordError):
        clinic.sessions.sign_in("marlow", PASSWORD)
    assert clinic.sessions.sign_in("marlow", OTHER)


def test_nobody_by_that_name(clinic: Clinic) -> None:
    with pytest.raises(UnknownAccountError):
        clinic.accounts.disable(OPERATOR, "nobody")


def test_what_cannot_be_recorded_does_not_happen(clinic: Clinic) -> None:
    clinic.staff("marlow")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token

    def down(_fact: object, _change: object) -> None:
        raise DependencyError("the ledger is read-only")

    clinic.store._record = down
    for act in (
        lambda: clinic.staff("thorsby"),
        lambda: clinic.accounts.disable(OPERATOR, "marlow"),
        lambda: clinic.sessions.sign_in("marlow", PASSWORD),
        lambda: clinic.sessions.sign_in("marlow", OTHER),
        lambda: clinic.proofs.prove(token, PASSWORD, meaning="reviewed", decision="d", login="marlow"),
    ):
        with pytest.raises(DependencyError, match="read-only"):
            act()
    assert [account.disabled_at for account in clinic.accounts.list()] == [None]
    assert clinic.who(token)


def test_a_recorder_that_forgets_the_change_is_found_out(clinic: Clinic) -> None:
    clinic.store._record = lambda fact, change: None
    with pytest.raises(DependencyError, match="without what it does"):
        Accounts(clinic.store).add(OPERATOR, login="x", name="X", password=PASSWORD, roles=["admin"])
