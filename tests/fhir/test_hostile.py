"""The developers' set of hostile files: each of its 46 rows must hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cdss.domain.instant import parse_duration, parse_index_time
from cdss.errors import InputRefusedError
from cdss.fhir.read import read
from cdss.workflow.reading import read_report

AS_OF = parse_index_time("2025-09-03T15:00:00-04:00")
DAY = parse_duration("PT24H")
LOINC = "http://loinc.org"
BASE = {
    "9279-1": ("18", "/min"),
    "59408-5": ("95", "%"),
    "8867-4": ("88", "/min"),
    "8310-5": ("37.6", "Cel"),
    "8480-6": ("124", "mm[Hg]"),
    "8462-4": ("76", "mm[Hg]"),
    "80288-4": ("LA9340-6", None),
    "2160-0": ("0.98", "mg/dL"),
    "2524-7": ("1.4", "mmol/L"),
    "2823-3": ("3.9", "mmol/L"),
    "6690-2": ("9.2", "10*3/uL"),
    "2345-7": ("118", "mg/dL"),
}
ROWS = 46
TOLERANCE = {"d003-lac-mgdl.json": 0.01}
ALSO_CHANGED = {"d014-bp-one-component.json": {"8462-4": None}}
# Which place of the input a refusal must name.
REFUSED_AT = {
    "d011": "line 434, column 15",
    "d037": "byte 0",
    "d038": "line 407, column 5",
    "d039": "deeper than 64",
    "d040": "line 523, column 1",
    "d043": "100 times its size",
    "d044": "byte 0",
}


@dataclass(frozen=True)
class Row:
    file: str
    outcome: str
    location: str
    loinc: str
    expected: str

    def allows(self, value: dict[str, Any] | None) -> bool:
        return any(self._is(value, wanted) for wanted in self.expected.split("|"))

    def _is(self, value: dict[str, Any] | None, wanted: str) -> bool:
        if value is None or wanted == "absent":
            return value is None and wanted == "absent"
        if wanted == "censored":
            return value["comparator"] is not None
        number, unit = wanted.split(" ")
        close = abs(float(value["value"]) - float(number)) <= TOLERANCE.get(self.file, 0.0)
        return value["comparator"] is None and value["unit"] == unit and close


def rows(folder: Path) -> list[Row]:
    with (folder / "expected.csv").open(encoding="utf-8", newline="") as lines:
        return [
            Row(row["file"], row["outcome"], row["location"], row["loinc"], row["expected"])
            for row in csv.DictReader(lines)
        ]


def report_of(file: Path) -> dict[str, Any]:
    record = read(file, subject="ok27", index_time=AS_OF)
    return read_report(record, subject="ok27", index_time=AS_OF, lookback=DAY)


def values_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {value["code"]: value for value in report["values"] if value["system"] == LOINC}


def check_counts(report: dict[str, Any]) -> None:
    parts = (report["used"], report["not_needed"], report["put_aside"], report["refused"])
    assert report["resources"] == sum(parts)


def check_unchanged(row: Row, values: dict[str, dict[str, Any]]) -> None:
    expected = {code: found for code, found in BASE.items() if code != row.loinc}
    expected |= ALSO_CHANGED.get(row.file, {})
    for code, wanted in expected.items():
        if wanted is None:
            assert code not in values, code
        else:
            assert (values[code]["value"], values[code]["unit"], values[code]["comparator"]) == (*wanted, None), code
    assert values.keys() <= BASE.keys()


def named(report: dict[str, Any], location: str) -> list[dict[str, Any]]:
    resource = re.match(r"[A-Za-z]+/[\w-]+|line \d+|Bundle(\.entry\[\d+\])?", location)
    assert resource, location
    return [
        finding
        for finding in report["rejections"]
        if resource.group() in f"{finding['source']}.{finding['location']}" or "OperationOutcome" in finding["source"]
    ]


def check(row: Row, file: Path) -> None:
    if row.outcome == "reject":
        with pytest.raises(InputRefusedError, match=REFUSED_AT[row.file[:4]]) as refused:
            read(file, subject="ok27", index_time=AS_OF)
        assert refused.value.exit_code == 3
        return
    report = report_of(file)
    check_counts(report)
    if row.outcome == "abstain":
        assert report["blocked"]
        assert row.location.split(".")[0] in report["blocked"][0]["source"]
        return
    assert report["blocked"] == []
    values = values_of(report)
    check_unchanged(row, values)
    if row.loinc:
        assert row.allows(values.get(row.loinc)), values.get(row.loinc)
    errors = [finding for finding in report["rejections"] if finding["severity"] == "error"]
    if row.outcome == "accept":
        assert not errors
    elif row.outcome == "accept+note":
        assert named(report, row.location)
    else:
        assert [finding for finding in named(report, row.location) if finding["severity"] == "error"]
        assert report["put_aside"] + report["refused"] == 1


@pytest.mark.parametrize("number", range(ROWS))
def test_each_hostile_file_ends_as_its_row_requires(data_set: Callable[[str], Path], number: int) -> None:
    folder = data_set("hostile-fhir")
    row = rows(folder)[number]
    check(row, folder / row.file)


def test_no_row_is_left_out(data_set: Callable[[str], Path]) -> None:
    assert len(rows(data_set("hostile-fhir"))) == ROWS
