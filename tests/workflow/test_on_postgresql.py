"""A hospital in earnest: the whole way from a Bundle to two signatures in a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import cdss
from cdss.access import AccessSettings, SamePersonError
from cdss.demo.start import PASSWORD, start_demo
from cdss.ledger.export import export
from cdss.ledger.verify import verify
from cdss.settings import Settings

QUICK = AccessSettings(argon2_memory_kib=8, argon2_passes=1)


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 14, 9, 40, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=20)
        return self.at


def test_a_flagged_override_is_signed_by_two_people(postgresql_url: str, tmp_path: Path) -> None:
    clock = Clock()
    with start_demo(Settings(home=str(tmp_path), store=postgresql_url), clock=clock, access=QUICK) as hospital:
        me = hospital.sign_in("altamira", PASSWORD)
        row = next(row for row in hospital.worklist(me.person) if row.patient["family"] == "Halvorstad")
        assert row.answer is None
        view = hospital.look(me.person, row.case)
        hospital.commit_estimate(
            me.person, row.case, version=view.case.version, alive=90, treating=True, seen_score=False
        )
        view = hospital.look(me.person, row.case)
        assert view.answer is not None
        assert view.answer["flag"]
        assert view.recommendation is not None
        record = hospital.sign(
            view.recommendation,
            by=me,
            outcome="overridden",
            reason="clinical-judgement",
            proof=PASSWORD,
            login="altamira",
        )
        assert record.receipt is not None
        assert record.receipt["proved"]
        same = hospital.switch_role(me.token, "approver")
        with pytest.raises(SamePersonError):
            hospital.second_sign(
                same, row.case, decision=record.decided.leaf, approve=True, password=PASSWORD, login="altamira"
            )
        other = hospital.sign_in("vantongeren", PASSWORD)
        hospital.second_sign(
            other, row.case, decision=record.decided.leaf, approve=True, password=PASSWORD, login="vantongeren"
        )
        assert hospital.record(other.person, row.case).stage is cdss.Stage.COUNTERSIGNED
        hospital.keep_draft(me.person, row.case, 1, {"plan": "x"})
        assert hospital.draft(me.person, row.case, 1) == {"plan": "x"}
        assert hospital.verify(hospital.sign_in("holmquay", PASSWORD).person).report.findings == []
        stream = tmp_path / "export.ndjson"
        stream.write_text("".join(export(hospital.ports.store, contents=True)), "utf-8")
        assert verify(stream, key=hospital.ports.keys.log.public, kek=hospital.ports.keys.kek).findings == []
