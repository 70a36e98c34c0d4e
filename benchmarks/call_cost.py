"""What one call costs: instructions and allocations, counted by callgrind.

``python benchmarks/call_cost.py`` prints the table, ``--write`` keeps it in ``call_cost.md``,
``--check`` fails where a case executes over 5% more instructions than the kept table says, or
allocates. Callgrind knows no AVX-512, so the kernels are those for AVX2.

Only what runs in flambeau's own libraries counts: Python's share varies with how Python was built.
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "call_cost.md"
CALLS = 200
TOLERANCE = 1.05

SETUP = """
import os, sys
import flambeau
import flambeau.nn.functional as F

a, b = flambeau.ones(4), flambeau.ones(4)
w = flambeau.ones(4, requires_grad=True)
x, weight, bias = flambeau.ones(4, 4), flambeau.ones(4, 4), flambeau.ones(4)
wp = flambeau.ones(4, 4, requires_grad=True)

def backward():
    w.grad = None
    (w * b).sum().backward()
"""

# name -> statement, whether under no_grad
CASES = {
    "a + b": ("a + b", False),
    "a + b, no_grad": ("a + b", True),
    "w + b, w requires grad": ("w + b", False),
    "a[0]": ("a[0]", False),
    "a[0], no_grad": ("a[0]", True),
    "w[0], w requires grad": ("w[0]", False),
    "linear": ("F.linear(x, weight, bias)", False),
    "linear, no_grad": ("F.linear(x, weight, bias)", True),
    "linear, weight requires grad": ("F.linear(x, wp, bias)", False),
    "(w * b).sum().backward()": ("backward()", False),
}
ALLOCATORS = re.compile(r"^(malloc|calloc|realloc|posix_memalign|aligned_alloc|operator new.*)$")
OURS = re.compile(r"libflambeau\.so|/flambeau/_C\.")


def program() -> str:
    """Each case runs warm between two calls of getppid, at which callgrind starts a new file."""
    code = SETUP
    for statement, without_grad in CASES.values():
        mode = "with flambeau.no_grad():" if without_grad else "if True:"
        code += (
            f"{mode}\n"
            f"    for _ in range(50): {statement}\n"
            f"    os.getppid()\n"
            f"    for _ in range({CALLS}): {statement}\n"
            f"    os.getppid()\n"
        )
    return code


def run(folder: pathlib.Path) -> list[pathlib.Path]:
    """The profiles in the order in which they were written."""
    script = folder / "cases.py"
    script.write_text(program())
    command = ["valgrind", "--tool=callgrind", "--dump-before=getppid", "-q"]
    command += [f"--callgrind-out-file={folder}/profile", sys.executable, "-B", str(script)]
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONMALLOC": "pymalloc",
        "FLAMBEAU_ISA": "avx2",
        "FLAMBEAU_DEFER": "0",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"call_cost: callgrind failed:\n{done.stderr}")
    return sorted(folder.glob("profile.*"), key=lambda p: int(p.suffix[1:]))


def read(profile: pathlib.Path) -> tuple[int, int]:
    """(instructions in our libraries, allocations that they ask for) in one profile."""
    names: dict[tuple[str, str], str] = {}
    instructions, allocations = 0, collections.Counter()
    library = called = ""
    after_calls = 0

    def name(kind: str, text: str) -> str:
        match = re.match(r"\((\d+)\)(?: (.*))?$", text)
        if match is None:
            return text
        key = (kind, match[1])
        if match[2] is not None:
            names[key] = match[2]
        return names[key]

    for line in profile.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and key in ("ob", "cob"):
            found = name("object", value)
            if key == "ob":
                library = found
        elif equals and key in ("fn", "cfn"):
            found = name("function", value)
            if key == "cfn":
                called = found
        elif equals and key == "calls":
            after_calls = int(value.split()[0])
        elif re.match(r"[\d+*-]", line):
            if after_calls:  # the cost of the call itself, which is counted where it was spent
                if OURS.search(library) and ALLOCATORS.match(called):
                    allocations[called] += after_calls
                after_calls = 0
            elif OURS.search(library):
                _, *cost = line.split()  # nothing is written for a cost of zero
                instructions += int(cost[0]) if cost else 0
    return instructions, sum(allocations.values())


def measure() -> dict[str, tuple[int, float]]:
    with tempfile.TemporaryDirectory() as folder:
        profiles = run(pathlib.Path(folder))
        # A profile ends at each getppid; every other one holds a case.
        read_cases = [read(p) for p in profiles[1::2]]
    return {
        name: (round(instructions / CALLS), allocations / CALLS)
        for name, (instructions, allocations) in zip(CASES, read_cases, strict=False)
    }


def table(costs: dict[str, tuple[int, float]]) -> str:
    rows = "".join(f"| `{name}` | {i} | {a:g} |\n" for name, (i, a) in costs.items())
    return (
        "# What one call costs\n\n"
        "Instructions in flambeau's libraries, and allocations that they ask of the system, per\n"
        "warm call on tensors of four elements. Made by `python benchmarks/call_cost.py --write`,\n"
        f"for a core compiled with {compiler()}.\n\n"
        f"| call | instructions | allocations |\n|---|---:|---:|\n{rows}"
    )


def compiler() -> str:
    """What the core was compiled with; another compiler's counts would not compare."""
    sys.path.insert(0, str(HERE.parent))
    from flambeau import _C

    return _C._compiler()


def kept() -> dict[str, tuple[int, float]]:
    rows = re.findall(r"^\| `(.+)` \| (\d+) \| ([\d.]+) \|$", TABLE.read_text(), re.MULTILINE)
    return {name: (int(i), float(a)) for name, i, a in rows}


def worse(now: dict, before: dict) -> list[str]:
    """The cases that cost more than the table allows."""
    found = []
    for name, (instructions, allocations) in now.items():
        allowed = before[name][0] * TOLERANCE
        if instructions > allowed:
            found.append(f"{name}: {instructions} instructions, allowed {allowed:.0f}")
        if allocations > before[name][1]:
            found.append(f"{name}: {allocations:g} allocations, allowed {before[name][1]:g}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="keep the table")
    parser.add_argument("--check", action="store_true", help="compare with the kept table")
    options = parser.parse_args()
    costs = measure()
    print(table(costs))
    if options.write:
        TABLE.write_text(table(costs))
    if options.check and (found := worse(costs, kept())):
        print("\n".join(["call_cost: a call became more expensive:", *found]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
