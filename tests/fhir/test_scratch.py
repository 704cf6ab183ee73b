"""Patients' data that is on disk for a while is gone afterwards, even where the process was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cdss.fhir.scratch import Scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_directory_is_its_owners_alone_and_goes(tmp_path: Path) -> None:
    scratch = Scratch()
    assert scratch.folder.parent == tmp_path
    assert scratch.folder.stat().st_mode & 0o777 == 0o700
    (scratch.folder / "part").write_text("x")
    scratch.close()
    assert not list(tmp_path.iterdir())


def test_two_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    one, two = Scratch(), Scratch()
    assert one.folder.exists()
    assert two.folder.exists()
    one.close()
    assert two.folder.exists()
    two.close()


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom cdss.fhir.scratch import Scratch\nscratch = Scratch()\n"
        "(scratch.folder / 'part').write_text('x')\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    assert ended.returncode == -9
    (left,) = tmp_path.iterdir()
    Scratch().close()
    assert not left.exists()


def test_what_is_no_directory_of_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "cdss-scratch-link").symlink_to(elsewhere)
    (tmp_path / "cdss-scratch-bare").mkdir()
    Scratch().close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cdss-scratch-bare", "cdss-scratch-link", "elsewhere"]
