"""A made-up hospital in the shape of US Core, as NDJSON: 137 resources a patient, of which 114 are Observations.

The same seed writes the same bytes. Ids, times and values differ from line to line, as in an export; codes repeat.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

RESOURCES_PER_PATIENT = 137
_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_TERMS = "http://terminology.hl7.org/CodeSystem/"
_UCUM = "http://unitsofmeasure.org"
_START = datetime(2019, 1, 1, tzinfo=UTC)

# LOINC code, its name, unit, mean, spread and decimals; vital signs first.
_VITALS = (
    ("8867-4", "Heart rate", "/min", 82, 14, 0),
    ("9279-1", "Respiratory rate", "/min", 17, 3, 0),
    ("8310-5", "Body temperature", "Cel", 36.9, 0.5, 1),
    ("2708-6", "Oxygen saturation in Arterial blood", "%", 96, 1.2, 0),
    ("29463-7", "Body weight", "kg", 78, 12, 1),
    ("8302-2", "Body height", "cm", 170, 8, 1),
    ("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", 27, 4, 1),
)
_LABS = (
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 1.1, 0.3, 2),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 4.1, 0.4, 1),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 139, 3, 0),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 118, 25, 0),
    ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", 17, 4, 0),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 13.2, 1.4, 1),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 7.9, 1.8, 2),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 245, 50, 0),
    ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL", 3.9, 0.4, 1),
    ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL", 0.8, 0.2, 1),
)  # fmt: skip
_CONDITIONS = (("44054006", "Diabetes mellitus type 2"), ("38341003", "Hypertensive disorder"),
               ("84114007", "Heart failure"), ("13645005", "Chronic obstructive lung disease"))  # fmt: skip
_DRUGS = (("314076", "lisinopril 10 MG Oral Tablet"), ("860975", "metformin 500 MG Extended Release Oral Tablet"),
          ("197361", "amlodipine 5 MG Oral Tablet"), ("617311", "atorvastatin 40 MG Oral Tablet"))  # fmt: skip


class _Writer:
    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.random = random.Random(seed)
        kinds = ("Patient", "Encounter", "Condition", "MedicationRequest", "Procedure", "Observation")
        self.files = {kind: (folder / f"{kind}.ndjson").open("w", encoding="ascii") for kind in kinds}

    def own_id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128)))

    def patient(self) -> None:
        subject, random_ = self.own_id(), self.random
        born = datetime(1935, 1, 1) + timedelta(days=random_.randrange(25_000))
        self.files["Patient"].write(
            f'{{"resourceType":"Patient","id":"{subject}","meta":{{"profile":["{_CORE}patient"]}},"identifier":'
            f'[{{"system":"https://example.org/mrn","value":"{random_.randrange(10**8):08d}"}}],"name":[{{"family":'
            f'"Made-Up","given":["Patient"]}}],"gender":"{random_.choice(("female", "male"))}",'
            f'"birthDate":"{born:%Y-%m-%d}"}}\n'
        )
        stays = [self._stay(subject) for _ in range(4)]
        for at, stay in stays:
            self._observations(subject, at, stay)
        for at, stay in stays[:2]:
            self._smoker(subject, at, stay)
        for number in range(6):
            at, stay = stays[number % 4]
            self._condition(subject, at, stay, *_CONDITIONS[random_.randrange(4)])
        for number in range(10):
            at, stay = stays[number % 4]
            self._order(subject, at, stay, *_DRUGS[random_.randrange(4)])
        for number in range(2):
            self._procedure(subject, *stays[number])

    def _stay(self, subject: str) -> tuple[datetime, str]:
        at, stay = _START + timedelta(minutes=self.random.randrange(3_000_000)), self.own_id()
        self.files["Encounter"].write(
            f'{{"resourceType":"Encounter","id":"{stay}","meta":{{"profile":["{_CORE}encounter"]}},"status":"finished",'
            f'"class":{{"system":"{_TERMS}v3-ActCode","code":"IMP","display":"inpatient"}},"type":[{{"coding":'
            f'[{{"system":"http://snomed.info/sct","code":"32485007","display":"Hospital admission"}}]}}],"subject":'
            f'{{"reference":"Patient/{subject}"}},"period":{{"start":"{at:%Y-%m-%dT%H:%M:%SZ}","end":'
            f'"{at + timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}"}}}}\n'
        )
        return at, stay

    def _observations(self, subject: str, at: datetime, stay: str) -> None:
        for round_ in range(28):
            moment = at + timedelta(seconds=self.random.randrange(420_000))
            if round_ < 3:
                self._pressure(subject, moment, stay)
            elif round_ < 13:
                self._measure(subject, moment, stay, _VITALS[round_ % len(_VITALS)], "vital-signs", "vital-signs")
            else:
                lab = _LABS[round_ % len(_LABS)]
                self._measure(subject, moment, stay, lab, "observation-lab", "laboratory")

    def _head(
        self, profile: str, category: str, code: str, name: str, subject: str, moment: datetime, stay: str
    ) -> str:
        return (
            f'{{"resourceType":"Observation","id":"{self.own_id()}","meta":{{"profile":["{profile}"]}},"status":"final",'
            f'"category":[{{"coding":[{{"system":"{_TERMS}observation-category","code":"{category}","display":'
            f'"{category}"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{name}"}}],'
            f'"text":"{name}"}},"subject":{{"reference":"Patient/{subject}"}},"encounter":{{"reference":"Encounter/{stay}'
            f'"}},"effectiveDateTime":"{moment:%Y-%m-%dT%H:%M:%SZ}","issued":'
            f'"{moment + timedelta(seconds=self.random.randrange(5400)):%Y-%m-%dT%H:%M:%S.000Z}",'
        )

    def _quantity(self, mean: float, spread: float, decimals: int, unit: str) -> str:
        value = round(min(mean + 3 * spread, max(mean - 2 * spread, self.random.gauss(mean, spread))), decimals)
        number = int(value) if not decimals else value
        return f'"valueQuantity":{{"value":{number},"unit":"{unit}","system":"{_UCUM}","code":"{unit}"}}'

    def _measure(self, subject: str, at: datetime, stay: str, what: tuple[str, str, str, float, float, int],
                 profile: str, category: str) -> None:  # fmt: skip
        code, name, unit, mean, spread, decimals = what
        value = self._quantity(mean, spread, decimals, unit)
        self.files["Observation"].write(
            f"{self._head(_CORE + profile, category, code, name, subject, at, stay)}{value}}}\n"
        )

    def _pressure(self, subject: str, at: datetime, stay: str) -> None:
        parts = ",".join(
            f'{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{name}"}}]}},'
            f"{self._quantity(mean, spread, 0, 'mm[Hg]')}}}"
            for code, name, mean, spread in (
                ("8480-6", "Systolic blood pressure", 128, 9),
                ("8462-4", "Diastolic blood pressure", 74, 7),
            )
        )
        head = self._head(_CORE + "blood-pressure", "vital-signs", "85354-9", "Blood pressure panel", subject, at, stay)
        self.files["Observation"].write(f'{head}"component":[{parts}]}}\n')

    def _smoker(self, subject: str, at: datetime, stay: str) -> None:
        head = self._head(
            _CORE + "smokingstatus", "social-history", "72166-2", "Tobacco smoking status", subject, at, stay
        )
        self.files["Observation"].write(
            f'{head}"valueCodeableConcept":{{"coding":[{{"system":"http://snomed.info/sct","code":"266919005","display":'
            f'"Never smoked tobacco"}}],"text":"Never smoked tobacco"}}}}\n'
        )

    def _condition(self, subject: str, at: datetime, stay: str, code: str, name: str) -> None:
        self.files["Condition"].write(
            f'{{"resourceType":"Condition","id":"{self.own_id()}","meta":{{"profile":["{_CORE}condition-encounter-'
            f'diagnosis"]}},"clinicalStatus":{{"coding":[{{"system":"{_TERMS}condition-clinical","code":"active"}}]}},'
            f'"verificationStatus":{{"coding":[{{"system":"{_TERMS}condition-ver-status","code":"confirmed"}}]}},'
            f'"category":[{{"coding":[{{"system":"{_TERMS}condition-category","code":"encounter-diagnosis"}}]}}],"code":'
            f'{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}","display":"{name}"}}],"text":"{name}"}},'
            f'"subject":{{"reference":"Patient/{subject}"}},"encounter":{{"reference":"Encounter/{stay}"}},"onsetDateTime":'
            f'"{at - timedelta(days=self.random.randrange(2000)):%Y-%m-%dT%H:%M:%SZ}","recordedDate":'
            f'"{at:%Y-%m-%dT%H:%M:%SZ}"}}\n'
        )

    def _order(self, subject: str, at: datetime, stay: str, code: str, name: str) -> None:
        self.files["MedicationRequest"].write(
            f'{{"resourceType":"MedicationRequest","id":"{self.own_id()}","meta":{{"profile":["{_CORE}'
            f'medicationrequest"]}},"status":"completed","intent":"order","medicationCodeableConcept":{{"coding":'
            f'[{{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"{code}","display":"{name}"}}],"text":'
            f'"{name}"}},"subject":{{"reference":"Patient/{subject}"}},"encounter":{{"reference":"Encounter/{stay}"}},'
            f'"authoredOn":"{at + timedelta(minutes=self.random.randrange(5000)):%Y-%m-%dT%H:%M:%SZ}"}}\n'
        )

    def _procedure(self, subject: str, at: datetime, stay: str) -> None:
        self.files["Procedure"].write(
            f'{{"resourceType":"Procedure","id":"{self.own_id()}","meta":{{"profile":["{_CORE}procedure"]}},"status":'
            f'"completed","code":{{"coding":[{{"system":"http://snomed.info/sct","code":"265764009","display":"Renal '
            f'dialysis"}}],"text":"Renal dialysis"}},"subject":{{"reference":"Patient/{subject}"}},"encounter":'
            f'{{"reference":"Encounter/{stay}"}},"performedDateTime":'
            f'"{at + timedelta(minutes=self.random.randrange(5000)):%Y-%m-%dT%H:%M:%SZ}"}}\n'
        )


def write_source(folder: Path, patients: int, seed: int = 1) -> int:
    """Write that many patients; return the bytes written."""
    writer = _Writer(folder, seed)
    for _ in range(patients):
        writer.patient()
    for file in writer.files.values():
        file.close()
    return sum(file.stat().st_size for file in folder.iterdir())
