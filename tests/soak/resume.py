"""A training run that is killed at random moments, and resumed each time from the state that it
saved last, ends with the same weights, bit for bit, as one that was not killed."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

PROGRAM = """
import os, pathlib, sys, time
import flambeau as torch
D = torch.utils.data

class Data(D.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, i):
        time.sleep(0.0005)
        return torch.randn(4) + i / 64, i % 3  # noise that each worker draws

def main():
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 3))
    opt = torch.optim.Adam(net.parameters(), lr=0.01)
    loader = D.DataLoader(Data(), 4, shuffle=True, num_workers=workers, worker_type=kind,
                          persistent_workers=persistent)
    turn = 0
    if path.exists():
        state = torch.load(path)
        net.load_state_dict(state["net"])
        opt.load_state_dict(state["opt"])
        loader.load_state_dict(state["loader"])
        torch.default_generator.set_state(state["rng"])
        turn = state["turn"]
    while turn < 3:
        for n, (x, y) in enumerate(loader):
            opt.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            opt.step()
            if n % every == 0:
                save(net, opt, loader, turn)
        turn += 1
        save(net, opt, loader, turn)
    print([p.tolist() for p in net.parameters()])

def save(net, opt, loader, turn):
    new = path.with_suffix(".new")
    torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "loader": loader.state_dict(),
                "rng": torch.default_generator.get_state(), "turn": turn}, new)
    os.replace(new, path)

if __name__ == "__main__":
    path = pathlib.Path(sys.argv[1])
    seed, workers, kind, persistent, every = eval(sys.argv[2])
    main()
"""


def run(rng: random.Random, folder: pathlib.Path) -> None:
    file = folder / "program.py"
    file.write_text(PROGRAM)
    workers = rng.choice([0, 1, 2, 3])
    options = (
        rng.randrange(1000),
        workers,
        rng.choice(["process", "thread"]),
        # A pass that workers who stay begin anew goes on from random numbers of theirs that no
        # state between passes has.
        False,
        rng.choice([1, 3]),
    )
    began = time.monotonic()
    expected = _finished(_start(file, folder / "whole.pt", options))
    usual = time.monotonic() - began
    for _ in range(rng.randint(1, 4)):
        child = _start(file, folder / "killed.pt", options)
        time.sleep(rng.random() * usual)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert _finished(_start(file, folder / "killed.pt", options)) == expected, options


def _start(file: pathlib.Path, path: pathlib.Path, options: tuple) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, file, path, repr(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finished(child: subprocess.Popen) -> str:
    output, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    return output
