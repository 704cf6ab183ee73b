"""Whose is it, which version is it, and has it been counted before?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bedside import BASE, Reading, bundle, code, look, look_at, patient, potassium, quantity, to_bytes, to_ndjson

from cdss.errors import AmbiguousSubjectError, InputRefusedError, SubjectNotFoundError
from cdss.fhir.read import read, sole_subject

NEWER = "2025-09-03T18:30:00Z"
IDENTIFIER = {"system": "urn:oid:1.2.3", "value": "MRN-1"}


def later(**changes: Any) -> dict[str, Any]:
    return potassium("k2", effectiveDateTime=NEWER, valueQuantity=quantity(5.2), **changes)


@pytest.mark.catalogue(34)
@pytest.mark.parametrize(
    "reference",
    [
        pytest.param({"reference": "Patient/p1"}, id="relative"),
        pytest.param({"reference": f"{BASE}Patient/p1"}, id="absolute"),
        pytest.param({"reference": "Patient/p1/_history/3"}, id="versioned"),
        pytest.param({"reference": f"{BASE}Patient/p1/_history/3"}, id="absolute-and-versioned"),
        pytest.param({"identifier": IDENTIFIER}, id="by-identifier"),
    ],
)
def test_a_reference_to_the_patient_is_resolved(tmp_path: Path, reference: dict[str, Any]) -> None:
    everyone = (patient(identifier=[IDENTIFIER]), later(subject=reference))
    assert look(tmp_path, *everyone, with_patient=False).value() == "5.2 mmol/L"


@pytest.mark.catalogue(32, 33, 34)
@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        pytest.param(None, "subject-missing", id="none"),
        pytest.param({}, "subject-missing", id="empty"),
        pytest.param({"display": "Mrs Okonkwo"}, "subject-missing", id="name-only"),
        pytest.param({"reference": "Group/p1"}, "subject-not-patient", id="group"),
        pytest.param({"reference": "Practitioner/p1"}, "subject-not-patient", id="practitioner"),
        pytest.param({"reference": "#p1"}, "subject-contained", id="contained"),
        pytest.param({"reference": "https://elsewhere.example/Patient/p1"}, "subject-unresolved", id="another-host"),
        pytest.param({"reference": "urn:uuid:0"}, "subject-unresolved", id="unknown-urn"),
        pytest.param({"reference": "Patient?identifier=1"}, "subject-unresolved", id="conditional"),
        pytest.param({"reference": "../Patient/p1"}, "subject-unresolved", id="a-path"),
        pytest.param({"identifier": IDENTIFIER | {"value": "2"}}, "subject-unresolved", id="unknown-identifier"),
        pytest.param({"reference": "Patient/p2"}, "other-patient", id="another-patient"),
        pytest.param({"reference": "Patient/P1"}, "other-patient", id="the-id-in-capitals"),
    ],
)
def test_a_result_of_somebody_else_is_put_aside(tmp_path: Path, reference: dict[str, Any] | None, reason: str) -> None:
    reading = look(tmp_path, potassium(), later(subject=reference))
    assert reading.value() == "3.9 mmol/L"
    assert reading.reasons("error") == {reason}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(34)
def test_a_urn_reference_inside_a_bundle_is_resolved(tmp_path: Path) -> None:
    urn = "urn:uuid:6c1d2a2e-6f0b-4a52-9c4c-0f2f6a2f6b11"
    person = {name: value for name, value in patient().items() if name != "id"}
    document = bundle({"fullUrl": urn, "resource": person}, potassium(subject={"reference": urn}))
    assert look_at(tmp_path, to_bytes(document), subject=urn.rpartition(":")[2]).value() == "3.9 mmol/L"


@pytest.mark.catalogue(32)
def test_the_same_id_on_another_server_is_another_patient(tmp_path: Path) -> None:
    stranger = {"fullUrl": "https://elsewhere.example/Observation/k2", "resource": later()}
    reading = look(tmp_path, potassium(), stranger)
    assert reading.value() == "3.9 mmol/L"
    assert reading.reasons("error") == {"subject-unresolved"}


@pytest.mark.catalogue(36)
def test_two_patients_and_none_named_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.json"
    path.write_bytes(to_bytes(bundle(patient(), patient("p2"))))
    with pytest.raises(AmbiguousSubjectError):
        sole_subject(read(path))


def test_of_two_patients_only_the_one_named_is_read(tmp_path: Path) -> None:
    raw = to_ndjson(patient(), patient("p2"), potassium(), later(subject={"reference": "Patient/p2"}))
    reading = look_at(tmp_path, raw, "two.ndjson")
    assert reading.value() == "3.9 mmol/L"
    assert reading.report["events"] == 1
    assert look_at(tmp_path, raw, "two.ndjson", subject="p2").value() == "5.2 mmol/L"


def test_an_unknown_patient_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubjectNotFoundError):
        look(tmp_path, potassium(), subject="p9")


@pytest.mark.catalogue(35)
def test_a_dangling_encounter_is_a_note(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(encounter={"reference": "Encounter/gone"}))
    assert reading.value() == "3.9 mmol/L"
    assert reading.reasons() == {"encounter-unresolved"}


def version(number: str | None, value: float, updated: str | None = None) -> dict[str, Any]:
    meta = {"versionId": number, "lastUpdated": updated}
    return potassium(meta={name: part for name, part in meta.items() if part}, valueQuantity=quantity(value))


@pytest.mark.catalogue(21)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(("1", None), ("2", None), id="by-version"),
        pytest.param(("9", None), ("10", None), id="versions-are-numbers"),
        pytest.param((None, "2025-09-03T18:30:00+02:00"), (None, "2025-09-03T17:00:00Z"), id="by-instant-not-text"),
        pytest.param(("a", "2025-09-03T17:00:00Z"), ("b", "2025-09-03T18:00:00Z"), id="versions-that-are-no-numbers"),
    ],
)
def test_the_newest_version_wins_whatever_the_order(
    tmp_path: Path, order: int, old: tuple[str | None, str | None], new: tuple[str | None, str | None]
) -> None:
    pair = [version(old[0], 3.9, old[1]), version(new[0], 4.6, new[1])]
    reading = look(tmp_path, *pair[::order])
    assert reading.value() == "4.6 mmol/L"
    assert reading.reasons() == {"superseded-version"}


@pytest.mark.catalogue(21)
@pytest.mark.parametrize("order", [1, -1])
def test_a_result_withdrawn_in_its_newest_version_is_gone(tmp_path: Path, order: int) -> None:
    pair = [version("1", 3.9), version("2", 3.9) | {"status": "entered-in-error"}]
    assert look(tmp_path, *pair[::order]).value() is None


@pytest.mark.catalogue(22)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("versions", [(None, None), ("1", "1"), ("1", None)])
def test_one_id_with_two_contents_is_put_aside_twice(
    tmp_path: Path, order: int, versions: tuple[str | None, str | None]
) -> None:
    pair = [version(versions[0], 3.9), version(versions[1], 4.6)]
    reading = look(tmp_path, *pair[::order])
    assert reading.value() is None
    assert reading.reasons("error") == {"same-id-different-content"}
    assert reading.report["put_aside"] == 2


@pytest.mark.catalogue(22)
def test_two_contents_of_the_patient_forbid_a_score(tmp_path: Path) -> None:
    reading = look(tmp_path, patient(), patient(gender="male"), potassium(), with_patient=False)
    assert reading.blocked == {"patient-unusable"}


@pytest.mark.catalogue(23)
def test_an_exact_duplicate_counts_once(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(), potassium())
    assert (reading.report["events"], reading.report["not_needed"]) == (1, 1)
    assert reading.reasons() == {"duplicate"}


@pytest.mark.catalogue(23)
def test_one_result_under_two_ids_counts_once(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium("a"), potassium("b"))
    assert (reading.report["events"], reading.report["not_needed"]) == (1, 1)
    assert reading.reasons() == {"duplicate"}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "pair",
    [
        pytest.param([potassium("a"), potassium("b", valueQuantity=quantity(6.9))], id="two-potassiums"),
        pytest.param(
            [potassium("a"), potassium("b", valueQuantity=quantity(comparator="<"))], id="a-value-and-a-bound"
        ),
        pytest.param(
            [
                potassium(own_id, code=code("80288-4"), valueQuantity=None, valueCodeableConcept=code(answer))
                for own_id, answer in (("a", "LA9340-6"), ("b", "LA9343-0"))
            ],
            id="alert-and-unresponsive",
        ),
    ],
)
def test_two_final_results_of_one_moment_that_differ_are_both_put_aside(
    tmp_path: Path, order: int, pair: list[dict[str, Any]]
) -> None:
    reading = look(tmp_path, *pair[::order])
    assert reading.report["values"] == []
    assert reading.reasons("error") == {"values-contradict"}
    assert reading.report["put_aside"] == 2


@pytest.mark.catalogue(33)
@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        pytest.param({"type": "Group"}, "subject-not-patient", id="said-to-be-a-group"),
        pytest.param({"identifier": IDENTIFIER | {"value": "MRN-2"}}, "subject-contradicts", id="another-number"),
    ],
)
def test_a_result_whose_subject_contradicts_itself_is_put_aside(
    tmp_path: Path, subject: dict[str, Any], reason: str
) -> None:
    person = patient(identifier=[IDENTIFIER])
    reading = look(tmp_path, person, later(subject={"reference": "Patient/p1"} | subject), with_patient=False)
    assert reading.value() is None
    assert reading.reasons("error") == {reason}


@pytest.mark.parametrize(
    "subject",
    [{"type": "Patient"}, {"identifier": IDENTIFIER}, {"identifier": {"system": "urn:oid:9.9", "value": "another"}}],
)
def test_a_result_whose_subject_agrees_with_itself_is_used(tmp_path: Path, subject: dict[str, Any]) -> None:
    person = patient(identifier=[IDENTIFIER])
    reading = look(tmp_path, person, later(subject={"reference": "Patient/p1"} | subject), with_patient=False)
    assert reading.value() == "5.2 mmol/L"


@pytest.mark.catalogue(32)
def test_a_result_from_the_stay_of_another_patient_is_put_aside(tmp_path: Path) -> None:
    stay = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "in-progress",
        "class": {"system": "http://x", "code": "IMP"},
    }
    stay |= {"subject": {"reference": "Patient/p2"}, "period": {"start": "2025-09-03T06:00:00Z"}}
    raw = to_ndjson(patient(), patient("p2"), stay, potassium(encounter={"reference": "Encounter/e"}))
    for asked in ("p1", "p2"):
        reading = look_at(tmp_path, raw, "two.ndjson", subject=asked)
        assert reading.value() is None
        assert reading.reasons("error") == {"encounter-of-other-patient"}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"resource": later(status=5)}, id="wrong-type"),
        pytest.param({"resource": later(valueString="x") | {"valueQuantity": "9 mg/dL"}}, id="quantity-as-text"),
        pytest.param({"resource": later() | {"resourceType": "observation"}}, id="type-misspelt"),
        pytest.param({"resource": later(), "modifierExtension": [{"url": "http://x"}]}, id="rule-on-the-entry"),
    ],
)
def test_a_result_that_cannot_be_read_is_a_finding_about_its_own_patient(tmp_path: Path, entry: dict[str, Any]) -> None:
    (finding,) = [found for found in look(tmp_path, entry).record.rejections if found.severity == "error"]
    assert finding.subject == "Patient/p1"


def test_a_fault_in_a_result_known_by_number_is_a_finding_about_its_patient(tmp_path: Path) -> None:
    everyone = (patient(identifier=[IDENTIFIER]), later(subject={"identifier": IDENTIFIER}, status="unknown"))
    (finding,) = look(tmp_path, *everyone, with_patient=False).record.rejections
    assert finding.subject == "Patient/p1"


def test_two_stays_alike_are_both_kept(tmp_path: Path) -> None:
    stay = {"resourceType": "Encounter", "status": "in-progress", "class": {"system": "http://x", "code": "IMP"}}
    stay |= {"subject": {"reference": "Patient/p1"}, "period": {"start": "2025-09-03T06:00:00Z"}}
    reading = look(tmp_path, stay | {"id": "e1"}, stay | {"id": "e2"})
    assert reading.report["events"] == 2
    assert not reading.reasons()


@pytest.mark.catalogue(24)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("by", ["fullUrl", "request"])
def test_a_result_deleted_in_a_history_is_not_used(tmp_path: Path, order: int, by: str) -> None:
    gone: dict[str, Any] = {"request": {"method": "DELETE", "url": "Observation/k"}}
    if by == "fullUrl":
        gone = {"fullUrl": f"{BASE}Observation/k", "request": {"method": "DELETE"}}
    entries = [bundle(potassium())["entry"][0] | {"request": {"method": "POST", "url": "Observation"}}, gone]
    raw = to_bytes(bundle(patient(), *entries[::order], kind="history"))
    reading = look_at(tmp_path, raw)
    assert reading.value() is None
    assert reading.reasons() == {"deleted", "deletion"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_drug_in_two_contents_is_not_resolved_by_their_order(tmp_path: Path, order: int) -> None:
    drugs = [{"resourceType": "Medication", "id": "d", "code": code(drug, system="http://x")} for drug in ("1", "2")]
    order_of_it = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "authoredOn": "2025-09-01T00:00:00Z",
    }
    order_of_it |= {"subject": {"reference": "Patient/p1"}, "medicationReference": {"reference": "Medication/d"}}
    assert look(tmp_path, drugs[0], order_of_it).report["events"] == 1
    reading = look(tmp_path, *drugs[::order], order_of_it)
    assert reading.report["events"] == 0
    assert "medication-unresolved" in reading.reasons("error")


@pytest.mark.catalogue(54)
@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "x" * 65, "k'; DROP TABLE--", "", "k\n", "\u202ek", 7, None, ["k"]]
)
def test_an_id_that_is_none_is_put_aside_and_never_shown(tmp_path: Path, name: Any) -> None:
    entry = {"fullUrl": f"{BASE}Observation/x", "resource": potassium() | {"id": name}}
    reading = look(tmp_path, entry)
    assert reading.value() is None
    assert reading.reasons("error") == {"id-invalid"}
    (finding,) = [found for found in reading.report["rejections"] if found["severity"] == "error"]
    assert finding["source"] == "Observation at Bundle.entry[1]"


@pytest.mark.catalogue(61)
@pytest.mark.parametrize("kind", ["observation", "Observatoin", "OBSERVATION", "Observation ", "NutritionIntake"])
def test_an_unknown_resource_type_is_put_aside(tmp_path: Path, kind: str) -> None:
    reading = look(tmp_path, {"resource": potassium() | {"resourceType": kind}})
    assert reading.value() is None
    assert reading.reasons("error") == {"type-unknown"}


def test_a_result_inside_a_report_is_not_silently_lost(tmp_path: Path) -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r", "contained": [potassium("inner")]}
    reading = look(tmp_path, report)
    assert reading.reasons() == {"contained-not-read"}
    assert reading.report["not_needed"] == 1


def test_a_contained_result_is_not_silently_lost(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(contained=[potassium("inner")]))
    assert reading.reasons() == {"contained-not-read"}


@pytest.mark.catalogue(61)
@pytest.mark.parametrize(
    "entry",
    [None, {}, "Observation/k", [], 7, {"resource": None}, {"resource": "k"}, {"resource": {}}, {"resource": []}],
)
def test_an_entry_that_holds_no_resource_is_counted_and_the_rest_is_used(tmp_path: Path, entry: Any) -> None:
    reading = look(tmp_path, entry, potassium())
    assert reading.value() == "3.9 mmol/L"
    assert reading.report["refused"] == 1
    assert reading.reasons()


class TestBundleTypes:
    """What the type and the links of a Bundle mean."""

    @pytest.mark.catalogue(62)
    @pytest.mark.parametrize("kind", ["transaction", "batch"])
    def test_requests_are_noted_and_not_carried_out(self, tmp_path: Path, kind: str) -> None:
        entry = bundle(potassium())["entry"][0] | {"request": {"method": "POST", "url": "Observation"}}
        reading = look_at(tmp_path, to_bytes(bundle(patient(), entry, kind=kind)))
        assert reading.value() == "3.9 mmol/L"
        assert reading.reasons() == {"bundle-of-requests"}

    @pytest.mark.catalogue(62)
    @pytest.mark.parametrize("kind", ["collection", "searchset", "history", "document", "message"])
    def test_bundles_of_data_are_read(self, tmp_path: Path, kind: str) -> None:
        assert look_at(tmp_path, to_bytes(bundle(patient(), potassium(), kind=kind))).value() == "3.9 mmol/L"

    @pytest.mark.catalogue(62)
    def test_one_page_of_several_forbids_a_score(self, tmp_path: Path) -> None:
        more = [{"relation": "next", "url": "https://fhir.example.org/r4?page=2"}]
        reading = look_at(tmp_path, to_bytes(bundle(patient(), potassium(), kind="searchset", link=more)))
        assert reading.blocked == {"source-incomplete"}
        assert [block.reason for block in reading.record.source_blocks] == ["source-incomplete"]

    @pytest.mark.catalogue(60)
    @pytest.mark.parametrize(
        ("issue", "blocked"),
        [
            ({"severity": "error", "code": "incomplete"}, {"source-incomplete"}),
            ({"severity": "fatal", "code": "timeout"}, {"source-incomplete"}),
            ({"severity": "warning", "code": "incomplete"}, set()),
            ({"severity": "error", "code": "exception"}, set()),
        ],
    )
    def test_a_server_that_did_not_send_everything_forbids_a_score(
        self, tmp_path: Path, issue: dict[str, str], blocked: set[str]
    ) -> None:
        outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
        for reading in (
            look(tmp_path, potassium(), {"resource": outcome}),
            look_at(tmp_path, to_ndjson(patient(), outcome, potassium()), "input.ndjson"),
        ):
            assert reading.blocked == blocked
            assert reading.reasons() == {"operation-outcome"}

    @pytest.mark.parametrize("kind", ["batch-response", "transaction-response"])
    def test_a_failed_part_of_a_batch_forbids_a_score(self, tmp_path: Path, kind: str) -> None:
        for status, blocked in (
            ("404 Not Found", {"source-incomplete"}),
            ("503", {"source-incomplete"}),
            ("200", set()),
        ):
            entry = {"response": {"status": status}}
            raw = to_bytes(bundle(patient(), potassium(), entry, kind=kind))
            assert look_at(tmp_path, raw).blocked == blocked

    def test_a_search_that_found_more_than_it_holds_forbids_a_score(self, tmp_path: Path) -> None:
        for total, blocked in ((3, {"source-incomplete"}), (2, set()), (1, set())):
            raw = to_bytes(bundle(patient(), potassium(), kind="searchset", total=total))
            assert look_at(tmp_path, raw).blocked == blocked

    @pytest.mark.catalogue(24)
    def test_a_deletion_that_carries_the_result_deletes_it(self, tmp_path: Path) -> None:
        entry = bundle(potassium())["entry"][0] | {"request": {"method": "DELETE", "url": "Observation/k"}}
        reading = look_at(tmp_path, to_bytes(bundle(patient(), entry, kind="history")))
        assert reading.value() is None
        assert reading.reasons() == {"deletion"}

    @pytest.mark.catalogue(41)
    def test_rules_on_the_bundle_forbid_a_score(self, tmp_path: Path) -> None:
        assert look_at(tmp_path, to_bytes(bundle(patient(), potassium(), implicitRules="http://x"))).blocked

    @pytest.mark.catalogue(62)
    def test_searches_inside_a_batch_response_are_read(self, tmp_path: Path) -> None:
        inner = bundle(potassium(), kind="searchset")
        raw = to_bytes(bundle(patient(), {"resource": inner}, kind="batch-response"))
        assert look_at(tmp_path, raw).value() == "3.9 mmol/L"

    @pytest.mark.catalogue(60)
    def test_an_empty_search_has_no_patient(self, tmp_path: Path) -> None:
        with pytest.raises(InputRefusedError):
            look_at(tmp_path, to_bytes({"resourceType": "Bundle", "type": "searchset", "total": 0}))

    @pytest.mark.parametrize("entries", [None, {}, "x", 7])
    def test_entries_that_are_no_list_are_refused(self, tmp_path: Path, entries: Any) -> None:
        with pytest.raises(InputRefusedError):
            look_at(tmp_path, to_bytes({"resourceType": "Bundle", "type": "collection", "entry": entries}))

    @pytest.mark.catalogue(60, 62)
    def test_the_outcome_of_a_search_is_a_note(self, tmp_path: Path) -> None:
        outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
        reading = look(tmp_path, potassium(), outcome)
        assert reading.value() == "3.9 mmol/L"
        assert reading.reasons() == {"operation-outcome"}


def test_messages_never_hold_the_values_of_a_patient(tmp_path: Path) -> None:
    secret = potassium(valueQuantity=quantity(7.77777), note=[{"text": "7.77777"}], effectiveDateTime="7.77777")
    reading = look(tmp_path, secret, measured_impossible())
    assert "7.77777" not in json.dumps(reading.report["rejections"])


def measured_impossible() -> dict[str, Any]:
    return potassium("k9", valueQuantity=quantity(777777.5))


def test_reading_twice_gives_the_same_record(tmp_path: Path) -> None:
    look(tmp_path, potassium(), later())
    first, second = (Reading(tmp_path / "input.json") for _ in range(2))
    assert first.report == second.report


@pytest.mark.catalogue(32)
def test_a_result_misfiled_in_one_bundle_of_a_directory_counts_for_nobody_and_both_are_told(tmp_path):
    def person(name: str, *results: dict[str, object]) -> dict[str, object]:
        resources = [{"resourceType": "Patient", "id": name}, *results]
        return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}

    def result(name: str, owner: str) -> dict[str, object]:
        return {
            "resourceType": "Observation", "id": name, "status": "final", "subject": {"reference": f"Patient/{owner}"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
            "effectiveDateTime": "2025-09-03T14:10:00Z",
            "valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        }  # fmt: skip

    (tmp_path / "a.json").write_text(json.dumps(person("a", result("own", "a"), result("strayed", "b"))))
    (tmp_path / "b.json").write_text(json.dumps(person("b", result("kept", "b"))))
    record = read(tmp_path)
    assert {event.source for event in record.events} == {"Observation/own", "Observation/kept"}
    found = [finding for finding in record.rejections if finding.reason == "other-patient"]
    assert {(one.source, one.severity, one.subject) for one in found} == {
        ("Observation/strayed", "error", "Patient/a"),
        ("Observation/strayed", "error", "Patient/b"),
    }
    assert record.counts.put_aside == 1
