"""Mutation that keeps the shape: JSON stays JSON and a unit is put together from pieces of units."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

_WORD = re.compile(r'^"((?:[^"\\]|\\.)*)"$', re.MULTILINE)
_RAW = re.compile(r'"@@([^"@]*)@@"')
_TOKEN = re.compile(rb'"[^"]*"|-?\d[\d.eE+-]*|[{}\[\],:]')
_BYTES = [bytes([code]) for code in b'"\\,:{}[] \t\r\x00\x1f\x7f\x80\xff/|0159.-+eEnTZ'] + [b"\\u0041", b"\xe2\x80\xa8"]
_MOST_LINES = 12
_HERE = Path(__file__).parent


def words(name: str) -> list[str]:
    """The words of a dictionary file of libFuzzer."""
    found = _WORD.findall((_HERE / name).read_text("utf-8"))
    return [word.encode().decode("unicode_escape").encode("latin-1").decode("utf-8") for word in found]


WORDS = words("fhir.dict")
UNIT_WORDS = words("units.dict")
# What JSON text may hold and Python's json would not write: `@@text@@` becomes the bare text.
JUNK: list[Any] = [
    None, True, False, 0, -1, 2**63, "", " ", [], {}, [None], [[]], {"": ""}, "\ud800", "\x00", "\u2028", "\ufeff",
    "@@1e400@@", "@@-0.0@@", "@@1E-999999999@@", "@@9" + "9" * 5000 + "@@", "@@0.1" + "0" * 400 + "@@", "@@NaN@@",
    "@@1e30@@", "@@1e31@@", "@@-1e-31@@", "@@184467440737095516160@@", "x" * 300, "1900-01-01", "0001-01-01",
    "9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "2025-02-30", "2025-09-03T24:00:00Z",
    "2025-09-03T23:59:60Z", "2025", "2025-09", "2025-09-03T18:10:00", "Patient/p1", "#p1", "urn:uuid:p1", "Patient/p2",
]  # fmt: skip


def mutate_json(value: Any, rng: Random) -> Any:
    """Change one place of a document, and return it."""
    places = list(_places(value))
    if not places:
        return rng.choice(JUNK)
    holder, key = rng.choice(places)
    act = rng.randrange(9)
    if act == 0:
        del holder[key]
    elif act == 1:
        holder[key] = rng.choice(JUNK)
    elif act == 2:
        other, place = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[place]))
    elif act == 3 and isinstance(holder, dict):
        holder[rng.choice(WORDS)] = holder.pop(key)
    elif act == 4 and isinstance(holder, dict):
        holder[rng.choice(WORDS)] = rng.choice([*JUNK, *WORDS])
    elif act == 5 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), json.loads(json.dumps(holder[key])))
    elif act == 6:
        holder[key] = [holder[key]]
    elif act == 7 and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key][0]
    elif isinstance(holder[key], str):
        holder[key] = _mutate_text(holder[key], rng)
    else:
        holder[key] = rng.choice(WORDS)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, (dict, list)):
            for key in list(one) if isinstance(one, dict) else range(len(one)):
                found.append((one, key))
                ahead.append(one[key])
    return found


def _mutate_text(text: str, rng: Random) -> str:
    place, act = rng.randrange(len(text) + 1), rng.randrange(4)
    if act == 0:
        return text[:place] + text[place + 1 :]
    if act == 1:
        return text[:place] + rng.choice('0123456789:.-/|#{}[]()*^%+TZ eE"\\\u00b5\u2028') + text[place:]
    return rng.choice(WORDS) if act == 2 else text[:place] + rng.choice(WORDS) + text[place:]


def _written(value: Any, rng: Random) -> bytes:
    text = json.dumps(value, ensure_ascii=rng.random() < 0.9, separators=(",", ":"))
    return _RAW.sub(lambda found: found.group(1), text).encode("utf-8", "surrogatepass")


def _mutated_document(raw: bytes, rng: Random) -> bytes | None:
    try:
        value = json.loads(raw, parse_float=lambda text: f"@@{text}@@")
    except (ValueError, RecursionError):
        return None
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = mutate_json(value, rng)
    return _written(value, rng)


def mutate_reader(data: bytes, rng: Random) -> bytes | None:
    """A reader input with one document changed, or lines moved; None where it holds no JSON."""
    head, raw = data[:2], data[2:]
    if rng.random() < 0.05:
        head = rng.choice((b"J0", b"J1", b"L0", b"L1"))
    if head[:1] != b"L":
        changed = _mutated_document(raw, rng)
        return None if changed is None else head + changed
    lines = raw.split(b"\n")
    place, act = rng.randrange(len(lines)), rng.random()
    if act < 0.1:
        lines.insert(rng.randrange(len(lines) + 1), lines[place])
    elif act < 0.15:
        rng.shuffle(lines)
    elif act < 0.2:
        del lines[place]
    else:
        changed = _mutated_document(lines[place], rng)
        if changed is None:
            return None
        lines[place] = changed
    return head + b"\n".join(lines)


def mutate_alike(data: bytes, rng: Random) -> bytes:
    """Lines of one shape with one text of one line changed, or the same text of all of them."""
    lines = data.split(b"\n")
    place, act = rng.randrange(len(lines)), rng.random()
    line = lines[place]
    tokens = list(_TOKEN.finditer(line))
    if act < 0.15 or not tokens:
        lines.insert(rng.randrange(len(lines) + 1), line)
        if len(lines) > _MOST_LINES:
            del lines[rng.randrange(len(lines))]
        return b"\n".join(lines)
    found = rng.choice(tokens)
    old = found.group()
    if act < 0.5:
        at = rng.randrange(len(old) + 1)
        new = old[:at] + rng.choice(_BYTES) + old[at + rng.randrange(2) :]
    elif act < 0.75:
        new = _written(rng.choice([*JUNK, *WORDS]), rng)
    else:
        new = rng.choice(tokens).group()
    if rng.random() < 0.4:
        return data.replace(old, new)  # every line alike again, in another shape
    lines[place] = line[: found.start()] + new + line[found.end() :]
    return b"\n".join(lines)


def mutate_units(data: bytes, rng: Random) -> bytes:
    """A unit input with one of its parts put together anew."""
    parts = [*data.split(b"\0"), b"", b"", b"", b""][:4]
    place = rng.randrange(4)
    if place == 0:
        parts[0] = bytes([rng.randrange(1, 64)])
    elif place == 1:
        parts[1] = rng.choice((b"http://unitsofmeasure.org", b"", b"urn:x"))
    elif rng.random() < 0.3:
        parts[place] = "".join(rng.choice(UNIT_WORDS) for _ in range(rng.randrange(1, 7))).encode()
    else:
        text = parts[place].decode("utf-8", "replace")
        at, to = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        parts[place] = (text[:at] + rng.choice(UNIT_WORDS) + text[min(to, at + 2) :]).encode()
    return b"\0".join(parts)
