"""Many threads and processes on one file: a proof is used once, and every guess counts."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Barrier

from clinic import OTHER, PASSWORD, START, Clinic, Clock, open_clinic
from sqlalchemy import text

from cdss.access import Person
from cdss.errors import CdssError

ASKED = {"meaning": "reviewed", "decision": "ab" * 32}
THREADS = 8


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except CdssError as error:
        return type(error).__name__
    return "done"


def at_once(act: Callable[[int], object], count: int = THREADS) -> Counter[str]:
    ready = Barrier(count)

    def run(number: int) -> str:
        ready.wait()
        return outcome(lambda: act(number))

    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(run, range(count)))


def use(clinic: Clinic, nonce: str, person: Person, note: int) -> None:
    with clinic.store.write() as connection:
        clinic.proofs.consume(connection, nonce, person=person, **ASKED)
        connection.execute(text("INSERT INTO signed VALUES (:note)"), {"note": note})


def signed(clinic: Clinic) -> int:
    with clinic.store.read() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM signed")))


def ready_to_sign(clinic: Clinic) -> Callable[[], tuple[str, Person]]:
    clinic.staff("marlow")
    begun = clinic.sessions.sign_in("marlow", PASSWORD)
    with clinic.store.write() as connection:
        connection.execute(text("CREATE TABLE signed (note INTEGER)"))

    def prove() -> tuple[str, Person]:
        return clinic.proofs.prove(begun.token, PASSWORD, login="marlow", **ASKED).nonce, begun.person

    return prove


def test_one_of_eight_threads_uses_a_proof(clinic: Clinic) -> None:
    prove = ready_to_sign(clinic)
    for round_ in range(20):
        nonce, person = prove()
        found = at_once(lambda number, nonce=nonce, person=person: use(clinic, nonce, person, number))
        assert found == {"done": 1, "ProofUsedError": THREADS - 1}
        assert signed(clinic) == round_ + 1


def test_of_many_guesses_at_once_each_counts_and_only_so_many_are_looked_at(clinic: Clinic) -> None:
    clinic.staff("marlow")
    found = at_once(lambda number: clinic.sessions.sign_in("marlow", OTHER))
    assert found == {"WrongPasswordError": 4, "LockedOutError": THREADS - 4}
    kinds = Counter(clinic.kinds())
    assert (kinds["auth.failed"], kinds["auth.locked"]) == (THREADS - 1, 1)
    assert outcome(lambda: clinic.sessions.sign_in("marlow", PASSWORD)) == "LockedOutError"


def test_one_session_switches_role_once(clinic: Clinic) -> None:
    clinic.staff("marlow", "clinician", "approver")
    token = clinic.sessions.sign_in("marlow", PASSWORD).token
    found = at_once(lambda number: clinic.sessions.switch_role(token, "approver"))
    assert found == {"done": 1, "SessionExpiredError": THREADS - 1}


def test_the_same_log_in_name_is_given_once(clinic: Clinic) -> None:
    assert at_once(lambda number: clinic.staff("marlow")) == {"done": 1, "UsageError": THREADS - 1}
    assert len(clinic.accounts.list()) == 1


def guess_elsewhere(path: Path, times: int) -> list[str]:
    other = open_clinic(path, Clock(START))
    return [outcome(lambda: other.sessions.sign_in("marlow", OTHER)) for _ in range(times)]


def use_elsewhere(path: Path, nonce: str, person: Person) -> list[str]:
    return [outcome(lambda: use(open_clinic(path, Clock(START)), nonce, person, 0))]


def test_processes_share_one_file(clinic: Clinic, tmp_path: Path) -> None:
    prove = ready_to_sign(clinic)
    path = tmp_path / "cdss.db"
    nonce, person = prove()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        uses = pool.starmap_async(use_elsewhere, [(path, nonce, person)] * 6, chunksize=1)
        guesses = pool.starmap_async(guess_elsewhere, [(path, 3)] * 3, chunksize=1)
        assert Counter(chain.from_iterable(uses.get(60))) == {"done": 1, "ProofUsedError": 5}
        assert Counter(chain.from_iterable(guesses.get(60))) == {"WrongPasswordError": 4, "LockedOutError": 5}
    assert signed(clinic) == 1
