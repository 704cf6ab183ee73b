"""When it was true and when it was known: no value from the future, none without a time that can be placed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bedside import AS_OF, LOINC, code, look, patient, potassium, quantity

NO_TIME: dict[str, Any] = {"effectiveDateTime": None}
YESTERDAY = potassium("k0", effectiveDateTime="2025-09-02T08:00:00Z", valueQuantity=quantity(4.4))


@pytest.mark.catalogue(25, 27, 28, 29)
@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2025-09-03T14:10:00", "time-without-zone"),
        ("2025-09-03T14:10", "time-without-zone"),
        ("2025-09-03T24:00:00Z", "time-invalid"),
        ("2025-09-03T12:00:61Z", "time-invalid"),
        ("2025-02-30", "time-invalid"),
        ("2025-02-30T10:00:00Z", "time-invalid"),
        ("09/03/2025 14:10", "time-invalid"),
        ("0001-01-01T00:00:00+14:00", "time-invalid"),
        ("9999", "time-invalid"),
        ("2025-13", "time-invalid"),
        ("yesterday", "time-invalid"),
        ("", "time-invalid"),
        ("2025-09-03T19:00:01Z", "after-index-time"),
        ("9999-12-31T23:59:59Z", "after-index-time"),
        ("2025-09-03", "after-index-time"),
        ("2025-09", "after-index-time"),
        ("2025", "after-index-time"),
    ],
)
def test_a_result_without_a_usable_time_is_put_aside(tmp_path: Path, time: str, reason: str) -> None:
    reading = look(tmp_path, YESTERDAY, potassium(effectiveDateTime=time))
    assert reading.value() == "4.4 mmol/L"
    assert reading.reasons("error") == {reason}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(26, 30)
@pytest.mark.parametrize(
    "time", ["2016-12-31T23:59:60Z", "2025-09-03T19:00:00Z", "2025-09-03T15:00:00-04:00", "2025-09-03T18:10:00.123Z"]
)
def test_a_time_that_exists_is_used(tmp_path: Path, time: str) -> None:
    assert look(tmp_path, potassium(effectiveDateTime=time)).value() == "3.9 mmol/L"


@pytest.mark.catalogue(28)
@pytest.mark.parametrize("time", ["2025-09-01", "2025-08", "2024"])
def test_a_partial_date_counts_from_its_last_moment_with_a_note(tmp_path: Path, time: str) -> None:
    reading = look(tmp_path, potassium(effectiveDateTime=time))
    assert reading.value() == "3.9 mmol/L"
    assert reading.reasons() == {"time-partial"}


@pytest.mark.catalogue(26)
def test_zones_are_compared_as_instants(tmp_path: Path) -> None:
    earlier = potassium("k1", effectiveDateTime="2025-09-03T14:10:00-04:00")
    later = potassium("k2", effectiveDateTime="2025-09-03T18:40:00Z", valueQuantity=quantity(5.2))
    assert look(tmp_path, later, earlier).value() == "5.2 mmol/L"


@pytest.mark.catalogue(31)
@pytest.mark.parametrize(
    ("changes", "expected", "reasons"),
    [
        pytest.param(
            NO_TIME | {"effectivePeriod": {"start": "2025-09-03T10:00:00Z", "end": "2025-09-03T11:00:00Z"}},
            "3.9 mmol/L", set(), id="a-period-that-is-over",
        ),
        pytest.param(
            NO_TIME | {"effectivePeriod": {"start": "2025-09-03T10:00:00Z", "end": "2025-09-03T20:00:00Z"}},
            None, {"after-index-time"}, id="a-period-still-running",
        ),
        pytest.param(
            NO_TIME | {"effectivePeriod": {"start": "2025-09-03T12:00:00Z", "end": "2025-09-03T11:00:00Z"}},
            None, {"time-reversed"}, id="a-period-that-runs-backwards",
        ),
        pytest.param(
            NO_TIME | {"effectivePeriod": {"start": "2025-09-03T10:00:00Z"}},
            None, {"time-missing"}, id="an-open-period",
        ),
        pytest.param(NO_TIME | {"effectiveTiming": {}}, None, {"time-missing"}, id="a-timing"),
        pytest.param(NO_TIME | {"effectiveInstant": "2025-09-03T10:00:00Z"}, "3.9 mmol/L", set(), id="an-instant"),
        pytest.param(
            NO_TIME | {"issued": "2025-09-03T10:00:00Z"}, "3.9 mmol/L", {"time-from-issued"}, id="issued-only"
        ),
        pytest.param({"issued": "2025-09-03T19:30:00Z"}, None, {"after-index-time"}, id="issued-after-the-index-time"),
        pytest.param({"issued": "soon"}, None, {"time-invalid"}, id="issued-unreadable"),
        pytest.param(
            {"effectiveInstant": "2025-09-03T10:00:00Z"}, None, {"time-multiple"}, id="two-effective-times"
        ),
    ],
)  # fmt: skip
def test_effective_and_issued_decide_together(
    tmp_path: Path, changes: dict[str, Any], expected: str | None, reasons: set[str]
) -> None:
    reading = look(tmp_path, potassium(**changes))
    assert reading.value() == expected
    assert reading.reasons() == reasons


@pytest.mark.catalogue(20)
@pytest.mark.parametrize("order", [1, -1])
def test_final_wins_over_preliminary_at_one_time(tmp_path: Path, order: int) -> None:
    pair = [potassium("k1", status="preliminary"), potassium("k2", valueQuantity=quantity(4.6))]
    assert look(tmp_path, *pair[::order]).value() == "4.6 mmol/L"


@pytest.mark.catalogue(20, 25)
@pytest.mark.parametrize("order", [1, -1])
def test_a_final_result_issued_later_does_not_hide_the_preliminary_one(tmp_path: Path, order: int) -> None:
    preliminary = potassium("k1", status="preliminary", issued="2025-09-03T18:20:00Z")
    final = potassium("k2", issued="2025-09-03T19:20:00Z", valueQuantity=quantity(4.6))
    assert look(tmp_path, *[preliminary, final][::order]).value() == "3.9 mmol/L"


@pytest.mark.catalogue(21)
@pytest.mark.parametrize("order", [1, -1])
def test_a_corrected_result_wins_over_the_final_one(tmp_path: Path, order: int) -> None:
    pair = [potassium("k1"), potassium("k2", status="corrected", valueQuantity=quantity(4.6))]
    assert look(tmp_path, *pair[::order]).value() == "4.6 mmol/L"


@pytest.mark.catalogue(29)
@pytest.mark.parametrize(
    "time", ["1900-01-01T00:00:00Z", "1900-01-01T00:00:00-12:00", "1900-01-01", "1900", "0002-01-01"]
)
def test_a_default_date_of_1900_is_no_time(tmp_path: Path, time: str) -> None:
    reading = look(tmp_path, potassium(effectiveDateTime=time), condition(onsetDateTime=time))
    assert reading.report["events"] == 0
    assert reading.reasons("error") == {"time-implausible"}


def test_a_finished_stay_without_an_end_is_no_open_stay(tmp_path: Path) -> None:
    stay = {"resourceType": "Encounter", "id": "e", "class": {"system": "http://x", "code": "IMP"}}
    stay |= {"subject": {"reference": "Patient/p1"}, "period": {"start": "2025-09-03T06:00:00Z"}}
    assert look(tmp_path, stay | {"status": "in-progress"}).report["events"] == 1
    reading = look(tmp_path, stay | {"status": "finished"})
    assert reading.report["events"] == 0
    assert reading.reasons("error") == {"time-missing"}


def test_without_an_index_time_every_value_counts(tmp_path: Path) -> None:
    later = potassium("k2", effectiveDateTime="2030-01-01T00:00:00Z", valueQuantity=quantity(4.6))
    assert look(tmp_path, potassium(), later, index_time=None).value() == "4.6 mmol/L"


def condition(**changes: Any) -> dict[str, Any]:
    base = {"resourceType": "Condition", "id": "c", "code": code("44054006", system="http://snomed.info/sct")}
    return base | {"subject": {"reference": "Patient/p1"}, "recordedDate": "2020-01-01T00:00:00Z"} | changes


@pytest.mark.parametrize(
    ("status", "events"),
    [("confirmed", 1), ("refuted", 0), ("entered-in-error", 0), ("provisional", 0), ("differential", 0), ("sure", 0)],
)
def test_only_a_confirmed_diagnosis_counts(tmp_path: Path, status: str, events: int) -> None:
    reading = look(tmp_path, condition(verificationStatus=code(status, system="http://x")))
    assert reading.report["events"] == events
    assert reading.report["put_aside"] == 1 - events


@pytest.mark.parametrize("element", ["verificationStatus", "clinicalStatus"])
@pytest.mark.parametrize("status", [{"text": "refuted"}, {}, code("REFUTED", system="http://x"), code("x", system="y")])
def test_a_diagnosis_whose_status_is_not_understood_does_not_count(
    tmp_path: Path, element: str, status: dict[str, Any]
) -> None:
    reading = look(tmp_path, condition(**{element: status}))
    assert reading.report["events"] == 0
    assert reading.reasons("error") == {"status-not-usable"}


@pytest.mark.parametrize(
    "fault",
    [{"recordedDate": "2020-01-01T00:00:00"}, {"recordedDate": ""}, {"clinicalStatus": {"text": "active"}}],
)
def test_a_diagnosis_put_aside_says_which_it_may_have_been(tmp_path: Path, fault: dict[str, Any]) -> None:
    (finding,) = look(tmp_path, condition(**fault)).record.rejections
    assert finding.codes == ("http://snomed.info/sct|44054006",)


@pytest.mark.parametrize("over", [{"abatementString": "2021"}, {"abatementAge": {"value": 60}}, {"abatementRange": {}}])
def test_a_diagnosis_that_ended_at_no_date_is_over(tmp_path: Path, over: dict[str, Any]) -> None:
    reading = look(tmp_path, condition(**over))
    (event,) = reading.record.events
    assert event.end == event.issued
    assert reading.reasons() == {"condition-over-undated"}


def test_an_order_not_to_give_a_drug_is_no_drug(tmp_path: Path) -> None:
    order = {"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order"}
    order |= {"subject": {"reference": "Patient/p1"}, "authoredOn": "2025-09-01T00:00:00Z"}
    order |= {"medicationCodeableConcept": code("1", system="http://x")}
    assert look(tmp_path, order).report["events"] == 1
    reading = look(tmp_path, order | {"doNotPerform": True})
    assert reading.report["events"] == 0
    assert reading.reasons("error") == {"not-to-be-done"}


@pytest.mark.catalogue(47)
def test_the_class_of_an_encounter_in_its_r5_form_is_put_aside(tmp_path: Path) -> None:
    encounter = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": [code("IMP")]}
    encounter |= {"subject": {"reference": "Patient/p1"}, "period": {"start": "2025-09-03T06:00:00Z"}}
    reading = look(tmp_path, encounter)
    assert reading.reasons("error") == {"wrong-type"}


@pytest.mark.catalogue(37, 38, 39, 41)
@pytest.mark.parametrize(
    ("changes", "blocked"),
    [
        pytest.param({"deceasedBoolean": False}, set(), id="alive"),
        pytest.param({"deceasedBoolean": True}, {"deceased"}, id="dead-undated"),
        pytest.param({"deceasedDateTime": "2025-09-03T18:00:00Z"}, {"deceased"}, id="dead-before"),
        pytest.param({"deceasedDateTime": "2025"}, {"deceased"}, id="dead-perhaps-before"),
        pytest.param({"deceasedDateTime": "2025-09-04T18:00:00Z"}, set(), id="dead-later"),
        pytest.param({"deceasedDateTime": "last week"}, {"deceased"}, id="dead-at-an-unreadable-time"),
        pytest.param({"_deceasedDateTime": {"extension": []}}, {"deceased"}, id="dead-at-an-unknown-time"),
        pytest.param({"DeceasedBoolean": True}, {"patient-unusable"}, id="dead-in-capitals"),
        pytest.param({"deceased": True}, {"patient-unusable"}, id="dead-under-another-name"),
        pytest.param({"deceasedBoolean": "false"}, {"patient-unusable"}, id="dead-as-text"),
        pytest.param({"birthDate": "1884-01-01"}, {"birth-date-implausible"}, id="141-years"),
        pytest.param({"birthDate": "1900-01-01"}, {"birth-date-implausible"}, id="default-birth-date"),
        pytest.param({"birthDate": "2031-01-01"}, {"birth-date-implausible"}, id="born-in-the-future"),
        pytest.param({"birthDate": "2020-01-01"}, set(), id="a-child"),
        pytest.param({"birthDate": "1958"}, set(), id="year-of-birth-only"),
        pytest.param({"birthDate": "XXXX-XX-XX"}, set(), id="masked-birth-date"),
        pytest.param({"active": False}, {"patient-inactive"}, id="inactive"),
        pytest.param({"modifierExtension": [{"url": "x"}]}, {"modifier-extension"}, id="modifier-extension"),
        pytest.param({"implicitRules": "http://x"}, {"modifier-extension"}, id="implicit-rules"),
        *(
            pytest.param(
                {"link": [{"other": {"reference": "Patient/p1"}, "type": kind}]},
                {"patient-merged" if kind == "replaced-by" else "patient-linked"},
                id=kind,
            )
            for kind in ("replaced-by", "replaces", "refer", "seealso")
        ),
    ],
)
def test_what_the_patient_record_says_decides_whether_a_score_is_allowed(
    tmp_path: Path, changes: dict[str, Any], blocked: set[str]
) -> None:
    reading = look(tmp_path, patient(**changes), potassium(), with_patient=False)
    assert reading.blocked == blocked
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(39)
@pytest.mark.parametrize(
    ("changes", "known"),
    [({"birthDate": "1958"}, True), ({"birthDate": "XXXX-XX-XX"}, False), ({"birthDate": None}, False)],
)
def test_an_unknown_age_has_no_default(tmp_path: Path, changes: dict[str, Any], known: bool) -> None:
    person = {name: value for name, value in patient(**changes).items() if value is not None}
    reading = look(tmp_path, person, potassium(), with_patient=False)
    age = reading.record.patients["Patient/p1"].age(AS_OF)
    assert (age is not None) == known
    assert age is None or 66 <= age <= 68


@pytest.mark.catalogue(40)
@pytest.mark.parametrize(("gender", "female"), [("female", True), ("male", False), ("other", None), ("unknown", None)])
def test_sex_has_no_default(tmp_path: Path, gender: str, female: bool | None) -> None:
    reading = look(tmp_path, patient(gender=gender), with_patient=False)
    assert reading.record.patients["Patient/p1"].female is female


def test_loinc_is_the_system_of_the_values(tmp_path: Path) -> None:
    (value,) = look(tmp_path, potassium()).report["values"]
    assert value == {
        "source": "Observation/k",
        "system": LOINC,
        "code": "2823-3",
        "value": "3.9",
        "unit": "mmol/L",
        "effective": "2025-09-03T18:10:00Z",
        "comparator": None,
    }
