"""Times cases on flambeau and, where it is installed, on PyTorch, in turns of one process.

A case is a function of the library that gives what is to be timed. The libraries take turns round
by round, so that a drift of the machine's speed hits both. A line gives the best time of each and
the ratio flambeau / PyTorch; the last line their geometric mean. With one thread it is the
processor time that counts, which other programs hardly disturb.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable  # of the library; gives a function without arguments
    flops: int = 0
    calls: int = 1  # of that function per time taken, where one is too short


def best_time(f, calls: int, seconds: float, clock) -> float:
    """The shortest of the runs that fit into `seconds`, in seconds per call."""
    best, end = float("inf"), clock() + seconds
    while True:
        start = clock()
        for _ in range(calls):
            f()
        stop = clock()
        best = min(best, stop - start)
        if stop > end:
            return best / calls


def parser(doc: str) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=doc.splitlines()[0])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.1, help="of each round")
    p.add_argument("--only", default="", help="a regular expression that names must contain")
    return p


def measure(cases: Iterable[Case], args: argparse.Namespace) -> dict[str, list[float]]:
    """Prints a line for each case; gives the times by name, flambeau's first."""
    clock = time.thread_time if args.threads == 1 else time.perf_counter
    names = [name for name in ("flambeau", "torch") if importlib.util.find_spec(name)]
    libs = [importlib.import_module(name) for name in names]
    for lib in libs:
        lib.set_num_threads(args.threads)
    taken: dict[str, list[float]] = {}
    for case in cases:
        if not re.search(args.only, case.name):
            continue
        thunks = [case.build(lib) for lib in libs]
        times = [float("inf")] * len(libs)
        for _ in range(args.rounds):
            for i, thunk in enumerate(thunks):
                times[i] = min(times[i], best_time(thunk, case.calls, args.seconds, clock))
        taken[case.name] = times
        line = f"{case.name:36}" + "".join(f"{t * 1e6:12.2f} us" for t in times)
        if len(times) > 1:
            line += f"   ratio {times[0] / times[1]:5.2f}"
        if case.flops:
            line += f"   {case.flops / times[0] / 1e9:6.1f} GFLOP/s"
        print(line, flush=True)
    ratios = [math.log(t[0] / t[1]) for t in taken.values() if len(t) > 1]
    if ratios:
        print(f"geometric mean of {len(ratios)}: {math.exp(sum(ratios) / len(ratios)):.3f}")
    return taken
