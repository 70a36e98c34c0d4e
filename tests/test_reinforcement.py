"""The programs that learn by acting reach their scores."""

import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("name", ["policy_gradient", "dqn"])
def test_a_pole_is_balanced(name):
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    score, wanted = re.search(r"score (\S+) after .*wanted: (\S+)\)", done.stdout).groups()
    assert float(score) >= float(wanted) == 195


@pytest.mark.parametrize("name", ["policy_gradient", "dqn"])
def test_a_score_that_is_not_reached_fails(name):
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", "--episodes", "2"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "score" in done.stdout
