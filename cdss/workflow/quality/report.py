"""A record -> the figures of its quality report. Pure: no clock, no file, no FHIR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from cdss.domain.event import EventKind, Rejection
from cdss.domain.feature import FeatureSpec, IfMissing
from cdss.domain.instant import DAY, NEVER, YEAR, instant_text
from cdss.errors import IntegrityError
from cdss.record import PatientRecord
from cdss.workflow.quality.codes import (
    Columns,
    by_code,
    by_unit,
    distribution,
    known_codes,
    month_text,
    share,
    unknown_codes,
)
from cdss.workflow.quality.kahn import place_of

FORMAT = 1
OUTCOMES = ("used", "not_needed", "put_aside", "refused")
_KINDS = {kind: kind.name.lower() for kind in EventKind}
_OLDEST = 123 * YEAR
_AFTER_DEATH = 2 * DAY


def quality_report(
    record: PatientRecord,
    specs: Sequence[FeatureSpec],
    *,
    made: int,
    version: str,
    index_time: int | None = None,
    code_map: Mapping[str, str | int] | None = None,
) -> dict[str, Any]:
    """The figures of a report, as the JSON object of quality.json.

    Parameters
    ----------
    record : PatientRecord
        Of all patients of a source, read with a census.
    specs : sequence of FeatureSpec
        The models whose inputs are looked for.
    made : int
        Microseconds: when the report is made, for what lies in the future.
    version : str
        Of this program.
    index_time : int or None
        What the record was read with.
    code_map : mapping or None
        Which map of the hospital's own codes it was read with.

    Raises
    ------
    IntegrityError
        If the counts do not agree with each other: then there is no report.
    """
    columns, counts = Columns(record), record.counts
    codes = by_code(columns, specs)
    report = {
        "format": FORMAT,
        "source": record.place,
        "made": instant_text(made // 1_000_000 * 1_000_000),
        "cdss": version,
        "index_time": None if index_time is None else instant_text(index_time),
        "code_map": None if code_map is None else dict(code_map),
        "counts": {
            "resources": counts.resources,
            **{outcome: getattr(counts, outcome) for outcome in OUTCOMES},
            "events": counts.events,
            "findings": len(record.rejections),
        },
        "resources": {"by_type": _by_type(record), "by_file": _by_file(record)},
        "patients": _patients(record, made),
        "events": _events(columns),
        "encounters": _encounters(columns),
        "months": _months(columns),
        "codes": codes,
        "units": by_unit(codes),
        "unknown_codes": unknown_codes(columns, known_codes(specs)),
        "times": _times(columns, made),
        "models": [_model(columns, spec) for spec in specs],
        "findings": _findings(record.rejections),
        "blocked": dict(sorted(Counter(block.reason for block in record.blocked).items())),
        "source_blocked": [block.to_dict() for block in record.source_blocks],
    }
    report["checks"] = _checks(columns, report)
    return report


def _checks(columns: Columns, report: dict[str, Any]) -> list[dict[str, Any]]:
    """The equations of the report, each with both of its sides."""
    counts, resources, record = report["counts"], report["resources"], columns.record
    four = "resources = used + not needed + put aside + refused"
    checks = [_check(four, counts["resources"], sum(counts[outcome] for outcome in OUTCOMES))]
    for name, rows in (("type", resources["by_type"]), ("file", resources["by_file"])):
        checks += [
            _check(
                f"{outcome.replace('_', ' ')} = sum over every {name}",
                counts[outcome],
                sum(row[outcome] for row in rows),
            )
            for outcome in ("resources", *OUTCOMES)
        ]
    used_patients = sum(row["used"] for row in resources["by_type"] if row["type"] == "Patient")
    with_event = len(np.unique(columns.table.source))
    checks += [
        _check("used = resources an event came of + Patients used", counts["used"], with_event + used_patients),
        _check("events = sum over every kind", counts["events"], sum(e["events"] for e in report["events"])),
        _check("events = sum over every month", counts["events"], sum(m["events"] for m in report["months"])),
        _check("findings = sum over every reason", len(record.rejections), sum(f["n"] for f in report["findings"])),
    ]
    broken = [check for check in checks if check["left"] != check["right"]]
    if broken:
        first = broken[0]
        raise IntegrityError(
            f"{record.place}: the report is not written, because its counts do not agree ({first['equation']}: "
            f"{first['left']} is not {first['right']}). This is a defect: please report it."
        )
    return checks


def _check(equation: str, left: int, right: int) -> dict[str, Any]:
    return {"equation": equation, "left": left, "right": right}


def _by_type(record: PatientRecord) -> list[dict[str, Any]]:
    assert record.census is not None
    found: dict[str, Counter[str]] = {}
    for (_, kind, outcome), number in record.census.resources.items():
        found.setdefault(kind, Counter())[outcome] += number
    return [
        {"type": kind or None, **_outcomes(found[kind])} for kind in sorted(found, key=lambda kind: (kind == "", kind))
    ]


def _by_file(record: PatientRecord) -> list[dict[str, Any]]:
    """By file; documents of one folder together, since the name of such a file may be that of a patient."""
    assert record.census is not None
    found: dict[str, tuple[set[str], Counter[str]]] = {}
    for (file, _, outcome), number in record.census.resources.items():
        names, counted = found.setdefault(_shown_file(file), (set(), Counter()))
        names.add(file)
        counted[outcome] += number
    return [
        {"file": file, "files": len(names), **_outcomes(counted)} for file, (names, counted) in sorted(found.items())
    ]


def _shown_file(name: str) -> str:
    path = PurePosixPath(name)
    lower = path.name.lower()
    ending = next((end for end in (".json", ".json.gz") if lower.endswith(end)), None)
    return name if ending is None else str(path.with_name(f"*{ending}"))


def _outcomes(counted: Counter[str]) -> dict[str, int]:
    return {"resources": counted.total(), **{outcome: counted[outcome] for outcome in OUTCOMES}}


def _patients(record: PatientRecord, made: int) -> dict[str, Any]:
    facts = record.patients.values()
    full = sum(1 for one in facts if one.birth is not None and one.birth[0] == one.birth[1])
    dated = sum(1 for one in facts if one.birth is not None)
    blocks = Counter(block.reason for one in facts for block in one.blocks)
    with_events = {record.events.subjects[number] for number in np.unique(record.events.subject).tolist()}
    return {
        "n": len(record.patients),
        "birth_date": {"full": full, "partial": dated - full, "missing": len(record.patients) - dated},
        "birth_implausible": sum(
            1 for one in facts if one.birth is not None and not made - _OLDEST <= one.birth[1] <= made + DAY
        ),
        "sex": {
            "female": sum(1 for one in facts if one.female is True),
            "male": sum(1 for one in facts if one.female is False),
            "unknown": sum(1 for one in facts if one.female is None),
        },
        "death": {
            "dated": sum(1 for one in facts if one.deceased is not None),
            "undated": sum(1 for one in facts if one.deceased_undated),
        },
        "blocked": dict(sorted(blocks.items())),
        "without_events": len(record.patients.keys() - with_events),
        "named_by_events_only": len(with_events - record.patients.keys()),
    }


def _events(columns: Columns) -> list[dict[str, Any]]:
    table = columns.table
    found = []
    for kind in EventKind:
        rows = table.rows_of(kind)
        numbers, counts = np.unique(table.codes[rows], return_counts=True)
        systems: dict[str, list[Any]] = {}
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            for system in {key.partition("|")[0] for key in table.codesets[number]}:
                entry = systems.setdefault(system, [0, set()])
                entry[0] += count
                entry[1].update(key for key in table.codesets[number] if key.startswith(f"{system}|"))
        found.append(
            {
                "kind": _KINDS[kind],
                "events": len(rows),
                "patients": columns.patients(rows),
                "with_an_end": int((table.end[rows] != NEVER).sum()),
                "systems": [
                    {"system": system, "events": number, "codes": len(keys)}
                    for system, (number, keys) in sorted(systems.items(), key=lambda item: (-item[1][0], item[0]))
                ],
            }
        )
    return found


def _encounters(columns: Columns) -> dict[str, Any]:
    table = columns.table
    rows = table.rows_of(EventKind.ENCOUNTER)
    ended = rows[table.end[rows] != NEVER]
    days = (table.end[ended] - table.effective[ended]) / DAY
    numbers, counts = np.unique(table.codes[rows], return_counts=True)
    classes: Counter[str] = Counter()
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        classes[table.codesets[number][0].partition("|")[2]] += count
    return {
        "n": len(rows),
        "open": len(rows) - len(ended),
        "days": distribution(days.astype(np.float64), "d"),
        "classes": dict(sorted(classes.items(), key=lambda item: (-item[1], item[0]))),
    }


def _months(columns: Columns) -> list[dict[str, Any]]:
    table = columns.table
    months, place = np.unique(columns.months, return_inverse=True)
    kinds = {name: np.bincount(place[table.kind == kind], minlength=len(months)) for kind, name in _KINDS.items()}
    pairs = (
        np.unique(np.stack((place, table.subject.astype(np.int64))), axis=1) if len(place) else np.zeros((2, 0), int)
    )
    patients = np.bincount(pairs[0], minlength=len(months))
    return [
        {
            "month": month_text(month),
            "events": int(sum(kinds[name][number] for name in kinds)),
            "patients": int(patients[number]),
            **{name: int(kinds[name][number]) for name in kinds},
        }
        for number, month in enumerate(months.tolist())
    ]


def _times(columns: Columns, made: int) -> dict[str, Any]:
    record, table = columns.record, columns.table
    assert record.census is not None
    reasons = Counter(rejection.reason for rejection in record.rejections)
    born = np.full(len(table.subjects), -(2**63), np.int64)
    died = np.full(len(table.subjects), NEVER, np.int64)
    for number, subject in enumerate(table.subjects):
        facts = record.patients.get(subject)
        if facts is not None and facts.birth is not None:
            born[number] = facts.birth[0] - DAY
        if facts is not None and facts.deceased is not None:
            died[number] = facts.deceased + _AFTER_DEATH
    return {
        "observations": record.census.observations,
        "without_issued": record.census.unissued,
        "without_zone": reasons["time-without-zone"],
        "missing": reasons["time-missing"],
        "invalid": reasons["time-invalid"] + reasons["time-multiple"],
        "reversed": reasons["time-reversed"],
        "defaults": reasons["time-implausible"],
        "partial": reasons["time-partial"],
        "from_another_time": reasons["time-from-issued"] + reasons["time-from-encounter"],
        "events_before_birth": int((table.effective < born[table.subject]).sum()),
        "events_after_death": int((table.effective > died[table.subject]).sum()),
        "events_in_the_future": int((table.effective > made).sum()),
    }


def _model(columns: Columns, spec: FeatureSpec) -> dict[str, Any]:
    record, total = columns.record, len(columns.record.patients)
    features = []
    for feature in spec.features:
        rows = [
            columns.rows_of(reading.codes, EventKind[reading.kind.upper()])
            for reading in feature.readings
            if reading.kind != "patient"
        ]
        if rows:
            found = np.unique(np.concatenate(rows))
            events, patients = len(found), columns.patients(found)
        elif any(reading.aggregate == "age" for reading in feature.readings):
            events, patients = None, sum(1 for one in record.patients.values() if one.birth is not None)
        else:
            events, patients = None, sum(1 for one in record.patients.values() if one.female is not None)
        features.append(
            {
                "name": feature.name,
                "label": feature.label,
                "kind": feature.readings[0].kind,
                "needed": feature.if_missing is not IfMissing.ALLOW and feature.readings[0].kind != "condition",
                "events": events,
                "patients": patients,
                "share": share(patients, total),
            }
        )
    return {"model": spec.name, "version": spec.version, "features": features}


def _findings(rejections: Sequence[Rejection]) -> list[dict[str, Any]]:
    """By severity and reason, most frequent first, with the first place of each."""
    counted: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Rejection] = {}
    for rejection in rejections:
        key = (rejection.severity.value, rejection.reason)
        counted[key] += 1
        first.setdefault(key, rejection)
    return [
        {
            "reason": reason,
            "severity": severity,
            "category": place_of(reason)[0],
            "subcategory": place_of(reason)[1],
            "n": number,
            "example": {
                "source": first[severity, reason].source,
                "location": first[severity, reason].location,
                "message": first[severity, reason].message,
            },
        }
        for (severity, reason), number in sorted(counted.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    ]
