"""Every aggregate against an answer worked out by hand."""

from __future__ import annotations

import pytest
from patients import ICD_10_CM, INDEX, LOINC, SNOMED_CT, Told, concept, patient
from small_spec import creatinine, number_of, value_of

# 1.0 at -30 h, 1.6 at -18 h, 1.3 at -6 h: the day before the index time holds the last two.
COURSE = (
    patient().with_creatinine(1.0, hours=-30).with_creatinine(1.6, hours=-18).with_creatinine(1.3, hours=-6)
)  # fmt: skip
TRIO = ["Observation/p1-1", "Observation/p1-2", "Observation/p1-3"]


@pytest.mark.parametrize(
    ("aggregate", "number", "sources"),
    [
        ("last", 1.3, TRIO[2:]),
        ("first", 1.0, TRIO[:1]),
        ("minimum", 1.0, TRIO[:1]),
        ("maximum", 1.6, TRIO[1:2]),
        ("mean", 1.3, TRIO),
        ("range", 0.6, TRIO),
        ("delta", 0.3, TRIO),
        ("count", 3, TRIO),
        ("present", 1, TRIO),
        ("time_since", 6, TRIO[2:]),
    ],
)
def test_three_creatinines_are_summed_up_as_by_hand(aggregate: str, number: float, sources: list[str]) -> None:
    found = value_of(creatinine(aggregate), COURSE)
    assert found.number == pytest.approx(number, abs=1e-12)
    assert list(found.sources) == sources


@pytest.mark.parametrize(
    ("aggregate", "number"),
    [("last", 1.3), ("first", 1.6), ("minimum", 1.3), ("maximum", 1.6), ("mean", 1.45), ("delta", -0.3), ("count", 2)],
)
def test_a_day_of_look_back_leaves_the_older_value_out(aggregate: str, number: float) -> None:
    assert number_of(creatinine(aggregate, lookback="PT24H"), COURSE) == pytest.approx(number, abs=1e-12)


def test_slope_is_the_least_squares_line_per_day() -> None:
    # Days 0, 0.5, 1 with 1.0, 1.6, 1.3: mean day 0.5, mean 1.3; (-0.5 x -0.3 + 0 + 0.5 x 0) / 0.5 = 0.3 mg/dL a day.
    assert number_of(creatinine("slope"), COURSE, unit="mg/dL/d") == pytest.approx(0.3, abs=1e-12)


def test_slope_rises_by_what_it_rises_each_day() -> None:
    rising = patient().with_creatinine(1.0, hours=-72).with_creatinine(1.5, hours=-48).with_creatinine(2.0, hours=-24)
    assert number_of(creatinine("slope"), rising) == pytest.approx(0.5, abs=1e-12)


def test_one_moment_has_no_slope() -> None:
    assert number_of(creatinine("slope"), patient().with_creatinine(1.4, hours=-5)) is None


@pytest.mark.parametrize(
    "aggregate", ["last", "first", "minimum", "maximum", "mean", "sum", "slope", "range", "delta", "time_since"]
)
def test_a_value_never_measured_is_missing_and_never_zero(aggregate: str) -> None:
    found = value_of(creatinine(aggregate), patient().measured("sodium", 140, hours=-2))
    assert found.missing
    assert found.sources == ()


@pytest.mark.parametrize("aggregate", ["count", "present"])
def test_counting_what_never_happened_gives_zero(aggregate: str) -> None:
    assert number_of(creatinine(aggregate), patient().measured("sodium", 140, hours=-2)) == 0


def test_of_two_equal_lowest_values_the_newest_is_named() -> None:
    told = patient().with_creatinine(1.1, hours=-9).with_creatinine(1.1, hours=-4).with_creatinine(1.9, hours=-2)
    assert value_of(creatinine("minimum"), told).sources == ("Observation/p1-2",)


def test_a_value_tells_when_it_was_measured_and_a_bound_tells_that_it_is_one() -> None:
    told = patient(index="1970-01-01T10:00:00Z").with_creatinine(0.2, hours=-6, comparator="<")
    found = value_of(creatinine("last"), told, index_time=told.index)
    assert found.comparator == "<"
    assert found.effective == 4 * 3_600_000_000


def test_a_mean_with_one_bound_in_it_is_a_bound() -> None:
    told = patient().with_creatinine(0.2, hours=-6, comparator="<").with_creatinine(1.0, hours=-3)
    assert value_of(creatinine("mean"), told).comparator == "<"


# ---- sum with coverage ----------------------------------------------------------------------------------------------

URINE = f'kind = "observation"\naggregate = "sum"\ncodes = ["{LOINC}|9187-6"]\nlookback = "PT24H"'


def charted(*entries: tuple[float, float]) -> Told:
    told = patient()
    for hours, volume in entries:
        told = told.measured("urine charted", volume, hours=hours)
    return told


def test_charted_urine_adds_up() -> None:
    assert number_of(URINE, charted((-22, 100), (-12, 250), (-1, 150)), unit="mL") == 500


@pytest.mark.parametrize(("first", "enough"), [(-21, True), (-20.9, False)])
def test_a_sum_counts_only_when_charted_for_long_enough(first: float, *, enough: bool) -> None:
    # From `first` to -1 h: 20 h are enough, less is not.
    found = number_of(URINE + '\ncoverage = "PT20H"', charted((first, 100), (-12, 250), (-1, 150)), unit="mL")
    assert found == (500 if enough else None)


def test_a_sum_that_is_not_covered_names_no_source() -> None:
    found = value_of(URINE + '\ncoverage = "PT20H"', charted((-3, 100), (-1, 150)), unit="mL")
    assert found.missing
    assert found.sources == ()


# ---- ratio ----------------------------------------------------------------------------------------------------------

PAFI = (
    f'kind = "observation"\naggregate = "ratio"\ncodes = ["{LOINC}|2703-7"]\nper = ["{LOINC}|3150-0"]\n'
    'within = "PT1H"\nfactor = 0.01\nlookback = "PT24H"'
)


def test_pao2_over_fio2_divides_by_the_fraction() -> None:
    told = patient().measured("FiO2", 40, hours=-3.5).measured("PaO2", 80, hours=-3)
    found = value_of(PAFI, told, unit="mm[Hg]")
    assert found.number == pytest.approx(200)  # 80 / 0.40
    assert set(found.sources) == {"Observation/p1-1", "Observation/p1-2"}


@pytest.mark.parametrize(("fio2", "paired"), [(-4, True), (-4.01, False), (-3, True), (-2.99, False)])
def test_fio2_comes_first_and_at_most_an_hour_before(fio2: float, *, paired: bool) -> None:
    told = patient().measured("FiO2", 50, hours=fio2).measured("PaO2", 100, hours=-3)
    assert number_of(PAFI, told, unit="mm[Hg]") == (200 if paired else None)


def test_the_newest_pao2_with_a_fio2_wins_over_a_newer_one_without() -> None:
    told = (
        patient()
        .measured("FiO2", 50, hours=-8)
        .measured("PaO2", 100, hours=-8)
        .measured("PaO2", 70, hours=-2)
    )  # fmt: skip
    assert number_of(PAFI, told, unit="mm[Hg]") == 200


def test_of_two_fio2_the_one_set_last_before_the_gas_counts() -> None:
    told = patient().measured("FiO2", 40, hours=-3.9).measured("FiO2", 80, hours=-3.2).measured("PaO2", 80, hours=-3)
    assert number_of(PAFI, told, unit="mm[Hg]") == pytest.approx(100)


def test_fio2_is_never_assumed() -> None:
    assert number_of(PAFI, patient().measured("PaO2", 90, hours=-3), unit="mm[Hg]") is None


# ---- category -------------------------------------------------------------------------------------------------------

GROUP = (
    'kind = "observation"\naggregate = "category"\ncodes = ["https://cdss.example/fhir/CodeSystem/support2|dzgroup"]'
)
GROUPS = (
    '[feature.categories]\n"https://cdss.example/fhir/CodeSystem/support2|chf" = "Heart failure"\n'
    '"https://cdss.example/fhir/CodeSystem/support2|coma" = "Coma"'
)


@pytest.mark.parametrize(("group", "number"), [("chf", 0), ("coma", 1), ("copd", None)])
def test_a_coded_answer_is_its_place_among_the_categories_and_any_other_is_missing(
    group: str, number: int | None
) -> None:
    told = patient().in_disease_group(group)
    assert number_of(GROUP, told, unit="1", after=GROUPS) == number


def test_the_newest_answer_counts_even_when_the_model_does_not_know_it() -> None:
    told = patient().in_disease_group("chf", hours=-30).in_disease_group("copd", hours=-3)
    assert number_of(GROUP, told, unit="1", after=GROUPS) is None


# ---- conditions -----------------------------------------------------------------------------------------------------

DIABETES = 'kind = "condition"\naggregate = "present"\ncodes = ["http://snomed.info/sct|73211009"]'


@pytest.mark.parametrize(
    ("since", "recorded", "until", "present"),
    [
        (-1000, -1000, None, 1),
        (-1000, 0, None, 1),  # recorded at the index time itself
        (-1000, 1, None, 0),  # not on record yet
        (1, 1, None, 0),  # not true yet
        (-1000, -1000, -10, 0),  # over
        (-1000, -1000, 0, 0),  # over at the index time itself
        (-1000, -1000, 1, 1),  # over later
    ],
)
def test_a_condition_is_present_from_onset_and_record_until_abatement(
    since: float, recorded: float, until: float | None, present: int
) -> None:
    told = patient().with_condition("diabetes", since=since, recorded=recorded, until=until)
    assert number_of(DIABETES, told, unit="1") == present


def test_no_condition_on_record_is_absent_and_not_missing() -> None:
    assert number_of(DIABETES, patient().born("1950-01-01"), unit="1") == 0


@pytest.mark.parametrize("status", ["refuted", "entered-in-error", "provisional"])
def test_a_condition_refuted_or_unproven_does_not_count(status: str) -> None:
    told = patient().with_condition("diabetes", since=-100, verificationStatus={"coding": [{"code": status}]})
    assert number_of(DIABETES, told, unit="1") == 0


@pytest.mark.parametrize(("code", "present"), [("C34.1", 1), ("C34", 1), ("C3", 0), ("D34.1", 0), ("XC34", 0)])
def test_a_star_stands_for_a_whole_family_of_codes(code: str, present: int) -> None:
    told = patient().with_resource(
        {"resourceType": "Condition", "recordedDate": patient().at(-9), "code": concept(ICD_10_CM, code)}
    )
    family = f'kind = "condition"\naggregate = "present"\ncodes = ["{ICD_10_CM}|C34*"]'
    assert number_of(family, told, unit="1") == present
    other = told.with_resource(
        {"resourceType": "Condition", "recordedDate": patient().at(-9), "code": concept("urn:other", "C34.1")}
    )
    assert number_of(family, other, unit="1") == present


# ---- encounters -----------------------------------------------------------------------------------------------------

STAY = (
    'kind = "encounter"\naggregate = "days_since_start"\n'
    'codes = ["http://terminology.hl7.org/CodeSystem/v3-ActCode|IMP"]'
)


@pytest.mark.parametrize(("until", "days"), [(None, 5), (24, 5), (0, None), (-24, None)])
def test_days_in_hospital_count_only_while_the_stay_lasts(until: float | None, days: int | None) -> None:
    assert number_of(STAY, patient().in_hospital(since=-120, until=until), unit="d") == days


def test_an_outpatient_visit_is_no_stay() -> None:
    assert number_of(STAY, patient().in_hospital(since=-2, kind="AMB"), unit="d") is None


@pytest.mark.parametrize(
    ("named", "days"), [(None, 10), ("Encounter/old", 10), ("Encounter/new", 10), ("Encounter/else", None)]
)
def test_days_count_from_the_outermost_open_stay_and_a_named_one_must_be_open(
    named: str | None, days: int | None
) -> None:
    told = patient().in_hospital(since=-240, stay="old").in_hospital(since=-48, stay="new")
    assert number_of(STAY, told, unit="d", encounter=named) == days


def test_another_patients_stay_of_that_name_is_never_taken() -> None:
    told = patient("p1").in_hospital(since=-240, stay="mine")
    assert number_of(STAY, told, unit="d", encounter="Encounter/other") is None


# ---- patient --------------------------------------------------------------------------------------------------------

AGE = 'kind = "patient"\naggregate = "age"'
SEX = 'kind = "patient"\naggregate = "sex"'


def test_age_is_counted_in_years_of_365_and_a_quarter_days() -> None:
    # 2026-03-04 minus 1946-03-04 is 80 years with exactly 20 leap days: 29220 days.
    assert number_of(AGE, patient().born("1946-03-04"), unit="a") == 80


@pytest.mark.parametrize(
    ("birth", "days"),
    [
        ("2000-06", 9407 - 29 / 2),  # 2000-06-01 is 9407 days before; the month's days lie 0 to 29 later
        ("2000", 9559 - 365 / 2),  # 2000-01-01 is 9559 days before; the year's days lie 0 to 365 later
    ],
)
def test_a_partial_birth_date_counts_from_its_middle(birth: str, days: float) -> None:
    found = number_of(AGE, patient().born(birth), unit="a")
    assert found == pytest.approx(days / 365.25, abs=1e-9)


def test_age_may_be_capped() -> None:
    assert number_of(AGE + "\ncap = 90.0", patient().born("1926-01-01"), unit="a") == 90
    assert number_of(AGE + "\ncap = 90.0", patient().born("1946-03-04"), unit="a") == 80


def test_no_birth_date_no_age() -> None:
    assert number_of(AGE, patient().female(), unit="a") is None


def test_sex_is_female_male_or_unknown_and_never_a_default() -> None:
    assert number_of(SEX, patient().female(), unit="1") == 1
    assert number_of(SEX, patient().male(), unit="1") == 0
    assert number_of(SEX, patient().stating(gender="other"), unit="1") is None
    assert number_of(SEX, patient(), unit="1") is None


def test_age_and_sex_name_the_patient_as_their_source() -> None:
    assert value_of(AGE, patient("p7").born("1950-01-01"), unit="a").sources == ("Patient/p7",)


def test_a_medication_is_present_once_given() -> None:
    told = patient().with_resource(
        {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "C01CA03"}]},
            "effectiveDateTime": patient().at(-4),
        }
    )
    reading = 'kind = "medication"\naggregate = "{}"\ncodes = ["http://www.whocc.no/atc|C01CA03"]'
    assert number_of(reading.format("present"), told, unit="1") == 1
    assert number_of(reading.format("time_since"), told, unit="h") == 4
    assert number_of(reading.format("present"), told, unit="1", index_time=told.at(-5)) == 0


def test_the_index_time_is_an_argument_and_not_the_clock() -> None:
    told = patient().with_creatinine(1.2, hours=-40).with_creatinine(1.8, hours=-2)
    assert number_of(creatinine("last"), told, index_time=told.at(-10)) == 1.2
    assert number_of(creatinine("last"), told, index_time=INDEX) == 1.8


def test_urine_with_a_gap_in_the_chart_is_no_daily_volume() -> None:
    reading = URINE + '\ncoverage = "PT20H"\ngap = "PT6H"'
    assert number_of(reading, charted(*((-hours, 50) for hours in range(1, 24))), unit="mL") == 23 * 50
    assert number_of(reading, charted((-23, 50), (-1, 50)), unit="mL") is None


@pytest.mark.parametrize("order", [("chf", "coma"), ("coma", "chf")])
def test_an_answer_that_names_two_groups_names_none(order: tuple[str, str]) -> None:
    told = patient().in_disease_group(order[0])
    answer = told.resources[-1]
    also = patient().in_disease_group(order[1]).resources[-1]["valueCodeableConcept"]["coding"]
    both = {"coding": [*answer["valueCodeableConcept"]["coding"], *also]}
    twice = patient().with_resource({**answer, "valueCodeableConcept": both})
    assert number_of(GROUP, twice, unit="1", after=GROUPS) is None


def test_a_treatment_still_going_on_counts_however_long_ago_it_began() -> None:
    reading = f'kind = "procedure"\naggregate = "present"\ncodes = ["{SNOMED_CT}|133918004"]\nlookback = "P30D"'
    begun = patient().with_procedure("133918004", hours=-64 * 24)
    assert number_of(reading, begun) == 0
    going_on = {
        **{name: value for name, value in begun.resources[-1].items() if name != "performedDateTime"},
        "status": "in-progress",
        "performedPeriod": {"start": begun.at(-64 * 24)},
    }
    assert number_of(reading, patient().with_resource(going_on)) == 1
