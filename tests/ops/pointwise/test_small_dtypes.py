"""Small integers and bfloat16 are computed as if in a wider type and then stored."""

import numpy as np
import pytest

import flambeau as torch

INTEGERS = ("uint8", "int8", "int16")
N = 131  # whole blocks and a tail
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def drawn(dtype, seed):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    return rng.integers(info.min, info.max, N, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", BINARY)
def test_integers(dtype, name):
    a, b = drawn(dtype, 0), drawn(dtype, 1)
    a[:20] = b[:20]
    op, reference = getattr(torch, name), BINARY[name]
    want = reference(a.astype(int), b.astype(int))
    want = want if want.dtype == bool else want.astype(dtype)
    x, y = torch.tensor(a), torch.tensor(b)
    assert (op(x, y).numpy() == want).all()
    assert (op(x[::2], y[::2]).numpy() == want[::2]).all()
    assert (op(x.view(1, -1), y[:7].view(-1, 1)).numpy()[3] == op(x, y[3]).numpy()).all()
    wide = op(x, y.to(torch.int32))  # a wider dtype decides
    expected = reference(a.astype("int32"), b.astype("int32"))
    assert (wide.numpy() == expected).all()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_and_numbers(dtype):
    a = drawn(dtype, 0)
    x, wide = torch.tensor(a), a.astype(int)
    for number in (0, 1, 5, 100):
        assert ((x + number).numpy() == (wide + number).astype(dtype)).all()
        assert ((number - x).numpy() == (number - wide).astype(dtype)).all()
        assert ((x * number).numpy() == (wide * number).astype(dtype)).all()
        assert ((x < number).numpy() == (wide < number)).all()
        assert (torch.clamp(x, 3, number + 3).numpy() == np.clip(a, 3, number + 3)).all()
    assert (torch.add(x, x, alpha=3).numpy() == (wide + 3 * wide).astype(dtype)).all()
    assert ((x < 1000).numpy() == (wide < 1000)).all()
    assert ((-x).numpy() == (-wide).astype(dtype)).all() if dtype != "uint8" else True
    assert (x.abs().numpy() == np.abs(wide).astype(dtype)).all()
    assert ((~x).numpy() == (~wide).astype(dtype)).all()
    assert (x.relu().numpy() == np.maximum(wide, 0)).all()
    mask = torch.tensor(wide > 0)
    assert (torch.where(mask, x, 7).numpy() == np.where(wide > 0, wide, 7)).all()
    x += 1
    assert (x.numpy() == (wide + 1).astype(dtype)).all()


def same(x, y):
    assert x.dtype == y.dtype and torch.equal(x.isnan(), y.isnan())
    assert torch.equal(x.masked_fill(x.isnan(), 0), y.masked_fill(y.isnan(), 0))


@pytest.mark.parametrize("other", ["tensor", 2, 0.1, -1, 1e-3, float("nan"), float("inf")])
def test_bfloat16_is_rounded_once(other):
    rng = np.random.default_rng(0)
    a = torch.tensor(rng.standard_normal(N) * 10.0 ** rng.integers(-3, 4, N)).bfloat16()
    b = torch.tensor(rng.standard_normal(N)).bfloat16() if other == "tensor" else other
    wide = b.float() if other == "tensor" else torch.tensor(b, dtype=torch.float32)
    for op in (torch.add, torch.sub, torch.mul, torch.div, torch.lt, torch.eq):
        want = op(a.float(), wide)
        want = want if want.dtype == torch.bool else want.bfloat16()
        for x in (op(a, b), op(a.view(-1, 1), b).view(-1) if other != "tensor" else op(a, b)):
            same(x, want)
    strided = torch.mul(a[::3], b[::3] if other == "tensor" else b)
    same(strided, torch.mul(a, b)[::3])


def test_clamp_keeps_nan():
    x = torch.tensor([float("nan"), -3.0, 0.5, 3.0, float("inf"), -float("inf")] * 20)
    got = x.clamp(-1, 1).tolist()
    assert all(v != v for v in got[::6])
    assert got[1:6] == [-1.0, 0.5, 1.0, 1.0, -1.0]


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_quotients_are_exact(dtype):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    n = 4001
    a = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
    b = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
    a, b = a >> rng.integers(0, info.bits, n), b >> rng.integers(0, info.bits, n)
    near = rng.integers(-2, 3, n)
    a[::3] = (b * near)[::3] + rng.integers(-1, 2, n)[::3]  # quotients beside whole numbers
    edges = [info.min, info.min + 1, -2, -1, 1, 2, info.max - 1, info.max]
    a[: len(edges)], a[len(edges) : 2 * len(edges)] = info.min, info.max
    b[: len(edges)] = b[len(edges) : 2 * len(edges)] = edges
    a, b = a.astype(dtype), np.where(b == 0, 1, b).astype(dtype)
    x, y = torch.tensor(a), torch.tensor(b)
    pairs = list(zip(a.tolist(), b.tolist()))

    def wrapped(v):
        return (v - info.min) % (1 << info.bits) + info.min

    assert (x // y).tolist() == [wrapped(p // q) for p, q in pairs]
    assert (x % y).tolist() == [p % q for p, q in pairs]
    truncated = torch.div(x, y, rounding_mode="trunc").tolist()
    assert truncated == [wrapped(abs(p) // abs(q) * (1 if p * q >= 0 else -1)) for p, q in pairs]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts_and_signs(dtype):
    a = drawn(dtype, 0)
    x, wide, bits = torch.tensor(a), a.astype(int), np.iinfo(dtype).bits
    for count in (0, 1, 3, bits - 1, bits, bits + 5):
        left = 0 * wide if count >= bits else (wide << count).astype(dtype)
        assert ((x << count).numpy() == left).all()
        assert ((x >> count).numpy() == wide >> count).all()
    assert (x.sign().numpy() == np.sign(wide)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_near_and_far_quotients_side_by_side(dtype):
    rng = np.random.default_rng(0)
    a = (rng.standard_normal(1000) * 100).astype(dtype)
    b = (rng.standard_normal(1000) + 2).astype(dtype)
    a[300], a[777], b[900] = 1e30, np.inf, 1e-30
    with np.errstate(all="ignore"):
        for op, reference in ((torch.fmod, np.fmod), (torch.remainder, np.remainder)):
            want = reference(a, b)
            for got in (op(torch.tensor(a), torch.tensor(b)).numpy(),):
                assert np.array_equal(np.isnan(got), np.isnan(want))
                keep = ~np.isnan(want)
                assert (got[keep] == want[keep]).all()
        whole = torch.floor_divide(torch.tensor(a), torch.tensor(b))
    for i in range(0, 1000, 50):
        one = torch.floor_divide(torch.tensor(a[i : i + 1]), torch.tensor(b[i : i + 1]))
        assert one.item() == whole[i].item() or np.isnan(one.item())


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "float32", "bfloat16"])
def test_any_step(dtype):
    """Rows that step over elements are read, and written without touching what lies between."""
    x = torch.tensor(np.arange(3 * 400) % 100).to(getattr(torch, dtype)).view(3, 400)
    for step in (1, 2, 3, 4, 5, 7):
        part = x[:, ::step]
        assert (part + part).tolist() == [[2 * v for v in row[::step]] for row in x.tolist()]
        assert part.contiguous().tolist() == [row[::step] for row in x.tolist()]
        for n in (1, 2, 31, 399):
            y = x.clone()
            y[:, 1 : n + 1 : step].add_(1)
            want = x.tolist()
            for row in want:
                row[1 : n + 1 : step] = [v + 1 for v in row[1 : n + 1 : step]]
            assert y.tolist() == want
            y[:, 1 : n + 1 : step] = 7
            for row in want:
                row[1 : n + 1 : step] = [7] * len(row[1 : n + 1 : step])
            assert y.tolist() == want


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16", "float32", "int64", "complex128"])
def test_columns_are_copied_along_rows(dtype):
    column = torch.arange(70).to(getattr(torch, dtype))
    for rows, cols in ((70, 1), (70, 7), (70, 300), (9, 65)):
        into = torch.zeros(rows, cols, dtype=column.dtype)
        into.copy_(column[:rows].view(-1, 1))
        assert torch.equal(into, column[:rows].view(-1, 1) + torch.zeros_like(into))
        assert torch.equal(column[:rows].view(-1, 1).expand(rows, cols).clone(), into)
