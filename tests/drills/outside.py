"""The backend in ``backend/``, built as a stranger would build it, and checks that run with it.

A process has one such device and keeps it, so the checks run in a process of their own.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import pytest

import flambeau
import flambeau.utils

FOLDER = pathlib.Path(__file__).parent / "backend"
HEADERS = pathlib.Path(flambeau.__file__).parent / "include"

# One build for all that need it.
marks = [
    pytest.mark.skipif(
        not shutil.which("cmake") or not HEADERS.exists(), reason="needs CMake and headers"
    ),
    pytest.mark.xdist_group("backend"),
]


def _run(*command, **options):
    return subprocess.run(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        **options,
    )


@functools.cache
def _library() -> tuple[tempfile.TemporaryDirectory, pathlib.Path]:
    """A folder, which is there for as long as somebody holds it, and what was built in it."""
    folder = tempfile.TemporaryDirectory()
    for command in (
        ("cmake", "-S", FOLDER, "-B", folder.name)
        + (f"-DCMAKE_PREFIX_PATH={flambeau.utils.cmake_prefix_path}",),
        ("cmake", "--build", folder.name),
    ):
        done = _run(*command)
        assert done.returncode == 0, done.stdout
    return folder, pathlib.Path(folder.name) / "libguarded.so"


@functools.cache
def failures(checks: str) -> dict[str, str]:
    """Name of each case in a file of checks -> how it failed, or nothing."""
    _, library = _library()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        env = {**os.environ, "GUARDED_LIBRARY": str(library)}
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
        done = _run(*command, FOLDER / checks, f"--junitxml={report}", env=env)
        assert report.exists(), f"ended with {done.returncode}:\n{done.stdout[-3000:]}"
        return {
            case.get("name"): "\n".join(e.text for e in case if e.tag in ("failure", "error"))
            for case in ElementTree.parse(report).getroot().iter("testcase")
        }
