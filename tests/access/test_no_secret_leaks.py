"""Canaries: what is secret is planted, everything is made to fail, and then it is searched for everywhere."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from clinic import QUICK, START, Clinic, open_clinic
from sqlalchemy import text

from cdss.access.passwords import check_password
from cdss.errors import CdssError

SECRET = "canary finch sparrow"
TYPED = "canary typed in the name field"
ASKED = {"meaning": "reviewed", "decision": "ab" * 32}


def fails(act: Callable[[], object]) -> str:
    try:
        act()
    except CdssError as error:
        return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    pytest.fail("this was to fail")


def test_no_secret_in_words_reprs_facts_logs_or_the_store(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    clinic: Clinic = open_clinic(tmp_path / "cdss.db")
    clinic.store._engine.echo = "debug"
    clinic.staff("marlow", password=SECRET)
    begun = clinic.sessions.sign_in("marlow", SECRET)
    proof = clinic.proofs.prove(begun.token, SECRET, login="marlow", **ASKED)

    def use() -> None:
        with clinic.store.write() as connection:
            clinic.proofs.consume(connection, proof, person=begun.person, **ASKED)

    use()
    said = [
        fails(use),
        fails(lambda: clinic.sessions.sign_in("marlow", SECRET + "!")),
        fails(lambda: clinic.sessions.sign_in(TYPED, SECRET)),
        fails(lambda: clinic.sessions.sign_in("marlow", SECRET, role="admin")),
        fails(lambda: clinic.proofs.prove(begun.token, SECRET + "!", login="marlow", **ASKED)),
        fails(lambda: clinic.proofs.prove(begun.token + "!", SECRET, login="marlow", **ASKED)),
        fails(lambda: clinic.staff("x", "surgeon", password=SECRET)),
        fails(lambda: check_password(SECRET, login="canary", name="X", settings=QUICK)),
        fails(lambda: clinic.accounts.change_own_password(begun.person, SECRET, "sparrow")),
    ]
    hashed = [fails(lambda: clinic.sessions.sign_in("marlow", SECRET + "!")) for _ in range(5)]
    said += hashed + [repr(thing) for thing in (begun, proof, clinic.store, clinic.facts, clinic.accounts.list())]
    with clinic.store.write() as connection:
        connection.execute(text("DROP TABLE access_tries"))
    said += [
        fails(lambda: clinic.sessions.sign_in("marlow", SECRET)),
        fails(lambda: clinic.staff("new", password=SECRET) and use()),
    ]
    clinic.store._engine.echo = False
    clinic.store._engine.dispose()
    said += [record.getMessage() for record in caplog.records] + [str(record.args) for record in caplog.records]
    said += [*capfd.readouterr()]
    stored = [path.read_bytes().decode("utf-8", "replace") for path in tmp_path.iterdir()]
    for secret in (SECRET, TYPED, begun.token, proof.nonce):
        assert not any(secret in words for words in said + stored)
    assert not any("$argon2id$" in words for words in said)
    assert any("$argon2id$" in words for words in stored)


def test_a_store_that_fails_says_so_in_words(clinic: Clinic) -> None:
    clinic.staff("marlow")
    begun = clinic.sessions.sign_in("marlow", "heron lantern gravel")
    with clinic.store.write() as connection:
        connection.execute(text("DROP TABLE access_session"))
    said = fails(lambda: clinic.sessions.identify(begun.token, START))
    assert "The store of accounts cannot be read or written (OperationalError)" in said
    assert "SELECT" not in said
