"""Paper: the decision record as a printed document."""

from cdss.paper.record import decision_pdf

__all__ = ["decision_pdf"]
