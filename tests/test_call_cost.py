"""No call may execute 5% more instructions than the kept table says, or allocate when warm."""

import importlib.util
import pathlib
import shutil

import pytest

PATH = pathlib.Path(__file__).parents[1] / "benchmarks" / "call_cost.py"
spec = importlib.util.spec_from_file_location("call_cost", PATH)
call_cost = importlib.util.module_from_spec(spec)
spec.loader.exec_module(call_cost)


def test_the_table_is_read_as_it_was_written():
    costs = {"a + b": (1500, 0.0), "linear, no_grad": (4000, 1.5)}
    assert call_cost.worse(costs, costs) == []
    dearer = {"a + b": (1576, 0.0), "linear, no_grad": (4000, 2.0)}
    assert [line.split(":")[0] for line in call_cost.worse(dearer, costs)] == list(costs)
    assert set(call_cost.kept()) == set(call_cost.CASES)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
@pytest.mark.skipif(
    call_cost.compiler() not in call_cost.TABLE.read_text(),
    reason="the table was made with another compiler",
)
def test_no_call_became_more_expensive():
    assert call_cost.worse(call_cost.measure(), call_cost.kept()) == []
