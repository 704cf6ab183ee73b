"""A cohort on a source of any size: a small one is read whole, a large one in parts, and the answers are the same."""

from __future__ import annotations

import json
import tempfile
from array import array
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cdss.codes import CodeMap
from cdss.fhir.files import open_source
from cdss.fhir.partition import Parts, split
from cdss.fhir.read import read
from cdss.record import PatientRecord
from cdss.workflow.assess import OUTSIDE_TRAINING, assess_rows, lost_finding, lost_parts
from cdss.workflow.cohort import CohortRow
from cdss.workflow.model import Model

_BATCH = 500
_FIELDS = ("severity", "source", "reason", "message")  # of a finding in an answer


@contextmanager
def open_record(
    path: str | Path, *, code_map: CodeMap | None = None, progress: Callable[[int], Any] = lambda size: None
) -> Iterator[PatientRecord | Parts]:
    """All patients of a source: a record, or the parts of one where the source is large NDJSON.

    Raises
    ------
    SourceNotFoundError, InputRefusedError
        As `read` does.
    """
    source = open_source(path)
    with split(source, code_map=code_map, progress=progress) as parts:
        yield read(source, code_map=code_map, progress=progress) if parts is None else parts


def answers_of(
    model: Model, held: PatientRecord | Parts, rows: Sequence[CohortRow], advance: Callable[[int], Any]
) -> Iterator[dict[str, Any]]:
    """The answer to each row of a cohort in its public JSON form, in the order of the cohort."""
    if isinstance(held, Parts):
        with tempfile.TemporaryFile() as scratch:
            yield from _merged(model, held, rows, scratch, advance)
        return
    for start in range(0, len(rows), _BATCH):
        batch = list(rows[start : start + _BATCH])
        yield from (answer.to_dict() for answer in model.assess_rows(held, batch))
        advance(len(batch))


def _merged(
    model: Model, parts: Parts, rows: Sequence[CohortRow], scratch: IO[bytes], advance: Callable[[int], Any]
) -> Iterator[dict[str, Any]]:
    """Assess part by part on the way in, and give the answers in order on the way out.

    Only at the end is it known how much of the source was lost to everybody, so that finding is put in last.
    """
    asked: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        asked[parts.group_of(row.subject)].append(number)
    places, count = array("q", bytes(8 * len(rows))), 0
    for group, record in enumerate(parts.records()):
        count += lost_parts(record)
        for start in range(0, len(asked[group]), _BATCH):
            batch = asked[group][start : start + _BATCH]
            answers = assess_rows(model, record, [rows[number] for number in batch], lost=())
            for number, answer in zip(batch, answers, strict=True):
                own = [finding for finding in answer.findings if finding.reason != OUTSIDE_TRAINING]
                places[number] = scratch.tell()
                scratch.write(_text(bisect(own, lost_finding(parts.source.place, 1)[0]), answer.to_dict()))
            advance(len(batch))
    lost = lost_finding(parts.source.place, count)
    for place in places:
        scratch.seek(place)
        at, answer = json.loads(scratch.readline())
        answer["findings"][at:at] = [{name: found.to_dict()[name] for name in _FIELDS} for found in lost]
        yield answer


def _text(at: int, answer: dict[str, Any]) -> bytes:
    """An answer on its way, with the place that a finding about the whole source would have in it."""
    return json.dumps([at, answer], ensure_ascii=False).encode() + b"\n"
