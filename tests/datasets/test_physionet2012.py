"""PhysioNet 2012 as FHIR: no stay and no value lost, none mended, nothing that was only known later."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from stays2012 import HEAD, record

import cdss
from cdss.codes.loinc import loinc_table
from cdss.datasets import write_physionet2012
from cdss.datasets.physionet2012 import TABLE
from cdss.errors import InputRefusedError
from cdss.units import analyte_for

ROOT = Path(__file__).resolve().parents[2]
HTEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
LOCAL = "https://cdss.example/fhir/CodeSystem/physionet2012"
ADMISSION = datetime(2001, 1, 1, tzinfo=UTC)
SERIES = TABLE["series"]
PARAMETER_OF = {series["code"][0]: name for name, series in SERIES.items()}
ICU_TYPES = {answer: float(number) for number, answer in TABLE["answer"]["ICUType"].items()}
STAYS = 20

Row = tuple[str, int, str, float]


def converted(folder: Path, text: str, name: str = "132539") -> Path:
    """The data set made of one record."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_text(text, "utf-8")
    write_physionet2012([folder / f"{name}.txt"], folder / "out")
    return folder / "out"


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def of_kind(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / f"{kind}.ndjson"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def resources(folder: Path) -> list[dict[str, Any]]:
    return [one for path in sorted(folder.glob("*.ndjson")) for one in of_kind(folder, path.stem)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def values(folder: Path, parameter: str) -> list[float]:
    found = [one for one in of_kind(folder, "Observation") if first_code(one) == SERIES[parameter]["code"][0]]
    return [one["valueQuantity"]["value"] for one in found]


def first_code(one: dict[str, Any]) -> str:
    return str(one["code"]["coding"][0]["code"])


def minute_of(moment: datetime) -> int:
    return (moment - ADMISSION) // timedelta(minutes=1)


def minutes(text: str) -> int:
    hours, _, rest = text.partition(":")
    return int(hours) * 60 + int(rest)


def told_in(paths: Iterable[Path]) -> Counter[Row]:
    """Every measured value of some records, read by other means than the product's."""
    found: Counter[Row] = Counter()
    for path in paths:
        for row in csv_rows(path):
            parameter, value = row["Parameter"], float(row["Value"])
            if parameter in ("RecordID", "Age", "Gender") or value == -1 or (parameter == "Weight" and value == 0):
                continue
            found[path.stem, minutes(row["Time"]), parameter, value] += 1
    return found


def told_by(ones: Iterable[dict[str, Any]]) -> Counter[Row]:
    """The same of the FHIR that was made."""
    found: Counter[Row] = Counter()
    for one in ones:
        if "valueQuantity" in one:
            parameter, value = PARAMETER_OF[first_code(one)], one["valueQuantity"]["value"]
            value = round(value / 100, 6) if parameter == "FiO2" else value
        elif "valueCodeableConcept" in one:
            parameter, value = "ICUType", ICU_TYPES[one["valueCodeableConcept"]["coding"][0]["code"]]
        else:
            parameter, value = "MechVent", 1.0
        stay = one["subject"]["reference"].removeprefix("Patient/physionet2012-")
        at = datetime.fromisoformat(one.get("effectiveDateTime") or one["performedDateTime"])
        found[stay, minute_of(at), parameter, value] += 1
    return found


def read_in(record: cdss.PatientRecord) -> Counter[Row]:
    """The same of what the reader keeps."""
    found: Counter[Row] = Counter()
    for event in record.events:
        codes = [code.code for code in event.codes]
        if codes == ["40617009"]:
            parameter, value = "MechVent", 1.0
        elif codes == ["icu-type"]:
            parameter, value = "ICUType", ICU_TYPES[event.value.code]
        elif codes == ["IMP"]:
            continue
        else:
            (parameter,) = (PARAMETER_OF[code] for code in codes if code in PARAMETER_OF)
            value = round(event.value / 100, 6) if parameter == "FiO2" else event.value
        stay = event.subject.removeprefix("Patient/").removeprefix("physionet2012-")
        found[stay, minute_of(event.effective), parameter, value] += 1
    return found


@pytest.fixture(scope="module")
def folder(data_set: Callable[[str], Path]) -> Path:
    return data_set("physionet2012")


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Path]:
    return sorted(folder.glob("raw-samples/set-?/*.txt"))


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("physionet2012") / "out"
    write_physionet2012([folder / "raw-samples" / "set-a", folder / "raw-samples" / "set-b"], out)
    return out


@pytest.fixture(scope="module")
def long_table(folder: Path, records: list[Path]) -> pa.Table:
    """The same stays out of the sets in long form."""
    chosen = pa.array([int(path.stem) for path in records], pa.int32())
    sets = [pq.read_table(folder / f"set-{letter}.parquet") for letter in "ab"]
    return pa.concat_tables(
        [one.filter(pc.is_in(one["RecordID"], chosen)) for one in sets], promote_options="permissive"
    )


# ---- twenty stays as the Challenge gives them -----------------------------------------------------------------------


def test_every_stay_becomes_one_cohort_row_in_its_order(made: Path, records: list[Path]) -> None:
    expected = [f"Patient/physionet2012-{path.stem}" for path in records]
    assert len(expected) == STAYS
    for name in ("cohort.csv", "outcomes.csv"):
        assert [row["subject"] for row in csv_rows(made / name)] == expected
    assert [f"Patient/{one['id']}" for one in of_kind(made, "Patient")] == expected


def test_the_question_is_asked_48_hours_after_admission(made: Path) -> None:
    for row in csv_rows(made / "cohort.csv"):
        assert datetime.fromisoformat(row["index_time"]) == ADMISSION + timedelta(hours=48)
        assert row["encounter"] == row["subject"].replace("Patient", "Encounter")


def test_each_value_in_the_files_is_one_resource_and_each_gap_is_none(made: Path, records: list[Path]) -> None:
    told = told_in(records)
    assert sum(told.values()) > 300 * STAYS
    assert told_by((*of_kind(made, "Observation"), *of_kind(made, "Procedure"))) == told


def test_what_is_read_back_is_what_the_files_say_or_was_put_aside(made: Path, records: list[Path]) -> None:
    found = cdss.read(made)
    assert found.counts.resources == len(resources(made))
    assert found.counts.refused == found.counts.not_needed == 0
    assert len(found.patients) == STAYS
    aside = {one.source for one in found.rejections if one.severity == "error"}
    assert len(aside) == found.counts.put_aside
    lost = told_by(one for one in of_kind(made, "Observation") if f"Observation/{one['id']}" in aside)
    assert lost.total() == len(aside) < 100
    assert read_in(found) == told_in(records) - lost


def test_every_value_has_the_two_times_of_its_row_and_nothing_is_known_after_the_index_time(made: Path) -> None:
    index = "2001-01-03T00:00:00Z"
    for one in of_kind(made, "Observation"):
        assert one["effectiveDateTime"] == one["issued"] <= index
    assert all(one["performedDateTime"] <= index for one in of_kind(made, "Procedure"))


def test_records_and_table_give_the_same_bytes(made: Path, long_table: pa.Table, tmp_path: Path) -> None:
    pq.write_table(long_table, tmp_path / "set.parquet")
    write_physionet2012([tmp_path / "set.parquet"], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(made)


def test_a_table_as_csv_gives_the_same_bytes(made: Path, long_table: pa.Table, tmp_path: Path) -> None:
    long_table.to_pandas().to_csv(tmp_path / "set.csv", index=False)
    write_physionet2012([tmp_path / "set.csv"], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(made)


def test_the_same_input_gives_the_same_bytes(made: Path, folder: Path, tmp_path: Path) -> None:
    write_physionet2012([folder / "raw-samples" / "set-a", folder / "raw-samples" / "set-b"], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(made)


def test_every_id_is_a_fhir_id_and_there_once_and_every_reference_leads_somewhere(made: Path) -> None:
    names = Counter(f"{one['resourceType']}/{one['id']}" for one in resources(made))
    assert set(names.values()) == {1}
    assert all(re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9.-]{1,64}", name) for name in names)
    for one in resources(made):
        for element in ("subject", "encounter"):
            if element in one:
                assert one[element]["reference"] in names


def test_every_resource_is_tagged_as_test_data_and_no_admission_has_an_end(made: Path) -> None:
    assert all(HTEST in one["meta"]["tag"] for one in resources(made))
    for one in of_kind(made, "Encounter"):
        assert (one["status"], one["class"]["code"], list(one["period"])) == ("in-progress", "IMP", ["start"])


def test_every_kind_of_resource_is_valid_fhir(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhir.resources.R4B import get_fhir_model_class

        for kind in ("Patient", "Encounter", "Observation", "Procedure"):
            model = get_fhir_model_class(kind)
            by_code = {first_code(one) if "code" in one else "": one for one in of_kind(made, kind)}
            assert by_code, kind
            for one in by_code.values():
                model.model_validate(one)


# ---- outcomes -------------------------------------------------------------------------------------------------------


def outcomes_of(folder: Path, records: list[Path], **changed: str) -> str:
    """The rows of the stays at hand, as the Challenge writes them, with some columns overwritten."""
    chosen = {path.stem for path in records}
    rows = [row for letter in "ab" for row in csv_rows(folder / f"Outcomes-{letter}.txt") if row["RecordID"] in chosen]
    assert len(rows) == len(chosen)
    return "\n".join([",".join(rows[0]), *(",".join({**row, **changed}.values()) for row in rows)]) + "\n"


def with_outcomes(where: Path, records: list[Path], text: str) -> Path:
    where.mkdir()
    (where / "Outcomes-x.txt").write_text(text)
    write_physionet2012([*records, where / "Outcomes-x.txt"], where / "out")
    return where / "out"


def test_the_outcome_is_death_in_hospital_and_shows_in_outcomes_csv_alone(
    folder: Path, records: list[Path], made: Path, tmp_path: Path
) -> None:
    out = with_outcomes(tmp_path / "x", records, outcomes_of(folder, records))
    told = {row["RecordID"]: row["In-hospital_death"] for row in csv_rows(tmp_path / "x" / "Outcomes-x.txt")}
    assert set(told.values()) == {"0", "1"}
    for row in csv_rows(out / "outcomes.csv"):
        assert row["outcome"] == told[row["subject"].removeprefix("Patient/physionet2012-")]
    with_them, without = contents(out), contents(made)
    assert {name for name in with_them if with_them[name] != without[name]} == {"outcomes.csv"}
    assert {row["outcome"] for row in csv_rows(made / "outcomes.csv")} == {""}


@pytest.mark.parametrize("column", ["SAPS-I", "SOFA", "Length_of_stay", "Survival"])
def test_what_was_only_known_later_and_the_scores_leave_no_trace(
    folder: Path, records: list[Path], tmp_path: Path, column: str
) -> None:
    plain = with_outcomes(tmp_path / "x", records[:3], outcomes_of(folder, records[:3]))
    other = with_outcomes(tmp_path / "y", records[:3], outcomes_of(folder, records[:3], **{column: "987654"}))
    assert contents(plain) == contents(other)


def test_an_outcome_of_a_stay_that_is_not_there_is_refused_by_its_record(tmp_path: Path) -> None:
    (tmp_path / "132539.txt").write_text(record())
    (tmp_path / "Outcomes.txt").write_text("RecordID,In-hospital_death\n132539,1\n7,0\n")
    with pytest.raises(InputRefusedError, match="RecordID 7") as caught:
        write_physionet2012([tmp_path], tmp_path / "out")
    assert caught.value.reason == "outcome-without-stay"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("died", "outcome"), [("1", "1"), ("0", "0"), ("-1", ""), ("", "")])
def test_an_outcome_that_is_not_known_stays_empty(tmp_path: Path, died: str, outcome: str) -> None:
    (tmp_path / "132539.txt").write_text(record())
    (tmp_path / "Outcomes.txt").write_text(f"RecordID,In-hospital_death\n132539,{died}\n")
    write_physionet2012([tmp_path], tmp_path / "out")
    assert [row["outcome"] for row in csv_rows(tmp_path / "out" / "outcomes.csv")] == [outcome]


# ---- hand-made records ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("pH", "735"), ("Temp", "-17.8"), ("Height", "431.8"), ("Height", "1.8"), ("HR", "0"), ("WBC", "12500")],
)
def test_a_value_that_cannot_be_is_written_as_it_stands_for_the_reader_to_judge(
    tmp_path: Path, parameter: str, value: str
) -> None:
    made = converted(tmp_path / "x", record(f"01:00,{parameter},{value}"))
    assert values(made, parameter) == [float(value)]
    found = cdss.read(made)
    assert found.counts.put_aside == 1
    assert [one.reason for one in found.rejections if one.severity == "error"] == ["value-impossible"]


def test_magnesium_is_mg_per_dl_and_inspired_oxygen_is_percent(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", record("01:00,Mg,2.1", "01:00,FiO2,0.55", "02:00,FiO2,1", "03:00,FiO2,0.57"))
    assert values(made, "Mg") == [2.1]
    assert values(made, "FiO2") == [55, 100, 57]
    units = {one["valueQuantity"]["code"] for one in of_kind(made, "Observation") if "valueQuantity" in one}
    assert units == {"mg/dL", "%"}
    assert '"value":57,' in (made / "Observation.ndjson").read_text()


@pytest.mark.parametrize(
    "row",
    ["01:00,HR,-1", "01:00,HR,", "01:00,HR,NaN", "01:00,Weight,0", "01:00,Weight,-1", "01:00,,-1", "01:00,Height,-1"],
)
def test_a_missing_value_is_no_observation(tmp_path: Path, row: str) -> None:
    made = converted(tmp_path / "x", record(row))
    assert [first_code(one) for one in of_kind(made, "Observation")] == ["icu-type"]


def test_a_stay_without_a_single_value_stays_in_the_cohort(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", f"{HEAD}\n")
    assert len(csv_rows(made / "cohort.csv")) == 1
    assert {path.stem for path in made.glob("*.ndjson")} == {"Patient", "Encounter"}


@pytest.mark.parametrize(
    ("parameter", "codes"),
    [
        ("SysABP", ["76215-3", "8480-6"]), ("DiasABP", ["76213-8", "8462-4"]), ("MAP", ["76214-6", "8478-0"]),
        ("NISysABP", ["76534-7", "8480-6"]), ("NIDiasABP", ["76535-4", "8462-4"]), ("NIMAP", ["76536-2", "8478-0"]),
    ],
)  # fmt: skip
def test_a_blood_pressure_has_the_general_code_beside_its_own(tmp_path: Path, parameter: str, codes: list[str]) -> None:
    made = converted(tmp_path / "x", record(f"01:00,{parameter},90"))
    (one,) = [one for one in of_kind(made, "Observation") if "valueQuantity" in one]
    assert [coding["code"] for coding in one["code"]["coding"]] == codes
    assert cdss.read(made).rejections == ()


def test_two_ways_to_take_a_pressure_in_one_minute_do_not_contradict_each_other(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", record("01:00,SysABP,120", "01:00,NISysABP,131"))
    assert cdss.read(made).rejections == ()


def test_ventilation_is_a_procedure_for_each_row(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", record("01:00,MechVent,1", "02:00,MechVent,1", "03:00,MechVent,0"))
    found = of_kind(made, "Procedure")
    assert [one["status"] for one in found] == ["completed", "completed", "not-done"]
    assert {first_code(one) for one in found} == {"40617009"}
    assert [one["performedDateTime"][11:16] for one in found] == ["01:00", "02:00", "03:00"]


@pytest.mark.parametrize(
    ("number", "answer"),
    [("1", "coronary-care"), ("2", "cardiac-surgery-recovery"), ("3", "medical"), ("4.0", "surgical")],
)
def test_the_kind_of_unit_is_a_local_answer(tmp_path: Path, number: str, answer: str) -> None:
    (one,) = of_kind(converted(tmp_path / "x", record(icu=number)), "Observation")
    assert one["code"]["coding"] == [{"system": LOCAL, "code": "icu-type"}]
    assert one["valueCodeableConcept"]["coding"] == [{"system": LOCAL, "code": answer}]


@pytest.mark.parametrize("age", [15, 17, 18, 54, 90])
def test_the_birth_date_gives_the_age_back_at_the_index_time(tmp_path: Path, age: int) -> None:
    made = converted(tmp_path / "x", record(age=str(age)))
    (one,) = of_kind(made, "Patient")
    born, index = datetime.fromisoformat(one["birthDate"]), datetime(2001, 1, 3)
    assert index.year - born.year - ((index.month, index.day) < (born.month, born.day)) == age
    (facts,) = cdss.read(made).patients.values()
    assert facts.age(int((ADMISSION + timedelta(hours=48)).timestamp() * 1e6)) == pytest.approx(age + 0.004, abs=0.004)


@pytest.mark.parametrize(("gender", "expected"), [("0", "female"), ("1", "male"), ("-1", None)])
def test_gender(tmp_path: Path, gender: str, expected: str | None) -> None:
    (one,) = of_kind(converted(tmp_path / "x", record(gender=gender)), "Patient")
    assert one.get("gender") == expected


def test_two_values_of_one_minute_are_two_observations_with_ids_of_their_own(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", record("01:07,Urine,30", "01:07,Urine,0", "01:07,Urine,45"))
    names = [one["id"].removeprefix("physionet2012-132539-") for one in of_kind(made, "Observation")]
    assert names[1:] == ["0107-Urine", "0107-Urine-2", "0107-Urine-3"]
    assert values(made, "Urine") == [30, 0, 45]


# ---- the table of codes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameter", SERIES)
def test_the_unit_of_a_series_is_the_one_its_analyte_is_read_in(parameter: str) -> None:
    series = SERIES[parameter]
    names = set()
    for code in series["code"]:
        analyte = analyte_for(f"http://loinc.org|{code}")
        assert analyte is not None
        assert code in loinc_table().names
        assert analyte.unit == series["unit"]
        names.add(analyte.name)
    assert len(names) == 1


def test_the_page_has_every_parameter_with_its_codes_and_unit() -> None:
    text = (ROOT / "docs" / "reference" / "dataset-physionet2012.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([0-9, -]+ \| \S+) \|$", text, re.MULTILINE))
    assert rows == {name: f"{', '.join(series['code'])} | {series['unit']}" for name, series in SERIES.items()}
    for kind in ("procedure", "question"):
        for parameter, code in TABLE[kind].items():
            assert re.search(rf"^\| `{parameter}` \|.*{code}", text, re.MULTILINE)
    for number, answer in TABLE["answer"]["ICUType"].items():
        assert f"{number} `{answer}`" in text


# ---- a whole set ----------------------------------------------------------------------------------------------------


def test_a_set_of_4000_stays_is_written_in_bounded_memory(folder: Path, tmp_path: Path) -> None:
    code = (
        "import re, sys; from pathlib import Path; from cdss.cli.main import main; code = main(sys.argv[1:]); "
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]; "
        "print(peak, file=sys.stderr); sys.exit(code)"
    )
    inputs = [str(folder / "set-a.parquet"), str(folder / "Outcomes-a.txt")]
    command = [
        sys.executable,
        "-c",
        code,
        "dataset",
        "physionet2012",
        *inputs,
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)["rows"]
    assert rows["cohort.csv"] == rows["outcomes.csv"] == rows["Patient.ndjson"] == 4000
    set_a = pq.read_table(folder / "set-a.parquet")
    weightless = pc.and_(pc.equal(set_a["Parameter"], "Weight"), pc.equal(set_a["Value"], 0))
    missing = pc.or_(pc.equal(set_a["Value"], -1), weightless)
    about = pc.is_in(set_a["Parameter"].cast(pa.string()), pa.array(["RecordID", "Age", "Gender"]))
    told = pc.sum(pc.and_(pc.invert(missing), pc.invert(about))).as_py()
    assert rows["Observation.ndjson"] + rows["Procedure.ndjson"] == told
    assert sum(row["outcome"] == "1" for row in csv_rows(tmp_path / "out" / "outcomes.csv")) == 554
    assert int(done.stderr) < 500 * 1024
