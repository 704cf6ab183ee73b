"""The fields of FHIR R4 that we read, for msgspec's typed decode.

Numbers stay `Raw`: their text and their type are both needed to tell 2.5 from "2.5" and from true. A null or a value
of another type fails the decode, and the resource is put aside with the path msgspec names.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field

ABSENT = Raw(b"")


class Coding(Struct, frozen=True):
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class CodeableConcept(Struct, frozen=True):
    coding: tuple[Coding, ...] = ()


class Reference(Struct, frozen=True):
    reference: str | UnsetType = UNSET
    identifier: Identifier | UnsetType = UNSET


class Identifier(Struct, frozen=True):
    system: str | UnsetType = UNSET
    value: str | UnsetType = UNSET


class Period(Struct):
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET


class Quantity(Struct):
    value: Raw = ABSENT
    unit: str | UnsetType = UNSET
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    comparator: str | UnsetType = UNSET


class Meta(Struct):
    version: str | UnsetType = field(name="versionId", default=UNSET)
    updated: str | UnsetType = field(name="lastUpdated", default=UNSET)


class Head(Struct):
    """What is asked of every resource before its type is known."""

    resource_type: str | UnsetType = field(name="resourceType", default=UNSET)
    id: str | UnsetType = UNSET
    meta: Meta | UnsetType = UNSET
    modifier: Raw = field(name="modifierExtension", default=ABSENT)
    rules: Raw = field(name="implicitRules", default=ABSENT)


class BundleLink(Struct):
    relation: str | UnsetType = UNSET


class BundleRequest(Struct):
    method: str | UnsetType = UNSET


class BundleEntry(Struct):
    full_url: str | UnsetType = field(name="fullUrl", default=UNSET)
    resource: Raw = ABSENT
    request: BundleRequest | UnsetType = UNSET


class Bundle(Struct):
    type: str | UnsetType = UNSET
    link: tuple[BundleLink, ...] = ()
    entry: list[Raw] = field(default_factory=list)


class PatientLink(Struct):
    type: str | UnsetType = UNSET


class Patient(Struct):
    active: bool | UnsetType = UNSET
    gender: str | UnsetType = UNSET
    birth_date: str | UnsetType = field(name="birthDate", default=UNSET)
    deceased_boolean: bool | UnsetType = field(name="deceasedBoolean", default=UNSET)
    deceased_time: str | UnsetType = field(name="deceasedDateTime", default=UNSET)
    identifier: tuple[Identifier, ...] = ()
    link: tuple[PatientLink, ...] = ()


class Value(Struct, rename="camel"):
    """The `value[x]` of an Observation or a component."""

    value_quantity: Quantity | UnsetType = UNSET
    value_codeable_concept: CodeableConcept | UnsetType = UNSET
    value_integer: Raw = ABSENT
    value_string: Raw = ABSENT
    value_boolean: Raw = ABSENT
    value_range: Raw = ABSENT
    value_ratio: Raw = ABSENT
    value_sampled_data: Raw = ABSENT
    value_time: Raw = ABSENT
    value_date_time: Raw = ABSENT
    value_period: Raw = ABSENT
    data_absent_reason: Raw = ABSENT


class Component(Value):
    code: CodeableConcept | UnsetType = UNSET
    modifier: Raw = field(name="modifierExtension", default=ABSENT)


class Observation(Value):
    status: str | UnsetType = UNSET
    code: CodeableConcept | UnsetType = UNSET
    subject: Reference | UnsetType = UNSET
    encounter: Reference | UnsetType = UNSET
    effective_date_time: str | UnsetType = UNSET
    effective_instant: str | UnsetType = UNSET
    effective_period: Period | UnsetType = UNSET
    effective_timing: Raw = ABSENT
    issued: str | UnsetType = UNSET
    component: list[Component] = field(default_factory=list)


class Condition(Struct, rename="camel"):
    clinical_status: CodeableConcept | UnsetType = UNSET
    verification_status: CodeableConcept | UnsetType = UNSET
    code: CodeableConcept | UnsetType = UNSET
    subject: Reference | UnsetType = UNSET
    encounter: Reference | UnsetType = UNSET
    onset_date_time: str | UnsetType = UNSET
    onset_period: Period | UnsetType = UNSET
    abatement_date_time: str | UnsetType = UNSET
    abatement_period: Period | UnsetType = UNSET
    recorded_date: str | UnsetType = UNSET


class Encounter(Struct):
    status: str | UnsetType = UNSET
    class_: Coding | UnsetType = field(name="class", default=UNSET)
    subject: Reference | UnsetType = UNSET
    period: Period | UnsetType = UNSET


class Activity(Struct, rename="camel"):
    """A Procedure or one of the four medication resources: a code, a status and a time."""

    status: str | UnsetType = UNSET
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
    code: CodeableConcept | UnsetType = UNSET
