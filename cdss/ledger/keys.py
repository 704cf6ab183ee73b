"""The keys of a deployment: three files of mode 0600, never in the store.

`keys/log.key` signs, `keys/pseudonym.key` turns a patient's id into a pseudonym, and `kek/kek.key`, in a directory of
its own that can stand on another volume, wraps the data keys of the blobs.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cdss.errors import DependencyError, IntegrityError
from cdss.ledger.checkpoint import LogKey

_LENGTH = 32


def _write_once(path: Path, text: str) -> None:
    """Put a new file in place whole, or leave the one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        os.unlink(scratch)


def _key_text(path: Path, make: Callable[[], str], *, create: bool) -> str:
    try:
        if create and not path.exists():
            _write_once(path, make())
        if path.stat().st_mode & 0o077:
            raise DependencyError(f"{path}: others may read this key. Run chmod 600 on it.")
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        raise DependencyError(f"{path}: the key is missing. Restore it from its backup.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise DependencyError(f"{path}: the key cannot be read ({reason}). Check the file and its owner.") from error


def _secret(path: Path, *, create: bool) -> bytes:
    text = _key_text(path, lambda: secrets.token_hex(_LENGTH) + "\n", create=create)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _LENGTH:
        raise IntegrityError(f"{path}: the key is damaged. Restore it from its backup.")
    return key


@dataclass(frozen=True, slots=True)
class Keys:
    """The three keys, read."""

    log: LogKey
    kek: bytes = field(repr=False)
    pseudonyms: bytes = field(repr=False)

    @classmethod
    def open(cls, home: str | Path, *, create: bool) -> Keys:
        """Read the keys under a home directory, making those that are not there if `create`.

        Raises
        ------
        DependencyError
            If a key is missing or others may read it.
        IntegrityError
            If a key file is damaged.
        """
        home = Path(home)
        log = _key_text(home / "keys" / "log.key", lambda: LogKey.generate().private_text(), create=create)
        return cls(
            log=LogKey.parse(log),
            kek=_secret(home / "kek" / "kek.key", create=create),
            pseudonyms=_secret(home / "keys" / "pseudonym.key", create=create),
        )

    def pseudonym(self, subject: str) -> str:
        """The keyed pseudonym of a patient, given as `ID` or `Patient/ID`."""
        name = f"Patient/{subject.removeprefix('Patient/')}"
        return hmac.new(self.pseudonyms, name.encode(), hashlib.sha256).hexdigest()
