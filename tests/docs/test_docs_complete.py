"""The documentation is complete: every command, option, reason, unit and entry of a specification is in it."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

import cdss
from cdss.cli.main import build_parser
from cdss.codes.page import page as codes_page
from cdss.domain import feature
from cdss.domain.reasons import known_reasons
from cdss.domain.reasons import page as reasons_page
from cdss.features import read_spec
from cdss.features.spec import AGGREGATES
from cdss.units import Analyte, analytes
from cdss.workflow.model import shipped_releases

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Kebab-case texts of the source that are no reasons: FHIR statuses, codes of a data set, encodings, wording.
NOT_REASONS = {
    "arf-mosf-sepsis", "colon-cancer", "lung-cancer", "mosf-malignancy", "num-co", "support2-model-1995",
    "support2-physician", "user-friendly-name", "entered-in-error", "in-progress", "on-hold", "replaced-by", "log-odds",
    "non-event", "utf-8", "utf-8-sig", "utf-16-be", "not-applicable", "serious-illness-180d",
}  # fmt: skip
# Where a reason stands among the positional arguments of a call, for those of one word.
PLACE_OF_REASON = {
    "PutAside": 1, "note": 1, "block": 1, "_refuse": 1, "refuse": 2, "reject": 3, "_set_down": 2, "_problem": 1,
    "TimeProblem": 0, "StrictJsonError": 0,
}  # fmt: skip
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
_WORD = re.compile(r"[a-z0-9-]+")
_LOINC = re.compile(r"\d+-\d")


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def source_reasons() -> tuple[set[str], set[str]]:
    """Every reason the source writes out, and the endings of those it puts together (`subject` + `-missing`)."""
    found: set[str] = set()
    endings: set[str] = set()
    for path in (ROOT / "cdss").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEBAB.fullmatch(node.value):
                found.add(node.value)
            if not isinstance(node, ast.Call):
                continue
            at = PLACE_OF_REASON.get(_called(node))
            places = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            places += node.args[at : at + 1] if at is not None else []
            for place in places:
                text = _text(place)
                if text is not None and _WORD.fullmatch(text):
                    found.add(text)
                ending = _text(place.values[-1]) if isinstance(place, ast.JoinedStr) else None
                if ending is not None and re.fullmatch(r"(?:-[a-z]+)+", ending):
                    endings.add(ending)
    return {text for text in found - NOT_REASONS if not _LOINC.fullmatch(text)}, endings


def spec_reasons() -> set[str]:
    specs = [read_spec(path.read_bytes(), path.name) for path in (ROOT / "models").glob("*/spec.toml")]
    return {exclusion.code for spec in specs for exclusion in spec.exclusions}


def documented_reasons() -> set[str]:
    return set(known_reasons())


def test_every_reason_is_documented_and_every_documented_reason_exists() -> None:
    """To mend: put the new reason into cdss/domain/reasons.toml, and `make docs`."""
    written, endings = source_reasons()
    existing, documented = written | spec_reasons(), documented_reasons()
    assert existing - documented == set()
    assert {reason for reason in documented - existing if not reason.endswith(tuple(endings))} == set()
    assert {f"subject{ending}" for ending in endings} <= documented


def test_the_page_of_reasons_is_what_the_data_gives() -> None:
    """To mend: change cdss/domain/reasons.toml, and `make docs`."""
    text = (REFERENCE / "reasons.md").read_text("utf-8")
    assert text == reasons_page()
    assert re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE) == list(known_reasons())


@pytest.mark.parametrize("code", known_reasons())
def test_a_reason_fits_a_row_and_its_remedy_stands_alone(code: str) -> None:
    known = known_reasons()[code]
    assert _WORD.fullmatch(code)
    for text in (known.severity, known.meaning, known.remedy, known.block_remedy):
        assert text == text.strip() != ""
        assert "|" not in text
        assert text.isprintable()
    for remedy in (known.remedy, known.block_remedy):
        assert remedy.endswith(".")
        assert "](" not in remedy


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (action,) = (found for found in parser._actions if isinstance(found, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("verb", sorted(_verbs(build_parser())))
def test_every_option_of_a_verb_is_documented(verb: str) -> None:
    page = (REFERENCE / "command-line.md").read_text("utf-8")
    section = re.search(rf"^## cdss {verb}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section, f"command-line.md has no section on {verb}"
    options = {
        name
        for action in _verbs(build_parser())[verb]._actions
        for name in action.option_strings or [str(action.metavar)]
        if name not in ("-h", "--help")
    }
    known = set(re.findall(r"^\| `([^` =]+)", section[1], re.MULTILINE))
    assert known == options


def test_no_verb_is_documented_that_does_not_exist() -> None:
    page = (REFERENCE / "command-line.md").read_text("utf-8")
    assert set(re.findall(r"^## cdss (\w+)$", page, re.MULTILINE)) == set(_verbs(build_parser()))


def test_the_readme_lists_every_verb() -> None:
    listed = re.findall(r"^\| `cdss (\w+)`", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(_verbs(build_parser()))


def _number(value: Fraction) -> str:
    return f"{float(value):g}"


def _analyte_row(analyte: Analyte) -> str:
    codes = ", ".join(f"`{code.partition('|')[2]}`" for code in analyte.codes)
    physical, plausible = (f"{_number(low)} to {_number(high)}" for low, high in (analyte.physical, analyte.plausible))
    mass = "" if analyte.molar_mass is None else _number(analyte.molar_mass)
    valence = "" if analyte.valence is None else str(analyte.valence)
    return f"| {analyte.label} | {codes} | `{analyte.unit}` | {physical} | {plausible} | {mass} | {valence} |"


def test_the_table_of_units_is_that_of_units_toml() -> None:
    """To mend: put the rows below in docs/reference/units.md, in this order."""
    table = re.findall(r"^\| .* \|$", (REFERENCE / "units.md").read_text("utf-8"), re.MULTILINE)
    expected = [_analyte_row(analyte) for analyte in analytes()]
    assert [row for row in table if "`" in row] == expected, "\n".join(expected)


def test_the_page_of_codes_is_what_the_data_gives() -> None:
    """To mend: `make docs`."""
    assert (REFERENCE / "codes.md").read_text("utf-8") == codes_page()


def test_the_specification_language_is_documented() -> None:
    page = (REFERENCE / "features.md").read_text("utf-8")
    kinds = (feature.Reading, feature.FeatureDefinition, feature.Exclusion, feature.Band, feature.MissingLimit,
             feature.IntervalSettings, feature.TeamSettings, feature.FeatureSpec)  # fmt: skip
    entries = {field.name for kind in kinds for field in dataclasses.fields(kind)} - {"digest"}
    tables = {"features": "feature", "readings": "reading", "exclusions": "exclusion", "bands": "band"}
    wanted = {tables.get(entry, entry) for entry in entries} | set(AGGREGATES) | set().union(*AGGREGATES.values())
    assert {entry for entry in wanted if f"`{entry}`" not in page} == set()


def test_each_shipped_release_has_its_page_and_its_features_are_on_it() -> None:
    for release in shipped_releases():
        name = release.partition("@")[0]
        page = (REFERENCE / f"{name}.md").read_text("utf-8")
        spec = read_spec((ROOT / "models" / name / "spec.toml").read_bytes(), name)
        assert {one.name for one in spec.features if f"`{one.name}`" not in page} == set()
        assert " ".join(spec.not_for.split()) in " ".join(page.split())
        assert " ".join(spec.not_for.split()) in " ".join((ROOT / "README.md").read_text("utf-8").split())


def test_every_field_of_an_assessment_is_documented() -> None:
    page = (REFERENCE / "assessment.md").read_text("utf-8")
    model = cdss.load_model("serious-illness-180d")

    def names(value: object) -> set[str]:
        if isinstance(value, dict):
            return {str(name) for name in value}.union(*map(names, value.values()))
        return set().union(*map(names, value)) if isinstance(value, list) else set()

    for example in ("seriously-ill", "incomplete", "wrong-unit"):
        record = cdss.read(ROOT / "docs" / "examples" / f"{example}.json")
        answer = model.assess(record, "2026-01-04T00:00:00Z", encounter="stay-1", clinician_estimate=0.6)
        assert {name for name in names(answer.to_dict()) if f"`{name}`" not in page} == set()


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        ahead += [(page.parent / target).resolve() for target in targets if not target.startswith("http")]
    assert set(PAGES) - reached == set()


def test_no_page_names_a_place_on_one_machine() -> None:
    machine = re.compile(r"(?<![\w.])/(?:home|work|root|tmp|Users|opt|mnt|var)/|[A-Z]:\\|localhost")
    for page in [*PAGES, *sorted((ROOT / "docs" / "examples").iterdir())]:
        for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
            assert not machine.search(line), f"{page.relative_to(ROOT)}, line {number}: {line}"


def test_the_examples_are_marked_as_synthetic() -> None:
    for path in (ROOT / "docs" / "examples").glob("*.json"):
        for entry in json.loads(path.read_text("utf-8"))["entry"]:
            assert entry["resource"]["meta"]["tag"][0]["code"] == "HTEST"
