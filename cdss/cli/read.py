"""`cdss read`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

from cdss.cli.mapping import given_map, map_line, unmapped_line, write_unmapped
from cdss.cli.output import counted, keep_apart, print_json, progress, show, source_size, whole_file, whole_folder
from cdss.codes import CodeMap
from cdss.domain.event import Rejection
from cdss.domain.instant import parse_duration, parse_index_time
from cdss.domain.reasons import known_reasons
from cdss.errors import UsageError
from cdss.fhir.census import read_counted
from cdss.fhir.read import read, subject_name
from cdss.record import PatientRecord
from cdss.workflow.put_aside import INDEX
from cdss.workflow.reading import read_report
from cdss.workflow.whole import open_whole, write_events_of


def run(arguments: argparse.Namespace) -> None:
    """Read, report, and write what was asked for."""
    keep_apart(arguments.out, arguments.source, arguments.rejections, arguments.unmapped, arguments.map)
    keep_apart(arguments.rejections, arguments.source, arguments.unmapped, arguments.map)
    keep_apart(arguments.unmapped, arguments.source, arguments.map)
    if arguments.put_aside and (arguments.subject or arguments.report):
        raise UsageError("--put-aside keeps what a whole source did not use. Leave out --subject and --report.")
    if arguments.unmapped and arguments.subject:
        raise UsageError("--unmapped counts the codes of a whole source. Leave out --subject.")
    index_time = None if arguments.index_time is None else parse_index_time(arguments.index_time)
    lookback = None if arguments.lookback is None else parse_duration(arguments.lookback)
    if lookback is not None and index_time is None:
        raise UsageError("--lookback counts back from --index-time. Give both, or neither.")
    if arguments.report:
        from cdss.cli import quality  # models and pages, which reading alone does not need

        quality.check_report(arguments)
    code_map = given_map(arguments)
    with ExitStack() as stack:
        aside = None
        if arguments.put_aside:
            aside = stack.enter_context(whole_folder(arguments.put_aside, arguments.source))
        with progress("reading", source_size(arguments.source), "B", quiet=arguments.json) as advance:
            record, write_events = _read(arguments, index_time, code_map, aside, advance, stack)
        page = ""
        if arguments.report:
            page = quality.write_report(quality.make_report(record, index_time, code_map), arguments.report)
        if arguments.out:
            with whole_file(arguments.out) as scratch:
                write_events(scratch)
        _write_rejections(arguments.rejections, record)
        found = write_unmapped(arguments, code_map) if arguments.unmapped else None
        subject = subject_name(arguments.subject) if arguments.subject else None
        if arguments.json:
            report = read_report(record, subject=subject, index_time=index_time, lookback=lookback, code_map=code_map)
            print_json(report if found is None else {**report, "unmapped": found.to_dict()})
            return
        _print(record)
    if code_map is not None:
        print(map_line(code_map))
    if found is not None:
        print(unmapped_line(found, arguments.unmapped))
    if aside is not None:
        print(f"what was put aside or refused, with the reasons: {show(str(Path(arguments.put_aside) / INDEX))}")
    if page:
        print(f"data-quality report: {show(page)}")


def _read(
    arguments: argparse.Namespace,
    index_time: int | None,
    code_map: CodeMap | None,
    aside: Path | None,
    advance: Callable[[int], Any],
    stack: ExitStack,
) -> tuple[PatientRecord, Callable[[Path], None]]:
    """The record, and what writes its events; a large source without a subject is read in parts."""
    if not arguments.report and not arguments.subject:
        return stack.enter_context(
            open_whole(
                arguments.source,
                with_events=bool(arguments.out),
                put_aside=aside,
                index_time=index_time,
                strict=arguments.strict,
                code_map=code_map,
                progress=advance,
            )
        )
    if arguments.report:
        record = read_counted(
            arguments.source, index_time=index_time, strict=arguments.strict, code_map=code_map, progress=advance
        )
    else:
        record = read(
            arguments.source,
            subject=arguments.subject,
            index_time=index_time,
            strict=arguments.strict,
            code_map=code_map,
            progress=advance,
        )
    return record, lambda out: write_events_of(record, out)


def _write_rejections(path: str | None, record: PatientRecord) -> None:
    if path is None:
        return
    with whole_file(path) as scratch, scratch.open("w", encoding="utf-8") as lines:
        for rejection in record.rejections:
            lines.write(json.dumps(rejection.to_dict(), ensure_ascii=False) + "\n")


def _print(record: PatientRecord) -> None:
    counts = record.counts
    print(f"{show(record.place)}: {counted(len(record.patients), 'patient')}, {counted(counts.events, 'event')}")
    print(
        f"{counts.resources} resources = {counts.used} used + {counts.not_needed} not needed + "
        f"{counts.put_aside} put aside + {counts.refused} refused"
    )
    reasons: Counter[tuple[str, str]] = Counter()
    firsts: dict[tuple[str, str], Rejection] = {}
    for rejection in record.rejections:
        firsts.setdefault((rejection.severity.value, rejection.reason), rejection)
        reasons[rejection.severity.value, rejection.reason] += 1
    for (severity, reason), count in sorted(reasons.items(), key=lambda item: (item[0][0], -item[1])):
        first = firsts[severity, reason]
        where = show(" ".join(part for part in (first.source, first.location) if part))
        print(f"  {severity:5} {count:>7}  {reason}, as in {where}: {show(first.message)}")
        print(f"{'':17}to do: {known_reasons()[reason].remedy}")
    for reason, blocks in groupby(record.blocked[:10], key=lambda block: block.reason):
        for block in blocks:
            print(f"  no score: {reason} ({show(block.source)}): {block.message}")
        print(f"{'':12}to do: {known_reasons()[reason].block_remedy}")
    if len(record.blocked) > 10:
        print(f"  no score: and {len(record.blocked) - 10} more")
