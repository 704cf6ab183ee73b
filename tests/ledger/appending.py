"""Appends from several threads: `python appending.py HOME NAME THREADS TIMES`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from cdss.ledger.keys import Keys
from cdss.ledger.store import LedgerStore
from tests.ledger.hospital import draft, url


def main(home: Path, name: str, threads: int, times: int) -> None:
    with LedgerStore.open(url(home), Keys.open(home, create=True)) as store:

        def append(person: int) -> None:
            for number in range(times):
                store.append(draft(idem=f"{name}-{person}-{number}"))

        people = [threading.Thread(target=append, args=(person,)) for person in range(threads)]
        for person in people:
            person.start()
        for person in people:
            person.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
