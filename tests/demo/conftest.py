"""The demo hospital, written once, and what the shipped release makes of each of its Bundles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ward import NOW, ask

import cdss
from cdss.demo import DemoPatient, write_demo
from cdss.domain.assessment import Abstention, RiskEstimate


@pytest.fixture(scope="session")
def model() -> cdss.Model:
    return cdss.load_model("serious-illness-180d")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "hospital"


@pytest.fixture(scope="session")
def patients(folder: Path) -> list[DemoPatient]:
    return write_demo(folder, NOW)


@pytest.fixture(scope="session")
def records(folder: Path, patients: list[DemoPatient]) -> Mapping[str, cdss.PatientRecord]:
    return {one.subject: cdss.read(folder / f"{one.subject[8:]}.json") for one in patients}


@pytest.fixture(scope="session")
def answers(
    model: cdss.Model, patients: list[DemoPatient], records: Mapping[str, cdss.PatientRecord]
) -> Mapping[str, RiskEstimate | Abstention]:
    return {one.subject: ask(model, one, records[one.subject]) for one in patients}
