"""Try a file: what this version makes of any FHIR file, in the demo only. Nothing of the file is kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from cdss.access import Act, Person, require
from cdss.domain.instant import parse_index_time
from cdss.errors import AmbiguousSubjectError, InputRefusedError, SubjectNotFoundError, UsageError
from cdss.fhir.files import source_of
from cdss.fhir.read import read, sole_subject, subject_name
from cdss.ledger.kinds import Draft, Kind
from cdss.workflow.assess import assess_rows
from cdss.workflow.cohort import CohortRow
from cdss.workflow.ports import Ports, actor
from cdss.workflow.reading import read_report
from cdss.workflow.registry import live_release

_LIMIT = 20 << 20


def try_file(
    ports: Ports, by: Person, name: str, content: bytes, *, model: str, subject: str, index_time: str
) -> dict[str, Any]:
    """Read a file as `cdss read` does, and assess the one patient in it as `cdss assess` does.

    Parameters
    ----------
    ports : Ports
    by : Person
    name : str
        The file's name; its ending says what it is.
    content : bytes
    model : str
        Whose live release answers.
    subject : str
        `ID` or `Patient/ID`; empty where the file holds one patient.
    index_time : str
        ISO 8601 with an offset.

    Returns
    -------
    dict
        `report` as `cdss read --json` prints it, or `refused` with reason and message; `answer`, the assessment, or
        None with `why` there is none.

    Raises
    ------
    UsageError
        If this is no demo, the file is too large, or the index time is not one.
    """
    person = require(by, Act.TRY_FILE)
    if not ports.board.refresh().synthetic:
        raise UsageError("Files are tried in the demo only; here they would be a patient's. Use cdss read.")
    if len(content) > _LIMIT:
        raise UsageError(f"The file has over {_LIMIT >> 20} MiB. Use cdss read for it.")
    when = parse_index_time(index_time)
    digest = hashlib.sha256(content).hexdigest()
    ports.store.append(Draft(kind=Kind.INPUT_RECEIVED, actor=actor(person), data={"tried": digest}))
    wanted = subject.strip() or None
    try:
        record = read(source_of(content, name), subject=wanted)
        whose = subject_name(wanted) if wanted else sole_subject(record)
    except (AmbiguousSubjectError, SubjectNotFoundError) as error:
        record = read(source_of(content, name))
        report = read_report(record, subject=None, index_time=None, lookback=None)
        return {"report": report, "answer": None, "why": str(error)}
    except InputRefusedError as error:
        return {"refused": {"reason": error.reason, "message": str(error)}, "answer": None, "why": str(error)}
    known = read(source_of(content, name), subject=wanted, index_time=when)
    report = read_report(known, subject=whose, index_time=when, lookback=None)
    row = CohortRow(subject=whose, index_time=when, encounter=None)
    answer = assess_rows(ports.load(live_release(ports, model)), record, [row])[0]
    return {"report": report, "answer": replace(answer, release_state="live").to_dict(), "why": ""}
