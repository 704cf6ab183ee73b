"""Killed at any moment of signing: what was said to be signed is signed, and nothing is there by half (goal G1)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from at_work import ABSTAINED, ESTIMATED, OUTSIDE, a_day

KILLS = 100
ROOT = Path(__file__).resolve().parents[2]


def test_a_hundred_kills_lose_no_signature_and_leave_no_half(
    template: Path, tmp_path: Path, record_property, capsys
) -> None:
    with a_day(template, tmp_path / "made") as day:
        marlow = day.sign_in()
        for number in [*ESTIMATED, *ABSTAINED]:
            can = ["overridden", "deferred"] if number == OUTSIDE else ["accepted", "overridden", "overridden"]
            outcome = "not-applicable" if number in ABSTAINED else can[number % len(can)]
            day.decide(marlow, day.cases[number], outcome, sign=True)
        day.hospital.sign_out(marlow.token)
    shutil.copytree(tmp_path / "made", tmp_path / "template")
    command = [sys.executable, "-m", "tests.workflow.signing_until_killed", str(tmp_path), str(KILLS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    found = told.pop("found")
    with capsys.disabled():
        print(f"\nsigning under kill: {told}, lost {sum('lost' in one for one in found)}")
    record_property("signing under kill", told)
    assert found == []
    assert told["kills"] == KILLS
    assert told["signatures"] >= told["acknowledged"] > KILLS
    assert told["in the middle"] > KILLS / 20, "some blows fell between a proof and the word that it is signed"
