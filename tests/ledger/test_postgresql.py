"""The same store in PostgreSQL: a server of its own for these tests, verified from an exported stream."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from cdss.cli import ledger as command
from cdss.errors import AlreadySignedError, DependencyError
from cdss.ledger.export import export
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Kind
from cdss.ledger.store import LedgerStore
from cdss.ledger.verify import verify
from tests.ledger.hospital import OKAFOR, FakeClock, Ward, decide_and_sign, draft, signature


def checked(store: LedgerStore, folder: Path, keys: Keys) -> list:
    stream = folder / "export.ndjson"
    stream.write_text("".join(export(store, contents=True)), "utf-8")
    return verify(stream, key=keys.log.public, kek=None).findings


def test_a_ward_of_acts_verifies_from_its_export(postgresql_url, tmp_path, monkeypatch, capsys):
    keys = Keys.open(tmp_path, create=True)
    with LedgerStore.open(postgresql_url, keys, clock=FakeClock()) as store:
        Ward(store, keys, seed=7).act(120)
        store.erase(draft(Kind.SUBJECT_ERASED, None, subject=keys.pseudonym("p1")))
        store.append(draft(idem="n"), also=lambda link, entry: link.execute(text("SELECT 1")))
        assert store.append(draft(idem="n")) == store.find("n")
        assert checked(store, tmp_path, keys) == []
        assert [entry.seq for entry in store.entries()] == list(range(1, store.head().size + 1))
    monkeypatch.setenv("CDSS_STORE", postgresql_url)
    monkeypatch.setenv("CDSS_HOME", str(tmp_path))
    import argparse

    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(dest="verb"))
    command.run(parser.parse_args(["ledger", "verify"]))
    assert "OK: root" in capsys.readouterr().out


def test_four_threads_on_two_stores_append_without_a_gap(postgresql_url, tmp_path):
    keys = Keys.open(tmp_path, create=True)
    stores = [LedgerStore.open(postgresql_url, keys) for _ in range(2)]
    people = [
        threading.Thread(target=lambda store=store: [store.append(draft()) for _ in range(10)])
        for store in (*stores, *stores)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert [entry.seq for entry in stores[0].entries()] == list(range(1, 41))
    assert checked(stores[0], tmp_path, keys) == []
    for store in stores:
        store.close()


def test_the_database_itself_refuses_to_change_or_delete(postgresql_url, tmp_path):
    with LedgerStore.open(postgresql_url, Keys.open(tmp_path, create=True)) as store:
        decide_and_sign(store)
        store.put_blob("s1", b"x", "text/plain")
    with psycopg.connect(postgresql_url, autocommit=True) as link:
        for query in (
            "UPDATE ledger_entry SET kind = kind",
            "DELETE FROM ledger_entry",
            "TRUNCATE ledger_entry",
            "DELETE FROM blob",
            "UPDATE ledger_checkpoint SET note = 'x'",
            "UPDATE log_key SET public = 'x'",
            "DELETE FROM signature_slot",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                link.execute(query)


def test_a_lost_race_and_a_lost_connection_are_said(postgresql_url, tmp_path):
    with LedgerStore.open(postgresql_url, Keys.open(tmp_path, create=True)) as store:
        decide_and_sign(store)
        with pytest.raises(AlreadySignedError, match="Amal Hussein"):
            store.append(draft(Kind.SIGNOFF_SIGNED, actor=OKAFOR, sig=signature(store, "c1")))

        def cut(link, entry):
            link.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(DependencyError, match="not reachable"):
            store.append(draft(idem="cut"), also=cut)
        assert store.find("cut") is None
        assert store.append(draft(idem="cut")).seq == 4


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path):
    with pytest.raises(DependencyError, match="not reachable") as refused:
        LedgerStore.open(f"postgresql://me:secret@/x?host={tmp_path}", Keys.open(tmp_path, create=True))
    assert "secret" not in str(refused.value)
