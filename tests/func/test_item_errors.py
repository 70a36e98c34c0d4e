"""Errors under vmap speak of one item, whose sizes are those that the program knows."""

import pytest

import flambeau
from flambeau.func import vmap

CALLS = {
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "max of a dimension": lambda x: x.max(0),
    "amax": lambda x: x.amax(),
    "amin of a dimension": lambda x: x.amin(-2),
    "argmax": lambda x: x.argmax(),
    "argmin of a dimension": lambda x: x.argmin(0),
    "aminmax": lambda x: x.aminmax(),
    "topk": lambda x: x.topk(4, 0),
    "view": lambda x: x.view(5),
    "add": lambda x: x + flambeau.ones(2, 7),
    "mm": lambda x: x @ flambeau.ones(2, 2),
    "in place": lambda x: x.clone().add_(flambeau.ones(2, 7)),
}


@pytest.mark.parametrize("name", CALLS)
def test_as_without_vmap(name):
    f = CALLS[name]
    with pytest.raises((RuntimeError, IndexError)) as alone:
        f(flambeau.ones(0, 3))
    with pytest.raises(alone.type) as mapped:
        vmap(f)(flambeau.ones(2, 0, 3))
    assert str(mapped.value) == str(alone.value)
