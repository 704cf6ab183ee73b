"""The bytes of each resource of a file, one by one in the order in which `read` numbers them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from cdss.fhir.files import SourceFile, read_document, read_lines
from cdss.fhir.strict import StrictJsonError, read_strict


class _Bundle(Struct):
    kind: str = field(name="resourceType", default="")
    type: Raw | UnsetType = UNSET
    entry: tuple[Raw, ...] = ()


class _Entry(Struct):
    resource: Raw | UnsetType = UNSET
    modifier: Raw | UnsetType = field(name="modifierExtension", default=UNSET)
    request: Raw | UnsetType = UNSET


class _Request(Struct):
    method: Raw | UnsetType = UNSET


_bundle = msgspec.json.Decoder(_Bundle).decode
_entry = msgspec.json.Decoder(_Entry).decode
_request = msgspec.json.Decoder(_Request).decode
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def raw_resources(file: SourceFile) -> Iterator[tuple[str, bytes]]:
    """Place in the file and bytes of each resource, or of what stands where one belongs.

    Raises
    ------
    InputRefusedError
        Behind the last that could be read, if the file is refused as a whole.
    """
    if not file.is_ndjson:
        yield from _unpacked("", read_document(file, lambda size: None))
        return
    for number, line in read_lines(file, lambda size: None):
        yield from _unpacked(f"line {number}", line)


def _unpacked(place: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The entries of a Bundle that can be read, and anything else as it is."""
    if (b"Bundle" not in raw and b"\\u" not in raw) or not _is_strict_bundle(raw):
        yield place, raw
        return
    yield from _entries(place, raw)


def _is_strict_bundle(raw: bytes) -> bool:
    try:
        return _bundle(raw).kind == "Bundle" and bool(read_strict(raw))
    except (*_FAULTS, StrictJsonError):
        return False


def _entries(place: str, raw: bytes | Raw) -> Iterator[tuple[str, bytes]]:
    bundle = _bundle(raw)
    is_history = _text(bundle.type) == "history"
    for number, content in enumerate(bundle.entry):
        where = f"{place}, entry[{number}]".removeprefix(", ")
        resource = _resource(content, is_history=is_history)
        if resource is None:
            yield where, bytes(content)
            continue
        try:
            nested = _bundle(resource).kind == "Bundle"
        except _FAULTS:
            nested = False
        if nested:
            yield from _entries(f"{where}.Bundle", resource)
        else:
            yield where, bytes(resource)


def _resource(content: Raw, *, is_history: bool) -> Raw | None:
    """The resource of an entry that is read for its resource alone."""
    try:
        entry = _entry(content)
    except _FAULTS:
        return None
    plain = entry.modifier is UNSET and not (is_history and _deletes(entry.request))
    return entry.resource if plain and not isinstance(entry.resource, UnsetType) else None


def _deletes(request: Raw | UnsetType) -> bool:
    try:
        return not isinstance(request, UnsetType) and _text(_request(request).method).strip().upper() == "DELETE"
    except _FAULTS:
        return False


def _text(raw: Raw | UnsetType) -> str:
    """A JSON string, and nothing for anything else; a number may be beyond what a computer holds."""
    text = b"" if isinstance(raw, UnsetType) else bytes(raw)
    return str(msgspec.json.decode(text)) if text[:1] == b'"' else ""
