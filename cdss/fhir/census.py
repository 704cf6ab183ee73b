"""A source read and counted: what became of the resources of each file and type, and what was sent before any rule.

The Observations are counted in a second pass of their own, over a handful of fields, so that the count owes nothing to
the reader whose work it stands beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from cdss.codes import CodeMap
from cdss.errors import InputRefusedError
from cdss.fhir.concept import keys_of
from cdss.fhir.elements import RESOURCE_TYPES
from cdss.fhir.files import Source, open_source
from cdss.fhir.gather import Disposition
from cdss.fhir.raw import raw_resources
from cdss.fhir.read import read_traced
from cdss.fhir.schema import CodeableConcept
from cdss.record import Census, PatientRecord, Sent
from cdss.units import analytes

_OUTCOMES = {outcome.value: outcome.name.lower() for outcome in Disposition}
_DISTINCT = 100_000  # ways to send a code that are told apart; hostile input may make up more
_CODES_OF = {analyte.name: frozenset(analyte.codes) for analyte in analytes()}
# One result under both codes is read as the more exact one, and so counted as that.
_PULSE, _ARTERIAL = _CODES_OF["oxygen_saturation_pulse_oximetry"], _CODES_OF["oxygen_saturation_arterial"]


class _Quantity(Struct):
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET


class _Part(Struct, rename="camel"):
    code: CodeableConcept | UnsetType = UNSET
    value_quantity: _Quantity | UnsetType = UNSET
    value_codeable_concept: Raw | UnsetType = UNSET
    value_integer: Raw | UnsetType = UNSET
    value_string: Raw | UnsetType = UNSET
    value_boolean: Raw | UnsetType = UNSET
    value_range: Raw | UnsetType = UNSET
    value_ratio: Raw | UnsetType = UNSET
    value_sampled_data: Raw | UnsetType = UNSET
    value_time: Raw | UnsetType = UNSET
    value_date_time: Raw | UnsetType = UNSET
    value_period: Raw | UnsetType = UNSET


class _Result(_Part, rename="camel"):
    resource_type: str = ""
    issued: Raw | UnsetType = UNSET
    component: tuple[_Part, ...] = ()


_result = msgspec.json.Decoder(_Result).decode
_FORMS = tuple(
    name for name in _Part.__struct_fields__ if name.startswith("value_") and name not in ("value_quantity",)
)


def read_counted(
    path: str | Path | Source,
    *,
    index_time: int | None = None,
    strict: bool = False,
    code_map: CodeMap | None = None,
    progress: Callable[[int], Any] = lambda size: None,
) -> PatientRecord:
    """Like `read` for all patients of a source, with a census of it.

    Raises
    ------
    SourceNotFoundError, InputRefusedError
        As `read` does.
    """
    source = path if isinstance(path, Source) else open_source(path)
    record, trace = read_traced(source, index_time=index_time, strict=strict, code_map=code_map, progress=progress)
    resources: Counter[tuple[str, str, str]] = Counter()
    stops = [span.start for span in trace.spans[1:]] + [len(trace.names)]
    for span, stop in zip(trace.spans, stops, strict=True):
        for name, number in zip(trace.names[span.start : stop], trace.dispositions[span.start : stop], strict=True):
            resources[span.file, _type_of(name), _OUTCOMES[number]] += 1
    return replace(record, census=_Survey(code_map).over(source, resources))


def _type_of(name: str) -> str:
    """The type in `Type/id`, or in `Type at place`; nothing where there was no resource of FHIR R4."""
    kind = name.partition("/")[0].partition(" at ")[0]
    return kind if kind in RESOURCE_TYPES else ""


class _Survey:
    """Counts of the Observations of a source as they were sent."""

    def __init__(self, code_map: CodeMap | None) -> None:
        self.code_map = code_map
        self.sent: Counter[Sent] = Counter()
        self.without_issued: Counter[str] = Counter()
        self.observations = self.unissued = 0

    def over(self, source: Source, resources: Counter[tuple[str, str, str]]) -> Census:
        for file in source.files:
            try:
                for _, raw in raw_resources(file):
                    if b'"Observation"' in raw:
                        self._take(raw)
            except InputRefusedError:
                continue  # read up to where it could be; the reader has said so already
        return Census(
            resources=resources,
            sent=self.sent,
            without_issued=self.without_issued,
            observations=self.observations,
            unissued=self.unissued,
        )

    def _take(self, raw: bytes) -> None:
        try:
            result = _result(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # not one of the shapes counted here; the reader says what is wrong with it
        if result.resource_type != "Observation":
            return
        self.observations += 1
        keys = self._count(result, has_parts=bool(result.component))
        if result.issued is UNSET:
            self.unissued += 1
            self.without_issued.update(keys)
        for part in result.component:
            self._count(part, has_parts=False)

    def _count(self, part: _Part, *, has_parts: bool) -> tuple[str, ...]:
        keys = keys_of(part.code, self.code_map)
        if not _PULSE.isdisjoint(keys):
            keys = tuple(key for key in keys if key not in _ARTERIAL)
        quantity = part.value_quantity
        if not isinstance(quantity, UnsetType):
            form, unit = "quantity", (_text(quantity.system), _text(quantity.code), _text(quantity.unit))
        elif has_parts and all(getattr(part, name) is UNSET for name in _FORMS):
            return keys  # a panel: its values stand in its components
        else:
            unit, form = ("", "", ""), "none"
            if part.value_codeable_concept is not UNSET:
                form = "answer"
            elif any(getattr(part, name) is not UNSET for name in _FORMS):
                form = "other"
        for key in keys:
            way = Sent(key=key, form=form, system=unit[0], unit=unit[1], text=unit[2])
            if way not in self.sent and len(self.sent) >= _DISTINCT:
                way = Sent(key=key, form=form)
            self.sent[way] += 1
        return keys


def _text(value: str | UnsetType) -> str:
    return value if isinstance(value, str) else ""
