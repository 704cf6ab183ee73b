"""What may be there but cannot be read: a model must not answer as if it were absent."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from patients import INDEX, read_resources, seriously_ill

import cdss

SNOMED_CT, ICD_10_CM = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"


@cache
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


def coded(system: str, code: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


PREGNANCY = {
    "resourceType": "Condition", "id": "x", "code": coded(SNOMED_CT, "77386006"),
    "recordedDate": "2026-03-02T10:00:00Z",
}  # fmt: skip
COMFORT = {
    "resourceType": "Procedure", "id": "x", "status": "completed", "code": coded(SNOMED_CT, "133918004"),
    "performedDateTime": "2026-03-02T10:00:00Z",
}  # fmt: skip
METASTASIS = {
    "resourceType": "Condition", "id": "x", "code": coded(ICD_10_CM, "C78.7"), "recordedDate": "2026-03-02T10:00:00Z",
}  # fmt: skip
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def reasons(*resources: dict[str, Any]) -> list[tuple[str, str | None]]:
    told = seriously_ill()
    owned = [resource | {"subject": {"reference": f"Patient/{told.id}"}} for resource in resources]
    found = model().assess(read_resources([*told.as_resources(), *owned]), INDEX, subject=told.id).to_dict()
    return [(reason["code"], reason.get("feature")) for reason in found.get("reasons", ())]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"recordedDate": "2026-03-02T10:00:00"}, id="no-zone"),
        pytest.param({"modifierExtension": [{"url": "urn:x"}]}, id="a-rule-not-known"),
        pytest.param({"verificationStatus": "confirmed"}, id="a-status-as-in-stu3"),
        pytest.param({"verificationStatus": coded(VERIFICATION, "unconfirmed")}, id="unconfirmed"),
        pytest.param({"code": {"coding": {"system": SNOMED_CT, "code": "77386006"}}}, id="no-list"),
        pytest.param({"code": coded(SNOMED_CT, 77386006)}, id="a-code-as-a-number"),
        pytest.param({"code": coded(f"{SNOMED_CT}|{SNOMED_CT}/731000124108", "77386006")}, id="a-system-with-version"),
        pytest.param({"id": "../x"}, id="no-id"),
        pytest.param({"code": coded("https://snomed.info/sct", "77386006")}, id="a-system-misspelt"),
        pytest.param({"code": coded(ICD_10_CM, "o80")}, id="a-code-in-small-letters"),
        pytest.param({"recordedDate": "2026-03"}, id="dated-to-this-month"),
        pytest.param({"recordedDate": "2026"}, id="dated-to-this-year"),
    ],
)
def test_a_pregnancy_that_cannot_be_read_is_not_called_absent(changes: dict[str, Any]) -> None:
    assert reasons(PREGNANCY) == [("pregnancy", None)]
    assert reasons(PREGNANCY | changes) == [("exclusion-unproven", None)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"performedDateTime": "2026-03-02T10:00:00"}, id="no-zone"),
        pytest.param({"performedDateTime": None, "performedString": "on Monday"}, id="in-words"),
        pytest.param({"performedDateTime": None, "occurrenceDateTime": "2026-03-02T10:00:00Z"}, id="as-in-r5"),
        pytest.param({"status": "unknown"}, id="status-unknown"),
        pytest.param({"status": "Completed"}, id="status-misspelt"),
        pytest.param({"status": ["completed"]}, id="status-a-list"),
    ],
)
def test_comfort_care_that_cannot_be_read_is_not_called_absent(changes: dict[str, Any]) -> None:
    changed = {name: value for name, value in (COMFORT | changes).items() if value is not None}
    assert reasons(COMFORT) == [("comfort-care", None)]
    assert reasons(changed) == [("exclusion-unproven", None)]


@pytest.mark.parametrize("status", ["not-done", "entered-in-error", "preparation"])
def test_comfort_care_that_was_not_given_excludes_nobody(status: str) -> None:
    assert reasons(COMFORT | {"status": status}) == []


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_a_pregnancy_that_was_refuted_excludes_nobody(status: str) -> None:
    assert reasons(PREGNANCY | {"verificationStatus": coded(VERIFICATION, status)}) == []


def test_a_pregnancy_found_later_excludes_nobody_now() -> None:
    assert reasons(PREGNANCY | {"recordedDate": "2026-05-02T10:00:00Z"}) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([{"verificationStatus": "confirmed"}], id="a-status-as-in-stu3"),
        pytest.param([{"clinicalStatus": "active"}], id="clinical-status-as-in-stu3"),
        pytest.param([{}, {"recordedDate": "2026-03-01T10:00:00Z"}], id="one-id-two-contents"),
        pytest.param([{"modifierExtension": [{"url": "urn:x"}]}], id="a-rule-not-known"),
        pytest.param([{"id": "../x"}], id="no-id"),
        pytest.param([{"code": coded(ICD_10_CM, "c78.7")}], id="a-code-in-small-letters"),
        pytest.param([{"code": coded(f"{ICD_10_CM}/", "C78.7")}], id="a-system-misspelt"),
    ],
)
def test_a_cancer_that_cannot_be_read_is_not_called_absent(changes: list[dict[str, Any]]) -> None:
    assert ("condition-unproven", "cancer") in reasons(*(METASTASIS | change for change in changes))


def test_an_unconfirmed_cancer_counts_as_none_as_the_model_learned_it() -> None:
    assert reasons(METASTASIS | {"verificationStatus": coded(VERIFICATION, "unconfirmed")}) == []


@pytest.mark.parametrize(
    "resource", [PREGNANCY | {"recordedDate": "2026-03-03"}, COMFORT | {"performedDateTime": "2026-03-03"}]
)
def test_what_is_dated_to_the_day_of_the_question_may_apply_already(resource: dict[str, Any]) -> None:
    assert reasons(resource) == [("exclusion-unproven", None)]


@pytest.mark.parametrize("day", ["2026-02-27", "2026-03-12"])
def test_what_is_dated_to_another_day_is_no_doubt(day: str) -> None:
    expected = [("comfort-care", None)] if day < "2026-03" else []
    assert reasons(COMFORT | {"performedDateTime": day}) == expected
