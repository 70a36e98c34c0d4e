"""What the tools say of themselves."""

import pathlib
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).parent.parent / "tools"
READ = sorted(p.name for p in TOOLS.glob("*.py") if "usage.read(" in p.read_text())


def run(name, *arguments, cwd=TOOLS):
    command = [sys.executable, TOOLS / name, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_all_that_look_at_arguments_say_which():
    looking = sorted(p.name for p in TOOLS.glob("*.py") if "sys.argv" in p.read_text())
    assert set(looking) - set(READ) == {"usage.py", "written.py"}


@pytest.mark.parametrize("name", READ)
def test_help(name, tmp_path):
    done = run(name, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first = (TOOLS / name).read_text().split('"""')[1].splitlines()[0]
    assert done.stdout.startswith(first)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [(), ("--frobnicate",), ("a", "b", "c")])
def test_what_is_not_understood_is_refused(arguments, tmp_path):
    done = run("generate.py", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("not understood: ")
    assert "tools/generate.py FOLDER [PACKAGE]" in done.stderr
    assert not list(tmp_path.iterdir())
