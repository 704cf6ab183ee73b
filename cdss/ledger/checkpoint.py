"""Signed heads in the form of C2SP tlog-checkpoint, and the Ed25519 key that signs them.

Key texts are those of signed notes: `PRIVATE+KEY+name+hash+base64` and `name+hash+base64`, where the name is the
origin of the log, so that one file says which log it is the key of.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cdss.domain.digest import canonical_bytes
from cdss.errors import IntegrityError

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
# No checkpoint begins like this, so that no signature under one can pass for the other.
_SIGN_OFF = b"cdss sign-off v1\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class LogKey:
    """The private key of a log: signs checkpoints and the statements of signers."""

    def __init__(self, origin: str, seed: bytes) -> None:
        self.origin = origin
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes_raw()
        self._hash = hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public).digest()[:4]
        self.key_id = self._hash.hex()
        self.public = f"{origin}+{self.key_id}+{_base64(_ED25519 + public)}"

    @classmethod
    def generate(cls, origin: str | None = None) -> LogKey:
        """A new key: of the log named, or of a new deployment."""
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        return cls(origin or f"cdss/{uuid.uuid4()}/ledger", seed)

    @classmethod
    def parse(cls, text: str) -> LogKey:
        """Read the text of a private key.

        Raises
        ------
        IntegrityError
            If it is not one.
        """
        try:
            if not text.startswith(_PRIVATE):
                raise ValueError
            origin, key_id, coded = text.strip().removeprefix(_PRIVATE).split("+", 2)
            seed = base64.b64decode(coded, validate=True)
            key = cls(origin, seed[1:])
            if seed[:1] != _ED25519 or key.key_id != key_id:
                raise ValueError
        except (ValueError, binascii.Error):
            raise IntegrityError("The key file of the ledger is damaged. Restore it from its backup.") from None
        return key

    def private_text(self) -> str:
        """The text of the key file."""
        return f"{_PRIVATE}{self.origin}+{self.key_id}+{_base64(_ED25519 + self._seed)}\n"

    def checkpoint(self, size: int, root: bytes) -> str:
        """The signed note of a head."""
        text = f"{self.origin}\n{size}\n{_base64(root)}\n"
        return f"{text}\n— {self.origin} {_base64(self._hash + self._private.sign(text.encode()))}\n"

    def sign_statement(self, statement: Mapping[str, object]) -> str:
        """The signature, in base64, under what a signer put their name to."""
        return _base64(self._private.sign(_SIGN_OFF + canonical_bytes(statement)))


def read_note(note: str, public: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint signed by the key whose public text is given.

    Raises
    ------
    IntegrityError
        If the note is not a checkpoint of that key's log, or carries no valid signature by it.
    """
    try:
        origin, key_id, coded = public.split("+", 2)
        text, signatures = note.split("\n\n", 1)
        name, size, root = text.split("\n")
        mark = f"— {origin} "
        signed = (base64.b64decode(line[len(mark) :]) for line in signatures.split("\n") if line.startswith(mark))
        signature = next(found[4:] for found in signed if found[:4].hex() == key_id)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(coded)[1:])
        key.verify(signature, f"{text}\n".encode())
        if name != origin:
            raise ValueError
        return int(size), base64.b64decode(root, validate=True)
    except (ValueError, StopIteration, InvalidSignature):
        raise IntegrityError("The checkpoint is not signed by the key of this ledger.") from None
