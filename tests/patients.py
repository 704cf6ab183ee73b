"""Patients for tests, told as a clinician would; `as_bundle()` gives them as FHIR, `record_of()` reads that FHIR."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cdss

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SUPPORT2 = "https://cdss.example/fhir/CodeSystem/support2"

INDEX = "2026-03-04T00:00:00Z"
"""When the tests ask; `hours=-3` is three hours before it."""

MEASUREMENTS = {
    "mean blood pressure": (LOINC, "8478-0", "mm[Hg]"),
    "heart rate": (LOINC, "8867-4", "/min"),
    "respiratory rate": (LOINC, "9279-1", "/min"),
    "temperature": (LOINC, "8310-5", "Cel"),
    "creatinine": (LOINC, "2160-0", "mg/dL"),
    "sodium": (LOINC, "2951-2", "mmol/L"),
    "white cells": (LOINC, "6690-2", "10*3/uL"),
    "arterial pH": (LOINC, "2744-1", "[pH]"),
    "PaO2/FiO2": (LOINC, "50984-4", "mm[Hg]"),
    "PaO2": (LOINC, "2703-7", "mm[Hg]"),
    "FiO2": (LOINC, "3150-0", "%"),
    "albumin": (LOINC, "1751-7", "g/dL"),
    "bilirubin": (LOINC, "1975-2", "mg/dL"),
    "glucose": (LOINC, "2345-7", "mg/dL"),
    "urea nitrogen": (LOINC, "3094-0", "mg/dL"),
    "urine of a day": (LOINC, "9192-6", "mL/(24.h)"),
    "urine charted": (LOINC, "9187-6", "mL"),
    "study coma score": (SUPPORT2, "scoma", "{score}"),
    "daily activities": (SUPPORT2, "adlsc", "{score}"),
    "comorbidities": (SUPPORT2, "num-co", "{score}"),
}
CONDITIONS = {
    "cancer": (SNOMED_CT, "363346000"),
    "metastatic cancer": (SNOMED_CT, "128462008"),
    "diabetes": (SNOMED_CT, "73211009"),
    "dementia": (SNOMED_CT, "52448006"),
    "pregnancy": (SNOMED_CT, "77386006"),
}
DISEASE_GROUPS = (
    "chf", "copd", "arf-mosf-sepsis", "colon-cancer", "cirrhosis", "lung-cancer", "mosf-malignancy", "coma",
)  # fmt: skip


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


@dataclass(frozen=True)
class Told:
    """One patient so far; every step gives a new one."""

    id: str
    index: str = INDEX
    facts: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[Mapping[str, Any], ...] = ()
    count: int = 0

    @property
    def reference(self) -> str:
        return f"Patient/{self.id}"

    def at(self, hours: float) -> str:
        """The time so many hours from the index time."""
        return (datetime.fromisoformat(self.index) + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")

    def stating(self, **facts: Any) -> Told:
        """Elements of the Patient resource; None takes one out."""
        stated = {**self.facts, **facts}
        return replace(self, facts={name: value for name, value in stated.items() if value is not None})

    def born(self, date: str) -> Told:
        return self.stating(birthDate=date)

    def female(self) -> Told:
        return self.stating(gender="female")

    def male(self) -> Told:
        return self.stating(gender="male")

    def died(self, *, hours: float | None = None) -> Told:
        return self.stating(deceasedBoolean=True) if hours is None else self.stating(deceasedDateTime=self.at(hours))

    def with_resource(self, resource: Mapping[str, Any]) -> Told:
        """Any resource; its id and subject are filled in where it has none."""
        count = self.count + 1
        base = {"id": f"{self.id}-{count}", "subject": {"reference": self.reference}}
        return replace(self, resources=(*self.resources, {**base, **resource}), count=count)

    def with_observation(
        self, system: str, code: str, *, hours: float, known: float | None = None, status: str = "final", **rest: Any
    ) -> Told:
        """An Observation true from `hours`, issued at `known` (at once, if not said)."""
        return self.with_resource(
            {
                "resourceType": "Observation",
                "status": status,
                "code": concept(system, code),
                "effectiveDateTime": self.at(hours),
                "issued": self.at(hours if known is None else known),
                **rest,
            }
        )

    def measured(
        self, what: str, value: float, unit: str | None = None, *, hours: float, comparator: str = "", **rest: Any
    ) -> Told:
        """A measurement by its everyday name, in its everyday unit unless another is given."""
        system, code, usual = MEASUREMENTS[what]
        quantity = {"value": value, "unit": unit or usual, "system": UCUM, "code": unit or usual}
        if comparator:
            quantity["comparator"] = comparator
        return self.with_observation(system, code, hours=hours, valueQuantity=quantity, **rest)

    def with_creatinine(self, value: float, unit: str = "mg/dL", *, hours: float, **rest: Any) -> Told:
        return self.measured("creatinine", value, unit, hours=hours, **rest)

    def in_disease_group(self, group: str, *, hours: float = -72, **rest: Any) -> Told:
        answer = concept(SUPPORT2, group)
        return self.with_observation(SUPPORT2, "dzgroup", hours=hours, valueCodeableConcept=answer, **rest)

    def with_condition(
        self, what: str, *, since: float, recorded: float | None = None, until: float | None = None, **rest: Any
    ) -> Told:
        """A condition with onset at `since` and, if said, abatement at `until` (hours from the index time)."""
        over = {} if until is None else {"abatementDateTime": self.at(until)}
        return self.with_resource(
            {
                "resourceType": "Condition",
                "code": concept(*CONDITIONS[what]),
                "onsetDateTime": self.at(since),
                "recordedDate": self.at(since if recorded is None else recorded),
                **over,
                **rest,
            }
        )

    def in_hospital(self, *, since: float, until: float | None = None, kind: str = "IMP", stay: str = "stay") -> Told:
        """An encounter of a class, from `since` to `until` (open, if not said)."""
        over = {} if until is None else {"end": self.at(until)}
        return self.with_resource(
            {
                "resourceType": "Encounter",
                "id": stay,
                "status": "in-progress" if until is None else "finished",
                "class": {"system": ACT_CODE, "code": kind},
                "period": {"start": self.at(since), **over},
            }
        )

    def with_procedure(self, code: str, *, hours: float, system: str = SNOMED_CT) -> Told:
        return self.with_resource(
            {
                "resourceType": "Procedure",
                "status": "completed",
                "code": concept(system, code),
                "performedDateTime": self.at(hours),
            }
        )

    def as_resources(self) -> list[dict[str, Any]]:
        """The Patient, then the rest in the order told."""
        return [{"resourceType": "Patient", "id": self.id, **self.facts}, *map(dict, self.resources)]

    def as_bundle(self) -> dict[str, Any]:
        return bundle_of(self.as_resources())


def patient(name: str = "p1", *, index: str = INDEX) -> Told:
    return Told(name, index)


def seriously_ill(name: str = "p1", *, index: str = INDEX) -> Told:
    """A woman of 76 in hospital for five days with sepsis: the shipped release gives an estimate for her."""
    return (
        patient(name, index=index)
        .born("1950-02-01")
        .female()
        .in_hospital(since=-120, stay=f"{name}-stay")
        .in_disease_group("arf-mosf-sepsis")
        .with_condition("diabetes", since=-87_600)
        .measured("mean blood pressure", 62, hours=-12)
        .measured("heart rate", 118, hours=-12)
        .measured("respiratory rate", 30, hours=-12)
        .measured("temperature", 38.4, hours=-12)
        .with_creatinine(2.1, "mg/dL", hours=-12)
        .measured("sodium", 133, hours=-12)
        .measured("study coma score", 26, hours=-12)
        .measured("white cells", 17.5, hours=-12)
        .measured("arterial pH", 7.29, hours=-12)
        .measured("PaO2/FiO2", 160, hours=-12)
        .measured("albumin", 2.4, hours=-12)
        .measured("bilirubin", 1.5, hours=-12)
        .measured("glucose", 168, hours=-12)
        .measured("urea nitrogen", 44, hours=-12)
        .measured("urine of a day", 700, hours=-12)
        .measured("daily activities", 3, hours=-12)
        .measured("comorbidities", 2, hours=-12)
    )


def without(told: Told, what: str) -> Told:
    """The same patient without any measurement of that name."""
    code = MEASUREMENTS[what][1]
    kept = (r for r in told.resources if r.get("code", {}).get("coding", [{}])[0].get("code") != code)
    return replace(told, resources=tuple(kept))


def bundle_of(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    entries = [
        {"fullUrl": f"https://hospital.example/fhir/{r['resourceType']}/{r['id']}", "resource": r} for r in resources
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def all_resources(told: Iterable[Told]) -> Iterator[dict[str, Any]]:
    for one in told:
        yield from one.as_resources()


def read_resources(resources: Iterable[Mapping[str, Any]], **how: Any) -> cdss.PatientRecord:
    """What `cdss.read` makes of a Bundle of these resources."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.json"
        path.write_text(json.dumps(bundle_of(resources)), "utf-8")
        return cdss.read(path, **how)


def record_of(*told: Told, **how: Any) -> cdss.PatientRecord:
    """What `cdss.read` makes of these patients."""
    return read_resources(all_resources(told), **how)
