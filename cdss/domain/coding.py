"""Codes and the systems they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_9_CM = "http://hl7.org/fhir/sid/icd-9-cm"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ATC = "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
DISCHARGE_DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
SUPPORT2 = "https://cdss.example/fhir/CodeSystem/support2"

_LOINC = re.compile(r"(\d{1,7})-(\d)")
_SNOMED_CT = re.compile(r"[1-9]\d{5,17}")
# Verhoeff: multiplication in the dihedral group of ten elements, and the permutation of each place.
_VERHOEFF_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_PLACE = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_LOINC_PART = re.compile(r"L[ALPG]\d{1,7}-\d")  # LA: answers, LL: answer lists, LP: parts, LG: groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """A code in its system. Its display is never compared, so it is not kept."""

    system: str
    code: str

    @property
    def key(self) -> str:
        """The two as one string, `system|code`, the way code sets are written in spec and units files."""
        return f"{self.system}|{self.code}"

    @classmethod
    def from_key(cls, key: str) -> Coding:
        """Split `system|code` again; a system never holds a bar."""
        system, _, code = key.partition("|")
        return cls(system=system, code=code)


def loinc_check_digit_holds(code: str) -> bool:
    """Whether a LOINC code has its form and its last digit is the mod-10 check digit of the others.

    The check digit of parts, answers, lists and groups (LP, LA, LL, LG) takes in their letters by a rule that is not
    published: of these only the form is checked.

    References
    ----------
    LOINC Users' Guide, appendix C: calculating mod 10 check digits.
    """
    found = _LOINC.fullmatch(code)
    if not found:
        return _LOINC_PART.fullmatch(code) is not None
    body, check = found.groups()
    total = 0
    for place, digit in enumerate(reversed(body)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return (10 - total % 10) % 10 == int(check)


def snomed_check_digit_holds(code: str) -> bool:
    """Whether a SNOMED CT identifier has its form and its last digit is the Verhoeff check digit of the others.

    References
    ----------
    SNOMED CT Release File Specification, section 6: SCTID, check digit (Verhoeff's dihedral check).
    """
    if not _SNOMED_CT.fullmatch(code):
        return False
    state = 0
    for place, digit in enumerate(reversed(code)):
        state = int(_VERHOEFF_TIMES[state][int(_VERHOEFF_PLACE[place % 8][int(digit)])])
    return state == 0
