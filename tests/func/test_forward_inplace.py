"""Forward mode through functions that write in place: where they start from has no tangent."""

import pytest

import flambeau
from flambeau.func import jacfwd, jacrev, jvp

X = flambeau.tensor([1.0, 2.0, 3.0], dtype=flambeau.float64)
D = flambeau.float64


def set_item(x):
    y = flambeau.zeros(3, dtype=D)
    y[1] = x[0] ** 2
    return y


def add_to_part(x):
    y = flambeau.zeros_like(x)
    y[1:] += x[1:] * x[0]
    y[0] = x[2] ** 2
    return y


def copy(x):
    y = x.new_zeros(3)
    y.copy_(x * x)
    y *= x
    return y


def multiply_twice(x):
    y = x.clone()
    y.mul_(x)
    y.mul_(x)
    return y


def transposed_row(x):
    y = flambeau.zeros(3, 3, dtype=D)
    y.t()[0] = x
    y[0].mul_(x.sin())
    return y


def put(x):
    y = x.new_ones(3)
    y.index_put_((flambeau.tensor([0, 2]),), x[:2] * x[1])
    return y


def masked(x):
    y = flambeau.ones(3, dtype=D)
    y.masked_fill_(flambeau.tensor([True, False, True]), x[0] ** 2)
    y[flambeau.tensor([False, True, False])] = x[:1]
    return y


def index_add(x):
    y = flambeau.zeros(3, dtype=D)
    y.index_add_(0, flambeau.tensor([0, 1, 0]), x * x)
    y.add_(x)
    return y


def scattered(x):
    y = flambeau.zeros(4, dtype=D)
    y.scatter_(0, flambeau.tensor([3, 1, 0]), x.exp())
    return y


def view_of_result(x):
    y = x * 2
    part = y[1:]
    part.mul_(x[:2])
    y[0] = part.sum()
    return y


def rows(x):
    y = flambeau.empty(2, 3, dtype=D)
    y[0].copy_(x)
    y[1].copy_(x**2)
    return y.prod(0)


def fill(x):
    y = flambeau.zeros(3, dtype=D)
    y.fill_(x[0] * x[1])
    return y


def diagonal(x):
    y = flambeau.zeros(2, 2, dtype=D)
    y.diagonal().copy_(x[:2] ** 2)
    y.sub_(x[0])
    return y


def chain(x):
    y = flambeau.zeros(3, dtype=D)
    y.addcmul_(x, x)
    y.pow_(2)
    y.clamp_(0, 50)
    return y


FUNCTIONS = [set_item, add_to_part, copy, multiply_twice, transposed_row, put, masked, index_add]
FUNCTIONS += [scattered, view_of_result, rows, fill, diagonal, chain]


def close(a, b):
    flambeau.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_jacobians(f):
    right = jacrev(f)(X)
    close(jacfwd(f)(X), right)
    vectorized = flambeau.autograd.functional.jacobian(
        f, X, vectorize=True, strategy="forward-mode"
    )
    close(vectorized, right)
    columns = [jvp(f, (X,), (row,))[1] for row in flambeau.eye(3, dtype=D)]
    close(flambeau.stack(columns, -1), right)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_second_derivatives(f):
    right = jacrev(jacrev(f))(X)
    for outer, inner in ((jacfwd, jacfwd), (jacrev, jacfwd), (jacfwd, jacrev)):
        close(outer(inner(f))(X), right)
    of_sum = lambda x: f(x).sum()  # noqa: E731
    vectorized = flambeau.autograd.functional.hessian(
        of_sum, X, vectorize=True, outer_jacobian_strategy="forward-mode"
    )
    close(vectorized, jacrev(jacrev(of_sum))(X))
