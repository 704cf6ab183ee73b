"""Proofs of identity: the password once more, for one signature, used up in the transaction that signs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from cdss.access.checking import Attempt, check, one_form
from cdss.access.errors import LoginNeededError, ProofError, ProofUsedError, SessionExpiredError
from cdss.access.identity import Person
from cdss.access.sessions import SECRET_BYTES, Sessions, end_session, live_session
from cdss.access.store import AccessStore, Fact, digest
from cdss.access.tables import account as accounts
from cdss.access.tables import proof as proofs
from cdss.access.tables import session as sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a person has just shown who they are, for one signature: good once, until `expires_at`."""

    nonce: str = field(repr=False)
    person: Person
    meaning: str
    decision: str
    expires_at: datetime


class Proofs:
    """The proofs of a store."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._sessions = Sessions(store)

    def asks_login(self, person: Person) -> bool:
        """Whether the next proof asks for the log-in name too: at a session's first signature, and after a pause."""
        recent = proofs.c.session == person.session, proofs.c.used_at > self._store.now() - self._store.settings.both
        with self._store.read() as connection:
            return connection.execute(select(proofs.c.digest).where(*recent)).first() is None

    def prove(self, token: str, password: str, *, meaning: str, decision: str, login: str | None = None) -> Proof:
        """Show once more who one is, for one signature.

        Parameters
        ----------
        token : str
            The session id.
        password : str
        meaning : str
            What the signature will mean, such as `reviewed`.
        decision : str
            The digest of what is to be signed.
        login : str, optional
            Needed where `asks_login` says so.

        Raises
        ------
        SessionExpiredError
            If there is no live session.
        LoginNeededError
            If the log-in name is needed too.
        WrongPasswordError, LockedOutError
            A lock ends the session. Failures here are counted apart from those at sign-in, so that nobody outside can
            keep a signed-in clinician from signing.
        """
        now = self._store.now()
        person = self._sessions.peek(token, now)
        if person is None:
            raise SessionExpiredError
        if login is None and self.asks_login(person):
            raise LoginNeededError
        with self._store.read() as connection:
            own = str(connection.scalar(select(accounts.c.login).where(accounts.c.id == person.account)))
        attempt = Attempt(
            key=self._store.key_of("prove", person.account),
            what="prove",
            login=own if login is None or one_form(login) == own else "",
            person=person,
            locked=lambda link: _close(link, person, now),
        )
        proof = Proof(
            nonce=secrets.token_urlsafe(SECRET_BYTES),
            person=replace(person, auth_time=now, amr=("pwd",)),
            meaning=meaning,
            decision=decision,
            expires_at=now + self._store.settings.proof,
        )
        fact = Fact(
            kind="auth.ok", person=proof.person, data={"what": "prove", "meaning": meaning, "decision": decision}
        )
        check(self._store, attempt, password, lambda _: (fact, lambda link: _keep(link, proof, now)))
        return proof

    def consume(
        self, connection: Connection, proof: Proof | str, *, person: Person, meaning: str, decision: str
    ) -> None:
        """Use a proof up within the transaction that signs: both hold or neither.

        Parameters
        ----------
        connection : Connection
            Of the signing transaction, which has to be undone if this raises: `also` of the ledger's append is one.
        proof : Proof or str
            The proof, or its nonce.
        person : Person
            Who signs, as just identified.
        meaning, decision : str
            What is signed now.

        Raises
        ------
        ProofUsedError
            If it was used, by whomever won.
        ProofError
            If it is unknown, too old, or was given for another person, meaning or decision.
        SessionExpiredError
            If the session has ended since.
        """
        now, limits = self._store.now(), self._store.settings
        mine = proofs.c.digest == digest(proof if isinstance(proof, str) else proof.nonce)
        wanted = {"session": person.session, "person_id": person.sub, "meaning": meaning, "decision": decision}
        fits = [proofs.c[name] == value for name, value in wanted.items()]
        in_time = proofs.c.expires_at > now, proofs.c.issued_at <= now + limits.skew
        use = update(proofs).where(mine, proofs.c.used_at.is_(None), *fits, *in_time).values(used_at=now)
        if connection.execute(use).rowcount != 1:
            raise _why_not(connection.execute(select(proofs).where(mine)).one_or_none(), wanted)
        if live_session(connection, str(person.session), now, limits) is None:
            raise SessionExpiredError


def _close(connection: Connection, person: Person, now: datetime) -> None:
    end_session(connection, person.session, now)


def _must(held: bool) -> None:
    if not held:
        raise SessionExpiredError


def _keep(connection: Connection, proof: Proof, now: datetime) -> None:
    alive = sessions.c.digest == proof.person.session, sessions.c.revoked_at.is_(None)
    _must(connection.execute(update(sessions).where(*alive).values(seen_at=now, auth_at=now)).rowcount == 1)
    row = {
        "digest": digest(proof.nonce),
        "session": proof.person.session,
        "person_id": proof.person.sub,
        "meaning": proof.meaning,
        "decision": proof.decision,
        "issued_at": now,
        "expires_at": proof.expires_at,
    }
    connection.execute(insert(proofs), row)


def _why_not(row: Row[Any] | None, wanted: dict[str, str | None]) -> ProofError:
    if row is None:
        return ProofError("is not known")
    if row.used_at is not None:
        return ProofUsedError()
    if any(getattr(row, name) != value for name, value in wanted.items()):
        return ProofError("was given for something else", "Nothing was signed. Review what is shown, then prove again.")
    return ProofError("is too old")
