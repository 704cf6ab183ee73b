"""Tables written by hand, and the refusal of one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cdss.errors import CdssError


def as_csv(*rows: dict[str, str]) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def refused(
    write: Callable[[Sequence[Path], Path], object], folder: Path, raw: bytes, name: str = "in.csv"
) -> CdssError:
    """Why a file is refused; nothing may be left of it."""
    (folder / name).write_bytes(raw)
    before = set(folder.iterdir())
    with pytest.raises(CdssError) as caught:
        write([folder / name], folder / "out")
    assert set(folder.iterdir()) == before
    return caught.value
