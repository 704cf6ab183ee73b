"""Passwords: what one must be like, and Argon2id, a few at a time."""

from __future__ import annotations

import secrets
import threading
import tomllib
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from cdss.access.settings import AccessSettings
from cdss.errors import DependencyError, UsageError

_WAIT_S = 10
_TELLING = 4  # a shorter log-in name or name part may stand in a password by chance


class PasswordRuleError(UsageError):
    """A new password breaks a rule; the message names the rule, never the password."""


def check_password(password: str, *, login: str, name: str, settings: AccessSettings) -> None:
    """Refuse a new password that is too short, well known, or made of the person's name.

    There are no rules about digits and signs: they make passwords harder to remember, not to guess (NIST SP 800-63B).

    Raises
    ------
    PasswordRuleError
        Naming the rule.
    """
    text = _normal(password)
    if not settings.password_min <= len(text) <= settings.password_max:
        raise PasswordRuleError(
            f"The password has {len(text)} characters. Use {settings.password_min} to {settings.password_max}; "
            f"several words are easy to remember."
        )
    folded = text.casefold()
    if folded in _common():
        raise PasswordRuleError("The password is one of those tried first. Choose another.")
    names = [login, *name.split(), "".join(name.split())]
    if any(len(part) >= _TELLING and _normal(part).casefold() in folded for part in names):
        raise PasswordRuleError("The password holds the log-in name or the person's name. Choose another.")


class Hasher:
    """Argon2id with the parameters of the settings; a check takes as long for nobody's password as for somebody's."""

    def __init__(self, settings: AccessSettings) -> None:
        self._argon2 = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
            type=Type.ID,
        )
        self._longest = settings.password_max
        self._slots = threading.BoundedSemaphore(settings.hashes_at_once)
        self._nobody = self._argon2.hash(secrets.token_bytes(32))

    def hash(self, password: str) -> str:
        """The hash to store, with its salt and parameters."""
        with self._slot():
            return self._argon2.hash(_bytes(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password is the one stored; without a stored hash the same work is done, and the answer is no."""
        told = _normal(password)
        fits = stored is not None and len(told) <= self._longest
        with self._slot():
            try:
                self._argon2.verify(stored if stored and fits else self._nobody, _bytes(told[: self._longest]))
            except (VerificationError, InvalidHashError):
                return False
        return fits

    def is_old(self, stored: str) -> bool:
        """Whether a hash was made with other parameters."""
        return self._argon2.check_needs_rehash(stored)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=_WAIT_S):
            raise DependencyError("Sign-in: too many at the same time. Try again in a moment.")
        try:
            yield
        finally:
            self._slots.release()


def _normal(text: str) -> str:
    """One form for what looks the same, however a keyboard writes it."""
    return unicodedata.normalize("NFKC", text)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")


@cache
def _common() -> frozenset[str]:
    document = tomllib.loads(files("cdss.access").joinpath("passwords.toml").read_text("utf-8"))
    return frozenset(document["common"])
