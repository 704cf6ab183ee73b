"""A source in parts gives, byte for byte, what the same source gives whole: by the command line and from Python."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from patients import INDEX, bundle_of, patient, seriously_ill

import cdss
from cdss.cli.main import main
from cdss.fhir import partition

PATIENTS = 60
MODEL = "serious-illness-180d"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Patients of all sorts, shuffled over two files, with what nobody can read and what belongs to nobody."""
    draw, lines = random.Random(4), []
    for number in range(PATIENTS):
        told = seriously_ill(f"p{number}") if number % 3 else patient(f"p{number}").born("1950-01-01")
        lines += [json.dumps(resource).encode() for resource in told.as_resources()]
    for number in range(9):
        nobody = {"resourceType": "Observation", "id": f"n{number}", "status": "final", "code": {"coding": []}}
        lines.append(json.dumps(nobody).encode())
    lines += [b"{", b'{"resourceType":"Observation","status":NaN}', lines[3]]
    draw.shuffle(lines)
    folder = tmp_path / "ward"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(b"\n".join(lines[::2]))
    (folder / "b.ndjson").write_bytes(b"\n".join(lines[1::2]))
    return folder


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.csv"
    asked = random.Random(5).sample(range(PATIENTS + 3), PATIENTS + 3)  # three of them are nobody
    rows = [f"p{number},{INDEX},{number / 100 if number % 2 else ''}" for number in asked]
    path.write_text("\n".join(["subject,index_time,clinician_estimate", *rows, rows[0]]) + "\n", "utf-8")
    return path


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "LARGE", 0)
    monkeypatch.setattr(partition, "_PART", 1 << 14)


def test_assess_gives_the_same_answers(
    source: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = []
    for way in ("whole", "parts"):
        if way == "parts":
            small_parts(monkeypatch)
        out = tmp_path / f"{way}.ndjson"
        ask = ["assess", str(source), "--model", MODEL, "--cohort", str(cohort)]
        assert main([*ask, "--out", str(out)]) == 0
        capsys.readouterr()
        assert main([*ask, "--json"]) == 0
        assert main(ask) == 0
        frame = cdss.assess_cohort(source, MODEL, cohort)
        outputs.append((out.read_bytes(), capsys.readouterr(), frame))
    (one, told, frame), (other, told_too, frame_too) = outputs
    assert one == other
    assert told == told_too
    pd.testing.assert_frame_equal(frame, frame_too)
    assert one.count(b"\n") == PATIENTS + 4
    assert b"source-parts-unused" in one
    assert b'"estimate"' in one


def test_read_tells_and_writes_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = []
    for way in ("whole", "parts"):
        if way == "parts":
            small_parts(monkeypatch)
        out, aside = tmp_path / f"{way}.parquet", tmp_path / f"{way}.ndjson"
        ask = ["read", str(source), "--out", str(out), "--rejections", str(aside)]
        assert main(ask) == 0
        assert main([*ask, "--json"]) == 0
        assert main([*ask, "--index-time", INDEX]) == 0
        outputs.append((capsys.readouterr(), aside.read_bytes(), pq.read_table(out)))
    (told, aside, events), (told_too, aside_too, events_too) = outputs
    assert told == told_too
    assert aside == aside_too
    assert aside.count(b"\n") > 10
    assert events.equals(events_too)
    assert events.num_rows > PATIENTS


def test_a_bundle_among_the_lines_is_read_whole(source: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = bundle_of(seriously_ill("p61").as_resources())
    (source / "c.ndjson").write_text(json.dumps(bundle) + "\n", "utf-8")
    whole = cdss.assess_cohort(source, MODEL, cohort)
    small_parts(monkeypatch)
    pd.testing.assert_frame_equal(whole, cdss.assess_cohort(source, MODEL, cohort))
