"""The body of an entry: what is hashed, as one canonical byte string."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cdss.domain.digest import canonical_bytes
from cdss.errors import UsageError
from cdss.ledger.kinds import SIGNED, Draft

FORMAT = 1
NO_LEAF = "0" * 64
_NAME_LENGTH = 200
_BODY_LIMIT = 64 * 1024


def uuid7(at: datetime) -> str:
    """A UUID that begins with the time (RFC 9562)."""
    number = int(at.timestamp() * 1000) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 7 << 76
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


def at_text(at: datetime) -> str:
    """UTC with microseconds and a `Z`; all of one length, so that they compare as text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def check(draft: Draft) -> None:
    """Refuse a draft that could not be recorded or verified.

    Raises
    ------
    UsageError
        Naming what is wrong with it.
    """
    if (draft.kind in SIGNED) != (draft.sig is not None):
        raise UsageError(f"{draft.kind}: a signature goes with sign-offs, and only with them.")
    if draft.sig and not draft.case:
        raise UsageError(f"{draft.kind}: a signature needs a case.")
    for what in ("case", "subject", "idem"):
        text = getattr(draft, what)
        if text is not None and not (0 < len(text) <= _NAME_LENGTH and text.isprintable()):
            raise UsageError(f"{draft.kind}: {what} is not 1 to {_NAME_LENGTH} printable characters.")


def body_bytes(draft: Draft, chain: Mapping[str, Any], sig: Mapping[str, Any] | None) -> bytes:
    """The canonical bytes of a draft in its place in the chain; what is absent is left out.

    Raises
    ------
    UsageError
        If the data is not canonical JSON, or too long for an entry.
    """
    optional = {"case": draft.case, "subject": draft.subject, "sig": sig}
    body = {
        "v": FORMAT,
        **chain,
        "kind": draft.kind.value,
        "actor": draft.actor.to_dict(),
        "refs": [{"role": ref.role, "sha256": ref.sha256} for ref in draft.refs],
        "data": draft.data,
        **{name: value for name, value in optional.items() if value is not None},
    }
    try:
        found = canonical_bytes(body)
    except (TypeError, ValueError):
        raise UsageError(f"{draft.kind}: not canonical JSON. Write numbers as text, and names in ASCII.") from None
    if len(found) > _BODY_LIMIT:
        raise UsageError(f"{draft.kind}: an entry of over {_BODY_LIMIT // 1024} KiB. Attach it as a blob.")
    return found
