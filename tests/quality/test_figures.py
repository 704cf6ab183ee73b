"""Golden figures of a source made by hand, where each number can be counted on the page of this file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sources import MADE, directory, lines, one_file, patient, report_of, result, stay

from cdss.cli.quality import shipped_specs
from cdss.errors import IntegrityError
from cdss.record import Census
from cdss.workflow.quality import quality_report

RESULTS = [
    result("c1", 1),
    result("c2", 2, effectiveDateTime="2026-01-04T10:00:00Z", issued="2026-01-04T11:00:00Z"),
    result("c3", 176.84, unit="umol/L", owner="b", effectiveDateTime="2026-02-13T10:00:00Z", issued=None),
    result("c4", 25, effectiveDateTime="2026-01-05T10:00:00Z"),  # rare, used with a note
    result("c5", 900, effectiveDateTime="2026-01-06T10:00:00Z"),  # impossible
    result("c6", 1, unit="mm[Hg]", effectiveDateTime="2026-01-07T10:00:00Z"),  # no unit of a creatinine
    result("c7", 1, status="entered-in-error"),
    result("c8", 1),  # c1 under another id
    result(
        "c9", None, valueQuantity=None, dataAbsentReason={"text": "clotted"}, effectiveDateTime="2026-01-08T10:00:00Z"
    ),
    result("n1", 140, unit="meq/L", code="2951-2", effectiveDateTime="2026-01-03T10:00:00"),  # no zone
    result("x1", 7, unit="1", code="3151-8", effectiveDateTime="1949-12-31T10:00:00Z", issued="1949-12-31T11:00:00Z"),
]
PEOPLE = [patient("a"), patient("b", gender="other", birthDate="1960", deceasedDateTime="2026-02-01T00:00:00Z")]
FILES = {
    "people.ndjson": lines(*PEOPLE),
    "lab/results.ndjson": lines(*RESULTS, b"{not json"),
    "lab/Ann Smith.json": lines(stay("s1", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z")),
    "lab/Bo Jones.json": lines(stay("s2", "2026-01-10T00:00:00Z", None, owner="b")),
}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return report_of(directory(FILES))[1]


def code(report: dict[str, Any], wanted: str) -> dict[str, Any]:
    (found,) = (one for one in report["codes"] if one["code"] == wanted)
    return found


def test_the_resources_by_type_and_by_file(report):
    assert report["counts"] == {
        "resources": 16, "used": 9, "not_needed": 2, "put_aside": 4, "refused": 1, "events": 7, "findings": 11,
    }  # fmt: skip
    assert report["resources"]["by_type"] == [
        {"type": "Encounter", "resources": 2, "used": 2, "not_needed": 0, "put_aside": 0, "refused": 0},
        {"type": "Observation", "resources": 11, "used": 5, "not_needed": 2, "put_aside": 4, "refused": 0},
        {"type": "Patient", "resources": 2, "used": 2, "not_needed": 0, "put_aside": 0, "refused": 0},
        {"type": None, "resources": 1, "used": 0, "not_needed": 0, "put_aside": 0, "refused": 1},
    ]
    assert report["resources"]["by_file"] == [
        {"file": "lab/*.json", "files": 2, "resources": 2, "used": 2, "not_needed": 0, "put_aside": 0, "refused": 0},
        {"file": "lab/results.ndjson", "files": 1, "resources": 12, "used": 5, "not_needed": 2, "put_aside": 4}
        | {"refused": 1},
        {"file": "people.ndjson", "files": 1, "resources": 2, "used": 2, "not_needed": 0, "put_aside": 0, "refused": 0},
    ]  # fmt: skip


def test_a_name_of_a_patient_in_a_file_name_is_not_told(report):
    assert "Smith" not in str(report["resources"])


def test_a_code_has_what_was_sent_and_what_came_of_it(report):
    creatinine = code(report, "2160-0")
    assert {name: creatinine[name] for name in ("sent", "usable", "absent", "elsewhere", "patients")} == {
        "sent": 9, "usable": 4, "absent": 1, "elsewhere": 2, "patients": 2,
    }  # fmt: skip
    assert creatinine["put_aside"] == {"unit-wrong-dimension": 1, "value-impossible": 1}
    assert creatinine["share_usable"] == 4 / 7
    assert creatinine["without_issued"] == 1
    assert creatinine["models"] == ["serious-illness-180d"]


def test_the_units_as_sent_and_how_each_is_read(report):
    units = {(unit["unit"], unit["read"], unit["reason"]): unit["values"] for unit in code(report, "2160-0")["units"]}
    assert units == {
        ("mg/dL", "as is", None): 6,
        ("(no value)", "no unit", None): 1,
        ("mm[Hg]", "not read", "unit-wrong-dimension"): 1,
        ("umol/L", "converted", None): 1,
    }
    assert {(unit["unit"], unit["read"]) for unit in code(report, "2951-2")["units"]} == {("meq/L", "equal")}


def test_the_values_in_the_reference_unit_and_their_limits(report):
    creatinine = code(report, "2160-0")
    values = creatinine["values"]
    assert (values["unit"], values["n"], values["minimum"], values["maximum"]) == ("mg/dL", 4, 1, 25)
    assert values["median"] == pytest.approx((2 + 2.0004) / 2, abs=1e-3)
    assert creatinine["limits"] == {
        "unit": "mg/dL", "physical": [0.09, 40], "plausible": [0.2, 20], "outside_physical": 1, "outside_plausible": 1,
    }  # fmt: skip


def test_the_months_and_the_longest_gap(report):
    time = code(report, "2160-0")["time"]
    assert time == {
        "first": "2026-01", "last": "2026-02", "months_with_any": 2, "months_spanned": 2,
        "by_month": {"2026-01": 3, "2026-02": 1}, "longest_gap_days": 39.0, "longest_gap_from": "2026-01",
    }  # fmt: skip
    assert [(month["month"], month["events"], month["patients"]) for month in report["months"]] == [
        ("1949-12", 1, 1), ("2026-01", 5, 2), ("2026-02", 1, 1),
    ]  # fmt: skip


def test_the_patients_and_their_stays(report):
    people = report["patients"]
    assert people["n"] == 2
    assert people["birth_date"] == {"full": 1, "partial": 1, "missing": 0}
    assert people["sex"] == {"female": 1, "male": 0, "unknown": 1}
    assert people["death"] == {"dated": 1, "undated": 0}
    assert (people["without_events"], people["named_by_events_only"], people["birth_implausible"]) == (0, 0, 0)
    assert (report["encounters"]["n"], report["encounters"]["open"]) == (2, 1)
    assert report["encounters"]["days"]["median"] == 4


def test_the_times(report):
    times = report["times"]
    assert (times["observations"], times["without_issued"], times["without_zone"]) == (11, 1, 1)
    assert (times["events_before_birth"], times["events_after_death"], times["events_in_the_future"]) == (1, 1, 0)


def test_the_findings_by_reason_with_a_place_each(report):
    found = {(finding["severity"], finding["reason"]): finding for finding in report["findings"]}
    assert found["error", "value-impossible"]["n"] == 1
    assert found["error", "value-impossible"]["example"]["source"] == "Observation/c5"
    assert found["error", "unit-wrong-dimension"]["category"] == "conformance"
    assert found["note", "duplicate"]["subcategory"] == "uniqueness"
    assert found["error", "time-without-zone"]["n"] == 1
    assert all("900" not in finding["example"]["message"] for finding in report["findings"])


def test_what_a_model_would_find(report):
    (model,) = report["models"]
    features = {feature["name"]: feature for feature in model["features"]}
    assert (features["creatinine"]["patients"], features["creatinine"]["needed"]) == (2, True)
    assert (features["sodium"]["patients"], features["sodium"]["events"]) == (0, 0)
    assert features["age"]["patients"] == 2


def test_a_code_of_no_table_is_counted(report):
    assert report["unknown_codes"]["listed"] == [{"system": "http://loinc.org", "code": "3151-8", "events": 1}]


def test_an_empty_and_a_silent_source_have_reports():
    _, report = report_of(one_file(patient("a")))
    assert report["months"] == []
    assert report["encounters"]["days"] is None
    assert all(code["values"] is None for code in report["codes"])


def test_two_codes_on_one_pulse_oximetry_count_as_the_more_exact_one():
    both = {"coding": [{"system": "http://loinc.org", "code": code} for code in ("59408-5", "2708-6")]}
    _, report = report_of(one_file(patient("a"), result("o", 95, unit="%") | {"code": both}))
    assert (code(report, "59408-5")["sent"], code(report, "59408-5")["usable"]) == (1, 1)
    assert code(report, "2708-6")["sent"] == 0


def test_a_coded_answer_is_usable_and_is_none_of_the_numbers():
    system = "https://cdss.example/fhir/CodeSystem/support2"
    group, answer = ({"coding": [{"system": system, "code": name}]} for name in ("dzgroup", "coma"))
    coded = result("d", None, valueQuantity=None, valueCodeableConcept=answer) | {"code": group}
    _, report = report_of(one_file(patient("a"), coded, result("c", 1)))
    for name, numbers in (("dzgroup", 0), ("2160-0", 1)):
        found = code(report, name)
        assert found["usable"] == 1
        assert ((found["values"] or {"n": 0})["n"], found["bounds"]) == (numbers, 0)


def test_counts_that_do_not_agree_make_no_report():
    record, _ = report_of(one_file(patient("a"), result("c", 1)))
    assert record.census is not None
    wrong = dict(record.census.resources) | {("all.ndjson", "Observation", "put_aside"): 1}
    census = Census(resources=wrong, sent=record.census.sent, without_issued={}, observations=1, unissued=0)
    with pytest.raises(IntegrityError, match="do not agree") as refused:
        quality_report(replace(record, census=census), shipped_specs(), made=MADE, version="test")
    assert refused.value.exit_code == 4
