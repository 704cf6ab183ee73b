"""Settings: one frozen value, from a file, then the environment, then what a command was given; no guessing."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.errors import UsageError
from cdss.settings import Settings, read_settings

NAMES = [one.name for one in fields(Settings)]
TEXTS = [name for name in NAMES if name != "port"]
SECRET = "postgresql://cdss:hunter2@db/ledger"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cdss.toml of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)


def toml(text: str) -> str:
    Path("cdss.toml").write_text(text, "utf-8")
    return "cdss.toml"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sources", [1, 2, 3])
def test_a_command_counts_more_than_the_environment_and_that_more_than_the_file(name: str, sources: int) -> None:
    values: list[Any] = [8601, "8602", 8603] if name == "port" else ["in file", "in environment", "given"]
    toml(f"{name} = {values[0]!r}")
    variables = {f"CDSS_{name.upper()}": values[1]} if sources > 1 else {}
    given = {name: values[2]} if sources > 2 else {name: None}
    found = getattr(read_settings(variables=variables, **given), name)
    assert found == (int(values[sources - 1]) if name == "port" else values[sources - 1])


def test_without_anything_the_defaults_hold() -> None:
    found = read_settings(variables={})
    assert found == Settings()
    assert (found.store_url, found.url) == ("sqlite:///.cdss/cdss.db", "http://127.0.0.1:8501")
    assert found.host == "127.0.0.1", "nobody from outside unless it is asked for"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(variables={"CDSS_HOME": "", "CDSS_PORT": ""}) == Settings()
    monkeypatch.setenv("CDSS_HOME", "from the real environment")
    assert read_settings().home == "from the real environment"


@pytest.mark.parametrize("variable", ["CDSS_TRACEBACK", "CDSS_TEST_DATA"])
def test_variables_of_tests_and_of_finding_faults_are_no_settings(variable: str) -> None:
    assert read_settings(variables={variable: "1", "HOME": "/root", "PORT": "1"}) == Settings()


@given(name=st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True).filter(lambda name: name not in NAMES))
def test_an_unknown_key_is_refused_by_its_name_wherever_it_stands(name: str) -> None:
    for variables, option in (({f"CDSS_{name.upper()}": SECRET}, {}), ({}, {name: SECRET})):
        if f"CDSS_{name.upper()}" in ("CDSS_TRACEBACK", "CDSS_TEST_DATA"):
            continue
        with pytest.raises(UsageError) as refused:
            read_settings(variables=variables, file=None, **({} if name in ("file", "variables") else option))
        assert f"Unknown setting {name}." in str(refused.value)
        assert "hunter2" not in str(refused.value)
        assert all(known in str(refused.value) for known in NAMES)
        if name in ("file", "variables"):
            break


@pytest.mark.parametrize("text", [f'stor = "{SECRET}"', f'[store]\nurl = "{SECRET}"', f'[ledger]\nx = "{SECRET}"'])
def test_an_unknown_key_of_the_file_is_refused_without_its_value(text: str) -> None:
    toml(text)
    with pytest.raises(UsageError) as refused:
        read_settings(variables={})
    assert "hunter2" not in str(refused.value)
    assert any(name in str(refused.value) for name in ("stor", "ledger"))


@given(port=st.one_of(st.integers(0, 65535), st.integers(0, 65535).map(str)))
def test_a_port_is_a_whole_number_from_0_to_65535(port: int | str) -> None:
    assert read_settings(variables={}, port=port).port == int(port)


@pytest.mark.parametrize("port", [-1, 65536, 10**9, 85.5, True, "", " 8501", "8501 ", "+8501", "0x1f", "٨٥٠١", "x", []])
def test_no_other_port_is_taken_and_none_is_repeated(port: Any) -> None:
    with pytest.raises(UsageError, match="The setting port is a whole number from 0 to 65535") as refused:
        read_settings(variables={}, port=port)
    assert "85.5" not in str(refused.value)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["7", "true", "[]", "2026-03-14"])
def test_a_text_is_a_text(name: str, value: str) -> None:
    toml(f"{name} = {value}")
    with pytest.raises(UsageError, match=f"The setting {name} is a text. Put it in quotes."):
        read_settings(variables={})


def test_the_file_in_the_working_directory_is_read_and_another_where_it_is_named(tmp_path: Path) -> None:
    toml('home = "here"')
    (tmp_path / "other.toml").write_text('home = "there"', "utf-8")
    assert read_settings(variables={}).home == "here"
    assert read_settings(tmp_path / "other.toml", variables={}).home == "there"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b'home = "x', "is not TOML"), (b"\xff\xfe", "is not TOML"), (b"home", "is not TOML"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "site.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=why) as refused:
        read_settings(path, variables={})
    assert "site.toml" in str(refused.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path, variables={})


def test_a_file_saved_by_an_editor_of_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes('home = "Krankenhaus Süd"\r\nport = 8600\r\n'.encode())
    found = read_settings(tmp_path / "site.toml", variables={})
    assert (found.home, found.port) == ("Krankenhaus Süd", 8600)


def test_where_the_app_is_reached() -> None:
    assert Settings(host="0.0.0.0", port=9).url == "http://0.0.0.0:9"
    assert Settings(public_url="https://cdss.example.org/").url == "https://cdss.example.org"
    assert Settings(store=SECRET).store_url == SECRET
    assert Settings(home="/var/lib/cdss").store_url == "sqlite:////var/lib/cdss/cdss.db"


def test_settings_do_not_change_once_they_are_read() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert Settings(host="::1").url == "http://[::1]:8501"


def test_a_secret_in_the_store_url_is_not_in_what_settings_look_like() -> None:
    assert "hunter2" not in repr(Settings(store=SECRET))
