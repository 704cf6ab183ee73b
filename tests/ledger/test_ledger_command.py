"""`cdss ledger` as typed."""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cdss.cli import ledger
from cdss.errors import CdssError
from cdss.ledger import verify as verifier
from tests.ledger.hospital import filled, memory_home

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(monkeypatch):
    with memory_home() as folder:
        filled(folder, seed=3, acts=40)
        monkeypatch.setenv("CDSS_HOME", str(folder))
        monkeypatch.delenv("CDSS_STORE", raising=False)
        yield folder


@pytest.fixture
def run(capsys):
    def call(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        ledger.add(parser.add_subparsers(dest="verb"))
        error = ""
        try:
            ledger.run(parser.parse_args(["ledger", *arguments]))
            code = 0
        except CdssError as refused:
            code, error = refused.exit_code, str(refused)
        return code, capsys.readouterr().out, error

    return call


def test_verify_says_ok_and_names_the_first_bad_entry(home, run):
    code, out, _ = run("verify")
    assert (code, "OK: root" in out, "note:" in out) == (0, True, False)
    report = json.loads(run("verify", "--json")[1])
    assert (report["ok"], report["first_bad"], report["size"] > 20) == (True, None, True)
    with sqlite3.connect(home / "cdss.db") as link:
        link.execute("DROP TRIGGER ledger_entry_no_update")
        link.execute("UPDATE ledger_entry SET kind = 'auth.ok' WHERE seq = 9")
    link.close()
    code, out, error = run("verify")
    assert (code, "first bad sequence number: 9" in out) == (4, True)
    assert error.startswith("The first bad sequence number is 9: ")
    code, out, _ = run("--json", "verify")
    assert (code, json.loads(out)["first_bad"]) == (4, 9)


def test_head_checkpoint_and_prove(home, run):
    head = json.loads(run("head", "--json")[1])
    note = run("checkpoint")[1]
    assert note.split("\n")[:2] == [head["log"], str(head["size"])]
    assert json.loads(run("checkpoint", "--json")[1])["root"] == head["root"]
    assert f"root: {head['root']}" in run("head")[1]
    proof = json.loads(run("prove", "5", "--json")[1])
    assert (proof["seq"], proof["checkpoint"]["note"]) == (5, note)
    assert f"root {head['root']}" in run("prove", "5")[1]
    assert run("prove", "5000")[0] == 2


def test_anchors_kept_elsewhere(home, run, tmp_path):
    anchors = tmp_path / "anchors.txt"
    anchors.write_text(run("checkpoint")[1] * 2, "utf-8")
    assert run("verify", "--anchors", str(anchors))[0] == 0
    shutil.rmtree(home)
    filled(home, seed=3, acts=40)
    assert run("verify", "--anchors", str(anchors))[0] == 4
    assert run("verify", "--anchors", str(tmp_path / "none"))[0] == 2


def test_an_export_is_verified_by_a_copy_of_the_reader_alone(home, run, tmp_path):
    out = tmp_path / "ledger.ndjson"
    assert json.loads(run("export", "--out", str(out), "--blobs", "--json")[1])["records"] == len(
        out.read_text("utf-8").splitlines()
    )
    assert run("export", "--blobs")[1] == out.read_text("utf-8")
    alone = tmp_path / "verify.py"
    shutil.copy(verifier.__file__, alone)
    done = subprocess.run([sys.executable, "-I", alone, out, "--json"], capture_output=True, check=True)
    assert json.loads(done.stdout)["ok"]
    text = out.read_text("utf-8").replace("Hussein", "Hossein", 1)
    out.write_text(text, "utf-8")
    assert subprocess.run([sys.executable, "-I", alone, out], capture_output=True).returncode == 4
    code, part, _ = run("export", "--subject", "p1")
    assert code == 0
    assert "proof" in part
    assert run("export", "--json")[0] == 2


def test_no_ledger_is_no_traceback(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CDSS_HOME", str(tmp_path))
    assert [run(act)[0] for act in ("verify", "head", "checkpoint", "export")] == [4, 2, 2, 2]
    assert list(tmp_path.iterdir()) == [], "nothing was made"
    monkeypatch.setenv("CDSS_STORE", "nonsense")
    assert [run(act)[0] for act in ("verify", "head", "checkpoint", "export")] == [2, 2, 2, 2]
