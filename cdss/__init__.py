"""Clinical decision support: FHIR in, one frozen, explained assessment out.

The names below load on first use, so that `import cdss` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Abstention": "cdss.domain.assessment",
    "ClinicalEvent": "cdss.domain.event",
    "Hospital": "cdss.workflow.hospital",
    "Model": "cdss.workflow.model",
    "PatientRecord": "cdss.record",
    "Rejection": "cdss.domain.event",
    "RiskEstimate": "cdss.domain.assessment",
    "assess_cohort": "cdss.workflow.api",
    "build_features": "cdss.features",
    "load_model": "cdss.workflow.model",
    "open": "cdss.compose",
    "read": "cdss.workflow.api",
    "read_cohort": "cdss.workflow.cohort",
    "read_spec": "cdss.features",
    "train": "cdss.workflow.train",
}
# Where the name at home is a longer one: `open` would hide the built-in there.
_NAMES = {"open": "open_hospital"}

__all__ = [
    "Abstention",
    "ClinicalEvent",
    "Hospital",
    "Model",
    "PatientRecord",
    "Rejection",
    "RiskEstimate",
    "__version__",
    "assess_cohort",
    "build_features",
    "load_model",
    "open",
    "read",
    "read_cohort",
    "read_spec",
    "train",
]

if TYPE_CHECKING:
    from cdss.compose import open_hospital as open
    from cdss.domain.assessment import Abstention, RiskEstimate
    from cdss.domain.event import ClinicalEvent, Rejection
    from cdss.features import build_features, read_spec
    from cdss.record import PatientRecord
    from cdss.workflow.api import assess_cohort, read
    from cdss.workflow.cohort import read_cohort
    from cdss.workflow.hospital import Hospital
    from cdss.workflow.model import Model, load_model
    from cdss.workflow.train import train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cdss' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), _NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
