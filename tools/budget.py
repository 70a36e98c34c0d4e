"""What may not grow unseen: ``python tools/budget.py [--lower]``.

Counts things that are the same on every machine and compares them with tools/budget.json; more than
is written there fails. Raising a number is a commit that says why. ``--lower`` writes the counts
that have become smaller. Instructions per call are those that benchmarks/call_cost.md keeps and
tests/test_call_cost.py counts. Needs the build of ``make build``.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import cost
from structure import texts, tracked

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUDGET = ROOT / "tools/budget.json"
SKIPS = re.compile(r"\bpytest\.(?:skip|importorskip|xfail)\(|\bmark\.(?:skip|skipif|xfail)\b")
IMPORTED = (
    "import sys; before = set(sys.modules); import flambeau; print(len(set(sys.modules) - before))"
)


def instructions() -> dict[str, int]:
    table = (ROOT / "benchmarks/call_cost.md").read_text()
    found = re.findall(r"^\| `(.+?)` \| (\d+) \| \d+ \|$", table, re.M)
    return {f"instructions of {call}": int(n) for call, n in found}


def lines(files: dict[str, str]) -> dict[str, int]:
    folders = ("core/dispatch", "core/python", "flambeau/ops/generator", "tools")
    return {
        f"lines in {f}": sum(t.count("\n") for n, t in files.items() if n.startswith(f + "/"))
        for f in folders
    }


def mentions(files: dict[str, str]) -> dict[str, int]:
    own = [t for n, t in files.items() if n.startswith(("core/", "kernels/", "flambeau/"))]
    tests = [t for n, t in files.items() if n.startswith("tests/")]
    return {
        "NotImplementedErrors": sum(t.count("NotImplementedError") for t in own),
        "skips in tests": sum(len(SKIPS.findall(t)) for t in tests),
    }


def printed() -> dict[str, int]:
    """What one more record of each kind makes stale, and the size of what is printed."""
    found = {}
    for kind, name in cost.RECORDS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = cost.printed_with(pathlib.Path(folder), FLAMBEAU_COPY=name)
            objects = cost.stale(cost.changed(cost.BUILD / "generated", made))
            found[f"objects for one more {kind} op"] = len(objects)
    sizes = [len(text) for text in cost.texts(cost.BUILD / "generated").values()]
    return found | {"KB of printed C++": sum(sizes) // 1024}


def imported() -> dict[str, int]:
    command = [sys.executable, "-c", IMPORTED]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FLAMBEAU_DEFER": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {"modules that `import flambeau` imports": int(done.stdout)}


def counts() -> dict[str, int]:
    files = texts([n for n in tracked() if n.endswith((".py", ".h", ".cpp"))])
    return instructions() | lines(files) | mentions(files) | printed() | imported()


def findings(counted: dict[str, int], budget: dict[str, int]) -> list[str]:
    found = [f"{n}: counted, but not in the budget" for n in counted if n not in budget]
    found += [f"{n}: in the budget, but not counted" for n in budget if n not in counted]
    for name, n in counted.items():
        if n > budget.get(name, n):
            found.append(
                f"{name}: {n}, and the budget is {budget[name]}: bring it down, or raise "
                "tools/budget.json in a commit that says why"
            )
    return found


def main() -> int:
    counted, budget = counts(), json.loads(BUDGET.read_text())
    if "--lower" in sys.argv[1:]:
        lowered = {n: min(counted.get(n, kept), kept) for n, kept in budget.items()}
        BUDGET.write_text(json.dumps(lowered, indent=2) + "\n")
    found = findings(counted, budget)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--lower")
    sys.exit(main())
