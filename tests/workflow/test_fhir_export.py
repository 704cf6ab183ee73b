"""A ledger leaves as FHIR whole or not at all: what stands is written, and what does not is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import INDEX, record_of, seriously_ill, without

import cdss
from cdss.errors import DependencyError, IntegrityError, UsageError
from cdss.ledger.keys import Keys
from cdss.ledger.kinds import Attachment, Entry, Kind, SignOff
from cdss.ledger.reading import read_ledger
from cdss.ledger.store import LedgerStore
from cdss.workflow.fhir_export import export_fhir
from tests.ledger.hospital import HUSSEIN, OKAFOR, draft, filled, memory_home, open_store, signature, url

FILES = {"AuditEvent.ndjson", "Provenance.ndjson", "RiskAssessment.ndjson"}
LEFT_OUT = ("unsigned", "withdrawn", "rejected", "unrecorded", "erased")


@pytest.fixture
def home() -> Iterator[Path]:
    with memory_home() as folder:
        yield folder


@pytest.fixture
def store(home: Path) -> Iterator[LedgerStore]:
    with open_store(home) as opened:
        yield opened


@cache
def answer(*, number: bool = True) -> str:
    told = seriously_ill() if number else without(seriously_ill(), "sodium")
    return json.dumps(cdss.load_model("serious-illness-180d").assess(record_of(told), INDEX).to_dict())


def record(case: str = "c1", *, number: bool = True, **changes: Any) -> dict[str, Any]:
    assessment = json.loads(answer(number=number))
    return {
        "schema": 1,
        "case": case,
        "version": 1,
        "synthetic": True,
        "patient": {"reference": assessment["subject"], "family": "Musterfrau", "given": "Erika", "identifier": None},
        "assessment": assessment,
        "model": {"title": "t", "intended_use": "u", "not_for": "n"},
        "estimates": [],
        "decision": {"outcome": "accepted", "reason": None, "reason_text": "", "knows": [], "note": "", "plan": "Talk.",
                     "until": None},
        "statement": "I have reviewed this estimate and its inputs.",
        "at": "2026-03-04T00:30:00Z",
    } | changes  # fmt: skip


def decide(store: LedgerStore, case: str = "c1", told: Any = None, subject: str | None = "pseudonym-1") -> Entry:
    kept = told if isinstance(told, bytes) else json.dumps(told or record(case)).encode()
    attached = [Attachment(role="record", data=kept, media_type="application/json")]
    return store.append(draft(Kind.DECISION_ACCEPTED, case, subject=subject), attach=attached)


def sign(store: LedgerStore, kind: Kind = Kind.SIGNOFF_SIGNED, case: str = "c1") -> SignOff:
    sig = signature(store, case)
    store.append(draft(kind, case, sig=sig, actor=HUSSEIN if kind is Kind.SIGNOFF_SIGNED else OKAFOR))
    return sig


def export(store: LedgerStore, out: Path) -> dict[str, int]:
    counts = export_fhir(store, store.get_blob, out)
    assert counts["decisions"] == counts["RiskAssessment"] + sum(counts[name] for name in LEFT_OUT)
    assert {file.name for file in out.iterdir()} == FILES
    for name in ("RiskAssessment", "Provenance", "AuditEvent"):
        assert len(resources(out, name)) == counts[name]
    return counts


def resources(out: Path, name: str) -> list[dict[str, Any]]:
    """The lines of one file, each valid FHIR of its type."""
    lines = (out / f"{name}.ndjson").read_text("ascii").splitlines()
    for line in lines:
        get_fhir_model_class(name).model_validate_json(line)
    return [json.loads(line) for line in lines]


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def test_a_signed_decision_leaves_as_risk_assessment_and_provenance(store: LedgerStore, tmp_path: Path) -> None:
    decision = decide(store)
    sign(store)
    assert nonzero(export(store, tmp_path / "out")) == {
        "RiskAssessment": 1, "Provenance": 1, "AuditEvent": 2, "decisions": 1,
    }  # fmt: skip
    (found,) = resources(tmp_path / "out", "RiskAssessment")
    assert found["identifier"][0]["value"] == decision.leaf
    percent, probability = found["prediction"][0]["probabilityDecimal"], json.loads(answer())["probability"]
    assert percent / 100 == pytest.approx(probability, abs=1e-9)
    (attested,) = resources(tmp_path / "out", "Provenance")
    assert attested["target"] == [{"reference": f"RiskAssessment/{found['id']}"}]
    assert attested["signature"][0]["data"] == store.entry(2).fields["sig"]["value"]
    assert attested["signature"][0]["who"]["display"] == "Amal Hussein"


def test_what_was_exported_is_read_back_and_nothing_of_it_is_a_feature(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    sign(store)
    export(store, tmp_path / "out")
    counts = cdss.read(tmp_path / "out", strict=True).counts
    assert (counts.resources, counts.not_needed, counts.events) == (4, 4, 0)


def test_an_abstention_leaves_without_a_number(store: LedgerStore, tmp_path: Path) -> None:
    decide(store, told=record(number=False))
    sign(store)
    export(store, tmp_path / "out")
    (found,) = resources(tmp_path / "out", "RiskAssessment")
    assert "prediction" not in found


def test_both_signers_are_named_the_author_first(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    sign(store, Kind.SECOND_SIGNED)
    sign(store)
    export(store, tmp_path / "out")
    (attested,) = resources(tmp_path / "out", "Provenance")
    assert [one["who"]["display"] for one in attested["signature"]] == ["Amal Hussein", "Ben Okafor"]
    assert attested["recorded"] == store.entry(3).at.replace(".000000", "")


def test_a_decision_nobody_signed_is_counted_and_not_written(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    assert nonzero(export(store, tmp_path / "out")) == {"AuditEvent": 1, "decisions": 1, "unsigned": 1}


def test_a_withdrawn_decision_is_not_written_and_the_next_one_is(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    sig = sign(store)
    store.append(draft(Kind.SIGNOFF_WITHDRAWN, "c1", sig=sig))
    assert export(store, tmp_path / "one")["withdrawn"] == 1
    again = decide(store)
    sign(store)
    counts = export(store, tmp_path / "two")
    assert (counts["withdrawn"], counts["RiskAssessment"]) == (1, 1)
    assert resources(tmp_path / "two", "RiskAssessment")[0]["identifier"][0]["value"] == again.leaf


def test_a_decision_the_second_signer_rejected_is_not_written(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    sign(store)
    sign(store, Kind.SIGNOFF_REJECTED)
    assert export(store, tmp_path / "out")["rejected"] == 1
    assert [one["outcome"] for one in resources(tmp_path / "out", "AuditEvent")] == ["0", "0", "4"]


def test_words_added_later_leave_with_the_decision(store: LedgerStore, tmp_path: Path) -> None:
    decision = decide(store)
    sign(store)
    added = [Attachment(role="text", data="Zoë's CT was of another day.".encode(), media_type="text/plain")]
    data = {"decision": decision.leaf}
    store.append(draft(Kind.DECISION_AMENDED, "c1", subject="pseudonym-1", data=data), attach=added)
    assert export(store, tmp_path / "out")["decisions"] == 1
    (found,) = resources(tmp_path / "out", "RiskAssessment")
    assert found["status"] == "amended"
    assert "Added later: Zoë's CT was of another day." in [note["text"] for note in found["note"]]


def test_an_erased_record_is_counted_and_its_acts_stay(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    sign(store)
    decide(store, "c2", subject="pseudonym-2")
    sign(store, case="c2")
    store.erase(draft(Kind.SUBJECT_ERASED, None, subject="pseudonym-1"))
    counts = export(store, tmp_path / "out")
    assert (counts["erased"], counts["RiskAssessment"], counts["AuditEvent"]) == (1, 1, 5)


def test_a_decision_without_a_record_is_counted(store: LedgerStore, tmp_path: Path) -> None:
    store.append(draft(Kind.DECISION_ACCEPTED))
    sign(store)
    assert export(store, tmp_path / "out")["unrecorded"] == 1


def test_no_audit_event_tells_who_the_patient_is(store: LedgerStore, tmp_path: Path) -> None:
    decide(store)
    sign(store)
    export(store, tmp_path / "out")
    text = (tmp_path / "out" / "AuditEvent.ndjson").read_text("ascii")
    assert "pseudonym-1" in text
    assert not any(named in text for named in (json.loads(answer())["subject"], "Musterfrau", "Patient/"))


def test_hostile_text_stays_on_its_line(store: LedgerStore, tmp_path: Path) -> None:
    hostile = 'a\n{"resourceType":"Patient"}\u2028b\u0085"'
    decide(store, told=record(statement=hostile))
    sign(store)
    export(store, tmp_path / "out")
    (found,) = resources(tmp_path / "out", "RiskAssessment")
    assert found["note"][0]["text"] == hostile


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(b"no JSON", id="not-json"),
        pytest.param(b"[]", id="not-an-object"),
        pytest.param(record("c9"), id="of-another-case"),
        pytest.param(record(decision={"outcome": "overridden"}), id="of-another-outcome"),
        pytest.param(record(schema=2), id="of-another-schema"),
        pytest.param(record(patient={"reference": "Patient/other"}), id="of-another-patient"),
    ],
)
def test_a_record_that_is_not_its_entrys_leaves_nothing_behind(store: LedgerStore, tmp_path: Path, told: Any) -> None:
    decide(store, told=told)
    sign(store)
    with pytest.raises(IntegrityError):
        export_fhir(store, store.get_blob, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_fails_half_way_leaves_nothing_behind(store: LedgerStore, tmp_path: Path) -> None:
    def fails(sha256: str) -> tuple[bytes, str]:
        raise DependencyError("the store is locked")

    decide(store)
    sign(store)
    (tmp_path / "out").mkdir()
    with pytest.raises(DependencyError):
        export_fhir(store, fails, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert list((tmp_path / "out").iterdir()) == []


def test_only_a_new_or_empty_directory_is_written_and_only_its_owner_reads_it(
    store: LedgerStore, tmp_path: Path
) -> None:
    decide(store)
    (tmp_path / "empty").mkdir()
    export(store, tmp_path / "empty")
    export(store, tmp_path / "deep" / "new")
    assert (tmp_path / "empty").stat().st_mode & 0o077 == 0
    (tmp_path / "file").touch()
    for taken in ("empty", "file", "file/below"):
        with pytest.raises(UsageError):
            export_fhir(store, store.get_blob, tmp_path / taken)


def test_an_empty_ledger_gives_three_empty_files(store: LedgerStore, tmp_path: Path) -> None:
    assert nonzero(export(store, tmp_path / "out")) == {}


def test_a_reader_without_keys_exports_the_acts(home: Path, tmp_path: Path) -> None:
    with open_store(home) as store:
        decide(store)
        store.append(draft(Kind.CASE_VIEWED))
    with read_ledger(url(home)) as reader:
        counts = export_fhir(reader, lambda sha256: (b"", ""), tmp_path / "out")
    assert nonzero(counts) == {"AuditEvent": 2, "decisions": 1, "unsigned": 1}


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_any_lawful_ledger_leaves_whole_and_the_counts_add_up(seed: int) -> None:
    with memory_home() as home:
        keys: Keys = filled(home, seed, 60)
        with LedgerStore.open(url(home), keys) as store:
            counts = export(store, home / "out")
            assert counts["AuditEvent"] == store.head().size
            assert counts["RiskAssessment"] == counts["erased"] == 0  # the ward keeps no records
