"""Training: the same rows give the same release; too little evidence gives none; a failure leaves nothing behind."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import cdss
from cdss.datasets import write_support2
from cdss.errors import CdssError, CohortError, EvidenceError, SpecError, UsageError
from cdss.risk.artefact import FILES, MANIFEST
from cdss.workflow.model import models_directory
from cdss.workflow.train import STEPS

ROWS = 400


@pytest.fixture(scope="module")
def fhir(data_set: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every thirteenth patient of SUPPORT2 as FHIR, so that both phases of the study are there."""
    folder = tmp_path_factory.mktemp("support2")
    with gzip.open(data_set("support2") / "support2_dev.csv.gz", "rt", encoding="utf-8") as opened:
        header, *lines = opened
    (folder / "in.csv").write_text("".join([header, *lines[::13][:ROWS]]), "utf-8")
    write_support2([folder / "in.csv"], folder / "fhir")
    return folder / "fhir"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped specification, made small."""
    text = (models_directory() / "serious-illness-180d" / "spec.toml").read_text("utf-8")
    estimator, interval = text.index("[estimator]"), text.index("[interval]")
    head, trees, rest = text[:estimator], text[estimator:interval], text[interval:]
    trees = re.sub(r"rounds = \d+", "rounds = 20", trees)
    trees = re.sub(r"eta = [\d.]+", "eta = 0.2", trees)
    rest = re.sub(r"members = \d+", "members = 3", re.sub(r"rounds = \d+", "rounds = 10", rest))
    folder = tmp_path_factory.mktemp("model") / "serious-illness-180d"
    folder.mkdir()
    (folder / "spec.toml").write_text(head + trees + rest, "utf-8")
    return folder


@pytest.fixture(scope="module")
def release(fhir: Path, model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> cdss.Model:
    out = tmp_path_factory.mktemp("out") / "release"
    return cdss.train(model_dir, fhir, fhir / "cohort.csv", fhir / "outcomes.csv", out)


def evidence(release: cdss.Model) -> dict[str, object]:
    found: dict[str, object] = json.loads((release.path / "evaluation.json").read_bytes())
    return found


def frame(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_a_release_is_written_whole_and_loads_with_the_same_digest(release: cdss.Model) -> None:
    assert {path.name for path in release.path.iterdir()} == {*FILES, MANIFEST}
    assert cdss.load_model(release.path).reference == release.reference


def test_the_same_rows_in_any_order_give_the_same_release(
    release: cdss.Model, fhir: Path, model_dir: Path, tmp_path: Path
) -> None:
    order = random.Random(5)
    shuffled = {}
    for name in ("cohort.csv", "outcomes.csv"):
        rows = frame(fhir / name).to_dict("records")
        order.shuffle(rows)
        shuffled[name] = pd.DataFrame(rows)
    again = cdss.train(model_dir, fhir, shuffled["cohort.csv"], shuffled["outcomes.csv"], tmp_path / "again")
    assert again.reference.digest == release.reference.digest
    for name in (*FILES, MANIFEST):
        assert (again.path / name).read_bytes() == (release.path / name).read_bytes(), name


def test_a_row_asked_twice_counts_once(release: cdss.Model, fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    cohort = frame(fhir / "cohort.csv")
    twice = pd.concat([cohort, cohort.head(25)])
    again = cdss.train(model_dir, fhir, twice, fhir / "outcomes.csv", tmp_path / "again")
    assert again.reference.digest == release.reference.digest


def test_every_row_is_either_used_or_counted_with_its_reason(release: cdss.Model, fhir: Path) -> None:
    attrition = evidence(release)["attrition"]
    assert isinstance(attrition, dict)
    assert attrition["cohort"] == ROWS
    assert attrition["cohort"] == sum(count for name, count in attrition.items() if name != "cohort")
    answers = cdss.assess_cohort(fhir, release, fhir / "cohort.csv")
    abstained = answers[answers["kind"] == "abstention"]
    assert 0 < len(abstained) < ROWS
    assert attrition["used"] == ROWS - len(abstained)


def test_rows_without_an_answer_are_listed_with_how_many_of_them_died(release: cdss.Model, fhir: Path) -> None:
    answers = cdss.assess_cohort(fhir, release, fhir / "cohort.csv")
    outcomes = frame(fhir / "outcomes.csv")["outcome"]
    listed = evidence(release)["abstained"]
    assert isinstance(listed, dict)
    by_hand: dict[str, dict[str, int]] = {}
    for text, outcome in zip(answers["assessment"], outcomes, strict=True):
        found = json.loads(text).get("reasons", [])
        names = {f"{one['code']}: {one['feature']}" if "feature" in one else one["code"] for one in found}
        for name in names:
            count = by_hand.setdefault(name, {"n": 0, "events": 0})
            count["n"] += 1
            count["events"] += outcome == "1"
    assert by_hand
    assert listed == by_hand


def test_the_manifest_counts_the_rows_and_the_outcomes(release: cdss.Model) -> None:
    manifest = json.loads((release.path / MANIFEST).read_bytes())
    found = evidence(release)
    machine = found["machine"]
    assert isinstance(machine, dict)
    assert manifest["training"]["rows"] == machine["n"] == found["attrition"]["used"]  # type: ignore[index]
    assert manifest["training"]["events"] == machine["events"]


def test_no_golden_vector_is_a_patient(release: cdss.Model, fhir: Path) -> None:
    import numpy as np

    from cdss.features import build_features
    from cdss.workflow.cohort import read_cohort

    golden = json.loads((release.path / "golden.json").read_bytes())["rows"]
    rows = read_cohort(fhir / "cohort.csv")
    record = cdss.read(fhir)
    values = build_features(
        record.events, record.patients, [row.subject for row in rows], [row.index_time for row in rows], release.spec
    ).values
    patients = {np.nan_to_num(row, nan=-1).astype(np.float32).tobytes() for row in values}
    made = {np.array([-1 if n is None else n for n in row], np.float32).tobytes() for row in golden}
    assert len(made) >= 32
    assert not made & patients


def test_monotone_constraints_hold_in_what_was_trained(release: cdss.Model) -> None:
    import numpy as np

    generator = np.random.default_rng(0)
    low, high = release.ranges[:, 0], release.ranges[:, 1]
    base = generator.uniform(low, high, (60, len(low)))
    for place, feature in enumerate(release.spec.features):
        if feature.monotone:
            higher = base.copy()
            higher[:, place] = generator.uniform(base[:, place], high[place])
            moved = (release.machine.forest.margin(higher) - release.machine.forest.margin(base)) * feature.monotone
            assert (moved >= -1e-9).all(), feature.name


def test_an_unknown_outcome_is_counted_and_never_guessed(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    outcomes = frame(fhir / "outcomes.csv")
    outcomes.loc[outcomes.index[:30], "outcome"] = ""
    outcomes = outcomes.drop(outcomes.index[30:40])
    release = cdss.train(model_dir, fhir, fhir / "cohort.csv", outcomes, tmp_path / "release")
    assert evidence(release)["attrition"]["outcome-unknown"] == 40  # type: ignore[index]


def test_progress_is_told_step_by_step(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    cdss.train(model_dir, fhir, fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "r", step=steps.append)
    assert sum(steps) == STEPS


# ---- what ends without a release ------------------------------------------------------------------------------------


def none_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []


def test_too_few_rows_are_no_evidence(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    cohort = frame(fhir / "cohort.csv").iloc[::10]
    with pytest.raises(EvidenceError, match="at least") as caught:
        cdss.train(model_dir, fhir, cohort, fhir / "outcomes.csv", tmp_path / "r")
    assert caught.value.exit_code == 2
    none_left(tmp_path)


@pytest.mark.parametrize("outcome", ["0", "1"])
def test_one_outcome_alone_is_no_evidence(fhir: Path, model_dir: Path, tmp_path: Path, outcome: str) -> None:
    outcomes = frame(fhir / "outcomes.csv").assign(outcome=outcome)
    with pytest.raises(EvidenceError):
        cdss.train(model_dir, fhir, fhir / "cohort.csv", outcomes, tmp_path / "r")
    none_left(tmp_path)


def test_outcomes_of_other_questions_are_refused(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    outcomes = frame(fhir / "outcomes.csv").assign(index_time="2020-01-01T00:00:00Z")
    outcomes["subject"] = [f"Patient/n{n}" for n in range(len(outcomes))]
    with pytest.raises(CohortError, match="hold no row of the cohort"):
        cdss.train(model_dir, fhir, fhir / "cohort.csv", outcomes, tmp_path / "r")
    none_left(tmp_path)


def test_a_measurement_no_training_row_had_is_said_when_somebody_has_it(
    fhir: Path, model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    for path in fhir.glob("*.ndjson"):
        kept = [line for line in path.read_bytes().splitlines() if b'"code":"1751-7"' not in line]
        (tmp_path / "bare" / path.name).write_bytes(b"\n".join(kept))
    release = cdss.train(model_dir, tmp_path / "bare", fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "r")
    features = {entry["name"]: entry for entry in json.loads((release.path / MANIFEST).read_bytes())["features"]}
    assert (features["albumin"]["low"], features["albumin"]["high"]) == (None, None)
    from patients import INDEX, record_of, seriously_ill, without

    told = seriously_ill()
    for one, said in ((told, True), (without(told, "albumin"), False)):
        found = release.assess(record_of(one), INDEX).to_dict()["findings"]
        assert any("Albumin" in finding["message"] for finding in found) is said


def test_a_cohort_of_strangers_is_no_evidence(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    cohort, outcomes = frame(fhir / "cohort.csv"), frame(fhir / "outcomes.csv")
    for one in (cohort, outcomes):
        one["subject"] = one["subject"] + "-x"
    with pytest.raises(EvidenceError):
        cdss.train(model_dir, fhir, cohort, outcomes, tmp_path / "r")
    none_left(tmp_path)


def test_a_directory_that_holds_something_is_never_written_over(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.txt").write_text("three years of work")
    with pytest.raises(UsageError, match="exists"):
        cdss.train(model_dir, fhir, fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "r")
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["thesis.txt"]


def test_a_directory_without_a_specification_is_refused(fhir: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match=r"spec\.toml"):
        cdss.train(tmp_path / "model", fhir, fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_specification_that_breaks_a_rule_is_refused_before_anything_is_read(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    text = (model_dir / "spec.toml").read_text("utf-8").replace("threshold = 0.5", "threshold = 2.0")
    (tmp_path / "model" / "spec.toml").write_text(text, "utf-8")
    with pytest.raises(SpecError, match="threshold"):
        cdss.train(tmp_path / "model", tmp_path / "nowhere", tmp_path / "c.csv", tmp_path / "o.csv", tmp_path / "r")


def test_a_failure_while_writing_leaves_nothing_behind(
    fhir: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        cdss.train(model_dir, fhir, fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "r")
    none_left(tmp_path)


def test_an_interruption_leaves_nothing_behind(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cdss.train(model_dir, fhir, fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "r", step=stop)
    none_left(tmp_path)


def test_a_bad_outcome_file_leaves_nothing_behind(fhir: Path, model_dir: Path, tmp_path: Path) -> None:
    rows = list(csv.reader((fhir / "outcomes.csv").read_text("utf-8").splitlines()))
    rows[5][-1] = "maybe"
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "outcomes.csv").write_text("\n".join(",".join(row) for row in rows), "utf-8")
    with pytest.raises(CdssError, match="line 6"):
        cdss.train(model_dir, fhir, fhir / "cohort.csv", bad / "outcomes.csv", tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_hospital_that_maps_its_codes_trains_the_same_model_and_the_release_names_the_map(
    release: cdss.Model, fhir: Path, model_dir: Path, tmp_path: Path
) -> None:
    own, loinc = '"https://lab.example/codes","code":"KREA"', '"http://loinc.org","code":"2160-0"'
    bare = tmp_path / "local"
    bare.mkdir()
    changed = 0
    for file in fhir.glob("*.ndjson"):
        text = file.read_text("utf-8")
        changed += text.count(loinc)
        (bare / file.name).write_text(text.replace(loinc, own), "utf-8")
    assert changed > 0
    code_map = tmp_path / "map.csv"
    code_map.write_text(
        "system,code,to_system,to_code\nhttps://lab.example/codes,KREA,http://loinc.org,2160-0\n", "utf-8"
    )
    mapped = cdss.train(
        model_dir, bare, fhir / "cohort.csv", fhir / "outcomes.csv", tmp_path / "release", code_map=code_map
    )
    ours, theirs = (json.loads((one.path / MANIFEST).read_bytes()) for one in (mapped, release))
    assert "code_map" not in theirs
    assert ours["code_map"]["codes"] == 1
    assert ours["code_map"]["digest"].startswith("sha256:")
    assert (ours["training"], ours["files"]) == (theirs["training"], theirs["files"])
