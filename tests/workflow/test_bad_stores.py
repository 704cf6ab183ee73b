"""A store that is locked, read-only, full or tampered with: said in a line, and nothing is there by half."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from at_work import FLAGGED, PASSWORD, QUICK, SETTLING, Clock, Day, a_day, flip, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from cdss.cli.main import main
from cdss.cli.serving import make_ready
from cdss.compose import open_hospital
from cdss.errors import CdssError, DependencyError
from cdss.ledger import engine
from cdss.settings import Settings
from tests.ledger.hospital import memory_home

ROOT = Path(__file__).resolve().parents[2]
LOCK = """
import sqlite3, sys, time
link = sqlite3.connect(sys.argv[1], isolation_level=None)
link.execute("BEGIN {}")
print("locked", flush=True)
time.sleep(60)
"""


def one_line(text: str) -> bool:
    return "\n" not in text and "Traceback" not in text and "sqlite3." not in text


# ---- locked --------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(day: Day, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Another program holds the store; we wait for a moment only."""
    monkeypatch.setattr(engine, "WAIT_S", 0.1)
    day.hospital.ports.store.engine.dispose()
    day.hospital.close()
    day.hospital = open_hospital(Settings(home=str(day.home)), clock=day.clock, access=QUICK)
    started: list[subprocess.Popen[str]] = []

    def lock(how: str) -> None:
        command = [sys.executable, "-c", LOCK.format(how), str(day.home / "cdss.db")]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stdout = started[-1].stdout
        assert stdout is not None
        assert stdout.readline() == "locked\n"

    def free() -> None:
        while started:
            one = started.pop()
            one.kill()
            one.communicate()

    yield lock, free
    free()


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_store_locked_by_another_program_is_said_and_passes(day: Day, locked: Any, how: str) -> None:
    lock, free = locked
    marlow, case = day.sign_in(), day.cases[FLAGGED]
    decided = day.decide(marlow, case)
    other = day.result(marlow, day.cases[SETTLING]).case
    before = day.size
    lock(how)
    for act in (
        lambda: day.sign(marlow, case, decided),
        lambda: day.decide(marlow, other.id, version=other.version),
        lambda: day.sign_in("thorsby"),
        lambda: day.hospital.keep_draft(marlow.person, case, 2, {"plan": "x"}),
        lambda: day.hospital.look(marlow.person, day.cases[17]),
    ):
        with pytest.raises(DependencyError) as refused:
            act()
        assert one_line(str(refused.value))
        assert refused.value.exit_code == 6
        assert "locked by another program" in str(refused.value) or "cannot be read or written" in str(refused.value)
    good, state = day.hospital.health()
    assert good is (how == "IMMEDIATE"), "who only reads is held up by a program that keeps everybody out"
    assert good or "locked by another program" in state["reasons"][0]
    free()
    assert day.hospital.health()[0]
    assert day.size == before
    assert day.sign(marlow, case, decided).kind == "signoff.signed"


def test_commands_on_a_locked_store_end_with_6(
    day: Day, locked: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, _ = locked
    monkeypatch.setenv("CDSS_HOME", str(day.home))
    lock("EXCLUSIVE")
    for command in (["serve", "--port", "0"], ["ledger", "head"], ["ledger", "checkpoint"], ["users", "list"]):
        assert main(command) == 6, command
        told = capsys.readouterr()
        assert told.out == ""
        assert one_line(told.err.rstrip("\n"))
        assert "locked by another program" in told.err


# ---- a bad disk ----------------------------------------------------------------------------------------------------


def on_a_bad_disk(how: str, folder: Path, template: Path) -> Any:
    """In a namespace with a disk of its own: root is not needed, and a read-only disk binds root too."""
    command = ["unshare", "-rm", sys.executable, "-m", "tests.workflow.on_a_bad_disk", how, str(folder), str(template)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, timeout=120)
    if done.returncode and b"unshare" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("this machine gives no namespace to mount a disk in")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])


def test_a_full_disk_signs_nothing_by_half_and_goes_on_when_there_is_room(template: Path, tmp_path: Path) -> None:
    told = on_a_bad_disk("full", tmp_path, template)
    outcomes = set()
    for one in told:
        tried = {"decide": "decision.accepted", "sign": "signoff.signed"}
        for act, kind in tried.items():
            said = one[act]
            outcomes.add((act, "done" in said))
            assert (kind in one["kinds"]) is ("done" in said), one
            if "error" in said:
                assert "the disk is full. Free some space and try again. Nothing was recorded." in said["error"]
                assert (said["kind"], said["code"], one_line(said["error"])) == ("DependencyError", 6, True)
        assert set(one["kinds"]) <= {*tried.values(), "auth.ok"}
        assert one["then"] == ["decision.accepted", "signoff.signed"]
        assert (one["signatures"], one["findings"], one["read only"]) == (1, [], "")
    assert outcomes == {(act, done) for act in ("decide", "sign") for done in (True, False)}
    assert any(one["kinds"] == ["auth.ok"] for one in told), "once the disk was full between proof and signature"


def test_a_disk_that_turns_read_only_is_said_by_every_act(template: Path, tmp_path: Path) -> None:
    told = on_a_bad_disk("read-only", tmp_path, template)
    for act in ("sign", "decide", "sign in", "look", "open"):
        said = told[act]
        assert (said["kind"], said["code"], one_line(said["error"])) == ("DependencyError", 6, True)
        assert "cannot be written" in said["error"] or "Read-only file system" in said["error"]
    assert told["size"] == 0
    assert (told["serve"], told["verify"]) == (6, 0), "it can still be verified"
    assert (told["then"], told["findings"]) == ({"done": "signoff.signed"}, [])


# ---- tampered with -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed_home(template: Path) -> Any:
    """A hospital with a signed decision, closed; and one more that waits for a signature."""
    with memory_home() as folder, a_day(template, folder / "home") as day:
        marlow = day.sign_in()
        day.sign(marlow, day.cases[SETTLING], day.decide(marlow, day.cases[SETTLING], sign=True))
        day.decide(marlow, day.cases[FLAGGED])
        day.hospital.ports.store.checkpoint()
        yield day.home


def size_of(home: Path) -> int:
    return int(rows(home, "SELECT max(seq) FROM ledger_entry")[0][0])


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_in_any_entry_is_found_named_and_stops_everything(
    signed_home: Path, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    with memory_home() as folder:
        home = folder / "home"
        shutil.copytree(signed_home, home)
        clock = Clock()
        hospital = open_hospital(Settings(home=str(home)), clock=clock, access=QUICK)
        day = Day(home, hospital, clock)
        marlow, auditor, case = day.sign_in(), day.sign_in("holmquay"), day.cases[FLAGGED]
        decided = day.case(case).decided
        assert decided is not None
        assert hospital.health()[0]
        seq = dice.randrange(1, size_of(home) + 1)
        flip(home, seq, dice.randrange(10**6))
        monkeypatch.setenv("CDSS_HOME", str(home))
        assert main(["ledger", "verify"]) == 4
        told = capsys.readouterr()
        assert told.err.startswith(f"cdss ledger: The first bad sequence number is {seq}: ")
        assert one_line(told.err.rstrip("\n"))
        verdict = hospital.verify(auditor.person)
        assert verdict.report.first_bad == seq
        good, state = hospital.health()
        assert (good, state["status"]) == (False, "unavailable")
        assert re.search(rf"the ledger is broken at entry {seq}\b", state["reasons"][0])
        before = size_of(home)
        for act in (
            lambda: hospital.sign_decision(
                marlow, case, decision=decided.leaf, meaning="reviewed", password=PASSWORD, login="marlow"
            ),
            lambda: day.sign_in("thorsby"),
            lambda: hospital.look(marlow.person, day.cases[30]),
        ):
            with pytest.raises(DependencyError, match="read-only, since the ledger is broken at entry") as refused:
                act()
            assert one_line(str(refused.value))
        assert size_of(home) == before
        hospital.close()


@settings(max_examples=40)
@given(dice=st.randoms(use_true_random=False))
def test_whatever_bit_is_flipped_a_hospital_opened_on_it_says_so(signed_home: Path, dice: Any) -> None:
    """Whoever starts the service on a broken ledger is told which entry, and no act is recorded in it."""
    with memory_home() as folder:
        home = folder / "home"
        shutil.copytree(signed_home, home)
        size = size_of(home)
        seq = dice.randrange(1, size + 1)
        flip(home, seq, dice.randrange(10**6))
        with open_hospital(Settings(home=str(home)), clock=Clock(), access=QUICK) as hospital:
            make_ready(hospital)
            good, state = hospital.health()
            assert not good
            assert re.search(rf"broken at entry {seq}\b", state["reasons"][0])
            with pytest.raises(CdssError, match=rf"entry {seq}\b"):
                hospital.sign_in("marlow", PASSWORD)
        assert size_of(home) == size


def test_a_store_that_is_no_ledger_any_more_is_damaged(day: Day, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(day.home, home)
    (home / "cdss.db").write_bytes(b"SQLite format 3\0" + os.urandom(20000))
    with pytest.raises(CdssError) as refused:
        open_hospital(Settings(home=str(home)), access=QUICK)
    assert "damaged" in str(refused.value)
    assert one_line(str(refused.value))
