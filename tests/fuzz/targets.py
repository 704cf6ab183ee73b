"""What is fuzzed, and what must hold of every input: three functions of bytes that need no fuzzer to run.

Only the documented family of errors may come out, and what was read is counted again by code that shares nothing with
the reader.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cdss.errors import CdssError
from cdss.fhir import files
from cdss.fhir.alike import Alike
from cdss.fhir.census import read_counted
from cdss.fhir.files import Source, read_lines, source_of
from cdss.fhir.read import read, read_traced
from cdss.units import analytes, convert, read_unit
from cdss.workflow.quality import quality_page, quality_report

DEPTH_LIMIT = 64
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
LATER = 4_000_000_000_000_000  # an index time in 2096
_VALUES = (Decimal(0), Decimal("1"), Decimal("-3.5"), Decimal("1E+30"), Decimal("1E-30"))


def check_reader(data: bytes) -> None:
    """Read a document or NDJSON, by the first byte; an even second byte asks at an index time."""
    lines, asks = data[:1] == b"L", data[1:2] not in (b"", b"0")
    raw = data[2:]
    source = source_of(raw, "input.ndjson" if lines else "input.json")
    try:
        record = read_counted(source, index_time=LATER if asks else None)
    except CdssError as error:
        _check_error(error)
        return
    counts, events = record.counts, record.events
    expected = _count_lines(raw) if lines else _count_document(raw)
    assert counts.resources == expected, f"{counts.resources} counted, {expected} there"
    assert min(counts.used, counts.not_needed, counts.put_aside, counts.refused) >= 0
    assert counts.events == len(events)
    assert (events.effective <= events.known).all(), "known before it was true"
    assert not any(math.isinf(value) for value in events.value.tolist()), "an infinite value"
    assert record.census is not None
    parts: dict[str, int] = {}
    for (_, _, outcome), number in record.census.resources.items():
        parts[outcome] = parts.get(outcome, 0) + number
    assert sum(parts.values()) == counts.resources
    assert all(getattr(counts, outcome) == number for outcome, number in parts.items())
    _check_raws(source)
    sources = {int(number) for number in events.source}
    patients = sum(n for (_, kind, o), n in record.census.resources.items() if (kind, o) == ("Patient", "used"))
    assert counts.used == len(sources) + patients, "used: those an event came of, and the patients"
    for rejection in record.rejections:
        json.dumps(rejection.to_dict())
    for number in range(min(3, len(events))):
        assert events[number].source
    if len(data) % 8 == 0:  # a report costs more than the reading
        page = quality_page(quality_report(record, (), made=LATER, version="fuzzed"))
        page.encode()
        assert "<script" not in page


def _check_raws(source: Source) -> None:
    """The bytes given for each resource are those it was read from."""
    trace = read_traced(source)[1]
    (span,) = trace.spans
    raws = list(span.raws())
    assert len(raws) == span.stop - span.start == len(trace.names)
    for (_, raw), name in zip(raws, trace.names, strict=True):
        try:
            document = _strictly(raw)
        except ValueError:
            document = None
        document = document if isinstance(document, dict) else {}
        own_id, kind = document.get("id"), document.get("resourceType")
        is_text = isinstance(own_id, str) and f'"{own_id}"'.encode() in raw  # numbers come out as text too
        if is_text and _ID.fullmatch(own_id) and name.startswith(f"{kind}/"):
            assert name == f"{kind}/{own_id}"


def _check_error(error: CdssError) -> None:
    assert str(error).isprintable(), "an error is a line or two of text"


def _strictly(raw: bytes) -> Any:
    """One strict JSON document by the standard library, or ValueError."""

    def no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def no_constant(text: str) -> None:
        raise ValueError(text)

    text = raw.decode()  # UnicodeDecodeError is a ValueError
    try:
        value = json.loads(
            text, object_pairs_hook=no_name_twice, parse_constant=no_constant, parse_int=str, parse_float=str
        )
    except RecursionError as error:
        raise ValueError("deep") from error
    if _depth(value) > DEPTH_LIMIT:
        raise ValueError("deep")
    json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [part for part in level if isinstance(part, (dict, list))]:
        depth += 1
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
    return depth


def _count_document(raw: bytes) -> int:
    return _count(_strictly(raw.removeprefix(b"\xef\xbb\xbf") if raw[:2] != b"\x1f\x8b" else gzip.decompress(raw)))


def _count_lines(raw: bytes) -> int:
    raw = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).removeprefix(b"\xef\xbb\xbf")
    found = 0
    for line in raw.split(b"\n"):
        if line := line.strip(b" \t\r"):
            try:
                document = _strictly(line)
            except ValueError:
                found += 1
                continue
            found += _count(document)
    return found


def _count(document: Any) -> int:
    """Resources of a document: the entries of a Bundle, and of a Bundle in it; else one."""
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        return 1
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        return 1
    found = 0
    for entry in entries:
        inner = entry.get("resource") if isinstance(entry, dict) and "modifierExtension" not in entry else None
        request = entry.get("request") if isinstance(entry, dict) else None
        deletes = isinstance(request, dict) and request.get("method") == "DELETE"
        found += 1 if deletes else _count(inner)
    return found


def check_alike(data: bytes) -> None:
    """Read NDJSON by templates and line by line in full: nothing may differ, not even a message."""
    source = source_of(data, "input.ndjson")
    fast = _outcome(source)
    take = Alike.take
    Alike.take = lambda self, place, line: False  # no line is ever found alike
    try:
        full = _outcome(source)
    finally:
        Alike.take = take
    for one, other in zip(fast, full, strict=True):
        assert one == other, "a template reads otherwise"


def _outcome(source: Source) -> tuple[Any, ...]:
    try:
        record = read(source)
    except CdssError as error:
        _check_error(error)
        return (str(error), None, None, None, None)
    # Findings that differ in their codes alone look the same to whoever reads them, so their order is free.
    return record.counts, Counter(record.rejections), record.patients, record.blocked, list(record.events)


def check_unit(data: bytes) -> None:
    """Read a unit: number of the analyte, system, code and text, parted by NUL; an empty part is absent."""
    number, *parts = data.split(b"\0")
    known = analytes()
    place = sum(number) % (len(known) + 1)
    analyte = known[place] if place < len(known) else None
    system, code, text = ((part.decode("utf-8", "surrogateescape") or None) for part in [*parts, b"", b"", b""][:3])
    reading = read_unit(analyte, system, code, text)
    assert reading == read_unit.__wrapped__(analyte, system, code, text), "the same words, another unit"
    if analyte is None:
        assert reading.identity
        return
    assert reading.unit == analyte.unit
    assert reading.note is None or reading.problem is None
    assert bool(reading.message) == (reading.note is not None or reading.problem is not None)
    assert reading.message.isprintable(), "a message with control characters"
    if reading.problem is not None:
        try:
            convert(Decimal(1), reading)
        except ValueError:
            return
        raise AssertionError("a value with a problem was converted")
    assert reading.scale > 0, "a unit that turns the order of values round"
    converted = [convert(value, reading) for value in sorted(_VALUES)]
    assert converted == sorted(converted)
    assert all(isinstance(value, Fraction) for value in converted)


def check_lines(data: bytes) -> None:
    """Split NDJSON, against a split of the whole; the first byte says how, the second the size of a chunk."""
    packed, size, raw = data[:1] == b"Z", 16 + sum(data[1:2]), data[2:]
    whole = files._CHUNK
    files._CHUNK = size  # small chunks, so that small inputs cross their borders
    try:
        source = source_of(gzip.compress(raw, mtime=0) if packed else raw, "input.ndjson")
        found = list(read_lines(source.files[0], lambda size: None))
    except CdssError as error:
        _check_error(error)
        return
    finally:
        files._CHUNK = whole
    if not packed and raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    lines = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    expected = [(number, line.strip(b" \t\r")) for number, line in enumerate(lines, start=1)]
    assert found == [(number, line) for number, line in expected if line]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": check_reader,
    "alike": check_alike,
    "units": check_unit,
    "lines": check_lines,
}
