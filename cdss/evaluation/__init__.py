"""Arrays to evidence: do predictions rank patients well, do their probabilities hold, what does acting on them cost.

Every function takes outcomes and predictions as arrays of the same length, refuses rows it cannot use with an
`EvidenceError`, and gives the same bits whatever the order of the rows.
"""

from cdss.evaluation.bands import Band, reliability_table, risk_bands
from cdss.evaluation.calibration import brier, calibration_intercept, calibration_slope, observed_expected
from cdss.evaluation.curve import CalibrationCurve, calibration_curve
from cdss.evaluation.difference import Difference
from cdss.evaluation.discrimination import (
    auroc,
    auroc_interval,
    average_precision,
    average_precision_interval,
    compare_auroc,
)
from cdss.evaluation.interval import Interval, wilson_interval
from cdss.evaluation.summary import Comparison, Performance, compare, evaluate
from cdss.evaluation.utility import OperatingPoint, net_benefit, operating_point

__all__ = [
    "Band",
    "CalibrationCurve",
    "Comparison",
    "Difference",
    "Interval",
    "OperatingPoint",
    "Performance",
    "auroc",
    "auroc_interval",
    "average_precision",
    "average_precision_interval",
    "brier",
    "calibration_curve",
    "calibration_intercept",
    "calibration_slope",
    "compare",
    "compare_auroc",
    "evaluate",
    "net_benefit",
    "observed_expected",
    "operating_point",
    "reliability_table",
    "risk_bands",
    "wilson_interval",
]
