"""A hospital on a disk that fills up or turns read-only: `unshare -rm python -m tests.workflow.on_a_bad_disk HOW DIR`.

The namespace lets it mount a small disk of its own without being root, and takes it away at the end. DIR holds
`template`. It prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cdss.cli.main import main as command
from cdss.compose import open_hospital
from cdss.errors import CdssError
from cdss.settings import Settings
from tests.workflow.at_work import FLAGGED, QUICK, SETTLING, Clock, Day

PAGE = 4096
STEPS = (0, 6, *range(11, 24))


def mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True)


def open_day(home: Path) -> Day:
    clock = Clock()
    return Day(home, open_hospital(Settings(home=str(home)), clock=clock, access=QUICK), clock)


def attempt(act: Any) -> dict[str, Any]:
    try:
        return {"done": act().kind}
    except CdssError as error:
        return {"error": str(error), "code": error.exit_code, "kind": type(error).__name__}


def fill(ballast: Path, pages: int) -> None:
    """Take all room of the disk but so many pages."""
    room = os.statvfs(ballast.parent)
    ballast.write_bytes(b"\0" * (room.f_bavail * room.f_frsize - pages * PAGE))


def full(template: Path, disk: Path) -> list[dict[str, Any]]:
    """A decision and a signature with less and less room; each time, room is made and both are tried again."""
    mount("-t", "tmpfs", "-o", "size=24m", "none", str(disk))
    return [with_room_for(pages, template, disk) for pages in STEPS]


def with_room_for(pages: int, template: Path, disk: Path) -> dict[str, Any]:
    """Both acts with so many pages free, and what came of it."""
    home, ballast = disk / "home", disk / "ballast"
    shutil.copytree(template, home)
    day = open_day(home)
    marlow, mine, other = day.sign_in(), day.cases[SETTLING], day.cases[FLAGGED]
    before_it = day.decide(marlow, mine, sign=True)
    day.result(marlow, other)
    before, version = day.size, day.case(other).version
    fill(ballast, pages)
    said: dict[str, Any] = {"pages": pages, "decide": attempt(lambda: day.decide(marlow, other, version=version))}
    said["sign"] = attempt(lambda: day.sign(marlow, mine, before_it))
    said["kinds"] = day.kinds(before)
    ballast.unlink()
    said["read only"] = day.hospital.ports.store.read_only
    decided = attempt(lambda: day.decide(marlow, other, version=version))
    signed = attempt(lambda: day.sign(marlow, mine, before_it))
    said["then"] = [decided.get("done"), signed.get("done")]
    said["signatures"] = [one.kind for one in day.entries()].count("signoff.signed")
    day.hospital.close()
    said["findings"] = day.findings()
    shutil.rmtree(home)
    return said


def read_only(template: Path, disk: Path) -> dict[str, Any]:
    """The disk turns read-only under an open hospital, and somebody tries to open one on it."""
    mount("-t", "tmpfs", "-o", "size=24m", "none", str(disk))
    home = disk / "home"
    shutil.copytree(template, home)
    day = open_day(home)
    marlow = day.sign_in()
    decided = day.decide(marlow, day.cases[FLAGGED])
    before = day.size
    day.hospital.ports.store.engine.dispose()  # a disk with a file open for writing cannot be turned by hand
    mount("-o", "remount,ro", str(disk))
    said: dict[str, Any] = {"sign": attempt(lambda: day.sign(marlow, day.cases[FLAGGED], decided))}
    said["decide"] = attempt(lambda: day.decide(marlow, day.cases[SETTLING]))
    said["sign in"] = attempt(lambda: day.sign_in("thorsby"))
    said["look"] = attempt(lambda: day.hospital.look(marlow.person, day.cases[SETTLING]))
    said["size"] = day.size - before
    said["open"] = attempt(lambda: open_day(home))
    os.environ["CDSS_HOME"] = str(home)
    said["serve"], said["verify"] = command(["serve", "--port", "0"]), command(["ledger", "verify"])
    mount("-o", "remount,rw", str(disk))
    tries = [attempt(lambda: day.sign(marlow, day.cases[FLAGGED], decided)) for _ in range(2)]
    said["then"] = tries[-1]  # the first may still hold a file that was opened for reading only
    said["findings"] = day.findings()
    return said


if __name__ == "__main__":
    how, folder = sys.argv[1], Path(sys.argv[2])
    (folder / how).mkdir()
    found = {"full": full, "read-only": read_only}[how](Path(sys.argv[3]), folder / how)
    print("\n" + json.dumps(found))
