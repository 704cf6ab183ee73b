"""Laws of a hospital's own code map: it changes the name a result goes by, and nothing else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cdss
from cdss.codes import CodeMap, MapRow, build_map
from cdss.domain.coding import LOINC, UCUM, Coding
from cdss.domain.instant import parse_index_time
from cdss.features import read_spec
from cdss.record import PatientRecord
from cdss.units import Analyte, analytes
from cdss.workflow.model import models_directory

LOCAL = "https://lab.example/codes"
INDEX = "2026-01-02T00:00:00Z"
SPEC = read_spec((models_directory() / "serious-illness-180d" / "spec.toml").read_bytes(), "spec.toml")
READ = {key for feature in SPEC.features for reading in feature.readings for key in reading.codes}
MEASURED = [
    (analyte, key) for analyte in analytes() for key in analyte.codes if key in READ and key.startswith(f"{LOINC}|")
]

few = settings(max_examples=60)


@st.composite
def results(draw: st.DrawFn) -> tuple[Analyte, str, float]:
    """What is measured, its code, and a value that can be true."""
    analyte, key = draw(st.sampled_from(MEASURED))
    low, high = map(float, analyte.physical)
    return analyte, key, draw(st.floats(low, high, allow_nan=False))


def rows_of(*pairs: tuple[str, str]) -> list[MapRow]:
    return [
        MapRow(place=f"row {number}", own=Coding(system=LOCAL, code=own), target=Coding.from_key(target))
        for number, (own, target) in enumerate(pairs, start=2)
    ]


def made(rows: list[MapRow]) -> CodeMap:
    return build_map(rows, "map.csv", "sha256:0")


def observation(number: int, key: str, unit: str, value: float, hour: int) -> dict[str, Any]:
    system, _, code = key.partition("|")
    return {
        "resourceType": "Observation", "id": f"o{number}", "status": "final",
        "code": {"coding": [{"system": system, "code": code}]}, "subject": {"reference": "Patient/a"},
        "effectiveDateTime": f"2026-01-01T{hour:02}:00:00Z", "issued": f"2026-01-01T{hour:02}:00:00Z",
        "valueQuantity": {"value": value, "system": UCUM, "code": unit},
    }  # fmt: skip


def read(*resources: dict[str, Any], code_map: CodeMap | None = None) -> PatientRecord:
    patient = {"resourceType": "Patient", "id": "a", "gender": "female", "birthDate": "1950-01-01"}
    entries = [{"resource": resource} for resource in (patient, *resources)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.json"
        path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), "utf-8")
        return cdss.read(path, code_map=code_map)


def features(record: PatientRecord) -> list[float]:
    row = parse_index_time(INDEX)
    matrix = cdss.build_features(record.events, record.patients, ["Patient/a"], [row], SPEC, [None])
    return [float(value) for value in matrix.values[0]]


def told(record: PatientRecord) -> tuple[object, ...]:
    return (
        list(record.events), record.counts,
        [(found.location, found.reason, found.severity) for found in record.rejections if found.codes == ()],
    )  # fmt: skip


@pytest.mark.catalogue(45)
@few
@given(st.lists(results(), min_size=1, max_size=5))
def test_a_result_in_the_hospitals_code_gives_the_feature_of_one_in_the_code_it_means(
    found: list[tuple[Analyte, str, float]],
) -> None:
    theirs = [
        observation(number, key, analyte.unit, value, number) for number, (analyte, key, value) in enumerate(found)
    ]
    own = {key: f"OWN{place}" for place, key in enumerate(dict.fromkeys(key for _, key, _ in found))}
    ours = [
        observation(number, f"{LOCAL}|{own[key]}", analyte.unit, value, number)
        for number, (analyte, key, value) in enumerate(found)
    ]
    code_map = made(rows_of(*((code, key) for key, code in own.items())))
    first, second = read(*theirs), read(*ours, code_map=code_map)
    np.testing.assert_array_equal(features(first), features(second))
    assert first.counts == second.counts
    assert [(event.value, event.unit, event.source) for event in first.events] == [
        (event.value, event.unit, event.source) for event in second.events
    ]


@few
@given(results(), st.lists(st.sampled_from(MEASURED), min_size=1, max_size=6))
def test_a_map_of_codes_that_do_not_occur_changes_nothing(
    found: tuple[Analyte, str, float], others: list[tuple[Analyte, str]]
) -> None:
    analyte, key, value = found
    results_sent = (
        observation(1, key, analyte.unit, value, 1),
        observation(2, f"{LOCAL}|KEPT", "mg/dL", 1.0, 2),
    )
    code_map = made(rows_of(*((f"ABSENT{place}", other) for place, (_, other) in enumerate(others))))
    assert told(read(*results_sent)) == told(read(*results_sent, code_map=code_map))


@few
@given(st.data(), st.lists(st.sampled_from(MEASURED), min_size=2, max_size=8, unique=True))
def test_the_order_of_rows_is_irrelevant(data: st.DataObject, pairs: list[tuple[Analyte, str]]) -> None:
    rows = rows_of(*((analyte.name, key) for analyte, key in pairs))
    shuffled = data.draw(st.permutations(rows))
    assert dict(made(rows).targets) == dict(made(shuffled).targets)
    sent = [observation(n, f"{LOCAL}|{a.name}", a.unit, float(a.plausible[1]), n) for n, (a, _) in enumerate(pairs)]
    first, second = read(*sent, code_map=made(rows)), read(*sent, code_map=made(shuffled))
    assert told(first) == told(second)
    np.testing.assert_array_equal(features(first), features(second))


@given(st.lists(st.sampled_from(MEASURED), min_size=1, max_size=8, unique=True))
def test_a_map_takes_no_code_away_and_adds_each_once(pairs: list[tuple[Analyte, str]]) -> None:
    code_map = made(rows_of(*((analyte.name, key) for analyte, key in pairs)))
    own = tuple(dict.fromkeys(f"{LOCAL}|{analyte.name}" for analyte, _ in pairs))
    once = code_map.extended(own)
    assert once[: len(own)] == own
    assert len(set(once)) == len(once)
    assert set(once) == {*own, *(key for _, key in pairs)}
    assert code_map.extended(once) == once
