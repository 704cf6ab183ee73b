"""What the ledger holds of the 44 patients is what every other door answers, and what asking again answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from at_work import ABSTAINED, ESTIMATED, FLAGGED, NO_NUMBER, NOW, RELEASE, SETTLING, Day, patients, rows

import cdss
from cdss.cli.main import main
from cdss.demo import write_demo
from cdss.domain.instant import instant_text, to_micros
from cdss.errors import CdssError
from cdss.workflow.decision_record import replay
from cdss.workflow.recording import risk_of

EVERYBODY = [*ESTIMATED, *ABSTAINED]
LIVE, ALONE = b'"release_state": "live"', b'"release_state": "unregistered"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Bundles as files, each with a cohort of its one row."""
    directory = tmp_path_factory.mktemp("parity") / "demo"
    written = write_demo(directory, NOW)
    for one in written:
        row = f"{one.subject},{instant_text(to_micros(one.index_time))},{one.encounter}"
        name = one.subject.removeprefix("Patient/")
        (directory / f"{name}.csv").write_text(f"subject,index_time,encounter\n{row}\n", "utf-8")
    return directory


def on_record(day: Day) -> Mapping[int, bytes]:
    """Each answer, byte for byte, but for the state that only a registry knows."""
    found = {}
    for number in EVERYBODY:
        stored = day.hospital.ports.store.get_blob(day.case(day.cases[number]).assessment)[0]
        assert stored.count(LIVE) == 1
        found[number] = stored.replace(LIVE, ALONE)
    return found


def test_python_answers_the_same_bytes_for_every_patient(day: Day, folder: Path) -> None:
    model = cdss.load_model(RELEASE)
    answers = {}
    for number in EVERYBODY:
        one = patients()[number]
        record = cdss.read(folder / f"demo-{number:02}.json")
        answer = model.assess(record, one.index_time.isoformat(), subject=one.subject, encounter=one.encounter)
        answers[number] = json.dumps(answer.to_dict(), ensure_ascii=False).encode()
    kinds = [json.loads(answer)["kind"] for answer in answers.values()]
    assert (kinds.count("estimate"), kinds.count("abstention")) == (33, 11)
    assert answers == on_record(day)


def command(folder: Path, number: int, out: Path) -> list[str]:
    name = f"demo-{number:02}"
    return [
        "assess", str(folder / f"{name}.json"), "--model", RELEASE, "--cohort", str(folder / f"{name}.csv"),
        "--out", str(out), "--json",
    ]  # fmt: skip


def test_the_command_writes_the_same_bytes_for_every_patient(
    day: Day, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = {}
    for number in EVERYBODY:
        out = tmp_path / f"{number}.ndjson"
        assert main(command(folder, number, out)) == 0
        written[number] = out.read_bytes().removesuffix(b"\n")
    assert capsys.readouterr().err == ""
    assert written == on_record(day)


@pytest.mark.parametrize("number", [FLAGGED, NO_NUMBER])
def test_the_command_as_typed_writes_the_same_bytes(day: Day, folder: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out.ndjson"
    typed = [sys.executable, "-m", "cdss", *command(folder, number, out)]
    done = subprocess.run(typed, capture_output=True, check=True, cwd=Path(cdss.__file__).parents[1])
    assert done.stderr == b""
    assert out.read_bytes() == on_record(day)[number] + b"\n"


def test_asked_again_every_case_gives_the_bytes_on_record(day: Day) -> None:
    for case in day.hospital.ports.board.refresh().cases.values():
        assert replay(day.hospital.ports, case), case.id


def test_asked_again_after_a_newer_result_it_is_the_newer_answer(day: Day) -> None:
    case = day.cases[SETTLING]
    old = day.case(case)
    day.receive(SETTLING, creatinine=3.3)
    new = day.case(case)
    assert new.probability != old.probability
    assert replay(day.hospital.ports, new)
    assert replay(day.hospital.ports, old), "the older one can still be asked again"


@pytest.mark.parametrize("part", ["input", "assessment", "head"])
@pytest.mark.parametrize("place", [0, 40, -1])
def test_asked_again_on_a_changed_byte_is_an_error_and_no_answer(day: Day, part: str, place: int) -> None:
    case = day.case(day.cases[FLAGGED])
    name = {"input": case.bundle, "assessment": case.assessment, "head": case.head}[part]
    ((sealed,),) = rows(day.home, "SELECT ciphertext FROM blob WHERE sha256 = ?", name)
    at = place % len(sealed)
    changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
    day.broken = True
    rows(day.home, "DROP TRIGGER blob_no_update")
    rows(day.home, "UPDATE blob SET ciphertext = ? WHERE sha256 = ?", changed, name)
    with pytest.raises(CdssError, match="cdss ledger verify"):
        replay(day.hospital.ports, case)
    assert day.findings()


@pytest.mark.parametrize("alive", [0, 20, 55, 100])
def test_together_with_a_clinician_the_screen_has_the_number_of_python(day: Day, folder: Path, alive: int) -> None:
    model, who = cdss.load_model(RELEASE), day.sign_in()
    for number in (SETTLING, FLAGGED, 21):
        one = patients()[number]
        record = cdss.read(folder / f"demo-{number:02}.json")
        when, stay = one.index_time.isoformat(), one.encounter
        alone = model.assess(record, when, encounter=stay, clinician_estimate=risk_of(alive)).to_dict()
        shown = day.result(who, day.cases[number], alive).answer
        assert shown == alone | {"release_state": "live"}
