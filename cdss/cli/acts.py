"""A verb that has acts of its own, such as `cdss ledger verify`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[Any]
AddAct = Callable[[str, str], argparse.ArgumentParser]


def add_verb(verbs: Verbs, name: str, what: str, epilog: str) -> AddAct:
    """Add a verb with `--json` before or after its act; what comes back adds an act by name and description."""
    verb = verbs.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)

    def add_act(act: str, does: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = acts.add_parser(act, help=does, description=f"{does.capitalize()}.")
        parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")
        return parser

    return add_act
