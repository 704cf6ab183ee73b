"""`cdss dataset`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cdss.cli.output import print_json, progress
from cdss.datasets import DATASETS


def run(arguments: argparse.Namespace) -> None:
    """Write a data set as FHIR."""
    out = Path(arguments.out)
    with progress("writing", None, "rows", quiet=arguments.json) as advance:
        written = DATASETS[arguments.name]([Path(name) for name in arguments.inputs], out, advance)
    if arguments.json:
        print_json({"dataset": arguments.name, "out": arguments.out, "rows": dict(written)})
        return
    for name, rows in written.items():
        print(f"{rows:>9}  {out / name}")
