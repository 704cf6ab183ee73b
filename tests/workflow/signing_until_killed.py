"""Signs until it is killed, saying each once it stands: `python -m tests.workflow.signing_until_killed DIR KILLS`.

DIR holds `template`, a hospital whose cases are decided and not signed. One process forks a child for each round, kills
it with SIGKILL at a random moment, opens the hospital again and looks. It prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from cdss.compose import open_hospital
from cdss.demo.start import PASSWORD
from cdss.domain.review import Stage
from cdss.ledger.kinds import Kind
from cdss.ledger.verify import verify
from cdss.settings import Settings
from cdss.workflow.hospital import Hospital
from tests.workflow.at_work import QUICK, Clock, rows

SETTLED = {"decided": False, "deferred": False, "signed": True, "countersigned": True}


def open_at(home: Path) -> Hospital:
    return open_hospital(Settings(home=str(home)), clock=Clock(), access=QUICK)


def waiting(hospital: Hospital) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """Case, decision and usual meaning of what marlow has to sign, and of what then wants another person."""
    now = hospital.now()
    cases = sorted(hospital.ports.board.refresh().cases.values(), key=lambda case: case.id)
    first = [
        (case.id, case.decided.leaf, next(iter(hospital.words.meanings(case.decided.outcome.value))))
        for case in cases
        if case.decided and case.decided.to_sign and not case.is_signed(Kind.SIGNOFF_SIGNED)
    ]
    second = [(case.id, case.decided.leaf, "") for case in cases if case.decided and case.waits_for_second(now)]
    return first, second


def work(home: Path, say: int) -> None:
    """Sign what waits, each as author and where it is wanted as second, until nothing is left."""
    hospital = open_at(home)
    marlow, other = (hospital.sign_in(login, PASSWORD) for login in ("marlow", "vantongeren"))
    os.write(say, b"ready\n")
    left = True
    while left:
        first, second = waiting(hospital)
        left = bool(first or second)
        for case, leaf, meaning in first[:1]:
            entry = hospital.sign_decision(
                marlow, case, decision=leaf, meaning=meaning, password=PASSWORD, login="marlow"
            )
            os.write(say, f"{entry.kind} {leaf} {entry.seq}\n".encode())
        for case, leaf, _ in second[:1]:
            entry = hospital.second_sign(
                other, case, decision=leaf, approve=True, password=PASSWORD, login="vantongeren"
            )
            os.write(say, f"{entry.kind} {leaf} {entry.seq}\n".encode())


def wrong(home: Path, said: list[str]) -> list[str]:
    """What does not hold after a kill; `said` are the lines the child got out, each after its signature."""
    found = []
    with open_at(home) as hospital:
        keys = hospital.ports.keys
        cases = hospital.ports.board.refresh().cases
        signed = {}
        decided = set()
        for entry in hospital.ports.store.entries():
            if entry.kind.startswith("decision."):
                decided.add(entry.leaf)
            if "sig" in entry.fields:
                signed[entry.kind, entry.fields["sig"]["decision"]] = entry.seq
                found += [] if entry.fields["sig"]["decision"] in decided else [f"{entry.seq} signs no decision"]
        for line in said:
            kind, leaf, seq = line.split()
            found += [] if signed.get((kind, leaf)) == int(seq) else [f"lost: {line}"]
        for case in cases.values():
            state = hospital.ports.store.case_state(case.id)
            stage = case.stage("", hospital.now(), estimate_first=False)
            stands = state and (state.version, state.decision) == (case.version, case.decided and case.decided.leaf)
            if not stands or SETTLED[state.status] is not (stage in (Stage.SIGNED, Stage.COUNTERSIGNED)):
                found.append(f"half a state: {state} and {stage}")
            if (state.status == "countersigned") is not (stage is Stage.COUNTERSIGNED):
                found.append(f"half a second signature: {state} and {stage}")
        used = rows(home, "SELECT decision, meaning FROM access_proof WHERE used_at IS NOT NULL")
        names = {Kind.SIGNOFF_SIGNED.value: "author", Kind.SECOND_SIGNED.value: "second"}
        by_proof = sorted((leaf, "second" if meaning == "approved" else "author") for leaf, meaning in used)
        by_entry = sorted((leaf, names[kind]) for kind, leaf in signed)
        found += [] if by_proof == by_entry else [f"{len(by_proof)} proofs used up, {len(by_entry)} signatures"]
        slots = sorted(rows(home, "SELECT slot, seq FROM signature_slot"))
        found += [] if slots == sorted((names[kind], seq) for (kind, _), seq in signed.items()) else ["slots differ"]
    found += [one.what for one in verify(home / "cdss.db", key=keys.log.public, kek=keys.kek).findings]
    return found


def main(folder: Path, kills: int) -> None:
    home, dice, pace = folder / "home", random.Random(os.urandom(8)), 0.02
    told = {"kills": 0, "acknowledged": 0, "signatures": 0, "in the middle": 0, "hospitals": 0, "found": list[str]()}
    while told["kills"] < kills:
        if not home.exists():
            shutil.copytree(folder / "template", home)
            told["hospitals"] += 1
        before = len(rows(home, "SELECT 1 FROM signature_slot"))
        proofs = len(rows(home, "SELECT 1 FROM access_proof"))
        heard, say = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(heard)
                work(home, say)
            finally:
                os._exit(3)
        os.close(say)
        with os.fdopen(heard, "rb") as pipe:
            assert pipe.readline() == b"ready\n"
            started, first = time.monotonic(), [pipe.readline() for _ in range(dice.randrange(4))]
            pace = (time.monotonic() - started) / len(first) if first else pace
            time.sleep(dice.uniform(0, 1.5 * pace))  # on any machine, as often between two words as not
            os.kill(child, signal.SIGKILL)
            said = (b"".join(first) + pipe.read()).decode().splitlines()
        _, status = os.waitpid(child, 0)
        told["found"] += [f"kill {told['kills']}: {one}" for one in wrong(home, said)]
        after = len(rows(home, "SELECT 1 FROM signature_slot"))
        told["acknowledged"] += len(said)
        told["signatures"] += after - before
        given = len(rows(home, "SELECT 1 FROM access_proof")) - proofs
        told["in the middle"] += (given, after - before) != (len(said), len(said))
        if os.WIFSIGNALED(status):
            told["kills"] += 1
        else:  # all was signed before the blow fell
            shutil.rmtree(home)
            told["found"] += [] if os.WEXITSTATUS(status) == 3 else [f"ended with {status}"]
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
