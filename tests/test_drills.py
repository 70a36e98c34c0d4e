"""Two throw-away ops, each in one file, are built beside the others and work everywhere.

The build in build/dev is not touched: what the two records change of the generated sources is
compiled into a folder of its own and linked with that build's other objects.
"""

import ast
import functools
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
BUILD = ROOT / "build/dev"
DRILLS = ROOT / "tests/drills"
LINK_FLAGS = "-shared -Wl,--gc-sections -Wl,-O1 -Wl,-Bsymbolic -pthread -ldl".split()

if not (BUILD / "compile_commands.json").exists():
    pytest.skip("needs the build of `make build`", allow_module_level=True)

# One build serves all checks, so they stay on one worker.
pytestmark = pytest.mark.xdist_group("drills")


def check_names() -> list[str]:
    tree = ast.parse((DRILLS / "checks.py").read_text())
    functions = (n.name for n in tree.body if isinstance(n, ast.FunctionDef))
    return [n for n in functions if n.startswith(("squash_", "blend_"))]


def sources(folder: pathlib.Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.glob("*.cpp")}


THROWAWAY = [DRILLS / "squash.py", DRILLS / "blend.py"]


class Drill:
    """A copy of the package with more records, and a core that has their ops."""

    def __init__(self, folder: pathlib.Path, files: list[pathlib.Path]):
        self.folder, self.generated = folder, folder / "generated"
        ignored = shutil.ignore_patterns("__pycache__", "libflambeau.so")
        shutil.copytree(ROOT / "flambeau", folder / "flambeau", ignore=ignored)
        records = folder / "flambeau/ops/drill"
        records.mkdir()
        (records / "__init__.py").write_text("")
        for file in files:
            shutil.copy(file, records)
        (folder / "tools").mkdir()
        for name in ("bare.py", "generate.py"):
            shutil.copy(ROOT / "tools" / name, folder / "tools")
        subprocess.run([sys.executable, folder / "tools/generate.py", self.generated], check=True)
        before, after = sources(BUILD / "generated"), sources(self.generated)
        self.changed = sorted(n for n in after if after[n] != before.get(n))
        self.build()

    def build(self) -> None:
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        objects, compiles = [], []
        for c in commands:
            if not re.search(r"CMakeFiles/(flambeau|kernels_\w+)\.dir/.*\.o$", c["output"]):
                continue
            if pathlib.Path(c["file"]).name in self.changed:
                target = self.folder / c["output"].replace("/", "_")
                compiles.append(self.compile_command(c, target))
                objects.append(target)
            else:
                objects.append(BUILD / c["output"])
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(run, compiles))
        words = shlex.split(commands[0]["command"])
        flags = [*LINK_FLAGS, *(w for w in words if w.startswith("-fsanitize"))]
        run([words[0], "-o", self.folder / "flambeau/libflambeau.so", *objects, *flags])

    def compile_command(self, c: dict, target: pathlib.Path) -> list:
        command = c["command"].replace(str(BUILD / "generated"), str(self.generated))
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


def test_a_new_record_changes_no_generated_source_but_its_own(drill):
    kinds = [re.sub(r"_\d+", "", name) for name in drill.changed]
    assert kinds.count("loops.cpp") == 1  # of squash; blend has no loops
    assert kinds.count("entries.cpp") <= 2  # one for each record
    assert set(kinds) == {"entries.cpp", "loops.cpp", "loop_table.cpp", "table.cpp"}
