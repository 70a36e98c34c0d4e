"""What the rule of a view says lies in the memory of its argument.

A view checks nothing when it is made: its rule is trusted, and this is where rules are tried.
"""

import pytest
from ops.record_calls import RECORDS, calls, full_name, parametrised

import flambeau
from flambeau import _C
from flambeau.ops.language import Spec


def outside(op, source, sizes, dtype, strides, offset):
    """What is wrong with the geometry of a view, in words; empty where nothing is."""
    where = f"{op}: sizes {list(sizes)}, strides {list(strides)}, offset {offset}"
    if len(sizes) != len(strides):
        return f"{where}: a stride for each dimension is needed"
    if min([*sizes, *strides, offset, 0]) < 0:
        return f"{where}: none of them may be negative"
    if 0 in sizes:
        return ""
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides))
    have = source.untyped_storage().nbytes()
    need = (last + 1) * dtype.itemsize
    return f"{where}: {need} bytes are needed, the storage has {have}" if need > have else ""


def alone(t):
    return t.clone()


def with_gaps(t):
    """Transposed in memory with gaps; it begins behind the storage's start and ends at its end."""
    strides, step = [], 2
    for size in t.shape:
        strides.append(step)
        step *= max(size, 1)
    last = 3 + sum((n - 1) * s for n, s in zip(t.shape, strides) if n)
    buffer = flambeau.empty(last + 1, dtype=t.dtype)
    return buffer.as_strided(t.shape, strides, 3).copy_(t)


VIEWS = [r for r in RECORDS if r.kind == "view"]
LAYOUTS = [alone, with_gaps]


def specs_of(record, args, kwargs):
    if not record.rule:
        made = getattr(flambeau.ops.aten, record.name)
        made = getattr(made, record.schema.overload or "default")(*args, **kwargs)
        made = made if isinstance(made, (list, tuple)) else [made]
        return [(t.size(), t.dtype, t.stride(), t.storage_offset()) for t in made]
    op = _C._find_op(f"aten::{full_name(record)}")
    return [spec[:4] for spec in _C._run_rule(op, args, kwargs)]


@parametrised(VIEWS)
def test_a_view_lies_in_its_storage(record):
    tried = 0
    for call in calls(record):
        for layout in LAYOUTS:
            args, kwargs = call.tensors(layout)
            try:
                specs = specs_of(record, tuple(args), kwargs)
            except RuntimeError:  # `view` of memory with gaps, the negative of a bool
                continue
            for spec in specs:
                assert not outside(full_name(record), args[0], *spec)
                tried += 1
    assert tried


def reversed_rule(self):
    return Spec(self.shape, self.dtype, [-n for n in self.stride()], self.storage_offset())


def longer_rule(self):
    return Spec([self.shape[0] + 1], self.dtype, self.stride(), self.storage_offset())


def later_rule(self):
    return Spec(self.shape, self.dtype, self.stride(), self.storage_offset() + 1)


def fewer_rule(self):
    return Spec(self.shape, self.dtype, [], self.storage_offset())


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (reversed_rule, "none of them may be negative"),
        (longer_rule, "20 bytes are needed, the storage has 16"),
        (later_rule, "20 bytes are needed, the storage has 16"),
        (fewer_rule, "a stride for each dimension"),
    ],
)
def test_a_rule_that_leaves_the_storage_is_found_by_name(rule, words):
    t = flambeau.arange(4.0)
    made = rule(t)
    found = outside("every_other", t, made.sizes, made.dtype, made.strides, made.offset)
    assert found.startswith("every_other: sizes") and words in found
