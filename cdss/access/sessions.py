"""Sessions: an opaque id in the browser, everything else in the database, looked up on each call."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from cdss.access.checking import Attempt, check, one_form
from cdss.access.errors import AccessDeniedError, SessionExpiredError
from cdss.access.identity import Person
from cdss.access.settings import AccessSettings
from cdss.access.store import AccessStore, Change, Fact, digest, utc
from cdss.access.tables import account as accounts
from cdss.access.tables import grant as grants
from cdss.access.tables import person as people
from cdss.access.tables import proof as proofs
from cdss.access.tables import session as sessions
from cdss.access.tables import tries

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a sign-in gives: the session id for the cookie, shown nowhere else, and the person."""

    token: str = field(repr=False)
    person: Person


class Sessions:
    """The sessions of a store."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def sign_in(self, login: str, password: str, *, role: str | None = None, client: str | None = None) -> SignedIn:
        """Begin a session.

        Parameters
        ----------
        login, password : str
        role : str, optional
            What to act as; the first role of the account unless given.
        client : str, optional
            What they came with, such as `browser`; for the ledger.

        Raises
        ------
        WrongPasswordError, LockedOutError
            Recorded as auth.failed or auth.locked.
        AccessDeniedError
            If the account does not hold the role.
        DependencyError
            If it cannot be recorded; then there is no session.
        """
        name = one_form(login)
        attempt = Attempt(key=self._store.key_of("sign in", name), what="sign in", login=name)
        begun: list[SignedIn] = []

        def prepare(account: str) -> tuple[Fact, Change]:
            new, change = self._begin(account, role=role, client=client)
            begun[:] = [new]
            return Fact(kind="auth.ok", person=new.person, data={"what": "sign in", "account": account}), change

        check(self._store, attempt, password, prepare)
        return begun[0]

    def identify(self, token: str | None, now: datetime) -> Person | None:
        """Who a session id belongs to now, noting that the session is alive; None if to nobody."""
        row = self._look(token, now)
        if row is None:
            return None
        if row.seen_at <= utc(now) - self._store.settings.touch:
            alive = sessions.c.digest == row.digest, sessions.c.revoked_at.is_(None), sessions.c.seen_at < utc(now)
            with self._store.write() as connection:
                connection.execute(update(sessions).where(*alive).values(seen_at=utc(now)))
        return _person(row)

    def peek(self, token: str | None, now: datetime) -> Person | None:
        """The same without noting it: for what refreshes by itself and must not keep a session alive."""
        row = self._look(token, now)
        return None if row is None else _person(row)

    def sign_out(self, token: str) -> None:
        """End a session; no session is no error."""
        with self._store.write() as connection:
            end_session(connection, digest(token), self._store.now())

    def switch_role(self, token: str, role: str) -> SignedIn:
        """Go on in another role of the same account, under a new session id that ends no later than the old one.

        Raises
        ------
        SessionExpiredError, AccessDeniedError
        """
        now = self._store.now()
        old = self._look(token, now)
        if old is None:
            raise SessionExpiredError
        new, begin = self._begin(old.account_id, role=role, client=old.client, old=old)

        def change(connection: Connection) -> None:
            if not end_session(connection, old.digest, now):
                raise SessionExpiredError
            begin(connection)

        self._store.record(Fact(kind="auth.ok", person=new.person, data={"what": "role", "from": old.role}), change)
        return new

    def tidy(self) -> None:
        """Delete what has ended: sessions and their proofs a day after, counts of failures once they are forgotten."""
        limits, now = self._store.settings, self._store.now()
        old, forget = now - limits.absolute - limits.forget, now - limits.forget
        ended = select(sessions.c.digest).where(sessions.c.created_at < old)
        quiet = or_(tries.c.locked_until.is_(None), tries.c.locked_until < forget)
        with self._store.write() as connection:
            connection.execute(delete(proofs).where(proofs.c.session.in_(ended)))
            connection.execute(delete(sessions).where(sessions.c.created_at < old))
            connection.execute(delete(tries).where(tries.c.last_at < forget, quiet))

    def _look(self, token: str | None, now: datetime) -> Row[Any] | None:
        if not token:
            return None
        with self._store.read() as connection:
            return live_session(connection, digest(token), utc(now), self._store.settings)

    def _begin(
        self, account: str, *, role: str | None, client: str | None, old: Row[Any] | None = None
    ) -> tuple[SignedIn, Change]:
        now, token = self._store.now(), secrets.token_urlsafe(SECRET_BYTES)
        with self._store.read() as connection:
            of = select(accounts.c.person_id, people.c.name).join(people).where(accounts.c.id == account)
            owner = connection.execute(of).one()
            wanted = select(grants.c.role).where(grants.c.account_id == account).order_by(grants.c.place)
            held = list(connection.scalars(wanted))
        chosen = role or (held[0] if held else "none")
        if chosen not in held:
            raise AccessDeniedError(role=chosen, act="be taken by this account")
        person = Person(
            sub=owner.person_id,
            name=owner.name,
            role=chosen,
            account=account,
            session=digest(token),
            client=client,
            auth_time=old.auth_at if old else now,
            amr=tuple(old.amr.split()) if old else ("pwd",),
        )
        row = {
            "digest": person.session,
            "account_id": account,
            "role": chosen,
            "client": client,
            "amr": " ".join(person.amr),
            "created_at": old.created_at if old else now,
            "auth_at": person.auth_time,
            "seen_at": now,
        }
        return SignedIn(token=token, person=person), lambda link: _insert(link, row)


def live_session(connection: Connection, key: str, now: datetime, limits: AccessSettings) -> Row[Any] | None:
    """A session by its digest, with the person's id and name, if it is alive, its account open and its role held."""
    wanted = (
        select(sessions, accounts.c.person_id, people.c.name)
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .join(people, people.c.id == accounts.c.person_id)
        .join(grants, (grants.c.account_id == accounts.c.id) & (grants.c.role == sessions.c.role))
        .where(
            sessions.c.digest == key,
            sessions.c.revoked_at.is_(None),
            accounts.c.disabled_at.is_(None),
            sessions.c.created_at > now - limits.absolute,
            sessions.c.created_at <= now + limits.skew,
            sessions.c.seen_at > now - limits.idle,
        )
    )
    return connection.execute(wanted).one_or_none()


def end_session(connection: Connection, key: str | None, now: datetime) -> bool:
    """End a session by its digest; whether it was not ended before."""
    live = sessions.c.digest == key, sessions.c.revoked_at.is_(None)
    return connection.execute(update(sessions).where(*live).values(revoked_at=now)).rowcount == 1


def _insert(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(sessions), row)


def _person(row: Row[Any]) -> Person:
    return Person(
        sub=row.person_id,
        name=row.name,
        role=row.role,
        account=row.account_id,
        session=row.digest,
        client=row.client,
        auth_time=row.auth_at,
        amr=tuple(row.amr.split()),
    )
