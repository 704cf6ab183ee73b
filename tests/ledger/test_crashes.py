"""Killed at any moment, or many at once: nothing acknowledged is lost, nothing is there twice or by half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from cdss.ledger.reading import read_ledger
from cdss.ledger.verify import verify
from tests.ledger.hospital import url

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_kill_9_in_the_middle_of_signing_loses_nothing_and_leaves_no_half(tmp_path):
    command = [sys.executable, "-m", "tests.ledger.killed", str(tmp_path), "30"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=ENVIRONMENT, timeout=120)
    told = json.loads(done.stdout)
    assert told["found"] == []
    assert told["lost"] == []
    assert told["stored"] >= told["acknowledged"] > 0


def test_two_processes_of_four_threads_append_without_a_gap(tmp_path):
    command = [sys.executable, "-m", "tests.ledger.appending", str(tmp_path)]
    both = [subprocess.Popen([*command, name, "4", "15"], cwd=ROOT, env=ENVIRONMENT) for name in ("a", "b")]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    with read_ledger(url(tmp_path)) as reader:
        entries = list(reader.entries())
    assert [entry.seq for entry in entries] == list(range(1, 121))
    wanted = {f"{name}-{person}-{number}" for name in "ab" for person in range(4) for number in range(15)}
    assert {entry.idem for entry in entries} == wanted
    assert not verify(tmp_path / "cdss.db").findings
