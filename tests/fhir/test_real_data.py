"""Public data sets read whole: nothing crashes, the counts balance, and what is put aside is put aside for a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cdss.fhir.read import read
from cdss.record import PatientRecord

FindSet = Callable[[str], Path]


def reasons(record: PatientRecord, severity: str = "error") -> dict[str, int]:
    return dict(Counter(found.reason for found in record.rejections if found.severity == severity))


def counts(record: PatientRecord) -> tuple[int, int, int, int]:
    found = record.counts
    return found.used, found.not_needed, found.put_aside, found.refused


@pytest.fixture(scope="module")
def mimic(data_set: FindSet) -> PatientRecord:
    return read(data_set("mimic-iv-demo"))


def test_real_intensive_care_records_are_read_in_full(mimic: PatientRecord) -> None:
    assert len(mimic.patients) == 63
    assert counts(mimic) == (188_173, 36_472, 14_286, 0)
    assert mimic.counts.resources == 238_931
    assert not mimic.source_blocks


def test_real_faults_are_found_and_named(mimic: PatientRecord) -> None:
    assert reasons(mimic) == {
        "time-missing": 8938,  # dispenses that were prepared and handed over at no stated time
        "medication-unresolved": 1937,
        "status-not-usable": 1754,
        "loinc-check-digit": 1209,  # the FiO2 code 3150-6
        "code-missing": 314,
        "value-impossible": 98,
        "values-contradict": 36,  # two values of one analyte at one time
    }


def test_no_real_event_is_known_before_it_is_true(mimic: PatientRecord) -> None:
    assert (mimic.events.effective <= mimic.events.known).all()


@pytest.mark.parametrize("number", range(20))
def test_a_synthetic_history_is_read_without_a_stranger_in_it(data_set: FindSet, number: int) -> None:
    files = sorted(data_set("synthea-r4").glob("[A-Z]*.json.gz"))
    record = read(files[number * len(files) // 20])
    assert len(record.patients) == 1
    assert record.subjects == tuple(record.patients)
    # Blood pressures are sent without a unit; some panels stand there twice, with other values at the same instant.
    assert set(reasons(record)) <= {"unit-missing", "no-usable-part", "values-contradict"}
    assert set(reasons(record, "note")) <= {
        "bundle-of-requests", "component-missing", "duplicate", "issued-missing", "value-implausible",
    }  # fmt: skip
    assert record.counts.refused == 0
    assert record.counts.events > 0


def test_the_us_core_examples_are_read(data_set: FindSet) -> None:
    record = read(data_set("hl7-us-core-examples"))
    assert counts(record) == (81, 66, 10, 0)
    assert reasons(record) == {"time-missing": 5, "medication-unresolved": 1, "values-contradict": 4}


def test_the_examples_of_the_fhir_standard_are_read(data_set: FindSet) -> None:
    record = read(data_set("hl7-r4-examples"))
    assert counts(record) == (2, 46, 17, 0)
    assert reasons(record) == {"time-missing": 17}
