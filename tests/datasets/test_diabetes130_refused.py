"""Diabetes 130-US tables that are refused: by line or by name, and then nothing is left."""

from __future__ import annotations

import gzip
import json
import re
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from by_hand import as_csv, refused, table
from stays130 import GOOD, contents, converted

from cdss.cli.main import main
from cdss.datasets import write_diabetes130
from cdss.datasets.diabetes130 import REQUIRED
from cdss.errors import CohortError, InputRefusedError, SourceNotFoundError, UsageError

refusal = partial(refused, write_diabetes130)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("encounter_id", ""), ("encounter_id", "-3"), ("encounter_id", "50"), ("encounter_id", "x" * 30),
        ("patient_nbr", "?"), ("patient_nbr", "7.5"), ("age", ""), ("age", "70"), ("age", "[70-90)"), ("age", "[5-15)"),
        ("time_in_hospital", ""), ("time_in_hospital", "0"), ("time_in_hospital", "15"), ("num_procedures", "-1"),
        ("num_medications", "many"), ("admission_type_id", "99"), ("discharge_disposition_id", "home"),
        ("A1Cresult", ">9"), ("max_glu_serum", "high"), ("insulin", "Yes"), ("change", "Yes"), ("readmitted", "1"),
        ("medical_specialty", "a\nb"), ("medical_specialty", "x" * 80),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_what_its_column_promises_is_refused_by_line(tmp_path: Path, column: str, cell: str) -> None:
    error = refusal(tmp_path, as_csv(GOOD, {**GOOD, "encounter_id": "51", column: cell}).encode())
    assert isinstance(error, CohortError)
    assert re.search(r"in\.csv, line [34]: ", str(error))
    assert column in str(error)


@pytest.mark.parametrize("column", REQUIRED)
def test_a_missing_column_is_refused_by_name(tmp_path: Path, column: str) -> None:
    error = refusal(tmp_path, as_csv({name: cell for name, cell in GOOD.items() if name != column}).encode())
    assert isinstance(error, InputRefusedError)
    assert (error.reason, error.exit_code) == ("columns-missing", 3)
    assert f"has no column {column}" in str(error)


def test_a_missing_column_of_parquet_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({name: [cell] for name, cell in GOOD.items() if name != "diag_2"}), tmp_path / "x")
    error = refusal(tmp_path, (tmp_path / "x").read_bytes(), "in.parquet")
    assert "has no column diag_2" in str(error)


@pytest.mark.parametrize("cut", [4, 100, -1, -8])
def test_a_cut_parquet_is_refused(tmp_path: Path, cut: int) -> None:
    pq.write_table(pa.table({name: [cell] for name, cell in GOOD.items()}), tmp_path / "x")
    error = refusal(tmp_path, (tmp_path / "x").read_bytes()[:cut], "in.parquet")
    assert isinstance(error, InputRefusedError)
    assert error.reason == "not-parquet"


def test_a_parquet_with_a_broken_page_is_refused(tmp_path: Path) -> None:
    rows = [{**GOOD, "encounter_id": str(at)} for at in range(300)]
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in GOOD}), tmp_path / "x")
    raw = bytearray((tmp_path / "x").read_bytes())
    raw[4:40] = b"\xff" * 36
    assert isinstance(refusal(tmp_path, bytes(raw), "in.parquet"), InputRefusedError)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"hello", b"\xff\xfe\x00", b"PK\x03\x04", b'{"resourceType": "Bundle"}', b'encounter_id,age\n"1'],
    ids=["empty", "blank", "prose", "UTF-16", "zip", "JSON", "open quote"],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, raw: bytes) -> None:
    assert isinstance(refusal(tmp_path, raw), InputRefusedError)


def test_a_cut_line_and_a_cut_gzip_are_refused(tmp_path: Path) -> None:
    text = as_csv(*({**GOOD, "encounter_id": str(at)} for at in range(300))).encode()
    assert "line 301" in str(refusal(tmp_path, text[:-20]))
    packed = gzip.compress(text)
    assert isinstance(refusal(tmp_path, packed[: len(packed) // 2], "in.csv.gz"), InputRefusedError)


def test_a_stay_that_is_given_again_in_another_file_is_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(as_csv(GOOD))
    with pytest.raises(CohortError, match=r"b\.csv, line 2: encounter_id is repeated"):
        write_diabetes130([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}


def test_more_stays_than_an_age_band_holds_are_refused(tmp_path: Path) -> None:
    stays = [{**GOOD, "encounter_id": str(at)} for at in range(62)]
    assert "more than 61 stays" in str(refusal(tmp_path, as_csv(*stays).encode()))
    made = converted(tmp_path / "x", *stays[:61])
    assert max(row["index_time"] for row in table(made / "cohort.csv")) < "2005-01-01"


def test_a_missing_file_and_a_full_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        write_diabetes130([tmp_path / "nothing.csv"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    out = converted(tmp_path / "x", GOOD)
    before = contents(out)
    with pytest.raises(UsageError, match="not empty"):
        write_diabetes130([tmp_path / "x" / "in.csv"], out)
    assert contents(out) == before


def test_the_command_line_writes_the_data_set_and_refuses_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(GOOD))
    arguments = ["dataset", "diabetes130", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["cohort.csv"] == 1
    (tmp_path / "in.csv").write_text(as_csv({**GOOD, "insulin": "secret"}))
    assert main([*arguments[:4], str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert "in.csv, line 2" in said
    assert "secret" not in said
    assert "Traceback" not in said
