"""Rows of a table file, CSV or Parquet, as text by column name, a few at a time."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cdss.errors import CohortError, InputRefusedError, SourceNotFoundError

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_BATCH = 4096


def read_rows(path: Path, required: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each row with its place.

    Parameters
    ----------
    path : Path
        Parquet, or CSV, plain or gzip; told apart by their first bytes.
    required : sequence of str
        Columns that must be there.

    Yields
    ------
    tuple of str and mapping
        "file, line 3" or "file, row 3", and the cells; a null of Parquet is "".

    Raises
    ------
    SourceNotFoundError, InputRefusedError, CohortError
        If the file is missing, is no such table, or a row has not the cells of the header.
    """
    if not path.is_file():
        raise SourceNotFoundError(path)
    try:
        with path.open("rb") as raw:
            begins = raw.read(len(_PARQUET))
        if begins == _PARQUET:
            yield from _parquet_rows(path, required)
        else:
            yield from _csv_rows(path, required, packed=begins.startswith(_GZIP))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputRefusedError(
            place=path.name, reason="not-csv", message="is not a readable CSV or Parquet file", remedy="Fetch it again."
        ) from error


def _csv_rows(path: Path, required: Sequence[str], *, packed: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
    with gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig") as text:
        rows = csv.DictReader(text, strict=True)
        _check(path, required, rows.fieldnames or ())
        for row in rows:
            place = f"{path.name}, line {rows.line_num}"
            if None in row or None in row.values():
                remedy = "Fetch the file again, or mend the row."
                raise CohortError(place=place, reason="has more or fewer cells than the header", remedy=remedy)
            yield place, row


def _parquet_rows(path: Path, required: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    number = 0
    try:
        with pq.ParquetFile(path) as table:
            names = table.schema_arrow.names
            _check(path, required, names)
            for batch in table.iter_batches(batch_size=_BATCH):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield f"{path.name}, row {number}", dict(zip(names, map(_text, cells), strict=True))
    except (pa.ArrowException, OSError) as error:
        raise InputRefusedError(
            place=path.name, reason="not-parquet", message="is not a readable Parquet file", remedy="Fetch it again."
        ) from error


def _check(path: Path, required: Sequence[str], names: Sequence[str]) -> None:
    if absent := [column for column in required if column not in names]:
        raise InputRefusedError(
            place=path.name,
            reason="columns-missing",
            message=f"has no column {', '.join(absent)}",
            remedy="Give the file with its original column names.",
        )


def _text(cell: object) -> str:
    """A cell as CSV would write it; a whole number that was stored as a float is whole again."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
