"""The one frozen answer: an estimate with its explanation, or an abstention with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdss.domain.event import Rejection
from cdss.domain.instant import instant_text

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """Which release gave an answer; `digest` is that of its manifest."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An interval of probability, 0 to 1, with the method that made it."""

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one feature added to the log-odds, with the value and the resources it rests on."""

    feature: str
    label: str
    value: float | str | None
    comparator: str | None
    unit: str
    effective: int | None
    shap_value: float
    sources: tuple[str, ...]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """The public form; a comparator is there only for a bound."""
        return {
            "feature": self.feature,
            "label": self.label,
            "value": self.value,
            **({"comparator": self.comparator} if self.comparator else {}),
            "unit": self.unit,
            "effective": None if self.effective is None else instant_text(self.effective),
            "shap_value": self.shap_value,
            "sources": list(self.sources),
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """SHAP values in log-odds: base value and contributions add up to the margin."""

    base_value: float
    contributions: tuple[Contribution, ...]

    def to_dict(self) -> dict[str, Any]:
        """The public form."""
        return {
            "scale": "log-odds",
            "base_value": self.base_value,
            "contributions": [contribution.to_dict() for contribution in self.contributions],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The clinician's estimate beside the machine's; `probability` is the fitted combination, where it applies."""

    clinician_estimate: float
    probability: float | None
    disagreement: bool
    absent: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The public form."""
        found: dict[str, Any] = {"clinician_estimate": self.clinician_estimate}
        if self.probability is not None:
            found["probability"] = self.probability
        found["disagreement"] = self.disagreement
        if self.absent:
            found["absent"] = self.absent
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why there is no answer, and what would make one possible."""

    code: str
    feature: str | None
    message: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """The public form; `feature` is there only where the reason is about one."""
        feature = {"feature": self.feature} if self.feature else {}
        return {"code": self.code, **feature, "message": self.message, "remedy": self.remedy}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What an estimate and an abstention have in common.

    `id` is derived from model, inputs, subject and index time, and `inputs_digest` from the features with their
    sources: the same input gives the same bytes from every door.
    """

    id: str
    subject: str
    encounter: str | None
    index_time: int
    model: ModelReference
    outcome: str
    horizon: str
    findings: tuple[Rejection, ...]
    inputs_digest: str
    release_state: str

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": kind,
            "id": self.id,
            "subject": self.subject,
            **({"encounter": self.encounter} if self.encounter else {}),
            "index_time": instant_text(self.index_time),
            "model": {"name": self.model.name, "version": self.model.version, "digest": self.model.digest},
            "outcome": self.outcome,
            "horizon": self.horizon,
        }

    def _tail(self) -> dict[str, Any]:
        findings = [
            {key: found[key] for key in ("severity", "source", "reason", "message")}
            for found in (finding.to_dict() for finding in self.findings)
        ]
        return {"findings": findings, "inputs_digest": self.inputs_digest, "release_state": self.release_state}


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEstimate(Assessment):
    """A calibrated risk. `log_odds` is the trees' margin before calibration; band and flag are the machine's alone."""

    probability: float
    interval: Interval
    log_odds: float
    band: str
    flag: bool
    explanation: Explanation
    comparators: tuple[dict[str, Any], ...]
    team: Team | str

    def to_dict(self) -> dict[str, Any]:
        """The public JSON form (schema 1)."""
        interval = self.interval
        return {
            **self._head("estimate"),
            "probability": self.probability,
            "interval": {
                "low": interval.low, "high": interval.high, "level": interval.level, "method": interval.method,
            },
            "log_odds": self.log_odds,
            "band": self.band,
            "flag": self.flag,
            "explanation": self.explanation.to_dict(),
            "comparators": list(self.comparators),
            "team": {"absent": self.team} if isinstance(self.team, str) else self.team.to_dict(),
            **self._tail(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention(Assessment):
    """No answer, with every reason."""

    reasons: tuple[Reason, ...]

    def to_dict(self) -> dict[str, Any]:
        """The public JSON form (schema 1)."""
        return {
            **self._head("abstention"),
            "reasons": [reason.to_dict() for reason in self.reasons],
            **self._tail(),
        }
