"""What the store promises: one act one entry, races with one winner, honest times, sealed blobs, clear failures."""

from __future__ import annotations

import os
import resource
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, text

from cdss.errors import AlreadySignedError, DependencyError, IntegrityError, StaleDecisionError, UsageError
from cdss.ledger import engine, tree
from cdss.ledger.checkpoint import LogKey, read_note
from cdss.ledger.engine import journal_mode
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Attachment, Kind, Ref, SignOff
from cdss.ledger.reading import read_ledger
from cdss.ledger.store import LedgerStore
from cdss.ledger.verify import verify
from tests.ledger.hospital import (
    HUSSEIN,
    OKAFOR,
    FakeClock,
    decide_and_sign,
    draft,
    memory_home,
    open_store,
    signature,
    url,
)


@pytest.fixture
def home():
    with memory_home() as folder:
        yield folder


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(home, clock):
    with open_store(home, clock) as opened:
        yield opened


def rows(home: Path, query: str) -> list[tuple]:
    with sqlite3.connect(home / "cdss.db") as link:
        found = link.execute(query).fetchall()
    link.close()
    return found


def test_sequence_numbers_have_no_gaps_and_reading_gives_back_what_was_written(store):
    written = [store.append(draft(case=f"c{number % 3}")) for number in range(10)]
    assert [entry.seq for entry in written] == list(range(1, 11))
    assert list(store.entries()) == written
    assert list(store.entries(4, 6)) == written[3:6]
    assert list(store.entries(case="c1")) == written[1::3]
    assert store.entry(7) == written[6]
    with pytest.raises(UsageError, match="no entry 11"):
        store.entry(11)


def test_the_same_idempotency_name_gives_the_first_result(store):
    calls = []
    first = store.append(draft(idem="n1"), also=lambda link, entry: calls.append(entry.seq))
    assert store.append(draft(idem="n1"), also=lambda link, entry: calls.append(entry.seq)) == first
    assert (store.find("n1"), store.find("n2"), store.head().size, calls) == (first, None, 1, [1])
    with pytest.raises(UsageError, match="another act"):
        store.append(draft(Kind.SCORE_ABSTAINED, idem="n1"))


def test_what_also_does_stands_or_falls_with_the_entry(store, home):
    def work(link, entry):
        link.execute(text("CREATE TABLE IF NOT EXISTS extra (seq INTEGER)"))
        link.execute(text("INSERT INTO extra VALUES (:seq)"), {"seq": entry.seq})
        if entry.seq == 2:
            raise RuntimeError("no")

    store.append(draft(), also=work)
    with pytest.raises(RuntimeError):
        store.append(draft(), also=work)
    assert (store.head().size, rows(home, "SELECT * FROM extra")) == (1, [(1,)])


def test_a_case_moves_as_its_entries_say(store):
    seen = []
    for kind in (Kind.CASE_VIEWED, Kind.CASE_OPENED, Kind.INPUT_RECEIVED, Kind.SCORE_MADE, Kind.ESTIMATE_COMMITTED):
        store.append(draft(kind))
        state = store.case_state("c1")
        seen.append((state.status, state.version) if state else None)
    assert seen == [None, ("open", 0), ("received", 1), ("scored", 2), ("scored", 2)]
    signed = decide_and_sign(store)
    assert (store.case_state("c1").status, store.case_state("c1").version) == ("signed", 3)
    assert store.case_state("c1").decision == signed.fields["sig"]["decision"]
    store.append(draft(Kind.SECOND_SIGNED, actor=OKAFOR, sig=signature(store, "c1")))
    assert store.case_state("c1").status == "countersigned"
    store.append(draft(Kind.SIGNOFF_WITHDRAWN, sig=signature(store, "c1")))
    assert store.case_state("c1").status == "withdrawn"
    store.append(draft(Kind.SCORE_MADE))
    assert (store.case_state("c1").version, store.case_state("c1").decision) == (4, None)


def test_the_second_of_two_signers_is_told_who_was_first_and_leaves_an_entry(store, home):
    won = decide_and_sign(store)
    for _ in range(2):
        with pytest.raises(AlreadySignedError, match="already signed by Amal Hussein at 2026-01-04") as lost:
            store.append(draft(Kind.SIGNOFF_SIGNED, actor=OKAFOR, sig=signature(store, "c1"), idem="late"))
        assert (lost.value.name, lost.value.at) == ("Amal Hussein", won.at)
    last = store.entry(3)
    assert (last.kind, last.fields["actor"]["sub"], last.fields["data"]["holder"]) == ("signoff.rejected", "u2", 2)
    assert store.head().size == 3
    assert store.case_state("c1").status == "signed"


def test_nobody_signs_what_they_did_not_see(store):
    store.append(draft(Kind.DECISION_ACCEPTED))
    seen = signature(store, "c1")
    store.append(draft(Kind.SCORE_MADE))
    for sig in (seen, SignOff(decision=seen.decision, version=2, meaning="m")):
        with pytest.raises(StaleDecisionError):
            store.append(draft(Kind.SIGNOFF_SIGNED, sig=sig))
    with pytest.raises(StaleDecisionError):
        store.append(draft(Kind.SIGNOFF_WITHDRAWN, sig=seen))
    assert store.head().size == 2


def test_checkpoints_come_at_every_sign_off_after_64_entries_after_a_minute_and_at_the_end(home, clock):
    with open_store(home, clock) as store:
        decide_and_sign(store)
        assert [found.size for found in store.checkpoints()] == [2]
        clock.pass_(120)
        store.append(draft())
        clock.pass_(59)
        store.append(draft())
        assert [found.size for found in store.checkpoints()] == [2, 4]
        for _ in range(70):
            clock.pass_(-0.9)
            store.append(draft())
        assert [found.size for found in store.checkpoints()] == [2, 4, 68]
        public = store.public_key()
    with read_ledger(url(home)) as reader:
        last = list(reader.checkpoints())[-1]
        assert (last.size, last.root) == (74, reader.head().root)
        assert read_note(last.note, public) == (74, bytes.fromhex(last.root))


def test_an_entry_is_proven_against_the_newest_checkpoint(store):
    entries = [store.append(draft()) for _ in range(11)]
    with pytest.raises(UsageError, match="cdss ledger checkpoint"):
        store.prove(3)
    checkpoint = store.checkpoint()
    assert store.checkpoint() == checkpoint
    for entry in entries:
        proof = store.prove(entry.seq)
        path = [bytes.fromhex(step) for step in proof.path]
        assert tree.included(bytes.fromhex(entry.leaf), entry.seq - 1, 11, path, bytes.fromhex(checkpoint.root))
    assert store.consistency(11, 11) == ()


def test_a_clock_that_goes_back_or_jumps_is_said_and_the_order_holds(home, clock):
    with open_store(home, clock) as store:
        clocks = []
        for turned in (0, -3600, 0, 366 * 86400, 0, 299):
            clock.turn(turned)
            clocks.append(store.append(draft()).fields["clock"])
        assert clocks == ["ok", "regressed", "ok", "jumped", "ok", "ok"]
        clock.pass_(900)
        assert store.append(draft()).fields["clock"] == "ok", "a quiet quarter of an hour is no jump"
        assert [entry.seq for entry in store.entries()] == list(range(1, 8))
    assert not verify(home / "cdss.db").findings


def test_blobs_are_sealed_per_subject_and_opened_again(store, home):
    one = store.append(
        draft(subject="s1"), attach=[Attachment(role="input", data=b"secret words", media_type="text/plain", send=True)]
    )
    shared = store.put_blob(None, b"policy", "text/markdown")
    two = store.append(draft(subject="s2", refs=(Ref("policy", shared),)))
    assert store.get_blob(one.fields["refs"][0]["sha256"]) == (b"secret words", "text/plain")
    assert store.get_blob(two.fields["refs"][0]["sha256"]) == (b"policy", "text/markdown")
    assert b"secret words" not in (home / "cdss.db").read_bytes()
    assert [key for (key,) in rows(home, "SELECT id FROM subject_key ORDER BY id")] == ["s1-1", "site-1"]
    (waiting,) = rows(home, "SELECT idem, payload, state, tries FROM outbox")
    payload = one.fields["refs"][0]["sha256"]
    assert waiting == (f"{one.leaf}:{payload}", payload, "waiting", 0)
    with pytest.raises(UsageError, match="not stored"):
        store.append(draft(refs=(Ref("input", "0" * 64),)))


def test_an_erased_subject_leaves_proofs_and_no_bytes(store, home):
    item = Attachment(role="input", data=b"secret words", media_type="text/plain")
    name = store.append(draft(subject="s1"), attach=[item]).fields["refs"][0]["sha256"]
    kept = store.append(draft(subject="s2"), attach=[item]).fields["refs"][0]["sha256"]
    (wrapped,) = rows(home, "SELECT wrapped_key FROM subject_key WHERE id = 's1-1'")[0]
    store.erase(draft(Kind.SUBJECT_ERASED, None, subject="s1", data={"basis": "art. 17"}))
    with pytest.raises(UsageError, match="erased"):
        store.get_blob(name)
    assert store.get_blob(kept)[0] == b"secret words"
    assert wrapped not in (home / "cdss.db").read_bytes()
    again = store.append(draft(subject="s1"), attach=[item]).fields["refs"][0]["sha256"]
    assert store.get_blob(again)[0] == b"secret words"
    store.checkpoint()
    assert not verify(home / "cdss.db").findings


def test_a_rotated_key_is_named_under_the_old_one_and_the_old_one_signs_no_more(home):
    keys = Keys.open(home, create=True)
    with open_store(home) as store, open_store(home) as other:
        decide_and_sign(store)
        new = LogKey.generate(store.origin)
        store.rotate(new, OKAFOR)
        decide_and_sign(store)
        with pytest.raises(DependencyError, match="newer key"):
            decide_and_sign(other)
        store.checkpoint()
        with pytest.raises(UsageError, match="origin"):
            store.rotate(LogKey.generate(), OKAFOR)
    for public in (keys.log.public, new.public):
        assert not verify(home / "cdss.db", key=public).findings
    with pytest.raises(IntegrityError, match="not the key"):
        LedgerStore.open(url(home), keys)


def test_the_store_refuses_keys_that_are_not_its_own(home, tmp_path):
    with open_store(home) as store:
        name = store.put_blob("s1", b"x", "text/plain")
    own, other = Keys.open(home, create=False), Keys.open(tmp_path, create=True)
    with pytest.raises(IntegrityError, match="not the key"):
        LedgerStore.open(url(home), other)
    mixed = Keys(log=own.log, kek=other.kek, pseudonyms=own.pseudonyms)
    with LedgerStore.open(url(home), mixed) as store, pytest.raises(IntegrityError, match=r"kek\.key"):
        store.get_blob(name)


@pytest.mark.parametrize(
    "table", ["ledger_entry", "ledger_node", "ledger_checkpoint", "signature_slot", "log_key", "blob"]
)
def test_the_database_itself_refuses_to_change_or_delete(store, home, table):
    decide_and_sign(store)
    store.append(draft(subject="s1"), attach=[Attachment(role="input", data=b"x", media_type="text/plain")])
    column = rows(home, f"SELECT name FROM pragma_table_info('{table}')")[0][0]
    for query in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        if (table, query[:6]) == ("ledger_checkpoint", "UPDATE"):
            query = "UPDATE ledger_checkpoint SET note = 'x' || note"
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            rows(home, query)


def test_the_file_is_private_and_the_commit_durable(store, home):
    assert (home / "cdss.db").stat().st_mode & 0o777 == 0o600
    with store.reading() as link:
        assert link.execute(text("PRAGMA synchronous")).scalar() == 2
        assert str(link.execute(text("PRAGMA journal_mode")).scalar()).upper() == journal_mode()
    assert [journal_mode(version) for version in ((3, 40, 1), (3, 51, 2), (3, 51, 3))] == [
        "TRUNCATE",
        "TRUNCATE",
        "WAL",
    ]


def test_two_signers_at_once_have_one_winner(home):
    with open_store(home) as first, open_store(home) as second:
        for number in range(10):
            case, outcomes = f"c{number}", []
            first.append(draft(Kind.DECISION_ACCEPTED, case))
            sig, gate = signature(first, case), threading.Barrier(2)

            def sign(store, actor, case=case, sig=sig, gate=gate, outcomes=outcomes):
                gate.wait()
                try:
                    store.append(draft(Kind.SIGNOFF_SIGNED, case, actor=actor, sig=sig))
                    outcomes.append(actor.name)
                except AlreadySignedError as lost:
                    outcomes.append(lost.name)

            people = [threading.Thread(target=sign, args=pair) for pair in ((first, HUSSEIN), (second, OKAFOR))]
            for person in people:
                person.start()
            for person in people:
                person.join()
            assert len(outcomes) == 2
            assert len(set(outcomes)) == 1, "winner and loser name the same person"
    assert not verify(home / "cdss.db").findings


def test_a_locked_store_says_so_and_records_nothing(home, monkeypatch):
    monkeypatch.setattr(engine, "WAIT_S", 0.05)
    with open_store(home) as store:
        store.append(draft())
        lock = sqlite3.connect(home / "cdss.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(DependencyError, match="locked by another program") as refused:
            store.append(draft())
        assert refused.value.exit_code == 6
        lock.close()
        assert store.append(draft()).seq == 2


def test_a_full_disk_says_so_records_nothing_and_passes(home):
    with open_store(home) as store:
        store.append(draft())
        tight = True

        @event.listens_for(store._engine, "begin")
        def limit(link):
            pages = link.exec_driver_sql("PRAGMA page_count").scalar()
            link.exec_driver_sql(f"PRAGMA max_page_count={pages if tight else 10**6}")

        big = Attachment(role="input", data=os.urandom(50_000), media_type="text/plain")
        for _ in range(5):
            with pytest.raises(DependencyError, match="disk is full"):
                store.append(draft(subject="s1"), attach=[big])
        assert not store.read_only
        tight = False
        assert store.append(draft(subject="s1"), attach=[big]).seq == 2
    assert not verify(home / "cdss.db").findings


def test_three_disk_errors_make_it_read_only_until_it_is_opened_again(tmp_path):
    with open_store(tmp_path) as store:
        store.append(draft())
        before = store.head()
        size = (tmp_path / "cdss.db").stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        big = Attachment(role="input", data=os.urandom(50_000), media_type="text/plain")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            for _ in range(3):
                assert not store.read_only
                with pytest.raises(DependencyError, match="disk"):
                    store.append(draft(subject="s1"), attach=[big])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.read_only
        with pytest.raises(DependencyError, match="read-only"):
            store.append(draft())
        assert store.head() == before
    with open_store(tmp_path) as store:
        assert store.append(draft()).seq == 2
    assert not verify(tmp_path / "cdss.db").findings


def test_a_store_that_cannot_be_written_says_so(home):
    with open_store(home) as store:
        store.append(draft())

        @event.listens_for(store._engine, "begin")
        def forbid(link):
            link.exec_driver_sql("PRAGMA query_only=ON")

        with pytest.raises(DependencyError, match="cannot be written"):
            store.append(draft())
        assert store.head().size == 1
        event.remove(store._engine, "begin", forbid)
        store._engine.dispose()


def test_no_ledger_no_reading(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_ledger(f"sqlite:///{tmp_path / 'none.db'}")
    (tmp_path / "empty.db").touch()
    with pytest.raises(UsageError, match="holds no ledger"):
        read_ledger(f"sqlite:///{tmp_path / 'empty.db'}")
    (tmp_path / "text.db").write_text("not a database, but long enough to look like the header of one" * 20)
    with pytest.raises(IntegrityError, match="damaged"):
        read_ledger(f"sqlite:///{tmp_path / 'text.db'}")
    for wrong in ("nonsense", "mysql://x/y", "sqlite://"):
        with pytest.raises(UsageError, match="store"):
            read_ledger(wrong)
