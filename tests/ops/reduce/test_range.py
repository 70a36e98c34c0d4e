"""Reductions whose partial sums or squares leave the range that the result stays in."""

import math

import mpmath
import numpy as np
import pytest

import flambeau as torch

mpmath.mp.dps = 50
LA = torch.linalg
ROWS = {
    "float32": [[3e38, 1.0, -3e38], [1e-40, 2e-40, 3e-40], [3.0, -4.0, 0.0], [1e30, 1e-30, 2e30]],
    "float64": [
        [1e200, 1.0, -1e200],
        [3e-200, 4e-200, 0.0],
        [3.0, -4.0, 0.0],
        [1.7e308, -1.7e308, 1.0],
        [5e-324, 1e-310, 0.0],
    ],
}


def close(got, want, tolerance):
    return abs(mpmath.mpf(got) - want) <= tolerance * abs(want)


def exact_norm(row, p):
    sizes = [abs(mpmath.mpc(v)) for v in row]
    if p == math.inf:
        return max(sizes)
    if p < 0 and min(sizes) == 0:
        return mpmath.mpf(0)
    return mpmath.fsum(s**p for s in sizes) ** (mpmath.mpf(1) / p)


@pytest.mark.parametrize("p", [2, 1.5, 3, 7.5, 40, 0.5, -1, -3, math.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms(dtype, p):
    kind = getattr(torch, dtype)
    for row in ROWS[dtype]:
        x = torch.tensor(row, dtype=kind)
        want = exact_norm(x.tolist(), p)
        if want > np.finfo(dtype).max:
            continue
        least = float(np.finfo(dtype).smallest_subnormal)
        tolerance = (1e-6 if dtype == "float32" else 1e-13) + float(least / want if want else 0)
        assert close(LA.vector_norm(x, p).item(), want, tolerance), row
        rows = torch.stack([x, torch.ones(3, dtype=kind), x.flip(0)])
        got = LA.vector_norm(rows, p, dim=1)
        ones = exact_norm([1, 1, 1], p)
        assert all(close(g, w, tolerance) for g, w in zip(got.tolist(), (want, ones, want)))
        got = torch.norm(rows.t(), p, dim=0, keepdim=True)
        assert got.shape == (1, 3) and close(got[0, 2].item(), want, tolerance)


@pytest.mark.parametrize("p", [2, 1.5, 3, 7.5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_norms(dtype, p):
    for row in ROWS[dtype][:4]:
        x = torch.tensor(row, dtype=getattr(torch, dtype), requires_grad=True)
        norm = exact_norm(x.tolist(), p)
        if norm > np.finfo(dtype).max:
            continue
        LA.vector_norm(x, p).backward()
        for got, v in zip(x.grad.tolist(), x.tolist()):
            want = mpmath.sign(v) * (abs(mpmath.mpf(v)) / norm) ** (p - 1)
            floor = 1e-37 if dtype == "float32" else 1e-300
            assert abs(got - want) <= 2e-5 * abs(want) + floor, (row, got, want)


def test_norms_of_zeros_infinities_and_nan():
    for p in (2, 3, 0.5):
        x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        LA.vector_norm(x, p).backward()
        assert x.grad.tolist() == [0.0] * 3
        special = torch.tensor([[math.inf, 1e200], [0.0, 0.0], [1e200, 1e200]], dtype=torch.float64)
        got = LA.vector_norm(special, p, dim=1).tolist()
        assert got[:2] == [math.inf, 0.0] and close(got[2], exact_norm([1e200, 1e200], p), 1e-13)
        assert math.isnan(LA.vector_norm(torch.tensor([math.nan, 1e300]).double(), p).item())


def test_complex_norms():
    z = torch.tensor([3e200 + 4e200j, 1.0], dtype=torch.complex128)
    assert close(LA.vector_norm(z).item(), mpmath.mpf(5e200), 1e-14)
    z = torch.tensor([[3e-200 + 4e-200j, 0.0]], dtype=torch.complex128)
    assert close(LA.vector_norm(z, dim=1).item(), mpmath.mpf(5e-200), 1e-14)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_sums_and_means_near_the_largest_number(dtype):
    kind = getattr(torch, dtype)
    top = torch.finfo(kind).max
    x = torch.tensor([[top, top, top], [-top, -top, -top], [top, 1.0, -top]], dtype=kind)
    assert x[:2].mean(1).tolist() == [top, -top]
    assert x[0].mean().item() == top and x[:2].mean().item() == 0
    assert x.t().mean(0)[:2].tolist() == [top, -top]
    mixed = torch.tensor([top, top, -top, -top / 2], dtype=kind)
    assert math.isclose(mixed.sum().item(), top / 2, rel_tol=1e-15)
    many = mixed.repeat(3000).view(3000, 4).sum(1)
    np.testing.assert_allclose(many.double().numpy(), top / 2, rtol=1e-15)
    assert torch.tensor([top, top], dtype=kind).sum().item() == math.inf
    assert torch.tensor([math.inf, -math.inf], dtype=kind).sum().isnan()
    z = torch.tensor([complex(1e38, -1e38) * 3] * 2)
    assert z.mean().item() == z[0].item()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_deviations(dtype):
    kind = getattr(torch, dtype)
    for row in ROWS[dtype]:
        x = torch.tensor(row, dtype=kind)
        values = [mpmath.mpf(v) for v in x.tolist()]
        mean = mpmath.fsum(values) / 3
        var = mpmath.fsum((v - mean) ** 2 for v in values) / 2
        std = mpmath.sqrt(var)
        tolerance = 1e-6 if dtype == "float32" else 1e-13
        least = float(np.finfo(dtype).smallest_subnormal)
        top = float(np.finfo(dtype).max)
        for got in (x.std(), x[None].std(1)[0], torch.stack([x, x], 1).std(0)[1]):
            if std < top:
                assert abs(got.item() - std) <= tolerance * std + 2 * least, row
        got_var, got_mean = torch.var_mean(x)
        if var < top:
            assert abs(got_var.item() - var) <= tolerance * var + 2 * least
        size = max(abs(v) for v in values)
        assert abs(got_mean.item() - mean) <= tolerance * size + 2 * least
    same = torch.full((2,), 1.7e308, dtype=torch.float64)
    assert same.var().item() == 0 and same.std().item() == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", ["var", "std"])
def test_gradients_near_a_large_mean(dtype, f):
    shift = 1e7 if dtype == "float32" else 1e15
    values = [0.0, 1.0, 3.0, 8.0, 2.0]
    x = torch.tensor([v + shift for v in values], dtype=getattr(torch, dtype), requires_grad=True)
    getattr(x, f)().backward()
    v = x.detach().double().numpy() - shift  # exactly
    d = v - v.mean()
    want = 2 * d / (len(v) - 1)
    if f == "std":
        want = want / (2 * np.sqrt((d * d).sum() / (len(v) - 1)))
    np.testing.assert_allclose(x.grad.numpy(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e-300])
def test_gradient_of_std_of_large_and_tiny_values(scale):
    x = torch.tensor([scale, -scale, 0.5 * scale], dtype=torch.float64, requires_grad=True)
    unit = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    x.std().backward()
    unit.std().backward()
    np.testing.assert_allclose(x.grad.numpy(), unit.grad.numpy(), rtol=1e-12)


def others(row):
    values = [mpmath.mpf(v) for v in row]
    return [mpmath.fprod(values[:i] + values[i + 1 :]) for i in range(len(values))]


PRODUCTS = [
    [1e30, 1e30, 0.0, 0.0],
    [0.0, 0.0, 1e30, 1e30],
    [1e30, 1e30, 0.0, 1e-30],
    [1e-30, 1e-30, 1e30, 1e30],
    [1e30] * 15 + [1e-30] * 15,
    [1e-30] * 15 + [-1e30] * 15,
    [2.0, -3.0, 0.5],
    [0.0],
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", PRODUCTS, ids=range(len(PRODUCTS)))
def test_gradients_of_products(row, dtype):
    kind = getattr(torch, dtype)
    if dtype == "float64":
        row = [math.copysign(abs(v) ** 8, v) if abs(v) < 1 else v for v in row]
    for call in (lambda t: t.prod(), lambda t: t.prod(0), lambda t: t[None].prod(1, keepdim=True)):
        x = torch.tensor(row, dtype=kind, requires_grad=True)
        call(x).sum().backward()
        want = [float(w) if abs(w) < np.finfo(dtype).max else math.inf for w in others(x.tolist())]
        np.testing.assert_allclose(x.grad.tolist(), want, rtol=1e-5, atol=1e-44)


@pytest.mark.parametrize("row", PRODUCTS, ids=range(len(PRODUCTS)))
def test_gradients_of_cumulative_products(row):
    n = len(row)
    for last in range(n):
        x = torch.tensor(row, dtype=torch.float32, requires_grad=True)
        x.cumprod(0)[last].backward()
        values = x.tolist()
        want = [float(w) for w in others(values[: last + 1])] + [0.0] * (n - 1 - last)
        want = [w if abs(w) < 3.4e38 else math.copysign(math.inf, w) for w in want]
        np.testing.assert_allclose(x.grad.tolist(), want, rtol=1e-5, atol=1e-44)


def test_half_and_complex_products():
    x = torch.tensor([300.0, 300.0, 0.0, 0.0], dtype=torch.float16, requires_grad=True)
    x.prod().backward()
    assert x.grad.tolist() == [0.0] * 4
    z = torch.tensor([1e30 + 1e30j, 1e30, 1e-30, 1e-30j], requires_grad=True)
    z.prod().abs().backward()
    assert torch.isfinite(torch.view_as_real(z.grad)).all()
    np.testing.assert_allclose(z.grad.abs().tolist(), [math.sqrt(2) / abs(v) for v in z.tolist()])


def test_products_while_other_ops_have_registrations():
    library = torch.library.Library("aten", "IMPL")
    library.impl("relu", lambda x: x, "CPU")
    try:
        test_half_and_complex_products()
        x = torch.tensor([1e30, 1e30, 0.0, 1e-30], requires_grad=True)
        x.cumprod(0)[3].backward()
        np.testing.assert_allclose(x.grad.tolist(), [0.0, 0.0, 1e30, 0.0], rtol=1e-5)
    finally:
        library._destroy()
