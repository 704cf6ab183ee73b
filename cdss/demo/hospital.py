"""The demo hospital: two made-up wards, the same for the same `now` and seed."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cdss.demo.chart import Chart, ordinary_chart, time_text
from cdss.demo.people import Person, Staff, demo_staff, people
from cdss.demo.stories import tell
from cdss.domain.instant import from_micros, parse_index_time
from cdss.errors import UsageError

SEED = 20260104


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPatient:
    """A patient of the demo hospital.

    `subject` is `Patient/ID`, `encounter` is `Encounter/ID`. `attending` is the member of staff in charge; `story` is
    a label of `demo_stories()`. `clinician_hint` is what a plausible clinician might say, as probability of the
    outcome (0 to 1); it is for tests, and stands neither in the Bundle nor in `cohort.csv`.
    """

    given: str
    family: str
    sex: str
    birth_date: date
    mrn: str
    subject: str
    encounter: str
    ward: str
    bed: str
    attending: Staff
    story: str
    index_time: datetime
    clinician_hint: float | None
    bundle: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Given name and surname, as typed."""
        return f"{self.given} {self.family}"

    def to_json(self) -> bytes:
        """The Bundle as a document: the same bytes every time."""
        return (json.dumps(self.bundle, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def demo_hospital(now: datetime, seed: int = SEED) -> list[DemoPatient]:
    """Make the demo hospital.

    The index time of every patient is `now`, to the minute. The model asks at the end of a day in hospital and looks
    back 24 hours; asked at `now`, those are the last 24 hours a clinician sees on the chart. The most recent midnight
    would leave out today's results, and the coming one would ask about results nobody has yet. Every time is a number
    of hours before `now`, so the look-back holds a full day of vital signs and one round of laboratory results
    whatever the clock says. Ages are fixed and birth years follow from them.

    Newest values come from the data files to the digit. The seed moves older values and all times, so no answer of the
    shipped release hangs on it.

    Parameters
    ----------
    now : datetime
        With an offset from UTC.
    seed : int

    Returns
    -------
    list of DemoPatient

    Raises
    ------
    UsageError
        If `now` has no offset from UTC.
    """
    index = from_micros(parse_index_time(now)).replace(second=0, microsecond=0)
    staff = {one.login: one for one in demo_staff()}
    charts: dict[str, Chart] = {}
    for number, person in enumerate(people(), start=1):
        chance = random.Random(f"{seed} {person.mrn}")
        charts[person.mrn] = chart = Chart(person, f"demo-{number:02}", staff[person.attending], index, chance)
        ordinary_chart(chart)
    for chart in charts.values():
        tell(chart, charts)
    return [_patient(chart.person, chart) for chart in charts.values()]


def _patient(person: Person, chart: Chart) -> DemoPatient:
    return DemoPatient(
        given=person.given,
        family=person.family,
        sex=person.sex,
        birth_date=person.born(chart.index.date()),
        mrn=person.mrn,
        subject=f"Patient/{chart.name}",
        encounter=f"Encounter/{chart.stay}",
        ward=person.ward,
        bed=person.bed,
        attending=chart.attending,
        story=person.story,
        index_time=chart.index,
        clinician_hint=person.hint,
        bundle=chart.to_bundle(),
    )


def write_demo(directory: str | Path, now: datetime, seed: int = SEED) -> list[DemoPatient]:
    """Write one Bundle a patient, `ID.json`, and `cohort.csv` for `cdss assess`.

    Raises
    ------
    UsageError
        If the directory is not empty or cannot be written, or `now` has no offset from UTC.
    """
    directory = Path(directory)
    patients = demo_hospital(now, seed)
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UsageError(f"{directory}: exists and is not empty. Name a new directory for the demo.")
        directory.mkdir(parents=True, exist_ok=True)
        for patient in patients:
            (directory / f"{patient.subject.removeprefix('Patient/')}.json").write_bytes(patient.to_json())
        with (directory / "cohort.csv").open("w", newline="", encoding="utf-8") as opened:
            rows = csv.writer(opened, lineterminator="\n")
            rows.writerow(("subject", "index_time", "encounter"))
            rows.writerows((one.subject, time_text(one.index_time), one.encounter) for one in patients)
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written ({error.strerror}). Name another directory.") from error
    return patients
