"""One frozen answer for each row of a cohort: build, abstain or score, explain. A single patient is a cohort of one."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdss.domain.assessment import Abstention, ModelReference, Reason, RiskEstimate, Team
from cdss.domain.digest import canonical_bytes, sha256
from cdss.domain.event import Rejection, Severity
from cdss.domain.feature import FeatureSpec, FeatureVector
from cdss.domain.instant import instant_text
from cdss.features import build_features
from cdss.fhir.times import PRECISIONS
from cdss.record import PatientRecord
from cdss.risk.abstain import abstention_reasons
from cdss.risk.artefact import Machine
from cdss.risk.calibrate import Floats, expit
from cdss.risk.explain import explain
from cdss.workflow.cohort import CohortRow

UNREGISTERED = "unregistered"
OUTSIDE_TRAINING = "outside-training-range"


@dataclass(frozen=True, eq=False, kw_only=True)
class Scorer:
    """What scoring needs of a release; `ranges` has shape (k, 2): the least and greatest value seen in training."""

    spec: FeatureSpec
    machine: Machine
    reference: ModelReference
    ranges: NDArray[np.float64]
    path: Path


def assess_rows(
    scorer: Scorer, record: PatientRecord, rows: Sequence[CohortRow], lost: Sequence[Rejection] | None = None
) -> list[RiskEstimate | Abstention]:
    """Assess each row of a cohort, in its order.

    Parameters
    ----------
    scorer : Scorer
    record : PatientRecord
    rows : sequence of CohortRow
    lost : sequence of Rejection, optional
        What every answer says of the source as a whole; found in the record without it.

    Raises
    ------
    IntegrityError
        If an explanation does not add up: then no result of the run is given.
    """
    if not rows:
        return []
    spec = scorer.spec
    matrix = build_features(
        record.events,
        record.patients,
        [row.subject for row in rows],
        [row.index_time for row in rows],
        spec,
        [row.encounter for row in rows],
    )
    findings: dict[str, list[Rejection]] = defaultdict(list)
    dated_to_a_day: dict[str, list[Rejection]] = defaultdict(list)
    for finding in record.rejections:
        if finding.subject and (not finding.codes or spec.reads(finding.codes)):
            usual = finding.reason == "time-partial" and finding.source.startswith(_DATED_TO_A_DAY)
            (dated_to_a_day if usual else findings)[finding.subject].append(finding)
    lost = lost_finding(record.place, lost_parts(record)) if lost is None else lost
    present = {*record.patients, *record.events.subjects}
    drafts = []
    for number, row in enumerate(rows):
        vector = matrix.vector(number)
        facts = record.patients.get(row.subject)
        if row.subject not in present:
            reasons: tuple[Reason, ...] = (_NOT_FOUND,)
        else:
            blocks = (*record.source_blocks, *(facts.blocks_at(row.index_time) if facts else ()))
            reasons = abstention_reasons(spec, vector, blocks) + _unproven(spec, vector, findings[row.subject])
            reasons += _on_that_day(record, vector, spec, dated_to_a_day[row.subject], findings[row.subject])
        drafts.append((row, vector, reasons))
    answered = [number for number, (_, _, reasons) in enumerate(drafts) if not reasons]
    scores = scorer.machine.score(matrix.values[answered]) if answered else None
    place = {number: at for at, number in enumerate(answered)}
    results: list[RiskEstimate | Abstention] = []
    for number, (row, vector, reasons) in enumerate(drafts):
        head = _head(scorer, row, vector, (*findings[row.subject], *lost))
        if reasons or scores is None:
            results.append(Abstention(**head, reasons=reasons))  # type: ignore[arg-type]
        else:
            at = place[number]
            results.append(
                _estimate(
                    scorer, row, vector, head, float(scores.margin[at]), scores.log_odds[at], scores.shap_values[at],
                    float(scores.spread[at]),
                )
            )  # fmt: skip
    return results


_NOT_FOUND = Reason(
    code="subject-not-found",
    feature=None,
    message="the source holds nothing of this patient",
    remedy="Check the id, or name a source that holds this patient.",
)


# Faults that leave no doubt: the fact does not hold, not yet, or not for this patient.
_SETTLED = frozenset({"condition-refuted", "other-patient", "after-index-time", "not-done"})
# A diagnosis or a stay is mostly dated to a day, which is nobody's fault: `cdss read` tells it, an answer does not.
_DATED_TO_A_DAY = ("Condition", "Procedure", "Encounter")
_DATE_IT = "Give the time of day at the source, or find out whether it holds."
_UNCONFIRMED = "condition-unconfirmed"


def _unproven(spec: FeatureSpec, vector: FeatureVector, findings: Sequence[Rejection]) -> tuple[Reason, ...]:
    """What counts as absent only because its resource was put aside is not known to be absent.

    An exclusion asks for less than a comorbidity: an unconfirmed diagnosis is enough to doubt that the model fits.
    """
    faults = [
        finding
        for finding in findings
        if finding.codes
        and finding.reason not in _SETTLED
        and (finding.severity is Severity.ERROR or finding.reason == _UNCONFIRMED)
    ]
    reasons = []
    for exclusion, found in zip(spec.exclusions, vector.exclusions, strict=True):
        for fault in faults if not found else ():
            if exclusion.reading.reads(fault.codes):
                reasons.append(
                    Reason(
                        code="exclusion-unproven",
                        feature=None,
                        message=f"{exclusion.code} may apply: {fault.source} is not usable ({fault.reason})",
                        remedy="Mend that resource at the source, or find out whether it holds.",
                    )
                )
    for feature, value in zip(spec.features, vector.values, strict=True):
        reading = feature.readings[0]
        if reading.kind != "condition" or value.number != 0:
            continue
        for fault in faults:
            is_condition = fault.source.startswith("Condition")
            if is_condition and fault.reason != _UNCONFIRMED and reading.reads(fault.codes):
                reasons.append(
                    Reason(
                        code="condition-unproven",
                        feature=feature.name,
                        message=f"{feature.label}: {fault.source} was put aside ({fault.reason}), so it may be present",
                        remedy="Mend the Condition at the source.",
                    )
                )
    return tuple(reasons)


def _on_that_day(
    record: PatientRecord,
    vector: FeatureVector,
    spec: FeatureSpec,
    dated: Sequence[Rejection],
    findings: Sequence[Rejection],
) -> tuple[Reason, ...]:
    """An exclusion dated to a day or longer counts from the end of that; within it, it may apply already."""
    reasons = []
    table, index_time = record.events, vector.index_time
    for exclusion, found in zip(spec.exclusions, vector.exclusions, strict=True):
        for note in dated if not found else ():
            if not exclusion.reading.reads(note.codes):
                continue
            later = any(other.source == note.source and other.reason == "after-index-time" for other in findings)
            rows = np.flatnonzero(table.subject == table.subject_numbers.get(vector.subject, -1))
            known = [int(table.known[row]) for row in rows.tolist() if table.sources[table.source[row]] == note.source]
            longest = max(length for name, length in PRECISIONS.items() if name in note.message)
            if later or any(index_time < instant <= index_time + longest for instant in known):
                message = f"{exclusion.code} may apply already: {note.source} has a date without a time"
                reasons.append(Reason(code="exclusion-unproven", feature=None, message=message, remedy=_DATE_IT))
    return tuple(reasons)


def lost_parts(record: PatientRecord) -> int:
    """How many parts of a source could not be read, or given to any patient."""
    return sum(
        finding.subject is None and finding.severity is Severity.ERROR and not finding.source.startswith("Medication/")
        for finding in record.rejections
    )


def lost_finding(place: str, count: int) -> tuple[Rejection, ...]:
    """What could not be read, or given to any patient, as one finding for every patient of the source."""
    if not count:
        return ()
    return (
        Rejection(
            source=place,
            location="",
            reason="source-parts-unused",
            severity=Severity.ERROR,
            message=f"{count} parts of the source could not be read or given to a patient, and may have held a result",
        ),
    )


def _head(scorer: Scorer, row: CohortRow, vector: FeatureVector, findings: Sequence[Rejection]) -> dict[str, object]:
    digest = inputs_digest(vector)
    seed = "\n".join((scorer.reference.digest, digest, row.subject, instant_text(row.index_time)))
    return {
        "id": f"urn:uuid:{_uuid8(seed)}",
        "subject": row.subject,
        "encounter": row.encounter,
        "index_time": row.index_time,
        "model": scorer.reference,
        "outcome": scorer.spec.outcome,
        "horizon": scorer.spec.horizon,
        "findings": tuple(sorted(findings)) + _range_findings(scorer, vector),
        "inputs_digest": digest,
        "release_state": UNREGISTERED,
    }


def inputs_digest(vector: FeatureVector) -> str:
    """SHA-256 of the canonical feature vector with its source ids."""
    values = [
        {
            "value": None if value.missing else repr(value.number),
            "effective": None if value.effective is None else instant_text(value.effective),
            "comparator": value.comparator,
            "sources": list(value.sources),
        }
        for value in vector.values
    ]
    body = {"spec": vector.spec_digest, "values": values, "exclusions": list(vector.exclusions)}
    return sha256(canonical_bytes(body))


def _uuid8(seed: str) -> uuid.UUID:
    """A UUID of version 8 (RFC 9562) made of a digest: the same answer has the same id everywhere."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) | (8 << 76)
    return uuid.UUID(int=number & ~(0x3 << 62) | (0x2 << 62))


def _range_findings(scorer: Scorer, vector: FeatureVector) -> tuple[Rejection, ...]:
    found = []
    for feature, value, (low, high) in zip(scorer.spec.features, vector.values, scorer.ranges, strict=True):
        if not value.missing and not low <= value.number <= high:
            seen = f"{low:g} to {high:g} {feature.unit}" if low <= high else "nothing"
            found.append(
                Rejection(
                    source=value.sources[0] if value.sources else vector.subject,
                    location=feature.name,
                    reason=OUTSIDE_TRAINING,
                    severity=Severity.NOTE,
                    message=f"{feature.label} lies outside what the model has seen in training ({seen})",
                )
            )
    return tuple(found)


def _estimate(
    scorer: Scorer,
    row: CohortRow,
    vector: FeatureVector,
    head: dict[str, object],
    margin: float,
    log_odds: float,
    shap_values: Floats,
    spread: float,
) -> RiskEstimate:
    spec, machine = scorer.spec, scorer.machine
    probability = expit(log_odds)
    return RiskEstimate(
        **head,  # type: ignore[arg-type]
        probability=probability,
        interval=machine.bootstrap.interval(log_odds, spread),
        log_odds=margin,
        band=spec.band(probability),
        flag=probability >= spec.threshold,
        explanation=explain(spec, vector, shap_values, margin),
        comparators=(),
        team=_team(scorer, probability, log_odds, row.clinician_estimate),
    )


def _team(scorer: Scorer, probability: float, log_odds: float, estimate: float | None) -> Team | str:
    if estimate is None:
        return "no clinician's estimate was given"
    fit = scorer.machine.team
    return Team(
        clinician_estimate=estimate,
        probability=None if fit is None else fit.probability(log_odds, estimate),
        disagreement=abs(estimate - probability) >= scorer.spec.disagreement,
        absent="this release carries no fitted combination" if fit is None else None,
    )
