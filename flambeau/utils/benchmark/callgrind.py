"""Instructions by function, counted by valgrind's callgrind in a process of its own."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flambeau
from flambeau.utils.benchmark.measurement import TaskSpec


class FunctionCount(NamedTuple):
    """How many instructions a function took."""

    count: int
    function: str


@dataclasses.dataclass(repr=False, eq=False, frozen=True)
class FunctionCounts:
    """Counts of functions, the largest first; they add up, and subtract.

    >>> from flambeau.utils.benchmark import FunctionCount, FunctionCounts
    >>> counts = FunctionCounts((FunctionCount(30, "a.c:f"), FunctionCount(12, "b.c:g")), False)
    >>> (counts + counts).sum(), counts.transform(lambda f: f[:3])[0]
    (84, FunctionCount(count=30, function='a.c'))
    """

    _data: tuple[FunctionCount, ...]
    inclusive: bool
    truncate_rows: bool = True
    _linewidth: int | None = None

    def __iter__(self) -> Iterator[FunctionCount]:
        yield from self._data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, item):
        found = self._data[item]
        if isinstance(item, slice):
            return FunctionCounts(found, self.inclusive, truncate_rows=False)
        return found

    def __repr__(self) -> str:
        width = max((len(str(c)) + (c < 0) for c, _ in self), default=0)
        room = max((self._linewidth or 80) - width - 4, 40)
        lines = []
        for count, name in self:
            if len(name) > room:
                left = (room - 5) // 2
                name = f"{name[:left]} ... {name[-(room - left - 5) :]}"
            lines.append(f"  {count:>{width}}  {name}")
        if self.truncate_rows and len(lines) > 18:
            lines = [*lines[:9], "...".rjust(width + 2), *lines[-9:]]
        if not self.inclusive:
            lines += ["", f"Total: {self.sum()}"]
        return "\n".join([object.__repr__(self), *lines])

    def _of(self, counts: dict[str, int]) -> FunctionCounts:
        rows = sorted((FunctionCount(c, f) for f, c in counts.items() if c), reverse=True)
        return FunctionCounts(tuple(rows), self.inclusive)

    def _with(self, other: FunctionCounts, sign: int) -> FunctionCounts:
        if self.inclusive != other.inclusive:
            raise AssertionError("Cannot merge inclusive and exclusive counts.")
        counts: dict[str, int] = {}
        for factor, rows in ((1, self), (sign, other)):
            for count, name in rows:
                counts[name] = counts.get(name, 0) + factor * count
        return self._of(counts)

    def __add__(self, other: FunctionCounts) -> FunctionCounts:
        return self._with(other, 1)

    def __sub__(self, other: FunctionCounts) -> FunctionCounts:
        return self._with(other, -1)

    def __mul__(self, other: float) -> FunctionCounts:
        return self._of({name: int(count * other) for count, name in self})

    def transform(self, map_fn: Callable[[str], str]) -> FunctionCounts:
        """Under other names; what then has one name is one row."""
        counts: dict[str, int] = {}
        for count, name in self:
            counts[map_fn(name)] = counts.get(map_fn(name), 0) + count
        return self._of(counts)

    def filter(self, filter_fn: Callable[[str], bool]) -> FunctionCounts:
        """The functions whose name is wanted."""
        return FunctionCounts(tuple(r for r in self if filter_fn(r.function)), self.inclusive)

    def sum(self) -> int:
        """All instructions."""
        return sum(count for count, _ in self)

    def denoise(self) -> FunctionCounts:
        """Without Python's search in dictionaries, which differs from process to process."""
        return self.filter(lambda name: "lookdict_unicode" not in name)


@dataclasses.dataclass(repr=False, eq=False, frozen=True)
class CallgrindStats:
    """What ``Timer.collect_callgrind`` gives: counts of the statement and of the empty loop."""

    task_spec: TaskSpec
    number_per_run: int
    built_with_debug_symbols: bool
    baseline_inclusive_stats: FunctionCounts
    baseline_exclusive_stats: FunctionCounts
    stmt_inclusive_stats: FunctionCounts
    stmt_exclusive_stats: FunctionCounts
    stmt_callgrind_out: str | None

    def __repr__(self) -> str:
        base = self.baseline_exclusive_stats
        threads = self.task_spec.num_threads
        rows = [
            f"  {'':>25}All{'':>10}Noisy symbols removed",
            f"    Instructions: {self.counts():>12}{'':>15}{self.counts(denoise=True):>12}",
            f"    Baseline:     {base.sum():>12}{'':>15}{base.denoise().sum():>12}",
            f"{self.number_per_run} runs per measurement, {threads} thread"
            f"{'s' if threads > 1 else ''}",
        ]
        return "\n".join([object.__repr__(self), self.task_spec.summarize(), *rows])

    def stats(self, inclusive: bool = False) -> FunctionCounts:
        """Counts by function, with what each calls or without."""
        return self.stmt_inclusive_stats if inclusive else self.stmt_exclusive_stats

    def counts(self, *, denoise: bool = False) -> int:
        """How many instructions in all."""
        return (self.stmt_exclusive_stats.denoise() if denoise else self.stmt_exclusive_stats).sum()

    def delta(self, other: CallgrindStats, inclusive: bool = False) -> FunctionCounts:
        """What of these counts is more than in others."""
        return self.stats(inclusive) - other.stats(inclusive)

    def as_standardized(self) -> CallgrindStats:
        """With names of functions that do not tell where libraries lie."""

        def plain(name: str) -> str:
            name = re.sub(r"\s\[.+\]$", "", name)
            return re.sub(r"^\S*/(?=(?:Python|Objects|Modules|core|kernels)/)", "", name)

        fields = {
            f: getattr(self, f).transform(plain)
            for f in self.__dataclass_fields__
            if f.endswith("_stats")
        }
        return dataclasses.replace(self, **fields, stmt_callgrind_out=None)


_PLAIN = (str, bytes, bool, int, float, complex)


class CopyIfCallgrind:
    """A variable of which the process under valgrind may have a copy.

    ``setup`` runs there before the copy is made: imports that it needs.
    """

    def __init__(self, value: Any, *, setup: str | None = None) -> None:
        if not isinstance(value, (*_PLAIN, flambeau.nn.Module, flambeau.Tensor)):
            raise ValueError(
                f"Unsupported type: {type(value)}\n`collect_callgrind` restricts globals to "
                "numbers, texts, tensors and modules, which another process can have copies of"
            )
        self._value, self._setup = value, setup

    @property
    def value(self) -> Any:
        return self._value

    @property
    def setup(self) -> str | None:
        return self._setup

    @staticmethod
    def unwrap_all(globals: dict[str, Any]) -> dict[str, Any]:
        """The variables themselves."""
        return {k: v.value if isinstance(v, CopyIfCallgrind) else v for k, v in globals.items()}


# The statement runs between two calls of getppid, before each of which a new file begins.
_SCRIPT = """
import os, pickle, sys, timeit
sys.path[:] = %(path)r
import flambeau as torch
known = {"torch": torch}
for name, setup in %(setups)r:
    if setup: exec(setup, known)
    with open(os.path.join(%(folder)r, name), "rb") as file: known[name] = pickle.load(file)
torch.set_num_threads(%(threads)d)
def marked():
    os.getppid()
    return 0.0
timeit.Timer(%(stmt)r, %(setup)r, globals=known).timeit(2)
timeit.Timer(%(stmt)r, %(setup)r, timer=marked, globals=known).timeit(%(number)d)
"""


def collect(
    task: TaskSpec, variables: dict[str, Any], number: int, baseline: bool, retain: bool
) -> CallgrindStats:
    """Counts one statement; OSError where valgrind is missing."""
    missing = [c for c in ("valgrind", "callgrind_annotate") if shutil.which(c) is None]
    if missing:
        raise OSError(
            f"collect_callgrind: missing {', '.join(missing)}: install valgrind (apt install "
            "valgrind); timeit and blocked_autorange need none"
        )
    with tempfile.TemporaryDirectory() as folder:
        counted = _Run(pathlib.Path(folder), task, variables, number)
        kept = None
        if retain:
            descriptor, kept = tempfile.mkstemp(prefix="callgrind.out.")
            os.close(descriptor)
            shutil.copy(counted.profile, kept)
        nothing = FunctionCounts((), True), FunctionCounts((), False)
        if baseline:
            (pathlib.Path(folder) / "empty").mkdir()
            empty = dataclasses.replace(task, stmt="pass")
            run = _Run(pathlib.Path(folder) / "empty", empty, variables, number)
            nothing = run.counts(inclusive=True), run.counts(inclusive=False)
        return CallgrindStats(
            task,
            number,
            False,
            *nothing,
            counted.counts(inclusive=True),
            counted.counts(inclusive=False),
            kept,
        )


class _Run:
    """One process under valgrind, and the profile that it left."""

    def __init__(self, folder: pathlib.Path, task: TaskSpec, variables: dict, number: int):
        import pickle

        setups = []
        for name, value in variables.items():
            given = value if isinstance(value, CopyIfCallgrind) else CopyIfCallgrind(value)
            (folder / name).write_bytes(pickle.dumps(given.value))
            setups.append((name, given.setup))
        script = folder / "script.py"
        script.write_text(
            textwrap.dedent(_SCRIPT)
            % {
                "setups": setups,
                "folder": str(folder),
                "path": [p or "." for p in sys.path],
                "threads": task.num_threads,
                "stmt": task.stmt,
                "setup": task.setup,
                "number": number,
            }
        )
        command = ["valgrind", "--tool=callgrind", "--dump-before=getppid", "-q"]
        command += [f"--callgrind-out-file={folder}/profile", sys.executable, "-B", str(script)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"collect_callgrind: valgrind failed:\n{done.stderr}")
        # Files are numbered; the second ends where the statement does.
        self.profile = folder / "profile.2"

    def counts(self, inclusive: bool) -> FunctionCounts:
        flag = "yes" if inclusive else "no"
        done = subprocess.run(
            ["callgrind_annotate", "--auto=no", "--threshold=100", f"--inclusive={flag}",
             "--show-percs=no", str(self.profile)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        counts: dict[str, int] = {}
        for line in done.stdout.splitlines():
            found = re.match(r"\s*([\d,]+)\s+(\S.*:.*)$", line)
            if found and not line.endswith("PROGRAM TOTALS"):
                name = found[2].replace("???:", "")
                counts[name] = counts.get(name, 0) + int(found[1].replace(",", ""))
        rows = sorted((FunctionCount(c, f) for f, c in counts.items()), reverse=True)
        return FunctionCounts(tuple(rows), inclusive)
