"""What `read` reports: the conservation counts, what was not used and why, and the newest value of each code."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from cdss.codes import CodeMap
from cdss.domain.coding import Coding
from cdss.domain.event import EventKind
from cdss.domain.instant import NEVER, instant_text
from cdss.fhir.read import subject_name
from cdss.record import PatientRecord
from cdss.table import COMPARATORS, EventTable

LISTED_REJECTIONS = 1000


def read_report(
    record: PatientRecord,
    *,
    subject: str | None,
    index_time: int | None,
    lookback: int | None,
    code_map: CodeMap | None = None,
) -> dict[str, Any]:
    """Report on a record, as the JSON object of `cdss read --json`.

    Parameters
    ----------
    record : PatientRecord
    subject : str or None
        `ID` or `Patient/ID`; with one, the newest usable value of each of the patient's codes is reported.
    index_time, lookback : int or None
        Microseconds; which values count. Without an index time, all of them.
    code_map : CodeMap, optional
        The one the record was read with.
    """
    counts = record.counts
    report: dict[str, Any] = {
        "resources": counts.resources,
        "used": counts.used,
        "not_needed": counts.not_needed,
        "put_aside": counts.put_aside,
        "refused": counts.refused,
        "events": counts.events,
        "rejections": [rejection.to_dict() for rejection in record.rejections[:LISTED_REJECTIONS]],
    }
    if len(record.rejections) > LISTED_REJECTIONS:
        by_reason = Counter(rejection.reason for rejection in record.rejections)
        report["rejections_by_reason"] = dict(sorted(by_reason.items()))
    if subject is not None:
        report["values"] = _newest_values(record.events, subject_name(subject), index_time, lookback)
    report["blocked"] = [block.to_dict() for block in record.blocked]
    if code_map is not None:
        report["code_map"] = code_map.to_dict()
    return report


def events_table(record: PatientRecord) -> pa.Table:
    """All events of a record, one row each, for a Parquet file; times in UTC, `value` in `unit`."""
    table = record.events
    texts = pa.list_(pa.string())
    instants = pa.timestamp("us", tz="UTC")

    def named(values: Any, numbers: Any, kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(numbers))

    return pa.table(
        {
            "subject": named(table.subjects, table.subject, pa.string()),
            "kind": named([kind.name.lower() for kind in EventKind], table.kind, pa.string()),
            "codes": named([list(codes) for codes in table.codesets], table.codes, texts),
            "effective": pa.array(table.effective, instants),
            "known": pa.array(table.known, instants),
            "end": pa.array(table.end, instants, mask=table.end == NEVER),
            "value": pa.array(table.value, pa.float64(), mask=np.isnan(table.value)),
            "unit": named([unit or None for unit in table.units], table.unit, pa.string()),
            "coded": named([list(answer) or None for answer in table.answers], table.coded, texts),
            "comparator": named([sign or None for sign in COMPARATORS], table.comparator, pa.string()),
            "source": named(table.sources, table.source, pa.string()),
        }
    )


def _newest_values(
    table: EventTable, subject: str, index_time: int | None, lookback: int | None
) -> list[dict[str, str | None]]:
    keep = (table.kind == EventKind.OBSERVATION) & (table.subject == table.subject_numbers.get(subject, -1))
    if index_time is not None:
        keep &= (table.effective <= index_time) & (table.known <= index_time)
        if lookback is not None:
            keep &= table.effective >= index_time - lookback
    rows = np.flatnonzero(keep)
    newest: dict[str, int] = {}
    for row in rows[np.lexsort((table.known[rows], table.rank[rows], table.effective[rows]))].tolist():
        for key in table.codesets[table.codes[row]]:
            newest[key] = row
    return [_value(table, key, row) for key, row in sorted(newest.items())]


def _value(table: EventTable, key: str, row: int) -> dict[str, str | None]:
    named, answer = Coding.from_key(key), table.answers[table.coded[row]]
    return {
        "source": table.sources[table.source[row]],
        "system": named.system,
        "code": named.code,
        "value": Coding.from_key(answer[0]).code if answer else plain_text(float(table.value[row])),
        "unit": None if answer else table.units[table.unit[row]] or None,
        "effective": instant_text(int(table.effective[row])),
        "comparator": COMPARATORS[table.comparator[row]] or None,
    }


def plain_text(value: float) -> str:
    """A number as the shortest plain decimal that reads back as the same double: `88`, `3.9`, never an exponent."""
    text = format(Decimal(repr(value + 0.0)), "f")  # adding 0.0 turns -0.0 into 0.0
    return text.rstrip("0").rstrip(".") if "." in text else text
