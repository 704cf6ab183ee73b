"""Figures by code: what was sent, what could be used, what stood in the way, and how the values lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdss.domain.coding import Coding
from cdss.domain.event import EventKind, Severity
from cdss.domain.feature import FeatureSpec
from cdss.domain.instant import DAY
from cdss.record import PatientRecord, Sent
from cdss.units import Analyte, analyte_for, analytes, read_unit

UNKNOWN_LISTED = 50


class Columns:
    """The events of a record, arranged so that those of one code are found without a look at all."""

    def __init__(self, record: PatientRecord) -> None:
        self.record, self.table = record, record.events
        order = np.argsort(self.table.codes, kind="stable")
        self._order = order
        self._edges = np.searchsorted(self.table.codes[order], np.arange(len(self.table.codesets) + 1))

    def rows_of(self, keys: Sequence[str], kind: EventKind) -> NDArray[np.int64]:
        """Rows of one kind that carry any of these keys (`E11*` stands for all that begin so), in table order."""
        sets = np.flatnonzero(self.table.carries(keys))
        parts = [self._order[self._edges[number] : self._edges[number + 1]] for number in sets.tolist()]
        rows = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
        found: NDArray[np.int64] = rows[self.table.kind[rows] == kind]
        return found

    def patients(self, rows: NDArray[np.int64]) -> int:
        """How many patients these events are of."""
        return len(np.unique(self.table.subject[rows]))

    @cached_property
    def months(self) -> NDArray[np.int64]:
        """Months since January 1970 of each event's effective time."""
        return self.table.effective.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def month_text(month: int) -> str:
    """`2026-01`."""
    return str(np.datetime64(month, "M"))


def known_codes(specs: Sequence[FeatureSpec]) -> dict[str, tuple[Analyte | None, tuple[str, ...]]]:
    """Every code of units.toml and every Observation code a model reads: its analyte, and the models."""
    found: dict[str, tuple[Analyte | None, tuple[str, ...]]] = {
        key: (analyte, ()) for analyte in analytes() for key in analyte.codes
    }
    for spec in specs:
        for feature in spec.features:
            for reading in feature.readings:
                if reading.kind == "observation":
                    for key in (*reading.codes, *reading.per):
                        analyte, models = found.get(key, (analyte_for(key), ()))
                        found[key] = analyte, tuple(sorted({*models, spec.name}))
    return found


def by_code(columns: Columns, specs: Sequence[FeatureSpec]) -> list[dict[str, Any]]:
    """One entry for each known code, in the order of units.toml."""
    known, record = known_codes(specs), columns.record
    assert record.census is not None
    sent: dict[str, dict[Sent, int]] = {}
    for way, number in record.census.sent.items():
        if way.key in known:
            sent.setdefault(way.key, {})[way] = number
    findings: dict[str, Counter[tuple[str, str]]] = {}
    for rejection in record.rejections:
        if rejection.location != "Observation.issued":
            for key in rejection.codes:
                if key in known:
                    findings.setdefault(key, Counter())[rejection.severity.value, rejection.reason] += 1
    labels = _labels(specs)
    return [
        _one_code(
            columns,
            key,
            analyte,
            labels.get(key, ""),
            models,
            sent.get(key, {}),
            findings.get(key, Counter()),
            record.census.without_issued.get(key, 0),
        )
        for key, (analyte, models) in known.items()
    ]


def _labels(specs: Sequence[FeatureSpec]) -> dict[str, str]:
    return {
        key: feature.label
        for spec in specs
        for feature in spec.features
        for reading in feature.readings
        if reading.kind == "observation"
        for key in reading.codes
    }


def _one_code(
    columns: Columns,
    key: str,
    analyte: Analyte | None,
    label: str,
    models: tuple[str, ...],
    sent: Mapping[Sent, int],
    findings: Counter[tuple[str, str]],
    without_issued: int,
) -> dict[str, Any]:
    rows = columns.rows_of((key,), EventKind.OBSERVATION)
    named, total = Coding.from_key(key), sum(sent.values())
    put_aside = {reason: n for (severity, reason), n in sorted(findings.items()) if severity == Severity.ERROR}
    absent = findings[Severity.NOTE.value, "value-absent"]
    elsewhere = max(0, total - len(rows) - absent - sum(put_aside.values()))
    values = columns.table.value[rows]
    bare = ~np.isnan(values) & (columns.table.comparator[rows] == 0)
    units = np.unique(columns.table.unit[rows])
    unit = analyte.unit if analyte else columns.table.units[units[0]] if len(units) == 1 else ""
    return {
        "system": named.system,
        "code": named.code,
        "label": analyte.label if analyte else label,
        "analyte": analyte.name if analyte else None,
        "models": list(models),
        "sent": total,
        "usable": len(rows),
        "absent": absent,
        "elsewhere": elsewhere,
        "share_usable": share(len(rows), max(total - elsewhere, len(rows))),
        "patients": columns.patients(rows),
        "without_issued": without_issued,
        "units": _units(analyte, sent),
        "put_aside": put_aside,
        "notes": {reason: n for (severity, reason), n in sorted(findings.items()) if severity == Severity.NOTE},
        "limits": None if analyte is None else _limits(analyte, findings),
        "bounds": int((columns.table.comparator[rows] != 0).sum()),
        "values": distribution(values[bare], unit) if analyte or len(units) == 1 else None,
        "time": spread(columns, rows),
    }


def _limits(analyte: Analyte, findings: Counter[tuple[str, str]]) -> dict[str, Any]:
    return {
        "unit": analyte.unit,
        "physical": [float(limit) for limit in analyte.physical],
        "plausible": [float(limit) for limit in analyte.plausible],
        "outside_physical": findings[Severity.ERROR.value, "value-impossible"],
        "outside_plausible": findings[Severity.NOTE.value, "value-implausible"],
    }


def _units(analyte: Analyte | None, sent: Mapping[Sent, int]) -> list[dict[str, Any]]:
    """The units a code was sent in, most frequent first, and how each is read."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for way, number in sent.items():
        counted[_how(analyte, way)] += number
    return [
        {"unit": unit, "read": how, "reason": reason or None, "values": number}
        for (unit, how, reason), number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]


def _how(analyte: Analyte | None, way: Sent) -> tuple[str, str, str]:
    """Unit as sent, how it is read, and the reason where it is not plainly read."""
    if way.form != "quantity":
        forms = {"answer": "(a coded answer)", "none": "(no value)", "other": "(not a quantity)"}
        return forms[way.form], "no unit", ""
    reading = read_unit(analyte, way.system or None, way.unit or None, way.text or None)
    shown = (way.unit if way.unit and way.system else "") or way.text or way.unit or "(no unit)"
    if reading.problem:
        return shown, "not read", reading.problem
    if reading.note in ("unit-missing-score", "unit-missing-ph"):
        return shown, "assumed", reading.note
    if reading.note:
        return shown, "text" if reading.note == "unit-from-text" else "alias", reading.note
    if not reading.identity:
        return shown, "converted", ""
    return shown, "as is" if analyte is None or shown == analyte.unit else "equal", ""


def by_unit(codes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The units of all known codes together, as sent."""
    counted: dict[tuple[str, str, str | None], list[Any]] = {}
    for code in codes:
        for unit in code["units"]:
            entry = counted.setdefault((unit["unit"], unit["read"], unit["reason"]), [0, set()])
            entry[0] += unit["values"]
            entry[1].add(code["code"])
    return [
        {"unit": unit, "read": how, "reason": reason, "values": number, "codes": len(named)}
        for (unit, how, reason), (number, named) in sorted(
            counted.items(), key=lambda item: (-item[1][0], item[0][0], item[0][1], item[0][2] or "")
        )
    ]


def share(part: int, whole: int) -> float | None:
    """A part of a whole, or None where there is no whole."""
    return part / whole if whole else None


def distribution(values: NDArray[np.float64], unit: str) -> dict[str, Any] | None:
    """Minimum, 5th percentile, median, 95th percentile and maximum of bare numbers; None without any."""
    if not len(values):
        return None
    found = np.quantile(values, (0, 0.05, 0.5, 0.95, 1))
    names = ("minimum", "p5", "median", "p95", "maximum")
    return {"unit": unit, "n": len(values), **dict(zip(names, found.tolist(), strict=True))}


def spread(columns: Columns, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    """Months covered, events of each, and the longest time without any, over all patients."""
    if not len(rows):
        return None
    months, counts = np.unique(columns.months[rows], return_counts=True)
    times = np.sort(columns.table.effective[rows])
    gaps = np.diff(times)
    widest = int(gaps.argmax()) if len(gaps) else None
    return {
        "first": month_text(int(months[0])),
        "last": month_text(int(months[-1])),
        "months_with_any": len(months),
        "months_spanned": int(months[-1] - months[0]) + 1,
        "by_month": {month_text(m): n for m, n in zip(months.tolist(), counts.tolist(), strict=True)},
        "longest_gap_days": None if widest is None else round(int(gaps[widest]) / DAY, 1),
        "longest_gap_from": None if widest is None else _month_of(int(times[widest])),
    }


def _month_of(micros: int) -> str:
    return str(np.datetime64(micros, "us").astype("datetime64[M]"))


def unknown_codes(columns: Columns, known: Iterable[str]) -> dict[str, Any]:
    """Observation codes that are usable but stand neither in units.toml nor in a model: the most frequent ones."""
    table, familiar = columns.table, set(known)
    numbers, counts = np.unique(table.codes[table.kind == EventKind.OBSERVATION], return_counts=True)
    found: Counter[str] = Counter()
    unmapped = 0
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        keys = table.codesets[number]
        if familiar.isdisjoint(keys):
            unmapped += count
            found.update(dict.fromkeys(keys, count))
    listed = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:UNKNOWN_LISTED]
    return {
        "events": unmapped,
        "codes": len(found),
        "listed": [
            {"system": named.system, "code": named.code, "events": count}
            for named, count in ((Coding.from_key(key), count) for key, count in listed)
        ],
    }
