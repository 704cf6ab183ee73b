"""`cdss read --report`: two files or none, beside the same answer as without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdss.cli import quality
from cdss.cli.main import main
from cdss.errors import IntegrityError

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
WRONG = str(EXAMPLES / "wrong-unit.json")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_a_page_and_its_figures_are_written(run, tmp_path):
    folder = tmp_path / "new" / "report"
    code, out, err = run("read", WRONG, "--report", str(folder))
    assert (code, err) == (0, "")
    assert f"data-quality report: {folder / 'report.html'}" in out
    assert sorted(path.name for path in folder.iterdir()) == ["quality.json", "report.html"]
    figures = json.loads((folder / "quality.json").read_text("utf-8"))
    assert figures["source"] == "wrong-unit.json"
    assert (folder / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_the_answer_is_the_same_with_and_without_a_report(run, tmp_path):
    _, plain, _ = run("read", WRONG, "--json")
    code, told, err = run("read", WRONG, "--json", "--report", str(tmp_path))
    assert (code, err) == (0, "")
    assert told == plain
    said, figures = json.loads(plain), json.loads((tmp_path / "quality.json").read_text("utf-8"))
    for name in ("resources", "used", "not_needed", "put_aside", "refused", "events"):
        assert figures["counts"][name] == said[name]


def test_a_second_report_replaces_the_first(run, tmp_path):
    for _ in range(2):
        assert run("read", WRONG, "--report", str(tmp_path))[0] == 0


@pytest.mark.parametrize("more", [("--subject", "example-1")])
def test_a_report_of_one_patient_is_refused(run, tmp_path, more):
    code, _, err = run("read", WRONG, *more, "--report", str(tmp_path / "r"))
    assert code == 2
    assert "whole source" in err
    assert not (tmp_path / "r").exists()


def test_a_report_is_never_put_into_what_is_read(run, tmp_path):
    source = tmp_path / "export"
    source.mkdir()
    (source / "a.json").write_bytes(Path(WRONG).read_bytes())
    for folder in (source, source / "report"):
        code, _, err = run("read", str(source), "--report", str(folder))
        assert code == 2
        assert "what is read" in err
    assert [path.name for path in source.iterdir()] == ["a.json"]


def test_a_report_is_not_written_over_a_file_that_is_read_or_is_no_directory(run, tmp_path):
    (tmp_path / "quality.json").write_bytes(Path(WRONG).read_bytes())
    assert run("read", str(tmp_path / "quality.json"), "--report", str(tmp_path))[0] == 2
    code, _, err = run("read", WRONG, "--report", str(tmp_path / "quality.json"))
    assert (code, "directory" in err) == (2, True)


def test_counts_that_do_not_agree_end_with_exit_4_and_no_file(run, tmp_path, monkeypatch):
    def broken(*arguments: object) -> None:
        raise IntegrityError("wrong-unit.json: the report is not written, because its counts do not agree")

    monkeypatch.setattr(quality, "make_report", broken)
    code, _, err = run("read", WRONG, "--report", str(tmp_path))
    assert code == 4
    assert "do not agree" in err
    assert list(tmp_path.iterdir()) == []


def test_a_refused_source_has_no_report(run, tmp_path):
    (tmp_path / "bad.json").write_text("{", "utf-8")
    assert run("read", str(tmp_path / "bad.json"), "--report", str(tmp_path / "r"))[0] == 3
    assert not list((tmp_path / "r").glob("*"))
