"""Where each finding belongs in the harmonised terms of data quality.

References
----------
Kahn MG et al. A harmonized data quality assessment terminology and framework for the secondary use of electronic health
record data. eGEMs 2016;4(1):1244.
"""

from __future__ import annotations

CONFORMANCE, COMPLETENESS, PLAUSIBILITY, INTENDED = "conformance", "completeness", "plausibility", "as intended"

_GROUPS: dict[tuple[str, str], tuple[str, ...]] = {
    (CONFORMANCE, "value"): (
        "not-fhir", "not-ndjson", "source-changed", "empty", "not-readable", "too-large", "gzip-ratio", "gzip-cut",
        "utf-16", "xml", "zip",
        "json-cut", "json-malformed", "json-not-a-number", "json-duplicate-name", "json-too-deep", "json-not-utf8",
        "json-trailing-data", "operation-outcome", "entry-not-readable", "entry-without-resource", "type-unknown",
        "element-unknown", "not-r4", "wrong-type", "strict-invalid", "id-missing", "id-invalid", "modifier-extension",
        "code-no-system", "display-contradicts-code",
        "code-malformed", "code-system-misspelt", "loinc-check-digit", "codes-contradict", "time-invalid",
        "time-without-zone", "time-multiple", "value-and-absent-reason", "value-multiple", "value-not-quantity",
        "value-wrong-type", "comparator-unknown", "value-text-only", "unit-missing", "unit-missing-score",
        "unit-missing-ph", "unit-unknown", "unit-wrong-dimension", "unit-contradiction", "unit-no-molar-mass",
        "unit-no-valence", "unit-alias", "unit-from-text", "unit-fraction", "map-part-not-used", "map-not-equivalent",
    ),
    (CONFORMANCE, "relation"): (
        "subject-unresolved", "subject-contained", "subject-not-patient", "subject-contradicts",
        "encounter-of-other-patient", "focus-not-patient", "other-patient", "encounter-unresolved",
        "medication-unresolved", "contained-not-read",
    ),
    (COMPLETENESS, "missing"): (
        "subject-missing", "medication-missing", "code-missing", "time-missing", "time-partial", "time-from-issued",
        "time-from-encounter", "issued-missing", "value-missing", "value-absent", "component-missing", "no-usable-part",
        "condition-over-undated", "birth-date-missing", "birth-date-imprecise", "sex-unknown", "source-parts-unused",
    ),
    (PLAUSIBILITY, "uniqueness"): ("duplicate", "superseded-version", "same-id-different-content"),
    (PLAUSIBILITY, "of the value"): (
        "value-impossible", "value-implausible", "value-contradiction", "values-contradict",
    ),
    (PLAUSIBILITY, "in time"): ("time-reversed", "time-implausible"),
    (INTENDED, "not to count"): (
        "status-not-usable", "condition-refuted", "condition-unconfirmed", "not-ordered", "not-to-be-done", "deletion",
        "deleted", "bundle-of-requests", "value-censored", "after-index-time",
    ),
}  # fmt: skip

PLACES: dict[str, tuple[str, str]] = {reason: place for place, reasons in _GROUPS.items() for reason in reasons}
"""Category and subcategory of each reason a finding may carry."""

# What a data team should look at before anything else: another patient's data, then what was lost unread.
FIRST = (
    "other-patient", "encounter-of-other-patient", "subject-contradicts", "same-id-different-content", "json-malformed",
    "json-cut", "json-duplicate-name", "json-not-utf8", "json-not-a-number", "json-too-deep", "json-trailing-data",
    "not-ndjson", "gzip-cut", "gzip-ratio", "too-large", "not-readable", "empty", "not-fhir", "entry-not-readable",
)  # fmt: skip


def place_of(reason: str) -> tuple[str, str]:
    """Category and subcategory of a reason; one that is not listed is shown as such, never dropped."""
    return PLACES.get(reason, ("other", "not listed"))
