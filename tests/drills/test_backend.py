"""A device from outside: a library that knows the public headers alone brings memory and kernels.

Its memory is pages that the host must not touch, so a kernel or a copy that goes around the
backend ends the process. The checks stand in ``backend/checks.py`` and run in a process of their
own, since a process has one such device and keeps it.
"""

import ast
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import flambeau
import flambeau.utils

FOLDER = pathlib.Path(__file__).parent / "backend"
HEADERS = pathlib.Path(flambeau.__file__).parent / "include"

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("cmake") or not HEADERS.exists(), reason="needs CMake and headers"
    ),
    pytest.mark.xdist_group("backend"),
]


def check_names() -> list[str]:
    tree = ast.parse((FOLDER / "checks.py").read_text())
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name[:5] == "test_"]


def run(*command, **options):
    return subprocess.run(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        **options,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Name of a check -> the errors of its cases."""
    build = tmp_path_factory.mktemp("backend")
    for command in (
        ("cmake", "-S", FOLDER, "-B", build)
        + (f"-DCMAKE_PREFIX_PATH={flambeau.utils.cmake_prefix_path}",),
        ("cmake", "--build", build),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stdout
    report = build / "report.xml"
    env = {**os.environ, "GUARDED_LIBRARY": str(build / "libguarded.so")}
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = run(*command, FOLDER / "checks.py", f"--junitxml={report}", env=env)
    assert report.exists(), f"ended with {done.returncode}:\n{done.stdout[-3000:]}"
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = case.get("name").partition("[")[0]
        failed = [f"{case.get('name')}: {e.text}" for e in case if e.tag in ("failure", "error")]
        found.setdefault(name, []).extend(failed)
    return found


@pytest.mark.parametrize("name", check_names())
def test_outside_backend(results, name):
    assert name in results, "did not run"
    assert not results[name], "\n".join(results[name][:3])
