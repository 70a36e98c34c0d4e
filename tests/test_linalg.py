"""flambeau.linalg and flambeau.special, against NumPy and SciPy."""

import math

import numpy as np
import pytest
import scipy.special

import flambeau
from flambeau import linalg


def tensor(array):
    return flambeau.tensor(array)


@pytest.fixture
def matrices():
    return np.random.default_rng(0).standard_normal((3, 4, 5))


@pytest.mark.parametrize("order", ["fro", 1, -1, math.inf, -math.inf])
@pytest.mark.parametrize("keepdim", [False, True])
def test_matrix_norm(matrices, order, keepdim):
    want = np.linalg.norm(matrices, order, axis=(-2, -1), keepdims=keepdim)
    got = linalg.matrix_norm(tensor(matrices), order, keepdim=keepdim)
    np.testing.assert_allclose(got.numpy(), want)
    turned = np.linalg.norm(matrices, order, axis=(2, 0))
    np.testing.assert_allclose(linalg.norm(tensor(matrices), order, (2, 0)).numpy(), turned)


@pytest.mark.parametrize("order", [None, 1, 2, 3, math.inf])
def test_norm_of_vectors(matrices, order):
    want = np.linalg.norm(matrices, order, axis=1)
    np.testing.assert_allclose(linalg.norm(tensor(matrices), order, 1).numpy(), want)


def test_norm_writes_into_out(matrices):
    out = flambeau.empty(0, dtype=flambeau.float64)
    assert linalg.matrix_norm(tensor(matrices), 1, out=out) is out
    np.testing.assert_allclose(out.numpy(), np.linalg.norm(matrices, 1, axis=(1, 2)))


def test_orders_that_there_are_not_are_refused():
    assert linalg.matrix_norm(flambeau.eye(2), "nuc") == 2
    for order, text in (("max", "Order max not supported"), (3, "Order 3 not supported")):
        with pytest.raises(RuntimeError, match=f"linalg.matrix_norm: {text}"):
            linalg.matrix_norm(flambeau.eye(2), order)


def test_vecdot_conjugates_the_first():
    x, y = tensor([[1j, 2.0]]), tensor([[1j, 1.0]])
    assert linalg.vecdot(x, y).tolist() == [3]


@pytest.mark.parametrize(
    "shapes", [((3,), (3, 4), (4,)), ((10, 2), (2, 30), (30, 3), (3, 1)), ((2, 3), (3, 4))]
)
def test_multi_dot(shapes):
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s) for s in shapes]
    want = np.linalg.multi_dot(arrays)
    got = linalg.multi_dot([tensor(a) for a in arrays])
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want)


def test_multi_dot_names_what_does_not_fit():
    with pytest.raises(RuntimeError, match="tensors 0 and 1 .* cannot be multiplied"):
        linalg.multi_dot([flambeau.ones(2, 3), flambeau.ones(2, 3)])


@pytest.mark.parametrize("name", ["erf", "erfc", "expit", "expm1", "gammaln", "log1p", "psi"])
def test_special_functions(name):
    x = np.linspace(0.1, 5, 20)
    got = getattr(flambeau.special, name)(tensor(x))
    np.testing.assert_allclose(got.numpy(), getattr(scipy.special, name)(x), rtol=1e-12)


def test_diagonals_are_those_of_the_last_two_dimensions():
    t = flambeau.arange(24).reshape(2, 3, 4)
    assert flambeau.linalg.diagonal(t).tolist() == [[0, 5, 10], [12, 17, 22]]
    assert flambeau.linalg.diagonal(t, offset=1).tolist() == [[1, 6, 11], [13, 18, 23]]
    assert flambeau.linalg.diagonal(t, dim1=0, dim2=1).shape == (4, 2)
    with pytest.raises(TypeError):
        flambeau.linalg.diagonal(t, 1)
