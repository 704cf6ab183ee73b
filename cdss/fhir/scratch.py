"""Directories for a while: patients' data on disk that must not stay there, not even after a kill."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

_PREFIX = "cdss-scratch-"
_LOCK = ".lock"


class Scratch:
    """A directory for its owner alone (mode 0700) until `close`.

    Who holds it locks a file in it; the lock ends with the process, however that ends. The next one to make a
    directory removes what it finds unlocked.
    """

    def __init__(self) -> None:
        _sweep()
        held = False
        while not held:  # another one's sweep may come between the making and the lock
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = (self.folder / _LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            held = (self.folder / _LOCK).exists()

    def close(self) -> None:
        """Take the directory off the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _sweep() -> None:
    """Remove the directories that a killed process of the same user left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open() as lock:
                _remove_if_left(folder, lock)
        except OSError:
            continue  # another process sweeps, or is making it just now


def _remove_if_left(folder: Path, lock: IO[str]) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError, an OSError: it is held
    shutil.rmtree(folder, ignore_errors=True)
