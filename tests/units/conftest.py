"""Where the public reference data of the tests is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """CDSS_TEST_DATA, else ../shared/data beside the repository; without it tests are skipped, but never in CI."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("CDSS_TEST_DATA") or root.parent / "shared" / "data")
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{folder} is missing: set CDSS_TEST_DATA")
        pytest.skip(f"{folder} is missing: set CDSS_TEST_DATA")
    return folder
