"""A line read by its template says what it says when it is read in full: the same record, whatever is wrong with it."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bedside import BASE, LOINC, code, measured, potassium, pressure, quantity, to_bytes

from cdss.codes import CodeMap
from cdss.errors import InputRefusedError
from cdss.fhir import alike
from cdss.fhir.codemap import read_code_map
from cdss.fhir.read import read

ALREADY_READ = 300
VALUES = [
    b"NaN", b"-0", b"0.0", b"-0.0", b"1e0", b"1E400", b"01", b"1.", b"true", b"null", b'"3.9"', b"3.90", b"99999",
    b"12345678901234567890", b"0.00001", b"4 ", b"[]", b"{}", b'{"a":1,"a":2}',
]  # fmt: skip
TEXTS = [
    b"2020-02-30T10:00:00Z", b"2020-02-28T24:00:00Z", b"2020-02-28T10:00:60Z", b"2020-02-28", b"1900-01-01T00:00:00Z",
    b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"2020-02-28T10:00:00", b"2020-02-28T10:00:00.1234567+14:00",
    b"2020-02-28T10:00:00+15:00", b" 020-02-28T10:00:00Z", b"Patient/x", b"a/b", b"", b"x" * 65, b"\\u0041", b"a\\nb",
    b"\xff", b"\xc3\xa9", b"\x01", b'a"b', b"\\", b"final", b"unknown", b"preliminary", b"corrected",
]  # fmt: skip
PARTS = [b'"id":"again",', b'"status":"final",', b'"efectiveDateTime":"x",', b" ", b"\t", b"}", b"{", b",", b"[", b'"']
_MEMBER = re.compile(rb'"[A-Za-z]+":("[^"]*"|-?[0-9.]+)')


def results(draw: random.Random) -> list[bytes]:
    """One Observation of a ward, in the forms that exports have."""
    who, hour = draw.randrange(9), f"2025-09-0{draw.randrange(1, 4)}T{draw.randrange(10, 24)}:{draw.randrange(10, 60)}"
    common: dict[str, Any] = {
        "subject": {"reference": f"Patient/p{who}"},
        "encounter": {"reference": f"Encounter/e{who}"},
        "effectiveDateTime": f"{hour}:00Z",
    }
    number, own_id = round(draw.uniform(3.0, 6.0), draw.randrange(3)), f"k{draw.randrange(10**6)}"
    forms: list[dict[str, Any]] = [
        potassium(own_id, **common, valueQuantity=quantity(number)),
        potassium(own_id, **common, issued=f"{hour}:30.000+02:00", valueQuantity=quantity(number)),
        measured("2160-0", round(number * 20), "umol/L", own_id, **common),
        potassium(own_id, **(common | {"encounter": None}), valueQuantity=quantity(number), meta={"versionId": "3"}),
        potassium(own_id, **common, identifier=[{"system": BASE, "value": own_id}], performer=[common["subject"]]),
        potassium(own_id, **common, valueQuantity=None, valueCodeableConcept=code("LA6576-8")),
        {**pressure(draw.randrange(60, 180), draw.randrange(50, 110)), "id": own_id, **common},
        {**potassium(own_id, **common), "referenceRange": [{"low": {"value": number}, "high": {"value": 5.1}}]},
        measured("6690-2", draw.choice([0, 0.0, number]), "10*3/uL", own_id, **common),
        measured("1742-6", round(number * 9), "IU/L", own_id, **common),
        potassium(own_id, **common, valueQuantity=quantity(number, comparator="<")),
        potassium(own_id, **common, valueQuantity=None, dataAbsentReason=code("unknown")),
        potassium(own_id, **common, valueQuantity=quantity(number), basedOnn=[{"reference": "ServiceRequest/1"}]),
        potassium(
            own_id,
            **common,
            code=code("K", system="http://example.org/local"),
            valueQuantity=None,
            valueDateTime=f"{hour}:00Z",
        ),
        potassium(own_id, **common, valueQuantity=quantity(number), category=[code("vital-signs"), code("exam")]),
        potassium(own_id, **common, code=code("K", system="http://example.org/local"), valueQuantity=quantity(number)),
    ]
    resource = to_bytes(draw.choice(forms))
    return resource.replace(b": ", b":").replace(b", ", b",") if draw.random() < 0.8 else resource


def spoilt(line: bytes, draw: random.Random) -> bytes:
    """A line with one thing wrong, or odd."""
    way = draw.randrange(4)
    found = draw.choice(list(_MEMBER.finditer(line)) or [None])
    if way < 2 and found is not None:
        is_text = found[1].startswith(b'"') and draw.random() < 0.9
        value = b'"' + draw.choice(TEXTS) + b'"' if is_text else draw.choice(VALUES)
        return line[: found.start(1)] + value + line[found.end(1) :]
    at = draw.randrange(len(line))
    if way == 2:
        return line[:at] + draw.choice(PARTS) + line[at:]
    return line[:at] + bytes([draw.randrange(11, 256)]) + line[at + 1 :]


def outcome(path: Path, code_map: CodeMap | None = None) -> object:
    try:
        record = read(path, code_map=code_map)
    except InputRefusedError as error:
        return str(error)
    table = record.events
    numbers = ("kind", "comparator", "rank", "effective", "known", "end", "value")
    texts = {
        "subject": table.subjects, "codes": table.codesets, "coded": table.answers, "unit": table.units,
        "source": table.sources,
    }  # fmt: skip
    columns = [np.ascontiguousarray(getattr(table, name)).tobytes() for name in numbers]
    named = [[values[number] for number in getattr(table, name).tolist()] for name, values in texts.items()]
    return columns, named, record.rejections, record.counts, record.blocked


def in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(self: alike.Alike, place: int, line: bytes) -> bool:
        return False

    monkeypatch.setattr(alike.Alike, "take", take)


@pytest.mark.parametrize("seed", range(12))
def test_a_line_by_its_template_says_what_it_says_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw, path = random.Random(seed), tmp_path / "a.ndjson"
    lines = [results(draw) for _ in range(ALREADY_READ)]
    lines += [spoilt(line, draw) if draw.random() < 0.5 else line for line in (results(draw) for _ in range(700))]
    lines += draw.sample(lines, 50)  # the same id again, with the same content or another
    path.write_bytes(b"\n".join(lines))
    by_template = outcome(path)
    in_full(monkeypatch)
    assert by_template == outcome(path)


def test_most_lines_are_read_by_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard of the guards: the comparison above compares something."""
    draw, taken, path = random.Random(1), [], tmp_path / "a.ndjson"
    take = alike.Alike.take

    def counting(self: alike.Alike, place: int, line: bytes) -> bool:
        taken.append(take(self, place, line))
        return taken[-1]

    path.write_bytes(b"\n".join(results(draw) for _ in range(1000)))
    monkeypatch.setattr(alike.Alike, "take", counting)
    read(path)
    assert sum(taken[ALREADY_READ:]) > 0.5 * len(taken[ALREADY_READ:])


def test_a_code_map_means_the_same_by_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "map.csv"
    table.write_text(f"system,code,to_system,to_code\nhttp://example.org/local,K,{LOINC},2823-3\n", "utf-8")
    code_map = read_code_map(table)
    draw, path = random.Random(5), tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(results(draw) for _ in range(600)))
    by_template = outcome(path, code_map)
    assert by_template != outcome(path)
    in_full(monkeypatch)
    assert by_template == outcome(path, code_map)
