"""card.md: a model card written from evaluation.json and spec.toml; no number is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdss.domain.feature import FeatureSpec, IfMissing

_MEASURES = (
    ("auroc", "AUROC", 3),
    ("average_precision", "Average precision", 3),
    ("brier", "Brier score", 4),
    ("calibration_slope", "Calibration slope", 2),
    ("calibration_intercept", "Calibration in the large", 2),
    ("observed_expected", "Observed / expected", 2),
)


def write_card(spec: FeatureSpec, evidence: Mapping[str, Any]) -> str:
    """The card of a release, in Markdown."""
    machine, team = evidence["machine"], evidence["team"]
    lines = [
        f"# {spec.title} ({spec.name} {spec.version})",
        "",
        f"**Output** probability of {spec.outcome} over {spec.horizon}, with an interval and an explanation.",
        f"**Population** {' '.join(spec.population.split())}",
        f"**Intended use** {' '.join(spec.intended_use.split())}",
        f"**Not for** {' '.join(spec.not_for.split())}",
        "",
        f"## How well it did ({evidence['process']})",
        "",
        f"{machine['n']} rows, {machine['events']} with the outcome. Intervals of 95 %.",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {label} | {_interval(machine[name], digits)} |" for name, label, digits in _MEASURES),
        "",
        "### By band of risk",
        "",
        "| band | from | rows | predicted | observed |",
        "|---|---|---|---|---|",
        *(
            f"| {band['name']} | {band['low']:.0%} | {band['n']} | {_number(band['predicted'], 3)} "
            f"| {_interval(band['observed'], 3)} |"
            for band in evidence["bands"]
        ),
        "",
        *_operating_point(evidence["operating_point"]),
        *(
            _team(team, spec)
            if team
            else ["## Clinician and machine", "", "Not provided: no estimates were given.", ""]
        ),
        "## Who is in and who is out",
        "",
        "| | rows |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in evidence["attrition"].items()),
        "",
        "## What it reads",
        "",
        "| feature | unit | if missing |",
        "|---|---|---|",
        *(f"| {feature.label} | {feature.unit} | {_MISSING[feature.if_missing]} |" for feature in spec.features),
        "",
    ]
    return "\n".join(lines)


_MISSING = {
    IfMissing.ALLOW: "an estimate is still made",
    IfMissing.REQUIRED: "no estimate",
    IfMissing.NOT_ELIGIBLE: "no estimate: not in the population",
}


def _operating_point(point: Mapping[str, Any]) -> list[str]:
    return [
        f"### At the operating threshold of {point['threshold']:.0%}",
        "",
        f"Sensitivity {_interval(point['sensitivity'], 3)}, specificity {_interval(point['specificity'], 3)}, "
        f"positive predictive value {_interval(point['ppv'], 3)}; {_number(point['alerts_per_100'], 1)} flags per 100 "
        f"patients; net benefit {_number(point['net_benefit'], 3)}.",
        "",
    ]


def _team(team: Mapping[str, Any], spec: FeatureSpec) -> list[str]:
    lines = ["## Clinician and machine", ""]
    for name, title in (
        ("all", "All rows with a clinician's estimate"),
        ("disagree", f"Where the two differ by {spec.disagreement:g} or more"),
        ("agree", f"Where they differ by less than {spec.disagreement:g}"),
    ):
        table = team[name]
        if "absent" in table:
            lines += [f"### {title}", "", f"Not provided: {table['absent']}", ""]
            continue
        lines += [
            f"### {title} ({table['machine']['n']} rows, {table['machine']['events']} with the outcome)",
            "",
            "| measure | clinician | machine | both together |",
            "|---|---|---|---|",
            *(
                f"| {label} | "
                + " | ".join(_interval(table[who][measure], digits) for who in ("clinician", "machine", "team"))
                + " |"
                for measure, label, digits in _MEASURES
            ),
            "",
            f"Both together against the clinician: AUROC {_difference(table['team_against_clinician']['auroc'])}.",
            f"Machine against the clinician: AUROC {_difference(table['machine_against_clinician']['auroc'])}.",
            "",
        ]
    return lines


def _number(value: float | None, digits: int) -> str:
    return "not provided" if value is None else f"{value:.{digits}f}"


def _interval(found: Mapping[str, Any], digits: int) -> str:
    if found["value"] is None:
        return "not provided"
    return f"{found['value']:.{digits}f} ({_number(found['low'], digits)} to {_number(found['high'], digits)})"


def _difference(found: Mapping[str, Any]) -> str:
    return f"{_interval(found['difference'], 3)}: {found['verdict']}"
