"""Jacobians, Hessians and products, against closed forms."""

import numpy as np
import pytest

import flambeau as torch
from flambeau.autograd import functional as F

A = np.array([[1.0, 2.0], [3.0, 5.0], [-1.0, 0.5]])
X = np.array([0.3, -0.7])


def t(array):
    return torch.from_numpy(np.array(array))


def affine(x):
    return t(A) @ x


def cubic(x):
    return (x**3).sum() + x[0] * x[1]


CUBIC_HESSIAN = np.array([[6 * X[0], 1.0], [1.0, 6 * X[1]]])


def test_jacobian():
    np.testing.assert_allclose(F.jacobian(affine, t(X)).numpy(), A)


def test_jacobian_of_tuples():
    def f(x, y):
        return x * y, (x + y).sum()

    rows = F.jacobian(f, (t(X), t(X + 1)))
    np.testing.assert_allclose(rows[0][0].numpy(), np.diag(X + 1))
    np.testing.assert_allclose(rows[0][1].numpy(), np.diag(X))
    np.testing.assert_allclose(rows[1][0].numpy(), np.ones(2))


def test_jacobian_that_can_be_differentiated():
    x = t(X).requires_grad_()
    j = F.jacobian(lambda v: v**3, x, create_graph=True)
    (g,) = torch.autograd.grad(j.sum(), x)
    np.testing.assert_allclose(g.numpy(), 6 * X)


def test_hessian():
    np.testing.assert_allclose(F.hessian(cubic, t(X)).numpy(), CUBIC_HESSIAN)
    (xx, xy), (yx, yy) = F.hessian(lambda a, b: (a * a * b).sum(), (t(X), t(X + 1)))
    np.testing.assert_allclose(xx.numpy(), np.diag(2 * (X + 1)))
    np.testing.assert_allclose(xy.numpy(), np.diag(2 * X))
    np.testing.assert_allclose(yx.numpy(), np.diag(2 * X))
    np.testing.assert_allclose(yy.numpy(), np.zeros((2, 2)))


def test_products():
    v, u = np.array([1.0, -2.0]), np.array([0.5, 1.0, 2.0])
    value, product = F.jvp(affine, t(X), t(v))
    np.testing.assert_allclose(value.numpy(), A @ X)
    np.testing.assert_allclose(product.numpy(), A @ v)
    value, product = F.vjp(affine, t(X), t(u))
    np.testing.assert_allclose(product.numpy(), u @ A)
    for f in (F.hvp, F.vhp):
        _, product = f(cubic, t(X), t(v))
        np.testing.assert_allclose(product.numpy(), CUBIC_HESSIAN @ v)


def test_errors():
    with pytest.raises(RuntimeError, match="v can only be None"):
        F.vjp(affine, t(X))
    with pytest.raises(RuntimeError, match="shape"):
        F.jvp(affine, t(X), t(np.ones(3)))
    with pytest.raises(RuntimeError, match="strict"):
        F.jacobian(lambda x: torch.ones(2), t(X), strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        F.hessian(affine, t(X))
    with pytest.raises(TypeError, match="must be a Tensor"):
        F.jacobian(affine, 3)
    with pytest.raises(NotImplementedError, match="vectorize"):
        F.jacobian(affine, t(X), strategy="forward-mode")
    with pytest.raises(ValueError, match="strategy"):
        F.jacobian(affine, t(X), strategy="sideways")
    with pytest.raises(RuntimeError, match="strict"):
        F.jacobian(affine, t(X), strict=True, vectorize=True)
    assert F.jacobian(lambda x: torch.ones(2), t(X)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_vectorized_jacobians_are_the_same(strategy):
    def f(x, y):
        return x.sin() * y, (x * y).sum(), torch.ones(2)

    x, y = t([1.0, 2.0]), t([3.0, 4.0])
    got = F.jacobian(f, (x, y), vectorize=True, strategy=strategy)
    for row, expected in zip(got, F.jacobian(f, (x, y))):
        for a, b in zip(row, expected):
            assert torch.allclose(a, b.to(a.dtype)) and a.shape == b.shape
    g = lambda x: (x.sin() * x).sum()  # noqa: E731
    hessian = F.hessian(g, x, vectorize=True, outer_jacobian_strategy=strategy)
    assert torch.allclose(hessian, F.hessian(g, x))
