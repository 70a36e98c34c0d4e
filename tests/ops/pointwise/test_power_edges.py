"""Powers and their derivatives at 0, at infinity and at exponent 1."""

import math

import numpy as np
import pytest

import flambeau
from flambeau.func import jvp

INF, NAN = math.inf, math.nan


def power(base, exponent):
    try:
        return math.pow(base, exponent)
    except ValueError:  # 0 to a negative power
        odd = exponent % 2 == 1
        return math.copysign(INF, base) if odd else INF


def slopes(base, exponent):
    """d base**y / dy in every way there is."""
    found = []
    for of in (lambda y: base**y, lambda y: flambeau.tensor(base).double() ** y):
        y = flambeau.tensor(exponent, dtype=flambeau.float64, requires_grad=True)
        of(y).backward()
        found.append(y.grad.item())
        y = flambeau.tensor([exponent] * 2, dtype=flambeau.float64, requires_grad=True)
        of(y).sum().backward()
        found.append(y.grad[0].item())
        y = flambeau.tensor(exponent, dtype=flambeau.float64, requires_grad=True)
        (recorded,) = flambeau.autograd.grad(of(y), y, create_graph=True)
        found.append(recorded.item())
        y = y.detach()
        found.append(jvp(of, (y,), (flambeau.ones_like(y),))[1].item())
    return found


@pytest.mark.parametrize("base", [0.0, 0])
@pytest.mark.parametrize(
    "exponent, slope",
    [(2.0, 0), (0.5, 0), (0.0, 0), (-0.0, 0), (INF, 0), (-1.0, -INF), (-INF, -INF)],
)
def test_base_zero(base, exponent, slope):
    assert slopes(base, exponent) == [slope] * 8


def test_other_bases():
    assert slopes(2.0, 3.0) == pytest.approx([8 * math.log(2)] * 8)
    assert all(map(math.isnan, slopes(0.0, NAN)))
    assert all(map(math.isnan, slopes(-1.0, 2.0)))


def test_second_derivative_at_base_zero():
    y = flambeau.tensor([2.0, 0.5], requires_grad=True)
    for base in (0.0, flambeau.zeros(2)):
        (first,) = flambeau.autograd.grad((base**y).sum(), y, create_graph=True)
        (second,) = flambeau.autograd.grad(first.sum(), y)
        assert second.tolist() == [0, 0]


@pytest.mark.parametrize("exponent", [1, 1.0, True, flambeau.tensor(1), flambeau.tensor(1.0)])
def test_exponent_one_keeps_the_graph(exponent):
    x = flambeau.tensor([2.0], requires_grad=True)
    (g,) = flambeau.autograd.grad((x**exponent).sum(), x, create_graph=True)
    assert g.tolist() == [1]
    (g**2).sum().backward()
    assert x.grad.tolist() == [0]


@pytest.mark.parametrize("exponent", [2, 3])
def test_derivatives_past_the_last_one_are_zero(exponent):
    x = flambeau.tensor([2.0], requires_grad=True)
    value = (x**exponent).sum()
    for _ in range(exponent + 1):
        (value,) = flambeau.autograd.grad(value.sum(), x, create_graph=True)
    assert value.tolist() == [0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("exponent", [0.5, -0.5, 2, 3, -1, -2, -3, 0, 2.5, 0.25])
@pytest.mark.parametrize("length", [1, 40])
def test_infinite_and_zero_bases(dtype, exponent, length):
    bases = [-INF, INF, 0.0, -0.0, NAN]
    x = flambeau.tensor(bases * length, dtype=getattr(flambeau, dtype))
    right = np.array([power(b, exponent) for b in bases] * length)
    for found in (x**exponent, x ** flambeau.full_like(x, exponent)):
        np.testing.assert_array_equal(found.double().numpy(), right)
        np.testing.assert_array_equal(np.signbit(found.double().numpy()), np.signbit(right))
