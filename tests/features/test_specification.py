"""spec.toml: what a specification may say, and how a mistake is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import LOINC
from small_spec import BAND, CREATININE, HEAD, TAIL, creatinine, feature, spec_of, toml

from cdss.domain.digest import sha256
from cdss.domain.feature import IfMissing
from cdss.errors import SpecError
from cdss.features import read_spec

GOOD = feature(creatinine("last", lookback="PT24H"))
RATIO = f'kind = "observation"\naggregate = "ratio"\ncodes = ["{LOINC}|2703-7"]'


def problem(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read_spec(text.encode(), "spec.toml")
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_good_specification_is_read_with_the_digest_of_its_bytes() -> None:
    text = toml(GOOD)
    spec = read_spec(text.encode(), "spec.toml")
    assert spec.digest == sha256(text.encode())
    assert [one.name for one in spec.features] == ["asked"]
    assert spec.features[0].readings[0].lookback == "PT24H"
    assert spec.features[0].if_missing is IfMissing.ALLOW
    assert spec.missing_limit.features == ()
    assert spec.reads((f"{LOINC}|2160-0", "local|creatinine"))
    assert not spec.reads((f"{LOINC}|2951-2",))
    assert not spec.reads(())


def test_the_codes_a_model_reads_take_in_denominators_and_exclusions() -> None:
    pair = feature(f'{RATIO}\nper = ["{LOINC}|3150-0"]\nwithin = "PT1H"', unit="mm[Hg]")
    out = (
        '[[exclusion]]\ncode = "x"\nmessage = "m"\nremedy = "r"\n'
        'reading = { kind = "condition", aggregate = "present", codes = ["http://snomed.info/sct|1"] }'
    )
    spec = spec_of(pair, out)
    for code in (f"{LOINC}|2703-7", f"{LOINC}|3150-0", "http://snomed.info/sct|1"):
        assert spec.reads((code,))
    assert not spec.reads((f"{LOINC}|2160-0",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (toml(GOOD) + "\n[", "not readable as TOML"),
        (toml(GOOD, head=HEAD + '\ncolour = "red"'), "unknown entry 'colour'"),
        (toml(feature(creatinine("last"), more="colour = 1")), "feature asked: unknown entry 'colour'"),
        (toml(feature(creatinine("last") + "\ncolour = 1")), "feature asked: unknown entry 'colour'"),
        (toml(GOOD, bands=BAND + "colour = 1"), "band: unknown entry 'colour'"),
        (toml(GOOD, tail=TAIL.replace("[team]", "[team]\ncolour = 1")), "team: unknown entry 'colour'"),
        (toml(GOOD, tail=TAIL.replace("[interval]", "[interval]\ncolour = 1")), "interval: unknown entry 'colour'"),
        (toml(GOOD, tail=TAIL + "[missing_limit]\ncolour = 1"), "missing_limit: unknown entry 'colour'"),
        (toml(GOOD, '[[exclusion]]\ncode = "x"\ncolour = 1\nreading = {kind = "condition", aggregate = "present", '
              'codes = ["a|b"]}'), "exclusion x: unknown entry 'colour'"),
        (toml(GOOD, head=HEAD.replace('outcome = "death"', "")), "'outcome' is missing"),
        (toml(GOOD, tail=TAIL.replace("clip = 0.01", "")), "team: 'clip' is missing"),
        (toml(GOOD, tail=TAIL.replace("level = 0.9", "")), "interval: 'level' is missing"),
        (toml(GOOD.replace('label = "Asked"', "")), "feature asked: 'label' is missing"),
        (toml(GOOD.replace('kind = "observation"', "")), "feature asked: 'kind' is missing"),
        (toml(GOOD, '[[exclusion]]\ncode = "x"\nmessage = "m"\nremedy = "r"'), "exclusion x: 'aggregate' is missing"),
        (toml(GOOD, head=HEAD.replace("threshold = 0.5", 'threshold = "half"')), "threshold"),
        (toml(feature(creatinine("last"), more='if_missing = "guess"')), "guess"),
        (toml('[[feature]]\nname = "asked"\nlabel = "A"\nabout = "B"\nunit = "1"'), "feature asked: no reading"),
        (toml(feature('kind = "gossip"\naggregate = "last"')), "kind 'gossip' is not one of patient, observation"),
        (toml(feature(creatinine("median"))), "aggregate 'median' of kind observation is not one of category, count"),
        (toml(feature('kind = "condition"\naggregate = "last"\ncodes = ["a|b"]')), "'last' of kind condition is not"),
        (toml(feature('kind = "patient"\naggregate = "age"\ncodes = ["a|b"]')), "codes belong to every kind but"),
        (toml(feature('kind = "observation"\naggregate = "last"')), "codes belong to every kind but"),
        (toml(feature(RATIO)), "a ratio, and only a ratio, has per and within"),
        (toml(feature(f'{RATIO}\nper = ["a|b"]')), "a ratio, and only a ratio, has per and within"),
        (toml(feature(f'{RATIO}\nwithin = "PT1H"')), "a ratio, and only a ratio, has per and within"),
        (toml(feature(creatinine("last") + '\nper = ["a|b"]\nwithin = "PT1H"')), "a ratio, and only a ratio"),
        (toml(feature(creatinine("last") + '\nper = ["a|b"]')), "a ratio, and only a ratio"),
        (toml(feature(creatinine("last") + '\nwithin = "PT1H"')), "a ratio, and only a ratio"),
        (toml(feature(creatinine("last", lookback="24 h"))), "duration '24 h'"),
        (toml(feature(creatinine("last", lookback="P1M"))), "duration 'P1M'"),
        (toml(feature(creatinine("sum", coverage="PT"))), "duration 'PT'"),
        (toml(feature(f'{RATIO}\nper = ["a|b"]\nwithin = "1H"')), "duration '1H'"),
        (toml(feature(creatinine("last", coverage="PT20H"))), "coverage belongs to the aggregate 'sum'"),
        (toml(feature(creatinine("last") + "\ncap = 9.0")), "cap belongs to the aggregate 'age'"),
        (toml(feature(creatinine("last") + "\nfactor = 0.01")), "factor belongs to the aggregate 'ratio'"),
        (toml(feature('kind = "condition"\naggregate = "present"\ncodes = ["C34"]')), "code 'C34' has no system"),
        (toml(feature(f'{RATIO}\nper = ["3150-0"]\nwithin = "PT1H"')), "code '3150-0' has no system"),
        (toml(feature(creatinine("last"), unit="umol/L")), "2160-0 is read in mg/dL by units.toml, not in umol/L"),
        (toml(feature('kind = "observation"\naggregate = "last"\ncodes = ["a|b"]')), "a|b is read in nothing by units"),
        (toml(feature(creatinine("category"))), "categories belong to the aggregate 'category', and it needs them"),
        (toml(feature(creatinine("last"), after='[feature.categories]\n"a|b" = "B"')), "categories belong to"),
        (toml(feature(creatinine("last"), more="monotone = 2")), "monotone is -1, 0 or 1"),
        (toml(), "feature names must be there, and each only once"),
        (toml(GOOD, GOOD), "feature names must be there, and each only once"),
        (toml(GOOD, tail=TAIL + '[missing_limit]\nfeatures = ["other"]\nmost = 1'), "missing_limit names 'other'"),
        (toml(GOOD, bands=""), "bands start at 0 and rise"),
        (toml(GOOD, bands=BAND.replace("0.0", "0.1")), "bands start at 0 and rise"),
        (toml(GOOD, bands=BAND + '[[band]]\nname = "b"\nlow = 0.0'), "bands start at 0 and rise"),
        (toml(GOOD, bands=BAND + '[[band]]\nname = "b"\nlow = 1.0'), "bands start at 0 and rise"),
        (toml(GOOD, bands=BAND + '[[band]]\nname = "b"\nlow = nan'), "bands start at 0 and rise"),
        (toml(GOOD, bands=BAND + '[[band]]\nname = "all"\nlow = 0.5'), "band names"),
        (toml(GOOD, head=HEAD.replace("threshold = 0.5", "threshold = 1.0")), "threshold lies between 0 and 1"),
        (toml(GOOD, head=HEAD.replace("threshold = 0.5", "threshold = nan")), "threshold lies between 0 and 1"),
        (toml(GOOD, head=HEAD.replace("disagreement = 0.3", "disagreement = 0.0")), "disagreement lies between"),
        (toml(GOOD, head=HEAD.replace('"P30D"', '"P6M"')), "horizon"),
        (toml(GOOD, tail=TAIL.replace("clip = 0.01", "clip = 0.5")), "clip lies between 0 and 0.5"),
        (toml(GOOD, tail=TAIL.replace("level = 0.9", "level = 90.0")), "level lies between 0 and 1"),
        (toml(GOOD, tail=TAIL.replace("members = 2", "members = 1")), "at least 2 members"),
        (toml(GOOD, tail=TAIL.replace("seed = 1", "")), "estimator needs 'seed'"),
        (toml(GOOD, tail=TAIL.replace("rounds = 5", "")), "estimator needs 'rounds'"),
        (toml(GOOD, tail=TAIL.replace("rounds = 5", 'rounds = "many"')), "estimator needs 'rounds'"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_place(text: str, said: str) -> None:
    found = problem(text)
    assert found.startswith("spec.toml")
    assert said in found


@pytest.mark.parametrize("name", ["feature", "exclusion", "band", "missing_limit", "interval", "team", "estimator"])
@pytest.mark.parametrize("value", ["3", '"text"', '["text"]', "[[1]]", "{ a = 1 }"])
def test_a_table_of_the_wrong_kind_is_a_mistake_and_never_a_crash(name: str, value: str) -> None:
    text = toml(GOOD)
    text = re.sub(rf"(?ms)^\[+{name}(\.\w+)?\]+\n.*?(?=^\[|\Z)", "", text)
    assert problem(f"{name} = {value}\n{text}").startswith("spec.toml")


@pytest.mark.parametrize("value", ["3", '"text"', '["a|b"]', '{ "a|b" = 1 }'])
def test_categories_of_the_wrong_kind_are_a_mistake_and_never_a_crash(value: str) -> None:
    reading = creatinine("category").replace("\n", ", ")
    text = f'[[feature]]\nname = "asked"\nlabel = "A"\nabout = "B"\nunit = "1"\ncategories = {value}\n'
    assert problem(toml(text + f"reading = [{{ {reading} }}]")).startswith("spec.toml: feature asked")


@pytest.mark.parametrize("value", ["3", '"text"', '["text"]'])
def test_readings_of_the_wrong_kind_are_a_mistake_and_never_a_crash(value: str) -> None:
    text = f'[[feature]]\nname = "asked"\nlabel = "A"\nabout = "B"\nunit = "1"\nreading = {value}\n'
    assert problem(toml(text)).startswith("spec.toml: feature asked")


def test_a_file_that_is_not_text_is_a_mistake() -> None:
    with pytest.raises(SpecError, match="not readable as TOML"):
        read_spec(b"\xff\xfe\x00", "spec.toml")


BANDS = st.lists(st.floats(0.001, 0.999), min_size=0, max_size=6, unique=True).map(lambda lows: [0.0, *sorted(lows)])


@settings(max_examples=60, deadline=None)
@given(BANDS, st.floats(0, 1))
def test_each_probability_falls_in_exactly_one_band(lows: list[float], probability: float) -> None:
    bands = "".join(f'[[band]]\nname = "b{n}"\nlow = {low!r}\n' for n, low in enumerate(lows))
    spec = read_spec(toml(GOOD, bands=bands).encode(), "spec.toml")
    edges = [*lows, 1.0000001]
    inside = [f"b{n}" for n in range(len(lows)) if edges[n] <= probability < edges[n + 1]]
    assert inside == [spec.band(probability)]


@settings(max_examples=40, deadline=None)
@given(BANDS.filter(lambda lows: len(lows) > 2), st.randoms(use_true_random=False))
def test_bands_out_of_order_are_refused(lows: list[float], random: object) -> None:
    mixed = lows[1:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    if mixed == sorted(mixed):
        mixed.reverse()
    bands = "".join(f'[[band]]\nname = "b{n}"\nlow = {low!r}\n' for n, low in enumerate([0.0, *mixed]))
    assert "bands start at 0 and rise" in problem(toml(GOOD, bands=bands))


def test_the_units_of_counts_and_slopes_are_the_specifications_own() -> None:
    spec = spec_of(feature(f'{CREATININE}\naggregate = "count"', unit="1"))
    assert spec.features[0].unit == "1"
    assert spec_of(feature(creatinine("slope"), unit="mg/dL/d")).features[0].unit == "mg/dL/d"
