"""Usual ranges are for orientation on screens: in the analyte's unit, possible, each with a reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.features import read_spec
from cdss.units import analyte_for
from cdss.units.usual import Usual, usual_ranges
from cdss.workflow.model import models_directory

RANGES = sorted(usual_ranges().items())


@pytest.mark.parametrize(("code", "usual"), RANGES)
def test_a_usual_range_is_in_the_unit_the_models_read_and_physically_possible(code: str, usual: Usual) -> None:
    assert usual.reference
    assert usual.low is not None or usual.high is not None
    analyte = analyte_for(code)
    if analyte is None:
        assert code.startswith("https://cdss.example/")
        return
    assert usual.unit == analyte.unit
    low, high = analyte.physical
    assert all(bound is None or low <= bound <= high for bound in (usual.low, usual.high))


def test_a_usual_range_is_in_the_unit_of_each_feature_that_it_stands_beside() -> None:
    for path in models_directory().glob("*/spec.toml"):
        for feature in read_spec(path.read_bytes(), path.name).features:
            for code in feature.readings[0].codes:
                if code in usual_ranges():
                    assert usual_ranges()[code].unit == feature.unit, feature.name


@given(
    low=st.none() | st.floats(-100, 100),
    width=st.floats(0, 100),
    has_high=st.booleans(),
    value=st.floats(-300, 300),
)
def test_a_value_is_low_high_or_neither_and_never_both(
    low: float | None, width: float, has_high: bool, value: float
) -> None:
    high = (low if low is not None else 0) + width if has_high else None
    word = Usual(group="x", unit="1", reference="r", low=low, high=high).word(value)
    assert (word == "low") == (low is not None and value < low)
    assert (word == "high") == (high is not None and value > high and word != "low")
