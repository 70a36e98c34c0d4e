"""Derivatives of numbers, and by functions with complex numbers in them."""

import math

import pytest

import flambeau
from flambeau.autograd import functional
from flambeau.func import hessian, jacfwd, jacrev, jvp, vmap

T = flambeau.tensor(2.0)


def cube(x):
    return x**3


@pytest.mark.parametrize(
    "derivative",
    [
        jacrev(cube),
        jacfwd(cube),
        lambda x: functional.jacobian(cube, x),
        lambda x: functional.jacobian(cube, x, vectorize=True),
        lambda x: functional.jacobian(cube, x, vectorize=True, strategy="forward-mode"),
        hessian(cube),
        jacrev(jacfwd(cube)),
        lambda x: functional.hessian(cube, x, vectorize=True),
        lambda x: functional.hessian(
            cube, x, vectorize=True, outer_jacobian_strategy="forward-mode"
        ),
        lambda x: vmap(jacrev(cube))(x.expand(3))[1],
    ],
)
def test_of_a_number_by_a_number(derivative):
    assert derivative(T).shape == ()
    assert derivative(T).item() == 12


COMPLEX = {
    "t * 1j": (lambda t: (t * 1j).abs(), 1.0),
    "1j * t": (lambda t: (1j * t).imag, 1.0),
    "t / 1j": (lambda t: (t / 1j).abs(), 1.0),
    "1j / t": (lambda t: (1j / t).abs(), -0.25),
    "t + 1j": (lambda t: (t + 1j).abs(), 2 / 5**0.5),
    "t - 1j": (lambda t: (t - 1j).abs(), 2 / 5**0.5),
    "1j - t": (lambda t: (1j - t).abs(), 2 / 5**0.5),
    "t ** 1j": (lambda t: (t**1j).real, -(T.log().sin() / 2).item()),
    "1j ** t": (lambda t: (1j**t).imag, math.pi / 2 * math.cos(math.pi)),
    "mul.Scalar": (lambda t: flambeau.ops.aten.mul.Scalar(t, 2 + 1j).imag, 1.0),
}


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64])
def test_complex_numbers_as_operands(name, dtype):
    f, slope = COMPLEX[name]
    t = T.to(dtype)
    tangent = jvp(f, (t,), (flambeau.ones_like(t),))[1]
    assert tangent.dtype is dtype
    for found in (tangent, jacfwd(f)(t), jacrev(f)(t)):
        assert abs(found.item() - slope) < 1e-6
