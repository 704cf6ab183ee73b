"""PhysioNet 2012 as FHIR: what is refused, and then nothing is left."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from by_hand import refused
from stays2012 import record

from cdss.cli.main import main
from cdss.datasets import write_physionet2012
from cdss.errors import CohortError, InputRefusedError, SourceNotFoundError

refusal = partial(refused, write_physionet2012, name="132539.txt")


@pytest.mark.parametrize(
    "row",
    [
        "01:00,HR,high", "01:00,HR,1_0", "01:00,HR,inf", "01:00,HR,1e99", "1:0,HR,80", "01:60,HR,80", ",HR,80",
        "01:00,Pulse,80", "01:00,MechVent,2", "01:00,HR", "01:00,HR,80,1", "00:00,ICUType,5", "00:00,Age,60",
        "00:00,RecordID,7", "00:00,Gender,1",
    ],
)  # fmt: skip
def test_a_row_that_is_not_what_it_promises_is_refused_by_line(tmp_path: Path, row: str) -> None:
    error = refusal(tmp_path, record(row).encode())
    assert isinstance(error, CohortError)
    assert "132539.txt, line 8" in str(error)


@pytest.mark.parametrize(("age", "gender"), [("54.5", "0"), ("151", "0"), ("-3", "0"), ("54", "2")])
def test_an_age_or_gender_that_cannot_be_is_refused(tmp_path: Path, age: str, gender: str) -> None:
    assert isinstance(refusal(tmp_path, record(age=age, gender=gender).encode()), CohortError)


def test_a_record_under_another_name_is_refused(tmp_path: Path) -> None:
    assert "RecordID" in str(refusal(tmp_path, record().encode(), name="7.txt"))


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"hello", b"\xff\xfe\x00", b'{"resourceType": "Bundle"}', b"id,age\n7,60\n", b"PK\x03\x04"],
    ids=["empty", "blank", "prose", "UTF-16", "JSON", "another CSV", "zip"],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, raw: bytes) -> None:
    error = refusal(tmp_path, raw)
    assert isinstance(error, InputRefusedError)
    assert error.reason == "not-this-data-set"


@pytest.mark.parametrize(
    ("raw", "column"),
    [(b"Time,Value\n", "Parameter"), (b"RecordID,SAPS-I\n", "In-hospital_death"), (b"RecordID,minute\n", "Parameter")],
)
def test_a_missing_column_is_refused_by_name(tmp_path: Path, raw: bytes, column: str) -> None:
    error = refusal(tmp_path, raw)
    assert isinstance(error, InputRefusedError)
    assert error.reason == "columns-missing"
    assert column in str(error)


@pytest.mark.parametrize("kept", [4, 300, -8])
def test_parquet_that_is_cut_is_refused(tmp_path: Path, kept: int) -> None:
    table = pa.table({"RecordID": [7] * 99, "minute": [0] * 99, "Parameter": ["HR"] * 99, "Value": [80.0] * 99})
    pq.write_table(table, tmp_path / "whole")
    raw = (tmp_path / "whole").read_bytes()
    (tmp_path / "whole").unlink()
    assert isinstance(refusal(tmp_path, raw[:kept], name="set.parquet"), InputRefusedError)


@pytest.mark.parametrize(
    "cells",
    [
        {"RecordID": [7, None]}, {"RecordID": [7, -8]}, {"minute": [0, None]}, {"minute": [0, -5]},
        {"minute": [0, 6000]}, {"Value": [80.0, float("inf")]}, {"Parameter": ["HR", "Pulse"]},
        {"RecordID": ["7", "x"]},
    ],
)  # fmt: skip
def test_a_row_of_a_table_that_is_not_what_it_promises_is_refused_by_row(
    tmp_path: Path, cells: dict[str, list[Any]]
) -> None:
    good = {"RecordID": [7, 7], "minute": [0, 1], "Parameter": ["HR", "HR"], "Value": [80.0, 81.0]}
    pq.write_table(pa.table({**good, **cells}), tmp_path / "set")
    raw = (tmp_path / "set").read_bytes()
    (tmp_path / "set").unlink()
    error = refusal(tmp_path, raw, name="set.parquet")
    assert isinstance(error, CohortError)
    assert "row 2" in str(error)


def test_a_stay_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "132539.txt").write_text(record())
    with pytest.raises(CohortError, match="RecordID 132539"):
        write_physionet2012([tmp_path / "132539.txt", tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_not_there_and_a_directory_without_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        write_physionet2012([tmp_path / "nothing"], tmp_path / "out")
    with pytest.raises(InputRefusedError, match="holds no"):
        write_physionet2012([tmp_path], tmp_path / "out")


def test_a_bad_record_ends_the_command_line_with_a_line_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "132539.txt").write_text(record("01:00,HR,high"))
    assert main(["dataset", "physionet2012", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "132539.txt, line 8" in said.err
    assert "high" not in said.err
    assert "Traceback" not in said.err
