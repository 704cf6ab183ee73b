"""A release: everything is checked before it is used, nothing is ever unpickled."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import ABOUT, edit_json, edit_manifest, release_files, rows, write

import cdss
from cdss.cli.main import main
from cdss.domain.digest import canonical_bytes, sha256
from cdss.errors import IntegrityError, UnknownModelError
from cdss.risk.artefact import FILES, MANIFEST, SIZE_LIMIT, open_release
from cdss.workflow.model import models_directory, shipped_releases

SHIPPED = "serious-illness-180d"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return release_files()


@pytest.fixture
def release(tmp_path: Path, files: dict[str, bytes]) -> Path:
    write(tmp_path / "release", files)
    return tmp_path / "release"


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any use of pickle fails the test."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(np, "load", refuse)


class Planted:
    """An object whose unpickling leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.mark,)


def refused(path: Path) -> str:
    """The message of the refusal; the command line ends with 4 for it."""
    with pytest.raises(IntegrityError) as caught:
        cdss.load_model(path)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_a_release_that_holds_together_is_loaded(release: Path) -> None:
    model = cdss.load_model(release)
    assert (model.spec.name, model.spec.version) == ("made-up", "0.1.0")
    assert model.reference.digest == sha256((release / MANIFEST).read_bytes())
    assert model.ranges.tolist() == [[-3.0, 3.0]] * 3


def test_what_is_loaded_scores_as_what_was_written(release: Path) -> None:
    from made_up import machine

    values = rows(50, seed=11)[0]
    before, after = machine().score(values), cdss.load_model(release).machine.score(values)
    assert (before.margin == after.margin).all()
    assert before.log_odds == after.log_odds
    assert (before.shap_values == after.shap_values).all()
    assert (before.spread == after.spread).all()


def test_the_same_files_give_the_same_digest(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert write(tmp_path / "a", files) == write(tmp_path / "b", dict(reversed(files.items())))


# ---- digests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_changed_byte_in_any_file_is_refused(release: Path, name: str, place: float) -> None:
    raw = bytearray((release / name).read_bytes())
    raw[int(place * (len(raw) - 1))] ^= 1
    (release / name).write_bytes(raw)
    assert f"{name} was changed" in refused(release)


@pytest.mark.parametrize("name", FILES)
def test_one_byte_more_or_less_in_any_file_is_refused(release: Path, name: str) -> None:
    raw = (release / name).read_bytes()
    for other in (raw + b"\n", raw[:-1]):
        (release / name).write_bytes(other)
        assert f"{name} was changed" in refused(release)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(release: Path, name: str) -> None:
    (release / name).unlink()
    assert f"{name} is missing" in refused(release)


def test_a_release_without_its_manifest_is_a_changed_release(release: Path) -> None:
    (release / MANIFEST).unlink()
    with pytest.raises(IntegrityError, match=MANIFEST):
        cdss.load_model(release)


def test_a_directory_with_nothing_of_a_release_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError) as caught:
        cdss.load_model(tmp_path)
    assert caught.value.exit_code == 2


def test_nothing_of_a_changed_release_reaches_a_parser(
    release: Path, monkeypatch: pytest.MonkeyPatch, no_pickle: None
) -> None:
    import xgboost

    def refuse(*_: object) -> None:
        pytest.fail("bytes without a good digest reached a parser")

    raw = bytearray((release / "card.md").read_bytes())
    raw[0] ^= 1
    (release / "card.md").write_bytes(raw)
    monkeypatch.setattr(xgboost.Booster, "load_model", refuse)
    monkeypatch.setattr("cdss.workflow.model.read_spec", refuse)
    refused(release)


# ---- the manifest ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held["files"].pop("card.md"),
        lambda held: held["files"].update({"notes.txt": {"sha256": "sha256:0", "bytes": 1}}),
        lambda held: held["files"].update({"../card.md": held["files"].pop("card.md")}),
    ],
    ids=["one less", "one more", "another path"],
)
def test_a_manifest_that_lists_other_files_is_refused(release: Path, change: Callable[[Any], Any]) -> None:
    edit_manifest(release, change)
    assert MANIFEST in refused(release)


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(schema=2),
        lambda held: held.update(schema="1"),
        lambda held: held.pop("schema"),
        lambda held: held.pop("files"),
        lambda held: held.update(files=[]),
        lambda held: held.update(files=dict.fromkeys(held["files"], 3)),
        lambda held: held["files"]["card.md"].pop("bytes"),
        lambda held: held.pop("name"),
        lambda held: held.update(version=1),
    ],
)
def test_a_manifest_of_another_schema_is_refused(release: Path, change: Callable[[Any], Any]) -> None:
    edit_manifest(release, change)
    assert MANIFEST in refused(release)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda raw: json.dumps(json.loads(raw), indent=1).encode(),
        lambda raw: raw + b"\n",
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b'{"features"', b'{"a":NaN,"features"', 1),
        lambda raw: raw.replace(b'{"features"', b'{"a":1.0,"features"', 1),
        lambda raw: raw[:-1] + b',"version":"0.1.0"}',
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"[]",
        lambda raw: b"[" * 100_000,
        lambda raw: b"\xff" + raw,
        lambda raw: b"",
    ],
    ids=["spread", "newline", "BOM", "NaN", "float", "key twice", "cut", "list", "deep", "not UTF-8", "empty"],
)
def test_a_manifest_that_is_not_in_its_one_form_is_refused(release: Path, rewrite: Callable[[bytes], bytes]) -> None:
    (release / MANIFEST).write_bytes(rewrite((release / MANIFEST).read_bytes()))
    assert MANIFEST in refused(release)


def test_a_manifest_of_another_model_or_version_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    for number, about in enumerate(({"name": "another"}, {"version": "9.9.9"})):
        write(tmp_path / str(number), files, **about)
        assert "name different releases" in refused(tmp_path / str(number))


@pytest.mark.parametrize(
    "features",
    [
        [],
        ABOUT["features"][:2],
        [*ABOUT["features"][:2], {**ABOUT["features"][2], "name": "other"}],
        [ABOUT["features"][1], ABOUT["features"][0], ABOUT["features"][2]],
        [{**entry, "low": "x"} for entry in ABOUT["features"]],
        [{"name": entry["name"]} for entry in ABOUT["features"]],
        [{**entry, "unit": "furlong"} for entry in ABOUT["features"]],
        [{**entry, "high": "nan"} for entry in ABOUT["features"]],
        7,
    ],
)
def test_a_manifest_of_other_features_is_refused(tmp_path: Path, files: dict[str, bytes], features: Any) -> None:
    write(tmp_path / "r", files, features=features)
    assert "list different features" in refused(tmp_path / "r")


# ---- files of another kind ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_link_in_place_of_a_file_is_refused(release: Path, tmp_path: Path, name: str) -> None:
    shutil.move(release / name, tmp_path / "elsewhere")
    (release / name).symlink_to(tmp_path / "elsewhere")
    assert "is not a plain file" in refused(release)


@pytest.mark.parametrize("name", ["model.ubj", MANIFEST])
def test_a_directory_or_a_pipe_in_place_of_a_file_is_refused(release: Path, name: str) -> None:
    (release / name).unlink()
    (release / name).mkdir()
    assert "is not a plain file" in refused(release)
    (release / name).rmdir()
    os.mkfifo(release / name)
    assert "is not a plain file" in refused(release)


@pytest.mark.parametrize("name", ["model.ubj", MANIFEST])
def test_a_file_larger_than_any_of_a_release_is_refused(release: Path, name: str) -> None:
    os.truncate(release / name, SIZE_LIMIT + 1)
    assert "is larger than any file of a release" in refused(release)


# ---- right digests, wrong contents ----------------------------------------------------------------------------------


def test_a_pickle_in_place_of_the_trees_is_never_loaded(
    tmp_path: Path, files: dict[str, bytes], no_pickle: None
) -> None:
    mark = tmp_path / "mark"
    for number, name in enumerate(("model.ubj", "calibrator.json", "interval.json", "golden.json", "spec.toml")):
        write(tmp_path / str(number), {**files, name: pickle.dumps(Planted(mark))})
        refused(tmp_path / str(number))
    assert not mark.exists()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_cut_trees_with_a_right_digest_are_refused(tmp_path: Path, files: dict[str, bytes], kept: float) -> None:
    cut = files["model.ubj"][: int(kept * len(files["model.ubj"]))]
    write(tmp_path / "r", {**files, "model.ubj": cut})
    refused(tmp_path / "r")


@pytest.mark.parametrize("name", ["calibrator.json", "interval.json", "golden.json", "spec.toml"])
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"3", b'"text"', b"\xff", b"{}", b"[" * 100_000])
def test_a_part_of_another_shape_is_refused(tmp_path: Path, files: dict[str, bytes], name: str, raw: bytes) -> None:
    write(tmp_path / "r", {**files, name: raw})
    refused(tmp_path / "r")


NUMBERS = {
    "calibrator intercept NaN": ("calibrator.json", lambda held: held.update(intercept=math.nan)),
    "calibrator weight infinite": ("calibrator.json", lambda held: held.update(weights=[math.inf])),
    "calibrator with two weights": ("calibrator.json", lambda held: held.update(weights=[1.0, 2.0])),
    "calibrator without weights": ("calibrator.json", lambda held: held.pop("weights")),
    "calibrator of another schema": ("calibrator.json", lambda held: held.update(schema=2)),
    "team weight NaN": ("calibrator.json", lambda held: held["team"].update(weights=[math.nan, 1.0])),
    "team clip 0.5": ("calibrator.json", lambda held: held["team"].update(clip=0.5)),
    "team clip NaN": ("calibrator.json", lambda held: held["team"].update(clip=math.nan)),
    "team a list": ("calibrator.json", lambda held: held.update(team=[1])),
    "no word on the team": ("calibrator.json", lambda held: held.pop("team")),
    "interval level NaN": ("interval.json", lambda held: held.update(level=math.nan)),
    "interval of another schema": ("interval.json", lambda held: held.update(schema=2)),
    "interval member lost": ("interval.json", lambda held: held["calibrators"].pop()),
    "interval weight infinite": ("interval.json", lambda held: held["calibrators"][0].update(weights=[math.inf])),
    "interval base infinite": ("interval.json", lambda held: held["forest"].update(base=math.inf)),
    "interval depth infinite": ("interval.json", lambda held: held["forest"].update(depth=math.inf)),
    "interval leaves lost": ("interval.json", lambda held: held["forest"].update(leaf="AAAA")),
    "golden answer moved": ("golden.json", lambda held: held["margin"].__setitem__(3, held["margin"][3] + 1e-4)),
    "golden answer NaN": ("golden.json", lambda held: held["margin"].__setitem__(3, math.nan)),
    "golden answer lost": ("golden.json", lambda held: held["margin"].pop()),
    "golden row changed": ("golden.json", lambda held: held["rows"].__setitem__(0, [9.0, -9.0, None])),
    "golden vectors of another schema": ("golden.json", lambda held: held.update(schema=2)),
    "too few golden vectors": (
        "golden.json", lambda held: held.update(rows=held["rows"][:31], margin=held["margin"][:31]),
    ),
    "golden rows of another width": ("golden.json", lambda held: held.update(rows=[row[:2] for row in held["rows"]])),
    "golden rows of several widths": ("golden.json", lambda held: held["rows"][0].pop()),
    "golden rows of text": ("golden.json", lambda held: held["rows"].__setitem__(0, ["a", "b", "c"])),
}  # fmt: skip


@pytest.mark.parametrize("what", NUMBERS)
def test_right_digests_over_wrong_numbers_are_refused(tmp_path: Path, files: dict[str, bytes], what: str) -> None:
    name, change = NUMBERS[what]
    changed = edit_json(files, name, lambda held: [change(held), held][1])
    assert changed[name] != files[name]
    write(tmp_path / "r", changed)
    refused(tmp_path / "r")


def test_trees_of_another_model_are_refused_by_the_golden_vectors(tmp_path: Path, files: dict[str, bytes]) -> None:
    from made_up import grown

    write(tmp_path / "r", {**files, "model.ubj": bytes(grown(seed=99).save_raw("ubj"))})
    assert "golden vector" in refused(tmp_path / "r")


def test_trees_over_another_number_of_features_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    from made_up import grown

    write(tmp_path / "r", {**files, "model.ubj": bytes(grown(features=4).save_raw("ubj"))})
    assert "same features" in refused(tmp_path / "r")


def test_a_specification_with_another_feature_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    more = files["spec.toml"] + files["spec.toml"][files["spec.toml"].index(b"[[feature]]") :].replace(
        b'name = "', b'name = "second '
    )
    write(tmp_path / "r", {**files, "spec.toml": more})
    assert "same features" in refused(tmp_path / "r")


def test_a_specification_that_breaks_its_rules_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    spec = files["spec.toml"].replace(b"threshold = 0.5", b"threshold = 5.0")
    write(tmp_path / "r", {**files, "spec.toml": spec})
    assert "must not be used" in refused(tmp_path / "r")


def test_floats_have_no_place_in_a_manifest(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(TypeError):
        write(tmp_path / "r", files, threshold=0.5)


def test_numbers_that_are_not_finite_are_never_written() -> None:
    from cdss.risk.artefact import json_bytes

    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"intercept": math.nan})


# ---- what ships -----------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped models, copied to where one may change them."""
    shutil.copytree(models_directory(), tmp_path / "models")
    monkeypatch.setattr("cdss.workflow.model.models_directory", lambda: tmp_path / "models")
    (where,) = (tmp_path / "models" / SHIPPED / "releases").iterdir()
    return where


def rewritten(folder: Path) -> None:
    """Change the card and make the manifest agree: every digest inside holds, but it is not what was shipped."""
    card = (folder / "card.md").read_bytes() + b"\nUse it for everything.\n"
    (folder / "card.md").write_bytes(card)
    edit_manifest(folder, lambda held: held["files"].update({"card.md": {"sha256": sha256(card), "bytes": len(card)}}))


def test_each_shipped_release_is_pinned_by_the_digest_of_its_manifest() -> None:
    shipped = shipped_releases()
    assert shipped
    for key, digest in shipped.items():
        name, _, version = key.partition("@")
        stored = open_release(models_directory() / name / "releases" / version)
        assert stored.digest == digest
        assert cdss.load_model(name).reference.digest == digest
        assert cdss.load_model(key).reference.digest == digest


def test_a_shipped_release_is_canonical_and_small() -> None:
    for folder in (models_directory() / SHIPPED / "releases").iterdir():
        raw = (folder / MANIFEST).read_bytes()
        assert canonical_bytes(json.loads(raw)) == raw
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 2 << 20
        assert {file.name for file in folder.iterdir()} == {*FILES, MANIFEST}
        assert len(json.loads((folder / "golden.json").read_bytes())["rows"]) >= 32


def test_a_shipped_release_that_was_rewritten_is_refused_by_name_and_by_path(copy: Path) -> None:
    cdss.load_model(SHIPPED)
    rewritten(copy)
    for name in (SHIPPED, f"{SHIPPED}@{copy.name}", str(copy), f"{copy}/", f"{copy}/../{copy.name}"):
        with pytest.raises(IntegrityError, match="not the one this version"):
            cdss.load_model(name)


def test_a_release_the_package_was_not_shipped_with_is_not_found_by_name(copy: Path) -> None:
    shutil.copytree(copy, copy.parent / "9.9.9")
    with pytest.raises(UnknownModelError):
        cdss.load_model(f"{SHIPPED}@9.9.9")
    assert cdss.load_model(SHIPPED).spec.version != "9.9.9"


@pytest.mark.parametrize("name", ["", ".", "..", "nothing", "nothing@1.0.0", "serious-illness-180d@", "/nowhere"])
def test_a_name_nobody_knows_is_unknown_and_not_broken(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModelError):
        cdss.load_model(name)


def test_a_changed_release_ends_the_command_line_with_4(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_pickle: None
) -> None:
    from patients import INDEX, seriously_ill

    (tmp_path / "p.json").write_text(json.dumps(seriously_ill().as_bundle()))
    ask = ["assess", str(tmp_path / "p.json"), "--model", str(release), "--index-time", INDEX]
    assert main(ask) == 0
    capsys.readouterr()
    raw = bytearray((release / "model.ubj").read_bytes())
    raw[len(raw) // 2] ^= 1
    (release / "model.ubj").write_bytes(raw)
    assert main(ask) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "model.ubj was changed" in said.err
