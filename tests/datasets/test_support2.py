"""SUPPORT2 as FHIR: nobody dropped, nothing invented, nothing that was only known later."""

from __future__ import annotations

import csv
import gzip
import json
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from by_hand import as_csv, refused, table

import cdss
from cdss.cli.main import main
from cdss.datasets import write_support2
from cdss.datasets.support2 import MEASUREMENTS
from cdss.errors import CdssError, CohortError, InputRefusedError, SourceNotFoundError, UsageError

HTEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
ADMISSION = datetime(1990, 1, 1, tzinfo=UTC)
# What was only known later, or is a judgement, a cost or a social fact: evidence.md section 1, models.md section 1.
LEAKY = (
    "adlp", "adls", "edu", "income", "race", "avtisst", "dnr", "dnrday", "charges", "totcst", "totmcst", "slos",
    "sfdm2", "hospdead", "surv2m", "prg2m",
)  # fmt: skip
SCORES = ("sps", "aps")
OUTCOME = ("death", "d.time")
ROWS = 200

GOOD = {
    "id": "7", "age": "60.5", "sex": "female", "dzgroup": "CHF", "hday": "3", "ca": "no", "diabetes": "1",
    "dementia": "0", "meanbp": "75", "hrt": "88", "resp": "20", "temp": "36.5", "pafi": "300.5", "ph": "7.4",
    "crea": "1.2", "sod": "140", "alb": "3.1", "bili": "0.8", "glucose": "110", "bun": "20", "wblc": "9.5",
    "urine": "1500", "scoma": "0", "adlsc": "1.5", "num.co": "2", "prg6m": "0.75", "surv6m": "0.7", "death": "1",
    "d.time": "100",
}  # fmt: skip


def converted(folder: Path, *rows: dict[str, str]) -> Path:
    """The data set made of some rows."""
    folder.mkdir(exist_ok=True)
    (folder / "in.csv").write_text(as_csv(*rows), "utf-8")
    write_support2([folder / "in.csv"], folder / "out")
    return folder / "out"


def resources(folder: Path) -> list[dict[str, Any]]:
    return [one for path in sorted(folder.glob("*.ndjson")) for one in of_kind(folder, path.stem)]


def of_kind(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / f"{kind}.ndjson"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def code(resource: dict[str, Any]) -> str:
    return str(resource["code"]["coding"][0]["code"])


@pytest.fixture(scope="module")
def first_rows(data_set: Callable[[str], Path]) -> list[dict[str, str]]:
    with gzip.open(data_set("support2") / "support2_dev.csv.gz", "rt", encoding="utf-8") as opened:
        reader = csv.DictReader(opened)
        return [row for row, _ in zip(reader, range(ROWS), strict=False)]


@pytest.fixture(scope="module")
def made(first_rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(tmp_path_factory.mktemp("support2"), *first_rows)


# ---- the first 200 patients -----------------------------------------------------------------------------------------


def test_every_row_becomes_one_cohort_row_in_its_order(made: Path, first_rows: list[dict[str, str]]) -> None:
    expected = [f"Patient/support2-{row['id']}" for row in first_rows]
    assert len(expected) == ROWS
    assert [row["subject"] for row in table(made / "cohort.csv")] == expected
    assert [row["subject"] for row in table(made / "outcomes.csv")] == expected
    assert [f"Patient/{one['id']}" for one in of_kind(made, "Patient")] == expected


def test_cohort_and_outcomes_name_the_same_questions(made: Path) -> None:
    keys = ("subject", "index_time", "encounter")
    cohort, outcomes = table(made / "cohort.csv"), table(made / "outcomes.csv")
    assert [[row[key] for key in keys] for row in cohort] == [[row[key] for key in keys] for row in outcomes]


def test_the_question_is_asked_at_the_end_of_study_day_three(made: Path, first_rows: list[dict[str, str]]) -> None:
    for row, asked in zip(first_rows, table(made / "cohort.csv"), strict=True):
        entry = ADMISSION + timedelta(days=int(row["hday"]) - 1)
        assert datetime.fromisoformat(asked["index_time"]) == entry + timedelta(days=3)


def test_each_value_in_the_table_is_one_observation_and_each_gap_is_none(
    made: Path, first_rows: list[dict[str, str]]
) -> None:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in of_kind(made, "Observation"):
        if "valueQuantity" in one:
            found[one["subject"]["reference"]][code(one)] = one["valueQuantity"]["value"]
    for row in first_rows:
        values = {
            MEASUREMENTS[column][1]: float(row[column]) for column in MEASUREMENTS if row[column] not in ("", "NA")
        }
        assert found[f"Patient/support2-{row['id']}"] == values


def test_measurements_are_of_study_day_three_in_their_unit(made: Path) -> None:
    units = {code: unit for _, code, unit in MEASUREMENTS.values()}
    hours = Counter()
    index = {row["subject"]: datetime.fromisoformat(row["index_time"]) for row in table(made / "cohort.csv")}
    for one in of_kind(made, "Observation"):
        if "valueQuantity" not in one:
            continue
        quantity = one["valueQuantity"]
        assert (quantity["system"], quantity["code"]) == ("http://unitsofmeasure.org", units[code(one)])
        assert one["effectiveDateTime"] == one["issued"]
        when = datetime.fromisoformat(one["effectiveDateTime"])
        hours[(index[one["subject"]["reference"]] - when) / timedelta(hours=1)] += 1
    assert set(hours) == {12.0}


def test_nothing_is_known_after_the_index_time(made: Path) -> None:
    index = {row["subject"]: row["index_time"] for row in table(made / "cohort.csv")}
    for one in resources(made):
        if "subject" in one:
            times = [
                one.get(name)
                for name in ("effectiveDateTime", "issued", "onsetDateTime", "recordedDate", "occurrenceDateTime")
            ]
            assert all(time <= index[one["subject"]["reference"]] for time in times if time)


def test_no_admission_has_an_end(made: Path) -> None:
    for one in of_kind(made, "Encounter"):
        assert one["status"] == "in-progress"
        assert "end" not in one["period"]
        assert one["class"]["code"] == "IMP"


@pytest.mark.parametrize("column", [*LEAKY, *SCORES])
def test_what_was_only_known_later_and_the_studys_scores_leave_no_trace(
    first_rows: list[dict[str, str]], made: Path, tmp_path: Path, column: str
) -> None:
    """The column is overwritten in every row; not a byte of any file may change."""
    assert column in first_rows[0]
    other = converted(tmp_path / "other", *({**row, column: "987654"} for row in first_rows[:40]))
    same = converted(tmp_path / "same", *first_rows[:40])
    assert {p.name for p in other.iterdir()} == {p.name for p in same.iterdir()}
    for path in same.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("column", "other"), [("death", "0"), ("d.time", "987654")])
def test_the_outcome_shows_in_outcomes_csv_and_nowhere_else(
    first_rows: list[dict[str, str]], tmp_path: Path, column: str, other: str
) -> None:
    changed_rows = converted(tmp_path / "other", *({**row, column: other} for row in first_rows[:40]))
    same = converted(tmp_path / "same", *first_rows[:40])
    changed = {path.name for path in same.iterdir() if path.read_bytes() != (changed_rows / path.name).read_bytes()}
    assert changed == {"outcomes.csv"}


def test_an_estimate_shows_as_a_risk_assessment_and_in_the_cohort_and_nowhere_else(
    first_rows: list[dict[str, str]], tmp_path: Path
) -> None:
    rows = [row for row in first_rows if row["prg6m"]][:30]
    same = converted(tmp_path / "same", *rows)
    changes = {"prg6m": {"cohort.csv", "RiskAssessment.ndjson"}, "surv6m": {"RiskAssessment.ndjson"}}
    for column, expected in changes.items():
        other = converted(tmp_path / column, *({**row, column: "0.123"} for row in rows))
        changed = {path.name for path in same.iterdir() if path.read_bytes() != (other / path.name).read_bytes()}
        assert changed == expected


def test_no_code_in_the_fhir_names_a_leaky_column_or_a_score(made: Path) -> None:
    names = {name.replace(".", "-") for name in (*LEAKY, *SCORES, *OUTCOME, "prg6m", "surv6m", "dzclass")}
    for resource in resources(made):
        codings = [coding["code"] for coding in resource.get("code", {}).get("coding", [])]
        assert not names & {text.lower() for text in codings}
        if resource["resourceType"] != "RiskAssessment":
            assert not any(resource["id"].endswith(f"-{name}") for name in names)


def test_every_resource_is_tagged_as_test_data(made: Path) -> None:
    found = resources(made)
    assert len(found) > 10 * ROWS
    assert all(HTEST in one["meta"]["tag"] for one in found)


def test_every_resource_is_valid_fhir(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhir.resources.R4B import get_fhir_model_class

        for kind in ("Observation", "Patient", "Encounter", "Condition", "RiskAssessment", "Practitioner", "Device"):
            model, found = get_fhir_model_class(kind), of_kind(made, kind)
            assert found, kind
            for one in found:
                model.model_validate(one)


def test_every_id_is_there_once_and_every_reference_leads_somewhere(made: Path) -> None:
    names = Counter(f"{one['resourceType']}/{one['id']}" for one in resources(made))
    assert set(names.values()) == {1}
    for one in resources(made):
        for element in ("subject", "encounter", "performer"):
            if element in one:
                assert one[element]["reference"] in names


def test_what_is_read_back_adds_up(made: Path) -> None:
    record = cdss.read(made)
    counts = record.counts
    assert counts.resources == len(resources(made))
    assert counts.refused == 0
    assert len(record.patients) == ROWS


def test_gzip_and_plain_give_the_same_files(first_rows: list[dict[str, str]], made: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "in.csv.gz", "wt", encoding="utf-8") as packed:
        packed.write(as_csv(*first_rows))
    write_support2([tmp_path / "in.csv.gz"], tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        p.name: p.read_bytes() for p in made.iterdir()
    }


def test_two_files_follow_each_other(first_rows: list[dict[str, str]], made: Path, tmp_path: Path) -> None:
    for name, part in (("a.csv", first_rows[:90]), ("b.csv", first_rows[90:])):
        (tmp_path / name).write_text(as_csv(*part), "utf-8")
    rows = write_support2([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out")
    assert rows["cohort.csv"] == ROWS
    assert (tmp_path / "out" / "cohort.csv").read_bytes() == (made / "cohort.csv").read_bytes()


# ---- hand-made rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("death", "days", "outcome"),
    [
        ("1", "180", "1"), ("1", "181", "0"), ("1", "3", "1"), ("0", "100", "0"), ("0", "2029", "0"),
        ("1", "2029", "0"), ("", "100", ""), ("1", "", ""), ("NA", "100", ""),
    ],
)  # fmt: skip
def test_the_outcome_is_a_death_within_180_days_of_study_entry(
    tmp_path: Path, death: str, days: str, outcome: str
) -> None:
    made = converted(tmp_path / "x", {**GOOD, "death": death, "d.time": days})
    assert [row["outcome"] for row in table(made / "outcomes.csv")] == [outcome]


def test_a_hospital_without_outcomes_may_leave_their_columns_out(tmp_path: Path) -> None:
    row = {name: value for name, value in GOOD.items() if name not in (*OUTCOME, "prg6m", "surv6m")}
    made = converted(tmp_path / "x", row)
    assert [row["outcome"] for row in table(made / "outcomes.csv")] == [""]
    assert [row["clinician_estimate"] for row in table(made / "cohort.csv")] == [""]
    assert of_kind(made, "RiskAssessment") == []


@pytest.mark.parametrize(
    ("alive", "estimate", "percent"),
    [("0.75", 0.25, 25), ("0.899999619", 0.100000381, 10.0000381), ("0", 1, 100), ("1", 0, 0), ("0.5", 0.5, 50)],
)
def test_the_physicians_chance_of_survival_becomes_a_risk_of_death(
    tmp_path: Path, alive: str, estimate: float, percent: float
) -> None:
    made = converted(tmp_path / "x", {**GOOD, "prg6m": alive, "surv6m": ""})
    (row,) = table(made / "cohort.csv")
    assert float(row["clinician_estimate"]) == estimate
    (assessment,) = of_kind(made, "RiskAssessment")
    assert assessment["prediction"][0]["probabilityDecimal"] == percent
    assert assessment["performer"]["reference"].startswith("Practitioner/")
    assert "whenPeriod" in assessment["prediction"][0]
    assert "whenRange" not in assessment["prediction"][0]


def test_the_studys_own_model_is_a_risk_assessment_by_a_device_and_no_clinicians_estimate(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "prg6m": ""})
    (assessment,) = of_kind(made, "RiskAssessment")
    assert assessment["performer"]["reference"].startswith("Device/")
    assert math.isclose(assessment["prediction"][0]["probabilityDecimal"], 30)
    assert [row["clinician_estimate"] for row in table(made / "cohort.csv")] == [""]


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "nan"])
def test_a_missing_value_is_no_observation(tmp_path: Path, missing: str) -> None:
    made = converted(tmp_path / "x", {**GOOD, "crea": missing, "alb": missing})
    codes = {code(one) for one in of_kind(made, "Observation")}
    assert not {"2160-0", "1751-7"} & codes
    assert len(codes) == len(MEASUREMENTS) - 2 + 1  # and the disease group


def test_a_zero_stays_a_zero_for_the_reader_to_judge(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "hrt": "0", "urine": "0"})
    values = {
        code(one): one["valueQuantity"]["value"] for one in of_kind(made, "Observation") if "valueQuantity" in one
    }
    assert values["8867-4"] == 0
    assert values["9192-6"] == 0


def test_decimals_are_kept_as_written(tmp_path: Path) -> None:
    converted(tmp_path / "x", {**GOOD, "crea": "0.79992676", "ph": "7.459961", "urine": "1e3"})
    text = (tmp_path / "x" / "out" / "Observation.ndjson").read_text()
    assert '"value":0.79992676,' in text
    assert '"value":7.459961,' in text
    assert '"value":1000,' in text


def test_age_becomes_a_birth_date_that_gives_the_age_back(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "age": "62.84998"})
    (one,) = of_kind(made, "Patient")
    born = datetime.fromisoformat(one["birthDate"]).replace(tzinfo=UTC)
    assert (ADMISSION - born) / timedelta(days=365.25) == pytest.approx(62.84998, abs=2 / 365.25)
    assert one["gender"] == "female"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"ca": "no", "diabetes": "0", "dementia": "0"}, set()),
        ({"ca": "yes", "diabetes": "0", "dementia": "0"}, {"363346000"}),
        ({"ca": "metastatic", "diabetes": "0", "dementia": "0"}, {"128462008"}),
        ({"ca": "no", "diabetes": "1", "dementia": "1"}, {"73211009", "52448006"}),
        ({"ca": "no", "diabetes": "", "dementia": ""}, set()),
    ],
)
def test_comorbidity_is_a_condition_and_its_absence_is_none(
    tmp_path: Path, row: dict[str, str], expected: set[str]
) -> None:
    made = converted(tmp_path / "x", {**GOOD, **row})
    found = of_kind(made, "Condition")
    assert {code(one) for one in found} == expected


def test_the_disease_group_is_the_studys_own_code_and_no_diagnosis(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "dzgroup": "ARF/MOSF w/Sepsis"})
    (group,) = [one for one in of_kind(made, "Observation") if "valueCodeableConcept" in one]
    (answer,) = group["valueCodeableConcept"]["coding"]
    assert answer["code"] == "arf-mosf-sepsis"
    assert answer["system"].endswith("/support2")


def test_a_group_the_study_does_not_have_leaves_the_row_in_the_cohort(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "dzgroup": "Measles"})
    assert len(table(made / "cohort.csv")) == 1
    assert not [one for one in of_kind(made, "Observation") if "valueCodeableConcept" in one]


# ---- what is refused, and then nothing is left ----------------------------------------------------------------------


@cache
def good_csv() -> str:
    return as_csv(GOOD, {**GOOD, "id": "8"}, {**GOOD, "id": "9"})


refusal = partial(refused, write_support2)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("crea", "high"), ("crea", "1,2"), ("crea", "inf"), ("age", "old"), ("age", "-3"), ("age", "151"), ("hday", ""),
        ("hday", "0"), ("hday", "1.5"), ("hday", "x"), ("diabetes", "yes"), ("prg6m", "half"), ("d.time", "soon"),
        ("hday", "1e400"), ("hday", "99999999999"), ("age", "1e400"), ("crea", "1e-400000"), ("prg6m", "1.5"),
        ("prg6m", "-0.1"), ("surv6m", "70"), ("death", "2"), ("dementia", "-1"),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_what_its_column_promises_is_refused_by_line(tmp_path: Path, column: str, cell: str) -> None:
    error = refusal(tmp_path, as_csv(GOOD, {**GOOD, "id": "8", column: cell}).encode())
    assert isinstance(error, CohortError)
    assert "line 3" in str(error)
    assert column in str(error)


@pytest.mark.parametrize("other", ["7", "", "a b", "../x", "ü", "x" * 80])
def test_an_id_that_is_missing_repeated_or_not_plain_is_refused_by_line(tmp_path: Path, other: str) -> None:
    error = refusal(tmp_path, as_csv(GOOD, {**GOOD, "id": other}).encode())
    assert "line 3" in str(error)


@pytest.mark.parametrize("column", ["id", "age", "hday", "crea", "num.co", "dzgroup"])
def test_a_missing_column_is_refused_by_name(tmp_path: Path, column: str) -> None:
    row = {name: value for name, value in GOOD.items() if name != column}
    error = refusal(tmp_path, as_csv(row).encode())
    assert isinstance(error, InputRefusedError)
    assert column in str(error)


@pytest.mark.parametrize("kept", [12, -12, -1])
def test_a_line_cut_anywhere_is_refused_by_line(tmp_path: Path, kept: int) -> None:
    lines = as_csv(*({**GOOD, "id": name, "note": ""} for name in "789")).splitlines()
    error = refusal(tmp_path, "\n".join([*lines[:-1], lines[-1][:kept]]).encode())
    assert "line 4" in str(error)


def test_a_line_with_too_many_cells_is_refused_by_line(tmp_path: Path) -> None:
    lines = good_csv().splitlines()
    error = refusal(tmp_path, "\n".join([lines[0], lines[1], lines[2] + ",1", lines[3]]).encode())
    assert "line 3" in str(error)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_cut_gzip_is_refused(tmp_path: Path, cut: float) -> None:
    packed = gzip.compress(as_csv(*({**GOOD, "id": str(n)} for n in range(300))).encode())
    refusal(tmp_path, packed[: int(cut * len(packed))], "in.csv.gz")


def test_a_gzip_with_a_broken_middle_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(as_csv(*({**GOOD, "id": str(n)} for n in range(300))).encode()))
    packed[len(packed) // 2] ^= 0xFF
    refusal(tmp_path, bytes(packed), "in.csv.gz")


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"hello", b"\xff\xfe\x00", b"PK\x03\x04", b'{"resourceType": "Bundle"}', b'id,age\n"1'],
    ids=["empty", "blank", "prose", "UTF-16", "zip", "JSON", "open quote"],
)
def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path, raw: bytes) -> None:
    refusal(tmp_path, raw)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    text = as_csv({**GOOD, "note": "two\nlines"}, {**GOOD, "id": "8", "crea": "x", "note": ""})
    assert "line 4" in str(refusal(tmp_path, text.encode()))


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, *, packed: bool) -> None:
    raw = b"\xef\xbb\xbf" + good_csv().encode()
    (tmp_path / "in.csv").write_bytes(gzip.compress(raw) if packed else raw)
    assert write_support2([tmp_path / "in.csv"], tmp_path / "out")["cohort.csv"] == 3


def test_a_name_of_gz_is_not_what_makes_a_gzip(tmp_path: Path) -> None:
    (tmp_path / "plain.csv.gz").write_text(good_csv())
    assert write_support2([tmp_path / "plain.csv.gz"], tmp_path / "out")["cohort.csv"] == 3


def test_a_missing_file_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        write_support2([tmp_path / "nothing.csv"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_second_file_that_is_bad_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(good_csv())
    (tmp_path / "b.csv").write_text(good_csv())  # the same ids again
    with pytest.raises(CohortError, match="line 2"):
        write_support2([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}


def test_a_failure_leaves_an_earlier_data_set_as_it_was(tmp_path: Path) -> None:
    out = converted(tmp_path / "x", GOOD)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (tmp_path / "bad.csv").write_text(as_csv({**GOOD, "crea": "x"}))
    with pytest.raises(CdssError):
        write_support2([tmp_path / "bad.csv"], out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_data_set_is_never_written_over_another_one(tmp_path: Path) -> None:
    out = converted(tmp_path / "x", GOOD)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UsageError, match="not empty"):
        write_support2([tmp_path / "x" / "in.csv"], out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"in.csv", "out"}


def test_a_bad_csv_ends_the_command_line_with_a_line_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(as_csv(GOOD, {**GOOD, "id": "8", "crea": "high"}))
    assert main(["dataset", "support2", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "in.csv, line 3" in said.err
    assert "high" not in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "out").exists()
