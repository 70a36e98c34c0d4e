"""Slots hold functions, or words that somebody reads."""

import importlib.util
import pathlib

import pytest

import flambeau
from flambeau.ops.record import load, structured
from flambeau.ops.slots import SLOTS, missing, stated

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


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


def test_what_a_record_says_can_be_asked_for():
    assert stated(flambeau.ops.aten.flip.default, "batching") == "dims"
    assert stated(flambeau.ops.aten.flip.default, "sharding") is None
    calls = stated(flambeau.ops.aten._softmax.default, "benchmark")
    assert repr(calls[0]) == "call(values(64, 1000), 1, False)"
    with pytest.raises(ValueError, match="stated: a slot is one of jvp, .*, not 'speed'"):
        stated(flambeau.ops.aten.flip.default, "speed")


def test_calls_of_records_are_timed(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("records", BENCHMARKS / "records.py")
    records = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(records)
    timed = [case for case in records.cases() if case.name.startswith("_softmax call")]
    assert len(timed) == 2
    assert timed[0].build(flambeau)().sum().item() == pytest.approx(64, rel=1e-5)


def test_what_is_left_to_derive_is_stated():
    made = op()
    (record,) = made.records
    # No gradient, so no tangent passes.
    assert {s for s in SLOTS if missing(s, record)} == set(SLOTS) - {"jvp"}
    made.without(*SLOTS)
    assert not [s for s in SLOTS if missing(s, record)]
    assert (record.jvp, record.batching) == ("twice", "loop")
