"""Numbers that a dtype does not hold: an error, or the answer of arithmetic; none wraps."""

import math
import operator

import numpy as np
import pytest

import flambeau as torch

INTEGERS = ["int8", "uint8", "int16", "int32", "int64", "uint16", "uint32"]
inf, nan = math.inf, math.nan


def put(x, index, value):
    x[index] = value
    return x


MASK = torch.tensor([True, False])
FILLS = {
    "full": lambda d, v: torch.full((2,), v, dtype=d),
    "full_like": lambda d, v: torch.full_like(torch.zeros(2, dtype=d), v),
    "new_full": lambda d, v: torch.zeros(2, dtype=d).new_full((2,), v),
    "fill_": lambda d, v: torch.zeros(2, dtype=d).fill_(v),
    "fill": lambda d, v: torch.fill(torch.zeros(2, dtype=d), v),
    "scalar_tensor": lambda d, v: torch.scalar_tensor(v, dtype=d).reshape(1),
    "x[0]": lambda d, v: put(torch.zeros(2, dtype=d), 0, v)[:1],
    "x[:]": lambda d, v: put(torch.zeros(2, dtype=d), slice(None), v),
    "x[mask]": lambda d, v: put(torch.zeros(2, dtype=d), MASK, v)[:1],
    "x[[0]]": lambda d, v: put(torch.zeros(2, dtype=d), [0], v)[:1],
    "tensor": lambda d, v: torch.tensor([v], dtype=d),
    "masked_fill": lambda d, v: torch.zeros(2, dtype=d).masked_fill(MASK, v)[:1],
    "where": lambda d, v: torch.where(MASK, v, torch.zeros(2, dtype=d))[:1],
    "where 0-dim": lambda d, v: torch.where(
        MASK, torch.tensor(v), torch.zeros(2, dtype=d).to(torch.tensor(v).dtype).to(d)
    )[:1],
    "linspace": lambda d, v: torch.linspace(v, 0, 1, dtype=d),
    "arange": lambda d, v: torch.arange(v, v + 1, dtype=d),
}


def limits(dtype):
    info = np.iinfo(dtype)
    return info.min, info.max


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", FILLS)
def test_integers_at_and_beyond_the_ends(name, dtype):
    low, high = limits(dtype)
    kind = getattr(torch, dtype)
    for value in (low, high):
        if not (name == "arange" and value == 2**63 - 1):
            assert (FILLS[name](kind, value) == value).all()
    for value in (high + 1, 2 * high + 2, -high - 2, 2**40, 2**63):
        if -high - 1 <= value <= high or (name == "arange" and value >= 2**63 - 1):
            continue
        if not -(2**63) <= value < 2**64 or (name == "where 0-dim" and value >= 2**63):
            continue
        past_int64 = name == "tensor" and value >= 2**63 and dtype != "uint64"
        with pytest.raises(ValueError if past_int64 else RuntimeError, match="without overflow"):
            FILLS[name](kind, value)


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e10, -1e30])
@pytest.mark.parametrize(
    "name", [n for n in FILLS if n not in ("where", "where 0-dim", "arange", "linspace")]
)
def test_floats_that_are_no_int32(name, value):
    with pytest.raises(RuntimeError, match="without overflow"):
        FILLS[name](torch.int32, value)


@pytest.mark.parametrize("name", ["full", "fill_", "full_like", "new_full", "x[0]"])
def test_floating_dtypes_take_infinity_and_refuse_what_overflows(name):
    for dtype, value in ((torch.float16, 1e5), (torch.bfloat16, 1e39), (torch.float32, 1e39)):
        assert FILLS[name](dtype, inf)[0] == inf
        with pytest.raises(RuntimeError, match="without overflow"):
            FILLS[name](dtype, value)


def test_fractions_are_dropped_and_uint8_takes_minus_one():
    assert torch.full((1,), 127.9, dtype=torch.int8).tolist() == [127]
    assert torch.full((1,), -1, dtype=torch.uint8).tolist() == [255]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge", "eq", "ne"])
@pytest.mark.parametrize("number", [300, -300, 2**31, -(2**31) - 1, 2**40, 2**63 - 1, 2**63, -1])
def test_comparisons_are_exact(dtype, op, number):
    low, high = limits(dtype)
    values = [v for v in (low, 0, 1, 44, high)]
    compare = getattr(operator, op)
    want = [compare(v, number) for v in values]
    x = torch.tensor(values, dtype=getattr(torch, dtype))
    assert getattr(torch, op)(x, number).tolist() == want
    assert compare(x, number).tolist() == want
    assert compare(x[:, None].expand(5, 2), number).tolist() == [[w, w] for w in want]
    assert compare(number, x).tolist() == [compare(number, v) for v in values]
    out = torch.empty(5, dtype=torch.bool)
    assert getattr(torch, op)(x, number, out=out).tolist() == want
    if number < 2**63 and not (dtype == "int64"):
        assert compare(x, torch.tensor(number)).tolist() == want


def test_modular_arithmetic_takes_any_number():
    x = torch.tensor([1, 200], dtype=torch.uint8)
    assert (x + -1).tolist() == [0, 199]
    assert (x & 0xFF0F).tolist() == [1, 200 & 15]
    assert (x * 257).tolist() == [1, 200]


REMAINDERS = {
    torch.remainder: lambda v, n: v % n,
    torch.fmod: lambda v, n: int(math.fmod(v, n)),
    torch.floor_divide: lambda v, n: v // n,
}


@pytest.mark.parametrize("number", [200, -300, 40000, -(2**31), 2**31, 2**40, 2**63])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
@pytest.mark.parametrize("op", REMAINDERS)
def test_remainders_by_large_numbers(op, dtype, number):
    dtype = getattr(torch, dtype)
    x = torch.tensor([100, 3], dtype=dtype)
    info = torch.iinfo(dtype)
    if info.min <= number <= info.max:
        assert op(x, number).tolist() == [REMAINDERS[op](v, number) for v in (100, 3)]
    else:
        with pytest.raises(RuntimeError, match="without overflow"):
            op(x, number)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_remainders_of_numbers_beyond_the_dtype(dtype):
    x = torch.tensor([100, 3], dtype=getattr(torch, dtype))
    for op in (lambda: 2**40 % x, lambda: 2**40 // x, lambda: torch.remainder(-(2**31) - 1, x)):
        with pytest.raises(RuntimeError, match="without overflow"):
            op()
    assert torch.remainder(7, x).tolist() == [7, 1]


def test_bounds_that_no_value_passes_change_nothing():
    x = torch.tensor([-128, 5, 127], dtype=torch.int8)
    assert x.clamp(max=300).tolist() == x.tolist()
    assert x.clamp(min=-300).tolist() == x.tolist()
    assert x.clamp(-(2**40), 2**40).tolist() == x.tolist()
    assert x.to(torch.uint8).clamp(min=-1).tolist() == [128, 5, 127]
    assert torch.minimum(x, torch.tensor(2**20)).tolist() == x.tolist()
    for f in (
        lambda: x.clamp(min=300),
        lambda: x.clamp(max=-300),
        lambda: x.clamp_(min=300),
        lambda: torch.clamp_min(x, 300),
        lambda: torch.maximum(x, torch.tensor(2**20)),
        lambda: x**300,
        lambda: x << 256,
        lambda: x.add(x, alpha=300),
    ):
        with pytest.raises(RuntimeError, match="without overflow"):
            f()
    assert x.tolist() == [-128, 5, 127]


def test_clamp_takes_a_number_and_a_tensor():
    x, bound = torch.tensor([-5.0, 0.5, 9.0], requires_grad=True), torch.tensor([1.0, 0.25, 2.0])
    assert torch.clamp(x, min=0.0, max=bound).tolist() == [0.0, 0.25, 2.0]
    assert x.clamp(bound, 3).tolist() == [1.0, 0.5, 3.0]
    x.clamp(min=bound, max=3.0).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]
    y = x.detach().clone()
    assert y.clamp_(0.0, bound).tolist() == [0.0, 0.25, 2.0]
    assert torch.clip(y, bound, 1).tolist() == [1.0, 0.25, 1.0]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_division_by_zero(dtype):
    kind = getattr(torch, dtype)
    a, z = torch.tensor([7, 7], dtype=kind), torch.tensor([0, 2], dtype=kind)
    strided = torch.tensor([[1, 0], [2, 1]], dtype=kind)[:, 1]
    calls = []
    for f in (torch.remainder, torch.fmod, torch.floor_divide):
        calls += [lambda f=f, d=d: f(a, d) for d in (z, 0, strided, torch.tensor(0), z[:1])]
        calls.append(lambda f=f: f(a, z, out=torch.empty(2, dtype=kind)))
        calls.append(lambda f=f: getattr(a, f.__name__ + "_")(z))
    for mode in ("trunc", "floor"):
        calls += [lambda m=mode, d=d: torch.div(a, d, rounding_mode=m) for d in (z, 0)]
        calls.append(lambda m=mode: a.div_(z, rounding_mode=m))
    calls += [lambda: a % 0, lambda: a // 0, lambda: 7 % z, lambda: 7 // z, lambda: a % z]
    for f in calls:
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            f()
    assert a.tolist() == [7, 7]
    assert (a.float() // 0).tolist() == [inf, inf]
    assert (a[:0] % 0).tolist() == []
    assert (a[:0] // z[:0]).tolist() == []
    assert (a.to("meta") % 0).shape == (2,)


def test_isclose_of_integers_is_exact():
    def close(a, b, dtype=torch.int64, **k):
        return torch.isclose(
            torch.tensor([a], dtype=dtype), torch.tensor([b], dtype=dtype), **k
        ).item()

    assert not close(2**40 + 5, 2**40, rtol=0, atol=4)
    assert close(2**40 + 5, 2**40, rtol=0, atol=5)
    assert not close(2**62 + 100, 2**62, rtol=0, atol=99)
    assert not close(2**31 - 1, 2**31 - 100, torch.int32, rtol=0, atol=50)
    assert close(127, -128, torch.int8, rtol=0, atol=255)
    assert not close(127, -128, torch.int8, rtol=0, atol=254.5)
    assert not close(2**63 - 1, -(2**63), rtol=0, atol=2.0**63)
    assert close(2**63 - 1, -(2**63), rtol=0, atol=2.0**65)
    assert not close(2**63 - 1, -(2**63), rtol=0.5, atol=0)
    assert close(0, 255, torch.uint8, rtol=1, atol=0)
    assert close(2**64 - 1, 2**64 - 3, torch.uint64, rtol=0, atol=2)
    assert not close(2**64 - 1, 2**64 - 3, torch.uint64, rtol=0, atol=1)
    assert close(True, True, torch.bool) and not close(True, False, torch.bool)
    assert not torch.allclose(torch.tensor([2**40 + 5]), torch.tensor([2**40]), rtol=0, atol=4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_round_to_decimals(dtype):
    kind = getattr(torch, dtype)
    x = torch.tensor([25.0, 0.5, -1234.0, 0.0, inf, -inf], dtype=kind)
    for decimals in (4, 10, 40, 310, 400, 10**6):
        assert torch.round(x, decimals=decimals).tolist() == x.tolist()
    assert torch.round(x, decimals=-2).tolist() == [0.0, 0.0, -1200.0, 0.0, inf, -inf]
    assert torch.round(x[:4], decimals=-400).abs().tolist() == [0.0] * 4
    assert torch.isnan(torch.round(torch.tensor(nan, dtype=kind), decimals=3))
    top = torch.finfo(kind).max
    big = torch.round(torch.tensor([top], dtype=kind), decimals=-308)
    assert torch.isfinite(big).all()
    values = np.linspace(-3, 3, 41)
    got = torch.round(torch.tensor(values, dtype=kind), decimals=1).double().numpy()
    stored = torch.tensor(values, dtype=kind).double().numpy()
    want = torch.tensor(np.round(stored, 1), dtype=kind).double().numpy()
    np.testing.assert_array_equal(got, want)


def test_round_to_decimals_has_all_forms():
    x = torch.tensor([1.2345, 6.789], requires_grad=True)
    y = x.round(decimals=2)
    y.sum().backward()
    assert y.grad_fn.name() == "RoundBackward1"
    assert x.grad.tolist() == [0.0, 0.0]
    z = x.detach().clone()
    assert z.round_(decimals=1).tolist() == torch.tensor([1.2, 6.8]).tolist()
    out = torch.empty(2)
    torch.round(x.detach(), decimals=0, out=out)
    assert out.tolist() == [1.0, 7.0]
    with pytest.raises(NotImplementedError, match="int64"):
        torch.round(torch.tensor([1234]), decimals=-2)
