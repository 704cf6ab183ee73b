"""One check of a password, counted: the same steps, and the same time, for every log-in name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from cdss.access import lockout
from cdss.access.errors import AccessDeniedError, AccessError, LockedOutError, WrongPasswordError
from cdss.access.identity import Person, instant_text
from cdss.access.lockout import MovedError, Tries
from cdss.access.store import AccessStore, Fact
from cdss.access.tables import account as accounts
from cdss.errors import DependencyError

_LOGIN_LENGTH = 100
_ROUNDS = 100

Success = Callable[[Connection], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is tried, by whom and under which count.

    Parameters
    ----------
    key : str
        Under which failures count.
    what : str
        For the ledger: `sign in` or `prove`.
    login : str
        The log-in name, in its one form.
    person : Person, optional
        Who is signed in already.
    locked : callable, optional
        Runs in the transaction that locks.
    """

    key: str
    what: str
    login: str
    person: Person | None = None
    locked: Success | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    id: str
    password: str


def one_form(login: str) -> str:
    """A log-in name as it is stored and compared: without blanks around it, in lower case."""
    return login.strip().casefold()


def can_be_login(login: str) -> bool:
    """Whether a text, in its one form, can be a log-in name at all."""
    return 0 < len(login) <= _LOGIN_LENGTH and login.isascii() and login.isprintable() and " " not in login


def check(store: AccessStore, attempt: Attempt, password: str, prepare: Callable[[str], tuple[Fact, Success]]) -> None:
    """Check a password once, record the outcome, and do what follows in the same transaction.

    Parameters
    ----------
    store : AccessStore
    attempt : Attempt
    password : str
    prepare : callable
        Given the account's id once the password is right: the fact, and what it does. May raise an `AccessError`.

    Raises
    ------
    WrongPasswordError
        If it is not right, or there is no such account, or it is disabled.
    LockedOutError
        If there were too many failures, this one included; a right password does not help.
    DependencyError
        If nothing could be recorded; then nothing was counted and nobody is signed in.
    """
    checked: _Stored | None = None
    right = hashed = False
    for _ in range(_ROUNDS):
        now = store.now()
        with store.read() as connection:
            found = _account(connection, attempt.login)
            counted = lockout.read(connection, attempt.key)
        if not hashed or found != checked:
            right = store.hasher.matches(found.password if found else None, password)
            hashed, checked = True, found
        try:
            if (until := counted.locked(now)) is not None:
                store.record(_failed(attempt, found, until=until, cause="locked"), lambda _: None)
                raise LockedOutError(until)
            if found is None or not right:
                raise _fail(store, attempt, found, counted, now)
            _succeed(store, attempt, found, counted, now, password, prepare)
        except MovedError:
            continue
        return
    raise DependencyError("Sign-in: too many at the same time for one name. Try again in a moment.")


def _account(connection: Connection, login: str) -> _Stored | None:
    if not can_be_login(login):
        return None
    wanted = select(accounts.c.id, accounts.c.password).where(
        accounts.c.login == login, accounts.c.disabled_at.is_(None)
    )
    row = connection.execute(wanted).one_or_none()
    return _Stored(row.id, row.password) if row else None


def _fail(store: AccessStore, attempt: Attempt, found: _Stored | None, counted: Tries, now: datetime) -> AccessError:
    after = lockout.after_failure(counted, now, store.settings)
    until = after.locked(now)

    def change(connection: Connection) -> None:
        lockout.save(connection, counted, after)
        if until is not None and attempt.locked is not None:
            attempt.locked(connection)

    store.record(_failed(attempt, found, until=until, cause="wrong"), change)
    return WrongPasswordError() if until is None else LockedOutError(until)


def _succeed(
    store: AccessStore,
    attempt: Attempt,
    found: _Stored,
    counted: Tries,
    now: datetime,
    password: str,
    prepare: Callable[[str], tuple[Fact, Success]],
) -> None:
    try:
        fact, do = prepare(found.id)
    except AccessDeniedError:
        store.record(_failed(attempt, found, until=None, cause="role"), lambda _: None)
        raise
    renewed = store.hasher.hash(password) if store.hasher.is_old(found.password) else None

    def change(connection: Connection) -> None:
        lockout.save(connection, counted, lockout.after_success(counted, now))
        # A password changed, or an account disabled, since it was read must not let anybody in.
        stands = accounts.c.id == found.id, accounts.c.password == found.password, accounts.c.disabled_at.is_(None)
        if connection.execute(update(accounts).where(*stands).values(password=renewed or found.password)).rowcount != 1:
            raise MovedError
        do(connection)

    store.record(fact, change)


def _failed(attempt: Attempt, found: _Stored | None, *, until: datetime | None, cause: str) -> Fact:
    """The fact of a failure. It never names what was typed: that may be a password in the wrong field."""
    kind = "auth.locked" if until and cause == "wrong" else "auth.failed"
    known = {"account": found.id} if found else {"tried": attempt.key[:16]}
    wait = {"until": instant_text(until)} if until else {}
    return Fact(kind=kind, person=attempt.person, data={"what": attempt.what, "cause": cause, **known, **wait})
