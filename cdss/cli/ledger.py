"""`cdss ledger`: verify, head, checkpoint, export, prove."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cdss.cli.acts import add_verb
from cdss.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from cdss.cli.acts import Verbs
    from cdss.ledger.keys import Keys
    from cdss.ledger.reading import LedgerReader

_EPILOG = """the store is CDSS_STORE, else cdss.db in CDSS_HOME (default ./.cdss)

example:
  cdss ledger verify --anchors /other/volume/checkpoints.txt"""


def add(verbs: Verbs) -> None:
    """Add the verb and its acts to the command line."""
    act = add_verb(verbs, "ledger", "verify what was remembered, prove it, hand it out", _EPILOG)
    verify = act("verify", "check every entry, proof, signature and projection")
    verify.add_argument("--key", metavar="FILE", help="the public key of the log, kept elsewhere")
    verify.add_argument("--anchors", metavar="FILE", help="checkpoints kept elsewhere, one after the other")
    act("head", "say where the log ends")
    act("checkpoint", "sign where the log ends, and print the note to keep elsewhere")
    export = act("export", "write the ledger as a stream that can be verified without the store")
    export.add_argument("--subject", metavar="ID", help="only the entries of one patient, each with its proof")
    export.add_argument("--blobs", action="store_true", help="also the sealed bytes of the blobs")
    export.add_argument("--out", metavar="FILE.ndjson", help="write a file instead of printing")
    export.add_argument(
        "--fhir", metavar="DIR", help="write the signed decisions and all acts as FHIR R4 NDJSON instead"
    )
    act("prove", "prove that one entry is in the log").add_argument("seq", metavar="SEQ", type=int, help="its number")


def run(arguments: argparse.Namespace) -> None:
    """Do one act."""
    _ACTS[arguments.act](arguments)


def _home() -> Path:
    return Path(os.environ.get("CDSS_HOME") or ".cdss")


def _url() -> str:
    return os.environ.get("CDSS_STORE") or f"sqlite:///{_home() / 'cdss.db'}"


def _keys() -> Keys | None:
    """The keys of this deployment; None where there are none, as on an auditor's machine."""
    from cdss.ledger.keys import Keys

    return Keys.open(_home(), create=False) if (_home() / "keys" / "log.key").exists() else None


@contextmanager
def _reader() -> Iterator[LedgerReader]:
    from cdss.ledger.reading import read_ledger

    with read_ledger(_url()) as reader:
        yield reader


def _text(path: str | None) -> str:
    try:
        return Path(path).read_text("utf-8") if path else ""
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path}: cannot be read. Check the path and try again.") from None


def _verify(arguments: argparse.Namespace) -> None:
    from cdss.ledger.engine import store_file
    from cdss.ledger.verify import show, verify

    keys = _keys()
    key = _text(arguments.key).strip() or (keys.log.public if keys else None)
    anchors, kek = _text(arguments.anchors), keys.kek if keys else None
    path = store_file(_url())
    with tempfile.TemporaryDirectory() as scratch:
        if path is None:
            path = Path(scratch) / "ledger.ndjson"
            _export_to(path, blobs=True)
        report = verify(path, key=key, anchors=anchors, kek=kek)
    show(report, as_json=arguments.json)
    if report.findings:
        worst = report.findings[0]
        where = f"The first bad sequence number is {report.first_bad}" if report.first_bad else "No entry is to blame"
        raise IntegrityError(f"{where}: {worst.what}. Keep the store as it is, and compare it with a backup.")


def _export_to(path: Path, *, blobs: bool, subject: str | None = None) -> int:
    from cdss.ledger.export import export

    with _reader() as reader, path.open("w", encoding="utf-8") as file:
        return sum(1 for line in export(reader, subject=subject, contents=blobs) if file.write(line))


def _head(arguments: argparse.Namespace) -> None:
    from cdss.cli.output import print_json

    with _reader() as reader:
        head = asdict(reader.head())
    if arguments.json:
        print_json(head)
        return
    print(*(f"{name}: {value}" for name, value in head.items() if value is not None), sep="\n")


def _checkpoint(arguments: argparse.Namespace) -> None:
    from cdss.cli.output import print_json
    from cdss.ledger.engine import store_file
    from cdss.ledger.store import LedgerStore

    path, keys = store_file(_url()), _keys()
    if keys is None or (path is not None and not path.is_file()):
        raise UsageError(f"{_home()}: holds no ledger or no keys to sign with. Check CDSS_HOME and CDSS_STORE.")
    with LedgerStore.open(_url(), keys) as store:
        checkpoint = store.checkpoint()
    if checkpoint is None:
        raise UsageError("The ledger has no entries yet: there is nothing to sign.")
    if arguments.json:
        print_json(asdict(checkpoint))
    else:
        print(checkpoint.note, end="")


def _export(arguments: argparse.Namespace) -> None:
    from cdss.cli.output import print_json, whole_file
    from cdss.ledger.export import export

    if arguments.fhir:
        _export_fhir(arguments)
        return
    subject = None
    if arguments.subject:
        keys = _keys()
        if keys is None:
            raise UsageError(f"{_home()}: --subject needs the pseudonym key, which is not there. Check CDSS_HOME.")
        subject = keys.pseudonym(arguments.subject)
    if arguments.out:
        with whole_file(arguments.out) as scratch:
            lines = _export_to(scratch, blobs=arguments.blobs, subject=subject)
        if arguments.json:
            print_json({"out": arguments.out, "records": lines})
        return
    if arguments.json:
        raise UsageError("An export is many JSON lines. Name a file with --out to have one document printed.")
    with _reader() as reader:
        sys.stdout.writelines(export(reader, subject=subject, contents=arguments.blobs))


def _export_fhir(arguments: argparse.Namespace) -> None:
    from cdss.cli.output import print_json
    from cdss.ledger.store import LedgerStore
    from cdss.workflow.fhir_export import export_fhir

    if arguments.out or arguments.blobs or arguments.subject:
        raise UsageError("--fhir goes alone: it writes all signed decisions and all acts into a new directory.")
    keys = _keys()
    if keys is None:
        raise UsageError(f"{_home()}: --fhir needs the keys that open the records, which are not there.")
    with _reader():  # the store must be there before it is opened for reading its sealed records
        pass
    with LedgerStore.open(_url(), keys) as store:
        counts = export_fhir(store, store.get_blob, Path(arguments.fhir))
    if arguments.json:
        print_json({"out": arguments.fhir, **counts})
        return
    written = ", ".join(f"{counts[name]} {name}" for name in ("RiskAssessment", "Provenance", "AuditEvent"))
    left = {
        name: counts[name] for name in ("unsigned", "withdrawn", "rejected", "unrecorded", "erased") if counts[name]
    }
    print(f"{written} in {arguments.fhir}" + (f"; left out: {left}" if left else ""))


def _prove(arguments: argparse.Namespace) -> None:
    from cdss.cli.output import print_json

    with _reader() as reader:
        proof = reader.prove(arguments.seq)
    entry = proof.entry
    found = {
        "seq": entry.seq,
        "leaf": entry.leaf,
        "body": entry.body.decode(),
        "path": list(proof.path),
        "checkpoint": asdict(proof.checkpoint),
    }
    if arguments.json:
        print_json(found)
        return
    print(f"entry {entry.seq} ({entry.kind}, {entry.at}) with leaf {entry.leaf}")
    print(f"is in the log of {proof.checkpoint.size} entries with root {proof.checkpoint.root}, by the path")
    print(*(f"  {step}" for step in proof.path), sep="\n")
    print(f"signed in\n\n{proof.checkpoint.note}", end="")


_ACTS = {"verify": _verify, "head": _head, "checkpoint": _checkpoint, "export": _export, "prove": _prove}
