"""Clinical decision support: FHIR in, one frozen, explained assessment out.

The names below load on first use, so that `import cdss` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Abstention": "cdss.domain.assessment",
    "AccessError": "cdss.access",
    "Act": "cdss.access",
    "AuditPage": "cdss.workflow.audit",
    "CaseView": "cdss.workflow.recording",
    "CdssError": "cdss.errors",
    "ClinicalEvent": "cdss.domain.event",
    "CodeMap": "cdss.codes",
    "ConflictError": "cdss.errors",
    "DecisionRecord": "cdss.workflow.decision_record",
    "Fate": "cdss.domain.review",
    "Filter": "cdss.workflow.audit",
    "Group": "cdss.workflow.worklist",
    "Hospital": "cdss.workflow.hospital",
    "LoginNeededError": "cdss.access",
    "Model": "cdss.workflow.model",
    "Outcome": "cdss.domain.review",
    "PatientRecord": "cdss.record",
    "Person": "cdss.access",
    "Policy": "cdss.domain.recommendation",
    "Rejection": "cdss.domain.event",
    "ReviewDecision": "cdss.domain.review",
    "RiskEstimate": "cdss.domain.assessment",
    "Row": "cdss.workflow.worklist",
    "Settings": "cdss.settings",
    "SignedIn": "cdss.access",
    "Stage": "cdss.domain.review",
    "Verdict": "cdss.workflow.audit",
    "assess_cohort": "cdss.workflow.api",
    "build_features": "cdss.features",
    "load_model": "cdss.workflow.model",
    "open": "cdss.compose",
    "read": "cdss.workflow.api",
    "read_code_map": "cdss.fhir.codemap",
    "read_cohort": "cdss.workflow.cohort",
    "read_settings": "cdss.settings",
    "read_spec": "cdss.features",
    "train": "cdss.workflow.train",
}
# Where the name at home is a longer one: `open` would hide the built-in there.
_NAMES = {"open": "open_hospital"}

__all__ = [
    "Abstention",
    "AccessError",
    "Act",
    "AuditPage",
    "CaseView",
    "CdssError",
    "ClinicalEvent",
    "CodeMap",
    "ConflictError",
    "DecisionRecord",
    "Fate",
    "Filter",
    "Group",
    "Hospital",
    "LoginNeededError",
    "Model",
    "Outcome",
    "PatientRecord",
    "Person",
    "Policy",
    "Rejection",
    "ReviewDecision",
    "RiskEstimate",
    "Row",
    "Settings",
    "SignedIn",
    "Stage",
    "Verdict",
    "__version__",
    "assess_cohort",
    "build_features",
    "load_model",
    "open",
    "read",
    "read_code_map",
    "read_cohort",
    "read_settings",
    "read_spec",
    "train",
]

if TYPE_CHECKING:
    from cdss.access import AccessError, Act, LoginNeededError, Person, SignedIn
    from cdss.codes import CodeMap
    from cdss.compose import open_hospital as open
    from cdss.domain.assessment import Abstention, RiskEstimate
    from cdss.domain.event import ClinicalEvent, Rejection
    from cdss.domain.recommendation import Policy
    from cdss.domain.review import Fate, Outcome, ReviewDecision, Stage
    from cdss.errors import CdssError, ConflictError
    from cdss.features import build_features, read_spec
    from cdss.fhir.codemap import read_code_map
    from cdss.record import PatientRecord
    from cdss.settings import Settings, read_settings
    from cdss.workflow.api import assess_cohort, read
    from cdss.workflow.audit import AuditPage, Filter, Verdict
    from cdss.workflow.cohort import read_cohort
    from cdss.workflow.decision_record import DecisionRecord
    from cdss.workflow.hospital import Hospital
    from cdss.workflow.model import Model, load_model
    from cdss.workflow.recording import CaseView
    from cdss.workflow.train import train
    from cdss.workflow.worklist import Group, Row


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cdss' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), _NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
