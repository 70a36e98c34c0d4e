"""Code of a newer instruction set stays where only processors that have it will run it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def objects(folder):
    return sorted((ROOT / "build/dev/CMakeFiles").glob(f"kernels_{folder}.dir/**/*.o"))


def run_with(isa, *command, timeout=300):
    environment = {**os.environ, "FLAMBEAU_ISA": isa, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not objects("avx2"), reason="needs the object files of build/dev")
@pytest.mark.parametrize("folder", ["avx2", "avx512", "bf16"])
def test_no_symbol_may_be_merged_with_another_sets(folder):
    """The linker keeps one of all weak symbols of a name: that name must say the set."""
    isa = "avx512" if folder == "bf16" else folder
    command = ["nm", "--defined-only", *objects(folder)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shared = re.findall(r" [A-Zu] (\S+)$", listed, re.MULTILINE)  # all but local symbols
    assert shared and not [name for name in shared if f"{len(isa)}{isa}" not in name]


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-user")
def test_an_old_processor_runs_everything():
    script = ROOT / "tools/run_nehalem.py"
    printed = run_with("", "qemu-x86_64", "-cpu", "Nehalem", sys.executable, script)
    # The same kernels on this processor, whatever it is, give the same bits.
    assert printed == run_with("baseline", sys.executable, script)
