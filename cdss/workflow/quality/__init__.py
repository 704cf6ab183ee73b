"""The data-quality report of a source: a dict of figures, and a page that shows them and nothing else."""

from cdss.workflow.quality.page import quality_page
from cdss.workflow.quality.report import quality_report

__all__ = ["quality_page", "quality_report"]
