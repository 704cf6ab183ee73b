"""Instants, durations, canonical JSON and check digits: the small things everything else stands on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.domain.coding import Coding, loinc_check_digit_holds
from cdss.domain.digest import canonical_bytes, sha256
from cdss.domain.event import ClinicalEvent, EventKind
from cdss.domain.instant import from_micros, instant_text, parse_duration, parse_index_time, to_micros
from cdss.errors import UsageError

MOMENTS = st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_an_instant_survives_micros_and_text(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment
    text = instant_text(to_micros(moment))
    assert text.endswith("Z")
    assert parse_index_time(text) == to_micros(moment)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_the_zone_an_instant_is_written_in_does_not_matter(moment: datetime, minutes: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_index_time(local.isoformat()) == parse_index_time(moment.isoformat())


@pytest.mark.parametrize(
    ("text", "hours"), [("PT24H", 24), ("P1D", 24), ("P1W", 168), ("P1DT12H", 36), ("PT90M", 1.5), ("PT3600S", 1)]
)
def test_durations_of_fixed_length_are_read(text: str, hours: float) -> None:
    assert parse_duration(text) == hours * 3_600_000_000


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1M", "P1Y", "24H", "PT24", "-PT1H", "PT1.5H", "P1W1D", "pt24h", "P1DT"]
)
def test_durations_without_a_fixed_length_or_form_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["2026-03-04", "2026-03-04T10:00:00", "04.03.2026", "now", ""])
def test_an_index_time_without_an_offset_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="2026-01-04T00:00:00Z"):
        parse_index_time(text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.from_regex(r"[a-z_]{1,5}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_reads_back_and_is_its_own_canonical_form(value: object) -> None:
    raw = canonical_bytes(value)
    assert json.loads(raw) == value
    assert canonical_bytes(json.loads(raw)) == raw


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.integers(0, 9), min_size=2), st.randoms())
def test_the_order_members_were_given_in_does_not_matter(value: dict[str, int], order: object) -> None:
    items = list(value.items())
    order.shuffle(items)  # type: ignore[attr-defined]
    assert canonical_bytes(dict(items)) == canonical_bytes(value)


@pytest.mark.parametrize(
    "value", [1.5, {"a": [0.1]}, {1: 2}, {"ä": 1}, 2**53, -(2**53), "\ud800", b"x", {1, 2}, float("nan")]
)
def test_what_has_no_one_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_bytes(value)


def test_a_digest_is_a_known_sha_256() -> None:
    assert sha256(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "code", ["2160-0", "8867-4", "50984-4", "3150-0", "9192-6", "6690-2", "1751-7", "1975-2", "LA9340-6"]
)
def test_check_digits_of_true_loinc_codes_hold(code: str) -> None:
    assert loinc_check_digit_holds(code)


@pytest.mark.parametrize("code", ["3150-6", "2160-1", "2160", "-0", "2160-00", "x2160-0", "2160-0 ", "", "LX1-1"])
def test_check_digits_of_false_loinc_codes_do_not_hold(code: str) -> None:
    assert not loinc_check_digit_holds(code)


@given(st.integers(1, 9_999_999))
def test_of_the_ten_check_digits_exactly_one_holds(body: int) -> None:
    assert sum(loinc_check_digit_holds(f"{body}-{digit}") for digit in range(10)) == 1


def test_a_code_key_is_split_at_its_first_bar() -> None:
    assert Coding.from_key("http://loinc.org|2160-0") == Coding(system="http://loinc.org", code="2160-0")
    assert Coding.from_key(Coding(system="a", code="b|c").key) == Coding(system="a", code="b|c")


@pytest.mark.parametrize(
    ("effective", "issued", "known"), [(0, 0, True), (-1, 1, False), (1, -1, False), (-1, -1, True)]
)
def test_an_event_is_known_once_it_is_both_true_and_on_record(effective: int, issued: int, *, known: bool) -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    event = ClinicalEvent(
        subject="Patient/p1",
        kind=EventKind.OBSERVATION,
        codes=(Coding(system="http://loinc.org", code="2160-0"),),
        effective=now + timedelta(hours=effective),
        issued=now + timedelta(hours=issued),
        end=None,
        value=1.0,
        unit="mg/dL",
        comparator=None,
        source="Observation/o1",
    )
    assert event.known_at(now) is known
