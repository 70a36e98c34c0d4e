"""A loader whose workers, or whose own process, are killed or interrupted at random moments: the
loader raises at once, and nothing is left."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

PROGRAM = """
import os, signal, sys, time
import flambeau as torch
D = torch.utils.data
size, workers, ahead, persistent, method, when, victim, how = eval(sys.argv[1])

class Data(D.Dataset):
    def __len__(self):
        return 400
    def __getitem__(self, i):
        return torch.full((size,), float(i)), i

def main():
    loader = D.DataLoader(Data(), 4, num_workers=workers, prefetch_factor=ahead,
                          persistent_workers=persistent, multiprocessing_context=method)
    began = None
    held = []
    try:
        for turn in range(3):
            for n, (x, i) in enumerate(loader):
                assert x[:, 0].tolist() == i.tolist(), (x, i)
                held = held[-5:] + [x]
                if turn * 100 + n == when:
                    print("ready", flush=True)
                    if victim >= 0:
                        began = time.monotonic()
                        os.kill(workers_of(loader, victim), how)
    except RuntimeError as error:
        assert began is not None and "DataLoader worker" in str(error), error
        took = time.monotonic() - began
        assert took < 1, took
        print("raised", flush=True)

def workers_of(loader, victim):
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = [int(pid) for pid in file.read().split()]
    return children[victim % len(children)]

if __name__ == "__main__":
    main()
"""


def run(rng: random.Random, folder: pathlib.Path) -> None:
    file = folder / "program.py"
    file.write_text(PROGRAM)
    at_worker = rng.random() < 0.5
    how = signal.SIGKILL if at_worker else rng.choice([signal.SIGKILL, signal.SIGINT])
    options = (
        rng.choice([1, 100, 100_000]),
        rng.randint(1, 4),
        rng.randint(1, 4),
        rng.random() < 0.5,
        rng.choice(["fork", "fork", "spawn", "forkserver"]),
        rng.randint(0, 250),
        rng.randint(0, 3) if at_worker else -1,
        int(how),
    )
    before = set(os.listdir("/dev/shm"))
    child = subprocess.Popen(
        [sys.executable, file, repr(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
        if not at_worker:
            time.sleep(rng.random() * 0.02)
            os.kill(child.pid, how)
        output, errors = child.communicate(timeout=20)
        if at_worker:
            assert child.returncode == 0, errors
        _nothing_is_left(child.pid)
        assert set(os.listdir("/dev/shm")) <= before
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        child.stdout.close()
        child.stderr.close()


def _nothing_is_left(group: int) -> None:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("processes are left")
