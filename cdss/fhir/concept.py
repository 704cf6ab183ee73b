"""CodeableConcept -> the `system|code` keys that can be believed."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from cdss.codes.display import contradicts
from cdss.domain.coding import LOINC, SYSTEM_OF_OID, code_shape_holds, loinc_check_digit_holds, system_meant
from cdss.domain.event import Severity
from cdss.fhir.finding import Notes, PutAside
from cdss.fhir.schema import CodeableConcept, Coding

if TYPE_CHECKING:
    from cdss.codes import CodeMap

MODIFIED = "a rule we do not know may change its meaning"
_CODE = re.compile(r"\S+(?: \S+)*")  # FHIR code: no blanks around it, single ones inside
_SYSTEM = re.compile(r"[^\s|\x00-\x1f\ud800-\udfff]+")


@lru_cache(maxsize=65536)
def _keys(codings: tuple[Coding, ...], code_map: CodeMap | None) -> tuple[tuple[str, ...], str, str]:
    """Keys, the reason of a note or fault, and its message; remembered, because records repeat their codes.

    A hospital's code map adds what its own codes mean, behind them.
    """
    keys: list[str] = []
    reason, message = "", ""
    for coding in codings:
        code, system = coding.code, coding.system
        if not isinstance(system, UnsetType):
            system = SYSTEM_OF_OID.get(system, system)
        if system is UNSET or not system:
            if code is not UNSET:
                reason, message = "code-no-system", "a code without a system names nothing; give the coding its system"
        elif code is UNSET or not code:
            continue
        elif not _SYSTEM.fullmatch(system) or not _CODE.fullmatch(code) or not code.isprintable():
            reason, message = (
                "code-malformed",
                "a code or its system has blanks or other characters FHIR does not allow",
            )
        elif (meant := system_meant(system)) not in (None, system):
            reason, message = "code-system-misspelt", f"this code system is written {meant}, to the letter"
        elif not code_shape_holds(system, code):
            reason, message = (
                "code-malformed",
                "a code has not the form of its ICD system, such as C78.7 (upper case) or 250.00; it is not read",
            )
        elif system == LOINC and not loinc_check_digit_holds(code):
            return (
                (),
                "loinc-check-digit",
                "a code is no LOINC code: its check digit is wrong. Correct it at the source",
            )
        else:
            if f"{system}|{code}" not in keys:
                keys.append(f"{system}|{code}")
            if system == LOINC and isinstance(coding.display, str) and contradicts(code, coding.display):
                reason, message = (
                    "display-contradicts-code",
                    "the display names another measurement or specimen than the code, which is what counts",
                )
    return tuple(keys) if code_map is None else code_map.extended(keys), reason, message


def keys_of(concept: CodeableConcept | UnsetType, code_map: CodeMap | None = None) -> tuple[str, ...]:
    """The codings that can be believed, for a finding about something that is put aside anyway."""
    return () if isinstance(concept, UnsetType) else _keys(concept.coding, code_map)[0]


def likely_codes(concept: object, code_map: CodeMap | None) -> tuple[str, ...]:
    """The codings that a concept which cannot be read most likely holds, for a finding alone: never for a value."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    found = []
    for coding in codings if isinstance(codings, list) else [codings]:
        if isinstance(coding, dict):
            system, code = _word(coding.get("system")).partition("|")[0].strip(), _word(coding.get("code")).strip()
            system = system_meant(system) or system
            if not code_shape_holds(system, code):
                code = code.upper().rstrip(".").replace(",", ".")
            found.append(Coding(system=system, code=code))
    return _keys(tuple(found), code_map)[0]


def _word(value: object) -> str:
    """A text, or a whole number as one; nothing for anything else."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def read_codes(concept: CodeableConcept | UnsetType, location: str, notes: Notes) -> tuple[str, ...]:
    """Every usable coding of a concept as `system|code`.

    Raises
    ------
    PutAside
        If no coding can be believed, one is a LOINC code whose check digit is wrong, or a rule may change them.
    """
    codings: tuple[Coding, ...] = ()
    if not isinstance(concept, UnsetType):
        codings = concept.coding
        if concept.modifier is not UNSET:
            raise PutAside(f"{location}.modifierExtension", "modifier-extension", MODIFIED)
    keys, reason, message = _keys(codings, notes.code_map)
    if keys:
        if reason:
            notes.note(location, reason, message, keys)
        return keys
    if reason == "code-no-system":
        raise PutAside(location, reason, message, severity=Severity.NOTE)
    if reason:
        raise PutAside(location, reason, message)
    raise PutAside(location, "code-missing", "nothing is coded here; text alone is never read as a code")
