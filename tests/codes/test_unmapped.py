"""Which codes nothing reads: counted as sent, by frequency, over whatever shape the source has."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cdss
from cdss.cli.main import main
from cdss.fhir.codemap import read_code_map
from cdss.units import analyte_for
from cdss.workflow import unmapped
from cdss.workflow.unmapped import Coverage, coverage

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
LOCAL = "https://lab.example/codes"
LOINC = "http://loinc.org"


def coding(code: str | None, system: str | None = LOCAL, display: str | None = None) -> dict[str, str]:
    found = {"system": system, "code": code, "display": display}
    return {name: value for name, value in found.items() if value is not None}


def observation(*codings: dict[str, str], who: str = "a", unit: str | None = None, **more: Any) -> dict[str, Any]:
    quantity = {"value": 1} | ({"unit": unit} if unit else {})
    return {
        "resourceType": "Observation", "status": "final", "code": {"coding": list(codings)},
        "subject": {"reference": f"Patient/{who}"}, "valueQuantity": quantity,
    } | more  # fmt: skip


def counted(folder: Path, *resources: dict[str, Any], code_map: str = "") -> Coverage:
    path = folder / "source.ndjson"
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources), "utf-8")
    if not code_map:
        return coverage(path)
    (folder / "map.csv").write_text(f"system,code,to_system,to_code\n{code_map}\n", "utf-8")
    return coverage(path, read_code_map(folder / "map.csv"))


def rows(found: Coverage) -> list[tuple[str, str, int, int, str]]:
    return [(row.code, row.display, row.count, row.patients, row.unit) for row in found.by_frequency]


def test_codes_are_listed_by_frequency_with_the_first_words_and_unit_seen(tmp_path: Path) -> None:
    found = counted(
        tmp_path,
        observation(coding("X", display="first"), who="a"),
        observation(coding("Y"), who="a", unit="mmol/L"),
        observation(coding("X", display="second"), who="b", unit="mg/dL"),
        observation(coding("X"), who="b", unit="g/L"),
        observation(coding("2160-0", LOINC)),
    )
    assert rows(found) == [("X", "first", 3, 2, "mg/dL"), ("Y", "", 1, 1, "mmol/L")]
    assert found.to_dict() == {"observations": 5, "unmapped": 4, "codes": 2}


def test_a_code_is_read_if_any_coding_beside_it_is(tmp_path: Path) -> None:
    both = observation(coding("X"), coding("2160-0", LOINC))
    assert counted(tmp_path, both).to_dict() == {"observations": 1, "unmapped": 0, "codes": 0}


def test_a_mapped_code_is_read(tmp_path: Path) -> None:
    found = counted(tmp_path, observation(coding("X")), code_map=f"{LOCAL},X,{LOINC},2160-0")
    assert found.to_dict() == {"observations": 1, "unmapped": 0, "codes": 0}


def test_a_code_whose_check_digit_is_wrong_is_listed_as_it_was_sent(tmp_path: Path) -> None:
    found = counted(tmp_path, observation(coding("3150-6", LOINC)), code_map=f"{LOCAL},X,{LOINC},3150-0")
    assert rows(found) == [("3150-6", "", 1, 1, "")]


def test_components_count_by_themselves_and_a_panel_without_a_value_does_not(tmp_path: Path) -> None:
    parts = [{"code": {"coding": [part]}} for part in (coding("8480-6", LOINC), coding("Z"))]
    panel = observation(coding("85354-9", LOINC), component=parts)
    del panel["valueQuantity"]
    assert counted(tmp_path, panel).to_dict() == {"observations": 2, "unmapped": 1, "codes": 1}


def test_words_alone_are_listed_as_words(tmp_path: Path) -> None:
    found = counted(
        tmp_path,
        observation(code={"text": "Kreatinin"}),
        observation(code={"text": "Kreatinin"}),
        observation(coding(None, display="no code")),
        {"resourceType": "Observation"},
    )
    assert rows(found) == [("", "Kreatinin", 2, 1, ""), ("", "", 1, 0, ""), ("", "no code", 1, 1, "")]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "null", '"x"', '{"resourceType":1}', '{"resourceType":"Patient"}', "\xff"]
)
def test_what_is_no_observation_is_left_to_the_reader(tmp_path: Path, line: str) -> None:
    path = tmp_path / "source.ndjson"
    path.write_bytes(line.encode("latin-1") + b"\n" + json.dumps(observation(coding("X"))).encode() + b"\n")
    assert coverage(path).to_dict() == {"observations": 1, "unmapped": 1, "codes": 1}


def bundle(*resources: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, whole: (folder / "a.json").write_text(json.dumps(whole), "utf-8"),
        lambda folder, whole: (folder / "a.json.gz").write_bytes(gzip.compress(json.dumps(whole).encode())),
        lambda folder, whole: (folder / "a.json").write_text(json.dumps(bundle(whole)), "utf-8"),
        lambda folder, whole: (folder / "a.ndjson").write_text(json.dumps(whole) + "\n", "utf-8"),
        lambda folder, whole: (
            (folder / "a.json").write_text(json.dumps(whole), "utf-8"),
            (folder / "b.json").write_text("<html>", "utf-8"),
            (folder / "c.ndjson").write_bytes(b""),
        ),
    ],
)
def test_every_shape_of_source_is_counted_alike(tmp_path: Path, write: Callable[[Path, Any], object]) -> None:
    write(tmp_path, bundle(observation(coding("X")), {"resourceType": "Patient"}, 7, observation(coding("X"))))
    assert coverage(tmp_path).to_dict() == {"observations": 2, "unmapped": 2, "codes": 1}


def test_codes_without_end_are_lumped_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmapped, "_DISTINCT", 3)
    found = counted(tmp_path, *(observation(coding(f"X{number}")) for number in range(9)))
    assert (len(found.codes), found.unmapped, sum(row.count for row in found.by_frequency)) == (4, 9, 9)


@pytest.mark.catalogue(50, 51)
def test_the_file_makes_hidden_characters_visible_and_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    path, out = tmp_path / "source.ndjson", tmp_path / "codes.csv"
    hostile = observation(coding("=1+1", display="@SUM(A1)\u202e\nx"), unit="-2")
    path.write_text(json.dumps(hostile) + "\n", "utf-8")
    assert main(["read", str(path), "--unmapped", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as opened:
        header, row = csv.reader(opened)
    assert header == ["system", "code", "display", "count", "patients", "unit"]
    assert row == [LOCAL, "'=1+1", "'@SUM(A1)\\u202e\\u000ax", "1", "1", "'-2"]


def test_the_worked_example_covers_what_the_page_says(data_set: Callable[[str], Path]) -> None:
    source, code_map = data_set("mimic-iv-demo"), EXAMPLES / "mimic-iv-demo-map.csv"
    before, after = coverage(source), coverage(source, read_code_map(code_map))
    assert before.to_dict() == {"observations": 165_937, "unmapped": 65_964, "codes": 707}
    assert (after.observations, after.unmapped) == (165_937, 59_368)
    first = before.by_frequency[0]
    assert (first.display, first.count, first.patients, first.unit) == ("Foley", 4539, 53, "ml")
    record = cdss.read(source, code_map=code_map)
    known = [any(analyte_for(key) for key in codes) for codes in record.events.codesets]
    assert sum(known[number] for number in record.events.codes) == 105_713
    assert record.counts.put_aside == 14_286
    page = (EXAMPLES.parent / "how-to" / "map-local-codes.md").read_text("utf-8")
    for figure in ("65,964 of 165,937 (39.8%)", "59,368 (35.8%)", "105,713 (74.6%)", "14,286"):
        assert figure in page
