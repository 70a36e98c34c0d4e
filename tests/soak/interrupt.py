"""Ctrl-C at a random moment of a program with workers, or one that saves: it ends at once, with no
process and no shared memory left, and its file is whole."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from tests.serialization import failing_disk as disk

LOADING = """
import sys
import flambeau as torch
class Data(torch.utils.data.Dataset):
    def __len__(self): return 10**6
    def __getitem__(self, i): return torch.full((1000,), float(i))
if __name__ == "__main__":
    print("ready", flush=True)
    for batch in torch.utils.data.DataLoader(Data(), 8, **eval(sys.argv[1])): pass
"""
SAVING = """
import sys
from tests.serialization.failing_disk import save_in
print("ready", flush=True)
while True:
    save_in("zip", 1, sys.argv[1])
"""


def run(rng: random.Random, folder: pathlib.Path) -> None:
    before, path = set(os.listdir("/dev/shm")), folder / "state"
    if rng.random() < 0.3:
        program, argument = SAVING, str(path)
    else:
        program, options = LOADING, {"num_workers": 3, "persistent_workers": rng.random() < 0.5}
        kind = rng.choice(["fork", "spawn", "forkserver", "thread"])
        options["worker_type" if kind == "thread" else "multiprocessing_context"] = kind
        argument = repr(options)
    file = folder / "program.py"
    file.write_text(program)
    child = subprocess.Popen(
        [sys.executable, file, argument],
        cwd=disk.ROOT,
        env={**os.environ, "PYTHONPATH": str(disk.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        child.stdout.readline()
        time.sleep(rng.random() * 1.5)
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        assert child.returncode != 0 and "KeyboardInterrupt" in errors, errors
        end = time.monotonic() + 10
        # Names of other programs come and go.
        while left := [*_alive(child.pid), *(set(os.listdir("/dev/shm")) - before)]:
            assert time.monotonic() < end, (argument, left)
            time.sleep(0.02)
    finally:
        if _alive(child.pid):
            os.killpg(child.pid, signal.SIGKILL)
    if path.exists():
        assert disk.value_of(path) == 1 and sorted(folder.iterdir()) == [file, path]


def _alive(group: int) -> list[str]:
    """Processes of a group that have not ended, whether or not somebody asked how."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(own) == group and state not in "ZX":
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                pass
    return found
