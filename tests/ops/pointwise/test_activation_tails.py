"""Activations far below zero, where sums that cancel would lose them."""

import mpmath
import numpy as np
import pytest

import flambeau as torch

F = torch.nn.functional
mpmath.mp.dps = 40


def gelu(x):
    return x / 2 * mpmath.erfc(-x / mpmath.sqrt(2))


def gelu_tanh(x):
    u = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
    return x / (1 + mpmath.exp(-2 * u))


def silu(x):
    return x / (1 + mpmath.exp(-x))


CASES = {
    "gelu": (F.gelu, gelu),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), gelu_tanh),
    "silu": (F.silu, silu),
}


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("float64", 1e-11)])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, dtype, tolerance):
    f, exact = CASES[name]
    points = [-85.0, -20.0, -9.0, -6.0, -4.0, -1.0, -1e-3, 0.0, 1e-3, 2.0, 30.0]
    x = torch.tensor(points, dtype=getattr(torch, dtype), requires_grad=True)
    y = f(x)
    y.sum().backward()
    tiny = float(np.finfo(dtype).tiny)
    for got, slope, v in zip(y.tolist(), x.grad.tolist(), x.tolist()):
        want, steep = exact(mpmath.mpf(v)), mpmath.diff(exact, mpmath.mpf(v))
        assert abs(got - want) <= tolerance * abs(want) + 4 * tiny, v
        assert abs(slope - steep) <= tolerance * abs(steep) + 100 * tiny, v


def test_silu_where_the_exponential_overflows():
    x = torch.tensor([-88.8, -95.0, -200.0])
    want = [float(silu(mpmath.mpf(v))) for v in x.tolist()]
    np.testing.assert_allclose(F.silu(x).tolist(), want, rtol=1e-3, atol=1e-43)
