"""Checks the shape of the code: ``python tools/structure.py [--ops]``.

* An op is one record. A hand-written file besides it counts where it defines a function of the
  op's name in kernels/{cpu,shape,native} or in Python, or has the name in a string of the core or
  of a kernel. A source, its header and its file for the instruction sets count as one. Uses do not
  count (a gradient may call ``entry::mul_Tensor``), nor do the elementary functions that formulas
  are made of (kernels/math). ``--ops`` prints the counts.
* The generator names no op and stays short.
* Arrows point one way: no file includes one of a layer above its own.
* An environment variable that the code reads is named in the README or in docs/.
* Files and lines stay short, and nothing is left to be done later.
"""

import re
import subprocess
import sys
from collections import defaultdict

import bare  # first: it stands in for the package

from flambeau.ops.leaves import LEAVES
from flambeau.ops.record import Record, load

ROOT = bare.ROOT
MAX_LINES, MAX_COLUMNS, MAX_GENERATOR = 800, 100, 4500
GENERATOR = "flambeau/ops/generator"
# Kernel files besides the record: a pointwise op has none; others have a shape rule and a kernel,
# or a body over other ops. Python files: one, for what PyTorch's function takes beyond the op.
KERNEL_FILES = {"pointwise": 0, "structured": 2, "native": 2, "view": 2, "composite": 2}
PYTHON_FILES = 1
# Ops above these limits, with their counts; the list may only shrink.
KERNEL_EXCEPTIONS = {
    **dict.fromkeys("masked_select nonzero unique_dim".split(), 3),
}
PYTHON_EXCEPTIONS = {"nonzero": 2, "norm": 2, "split": 2, "unique_consecutive": 2}
# Layers of the C++ code, lowest first. The longest name that a path begins with says its layer.
LAYERS = (
    ("kernels/math/",),
    ("core/memory/",),
    ("core/parallel/",),
    ("core/tensor/",),
    ("core/random/", "core/dispatch/thread_state.h", "core/dispatch/counted.h"),
    ("kernels/shape/", "kernels/cpu/", "core/dispatch/specs.h", "flambeau/kernels"),
    ("core/dispatch/", "core/autograd/", "kernels/native/", "flambeau/"),  # ops call each other
    ("core/python/",),
)
# A kernel that is a body over other ops; the list may only shrink.
UPWARD = {"kernels/cpu/reduce/reduce.cpp"}
WRITTEN_BY_TOOLS = "docs/api/"
PAIRED = (".h", ".cpp")


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [n for n in done.stdout.splitlines() if (ROOT / n).is_file()]


def texts(names: list[str]) -> dict[str, str]:
    return {n: (ROOT / n).read_text() for n in names}


# ---- size


def size_findings(files: dict[str, str]) -> list[str]:
    found = []
    for name, text in files.items():
        if name.startswith(WRITTEN_BY_TOOLS) or name.endswith(("known_failures.txt", "LICENSE")):
            continue
        lines = text.splitlines()
        if len(lines) >= MAX_LINES:
            found.append(f"{name}: {len(lines)} lines; the limit is {MAX_LINES}")
        for i, line in enumerate(lines, 1):
            row = name.endswith(".md") and line.startswith("|")  # of a table: it cannot be broken
            if len(line) > MAX_COLUMNS and not row:
                found.append(f"{name}:{i}: {len(line)} columns; the limit is {MAX_COLUMNS}")
            if re.search(r"\b(TO" + r"DO|FIX" + r"ME)\b", line):
                found.append(f"{name}:{i}: do it, or write an issue")
    return found


# ---- the environment


def environment_findings(files: dict[str, str]) -> list[str]:
    """What decides how a program runs is told to whoever runs it."""
    told = " ".join(t for n, t in files.items() if n.startswith("docs/") or n == "README.md")
    found = []
    for name, text in files.items():
        if not name.startswith(("core/", "kernels/", "flambeau/")):
            continue
        pattern = r"\b(?:getenv|environ(?:\.get|\.setdefault|\.pop)?)\b[\[(]?\s*([^\s,)\]]*)"
        for i, line in enumerate(text.splitlines(), 1):
            for asked in re.findall(pattern, line):
                variable = asked.strip("\"'")
                page = told + (text if name.endswith(".py") else "")  # docstrings
                if not re.search(rf"`{re.escape(variable)}\b", page) or asked == variable:
                    found.append(
                        f"{name}:{i}: reads {asked or 'the environment'}, of which docs/ is silent"
                    )
    return found


# ---- layers


def layer(path: str) -> int | None:
    found = [(len(p), i) for i, names in enumerate(LAYERS) for p in names if path.startswith(p)]
    return max(found)[1] if found else None


def layer_findings(files: dict[str, str]) -> list[str]:
    found, upward = [], set()
    for name, text in files.items():
        own = layer(name)
        if own is None or not name.endswith(PAIRED):
            continue
        for included in re.findall(r'^#include "([^"]+)"', text, re.M):
            other = layer(included)
            if other is None:
                found.append(f"{name}: {included} belongs to no layer")
            elif other > own:
                upward.add(name)
                if name not in UPWARD:
                    found.append(f"{name}: includes {included}, which stands above it")
    found += [
        f"{name}: includes nothing above it: take it from the list" for name in UPWARD - upward
    ]
    return found


# ---- the generator


def generator_findings(files: dict[str, str], records: list[Record]) -> list[str]:
    """A string of the generator that is an op's name would be a special case."""
    own = {n: t for n, t in files.items() if n.startswith(GENERATOR)}
    lines = sum(len(t.splitlines()) for t in own.values())
    found = []
    if lines > MAX_GENERATOR:
        found.append(f"{GENERATOR}: {lines} lines; the limit is {MAX_GENERATOR}")
    ops = {r.name for r in records} - set(LEAVES)
    for name, text in own.items():
        for quoted in re.findall(r"[\"'](\w+)[\"']", text):
            if quoted in ops and quoted not in WORDS_OF_THE_GENERATOR:
                found.append(f"{name}: names the op {quoted!r}")
    return found


# Names of ops that are plain words too.
WORDS_OF_THE_GENERATOR = {"all", "any", "complex", "real", "to", "view"}

# ---- one op, one place


def place(name: str) -> str:
    """The file, or what it has in common with its header and its instruction sets' file."""
    if not name.endswith(PAIRED):
        return name
    return re.sub(r"(_isa|_kernels|_bf16)?\.(cpp|h)$", "", name)


def defined_names(name: str, text: str) -> set[str]:
    """Functions that a file defines or declares, and strings that are, or begin with, a name.

    Helpers that no other file sees do not count: what is static, in an unnamed namespace, or not
    in ``__all__`` where there is one.
    """
    if name.endswith(".py"):
        public = re.search(r"^__all__ = [\[(](.*?)[\])]", text, re.M | re.S)
        defined = set(re.findall(r"^def (\w+)\(", text, re.M))
        return defined & set(re.findall(r"\w+", public[1])) if public else defined
    strings = re.sub(r"//.*", "", text)
    found = re.findall(r"\"aten::(\w+)|\"(\w+): \"", strings)
    if name.startswith(("kernels/shape", "kernels/cpu", "kernels/native")):
        text = re.sub(r"^namespace \{.*?^\}  // namespace$", "", text, flags=re.S | re.M)
        text = re.sub(r"//.*", "", text)
        found += re.findall(r"^(?!static )(?:[\w:<>,&*\[\]]+ )+()(\w+)\(", text, re.M)
    return {n for pair in found for n in pair if n}


def places(files: dict[str, str]) -> dict[str, set[str]]:
    """Name -> the hand-written places that define it or have it in a string."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, text in files.items():
        by_hand = name.startswith(("core/", "kernels/", "flambeau/"))
        elsewhere = name.startswith(("flambeau/ops/", "kernels/math/"))
        if by_hand and not elsewhere and name.endswith((".py", *PAIRED)):
            for defined in defined_names(name, text):
                found[defined].add(place(name))
    return found


def op_places(records: list[Record], files: dict[str, str]) -> dict[str, tuple[str, set[str]]]:
    """Op -> (kind, places besides its record)."""
    found = places(files)
    out: dict[str, tuple[str, set[str]]] = {}
    for r in records:
        kind, at = out.get(r.name, (r.kind, set()))
        out[r.name] = (kind, at | found.get(r.name, set()) | found.get(r.schema.symbol, set()))
    return out


def op_findings(counted: dict[str, tuple[str, set[str]]]) -> list[str]:
    found = []
    for name, (kind, at) in counted.items():
        python = {p for p in at if p.endswith(".py")}
        limit = KERNEL_EXCEPTIONS.get(name, KERNEL_FILES[kind])
        found += _compare(name, at - python, limit, name in KERNEL_EXCEPTIONS)
        limit = PYTHON_EXCEPTIONS.get(name, PYTHON_FILES)
        found += _compare(name, python, limit, name in PYTHON_EXCEPTIONS)
    return found


def _compare(name: str, at: set[str], limit: int, exception: bool) -> list[str]:
    if len(at) > limit:
        files = ", ".join(sorted(at))
        return [f"{name}: {len(at)} files besides its record; the limit is {limit}: {files}"]
    if exception and len(at) < limit:
        return [f"{name}: {len(at)} files besides its record; lower its exception, {limit}"]
    return []


def main() -> int:
    records = load()
    files = texts([n for n in tracked() if not n.endswith((".png", ".pt"))])
    counted = op_places(records, files)
    if "--ops" in sys.argv[1:]:
        for name, (kind, at) in sorted(counted.items()):
            print(f"{name:32} {kind:10} {len(at)}  {', '.join(sorted(at))}")
    found = size_findings(files) + layer_findings(files) + generator_findings(files, records)
    found += environment_findings(files) + op_findings(counted)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--ops")
    sys.exit(main())
