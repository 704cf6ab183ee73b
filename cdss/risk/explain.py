"""SHAP values -> contributions with words; parts that do not add up to the whole are never shown."""

from __future__ import annotations

import math

from cdss.domain.assessment import Contribution, Explanation
from cdss.domain.feature import FeatureDefinition, FeatureSpec, FeatureValue, FeatureVector
from cdss.errors import IntegrityError
from cdss.risk.calibrate import Floats
from cdss.risk.words import span_words, unit_words

TOLERANCE = 1e-4
_HARDLY = 0.005  # below, the two decimals shown are 0.00
_MINUTE = 60_000_000
_HOUR, _DAY = 60 * _MINUTE, 1440 * _MINUTE


def explain(spec: FeatureSpec, vector: FeatureVector, shap_values: Floats, margin: float) -> Explanation:
    """Contributions of one row, largest first.

    Parameters
    ----------
    spec : FeatureSpec
    vector : FeatureVector
    shap_values : ndarray, shape (k + 1,)
        In log-odds; the base value last.
    margin : float
        Log-odds of the trees, read independently of the SHAP values.

    Raises
    ------
    IntegrityError
        If base value and contributions do not add up to the margin within 1e-4.
    """
    if not abs(float(shap_values.sum()) - margin) <= TOLERANCE:
        raise IntegrityError("explanation: its parts do not add up to the estimate, so neither is shown. Report this.")
    parts = [
        _contribution(feature, value, float(shap), vector.index_time)
        for feature, value, shap in zip(spec.features, vector.values, shap_values[:-1], strict=True)
    ]
    order = sorted(range(len(parts)), key=lambda place: (-abs(parts[place].shap_value), place))
    return Explanation(base_value=float(shap_values[-1]), contributions=tuple(parts[place] for place in order))


def _contribution(feature: FeatureDefinition, value: FeatureValue, shap: float, index_time: int) -> Contribution:
    shown: float | str | None = value.number
    if value.missing:
        shown = None
    elif feature.categories:
        shown = feature.categories[int(value.number)][1]
    return Contribution(
        feature=feature.name,
        label=feature.label,
        value=shown,
        comparator=value.comparator,
        unit=feature.unit,
        effective=value.effective,
        shap_value=shap,
        sources=value.sources,
        text=_sentence(feature, value, shap, index_time),
    )


def _sentence(feature: FeatureDefinition, value: FeatureValue, shap: float, index_time: int) -> str:
    direction = "hardly changes" if abs(shap) < _HARDLY else "raises" if shap > 0 else "lowers"
    if value.missing:
        lookback = feature.readings[0].lookback
        when = f"in the {span_words(lookback)} before the index time" if lookback else "on record"
        return f"{feature.label}: nothing usable {when}; this {direction} the estimate."
    spans_time = feature.readings[0].aggregate == "days_since_start"
    when = "" if spans_time else _when(value, index_time)
    return f"{_shown(feature, value)}{when} {direction} the estimate. {feature.about}"


def _shown(feature: FeatureDefinition, value: FeatureValue) -> str:
    reading = feature.readings[0]
    if feature.categories:
        return f"{feature.label} ({feature.categories[int(value.number)][1]})"
    if reading.aggregate == "present":
        return f"{feature.label} on record" if value.number else f"{feature.label} not on record"
    if reading.aggregate == "sex":
        return f"{feature.label} ({'female' if value.number else 'male'})"
    unit = unit_words(feature.unit)
    number = math.floor(value.number) if reading.aggregate == "age" else value.number  # as people say their age
    bound = f"{value.comparator} " if value.comparator else ""
    return f"{feature.label} {bound}{number:.{feature.decimals}f} {unit}".rstrip()


def _when(value: FeatureValue, index_time: int) -> str:
    if value.effective is None:
        return ""
    age = index_time - value.effective
    if age < 2 * _HOUR:
        return f", {age // _MINUTE} min before the index time,"
    if age < 2 * _DAY:
        return f", {age // _HOUR} h before the index time,"
    return f", {age // _DAY} days before the index time,"
