"""The catalogue of inputs, rows 38 to 46: the patient, what may change a meaning, and what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bedside import (
    DIABETES,
    ONE_ASIDE,
    ONE_USED,
    ORDER,
    PROCEDURE,
    STAY,
    code,
    is_put_aside,
    is_used,
    look,
    patient,
    potassium,
    pressure,
    quantity,
)
from patients import INDEX, record_of, seriously_ill

import cdss

RULE = {"modifierExtension": [{"url": "https://hospital.example/not", "valueBoolean": True}]}
PLAIN = {"extension": [{"url": "https://hospital.example/device", "valueString": "A7"}]}
# ---- the patient


@pytest.mark.catalogue(38, 39)
@pytest.mark.parametrize(
    ("facts", "source", "reason"),
    [
        ({"deceasedBoolean": True}, "Patient/p1", "deceased"),
        ({"deceasedDateTime": "2025-09-03T19:00:00Z"}, "Patient/p1", "deceased"),
        ({"deceasedDateTime": "2025-09"}, "Patient/p1", "deceased"),
        ({"birthDate": "2031-05-17"}, "Patient/p1.birthDate", "birth-date-implausible"),
        ({"birthDate": "1884-05-17"}, "Patient/p1.birthDate", "birth-date-implausible"),
    ],
)
def test_a_death_or_an_age_that_nobody_reaches_forbids_any_score(
    tmp_path: Path, facts: dict[str, Any], source: str, reason: str
) -> None:
    reading = look(tmp_path, patient(**facts), potassium(), with_patient=False)
    assert [(block["source"], block["reason"]) for block in reading.report["blocked"]] == [(source, reason)]
    assert (reading.value(), reading.counts) == ("3.9 mmol/L", ONE_USED)


@pytest.mark.catalogue(38)
@pytest.mark.parametrize("facts", [{"deceasedDateTime": "2025-09-03T19:00:01Z"}, {"deceasedBoolean": False}])
def test_a_later_death_neither_forbids_a_score_nor_enters_it(tmp_path: Path, facts: dict[str, Any]) -> None:
    reading = look(tmp_path, patient(**facts), potassium(), with_patient=False)
    is_used(reading)
    assert list(reading.record.events) == list(look(tmp_path, potassium()).record.events)


@pytest.mark.catalogue(39)
@pytest.mark.parametrize(
    ("birth", "severity", "reason"),
    [
        (None, "note", "birth-date-missing"),
        ("1958", "note", "birth-date-imprecise"),
        ("1958-05", "note", "birth-date-imprecise"),
        ("XXXX-XX-XX", "error", "time-invalid"),
        ("17.05.1958", "error", "time-invalid"),
    ],
)
def test_a_birth_date_that_is_not_known_to_the_day_is_said_and_never_filled_in(
    tmp_path: Path, birth: str | None, severity: str, reason: str
) -> None:
    person = {name: value for name, value in patient(birthDate=birth).items() if value is not None}
    reading = look(tmp_path, person, with_patient=False)
    assert reading.findings(severity) == {("Patient/p1", "birthDate", reason)}
    born = reading.record.patients["Patient/p1"].birth
    assert (born is None) == (reason != "birth-date-imprecise")
    assert born is None or born[0] < born[1]


@pytest.mark.catalogue(39)
@pytest.mark.parametrize(("birth", "reason"), [("2015-01-01", "not-eligible"), (None, "required-missing")])
def test_a_child_and_a_patient_without_an_age_get_no_estimate(birth: str | None, reason: str) -> None:
    answer = cdss.load_model("serious-illness-180d").assess(record_of(seriously_ill().stating(birthDate=birth)), INDEX)
    assert isinstance(answer, cdss.Abstention)
    assert [(found.code, found.feature) for found in answer.reasons] == [(reason, "age")]


@pytest.mark.catalogue(40)
@pytest.mark.parametrize("gender", ["other", "unknown", "Female", "F", "", None])
def test_a_sex_that_is_not_female_or_male_is_not_made_one(tmp_path: Path, gender: str | None) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse"
    recorded = {"extension": [{"url": url, "valueCode": "female"}]}
    person = {name: value for name, value in patient(gender=gender, **recorded).items() if value is not None}
    reading = look(tmp_path, person, with_patient=False)
    assert reading.findings("note") == {("Patient/p1", "gender", "sex-unknown")}
    assert reading.record.patients["Patient/p1"].female is None


# ---- what may change the meaning, and what may not


@pytest.mark.catalogue(41)
@pytest.mark.parametrize(
    ("changes", "location"),
    [
        (RULE, "modifierExtension"),
        ({"implicitRules": "https://hospital.example/rules"}, "implicitRules"),
        ({"code": code("2823-3") | RULE}, "code.modifierExtension"),
        ({"valueQuantity": quantity() | RULE}, "valueQuantity.modifierExtension"),
    ],
)
def test_a_rule_that_is_not_understood_puts_the_result_aside(
    tmp_path: Path, changes: dict[str, Any], location: str
) -> None:
    is_put_aside(look(tmp_path, potassium() | changes), location, "modifier-extension")


@pytest.mark.catalogue(41)
def test_a_rule_in_one_pressure_puts_that_pressure_aside(tmp_path: Path) -> None:
    part = {"code": code("8462-4"), "valueQuantity": quantity(76, "mm[Hg]")} | RULE
    reading = look(tmp_path, pressure(124, part))
    assert reading.findings("error") == {("Observation/bp", "component[1].modifierExtension", "modifier-extension")}
    assert (reading.value("8480-6"), reading.value("8462-4"), reading.counts) == ("124 mm[Hg]", None, ONE_USED)


@pytest.mark.catalogue(41)
@pytest.mark.parametrize("rule", [RULE, {"implicitRules": "https://hospital.example/rules"}])
def test_a_rule_on_the_patient_forbids_any_score(tmp_path: Path, rule: dict[str, Any]) -> None:
    reading = look(tmp_path, patient(**rule), potassium(), with_patient=False)
    (found,) = reading.report["blocked"]
    assert (found["source"], found["reason"]) == (f"Patient/p1.{next(iter(rule))}", "modifier-extension")


@pytest.mark.catalogue(42)
@pytest.mark.parametrize(
    "changes",
    [
        PLAIN,
        {"code": code("2823-3") | PLAIN},
        {"valueQuantity": quantity() | PLAIN},
        {"subject": {"reference": "Patient/p1"} | PLAIN},
        {"_effectiveDateTime": PLAIN, "_status": PLAIN},
    ],
)
def test_an_extension_that_is_not_known_is_harmless(tmp_path: Path, changes: dict[str, Any]) -> None:
    reading = look(tmp_path, potassium() | changes)
    is_used(reading)
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(42)
def test_a_value_of_which_only_the_reason_for_its_absence_was_sent_is_absent(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(valueQuantity={"_value": PLAIN, "unit": "mmol/L"}))
    assert reading.findings("note") == {("Observation/k", "valueQuantity.value", "value-absent")}
    assert (reading.findings("error"), reading.counts) == (set(), (1, 1, 0, 0))


@pytest.mark.catalogue(42)
@pytest.mark.parametrize(("element", "reason"), [("birthDate", "birth-date-missing"), ("gender", "sex-unknown")])
def test_a_fact_of_the_patient_of_which_only_an_extension_was_sent_is_not_known(
    tmp_path: Path, element: str, reason: str
) -> None:
    person = {name: value for name, value in patient().items() if name != element} | {f"_{element}": PLAIN}
    reading = look(tmp_path, person, with_patient=False)
    assert (reading.findings("note"), reading.counts) == ({("Patient/p1", element, reason)}, (1, 0, 0, 0))


# ---- what was measured


@pytest.mark.catalogue(43)
@pytest.mark.parametrize(
    ("coded", "severity", "reason"),
    [
        (code("2823-4"), "error", "loinc-check-digit"),
        (code("2823-3 "), "error", "code-malformed"),
        (code("2823-3", system="HTTP://LOINC.ORG"), "error", "code-system-misspelt"),
        (code("2823-3", system="http://loinc.org/"), "error", "code-system-misspelt"),
        ({"coding": [{"code": "2823-3"}]}, "note", "code-no-system"),
        ({"text": "Potassium 2823-3"}, "error", "code-missing"),
        ({"coding": []}, "error", "code-missing"),
    ],
)
def test_a_code_that_names_nothing_is_never_repaired(
    tmp_path: Path, coded: dict[str, Any], severity: str, reason: str
) -> None:
    reading = look(tmp_path, potassium(code=coded))
    assert reading.findings(severity) == {("Observation/k", "code", reason)}
    assert (reading.report["values"], reading.counts) == ([], ONE_ASIDE)


@pytest.mark.catalogue(44)
@pytest.mark.parametrize("order", [1, -1])
def test_a_result_under_two_codes_that_contradict_each_other_is_put_aside(tmp_path: Path, order: int) -> None:
    is_put_aside(look(tmp_path, potassium(code=code(*["2160-0", "2823-3"][::order]))), "code", "codes-contradict")


@pytest.mark.catalogue(45)
@pytest.mark.parametrize("order", [1, -1])
def test_a_loinc_is_found_before_or_behind_the_hospitals_own_code(tmp_path: Path, order: int) -> None:
    codings = [*code("2823-3")["coding"], *code("K", system="https://hospital.example/lab")["coding"]]
    reading = look(tmp_path, potassium(code={"coding": codings[::order]}))
    is_used(reading)
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(45)
@pytest.mark.parametrize(
    ("codes", "read_as"),
    [(("59408-5",), "59408-5"), (("2708-6",), "2708-6"), (("59408-5", "2708-6"), "59408-5"),
     (("2708-6", "59408-5"), "59408-5")],
)  # fmt: skip
def test_a_saturation_is_read_under_its_most_exact_code(tmp_path: Path, codes: tuple[str, ...], read_as: str) -> None:
    reading = look(tmp_path, potassium(code=code(*codes), valueQuantity=quantity(95, "%")))
    is_used(reading)
    assert [found["code"] for found in reading.report["values"]] == [read_as]


@pytest.mark.catalogue(46)
@pytest.mark.parametrize(
    ("resource", "element"),
    [
        (potassium(), "efectiveDateTime"),
        (potassium(), "valuequantity"),
        (DIABETES, "onsetDatetime"),
        (STAY, "Period"),
        (PROCEDURE, "bodysite"),
        (patient(), "birthdate"),
    ],
)
def test_a_misspelt_element_is_told(tmp_path: Path, resource: dict[str, Any], element: str) -> None:
    everyone = [resource | {element: "2025-01-01"}]
    reading = look(tmp_path, *everyone, with_patient=resource["resourceType"] != "Patient")
    source = f"{resource['resourceType']}/{resource['id']}"
    assert (source, element, "element-unknown") in reading.findings("note")
    assert sum(reading.counts) == reading.counts[0]


@pytest.mark.catalogue(46)
@pytest.mark.parametrize(
    ("resource", "element"),
    [
        (ORDER, "doNotPerfrom"),
        (potassium(), "Status"),
        (DIABETES, "VerificationStatus"),
        (PROCEDURE, "modifierextension"),
        (patient(), "links"),
        (patient(), "Active"),
        (patient(), "dateOfDeath"),
        (patient(), "mergedInto"),
    ],
)
def test_what_a_misspelt_element_would_have_forbidden_is_put_aside(
    tmp_path: Path, resource: dict[str, Any], element: str
) -> None:
    reading = look(tmp_path, resource | {element: True}, with_patient=resource["resourceType"] != "Patient")
    source = f"{resource['resourceType']}/{resource['id']}"
    assert reading.findings("error") == {(source, element, "element-unknown")}
    assert reading.report["put_aside"] == 1


@pytest.mark.catalogue(46)
@pytest.mark.parametrize(
    ("changes", "location"),
    [
        pytest.param({"subject": {"reference": "Patient/p1", "Type": "Group"}}, "subject.Type", id="the-subject"),
        pytest.param({"code": code("2823-3") | {"Coding": []}}, "code.Coding", id="the-code"),
        pytest.param({"meta": {"versionid": "2"}}, "meta.versionid", id="the-version"),
    ],
)
def test_a_misspelt_element_inside_another_is_told(tmp_path: Path, changes: dict[str, Any], location: str) -> None:
    reading = look(tmp_path, potassium(**changes))
    assert reading.findings("note") == {("Observation/k", location, "element-unknown")}
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(46, 41)
@pytest.mark.parametrize(
    ("part", "member"),
    [
        pytest.param({"dataAbsentreason": {"text": "x"}}, "dataAbsentreason", id="absent"),
        pytest.param({"modifierextension": []}, "modifierextension", id="a-rule"),
        pytest.param({"status": "entered-in-error"}, "status", id="a-status"),
    ],
)
def test_a_misspelt_element_that_would_have_taken_a_component_away_puts_it_aside(
    tmp_path: Path, part: dict[str, Any], member: str
) -> None:
    component = {"code": code("8478-0"), "valueQuantity": quantity(90, "mm[Hg]")} | part
    reading = look(tmp_path, potassium(valueQuantity=None, code=code("85354-9"), component=[component]))
    assert reading.findings("error") == {("Observation/k", f"component[0].{member}", "element-unknown")}
    assert reading.value("8478-0") is None


@pytest.mark.catalogue(46)
def test_a_component_whose_value_is_misspelt_has_no_value_and_says_so(tmp_path: Path) -> None:
    part = {"code": code("2823-3"), "valueQuantitty": quantity()}
    reading = look(tmp_path, potassium(code=code("51990-0"), valueQuantity=None, component=[part]))
    assert ("Observation/k", "component[0].value[x]", "value-missing") in reading.findings("error")
    assert (reading.report["values"], reading.counts) == ([], ONE_ASIDE)


@pytest.mark.catalogue(46)
@pytest.mark.parametrize(
    ("resource", "location"),
    [
        pytest.param(
            STAY | {"period": {"start": "2025-09-03T06:00:00Z", "ennd": "2025-09-03T10:00:00Z"}}, "period.ennd",
            id="the-end-of-a-stay",
        ),
        pytest.param(
            DIABETES | {"abatementPeriod": {"strat": "2021"}}, "abatementPeriod.strat", id="the-end-of-a-diagnosis"
        ),
    ],
)  # fmt: skip
def test_a_misspelt_element_inside_another_is_told_where_it_would_have_counted(
    tmp_path: Path, resource: dict[str, Any], location: str
) -> None:
    reading = look(tmp_path, resource)
    source = f"{resource['resourceType']}/{resource['id']}"
    assert (source, location, "element-unknown") in reading.findings("note") | reading.findings("error")
