"""Trying a file in the demo gives what the commands give, for each hostile file, and keeps nothing of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import cdss
from cdss.access import AccessDeniedError, AccessSettings, SignedIn
from cdss.demo.start import PASSWORD, start_demo
from cdss.domain.instant import parse_index_time
from cdss.errors import InputRefusedError, UsageError
from cdss.fhir.read import read
from cdss.settings import Settings
from cdss.workflow.reading import read_report

AS_OF = "2025-09-03T15:00:00-04:00"
QUICK = AccessSettings(argon2_memory_kib=8, argon2_passes=1)
HOSTILE = 46


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> cdss.Hospital:
    with start_demo(Settings(home=str(tmp_path_factory.mktemp("demo"))), access=QUICK) as opened:
        yield opened


@pytest.fixture(scope="module")
def me(hospital: cdss.Hospital) -> SignedIn:
    return hospital.sign_in("marlow", PASSWORD)


def test_each_hostile_file_is_read_as_the_command_reads_it(
    hospital: cdss.Hospital, me: SignedIn, data_set: Callable[[str], Path]
) -> None:
    files = [file for file in sorted(data_set("hostile-fhir").iterdir()) if file.name.startswith("d0")]
    assert len(files) == HOSTILE
    model, when = cdss.load_model("serious-illness-180d"), parse_index_time(AS_OF)
    for file in files:
        found = hospital.try_file(me.person, file.name, file.read_bytes(), subject="ok27", index_time=AS_OF)
        if "refused" in found:
            with pytest.raises(InputRefusedError) as refused:
                read(file, subject="ok27", index_time=when)
            assert found["refused"]["reason"] == refused.value.reason, file.name
            assert found["answer"] is None
            continue
        known = read(file, subject="ok27", index_time=when)
        assert found["report"] == read_report(known, subject="ok27", index_time=when, lookback=None), file.name
        answer = model.assess(cdss.read(file), AS_OF, subject="ok27").to_dict()
        assert json.dumps(found["answer"] | {"release_state": "unregistered"}) == json.dumps(answer), file.name


def test_nothing_of_a_tried_file_is_kept(hospital: cdss.Hospital, me: SignedIn, tmp_path: Path) -> None:
    marker = "Zyxwvuts-Marker"
    patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": marker}]}
    hospital.try_file(me.person, f"{marker}.json", json.dumps(patient).encode(), index_time=AS_OF)
    store = Path(hospital.ports.store.place).read_bytes()
    assert marker.encode() not in store
    assert hospital.ports.store.entry(hospital.ports.store.head().size).kind == "input.received"


def test_several_patients_need_a_name_and_an_index_time_an_offset(hospital: cdss.Hospital, me: SignedIn) -> None:
    two = "\n".join(json.dumps({"resourceType": "Patient", "id": name}) for name in ("a", "b")).encode()
    found = hospital.try_file(me.person, "two.ndjson", two, index_time=AS_OF)
    assert found["answer"] is None
    assert "2 patients" in found["why"]
    assert found["report"]["resources"] == 2
    with pytest.raises(UsageError, match="offset"):
        hospital.try_file(me.person, "two.ndjson", two, index_time="2025-09-03")


def test_an_auditor_tries_no_file(hospital: cdss.Hospital) -> None:
    auditor = hospital.sign_in("holmquay", PASSWORD)
    with pytest.raises(AccessDeniedError):
        hospital.try_file(auditor.person, "x.json", b"{}", index_time=AS_OF)


def test_a_hospital_that_is_no_demo_tries_no_file(tmp_path: Path) -> None:
    from cdss.access import local_operator
    from cdss.compose import open_hospital

    with open_hospital(Settings(home=str(tmp_path)), access=QUICK, create=True) as opened:
        by = local_operator("root")
        opened.ports.accounts.add(by, login="m", name="Dr M", password=PASSWORD, roles=["clinician"])
        me = opened.sign_in("m", PASSWORD)
        with pytest.raises(UsageError, match="demo only"):
            opened.try_file(me.person, "x.json", b"{}", index_time=AS_OF)
