"""Codes and the systems they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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
DIABETES130 = "https://cdss.example/fhir/CodeSystem/diabetes130"
PHYSIONET2012 = "https://cdss.example/fhir/CodeSystem/physionet2012"

# Systems that some senders name by their OID; both names are one system.
SYSTEM_OF_OID: Mapping[str, str] = MappingProxyType(
    {"urn:oid:2.16.840.1.113883.6.1": LOINC, "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT}
)

_KNOWN = (LOINC, SNOMED_CT, ICD_10, ICD_10_CM, ICD_9_CM, ATC, RXNORM)
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
# A category and what stands behind its dot, which many senders leave out; digits of ASCII, letters in upper case.
_ICD_10_SHAPE = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?")
_ICD_SHAPES = {
    ICD_10: _ICD_10_SHAPE,
    ICD_10_CM: _ICD_10_SHAPE,
    ICD_9_CM: re.compile(r"(?:[0-9]{3}|V[0-9]{2}|E[0-9]{3})(?:\.?[0-9]{1,2})?"),
}
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


def code_shape_holds(system: str, code: str) -> bool:
    """Whether a code has the form of its system, where that is ICD-10, ICD-10-CM or ICD-9-CM; true of any other system.

    It says nothing about whether the code exists. Only codes of diagnoses are asked for: a procedure of ICD-9-CM
    (volume 3, two digits before the dot) looks like a diagnosis that lost its leading zero, and has no form here.

    References
    ----------
    WHO. ICD-10, volume 2 (instruction manual), section 2.4: categories and subcategories. US National Center for
    Health Statistics and CMS. ICD-10-CM Official Guidelines, section I.A.2 and I.A.4; ICD-9-CM Official Guidelines,
    section I.B.3 (three to five digits) with the supplementary classifications V01-V91 and E000-E999.
    """
    shape = _ICD_SHAPES.get(system)
    return shape is None or shape.fullmatch(code) is not None


def system_meant(system: str) -> str | None:
    """The code system that a misspelt URI was most likely meant as: other capitals, scheme, or something behind it."""
    plain = _plain(system)
    return next((known for known in _KNOWN if plain == _plain(known) or plain.startswith(f"{_plain(known)}/")), None)


def _plain(system: str) -> str:
    return re.sub(r"^https?://(?:www\.)?|/$", "", system.strip().lower())


def undotted(key: str) -> str:
    """A `system|code` as it is compared: an ICD code, or the beginning of one, without its dot."""
    system, _, code = key.partition("|")
    return f"{system}|{code.replace('.', '')}" if system in _ICD_SHAPES else key


def stands_for(written: str, key: str) -> bool:
    """Whether a key as value sets and specifications write it, exact or ending in `*`, stands for a `system|code`.

    A code that has not the form of its ICD system is never one: `COPD` begins with C, and is no cancer.
    """
    coding, plain = Coding.from_key(key), undotted(written)
    if not code_shape_holds(coding.system, coding.code):
        return False
    return undotted(key).startswith(plain[:-1]) if plain.endswith("*") else undotted(key) == plain
