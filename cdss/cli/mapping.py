"""`--map` and `--unmapped`, which several verbs share."""

from __future__ import annotations

import argparse
import csv

from cdss.cli.output import counted, progress, show, source_size, whole_file
from cdss.codes import CodeMap
from cdss.fhir.codemap import read_code_map
from cdss.workflow.unmapped import Coverage, coverage

_COLUMNS = ("system", "code", "display", "count", "patients", "unit")
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would run


def given_map(arguments: argparse.Namespace) -> CodeMap | None:
    """The map of `--map`, checked; None without one."""
    return read_code_map(arguments.map) if arguments.map else None


def map_line(code_map: CodeMap) -> str:
    """Which map was used, so that a report can be made again."""
    return f"{counted(len(code_map.targets), 'own code')} mapped by {show(code_map.place)}, {code_map.digest}"


def write_unmapped(arguments: argparse.Namespace, code_map: CodeMap | None) -> Coverage:
    """Count what nothing reads, and write it by frequency."""
    with progress("counting codes", source_size(arguments.source), "B", quiet=arguments.json) as advance:
        found = coverage(arguments.source, code_map, advance)
    with (
        whole_file(arguments.unmapped) as scratch,
        scratch.open("w", encoding="utf-8", newline="") as opened,
    ):
        rows = csv.writer(opened)
        rows.writerow(_COLUMNS)
        for row in found.by_frequency:
            words = (_cell(text) for text in (row.system, row.code, row.display))
            rows.writerow((*words, row.count, row.patients, _cell(row.unit)))
    return found


def unmapped_line(found: Coverage, out: str) -> str:
    """How much of the source is not read for its code."""
    share = found.unmapped / found.observations if found.observations else 0.0
    return (
        f"{found.unmapped} of {counted(found.observations, 'observation')} ({share:.1%}) have a code that nothing "
        f"reads: {counted(len(found.codes), 'code')} in {show(out)}"
    )


def _cell(text: str) -> str:
    """Words of a record for a spreadsheet: nothing invisible, and nothing that it would run."""
    shown = show(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
