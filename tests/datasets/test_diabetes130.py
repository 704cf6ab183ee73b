"""Diabetes 130-US as FHIR: no stay dropped, no value invented, no stay that sees another one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from by_hand import as_csv, table
from stays130 import GOOD, contents, converted

import cdss
from cdss.codes.valueset import value_sets
from cdss.datasets import write_diabetes130
from cdss.datasets.diabetes130 import APART, COLUMNS, DIAGNOSES, LONGEST_STAY, REQUIRED
from cdss.domain.coding import ATC, DIABETES130, ICD_9_CM, LOINC, code_shape_holds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "dataset-diabetes130.md"
ROWS = 400
NEVER_WRITTEN = ("race", "weight", "payer_code")


def of_kind(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / f"{kind}.ndjson"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def resources(folder: Path) -> list[dict[str, Any]]:
    return [one for path in sorted(folder.glob("*.ndjson")) for one in of_kind(folder, path.stem)]


def codes(concept: dict[str, Any], system: str = DIABETES130) -> list[str]:
    return [coding["code"] for coding in concept["coding"] if coding["system"] == system]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def there(row: dict[str, str], column: str, *missing: str) -> bool:
    return row[column] not in ("", "?", *missing)


@pytest.fixture(scope="module")
def source(data_set: Callable[[str], Path]) -> Path:
    return data_set("diabetes130") / "diabetes130_dev.parquet"


@pytest.fixture(scope="module")
def rows(source: Path) -> list[dict[str, str]]:
    """Rows of the patients with most stays, of those in two age bands, and the first of the file."""
    everything = pq.read_table(source).to_pylist()
    stays = Counter(row["patient_nbr"] for row in everything)
    bands = defaultdict(set)
    for row in everything:
        bands[row["patient_nbr"]].add(row["age"])
    wanted = {number for number, _ in stays.most_common(3)}
    wanted |= set([number for number, found in bands.items() if len(found) > 1][:5])
    some = [row for at, row in enumerate(everything) if at < ROWS or row["patient_nbr"] in wanted]
    return [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in some]


@pytest.fixture(scope="module")
def made(rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(tmp_path_factory.mktemp("diabetes130"), *rows)


# ---- conservation ---------------------------------------------------------------------------------------------------


def test_every_row_becomes_one_cohort_row_in_its_order(made: Path, rows: list[dict[str, str]]) -> None:
    expected = [(f"Patient/diabetes130-{r['patient_nbr']}", f"Encounter/diabetes130-{r['encounter_id']}") for r in rows]
    assert len(expected) > ROWS
    for name in ("cohort.csv", "outcomes.csv"):
        assert [(row["subject"], row["encounter"]) for row in table(made / name)] == expected
    assert [f"Encounter/{one['id']}" for one in of_kind(made, "Encounter")] == [stay for _, stay in expected]
    assert [f"Patient/{one['id']}" for one in of_kind(made, "Patient")] == list(
        dict.fromkeys(who for who, _ in expected)
    )


def test_cohort_and_outcomes_ask_at_discharge_and_name_the_same_questions(made: Path) -> None:
    ends = {f"Encounter/{one['id']}": one["period"]["end"] for one in of_kind(made, "Encounter")}
    cohort, outcomes = table(made / "cohort.csv"), table(made / "outcomes.csv")
    assert [row["index_time"] for row in cohort] == [ends[row["encounter"]] for row in cohort]
    assert [{name: row[name] for name in cohort[0]} for row in outcomes] == cohort


def test_each_value_in_the_table_is_one_resource_and_each_gap_is_none(made: Path, rows: list[dict[str, str]]) -> None:
    expected: Counter[str] = Counter()
    for row in rows:
        stay = f"diabetes130-{row['encounter_id']}"
        expected[stay] += 1
        for entry in (*COLUMNS["number"], *COLUMNS["answer"]):
            expected[f"{stay}-{entry['code']}"] += there(row, entry["column"])
        for entry in COLUMNS["bin"]:
            expected[f"{stay}-{entry['code']}"] += there(row, entry["column"], "None")
        for column in DIAGNOSES:
            expected[f"{stay}-{column.replace('_', '-')}"] += there(row, column)
        for drug in COLUMNS["drug"]:
            expected[f"{stay}-{drug}"] += there(row, drug, "No")
    for number in {row["patient_nbr"] for row in rows}:
        expected[f"diabetes130-{number}"] += 1
        expected[f"diabetes130-{number}-inclusion"] += 1
    assert Counter(one["id"] for one in resources(made)) == +expected


def test_the_whole_file_is_written_and_nothing_of_it_is_left_out(source: Path, tmp_path: Path) -> None:
    held = pq.read_table(source, columns=["patient_nbr", *DIAGNOSES])
    seen: list[int] = []
    written = write_diabetes130([source], tmp_path / "out", seen.append)
    patients = len(held["patient_nbr"].unique())
    assert sum(seen) == held.num_rows
    assert written["cohort.csv"] == written["outcomes.csv"] == written["Encounter.ndjson"] == held.num_rows
    assert written["Patient.ndjson"] == patients
    diagnoses = sum(len(held[column]) - held[column].null_count for column in DIAGNOSES)
    assert written["Condition.ndjson"] == diagnoses + patients
    assert "left-out.csv" not in written


def test_what_is_read_back_is_what_the_row_says(made: Path, rows: list[dict[str, str]]) -> None:
    record = cdss.read(made)
    counts = record.counts
    assert (counts.resources, counts.put_aside, counts.refused) == (len(resources(made)), 0, 0)
    assert {finding.reason for finding in record.rejections} <= {"duplicate", "value-censored", "sex-unknown"}
    repeats = sum(finding.reason == "duplicate" for finding in record.rejections)
    by_source: dict[str, list[Any]] = defaultdict(list)
    for event in record.events:
        by_source[event.source].append(event)
    for row in rows:
        stay = f"diabetes130-{row['encounter_id']}"
        for entry in COLUMNS["number"]:
            (event,) = by_source[f"Observation/{stay}-{entry['code']}"]
            assert (event.value, event.unit) == (float(row[entry["column"]]), "{count}")
            assert [(one.system, one.code) for one in event.codes] == [(DIABETES130, entry["code"])]
        for entry in COLUMNS["answer"]:
            (event,) = by_source[f"Observation/{stay}-{entry['code']}"]
            assert event.value.code == entry["levels"][row[entry["column"]]]
        for entry in COLUMNS["bin"]:
            if there(row, entry["column"], "None"):
                level = entry["levels"][row[entry["column"]]]
                found = {event.codes[0].code: event for event in by_source[f"Observation/{stay}-{entry['code']}"]}
                bound, answer = found[entry["loinc"]], found[entry["code"]]
                assert (bound.value, bound.unit, bound.comparator) == (
                    level["value"], entry["unit"], level["comparator"]
                )  # fmt: skip
                assert answer.value.code == level["code"]
        for drug, atc in COLUMNS["drug"].items():
            if there(row, drug, "No"):
                (event,) = by_source[f"MedicationRequest/{stay}-{drug}"]
                assert {one.code for one in event.codes} == {atc, f"{drug}-{row[drug].lower()}"}
        written = Counter(row[column] for column in DIAGNOSES if there(row, column))
        read = [event for column in "123" for event in by_source[f"Condition/{stay}-diag-{column}"]]
        assert len(read) == len(written)
        assert {event.codes[0].code.lstrip("0") for event in read} == {code.lstrip("0") for code in written}
        repeats -= sum(written.values()) - len(written)
    assert repeats == 0


# ---- made-up times --------------------------------------------------------------------------------------------------


def test_the_age_at_discharge_lies_in_the_band_of_the_row(made: Path, rows: list[dict[str, str]]) -> None:
    born = {f"Patient/{one['id']}": datetime.fromisoformat(one["birthDate"]) for one in of_kind(made, "Patient")}
    several = 0
    for row, asked in zip(rows, table(made / "cohort.csv"), strict=True):
        at, birth = instant(asked["index_time"]), born[asked["subject"]]
        age = at.year - birth.year - ((at.month, at.day) < (birth.month, birth.day))
        low, high = map(int, re.findall(r"\d+", row["age"]))
        assert low <= age < high
        several += age - low != 5
    assert several, "the stays of one patient follow each other"


def test_no_stay_sees_anything_of_another_one_of_its_patient(made: Path) -> None:
    """Whoever looks back no further than the longest stay finds what refers to this stay, and the inclusion."""
    ends = {f"Encounter/{one['id']}": instant(one["period"]["end"]) for one in of_kind(made, "Encounter")}
    of_patient: dict[str, list[str]] = defaultdict(list)
    for asked in table(made / "cohort.csv"):
        of_patient[asked["subject"]].append(asked["encounter"])
    assert max(map(len, of_patient.values())) > 20
    for stays in of_patient.values():
        times = sorted(ends[stay] for stay in stays)
        assert all(later - earlier >= APART for earlier, later in pairwise(times))
    for one in resources(made):
        if "encounter" in one:
            end = ends[one["encounter"]["reference"]]
            shown = [
                one[name] for name in ("effectiveDateTime", "issued", "authoredOn", "onsetDateTime") if name in one
            ]
            assert all(end - timedelta(days=LONGEST_STAY) <= instant(time) <= end for time in shown)
            if one["resourceType"] == "Condition":
                assert one["recordedDate"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
                assert end < instant(one["abatementDateTime"]) < end + APART - timedelta(days=LONGEST_STAY)


def test_the_order_of_the_rows_changes_no_resource(rows: list[dict[str, str]], tmp_path: Path) -> None:
    one, other = converted(tmp_path / "one", *rows[:60]), converted(tmp_path / "other", *reversed(rows[:60]))
    for path in one.iterdir():
        assert sorted(path.read_bytes().splitlines()) == sorted((other / path.name).read_bytes().splitlines())


def test_a_stay_lasts_as_long_as_the_row_says(made: Path, rows: list[dict[str, str]]) -> None:
    for row, stay in zip(rows, of_kind(made, "Encounter"), strict=True):
        days = int(row["time_in_hospital"])
        assert instant(stay["period"]["end"]) - instant(stay["period"]["start"]) == timedelta(days=days)
        assert (stay["length"]["value"], stay["length"]["code"]) == (days, "d")
        assert (stay["status"], stay["class"]["code"]) == ("finished", "IMP")


# ---- every resource -------------------------------------------------------------------------------------------------


def test_the_same_rows_give_the_same_bytes_in_every_form_of_file(
    rows: list[dict[str, str]], made: Path, tmp_path: Path
) -> None:
    asked = ["encounter_id", "patient_nbr", *COLUMNS["id"], "time_in_hospital"]
    whole = {name: [int(r[name]) if name in asked else r[name] or None for r in rows] for name in rows[0]}
    pq.write_table(pa.table(whole), tmp_path / "in.parquet", row_group_size=50)
    original = as_csv(*({name: cell or "?" for name, cell in row.items()} for row in rows))
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(original.encode()))
    for name in ("in.parquet", "in.csv.gz"):
        write_diabetes130([tmp_path / name], tmp_path / f"{name}-out")
        assert contents(tmp_path / f"{name}-out") == contents(made)


def test_several_files_are_one_data_set(rows: list[dict[str, str]], made: Path, tmp_path: Path) -> None:
    for name, part in (("a.csv", rows[:90]), ("b.csv", rows[90:])):
        (tmp_path / name).write_text(as_csv(*part), "utf-8")
    write_diabetes130([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(made)


def test_every_resource_is_valid_fhir_and_tagged_as_test_data(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhir.resources.R4B import get_fhir_model_class

        for kind in ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest"):
            model, found = get_fhir_model_class(kind), of_kind(made, kind)
            assert len(found) >= ROWS // 2
            for one in found:
                assert one["meta"]["tag"][0]["code"] == "HTEST"
                model.model_validate(one)


def test_every_reference_leads_somewhere(made: Path) -> None:
    names = {f"{one['resourceType']}/{one['id']}" for one in resources(made)}
    for one in resources(made):
        named = [one[name]["reference"] for name in ("subject", "encounter") if name in one]
        named += [entry["condition"]["reference"] for entry in one.get("diagnosis", ())]
        assert set(named) <= names


@pytest.mark.parametrize("column", NEVER_WRITTEN)
def test_what_no_model_may_read_leaves_no_trace(rows: list[dict[str, str]], tmp_path: Path, column: str) -> None:
    assert column in rows[0]
    other = converted(tmp_path / "other", *({**row, column: "Anything"} for row in rows[:40]))
    assert contents(other) == contents(converted(tmp_path / "same", *rows[:40]))


def test_the_outcome_shows_in_outcomes_csv_and_nowhere_else(rows: list[dict[str, str]], tmp_path: Path) -> None:
    same = contents(converted(tmp_path / "same", *rows[:40]))
    other = contents(converted(tmp_path / "other", *({**row, "readmitted": "<30"} for row in rows[:40])))
    assert {name for name in same if same[name] != other[name]} == {"outcomes.csv"}


# ---- hand-made rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("38", "038"), ("8", "008"), ("9", "009"), ("70", "070"), ("8.45", "008.45"), ("428", "428"), ("5", "005"),
        ("250.83", "250.83"), ("365.44", "365.44"), ("V45", "V45"), ("V57.1", "V57.1"), ("E878", "E878"),
        ("79", "079"), ("998", "998"),
    ],
)  # fmt: skip
def test_a_diagnosis_has_its_leading_zeros_back(tmp_path: Path, written: str, code: str) -> None:
    made = converted(tmp_path / "x", {**GOOD, "diag_1": written, "diag_2": "?", "diag_3": ""})
    _, one = of_kind(made, "Condition")
    assert codes(one["code"], ICD_9_CM) == [code]
    assert code_shape_holds(ICD_9_CM, code)
    (stay,) = of_kind(made, "Encounter")
    assert stay["diagnosis"] == [{"condition": {"reference": f"Condition/{one['id']}"}, "rank": 1}]


@pytest.mark.parametrize("written", ["V5", "E99", "x", "250.833", "42 8", "٣٨"])
def test_a_diagnosis_without_the_form_of_one_is_left_out_and_counted(tmp_path: Path, written: str) -> None:
    made = converted(tmp_path / "x", {**GOOD, "diag_2": written})
    assert table(made / "left-out.csv") == [
        {"encounter": "Encounter/diabetes130-50", "column": "diag_2", "reason": "code-malformed"}
    ]
    assert len(of_kind(made, "Condition")) == 3
    assert len(table(made / "cohort.csv")) == 1
    (stay,) = of_kind(made, "Encounter")
    assert [entry["rank"] for entry in stay["diagnosis"]] == [1, 3]


def test_each_patient_has_diabetes_by_inclusion_in_the_study(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "diag_2": "428"}, {**GOOD, "encounter_id": "51", "diag_2": "428"})
    (one,) = [found for found in of_kind(made, "Condition") if found["id"].endswith("inclusion")]
    assert one["id"] == "diabetes130-7-inclusion"
    assert [coding["code"] for coding in one["code"]["coding"]] == ["73211009", "study-inclusion"]
    assert all(one["recordedDate"] <= stay["period"]["start"] for stay in of_kind(made, "Encounter"))


@pytest.mark.parametrize(
    ("number", "standard"),
    [
        ("1", "home"), ("2", "other-hcf"), ("3", "snf"), ("6", "oth"), ("7", "aadvice"), ("9", "oth"), ("11", "exp"),
        ("12", "oth"), ("13", "hosp"), ("14", "hosp"), ("15", "oth"), ("19", "exp"), ("20", "exp"), ("21", "exp"),
        ("22", "rehab"), ("23", "long"), ("28", "psy"), ("30", "oth"),
    ],
)  # fmt: skip
def test_a_disposition_has_its_own_code_and_the_standard_one(tmp_path: Path, number: str, standard: str) -> None:
    made = converted(tmp_path / "x", {**GOOD, "discharge_disposition_id": number})
    (stay,) = of_kind(made, "Encounter")
    disposition = stay["hospitalization"]["dischargeDisposition"]
    assert [coding["code"] for coding in disposition["coding"]] == [f"discharge-disposition-{number}", standard]
    assert not any(name.startswith("deceased") for name in of_kind(made, "Patient")[0])
    assert len(table(made / "cohort.csv")) == 1


@pytest.mark.parametrize(
    ("column", "unknown"),
    [(column, str(number)) for column, entry in COLUMNS["id"].items() for number in entry["missing"]]
    + [(column, "?") for column in COLUMNS["id"]],
)
def test_an_id_that_means_unknown_is_no_code(tmp_path: Path, column: str, unknown: str) -> None:
    (stay,) = of_kind(converted(tmp_path / "x", {**GOOD, column: unknown}), "Encounter")
    found = {
        "admission_type_id": "type" in stay,
        "admission_source_id": "admitSource" in stay["hospitalization"],
        "discharge_disposition_id": "dischargeDisposition" in stay["hospitalization"],
    }
    assert [name for name, known in found.items() if not known] == [column]


def test_every_id_of_the_mapping_is_a_code_or_missing(data_set: Callable[[str], Path]) -> None:
    text = (data_set("diabetes130") / "IDs_mapping.csv").read_text("utf-8")
    listed: dict[str, set[str]] = {}
    for row in csv.reader(io.StringIO(text)):
        if len(row) == 2 and row[1] == "description":
            numbers = listed.setdefault(row[0], set())
        elif row and row[0]:
            numbers.add(row[0])
    expected = {name: {*entry["names"], *map(str, entry["missing"])} for name, entry in COLUMNS["id"].items()}
    assert listed == expected


@pytest.mark.parametrize("specialty", ["?", "", "PhysicianNotFound"])
def test_an_unknown_specialty_is_none(tmp_path: Path, specialty: str) -> None:
    (stay,) = of_kind(converted(tmp_path / "x", {**GOOD, "medical_specialty": specialty}), "Encounter")
    assert "serviceType" not in stay


def test_a_specialty_is_a_code_of_small_letters(tmp_path: Path) -> None:
    (stay,) = of_kind(converted(tmp_path / "x", GOOD), "Encounter")
    assert codes(stay["serviceType"]) == ["specialty-surgery-colon-rectal"]


@pytest.mark.parametrize("dose", ["Steady", "Up", "Down"])
def test_a_drug_is_coded_with_its_class_and_its_dose(tmp_path: Path, dose: str) -> None:
    (one,) = of_kind(converted(tmp_path / "x", {**GOOD, "insulin": dose}), "MedicationRequest")
    assert codes(one["medicationCodeableConcept"], ATC) == ["A10A"]
    assert codes(one["medicationCodeableConcept"]) == [f"insulin-{dose.lower()}"]


@pytest.mark.parametrize(("drug", "atc"), [(drug, atc) for drug, atc in COLUMNS["drug"].items() if atc])
def test_every_drug_with_a_code_is_in_one_class_of_the_value_sets(drug: str, atc: str) -> None:
    classes = [one.name for one in value_sets().values() if one.kind == "medication" and one.holds(f"{ATC}|{atc}")]
    assert len(classes) == 1
    assert (classes == ["diabetes-combinations"]) == ("-" in drug)


@pytest.mark.parametrize("missing", ["None", "?", ""])
def test_a_result_that_was_not_measured_is_no_observation(tmp_path: Path, missing: str) -> None:
    made = converted(tmp_path / "x", {**GOOD, "A1Cresult": missing, "max_glu_serum": missing})
    assert not [one for one in of_kind(made, "Observation") if codes(one["code"], LOINC)]


@pytest.mark.parametrize(("written", "outcome"), [("<30", "1"), (">30", "0"), ("NO", "0"), ("?", ""), ("", "")])
def test_only_a_readmission_within_thirty_days_is_one(tmp_path: Path, written: str, outcome: str) -> None:
    made = converted(tmp_path / "x", {**GOOD, "readmitted": written})
    assert [row["outcome"] for row in table(made / "outcomes.csv")] == [outcome]


def test_a_hospital_without_outcomes_may_leave_their_column_out(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {name: cell for name, cell in GOOD.items() if name in REQUIRED})
    assert [row["outcome"] for row in table(made / "outcomes.csv")] == [""]


@pytest.mark.parametrize(
    ("said", "gender"),
    [(("Female", "Female"), "female"), (("Male", "Unknown/Invalid"), "male"), (("Male", "Female"), None),
     (("Unknown/Invalid", "?"), None)],
)  # fmt: skip
def test_rows_that_contradict_each_other_on_sex_say_nothing(tmp_path: Path, said: Sequence[str], gender: str) -> None:
    stays = [{**GOOD, "encounter_id": str(at), "gender": sex} for at, sex in enumerate(said)]
    (one,) = of_kind(converted(tmp_path / "x", *stays), "Patient")
    assert one.get("gender") == gender


def test_a_patient_grows_older_between_two_bands_whatever_the_order_of_ids(tmp_path: Path) -> None:
    made = converted(tmp_path / "x", {**GOOD, "encounter_id": "1", "age": "[70-80)"}, {**GOOD, "encounter_id": "2"})
    (one,) = of_kind(made, "Patient")
    assert one["birthDate"] == "1935-01-01"
    assert [row["index_time"] for row in table(made / "cohort.csv")] == ["2010-01-01T00:00:00Z", "2000-01-01T00:00:00Z"]
    assert datetime(2010, 1, 1, tzinfo=UTC) == instant(of_kind(made, "Encounter")[0]["period"]["end"])


# ---- the page -------------------------------------------------------------------------------------------------------


def test_the_page_has_the_code_of_each_column() -> None:
    """To mend: put the rows below on the page."""
    expected = [
        f"| `{entry['column']}` | `{entry['code']}` | {entry['display']} | {entry['at']} |"
        for entry in COLUMNS["number"]
    ]
    for entry in COLUMNS["bin"]:
        expected += [
            f"| `{entry['column']}` | `{cell}` | {entry['loinc']} | {level['comparator']} {level['value']} "
            f"{entry['unit']} | `{entry['code']}` | `{level['code']}` |"
            for cell, level in entry["levels"].items()
        ]
    for entry in COLUMNS["answer"]:
        expected += [
            f"| `{entry['column']}` | `{cell}` | `{entry['code']}` | `{answer}` |"
            for cell, answer in entry["levels"].items()
        ]
    expected += [
        f"| `{drug}` | `{atc}` |" if atc else f"| `{drug}` | none: always `No` |"
        for drug, atc in COLUMNS["drug"].items()
    ]
    text = PAGE.read_text("utf-8")
    assert [row for row in expected if row not in text] == [], "\n".join(expected)
    for entry in COLUMNS["id"].values():
        missing = ", ".join(map(str, entry["missing"]))
        assert f"`{entry['code']}-<id>`" in text
        assert f"{missing} are missing" in text
    dispositions = ", ".join(f"{number} `{code}`" for number, code in COLUMNS["disposition"].items())
    assert f"{dispositions}, every other id `oth`" in " ".join(text.split())
    assert f"SNOMED CT {COLUMNS['inclusion']['snomed']} and `{COLUMNS['inclusion']['code']}`" in text


def test_the_page_says_what_became_of_every_column_of_the_file(source: Path) -> None:
    text = PAGE.read_text("utf-8")
    assert [name for name in pq.read_schema(source).names if f"`{name}`" not in text] == []
