"""The programs in ``examples/`` reach their scores, and do what they are there to show."""

import pathlib
import random
import re
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def start(name: str, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, ROOT / "examples" / f"{name}.py", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(program: subprocess.Popen, limit: int = 120) -> str:
    """The output of a program, which has to reach its score."""
    output, errors = program.communicate(timeout=limit)
    assert program.returncode == 0, output[-500:] + errors[-2000:]
    return output


@pytest.fixture(scope="module")
def not_killed(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("resume") / "run.pt"
    return finished(start("resume", "--state", path))


def test_resume_reaches_its_score(not_killed):
    assert float(re.search(r"accuracy (\S+)", not_killed)[1]) >= 0.9


@pytest.mark.parametrize("seed", range(3))
def test_resume_ends_with_the_same_weights_however_often_it_is_killed(seed, not_killed, tmp_path):
    choice, path = random.Random(seed), tmp_path / "run.pt"
    for _ in range(3):
        program = start("resume", "--state", path)
        # Killed at some step, or at the first breath after it.
        for _ in range(choice.randrange(8)):
            program.stdout.readline()
        program.send_signal(signal.SIGKILL)
        program.communicate()
    output = finished(start("resume", "--state", path))
    assert "goes on after step" in output
    assert output.splitlines()[-2:] == not_killed.splitlines()[-2:]


QUICK = sorted(p.stem for p in (ROOT / "examples").glob("*.py") if '"--quick"' in p.read_text())
# What each prints of its score: the last line.
SCORE = re.compile(r"(accuracy|perplexity|share|F1) \d+\.\d+")


@pytest.mark.parametrize("name", QUICK)
def test_quick_reaches_its_score(name):
    output = finished(start(name, "--quick"), limit=300)
    assert SCORE.search(output.splitlines()[-1]), output
