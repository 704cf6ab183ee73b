"""One frozen `Settings`, read once in a door: from cdss.toml, then `CDSS_*` variables; unknown keys are refused."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cdss.errors import UsageError

_PREFIX = "CDSS_"
# Variables of tests and of finding faults; they set nothing here.
_OTHER = frozenset({"CDSS_TRACEBACK", "CDSS_TEST_DATA"})
_MOST = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment chooses; each is a key of cdss.toml, or `CDSS_` and its name in capitals.

    Parameters
    ----------
    home : str
        Directory of store, keys and registry.
    store : str
        Another store: `sqlite:///FILE` or `postgresql://USER@HOST/NAME`. Empty is cdss.db in `home`.
    host, port : str, int
        Where app and HTTP service listen.
    public_url : str
        How browsers reach them, if not as `http://HOST:PORT`; with https, cookies are marked Secure.
    frame_ancestors : str
        Origins that may show the app in a frame, with blanks between; none may unless they are named.
    environment : str
        Name shown on every page, such as the hospital and whether this is its test system.
    """

    home: str = ".cdss"
    store: str = field(default="", repr=False)  # may hold a password
    host: str = "127.0.0.1"
    port: int = 8501
    public_url: str = ""
    frame_ancestors: str = ""
    environment: str = ""

    @property
    def store_url(self) -> str:
        """The store in force."""
        return self.store or f"sqlite:///{Path(self.home) / 'cdss.db'}"

    @property
    def url(self) -> str:
        """How a browser reaches the app."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


def read_settings(file: str | Path | None = None, variables: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """The settings of a file and of the variables; what is `given` counts most.

    Parameters
    ----------
    file : str or Path, optional
        A cdss.toml; the one in the working directory if it is there and none is named.
    variables : mapping, optional
        The environment.
    **given
        Options of a command; None is not given.

    Raises
    ------
    UsageError
        If a key is unknown, or a value is not of its kind; the message names the key, never the value.
    """
    known = {one.name: one.type for one in fields(Settings)}
    found: dict[str, Any] = _of_file(file)
    environment = os.environ if variables is None else variables
    found |= {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_PREFIX) and name not in _OTHER and value
    }
    found |= {name: value for name, value in given.items() if value is not None}
    if unknown := sorted(set(found) - set(known)):
        raise UsageError(f"Unknown setting {unknown[0]}. Known are {', '.join(known)}.")
    if "port" in found:
        found["port"] = _port(found["port"])
    if wrong := [name for name, value in found.items() if name != "port" and not isinstance(value, str)]:
        raise UsageError(f"The setting {wrong[0]} is a text. Put it in quotes.")
    return Settings(**found)


def _of_file(file: str | Path | None) -> dict[str, Any]:
    path = Path("cdss.toml" if file is None else file)
    if file is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError(f"{path}: is not TOML. Correct it.") from None


def _port(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal()) or not 0 <= int(text) <= _MOST:
        raise UsageError(f"The setting port is a whole number from 0 to {_MOST}.")
    return int(text)
