"""`cdss demo` as typed: a fresh hospital tried in four lines, and a broken one never served in silence."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ledger.hospital import memory_home
from tests.workflow.at_work import flip, rows

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60


def environment(home: Path | None = None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDSS_")}
    return clean | ({"CDSS_HOME": str(home)} if home else {})


def cdss(*arguments: str, home: Path | None = None, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cdss", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment(home) | {"PYTHONPATH": str(ROOT)},
        timeout=LIMIT_S,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tried() -> Iterator[tuple[Path, subprocess.CompletedProcess[str], float]]:
    with memory_home() as folder:
        started = time.monotonic()
        done = cdss("demo", "--smoke", "--dir", str(folder / "demo"), folder=folder)
        yield folder / "demo", done, time.monotonic() - started


def test_a_fresh_demo_is_tried_in_four_lines_and_under_a_minute(tried: tuple) -> None:
    _, done, seconds = tried
    assert (done.returncode, done.stderr) == (0, "")
    assert seconds < LIMIT_S
    wanted = (
        r"health: ok, \d+ entries, serious-illness-180d@1\.0\.0 live",
        r"assessment: serious-illness-180d, estimate, \d{1,2} of 100",
        r"decision: DR-\d{4}-\d{6} signed by Dr Ines Marlow, proof checked",
        r"ledger: unbroken, (\d+) of \1 entries verified",
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stdout
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.fullmatch(pattern, line), line


def test_the_store_is_left_and_stands_up_to_the_verifier(tried: tuple) -> None:
    home, done, _ = tried
    size = re.search(r"(\d+) of", done.stdout.splitlines()[-1])
    assert size is not None
    told = json.loads(cdss("ledger", "verify", "--json", home=home).stdout)
    assert (told["ok"], told["size"] >= int(size[1])) == (True, True)
    assert {path.name for path in home.iterdir()} >= {"cdss.db", "keys", "kek"}
    assert [path.stat().st_mode & 0o77 for path in home.rglob("*.key")] == [0, 0, 0]


def test_a_second_time_it_goes_on_with_the_same_store(tried: tuple) -> None:
    home, *_ = tried
    before = rows(home, "SELECT seq, leaf FROM ledger_entry ORDER BY seq")
    done = cdss("demo", "--smoke", "--json", "--dir", str(home))
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"health", "assessment", "decision", "ledger"}
    after = rows(home, "SELECT seq, leaf FROM ledger_entry ORDER BY seq")
    assert after[: len(before)] == before
    kinds = [kind for (kind,) in rows(home, "SELECT kind FROM ledger_entry")]
    assert kinds.count("input.received") == 44, "no patient was sent twice"
    assert kinds.count("signoff.signed") == 2


@pytest.mark.parametrize("verb", ["demo", "serve"])
def test_a_port_in_use_is_said_in_one_line_before_anything_is_made(verb: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        place = ["--dir", str(tmp_path / "new")] if verb == "demo" else []
        done = cdss(verb, "--port", port, *place, home=tmp_path / "new")
    assert (done.returncode, done.stdout) == (2, "")
    told = f"cdss {verb}: 127.0.0.1:{port}: cannot listen there (Address already in use). Choose another with --port"
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none_is_said_in_one_line(port: str, tmp_path: Path) -> None:
    done = cdss("demo", "--port", port, "--dir", str(tmp_path / "new"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_serve_without_a_store_says_how_to_make_one(tmp_path: Path) -> None:
    done = cdss("serve", "--port", "0", home=tmp_path / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no store" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()


@contextmanager
def served(*arguments: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that is gone at the end, whatever became of the test."""
    command = [sys.executable, "-m", "cdss", *arguments, "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment(home), **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_S)
    return process.returncode, errors


def test_ctrl_c_ends_the_demo_without_a_word_too_much(tried: tuple) -> None:
    home, *_ = tried
    with served("demo", home=home) as process:
        said = json.loads(process.stdout.readline())
        assert said["logins"]["marlow"] == ["clinician"]
        assert answer(said["url"])[0] == 200
        code, errors = stopped(process)
    assert code in (0, 130)
    assert errors in ("", "cdss demo: stopped.\n")


def answer(url: str) -> tuple[int, dict]:
    """What /health says, once the server is up."""
    until = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        try:
            connection.request("GET", "/health")
            found = connection.getresponse()
            return found.status, json.load(found)
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
        finally:
            connection.close()


def test_a_ledger_with_a_flipped_bit_is_never_served_in_silence(tried: tuple) -> None:
    """The last test here: it breaks the store."""
    home, *_ = tried
    size = len(rows(home, "SELECT seq FROM ledger_entry"))
    ((seq,),) = rows(home, "SELECT max(seq) FROM ledger_entry WHERE kind = 'estimate.committed'")
    ((body,),) = rows(home, "SELECT body FROM ledger_entry WHERE seq = ?", seq)
    flip(home, seq, body.index(b'"alive":"') + len(b'"alive":"'))
    verified = cdss("ledger", "verify", home=home)
    assert verified.returncode == 4
    assert f"The first bad sequence number is {seq}: " in verified.stderr
    smoke = cdss("demo", "--smoke", "--dir", str(home))
    assert smoke.returncode in (4, 6)
    assert smoke.stderr.startswith(f"The ledger is broken at entry {seq}: ")
    assert "Traceback" not in smoke.stderr
    assert "decision:" not in smoke.stdout
    with served("serve", home=home) as process:
        status, state = answer(json.loads(process.stdout.readline())["url"])
        _, errors = stopped(process)
    assert errors.startswith(f"The ledger is broken at entry {seq}: ")
    assert (status, state["status"]) == (503, "unavailable")
    assert f"broken at entry {seq}" in state["reasons"][0]
    assert len(rows(home, "SELECT seq FROM ledger_entry")) == size, "nothing was recorded in it"
