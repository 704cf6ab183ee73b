"""The chart of one made-up patient as FHIR R4 resources, before a story changes it."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from cdss.demo.people import Person, Staff
from cdss.domain.coding import ACT_CODE, LOINC, SNOMED_CT, UCUM

Resource = dict[str, Any]

BASE = "https://demo-hospital.example/fhir"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


@cache
def physiology() -> dict[str, Any]:
    """What is charted and how illnesses run, from physiology.toml."""
    return tomllib.loads(files("cdss.demo").joinpath("physiology.toml").read_text("utf-8"))


def tagged() -> Resource:
    """A `meta` that marks a resource as test data."""
    return {"tag": [{"system": f"{_TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}]}


def concept(system: str, code: str, text: str = "") -> Resource:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, **({"display": text} if text else {})}]}


def time_text(moment: datetime) -> str:
    """A FHIR instant in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Chart:
    """One patient's resources while they are being written.

    `index` is the index time; hours are counted back from it. `chance` gives the same numbers for the same seed and
    patient, whoever else is on the ward.
    """

    person: Person
    name: str
    attending: Staff
    index: datetime
    chance: random.Random
    resources: list[Resource] = field(default_factory=list)
    count: int = 0
    _rounds: dict[tuple[float, float], list[float]] = field(default_factory=dict)

    def ago(self, hours: float) -> datetime:
        """The whole minute so many hours before the index time."""
        return self.index - timedelta(minutes=round(hours * 60))

    @property
    def admitted(self) -> datetime:
        """The start of the stay."""
        return self.ago(self.person.days * 24)

    @property
    def whose(self) -> Resource:
        """The subject and the stay, as every clinical resource names them."""
        return {"subject": {"reference": f"Patient/{self.name}"}, "encounter": {"reference": f"Encounter/{self.stay}"}}

    @property
    def stay(self) -> str:
        """Id of the Encounter."""
        return f"{self.name}-stay"

    def rounds(self, newest: float, every: float) -> list[float]:
        """Hours before the index time of each round, oldest first; what is charted together shares its rounds."""
        if (newest, every) not in self._rounds:
            times = [newest + self.chance.random() * min(newest, 2)]
            while times[-1] + every < self.person.days * 24 - 1:
                times.append(times[-1] + every)
            moved = [hours + 0.5 * (self.chance.random() - 0.5) for hours in times[1:]]
            self._rounds[newest, every] = [*reversed(moved), times[0]]
        return self._rounds[newest, every]

    def add(self, kind: str, **elements: Any) -> Resource:
        """Add a resource with the next id, unless it brings its own."""
        self.count += 1
        resource = {"resourceType": kind, "id": f"{self.name}-{self.count:03}", "meta": tagged(), **elements}
        self.resources.append(resource)
        return resource

    def observe(self, what: Resource, value: Resource, hours: float, delay: float) -> Resource:
        """Add an Observation taken so many hours ago and on record `delay` minutes later."""
        taken = self.ago(hours)
        system = physiology()["local"] if what.get("local") else LOINC
        return self.add(
            "Observation",
            status="final",
            category=[concept(physiology()["categories"], what["group"])],
            code=concept(system, what["code"], what["text"]),
            **self.whose,
            effectiveDateTime=time_text(taken),
            issued=time_text(taken + timedelta(minutes=delay)),
            **value,
        )

    def diagnose(self, what: str) -> Resource:
        """Add a confirmed, active Condition, recorded an hour after admission."""
        condition = physiology()["condition"][what]
        years = 1 + int(self.chance.random() * 9)
        onset = str(self.admitted.year - years)
        if "days" in condition:
            onset = time_text(self.admitted - timedelta(days=condition["days"]))
        return self.add(
            "Condition",
            clinicalStatus=concept(f"{_TERMINOLOGY}/condition-clinical", "active"),
            verificationStatus=concept(f"{_TERMINOLOGY}/condition-ver-status", "confirmed"),
            category=[concept(f"{_TERMINOLOGY}/condition-category", physiology()["problem"])],
            code=concept(SNOMED_CT, condition["code"], condition["text"]),
            **self.whose,
            onsetDateTime=onset,
            recordedDate=time_text(self.admitted + timedelta(hours=1)),
        )

    def of(self, what: str) -> list[Resource]:
        """The Observations of a measurement, newest first."""
        codes = {physiology()["measurement"][what]["code"]}
        if what == "pafi":
            codes |= {physiology()["gas"][part]["code"] for part in ("pao2", "fio2")}
        found = [one for one in self.resources if one["resourceType"] == "Observation" and _code(one) in codes]
        return sorted(found, key=lambda one: str(one["effectiveDateTime"]), reverse=True)

    def drop(self, resources: Iterable[Resource]) -> None:
        """Take resources out again."""
        out = {id(one) for one in resources}
        self.resources = [one for one in self.resources if id(one) not in out]

    def to_bundle(self) -> Resource:
        """All resources as a collection."""
        entries = [{"fullUrl": f"{BASE}/{one['resourceType']}/{one['id']}", "resource": one} for one in self.resources]
        return {
            "resourceType": "Bundle",
            "id": f"{self.name}-bundle",
            "meta": tagged(),
            "type": "collection",
            "timestamp": time_text(self.index),
            "entry": entries,
        }


def _code(observation: Resource) -> str:
    return str(observation["code"]["coding"][0]["code"])


def quantity(value: float, unit: str) -> Resource:
    """A `valueQuantity` in a UCUM unit."""
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}


def ordinary_chart(chart: Chart) -> None:
    """Write the whole chart: who and where, diagnoses, the study's question, and every measurement."""
    _who_and_where(chart)
    for what in chart.person.had:
        chart.diagnose(what)
    _disease_group(chart)
    ends = _ends(chart.person)
    for what, measurement in physiology()["measurement"].items():
        _series(chart, what, measurement, *ends[what])


def _who_and_where(chart: Chart) -> None:
    person, place = chart.person, f"ward-{chart.person.ward}-bed-{chart.person.bed}".lower()
    doctor = chart.attending
    chart.add(
        "Patient",
        id=chart.name,
        active=True,
        identifier=[
            {
                "use": "usual",
                "type": concept(f"{_TERMINOLOGY}/v2-0203", "MR", "Medical record number"),
                "system": f"{BASE}/mrn",
                "value": person.mrn,
            }
        ],
        name=[
            {
                "use": "official",
                "text": f"{person.given} {person.family}",
                "family": person.family,
                "given": [person.given],
            }
        ],
        gender=person.sex,
        birthDate=person.born(chart.index.date()).isoformat(),
    )
    chart.add("Practitioner", id=doctor.login, active=True, name=[{"use": "official", "text": doctor.name}])
    chart.add(
        "Location", id=place, status="active", name=f"Ward {person.ward}, bed {person.bed}",
        physicalType=concept(f"{_TERMINOLOGY}/location-physical-type", "bd", "Bed"),
    )  # fmt: skip
    start = {"start": time_text(chart.admitted)}
    chart.add(
        "Encounter",
        id=chart.stay,
        status="in-progress",
        **{"class": {"system": ACT_CODE, "code": "IMP", "display": "inpatient encounter"}},
        subject={"reference": f"Patient/{chart.name}"},
        participant=[
            {
                "type": [concept(f"{_TERMINOLOGY}/v3-ParticipationType", "ATND", "attender")],
                "individual": {"reference": f"Practitioner/{doctor.login}", "display": doctor.name},
            }
        ],
        period=start,
        location=[
            {
                "location": {"reference": f"Location/{place}", "display": f"Ward {person.ward}, bed {person.bed}"},
                "status": "active",
                "period": start,
            }
        ],
    )


def _disease_group(chart: Chart) -> None:
    group = chart.person.group
    if not group:
        return
    local = physiology()["local"]
    answer = {"valueCodeableConcept": concept(local, group, physiology()["disease_group"][group])}
    question = {"code": "dzgroup", "local": True, "text": "Study disease group", "group": "survey"}
    chart.observe(question, answer, chart.person.days * 24 - 2, 3)


def _ends(person: Person) -> dict[str, tuple[float, float]]:
    """Value at admission and newest value of each measurement."""
    courses = physiology()["course"]
    course = courses[person.course]
    ends = dict(zip(courses["columns"], zip(course["start"], course["end"], strict=True), strict=True))
    for what, latest in person.latest.items():
        ends[what] = ends[what][0], latest
    # Function before admission and comorbidity are facts of the past: they have no course.
    return {
        what: (end, end) if what in ("adlsc", "comorbidities") else (start, end) for what, (start, end) in ends.items()
    }


def _series(chart: Chart, what: str, measurement: Resource, start: float, end: float) -> None:
    """One measurement from admission on; the newest value is `end` to the digit, so no answer hangs on the seed."""
    first, *later = rounds = chart.rounds(measurement["newest"], measurement["every"])
    for hours in rounds:
        swing = measurement["noise"] * (chart.chance.random() + chart.chance.random() - 1)
        if hours == rounds[-1]:
            value = end
        else:
            along = (first - hours) / (first - later[-1])
            value = start + (end - start) * along * along * (3 - 2 * along) + swing
            value = min(max(value, measurement["least"]), measurement["most"])
        if levels := measurement.get("levels"):
            value = min(levels, key=lambda level: (abs(level - value), level))
        if what == "pafi":
            _gas(chart, value, hours, measurement)
        else:
            charted = quantity(_rounded(value, measurement), measurement["unit"])
            chart.observe(measurement, charted, hours, measurement["delay"])


def _rounded(value: float, measurement: Resource) -> float:
    decimals = measurement["decimals"]
    return round(value, decimals) if decimals else round(value)


def _gas(chart: Chart, ratio: float, hours: float, measurement: Resource) -> None:
    """A blood gas: PaO2, and the oxygen breathed while it was taken."""
    gas = physiology()["gas"]
    percent = next(step["percent"] for step in gas["oxygen"] if ratio >= step["above"])
    for part, value in (("fio2", percent), ("pao2", round(ratio * percent / 100))):
        charted = {**measurement, **gas[part]}
        chart.observe(charted, quantity(value, charted["unit"]), hours, measurement["delay"])
