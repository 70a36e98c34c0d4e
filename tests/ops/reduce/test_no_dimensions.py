"""any and all over an empty list of dimensions reduce nothing, unlike other reductions."""

import pytest

import flambeau
from flambeau.func import vmap

X = flambeau.tensor([[0, 2], [3, 0]])


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "complex64"])
def test_every_element_is_its_own(name, dtype):
    f, x = getattr(flambeau, name), X.to(getattr(flambeau, dtype))
    truth = (x != 0).to(flambeau.uint8 if dtype == "uint8" else flambeau.bool)
    for found in (f(x, ()), f(x, dim=[]), f(x.t(), ()).t(), f(x, (), True)):
        assert found.dtype is truth.dtype
        assert flambeau.equal(found, truth)
    assert f(x.to("meta"), ()).shape == (2, 2)
    out = flambeau.empty(0, dtype=truth.dtype)
    assert flambeau.equal(f(x, (), out=out), truth)
    assert flambeau.equal(vmap(lambda row: f(row, ()))(x), truth)
    assert flambeau.equal(vmap(vmap(lambda e: f(e, ())))(x), truth)


@pytest.mark.parametrize("name", ["any", "all"])
def test_none_named_and_all_named(name):
    f = getattr(flambeau, name)
    whole = flambeau.tensor(name == "any")
    assert flambeau.equal(f(X, None), whole)
    assert flambeau.equal(f(X, dim=(0, 1)), whole)
    assert f(X, None, True).shape == (1, 1)
    assert flambeau.equal(f(flambeau.tensor(2.0), ()), flambeau.tensor(True))
    assert vmap(lambda x: f(x, None))(X[None]).tolist() == [name == "any"]
    assert vmap(lambda x: f(x, (-1,)))(X).shape == (2,)
