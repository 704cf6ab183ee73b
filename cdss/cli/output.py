"""What every verb shares: one JSON document, progress on a terminal, files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cdss.errors import UsageError

_SHOWN_AFTER_S = 2.0


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


@contextmanager
def progress(what: str, total: int | None, unit: str, *, quiet: bool) -> Iterator[Callable[[int], Any]]:
    """A progress bar on a terminal, once it took two seconds."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from tqdm import tqdm

    scale = unit == "B"
    with tqdm(total=total, desc=what, unit=unit, unit_scale=scale, delay=_SHOWN_AFTER_S, leave=False) as bar:
        yield bar.update


def source_size(path: str) -> int:
    """Bytes of the files of a source, for the progress bar."""
    place = Path(path)
    if place.is_dir():
        return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return place.stat().st_size if place.is_file() else 0


def keep_apart(out: str | None, *others: str | None) -> None:
    """Refuse to write over what is read, or two outputs into one file.

    Raises
    ------
    UsageError
        Naming the path.
    """
    if out is None:
        return
    target = Path(out).resolve()
    for other in others:
        place = Path(other).resolve() if other else None
        if place is not None and (target == place or (target.exists() and place in target.parents)):
            raise UsageError(f"{show(out)}: would be written over what is read or written already. Name another file.")


@contextmanager
def whole_folder(path: str, source: str) -> Iterator[Path]:
    """A scratch directory, for its owner alone, that becomes `path` only if all goes well.

    Raises
    ------
    UsageError
        If something stands there already, it lies in the source, or nothing can be written there.
    """
    target = Path(path).resolve()
    if Path(source).resolve() in (target, *target.parents):
        raise UsageError(f"{show(path)}: lies in what is read. Name another directory.")
    if target.exists():
        raise UsageError(f"{show(path)}: is there already. Name a new directory.")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UsageError(f"{show(path)}: cannot be made ({error.strerror}). Name another directory.") from error
    try:
        yield scratch
        os.replace(scratch, target)
    except OSError as error:
        raise UsageError(f"{show(path)}: cannot be written ({error.strerror}). Name another directory.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A scratch path that becomes `path` only if all goes well.

    Raises
    ------
    UsageError
        If the directory is not there or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{path}: is a directory. Name a file.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Name another file.") from error
    scratch = Path(name)
    try:
        yield scratch
        scratch.chmod(0o644)
        os.replace(scratch, target)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Name another file.") from error
    finally:
        scratch.unlink(missing_ok=True)


def show(text: str) -> str:
    """Text of a record for a terminal: control and formatting characters made visible."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def counted(number: int, noun: str) -> str:
    """`1 patient`, `2 patients`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
