"""The examples in the docstrings of what looks at programs."""

import doctest
import importlib

import pytest

import flambeau

MODULES = """
    flambeau.autograd.anomaly_mode flambeau.autograd.profiler flambeau.autograd.profiler_util
    flambeau.autograd._profiler_activity flambeau.profiler.profiler flambeau.profiler._flops
    flambeau.utils.summary flambeau.utils.tensorboard.writer flambeau.utils.tensorboard._arrays
""".split()


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    if "tensorboard" in name:
        pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(
        module, extraglobs={"flambeau": flambeau}, optionflags=doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert tried and not failed
