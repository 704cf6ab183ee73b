"""Where the public reference data of the tests is, and how the laws are tried."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("cdss", deadline=None)  # a busy machine is no failure of a law
settings.load_profile("cdss")


def _absent(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing: set CDSS_TEST_DATA")
    pytest.skip(f"{what} is missing: set CDSS_TEST_DATA")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """CDSS_TEST_DATA, else ../shared/data beside the repository; without it tests are skipped, but never in CI."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("CDSS_TEST_DATA") or root.parent / "shared" / "data")
    if not folder.is_dir():
        _absent(str(folder))
    return folder


@pytest.fixture(scope="session")
def data_set(data_dir: Path) -> Callable[[str], Path]:
    """One public data set by the name of its folder; skipped by name where it is absent, but never in CI."""

    def find(name: str) -> Path:
        if not (data_dir / name).is_dir():
            _absent(f"data set {name}")
        return data_dir / name

    return find
