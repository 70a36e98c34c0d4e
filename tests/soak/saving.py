"""A process that saves over and over is killed: the file is whole, and no older than what the
process was told was saved. Or its disk is full, or fails, or it is killed at a chosen call."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from tests.serialization import failing_disk as disk

PROGRAM = """
import sys
from tests.serialization.failing_disk import save_in
form, path, value = sys.argv[1], sys.argv[2], int(sys.argv[3])
while True:
    save_in(form, value, path)
    print(value, flush=True)
    value += 1
"""


def run(rng: random.Random, folder: pathlib.Path) -> None:
    form = rng.choice(["zip", "zip", "legacy", "safetensors"])
    (_killed_at_a_moment if rng.random() < 0.5 else _fails_at_a_call)(rng, folder, form)


def _killed_at_a_moment(rng, folder: pathlib.Path, form: str) -> None:
    path, value = folder / "state", 0
    for _ in range(3):
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, form, path, str(value)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=disk.ROOT,
        )
        told = int(program.stdout.readline())
        time.sleep(rng.random() * 0.2)
        program.send_signal(signal.SIGKILL)
        lines = program.communicate()[0].splitlines(keepends=True)
        told = max([told, *(int(line) for line in lines if line.endswith("\n"))])
        value = disk.value_of(path)
        assert value >= told, (form, value, told)
        for other in set(folder.iterdir()) - {path}:
            # Killed between its two names; it is whole then.
            assert disk.value_of(other) >= value
            other.unlink()


def _fails_at_a_call(rng, folder: pathlib.Path, form: str) -> None:
    mode = rng.choice([disk.KILL_BEFORE, disk.KILL_HALFWAY, disk.FULL, disk.FAILING])
    code = (
        "import ctypes, pathlib, random, sys\n"
        "from tests.serialization import failing_disk as d\n"
        "library, folder = ctypes.CDLL(sys.argv[1]), pathlib.Path(sys.argv[2])\n"
        "form, mode = sys.argv[3], int(sys.argv[4])\n"
        "choice = random.Random(int(sys.argv[5]))\n"
        "count = d.calls(library, form, folder)\n"
        "for _ in range(10):\n"
        "    d.check(library, form, folder, choice.randint(1, count), mode)\n"
    )
    library = disk.built(folder)
    subprocess.run(
        [sys.executable, "-c", code, library, folder, form, str(mode), str(rng.randrange(10**6))],
        env={**os.environ, "LD_PRELOAD": str(library)},
        cwd=disk.ROOT,
        check=True,
        timeout=120,
    )
