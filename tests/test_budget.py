"""The budget of countable things: growth is found, and what is counted is what is budgeted."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
TOOLS = ROOT / "tools"


def findings(counted: dict[str, int], kept: dict[str, int]) -> list[str]:
    """What the tool finds, run beside the package that is imported here."""
    code = f"import budget; print(*budget.findings({counted}, {kept}), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=TOOLS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split(":")[0] for line in done.stdout.split("\n") if line]


def test_growth_and_strangers_are_found():
    kept = {"skips in tests": 3, "KB of printed C++": 10}
    assert findings(kept, kept) == []
    assert findings({"skips in tests": 2, "KB of printed C++": 10}, kept) == []
    found = findings({"skips in tests": 4, "lines in tools": 1}, kept)
    assert found == ["lines in tools", "KB of printed C++", "skips in tests"]


@pytest.mark.skipif(
    not (ROOT / "build/dev/.ninja_deps").exists(), reason="needs the build of `make build`"
)
def test_nothing_has_grown_past_the_budget():
    done = subprocess.run([sys.executable, TOOLS / "budget.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
