"""The one rule for what somebody at the bedside could have known, and which reading or result then counts."""

from __future__ import annotations

import pytest
from patients import INDEX, LOINC, patient
from small_spec import creatinine, feature, features_of, number_of, spec_of, value_of

from cdss.domain.instant import parse_index_time
from cdss.features import build_features

SECOND = 1 / 3600
DAY = creatinine("last", lookback="PT24H")


@pytest.mark.parametrize(
    ("hours", "seen"), [(0, True), (SECOND, False), (-24, True), (-24 - SECOND, False), (-12, True)]
)
def test_both_ends_of_the_look_back_count(hours: float, *, seen: bool) -> None:
    assert number_of(DAY, patient().with_creatinine(1.7, hours=hours)) == (1.7 if seen else None)


@pytest.mark.parametrize(("known", "seen"), [(0, True), (SECOND, False), (-5, True)])
def test_a_sample_taken_before_counts_only_once_its_result_is_out(known: float, *, seen: bool) -> None:
    told = patient().with_creatinine(1.7, hours=-6, known=known)
    assert number_of(DAY, told) == (1.7 if seen else None)


def test_a_result_issued_before_it_is_true_is_known_when_it_is_true() -> None:
    told = patient().with_creatinine(1.7, hours=2, known=-2)
    assert number_of(DAY, told) is None
    assert number_of(DAY, told, index_time=told.at(2)) == 1.7


def test_a_result_without_an_issued_time_is_known_from_its_own_time() -> None:
    told = patient().with_resource(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "2160-0"}]},
            "effectiveDateTime": patient().at(-1),
            "valueQuantity": {"value": 1.7, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        }
    )
    assert number_of(DAY, told) == 1.7
    assert number_of(DAY, told, index_time=told.at(-1)) == 1.7
    assert number_of(DAY, told, index_time=told.at(-1.01)) is None


def test_the_time_a_sample_was_taken_decides_what_is_last_and_not_the_order_of_the_reports() -> None:
    told = patient().with_creatinine(1.9, hours=-5, known=-4.9).with_creatinine(1.1, hours=-9, known=-0.5)
    assert number_of(DAY, told) == 1.9


# ---- preliminary and final ------------------------------------------------------------------------------------------


def test_a_final_result_replaces_the_preliminary_one_of_the_same_moment() -> None:
    told = (
        patient()
        .with_creatinine(2.4, hours=-6, known=-5, status="preliminary")
        .with_creatinine(1.8, hours=-6, known=-3)
    )  # fmt: skip
    assert number_of(creatinine("mean"), told) == 1.8
    assert number_of(creatinine("count"), told, unit="1") == 1


def test_until_the_final_result_is_known_the_preliminary_one_counts() -> None:
    told = (
        patient()
        .with_creatinine(2.4, hours=-6, known=-5, status="preliminary")
        .with_creatinine(1.8, hours=-6, known=1)
    )  # fmt: skip
    assert number_of(creatinine("last"), told) == 2.4
    assert number_of(creatinine("last"), told, index_time=told.at(1)) == 1.8


def test_a_preliminary_result_of_another_moment_stays() -> None:
    told = patient().with_creatinine(1.8, hours=-6).with_creatinine(2.4, hours=-2, status="preliminary")
    assert number_of(creatinine("last"), told) == 2.4
    assert number_of(creatinine("count"), told, unit="1") == 2


def test_a_corrected_result_is_the_last_word_on_its_moment() -> None:
    told = (
        patient()
        .with_creatinine(9.0, hours=-6, known=-5)
        .with_creatinine(0.9, hours=-6, known=-4, status="corrected")
    )  # fmt: skip
    assert number_of(creatinine("last"), told) == 0.9


@pytest.mark.parametrize("aggregate", ["count", "mean", "maximum"])
def test_a_corrected_result_replaces_the_final_one_it_corrects(aggregate: str) -> None:
    told = (
        patient()
        .with_creatinine(9.0, hours=-6, known=-5)
        .with_creatinine(0.9, hours=-6, known=-4, status="corrected")
    )  # fmt: skip
    expected = 1 if aggregate == "count" else 0.9
    assert number_of(creatinine(aggregate), told) == expected


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered", "unknown"])
def test_a_result_that_does_not_stand_never_counts(status: str) -> None:
    assert number_of(creatinine("last"), patient().with_creatinine(1.7, hours=-3, status=status)) is None


# ---- fallback readings ----------------------------------------------------------------------------------------------

TWO_WAYS = (
    f'kind = "observation"\naggregate = "last"\ncodes = ["{LOINC}|50984-4"]\nlookback = "PT24H"\n'
    f'[[feature.reading]]\nkind = "observation"\naggregate = "ratio"\ncodes = ["{LOINC}|2703-7"]\n'
    f'per = ["{LOINC}|3150-0"]\nwithin = "PT1H"\nfactor = 0.01\nlookback = "PT24H"'
)
GAS = patient().measured("FiO2", 50, hours=-3).measured("PaO2", 100, hours=-3)


def test_the_second_reading_is_tried_when_the_first_finds_nothing() -> None:
    found = value_of(TWO_WAYS, GAS, unit="mm[Hg]")
    assert found.number == 200
    assert set(found.sources) == {"Observation/p1-1", "Observation/p1-2"}


def test_the_first_reading_wins_even_when_the_second_is_newer() -> None:
    found = value_of(TWO_WAYS, GAS.measured("PaO2/FiO2", 180, hours=-20), unit="mm[Hg]")
    assert found.number == 180
    assert found.sources == ("Observation/p1-3",)


def test_each_patient_of_a_batch_uses_the_reading_that_fits() -> None:
    spec = spec_of(feature(TWO_WAYS, unit="mm[Hg]"))
    direct = patient("p2").measured("PaO2/FiO2", 180, hours=-20)
    nothing = patient("p3").measured("PaO2", 80, hours=-1)
    matrix = features_of(spec, GAS, direct, nothing)
    assert matrix.values[:2, 0].tolist() == [200, 180]
    assert matrix.vector(2).values[0].missing
    assert matrix.vector(1).values[0].sources == ("Observation/p2-1",)


# ---- rows of a cohort -----------------------------------------------------------------------------------------------


def test_one_patient_may_be_asked_about_at_several_times() -> None:
    from patients import record_of

    told = patient().with_creatinine(1.2, hours=-40).with_creatinine(1.8, hours=-2)
    record = record_of(told)
    times = [parse_index_time(moment) for moment in (INDEX, told.at(-30), told.at(-50))]
    matrix = build_features(
        record.events, record.patients, [told.reference] * 3, times, spec_of(feature(creatinine("last")))
    )
    assert matrix.values[:2, 0].tolist() == [1.8, 1.2]
    assert matrix.vector(2).values[0].missing


def test_a_patient_nobody_has_heard_of_has_everything_missing() -> None:
    spec = spec_of(feature(creatinine("last")), feature('kind = "patient"\naggregate = "age"', name="age", unit="a"))
    record_free = features_of(spec, patient("known").with_creatinine(1.2, hours=-2))
    matrix = build_features(record_free.table, {}, ["Patient/stranger"], [parse_index_time(INDEX)], spec)
    assert all(value.missing for value in matrix.vector(0).values)


def test_one_patients_values_never_reach_another() -> None:
    spec = spec_of(feature(creatinine("maximum")), feature(creatinine("count"), name="n"))
    told = [patient(f"p{n}").with_creatinine(1 + n, hours=-n - 1) for n in range(5)]
    matrix = features_of(spec, *told)
    assert matrix.values[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert matrix.values[:, 1].tolist() == [1] * 5


def test_a_source_without_any_event_still_gives_every_row() -> None:
    matrix = features_of(spec_of(feature(creatinine("last"))), patient("a").female(), patient("b").male())
    assert matrix.values.shape == (2, 1)
    assert matrix.vector(0).values[0].missing
    assert matrix.vector(1).values[0].missing
