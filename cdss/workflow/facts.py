"""What the machine reads of a patient, frozen for a screen: values as received, their age, what is missing and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cdss.domain.event import EventKind, Rejection, Severity
from cdss.domain.feature import FeatureDefinition, FeatureSpec, FeatureValue, FeatureVector
from cdss.domain.instant import instant_text
from cdss.fhir.chart import Chart, Received
from cdss.record import PatientRecord
from cdss.table import COMPARATORS, EventTable
from cdss.units.usual import usual_ranges
from cdss.workflow.reading import plain_text

_SERIES = 72 * 3_600_000_000
_CLOSE = 1e-9


def facts(spec: FeatureSpec, vector: FeatureVector, record: PatientRecord, chart: Chart) -> dict[str, Any]:
    """Everything a model reads of one patient, in its order, as JSON without any score.

    Parameters
    ----------
    spec : FeatureSpec
    vector : FeatureVector
        What was built of the record for one subject and index time.
    record : PatientRecord
    chart : Chart
        The same Bundle, for values as received.
    """
    mine = [one for one in record.rejections if one.subject in (vector.subject, None)]
    pairs = list(zip(spec.features, vector.values, strict=True))
    found = [_fact(feature, value, vector, record.events, mine, chart) for feature, value in pairs]
    ages = [value.effective for value in vector.values if value.effective is not None]
    return {
        "index_time": instant_text(vector.index_time),
        "newest": instant_text(max(ages)) if ages else None,
        "present": sum(not value.missing for value in vector.values),
        "of": len(spec.features),
        "group": next((_words(one, value) for one, value in pairs if one.categories), None),
        "facts": found,
    }


def _fact(
    feature: FeatureDefinition,
    value: FeatureValue,
    vector: FeatureVector,
    table: EventTable,
    rejections: Sequence[Rejection],
    chart: Chart,
) -> dict[str, Any]:
    reading = feature.readings[0]
    usual = next((usual_ranges()[code] for code in reading.codes if code in usual_ranges()), None)
    measured = reading.kind == "observation" and not feature.categories
    fact: dict[str, Any] = {
        "name": feature.name,
        "label": feature.label,
        "kind": reading.kind,
        "aggregate": reading.aggregate,
        "unit": feature.unit,
        "group": usual.group if usual else "history",
        "value": None if value.missing else value.number,
        "text": _words(feature, value),
        "comparator": value.comparator,
        "effective": None if value.effective is None else instant_text(value.effective),
        "sources": list(value.sources),
        "lookback": reading.lookback,
        "usual": None if usual is None else {"low": usual.low, "high": usual.high, "reference": usual.reference},
        "note": usual.note if usual else "",
        "word": usual.word(value.number) if usual and not value.missing else "",
        "required": feature.if_missing.value != "allow",
    }
    if measured:
        fact["series"] = _series(feature, vector, table)
        fact["received"] = _as_received(feature, value, chart)
        fact["aside"] = _put_aside(feature, rejections, chart)
        if value.missing:
            fact["older"] = _older(feature, vector, table, chart)
    return fact


def _words(feature: FeatureDefinition, value: FeatureValue) -> str | None:
    if value.missing:
        return None
    if feature.categories:
        return feature.categories[int(value.number)][1]
    if feature.readings[0].aggregate == "present":
        return "yes" if value.number else "no"
    if feature.readings[0].aggregate == "sex":
        return "female" if value.number else "male"
    if feature.readings[0].aggregate == "age":
        return f"{math.floor(value.number)}"  # as people say their age
    return f"{value.number:.{feature.decimals}f}"


def _received_dict(one: Received) -> dict[str, str]:
    return {"value": one.value, "unit": one.unit, "effective": one.effective}


def _as_received(feature: FeatureDefinition, value: FeatureValue, chart: Chart) -> dict[str, str] | None:
    """The one source of a value as it stands in the record; None where a value is made of several."""
    if value.missing or len(value.sources) != 1:
        return None
    versions = chart.received(value.sources[0])
    fits = [one for one in versions if _same(one.value, value.number)]
    chosen = fits[0] if fits else versions[0] if len(versions) == 1 else None
    return None if chosen is None else _received_dict(chosen)


def _same(text: str, number: float) -> bool:
    try:
        return abs(float(text.lstrip("<>=")) - number) <= _CLOSE * max(1.0, abs(number))
    except ValueError:
        return False


def _rows(feature: FeatureDefinition, vector: FeatureVector, table: EventTable) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The table rows of a measurement known by the index time, in order of time."""
    codes = [code for reading in feature.readings if reading.aggregate == "last" for code in reading.codes]
    subject = table.subject_numbers.get(vector.subject, -1)
    known = (table.effective <= vector.index_time) & (table.known <= vector.index_time)
    keep = (
        table.carries(codes)[table.codes] & (table.kind == EventKind.OBSERVATION) & (table.subject == subject) & known
    )
    rows = np.flatnonzero(keep & ~np.isnan(table.value))
    return rows[np.argsort(table.effective[rows], kind="stable")]


def _series(feature: FeatureDefinition, vector: FeatureVector, table: EventTable) -> list[list[Any]]:
    """Instant and value of each measurement of the last 72 hours."""
    rows = _rows(feature, vector, table)
    rows = rows[table.effective[rows] >= vector.index_time - _SERIES]
    return [[instant_text(int(table.effective[row])), plain_text(float(table.value[row]))] for row in rows.tolist()]


def _older(
    feature: FeatureDefinition, vector: FeatureVector, table: EventTable, chart: Chart
) -> dict[str, str | None] | None:
    """The newest value there is, although it is too old to be used."""
    rows = _rows(feature, vector, table)
    if not len(rows):
        return None
    row = int(rows[-1])
    source = table.sources[table.source[row]]
    number = float(table.value[row])
    texts = [one for one in chart.received(source) if _same(one.value, number)]
    sign = COMPARATORS[table.comparator[row]]
    return {
        "value": texts[0].value if texts else f"{sign}{plain_text(number)}",
        "unit": texts[0].unit if texts else table.units[table.unit[row]],
        "effective": instant_text(int(table.effective[row])),
        "source": source,
    }


def _put_aside(feature: FeatureDefinition, rejections: Sequence[Rejection], chart: Chart) -> list[dict[str, str]]:
    """What the record holds of a measurement and could not be used, as received."""
    found = []
    for one in rejections:
        if one.severity is not Severity.ERROR or not any(reading.reads(one.codes) for reading in feature.readings):
            continue
        texts = chart.received(one.source)
        shown = {"value": "", "unit": "", "effective": ""} if not texts else _received_dict(texts[0])
        if one.reason == "other-patient":
            shown = {"value": "", "unit": "", "effective": ""}  # another patient's number is nobody's business here
        found.append({"source": one.source, "reason": one.reason, "message": one.message, **shown})
    return found
