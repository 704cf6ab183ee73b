"""Who is in the demo hospital: patients and staff, from people.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from cdss.access import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """A member of staff of the demo hospital; `also` are further roles. There are no passwords here."""

    login: str
    name: str
    role: Role
    also: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient as people.toml tells it.

    `age` is in whole years at the index time and `birthday` is month and day, so that nobody grows out of a story.
    `days` is the time in hospital; `latest` replaces ends of the course; `of` is the hospital number of the owner of a
    misfiled result; `hint` is a clinician's estimate of the risk, 0 to 1.
    """

    mrn: str
    given: str
    family: str
    sex: str
    age: int
    birthday: str
    ward: str
    bed: str
    attending: str
    group: str
    course: str
    days: float
    had: tuple[str, ...] = ()
    latest: Mapping[str, float] = field(default_factory=dict)
    story: str = "ordinary"
    of: str = ""
    hint: float | None = None

    def born(self, today: date) -> date:
        """The birth date that makes the person `age` years old on a day."""
        month, day = (int(part) for part in self.birthday.split("-"))
        had_it = (today.month, today.day) >= (month, day)
        return date(today.year - self.age - (0 if had_it else 1), month, day)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("cdss.demo").joinpath("people.toml").read_text("utf-8"))


@cache
def people() -> tuple[Person, ...]:
    """The patients, in the order of the file."""
    return tuple(Person(**{**entry, "had": tuple(entry.get("had", ()))}) for entry in _data()["patient"])


@cache
def demo_staff() -> tuple[Staff, ...]:
    """The staff: three clinicians, an approver, a data scientist, an auditor and an administrator."""
    return tuple(
        Staff(
            login=entry["login"],
            name=entry["name"],
            role=Role(entry["role"]),
            also=tuple(map(Role, entry.get("also", ()))),
        )
        for entry in _data()["staff"]
    )
