"""Transforms over every record, against loops and finite differences.

The functions come from the records' samples; nothing here is written for one op. What does not pass
stands in the lists of ``tools/slots.py`` or below, with the reason.
"""

import contextlib
import pathlib
import re
import subprocess
import sys
import warnings

from ops.record_calls import (
    DYNAMIC,
    RECORDS,
    Call,
    calls,
    full_name,
    is_sparse,
    leaves,
    parametrised,
)
from ops.test_records import GRADIENTS, LAYOUT, SECOND, over_tensors

import flambeau
from flambeau.func import grad, jvp, vmap

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ITEMS = 3

# Their results are of no use to compare: what memory held, or what was drawn.
UNDEFINED = {"empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided"}
RANDOM = {full_name(r) for r in RECORDS if "random" in r.tags} | {"dropout", "dropout_"}

# What vmap refuses, as PyTorch's does: sizes, or numbers, that depend on values, and the steps of
# optimisers, which give nothing back. Ops on lists are seen by their parts.
REFUSED = {full_name(r) for r in DYNAMIC} | {"allclose", "nonzero_numpy", "where"}
REFUSED |= {"ctc_loss.Tensor"} | {full_name(r) for r in RECORDS if is_sparse(r)}
REFUSED |= {
    full_name(r)
    for r in RECORDS
    if not r.schema.returns and not r.each and not callable(r.batching)
}
REFUSED |= {full_name(r) for r in RECORDS if r.each and "Tensor scalars" in r.schema.text()}

# Which say that they are content to be called for each item; vmap says that too.
LOOPED = "|".join(sorted({re.escape(r.schema.name) for r in RECORDS if r.batching == "loop"}))


@contextlib.contextmanager
def no_warnings():
    """Warnings are errors, but for the one that a loop gives which its record asks for."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", rf".* batching rule for aten::({LOOPED})\b")
        yield


class Items:
    """A sample as several items: the same call with other numbers for each."""

    def __init__(self, call: Call):
        self.function, first = over_tensors(call.record, call)
        self.constants = call.constants()
        self.items = [first]
        for k in range(1, ITEMS):
            other = Call(call.record, 0, call.dtype)
            other.sample, other.seed = call.sample, call.seed + 1000 * k
            self.items.append(over_tensors(call.record, other)[1])
        self.inplace = call.record.inplace_only

    def __call__(self, *tensors):
        tensors = list(tensors)
        if self.inplace:
            tensors[0] = tensors[0].clone()
        return [t for t in leaves(self.function(*tensors)) if isinstance(t, flambeau.Tensor)]

    @property
    def count(self) -> int:
        return len(self.items[0])

    def stacked(self, i: int, dim: int = 0):
        return flambeau.stack([item[i] for item in self.items], dim)

    def differentiable(self) -> list[int]:
        return [
            i
            for i, (t, constant) in enumerate(zip(self.items[0], self.constants))
            if not constant and (t.is_floating_point() or t.is_complex())
        ]


def patterns(count: int):
    """Which tensors are batched, and where."""
    yield [0] * count
    yield [-1] * count
    if count > 1:
        yield [0] + [None] * (count - 1)
        yield [None] + [0] * (count - 1)


def batched(record):
    """Whether any tensor can be batched."""
    return any(a.type == "Tensor" for a in record.schema.args)


MAPPED = [
    r
    for r in RECORDS
    if batched(r) and full_name(r) not in UNDEFINED | RANDOM | REFUSED and r.schema.returns
]


@parametrised(MAPPED)
def test_vmap_is_a_loop(record):
    tried = 0
    for call in calls(record, ("float64", "complex128", "int32", "bool"), limit=1):
        items = Items(call)
        if not items.count:
            continue
        first = items.items[0]
        for dims in patterns(items.count):
            if record.inplace_only and dims[0] is None:
                continue
            if dims[0] == -1 and full_name(record) in LAYOUT and "size" in record.schema.text():
                continue  # the batch lies between the elements that it counts
            given = [
                item if d is None else items.stacked(i, d)
                for i, (d, item) in enumerate(zip(dims, first))
            ]
            try:
                with no_warnings():
                    got = vmap(items, tuple(dims))(*given)
            except RuntimeError as error:
                # A mask as an index picks another number of elements for each item.
                if "indexing with a boolean mask" in str(error):
                    continue
                raise
            expected = [
                items(*(t if d is not None else t0 for d, t, t0 in zip(dims, item, first)))
                for item in items.items
            ]
            tried += 1
            assert len(got) == len(expected[0])
            for a, *b in zip(got, *expected):
                flambeau.testing.assert_close(
                    a, flambeau.stack(b), rtol=1e-12, atol=1e-12, equal_nan=True
                )
    assert tried


@parametrised([r for r in RECORDS if full_name(r) in REFUSED and batched(r) and not is_sparse(r)])
def test_vmap_refuses_what_depends_on_values(record):
    refused = 0
    for call in calls(record, ("float64", "bool", "int32"), limit=1):
        items = Items(call)
        try:
            vmap(items)(*(items.stacked(i) for i in range(items.count)))
        except RuntimeError as error:
            assert "vmap" in str(error) or "Batching rule" in str(error)
            refused += 1
    assert refused


def directions(tensors, seed: int):
    flambeau.manual_seed(seed)
    return [flambeau.randn_like(t) for t in tensors]


def floating(outputs):
    return [t for t in outputs if t.is_floating_point() or t.is_complex()]


def differences(function, inputs, tangents, step: float = 1e-6):
    """The derivative along a direction, by two calls."""
    ahead = floating(function(*(x + step * t for x, t in zip(inputs, tangents))))
    behind = floating(function(*(x - step * t for x, t in zip(inputs, tangents))))
    return [(a - b) / (2 * step) for a, b in zip(ahead, behind)]


def close(got, expected, tolerance: float):
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.shape == b.shape
        scale = max(1.0, float(b.abs().max()) if b.numel() else 1.0)
        flambeau.testing.assert_close(a, b.to(a.dtype), rtol=tolerance, atol=tolerance * scale)


def functions(record, dtypes):
    """Each sample as a function of what it can be differentiated by, and items of that."""
    for call in calls(record, dtypes):
        items = Items(call)
        places = items.differentiable()
        if not places:
            continue

        def function(*chosen, items=items, places=places):
            given = list(items.items[0])
            for i, t in zip(places, chosen):
                given[i] = t
            outputs = items(*given)
            kept = range(len(outputs)) if record.differentiable is None else record.differentiable
            return floating([outputs[i] for i in kept])

        inputs = [[item[i] for i in places] for item in items.items]
        if not any(
            t.requires_grad for t in function(*(t.clone().requires_grad_() for t in inputs[0]))
        ):
            continue
        yield function, inputs


DIFFERENTIABLE = [r for r in GRADIENTS if full_name(r) not in RANDOM | REFUSED]


@parametrised(DIFFERENTIABLE)
def test_vmap_of_jvp(record):
    tried = 0
    for function, inputs in functions(record, ("float64", "complex128")):
        tangents = [directions(item, k) for k, item in enumerate(inputs)]

        def push(*given, function=function):
            half = len(given) // 2
            return jvp(function, given[:half], given[half:])

        stacked = [flambeau.stack(list(t)) for t in zip(*inputs)]
        moved = [flambeau.stack(list(t)) for t in zip(*tangents)]
        with no_warnings():
            values, pushed = vmap(push)(*stacked, *moved)
        for k, (item, direction) in enumerate(zip(inputs, tangents)):
            one_value, one = push(*item, *direction)
            close([v[k] for v in values], one_value, 1e-9)
            close([p[k] for p in pushed], one, 1e-9)
            close(one, differences(function, item, direction), 1e-5)
        tried += 1
    assert tried or record.gradient is None


@parametrised([r for r in DIFFERENTIABLE if full_name(r) not in SECOND])
def test_jvp_of_vmap_of_grad(record):
    for function, inputs in functions(record, ("float64",)):

        def loss(*chosen, function=function):
            return sum((out * out.conj()).real.sum() for out in function(*chosen))

        slope = grad(loss, tuple(range(len(inputs[0]))))
        stacked = tuple(flambeau.stack(list(t)) for t in zip(*inputs))
        tangents = tuple(directions(stacked, 7))
        with no_warnings():
            values, pushed = jvp(vmap(slope), stacked, tangents)
        for k, item in enumerate(inputs):
            direction = tuple(t[k] for t in tangents)
            one_value, one = jvp(slope, tuple(item), direction)
            close([v[k] for v in values], list(one_value), 1e-9)
            close([p[k] for p in pushed], list(one), 1e-9)
        close(list(pushed), differences(vmap(slope), stacked, tangents), 1e-4)


def test_the_list_of_ops_without_a_slot_is_current():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/slots.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_importing_loads_no_slots():
    code = "import sys, flambeau; print([m for m in sys.modules if m.startswith('flambeau.ops.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_slot_loads_its_own_family_alone():
    code = """
import sys, flambeau
flambeau.vmap(flambeau.sin)(flambeau.ones(2))
print(sorted(m for m in sys.modules if m.startswith("flambeau.ops.") and m.count(".") == 3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "['flambeau.ops.pointwise.transcendental']", done.stderr
