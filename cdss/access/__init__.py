"""Who is it, and what may they do: accounts, sessions, proofs of identity, roles; asked again for every act."""

from cdss.access.accounts import Account, Accounts, UnknownAccountError
from cdss.access.errors import (
    AccessDeniedError,
    AccessError,
    LockedOutError,
    LoginNeededError,
    ProofError,
    ProofUsedError,
    SamePersonError,
    SessionExpiredError,
    WrongPasswordError,
)
from cdss.access.identity import Identify, Person, local_operator
from cdss.access.passwords import PasswordRuleError
from cdss.access.proofs import Proof, Proofs
from cdss.access.roles import Act, Role, Rule, allowed, require, require_other, rules
from cdss.access.sessions import Sessions, SignedIn
from cdss.access.settings import AccessSettings
from cdss.access.store import AccessStore, Change, Clock, Fact, Record, record_with

__all__ = [
    "AccessDeniedError",
    "AccessError",
    "AccessSettings",
    "AccessStore",
    "Account",
    "Accounts",
    "Act",
    "Change",
    "Clock",
    "Fact",
    "Identify",
    "LockedOutError",
    "LoginNeededError",
    "PasswordRuleError",
    "Person",
    "Proof",
    "ProofError",
    "ProofUsedError",
    "Proofs",
    "Record",
    "Role",
    "Rule",
    "SamePersonError",
    "SessionExpiredError",
    "Sessions",
    "SignedIn",
    "UnknownAccountError",
    "WrongPasswordError",
    "allowed",
    "local_operator",
    "record_with",
    "require",
    "require_other",
    "rules",
]
