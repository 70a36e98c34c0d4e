"""Slots hold functions, or words that somebody reads."""

import importlib.util
import pathlib

import pytest
from ops import record_calls as records

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


POINTWISE = [r for r in load() if r.kind == "pointwise" and r.schema.returns]


@records.parametrised(POINTWISE)
def test_a_pointwise_op_may_be_split_along_any_dimension(record):
    op = flambeau._C._find_op(f"aten::{record.schema.full_name}")
    ways_of = stated(op, "sharding")
    if "random" in record.tags:
        assert ways_of is None
        return
    names = [a.name for a in record.schema.args]
    results = [r.name or "result" for r in record.schema.returns]
    dtype = "float32" if "float32" in record.dtypes else "int64"
    tried = 0
    for i in range(len(record.cases())):
        args, kwargs = records.Call(record, i, dtype).tensors(lambda t: t.detach())
        given = dict(zip(names, args, strict=False)) | kwargs
        whole = op(**given)
        wholes = [whole] if isinstance(whole, flambeau.Tensor) else list(whole)
        ways = ways_of(**given)
        assert [w[results[0]] for w in ways] == list(range(wholes[0].dim()))
        for way in ways:
            count = wholes[0].shape[way[results[0]]]
            for at in range(count):
                part = {n: v.narrow(way[n], at, 1) if n in way else v for n, v in given.items()}
                found = op(**part)
                for r, t in zip(results, [found] if len(results) == 1 else found, strict=True):
                    right = wholes[results.index(r)].narrow(way[r], at, 1)
                    assert flambeau.allclose(t, right, equal_nan=True) and t.shape == right.shape
                    tried += 1
    assert tried


def test_shardings_are_derived_or_lacking():
    aten = flambeau.ops.aten
    x, row = flambeau.ones(2, 3), flambeau.ones(1, 3)
    assert stated(aten.add.Tensor, "sharding")(x, row) == [
        {"self": 0, "result": 0},
        {"self": 1, "other": 1, "result": 1},
    ]
    assert stated(aten.add_.Tensor, "sharding")(x, 2) == [
        {"self": 0, "result": 0},
        {"self": 1, "result": 1},
    ]
    assert stated(aten.matmul.default, "sharding") == "parts"
    for record in load():
        op = flambeau._C._find_op(f"aten::{record.schema.full_name}")
        known = stated(op, "sharding") or record.sharding == "none" or not record.schema.returns
        assert missing("sharding", record) is not bool(known), record.schema.full_name


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
