"""What `make check` looks at, and what the Makefile promises."""

import importlib.util
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent
RECORD = '@pointwise("frobnicate(Tensor self) -> Tensor")\ndef frobnicate(self):\n    return self\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The tool as a module, over a checkout with one commit."""
    spec = importlib.util.spec_from_file_location("check_tool", ROOT / "tools/check.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    (tmp_path / "flambeau/ops/pointwise").mkdir(parents=True)
    (tmp_path / "a.cpp").write_text("int a;\n")
    (tmp_path / "flambeau/ops/pointwise/old.py").write_text(RECORD.replace("frobnicate", "old"))

    def git(*arguments):
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *name, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "start")
    return tool, tmp_path, git


def test_files_that_are_not_added_yet_are_looked_at(project):
    tool, folder, _ = project
    (folder / "b.cpp").write_text("int  b;\n")
    assert sorted(tool.files("*.cpp")) == ["a.cpp", "b.cpp"]
    (folder / "a.cpp").unlink()
    assert tool.files("*.cpp") == ["b.cpp"]


def test_a_new_record_is_tried(project):
    tool, folder, git = project
    assert tool.changed_ops() == [] and tool.record_tests() == {}
    (folder / "flambeau/ops/pointwise/new.py").write_text(RECORD)
    assert tool.changed_ops() == ["frobnicate"]
    git("checkout", "-b", "work")
    git("add", ".")
    git("commit", "-m", "new")
    assert tool.changed_ops() == ["frobnicate"]
    command = tool.record_tests()["changed records"]
    assert command[-2:] == ["-k", "frobnicate"]
    assert {"tests/ops/test_records.py", "tests/ops/test_modes.py"} <= set(command)


def test_an_edited_record_is_tried(project):
    tool, folder, _ = project
    with open(folder / "flambeau/ops/pointwise/old.py", "a") as file:
        file.write("# more\n")
    assert tool.changed_ops() == ["old"]


def test_clean_removes_all_that_git_ignores(tmp_path):
    made = (
        "build/dev/x.o build.log flambeau/_C.so flambeau/libflambeau.so flambeau/__pycache__/a.pyc"
        " flambeau/include/a.h flambeau/share/a tests/__pycache__/b.pyc .ruff_cache/a .venv/a"
        " .mypy_cache/a .pytest_cache/a .hypothesis/a flambeau.egg-info/a dist/a demo-out/a"
        " digits-demo/a flambeau/_C.pyi flambeau/_docstrings"
    ).split()
    for name in (*made, "flambeau/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()}
    patterns = {name for name in ignored if "*" not in name} - {"__pycache__"}
    assert all(any(n.startswith(p) for n in made) for p in patterns), "an ignored name is not tried"
    subprocess.run(["make", "-f", ROOT / "Makefile", "clean"], cwd=tmp_path, check=True)
    left = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()]
    assert left == ["flambeau/__init__.py"]
