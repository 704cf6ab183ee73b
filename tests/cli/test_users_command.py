"""`cdss users` as typed: accounts of a hospital that is no demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PASSWORD = "lantern heron gravel"


def users(home: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cdss", "users", *arguments]
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, timeout=60, env=os.environ | {"CDSS_HOME": str(home)}
    )


def test_an_account_is_added_listed_and_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    add = "add", "marlow", "--name", "Dr Ines Marlow", "--role", "clinician", "--role", "approver", "--password-stdin"
    added = users(home, *add, typed=PASSWORD + "\n")
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == "marlow: Dr Ines Marlow, clinician and approver\n"
    listed = users(home, "list", "--json")
    assert json.loads(listed.stdout) == [
        {"login": "marlow", "name": "Dr Ines Marlow", "roles": ["clinician", "approver"], "disabled": None}
    ]
    closed = users(home, "disable", "marlow")
    assert "disabled 20" in closed.stdout
    verified = subprocess.run(
        [sys.executable, "-m", "cdss", "ledger", "verify"],
        capture_output=True, text=True, timeout=60, env=os.environ | {"CDSS_HOME": str(home)},
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr


def test_what_is_wrong_is_one_line_without_the_password(tmp_path: Path) -> None:
    home = tmp_path / "home"
    missing = users(home, "list")
    assert missing.returncode == 2
    assert "there is no store" in missing.stderr
    for arguments, typed, words in (
        (("add", "a", "--name", "A", "--role", "clinician", "--password-stdin"), "short", "characters"),
        (("add", "a", "--name", "A", "--role", "surgeon", "--password-stdin"), PASSWORD, "Roles are"),
        (("add", "a", "--name", "A", "--role", "clinician"), "", "--password-stdin"),
        (("disable", "nobody"), "", "no account"),
    ):
        refused = users(home, *arguments, typed=typed)
        assert refused.returncode == 2, refused.stderr
        assert words in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not typed or typed not in refused.stderr
