"""`read`: a source -> one record of everything in it; `read_traced` also says what became of each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cdss.codes import CodeMap
from cdss.domain.event import Severity
from cdss.errors import AmbiguousSubjectError, InputRefusedError, SubjectNotFoundError
from cdss.fhir.alike import Alike
from cdss.fhir.elements import BUNDLE_ELEMENTS, BUNDLE_TYPES, RESOURCE_TYPES, meant_as, shown_name
from cdss.fhir.files import Source, SourceFile, open_source, read_document, read_lines
from cdss.fhir.finding import PutAside
from cdss.fhir.gather import Disposition, Gatherer, subject_in
from cdss.fhir.raw import raw_resources
from cdss.fhir.reference import BY_IDENTIFIER, ID, Scope, base_of, without_version
from cdss.fhir.settle import settle
from cdss.fhir.strict import StrictJsonError, read_strict
from cdss.record import Block, PatientRecord

_MEND = "Mend it at the source, or export it again."


def subject_name(subject: str) -> str:
    """`ID` or `Patient/ID` as `Patient/ID`."""
    return subject if subject.startswith("Patient/") else f"Patient/{subject}"


@dataclass(frozen=True, slots=True)
class Span:
    """The resources of one file: the number of the first and of the first behind them, and what gives their bytes.

    A file that was refused as a whole is itself one resource more, behind its span.
    """

    file: str
    start: int
    stop: int
    raws: Callable[[], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of each resource of a source or of a part of one, in the order of reading."""

    names: Sequence[str]
    dispositions: Sequence[int]
    spans: tuple[Span, ...]


def read(
    path: str | Path | Source,
    *,
    subject: str | None = None,
    index_time: int | None = None,
    strict: bool = False,
    code_map: CodeMap | None = None,
    progress: Callable[[int], Any] = lambda size: None,
) -> PatientRecord:
    """Read a Bundle, a resource, an NDJSON file or a directory of them into a record.

    Parameters
    ----------
    path : str, Path or Source
    subject : str, optional
        `ID` or `Patient/ID`; all patients without it.
    index_time : int, optional
        Microseconds since the epoch; results not known by then are put aside, each with a finding.
    strict : bool
        Also validate every resource with fhir.resources, and put aside what fails.
    code_map : CodeMap, optional
        What the hospital's own codes mean; an event keeps its own codes too.
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
    return read_traced(
        path, subject=subject, index_time=index_time, strict=strict, code_map=code_map, progress=progress
    )[0]


def read_traced(
    path: str | Path | Source,
    *,
    subject: str | None = None,
    index_time: int | None = None,
    strict: bool = False,
    code_map: CodeMap | None = None,
    progress: Callable[[int], Any] = lambda size: None,
) -> tuple[PatientRecord, Trace]:
    """Like `read`, and what became of each resource.

    Raises
    ------
    SourceNotFoundError, InputRefusedError, SubjectNotFoundError
        As `read` does.
    """
    source = path if isinstance(path, Source) else open_source(path)
    reader = Reader(source, strict, progress)
    spans = []
    reader.begin(code_map)
    reader.block_unread()
    for file in source.files:
        first, refused = len(reader.found.sources), None
        try:
            reader.read_file(file)
        except InputRefusedError as error:
            if not source.is_directory:
                raise
            refused = error
        spans.append(Span(file.name, first, len(reader.found.sources), partial(raw_resources, file)))
        if refused is not None:
            reader.refuse_file(file, refused)
    reader.block_by_servers(reader.found)
    wanted = None if subject is None else subject_name(subject)
    named = set(reader.found.subjects)
    record = settle(
        reader.found,
        source.place,
        blocked=reader.blocked,
        subject=wanted,
        index_time=index_time,
        closed=reader.is_one_bundle,
    )
    if wanted is not None and wanted not in record.patients and wanted not in named:
        raise SubjectNotFoundError(place=source.place, subject=wanted)
    return record, Trace(reader.found.sources, reader.found.dispositions, tuple(spans))


def no_resource(file: SourceFile, faults: int) -> InputRefusedError:
    """The error of an NDJSON file of which no line is a resource."""
    return InputRefusedError(
        place=file.name,
        reason="not-ndjson" if faults else "not-fhir",  # JSON of another kind takes nothing of a patient away
        message="holds no line that is a FHIR resource",
        remedy="NDJSON holds one resource a line; a pretty-printed document belongs in a .json file.",
    )


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


class Reader:
    """Reads the files of a source into a `Gatherer`, and keeps what forbids every score of the source."""

    def __init__(self, source: Source, strict: bool, progress: Callable[[int], Any]) -> None:
        self.source, self.progress = source, progress
        self.found = Gatherer(strict=strict)
        self.alike = Alike(self.found, self.read_line)
        self.blocked: list[Block] = []
        self.is_one_bundle = False
        self.faults = 0

    def block(self, place: str, message: str) -> None:
        """Forbid every score of this source: something of it is missing, and nobody can say whose it was."""
        self.blocked.append(Block(reason="source-incomplete", source=place, message=message))

    def begin(self, code_map: CodeMap | None) -> None:
        """Say what belongs to the source as a whole and to no file that is read."""
        self.found.notes.code_map = code_map
        if code_map is not None:
            self.found.rejections.extend(code_map.ignored)
        for place in self.source.passed_over:
            message = "a link, or a file with an ending that is not read, though it looks like FHIR"
            self.found.reject(None, place, "", "file-passed-over", message, Severity.NOTE)
        for place in self.source.unread:
            self.found.reject(None, place, "", "not-readable", "this folder cannot be opened")

    def block_unread(self) -> None:
        """Forbid every score where a folder could not be opened."""
        for place in self.source.unread:
            self.block(place, "this folder of the source cannot be opened, and nobody can say whose data it holds")

    def block_by_servers(self, found: Gatherer) -> None:
        """Forbid every score where a server said so of its own data."""
        for place in found.incomplete:
            self.block(place, "the server says that it did not send everything")
        for place in found.foreign:
            message = "the server says that it speaks another version of FHIR than R4"
            self.blocked.append(Block(reason="not-r4", source=f"{place}.fhirVersion", message=message))

    def refuse_file(self, file: SourceFile, error: InputRefusedError) -> None:
        """Count a file that cannot be read; unless it is well-formed JSON of another kind, the source is incomplete."""
        self.found.refuse(file.name, "", error.reason, str(error).removeprefix(f"{error.place}: "))
        if error.reason != "not-fhir":
            self.block(file.name, "this file of the source was refused, and nobody can say whose data it held")

    def read_file(self, file: SourceFile) -> None:
        """Read one file of the source.

        Raises
        ------
        InputRefusedError
            If the file as a whole cannot be read.
        """
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
        if not isinstance(document, dict) or not isinstance(kind, str) or not kind:
            raise InputRefusedError(
                place=file.name,
                reason="not-fhir",
                message="is JSON, but no FHIR resource: it has no resourceType",
                remedy="Name a FHIR Bundle, a resource or NDJSON.",
            )
        if kind not in RESOURCE_TYPES:
            raise InputRefusedError(
                place=file.name,
                reason="type-unknown",
                message="has a resourceType that FHIR R4 does not have, to the letter",
                remedy=_MEND,
            )
        if kind == "OperationOutcome" and not self.source.is_directory:
            raise InputRefusedError(
                place=file.name,
                reason="operation-outcome",
                message="is a server's error report (OperationOutcome) in place of data",
                remedy="Ask the server again.",
            )
        self.is_one_bundle = kind == "Bundle" and not self.source.is_directory
        if kind != "Bundle":
            self.found.take(document, file.name)
        elif (entries := _entries(document)) is None:
            raise InputRefusedError(
                place=file.name, reason="not-fhir", message="is a Bundle whose entries are not a list", remedy=_MEND
            )
        else:
            self._take_bundle(document, entries, "Bundle")

    def _read_ndjson(self, file: SourceFile) -> None:
        first = len(self.found.sources)
        self.faults = 0
        self.take_lines(file.name, read_lines(file, self.progress))
        read = self.found.dispositions[first:]
        if read.count(Disposition.REFUSED) == len(read):
            raise no_resource(file, self.faults)

    def take_lines(self, file: str, lines: Iterable[tuple[int, bytes]]) -> None:
        """Read lines of NDJSON, given with their numbers in the file of that name."""
        self.alike.start_file(file)
        try:
            for number, line in lines:
                if self.found.strict or not self.alike.take(number, line):
                    self.read_line(file, number, line)
                    self.alike.learn(line)
        finally:
            self.alike.flush()

    def read_line(self, file: str, number: int, line: bytes) -> None:
        """Read one line of NDJSON in full."""
        place = f"{file}, line {number}" if len(self.source.files) > 1 else f"line {number}"
        try:
            document = read_strict(line)
        except StrictJsonError as error:
            self.faults += 1
            self.found.refuse(place, file, error.reason, f"{error.message} at column {error.column}")
            return
        if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
            self.found.take(document, place)
        elif (entries := _entries(document)) is None:
            self.found.refuse(place, "entry", "not-fhir", "this is a Bundle whose entries are not a list")
        else:
            self._take_bundle(document, entries, f"{place}, Bundle")

    def _take_bundle(self, bundle: Mapping[str, Any], entries: Sequence[object], place: str) -> None:
        self._check_bundle(bundle, place)
        scope, first = _scope(entries), len(self.found.sources)
        for number, entry in enumerate(entries):
            self._take_entry(entry, f"{place}.entry[{number}]", scope, is_history=bundle.get("type") == "history")
        if bundle.get("type") not in ("searchset", "history"):
            self._check_owner(first)

    def _check_owner(self, first: int) -> None:
        """In a Bundle about one patient, put aside what names another; pages of a search may hold anybody's."""
        found = self.found
        patients = {found.sources[number] for number in found.patients if number >= first}
        if len(patients) != 1:
            return
        (holder,) = patients
        for number in range(first, len(found.sources)):
            owner = found.subjects[number]
            if owner is not None and owner != holder and not owner.startswith(BY_IDENTIFIER):
                found.misfile(number, holder)
                if not self.is_one_bundle:
                    found.rejections.append(replace(found.rejections[-1], subject=owner))  # who may miss this result

    def _check_bundle(self, bundle: Mapping[str, Any], place: str) -> None:
        links = bundle.get("link")
        for link in links if isinstance(links, list) else (links,):
            if isinstance(link, dict) and str(link.get("relation")).strip().lower() == "next":
                self.block(place, "one page of a search with more pages: the rest is missing")
                break
        else:
            if bundle.get("type") == "searchset" and _misses_matches(bundle):
                self.block(place, "a search that found more than it holds: the rest is missing")
        for element in bundle.keys() - BUNDLE_ELEMENTS:
            shown = shown_name(element)
            message = "a Bundle has no such element in FHIR R4: misspelt, or from another version of FHIR"
            self.found.reject(None, place, shown, "element-unknown", message, Severity.NOTE)
            if meant_as(element, ("entry", "entries", "link", "total")):
                self.block(f"{place}.{shown}", "what is misspelt may hold entries, or say that there are more")
        for modifier in bundle.keys() & {"implicitRules", "modifierExtension"}:
            self.block(f"{place}.{modifier}", "a rule we do not know may change what this Bundle means")
        kind = bundle.get("type")
        if not isinstance(kind, str) or kind not in BUNDLE_TYPES:
            message = "the type of the Bundle is missing or not one of FHIR R4; it is read as a collection"
            self.found.reject(None, place, "type", "bundle-type-unknown", message, Severity.NOTE)
        if kind in ("transaction", "batch"):
            carried = f"a {kind} Bundle is read as data; its requests are never carried out"
            self.found.reject(None, place, "type", "bundle-of-requests", carried, Severity.NOTE)

    def _take_entry(self, entry: object, where: str, scope: Scope, *, is_history: bool) -> None:
        if not isinstance(entry, dict):
            message = "this entry is not an object that holds a resource"
            self.found.refuse(where, "", "entry-not-readable", message)
            return
        full_url = entry.get("fullUrl")
        resource = entry.get("resource")
        if "resource" not in entry or (is_history and _deletes(entry)):
            self._take_empty(entry, where, is_history=is_history)
        elif "modifierExtension" in entry:
            owner = subject_in(resource, scope, None) if isinstance(resource, dict) else None
            number = self.found.enter(where, Disposition.PUT_ASIDE, owner)
            message = "a rule we do not know may change what this entry means"
            self.found.put_aside(number, PutAside("modifierExtension", "modifier-extension", message))
        elif isinstance(resource, dict) and resource.get("resourceType") == "Bundle" and _entries(resource) is not None:
            self._take_bundle(resource, _entries(resource) or (), f"{where}.Bundle")
        else:
            self.found.take(resource, where, scope, full_url if isinstance(full_url, str) else "")

    def _take_empty(self, entry: Mapping[str, Any], where: str, *, is_history: bool) -> None:
        if is_history and _deletes(entry):
            url = without_version(str(entry.get("fullUrl") or entry["request"].get("url")))
            name = "/".join(url.split("/")[-2:])
            response = entry.get("response")
            when = response.get("lastModified") if isinstance(response, dict) else None
            self.found.deleted.setdefault(name, []).append((base_of(url, name), when if isinstance(when, str) else ""))
            number = self.found.enter(where, Disposition.NOT_NEEDED)
            self.found.reject(number, where, "request", "deletion", "an entry that deletes a resource", Severity.NOTE)
            return
        response = entry.get("response")
        if isinstance(response, dict) and str(response.get("status")).startswith(("4", "5")):
            self.block(where, "the server answered a part of the request with an error: that part is missing")
        message = "an entry without a resource"
        self.found.refuse(where, "resource", "entry-without-resource", message, Severity.NOTE)


def _entries(bundle: Mapping[str, Any]) -> Sequence[object] | None:
    """The entries of a Bundle, or None where they are not a list."""
    entries = bundle.get("entry", ())
    return entries if isinstance(entries, (list, tuple)) else None


def _deletes(entry: Mapping[str, Any]) -> bool:
    request = entry.get("request")
    return isinstance(request, dict) and str(request.get("method")).strip().upper() == "DELETE"


def _misses_matches(bundle: Mapping[str, Any]) -> bool:
    """Whether a search found more than its page holds; what was included, or says how it went, is no match."""
    total, matches = bundle.get("total"), 0
    for entry in _entries(bundle) or ():
        search = entry.get("search") if isinstance(entry, dict) else None
        mode = search.get("mode") if isinstance(search, dict) else None
        matches += mode in (None, "match")
    return total is not None and (type(total) is not int or total > matches)


def _scope(entries: Sequence[object]) -> Scope:
    scope = Scope()
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        url, resource = entry.get("fullUrl"), entry.get("resource")
        if not isinstance(url, str) or not url or not isinstance(resource, dict):
            continue
        kind, own_id = resource.get("resourceType"), resource.get("id")
        if not isinstance(own_id, str):
            own_id = url.rpartition(":")[2]
        if isinstance(kind, str) and ID.fullmatch(own_id):
            name = f"{kind}/{own_id}"
            # One fullUrl for two resources names neither.
            scope.by_url[url] = name if scope.by_url.get(url, name) == name else ""
            if base := base_of(url, name):
                scope.bases.setdefault(name, set()).add(base)
    return scope
