"""Where each finding belongs in the harmonised terms of data quality, as ``reasons.toml`` of the domain says.

References
----------
Kahn MG et al. A harmonized data quality assessment terminology and framework for the secondary use of electronic health
record data. eGEMs 2016;4(1):1244.
"""

from __future__ import annotations

from cdss.domain.reasons import known_reasons

CONFORMANCE, COMPLETENESS, PLAUSIBILITY = "conformance", "completeness", "plausibility"

# What a data team should look at before anything else: another patient's data, then what was lost unread.
FIRST = (
    "other-patient", "encounter-of-other-patient", "subject-contradicts", "same-id-different-content", "json-malformed",
    "json-cut", "json-duplicate-name", "json-not-utf8", "json-not-a-number", "json-too-deep", "json-trailing-data",
    "not-ndjson", "gzip-cut", "gzip-ratio", "too-large", "not-readable", "empty", "not-fhir", "entry-not-readable",
)  # fmt: skip


def place_of(reason: str) -> tuple[str, str]:
    """Category and subcategory of a reason; one that is not listed is shown as such, never dropped."""
    known = known_reasons().get(reason)
    return (known and known.quality) or ("other", "not listed")
