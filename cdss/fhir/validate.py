"""Full validation with fhir.resources, on request. R4 is read with its R4B models, the nearest it has."""

from __future__ import annotations

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cdss.fhir.finding import PutAside


def validate(raw: bytes, type_name: str) -> None:
    """Check one resource against the FHIR model of its type.

    Raises
    ------
    PutAside
        With the place of the first fault; the message names the rule, never the value.
    """
    try:
        get_fhir_model_class(type_name).model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        location = ".".join(str(part) for part in first["loc"])
        raise PutAside(location, "strict-invalid", f"not valid FHIR: {first['type']}") from error
