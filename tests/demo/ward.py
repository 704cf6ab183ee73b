"""When the tests start the demo, and how they ask about one of its patients."""

from __future__ import annotations

from datetime import datetime, timedelta

import cdss
from cdss.demo import DemoPatient
from cdss.domain.assessment import Abstention, RiskEstimate

NOW = datetime.fromisoformat("2026-03-14T09:40:27+01:00")
LATER = [NOW + timedelta(days=293, hours=14, minutes=20), datetime.fromisoformat("2028-02-29T00:00:00+00:00")]
"""Other days to start the demo on: the turn of a year, and a leap day."""


def ask(model: cdss.Model, one: DemoPatient, record: cdss.PatientRecord, **how: float) -> RiskEstimate | Abstention:
    when = one.index_time.isoformat()
    return model.assess(record, when, subject=one.subject, encounter=one.encounter, **how)
