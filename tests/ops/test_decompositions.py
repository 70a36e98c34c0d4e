"""Ops as compositions of others, asked for and run by a program from outside."""

import numpy as np
import pytest
from ops import record_calls as records

import flambeau as torch
from flambeau import _C
from flambeau._decomp import get_decompositions
from flambeau.ops.slots import stated
from flambeau.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


def op_of(record):
    return _C._find_op(f"aten::{record.schema.full_name}")


STATED = [r for r in records.RECORDS if callable(r.decomposition)]


@records.parametrised(STATED)
def test_a_composition_gives_what_the_op_gives(record):
    (compose,) = get_decompositions([op_of(record)]).values()
    assert stated(op_of(record), "decomposition")
    for sample in record.cases():
        for dtype in ("float32", "complex64"):
            if dtype in record.dtypes:
                args, kwargs = records.Call(record, record.cases().index(sample), dtype).tensors(
                    lambda t: t.detach()
                )
                found, right = compose(*args, **kwargs), op_of(record)(*args, **kwargs)
                assert found.dtype is right.dtype and found.shape == right.shape
                np.testing.assert_allclose(
                    records.as_array(found), records.as_array(right), rtol=1e-5, atol=1e-6
                )


SPECIAL = [0.0, -0.0, 1.0, float("nan"), float("inf"), -float("inf")]


def calls_of(record):
    """The samples, with numbers that switch a part off."""
    for i in range(len(record.cases())):
        for dtype in sorted(record.dtypes - {"float16", "bfloat16"}):
            args, kwargs = records.Call(record, i, dtype).tensors(lambda t: t.detach())
            yield args, kwargs
            for a in record.schema.args:
                if a.type == "Scalar" and a.default is not None:
                    for number in (0, 2):
                        yield args, kwargs | {a.name: number}


@records.parametrised(STATED)
def test_a_composition_takes_special_values(record):
    """In one argument at a time: what is not looked at may be anything."""
    (compose,) = get_decompositions([op_of(record)]).values()
    tried = 0
    for args, kwargs in calls_of(record):
        for i, t in enumerate(args):
            if not isinstance(t, torch.Tensor) or t.numel() == 0:
                continue
            for value in SPECIAL if t.is_floating_point() else [0, 1]:
                given = [*args[:i], torch.full_like(t, value), *args[i + 1 :]]
                right = op_of(record)(*given, **kwargs)
                found = compose(*given, **kwargs)
                assert found.dtype is right.dtype and found.shape == right.shape
                np.testing.assert_allclose(
                    records.as_array(found), records.as_array(right), rtol=1e-5, atol=1e-6
                )
                tried += 1
    assert tried > 10


def outcome(f, args, kwargs):
    try:
        result = f(*args, **kwargs)
    except Exception as e:
        return type(e), str(e)
    return result.dtype, result.shape


@records.parametrised(STATED)
def test_a_composition_refuses_what_the_op_refuses(record):
    (compose,) = get_decompositions([op_of(record)]).values()
    refused = 0
    for args, kwargs in calls_of(record):
        for i, t in enumerate(args):
            if not isinstance(t, torch.Tensor):
                continue
            others = [
                t[None], t.new_zeros(()), t.new_zeros(1), t.new_zeros(5), t.new_zeros(2, 2),
                t.new_zeros(7, 1), t.double(), t.to(torch.int32), t.bool(),
            ]  # fmt: skip
            for other in others:
                given = [*args[:i], other, *args[i + 1 :]]
                right = outcome(op_of(record), given, kwargs)
                assert outcome(compose, given, kwargs) == right, (args, i, other)
                refused += isinstance(right[1], str)
    assert refused > 10


def test_a_body_is_a_composition():
    table = get_decompositions([aten.layer_norm, aten.square.default, aten.pow.Tensor_Scalar])
    assert {str(op) for op in table} == {
        "aten.layer_norm.default", "aten.square.default", "aten.pow.Tensor_Scalar"
    }  # fmt: skip
    x = torch.arange(6.0).view(2, 3)
    assert torch.equal(table[aten.square.default](x), x * x)
    normalised = table[aten.layer_norm.default](x, [3])
    torch.testing.assert_close(normalised, torch.nn.functional.layer_norm(x, [3]))


def test_kernels_and_forms_that_write_have_none():
    assert get_decompositions([aten.mm, aten.addmm.out, aten.add]) == {}
    assert [str(op) for op in get_decompositions([aten.addmm])] == ["aten.addmm.default"]


class Decompose(TorchDispatchMode):
    """An exporter that wants fewer kinds of ops."""

    def __init__(self, ops):
        super().__init__()
        self.table, self.seen = get_decompositions(ops), []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in self.table:
            with self:
                return self.table[func](*args, **(kwargs or {}))
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_mode_decomposes():
    layer, x, target = torch.nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)

    def loss():
        return torch.nn.functional.mse_loss(layer(x), target)

    right = loss()
    with Decompose([aten.addmm, aten.mse_loss]) as mode:
        found = loss()
    torch.testing.assert_close(found, right)
    assert "aten.mm.default" in mode.seen and "aten.mean.default" in mode.seen
    assert not {"aten.addmm.default", "aten.mse_loss.default"} & {*mode.seen}
    right.backward()
    wanted, layer.weight.grad = layer.weight.grad, None
    found.backward()
    torch.testing.assert_close(layer.weight.grad, wanted)


def test_what_is_not_an_op_is_refused():
    with pytest.raises(TypeError, match="get_decompositions: ops of flambeau.ops are taken"):
        get_decompositions(["addmm"])
