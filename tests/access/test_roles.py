"""Who may do what: the whole table, cell by cell, and the limits that stand above it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdss.access import (
    AccessDeniedError,
    Act,
    Person,
    Role,
    SamePersonError,
    SessionExpiredError,
    allowed,
    require,
    require_other,
    rules,
)
from cdss.access.roles import read_rules
from cdss.errors import UsageError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "access.md"
CELLS = [(role, act) for act in Act for role in Role]
SIGNING = {Act.SIGN, Act.SECOND_SIGN, Act.WITHDRAW, Act.AMEND, Act.DECIDE, Act.WRITE_BACK}


def somebody(role: str, sub: str = "p1") -> Person:
    return Person(sub=sub, name="Ines Marlow", role=role, account="a1")


def documented() -> dict[str, dict[str, bool]]:
    """The table of the reference page, which a clinician reviewed: it is what the data has to agree with."""
    head, *rows = re.findall(r"^\| (?:act |`).*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    names = [cell.strip() for cell in head.strip("|").split("|")]
    found = {}
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        found[cells[0].strip("`")] = {name: cell == "yes" for name, cell in zip(names[1:], cells[1:], strict=True)}
    return found


@pytest.mark.parametrize(("role", "act"), CELLS, ids=lambda value: value.value)
def test_each_cell_is_as_documented_and_is_what_require_does(role: Role, act: Act) -> None:
    expected = documented()[act][role]
    assert allowed(role, act) is expected
    if expected:
        assert require(somebody(role), act).role == role
    else:
        with pytest.raises(AccessDeniedError, match=f"{role.value} may not {act.value}") as refused:
            require(somebody(role), act)
        assert (refused.value.role, refused.value.act, refused.value.exit_code) == (role, act, 5)


def test_the_page_has_every_act_and_no_other() -> None:
    assert set(documented()) == {act.value for act in Act} == {act.value for act in rules()}


@pytest.mark.parametrize("act", list(Act), ids=lambda value: value.value)
def test_the_standing_limits_hold(act: Act) -> None:
    rule = rules()[act]
    if rule.patient:
        assert not {Role.ADMIN, Role.DATA_SCIENTIST} & rule.roles
    if rule.changes:
        assert Role.AUDITOR not in rule.roles
    if act in SIGNING:
        assert rule.changes
        assert rule.patient
        assert not {Role.ADMIN, Role.AUDITOR, Role.DATA_SCIENTIST, Role.TRAINEE} & rule.roles


def test_who_proposes_a_model_does_not_approve_it() -> None:
    assert not rules()[Act.PROPOSE_MODEL].roles & rules()[Act.APPROVE_MODEL].roles
    assert not rules()[Act.RETRAIN].roles & rules()[Act.SWITCH_MODEL].roles


@pytest.mark.parametrize("role", ["", "none", "Clinician", "clinician ", "root", "operator"])
def test_an_unknown_role_may_nothing(role: str) -> None:
    assert not any(allowed(role, act) for act in Act)


@pytest.mark.parametrize("act", ["", "SIGN", "sign ", "anything"])
def test_an_unknown_act_is_nobodys(act: str) -> None:
    assert not any(allowed(role, act) for role in Role)
    with pytest.raises(AccessDeniedError):
        require(somebody("clinician"), act)


def test_nobody_is_told_to_sign_in() -> None:
    with pytest.raises(SessionExpiredError):
        require(None, Act.HELP)


def test_a_second_signature_needs_another_person_not_another_account() -> None:
    approver = Person(sub="p1", name="Ines Marlow", role="approver", account="a2", session="s2")
    with pytest.raises(SamePersonError):
        require_other(approver, Act.SECOND_SIGN, "p1")
    assert require_other(approver, Act.SECOND_SIGN, "p2") is approver
    with pytest.raises(AccessDeniedError):
        require_other(somebody("clinician"), Act.SECOND_SIGN, "p2")


def row(**changes: object) -> str:
    fields = {"name": '"sign"', "roles": '["clinician"]', "patient": "true", "changes": "true", "why": '"it is so"'}
    text = "\n".join(f"{name} = {value}" for name, value in (fields | changes).items() if value is not None)
    return f"[[act]]\n{text}\n"


@pytest.mark.parametrize(
    "document",
    [
        row(),
        row() + row(),
        row(name='"sing"'),
        row(roles='["surgeon"]'),
        row(why='" "'),
        row(why=None),
        row(roles=None),
    ],
)
def test_a_table_with_a_hole_or_a_slip_is_refused(document: str) -> None:
    with pytest.raises(UsageError, match=r"roles\.toml"):
        read_rules(document)
