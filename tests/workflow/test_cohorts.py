"""Cohort and outcome files: whom to ask about, when, and a bad row named and never guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from patients import INDEX, record_of, seriously_ill, without

import cdss
from cdss.domain.instant import parse_index_time
from cdss.errors import CohortError
from cdss.workflow.cohort import CohortRow, read_cohort, read_outcomes

GOOD = "subject,index_time\np1,2026-03-04T00:00:00Z\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "cohort.csv") -> Path:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def refusal(path: Path | pd.DataFrame | list[dict[str, object]]) -> str:
    with pytest.raises(CohortError) as caught:
        read_cohort(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_subject_is_an_id_or_a_reference_to_a_patient(csv: Callable[..., Path]) -> None:
    rows = read_cohort(csv(GOOD + "Patient/p2,2026-03-04T00:00:00Z\n p3 ,2026-03-04T00:00:00Z\n"))
    assert [row.subject for row in rows] == ["Patient/p1", "Patient/p2", "Patient/p3"]


@pytest.mark.parametrize(
    "text",
    ["2026-03-04T00:00:00Z", "2026-03-03T19:00:00-05:00", "2026-03-04T05:30:00+05:30", "2026-03-04T00:00:00.000Z"],
)
def test_one_instant_in_any_zone_is_the_same_question(csv: Callable[..., Path], text: str) -> None:
    (row,) = read_cohort(csv(f"subject,index_time\np1,{text}\n"))
    assert row.index_time == parse_index_time(INDEX)


@pytest.mark.parametrize(
    "text", ["2026-03-04T00:00:00", "2026-03-04", "yesterday", "", "1772582400", "2026-13-04T00:00:00Z"]
)
def test_a_time_without_an_offset_or_no_time_at_all_names_its_row(csv: Callable[..., Path], text: str) -> None:
    said = refusal(csv(f"{GOOD}p2,{text}\n"))
    assert "cohort.csv, line 3" in said
    assert "index time" in said


@pytest.mark.parametrize(
    "subject", ["", "Group/p1", "p 1", "Patient/", "x" * 65, "https://h.example/Patient/p1", "a/b/c"]
)
def test_a_subject_that_is_no_id_names_its_row(csv: Callable[..., Path], subject: str) -> None:
    said = refusal(csv(f"{GOOD}{subject},{INDEX}\n"))
    assert "line 3" in said
    assert "subject" in said


@pytest.mark.parametrize("estimate", ["37", "1.01", "-0.1", "nan", "inf", "a lot", "50%", "0,5"])
def test_an_estimate_that_is_no_probability_names_its_row(csv: Callable[..., Path], estimate: str) -> None:
    text = f'subject,index_time,clinician_estimate\np1,{INDEX},0.5\np2,{INDEX},"{estimate}"\n'
    said = refusal(csv(text))
    assert "line 3" in said
    assert "clinician_estimate" in said
    assert estimate not in said.replace("0.37, not 37", "")


@pytest.mark.parametrize(("cell", "estimate"), [("", None), ("0", 0.0), ("1", 1.0), (" 0.25 ", 0.25), ("1e-2", 0.01)])
def test_an_estimate_may_be_missing(csv: Callable[..., Path], cell: str, estimate: float | None) -> None:
    (row,) = read_cohort(csv(f"subject,index_time,clinician_estimate\np1,{INDEX},{cell}\n"))
    assert row.clinician_estimate == estimate


def test_an_unknown_column_is_refused_by_name(csv: Callable[..., Path]) -> None:
    assert "'ward'" in refusal(csv(f"subject,index_time,ward\np1,{INDEX},7\n"))


@pytest.mark.parametrize("header", ["subject", "index_time", "subject,time"])
def test_a_missing_column_is_refused_by_name(csv: Callable[..., Path], header: str) -> None:
    missing = "subject" if header == "index_time" else "index_time"
    assert f"no column {missing}" in refusal(csv(f"{header}\n"))


def test_a_column_there_twice_is_refused(csv: Callable[..., Path]) -> None:
    assert "subject" in refusal(csv(f"subject,index_time,subject\np1,{INDEX},p2\n"))


@pytest.mark.parametrize("row", ["p1", f"p1,{INDEX},x"])
def test_a_row_with_too_few_or_too_many_cells_is_refused(csv: Callable[..., Path], row: str) -> None:
    assert "line 3" in refusal(csv(GOOD + row + "\n"))


def test_a_byte_order_mark_and_windows_line_ends_are_read(csv: Callable[..., Path]) -> None:
    (row,) = read_cohort(csv(b"\xef\xbb\xbfsubject,index_time\r\np1,2026-03-04T00:00:00Z\r\n"))
    assert row == CohortRow(subject="Patient/p1", index_time=parse_index_time(INDEX))


@pytest.mark.parametrize(
    "raw", [b"\xff\xfes\x00", b"", b'subject,index_time\n"p1'], ids=["UTF-16", "empty", "open quote"]
)
def test_a_file_that_is_no_csv_is_refused(csv: Callable[..., Path], raw: bytes) -> None:
    refusal(csv(raw))


def test_a_cohort_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "nothing.csv")


def test_a_header_alone_is_a_cohort_of_nobody(csv: Callable[..., Path]) -> None:
    assert read_cohort(csv("subject,index_time\n")) == []


def test_columns_may_come_in_any_order(csv: Callable[..., Path]) -> None:
    (row,) = read_cohort(csv(f"clinician_estimate,index_time,encounter,subject\n0.4,{INDEX},Encounter/e1,p1\n"))
    assert row == CohortRow(
        subject="Patient/p1", index_time=parse_index_time(INDEX), encounter="Encounter/e1", clinician_estimate=0.4
    )


# ---- DataFrames -----------------------------------------------------------------------------------------------------


def test_a_data_frame_is_read_like_the_file_it_came_from(csv: Callable[..., Path]) -> None:
    path = csv(f"subject,index_time,encounter,clinician_estimate\np1,{INDEX},e1,0.5\np2,2026-03-03T19:00:00-05:00,,\n")
    assert read_cohort(pd.read_csv(path)) == read_cohort(path)


def test_a_data_frame_with_true_times_is_read(csv: Callable[..., Path]) -> None:
    frame = pd.DataFrame({"subject": ["p1"], "index_time": [pd.Timestamp("2026-03-03T19:00:00-05:00")]})
    (row,) = read_cohort(frame)
    assert row.index_time == parse_index_time(INDEX)


@pytest.mark.parametrize("time", [pd.Timestamp("2026-03-04"), None, pd.NaT, 20260304])
def test_a_data_frame_with_a_time_without_zone_names_its_row(time: object) -> None:
    frame = pd.DataFrame({"subject": ["p1", "p2"], "index_time": pd.Series([INDEX, time], dtype=object)})
    assert "row 2" in refusal(frame)


def test_numbers_as_subjects_are_ids_where_they_are_whole() -> None:
    (row,) = read_cohort(pd.DataFrame({"subject": [17], "index_time": [INDEX]}))
    assert row.subject == "Patient/17"


def test_a_data_frame_with_a_missing_subject_names_its_row() -> None:
    assert "row 1" in refusal(pd.DataFrame({"subject": [None], "index_time": [INDEX]}))


def test_mappings_are_read_like_rows() -> None:
    assert read_cohort([{"subject": "p1", "index_time": INDEX}])[0].subject == "Patient/p1"
    assert "row 2" in refusal([{"subject": "p1", "index_time": INDEX}, {"subject": "p1"}])


# ---- outcomes -------------------------------------------------------------------------------------------------------


def test_outcomes_are_zero_one_or_unknown(csv: Callable[..., Path]) -> None:
    text = f"subject,index_time,outcome\np1,{INDEX},1\np2,{INDEX},0\np3,{INDEX},\np4,{INDEX},1.0\n"
    assert list(read_outcomes(csv(text)).values()) == [1, 0, None, 1]


@pytest.mark.parametrize("cell", ["2", "yes", "-1", "0.5"])
def test_any_other_outcome_names_its_row(csv: Callable[..., Path], cell: str) -> None:
    with pytest.raises(CohortError, match="line 2"):
        read_outcomes(csv(f"subject,index_time,outcome\np1,{INDEX},{cell}\n"))


def test_an_outcome_told_twice_alike_is_one_and_told_two_ways_is_refused(csv: Callable[..., Path]) -> None:
    text = f"subject,index_time,outcome\np1,{INDEX},1\nPatient/p1,2026-03-03T19:00:00-05:00,"
    assert len(read_outcomes(csv(text + "1\n"))) == 1
    with pytest.raises(CohortError, match="line 3"):
        read_outcomes(csv(text + "0\n"))


# ---- through the whole door -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


def test_every_row_gives_one_answer_in_its_order_and_duplicates_stay(model: cdss.Model) -> None:
    record = record_of(seriously_ill("p1"), without(seriously_ill("p2"), "sodium"))
    cohort = pd.DataFrame(
        {
            "subject": ["p2", "Patient/p1", "nobody", "p1", "p1"],
            "index_time": [INDEX, INDEX, INDEX, INDEX, "2026-03-04T01:00:00+01:00"],
        }
    )
    frame = cdss.assess_cohort(record, model, cohort)
    assert frame["kind"].tolist() == ["abstention", "estimate", "abstention", "estimate", "estimate"]
    assert frame["subject"].tolist() == ["Patient/p2", "Patient/p1", "Patient/nobody", "Patient/p1", "Patient/p1"]
    assert set(frame["index_time"]) == {INDEX}
    assert frame["reasons"].tolist()[2] == "subject-not-found"
    assert frame["assessment"][1] == frame["assessment"][3] == frame["assessment"][4]
    assert frame["probability"].isna().tolist() == [True, False, True, False, False]


def test_the_flat_row_is_the_assessment(model: cdss.Model) -> None:
    frame = cdss.assess_cohort(
        record_of(seriously_ill()), model, [{"subject": "p1", "index_time": INDEX, "clinician_estimate": "0.9"}]
    )
    row, whole = frame.iloc[0], json.loads(frame["assessment"][0])
    assert (row["probability"], row["low"], row["high"]) == (
        whole["probability"], whole["interval"]["low"], whole["interval"]["high"],
    )  # fmt: skip
    assert (row["id"], row["inputs_digest"], row["band"], row["flag"]) == (
        whole["id"], whole["inputs_digest"], whole["band"], whole["flag"],
    )  # fmt: skip
    assert (row["team_probability"], row["disagreement"]) == (
        whole["team"]["probability"], whole["team"]["disagreement"],
    )  # fmt: skip


def test_a_cohort_of_nobody_is_an_empty_frame_with_all_columns(model: cdss.Model) -> None:
    full = cdss.assess_cohort(record_of(seriously_ill()), model, [{"subject": "p1", "index_time": INDEX}])
    none = cdss.assess_cohort(record_of(seriously_ill()), model, pd.DataFrame({"subject": [], "index_time": []}))
    assert len(none) == 0
    assert list(none.columns) == list(full.columns)


def test_a_cohort_file_a_frame_and_a_path_of_fhir_give_the_same_answers(
    model: cdss.Model, csv: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text(json.dumps(seriously_ill().as_bundle()))
    path = csv(GOOD)
    by_file = cdss.assess_cohort(tmp_path / "p.json", "serious-illness-180d", path)
    by_frame = cdss.assess_cohort(cdss.read(tmp_path / "p.json"), model, pd.read_csv(path))
    assert by_file["assessment"].tolist() == by_frame["assessment"].tolist()
