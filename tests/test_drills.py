"""Throw-away ops, each in one file, are built beside the others and work everywhere.

The build in build/dev is not touched: the objects that the records make stale are compiled
into a folder of its own and linked with that build's others. How many those are is held too, as
objects and not as sources: a loop is compiled for each instruction set, and a header for each
source that includes it.
"""

import ast
import functools
import importlib.util
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

ROOT = pathlib.Path(__file__).parent.parent
# By its file: on the path, tools/ would hide the tests' own folders from what comes after.
spec = importlib.util.spec_from_file_location("cost", ROOT / "tools/cost.py")
cost = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cost)

BUILD = ROOT / "build/dev"
DRILLS = ROOT / "tests/drills"
LINK_FLAGS = "-shared -Wl,--gc-sections -Wl,-O1 -Wl,-Bsymbolic -pthread -ldl".split()

if not (BUILD / ".ninja_deps").exists():
    pytest.skip("needs the build of `make build`", allow_module_level=True)

# One build serves all checks, so they stay on one worker.
pytestmark = pytest.mark.xdist_group("drills")


def check_names() -> list[str]:
    tree = ast.parse((DRILLS / "checks.py").read_text())
    functions = (n.name for n in tree.body if isinstance(n, ast.FunctionDef))
    return [n for n in functions if n.startswith(("squash_", "blend_", "damped_"))]


def copied(folder: pathlib.Path, records: dict[str, str]) -> set[str]:
    """Copies the package, adds records (file -> family), prints the sources.

    Gives the names of the printed files that differ from the build's. A file of tests/drills is
    given by its name.
    """
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "include")
    shutil.copytree(ROOT / "flambeau", folder / "flambeau", ignore=ignored)
    for name, family in records.items():
        (folder / "flambeau/ops" / family).mkdir(exist_ok=True)
        (folder / "flambeau/ops" / family / "__init__.py").touch()
        shutil.copy(DRILLS / name, folder / "flambeau/ops" / family)
    (folder / "tools").mkdir()
    for name in ("bare.py", "generate.py", "usage.py"):
        shutil.copy(ROOT / "tools" / name, folder / "tools")
    for name in ("core", "kernels"):  # the generator looks up what their headers declare
        (folder / name).symlink_to(ROOT / name)
    made = folder / "generated"
    subprocess.run([sys.executable, folder / "tools/generate.py", made], check=True)
    shutil.copy(made / "docstrings", folder / "flambeau/_docstrings")
    return cost.changed(BUILD / "generated", made)


THROWAWAY = [DRILLS / name for name in ("squash.py", "blend.py", "damped.py")]


class Drill:
    """A copy of the package with more records, and a core that has their ops."""

    def __init__(self, folder: pathlib.Path, files: list[pathlib.Path]):
        self.folder, self.generated = folder, folder / "generated"
        self.objects = cost.stale(copied(folder, {str(file): "drill" for file in files}))
        for library in (ROOT / "flambeau").glob("_C*.so"):
            shutil.copy(library, folder / "flambeau")
        self.build()

    def build(self) -> None:
        ours = r"CMakeFiles/(flambeau|entries|kernels_\w+)\.dir/.*\.o$"
        known = {o: c for o, c in cost.commands().items() if re.search(ours, o)}
        kept = [BUILD / o for o in known if o not in self.objects]
        made = {o: self.folder / o.replace("/", "_") for o in self.objects if re.search(ours, o)}
        compiles = [self.compile_command(o, at, known) for o, at in made.items()]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(run, compiles))
        words = shlex.split(next(iter(known.values())))
        flags = [*LINK_FLAGS, *(w for w in words if w.startswith("-fsanitize"))]
        library = self.folder / "flambeau/libflambeau.so"
        run(
            [
                words[0],
                "-o",
                library,
                *kept,
                *made.values(),
                *flags,
            ]
        )

    def compile_command(self, name: str, target: pathlib.Path, known: dict[str, str]) -> list:
        command = cost.command_for(name, known)
        command = command.replace(str(BUILD / "generated"), str(self.generated))
        words = shlex.split(command)
        words[words.index("-o") + 1] = str(target)
        return words


def run(command: list) -> None:
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    return Drill(tmp_path_factory.mktemp("drill"), THROWAWAY)


@functools.cache
def failures(folder: pathlib.Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, DRILLS / "checks.py"],
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("check", check_names())
def test_the_ops_work(drill, check):
    assert not failures(drill.folder)[check], failures(drill.folder)[check]


def test_a_new_pointwise_record_compiles_8_objects(tmp_path):
    objects = cost.stale(copied(tmp_path, {"squash.py": "pointwise"}))
    printed = sorted(re.sub(r"\W.*", "", o.rpartition("/")[2]) for o in objects)
    assert {n.partition("_")[0] for n in printed} == {"entries", "loops", "table"}
    assert len(objects) <= 8, printed


def test_a_record_of_a_new_family_compiles_its_own_objects(drill):
    sources = {o.rpartition("/")[2] for o in drill.objects}
    assert sources == {"entries_drill.cpp.o", "loops_drill.cpp.o", "table.cpp.o"}


SHAPES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "kernels/shape").glob("*.h"))
LEAVES = (ROOT / "core/dispatch/printed.h").read_text()  # what every printed rule stands on
RULES = [
    name
    for name in SHAPES
    if "namespace flambeau::inline v1::shape" in (ROOT / name).read_text()
    and f'"{name}"' not in LEAVES
]


@pytest.mark.parametrize("header", RULES)
def test_an_edited_shape_rule_recompiles_its_users_alone(header):
    """An entry is compiled again when it names a rule of the header, or one built on that."""
    text = {name: (ROOT / name).read_text() for name in RULES}
    above = {header}
    while more := {n for n in RULES if any(f'"{a}"' in text[n] for a in above)} - above:
        above |= more
    rules = {r for n in above for r in re.findall(r"^\S[^(\n]*?\b(\w+)\(", text[n], re.M)}
    for target, uses in cost.dependencies(BUILD).items():
        if f"../../{header}" in uses and "/entries_" in target:
            code = (BUILD / "generated" / pathlib.Path(target).stem).read_text()
            assert rules & set(re.findall(r"\bshape::(\w+)", code)), target
