"""The demo hospital is made up, whole, valid FHIR, tagged as test data, and the same every time."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from ward import LATER, NOW

from cdss.access import Role
from cdss.demo import DemoPatient, demo_hospital, demo_staff, demo_stories, write_demo
from cdss.domain.coding import LOINC, SNOMED_CT, SUPPORT2, UCUM, loinc_check_digit_holds
from cdss.errors import UsageError
from cdss.units import analyte_for

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("Practitioner", "Location")


def resources(patients: list[DemoPatient]) -> Iterator[dict[str, Any]]:
    for one in patients:
        for entry in one.bundle["entry"]:
            yield entry["resource"]


def codings(part: object) -> Iterator[dict[str, str]]:
    if isinstance(part, dict):
        if "system" in part and "code" in part:
            yield part
        for inner in part.values():
            yield from codings(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from codings(inner)


def test_the_same_now_and_seed_give_the_same_bytes(tmp_path: Path, folder: Path, patients: list[DemoPatient]) -> None:
    again = write_demo(tmp_path / "again", NOW)
    assert [one.to_json() for one in again] == [one.to_json() for one in patients]
    written = sorted(path.name for path in folder.iterdir())
    assert written == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in written)


def test_another_seed_gives_other_bytes_of_the_same_people(patients: list[DemoPatient]) -> None:
    others = demo_hospital(NOW, seed=1)
    assert [one.name for one in others] == [one.name for one in patients]
    assert all(one.to_json() != other.to_json() for one, other in zip(others, patients, strict=True))


def test_time_moves_everything_together(patients: list[DemoPatient]) -> None:
    def hours(found: list[DemoPatient]) -> list[float]:
        taken = (r["effectiveDateTime"] for r in resources(found) if r["resourceType"] == "Observation")
        return [(datetime.fromisoformat(text) - found[0].index_time) / timedelta(hours=1) for text in taken]

    assert hours(demo_hospital(LATER[0])) == hours(patients)


def test_the_index_time_is_now_to_the_minute_and_nothing_is_after_it(patients: list[DemoPatient]) -> None:
    assert {one.index_time.isoformat() for one in patients} == {"2026-03-14T08:40:00+00:00"}
    for resource in resources(patients):
        for name in ("effectiveDateTime", "issued", "recordedDate", "deceasedDateTime"):
            if name in resource:
                assert datetime.fromisoformat(resource[name]) <= patients[0].index_time, resource["id"]


def test_now_needs_an_offset() -> None:
    with pytest.raises(UsageError):
        demo_hospital(datetime(2026, 3, 14, 9, 40))


def test_about_forty_people_in_beds_of_their_own_with_an_attending(patients: list[DemoPatient]) -> None:
    assert 40 <= len(patients) <= 48
    assert len({(one.ward, one.bed) for one in patients}) == len({one.mrn for one in patients}) == len(patients)
    clinicians = {one for one in demo_staff() if one.role is Role.CLINICIAN}
    assert {one.attending for one in patients} == clinicians


def test_the_staff_has_every_role_and_no_password() -> None:
    roles = Counter(one.role for one in demo_staff())
    assert roles == {Role.CLINICIAN: 3, **dict.fromkeys(set(Role) - {Role.CLINICIAN, Role.TRAINEE}, 1)}
    assert "password" not in (ROOT / "cdss" / "demo" / "people.toml").read_text("utf-8").lower()


@pytest.mark.parametrize("now", [NOW, *LATER])
def test_ages_stay_what_they_are(now: datetime) -> None:
    minors = []
    for one in demo_hospital(now):
        years = one.index_time.year - one.birth_date.year
        born, today = one.birth_date, one.index_time
        age = years - ((today.month, today.day) < (born.month, born.day))
        assert age >= 17
        minors += [one.story] if age < 18 else []
    assert minors == ["minor"]


def test_only_the_labelled_pairs_share_a_surname_or_a_birth_date(patients: list[DemoPatient]) -> None:
    for story, what in (("same surname", "family"), ("same birth date", "birth_date")):
        shared = Counter(getattr(one, what) for one in patients)
        pair = [one for one in patients if shared[getattr(one, what)] > 1]
        assert [one.story for one in pair] == [story, story]


def test_every_label_is_somebody_and_everybody_has_a_label(patients: list[DemoPatient]) -> None:
    assert {one.story for one in patients} == set(demo_stories())


def test_names_are_written_as_typed(patients: list[DemoPatient]) -> None:
    for one in patients:
        name = one.bundle["entry"][0]["resource"]["name"][0]
        assert (name["given"], name["family"], name["text"]) == ([one.given], one.family, one.name)
    by_story = {one.story: one.name for one in patients}
    assert len(by_story["long name"]) > 100
    assert {unicodedata.bidirectional(letter) for letter in by_story["right-to-left name"]} <= {"AL", "WS"}
    typed = next(one for one in patients if one.story == "typed characters")
    assert typed.family.startswith("=")
    assert all(mark in typed.name for mark in ("<b>", "*", "`", "$", "](", "&"))


def test_no_name_is_that_of_a_person_in_public_test_data(
    patients: list[DemoPatient], data_set: Callable[[str], Path]
) -> None:
    surnames = {one.family for one in patients} | {one.name.split()[-1] for one in demo_staff()}
    for name in ("hl7-r4-examples", "hl7-us-core-examples"):
        for path in data_set(name).rglob("*.json"):
            found = set(re.findall(r'"family"\s*:\s*"([^"]+)"', path.read_text("utf-8")))
            assert not found & surnames, path.name


def test_every_resource_is_tagged_as_test_data(patients: list[DemoPatient]) -> None:
    for resource in (*resources(patients), *(one.bundle for one in patients)):
        assert [tag["code"] for tag in resource["meta"]["tag"]] == ["HTEST"], resource["id"]


def test_every_bundle_is_valid_fhir(patients: list[DemoPatient]) -> None:
    bundle = get_fhir_model_class("Bundle")
    for one in patients:
        bundle.model_validate_json(one.to_json())


def test_ids_and_references_hold_together(patients: list[DemoPatient]) -> None:
    seen: Counter[str] = Counter()
    for one in patients:
        own = {f"{e['resource']['resourceType']}/{e['resource']['id']}": e["fullUrl"] for e in one.bundle["entry"]}
        assert all(url.endswith(f"/{name}") for name, url in own.items())
        seen.update(name for name in own if not name.startswith(SHARED))
        strays = set(re.findall(r'"reference":"([^"]+)"', one.to_json().decode())) - own.keys()
        assert bool(strays) == (one.story == "misfiled result")
    assert set(seen.values()) == {1}


def test_codes_pass_their_check_digits_and_units_are_those_of_the_models(patients: list[DemoPatient]) -> None:
    found = {(one["system"], one["code"]) for resource in resources(patients) for one in codings(resource)}
    assert all(loinc_check_digit_holds(code) for system, code in found if system == LOINC)
    assert all(_verhoeff(code) for system, code in found if system == SNOMED_CT)
    odd = set()
    for resource in resources(patients):
        unit = resource.get("valueQuantity", {})
        if unit:
            code = resource["code"]["coding"][0]
            analyte = analyte_for(f"{code['system']}|{code['code']}")
            assert analyte is not None
            if (unit.get("system"), unit.get("code")) != (UCUM, analyte.unit):
                odd.add((code["code"], unit["unit"]))
    # A day's urine is mL in the table of units, and a wrong unit and an alias are stories.
    assert odd - {("9192-6", "mL/(24.h)")} == {("2160-0", "mm[Hg]"), ("8478-0", "mmHg")}
    assert {system for system, _ in found} >= {LOINC, SNOMED_CT, UCUM, SUPPORT2}


_PRODUCT = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
            [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
            [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
            [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]  # fmt: skip
_TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def _verhoeff(code: str) -> bool:
    """Whether the last digit of a SNOMED CT id is its check digit."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        turned = int(digit)
        for _ in range(place % 8):
            turned = _TURN[turned]
        check = _PRODUCT[check][turned]
    return check == 0


def test_the_chart_covers_the_stay(patients: list[DemoPatient]) -> None:
    """Vital signs several times a day, laboratory results daily, over three days or more."""
    for one in patients:
        if one.story in ("too early", "deceased"):
            continue
        of_code: Counter[str] = Counter(
            entry["resource"]["code"]["coding"][0]["code"]
            for entry in one.bundle["entry"]
            if entry["resource"]["resourceType"] == "Observation"
        )
        assert of_code["8867-4"] >= 14
        assert of_code["6690-2"] >= 2


def test_the_cohort_names_every_patient_and_stay(folder: Path, patients: list[DemoPatient]) -> None:
    rows = list(csv.DictReader((folder / "cohort.csv").read_text("utf-8").splitlines()))
    assert [(row["subject"], row["encounter"]) for row in rows] == [(one.subject, one.encounter) for one in patients]
    assert {row["index_time"] for row in rows} == {"2026-03-14T08:40:00Z"}


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError):
        write_demo(tmp_path, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_the_page_lists_every_story_and_the_staff() -> None:
    page = (ROOT / "docs" / "reference" / "demo-hospital.md").read_text("utf-8")
    for story in demo_stories().values():
        assert f"| {story.label} | {story.about} |" in page
    assert all(f"| {one.name} | {one.role} |" in page for one in demo_staff())
