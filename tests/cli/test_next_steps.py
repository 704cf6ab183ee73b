"""What was not used is told with the record, the reason and the next step; odd names and odd sources are told too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdss.cli.main import main
from cdss.domain.reasons import known_reasons

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ILL, WRONG, INCOMPLETE = (EXAMPLES / f"{name}.json" for name in ("seriously-ill", "wrong-unit", "incomplete"))
ASK = ("--model", "serious-illness-180d", "--index-time", "2026-01-04T00:00:00Z")
NAME = b"e\xff.json"  # no UTF-8
SHOWN = "e\\xff.json"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def spoil(tmp_path: Path) -> Callable[[Path, int], str]:
    """A patient of the examples whose last so many laboratory results have no unit."""

    def made(example: Path, results: int) -> str:
        bundle: dict[str, Any] = json.loads(example.read_text("utf-8"))
        quantities = [
            entry["resource"]["valueQuantity"]
            for entry in bundle["entry"]
            if entry["resource"].get("valueQuantity", {}).get("code") in ("mmol/L", "g/dL", "mg/dL", "/min", "Cel")
        ]
        assert len(quantities) >= results
        for quantity in quantities[len(quantities) - results :]:
            quantity["code"] = quantity["unit"] = "mm[Hg]"
        (tmp_path / "spoilt.json").write_text(json.dumps(bundle), "utf-8")
        return str(tmp_path / "spoilt.json")

    return made


# ---- the next step --------------------------------------------------------------------------------------------------


def test_read_tells_the_next_step_under_each_reason(run: Run) -> None:
    code, out, _ = run("read", str(WRONG))
    assert code == 0
    lines = out.splitlines()
    at = next(number for number, line in enumerate(lines) if "unit-wrong-dimension" in line)
    assert "Observation/creatinine-evening" in lines[at]
    assert lines[at + 1].strip() == f"to do: {known_reasons()['unit-wrong-dimension'].remedy}"
    assert sum("to do: " in line for line in lines) == sum(line.startswith(("  error", "  note")) for line in lines)


def test_read_tells_the_next_step_under_what_blocks_a_score(run: Run, tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "id": "a", "deceasedBoolean": True, "active": False}
    (tmp_path / "one.json").write_text(json.dumps(patient), "utf-8")
    _, out, _ = run("read", str(tmp_path / "one.json"))
    for reason in ("deceased", "patient-inactive"):
        assert f"no score: {reason} (Patient/a" in out
        assert f"to do: {known_reasons()[reason].block_remedy}" in out


def test_read_tells_the_step_once_for_many_blocks_of_one_reason(run: Run, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.json").write_text("{", "utf-8")
    _, out, _ = run("read", str(tmp_path))
    assert out.count("no score: source-incomplete") == 10
    assert out.count(f"to do: {known_reasons()['source-incomplete'].block_remedy}") == 1
    assert "no score: and 2 more" in out


def test_findings_as_json_have_the_five_fields_and_no_more(run: Run) -> None:
    _, out, _ = run("read", str(WRONG), "--json")
    for finding in json.loads(out)["rejections"]:
        assert list(finding) == ["source", "location", "reason", "severity", "message"]


def test_an_explanation_tells_the_next_step_of_what_was_not_used(run: Run) -> None:
    _, out, _ = run("explain", str(WRONG), *ASK)
    assert f"to do: {known_reasons()['unit-wrong-dimension'].remedy}" in out


# ---- what could have been used and was not --------------------------------------------------------------------------


def test_an_estimate_says_what_was_not_used(run: Run) -> None:
    _, out, _ = run("assess", str(WRONG), *ASK)
    estimate, below = out.splitlines()
    assert "death 45%" in estimate
    assert "not used: 1 finding, Observation/creatinine-evening unit-wrong-dimension" in below
    assert "cdss read" in below


def test_an_estimate_from_a_whole_record_says_nothing_below(run: Run) -> None:
    _, out, _ = run("assess", str(ILL), *ASK)
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("example", [ILL, INCOMPLETE])
def test_of_many_the_first_three_are_named_and_the_rest_is_counted(
    run: Run, spoil: Callable[[Path, int], str], example: Path
) -> None:
    path = spoil(example, 5)
    _, text, _ = run("assess", path, *ASK, "--json")
    errors = [found for found in json.loads(text)["findings"] if found["severity"] == "error"]
    _, out, _ = run("assess", path, *ASK)
    below = out.splitlines()[-1]
    assert f"not used: {len(errors)} findings, " in below
    assert all(f"{found['source']} {found['reason']}" in below for found in errors[:3])
    assert f" and {len(errors) - 3} more" in below


# ---- names that are not UTF-8 ---------------------------------------------------------------------------------------


def cdss(*arguments: str | bytes | Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "cdss", *arguments]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A directory with a good file and one of a name that is not UTF-8, which is cut."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "good.json").write_bytes(ILL.read_bytes())
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + NAME)).write_bytes(b"{")
    except OSError:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("this file system takes names in UTF-8 only")
    return folder


def test_a_name_that_is_not_utf8_is_visible_in_the_json(odd: Path) -> None:
    done = cdss("read", odd, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert SHOWN in {found["source"] for found in json.loads(done.stdout.decode("utf-8"))["rejections"]}


def test_a_name_that_is_not_utf8_is_visible_on_the_terminal(odd: Path) -> None:
    done = cdss("read", odd)
    assert (done.returncode, done.stderr) == (0, b"")
    assert SHOWN in done.stdout.decode("utf-8")


def test_findings_about_a_name_that_is_not_utf8_can_be_written(odd: Path, tmp_path: Path) -> None:
    out = tmp_path / "rejections.ndjson"
    assert cdss("read", odd, "--rejections", out).returncode == 0
    assert SHOWN in {json.loads(line)["source"] for line in out.read_text("utf-8").splitlines()}


@pytest.mark.parametrize("name", ["answers.ndjson", "answers.parquet"])
def test_answers_about_a_name_that_is_not_utf8_can_be_written(odd: Path, tmp_path: Path, name: str) -> None:
    done = cdss("assess", odd, *ASK, "--out", tmp_path / name)
    assert (done.returncode, done.stderr) == (0, b"")
    if name.endswith(".ndjson"):
        assert SHOWN in (tmp_path / name).read_text("utf-8").replace("\\\\", "\\")


def test_a_source_whose_own_name_is_not_utf8_is_read(odd: Path) -> None:
    (odd / "good.json").rename(os.fsdecode(os.fsencode(odd) + b"/" + NAME))
    for source in (odd, os.fsencode(odd) + b"/" + NAME):
        done = cdss("read", source, "--json")
        assert (done.returncode, done.stderr) == (0, b"")
        assert json.loads(done.stdout.decode("utf-8"))["used"] > 0


# ---- sources that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://fhir.example/r4", "http://fhir.example", "s3://bucket/export"])
@pytest.mark.parametrize("verb", ["read", "assess", "explain"])
def test_a_url_is_named_as_typed_and_as_what_it_is(run: Run, verb: str, url: str) -> None:
    code, out, err = run(verb, url, *(ASK if verb != "read" else ()))
    assert (code, out) == (2, "")
    assert f"{url}: is a URL" in err
    assert "servers are not read yet" in err


def test_a_pipe_is_neither_a_file_nor_a_directory(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    code, out, err = run("read", str(tmp_path / "pipe"))
    assert (code, out) == (2, "")
    assert "neither a file nor a directory" in err


def test_a_directory_in_place_of_a_data_set_is_named_as_one(run: Run, tmp_path: Path) -> None:
    code, _, err = run("dataset", "support2", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "is a directory" in err


def test_a_path_that_is_not_there_is_said_to_be_so(run: Run, tmp_path: Path) -> None:
    code, _, err = run("read", str(tmp_path / "nothing"))
    assert code == 2
    assert "no such file or directory" in err
