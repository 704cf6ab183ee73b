"""The fields of FHIR R4 that we read, converted by msgspec from strict JSON.

Numbers stay `Any`: their text and their type are both needed to tell 2.5 from "2.5" and from true. A null or a value
of another type fails the conversion, and the resource is put aside with the path msgspec names.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


def camel(name: str) -> str:
    """The name of a FHIR element from the name of a field here."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


class Coding(Struct, frozen=True):
    """FHIR Coding; the display is held against the code and never read in its place."""

    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    display: str | UnsetType = UNSET


class CodeableConcept(Struct, frozen=True):
    """FHIR CodeableConcept, without the text: words are never read as a code."""

    coding: tuple[Coding, ...] = ()
    extension: Any = UNSET
    modifier: Any = field(name="modifierExtension", default=UNSET)


class Identifier(Struct, frozen=True):
    """FHIR Identifier."""

    system: str | UnsetType = UNSET
    value: str | UnsetType = UNSET


class Reference(Struct, frozen=True):
    """FHIR Reference, literal or logical."""

    reference: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    identifier: Identifier | UnsetType = UNSET


class Period(Struct):
    """FHIR Period."""

    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET


class Quantity(Struct, forbid_unknown_fields=True):
    """FHIR Quantity, whole: a misspelt comparator would change the value; `no_value` may say why there is none."""

    id: Any = UNSET
    extension: Any = UNSET
    modifier: Any = field(name="modifierExtension", default=UNSET)
    value: Any = UNSET
    no_value: Any = field(name="_value", default=UNSET)
    unit: str | UnsetType = UNSET
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    comparator: str | UnsetType = UNSET
    no_unit: Any = field(name="_unit", default=UNSET)
    no_system: Any = field(name="_system", default=UNSET)
    no_code: Any = field(name="_code", default=UNSET)
    no_comparator: Any = field(name="_comparator", default=UNSET)


class PatientLink(Struct):
    """FHIR Patient.link; every link forbids a score, its type decides how that is said."""

    type: str | UnsetType = UNSET
    other: Reference | UnsetType = UNSET


class Meta(Struct):
    """FHIR Meta: the labels."""

    security: tuple[Coding, ...] = ()
    tag: tuple[Coding, ...] = ()


class Patient(Struct):
    """FHIR Patient."""

    meta: Meta | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    gender: str | UnsetType = UNSET
    birth_date: str | UnsetType = field(name="birthDate", default=UNSET)
    deceased_boolean: bool | UnsetType = field(name="deceasedBoolean", default=UNSET)
    deceased_time: str | UnsetType = field(name="deceasedDateTime", default=UNSET)
    deceased_no_time: Any = field(name="_deceasedDateTime", default=UNSET)
    identifier: tuple[Identifier, ...] = ()
    link: tuple[PatientLink, ...] = ()


class Value(Struct, rename="camel"):
    """The `value[x]` of an Observation or a component."""

    value_quantity: Quantity | UnsetType = UNSET
    value_codeable_concept: CodeableConcept | UnsetType = UNSET
    value_integer: Any = UNSET
    value_string: Any = UNSET
    value_boolean: Any = UNSET
    value_range: Any = UNSET
    value_ratio: Any = UNSET
    value_sampled_data: Any = UNSET
    value_time: Any = UNSET
    value_date_time: Any = UNSET
    value_period: Any = UNSET
    data_absent_reason: Any = UNSET


class Component(Value):
    """FHIR Observation.component."""

    code: CodeableConcept | UnsetType = UNSET
    modifier: Any = field(name="modifierExtension", default=UNSET)


class Observation(Value):
    """FHIR Observation."""

    status: str | UnsetType = UNSET
    code: CodeableConcept | UnsetType = UNSET
    subject: Reference | UnsetType = UNSET
    focus: Any = UNSET
    encounter: Reference | UnsetType = UNSET
    effective_date_time: str | UnsetType = UNSET
    effective_instant: str | UnsetType = UNSET
    effective_period: Period | UnsetType = UNSET
    effective_timing: Any = UNSET
    issued: str | UnsetType = UNSET
    component: tuple[Component, ...] = ()


class Condition(Struct, rename="camel"):
    """FHIR Condition."""

    clinical_status: CodeableConcept | UnsetType = UNSET
    verification_status: CodeableConcept | UnsetType = UNSET
    code: CodeableConcept | UnsetType = UNSET
    subject: Reference | UnsetType = UNSET
    encounter: Reference | UnsetType = UNSET
    onset_date_time: str | UnsetType = UNSET
    onset_period: Period | UnsetType = UNSET
    abatement_date_time: str | UnsetType = UNSET
    abatement_period: Period | UnsetType = UNSET
    abatement_age: Any = UNSET
    abatement_range: Any = UNSET
    abatement_string: Any = UNSET
    recorded_date: str | UnsetType = UNSET


class Encounter(Struct):
    """FHIR Encounter."""

    status: str | UnsetType = UNSET
    class_: Coding | UnsetType = field(name="class", default=UNSET)
    subject: Reference | UnsetType = UNSET
    period: Period | UnsetType = UNSET


class Activity(Struct, rename="camel"):
    """A Procedure or one of the four medication resources: a code, a status and a time."""

    status: str | UnsetType = UNSET
    intent: str | UnsetType = UNSET
    do_not_perform: bool | UnsetType = UNSET
    code: CodeableConcept | UnsetType = UNSET
    medication_codeable_concept: CodeableConcept | UnsetType = UNSET
    medication_reference: Reference | UnsetType = UNSET
    subject: Reference | UnsetType = UNSET
    performed_date_time: str | UnsetType = UNSET
    performed_period: Period | UnsetType = UNSET
    effective_date_time: str | UnsetType = UNSET
    effective_period: Period | UnsetType = UNSET
    authored_on: str | UnsetType = UNSET
    when_handed_over: str | UnsetType = UNSET
    when_prepared: str | UnsetType = UNSET


class Medication(Struct):
    """FHIR Medication."""

    code: CodeableConcept | UnsetType = UNSET
