"""Time of one sign-off, from the password to the durable signature, beside what it cannot do without.

A sign-off hashes the password once (Argon2id at the limits of the house) and commits twice: the proof of identity, then
the signature with its checkpoint. Beside it, in the same run and on the same disk: the hash alone, one append of a
signature alone, and a bare SQLite commit of one row with `synchronous=FULL`. Every run has a hospital of its own; the
median run is printed. Run: `.venv/bin/python benchmarks/sign_off.py [DIRECTORY ON THE DISK TO MEASURE]`.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cdss.compose import open_hospital
from cdss.demo.start import PASSWORD, start_demo
from cdss.domain.review import Outcome, ReviewDecision
from cdss.ledger.engine import journal_mode
from cdss.ledger.kinds import Draft, Entry, Kind, SignOff
from cdss.settings import Settings
from cdss.workflow.hospital import Hospital
from cdss.workflow.ports import actor

RUNS, HASHES = 5, 15
ACCEPT = ReviewDecision(outcome=Outcome.ACCEPTED, plan="Family meeting tomorrow.")


def timed(act: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - start)


def percentiles(times: list[float]) -> tuple[float, float]:
    """The 50th and the 95th."""
    return statistics.median(times), sorted(times)[int(0.95 * len(times))]


def decided(hospital: Hospital) -> list[tuple[str, Entry]]:
    """Every case that has a number and may be accepted, decided by marlow."""
    marlow, found = hospital.sign_in("marlow", PASSWORD), []
    for row in hospital.worklist(marlow.person):
        case = hospital.ports.board.refresh().cases[row.case]
        if case.has_number:
            hospital.commit_estimate(
                marlow.person, case.id, version=case.version, alive=60, treating=True, seen_score=False
            )
            answer = hospital.look(marlow.person, case.id).answer or {}
            if not any(one["reason"] == "outside-training-range" for one in answer["findings"]):
                entry = hospital.decide(marlow.person, case.id, version=case.version, decision=ACCEPT, sign=True)
                found.append((case.id, entry))
    return found


def bare_commits(folder: Path, count: int) -> list[float]:
    """One row in one commit, as durable as the ledger's."""
    link = sqlite3.connect(folder / "bare.db", isolation_level=None)
    link.execute(f"PRAGMA journal_mode={journal_mode()}")
    link.execute("PRAGMA synchronous=FULL")
    link.execute("CREATE TABLE row (n INTEGER PRIMARY KEY, body BLOB)")

    def commit() -> None:
        link.execute("BEGIN IMMEDIATE")
        link.execute("INSERT INTO row (body) VALUES (?)", (b"x" * 1000,))
        link.execute("COMMIT")

    times = [timed(commit) for _ in range(count)]
    link.close()
    return times


def run(folder: Path) -> dict[str, tuple[float, float]]:
    """One hospital: half of its decisions are signed as a clinician would, of the others the append is timed alone."""
    at = datetime(2026, 3, 14, 9, 40, tzinfo=UTC)
    with open_hospital(Settings(home=str(folder)), clock=lambda: at) as hospital:
        waiting = decided(hospital)
        marlow, store = hospital.sign_in("marlow", PASSWORD), hospital.ports.store
        hasher = hospital.ports.access.hasher
        stored = hasher.hash(PASSWORD)

        def sign(case: str, entry: Entry) -> None:
            hospital.sign_decision(
                marlow, case, decision=entry.leaf, meaning="reviewed", password=PASSWORD, login="marlow"
            )

        def append(case: str, entry: Entry) -> None:
            state = store.case_state(case)
            sig = SignOff(decision=entry.leaf, version=state.version if state else 0, meaning="reviewed")
            data = {"outcome": "accepted"}
            store.append(Draft(kind=Kind.SIGNOFF_SIGNED, actor=actor(marlow.person), case=case, sig=sig, data=data))

        sign(*waiting.pop())
        half = len(waiting) // 2
        return {
            "sign-off": percentiles([timed(lambda one=one: sign(*one)) for one in waiting[:half]]),
            "  Argon2id alone": percentiles([timed(lambda: hasher.matches(stored, PASSWORD)) for _ in range(HASHES)]),
            "  one append alone": percentiles([timed(lambda one=one: append(*one)) for one in waiting[half:]]),
            "bare SQLite commit": percentiles(bare_commits(folder, 100)),
        }


def main(disk: str | None) -> None:
    """Print the median of the runs, and the limits of the house."""
    with tempfile.TemporaryDirectory(dir=disk) as scratch:
        template = Path(scratch) / "template"
        start_demo(Settings(home=str(template)), clock=lambda: datetime(2026, 3, 14, 9, 40, tzinfo=UTC)).close()
        runs = []
        for number in range(RUNS):
            shutil.copytree(template, Path(scratch) / str(number))
            runs.append(run(Path(scratch) / str(number)))
    for name in runs[0]:
        p50, p95 = (statistics.median(one[name][place] for one in runs) for place in (0, 1))
        print(f"{name:20} p50 {p50:7.2f} ms  p95 {p95:7.2f} ms")
    print(f"journal {journal_mode()}, synchronous FULL; median of {RUNS} runs")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
