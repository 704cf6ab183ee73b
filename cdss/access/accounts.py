"""Local accounts: add, list, disable, change; each by an admin, and recorded before it holds.

For the demo and for small sites. A hospital signs in by OIDC; what a session is stays the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError as ConstraintError

from cdss.access import tables
from cdss.access.checking import Attempt, can_be_login, check, one_form
from cdss.access.errors import AccessDeniedError
from cdss.access.identity import Person
from cdss.access.passwords import check_password
from cdss.access.roles import Act, Role, require
from cdss.access.store import AccessStore, Fact
from cdss.access.tables import account as accounts
from cdss.access.tables import grant as grants
from cdss.access.tables import person as people
from cdss.access.tables import session as sessions
from cdss.access.tables import tries
from cdss.errors import UsageError

_NAME_LENGTH = 100


class UnknownAccountError(UsageError):
    """No account has that log-in name, or no person that id."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no {what}. `cdss users list` shows those there are.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as an admin sees it; `person` is the id of its owner, `roles` begins with the one taken at sign-in."""

    id: str
    person: str
    login: str
    name: str
    roles: tuple[Role, ...]
    created_at: datetime
    disabled_at: datetime | None = None


class Accounts:
    """The accounts of a store."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def add(
        self, by: Person, *, login: str, name: str, password: str, roles: Sequence[str], person: str | None = None
    ) -> Account:
        """Add an account.

        Parameters
        ----------
        by : Person
            Whose role holds `manage users`.
        login : str
            Letters, digits and signs of ASCII without blanks; upper and lower case are the same.
        name : str
            The person's, as signatures show it.
        password : str
        roles : sequence of str
            One or more; the first is taken at sign-in unless another is asked for.
        person : str, optional
            The id of a person who has an account already, so that both are one person for a second signature.

        Raises
        ------
        AccessDeniedError
            If `by` may not.
        PasswordRuleError, UsageError
            If the password, log-in name, name or roles cannot be used, or the log-in name is taken.
        UnknownAccountError
            If there is no such person.
        """
        require(by, Act.MANAGE_USERS)
        login, name, held = one_form(login), " ".join(name.split()), _roles(roles)
        if not can_be_login(login):
            raise UsageError("The log-in name is not 1 to 100 letters, digits and signs of ASCII. Choose another.")
        if not (0 < len(name) <= _NAME_LENGTH and name.isprintable()):
            raise UsageError(f"The name is not 1 to {_NAME_LENGTH} printable characters. Correct it.")
        check_password(password, login=login, name=name, settings=self._store.settings)
        if person is not None and person == by.sub:
            raise _own(by)
        stored, now = self._store.hasher.hash(password), self._store.now()
        new = Account(
            id=str(uuid.uuid4()), person=person or str(uuid.uuid4()), login=login, name=name, roles=held, created_at=now
        )

        def change(connection: Connection) -> None:
            if person is None:
                connection.execute(insert(people), {"id": new.person, "name": name, "created_at": now})
            elif connection.scalar(select(people.c.name).where(people.c.id == person)) != name:
                raise UnknownAccountError(f"person {person} of that name")
            row = {"id": new.id, "person_id": new.person, "login": login, "password": stored, "created_at": now}
            try:
                connection.execute(insert(accounts), row)
            except ConstraintError:
                raise UsageError(f"{login}: this log-in name is taken. Choose another.") from None
            _grant(connection, new.id, held)

        self._store.record(_fact("user.added", by, new, roles=list(held)), change)
        return new

    def list(self) -> list[Account]:
        """All accounts, by log-in name; the disabled ones too."""
        with self._store.read() as connection:
            held: dict[str, list[Role]] = {}
            for row in connection.execute(select(grants).order_by(grants.c.place)):
                held.setdefault(row.account_id, []).append(Role(row.role))
            shown = [column for column in accounts.c if column.name != "password"]
            wanted = select(*shown, people.c.name).join_from(accounts, people).order_by(accounts.c.login)
            return [_account(row, held.get(row.id, [])) for row in connection.execute(wanted)]

    def find(self, login: str) -> Account:
        """The account of a log-in name.

        Raises
        ------
        UnknownAccountError
            If there is none.
        """
        for found in self.list():
            if found.login == one_form(login):
                return found
        raise UnknownAccountError("account of that log-in name")

    def disable(self, by: Person, login: str) -> Account:
        """Close an account and end its sessions; what it signed stays, and its log-in name is not given again."""
        found = self._others(by, login)
        now = self._store.now()

        def change(connection: Connection) -> None:
            open_still = accounts.c.id == found.id, accounts.c.disabled_at.is_(None)
            connection.execute(update(accounts).where(*open_still).values(disabled_at=now))
            end_sessions(connection, found.id, now)

        self._store.record(_fact("user.disabled", by, found), change)
        return self.find(login)

    def change_roles(self, by: Person, login: str, roles: Sequence[str]) -> Account:
        """Give an account other roles and end its sessions; nobody changes their own."""
        found, held = self._others(by, login), _roles(roles)
        now = self._store.now()

        def change(connection: Connection) -> None:
            connection.execute(delete(grants).where(grants.c.account_id == found.id))
            _grant(connection, found.id, held)
            end_sessions(connection, found.id, now)

        self._store.record(_fact("user.changed", by, found, what="roles", roles=list(held)), change)
        return self.find(login)

    def change_password(self, by: Person, login: str, password: str) -> None:
        """Give an account another password and end its sessions: by an admin, for somebody who lost theirs."""
        found = self._others(by, login)
        check_password(password, login=found.login, name=found.name, settings=self._store.settings)
        stored, now = self._store.hasher.hash(password), self._store.now()

        fact = _fact("user.changed", by, found, what="password")
        self._store.record(fact, lambda link: _set_password(link, found.id, stored, now))

    def change_own_password(self, person: Person, old: str, new: str) -> None:
        """Give one's own account another password, showing the old one, and end its sessions.

        Raises
        ------
        WrongPasswordError, LockedOutError
            If the old one is not right; counted with the failures at signing.
        PasswordRuleError
            If the new one cannot be used.
        """
        with self._store.read() as connection:
            login = str(connection.scalar(select(accounts.c.login).where(accounts.c.id == person.account)))
        found = self.find(login)
        check_password(new, login=found.login, name=found.name, settings=self._store.settings)
        stored, now = self._store.hasher.hash(new), self._store.now()
        key = self._store.key_of("prove", found.id)
        attempt = Attempt(key=key, what="password", login=login, person=person)
        fact = _fact("user.changed", person, found, what="own password")
        check(self._store, attempt, old, lambda _: (fact, lambda link: _set_password(link, found.id, stored, now)))

    def unlock(self, by: Person, login: str) -> None:
        """Forget the failures under a log-in name, so that its owner need not wait."""
        found = self._others(by, login)
        keys = self._store.key_of("sign in", found.login), self._store.key_of("prove", found.id)
        gone = delete(tries).where(tries.c.key.in_(keys))
        self._store.record(_fact("user.changed", by, found, what="unlocked"), lambda link: _run(link, gone))

    def _others(self, by: Person, login: str) -> Account:
        require(by, Act.MANAGE_USERS)
        found = self.find(login)
        if found.person == by.sub:
            raise _own(by)
        return found


def end_sessions(connection: Connection, account: str, now: datetime) -> None:
    """End every session of an account."""
    live = sessions.c.account_id == account, sessions.c.revoked_at.is_(None)
    connection.execute(update(sessions).where(*live).values(revoked_at=now))


def _set_password(connection: Connection, account: str, stored: str, now: datetime) -> None:
    connection.execute(update(accounts).where(accounts.c.id == account).values(password=stored))
    end_sessions(connection, account, now)


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)


def _own(by: Person) -> AccessDeniedError:
    return AccessDeniedError(role=by.role, act="change their own account", remedy="Ask another admin.")


def _roles(given: Sequence[str]) -> tuple[Role, ...]:
    known = {role.value: role for role in Role}
    if not given or len(set(given)) != len(given) or not set(given) <= set(known):
        raise UsageError(f"Roles are one or more of: {', '.join(known)}; each once.")
    return tuple(known[role] for role in given)


def _grant(connection: Connection, account: str, roles: Sequence[Role]) -> None:
    rows = [{"account_id": account, "role": role.value, "place": place} for place, role in enumerate(roles)]
    connection.execute(insert(tables.grant), rows)


def _account(row: Any, roles: Sequence[Role]) -> Account:
    return Account(
        id=row.id,
        person=row.person_id,
        login=row.login,
        name=row.name,
        roles=tuple(roles),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _fact(kind: str, by: Person, of: Account, **data: Any) -> Fact:
    named = {"account": of.id, "person": of.person, "login": of.login, "name": of.name}
    return Fact(kind=kind, person=by, data=named | data)
