"""A hospital's own code map: what it adds, what it never does, and every row that refuses it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import cdss
from cdss.codes import CodeMap
from cdss.errors import CodeMapError, SourceNotFoundError
from cdss.fhir.codemap import read_code_map
from cdss.record import PatientRecord

LOCAL = "https://lab.example/codes"
LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
HEADER = "system,code,to_system,to_code\n"
KREA = f"{LOCAL},KREA,{LOINC},2160-0\n"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_9_CM = "http://hl7.org/fhir/sid/icd-9-cm"
LOINC_OID = "urn:oid:2.16.840.1.113883.6.1"
ACTIVE = '"resourceType":"ConceptMap","status":"active"'

Resource = dict[str, Any]


def write(folder: Path, text: str, name: str = "map.csv") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def mapped(folder: Path, *rows: str) -> CodeMap:
    return read_code_map(write(folder, HEADER + "".join(rows)))


def refused(folder: Path, text: str, name: str = "map.csv") -> str:
    with pytest.raises(CodeMapError) as caught:
        read_code_map(write(folder, text, name))
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


def concept(*codings: tuple[str, str]) -> Resource:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def observation(*codings: tuple[str, str], value: float = 1.2, unit: str = "mg/dL", **more: Any) -> Resource:
    return {
        "resourceType": "Observation", "id": "o", "status": "final", "code": concept(*codings),
        "subject": {"reference": "Patient/a"}, "effectiveDateTime": "2026-01-01T00:00:00Z",
        "valueQuantity": {"value": value, "system": UCUM, "code": unit},
    } | more  # fmt: skip


def read(folder: Path, *resources: Mapping[str, Any], code_map: CodeMap | Path | None) -> PatientRecord:
    entries = [{"resource": {"resourceType": "Patient", "id": "a", "gender": "male", "birthDate": "1950-01-01"}}]
    entries += [{"resource": dict(resource)} for resource in resources]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    path = write(folder, json.dumps(bundle), "bundle.json")
    return cdss.read(path, code_map=code_map)


def reasons(record: PatientRecord) -> set[str]:
    return {finding.reason for finding in record.rejections} - {"issued-missing"}


def codes_of(record: PatientRecord) -> list[list[str]]:
    return [[code.code for code in event.codes] for event in record.events]


# ---- what a map adds


@pytest.mark.catalogue(45)
def test_a_mapped_event_keeps_its_own_code_and_gets_the_unit_the_models_read(tmp_path: Path) -> None:
    record = read(tmp_path, observation((LOCAL, "KREA"), value=106.08, unit="umol/L"), code_map=mapped(tmp_path, KREA))
    (event,) = record.events
    assert [code.key for code in event.codes] == [f"{LOCAL}|KREA", f"{LOINC}|2160-0"]
    assert (event.value, event.unit) == (pytest.approx(1.2, abs=1e-4), "mg/dL")


def test_without_a_map_the_same_event_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    (event,) = read(tmp_path, observation((LOCAL, "KREA"), value=106.08, unit="umol/L"), code_map=None).events
    assert (event.value, event.unit) == (106.08, "umol/L")


def test_two_maps_in_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    first = mapped(tmp_path, KREA)
    second = mapped(tmp_path, f"{LOCAL},KREA,{LOINC},3094-0\n")
    result = observation((LOCAL, "KREA"))
    found = [codes_of(read(tmp_path, result, code_map=one)) for one in (first, None, second, first)]
    assert found == [[["KREA", "2160-0"]], [["KREA"]], [["KREA", "3094-0"]], [["KREA", "2160-0"]]]


def test_a_mapped_value_in_a_unit_of_another_kind_is_put_aside_as_ever(tmp_path: Path) -> None:
    record = read(tmp_path, observation((LOCAL, "KREA"), unit="mm[Hg]"), code_map=mapped(tmp_path, KREA))
    assert (len(record.events), record.counts.put_aside, reasons(record)) == (0, 1, {"unit-wrong-dimension"})


@pytest.mark.catalogue(43, 44)
@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (observation((LOCAL, "KREA"), value=88.0), "value-impossible"),
        (observation((LOCAL, "KREA"), valueQuantity={"value": 1.2}), "unit-missing"),
        (observation((LOCAL, "KREA"), (LOINC, "2951-2")), "codes-contradict"),
        (observation((LOCAL, "KREA"), (LOINC, "2160-1")), "loinc-check-digit"),
        (observation((LOCAL, "KREA"), status="entered-in-error"), "status-not-usable"),
    ],
)
def test_a_map_rescues_nothing_that_is_wrong_in_another_way(tmp_path: Path, result: Resource, reason: str) -> None:
    record = read(tmp_path, result, code_map=mapped(tmp_path, KREA))
    assert (len(record.events), reasons(record)) == (0, {reason})


def test_a_component_is_mapped_too(tmp_path: Path) -> None:
    code_map = mapped(tmp_path, f"{LOCAL},SYS,{LOINC},8480-6\n{LOCAL},DIA,{LOINC},8462-4\n")
    parts = [
        {"code": concept((LOCAL, code)), "valueQuantity": {"value": value, "system": UCUM, "code": "mm[Hg]"}}
        for code, value in (("SYS", 70), ("DIA", 120))
    ]
    panel = observation((LOCAL, "BP"), component=parts)
    del panel["valueQuantity"]
    assert reasons(read(tmp_path, panel, code_map=code_map)) == {"value-contradiction"}
    assert reasons(read(tmp_path, panel, code_map=None)) == set()


def test_diagnoses_procedures_drugs_and_coded_answers_are_mapped(tmp_path: Path) -> None:
    support2 = "https://cdss.example/fhir/CodeSystem/support2"
    code_map = mapped(
        tmp_path,
        f"{LOCAL},D1,{SNOMED_CT},73211009\n{LOCAL},V1,{SNOMED_CT},40617009\n",
        f"{LOCAL},M1,http://www.nlm.nih.gov/research/umls/rxnorm,6809\n",
        f"{LOCAL},GROUP,{support2},dzgroup\n{LOCAL},HF,{support2},chf\n",
    )
    subject = {"subject": {"reference": "Patient/a"}}
    answer = observation((LOCAL, "GROUP"), valueCodeableConcept=concept((LOCAL, "HF")))
    del answer["valueQuantity"]
    record = read(
        tmp_path,
        {"resourceType": "Condition", "id": "c", "code": concept((LOCAL, "D1")), "recordedDate": "2026-01-01T00:00:00Z"}
        | subject,
        {"resourceType": "Procedure", "id": "p", "status": "completed", "code": concept((LOCAL, "V1"))}
        | {"performedDateTime": "2026-01-01T00:00:00Z"}
        | subject,
        {"resourceType": "Medication", "id": "m", "code": concept((LOCAL, "M1"))},
        {"resourceType": "MedicationRequest", "id": "r", "status": "active", "intent": "order"}
        | {"medicationReference": {"reference": "Medication/m"}, "authoredOn": "2026-01-01T00:00:00Z"}
        | subject,
        answer,
        code_map=code_map,
    )
    assert sorted(codes_of(record)) == [["D1", "73211009"], ["GROUP", "dzgroup"], ["M1", "6809"], ["V1", "40617009"]]
    assert {f"{support2}|chf", f"{LOCAL}|HF"} in [set(codes) for codes in record.events.answers]


def test_a_condition_that_was_put_aside_is_known_by_what_its_code_means(tmp_path: Path) -> None:
    condition = {
        "resourceType": "Condition", "id": "c", "code": concept((LOCAL, "D1")), "subject": {"reference": "Patient/a"},
        "verificationStatus": {"coding": [{"code": "odd"}]},
    }  # fmt: skip
    record = read(tmp_path, condition, code_map=mapped(tmp_path, f"{LOCAL},D1,{SNOMED_CT},73211009\n"))
    assert [finding.codes for finding in record.rejections] == [(f"{LOCAL}|D1", f"{SNOMED_CT}|73211009")]


def test_a_code_may_mean_a_specific_and_a_generic_code_of_one_measurement(tmp_path: Path) -> None:
    code_map = mapped(tmp_path, f"{LOCAL},ART,{LOINC},76215-3\n{LOCAL},ART,{LOINC},8480-6\n")
    record = read(tmp_path, observation((LOCAL, "ART"), value=120, unit="mm[Hg]"), code_map=code_map)
    assert codes_of(record) == [["ART", "76215-3", "8480-6"]]


def test_a_map_is_not_followed_twice(tmp_path: Path) -> None:
    code_map = mapped(tmp_path, f"{LOCAL},ART,{LOINC},76215-3\n{LOINC},76215-3,{LOINC},8480-6\n")
    record = read(tmp_path, observation((LOCAL, "ART"), value=120, unit="mm[Hg]"), code_map=code_map)
    assert codes_of(record) == [["ART", "76215-3"]]


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + KREA)
    code_map = read_code_map(path)
    digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert code_map.to_dict() == {"file": "map.csv", "digest": digest, "codes": 1}


def test_columns_stand_in_any_order_with_words_beside_them_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = f'\ufeffto_code,comment,code,display,system,to_system\r\n2160-0,"a, b",KREA,Kreatinin,{LOCAL},{LOINC}\r\n'
    assert dict(read_code_map(write(tmp_path, text)).targets) == {f"{LOCAL}|KREA": (f"{LOINC}|2160-0",)}


def test_the_same_row_twice_says_the_same(tmp_path: Path) -> None:
    assert dict(mapped(tmp_path, KREA, KREA).targets) == dict(mapped(tmp_path, KREA).targets)


# ---- what refuses a map


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (f"{LOCAL},LDH,{LOINC},2532-0\n", "LDH -> 2532-0: 2532-0 is a code that no analyte and no value set"),
        (f"{LOCAL},X,{LOCAL},Y\n", "X -> Y: Y is a code that no analyte and no value set of this product holds"),
        (f"{LOCAL},X,{LOINC},3150-6\n", "X -> 3150-6: 3150-6 is no LOINC code: its check digit is wrong"),
        (f"{LOCAL},X,{SNOMED_CT},73211008\n", "73211008 is no SNOMED CT code: its check digit is wrong"),
        (f"{LOINC},3150-6,{LOINC},3150-0\n", "3150-6 -> 3150-0: 3150-6 is no LOINC code: its check digit is wrong"),
        (f"{LOINC},2951-2,{LOINC},2823-3\n", "2951-2 -> 2823-3: 2951-2 is Sodium already, not Potassium"),
        (f"{LOINC},2160-0,{SNOMED_CT},73211009\n", "2160-0 is Creatinine already, not a code of a condition"),
        (f"{LOINC},2532-0,{LOINC},32693-4\n", "2532-0 is Lactate dehydrogenase [Enzymatic activity/volume] in Serum"),
        (f"{LOINC},5792-7,{LOINC},2345-7\n", "5792-7 is Glucose [Mass/volume] in Urine by Test strip, another"),
        (f"{LOINC},2160-0,{LOINC},2160-0\n", "2160-0 -> 2160-0: a code is mapped to itself"),
        (f"{LOCAL},KREA,{LOINC},3094-0\n", "the same code is mapped to 2160-0 too, which is Creatinine, not Urea"),
        (f"{LOCAL},,{LOINC},2160-0\n", "a code is missing, or has blanks or other characters FHIR does not allow"),
        (f",X,{LOINC},2160-0\n", "a system is missing"),
        (f"{LOCAL},X,{LOINC},\n", "a code is missing"),
        (f"{LOCAL}, X,{LOINC},2160-0\n", "a code is missing, or has blanks"),
        (f"{LOCAL},X,{LOINC} ,2160-0\n", "a system is missing, or has blanks"),
        (f"a|b,X,{LOINC},2160-0\n", "a system is missing, or has blanks"),
        (f"{LOCAL},X\x1b[2J,{LOINC},2160-0\n", "a code is missing, or has blanks or other characters"),
        (f"{LOCAL},X,{LOINC}\n", "has more or fewer cells than the header"),
        (f"{LOCAL},X,{LOINC},2160-0,more\n", "has more or fewer cells than the header"),
        (f'{LOCAL},"X,{LOINC},2160-0\n', "is not readable as CSV"),
    ],
)
def test_a_row_that_cannot_be_proved_refuses_the_map_by_its_number(tmp_path: Path, row: str, why: str) -> None:
    message = refused(tmp_path, HEADER + KREA + row)
    assert message.startswith("map.csv, row 3: ")
    assert why in message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no column system"),
        ("system,code\n", "has no column to_system"),
        (HEADER, "holds no row"),
        (HEADER.replace("\n", ",unit\n") + KREA, "has the unknown column unit"),
        (HEADER.replace("\n", ",code\n") + KREA, "has a column twice"),
        ("{", "map.csv: "),
        ('{"resourceType":"ValueSet"}', "is JSON, but no ConceptMap"),
        ('{"resourceType":"ConceptMap","resourceType":"ConceptMap"}', "map.csv: "),
        (f"{{{ACTIVE}}}", "holds no row that says what a code means"),
        (f'{{{ACTIVE},"group":1}}', "map.csv, group: is not a list"),
        (f'{{{ACTIVE},"group":[1]}}', "map.csv, group[0]: is not an object"),
        (f'{{{ACTIVE},"implicitRules":"x"}}', "map.csv: has implicitRules, a rule that may change"),
    ],
)
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, text: str, why: str) -> None:
    assert why in refused(tmp_path, text)


def test_a_map_that_is_not_utf_8_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes(HEADER.encode() + b"\xe4,X,y,z\n")
    with pytest.raises(CodeMapError, match=f"is not UTF-8 at byte {len(HEADER)}"):
        read_code_map(path)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (f"{LOCAL},*,{LOINC},2160-0\n", "* -> 2160-0: a source code is one code, and * is a pattern"),
        (f"{LOCAL},KR*,{LOINC},2160-0\n", "KR* -> 2160-0: a source code is one code, and KR* is a pattern"),
        (f"{LOCAL},TUMOUR,{ICD_10_CM},C*\n", "TUMOUR -> C*: a target code is one code, and C* is a pattern"),
        (f"{LOCAL},INS,http://www.whocc.no/atc,A10A*\n", "INS -> A10A*: a target code is one code"),
    ],
)
def test_a_row_is_about_one_code_and_never_about_a_pattern(tmp_path: Path, row: str, why: str) -> None:
    message = refused(tmp_path, HEADER + KREA + row)
    assert message.startswith(f"map.csv, row 3: {why}")
    assert message.endswith("Write a row for each code.")


@pytest.mark.parametrize("code", ["COPD", "CHF", "C", "C-section", "c78.7", "C34.", "OSA"])
def test_an_abbreviation_is_no_icd_code_to_map_to_or_from(tmp_path: Path, code: str) -> None:
    for row in (f"{LOCAL},X,{ICD_10_CM},{code}\n", f"{ICD_10_CM},{code},{SNOMED_CT},13645005\n"):
        assert f"{code} is no ICD-10-CM code: it has not the form of one" in refused(tmp_path, HEADER + row)


def test_a_well_formed_icd_code_of_no_value_set_is_no_target(tmp_path: Path) -> None:
    assert "C99.9 is a code that no analyte and no value set" in refused(
        tmp_path, f"{HEADER}{LOCAL},X,{ICD_10_CM},C99.9\n"
    )
    assert "14 is no ICD-9-CM code" in refused(tmp_path, f"{HEADER}{LOCAL},X,{ICD_9_CM},14\n")
    assert len(mapped(tmp_path, f"{LOCAL},X,{ICD_10_CM},C787\n{LOCAL},Y,{ICD_10_CM},C78.7\n").targets) == 2


@pytest.mark.parametrize("system", [LOINC, LOINC_OID])
def test_urine_creatinine_is_no_blood_creatinine_under_either_name_of_loinc(tmp_path: Path, system: str) -> None:
    message = refused(tmp_path, f"{HEADER}{system},2161-8,{LOINC},2160-0\n")
    assert "2161-8 is Creatinine [Mass/volume] in Urine, another measurement" in message
    assert "mapped to itself" in refused(tmp_path, f"{HEADER}{LOINC},2160-0,{system},2160-0\n")


def test_a_row_with_oids_means_what_it_means_with_uris(tmp_path: Path) -> None:
    by_oid = f"{LOCAL},D1,urn:oid:2.16.840.1.113883.6.96,73211009\n{LOCAL},KREA,{LOINC_OID},2160-0\n"
    code_map = mapped(tmp_path, by_oid)
    assert dict(code_map.targets) == dict(mapped(tmp_path, KREA, f"{LOCAL},D1,{SNOMED_CT},73211009\n").targets)
    assert codes_of(read(tmp_path, observation((LOCAL, "KREA")), code_map=code_map)) == [["KREA", "2160-0"]]


def test_a_directory_is_no_map_and_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(CodeMapError, match=f"^{tmp_path}: is a directory. Give the file of the map.$"):
        read_code_map(tmp_path)


def test_a_map_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"absent\.csv"):
        read_code_map(tmp_path / "absent.csv")


# ---- ConceptMap


def concept_map(*targets: Resource, source: str = LOCAL, target: str = LOINC, **more: Any) -> str:
    element = {"code": "KREA", "display": "Kreatinin", "target": list(targets)}
    group = {"source": source, "target": target, "element": [element]} | more
    return json.dumps({"resourceType": "ConceptMap", "status": "active", "group": [group]})


def equal(code: str, equivalence: str = "equal", **more: Any) -> Resource:
    return {"code": code, "equivalence": equivalence} | more


def with_sodium(text: str) -> str:
    """The same map with one more row, which holds."""
    document = json.loads(text)
    document["group"][0]["element"].append({"code": "NA", "target": [equal("2951-2")]})
    return json.dumps(document)


@pytest.mark.parametrize("equivalence", ["equal", "equivalent"])
def test_a_concept_map_says_the_same_as_csv(tmp_path: Path, equivalence: str) -> None:
    code_map = read_code_map(write(tmp_path, concept_map(equal("2160-0", equivalence)), "map.json"))
    assert dict(code_map.targets) == dict(mapped(tmp_path, KREA).targets)
    assert code_map.ignored == ()


@pytest.mark.parametrize(
    "equivalence", ["wider", "narrower", "subsumes", "specializes", "relatedto", "inexact", "unmatched", "disjoint"]
)
def test_any_other_equivalence_is_a_finding_and_is_not_used(tmp_path: Path, equivalence: str) -> None:
    text = with_sodium(concept_map(equal("2160-0", equivalence)))
    record = read(tmp_path, observation((LOCAL, "KREA")), code_map=write(tmp_path, text, "map.json"))
    assert codes_of(record) == [["KREA"]]
    (finding,) = (found for found in record.rejections if found.reason == "map-not-equivalent")
    assert (finding.source, finding.location, finding.severity) == (
        "map.json", "group[0].element[0].target[0]", "note",
    )  # fmt: skip
    assert equivalence in finding.message


@pytest.mark.parametrize("part", ["dependsOn", "product"])
def test_a_target_under_a_condition_is_a_finding_and_is_not_used(tmp_path: Path, part: str) -> None:
    text = with_sodium(concept_map(equal("2160-0", **{part: [{"property": "x", "value": "y"}]})))
    code_map = read_code_map(write(tmp_path, text, "map.json"))
    assert list(code_map.targets) == [f"{LOCAL}|NA"]
    assert [found.reason for found in code_map.ignored] == ["map-part-not-used"]


def test_a_rule_for_codes_that_are_not_listed_is_a_finding_and_is_not_followed(tmp_path: Path) -> None:
    text = concept_map(equal("2160-0"), unmapped={"mode": "fixed", "code": "2160-0"})
    code_map = read_code_map(write(tmp_path, text, "map.json"))
    assert [(found.location, found.reason) for found in code_map.ignored] == [
        ("group[0].unmapped", "map-part-not-used")
    ]
    assert list(code_map.targets) == [f"{LOCAL}|KREA"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (concept_map({"code": "2160-0"}), "has no equivalence of FHIR R4"),
        (concept_map({"code": "2160-0", "relationship": "equivalent"}), "has no equivalence of FHIR R4"),
        (concept_map(equal("2160-0", "Equal")), "has no equivalence of FHIR R4"),
        (concept_map(equal("2160-0", modifierExtension=[])), "has modifierExtension, a rule that may change"),
        (concept_map({"equivalence": "equal"}), "a code is missing"),
        (concept_map(equal("2160-0"), source=""), "group[0].element[0]: a system is missing"),
        (concept_map(equal("2160-0"), equal("3094-0")), "group[0].element[0].target[1]: KREA -> 3094-0: the same code"),
        (concept_map(equal("2532-0")), "group[0].element[0].target[0]: KREA -> 2532-0: 2532-0 is a code that no"),
    ],
)
def test_a_concept_map_that_cannot_be_proved_is_refused_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    assert why in refused(tmp_path, text, "map.json")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("draft", "the status draft"),
        ("retired", "the status retired"),
        ("unknown", "the status unknown"),
        ("Active", "the status Active"),
        ("\x1b[2J", "the status ?[2J"),
        (None, "no status"),
        (1, "no status"),
    ],
)
def test_a_concept_map_that_nobody_has_put_into_use_is_refused(tmp_path: Path, status: object, said: str) -> None:
    document = json.loads(concept_map(equal("2160-0"))) | {"status": status}
    if status is None:
        del document["status"]
    message = refused(tmp_path, json.dumps(document), "map.json")
    assert message == f"map.json: is a ConceptMap with {said}, which nobody has put into use. Give one that is active."


@pytest.mark.parametrize("experimental", [True, "true", 1, None])
def test_an_experimental_concept_map_is_refused(tmp_path: Path, experimental: object) -> None:
    text = json.dumps(json.loads(concept_map(equal("2160-0"))) | {"experimental": experimental})
    assert "is an experimental ConceptMap, not meant for use" in refused(tmp_path, text, "map.json")


def test_a_concept_map_that_says_it_is_not_experimental_is_used(tmp_path: Path) -> None:
    text = json.dumps(json.loads(concept_map(equal("2160-0"))) | {"experimental": False})
    assert dict(read_code_map(write(tmp_path, text, "map.json")).targets) == dict(mapped(tmp_path, KREA).targets)


@pytest.mark.parametrize("used", ["equal", "equivalent"])
@pytest.mark.parametrize(
    "denial",
    [
        equal("2160-0", "disjoint"),
        {"equivalence": "unmatched"},
        equal("2160-0", "unmatched"),
        {"equivalence": "disjoint"},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_concept_map_that_says_yes_and_no_of_one_code_is_refused(
    tmp_path: Path, used: str, denial: Resource, first: bool
) -> None:
    targets = [denial, equal("2160-0", used)] if first else [equal("2160-0", used), denial]
    message = refused(tmp_path, with_sodium(concept_map(*targets)), "map.json")
    where, other = (1, 0) if first else (0, 1)
    assert message == (
        f"map.json, group[0].element[0].target[{where}]: KREA -> 2160-0: the map contradicts itself, it is "
        f"{denial['equivalence']} at map.json, group[0].element[0].target[{other}]. Keep the one that is right."
    )


def test_yes_in_one_group_and_no_in_another_of_the_same_systems_is_a_contradiction(tmp_path: Path) -> None:
    yes, no = (json.loads(concept_map(target)) for target in (equal("2160-0"), {"equivalence": "unmatched"}))
    no["group"][0]["target"] = LOINC_OID
    yes["group"] += no["group"]
    assert "the map contradicts itself, it is unmatched at" in refused(tmp_path, json.dumps(yes), "map.json")


def test_a_code_without_a_match_in_another_system_or_unlike_another_code_contradicts_nothing(tmp_path: Path) -> None:
    text = json.loads(concept_map(equal("2160-0"), equal("2161-8", "disjoint")))
    text["group"] += json.loads(concept_map({"equivalence": "unmatched"}, target=SNOMED_CT))["group"]
    code_map = read_code_map(write(tmp_path, json.dumps(text), "map.json"))
    assert dict(code_map.targets) == dict(mapped(tmp_path, KREA).targets)
    assert [found.reason for found in code_map.ignored] == ["map-not-equivalent"] * 2


def test_a_concept_map_of_which_nothing_is_used_is_no_map(tmp_path: Path) -> None:
    text = concept_map(equal("2160-0", "wider"))
    assert refused(tmp_path, text, "map.json").startswith("map.json: holds no row that says what a code means.")


def test_the_example_map_of_the_documentation_holds(example: Path) -> None:
    code_map = read_code_map(example)
    targets: Sequence[str] = [target for found in code_map.targets.values() for target in found]
    assert len(code_map.targets) == 92
    assert not code_map.ignored
    assert not {f"{LOINC}|2532-0", f"{LOINC}|3150-0"} & set(targets)


@pytest.fixture
def example() -> Path:
    return Path(__file__).resolve().parents[2] / "docs" / "examples" / "mimic-iv-demo-map.csv"
