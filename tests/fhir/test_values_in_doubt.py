"""Values that look whole and are not: masked bounds, codes that disagree, impossible pressures, a day that was none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bedside import (
    LOINC,
    code,
    is_put_aside,
    is_used,
    look,
    measured,
    potassium,
    pressure,
    quantity,
)

ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}


@pytest.mark.catalogue(10, 42)
@pytest.mark.parametrize(
    "changes",
    [pytest.param({"comparator": ""}, id="empty"), pytest.param({"_comparator": ABSENT}, id="masked")],
)
def test_a_bound_that_is_masked_is_never_a_bare_number(tmp_path: Path, changes: dict[str, Any]) -> None:
    reading = look(tmp_path, potassium(valueQuantity=quantity(3.9) | changes))
    is_put_aside(reading, "valueQuantity.comparator", "comparator-unknown")


@pytest.mark.catalogue(44)
@pytest.mark.parametrize(
    ("codes", "value", "unit"),
    [
        pytest.param(("2161-8", "2160-0"), 30, "mg/dL", id="creatinine-in-urine-and-in-serum"),
        pytest.param(("2345-7", "5792-7"), 118, "mg/dL", id="glucose-in-serum-and-in-urine"),
        pytest.param(("2524-7", "2532-0"), 1.4, "mmol/L", id="lactate-and-lactate-dehydrogenase"),
    ],
)
def test_a_code_that_nothing_reads_contradicts_one_that_is_read(
    tmp_path: Path, codes: tuple[str, ...], value: float, unit: str
) -> None:
    reading = look(tmp_path, potassium(code=code(*codes), valueQuantity=quantity(value, unit)))
    is_put_aside(reading, "code", "codes-contradict")


@pytest.mark.catalogue(45)
def test_serum_and_blood_potassium_on_one_result_are_one_measurement(tmp_path: Path) -> None:
    is_used(look(tmp_path, potassium(code=code("2823-3", "6298-4"))))


@pytest.mark.catalogue(16)
@pytest.mark.parametrize("mean", [40, 74, 75, 90, 125, 180])
def test_a_mean_pressure_lies_between_the_other_two_but_for_rounding(tmp_path: Path, mean: int) -> None:
    fits = 75 <= mean <= 125
    panel = pressure()
    panel["component"].append({"code": code("8478-0"), "valueQuantity": quantity(mean, "mm[Hg]")})
    reading = look(tmp_path, panel)
    assert (reading.value("8478-0") is not None) == fits
    assert ("value-contradiction" in reading.reasons("error")) != fits


@pytest.mark.catalogue(31)
@pytest.mark.parametrize(
    ("start", "fits"),
    [
        ("2025-09-02T18:00:00Z", True),
        ("2025-09-02T19:30:00Z", True),
        ("2025-09-03T16:00:00Z", False),
        ("2025-09-01T18:00:00Z", False),
    ],
)
def test_urine_of_a_day_is_collected_over_a_day(tmp_path: Path, start: str, fits: bool) -> None:
    period = {"start": start, "end": "2025-09-03T18:00:00Z"}
    reading = look(tmp_path, measured("9192-6", 1150, "mL", effectiveDateTime=None, effectivePeriod=period))
    if fits:
        assert reading.value("9192-6") == "1150 mL/(24.h)"
    else:
        is_put_aside(reading, "effectivePeriod", "period-contradicts-code")


@pytest.mark.catalogue(17)
@pytest.mark.parametrize(("answer", "used"), [(ABSENT, False), (code("LA1", system=LOINC) | ABSENT, False)])
def test_an_answer_that_is_said_to_be_unknown_is_none(tmp_path: Path, answer: dict[str, Any], used: bool) -> None:
    reading = look(tmp_path, potassium(code=code("80288-4"), valueQuantity=None, valueCodeableConcept=answer))
    assert (reading.value("80288-4") is not None) == used
    assert reading.reasons() & {"value-absent", "value-and-absent-reason"}


@pytest.mark.catalogue(28)
def test_a_result_issued_on_a_day_without_a_time_is_noted(tmp_path: Path) -> None:
    reading = look(tmp_path, potassium(issued="2025-09-02", effectiveDateTime="2025-09-01T18:10:00Z"))
    assert reading.findings("note") == {("Observation/k", "issued", "time-partial")}
    assert reading.value() == "3.9 mmol/L"


@pytest.mark.catalogue(43)
@pytest.mark.parametrize(
    ("system", "wrong"),
    [
        *(
            ("icd-10-cm", wrong)
            for wrong in ("COPD", "CHF", "CAD", "Cough", "C-section", "C", "c78.7", "OSA", "Obesity")
        ),
        *(("icd-9-cm", wrong) for wrong in ("14", "14.0", "1500000")),
    ],
)
def test_a_word_under_an_icd_system_is_no_diagnosis(tmp_path: Path, system: str, wrong: str) -> None:
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p1"},
        "code": code(wrong, system=f"http://hl7.org/fhir/sid/{system}"),
        "recordedDate": "2025-09-01T10:00:00Z",
    }
    is_put_aside(look(tmp_path, condition), "code", "code-malformed", "Condition/c")
