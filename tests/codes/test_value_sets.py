"""Value sets hold the codes of the models, and what they say of a code is what the models read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cdss
from cdss.codes import sets_holding, value_sets
from cdss.codes.loinc import loinc_table
from cdss.codes.valueset import read_sets
from cdss.domain.coding import ICD_9_CM, ICD_10_CM, LOINC, SNOMED_CT
from cdss.domain.feature import FeatureSpec
from cdss.features import read_spec
from cdss.units import analyte_for, analytes
from cdss.workflow.model import models_directory

SPECS = [read_spec(path.read_bytes(), path.parent.name) for path in sorted(models_directory().glob("*/spec.toml"))]
GROUPS = [one for one in value_sets().values() if one.collection == "readmission-groups"]

# Section 2 of models.md: the 37 series of icu-mortality-48h, but for MechVent, which is a Procedure.
ICU_SERIES = {
    "1751-7": ("g/dL", 0.5, 7), "6768-6": ("U/L", 5, 5000), "1742-6": ("U/L", 1, 30000), "1920-8": ("U/L", 1, 50000),
    "1975-2": ("mg/dL", 0, 90), "3094-0": ("mg/dL", 1, 300), "2093-3": ("mg/dL", 20, 1500),
    "2160-0": ("mg/dL", 0.1, 40), "76213-8": ("mm[Hg]", 10, 200), "3150-0": ("%", 21, 100),
    "9269-2": ("{score}", 3, 15), "2345-7": ("mg/dL", 10, 2000), "1963-8": ("mmol/L", 2, 60), "4544-3": ("%", 5, 75),
    "8867-4": ("/min", 10, 300), "2823-3": ("mmol/L", 1, 15), "32693-4": ("mmol/L", 0.1, 40),
    "19123-9": ("mg/dL", 0.2, 15), "76214-6": ("mm[Hg]", 15, 250), "2951-2": ("mmol/L", 90, 200),
    "76535-4": ("mm[Hg]", 10, 200), "76536-2": ("mm[Hg]", 15, 250), "76534-7": ("mm[Hg]", 30, 300),
    "2019-8": ("mm[Hg]", 5, 200), "2703-7": ("mm[Hg]", 15, 700), "2744-1": ("[pH]", 6.5, 8),
    "777-3": ("10*3/uL", 1, 2500), "9279-1": ("/min", 2, 90), "2708-6": ("%", 30, 100),
    "76215-3": ("mm[Hg]", 30, 300), "8310-5": ("Cel", 24, 45), "10839-9": ("ng/mL", 0, 500),
    "6598-7": ("ng/mL", 0, 100), "9187-6": ("mL", 0, 5000), "6690-2": ("10*3/uL", 0.05, 500),
    "29463-7": ("kg", 20, 350), "8302-2": ("cm", 100, 230),
}  # fmt: skip
# Wider on purpose: SUPPORT2 stores 0.1 and 0.05 a little below, and adult limits of body size belong to a model.
WIDER = {"2160-0", "6690-2", "29463-7", "8302-2"}


@pytest.mark.parametrize("code", sorted(ICU_SERIES))
def test_every_series_of_the_icu_model_has_its_unit_and_its_limits(code: str) -> None:
    unit, low, high = ICU_SERIES[code]
    analyte = analyte_for(f"{LOINC}|{code}")
    assert analyte is not None
    assert analyte.unit == unit
    limits = tuple(map(float, analyte.physical))
    assert limits == (low, high) or (code in WIDER and limits[0] <= low and high <= limits[1])


def keys_of_spec(spec: FeatureSpec) -> set[str]:
    readings = [reading for feature in spec.features for reading in feature.readings]
    readings += [exclusion.reading for exclusion in spec.exclusions]
    answers = {key for feature in spec.features for key, _ in feature.categories}
    return answers.union(*({*reading.codes, *reading.per} for reading in readings))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_code_of_a_specification_is_reviewed(spec: FeatureSpec) -> None:
    sample = {key.replace("*", "0") if key.endswith("*") and ICD_9_CM in key else key for key in keys_of_spec(spec)}
    held = {key for key in sample if analyte_for(key) or sets_holding(key) or sets_holding(key.rstrip("*"))}
    assert sample - held == set()


@pytest.mark.parametrize(
    ("feature", "name"),
    [("cancer", "cancer"), ("metastatic", "metastatic-cancer"), ("diabetes", "diabetes"), ("dementia", "dementia")],
)
def test_a_comorbidity_of_the_serious_illness_model_is_its_value_set(feature: str, name: str) -> None:
    (spec,) = (spec for spec in SPECS if spec.name == "serious-illness-180d")
    (found,) = (one for one in spec.features if one.name == feature)
    codes = found.readings[0].codes
    own = value_sets()[name]
    assert {key for key in codes if SNOMED_CT in key} == {key for key in own.keys if SNOMED_CT in key}
    probes = [f"{ICD_9_CM}|{category:03}.{digit}" for category in range(1, 1000) for digit in range(10)]
    probes += [f"{ICD_10_CM}|{letter}{number:02}" for letter in "ABCDEFGHIJKLMNOPQRSTVZ" for number in range(100)]
    read = {key for key in probes if found.readings[0].reads((key,))}
    assert read == {key for key in probes if own.holds(key)}


@pytest.mark.parametrize("key", value_sets()["blood-pressure-panel"].keys)
def test_a_reviewed_panel_is_read_as_one(tmp_path: Path, key: str) -> None:
    coding = {"system": LOINC, "code": key.partition("|")[2]}
    panel = {
        "resourceType": "Observation", "id": "bp", "status": "final", "code": {"coding": [coding]},
        "subject": {"reference": "Patient/a"}, "effectiveDateTime": "2026-01-01T00:00:00Z",
        "component": [{
            "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
            "valueQuantity": {"value": 120, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        }],
    }  # fmt: skip
    (tmp_path / "panel.json").write_text(json.dumps(panel), "utf-8")
    found = cdss.read(tmp_path / "panel.json").rejections
    assert [finding.message for finding in found if finding.reason == "component-missing"] == [
        "the panel gives no usable diastolic pressure"
    ]


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("390", "circulatory"), ("428.0", "circulatory"), ("459.9", "circulatory"), ("785.0", "circulatory"),
        ("486", "respiratory"), ("786.50", "respiratory"), ("577.0", "digestive"), ("787.01", "digestive"),
        ("250.83", "diabetes"), ("996.62", "injury"), ("715.36", "musculoskeletal"), ("599.0", "genitourinary"),
        ("788.20", "genitourinary"), ("162.9", "neoplasms"), ("239.9", "neoplasms"),
    ],
)  # fmt: skip
def test_a_diagnosis_is_in_its_group_of_the_readmission_study(code: str, group: str) -> None:
    held = [one.name for one in GROUPS if one.holds(f"{ICD_9_CM}|{code}")]
    assert held == [f"group-{group}"]


@pytest.mark.parametrize("code", ["038.9", "276.1", "296.20", "780.2", "784.0", "V57.89", "E888.9", "682.6", "251.2"])
def test_all_else_is_in_no_group_which_is_the_ninth(code: str) -> None:
    assert not [one for one in GROUPS if one.holds(f"{ICD_9_CM}|{code}")]


@given(category=st.integers(1, 999), rest=st.from_regex(r"(\.[0-9]{1,2})?", fullmatch=True))
def test_a_diagnosis_is_in_one_group_at_most(category: int, rest: str) -> None:
    assert sum(one.holds(f"{ICD_9_CM}|{category:03}{rest}") for one in GROUPS) <= 1


@given(
    key=st.sampled_from([key for one in value_sets().values() for key in one.keys]),
    rest=st.sampled_from(["", ".1", "x"]),
)
def test_the_index_finds_the_sets_that_hold_a_code(key: str, rest: str) -> None:
    code = key.removesuffix("*") + rest
    assert {one.name for one in sets_holding(code)} == {one.name for one in value_sets().values() if one.holds(code)}


def test_every_set_says_its_version_date_source_and_words() -> None:
    for one in value_sets().values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", one.version)
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", one.date)
        assert one.source.endswith(".")
        assert one.title


def test_a_reviewed_name_is_used_or_a_near_miss_and_never_both() -> None:
    owned = {key.partition("|")[2] for analyte in analytes() for key in analyte.codes if key.startswith(LOINC)}
    panels = {key.partition("|")[2] for key in value_sets()["blood-pressure-panel"].keys}
    near = set(loinc_table().names) - owned - panels
    assert owned <= set(loinc_table().names)
    assert {"2532-0", "2161-8", "718-7"} <= near


def test_a_range_of_categories_is_all_of_them() -> None:
    text = (
        'version = "1"\ndate = 2026-11-24\nkind = "condition"\nsource = "s"\n[[set]]\nname = "n"\ntitle = "t"\n'
        f'codes = [["{ICD_9_CM}", "098..101", "x"]]\n'
    )
    (one,) = read_sets(text, "c")
    assert [key.partition("|")[2] for key in one.keys] == ["098*", "099*", "100*", "101*"]
    assert one.holds(f"{ICD_9_CM}|099.1")
    assert not one.holds(f"{ICD_9_CM}|097.9")
