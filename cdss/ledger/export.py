"""A ledger as a stream of lines that `cdss.ledger.verify` reads without the database.

Hashes of the tree are hexadecimal, sealed bytes base64, bodies the text that was hashed. No secret key leaves, wrapped
or not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row, Select, Table, func, select, tuple_

from cdss.errors import UsageError
from cdss.ledger import tree
from cdss.ledger.reading import LedgerReader, node_reader
from cdss.ledger.schema import (
    blob,
    case_state,
    ledger_anchor,
    ledger_checkpoint,
    ledger_entry,
    ledger_node,
    log_key,
    signature_slot,
    subject_key,
)

FORMAT = 1
_ROWS = 1000
_BLOBS = 20


def export(reader: LedgerReader, *, subject: str | None = None, contents: bool = False) -> Iterator[str]:
    """The lines of a ledger as it is when the export begins.

    Parameters
    ----------
    reader : LedgerReader
    subject : str, optional
        Only the entries of this pseudonym, each with its proof against the newest checkpoint.
    contents : bool
        Also the sealed bytes of the blobs.
    """
    count = 0
    for table, row in _part(reader, subject) if subject else _whole(reader, contents):
        yield _line({"table": table, **row})
        count += 1
    yield _line({"table": "end", "records": count})


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def _plain(row: Row[Any]) -> dict[str, Any]:
    plain = dict(row._mapping)
    for name, value in plain.items():
        if name == "body":
            plain[name] = value.decode("utf-8", "surrogateescape")
        elif name == "wrapped_key":
            plain[name] = value and ""
        elif name == "ciphertext":
            plain[name] = base64.b64encode(value).decode()
        elif isinstance(value, bytes):
            plain[name] = value.hex()
    return plain


def _whole(reader: LedgerReader, contents: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    with reader.reading() as connection:
        size = connection.scalar(select(func.max(ledger_entry.c.seq))) or 0
        signed = connection.scalar(select(func.max(ledger_checkpoint.c.size))) or 0
        small = {
            table: [_plain(row) for row in connection.execute(select(table).order_by(order))]
            for table, order in (
                (log_key, log_key.c.from_size),
                (ledger_anchor, ledger_anchor.c.size),
                (subject_key, subject_key.c.id),
                (case_state, case_state.c.case_id),
                (signature_slot, signature_slot.c.seq),
            )
        }
    yield "log", {"format": FORMAT, "partial": False, "contents": contents}
    for table in (log_key, ledger_anchor, subject_key):
        yield from ((table.name, row) for row in small[table])
    yield from _pages(reader, ledger_checkpoint, select(ledger_checkpoint).where(ledger_checkpoint.c.size <= signed))
    wanted = select(blob) if contents else select(blob.c.sha256, blob.c.subject_key_id, blob.c.media_type)
    yield from _pages(reader, blob, wanted)
    yield from _pages(reader, ledger_entry, select(ledger_entry).where(ledger_entry.c.seq <= size))
    for level in range(1, size.bit_length()):
        here = ledger_node.c.level == level, ledger_node.c.idx < size >> level
        yield from _pages(reader, ledger_node, select(ledger_node).where(*here))
    for table in (case_state, signature_slot):
        yield from ((table.name, row) for row in small[table])


def _pages(reader: LedgerReader, table: Table, wanted: Select[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    key = list(table.primary_key.columns)
    wanted = wanted.order_by(*key).limit(_BLOBS if table is blob else _ROWS)
    rows = reader.rows(wanted)
    while rows:
        yield from ((table.name, _plain(row)) for row in rows)
        last = [rows[-1]._mapping[column.name] for column in key]
        rows = reader.rows(wanted.where(tuple_(*key) > tuple_(*last)))


def _part(reader: LedgerReader, subject: str) -> Iterator[tuple[str, dict[str, Any]]]:
    checkpoint = reader.newest_checkpoint()
    if checkpoint is None:
        raise UsageError("No checkpoint proves anything yet. Run cdss ledger checkpoint, then try again.")
    yield "log", {"format": FORMAT, "partial": True, "contents": False}
    for row in reader.rows(select(log_key).order_by(log_key.c.from_size)):
        yield "log_key", _plain(row)
    note = {"size": checkpoint.size, "root": checkpoint.root, "note": checkpoint.note}
    yield "ledger_checkpoint", note
    for entry in reader.entries(1, checkpoint.size):
        if subject.encode() not in entry.body or entry.fields.get("subject") != subject:
            continue
        with reader.reading() as connection:
            path = tree.inclusion(entry.seq - 1, checkpoint.size, node_reader(connection))
        columns = {"id": entry.id, "idem": entry.idem, "kind": entry.kind, "case_id": entry.case, "at": entry.at}
        body = entry.body.decode("utf-8", "surrogateescape")
        proof = [step.hex() for step in path]
        yield "ledger_entry", {"seq": entry.seq, **columns, "body": body, "leaf": entry.leaf, "proof": proof}
