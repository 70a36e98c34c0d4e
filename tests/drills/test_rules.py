"""Every rule both ways: as printed C++, and as it stands, on integers that note comparisons."""

import pytest
from drills import recording, trials

import flambeau
from flambeau import _C
from flambeau.ops.derived import rule_of
from flambeau.ops.record import load

RECORDS = [r for r in load() if rule_of(r) is not None]
EVERY = [r for r in load() if _C._find_op(f"aten::{r.schema.full_name}") is not None]
NO_RULE = {r.schema.full_name for r in EVERY if r.is_dynamic}  # what nobody can tell before
NO_RULE |= {"_linalg_check_errors"}  # gives nothing, on any device


def name_of(record):
    return record.schema.full_name


def in_cxx(record, found):
    op = _C._find_op(f"aten::{record.schema.full_name}")
    return _C._run_rule(op, (), found)


def same(a, b):
    if isinstance(a, tuple) or isinstance(b, tuple):
        return a == b
    return [tuple(map(str, x)) for x in as_plain(a)] == [tuple(map(str, x)) for x in as_plain(b)]


def as_plain(specs):
    return [(tuple(s), d, None if t is None else tuple(t), o, v) for s, d, t, o, v in specs]


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_rule_gives_the_same_in_python_and_in_cxx(record):
    tried = 0
    for sample in record.cases():
        found = trials.arguments(record, sample)
        for call in (found, *trials.edge_trials(record, found)):
            recording.NOTES.clear()
            cxx = trials.outcome(lambda call=call: in_cxx(record, call))
            python = trials.outcome(lambda call=call: trials.rule_in_python(record, call))
            assert same(cxx, python), f"{record.schema.full_name}: {call}\n{cxx}\n{python}"
            tried += 1
    assert tried


@pytest.mark.parametrize("record", EVERY, ids=name_of)
def test_an_op_gives_what_its_rule_says(record):
    op = _C._find_op(f"aten::{record.schema.full_name}")
    for sample in record.cases():
        found = trials.arguments(record, sample)
        specs = _C._run_rule(op, (), found)
        if specs is None:
            assert record.kind == "composite" or record.has_body or name_of(record) in NO_RULE, (
                f"{name_of(record)} has no rule"
            )
            return
        made = op(**found)
        if record.inplace_only or not record.schema.returns:
            assert specs == []
            continue
        made = made if isinstance(made, (list, tuple)) else [made]
        assert len(made) == len(specs)
        for t, (sizes, dtype, strides, offset, device) in zip(made, specs, strict=True):
            assert tuple(t.shape) == tuple(sizes) and t.dtype == dtype and t.device == device
            if strides is not None and t.numel():
                assert t.stride() == tuple(strides)
            if offset is not None:
                assert t.storage_offset() == offset


# They make as many views as a size says, so it has to be known.
COUNTED = {"unbind.int", "split.Tensor"}


def unknown(value):
    if isinstance(value, flambeau.Tensor):
        return recording.unknown(value)
    if isinstance(value, list):
        return [unknown(v) for v in value]
    return value


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_rule_runs_on_unknown_sizes(record):
    """Sizes of 2 and more are unknown; only 0 and 1 specialise, and no size becomes an index."""
    for sample in record.cases():
        found = trials.arguments(record, sample)
        recording.NOTES.clear()
        specs = trials.rule_with(record, found, unknown)
        indices = [note for note in recording.NOTES if note[0] == "index" and note[1] >= 2]
        assert name_of(record) in COUNTED or not indices, indices
        expected = in_cxx(record, found)
        sizes = [tuple(recording.plain(list(s.sizes))) for s in specs]
        assert sizes == [tuple(e[0]) for e in expected]


def symbolic(value):
    if isinstance(value, flambeau.Tensor):
        return recording.Symbolic.of(value)
    return [symbolic(v) for v in value] if isinstance(value, list) else value


OF_TENSORS = [r for r in RECORDS if any(a.type == "Tensor" for a in r.schema.args)]


@pytest.mark.parametrize("record", OF_TENSORS, ids=name_of)
def test_symbolic_sizes_pass_through_an_op(record):
    """Tensors whose class answers for sizes: the op reaches the rule, and nobody asks for a number
    behind a symbol."""
    op = _C._find_op(f"aten::{record.schema.full_name}")
    for sample in record.cases():
        found = trials.arguments(record, sample)
        try:
            expected = [tuple(e[0]) for e in in_cxx(record, found)]
        except NotImplementedError:
            continue
        given = {n: symbolic(v) for n, v in found.items()}
        recording.NOTES.clear()
        made = op(**given)
        assert name_of(record) in COUNTED or not [n for n in recording.NOTES if n[0] == "index"]
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        if record.inplace_only or not record.schema.returns:
            continue
        assert [tuple(recording.settled(m.shape)) for m in made] == expected
        assert all(isinstance(m, recording.Symbolic) for m in made)


def test_unknown_sizes_become_expressions():
    cat = next(r for r in RECORDS if name_of(r) == "cat")
    a, b = (recording.unknown(flambeau.zeros(n, 3)) for n in (2, 4))
    recording.NOTES.clear()
    made = cat.rule([a, b], 0)
    assert repr(made.sizes[0]) == "((0 + s0) + s0)" and made.sizes[0].value == 6
    assert ("ne", "s1", "s1") in recording.NOTES  # the other sizes have to be the same
    assert not [n for n in recording.NOTES if n[0] == "index"]


def test_what_is_known_of_unknown_sizes_is_asked_without_a_note():
    s = recording.Unknown(7, "s0")
    recording.NOTES.clear()
    assert s != 1 and s > 0 and not s == 0 and s + 1 > 2
    assert recording.NOTES == []
    assert s == 7 and recording.NOTES == [("eq", "s0", "7"), ("==", 7, 7)]


def test_every_op_but_a_composite_has_a_rule():
    assert set(_C._ops_without_rule()) <= set(_C._ops_of_dynamic_shape())
    assert not [name_of(r) for r in load() if r.kind != "composite" and not r.has_rule]
