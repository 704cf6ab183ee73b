"""Which role may do which act: the table of roles.toml, and the one question asked of it before every act."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from cdss.access.errors import AccessDeniedError, SamePersonError, SessionExpiredError
from cdss.access.identity import Person
from cdss.errors import UsageError


class Role(StrEnum):
    """What a session acts as; an account may hold several, a session has one."""

    CLINICIAN = "clinician"
    TRAINEE = "trainee"
    APPROVER = "approver"
    DATA_SCIENTIST = "data scientist"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Act(StrEnum):
    """What is asked of `require`; every page, route and command asks for one of these."""

    VIEW_WORKLIST = "view worklist"
    OPEN_CASE = "open case"
    VIEW_RECORD = "view decision record"
    COMMIT_ESTIMATE = "commit estimate"
    DRAFT = "draft decision"
    DECIDE = "decide"
    SIGN = "sign"
    SECOND_SIGN = "second sign"
    WITHDRAW = "withdraw signature"
    AMEND = "amend decision"
    WRITE_BACK = "write back"
    REPORT_PROBLEM = "report problem"
    EXPORT_RECORD = "export record"
    READ_AUDIT = "read audit"
    EXPORT_AUDIT = "export audit"
    VERIFY_LEDGER = "verify ledger"
    VIEW_MODELS = "view models"
    VIEW_MONITORING = "view monitoring"
    RETRAIN = "retrain"
    PROPOSE_MODEL = "propose model"
    APPROVE_MODEL = "approve model"
    SWITCH_MODEL = "switch model"
    MANAGE_USERS = "manage users"
    CHANGE_POLICY = "change policy"
    BACK_UP = "back up"
    SEE_SYSTEM = "see system state"
    TRY_FILE = "try a file"
    HELP = "view help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    Parameters
    ----------
    roles : frozenset of Role
        Who may; everybody else may not.
    patient : bool
        Whether the act shows who a patient is.
    changes : bool
        Whether it leaves anything but the note that it was done.
    why : str
        The reason, as roles.toml gives it.
    """

    roles: frozenset[Role]
    patient: bool
    changes: bool
    why: str


def read_rules(document: str) -> Mapping[Act, Rule]:
    """The table of a TOML document.

    Raises
    ------
    UsageError
        If it names an unknown role or act, names one twice, leaves one out, or gives no reason.
    """
    found: dict[Act, Rule] = {}
    for row in tomllib.loads(document)["act"]:
        try:
            act, roles = Act(row["name"]), frozenset(map(Role, row["roles"]))
            rule = Rule(roles=roles, patient=bool(row["patient"]), changes=bool(row["changes"]), why=row["why"])
        except (KeyError, ValueError) as error:
            raise UsageError(f"roles.toml: {row.get('name', 'an act')}: {error}. Correct the row.") from None
        if act in found or not rule.why.strip():
            raise UsageError(f"roles.toml: {act}: stands there twice or without a reason. Correct the row.")
        found[act] = rule
    if missing := set(Act) - set(found):
        raise UsageError(f"roles.toml: says nothing of {', '.join(sorted(missing))}. Add a row for each.")
    return MappingProxyType(found)


@cache
def rules() -> Mapping[Act, Rule]:
    """The table in force."""
    return read_rules(files("cdss.access").joinpath("roles.toml").read_text("utf-8"))


def allowed(role: str, act: str) -> bool:
    """Whether a role holds an act; an unknown role or act is a no. For menus: the act itself asks `require`."""
    return any(role in rule.roles for known, rule in rules().items() if known == act)


def require(person: Person | None, act: str) -> Person:
    """Go on only if somebody is signed in and their role holds the act.

    Raises
    ------
    SessionExpiredError
        If nobody is signed in.
    AccessDeniedError
        If the role does not hold the act, naming both.
    """
    if person is None:
        raise SessionExpiredError
    if not allowed(person.role, act):
        raise AccessDeniedError(role=person.role, act=act)
    return person


def require_other(person: Person | None, act: str, first: str) -> Person:
    """`require`, and that this is another person than `first`, the `sub` of who acted before."""
    person = require(person, act)
    if person.sub == first:
        raise SamePersonError(role=person.role, act=act)
    return person
