"""Where the public reference data of the tests is, and how the laws are tried."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

settings.register_profile("cdss", deadline=None)  # a busy machine is no failure of a law
settings.load_profile("cdss")

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


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


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a database on a throw-away server, reached by its socket."""
    if not PROGRAMS or (os.geteuid() == 0 and not shutil.which("runuser")):
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is missing")
        pytest.skip("PostgreSQL is missing")
    folder = Path(tempfile.mkdtemp(prefix="cdss-pg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if owner:
        shutil.chown(folder, "postgres")

    def call(*arguments: str) -> None:
        subprocess.run([*owner, *arguments], check=True, capture_output=True, cwd=folder)

    data = str(folder / "data")
    call(str(PROGRAMS[-1] / "initdb"), "-D", data, "-A", "trust", "-U", "cdss", "-E", "UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
    start = (str(PROGRAMS[-1] / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"))
    call(*start, "-o", options, "start")
    try:
        yield f"postgresql://cdss@/%s?host={folder}"
    finally:
        call(*start, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def postgresql_url(postgresql_server: str, request: pytest.FixtureRequest) -> str:
    """A database of its own for one test."""
    name = request.node.name[:60].lower()
    with psycopg.connect(postgresql_server % "postgres", autocommit=True) as link:
        link.execute(f'CREATE DATABASE "{name}"')
    return postgresql_server % name
