"""Where a case stands, derived from its entries alone: replaying the log gives the same table."""

from __future__ import annotations

from cdss.ledger.kinds import CaseState, Kind

# A newer input or score makes a decision form stale: the version goes up, and there is no decision to sign.
_NEWER = {Kind.INPUT_RECEIVED: "received", Kind.SCORE_MADE: "scored", Kind.SCORE_ABSTAINED: "abstained"}
_DECIDED = {
    Kind.DECISION_ACCEPTED: "decided",
    Kind.DECISION_OVERRIDDEN: "decided",
    Kind.DECISION_NOT_APPLICABLE: "decided",
    Kind.DECISION_DEFERRED: "deferred",
}
_SETTLED = {
    Kind.SIGNOFF_SIGNED: "signed",
    Kind.SECOND_SIGNED: "countersigned",
    Kind.SIGNOFF_REJECTED: "rejected",
    Kind.SIGNOFF_WITHDRAWN: "withdrawn",
}


def after(state: CaseState | None, case: str, kind: Kind, leaf: str, signed: int | None) -> CaseState | None:
    """The state of a case after one more of its entries; `signed` is the version its signature names."""
    version = state.version if state else 0
    if kind in _NEWER:
        return CaseState(case=case, version=version + 1, status=_NEWER[kind], decision=None)
    if kind in _DECIDED:
        return CaseState(case=case, version=version + 1, status=_DECIDED[kind], decision=leaf)
    if state is None:
        return CaseState(case=case, version=0, status="open", decision=None) if kind is Kind.CASE_OPENED else None
    settled = "expired" if kind is Kind.RECOMMENDATION_EXPIRED else _SETTLED.get(kind) if signed == version else None
    return CaseState(case=case, version=version, status=settled, decision=state.decision) if settled else state
