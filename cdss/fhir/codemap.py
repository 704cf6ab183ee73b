"""A code map in a file -> `CodeMap`: CSV rows, or a FHIR R4 ConceptMap."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cdss.codes import CodeMap, MapRow, build_map
from cdss.domain.coding import SYSTEM_OF_OID, Coding
from cdss.domain.digest import sha256
from cdss.domain.event import Rejection, Severity
from cdss.errors import CodeMapError, SourceNotFoundError
from cdss.fhir.strict import BOM, StrictJsonError, read_strict

COLUMNS = ("system", "code", "to_system", "to_code")
OPTIONAL_COLUMNS = ("display", "comment")
MAP_LIMIT = 1 << 26
_USED = frozenset({"equal", "equivalent"})
_OTHER = frozenset({"relatedto", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched", "disjoint"})
_DENIED = frozenset({"unmatched", "disjoint"})
_UNKNOWN_RULES = ("modifierExtension", "implicitRules")
_SYSTEM = re.compile(r"[^\s|\x00-\x1f\ud800-\udfff]+")
_CODE = re.compile(r"\S+(?: \S+)*")
_MEND = "Correct the map and try again."


def read_code_map(path: str | Path) -> CodeMap:
    """Read and check a hospital's code map.

    Parameters
    ----------
    path : str or Path
        CSV with the columns `system,code,to_system,to_code[,display][,comment]`, or a ConceptMap in JSON.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    CodeMapError
        If it is no map that is in use, or a row cannot be proved, naming it; then nothing of the map is used.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(path) from error
    except IsADirectoryError as error:
        raise _refuse(str(path), "is a directory", "Give the file of the map.") from error
    except OSError as error:
        raise _refuse(str(path), f"cannot be read ({error.strerror})", "Check it and try again.") from error
    if len(raw) > MAP_LIMIT:
        raise _refuse(path.name, f"is larger than {MAP_LIMIT >> 20} MiB", "Give the codes that are in use.")
    ignored: list[Rejection] = []
    content = raw.removeprefix(BOM)
    if content.lstrip()[:1] == b"{":
        rows = _concept_map_rows(_document(content, path.name), path.name, ignored)
    else:
        rows = list(_csv_rows(content, path.name))
    if not rows:
        raise _refuse(path.name, "holds no row that says what a code means", _MEND)
    return build_map(rows, path.name, sha256(raw), tuple(ignored))


def _csv_rows(content: bytes, name: str) -> Iterator[MapRow]:
    """Rows by number as a spreadsheet shows them: the header is row 1."""
    number = 1
    try:
        reader = csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True)
        _check_columns(list(reader.fieldnames or ()), name)
        for number, row in enumerate(reader, start=2):
            place = f"{name}, row {number}"
            if None in row or None in row.values():
                raise _refuse(place, "has more or fewer cells than the header", _MEND)
            own, target = (_coding(row[system], row[code], place) for system, code in (COLUMNS[:2], COLUMNS[2:]))
            yield MapRow(place=place, own=own, target=target)
    except UnicodeDecodeError as error:
        raise _refuse(name, f"is not UTF-8 at byte {error.start}", "Save it as UTF-8.") from error
    except csv.Error as error:
        raise _refuse(f"{name}, row {number + 1}", f"is not readable as CSV ({error})", _MEND) from error


def _check_columns(names: list[str], place: str) -> None:
    if lacking := [column for column in COLUMNS if column not in names]:
        raise _refuse(place, f"has no column {lacking[0]}", f"The columns are {','.join(COLUMNS)}[,display][,comment].")
    if unknown := [column for column in names if column not in (*COLUMNS, *OPTIONAL_COLUMNS)]:
        raise _refuse(place, f"has the unknown column {_shown(unknown[0])}", "Leave it out.")
    if len(set(names)) != len(names):
        raise _refuse(place, "has a column twice", "Leave one out.")


def _document(content: bytes, name: str) -> Mapping[str, Any]:
    try:
        document = read_strict(content)
    except StrictJsonError as error:
        raise _refuse(name, str(error), _MEND) from error
    if not isinstance(document, dict) or document.get("resourceType") != "ConceptMap":
        raise _refuse(name, "is JSON, but no ConceptMap", "Give a FHIR R4 ConceptMap, or CSV.")
    _check_status(document, name)
    _check_rules(document, name)
    return document


def _check_status(document: Mapping[str, Any], name: str) -> None:
    """Only what its authors call active and real is somebody's decision."""
    status = document.get("status")
    if status != "active":
        said = f"the status {_shown(status)}" if isinstance(status, str) else "no status"
        raise _refuse(name, f"is a ConceptMap with {said}, which nobody has put into use", "Give one that is active.")
    if document.get("experimental", False) is not False:
        raise _refuse(name, "is an experimental ConceptMap, not meant for use", "Give one that is not experimental.")


def _concept_map_rows(document: Mapping[str, Any], name: str, ignored: list[Rejection]) -> list[MapRow]:
    rows: list[MapRow] = []
    denied: dict[tuple[str, str], str] = {}
    for place, group in _parts(document, "group", f"{name}, "):
        source, target = group.get("source"), group.get("target")
        if "unmapped" in group:
            message = "a rule for codes that are not listed is never followed"
            ignored.append(_ignore(name, f"{_within(place, name)}.unmapped", "map-part-not-used", message))
        for at, element in _parts(group, "element", f"{place}."):
            for where, part in _parts(element, "target", f"{at}."):
                if _is_used(part, where, name, ignored):
                    own = _coding(source, element.get("code"), at)
                    rows.append(MapRow(place=where, own=own, target=_coding(target, part.get("code"), where)))
                elif part.get("equivalence") in _DENIED:
                    code = None if part["equivalence"] == "unmatched" else part.get("code")
                    denied[_key(source, element.get("code")), _key(target, code)] = f"{part['equivalence']} at {where}"
    for row in rows:
        for said in (_key(row.target.system, None), row.target.key):
            if found := denied.get((row.own.key, said)):
                reason = f"{row.own.code} -> {row.target.code}: the map contradicts itself, it is {found}"
                raise _refuse(row.place, reason, "Keep the one that is right.")
    return rows


def _is_used(part: Mapping[str, Any], place: str, name: str, ignored: list[Rejection]) -> bool:
    equivalence = part.get("equivalence")
    if equivalence in _OTHER:
        message = f"the equivalence is {equivalence}: only equal and equivalent say that two codes mean the same"
        ignored.append(_ignore(name, _within(place, name), "map-not-equivalent", message))
        return False
    if equivalence not in _USED:
        raise _refuse(place, "has no equivalence of FHIR R4", "Say equal or equivalent where two codes mean the same.")
    if "dependsOn" in part or "product" in part:
        message = "it holds under a condition (dependsOn, product) that is not read"
        ignored.append(_ignore(name, _within(place, name), "map-part-not-used", message))
        return False
    return True


def _parts(holder: Mapping[str, Any], element: str, before: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each part of a list of objects with its place."""
    found = holder.get(element, [])
    if not isinstance(found, list):
        raise _refuse(f"{before}{element}", "is not a list", _MEND)
    for number, part in enumerate(found):
        place = f"{before}{element}[{number}]"
        if not isinstance(part, dict):
            raise _refuse(place, "is not an object", _MEND)
        _check_rules(part, place)
        yield place, part


def _check_rules(part: Mapping[str, Any], place: str) -> None:
    if rule := next((key for key in _UNKNOWN_RULES if key in part), None):
        raise _refuse(place, f"has {rule}, a rule that may change what the map means", "Give the map without it.")


def _coding(system: object, code: object, place: str) -> Coding:
    for what, value, form in (("system", system, _SYSTEM), ("code", code, _CODE)):
        if not isinstance(value, str) or not form.fullmatch(value) or not value.isprintable():
            raise _refuse(place, f"a {what} is missing, or has blanks or other characters FHIR does not allow", _MEND)
    return Coding.from_key(_key(system, code))


def _key(system: object, code: object) -> str:
    """`system|code` under the system's own name, as a record is read; without a code the system alone."""
    return f"{SYSTEM_OF_OID.get(str(system), system)}|{'' if code is None else code}"


def _ignore(name: str, location: str, reason: str, message: str) -> Rejection:
    return Rejection(source=name, location=location, reason=reason, severity=Severity.NOTE, message=message)


def _within(place: str, name: str) -> str:
    return place.removeprefix(f"{name}, ")


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:40])


def _refuse(place: str, reason: str, remedy: str) -> CodeMapError:
    return CodeMapError(place=place, reason=reason, remedy=remedy)
