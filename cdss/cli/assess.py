"""`cdss assess`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from cdss.cli.mapping import given_map, map_line
from cdss.cli.output import counted, keep_apart, print_json, progress, show, source_size, whole_file
from cdss.codes import CodeMap
from cdss.domain.event import Severity
from cdss.errors import UsageError
from cdss.fhir.partition import Parts
from cdss.fhir.read import read, sole_subject, subject_name
from cdss.record import PatientRecord
from cdss.workflow.by_parts import answers_of, open_record
from cdss.workflow.cohort import CohortRow, cohort_row, read_cohort
from cdss.workflow.model import load_model

_MOST_FINDINGS = 3


def run(arguments: argparse.Namespace) -> None:
    """Assess a cohort, or one patient."""
    suffix = _suffix(arguments.out)
    keep_apart(arguments.out, arguments.source, arguments.cohort, arguments.map)
    if bool(arguments.cohort) == bool(arguments.index_time):
        raise UsageError("say whom and when: either --cohort FILE, or --index-time T with --subject ID.")
    if arguments.cohort and arguments.subject:
        raise UsageError("--subject goes with --index-time; a cohort file names its own subjects.")
    rows = read_cohort(arguments.cohort) if arguments.cohort else []
    code_map = given_map(arguments)
    model = load_model(arguments.model)
    with ExitStack() as stack:
        with progress("reading", source_size(arguments.source), "B", quiet=arguments.json) as advance:
            held: PatientRecord | Parts
            if arguments.cohort:
                held = stack.enter_context(open_record(arguments.source, code_map=code_map, progress=advance))
            else:
                held = read(arguments.source, subject=arguments.subject, code_map=code_map, progress=advance)
                subject = arguments.subject or sole_subject(held)
                rows = [cohort_row(subject, arguments.index_time, place="--index-time")]
        with progress("assessing", len(rows), "patients", quiet=arguments.json) as advance:
            _tell(arguments, answers_of(model, held, rows, advance), suffix, code_map)


def _tell(
    arguments: argparse.Namespace, answers: Iterator[dict[str, Any]], suffix: str, code_map: CodeMap | None
) -> None:
    if arguments.out:
        _report(arguments, _write(arguments.out, suffix, answers), code_map)
    elif arguments.json:
        found = list(answers)
        print_json(found if arguments.cohort else found[0])
    else:
        for answer in answers:
            print(_line(answer))
        if code_map is not None:
            print(map_line(code_map))


def _report(arguments: argparse.Namespace, kinds: Counter[str], code_map: CodeMap | None) -> None:
    summary = {"out": arguments.out, "estimates": kinds["estimate"], "abstentions": kinds["abstention"]}
    if arguments.json:
        print_json(summary if code_map is None else {**summary, "code_map": code_map.to_dict()})
    else:
        both = f"{counted(kinds['estimate'], 'estimate')} and {counted(kinds['abstention'], 'abstention')}"
        print(f"{both} in {show(arguments.out)}")
        if code_map is not None:
            print(map_line(code_map))


def read_one(arguments: argparse.Namespace) -> tuple[Any, list[CohortRow]]:
    """The record and the one question of a verb about one patient."""
    record = read(arguments.source, subject=arguments.subject, code_map=given_map(arguments))
    subject = subject_name(arguments.subject) if arguments.subject else sole_subject(record)
    return record, [cohort_row(subject, arguments.index_time, place="--index-time")]


def _suffix(out: str | None) -> str:
    if out is None:
        return ""
    suffix = next((known for known in (".ndjson", ".parquet") if out.endswith(known)), "")
    if not suffix:
        raise UsageError(f"{out}: --out ends in .ndjson or .parquet.")
    return suffix


def _write(out: str, suffix: str, answers: Iterator[dict[str, Any]]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    with whole_file(out) as scratch:
        if suffix == ".parquet":
            import pandas as pd

            from cdss.workflow.api import flat_answer

            flat = [flat_answer(answer) for answer in answers]
            kinds.update(str(row["kind"]) for row in flat)
            pd.DataFrame(flat, columns=list(flat_answer({}))).to_parquet(scratch)
            return kinds
        with scratch.open("w", encoding="utf-8") as lines:
            for answer in answers:
                kinds[answer["kind"]] += 1
                lines.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return kinds


def _line(answer: dict[str, Any]) -> str:
    head = f"{show(answer['subject'])} at {answer['index_time']}: "
    if answer["kind"] == "abstention":
        return "\n".join((head + "no estimate", *map(_reason, answer["reasons"]), *_not_used(answer)))
    interval = answer["interval"]
    estimate = (
        f"{head}{answer['outcome']} {answer['probability']:.0%} ({interval['level']:.0%} interval "
        f"{interval['low']:.0%} to {interval['high']:.0%}), band {answer['band']}"
        + (", flagged" if answer["flag"] else "")
    )
    return "\n".join((estimate, *_not_used(answer)))


def _reason(reason: dict[str, str]) -> str:
    return f"  {reason['code']}: {reason['message']}. {reason['remedy']}"


def _not_used(answer: dict[str, Any]) -> Iterator[str]:
    """What could have been used and was not: how much, and the first of it."""
    errors = [found for found in answer["findings"] if found["severity"] == Severity.ERROR]
    if errors:
        first = ", ".join(f"{show(found['source'])} {found['reason']}" for found in errors[:_MOST_FINDINGS])
        rest = f" and {len(errors) - _MOST_FINDINGS} more" if len(errors) > _MOST_FINDINGS else ""
        yield f"  not used: {counted(len(errors), 'finding')}, {first}{rest}. More: cdss read, cdss explain."
