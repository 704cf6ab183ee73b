"""The labelled cases: what is unusual in a chart, and what the shipped release is to make of it (stories.toml)."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from cdss.demo.chart import Chart, Resource, concept, quantity, time_text
from cdss.domain.coding import SNOMED_CT

_LABS = ("creatinine", "sodium", "potassium", "wblc", "albumin", "bilirubin", "glucose", "bun")
_COMFORT_MEASURES = "133918004"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A labelled case.

    `answer` is "estimate", or "abstention" with its `reason` and, where the reason is about one, its `feature`;
    `finding` is a finding that stands beside the answer.
    """

    label: str
    about: str
    answer: str
    reason: str = ""
    feature: str = ""
    finding: str = ""


@cache
def demo_stories() -> Mapping[str, Story]:
    """Every labelled case, by its label."""
    found = tomllib.loads(files("cdss.demo").joinpath("stories.toml").read_text("utf-8"))["story"]
    return {label: Story(label=label, **told) for label, told in found.items()}


def tell(chart: Chart, others: Mapping[str, Chart]) -> None:
    """Change a chart as its story says; `others` are the finished ordinary charts by hospital number."""
    change = _CHANGES.get(chart.person.story)
    if change:
        change(chart, others)


def _gone(*what: str) -> Callable[[Chart, Mapping[str, Chart]], None]:
    def change(chart: Chart, others: Mapping[str, Chart]) -> None:
        for name in what:
            chart.drop(chart.of(name))

    return change


def _stale(chart: Chart, others: Mapping[str, Chart]) -> None:
    limit = time_text(chart.ago(24))
    for name in _LABS:
        chart.drop(one for one in chart.of(name) if one["effectiveDateTime"] >= limit)


def _wrong_unit(chart: Chart, others: Mapping[str, Chart]) -> None:
    newest = chart.of("creatinine")[0]
    newest.update(quantity(newest["valueQuantity"]["value"], "mm[Hg]"))


def _unit_alias(chart: Chart, others: Mapping[str, Chart]) -> None:
    newest = chart.of("meanbp")[0]
    newest["valueQuantity"] = {"value": newest["valueQuantity"]["value"], "unit": "mmHg"}


def _heart_rate_nought(chart: Chart, others: Mapping[str, Chart]) -> None:
    chart.of("hrt")[0]["valueQuantity"]["value"] = 0


def _sodium_slip(chart: Chart, others: Mapping[str, Chart]) -> None:
    chart.of("sodium")[0]["valueQuantity"]["value"] = 1390


def _censored(chart: Chart, others: Mapping[str, Chart]) -> None:
    chart.of("bilirubin")[0]["valueQuantity"]["comparator"] = "<"


def _preliminary(chart: Chart, others: Mapping[str, Chart]) -> None:
    final = chart.of("creatinine")[0]
    first = _again(chart, final)
    first["status"] = "preliminary"
    first["valueQuantity"]["value"] = round(final["valueQuantity"]["value"] + 1.4, 1)
    final["issued"] = time_text(datetime.fromisoformat(first["issued"]) + timedelta(minutes=50))


def _corrected(chart: Chart, others: Mapping[str, Chart]) -> None:
    newest = chart.of("creatinine")[0]
    first = _again(chart, newest)
    first["id"] = newest["id"]
    first["valueQuantity"]["value"] = round(newest["valueQuantity"]["value"] + 2.2, 1)
    newest["status"] = "corrected"
    newest["issued"] = time_text(datetime.fromisoformat(first["issued"]) + timedelta(minutes=35))
    for number, version in enumerate((first, newest), start=1):
        version["meta"] |= {"versionId": str(number), "lastUpdated": version["issued"]}


def _entered_in_error(chart: Chart, others: Mapping[str, Chart]) -> None:
    newest = chart.of("hrt")[0]
    newest["status"] = "entered-in-error"
    newest["valueQuantity"]["value"] = 41


def _duplicate(chart: Chart, others: Mapping[str, Chart]) -> None:
    _again(chart, chart.of("sodium")[0])


def _again(chart: Chart, observation: Resource) -> Resource:
    """The same result under the next id."""
    same = copy.deepcopy({name: part for name, part in observation.items() if name not in ("resourceType", "id")})
    return chart.add("Observation", **same)


def _misfiled(chart: Chart, others: Mapping[str, Chart]) -> None:
    """A creatinine taken from the other patient in the evening, sent here only; theirs of the morning is newer."""
    owner = others[chart.person.of]
    own = owner.of("creatinine")[0]
    stray = copy.deepcopy(own)
    stray["id"] = f"{owner.name}-stray"
    taken = datetime.fromisoformat(own["effectiveDateTime"]) - timedelta(hours=9)
    stray["effectiveDateTime"], stray["issued"] = time_text(taken), time_text(taken + timedelta(minutes=70))
    chart.resources.append(stray)


def _year_only(chart: Chart, others: Mapping[str, Chart]) -> None:
    patient = chart.resources[0]
    patient["birthDate"] = patient["birthDate"][:4]


def _comfort(chart: Chart, others: Mapping[str, Chart]) -> None:
    chart.add(
        "Procedure",
        status="in-progress",
        code=concept(SNOMED_CT, _COMFORT_MEASURES, "Comfort measures"),
        **chart.whose,
        performedPeriod={"start": time_text(chart.ago(20))},
    )


def _deceased(chart: Chart, others: Mapping[str, Chart]) -> None:
    died = time_text(chart.ago(2))
    chart.resources[0]["deceasedDateTime"] = died
    chart.drop(one for one in chart.resources if str(one.get("issued", "")) > died)


_CHANGES: dict[str, Callable[[Chart, Mapping[str, Chart]], None]] = {
    "half the labs missing": _gone("glucose", "bun", "urine", "ph", "pafi"),
    "missing must-have": _gone("creatinine"),
    "too many missing": _gone("ph", "pafi", "albumin", "bilirubin", "glucose", "bun", "urine"),
    "stale results": _stale,
    "wrong unit": _wrong_unit,
    "unit alias": _unit_alias,
    "impossible heart rate": _heart_rate_nought,
    "impossible sodium": _sodium_slip,
    "censored value": _censored,
    "preliminary then final": _preliminary,
    "corrected version": _corrected,
    "entered in error": _entered_in_error,
    "duplicate result": _duplicate,
    "misfiled result": _misfiled,
    "year-only birth date": _year_only,
    "comfort care": _comfort,
    "deceased": _deceased,
}
