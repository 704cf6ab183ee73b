"""The demo hospital, made once; every test works on a copy of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from at_work import Day, a_day, make_template

from tests.ledger.hospital import memory_home


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A hospital of 44 patients, each with an answer that nobody has looked at."""
    with memory_home() as folder:
        make_template(folder / "template")
        yield folder / "template"


@pytest.fixture
def day(template: Path) -> Iterator[Day]:
    with memory_home() as folder, a_day(template, folder / "home") as opened:
        yield opened
