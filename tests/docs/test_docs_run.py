"""The documentation runs: its Python and its commands, with the output it shows."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cdss
from cdss.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND_PAGES = [page for page in PAGES if page.name == "README.md" or page.parent.name == "how-to"]
EVERY_ROW = 12
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command of a page, the exit code the page shows for it (0 if none), and the output it shows."""

    line: str
    exit_code: int
    shown: tuple[str, ...]


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in _BLOCK.findall(page.read_text("utf-8")) if language in languages]


def commands(block: str) -> list[Command]:
    """The commands of a block; `$ echo $?` below one is followed by the exit code of that one."""
    lines = block.replace("\\\n", " ").splitlines()
    has_prompts = any(line.startswith("$ ") for line in lines)
    found: list[Command] = []
    for line in lines:
        if line.startswith("$ cdss ") or (not has_prompts and line.startswith("cdss ")):
            found.append(Command(line.removeprefix("$ "), 0, ()))
        elif not found or not has_prompts or line == "$ echo $?":
            continue
        elif re.fullmatch(r"\d", line):
            found[-1] = Command(found[-1].line, int(line), found[-1].shown)
        else:
            found[-1] = Command(found[-1].line, found[-1].exit_code, (*found[-1].shown, line))
    return found


def commands_of(page: Path, *, on_support2: bool) -> list[Command]:
    """The commands of a page that need SUPPORT2, or those that do not."""
    found = [command for block in blocks(page, "console", "sh") for command in commands(block)]
    return [command for command in found if ("support2" in command.line) is on_support2]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that looks like the repository from where the documentation speaks."""
    for name in ("docs", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def support2_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth row of SUPPORT2, so that both phases of the study are in it: quick, and enough to train on."""
    folder = request.getfixturevalue("data_set")("support2")
    part = tmp_path_factory.mktemp("support2") / "support2.csv"
    with (
        gzip.open(folder / "support2_dev.csv.gz", "rt", newline="") as whole,
        part.open("w", newline="") as out,
    ):
        writer = csv.writer(out)
        for number, row in enumerate(csv.reader(whole)):
            if number % EVERY_ROW == 0:
                writer.writerow(row)
    return part


def run(line: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(shlex.split(line)[1:])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
    return code, out.getvalue()


def python_blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, block in enumerate(blocks(page, "python"), start=1):
            yield f"{page.relative_to(ROOT)} {number}", block


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in python_blocks()])
@pytest.mark.usefixtures("workspace")
def test_python_of_the_documentation_runs(block: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "documentation", "exec"), {"__name__": "documentation"})
    # `print(...)  # -> text` shows the line that is printed.
    shown = re.findall(r"# -> (.*)$", block, re.MULTILINE)
    assert out.getvalue().splitlines()[: len(shown)] == shown


def check(command: Command) -> None:
    code, printed = run(command.line)
    assert code == command.exit_code, f"{command.line}\n{printed}"
    for line in command.shown:
        assert line == "..." or line in printed.splitlines(), f"{command.line} no longer prints: {line}\n{printed}"


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in COMMAND_PAGES])
@pytest.mark.usefixtures("workspace")
def test_commands_of_the_documentation_run(page: Path) -> None:
    for command in commands_of(page, on_support2=False):
        check(command)


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name) for page in COMMAND_PAGES if commands_of(page, on_support2=True)]
)
def test_commands_on_support2_run(page: Path, workspace: Path, support2_file: Path) -> None:
    (workspace / "support2.csv").symlink_to(support2_file)
    for command in commands_of(page, on_support2=True):
        check(command)


def test_the_readme_shows_commands_and_python() -> None:
    readme = ROOT / "README.md"
    assert len(list(python_blocks())) >= 1
    assert sum(len(commands(block)) for block in blocks(readme, "console", "sh")) >= 4


def test_the_readme_figures_are_those_of_the_release() -> None:
    """Each row of the README's table of figures is rebuilt from evaluation.json."""
    evidence = json.loads((cdss.load_model("serious-illness-180d").path / "evaluation.json").read_text("utf-8"))

    def cell(table: dict[str, dict[str, dict[str, float]]], who: str, measure: str, digits: int) -> str:
        found = table[who][measure]
        return f"{found['value']:.{digits}f} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"

    def row(label: str, table: dict[str, dict[str, dict[str, float]]], measure: str, digits: int) -> str:
        return " | ".join([f"| {label}", *(cell(table, who, measure, digits) for who in PARTIES)]) + " |"

    team = evidence["team"]
    everyone, differ = team["all"], team["disagree"]
    share = differ["team"]["n"] / everyone["team"]["n"]
    expected = [
        row("AUROC", everyone, "auroc", 3),
        row("Calibration slope", everyone, "calibration_slope", 2),
        row("Observed / expected", everyone, "observed_expected", 2),
        row("Brier score (lower is better)", everyone, "brier", 3),
        row("AUROC where the two differ by 0.3 or more", differ, "auroc", 3),
        f"{everyone['team']['n']:,} rows with a clinician's estimate",
        f"they differ by 0.3 or more in {share:.0%} of them",
        f"{evidence['attrition']['cohort'] - evidence['attrition']['used']} of "
        f"{evidence['attrition']['cohort']:,} rows get no number",
        f"On all {evidence['machine']['n']:,} rows with a number, the machine alone has AUROC "
        f"{evidence['machine']['auroc']['value']:.3f}",
    ]
    lacking, heart = evidence["abstained"]["too-many-missing"], evidence["abstained"]["required-missing: hrt"]
    said = f"{lacking['n']} lack too many measurements, and {heart['n']} have no usable heart rate"
    card = " ".join((ROOT / "docs/reference/serious-illness-180d.md").read_text("utf-8").split())
    assert said in card
    assert f"Of those {heart['n']}, {heart['events']} died" in card
    for page in ("README.md", "docs/reference/serious-illness-180d.md"):
        text = " ".join((ROOT / page).read_text("utf-8").split())
        for line in expected:
            assert line in text, f"{page} should say: {line}"


@pytest.mark.parametrize("left_out", ["scoma", "adlsc", "num-co"])
def test_without_a_score_of_the_study_there_is_no_estimate(tmp_path: Path, left_out: str) -> None:
    bundle = json.loads((ROOT / "docs/examples/seriously-ill.json").read_text("utf-8"))
    kept = [entry for entry in bundle["entry"] if entry["resource"]["id"] != left_out]
    (tmp_path / "one.json").write_text(json.dumps({**bundle, "entry": kept}), encoding="utf-8")
    answer = cdss.load_model("serious-illness-180d").assess(cdss.read(tmp_path / "one.json"), "2026-01-04T00:00:00Z")
    assert isinstance(answer, cdss.Abstention)
    assert [reason.code for reason in answer.reasons] == ["required-missing"]


PARTIES = ("clinician", "machine", "team")
