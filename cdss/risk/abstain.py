"""When not to answer, and what would make an answer possible."""

from __future__ import annotations

from collections.abc import Sequence

from cdss.domain.assessment import Reason
from cdss.domain.feature import FeatureDefinition, FeatureSpec, FeatureVector, IfMissing
from cdss.domain.reasons import known_reasons
from cdss.record import Block
from cdss.risk.words import span_words, unit_words


def abstention_reasons(spec: FeatureSpec, vector: FeatureVector, blocks: Sequence[Block]) -> tuple[Reason, ...]:
    """Every reason not to answer for one row; empty when the model may answer."""
    reasons = [
        Reason(
            code=block.reason,
            feature=None,
            message=f"{block.source}: {block.message}",
            remedy=known_reasons()[block.reason].block_remedy,
        )
        for block in blocks
    ]
    for exclusion, found in zip(spec.exclusions, vector.exclusions, strict=True):
        if found:
            reasons.append(
                Reason(code=exclusion.code, feature=None, message=exclusion.message, remedy=exclusion.remedy)
            )
    absent: set[str] = set()
    for feature, value in zip(spec.features, vector.values, strict=True):
        if value.missing:
            absent.add(feature.name)
            if feature.if_missing is not IfMissing.ALLOW:
                reasons.append(_missing(feature))
        elif not _in_population(feature, value.number):
            reasons.append(
                Reason(
                    code="not-eligible",
                    feature=feature.name,
                    message=f"{feature.label}: outside the {_population(feature)} of the model's population",
                    remedy="None at this index time: the model was not made for this patient now.",
                )
            )
    lacking = [f.label for f in spec.features if f.name in absent and f.name in spec.missing_limit.features]
    if len(lacking) > spec.missing_limit.most:
        count = len(spec.missing_limit.features)
        reasons.append(
            Reason(
                code="too-many-missing",
                feature=None,
                message=f"{len(lacking)} of {count} further measurements are absent: {', '.join(lacking)}",
                remedy=f"At least {count - spec.missing_limit.most} of these {count} must be there.",
            )
        )
    return tuple(reasons)


def _in_population(feature: FeatureDefinition, number: float) -> bool:
    low, high = feature.at_least, feature.at_most
    return (low is None or number >= low) and (high is None or number <= high)


def _population(feature: FeatureDefinition) -> str:
    low = "" if feature.at_least is None else f"at least {feature.at_least:g}"
    high = "" if feature.at_most is None else f"at most {feature.at_most:g}"
    return " ".join(part for part in (low, "and" if low and high else "", high, unit_words(feature.unit)) if part)


def _missing(feature: FeatureDefinition) -> Reason:
    lookback = feature.readings[0].lookback
    where = f"within {span_words(lookback)} before the index time" if lookback else "by the index time"
    unit = f" in {unit_words(feature.unit)}" if unit_words(feature.unit) else ""
    code = "required-missing" if feature.if_missing is IfMissing.REQUIRED else "not-eligible"
    return Reason(
        code=code,
        feature=feature.name,
        message=f"{feature.label}: nothing usable is on record {where}",
        remedy=feature.remedy or f"Measure or record it{unit} {where}.",
    )
