"""`cdss explain`."""

from __future__ import annotations

import argparse
from typing import Any

from cdss.cli.assess import read_one
from cdss.cli.mapping import given_map, map_line
from cdss.cli.output import print_json, show
from cdss.domain.event import Severity
from cdss.domain.reasons import known_reasons
from cdss.risk.words import span_words
from cdss.workflow.model import load_model


def run(arguments: argparse.Namespace) -> None:
    """Explain one assessment in words."""
    model = load_model(arguments.model)
    record, rows = read_one(arguments)
    answer = model.assess_rows(record, rows)[0].to_dict()
    if arguments.json:
        print_json(answer)
        return
    reference = answer["model"]
    print(f"{model.spec.title}: {show(answer['subject'])} at {answer['index_time']}")
    print(f"model {reference['name']} {reference['version']} ({reference['digest'][:19]}), {answer['release_state']}")
    if (code_map := given_map(arguments)) is not None:
        print(map_line(code_map))
    print()
    if answer["kind"] == "abstention":
        _print_abstention(answer)
    else:
        _print_estimate(answer)
    if answer["findings"]:
        print("\nFindings")
        for found in answer["findings"]:
            print(f"  {found['severity']}: {show(found['source'])} {found['reason']}: {show(found['message'])}")
            if found["severity"] == Severity.ERROR:
                print(f"    to do: {known_reasons()[found['reason']].remedy}")
    print(f"\nFor: {' '.join(model.spec.intended_use.split())}")
    print(f"Not for: {' '.join(model.spec.not_for.split())}")


def _print_abstention(answer: dict[str, Any]) -> None:
    print("No estimate.")
    for reason in answer["reasons"]:
        print(f"  {reason['code']}: {reason['message']}.")
        print(f"    {reason['remedy']}")


def _print_estimate(answer: dict[str, Any]) -> None:
    interval, parts = answer["interval"], answer["explanation"]
    print(f"Probability of {answer['outcome']} over {span_words(answer['horizon'])}: {answer['probability']:.0%}")
    print(f"  {interval['level']:.0%} interval {interval['low']:.0%} to {interval['high']:.0%}: {interval['method']}")
    print(f"  band {answer['band']}" + (", at or above the operating threshold" if answer["flag"] else ""))
    print(f"\nWhy (log-odds: {parts['base_value']:+.2f} before anything is known of this patient)")
    for part in parts["contributions"]:
        print(f"  {part['shap_value']:+.2f}  {part['text']}")
        if part["sources"]:
            when = f" of {part['effective']}" if part["effective"] else ""
            print(f"         from {', '.join(show(source) for source in part['sources'])}{when}")
    print(f"  {answer['log_odds']:+.2f}  all together, before calibration. What goes with a risk need not cause it.")
