"""Layer normalisation differentiated again and again, against its definition by other ops."""

import itertools

import pytest

import flambeau
from flambeau.func import jacfwd, jacrev, vmap

X = flambeau.tensor([[1.0, 2.0, 4.0], [0.3, -1.0, 0.5]], dtype=flambeau.float64)
W = flambeau.tensor([1.0, 0.5, -2.0], dtype=flambeau.float64)
B = flambeau.tensor([0.1, 0.2, 0.3], dtype=flambeau.float64)


def defined(x, shape, weight=None, bias=None, eps=1e-5):
    centered = x - x.mean(-1, True)
    out = centered / ((centered * centered).mean(-1, True) + eps).sqrt()
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def loss(norm, x, w, b):
    return (norm(x * w, (3,), w, b.sin()) ** 3 * x).sum()


def close(a, b):
    flambeau.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "ways", [w for n in (1, 2, 3) for w in itertools.product((jacfwd, jacrev), repeat=n)]
)
@pytest.mark.parametrize("argnum", [0, 1, 2])
def test_every_nesting_gives_the_same(ways, argnum):
    def derivative(norm):
        f = lambda *args: loss(norm, *args)  # noqa: E731
        for way in ways:
            f = way(f, argnum)
        return f(X[0], W, B)

    close(derivative(flambeau.nn.functional.layer_norm), derivative(defined))


def test_mixed_derivatives_of_a_batch():
    def derivative(norm):
        f = jacrev(jacfwd(jacrev(lambda *a: loss(norm, *a), 0), 1), 2)
        return vmap(f, (0, None, None))(X, W, B)

    close(derivative(flambeau.nn.functional.layer_norm), derivative(defined))


def test_third_order_by_autograd():
    t = flambeau.tensor(0.7, dtype=flambeau.float64, requires_grad=True)
    weights = flambeau.tensor([1, 2, -1.5], dtype=flambeau.float64)
    x = flambeau.stack((t, t * t, t**3 - 1))
    value = (flambeau.nn.functional.layer_norm(x, (3,)) * weights).sum()
    for _ in range(3):
        (value,) = flambeau.autograd.grad(value, t, create_graph=True)
    assert abs(value.item() - 0.52565) < 1e-5


def test_a_large_half_does_not_overflow():
    x = flambeau.tensor([300.0, -400.0, 900.0], dtype=flambeau.float16)
    tangent = jacfwd(lambda x: flambeau.nn.functional.layer_norm(x, (3,)))(x)
    wide = jacfwd(lambda x: defined(x, (3,)))(x.double())
    flambeau.testing.assert_close(tangent.double(), wide, rtol=1e-2, atol=1e-5)
