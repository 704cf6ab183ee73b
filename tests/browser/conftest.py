"""A demo hospital served by a process of its own, and Debian's Chromium to work in it; every page is watched."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.desk import Desk, Reception, Watch
from browser.ward import Ward

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_START_S, _STOP_S, _STEP_S = 120, 30, 0.1


def free_port() -> int:
    with closing(socket.socket()) as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def begin(home: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start `cdss demo` over a directory and wait until it says that it is well."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDSS_")}
    command = [sys.executable, "-m", "cdss", "demo", "--dir", str(home), "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=clean)
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + _START_S
    while not answers(url):
        if process.poll() is not None or time.monotonic() > until:
            end(process)
            pytest.fail(f"the server did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(_STEP_S)
    return process, url


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="package")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("chromium is missing: apt-get install it")
    return found


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def ward(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """The demo hospital that the tests share; each takes patients of its own."""
    home = tmp_path_factory.mktemp("hospital")
    process, url = begin(home, home.parent / "hospital.log")
    try:
        with Ward(home, url) as opened:
            yield opened
    finally:
        end(process)


@pytest.fixture
def own_ward(ward: Ward, tmp_path: Path) -> Iterator[Ward]:
    """A copy of the demo hospital with a server of its own, for a test that breaks it."""
    home = tmp_path / "copy"
    shutil.copytree(ward.home, home, ignore=shutil.ignore_patterns("cdss.db*"))
    with closing(sqlite3.connect(ward.home / "cdss.db")) as old, closing(sqlite3.connect(home / "cdss.db")) as new:
        old.backup(new)
    process, url = begin(home, tmp_path / "copy.log")
    try:
        with Ward(home, url) as opened:
            yield opened
    finally:
        end(process)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What no page of the test may have done."""
    watching = Watch()
    yield watching
    assert not watching.complaints, "\n".join(watching.complaints)


@pytest.fixture
def sit_down(browser: Browser, ward: Ward, watch: Watch) -> Iterator[Callable[..., Desk]]:
    """A browser with an empty profile: `sit_down("marlow")` is signed in, `sit_down()` is nobody."""
    reception = Reception(browser, ward, watch)
    yield reception.sit_down
    reception.close()
