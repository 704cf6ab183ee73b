"""Blobs: whatever tells who a patient is, sealed under a data key of that patient, which a key-encryption key wraps.

Destroying the data key makes the blobs unreadable for ever, while the entries that name them keep their proofs.
"""

from __future__ import annotations

import hashlib
import os
from itertools import count

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select, update

from cdss.domain.digest import canonical_bytes
from cdss.errors import IntegrityError, UsageError
from cdss.ledger.schema import blob, subject_key

_MAGIC = b"cdss blob v1\n"
_NONCE = 12
# What belongs to no patient (a model, a policy) is sealed under the site's own key.
_SITE = "site"


class Vault:
    """Seals and opens blobs within a transaction of the store."""

    def __init__(self, kek: bytes) -> None:
        self._kek = AESGCM(kek)

    def put(self, connection: Connection, subject: str | None, data: bytes, media_type: str) -> str:
        """Seal and store bytes; return the SHA-256 of the ciphertext in hex."""
        key_id, key = self._live_key(connection, subject or _SITE)
        head = _MAGIC + canonical_bytes({"key": key_id, "type": media_type}) + b"\n"
        nonce = os.urandom(_NONCE)
        sealed = head + nonce + AESGCM(key).encrypt(nonce, data, head)
        name = hashlib.sha256(sealed).hexdigest()
        row = {"sha256": name, "subject_key_id": key_id, "media_type": media_type, "ciphertext": sealed}
        connection.execute(insert(blob), row)
        return name

    def get(self, connection: Connection, name: str) -> tuple[bytes, str]:
        """The bytes of a blob, and their media type."""
        found = connection.execute(
            select(blob, subject_key.c.wrapped_key)
            .join_from(blob, subject_key, blob.c.subject_key_id == subject_key.c.id)
            .where(blob.c.sha256 == name)
        ).one_or_none()
        if found is None or found.wrapped_key is None:
            raise UsageError(f"blob {name[:16]}: not in the store, or erased.")
        head = _MAGIC + canonical_bytes({"key": found.subject_key_id, "type": found.media_type}) + b"\n"
        sealed: bytes = found.ciphertext
        if hashlib.sha256(sealed).hexdigest() != name or not sealed.startswith(head):
            raise IntegrityError(f"blob {name[:16]}: its bytes are not those recorded. Run cdss ledger verify.")
        start = len(head) + _NONCE
        try:
            key = self._unwrap(found.subject_key_id, found.wrapped_key)
            return AESGCM(key).decrypt(sealed[len(head) : start], sealed[start:], head), found.media_type
        except InvalidTag:
            raise IntegrityError(f"blob {name[:16]}: cannot be opened. Is kek.key that of this store?") from None

    def destroy(self, connection: Connection, subject: str, at: str, seq: int) -> None:
        """Destroy the live data key of a patient and delete what was sealed under it."""
        key_id, _ = self._live_key(connection, subject)
        gone = {"wrapped_key": None, "destroyed_at": at, "destroy_entry_seq": seq}
        connection.execute(update(subject_key).where(subject_key.c.id == key_id).values(gone))
        connection.execute(delete(blob).where(blob.c.subject_key_id == key_id))

    def _live_key(self, connection: Connection, owner: str) -> tuple[str, bytes]:
        """The data key in use; a patient who comes back after an erasure gets the next one."""
        for number in count(1):
            key_id = f"{owner}-{number}"
            row = connection.execute(select(subject_key).where(subject_key.c.id == key_id)).one_or_none()
            if row is None:
                key, nonce = AESGCM.generate_key(256), os.urandom(_NONCE)
                wrapped = nonce + self._kek.encrypt(nonce, key, key_id.encode())
                connection.execute(insert(subject_key), {"id": key_id, "wrapped_key": wrapped})
                return key_id, key
            if row.wrapped_key is not None:
                return key_id, self._unwrap(key_id, row.wrapped_key)
        raise AssertionError("unreachable")

    def _unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        try:
            return self._kek.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], key_id.encode())
        except InvalidTag:
            raise IntegrityError("A data key of the store cannot be opened. Is kek.key that of this store?") from None
