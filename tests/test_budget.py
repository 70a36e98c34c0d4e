"""The budget of countable things: growth is found, and what is counted is what is budgeted."""

import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import budget  # noqa: E402


def test_growth_and_strangers_are_found():
    kept = {"skips in tests": 3, "KB of printed C++": 10}
    assert budget.findings(kept, kept) == []
    assert budget.findings({"skips in tests": 2, "KB of printed C++": 10}, kept) == []
    found = budget.findings({"skips in tests": 4, "lines in tools": 1}, kept)
    assert [line.split(":")[0] for line in found] == [
        "lines in tools",
        "KB of printed C++",
        "skips in tests",
    ]


@pytest.mark.skipif(
    not (ROOT / "build/dev/.ninja_deps").exists(), reason="needs the build of `make build`"
)
def test_nothing_has_grown_past_the_budget():
    assert budget.findings(budget.counts(), json.loads(budget.BUDGET.read_text())) == []
