"""`--map` and `--unmapped` as typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import cdss
from cdss.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
ILL = ROOT / "docs" / "examples" / "seriously-ill.json"
INDEX = "2026-01-04T00:00:00Z"
MODEL = "serious-illness-180d"
HEADER = "system,code,to_system,to_code\n"
LOCAL = "https://lab.example/codes"
ASK = ("--model", MODEL, "--index-time", INDEX)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """The seriously ill patient of the documentation, with the creatinine under the hospital's own code only."""
    text = ILL.read_text("utf-8")
    assert '"2160-0"' in text
    bundle = json.loads(text)
    for entry in bundle["entry"]:
        for coding in entry["resource"].get("code", {}).get("coding", ()):
            if coding.get("code") == "2160-0":
                coding["system"], coding["code"] = LOCAL, "KREA"
    path = tmp_path / "local.json"
    path.write_text(json.dumps(bundle), "utf-8")
    return path


@pytest.fixture
def krea(tmp_path: Path) -> Path:
    path = tmp_path / "map.csv"
    path.write_text(f"{HEADER}{LOCAL},KREA,http://loinc.org,2160-0\n", "utf-8")
    return path


@pytest.mark.catalogue(45)
def test_with_its_map_a_hospital_gets_the_answer_it_would_get_in_loinc(run: Run, local: Path, krea: Path) -> None:
    _, plain, _ = run("assess", str(ILL), *ASK)
    code, without, _ = run("assess", str(local), *ASK)
    assert (code, "required-missing: Creatinine" in without) == (0, True)
    code, mapped, err = run("assess", str(local), *ASK, "--map", str(krea))
    assert (code, err) == (0, "")
    assert mapped.splitlines()[0] == plain.splitlines()[0]
    assert mapped.splitlines()[1].startswith("1 own code mapped by map.csv, sha256:")


def test_the_explanation_names_the_map_and_the_source_under_the_own_code(run: Run, local: Path, krea: Path) -> None:
    code, out, _ = run("explain", str(local), *ASK, "--map", str(krea))
    assert code == 0
    assert "1 own code mapped by map.csv, sha256:" in out
    assert "Creatinine" in out


def test_the_report_holds_the_digest_and_the_codes_that_nothing_reads(
    run: Run, local: Path, krea: Path, tmp_path: Path
) -> None:
    _, text, _ = run("read", str(local), "--unmapped", str(tmp_path / "before.csv"), "--json")
    before = json.loads(text)
    assert "code_map" not in before
    assert before["unmapped"]["unmapped"] == before["unmapped"]["codes"] == 1
    _, text, _ = run("read", str(local), "--map", str(krea), "--unmapped", str(tmp_path / "after.csv"), "--json")
    after = json.loads(text)
    assert after["code_map"] == {"file": "map.csv", "digest": after["code_map"]["digest"], "codes": 1}
    assert after["unmapped"] == {"observations": before["unmapped"]["observations"], "unmapped": 0, "codes": 0}
    assert (tmp_path / "after.csv").read_text("utf-8") == "system,code,display,count,patients,unit\n"


@pytest.mark.parametrize("verb", ["read", "assess", "explain"])
def test_a_wrong_map_ends_the_command_with_one_line_and_nothing_written(run: Run, tmp_path: Path, verb: str) -> None:
    wrong = tmp_path / "map.csv"
    wrong.write_text(f"{HEADER}{LOCAL},LDH,http://loinc.org,2532-0\n", "utf-8")
    arguments = () if verb == "read" else ASK
    code, out, err = run(verb, str(ILL), *arguments, "--map", str(wrong))
    assert (code, out) == (2, "")
    assert err.startswith(f"cdss {verb}: map.csv, row 2: LDH -> 2532-0: ")
    assert err.count("\n") == 1


def test_a_batch_says_which_map_it_was_made_with(run: Run, local: Path, krea: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(f"subject,index_time\nexample-1,{INDEX}\n", "utf-8")
    out = ("--out", str(tmp_path / "a.ndjson"))
    arguments = ("assess", str(local), "--model", MODEL, "--cohort", str(cohort), *out, "--map", str(krea))
    _, text, _ = run(*arguments, "--json")
    assert json.loads(text)["code_map"]["codes"] == 1
    _, text, _ = run(*arguments)
    assert "1 own code mapped by map.csv" in text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--unmapped", "codes.csv", "--subject", "example-1"), "--unmapped counts the codes of a whole source"),
        (("--unmapped", "codes.csv", "--rejections", "codes.csv"), "would be written over"),
        (("--unmapped", "map.csv", "--map", "map.csv"), "would be written over"),
        (("--map", "absent.csv"), "absent.csv: no such file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("read", str(ILL), *arguments)
    assert code == 2
    assert why in err


def test_python_takes_the_same_map(local: Path, krea: Path) -> None:
    model = cdss.load_model(MODEL)
    record = cdss.read(local, code_map=krea)
    answer = model.assess(record, INDEX)
    assert isinstance(answer, cdss.RiskEstimate)
    assert answer.probability == model.assess(cdss.read(ILL), INDEX).probability
    frame = cdss.assess_cohort(local, model, [{"subject": "example-1", "index_time": INDEX}], code_map=krea)
    assert frame["probability"].tolist() == [answer.probability]
