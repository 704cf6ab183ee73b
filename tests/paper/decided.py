"""A signed decision record of a made-up patient, and the printed pages read back."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from cdss.paper import decision_pdf

NOT_FOR = "Limiting or withdrawing treatment, ICU triage, hospice eligibility; children; any decision that cannot wait."
QUESTION = "Of 100 patients like this one, how many will be alive in six months?"
STATEMENT = (
    "I have reviewed this estimate and its inputs. My own judgement is 20 of 100 die within 180 days. I override the "
    "machine's 54 of 100, because my clinical judgement differs (imaging). My plan is: reassess after extubation."
)
MARLOW = {"sub": "marlow", "name": "Dr Ines Marlow", "role": "clinician"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def fact(label: str, value: object, unit: str, change: float, text: str, **more: object) -> dict[str, Any]:
    found = {"feature": label.lower(), "label": label, "value": value, "unit": unit, "shap_value": change, "text": text}
    return found | {"effective": "2026-03-14T06:10:00Z", "sources": [f"Observation/{label.lower()}-1"]} | more


def record() -> dict[str, Any]:
    contributions = [
        fact("Coma", 26.0, "{score}", 0.4638, "Coma score 26, 4 h before, raises the estimate. Not Glasgow."),
        fact("Group", "Sepsis & organ failure", "1", -0.28, "Disease group (sepsis) lowers the estimate. As studied."),
        fact("Creatinine", 2.1, "mg/dL", 0.2, "Creatinine 2.1 mg/dL raises the estimate. A rise: the kidneys."),
        fact("Albumin", None, "g/dL", 0.09, "Albumin not measured raises the estimate.", effective=None, sources=[]),
        fact("Age", 70.5927446954141, "a", 0.06, "Age 70 years raises the estimate.", effective=None),
        fact("Dementia", 0.0, "1", 0.0, "Dementia not on record hardly changes it.", effective=None, sources=[]),
    ]  # fmt: skip
    head = {"subject": "Patient/demo-12", "index_time": "2026-03-14T09:40:00Z", "outcome": "death", "horizon": "P180D"}
    assessment = {
        "schema": 1, "kind": "estimate", "id": "urn:uuid:bcc38e1c-49a2-84d4-8467-77ca5f315a7a", **head,
        "model": {"name": "serious-illness-180d", "version": "1.0.0", "digest": f"sha256:{digest('model')}"},
        "probability": 0.5412, "interval": {"low": 0.45, "high": 0.63, "level": 0.9, "method": "bootstrap of model"},
        "log_odds": 0.41, "band": "middle", "flag": True,
        "explanation": {"scale": "log-odds", "base_value": -0.12, "contributions": contributions},
        "team": {"clinician_estimate": 0.2, "probability": 0.39, "disagreement": True},
        "findings": [{"severity": "note", "source": "Observation/k7", "reason": "value-impossible",
                      "message": "Heart rate of 0 per minute was put aside"}],
        "inputs_digest": f"sha256:{digest('inputs')}", "release_state": "live",
    }  # fmt: skip
    estimate = {
        "number": 1, "alive": 80, "risk": 0.2, "question": QUESTION, "at": "2026-03-14T09:43:02.000000Z", "by": MARLOW,
        "combined": True, "why_not": None,
    }  # fmt: skip
    return {
        "schema": 1, "case": "case-12", "number": "DR-2026-000417", "version": 3, "synthetic": True,
        "patient": {
            "reference": "Patient/demo-12", "family": "Adeyemark", "given": "Ruth", "birth_date": "1957-03-02",
            "sex": "female",
            "identifier": {"system": "https://hospital.example/mrn", "value": "730418226"}, "ward": "7B", "bed": "12",
            "attending": "Dr Ines Marlow",
        },
        "assessment": assessment,
        "model": {"title": "Death within 180 days", "intended_use": "To prompt a conversation.", "not_for": NOT_FOR,
                  "bands": [{"name": "low", "low": 0.0}, {"name": "middle", "low": 0.3}, {"name": "high", "low": 0.6}]},
        "observed": {"n": 412, "rate": 0.51, "low": 0.46, "high": 0.56},
        "reliance": [{"ok": True, "text": "Inside the intended population", "detail": "Adult, third day"},
                     {"ok": False, "text": "One fact was not measured", "detail": "Albumin"}],
        "estimates": [estimate],
        "decision": {"outcome": "overridden", "outcome_text": "Override: my judgement differs",
                     "reason": "clinical-judgement",
                     "reason_text": "Clinical judgement differs", "knows": ["Imaging"], "note": "", "until": None,
                     "plan": "Reassess after the extubation trial"},
        "statement": STATEMENT, "at": "2026-03-14T09:47:12Z",
    }  # fmt: skip


def history() -> list[dict[str, Any]]:
    acts = ("Opened, inputs frozen", "Estimate committed", "Score made", "Viewed", "Decision: overridden", "Signed")
    return [
        {"at": f"2026-03-14T09:4{at}:02Z", "act": act, "by": "Dr Ines Marlow", "seq": 18437 + at}
        for at, act in enumerate(acts)
    ]


def receipt() -> dict[str, Any]:
    signature = {
        "name": "Dr Ines Marlow", "role": "clinician", "meaning": "overridden with reason", "slot": "author",
        "at": "2026-03-14T09:47:31.101Z", "key": "7c2f90aa", "value": "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO==",
    }  # fmt: skip
    return {
        "number": "DR-2026-000417", "seq": 18442, "size": 18442, "at": "2026-03-14T09:47:31.204Z",
        "leaf": digest("leaf"), "root": digest("root"),
        "checkpoint": "cdss.example/ledger\n18442\nwH0Y6U9io7F3DF4t=\n\n\u2014 cdss Az3grlgt=\n",
        "path": [digest(str(at)) for at in range(15)], "signatures": [signature],
    }  # fmt: skip


def abstention() -> dict[str, Any]:
    changed = record()
    gone = ("probability", "interval", "log_odds", "band", "flag", "explanation", "team")
    changed["assessment"] = {key: value for key, value in changed["assessment"].items() if key not in gone} | {
        "kind": "abstention",
        "reasons": [{"code": "required-missing", "feature": "creatinine",
                     "message": "Creatinine: nothing usable is on record",
                     "remedy": "Measure it in mg/dL."}],
        "findings": [],
    }  # fmt: skip
    changed |= {
        "estimates": [],
        "observed": None,
        "statement": "I have seen that there is no estimate.",
        "reliance": [],
    }
    return changed


def read(document: bytes) -> PdfReader:
    return PdfReader(BytesIO(document))


def pages(document: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in read(document).pages]


def words(document: bytes) -> str:
    return " ".join(pages(document))


def named(family: str, given: str) -> bytes:
    changed = record()
    changed["patient"] |= {"family": family, "given": given}
    return decision_pdf(changed, history(), receipt())
