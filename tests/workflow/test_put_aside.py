"""What is put aside or refused is kept byte for byte, with reasons and place, and can be mended and read again."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cdss.cli.main import main
from cdss.errors import InputRefusedError
from cdss.fhir import partition
from cdss.fhir.read import read, read_traced
from cdss.workflow.put_aside import INDEX, LINES, Keeper

PATIENT = b'{"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1958-05-17"}'


def potassium(own_id: str, value: str = "3.9", status: str = "final", more: str = "") -> bytes:
    """Written by hand, with blanks and an escape where an encoder would write none."""
    return (
        f'{{"resourceType":  "Observation", "id": "{own_id}", "status": "{status}", "note": [{{"text": "caf\\u00e9"}}],'
        '"code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},'
        '"subject": {"reference": "Patient/p1"},'
        f'"effectiveDateTime": "2025-09-03T18:10:00Z", "valueQuantity": {{"value": {value}, "unit": "mmol/L",'
        f'"system": "http://unitsofmeasure.org", "code": "mmol/L"}}{more}}}'
    ).encode()


GOOD, HIGH, WRONG = potassium("a"), potassium("b", "390"), potassium("c", status="entered-in-error")
CUT = b'{"resourceType": "Observation", "id": "d"'
SPREAD = json.dumps(json.loads(potassium("e", '"3.9"')), indent=2).encode()


def keep(source: Path, folder: Path) -> list[dict[str, Any]]:
    assert main(["read", str(source), "--put-aside", str(folder)]) == 0
    return [json.loads(line) for line in (folder / INDEX).read_text("ascii").splitlines()]


def kept_bytes(folder: Path, row: dict[str, Any]) -> bytes:
    name, _, line = row["kept"].partition(", line ")
    raw = (folder / name).read_bytes()
    return raw.split(b"\n")[int(line) - 1] if line else raw


@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_kept_byte_for_byte_with_reason_and_place(tmp_path: Path, packed: bool) -> None:
    source, folder = tmp_path / f"lab.ndjson{'.gz' if packed else ''}", tmp_path / "aside"
    raw = b"\n".join([PATIENT, GOOD, HIGH, b"", WRONG, CUT])
    source.write_bytes(gzip.compress(raw) if packed else raw)
    rows = keep(source, folder)
    assert [kept_bytes(folder, row) for row in rows] == [HIGH, WRONG, CUT]
    assert [(row["place"], row["outcome"]) for row in rows] == [
        ("line 3", "put_aside"), ("line 5", "put_aside"), ("line 6", "refused"),
    ]  # fmt: skip
    assert [[found["reason"] for found in row["findings"]] for row in rows] == [
        ["value-impossible"], ["status-not-usable"], ["json-cut"],
    ]  # fmt: skip
    for row in rows:
        assert row["sha256"] == hashlib.sha256(kept_bytes(folder, row)).hexdigest()
        assert row["file"] == source.name
    assert folder.stat().st_mode & 0o777 == 0o700


def test_entries_of_a_bundle_are_kept_as_they_stand_there(tmp_path: Path) -> None:
    inner = b'{"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": ' + WRONG + b"}]}"
    ruled = b'{"modifierExtension": [{"url": "urn:x"}], "resource": ' + GOOD + b"}"
    entries = [b'{"resource": ' + raw + b"}" for raw in (PATIENT, SPREAD, inner, GOOD)] + [ruled, b"17"]
    source, folder = tmp_path / "bundle.json", tmp_path / "aside"
    source.write_bytes(b'{"resourceType": "Bundle", "type": "collection", "entry": [\n' + b",\n".join(entries) + b"]}")
    rows = keep(source, folder)
    assert [kept_bytes(folder, row) for row in rows] == [SPREAD, WRONG, ruled, b"17"]
    assert [row["place"] for row in rows] == ["entry[1]", "entry[2].Bundle, entry[0]", "entry[4]", "entry[5]"]
    assert rows[0]["kept"] == "resource-000001.json"


def test_what_was_mended_is_read_from_there(tmp_path: Path) -> None:
    source, folder = tmp_path / "lab.ndjson", tmp_path / "aside"
    source.write_bytes(b"\n".join([PATIENT, GOOD, HIGH, WRONG]))
    keep(source, folder)
    assert read(folder).counts.used == 0
    lines = folder / LINES
    lines.write_bytes(lines.read_bytes().replace(b"390", b"3.90"))
    again = read(folder)
    assert (again.counts.used, again.counts.put_aside) == (1, 1)
    assert [again.events[0].source, again.events[0].value] == ["Observation/b", 3.9]


def test_a_source_without_a_fault_leaves_an_empty_index(tmp_path: Path) -> None:
    source, folder = tmp_path / "lab.ndjson", tmp_path / "aside"
    source.write_bytes(PATIENT + b"\n" + GOOD)
    assert keep(source, folder) == []
    assert [path.name for path in folder.iterdir()] == [INDEX]


def test_a_large_source_read_in_parts_keeps_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    people = [PATIENT.replace(b"p1", b"p%d" % number) for number in range(20)]
    results = []
    for number in range(400):
        raw = chance.choice([GOOD, HIGH, WRONG, CUT]).replace(b"Patient/p1", b"Patient/p%d" % chance.randrange(20))
        results.append(raw.replace(b'"id": "', b'"id": "%d-' % number))
    for name, lines in (("b.ndjson", people + results[:200]), ("a.ndjson", results[200:])):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"\n".join(lines))
    whole_rows = keep(tmp_path / "in", tmp_path / "whole")
    monkeypatch.setattr(partition, "parts_of", lambda source: 7)
    rows = keep(tmp_path / "in", tmp_path / "parts")

    def content(folder: Path, rows: list[dict[str, Any]]) -> Counter[str]:
        return Counter(
            json.dumps([{**row, "kept": None}, kept_bytes(folder, row).decode()], sort_keys=True) for row in rows
        )

    assert len(rows) > 200
    assert content(tmp_path / "parts", rows) == content(tmp_path / "whole", whole_rows)


def test_every_hostile_file_keeps_what_it_did_not_use(data_set: Any, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(data_set("hostile-fhir").glob("d*"))):
        try:
            record, trace = read_traced(path)
        except InputRefusedError:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        Keeper(folder).keep(trace, record.rejections)
        rows = [json.loads(line) for line in (folder / INDEX).read_text("ascii").splitlines()]
        assert len(rows) == record.counts.put_aside + record.counts.refused, path.name
        text = path.read_bytes()
        for row in rows:
            assert kept_bytes(folder, row) in text
            assert row["findings"], path.name


def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    source, folder = tmp_path / "lab.ndjson", tmp_path / "aside"
    source.write_bytes(b"\n".join([PATIENT, GOOD, HIGH]))
    folder.mkdir()
    record, trace = read_traced(source)
    source.write_bytes(PATIENT)
    with pytest.raises(InputRefusedError, match="no longer what it was"):
        Keeper(folder).keep(trace, record.rejections)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--put-aside", "there"], "is there already"),
        (["--put-aside", "in/aside"], "lies in what is read"),
        (["--put-aside", "none/aside"], "cannot be made"),
        (["--put-aside", "new", "--subject", "p1"], "Leave out --subject"),
    ],
)
def test_a_directory_that_cannot_be_had_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "in" / "lab.ndjson").write_bytes(PATIENT + b"\n" + HIGH)
    assert main(["read", "in", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "there"]


def test_a_source_that_is_refused_leaves_no_directory(tmp_path: Path) -> None:
    source = tmp_path / "lab.json"
    source.write_bytes(CUT)
    assert main(["read", str(source), "--put-aside", str(tmp_path / "aside")]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["lab.json"]
