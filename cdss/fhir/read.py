"""`read`: a source -> one record of everything in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from cdss.domain.event import Severity
from cdss.errors import AmbiguousSubjectError, InputRefusedError, SubjectNotFoundError
from cdss.fhir.files import Source, SourceFile, open_source, read_document, read_lines
from cdss.fhir.gather import Gatherer
from cdss.fhir.reference import Scope, base_of
from cdss.fhir.schema import Bundle, BundleEntry, Head
from cdss.fhir.settle import settle
from cdss.fhir.strict import StrictJsonError, read_strict
from cdss.record import Block, PatientRecord

_read_bundle = msgspec.json.Decoder(Bundle).decode
_read_entry = msgspec.json.Decoder(BundleEntry).decode
_read_head = msgspec.json.Decoder(Head).decode
_MEND = "Mend it at the source, or export it again."


def subject_name(subject: str) -> str:
    """`ID` or `Patient/ID` as `Patient/ID`."""
    return subject if subject.startswith("Patient/") else f"Patient/{subject}"


def read(
    path: str | Path,
    *,
    subject: str | None = None,
    index_time: int | None = None,
    strict: bool = False,
    progress: Callable[[int], Any] = lambda size: None,
) -> PatientRecord:
    """Read a Bundle, a resource, an NDJSON file or a directory of them into a record.

    Parameters
    ----------
    path : str or Path
    subject : str, optional
        `ID` or `Patient/ID`; all patients without it.
    index_time : int, optional
        Microseconds since the epoch; results not known by then are put aside, each with a finding.
    strict : bool
        Also validate every resource with fhir.resources, and put aside what fails.
    progress : callable
        Called with the number of bytes of the files read since the last call.

    Raises
    ------
    SourceNotFoundError
        If the path does not exist.
    InputRefusedError
        If the input as a whole is not strict FHIR JSON, is cut, or goes over a limit. In a directory the file is
        counted as refused instead, and every score of the source is blocked, since nobody can say whose data is lost.
    SubjectNotFoundError
        If the subject is not in the source.
    """
    source = open_source(path)
    reader = _Reader(source, strict, progress)
    for file in source.files:
        try:
            reader.read_file(file)
        except InputRefusedError as error:
            if not source.is_directory:
                raise
            reader.refuse_file(file, error)
    wanted = None if subject is None else subject_name(subject)
    record = settle(
        reader.found,
        source.place,
        blocked=reader.blocked,
        subject=wanted,
        index_time=index_time,
        closed=reader.is_one_bundle,
    )
    if wanted is not None and wanted not in record.patients and wanted not in set(reader.found.subjects):
        raise SubjectNotFoundError(place=source.place, subject=wanted)
    return record


def sole_subject(record: PatientRecord) -> str:
    """The one subject of a record.

    Raises
    ------
    AmbiguousSubjectError, SubjectNotFoundError
        If there are several, or none.
    """
    subjects = tuple(record.patients) or record.subjects
    if len(subjects) > 1:
        raise AmbiguousSubjectError(place=record.place, count=len(subjects))
    if not subjects:
        raise SubjectNotFoundError(place=record.place, subject="Patient")
    return subjects[0]


class _Reader:
    def __init__(self, source: Source, strict: bool, progress: Callable[[int], Any]) -> None:
        self.source, self.progress = source, progress
        self.found = Gatherer(strict=strict)
        self.blocked: list[Block] = []
        self.is_one_bundle = False

    def refuse_file(self, file: SourceFile, error: InputRefusedError) -> None:
        """Count a file that cannot be read; unless it is well-formed JSON of another kind, the source is incomplete."""
        message = str(error).removeprefix(f"{error.place}: ")
        self.found.refuse(file.name, "", error.reason, message)
        if error.reason != "not-fhir":
            lost = "this file of the source was refused, and nobody can say whose data it held"
            self.blocked.append(Block(reason="source-incomplete", source=file.name, message=lost))

    def read_file(self, file: SourceFile) -> None:
        if file.is_ndjson:
            self._read_ndjson(file)
            return
        raw = read_document(file, self.progress)
        try:
            document = read_strict(raw)
        except StrictJsonError as error:
            hint = " NDJSON is read from files named .ndjson." if error.reason == "json-trailing-data" else ""
            raise InputRefusedError(
                place=file.name, reason=error.reason, message=str(error), remedy=_MEND + hint
            ) from error
        kind = document.get("resourceType") if isinstance(document, dict) else None
        if not isinstance(kind, str) or not kind:
            raise InputRefusedError(
                place=file.name,
                reason="not-fhir",
                message="is JSON, but no FHIR resource: it has no resourceType",
                remedy="Name a FHIR Bundle, a resource or NDJSON.",
            )
        if kind == "OperationOutcome" and not self.source.is_directory:
            raise InputRefusedError(
                place=file.name,
                reason="operation-outcome",
                message="is a server's error report (OperationOutcome) in place of data",
                remedy="Ask the server again.",
            )
        self.is_one_bundle = kind == "Bundle" and not self.source.is_directory
        self._take(raw, kind, file.name)

    def _read_ndjson(self, file: SourceFile) -> None:
        lines = refused = 0
        for number, line in read_lines(file, self.progress):
            lines += 1
            place = f"{file.name}, line {number}"
            try:
                document = read_strict(line)
            except StrictJsonError as error:
                refused += 1
                message = f"{error.message} at column {error.column}"
                self.found.refuse(f"line {number}", file.name, error.reason, message)
                continue
            kind = document.get("resourceType") if isinstance(document, dict) else None
            self._take(line, kind if isinstance(kind, str) else "", place)
        if lines and refused == lines:
            raise InputRefusedError(
                place=file.name,
                reason="not-ndjson",
                message="holds no line that is a JSON document",
                remedy="NDJSON holds one resource a line; a pretty-printed document belongs in a .json file.",
            )

    def _take(self, raw: bytes, kind: str, place: str) -> None:
        if kind == "Bundle":
            self._take_bundle(raw, place)
        else:
            self.found.take(raw, place, Scope())

    def _take_bundle(self, raw: bytes, place: str) -> None:
        try:
            bundle = _read_bundle(raw)
        except msgspec.ValidationError as error:
            raise InputRefusedError(
                place=place, reason="not-fhir", message="is a Bundle whose entries are not a list", remedy=_MEND
            ) from error
        if any(link.relation == "next" for link in bundle.link):
            more = "one page of a search with more pages: the rest is missing"
            self.blocked.append(Block(reason="source-incomplete", source=place, message=more))
        if bundle.type in ("transaction", "batch"):
            carried = f"a {bundle.type} Bundle is read as data; its requests are never carried out"
            self.found.reject(None, "Bundle", "type", "bundle-of-requests", carried, Severity.NOTE)
        entries = [self._entry(raw_entry, number) for number, raw_entry in enumerate(bundle.entry)]
        scope = self._scope([entry for entry in entries if entry])
        first = len(self.found.sources)
        for number, entry in enumerate(entries):
            if entry is None:
                continue
            where = f"Bundle.entry[{number}]"
            resource = bytes(entry.resource)
            if not resource:
                self._take_empty(entry, where)
                continue
            full_url = entry.full_url if isinstance(entry.full_url, str) else ""
            self.found.take(resource, where, scope, full_url)
        self._note_dangling(first)

    def _entry(self, raw: msgspec.Raw, number: int) -> BundleEntry | None:
        try:
            return _read_entry(raw)
        except msgspec.ValidationError:
            where = f"Bundle.entry[{number}]"
            self.found.refuse(where, "", "entry-not-readable", "this entry is not an object that holds a resource")
            return None

    def _take_empty(self, entry: BundleEntry, where: str) -> None:
        request, url = entry.request, entry.full_url
        if request is not UNSET and request.method == "DELETE" and isinstance(url, str):  # type: ignore[union-attr]
            self.found.deleted.add("/".join(url.split("/_history/")[0].split("/")[-2:]))
        message = "an entry without a resource"
        self.found.refuse(where, "resource", "entry-without-resource", message, Severity.NOTE)

    def _scope(self, entries: list[BundleEntry]) -> Scope:
        scope = Scope()
        for entry in entries:
            url = entry.full_url
            if not isinstance(url, str) or not bytes(entry.resource):
                continue
            try:
                head = _read_head(entry.resource)
            except msgspec.ValidationError:
                continue
            if isinstance(head.resource_type, str):
                name = f"{head.resource_type}/{head.id if isinstance(head.id, str) else url.rpartition(':')[2]}"
                scope.by_url[url] = name
                if base := base_of(url, name):
                    scope.bases[name] = base
        return scope

    def _note_dangling(self, first: int) -> None:
        here = set(self.found.sources[first:])
        for number, encounter in self.found.encounter_references:
            if number >= first and encounter not in here:
                self.found.reject(
                    number, self.found.sources[number], "encounter", "encounter-unresolved",
                    "the encounter it names is not in what was read", Severity.NOTE,
                )  # fmt: skip
        self.found.encounter_references.clear()
