"""What one more op costs: ``python tools/cost.py [--many] [--write] [--build FOLDER]``.

For a renamed copy of one record of each kind: the objects that it makes stale, the CPU time of
compiling them with the build's own commands, the machine code that they grow by, and the lines of
the record. ``--many`` builds 1,300 records, copies of the real ones in their mix, from nothing, and
times what follows from their number; that takes minutes. ``--write`` puts the rows into
docs/cost.md. Needs a finished build with ninja, in build/dev unless told.
"""

from __future__ import annotations

import ast
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/dev"
if "--build" in sys.argv:
    BUILD = pathlib.Path(sys.argv[sys.argv.index("--build") + 1]).resolve()
PAGE = ROOT / "docs/cost.md"
MANY = 1300
# One of each kind, with a gradient and the usual variants.
RECORDS = {"pointwise": "lerp.Tensor", "structured": "cumsum", "composite": "chunk"}
ISAS = ("kernels_baseline", "kernels_avx2", "kernels_avx512")


def texts(folder: pathlib.Path) -> dict[str, str]:
    found = (p for p in folder.rglob("*") if p.suffix in (".cpp", ".h"))
    return {p.relative_to(folder).as_posix(): p.read_text() for p in found}


def changed(before: pathlib.Path, after: pathlib.Path) -> set[str]:
    """The printed files whose text differs, or that are new."""
    old, new = texts(before), texts(after)
    return {n for n in new if new[n] != old.get(n)}


def ninja() -> str:
    beside = pathlib.Path(sys.executable).with_name("ninja")
    return str(beside) if beside.exists() else "ninja"


def dependencies(build: pathlib.Path) -> dict[str, set[str]]:
    """Object -> the files that it was compiled from, as ninja noted them."""
    done = subprocess.run([ninja(), "-t", "deps"], cwd=build, capture_output=True, text=True)
    found: dict[str, set[str]] = {}
    for block in done.stdout.split("\n\n"):
        target, *files = block.strip().splitlines() or [""]
        if target.endswith("(VALID)"):
            found[target.partition(":")[0]] = {
                os.path.relpath(build / f.strip(), build) for f in files
            }
    return found


def stale(names: set[str], build: pathlib.Path = BUILD) -> set[str]:
    """The objects that printed files with these names make stale, those of new ones too.

    Programs of the tests read the umbrella header, as C++ users do, and are no part of the build.
    """
    files = {f"generated/{n}" for n in names}
    objects = {
        o for o, uses in dependencies(build).items() if uses & files and not o.startswith("tests/")
    }
    for name in names:
        if name.endswith(".cpp") and not (build / "generated" / name).exists():
            targets = ISAS if name.startswith("loops_") else ("entries",)
            objects |= {f"CMakeFiles/{t}.dir/generated/{name}.o" for t in targets}
    return objects


def commands(build: pathlib.Path = BUILD) -> dict[str, str]:
    """Object -> the command that compiles it."""
    found = {}
    for c in json.loads((build / "compile_commands.json").read_text()):
        output = re.search(r" -o (\S+)", c["command"])[1]
        found[os.path.relpath(build / output, build)] = c["command"]
    return found


def gone(before: pathlib.Path, after: pathlib.Path) -> set[str]:
    """The objects of printed sources that are there no more: their file was halved."""
    names = {n for n in texts(before) if n.endswith(".cpp")} - texts(after).keys()
    return {f"CMakeFiles/{t}.dir/generated/{n}.o" for n in names for t in (*ISAS, "entries")}


def command_for(name: str, known: dict[str, str]) -> str:
    """As the build's; an object of a new source takes the command of another of its target."""
    if name in known:
        return known[name]
    folder, _, file = name.rpartition("/")
    other = next(o for o in known if o.startswith(folder + "/"))
    return known[other].replace(other.rpartition("/")[2][:-2], file[:-2])


def spent(command: list, folder: pathlib.Path) -> float:
    """CPU seconds of a command and what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def code_size(path: pathlib.Path) -> int:
    done = subprocess.run(["size", path], capture_output=True, text=True, check=True)
    return sum(map(int, done.stdout.splitlines()[1].split()[:3]))


def lines_of(full_name: str) -> int:
    """The lines of a record's file that are its own: schema, words, formula, gradient, samples."""
    import bare  # noqa: F401 (stands in for the package)

    from flambeau.ops.record import load

    record = next(r for r in load() if r.schema.full_name == full_name)
    path = pathlib.Path(record.function.__code__.co_filename)
    name, count = record.function.__name__, 0
    for node in ast.parse(path.read_text()).body:
        parts = [*getattr(node, "decorator_list", []), *([node.value] if _is_call(node) else [])]
        owners = {n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)}
        if getattr(node, "name", "") == name or name in owners:
            first = min([node.lineno, *(p.lineno for p in parts)])
            count += node.end_lineno - first + 1
    return count


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def printed_with(folder: pathlib.Path, **environment: str) -> pathlib.Path:
    made = folder / "generated"
    command = [sys.executable, "-B", ROOT / "tools/generate.py", made]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return made


def of_a_record(kind: str) -> dict[str, float]:
    """The cost of one more record of a kind."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        made = printed_with(folder, FLAMBEAU_COPY=RECORDS[kind])
        known = commands()
        total, grown, objects = 0.0, 0, stale(changed(BUILD / "generated", made))
        for name in objects:
            words = shlex.split(
                command_for(name, known).replace(str(BUILD / "generated"), str(made))
            )
            at = words.index("-o") + 1
            words[at] = str(folder / "object.o")
            total += spent(words, BUILD)
            grown += code_size(folder / "object.o")
        for name in objects | gone(BUILD / "generated", made):
            grown -= code_size(BUILD / name) if (BUILD / name).exists() else 0
    lines = lines_of(RECORDS[kind])
    return {"objects": len(objects), "CPU-s": total, "KB": grown / 1024, "lines": lines}


def of_many() -> dict[str, float]:
    """A clean build of many records, and what the package then costs."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        environment = {**os.environ, "FLAMBEAU_RECORDS": str(MANY), "CCACHE_DISABLE": "1"}
        build = folder / "build"
        start = time.monotonic()
        configure = ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja"]
        configure.append(f"-DPython_EXECUTABLE={sys.executable}")
        subprocess.run(configure, check=True, env=environment, stdout=subprocess.DEVNULL)
        cpu = spent(
            ["env", f"FLAMBEAU_RECORDS={MANY}", "ninja", "-C", build, "-j2", "--quiet"], ROOT
        )
        wall = time.monotonic() - start
        package = folder / "flambeau"
        shutil.copytree(ROOT / "flambeau", package, ignore=shutil.ignore_patterns("*.so"))
        for library in build.glob("*.so"):  # as a wheel has it (install.strip in pyproject.toml)
            subprocess.run(["strip", library, "-o", package / library.name], check=True)
        shutil.copy(build / "package/_docstrings", package)
        size = (package / "libflambeau.so").stat().st_size / 1e6
        return {
            "clean build, minutes of wall on 2 cores": wall / 60,
            "clean build, CPU minutes": cpu / 60,
            "library, MB": size,
            "import, ms": _best(folder, "import flambeau") * 1e3,
            "first docstring, s": _best(folder, "flambeau.add.__doc__", "import flambeau"),
        }


def _best(folder: pathlib.Path, statement: str, setup: str = "") -> float:
    """Seconds of a statement in a fresh process: the best of ten."""
    code = f"import time\n{setup}\nt = time.perf_counter()\n{statement}\n"
    code += "print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    runs = [
        float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        for _ in range(10)
    ]
    return min(runs)


def rows(many: bool) -> dict[str, str]:
    found = {}
    for kind in RECORDS:
        measured = of_a_record(kind)
        if kind == "pointwise":
            for what in ("objects", "CPU-s"):
                found[f"new pointwise record: {what}"] = f"{measured[what]:.3g}"
        for what, value in measured.items():
            found[f"{kind} record: {what}"] = f"{value:.3g}"
    if many:
        found |= {f"{MANY:,} records: {what}": f"{v:.3g}" for what, v in of_many().items()}
    return found


def main() -> int:
    found = rows("--many" in sys.argv[1:])
    for name, value in found.items():
        print(f"| {name} | {value} |")
    if "--write" in sys.argv[1:]:
        text = PAGE.read_text()
        for name, value in found.items():
            row = re.compile(rf"^\| {re.escape(name)} \|.*$", re.M)
            text = row.sub(f"| {name} | {value} |", text)
        PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--many", "--write", "--build", names=(0, 1))
    sys.exit(main())
