"""Bodies are RFC 8785, keys and notes are those of the C2SP specifications, times and ids have one form."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from cdss.domain.digest import canonical_bytes
from cdss.errors import DependencyError, IntegrityError, UsageError
from cdss.ledger.body import at_text, uuid7
from cdss.ledger.checkpoint import LogKey, read_note
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Kind, SignOff
from tests.ledger.hospital import draft, memory_home, open_store

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.text(st.characters(max_codepoint=127), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_canonical_bytes_are_those_of_rfc_8785(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.catalogue(52)
@pytest.mark.parametrize("bad", [0.5, 2**53, -(2**53), "\ud800", {"é": 1}, {1: 2}, b"x", {"a": float("nan")}])
def test_what_has_no_one_form_is_refused(bad):
    with memory_home() as home, open_store(home) as store:
        with pytest.raises(UsageError, match="canonical JSON"):
            store.append(draft(data={"x": bad}))
        assert store.head().size == 0


def test_the_known_key_and_note_of_the_specification():
    """The example key of golang.org/x/mod/sumdb/note: the hash covers name, algorithm and key."""
    key = LogKey.parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
    assert key.public == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_checkpoint_is_the_three_lines_and_a_signature_anyone_can_check():
    key = LogKey.generate()
    note = key.checkpoint(5, b"\x07" * 32)
    text, signature = note.split("\n\n")
    assert text == f"{key.origin}\n5\n{base64.b64encode(bytes([7] * 32)).decode()}"
    dash, name, coded = signature.rstrip("\n").split(" ")
    raw = base64.b64decode(coded)
    assert (dash, name, raw[:4].hex()) == ("—", key.origin, key.key_id)
    public = base64.b64decode(key.public.split("+", 2)[2])
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], f"{text}\n".encode())
    assert read_note(note, key.public) == (5, b"\x07" * 32)
    for forged in (note.replace("\n5\n", "\n6\n"), LogKey.generate(key.origin).checkpoint(5, b"\x07" * 32), "", text):
        with pytest.raises(IntegrityError):
            read_note(forged, key.public)


def test_keys_are_private_files_apart_from_each_other(tmp_path):
    keys = Keys.open(tmp_path, create=True)
    files = [tmp_path / "keys" / "log.key", tmp_path / "keys" / "pseudonym.key", tmp_path / "kek" / "kek.key"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    again = Keys.open(tmp_path, create=False)
    assert (again.log.public, again.kek, again.pseudonyms) == (keys.log.public, keys.kek, keys.pseudonyms)
    assert keys.pseudonym("p1") == keys.pseudonym("Patient/p1") != keys.pseudonym("p2")
    assert keys.kek.hex() not in repr(keys)
    files[0].chmod(0o640)
    with pytest.raises(DependencyError, match="chmod 600"):
        Keys.open(tmp_path, create=True)
    files[0].chmod(0o600)
    files[2].unlink()
    with pytest.raises(DependencyError, match="missing"):
        Keys.open(tmp_path, create=False)


@pytest.mark.parametrize("name", ["keys/log.key", "keys/pseudonym.key", "kek/kek.key"])
def test_a_damaged_key_file_is_named_and_not_replaced(tmp_path, name):
    Keys.open(tmp_path, create=True)
    (tmp_path / name).write_text("PRIVATE+KEY+x")
    with pytest.raises(IntegrityError, match="damaged"):
        Keys.open(tmp_path, create=True)


def test_times_have_one_length_and_are_utc():
    eastern = timezone(timedelta(hours=-5))
    assert at_text(datetime(2026, 1, 4, tzinfo=eastern)) == "2026-01-04T05:00:00.000000Z"


def test_ids_begin_with_their_time():
    early, late = (uuid7(datetime(2026, 1, day, tzinfo=UTC)) for day in (4, 5))
    assert early < late
    assert (early[14], early[19] in "89ab", len({uuid7(datetime.now(UTC)) for _ in range(100)})) == ("7", True, 100)


@pytest.mark.catalogue(52)
@pytest.mark.parametrize(
    "bad",
    [
        {"kind": Kind.SIGNOFF_SIGNED},
        {"kind": Kind.SIGNOFF_REJECTED},
        {"kind": Kind.SCORE_MADE, "sig": SignOff(decision="0" * 64, version=1, meaning="m")},
        {"kind": Kind.SIGNOFF_SIGNED, "case": None, "sig": SignOff(decision="0" * 64, version=1, meaning="m")},
        {"case": ""},
        {"case": "a\x00b"},
        {"idem": "x" * 201},
        {"data": {"text": "x" * 70_000}},
    ],
)
def test_a_draft_that_cannot_be_verified_later_is_refused(bad):
    with memory_home() as home, open_store(home) as store, pytest.raises(UsageError):
        store.append(draft(**bad))


def test_a_body_has_the_fields_and_nothing_that_is_absent():
    with memory_home() as home, open_store(home) as store:
        entry = store.append(draft(case=None, idem="a", data={"n": 1}))
        fields = json.loads(entry.body)
        assert set(fields) == {"v", "log", "seq", "prev", "id", "idem", "kind", "at", "clock", "actor", "refs", "data"}
        assert (fields["prev"], fields["seq"], fields["clock"]) == ("0" * 64, 1, "ok")
        assert fields["actor"] == {"sub": "u1", "name": "Amal Hussein", "role": "clinician", "amr": ["pwd", "pin"]}
        assert store.append(draft()).fields["prev"] == entry.leaf
