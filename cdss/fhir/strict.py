"""Strict JSON: what RFC 8259 leaves to the reader is refused here, with its line and column.

Refused: bytes that are not UTF-8, NaN and Infinity, a name standing twice in one object, nesting deeper than 64.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

DEPTH_LIMIT = 64
BOM = b"\xef\xbb\xbf"

# A fraction stays the text it is written as: no digit is lost, and encoding writes the same bytes again.
_decode = msgspec.json.Decoder(float_hook=msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class StrictJsonError(ValueError):
    """Bytes that are not strict JSON; `reason` is a stable code, `line` and `column` count from 1."""

    def __init__(self, reason: str, message: str, raw: bytes, offset: int) -> None:
        self.reason, self.message = reason, message
        self.line = raw.count(b"\n", 0, offset) + 1
        self.column = offset - raw.rfind(b"\n", 0, offset)
        super().__init__(f"{message} at line {self.line}, column {self.column}")


def read_strict(raw: bytes) -> object:
    """Decode one JSON document, or refuse it.

    Returns
    -------
    object
        Objects as dict, arrays as list; fractions as `msgspec.Raw`, their text.

    Raises
    ------
    StrictJsonError
    """
    try:
        value: object = _decode(raw)
    except UnicodeDecodeError as error:
        raise _not_utf8(raw) or StrictJsonError("json-not-utf8", "text is not UTF-8", raw, 0) from error
    except RecursionError as error:
        raise _first_fault(raw) from error
    except msgspec.ValidationError:
        _check_depth(raw)
        value = None  # a whole number of thousands of digits: legal JSON, read by the slow path
    except msgspec.DecodeError as error:
        raise _not_utf8(raw) or _first_fault(raw) from error
    if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT and _is_deep(value):
        raise _first_fault(raw)
    # An encoder never writes a name twice, so bytes that survive the round trip hold none. The rest are looked at.
    if value is not None:
        encoded = _encode(value)
        if encoded == raw or encoded == msgspec.json.format(raw, indent=-1):
            return value
    try:
        slow = json.loads(
            raw,
            object_pairs_hook=_no_name_twice,
            parse_float=msgspec.Raw,
            parse_int=_whole,
            parse_constant=_no_constant,
        )
        _encode(slow)  # half a surrogate pair is no text
    except (_NameTwice, RecursionError) as error:
        raise _first_fault(raw) from error
    except ValueError as error:  # the fault lies behind a number that the fast path gave up at
        raise _not_utf8(raw) or _first_fault(raw) from error
    return slow if value is None else value


class _NameTwice(Exception):  # noqa: N818 - caught where it is raised
    pass


def _no_name_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NameTwice
    return found


def _no_constant(text: str) -> None:
    raise ValueError(text)  # NaN and the infinities, which JSON does not have


def _whole(text: str) -> int | msgspec.Raw:
    return int(text) if len(text) < 20 else msgspec.Raw(text)


def _not_utf8(raw: bytes) -> StrictJsonError | None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return StrictJsonError("json-not-utf8", "a byte is not UTF-8", raw, error.start)
    return None


def _tokens(raw: bytes) -> Iterator[tuple[bytes, int]]:
    for found in _STRUCTURE.finditer(raw):
        yield found.group(), found.start()


def _is_deep(value: object) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEPTH_LIMIT):
        level = [
            member
            for holder in level
            for member in (holder.values() if type(holder) is dict else holder)
            if type(member) in (dict, list)
        ]
        if not level:
            return False
    return True


def _check_depth(raw: bytes) -> None:
    depth = 0
    for token, offset in _tokens(raw):
        if token in (b"{", b"["):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise StrictJsonError("json-too-deep", f"nesting is deeper than {DEPTH_LIMIT}", raw, offset)
        elif token in (b"}", b"]"):
            depth -= 1


def _unescaped(token: bytes) -> bytes:
    try:
        return _encode(msgspec.json.decode(token))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return token


def _first_fault(raw: bytes) -> StrictJsonError:
    """Find the place of a fault already known to be there; only ever called on input that is refused."""
    try:
        _check_depth(raw)
    except StrictJsonError as error:
        return error
    names: list[set[bytes] | None] = []
    previous: tuple[bytes, int] = (b"", 0)
    for token, offset in _tokens(raw):
        if token in (b"NaN", b"Infinity", b"-Infinity"):
            return StrictJsonError("json-not-a-number", f"{token.decode()} is not JSON", raw, offset)
        if token in (b"{", b"["):
            names.append(set() if token == b"{" else None)
        elif token in (b"}", b"]"):
            if names:
                names.pop()
        elif token == b":" and names and (seen := names[-1]) is not None:
            name = _unescaped(previous[0])
            if name in seen:
                return StrictJsonError("json-duplicate-name", "a name stands twice in one object", raw, previous[1])
            seen.add(name)
        previous = token, offset
    try:
        json.loads(raw)
    except json.JSONDecodeError as error:
        place = len(raw.decode()[: error.pos].encode())
        if error.msg == "Extra data":
            return StrictJsonError("json-trailing-data", "something follows the end of the document", raw, place)
        cut = place >= len(raw.rstrip()) or "Unterminated" in error.msg
        reason, what = ("json-cut", "the document ends too early") if cut else ("json-malformed", "this is not JSON")
        return StrictJsonError(reason, what, raw, place)
    except (RecursionError, ValueError):
        pass
    return StrictJsonError("json-malformed", "this is not strict JSON", raw, 0)
