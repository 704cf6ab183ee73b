"""`cdss VERB`: arguments, exit codes, and errors in one or two lines."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from cdss import __version__
from cdss.cli import ledger, users
from cdss.errors import CdssError

if TYPE_CHECKING:
    _Verbs = argparse._SubParsersAction["_Parser"]

_EPILOG = """exit codes:
  0 done; an abstention is an answer too   2 unknown verb, option or model, no such path, bad cohort file
  3 input refused as a whole               4 a digest, signature or ledger check does not hold
  5 wrong password, expired, role          6 a part it depends on fails

example:
  cdss assess patient.json --model serious-illness-180d --index-time 2026-01-04T00:00:00Z"""

_LONGEST = 800
_COHORT = "subject,index_time[,encounter][,clinician_estimate]"


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; building it loads nothing but argparse."""
    parser = _Parser(
        prog="cdss",
        description="Clinical decision support: FHIR in, an explained risk out, or a clear reason why not.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cdss {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _read(verbs)
    _dataset(verbs)
    _assess(verbs)
    _explain(verbs)
    _train(verbs)
    _demo(verbs)
    _serve(verbs)
    users.add(verbs)
    ledger.add(verbs)
    return parser


def _verb(verbs: _Verbs, name: str, what: str, example: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    return verb


def _source(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("source", metavar="SOURCE", help="a Bundle, a resource, an NDJSON file, or a directory of them")


def _map(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--map", metavar="FILE", help="what the hospital's own codes mean: CSV or a ConceptMap")


def _read(verbs: _Verbs) -> None:
    what = "read FHIR into events, and say what became of every resource"
    verb = _verb(verbs, "read", what, "cdss read export/ --rejections rejections.ndjson")
    _source(verb)
    verb.add_argument("--subject", metavar="ID", help="one patient: ID or Patient/ID")
    verb.add_argument("--index-time", metavar="T", help="put aside what was not known by then (ISO 8601 with offset)")
    verb.add_argument("--lookback", metavar="PT24H", help="how far back values are listed (needs --index-time)")
    verb.add_argument("--strict", action="store_true", help="also validate with fhir.resources")
    _map(verb)
    verb.add_argument("--out", metavar="EVENTS.parquet", help="write the events")
    verb.add_argument("--rejections", metavar="FILE.ndjson", help="write every rejection")
    verb.add_argument("--put-aside", metavar="DIR", help="keep what was put aside or refused, with the reasons")
    verb.add_argument("--unmapped", metavar="FILE.csv", help="write the codes that nothing reads, by frequency")
    verb.add_argument("--report", metavar="DIR", help="write a data-quality report: report.html and quality.json")


def _dataset(verbs: _Verbs) -> None:
    what = "turn a public data set you hold into FHIR R4 NDJSON, a cohort and outcomes"
    verb = _verb(verbs, "dataset", what, "cdss dataset support2 support2.csv --out support2-fhir")
    verb.add_argument("name", metavar="NAME", choices=("support2", "physionet2012", "diabetes130"), help="which one")
    verb.add_argument(
        "inputs", metavar="INPUT", nargs="+", help="its files, or for physionet2012 also directories of them"
    )
    verb.add_argument("--out", metavar="DIR", required=True, help="a new or empty directory")


def _assess(verbs: _Verbs) -> None:
    what = "assess patients with a released model"
    verb = _verb(
        verbs, "assess", what, "cdss assess export/ --model serious-illness-180d --cohort cohort.csv --out a.ndjson"
    )
    _source(verb)
    verb.add_argument("--model", metavar="NAME", required=True, help="name, name@version, or the path of a release")
    verb.add_argument("--cohort", metavar="FILE.csv", help=_COHORT)
    verb.add_argument("--subject", metavar="ID", help="one patient: ID or Patient/ID")
    verb.add_argument("--index-time", metavar="T", help="when the question is asked (ISO 8601 with offset)")
    verb.add_argument("--out", metavar="FILE", help="write FILE.ndjson or FILE.parquet")
    verb.add_argument("--engine", choices=("local",), default="local", help="where features are built")
    _map(verb)


def _explain(verbs: _Verbs) -> None:
    what = "explain one assessment in words, with every source"
    example = "cdss explain patient.json --model serious-illness-180d --subject p1 --index-time 2026-01-04T00:00:00Z"
    verb = _verb(verbs, "explain", what, example)
    _source(verb)
    verb.add_argument("--model", metavar="NAME", required=True, help="name, name@version, or the path of a release")
    verb.add_argument("--subject", metavar="ID", help="one patient: ID or Patient/ID")
    verb.add_argument("--index-time", metavar="T", required=True, help="when the question is asked")
    _map(verb)


def _train(verbs: _Verbs) -> None:
    what = "fit, calibrate and evaluate a model, and write a release proposal"
    example = (
        "cdss train models/serious-illness-180d support2-fhir --cohort support2-fhir/cohort.csv \\\n"
        "    --outcomes support2-fhir/outcomes.csv --out proposals/serious-illness-180d"
    )
    verb = _verb(verbs, "train", what, example)
    verb.add_argument("model_dir", metavar="MODEL_DIR", help="holds spec.toml")
    _source(verb)
    verb.add_argument(
        "--cohort", metavar="FILE", required=True, help="subject,index_time[,encounter][,clinician_estimate]"
    )
    verb.add_argument(
        "--outcomes", metavar="FILE", required=True, help="subject,index_time[,encounter],outcome (0 or 1)"
    )
    verb.add_argument("--out", metavar="RELEASE_DIR", required=True, help="a new or empty directory")
    _map(verb)


def _demo(verbs: _Verbs) -> None:
    verb = _verb(
        verbs, "demo", "open a made-up hospital, with its patients assessed, in a browser", "cdss demo --dir /tmp/demo"
    )
    verb.add_argument("--dir", metavar="DIR", help="where its store and keys are (default CDSS_HOME)")
    verb.add_argument("--port", metavar="N", type=int, help="where it listens on 127.0.0.1 (default 8501)")
    verb.add_argument(
        "--smoke", action="store_true", help="try health, an assessment, a signature and the ledger, and stop"
    )


def _serve(verbs: _Verbs) -> None:
    verb = _verb(verbs, "serve", "serve the app and the HTTP service of this hospital", "cdss serve --port 8501")
    verb.add_argument("--port", metavar="N", type=int, help="where it listens (default 8501)")


class _Parser(argparse.ArgumentParser):
    """argparse, but a usage error is two lines."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {_plain(message)}\nTry: {self.prog} --help\n")


def _plain(message: str) -> str:
    """A message for a terminal: nothing that moves the cursor, and not without end."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in message)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if empty := sorted(name for name, value in vars(arguments).items() if value == ""):
        parser.error(f"{empty[0]} is empty")
    try:
        importlib.import_module(f"cdss.cli.{arguments.verb}").run(arguments)
        sys.stdout.flush()
    except CdssError as error:
        print(f"cdss {arguments.verb}: {_plain(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        kept = "" if arguments.verb in ("demo", "serve") else "; nothing was written"
        print(f"cdss {arguments.verb}: stopped{kept}.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        print(f"cdss {arguments.verb}: out of memory. Give the source in smaller parts.", file=sys.stderr)
        return 6
    except Exception as error:
        if os.environ.get("CDSS_TRACEBACK"):
            raise
        kind = type(error).__name__
        print(
            f"cdss {arguments.verb}: unexpected failure ({kind}); nothing was written. Please report it, with what "
            "CDSS_TRACEBACK=1 prints.",
            file=sys.stderr,
        )
        return 1
    return 0
