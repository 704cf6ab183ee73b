"""One value, one byte string: canonical JSON (RFC 8785) narrowed to text, whole numbers, booleans, lists and objects.

Floats have no place in it: a number that matters is written as text by whoever knows its precision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

_MAX_INTEGER = 2**53 - 1


def _check(value: object) -> None:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, str):
        value.encode()  # a lone surrogate has no UTF-8 form and raises here
    elif isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise ValueError("whole number beyond 2^53-1 in canonical JSON")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise ValueError("canonical JSON wants ASCII member names")
            _check(member)
    elif isinstance(value, Sequence):
        for member in value:
            _check(member)
    else:
        raise TypeError(f"canonical JSON cannot hold a {type(value).__name__}")


def canonical_bytes(value: object) -> bytes:
    """The one byte string of a value.

    Raises
    ------
    TypeError, ValueError
        For floats, whole numbers beyond 2^53-1, lone surrogates and member names that are not ASCII.
    """
    _check(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(data: bytes) -> str:
    """`sha256:` and the hexadecimal digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
