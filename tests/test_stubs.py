"""The stubs: current, complete, strict, and true to a program."""

import ast
import pathlib
import subprocess
import sys

import pytest

import flambeau

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "flambeau"
STUBS = [PACKAGE / f"{name}.pyi" for name in ("__init__", "_C", "return_types")]


def test_they_are_what_the_tool_writes(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools/stubs.py", tmp_path], check=True)
    for path in STUBS:
        assert path.read_text() == (tmp_path / path.name).read_text(), "run make build"


def declared(body) -> set[str]:
    """The names that a stub's module or class declares."""
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets}
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name for a in node.names}
    return names


def names_of_stub(name: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{name}.pyi").read_text())


def test_every_public_name_of_the_package_is_declared():
    module = declared(names_of_stub("__init__").body) | declared(names_of_stub("_C").body)
    public = {n for n in vars(flambeau._C) if not n.startswith("_")}
    public |= {n for n in vars(flambeau._C._VariableFunctions) if not n.startswith("_")}
    public |= set(flambeau._LAZY)
    assert public - module == set()


def test_every_member_of_tensor_is_declared():
    tensor = next(
        n for n in names_of_stub("_C").body if isinstance(n, ast.ClassDef) and n.name == "Tensor"
    )
    inherited = {n for n in dir(object) if n.startswith("__")}
    members = {n for n in vars(flambeau.Tensor) if not n.startswith("_") or n.startswith("__")}
    members -= inherited | {"__dict__", "__weakref__", "__rdiv__", "__module__", "__doc__"}
    members.discard("__slotnames__")  # copyreg leaves it behind
    assert members - declared(tensor.body) == set()


def mypy(*arguments) -> tuple[str, int]:
    api = pytest.importorskip("mypy.api")
    command = ["--follow-imports=silent", "--cache-dir", str(ROOT / "build/mypy")]
    limit = sys.getrecursionlimit()  # which it raises for all that comes after
    try:
        out, err, code = api.run([*command, *map(str, arguments)])
    finally:
        sys.setrecursionlimit(limit)
    return out + err, code


def test_they_pass_the_strict_checker():
    out, code = mypy("--strict", *STUBS)
    assert code == 0, out


def test_a_program_has_the_types_that_it_says(monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    out, code = mypy("--strict", ROOT / "tests/typing/program.py")
    assert code == 0, out
