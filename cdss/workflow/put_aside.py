"""What was put aside or refused, kept byte for byte with the reasons, so that it can be mended and read again."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cdss.domain.event import Rejection
from cdss.errors import InputRefusedError
from cdss.fhir.gather import Disposition
from cdss.fhir.read import Trace

LINES, INDEX = "resources.ndjson", "index.jsonl"
_KEPT = {Disposition.PUT_ASIDE: "put_aside", Disposition.REFUSED: "refused"}


class Keeper:
    """Writes into a directory of its own: one resource a line, or a file for each that spans several lines.

    The index is named so that reading the directory as a source passes it over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines, self._files = 0, 0

    def keep(self, trace: Trace, rejections: Iterable[Rejection]) -> None:
        """Keep what a source, or a part of one, did not use for a fault.

        Raises
        ------
        InputRefusedError
            If a file is no longer what it was when it was read.
        """
        kept = {name for name, outcome in zip(trace.names, trace.dispositions, strict=True) if outcome in _KEPT}
        why: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for found in rejections:
            if found.source in kept:
                why[found.source].append({name: part for name, part in found.to_dict().items() if name != "source"})
        with (self._folder / INDEX).open("a", encoding="ascii") as index:
            for file, number, place, raw in _raws(trace):
                if (outcome := _KEPT.get(Disposition(trace.dispositions[number]))) is None:
                    continue
                name = trace.names[number]
                row = {
                    "kept": self._store(raw),
                    "source": name,
                    "file": file,
                    "place": place,
                    "outcome": outcome,
                    "sha256": hashlib.sha256(raw).hexdigest(),
                    "findings": why.get(name, []),
                }
                index.write(json.dumps(row, ensure_ascii=True) + "\n")

    def _store(self, raw: bytes) -> str:
        if b"\n" not in raw:
            with (self._folder / LINES).open("ab") as lines:
                lines.write(raw + b"\n")
            self._lines += 1
            return f"{LINES}, line {self._lines}"
        self._files += 1
        name = f"resource-{self._files:06}.json"
        (self._folder / name).write_bytes(raw)
        return name


def _raws(trace: Trace) -> Iterator[tuple[str, int, str, bytes]]:
    """File, number, place and bytes of each resource."""
    for span in trace.spans:
        raws = span.raws() if span.stop > span.start else iter(())
        for number in range(span.start, span.stop):
            found = next(raws, None)
            if found is None:
                raise InputRefusedError(
                    place=span.file,
                    reason="source-changed",
                    message="is no longer what it was when it was read",
                    remedy="Read it again.",
                )
            yield span.file, number, *found
