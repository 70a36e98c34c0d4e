"""Slots hold functions, or words that somebody reads."""

import pytest

from flambeau.ops.record import load, structured
from flambeau.ops.slots import SLOTS, missing


def op():
    def thrown_away():
        """Of this test."""

    return structured("thrown_away(Tensor self) -> Tensor", cpu="thrown_away")(thrown_away)


@pytest.mark.parametrize("slot", [s for s in SLOTS if s != "benchmark"])
def test_a_word_that_nobody_reads_is_refused(slot):
    before = len(load())
    with pytest.raises(ValueError, match=f"thrown_away: {slot} is a function or of .*: banana"):
        getattr(op(), slot)("banana")
    assert len(load()) == before


def test_what_is_left_to_derive_is_stated():
    made = op()
    (record,) = made.records
    # No gradient, so no tangent passes.
    assert {s for s in SLOTS if missing(s, record)} == set(SLOTS) - {"jvp"}
    made.without(*SLOTS)
    assert not [s for s in SLOTS if missing(s, record)]
    assert (record.jvp, record.batching) == ("twice", "loop")
