"""Runs calls in child processes: one that dies or stands still is named, and the run goes on."""

from __future__ import annotations

import argparse
import faulthandler
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

BATCH = 20_000
STILL = 30.0  # seconds without a new call
MEMORY = 2 << 30
ROOM = 128  # bytes that parent and child share: the number of the call, and a note


def options(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, metavar="N")
    parser.add_argument("--calls", type=int, default=1 << 40)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", metavar="OP", help="calls of one op alone")
    parser.add_argument("--leave-out", default="", metavar="ACT,ACT", help="hostile acts")
    parser.add_argument("--show", type=int, metavar="N", help="one call, in this process")
    parser.add_argument("--memory", type=int, default=MEMORY, help="0: no limit (sanitizers)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def fuzzer(o: argparse.Namespace):
    import flambeau
    from tests.fuzz.calls import Fuzz

    warnings.simplefilter("ignore")
    sys.setrecursionlimit(300)
    return Fuzz(flambeau, o.seed, o.only, filter(None, o.leave_out.split(",")))


def child(o: argparse.Namespace) -> None:
    folder = Path(o.child)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if o.memory:
        resource.setrlimit(resource.RLIMIT_AS, (o.memory, o.memory))
    stack = open(folder / "stack", "w")
    faulthandler.enable(stack)
    faulthandler.register(signal.SIGUSR1, stack, all_threads=True)
    fuzz = fuzzer(o)
    with open(folder / "place", "r+b") as file, open(folder / "log", "a", buffering=1) as log:
        place = mmap.mmap(file.fileno(), ROOM)

        def note(text: str) -> None:
            place[8:] = text.encode()[: ROOM - 8].ljust(ROOM - 8)

        outcomes: Counter = Counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(o.start, o.start + o.calls):
            place[:8] = struct.pack("<q", number)
            outcome, wrong = fuzz.run(number, note)
            outcomes[outcome] += 1
            name = place[8:].decode(errors="replace").strip()
            log.writelines(f"{number} {name}: {what}\n" for what in wrong)
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if now > peak + (1 << 20):
                log.write(f"{number} {name}: took {(now - peak) >> 10} MB\n")
                peak = now
        (folder / "outcomes").write_text("\n".join(f"{k} {n}" for k, n in outcomes.items()))
    os._exit(0)


class Parent:
    def __init__(self, o: argparse.Namespace, folder: Path) -> None:
        self.o, self.folder, self.faults = o, folder, 0
        self.outcomes: Counter = Counter()

    def place(self) -> tuple[int, str]:
        raw = (self.folder / "place").read_bytes()
        return struct.unpack("<q", raw[:8])[0], raw[8:].decode(errors="replace").strip()

    def say(self, text: str) -> None:
        self.faults += 1
        print(text, flush=True)

    def batch(self, start: int, calls: int, until: float) -> int:
        """Runs calls from ``start`` on; where to go on."""
        o = self.o
        (self.folder / "place").write_bytes(struct.pack("<q", start).ljust(ROOM))
        for name in ("log", "outcomes"):
            (self.folder / name).write_text("")
        command = [sys.executable, "-m", "tests.fuzz", "--seed", str(o.seed), "--start", str(start)]
        command += ["--calls", str(calls), "--memory", str(o.memory), "--child", str(self.folder)]
        command += ["--leave-out", o.leave_out, *(["--only", o.only] if o.only else [])]
        with open(self.folder / "err", "wb") as err:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err)
            stopped = self._watch(process, until)
        for line in (self.folder / "log").read_text().splitlines():
            self.say(line)
        at, doing = self.place()
        if process.returncode == 0:
            for line in (self.folder / "outcomes").read_text().splitlines():
                name, count = line.split()
                self.outcomes[name] += int(count)
            return start + calls
        if stopped != "time":
            how = "stands still" if stopped else f"ends by signal {-process.returncode}"
            self.say(f"{at} {doing}: {how}")
            self.say((self.folder / "err").read_bytes()[-2000:].decode(errors="replace"))
            self.say((self.folder / "stack").read_text()[:2000])
            self.faults -= 2
        return at + 1

    def _watch(self, process, until: float) -> str:
        last, since = -1, time.time()
        while process.poll() is None:
            time.sleep(0.05)
            at, _ = self.place()
            if at != last:
                last, since = at, time.time()
            if time.time() > until:
                process.kill()
                process.wait()
                return "time"
            if time.time() - since > STILL:
                process.send_signal(signal.SIGUSR1)
                time.sleep(0.5)
                process.kill()
                process.wait()
                return "still"
        return ""


def main(given: list[str]) -> int:
    o = options(given)
    if o.show is not None:
        fuzz = fuzzer(o)
        print(fuzz.show(o.show), flush=True)
        print("->", *fuzz.run(o.show))
        return 0
    if o.child:
        child(o)
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        parent = Parent(o, Path(folder))
        at, end = o.start, o.start + o.calls
        while at < end and time.time() - began < o.seconds:
            at = parent.batch(at, min(BATCH, end - at), began + o.seconds)
    took = time.time() - began
    outcomes = ", ".join(f"{k} {n}" for k, n in parent.outcomes.most_common(8))
    print(
        f"seed {o.seed}: {at - o.start} calls in {took:.0f} s, {parent.faults} faults; {outcomes}"
    )
    return 1 if parent.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
