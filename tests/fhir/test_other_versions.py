"""Records of other versions of FHIR among R4, displays that contradict their code, records that replace each other."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from bedside import LOINC, Resource, look, look_at, measured, patient, potassium, to_ndjson

from cdss.codes.display import contradicts
from cdss.codes.loinc import loinc_table
from cdss.domain.coding import Coding
from cdss.units import analytes


@pytest.mark.catalogue(47)
@pytest.mark.parametrize(
    ("element", "value"),
    [
        pytest.param("context", {"reference": "Encounter/e"}, id="the-stay-in-stu3"),
        pytest.param("comment", "haemolysed", id="the-comment-in-stu3"),
        pytest.param("triggeredBy", [], id="the-trigger-in-r5"),
        pytest.param("bodyStructure", {}, id="the-body-structure-in-r5"),
    ],
)
def test_a_result_with_an_element_of_another_version_is_used_with_a_note(
    tmp_path: Path, element: str, value: Any
) -> None:
    reading = look(tmp_path, potassium(**{element: value}))
    assert reading.findings("note") == {("Observation/k", element, "not-r4")}
    assert reading.value() == "3.9 mmol/L"


def activity(kind: str, **changes: Any) -> Resource:
    return {"resourceType": kind, "id": "a", "status": "completed", "subject": {"reference": "Patient/p1"}} | changes


@pytest.mark.catalogue(47)
@pytest.mark.parametrize(
    ("resource", "element"),
    [
        pytest.param(activity("MedicationStatement", taken="n"), "taken", id="a-drug-not-taken-stu3"),
        pytest.param(activity("MedicationStatement", wasNotTaken=True), "wasNotTaken", id="a-drug-not-taken-dstu2"),
        pytest.param(activity("MedicationStatement", adherence={}), "adherence", id="a-drug-not-taken-r5"),
        pytest.param(activity("MedicationAdministration", notGiven=True), "notGiven", id="a-dose-not-given-stu3"),
        pytest.param(activity("Procedure", notDone=True), "notDone", id="a-procedure-not-done-stu3"),
        pytest.param(activity("Condition", abatementBoolean=True), "abatementBoolean", id="a-diagnosis-over-stu3"),
    ],
)
def test_what_another_version_says_was_not_done_or_is_over_is_put_aside(
    tmp_path: Path, resource: Resource, element: str
) -> None:
    reading = look(tmp_path, resource)
    assert reading.findings("error") == {(f"{resource['resourceType']}/a", element, "not-r4")}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(47)
def test_a_sick_animal_of_stu3_is_no_patient(tmp_path: Path) -> None:
    reading = look(tmp_path, patient(animal={}), potassium(), with_patient=False)
    assert "patient-unusable" in reading.blocked


@pytest.mark.catalogue(47)
@pytest.mark.parametrize("version", ["5.0.0", "4.3.0", "3.0.2", "1.0.2", "6.0.0-ballot1"])
@pytest.mark.parametrize("lines", [False, True])
def test_a_server_that_speaks_another_version_forbids_a_score(tmp_path: Path, version: str, lines: bool) -> None:
    server = {"resourceType": "CapabilityStatement", "id": "c", "fhirVersion": version}
    if lines:
        reading = look_at(tmp_path, to_ndjson(patient(), potassium(), server), "input.ndjson", subject=None)
    else:
        reading = look(tmp_path, potassium(), server, subject=None)
    assert reading.findings("error") == {("CapabilityStatement/c", "fhirVersion", "not-r4")}
    assert reading.blocked == {"not-r4"}


@pytest.mark.catalogue(47)
@pytest.mark.parametrize("version", ["4.0.1", "4.0.0", "4.0"])
def test_a_server_that_speaks_r4_is_believed(tmp_path: Path, version: str) -> None:
    server = {"resourceType": "CapabilityStatement", "id": "c", "fhirVersion": version}
    reading = look(tmp_path, potassium(), server)
    assert not reading.blocked
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(47)
@pytest.mark.parametrize(
    ("profile", "foreign"),
    [
        ("http://hl7.org/fhir/5.0/StructureDefinition/Observation", True),
        ("http://hl7.org/fhir/3.0/StructureDefinition/Observation", True),
        ("http://hl7.org/fhir/StructureDefinition/Observation|5.0.0", True),
        ("http://hl7.org/fhir/StructureDefinition/Observation|4.0.1", False),
        ("http://hl7.org/fhir/4.0/StructureDefinition/Observation", False),
        ("http://hl7.org/fhir/StructureDefinition/vitalsigns", False),
        ("http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab|5.0.1", False),
    ],
)
def test_a_profile_of_another_version_is_noted(tmp_path: Path, profile: str, foreign: bool) -> None:
    reading = look(tmp_path, potassium(meta={"profile": [profile]}))
    assert reading.reasons() == ({"not-r4"} if foreign else set())
    assert reading.value() == "3.9 mmol/L"


def test_no_element_of_r4_is_taken_for_one_of_another_version() -> None:
    table = tomllib.loads(files("cdss.fhir").joinpath("r4.toml").read_text("utf-8"))
    named = {element for types in table["elsewhere"].values() for elements in types.values() for element in elements}
    for types in table["elsewhere"].values():
        for kind, elements in types.items():
            assert not set(elements) & set(table["elements"][kind]), kind
    assert set(table["turning"]["elements"]) - {"reasonNotGiven", "reasonNotTaken"} <= named


def labelled(loinc: str, value: Any, unit: str, display: str) -> Resource:
    result = measured(loinc, value, unit)
    result["code"]["coding"][0]["display"] = display
    return result


@pytest.mark.catalogue(44)
@pytest.mark.parametrize(
    ("loinc", "value", "unit", "display"),
    [
        pytest.param("2823-3", 3.9, "mmol/L", "Sodium [Moles/volume] in Serum or Plasma", id="potassium-called-sodium"),
        pytest.param("2823-3", 3.9, "mmol/L", "Kalium im Urin", id="serum-potassium-called-urine-in-german"),
        pytest.param("2524-7", 1.4, "mmol/L", "LDH", id="lactate-called-lactate-dehydrogenase"),
        pytest.param("2160-0", 0.98, "mg/dL", "Creatinine clearance", id="creatinine-called-clearance"),
        pytest.param("2345-7", 118, "mg/dL", "Glucose, CSF", id="blood-glucose-called-csf"),
        pytest.param("8480-6", 124, "mm[Hg]", "Diastolic blood pressure", id="systolic-called-diastolic"),
    ],
)
def test_a_display_that_names_another_measurement_is_noted(
    tmp_path: Path, loinc: str, value: Any, unit: str, display: str
) -> None:
    reading = look(tmp_path, labelled(loinc, value, unit, display))
    assert reading.findings("note") == {("Observation/k", "code", "display-contradicts-code")}
    assert reading.value(loinc) == f"{value} {unit}"


@pytest.mark.parametrize(
    ("loinc", "display"),
    [
        ("2823-3", "K"), ("2823-3", "POTASSIUM, SERUM"), ("2823-3", "Kalium"), ("2823-3", "Elektrolyt"), ("2823-3", ""),
        ("3094-0", "BUN"), ("1963-8", "CO2"), ("59408-5", "SpO2"), ("6690-2", "WBC"), ("2345-7", "Blood sugar"),
        ("85354-9", "Blood pressure systolic and diastolic"), ("99999-9", "Sodium"),
    ],
)  # fmt: skip
def test_a_short_or_unknown_display_is_no_contradiction(loinc: str, display: str) -> None:
    assert not contradicts(loinc, display)


# Measurements that share their short names, so that a display cannot tell them apart.
_SAME_WORDS = [
    {"Oxygen saturation"},
    {"Urea", "Urea nitrogen"},
    {"Bicarbonate", "Carbon dioxide, total"},
    {"Urine output", "Urine output 24 hour"},
    {"Hemoglobin A1c/Hemoglobin.total"},
    {"pH"},
    {"Oxygen"},
    {"Carbon dioxide"},
]


@pytest.mark.catalogue(44)
def test_every_reviewed_name_contradicts_the_code_of_any_other_measurement() -> None:
    table = loinc_table()
    for analyte in analytes():
        for coding in map(Coding.from_key, analyte.codes):
            own = table.names.get(coding.code) if coding.system == LOINC else None
            if own is None:
                continue
            assert not contradicts(own.code, own.name)
            for other in table.names.values():
                components = {own.parts[0], other.parts[0]}
                shared = any(components <= words for words in _SAME_WORDS) or "panel" in other.name
                if not table.rules[analyte.name].allows(other) and not shared:
                    assert contradicts(own.code, other.name), (own.name, other.name)


@pytest.mark.catalogue(37)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [("replaces", "patient-merged"), ("refer", "patient-linked"), ("seealso", "patient-linked")],
)
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"reference": "Patient/p1"}, id="by-reference"),
        pytest.param({"identifier": {"system": "urn:mrn", "value": "17"}}, id="by-identifier"),
    ],
)
def test_a_record_that_another_record_replaces_or_continues_is_not_scored(
    tmp_path: Path, kind: str, reason: str, other: Resource
) -> None:
    stale = patient(identifier=[{"system": "urn:mrn", "value": "17"}])
    newer = patient("p2", link=[{"other": other, "type": kind}])
    for order in ((stale, newer), (newer, stale)):
        reading = look_at(tmp_path, to_ndjson(*order, potassium()), "input.ndjson", index_time=None)
        assert {block["source"]: block["reason"] for block in reading.report["blocked"]} == {"Patient/p2.link": reason}


@pytest.mark.catalogue(37)
def test_a_record_replaced_by_one_that_cannot_be_read_is_not_scored(tmp_path: Path) -> None:
    newer = patient("p2", birthDate=5, link=[{"other": {"reference": "Patient/p1"}, "type": "replaces"}])
    reading = look_at(tmp_path, to_ndjson(patient(), newer, potassium()), "input.ndjson")
    assert "patient-merged" in reading.blocked


@pytest.mark.catalogue(37)
def test_two_records_that_name_each_other_end_in_no_loop(tmp_path: Path) -> None:
    one = patient(link=[{"other": {"reference": "Patient/p2"}, "type": "seealso"}])
    two = patient("p2", link=[{"other": {"reference": "Patient/p1"}, "type": "seealso"}])
    assert look(tmp_path, one, two, potassium(), with_patient=False).blocked == {"patient-linked"}


def test_a_patient_without_an_id_is_put_aside(tmp_path: Path) -> None:
    nameless = patient()
    del nameless["id"]
    reading = look_at(tmp_path, to_ndjson(nameless), "input.ndjson", subject=None)
    assert reading.findings("error") == {("Patient at line 1", "id", "id-missing")}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(21)
@pytest.mark.parametrize("order", [1, -1])
def test_an_old_version_of_the_patient_that_cannot_be_read_forbids_nothing(tmp_path: Path, order: int) -> None:
    versions = [patient(meta={"versionId": "1"}, gender=5), patient(meta={"versionId": "2"})][::order]
    reading = look_at(tmp_path, to_ndjson(*versions, potassium()), "input.ndjson")
    assert not reading.blocked
    assert reading.value() == "3.9 mmol/L"
