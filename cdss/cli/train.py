"""`cdss train`."""

from __future__ import annotations

import argparse

from cdss.cli.output import print_json, progress
from cdss.workflow.train import STEPS, train


def run(arguments: argparse.Namespace) -> None:
    """Train and write a release proposal."""
    with progress("training", STEPS, "fits", quiet=arguments.json) as step:
        model = train(
            arguments.model_dir,
            arguments.source,
            arguments.cohort,
            arguments.outcomes,
            arguments.out,
            code_map=arguments.map,
            step=step,
        )
    reference = model.reference
    if arguments.json:
        release = {"name": reference.name, "version": reference.version, "digest": reference.digest}
        print_json({"out": arguments.out, **release})
        return
    print((model.path / "card.md").read_text("utf-8"))
    print(f"release proposal {reference.name} {reference.version} in {arguments.out}, digest {reference.digest}")
