"""vmap over 0-dim indices: as a loop over the items does it."""

import warnings

import pytest

import flambeau
from flambeau.func import grad, jacfwd, vmap

X = flambeau.arange(24.0).reshape(2, 3, 4)
I = flambeau.tensor([0, 1, -1])  # noqa: E741
J = flambeau.tensor([2, 0, 1])
PLACES = flambeau.tensor([1, 0])
MASK = flambeau.tensor([True, False, True])

GET = {
    "x[i]": lambda x, i, j: x[i],
    "x[:, j]": lambda x, i, j: x[:, j],
    "x[..., j]": lambda x, i, j: x[..., j],
    "x[i, j]": lambda x, i, j: x[i, j],
    "x[i, j, i]": lambda x, i, j: x[i, j, i],
    "x[i, :, j]": lambda x, i, j: x[i, :, j],
    "x[None, i]": lambda x, i, j: x[None, i],
    "x[i, 1:]": lambda x, i, j: x[i, 1:],
    "x[i, PLACES]": lambda x, i, j: x[i, PLACES],
    "x[i, :, PLACES]": lambda x, i, j: x[i, :, PLACES],
    "x[PLACES, :, j]": lambda x, i, j: x[PLACES, :, j],
    "x[:, j, PLACES]": lambda x, i, j: x[:, j, PLACES],
    "x[i, MASK]": lambda x, i, j: x[i, MASK],
    "x[i, j + 0, 1]": lambda x, i, j: x[i, j + 0, 1],
}


def loop(f, x, in_dim):
    items = [x] * 3 if in_dim is None else list(x)
    return flambeau.stack([f(a, i.item(), j.item()) for a, i, j in zip(items, I, J)])


@pytest.mark.parametrize("name", GET)
@pytest.mark.parametrize("in_dim", [None, 0])
def test_reading(name, in_dim):
    x = X if in_dim is None else flambeau.stack([X, X + 100, X - 100])
    assert flambeau.equal(vmap(GET[name], (in_dim, 0, 0))(x, I, J), loop(GET[name], x, in_dim))


SET = {
    "x[i] = 9": lambda x, i, j: x.__setitem__(i, 9),
    "x[:, j] = row": lambda x, i, j: x.__setitem__((slice(None), j), flambeau.arange(4.0)),
    "x[i, j] = x[0, 0]": lambda x, i, j: x.__setitem__((i, j), x[1, 1] * 2),
    "x[i, :, j] = 5": lambda x, i, j: x.__setitem__((i, slice(None), j), 5),
    "x[i, :, PLACES]": lambda x, i, j: x.__setitem__(
        (i, slice(None), PLACES), flambeau.arange(6.0).reshape(3, 2)
    ),
    "x[i] += 1": lambda x, i, j: x.__setitem__(i, x[i] + 1),
}


@pytest.mark.parametrize("name", SET)
def test_writing(name):
    def written(x, i, j):
        x = x.clone()
        SET[name](x, i, j)
        return x

    x = flambeau.stack([X, X + 100, X - 100])
    assert flambeau.equal(vmap(written)(x, I, J), loop(written, x, 0))


def test_with_gradients():
    value = lambda x, i: (x[i] ** 2).sum()  # noqa: E731
    found = vmap(grad(value), (None, 0))(X, flambeau.tensor([0, 1]))
    right = flambeau.stack([grad(value)(X, i) for i in (0, 1)])
    assert flambeau.equal(found, right)
    forward = vmap(jacfwd(lambda x, i: x[i] * 2), (None, 0))(X[0, 0], I)
    assert flambeau.equal(forward, flambeau.eye(4)[I] * 2)


def test_one_hot():
    hot = flambeau.nn.functional.one_hot
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flambeau.equal(vmap(lambda i: hot(i, 3))(J), hot(J, 3))
        assert flambeau.equal(vmap(lambda i: hot(i, 3))(J[None]), hot(J, 3)[None])


def test_out_of_range():
    with pytest.raises(IndexError):
        vmap(lambda x, i: x[i], (None, 0))(X, flambeau.tensor([0, 2]))
