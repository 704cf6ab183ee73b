"""A thousand patients by every door and in every form: the same bytes."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from patients import bundle_of

import cdss
from cdss.datasets import write_support2

COUNT = 1000
ONE_BY_ONE = 100


@pytest.fixture(scope="session")
def fhir(data_set: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fifth patient of SUPPORT2 as FHIR, a thousand of them, from both phases of the study."""
    folder = tmp_path_factory.mktemp("parity")
    with gzip.open(data_set("support2") / "support2_dev.csv.gz", "rt", encoding="utf-8") as opened:
        header, *rows = opened
    (folder / "in.csv").write_text("".join([header, *rows[::5][:COUNT]]), "utf-8")
    write_support2([folder / "in.csv"], folder / "fhir")
    return folder / "fhir"


@pytest.fixture(scope="session")
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


@pytest.fixture(scope="session")
def record(fhir: Path) -> cdss.PatientRecord:
    return cdss.read(fhir)


@pytest.fixture(scope="session")
def cohort(fhir: Path) -> list[Any]:
    return cdss.read_cohort(fhir / "cohort.csv")


def in_bytes(answer: Any) -> bytes:
    return json.dumps(answer.to_dict(), ensure_ascii=False, allow_nan=False).encode()


@pytest.fixture(scope="session")
def batch(model: cdss.Model, record: cdss.PatientRecord, cohort: list[Any]) -> list[bytes]:
    """What the whole cohort at once gives; everything else is held against it."""
    return [in_bytes(answer) for answer in model.assess_rows(record, cohort)]


@pytest.fixture(scope="session")
def lines(fhir: Path) -> list[bytes]:
    """Every resource, as it stands in the NDJSON."""
    return [line for path in sorted(fhir.glob("*.ndjson")) for line in path.read_bytes().splitlines()]


def same(found: list[bytes], expected: list[bytes]) -> None:
    different = [number for number, (one, two) in enumerate(zip(found, expected, strict=True)) if one != two]
    assert not different, f"{len(different)} of {len(expected)} differ; the first is\n{found[different[0]]!r}"


def test_every_row_of_the_cohort_has_an_answer_and_most_have_an_estimate(batch: list[bytes]) -> None:
    assert len(batch) == COUNT
    kinds = [json.loads(one)["kind"] for one in batch]
    assert kinds.count("estimate") > 0.85 * COUNT
    assert kinds.count("abstention") > 10


def test_in_every_estimate_the_parts_add_up(batch: list[bytes]) -> None:
    for one in map(json.loads, batch):
        if one["kind"] == "estimate":
            explanation = one["explanation"]
            whole = explanation["base_value"] + sum(part["shap_value"] for part in explanation["contributions"])
            assert abs(whole - one["log_odds"]) <= 1e-4
            assert one["interval"]["low"] <= one["probability"] <= one["interval"]["high"]


def test_every_answer_has_an_id_of_its_own(batch: list[bytes]) -> None:
    assert len({json.loads(one)["id"] for one in batch}) == COUNT


def test_asked_again_in_any_order_each_answer_is_the_same(
    model: cdss.Model, record: cdss.PatientRecord, cohort: list[Any], batch: list[bytes]
) -> None:
    order = list(range(COUNT))
    random.Random(3).shuffle(order)
    answers = model.assess_rows(record, [cohort[place] for place in order])
    same([in_bytes(answer) for answer in answers], [batch[place] for place in order])


@pytest.mark.parametrize("size", [7, 333])
def test_in_parts_of_any_size_each_answer_is_the_same(
    model: cdss.Model, record: cdss.PatientRecord, cohort: list[Any], batch: list[bytes], size: int
) -> None:
    parts = [cohort[start : start + size] for start in range(0, COUNT, size)]
    same([in_bytes(answer) for part in parts for answer in model.assess_rows(record, part)], batch)


def test_one_by_one_on_the_shared_record_each_answer_is_the_same(
    model: cdss.Model, record: cdss.PatientRecord, cohort: list[Any], batch: list[bytes]
) -> None:
    found = [in_bytes(model.assess_rows(record, [row])[0]) for row in cohort]
    same(found, batch)


def test_each_patient_read_alone_from_a_bundle_has_the_same_answer(
    model: cdss.Model, fhir: Path, lines: list[bytes], batch: list[bytes], tmp_path: Path
) -> None:
    frame = pd.read_csv(fhir / "cohort.csv").head(ONE_BY_ONE)
    owned: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        resource = json.loads(line)
        owner = f"Patient/{resource['id']}" if resource["resourceType"] == "Patient" else None
        owned[owner or resource.get("subject", {}).get("reference", "")].append(resource)
    found = []
    for row in frame.itertuples():
        path = tmp_path / "one.json"
        path.write_text(json.dumps(bundle_of(owned[row.subject])), "utf-8")
        estimate = None if pd.isna(row.clinician_estimate) else row.clinician_estimate
        answer = model.assess(cdss.read(path), row.index_time, encounter=row.encounter, clinician_estimate=estimate)
        found.append(in_bytes(answer))
    same(found, batch[:ONE_BY_ONE])


@pytest.fixture(scope="session")
def source_of(lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The same thousand patients in another form."""
    shuffled = lines[:]
    random.Random(11).shuffle(shuffled)

    def write(form: str) -> Path:
        folder = tmp_path_factory.mktemp(form.replace(" ", "-"))
        if form == "one shuffled NDJSON file":
            path = folder / "all.ndjson"
            path.write_bytes(b"\n".join(shuffled))
        elif form == "one NDJSON file packed":
            path = folder / "all.ndjson.gz"
            path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n", 1))
        elif form == "one Bundle":
            path = folder / "all.json"
            path.write_bytes(_bundle(shuffled))
        elif form == "one Bundle packed":
            path = folder / "all.json.gz"
            path.write_bytes(gzip.compress(_bundle(lines), 1))
        else:
            path = folder
            (folder / "a" / "b").mkdir(parents=True)
            (folder / "a" / "z.ndjson").write_bytes(b"\r\n".join(shuffled[::2]))
            (folder / "a" / "b" / "rest.json").write_bytes(_bundle(shuffled[1::2]))
            (folder / "readme.txt").write_text("not FHIR")
        return path

    return write


def _bundle(lines: list[bytes]) -> bytes:
    entries = b",".join(b'{"resource":' + line + b"}" for line in lines)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"


@pytest.mark.parametrize(
    "form",
    [
        "one shuffled NDJSON file",
        "one NDJSON file packed",
        "one Bundle",
        "one Bundle packed",
        "folders of both",
    ],
)
def test_in_any_form_the_same_patients_have_the_same_answers(
    model: cdss.Model, source_of: Callable[[str], Path], cohort: list[Any], batch: list[bytes], form: str
) -> None:
    answers = model.assess_rows(cdss.read(source_of(form)), cohort)
    same([in_bytes(answer) for answer in answers], batch)


def test_the_command_line_writes_the_same_answers(
    fhir: Path, batch: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cdss.cli.main import main

    out = tmp_path / "out.ndjson"
    ask = ["assess", str(fhir), "--model", "serious-illness-180d", "--cohort", str(fhir / "cohort.csv")]
    assert main([*ask, "--out", str(out), "--json"]) == 0
    same(out.read_bytes().splitlines(), batch)
    assert capsys.readouterr().err == ""


def test_the_data_frame_holds_the_same_answers(
    model: cdss.Model, record: cdss.PatientRecord, fhir: Path, batch: list[bytes]
) -> None:
    frame = cdss.assess_cohort(record, model, pd.read_csv(fhir / "cohort.csv"))
    same([text.encode() for text in frame["assessment"]], batch)
