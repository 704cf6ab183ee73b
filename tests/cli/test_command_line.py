"""The commands as typed: exit codes, one JSON document, errors in a line or two, nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cdss.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ILL, INCOMPLETE = str(EXAMPLES / "seriously-ill.json"), str(EXAMPLES / "incomplete.json")
RELEASE = ROOT / "models" / "serious-illness-180d" / "releases" / "1.0.0"
MODEL = "serious-illness-180d"
INDEX = "2026-01-04T00:00:00Z"
VERBS = ("read", "dataset", "assess", "explain", "train")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_an_example(run, verb):
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert f"example:\n  cdss {verb}" in out
    assert "--json" in out


def test_the_command_and_the_module_are_the_same_and_load_nothing_heavy():
    code = (
        "import sys, cdss.cli.main\n"
        "try: cdss.cli.main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'xgboost', 'sklearn', 'msgspec', 'pint', 'shap', 'fhir'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    typed = [[str(Path(sys.executable).parent / "cdss")], [sys.executable, "-m", "cdss"]]
    shown = [subprocess.run([*command, "--version"], capture_output=True, cwd=ROOT, check=True) for command in typed]
    assert shown[0].stdout == shown[1].stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", ILL),
        ("read", ILL, "--subject", "example-1", "--index-time", INDEX, "--lookback", "PT24H"),
        ("assess", ILL, "--model", MODEL, "--index-time", INDEX),
        ("assess", INCOMPLETE, "--model", MODEL, "--index-time", INDEX),
        ("explain", ILL, "--model", MODEL, "--index-time", INDEX),
    ],
)
def test_with_json_there_is_one_document_and_no_word_on_stderr(arguments):
    command = [sys.executable, "-m", "cdss", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert isinstance(json.loads(done.stdout), dict)


def test_an_abstention_is_an_answer_and_says_what_would_help(run):
    code, out, err = run("assess", INCOMPLETE, "--model", MODEL, "--index-time", INDEX)
    assert (code, err) == (0, "")
    assert "no estimate" in out
    assert "required-missing" in out


def test_an_explanation_names_the_source_of_every_measured_value(run):
    _, out, _ = run("explain", ILL, "--model", MODEL, "--index-time", INDEX)
    _, text, _ = run("explain", ILL, "--model", MODEL, "--index-time", INDEX, "--json")
    answer = json.loads(text)
    for part in answer["explanation"]["contributions"]:
        assert part["text"] in out
        for source in part["sources"]:
            assert source in out
    assert "Not for:" in out


def test_a_cohort_gives_one_answer_a_row_in_its_order(run, tmp_path):
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(
        "subject,index_time,clinician_estimate\n"
        f"Patient/nobody,{INDEX},\nexample-1,2026-01-04T01:00:00+01:00,0.9\nexample-1,{INDEX},\n"
    )
    out = tmp_path / "answers.ndjson"
    code, _, err = run("assess", ILL, "--model", MODEL, "--cohort", str(cohort), "--out", str(out))
    assert (code, err) == (0, "")
    answers = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [answer["kind"] for answer in answers] == ["abstention", "estimate", "estimate"]
    assert answers[0]["reasons"][0]["code"] == "subject-not-found"
    assert answers[1]["id"] == answers[2]["id"], "one instant, however its offset is written"
    assert answers[1]["team"]["clinician_estimate"] == 0.9
    assert "absent" in answers[2]["team"]
    code, text, _ = run("assess", ILL, "--model", MODEL, "--cohort", str(cohort), "--json")
    assert json.loads(text) == answers


def bad_inputs(scratch: Path) -> dict[str, tuple[int, str, tuple[str, ...]]]:
    """What a person may type wrongly: exit code, what the message must say, the command."""
    (scratch / "two.ndjson").write_text(
        '{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient","id":"b"}\n', "utf-8"
    )
    (scratch / "prose.json").write_text("dear colleague", "utf-8")
    (scratch / "other.json").write_text('{"a": 1}', "utf-8")
    (scratch / "cut.json").write_text(Path(ILL).read_text("utf-8")[:-200], "utf-8")
    (scratch / "empty.json").write_text("", "utf-8")
    (scratch / "no-offset.csv").write_text(f"subject,index_time\nexample-1,{INDEX}\nexample-1,2026-01-04T00:00:00\n")
    (scratch / "percent.csv").write_text(f"subject,index_time,clinician_estimate\nexample-1,{INDEX},37\n")
    (scratch / "columns.csv").write_text("patient,when\nexample-1,now\n")
    (scratch / "outcomes.csv").write_text(f"subject,index_time,outcome\nexample-1,{INDEX},dead\n")
    (scratch / "cohort.csv").write_text(f"subject,index_time\nexample-1,{INDEX}\n")
    (scratch / "empty-dir").mkdir()
    tampered = scratch / "tampered"
    shutil.copytree(RELEASE, tampered)
    model = bytearray((tampered / "model.ubj").read_bytes())
    model[len(model) // 2] ^= 1
    (tampered / "model.ubj").write_bytes(bytes(model))

    def at(name: str) -> str:
        return str(scratch / name)

    one = ("--model", MODEL, "--index-time", INDEX)
    fit = ("train", str(ROOT / "models" / MODEL), ILL, "--out", at("release"))
    return {
        "unknown verb": (2, "invalid choice", ("diagnose",)),
        "unknown option": (2, "unrecognized", ("read", ILL, "--verbose")),
        "wrong path": (2, "no such file", ("read", at("nothing.json"))),
        "wrong path of a cohort": (2, "cannot be read", ("assess", ILL, "--model", MODEL, "--cohort", at("no.csv"))),
        "prose": (3, "line 1, column 1", ("read", at("prose.json"))),
        "not FHIR": (3, "no FHIR resource", ("read", at("other.json"))),
        "cut": (3, "too early", ("assess", at("cut.json"), *one)),
        "empty file": (3, "is empty", ("read", at("empty.json"))),
        "empty directory": (3, "no file ending", ("read", at("empty-dir"))),
        "two patients": (3, "2 patients", ("assess", at("two.ndjson"), *one)),
        "wrong patient": (3, "holds no Patient/p9", ("assess", ILL, *one, "--subject", "p9")),
        "wrong patient read": (3, "holds no Patient/p9", ("read", ILL, "--subject", "p9")),
        "unknown model": (2, "no such model", ("assess", ILL, "--model", "crystal-ball", "--index-time", INDEX)),
        "unknown version": (2, "no such model", ("assess", ILL, "--model", f"{MODEL}@9.9.9", "--index-time", INDEX)),
        "tampered release": (4, "model.ubj", ("assess", ILL, "--model", at("tampered"), "--index-time", INDEX)),
        "index time without offset": (2, "offset", ("assess", ILL, "--model", MODEL, "--index-time", "2026-01-04")),
        "cohort row without offset": (2, "line 3", ("assess", ILL, "--model", MODEL, "--cohort", at("no-offset.csv"))),
        "percent for probability": (2, "0 to 1", ("assess", ILL, "--model", MODEL, "--cohort", at("percent.csv"))),
        "wrong columns": (2, "no column subject", ("assess", ILL, "--model", MODEL, "--cohort", at("columns.csv"))),
        "neither cohort nor time": (2, "--cohort", ("assess", ILL, "--model", MODEL)),
        "over its own source": (2, "Name another file", ("read", at("two.ndjson"), "--out", at("two.ndjson"))),
        "two outputs in one": (2, "Name another file", ("read", ILL, "--out", at("x"), "--rejections", at("x"))),
        "no source": (2, "is empty", ("read", "")),
        "a year nobody knows": (2, "years", ("assess", ILL, *one[:2], "--index-time", "0001-01-01T00:00:00+14:00")),
        "an escape in a name": (3, "\\u001b", ("assess", ILL, *one, "--subject", "\x1b[31mred")),
        "unknown output": (2, ".parquet", ("assess", ILL, *one, "--out", at("answers.xlsx"))),
        "output nowhere": (2, "cannot be written", ("assess", ILL, *one, "--out", at("no/such/answers.ndjson"))),
        "bad duration": (2, "PT24H", ("read", ILL, "--index-time", INDEX, "--lookback", "1 day")),
        "no spec": (2, "spec.toml", ("train", at("empty-dir"), *fit[2:], "--cohort", at("cohort.csv"),
                                     "--outcomes", at("cohort.csv"))),
        "bad outcome": (2, "line 2", (*fit, "--cohort", at("cohort.csv"), "--outcomes", at("outcomes.csv"))),
        "unknown data set": (2, "invalid choice", ("dataset", "support3", "x.csv", "--out", at("fhir"))),
        "data set not there": (2, "no such file", ("dataset", "support2", at("x.csv"), "--out", at("fhir"))),
        "data set of another kind": (3, "no column", ("dataset", "support2", at("cohort.csv"), "--out", at("fhir"))),
    }  # fmt: skip


BAD = (
    "over its own source", "two outputs in one", "no source", "a year nobody knows", "an escape in a name",
    "unknown verb", "unknown option", "wrong path", "wrong path of a cohort", "prose", "not FHIR", "cut", "empty file",
    "empty directory", "two patients", "wrong patient", "wrong patient read", "unknown model", "unknown version",
    "tampered release", "index time without offset", "cohort row without offset", "percent for probability",
    "wrong columns", "neither cohort nor time", "unknown output", "output nowhere", "bad duration", "no spec",
    "bad outcome", "unknown data set", "data set not there", "data set of another kind",
)  # fmt: skip


def test_the_list_of_bad_inputs_is_whole(tmp_path):
    assert set(BAD) == set(bad_inputs(tmp_path))


@pytest.mark.catalogue(36, 51, 59)
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_clear_line_and_leaves_nothing_behind(run, tmp_path, name):
    code, says, arguments = bad_inputs(tmp_path)[name]
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    found, out, err = run(*arguments)
    assert found == code, err
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert err.startswith(("cdss: error: ", f"cdss {arguments[0]}: "))
    assert len(err.splitlines()) <= 2
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_every_byte_of_a_release_is_watched(run, tmp_path):
    for number, name in enumerate(sorted(path.name for path in RELEASE.iterdir())):
        copy = tmp_path / str(number)
        shutil.copytree(RELEASE, copy)
        raw = bytearray((copy / name).read_bytes())
        raw[len(raw) // 3] ^= 0x01
        (copy / name).write_bytes(bytes(raw))
        code, out, err = run("assess", ILL, "--model", str(copy), "--index-time", INDEX)
        assert (code, out) == (4, ""), name
        assert "must not be used" in err


def test_an_unexpected_failure_is_one_line_and_asks_for_a_report(run, monkeypatch):
    import cdss.cli.read

    def broken(arguments: object) -> None:
        raise ZeroDivisionError("Okonkwo, born 1958-05-17")

    monkeypatch.setattr(cdss.cli.read, "run", broken)
    code, out, err = run("read", ILL)
    assert (code, out) == (1, "")
    assert "ZeroDivisionError" in err
    assert "Okonkwo" not in err


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m cdss read {ILL} --json | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, cwd=ROOT, check=False,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip
    assert done.stderr == b""


def test_read_writes_events_and_rejections(run, tmp_path):
    import pyarrow.parquet

    events, rejections = tmp_path / "events.parquet", tmp_path / "rejections.ndjson"
    wrong = str(EXAMPLES / "wrong-unit.json")
    code, out, _ = run("read", wrong, "--out", str(events), "--rejections", str(rejections), "--json")
    report = json.loads(out)
    assert code == 0
    assert pyarrow.parquet.read_table(events).num_rows == report["events"]
    found = [json.loads(line) for line in rejections.read_text("utf-8").splitlines()]
    assert [entry for entry in found if entry["severity"] == "error"] == [
        entry for entry in report["rejections"] if entry["severity"] == "error"
    ]
    assert report["resources"] == sum(report[name] for name in ("used", "not_needed", "put_aside", "refused"))
