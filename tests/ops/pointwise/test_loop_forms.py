"""Forms of one loop give one result: constants, rows of float16, near elements, places given."""

import math

import mpmath
import numpy as np
import pytest

import flambeau as torch

N = 131  # whole blocks and a tail
LENGTHS = (1, 2, 15, 16, 17, 63, 64, 65, N)
DTYPES = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64")
BINARY = ("add", "sub", "mul", "eq", "lt", "ge", "maximum", "minimum")
EDGES = [0.0, -0.0, math.inf, -math.inf, math.nan, 6e-8, 65504.0, 1.0, -2.5]


def drawn(dtype, n=N, seed=0):
    rng = np.random.default_rng(seed)
    kind = getattr(torch, dtype)
    if not kind.is_floating_point:
        return torch.tensor(rng.integers(0, 100, n), dtype=kind)
    x = torch.tensor(rng.standard_normal(n)).to(kind)
    x[: min(n, len(EDGES))] = torch.tensor(EDGES[:n]).to(kind)
    return x


def same(x, y):
    """Bit for bit, but for what is in a NaN."""
    assert x.dtype == y.dtype and x.shape == y.shape
    if not x.dtype.is_floating_point:
        assert torch.equal(x, y)
        return
    a, b = (t.double().numpy() for t in (x, y))
    assert ((a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_one_element_for_all(dtype, name):
    op = getattr(torch, name)
    for n in LENGTHS:
        x = drawn(dtype, n)
        for c in (drawn(dtype)[n - 1], torch.tensor(3, dtype=x.dtype)):
            full = torch.full_like(x, 0)
            full[:] = c
            same(op(x, c), op(x, full))
            same(op(c, x), op(full, x))
            same(op(x.view(1, -1), c.view(1, 1)), op(x, full).view(1, -1))
    x, y = drawn(dtype, 7), drawn(dtype, 200, 1)
    grid = op(x[:, None], y)  # a constant for each row
    for k in range(7):
        same(grid[k], op(torch.full_like(y, 0).copy_(x[k]), y))
    same(op(y, x[:, None]), op(y.expand(7, 200).contiguous(), x[:, None].repeat(1, 200)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_of_three(dtype):
    for n in LENGTHS:
        x = drawn(dtype, n)
        mask = torch.arange(n) % 3 == 0
        full = torch.full_like(x, 5)
        same(torch.where(mask, x, full[0]), torch.where(mask, x, full))
        same(torch.where(mask, full[0], x), torch.where(mask, full, x))
        same(x.clamp(2, 5), torch.minimum(torch.maximum(x, torch.full_like(x, 2)), full))
        same(torch.clamp(x, full - 3, full), x.clamp(2, 5))
        if x.dtype.is_floating_point:
            weight = torch.tensor(0.25, dtype=x.dtype)
            same(torch.lerp(x, full, 0.25), torch.lerp(x, full, torch.full_like(x, weight.item())))


@pytest.mark.parametrize(
    "name", ["neg", "abs", "sqrt", "rsqrt", "reciprocal", "floor", "ceil", "trunc", "round", "sign"]
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_rounded_once(dtype, name):
    x = drawn(dtype)
    op = getattr(torch, name)
    same(op(x), op(x.float()).to(x.dtype))
    same(op(x[1::3]), op(x)[1::3])
    same(op(x[:5]), op(x)[:5])
    y = x.clone()
    getattr(y, name + "_")()
    same(y, op(x))


def test_all_of_float16():
    x = torch.tensor(np.arange(1 << 16, dtype=np.uint16).view(np.float16))
    wide = x.float()
    same(x + x, (wide + wide).half())
    same(x * x, (wide * wide).half())
    same(x / 3, (wide / 3).half())
    same(x.relu(), wide.relu().half())
    same(torch.where(x > 0, x, -x), torch.where(wide > 0, wide, -wide).half())
    assert torch.equal(x > 1, wide > 1) and torch.equal(x.isfinite(), wide.isfinite())


@pytest.mark.parametrize("dtype, bits", [("uint8", 8), ("int8", 8), ("int16", 16)])
def test_shifts(dtype, bits):
    info = np.iinfo(dtype)
    values = np.unique(np.linspace(info.min, info.max, 256).astype(dtype))
    counts = [c for c in (-3, -1, *range(bits + 3), 100) if info.min <= c]
    for count in counts:
        x = torch.tensor(values)
        shifted = [int(v) << min(max(count, 0), 64) if 0 <= count < bits else 0 for v in values]
        want = [(v - int(info.min)) % (1 << info.bits) + int(info.min) for v in shifted]
        assert (x << count).tolist() == want
        assert (x << torch.full_like(x, count)).tolist() == want
        want = [int(v) >> count if 0 <= count < bits else -int(v < 0) for v in values]
        assert (x >> count).tolist() == want
        assert (x >> torch.full_like(x, count)).tolist() == want


# ---- near and far


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["gelu", "sin", "cos"])
def test_bits_do_not_depend_on_neighbours(dtype, name):
    op = torch.nn.functional.gelu if name == "gelu" else getattr(torch, name)
    x = torch.linspace(-4.5, 4.5, 1000, dtype=getattr(torch, dtype))
    near = op(x)
    for far in (1e9, -1e9, math.inf, math.nan):
        mixed = x.clone()
        mixed[::64] = far
        got = op(mixed)
        kept = torch.arange(1000) % 64 != 0
        same(got[kept], near[kept])


def test_gelu_between_the_ranges():
    x = [s * (4 + d) for s in (-1, 1) for d in (-1e-3, -1e-6, 0, 1e-6, 1e-3)]
    x += [-0.0, 0.0, 1e-30, -1e-30, 1e-42, -1e-42, 3.0, -3.0, -1.5]
    for dtype, eps in ((torch.float32, 2.0**-20), (torch.float64, 2.0**-48)):
        given = torch.tensor(x, dtype=dtype)
        got = torch.nn.functional.gelu(given)
        for a, y in zip(given.tolist(), got.tolist()):
            want = float(mpmath.mpf(a) * mpmath.ncdf(mpmath.mpf(a)))
            assert abs(y - want) <= eps * abs(want) + 2e-45, a
            assert math.copysign(1, y) == math.copysign(1, a)


def test_logarithms_at_the_ends():
    top = torch.finfo(torch.float32).max
    x = torch.tensor([top, top / 1.3, -0.0, 0.0, 1e-42, -1.0, math.inf, -2.0, math.nan])
    got = torch.log1p(x).tolist()
    assert got[0] == pytest.approx(math.log(top)) and got[1] == pytest.approx(math.log(top / 1.3))
    assert math.copysign(1, got[2]) == -1 and math.copysign(1, got[3]) == 1
    assert got[4] == x[4].item() and got[5:7] == [-math.inf, math.inf]
    assert math.isnan(got[7]) and math.isnan(got[8])
    assert torch.nn.functional.silu(torch.tensor([math.inf, -math.inf])).tolist() == [math.inf, 0.0]


# ---- powers, bounds and digits, where a place for the result is given


EXPONENTS = (0, 1, 2, 3, 4, 5, 7, 16, 31, -1, -2, -3, 0.5, -0.5, 1.5)


WHOLE = [n for n in EXPONENTS if n >= 0 and n == int(n)]  # those of integers


@pytest.mark.parametrize(
    "dtype, exponent",
    [(d, n) for d in ("float32", "float64", "float16", "complex64") for n in EXPONENTS]
    + [(d, n) for d in ("int32", "uint8") for n in WHOLE],
)
def test_powers_in_place(dtype, exponent):
    kind = getattr(torch, dtype)
    whole = dtype in ("int32", "uint8")
    x = torch.tensor([1.0, 2.0, 3.0, 0.5, 1.25, 0.75, 1.5] * 9).to(kind)
    want = x**exponent
    wide = x.numpy().astype("complex128" if kind.is_complex else "int64" if whole else "float64")
    with np.errstate(all="ignore"):
        expected = (wide**exponent).astype(x.numpy().dtype)
    tolerance = 2e-3 if dtype == "float16" else 1e-5
    np.testing.assert_allclose(want.numpy(), expected, rtol=0 if whole else tolerance)
    given = x.clone()
    version = given._version
    assert given.pow_(exponent) is given and given._version == version + 1
    assert torch.equal(given, want)
    for out in (torch.empty_like(x), torch.empty(3, dtype=kind), torch.empty(126, dtype=kind)[::2]):
        assert torch.pow(x, exponent, out=out) is out and torch.equal(out, want)
    out = x.clone()
    assert torch.equal(torch.pow(out, exponent, out=out), want)


def test_squares_of_inverses_keep_their_range():
    x = torch.tensor([1e20, 1e-20, 1e-19, 0.0, math.inf, -2.0])
    assert (x**-2).tolist() == pytest.approx([1e-40, math.inf, 1e38, math.inf, 0.0, 0.25], rel=1e-2)


def test_bounds_in_place():
    x = torch.randn(500)
    for bounds in ((-0.5, 0.5), (-0.5, None), (None, 0.5), (math.nan, 1.0), (0.0, math.nan)):
        want = x.clamp(*bounds)
        if any(b is not None and math.isnan(b) for b in bounds):
            assert want.isnan().all()
        given = x.clone()
        assert given.clamp_(*bounds) is given and given._version == 1
        same(given, want)
        out = torch.empty(500)
        same(torch.clamp(x, *bounds, out=out), want)
        wide = torch.empty(500, dtype=torch.float64)
        same(torch.clamp(x, *bounds, out=wide), want.double())
    low, high = torch.full((500,), -0.5), torch.full((500,), 0.5)
    for lower, upper in ((low, high), (low, None), (None, high), (-0.5, high)):
        given = x.clone().clamp_(lower, upper)
        same(given, x.clamp(lower, upper))
    y = x[:20].clone().requires_grad_(True)
    low, high = low[:20].clone().requires_grad_(True), high[:20].clone().requires_grad_(True)
    (y.clamp(low, high) * torch.arange(20)).sum().backward()
    share = y.grad + low.grad + high.grad
    assert share.tolist() == list(range(20))
    assert torch.equal(y.grad != 0, (x[:20].abs() <= 0.5) & (torch.arange(20) > 0))


def test_overlapping_places():
    x = torch.arange(10.0)
    want = (x[1:] ** 2).tolist()
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.pow(x[1:], 2, out=x[1:2].expand(9))
    out = torch.pow(x[1:], 2, out=x[:-1])  # behind what is read
    assert out.tolist() == want


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_digits(dtype):
    x = (torch.randn(300) * 100).to(getattr(torch, dtype))
    x[0], x[1], x[2] = math.inf, math.nan, 0.125
    for decimals in (1, 2, 3, 10, 11, -1):
        got = x.round(decimals=decimals)
        with np.errstate(all="ignore"):
            want = np.round(x.double().numpy(), decimals)
        close = np.isclose(got.double().numpy(), want, rtol=1e-2 if dtype == "bfloat16" else 1e-6)
        assert (close | np.isnan(want)).all() and math.isnan(got[1].item())
        given = x.clone()
        given.round_(decimals=decimals)
        same(given, got)


NUMBERED = {
    "add": lambda t, c: t + c,
    "rsub": lambda t, c: c - t,
    "mul": lambda t, c: t * c,
    "div": lambda t, c: t / c,
    "at least": lambda t, c: t.clamp(min=c),
    "at most": lambda t, c: t.clamp(max=c),
    "between": lambda t, c: t.clamp(c, c + 0.2),
    "where": lambda t, c: torch.where(torch.arange(t.numel()) % 2 == 0, t, c),
    "lt": lambda t, c: t < c,
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("n", [1, 5, 64, N])
def test_numbers_that_are_no_halves(dtype, n):
    x = drawn(dtype, n)
    wide = x.float()
    for c in (0.3, -0.1, 70000.0, 1e-9):
        for f in NUMBERED.values():
            got, want = f(x, c), f(wide, c)
            same(got, want if want.dtype == torch.bool else want.to(x.dtype))
        end = (x + 1).float()
        same(torch.lerp(x, x + 1, c), torch.lerp(wide, end, c).to(x.dtype))
        strided = torch.stack((x, x), 1)[:, 0]
        same(strided.clamp(min=c), wide.clamp(min=c).to(x.dtype))
        same(strided * c, (wide * c).to(x.dtype))
