"""The fuzz targets hold without a fuzzer: on their seeds, on what once broke, and on some hundred changes of them."""

from __future__ import annotations

from random import Random

import pytest
from mutate import WORDS, mutate_reader, mutate_units
from seeds import seeds
from targets import TARGETS, check_lines, check_reader


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_each_target_holds_on_its_seeds(target: str) -> None:
    for data in seeds(target):
        TARGETS[target](data)


def test_the_targets_notice_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets._count_document", lambda raw: 2)
    with pytest.raises(AssertionError, match="1 counted, 2 there"):
        check_reader(b'J0{"resourceType":"Patient","id":"a"}')
    monkeypatch.setattr("targets.read_lines", lambda file, advance: iter([(1, b"{}")]))
    with pytest.raises(AssertionError):
        check_lines(b"P\x10{}\n{}")


def test_mutation_keeps_most_inputs_readable() -> None:
    """Blind mutation of JSON gives JSON one time in a hundred; ours gets past the parser, where the reader begins."""
    rng, changed, kept = Random(1), 0, 0
    for data in seeds("reader"):
        new = mutate_reader(data, rng)
        if new is not None:
            changed += 1
            kept += new[2:3] in (b"{", b"[")
    assert changed > 50
    assert kept > 0.9 * changed
    assert all(mutate_units(data, rng).count(b"\0") >= 3 for data in seeds("units"))
    assert "valueQuantity" in WORDS
