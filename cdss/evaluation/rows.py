"""What every statistic here demands: paired rows of outcome and prediction, checked, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdss.errors import EvidenceError

Outcomes = NDArray[np.bool_]
Numbers = NDArray[np.float64]


def read_scores(y: ArrayLike, scores: Mapping[str, ArrayLike], *, per_class: int = 0) -> tuple[Outcomes, list[Numbers]]:
    """Check outcomes and the scores that go with them, and put the rows in one fixed order.

    The order depends on the values alone, so every statistic is bit for bit the same however the rows were shuffled.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Outcome, 1 = event.
    scores : mapping of str to array_like of float, each of shape (n,)
        Predictions under the names that an error message should use; higher means riskier. Infinite scores are allowed.
    per_class : int
        How many events, and how many non-events, the statistic needs.

    Returns
    -------
    ndarray of bool, shape (n,), and list of ndarray of float64, each of shape (n,)
        Outcomes and scores, rows sorted by the scores in turn, then by the outcome.

    Raises
    ------
    EvidenceError
        If an input is not one column of numbers, lengths differ, a value is missing, an outcome is neither 0 nor 1,
        there are no rows, or a class has fewer than `per_class`.
    """
    outcome = _column("y", y)
    columns = {name: _column(name, values) for name, values in scores.items()}
    for name, column in columns.items():
        if len(column) != len(outcome):
            raise EvidenceError(
                f"{name} has {len(column)} rows and y has {len(outcome)}. Give one prediction for each outcome."
            )
    if not len(outcome):
        raise EvidenceError("y has no rows. Give at least one patient.")
    strange = int(np.count_nonzero((outcome != 0) & (outcome != 1)))
    if strange:
        raise EvidenceError(f"y has {strange} values that are neither 0 nor 1. Code the event as 1 and no event as 0.")
    events = int(outcome.sum())
    for count, what in ((events, "event"), (len(outcome) - events, "non-event")):
        if count < per_class:
            raise EvidenceError(
                f"y has {count} {what}s among {len(outcome)} rows, and this statistic needs at least {per_class}. "
                "Evaluate more patients, or leave the statistic out."
            )
    order = np.lexsort((outcome, *reversed(columns.values())))
    return outcome[order] == 1, [column[order] for column in columns.values()]


def read_probabilities(
    y: ArrayLike, probabilities: Mapping[str, ArrayLike], *, per_class: int = 0
) -> tuple[Outcomes, list[Numbers]]:
    """Do as `read_scores`, and refuse anything outside [0, 1].

    Raises
    ------
    EvidenceError
        As `read_scores`, or if a probability is below 0 or above 1.
    """
    outcome, columns = read_scores(y, probabilities, per_class=per_class)
    for name, column in zip(probabilities, columns, strict=True):
        outside = int(np.count_nonzero((column < 0) | (column > 1)))
        if outside:
            raise EvidenceError(
                f"{name} has {outside} values outside 0 to 1. Give probabilities: divide percents by 100, "
                "and turn log-odds into probabilities first."
            )
    return outcome, columns


def _column(name: str, values: ArrayLike) -> Numbers:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EvidenceError(f"{name} holds something that is not a number. Give one number for each row.") from error
    if column.ndim != 1:
        raise EvidenceError(f"{name} has {column.ndim} dimensions. Give one column of numbers.")
    missing = int(np.count_nonzero(np.isnan(column)))
    if missing:
        raise EvidenceError(f"{name} has {missing} missing values. Leave those rows out, and count them in the cohort.")
    return column
