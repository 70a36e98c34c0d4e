"""C++ programs find the installed headers and library, and need no Python to run."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import flambeau
import flambeau.utils

EXAMPLE = pathlib.Path(__file__).parent.parent / "examples/cpp"
PACKAGE = pathlib.Path(flambeau.__file__).parent

pytestmark = pytest.mark.skipif(
    not shutil.which("cmake") or not (PACKAGE / "include").exists(),
    reason="needs CMake and headers",
)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needed(path):
    """The libraries that the file at ``path`` names as needed."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", path))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    build = tmp_path_factory.mktemp("mlp")
    prefix = f"-DCMAKE_PREFIX_PATH={flambeau.utils.cmake_prefix_path}"
    run("cmake", "-S", EXAMPLE, "-B", build, prefix)
    run("cmake", "--build", build)
    return build / "mlp"


def test_a_program_trains_a_network(program):
    printed = run(program)
    losses = [float(x) for x in re.findall(r"loss ([\d.]+)", printed)]
    assert losses[-1] < 0.1 * losses[0]
    assert float(re.search(r"unseen points ([\d.]+)", printed)[1]) >= 0.99


def test_no_python_is_needed(program):
    library = PACKAGE / "libflambeau.so"
    assert "libflambeau.so" in needed(program) and "libc.so.6" in needed(library)
    assert not [name for p in (program, library) for name in needed(p) if "python" in name]
    assert not re.search(r" U _?Py", run("nm", "-D", library))
    # It also runs where no Python could be found.
    assert "accuracy" in run(program, env={"PATH": "", "HOME": os.devnull})


def test_only_public_headers_are_installed():
    own = PACKAGE / "include/flambeau"
    headers = {p.relative_to(own) for p in own.rglob("*.h")}
    assert pathlib.Path("flambeau.h") in headers and pathlib.Path("ops.h") in headers
    assert not [h for h in headers if h.parts[0] == "kernels" or "python" in h.parts]
    # Beside them stand the names that code written for PyTorch includes, and nothing in them.
    others = [p for p in PACKAGE.glob("include/*/**/*.h") if not p.is_relative_to(own)]
    assert others and all(
        re.fullmatch(r"// .*\n#pragma once\n\n#include <flambeau/\w+\.h>\n", p.read_text())
        for p in others
    )


@pytest.mark.skipif(not shutil.which("g++"), reason="needs GCC")
def test_what_headers_show_inline_is_listed():
    run(sys.executable, EXAMPLE.parent.parent / "tools/inline_surface.py", "--check")
