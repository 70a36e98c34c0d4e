"""A seeded slice of `pickle_fuzz`, in a process of little memory."""

import ast

import pytest

from tests.faults.child import run


@pytest.mark.parametrize("seed", range(3))
def test_random_pickles(seed):
    said = run(
        f"from tests.serialization.pickle_fuzz import run\nprint(run({seed}, 3000))",
        seconds=120,
        memory=2 << 30,
    )
    outcomes = ast.literal_eval(said.splitlines()[-1])
    assert outcomes["loaded"] > 100 and outcomes["refused"] > 1000
