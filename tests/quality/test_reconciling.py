"""The report agrees with `cdss read --json` on the same source, whatever the source is."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import MADE, directory, lines, one_file, patient, report_of, result, stay

from cdss.cli.quality import shipped_specs
from cdss.errors import CdssError, InputRefusedError
from cdss.fhir.census import read_counted
from cdss.fhir.files import Source
from cdss.fhir.read import read
from cdss.workflow.quality import quality_page, quality_report
from cdss.workflow.reading import read_report

FOUR = ("resources", "used", "not_needed", "put_aside", "refused")
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def check(source: str | Path | Source) -> dict[str, Any]:
    """Hold a report against what `read` says, and against itself."""
    told = read(source)
    said = read_report(told, subject=None, index_time=None, lookback=None)
    record, report = report_of(source)
    assert {name: report["counts"][name] for name in (*FOUR, "events")} == {
        name: said[name] for name in (*FOUR, "events")
    }
    assert record.rejections == told.rejections
    reasons: Counter[str] = Counter()
    for finding in report["findings"]:
        reasons[finding["reason"]] += finding["n"]
    assert reasons == Counter(rejection.reason for rejection in told.rejections)
    for rows in report["resources"].values():
        for name in FOUR:
            assert sum(row[name] for row in rows) == said[name]
    assert Counter(block["reason"] for block in said["blocked"]) == report["blocked"]
    assert all(equation["left"] == equation["right"] for equation in report["checks"])
    for code in report["codes"]:
        check_code(code)
    json.dumps(report, allow_nan=False)
    quality_page(report)
    return report


def check_code(code: dict[str, Any]) -> None:
    assert 0 <= code["usable"] <= code["sent"], code
    parts = code["usable"] + code["absent"] + sum(code["put_aside"].values()) + code["elsewhere"]
    assert parts >= code["sent"]  # one value may have several findings
    assert sum(unit["values"] for unit in code["units"]) == code["sent"]
    assert (code["time"] is None) == (code["usable"] == 0)
    if code["time"]:
        assert sum(code["time"]["by_month"].values()) == code["usable"]
    if code["values"]:
        assert code["values"]["n"] + code["bounds"] == code["usable"]
        places = [code["values"][name] for name in ("minimum", "p5", "median", "p95", "maximum")]
        assert places == sorted(places)


@pytest.mark.parametrize(
    "name", ["mimic-iv-demo", "synthea-r4", "hl7-us-core-examples", "hl7-r4-examples", "hostile-fhir"]
)
def test_each_public_data_set(data_set: Callable[[str], Path], name: str) -> None:
    check(data_set(name))


def test_each_hostile_file(data_set: Callable[[str], Path]) -> None:
    read_at_all = 0
    for path in sorted(data_set("hostile-fhir").iterdir()):
        try:
            read(path)
        except CdssError as error:
            with pytest.raises(type(error)):
                read_counted(path)
            continue
        check(path)
        read_at_all += 1
    assert read_at_all > 30


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.json")))
def test_each_example(name: str) -> None:
    check(EXAMPLES / name)


VALUES = st.one_of(
    st.integers(-5, 50), st.floats(0, 60, allow_nan=False), st.none(), st.text(max_size=3), st.booleans(), st.just([])
)
RESULTS = st.builds(
    result,
    st.sampled_from(["r1", "r2", "r3", "r4", "bad id"]),
    VALUES,
    unit=st.sampled_from(["mg/dL", "umol/L", "mm[Hg]", "", "{score}", "\ud800", "<b>"]),
    owner=st.sampled_from(["a", "a", "b", "nobody"]),
    code=st.sampled_from(["2160-0", "2951-2", "59408-5", "2160-1", "72166-2"]),
    status=st.sampled_from(["final", "final", "preliminary", "cancelled", None]),
    issued=st.sampled_from([None, "2026-01-03T11:00:00Z", "2026-01-03", "never"]),
    effectiveDateTime=st.sampled_from(["2026-01-03T10:00:00Z", "2026-02", "1890", "2026-01-03T10:00:00", None]),
)
PATIENTS = st.builds(
    patient,
    st.sampled_from(["a", "b"]),
    gender=st.sampled_from(["male", "other", 5]),
    birthDate=st.sampled_from(["1950-01-02", "1950", "x", "2100-01-01"]),
    deceasedDateTime=st.sampled_from(["2026-01-01", "2026-01-03T10:00:00Z", "soon"]),
)
STAYS = st.builds(
    stay, st.sampled_from(["s", "t"]), st.just("2026-01-01T00:00:00Z"), st.sampled_from(["2026-01-02", None])
)
ODD = st.sampled_from(
    [b"{", b"7", b"null", b'{"resourceType":"Nonsense"}', b'{"resourceType":"Organization","id":"o"}',
     b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a"}},7,{}]}',
     b'{"resourceType":"OperationOutcome"}']
)  # fmt: skip
RESOURCES = st.lists(st.one_of(RESULTS, RESULTS, PATIENTS, STAYS, ODD), max_size=12)


@settings(max_examples=150)
@given(RESOURCES)
def test_whatever_is_sent_in_one_file(resources: list[Any]) -> None:
    with contextlib.suppress(InputRefusedError):  # nothing, or nothing that is FHIR
        check(one_file(*resources))


@settings(max_examples=60)
@given(RESOURCES, RESOURCES, st.binary(max_size=20))
def test_whatever_is_sent_in_several_files(first: list[Any], second: list[Any], third: bytes) -> None:
    check(directory({"one.ndjson": lines(*first), "two.ndjson": lines(*second), "three.json": third}))


def test_order_of_lines_changes_no_figure() -> None:
    sent = [
        patient("a"),
        result("r1", 1),
        result("r2", 2, issued=None),
        result("r3", 900),
        stay("s", "2026-01-01", None),
    ]
    first, again = (report_of(one_file(*order))[1] for order in (sent, sent[::-1]))
    assert first == again


def test_an_index_time_puts_aside_and_still_agrees() -> None:
    source = one_file(patient("a"), result("r1", 1), result("r2", 2, effectiveDateTime="2026-02-03T10:00:00Z"))
    record = read_counted(source, index_time=MADE - 30 * 86_400_000_000)
    report = quality_report(record, shipped_specs(), made=MADE, version="test", index_time=0)
    assert (report["counts"]["put_aside"], report["index_time"]) == (1, "1970-01-01T00:00:00Z")
