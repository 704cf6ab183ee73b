"""The catalogue of inputs, rows 19 to 36: which result stands, when it was, and whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bedside import (
    BASE,
    DIABETES,
    ONE_ASIDE,
    ONE_USED,
    ORDER,
    PROCEDURE,
    bundle,
    is_put_aside,
    is_used,
    look,
    look_at,
    patient,
    potassium,
    quantity,
    to_bytes,
    to_ndjson,
)
from patients import INDEX, record_of, seriously_ill, without

import cdss
from cdss.errors import AmbiguousSubjectError

NEWER = "2025-09-03T18:30:00Z"


def version(number: str, value: float, **changes: Any) -> dict[str, Any]:
    return potassium(meta={"versionId": number}, valueQuantity=quantity(value), **changes)


# ---- which of them stands


@pytest.mark.catalogue(19)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "entered-in-error"}, "status-not-usable"),
        ({"status": "cancelled"}, "status-not-usable"),
        ({"status": "unknown"}, "status-not-usable"),
        ({"status": ""}, "status-not-usable"),
        ({"_status": {"extension": []}}, "status-not-usable"),
        ({"status": None}, "wrong-type"),
    ],
)
def test_a_newer_result_that_does_not_stand_hides_no_older_one(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    newer = potassium("k2", status=None, effectiveDateTime=NEWER, valueQuantity=quantity(5.9)) | changes
    reading = look(tmp_path, potassium(), newer)
    assert reading.value() == "3.9 mmol/L"
    assert reading.findings("error") == {("Observation/k2", "status", reason)}
    assert reading.counts == (2, 0, 1, 0)


@pytest.mark.catalogue(20)
@pytest.mark.parametrize("order", [1, -1])
def test_of_a_preliminary_and_a_final_result_the_final_one_is_the_value(tmp_path: Path, order: int) -> None:
    pair = [potassium("k1", status="preliminary"), potassium("k2", valueQuantity=quantity(4.6))]
    reading = look(tmp_path, *pair[::order])
    assert (reading.value(), reading.counts) == ("4.6 mmol/L", (3, 0, 0, 0))
    assert reading.findings("error") == set()


@pytest.mark.catalogue(21)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_the_second_version_of_a_result_replaces_the_first(tmp_path: Path, order: int, status: str) -> None:
    pair = [version("1", 3.9), version("2", 4.6, status=status)]
    reading = look(tmp_path, *pair[::order])
    assert (reading.value(), reading.counts) == ("4.6 mmol/L", (2, 1, 0, 0))
    assert reading.findings("note") == {("Observation/k", "", "superseded-version")}
    assert reading.findings("error") == set()


@pytest.mark.catalogue(22)
@pytest.mark.parametrize("order", [1, -1])
def test_two_contents_under_one_id_without_a_version_are_both_put_aside(tmp_path: Path, order: int) -> None:
    pair = [potassium(), potassium(valueQuantity=quantity(4.6))]
    reading = look(tmp_path, *pair[::order])
    assert reading.findings("error") == {("Observation/k", "id", "same-id-different-content")}
    assert (reading.value(), reading.counts) == (None, (1, 0, 2, 0))


@pytest.mark.catalogue(23)
@pytest.mark.parametrize("second", ["k", "k2"])
def test_a_result_sent_twice_is_counted_once_with_a_note(tmp_path: Path, second: str) -> None:
    reading = look(tmp_path, potassium("k"), potassium(second))
    assert (reading.value(), reading.report["events"], reading.counts) == ("3.9 mmol/L", 1, (2, 1, 0, 0))
    assert reading.reasons() == {"duplicate"}


@pytest.mark.catalogue(24)
@pytest.mark.parametrize("order", [1, -1])
def test_a_result_created_changed_and_deleted_in_a_history_is_not_used(tmp_path: Path, order: int) -> None:
    url, requests = f"{BASE}Observation/k", [("POST", version("1", 3.9)), ("PUT", version("2", 4.6)), ("DELETE", None)]
    entries = [
        {"fullUrl": url, "request": {"method": method, "url": "Observation/k"}}
        | ({} if resource is None else {"resource": resource})
        for method, resource in requests
    ]
    reading = look_at(tmp_path, to_bytes(bundle(patient(), *entries[::order], kind="history")))
    assert (reading.value(), reading.counts) == (None, (1, 3, 0, 0))
    assert reading.reasons() == {"deleted", "deletion", "superseded-version"}


# ---- when it was


@pytest.mark.catalogue(25)
@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"effectiveDateTime": "2025-09-03T19:00:01Z"}, "effectiveDateTime"),
        ({"effectiveDateTime": "2031-01-01T00:00:00Z"}, "effectiveDateTime"),
        ({"issued": "2025-09-03T19:00:01Z"}, "issued"),
    ],
)
def test_what_nobody_knew_at_the_index_time_is_put_aside(
    tmp_path: Path, changes: dict[str, Any], location: str
) -> None:
    is_put_aside(look(tmp_path, potassium(**changes)), location, "after-index-time")


@pytest.mark.catalogue(25, 29)
@pytest.mark.parametrize("time", ["2031-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1900-01-01T00:00:00Z", "0001-01-01"])
def test_a_creatinine_dated_by_a_default_or_in_the_future_is_missing_for_the_model(time: str) -> None:
    told = without(seriously_ill(), "creatinine")
    told = told.with_creatinine(1.9, hours=-3, effectiveDateTime=time, issued=time)
    answer = cdss.load_model("serious-illness-180d").assess(record_of(told), INDEX)
    assert isinstance(answer, cdss.Abstention)
    assert ("required-missing", "creatinine") in [(reason.code, reason.feature) for reason in answer.reasons]


@pytest.mark.catalogue(26)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2025-09-03T23:59:00+14:00", "2025-09-03T10:00:00Z"),
        ("2025-09-03T14:10:00-04:00", "2025-09-03T18:11:00Z"),
        ("2025-09-04T00:30:00+09:00", "2025-09-03T15:31:00Z"),
        ("2025-09-03T18:00:00.9Z", "2025-09-03T18:00:01Z"),
    ],
)
def test_the_newer_instant_wins_whatever_its_zone_looks_like(
    tmp_path: Path, order: int, older: str, newer: str
) -> None:
    pair = [
        potassium("k1", effectiveDateTime=older),
        potassium("k2", effectiveDateTime=newer, valueQuantity=quantity(5.2)),
    ]
    reading = look(tmp_path, *pair[::order])
    assert (reading.value(), reading.counts) == ("5.2 mmol/L", (3, 0, 0, 0))


WRONG_TIMES = [
    ("2025-09-03T14:10:00", "time-without-zone"),
    ("2025-09-03T24:00:00Z", "time-invalid"),
    ("2025-02-30T10:00:00Z", "time-invalid"),
    ("2025-02-30", "time-invalid"),
    ("09/03/2025 14:10", "time-invalid"),
]


@pytest.mark.catalogue(27)
@pytest.mark.parametrize(("time", "reason"), WRONG_TIMES)
@pytest.mark.parametrize(
    ("resource", "location"),
    [
        pytest.param(potassium(), "effectiveDateTime", id="result"),
        pytest.param(potassium(), "issued", id="issue"),
        pytest.param(DIABETES, "onsetDateTime", id="onset"),
        pytest.param(DIABETES, "recordedDate", id="record"),
        pytest.param(PROCEDURE, "performedDateTime", id="procedure"),
        pytest.param(ORDER, "authoredOn", id="order"),
    ],
)
def test_a_time_that_cannot_be_placed_puts_its_resource_aside(
    tmp_path: Path, resource: dict[str, Any], location: str, time: str, reason: str
) -> None:
    source = f"{resource['resourceType']}/{resource['id']}"
    is_put_aside(look(tmp_path, resource | {location: time}), location, reason, source)


@pytest.mark.catalogue(28)
@pytest.mark.parametrize(
    ("date", "ended"),
    [
        ("2025-09-02", True),
        ("2025-08", True),
        ("2024", True),
        ("2025-09-03", False),
        ("2025-09", False),
        ("2025", False),
    ],
)
def test_a_date_alone_counts_once_it_is_over_everywhere_on_earth(tmp_path: Path, date: str, ended: bool) -> None:
    reading = look(tmp_path, potassium(effectiveDateTime=date))
    assert ("Observation/k", "effectiveDateTime", "time-partial") in reading.findings("note")
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", ONE_USED) if ended else (None, ONE_ASIDE)


@pytest.mark.catalogue(29)
@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("1900-01-01", "time-implausible"),
        ("1900-01-01T00:00:00Z", "time-implausible"),
        ("0001-01-01T00:00:00Z", "time-implausible"),
        ("9999-12-31T23:59:59Z", "after-index-time"),
    ],
)
def test_a_default_date_is_no_time(tmp_path: Path, time: str, reason: str) -> None:
    is_put_aside(look(tmp_path, potassium(effectiveDateTime=time)), "effectiveDateTime", reason)


@pytest.mark.catalogue(30)
@pytest.mark.parametrize("time", ["2016-12-31T23:59:60Z", "2016-12-31T18:59:60-05:00", "2016-12-31T23:59:60.5Z"])
def test_a_result_in_a_leap_second_is_used(tmp_path: Path, time: str) -> None:
    reading = look(tmp_path, potassium(effectiveDateTime=time))
    is_used(reading)
    assert reading.report["values"][0]["effective"].startswith("2017-01-01T00:00:00")


@pytest.mark.catalogue(30)
@pytest.mark.parametrize("order", [1, -1])
def test_the_hour_that_comes_twice_in_autumn_is_told_apart_by_its_offset(tmp_path: Path, order: int) -> None:
    summer = potassium("k1", effectiveDateTime="2024-11-03T01:50:00-04:00")
    winter = potassium("k2", effectiveDateTime="2024-11-03T01:10:00-05:00", valueQuantity=quantity(5.2))
    reading = look(tmp_path, *[summer, winter][::order])
    assert (reading.value(), reading.counts) == ("5.2 mmol/L", (3, 0, 0, 0))


@pytest.mark.catalogue(31)
@pytest.mark.parametrize(
    ("time", "location", "reason"),
    [
        ({"effectivePeriod": {"start": "2025-09-03T10:00:00Z", "end": "2025-09-03T20:00:00Z"}},
         "effectivePeriod", "after-index-time"),
        ({"effectivePeriod": {"start": "2025-09-03T10:00:00Z"}}, "effective[x]", "time-missing"),
        ({"effectiveTiming": {"event": ["2025-09-03T10:00:00Z"]}}, "effective[x]", "time-missing"),
        ({}, "effective[x]", "time-missing"),
    ],
)  # fmt: skip
def test_a_collection_that_is_not_over_or_has_no_end_is_put_aside(
    tmp_path: Path, time: dict[str, Any], location: str, reason: str
) -> None:
    is_put_aside(look(tmp_path, potassium(effectiveDateTime=None) | time), location, reason)


@pytest.mark.catalogue(31)
@pytest.mark.parametrize("time", [{}, {"effectiveTiming": {}}, {"effectivePeriod": {"start": "2025-09-03T10:00:00Z"}}])
def test_a_result_with_only_its_issue_counts_from_there_with_a_note(tmp_path: Path, time: dict[str, Any]) -> None:
    reading = look(tmp_path, potassium(effectiveDateTime=None, issued="2025-09-03T10:30:00Z") | time)
    is_used(reading, ("effective[x]", "time-from-issued"))
    assert reading.report["values"][0]["effective"] == "2025-09-03T10:30:00Z"


# ---- whose it is


@pytest.mark.catalogue(32)
def test_another_patients_potassium_raises_the_alarm_and_is_not_used(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(subject={"reference": "Patient/p2"}))
    is_put_aside(reading, "subject", "other-patient")


@pytest.mark.catalogue(32, 33, 34)
@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (None, "subject-missing"),
        ({"display": "Mrs Okonkwo"}, "subject-missing"),
        ({"reference": "Group/p1"}, "subject-not-patient"),
        ({"reference": "Practitioner/p1"}, "subject-not-patient"),
        ({"reference": "#p1"}, "subject-contained"),
        ({"reference": "https://elsewhere.example/r4/Patient/p1"}, "subject-unresolved"),
        ({"reference": "urn:uuid:6c1d2a2e-6f0b-4a52-9c4c-0f2f6a2f6b11"}, "subject-unresolved"),
        ({"identifier": {"system": "urn:oid:1.2.3", "value": "MRN-2"}}, "subject-unresolved"),
    ],
)
def test_a_result_that_cannot_be_given_to_the_patient_is_put_aside(
    tmp_path: Path, subject: dict[str, Any] | None, reason: str
) -> None:
    is_put_aside(look(tmp_path, potassium(subject=subject)), "subject", reason)


@pytest.mark.catalogue(35)
def test_an_encounter_that_was_not_sent_is_a_note_and_the_result_counts(tmp_path: Path) -> None:
    is_used(look(tmp_path, potassium(encounter={"reference": "Encounter/gone"})), ("encounter", "encounter-unresolved"))


@pytest.mark.catalogue(36)
def test_a_question_about_one_of_two_patients_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.ndjson"
    path.write_bytes(to_ndjson(patient(), patient("p2"), potassium()))
    with pytest.raises(AmbiguousSubjectError) as refused:
        cdss.load_model("serious-illness-180d").assess(cdss.read(path), INDEX)
    assert (refused.value.reason, refused.value.exit_code) == ("ambiguous-subject", 3)
