"""Every public name has words and an example, and the example is true."""

import doctest
import inspect

import pytest

import flambeau
from flambeau.autograd import forward_ad

NAMES = [
    (space.__name__, name, getattr(space, name))
    for space in (flambeau.func, forward_ad)
    for name in space.__all__
]


@pytest.mark.parametrize("space, name, value", NAMES, ids=[f"{s}.{n}" for s, n, _ in NAMES])
def test_the_example_is_true(space, name, value):
    text = inspect.getdoc(value)
    assert len(text.partition(">>>")[0]) > 40
    examples = doctest.DocTestParser().get_doctest(text, {"flambeau": flambeau}, name, None, 0)
    assert examples.examples
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(examples)
    assert runner.summarize(verbose=False).failed == 0


def test_vmap_is_a_function_of_the_package():
    assert flambeau.vmap is flambeau.func.vmap
    assert "vmap" in dir(flambeau) and "func" in dir(flambeau)
