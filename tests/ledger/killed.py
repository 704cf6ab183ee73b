"""Appends from two threads until it is killed, noting each acknowledged act: `python killed.py HOME ROUNDS`.

One process forks a child for each round, kills it with SIGKILL at a random moment, and prints what it found after.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Attachment, Kind
from cdss.ledger.reading import read_ledger
from cdss.ledger.store import LedgerStore
from cdss.ledger.verify import verify
from tests.ledger.hospital import decide_and_sign, draft, url


def work(home: Path, round_: int) -> None:
    store = LedgerStore.open(url(home), Keys.open(home, create=False))
    noted = os.open(home / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def sign(person: int) -> None:
        for number in range(10**6):
            name = f"{round_}-{person}-{number}"
            entry = decide_and_sign(store, f"c{person}", idem=name)
            os.write(noted, f"{entry.seq} {name}\n".encode())
            item = Attachment(role="input", data=os.urandom(3000), media_type="text/plain", send=True)
            entry = store.append(draft(Kind.INPUT_RECEIVED, f"c{person}", idem=f"{name}-in"), attach=[item])
            os.write(noted, f"{entry.seq} {name}-in\n".encode())

    others = [threading.Thread(target=sign, args=(person,), daemon=True) for person in (1, 2)]
    for other in others:
        other.start()
    for other in others:
        other.join()


def main(home: Path, rounds: int) -> None:
    keys = Keys.open(home, create=True)
    LedgerStore.open(url(home), keys).close()
    dice, found = random.Random(os.urandom(8)), []
    for round_ in range(rounds):
        child = os.fork()
        if not child:
            try:
                work(home, round_)
            finally:
                os._exit(3)
        time.sleep(dice.uniform(0.05, 0.25))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        report = verify(home / "cdss.db", key=keys.log.public, kek=keys.kek)
        found += [f"round {round_}: {one.what}" for one in report.findings]
        if os.WTERMSIG(status) != signal.SIGKILL:
            found.append(f"round {round_}: the child ended by itself")
    path = home / "acknowledged"
    noted = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    with read_ledger(url(home)) as reader:
        stored = {entry.idem: str(entry.seq) for entry in reader.entries()}
    lost = [name for seq, name in noted if stored.get(name) != seq]
    print(json.dumps({"acknowledged": len(noted), "stored": len(stored), "lost": lost, "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
