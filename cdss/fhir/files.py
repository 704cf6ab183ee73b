"""Files of a source, by name and by their first bytes, with limits on what a gzip member may grow to."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

from cdss.errors import InputRefusedError, SourceNotFoundError
from cdss.fhir.strict import BOM

GZIP_RATIO_LIMIT = 100
GZIP_SLACK = 1 << 20
DOCUMENT_LIMIT = 1 << 30
LINE_LIMIT = 1 << 26
_CHUNK = 1 << 16  # what a processor keeps at hand while it is cut into lines
_SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")
_LOOKS_LIKE_FHIR = re.compile(r"\.(?:nd)?json(?:l|\.[a-z0-9]{1,5})?$")
_MEND = "Mend or remove it and try again."


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, or the bytes of one; `name` is its path below the source."""

    path: Path
    name: str
    content: bytes | None = None

    @property
    def is_ndjson(self) -> bool:
        """Whether it holds one resource a line, by its name."""
        return self.path.name.lower().removesuffix(".gz").endswith(".ndjson")

    @property
    def stored(self) -> int:
        """How many bytes there are, packed or not."""
        return self.path.stat().st_size if self.content is None else len(self.content)

    def open(self) -> tuple[BufferedReader | BytesIO, int]:
        """What to read from, and how many bytes there are."""
        return self.path.open("rb") if self.content is None else BytesIO(self.content), self.stored


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or the FHIR files of a directory in order of their names.

    `unread` are the folders of it that the file system does not give; `passed_over` are links, and files that look like
    FHIR by their name but have no ending that is read.
    """

    place: str
    files: tuple[SourceFile, ...]
    is_directory: bool
    unread: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()


def source_of(content: bytes, name: str) -> Source:
    """A document that is in memory already, such as one a ledger has kept, as a source of one file."""
    return Source(name, (SourceFile(Path(name), name, content),), is_directory=False)


def open_source(path: str | Path) -> Source:
    """Find the files of a source; files of other kinds in a directory are passed over by name.

    Raises
    ------
    SourceNotFoundError
        If the path does not exist.
    InputRefusedError
        If a directory holds no FHIR file.
    """
    given, path = path, Path(path)  # which takes a slash from a URL
    try:
        place = _shown(path.name)
        if path.is_file():
            return Source(place, (SourceFile(path, place),), is_directory=False)
        if not path.is_dir():
            raise SourceNotFoundError(given)
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(given) from error
    source = _walk(path, place)
    if not source.files and source.unread:
        raise InputRefusedError(
            place=place,
            reason="not-readable",
            message="has no file that can be read, and a folder that cannot be opened",
            remedy="Check its permissions.",
        )
    if not source.files:
        raise InputRefusedError(
            place=place,
            reason="no-fhir-files",
            message="holds no file ending in .json, .ndjson or either with .gz",
            remedy="Name a directory of FHIR Bundles or NDJSON.",
        )
    return source


def _walk(root: Path, place: str) -> Source:
    """The FHIR files of a directory and of its folders, and what looks as if it belonged to them."""
    found: list[tuple[str, Path]] = []
    unread: list[str] = []
    passed_over: list[str] = []

    def named(path: str | Path) -> str:
        return Path(path).relative_to(root).as_posix()

    def cannot_open(error: OSError) -> None:
        unread.append(_shown(named(error.filename)))

    for folder, folders, names in os.walk(root, onerror=cannot_open):
        passed_over += [named(Path(folder, name)) for name in folders if Path(folder, name).is_symlink()]
        for name in names:
            path, lower = Path(folder, name), name.lower()
            if lower.endswith(_SUFFIXES) and path.is_file() and not path.is_symlink():
                found.append((named(path), path))
            elif lower.endswith(_SUFFIXES) or _LOOKS_LIKE_FHIR.search(lower):
                passed_over.append(named(path))
    files = tuple(SourceFile(path, _shown(name)) for name, path in sorted(found))
    return Source(place, files, True, tuple(sorted(unread)), tuple(sorted(map(_shown, passed_over))))


def _shown(name: str) -> str:
    """A name for findings and messages: bytes in it that are not UTF-8 are written out, since no JSON can hold them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_document(file: SourceFile, advance: Callable[[int], object]) -> bytes:
    """The bytes of one JSON document, inflated if need be."""
    parts, size, stored = [], 0, 0
    for chunk in _chunks(file, advance):
        stored = stored or file.stored  # as large as that before it is read, or larger once unpacked
        size += len(chunk)
        if max(size, stored) > DOCUMENT_LIMIT:
            limit = f"is larger than {DOCUMENT_LIMIT >> 20} MiB"
            raise _refuse(file, "too-large", limit, "Split it, or give it as NDJSON, which is read line by line.")
        parts.append(chunk)
    return b"".join(parts)


def read_lines(file: SourceFile, advance: Callable[[int], object]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line that is not blank. Lines end at LF only: other separators belong to strings."""
    number, rest = 0, [b""]  # the parts of a line that goes on
    for chunk in _chunks(file, advance):
        end, *lines = chunk.split(b"\n")
        rest.append(end)
        if lines:
            *lines, start = b"".join(rest), *lines
            for line in lines:
                number += 1
                if line := line.strip(b" \t\r"):
                    yield number, line
            rest = [start]
        if sum(map(len, rest)) > LINE_LIMIT:
            limit = f"has a line longer than {LINE_LIMIT >> 20} MiB"
            raise _refuse(file, "too-large", limit, "NDJSON holds one resource a line; check what this file is.")
    if line := b"".join(rest).strip(b" \t\r"):
        yield number + 1, line


def _chunks(file: SourceFile, advance: Callable[[int], object]) -> Iterator[bytes]:
    try:
        raw, stored = file.open()
        with raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            limit = stored * GZIP_RATIO_LIMIT + GZIP_SLACK
            opened: gzip.GzipFile | BufferedReader | BytesIO = gzip.GzipFile(fileobj=raw) if packed else raw
            size = position = 0
            while chunk := opened.read(_CHUNK):
                if not size:
                    chunk = _check_start(file, chunk)
                size += len(chunk)
                if packed and size > limit:
                    grows = f"grows to more than {GZIP_RATIO_LIMIT} times its size"
                    raise _refuse(file, "gzip-ratio", grows, "Real exports stay far below; check where it came from.")
                advance(raw.tell() - position)
                position = raw.tell()
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _refuse(file, "gzip-cut", "is a damaged or cut gzip file", "Fetch it again.") from error
    except OSError as error:
        raise _refuse(file, "not-readable", "cannot be read", "Check its permissions.") from error
    if not size:
        raise _refuse(file, "empty", "is empty", _MEND)


def _check_start(file: SourceFile, start: bytes) -> bytes:
    if start[:2] in (b"\xfe\xff", b"\xff\xfe") or start[:1] == b"\0" or start[1:2] == b"\0":
        raise _refuse(file, "utf-16", "at byte 0 is UTF-16 or UTF-32, and FHIR JSON is UTF-8", "Export it as UTF-8.")
    start = start.removeprefix(BOM)
    if start.lstrip()[:1] == b"<":
        raise _refuse(file, "xml", "at byte 0 is XML or HTML, which is not supported", "Export it as FHIR JSON.")
    if start[:4] == b"PK\x03\x04":
        raise _refuse(file, "zip", "is a zip archive", "Unpack it and name the directory.")
    return start


def _refuse(file: SourceFile, reason: str, message: str, remedy: str) -> InputRefusedError:
    return InputRefusedError(place=file.name, reason=reason, message=message, remedy=remedy)
