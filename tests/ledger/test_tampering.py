"""Whatever is changed in a store or an export is found, and the first bad sequence number is named."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdss.ledger import verify as verifier
from cdss.ledger.checkpoint import LogKey
from cdss.ledger.export import export
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Attachment, Kind
from cdss.ledger.reading import read_ledger
from cdss.ledger.store import LedgerStore
from cdss.ledger.verify import Report, verify
from tests.ledger.hospital import OKAFOR, FakeClock, Ward, draft, filled, memory_home, open_store, url
from tests.ledger.test_tree import definition

Change = Callable[[sqlite3.Connection], object]
COLUMNS = {
    "ledger_entry": ("seq", "id", "idem", "kind", "case_id", "at", "body", "leaf"),
    "ledger_node": ("level", "idx", "hash"),
    "ledger_checkpoint": ("size", "root", "note"),
    "ledger_anchor": ("size", "receipt"),
    "blob": ("sha256", "subject_key_id", "media_type", "ciphertext"),
    "subject_key": ("id", "wrapped_key", "destroyed_at", "destroy_entry_seq"),
    "log_key": ("key_id", "public", "from_size", "to_size"),
    "case_state": ("case_id", "version", "status", "decision_leaf"),
    "signature_slot": ("case_id", "decision_version", "slot", "seq"),
}
# Of these no line can go or come twice unseen; a checkpoint left out only lengthens the unsigned tail.
TOLD = {"log_key", "ledger_entry", "ledger_node", "case_state", "signature_slot"}


@pytest.fixture(scope="module")
def ward() -> Iterator[tuple[Path, Keys]]:
    """One store with something in every table: 150 acts, an anchor, an erasure, a new key, an unsigned tail."""
    with memory_home() as home:
        keys = Keys.open(home, create=True)
        store = LedgerStore.open(url(home), keys, clock=FakeClock())
        work = Ward(store, keys, seed=7)
        work.act(100)
        store.add_anchor("file", store.checkpoint().note)
        store.erase(draft(Kind.SUBJECT_ERASED, None, subject=keys.pseudonym("p1")))
        store.rotate(LogKey.generate(store.origin), OKAFOR)
        work.act(50)
        store.checkpoint()
        store.append(draft(Kind.AUTH_OK, None))
        LedgerStore.__base__.close(store)  # as if killed: the tail stays unsigned
        yield home, keys


@pytest.fixture
def changed(ward, tmp_path) -> Callable[..., Report]:
    """The report on a copy of the ward's store after a change by somebody who may write the file."""
    home, keys = ward

    def change(does: Change | None, **known) -> Report:
        copy = tmp_path / "copy.db"
        shutil.copy(home / "cdss.db", copy)
        link = sqlite3.connect(copy)
        for (trigger,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            link.execute(f"DROP TRIGGER {trigger}")
        if does:
            does(link)
        link.commit()
        link.close()
        return verify(copy, **{"key": keys.log.public, "kek": keys.kek, **known})

    return change


def rows(home: Path, query: str) -> list[tuple]:
    link = sqlite3.connect(home / "cdss.db")
    found = link.execute(query).fetchall()
    link.close()
    return found


def test_what_nobody_touched_verifies(changed):
    report = changed(None)
    assert report.findings == []
    assert report.notes == []
    assert (report.first_bad, report.unsigned_tail, report.anchors) == (None, 1, 1)
    assert min(report.size, report.blobs, report.checkpoints) > 10


def mutated(value: object, dice: random.Random) -> object:
    if value is None:
        return dice.choice((1, "x", b"x"))
    if isinstance(value, int):
        return value + dice.choice((1, 1000))
    if isinstance(value, bytes):
        at = dice.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 1 << dice.randrange(8)]) + value[at + 1 :]
    at = dice.randrange(len(str(value)))
    return f"{value}"[:at] + dice.choice([c for c in "aB7" if c != f"{value}"[at]]) + f"{value}"[at + 1 :]


@pytest.mark.parametrize(("table", "column"), [(table, name) for table, names in COLUMNS.items() for name in names])
def test_a_change_of_any_field_of_any_table_is_found(ward, changed, table, column):
    dice = random.Random(f"{table}.{column}")
    places = rows(ward[0], f"SELECT rowid, * FROM {table}")
    names = [name for (name,) in rows(ward[0], f"SELECT name FROM pragma_table_info('{table}')")]
    for row in dice.sample(places, min(4, len(places))):
        value = mutated(row[1 + names.index(column)], dice)
        if (table, column) == ("ledger_entry", "seq"):
            value = 10**6 + dice.randrange(9)
        report = changed(
            lambda link, row=row, value=value: link.execute(
                f"UPDATE OR REPLACE {table} SET {column} = ? WHERE rowid = ?", (value, row[0])
            )
        )
        assert report.findings, (row[1], value)
        if table == "ledger_entry":
            assert report.first_bad == row[1], report.findings[:3]


@pytest.mark.parametrize("table", [table for table in COLUMNS if table not in ("ledger_anchor", "ledger_checkpoint")])
def test_a_row_taken_away_is_found(ward, changed, table):
    dice = random.Random(table)
    named = {name for _, body in rows(ward[0], "SELECT seq, body FROM ledger_entry") for name in
             (ref["sha256"] for ref in json.loads(body)["refs"])}  # fmt: skip
    places = rows(ward[0], f"SELECT rowid, * FROM {table}")
    if table == "blob":
        places = [row for row in places if row[1] in named]
    if table == "subject_key":  # a live key: of a destroyed one nothing is lost, and its blobs then lack an excuse
        places = [row for row in places if row[2] is not None]
    if table == "ledger_entry":
        places = places[:-1]
    for row in dice.sample(places, min(4, len(places))):
        report = changed(lambda link, row=row: link.execute(f"DELETE FROM {table} WHERE rowid = ?", (row[0],)))
        assert report.findings
        if table == "ledger_entry":
            assert report.first_bad == row[1]
        if table == "blob":
            assert report.first_bad == first_naming(ward[0], row[1])


def first_naming(home: Path, blob: str) -> int:
    entries = rows(home, "SELECT seq, body FROM ledger_entry ORDER BY seq")
    return next(seq for seq, body in entries if blob in body.decode())


def rewritten(fields: dict) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def put(link: sqlite3.Connection, seq: int, fields: dict) -> bytes:
    """Rewrite an entry with its leaf and columns; return the leaf."""
    body = rewritten(fields)
    leaf = hashlib.sha256(b"\0" + body).digest()
    link.execute("DELETE FROM ledger_entry WHERE seq = ?", (seq,))
    told = (seq, fields["id"], fields["idem"], fields["kind"], fields.get("case"), fields["at"], body, leaf)
    link.execute("INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)", told)
    return leaf


def fields_of(link: sqlite3.Connection, seq: int) -> dict:
    return json.loads(link.execute("SELECT body FROM ledger_entry WHERE seq = ?", (seq,)).fetchone()[0])


def rebuild(link: sqlite3.Connection, seq: int, change: Callable[[dict], object]) -> None:
    """Change an entry and everything after it that hangs on it, except what needs the key."""
    fields = fields_of(link, seq)
    change(fields)
    (size,) = link.execute("SELECT max(seq) FROM ledger_entry").fetchone()
    while True:
        leaf = put(link, seq, fields)
        if seq == size:
            break
        seq += 1
        fields = fields_of(link, seq) | {"prev": leaf.hex()}
    leaves = [leaf for (leaf,) in link.execute("SELECT leaf FROM ledger_entry ORDER BY seq")]
    link.execute("DELETE FROM ledger_node")
    level = 0
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2], strict=False)
        leaves, level = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs], level + 1
        link.executemany("INSERT INTO ledger_node VALUES (?, ?, ?)", [(level, *row) for row in enumerate(leaves)])


def test_an_entry_changed_together_with_its_leaf_is_found(changed):
    for seq in (1, 2, 17, 90):
        assert changed(lambda link, seq=seq: put(link, seq, fields_of(link, seq) | {"idem": "other"})).first_bad == seq


def test_a_rebuilt_chain_is_found_by_the_signed_checkpoints(ward, changed):
    sizes = [size for (size,) in rows(ward[0], "SELECT size FROM ledger_checkpoint ORDER BY size")]
    for seq in (1, 17, 90):
        report = changed(lambda link, seq=seq: rebuild(link, seq, lambda fields: fields.update(idem="other")))
        found = [f for f in report.findings if f.step == 2]
        assert found[0].first <= seq <= found[0].last == next(size for size in sizes if size >= seq)


def test_a_checkpoint_forged_with_another_key_is_found(ward, changed):
    home, keys = ward
    forger = LogKey.generate(keys.log.origin)
    size, root = rows(home, "SELECT size, root FROM ledger_checkpoint ORDER BY size")[1]
    note = forger.checkpoint(size, root)
    report = changed(lambda link: link.execute("UPDATE ledger_checkpoint SET note = ? WHERE size = ?", (note, size)))
    assert (report.first_bad, report.findings[0].step) == (size, 2)


def test_a_log_signed_anew_with_another_key_is_found_by_whoever_knows_the_key(tmp_path):
    keys = Keys.open(tmp_path / "true", create=True)
    with LedgerStore.open(url(tmp_path / "true"), keys, clock=FakeClock()) as store:
        store.append(draft())
        receipt = store.checkpoint().note
    forger = Keys(log=LogKey.generate(keys.log.origin), kek=keys.kek, pseudonyms=keys.pseudonyms)
    with LedgerStore.open(f"sqlite:///{tmp_path / 'forged.db'}", forger, clock=FakeClock()) as store:
        store.append(draft())
        store.append(draft())
    forged = tmp_path / "forged.db"
    assert not verify(forged).findings, "by itself it is sound"
    assert verify(forged, key=keys.log.public).findings
    assert verify(forged, anchors=receipt).findings


def test_a_cut_tail_is_found_by_checkpoints_and_with_those_cut_by_an_anchor(ward, changed):
    home, _ = ward
    receipt = rows(home, "SELECT note FROM ledger_checkpoint ORDER BY size DESC")[0][0]
    signed = int(receipt.split("\n")[1])

    def cut(link, checkpoints):
        link.execute("DELETE FROM ledger_entry WHERE seq > 120")
        link.execute("DELETE FROM ledger_node WHERE (idx + 1) << level > 120")
        if checkpoints:
            link.execute("DELETE FROM ledger_checkpoint WHERE size > 120")

    assert changed(lambda link: cut(link, False)).first_bad == 121
    report = changed(lambda link: cut(link, True), anchors=receipt)
    assert any(f.step == 4 and f.first == 121 and str(signed) in f.what for f in report.findings)


def test_an_older_copy_and_a_fresh_store_are_found_by_an_anchor(tmp_path):
    with open_store(tmp_path) as store:
        store.append(draft())
        store.checkpoint()
        shutil.copy(tmp_path / "cdss.db", tmp_path / "yesterday.db")
        store.append(draft())
        receipt = store.checkpoint().note
    report = verify(tmp_path / "yesterday.db", anchors=receipt)
    assert (report.first_bad, report.findings[0].step) == (2, 4)
    assert verify(tmp_path / "cdss.db", anchors=receipt * 3).anchors == 3
    assert not verify(tmp_path / "cdss.db", anchors=receipt).findings
    assert verify(tmp_path / "cdss.db", anchors="what is this\n").findings
    with open_store(tmp_path / "fresh") as store:
        store.append(draft())
    assert verify(tmp_path / "fresh" / "cdss.db", anchors=receipt).findings


def signed_entry(link: sqlite3.Connection) -> int:
    return link.execute("SELECT min(seq) FROM ledger_entry WHERE kind = 'signoff.signed'").fetchone()[0]


@pytest.mark.parametrize(
    "change",
    [
        {"sig": {"case": "c9"}, "case": "c9"},
        {"sig": {"meaning": "I was not there."}},
        {"sig": {"signer": "u9"}, "actor": {"sub": "u9", "name": "Other", "role": "clinician"}},
        {"sig": {"decision": "0" * 64}},
        {"sig": {"version": 99}},
        {"sig": {"slot": "second"}, "kind": "second.signed"},
        {"sig": {"value": base64.b64encode(bytes(64)).decode()}},
        {"sig": {"key": "00000000"}},
        {"at": "2027-01-01T00:00:00.000000Z"},
    ],
)
def test_a_signature_moved_or_changed_is_found_even_in_a_rebuilt_chain(changed, change):
    seen = {}

    def forge(link):
        seen["seq"] = signed_entry(link)
        more = {name: value for name, value in change.items() if name != "sig"}
        rebuild(link, seen["seq"], lambda f: f.update(more | {"sig": {**f["sig"], **change.get("sig", {})}}))

    found = [f for f in changed(forge).findings if f.step == 5]
    assert found
    assert found[0].first == seen["seq"]


def test_a_replayed_entry_is_found(changed):
    def replay(link):
        old = fields_of(link, 3)
        last = link.execute("SELECT max(seq) FROM ledger_entry").fetchone()[0]
        (leaf,) = link.execute("SELECT leaf FROM ledger_entry WHERE seq = ?", (last,)).fetchone()
        link.executescript(
            "CREATE TABLE copy AS SELECT * FROM ledger_entry; DROP TABLE ledger_entry;"
            "ALTER TABLE copy RENAME TO ledger_entry"
        )
        put(link, last + 1, old | {"seq": last + 1, "prev": leaf.hex()})

    report = changed(replay)
    assert any("repeats the id" in found.what and found.first == report.size for found in report.findings)


def test_two_entries_that_changed_places_are_found(changed):
    def swap(link):
        one, two = (link.execute("SELECT * FROM ledger_entry WHERE seq = ?", (seq,)).fetchone() for seq in (20, 21))
        link.execute("DELETE FROM ledger_entry WHERE seq IN (20, 21)")
        link.executemany("INSERT INTO ledger_entry VALUES (?,?,?,?,?,?,?,?)", [(21, *one[1:]), (20, *two[1:])])

    assert changed(swap).first_bad == 20


def test_a_destroyed_key_needs_an_entry_that_says_so(changed):
    def destroy(link):
        link.execute(
            "UPDATE subject_key SET wrapped_key = NULL, destroyed_at = '2026-01-04T00:01:00.000000Z', "
            "destroy_entry_seq = 5 WHERE destroyed_at IS NULL"
        )
        link.execute("DELETE FROM blob")

    found = changed(destroy).findings
    assert any("no entry says so" in one.what for one in found)
    assert any("no erasure explains it" in one.what for one in found)


def test_an_erasure_undone_is_found(ward, changed):
    (wrapped,) = rows(ward[0], "SELECT wrapped_key FROM subject_key WHERE wrapped_key IS NOT NULL LIMIT 1")[0]
    undo = "UPDATE subject_key SET wrapped_key = ?, destroyed_at = NULL, destroy_entry_seq = NULL"
    report = changed(lambda link: link.execute(f"{undo} WHERE destroyed_at IS NOT NULL", (wrapped,)))
    assert any("is not destroyed" in found.what for found in report.findings)


def test_a_newer_format_is_refused_as_such(changed):
    report = changed(lambda link: put(link, 4, fields_of(link, 4) | {"v": 2}))
    assert not report.readable
    assert "newer format" in report.findings[-1].what


@pytest.mark.parametrize(
    "body", [b'{"v":1.0}', b'{"a":1,"a":1}', b"{", b"[1]", b"\xff", b'{"a": 1}', b"null", b'{"v":1}']
)
def test_a_body_that_is_not_the_one_form_is_found(changed, body):
    leaf = hashlib.sha256(b"\0" + body).digest()
    put_raw = "UPDATE ledger_entry SET body = ?, leaf = ? WHERE seq = 9"
    assert changed(lambda link: link.execute(put_raw, (body, leaf))).first_bad in (8, 9)


def test_random_bit_flips_in_the_file_never_pass_where_they_change_what_is_read(ward, tmp_path):
    home, keys = ward
    clean = (home / "cdss.db").read_bytes()
    dice, silent = random.Random(1), 0
    for _ in range(60):
        at = dice.randrange(len(clean))
        (tmp_path / "x.db").write_bytes(clean[:at] + bytes([clean[at] ^ 1 << dice.randrange(8)]) + clean[at + 1 :])
        report = verify(tmp_path / "x.db", key=keys.log.public, kek=keys.kek)
        if not report.findings:
            silent += 1
            assert content(tmp_path / "x.db") == content(home / "cdss.db"), "a change of content must be found"
    assert silent < 60


def content(path: Path) -> list:
    """Every row that verification speaks for."""
    link = sqlite3.connect(path)
    kept = [link.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall() for table, names in COLUMNS.items()]
    link.close()
    return kept


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), acts=st.integers(0, 60), data=st.data())
def test_random_logs_verify_agree_with_a_second_reading_and_do_not_survive_a_change(seed, acts, data):
    with memory_home() as home:
        keys = filled(home, seed, acts)
        report = verify(home / "cdss.db", key=keys.log.public, kek=keys.kek)
        assert report.findings == []
        with read_ledger(url(home)) as reader:
            entries = list(reader.entries())
            lines = list(export(reader, contents=True))
        bodies = [entry.body for entry in entries]
        assert (report.size, report.root) == (len(bodies), definition(bodies).hex())
        assert all(rfc8785.dumps(json.loads(body)) == body for body in bodies)
        links = ["0" * 64, *(entry.leaf for entry in entries)]
        assert [json.loads(body)["prev"] for body in bodies] == links[:-1]
        stream = home / "export.ndjson"
        stream.write_text("".join(lines), "utf-8")
        again = verify(stream, key=keys.log.public)
        assert (again.findings, again.root, again.size) == ([], report.root, report.size)
        if bodies:
            told = [at for at, line in enumerate(lines) if json.loads(line)["table"] in TOLD]
            at, how = data.draw(st.sampled_from(told)), data.draw(st.sampled_from(("drop", "twice", "swap")))
            stream.write_text("".join(harmed(lines, at, how)), "utf-8")
            assert verify(stream, key=keys.log.public).findings or harmed(lines, at, how) == lines


def harmed(lines: list[str], at: int, how: str) -> list[str]:
    end = json.loads(lines[-1])
    if how == "drop":
        left = [*lines[:at], *lines[at + 1 : -1]]
    elif how == "twice":
        left = [*lines[: at + 1], *lines[at:-1]]
    else:
        other = at - 1 if at else 1
        if json.loads(lines[at])["table"] != "ledger_entry" or json.loads(lines[other])["table"] != "ledger_entry":
            return lines
        left = lines[:-1]
        left[at], left[other] = left[other], left[at]
    return [*left, json.dumps({**end, "records": len(left)}) + "\n"]


def test_an_export_that_is_cut_or_damaged_is_called_incomplete(ward, tmp_path):
    with read_ledger(url(ward[0])) as reader:
        lines = list(export(reader))
    for bad in (lines[:-1], lines[:20], [*lines[:20], *lines[21:]], [*lines[:9], lines[9][:30]], []):
        (tmp_path / "x.ndjson").write_text("".join(bad), "utf-8")
        report = verify(tmp_path / "x.ndjson")
        assert not report.readable
        assert "incomplete or unreadable" in report.findings[-1].what
    report = verify(tmp_path / "none")
    assert (report.readable, report.first_bad) == (False, None)


def test_an_export_holds_no_secret_and_says_what_it_leaves_out(ward, tmp_path):
    home, keys = ward
    with read_ledger(url(home)) as reader:
        (tmp_path / "x.ndjson").write_text("".join(export(reader)), "utf-8")
    report = verify(tmp_path / "x.ndjson", key=keys.log.public)
    assert report.findings == []
    assert "leaves out" in " ".join(report.notes)
    text = (tmp_path / "x.ndjson").read_text("utf-8")
    for (wrapped,) in rows(home, "SELECT wrapped_key FROM subject_key WHERE wrapped_key IS NOT NULL"):
        assert wrapped.hex() not in text
        assert base64.b64encode(wrapped).decode() not in text


def test_the_export_of_one_subject_proves_each_entry_alone(ward, tmp_path):
    home, keys = ward
    subject = keys.pseudonym("p2")
    with read_ledger(url(home)) as reader:
        lines = list(export(reader, subject=subject))
        wanted = [
            e.seq for e in reader.entries(1, reader.newest_checkpoint().size) if e.fields.get("subject") == subject
        ]
    stream = tmp_path / "p2.ndjson"
    stream.write_text("".join(lines), "utf-8")
    report = verify(stream)
    assert (report.findings, report.partial, report.size) == ([], True, len(wanted))
    records = [json.loads(line) for line in lines]
    at = next(number for number, record in enumerate(records) if record["table"] == "ledger_entry")
    for name, value in (
        ("body", records[at]["body"].replace("u1", "u7")),
        ("proof", records[at]["proof"][1:]),
        ("seq", 1),
    ):
        forged = [*records[:at], {**records[at], name: value}, *records[at + 1 :]]
        stream.write_text("".join(json.dumps(record) + "\n" for record in forged), "utf-8")
        assert verify(stream).findings


def test_the_verifier_shares_no_code_with_the_writer_and_stays_small():
    source = Path(verifier.__file__).read_text("utf-8")
    assert len(source.splitlines()) <= 600
    assert "import cdss" not in source
    assert "from cdss" not in source


def test_a_blob_that_the_kek_cannot_open_is_found(ward, changed, tmp_path):
    other = Keys.open(tmp_path / "other", create=True)
    assert any("key-encryption key" in found.what for found in changed(None, kek=other.kek).findings)
    assert "hashed, not opened" in " ".join(changed(None, kek=None).notes)


def test_a_second_signature_in_one_slot_is_found_in_a_log_signed_by_the_true_key(tmp_path, monkeypatch):
    """Even the holder of the key cannot have two authors of one decision."""
    with open_store(tmp_path) as store:
        store.append(draft(Kind.DECISION_ACCEPTED))
        from tests.ledger.hospital import signature

        sig = signature(store, "c1")
        store.append(draft(Kind.SIGNOFF_SIGNED, sig=sig))
        monkeypatch.setattr(store, "_holder", lambda *_: None)
        monkeypatch.setattr(store, "_project", lambda *_: None)
        store.append(
            draft(Kind.SIGNOFF_SIGNED, sig=sig, actor=OKAFOR), attach=[Attachment(role="x", data=b"", media_type="a/b")]
        )
    assert verify(tmp_path / "cdss.db").first_bad == 3
