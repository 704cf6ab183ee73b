"""Observation -> events: value, unit, status, two times, components."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import attrgetter

from msgspec import UNSET, Raw, UnsetType

from cdss.codes.display import contradicts
from cdss.codes.loinc import loinc_table
from cdss.domain.coding import LOINC
from cdss.domain.event import EventKind
from cdss.domain.instant import HOUR
from cdss.fhir.concept import MODIFIED, read_codes
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.schema import CodeableConcept, Observation, Quantity, Value, camel
from cdss.fhir.times import DEFAULT_TIME, TimeProblem, read_plausible_time, read_time
from cdss.table import EventRow
from cdss.units import Analyte, UnitReading, analyte_for, analytes, convert, read_unit

STATUS_RANK = {"preliminary": 1, "final": 2, "amended": 3, "corrected": 3}
_OTHER_STATUS = frozenset({"registered", "cancelled", "entered-in-error", "unknown"})
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})
_UNREADABLE = (
    "value_string", "value_boolean", "value_range", "value_ratio", "value_sampled_data", "value_time",
    "value_date_time", "value_period",
)  # fmt: skip
_other_values = attrgetter(*_UNREADABLE)
_NO_OTHER_VALUES = (UNSET,) * len(_UNREADABLE)
_PANELS = frozenset({f"{LOINC}|85354-9", f"{LOINC}|55284-4"})
_CODES_OF = {analyte.name: frozenset(analyte.codes) for analyte in analytes()}
SYSTOLIC, DIASTOLIC = _CODES_OF["systolic_blood_pressure"], _CODES_OF["diastolic_blood_pressure"]
_ROUNDED = 1  # mm[Hg] by which a mean may miss its neighbours when each is rounded on its own
_MEAN = _CODES_OF["mean_blood_pressure"]
_PARTIAL = "a date without a time counts as over at the end of that day"
_OF_A_DAY = _CODES_OF["urine_output_24h"]
_DAY_AT_LEAST, _DAY_AT_MOST = 22 * HOUR, 26 * HOUR
# The US Core pulse oximetry profile asks for both codes on one result; it is read as the more exact one.
_PULSE_OXIMETRY, _OXYGEN_SATURATION = f"{LOINC}|59408-5", f"{LOINC}|2708-6"
_LARGEST_EXPONENT = 30
PLAIN_NUMBER = re.compile(rb"0|-?(?:[1-9]\d{0,14}(?:\.\d{1,15})?|0\.\d{1,15})")
_MOST_VALUES = 1 << 14


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the codes of a value say is measured; `codes` are those it is kept under."""

    codes: tuple[str, ...]
    analyte: Analyte | None
    physical: tuple[float, float] = (0.0, 0.0)
    plausible: tuple[float, float] = (0.0, 0.0)


def read_observation(observation: Observation, notes: Notes) -> list[EventRow]:
    """The events of one Observation: one for its value and one for each component that has one.

    Returns
    -------
    list of EventRow
        Empty when nothing in it is of a kind a feature can use.

    Raises
    ------
    PutAside
        If the whole Observation must not be used.
    """
    rank = _rank(observation.status)
    keys = read_codes(observation.code, "code", notes)
    effective, known = read_times(observation, keys, notes)
    if observation.focus is not UNSET:
        raise PutAside("focus", "focus-not-patient", "it is about something other than the patient", codes=keys)
    rows: list[EventRow] = []
    own = read_value(observation, keys, notes, whole=not observation.component)
    if own:
        rows.append(own)
    faults = 0
    for number, component in enumerate(observation.component):
        try:
            if component.modifier is not UNSET:
                raise PutAside("modifierExtension", "modifier-extension", "an extension may change its meaning")
            part_keys = read_codes(component.code, "code", notes)
            if part := read_value(component, part_keys, notes, prefix=f"component[{number}]."):
                rows.append(part)
        except PutAside as fault:
            faults += 1
            notes.fault(fault, f"component[{number}]")
    if len(rows) > 1:
        whole = len(rows)
        rows = _without_contradictions(rows, notes)
        faults += whole - len(rows)
    is_panel = not _PANELS.isdisjoint(keys)
    if is_panel or observation.component:
        _check_blood_pressure(rows, is_panel, notes)
    if faults and not rows:
        raise PutAside("component", "no-usable-part", "none of its components can be used", codes=keys)
    for row in rows:
        row.effective, row.known, row.rank = effective, known, rank
    return rows


def _rank(status: str | UnsetType) -> int:
    rank = STATUS_RANK.get(status) if isinstance(status, str) else None
    if rank is None:
        known = status if status in _OTHER_STATUS else "missing or not a FHIR status"
        raise PutAside("status", "status-not-usable", f"the status is {known}; only a result that stands counts")
    return rank


def read_times(observation: Observation, keys: tuple[str, ...], notes: Notes) -> tuple[int, int]:
    """When it was true and when it was known, or `PutAside`."""
    place, effective = "effectiveDateTime", None
    period = observation.effective_period
    given = (observation.effective_date_time, observation.effective_instant, period, observation.effective_timing)
    if given.count(UNSET) < len(given) - 1:
        raise PutAside("effective[x]", "time-multiple", "more than one effective time", codes=keys)
    try:
        issued = None
        if not isinstance(observation.issued, UnsetType):
            earliest, issued = read_time(observation.issued)
            if earliest != issued:
                notes.note("issued", "time-partial", _PARTIAL, keys)
    except TimeProblem as problem:
        raise PutAside("issued", problem.reason, problem.message, codes=keys) from problem
    try:
        if isinstance(observation.effective_date_time, str):
            first, effective = read_plausible_time(observation.effective_date_time)
            if first != effective:
                notes.note(place, "time-partial", _PARTIAL, keys)
        elif isinstance(observation.effective_instant, str):
            place = "effectiveInstant"
            effective = read_plausible_time(observation.effective_instant)[1]
        elif not isinstance(period, UnsetType):
            place = "effectivePeriod"
            if isinstance(period.end, str):
                effective = read_plausible_time(period.end)[1]
                start = read_plausible_time(period.start)[0] if isinstance(period.start, str) else None
                if start is not None and start > effective:
                    raise PutAside(place, "time-reversed", "the period ends before it starts", codes=keys)
                if start is not None and not _OF_A_DAY.isdisjoint(keys):
                    _check_day(effective - start, keys)
    except TimeProblem as problem:
        raise PutAside(place, problem.reason, problem.message, codes=keys) from problem
    if effective is None:
        if issued is None:
            message = "neither a time it is true from nor one it was issued"
            raise PutAside("effective[x]", "time-missing", message, codes=keys)
        message = "no usable effective time; it counts from when it was issued"
        notes.note("effective[x]", "time-from-issued", message, keys)
        if issued <= DEFAULT_TIME:
            raise PutAside("issued", "time-implausible", "1 January 1900 or before: a default", codes=keys)
        effective = issued
    if issued is None:
        notes.issued_missing[keys[0]] += 1
        return effective, effective
    return effective, max(effective, issued)


def _check_day(length: int, keys: tuple[str, ...]) -> None:
    if not _DAY_AT_LEAST <= length <= _DAY_AT_MOST:
        message = "collected over another time than the 24 hours that its code stands for"
        raise PutAside("effectivePeriod", "period-contradicts-code", message, codes=keys)


@lru_cache(maxsize=65536)
def _measured(keys: tuple[str, ...]) -> _Measured | None:
    """What these codes measure together, or None where they contradict each other."""
    if _PULSE_OXIMETRY in keys:
        keys = tuple(key for key in keys if key != _OXYGEN_SATURATION)
    found = {analyte.name: analyte for key in keys if (analyte := analyte_for(key))}
    if len(found) > 1 or (found and _names_another(keys)):
        return None
    if not found:
        return _Measured(keys, None)
    (analyte,) = found.values()
    low, high = analyte.physical
    lowest, highest = analyte.plausible
    return _Measured(keys, analyte, (float(low), float(high)), (float(lowest), float(highest)))


def _names_another(keys: tuple[str, ...]) -> bool:
    """Whether a LOINC code that nothing reads names another measurement than one beside it that is read."""
    names = loinc_table().names
    loinc = [key.partition("|")[2] for key in keys if key.startswith(f"{LOINC}|")]
    unread = [names[code].name for code in loinc if code in names and analyte_for(f"{LOINC}|{code}") is None]
    return any(contradicts(code, name) for code in loinc if analyte_for(f"{LOINC}|{code}") for name in unread)


def read_value(
    holder: Value, keys: tuple[str, ...], notes: Notes, *, whole: bool = True, prefix: str = ""
) -> EventRow | None:
    """The event of a `value[x]`, None where no feature can use it, or `PutAside`; `keys` say what is measured."""
    measured = _measured(keys)
    if measured is None:
        raise PutAside("code", "codes-contradict", "its codes name different measurements", codes=keys)
    analyte, keys = measured.analyte, measured.codes
    quantity, answer, whole_number = holder.value_quantity, holder.value_codeable_concept, holder.value_integer
    unreadable = _other(holder)
    present = len(unreadable) + (quantity is not UNSET) + (answer is not UNSET) + (whole_number is not UNSET)
    if holder.data_absent_reason is not UNSET:
        if present:
            raise PutAside("dataAbsentReason", "value-and-absent-reason", "a value and a reason for none", codes=keys)
        notes.note(f"{prefix}dataAbsentReason", "value-absent", "recorded as absent, with a reason", keys)
        return None
    if present > 1:
        raise PutAside("value[x]", "value-multiple", "more than one value", codes=keys)
    if unreadable:
        if analyte is None:
            return None
        raise PutAside(camel(unreadable[0]), "value-not-quantity", "a number is read from a Quantity only", codes=keys)
    if not isinstance(quantity, UnsetType):
        return _read_quantity(quantity, measured, notes, prefix)
    if whole_number is not UNSET:
        return _read_whole_number(whole_number, measured, notes, prefix)
    if not isinstance(answer, UnsetType):
        return _read_answer(answer, analyte, keys, notes, prefix)
    if whole and analyte is not None:
        raise PutAside("value[x]", "value-missing", "neither a value nor a reason for none", codes=keys)
    return None


def _read_whole_number(value: object, measured: _Measured, notes: Notes, prefix: str) -> EventRow | None:
    """A `valueInteger`: a number without a unit, which a score alone can do without."""
    own = Notes()
    try:
        row = _read_quantity(Quantity(value=value), measured, own, prefix)
    except PutAside as fault:
        fault.location = "valueInteger"
        raise
    for location, reason, severity, message, codes in own.found:
        place = location.replace("valueQuantity.value", "valueInteger").replace("valueQuantity", "valueInteger")
        notes.found.append((place, reason, severity, message, codes))
    return row


def _other(holder: Value) -> list[str]:
    """Which `value[x]` are there that no number is ever read from."""
    found = _other_values(holder)
    if found == _NO_OTHER_VALUES:
        return []
    return [name for name, value in zip(_UNREADABLE, found, strict=True) if value is not UNSET]


def _read_answer(
    answer: CodeableConcept, analyte: Analyte | None, keys: tuple[str, ...], notes: Notes, prefix: str
) -> EventRow | None:
    if analyte is not None:
        raise PutAside("valueCodeableConcept", "value-not-quantity", "a code where a number belongs", codes=keys)
    if _gives_absent_reason(answer.extension):
        if answer.coding:
            message = "an answer, and an extension with a reason for none"
            raise PutAside("valueCodeableConcept", "value-and-absent-reason", message, codes=keys)
        notes.note(f"{prefix}valueCodeableConcept", "value-absent", "recorded as absent, with a reason", keys)
        return None
    try:
        coded = read_codes(answer, "valueCodeableConcept", notes)
    except PutAside as fault:
        if fault.reason != "code-missing":
            raise
        notes.note(f"{prefix}valueCodeableConcept", "value-text-only", "an answer in words only is not used", keys)
        return None
    return EventRow(kind=EventKind.OBSERVATION, codes=keys, effective=0, known=0, coded=coded)


def _read_quantity(quantity: Quantity, measured: _Measured, notes: Notes, prefix: str) -> EventRow | None:
    analyte, keys = measured.analyte, measured.codes
    if quantity.modifier is not UNSET:
        raise PutAside("valueQuantity.modifierExtension", "modifier-extension", MODIFIED, codes=keys)
    absent = quantity.no_value is not UNSET
    if quantity.extension is not UNSET or (absent and quantity.value is not UNSET):
        says_absent = _gives_absent_reason(quantity.extension) or _gives_absent_reason(quantity.no_value)
        if says_absent and quantity.value is not UNSET:
            message = "a value, and an extension with a reason for none"
            raise PutAside("valueQuantity", "value-and-absent-reason", message, codes=keys)
        absent = absent or says_absent
    if quantity.value is UNSET and absent:
        notes.note(f"{prefix}valueQuantity.value", "value-absent", "recorded as absent, with a reason", keys)
        return None
    number = read_number(quantity.value, "valueQuantity.value", keys)
    comparator = quantity.comparator if isinstance(quantity.comparator, str) else ""
    if quantity.comparator is not UNSET or quantity.no_comparator is not UNSET:
        if comparator not in _COMPARATORS:  # one that is masked or empty may have been any
            raise PutAside("valueQuantity.comparator", "comparator-unknown", "not a FHIR comparator", codes=keys)
        notes.note(f"{prefix}valueQuantity.comparator", "value-censored", "a bound, never a bare number", keys)
    reading = read_unit(analyte, _text(quantity.system), _text(quantity.code), _text(quantity.unit))
    if reading.problem:
        raise PutAside("valueQuantity", reading.problem, reading.message, codes=keys)
    if reading.note:
        notes.note(f"{prefix}valueQuantity", reading.note, reading.message, keys)
    value = _in_unit(number, analyte, reading)
    if analyte is None:
        if not reading.unit.isprintable():
            raise PutAside("valueQuantity.unit", "unit-unknown", "the unit holds control characters", codes=keys)
    else:
        if not measured.physical[0] <= value <= measured.physical[1]:
            raise PutAside(
                "valueQuantity.value",
                "value-impossible",
                f"outside what {analyte.label} can be ({_range(measured.physical)} {analyte.unit}); never clipped",
                codes=keys,
            )
        if not measured.plausible[0] <= value <= measured.plausible[1]:
            usual = f"outside the usual {_range(measured.plausible)} {analyte.unit} of {analyte.label}; check it"
            notes.note(f"{prefix}valueQuantity.value", "value-implausible", usual, keys)
    return EventRow(
        kind=EventKind.OBSERVATION, codes=keys, effective=0, known=0, value=value, unit=reading.unit,
        comparator=comparator,
    )  # fmt: skip


def _in_unit(number: Decimal, analyte: Analyte | None, reading: UnitReading) -> float:
    """A number in the unit of its analyte, rounded once."""
    return float(number) if analyte is None or reading.identity else float(convert(number, reading))


class NumberRule:
    """How the number of a Quantity is read where everything around it is known; `values` remembers those read."""

    __slots__ = ("_limits", "_measured", "_reading", "values")

    def __init__(self, quantity: Quantity, keys: tuple[str, ...]) -> None:
        measured = _measured(keys)
        assert measured is not None, "its codes were read before"
        self._measured = measured
        self._limits: tuple[float, float] | None = None
        if measured.analyte is not None:
            (low, high), (lowest, highest) = measured.physical, measured.plausible
            self._limits = max(low, lowest), min(high, highest)
        self._reading = read_unit(measured.analyte, _text(quantity.system), _text(quantity.code), _text(quantity.unit))
        self.values: dict[bytes, float] = {}

    def read(self, text: bytes) -> float | None:
        """The value of a JSON number that is plainly usable, or None where `read_observation` must decide."""
        if not PLAIN_NUMBER.fullmatch(text):
            return None
        value = _in_unit(Decimal(text.decode()) or Decimal(0), self._measured.analyte, self._reading)
        if self._limits is not None and not self._limits[0] <= value <= self._limits[1]:
            return None
        if len(self.values) >= _MOST_VALUES:
            self.values.clear()
        self.values[text] = value
        return value


def _gives_absent_reason(holder: object) -> bool:
    """Whether extensions, or an element that holds some, say why data is absent."""
    extensions = holder.get("extension") if isinstance(holder, dict) else holder
    if not isinstance(extensions, list):
        return False
    return any(isinstance(part, dict) and str(part.get("url")).endswith("/data-absent-reason") for part in extensions)


def read_number(value: object, location: str, keys: tuple[str, ...]) -> Decimal:
    """A JSON number as the Decimal its text writes; anything else is put aside."""
    if value is UNSET:
        raise PutAside(location, "value-missing", "a Quantity without a value", codes=keys)
    if isinstance(value, bool) or not isinstance(value, (int, Raw)):
        raise PutAside(location, "value-wrong-type", "the value is not a JSON number", codes=keys)
    try:
        number = Decimal(value) if isinstance(value, int) else Decimal(bytes(value).decode())
    except InvalidOperation:
        number = Decimal("Infinity")  # an exponent beyond what Decimal holds
    if not number:
        return Decimal(0)
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise PutAside(location, "value-impossible", "no measurement has that many digits", codes=keys)
    return number


def _without_contradictions(rows: list[EventRow], notes: Notes) -> list[EventRow]:
    """Drop what one Observation says in two ways under one code: nothing tells which is true."""
    told: dict[str, set[tuple[object, ...]]] = {}
    for row in rows:
        for key in row.codes:
            told.setdefault(key, set()).add((row.value, row.unit, row.comparator) if not row.coded else row.coded)
    twice = {key for key, values in told.items() if len(values) > 1}
    for row in rows:
        if not twice.isdisjoint(row.codes):
            message = "the result holds two values under one code, and they differ"
            notes.fault(PutAside("component", "values-contradict", message, codes=row.codes))
    return [row for row in rows if twice.isdisjoint(row.codes)]


def _check_blood_pressure(rows: list[EventRow], is_panel: bool, notes: Notes) -> None:
    systolic = [row for row in rows if not SYSTOLIC.isdisjoint(row.codes)]
    diastolic = [row for row in rows if not DIASTOLIC.isdisjoint(row.codes)]
    for part, name in ((systolic, "systolic"), (diastolic, "diastolic")):
        if is_panel and not part:
            notes.note("component", "component-missing", f"the panel gives no usable {name} pressure")
    if systolic and diastolic and systolic[0].value < diastolic[0].value:
        raise PutAside("component", "value-contradiction", "the systolic pressure is below the diastolic")
    for mean in (row for row in rows if not _MEAN.isdisjoint(row.codes)):
        above = systolic and mean.value > systolic[0].value + _ROUNDED
        if above or (diastolic and mean.value < diastolic[0].value - _ROUNDED):
            raise PutAside("component", "value-contradiction", "the mean pressure is not between the other two")


def _text(value: str | UnsetType) -> str | None:
    return value if isinstance(value, str) else None


def _range(limits: tuple[float, float]) -> str:
    return " to ".join(f"{limit:g}" for limit in limits)
