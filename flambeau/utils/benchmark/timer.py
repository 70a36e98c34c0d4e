"""Timers: how long a statement takes, and how many instructions."""

from __future__ import annotations

import enum
import hashlib
import statistics
import textwrap
import timeit
from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.utils.benchmark.callgrind import CallgrindStats, CopyIfCallgrind, collect
from flambeau.utils.benchmark.measurement import Measurement, TaskSpec, set_torch_threads

timer = timeit.default_timer


class Language(enum.Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


class _CppTimer:
    """As ``timeit.Timer``, of a statement in C++."""

    _SOURCE = """
    #include <torch/extension.h>
    #include <chrono>
    {global_setup}
    double flambeau_time(int64_t n) {{
      {setup}
      const auto start = std::chrono::steady_clock::now();
      for (int64_t flambeau_i = 0; flambeau_i < n; ++flambeau_i) {{
        {stmt}
      }}
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }}
    """

    def __init__(self, stmt: str, setup: str, global_setup: str):
        self.source = textwrap.dedent(self._SOURCE).format(
            stmt=stmt, setup=setup, global_setup=global_setup
        )
        self._module = None

    def timeit(self, number: int) -> float:
        if self._module is None:
            from flambeau.utils.cpp_extension import load_inline

            name = f"timer_{hashlib.sha256(self.source.encode()).hexdigest()[:16]}"
            self._module = load_inline(
                name, self.source, functions="flambeau_time", no_implicit_headers=True
            )
        return self._module.flambeau_time(number)


def _plain(code: str) -> str:
    """Code that was indented with what is around it."""
    return textwrap.dedent(code).removeprefix("\n").rstrip()


class Timer:
    """Times a statement, after a setup that is not timed.

    Args:
        stmt: the statement, as text.
        setup: what runs before.
        global_setup: of statements in C++: what stands outside of functions.
        timer: gives the time in seconds.
        globals: variables that the statement and the setup know, besides ``torch``.
        label, sub_label, description: names in tables: of the table, the row and the column.
        env: names where it runs, when several places are compared.
        num_threads: how many threads kernels use meanwhile.
        language: ``Language.PYTHON``, or ``Language.CPP`` or ``"c++"``, which is compiled as an
            extension.

    >>> from flambeau.utils.benchmark import Timer
    >>> m = Timer("x.sum()", "x = torch.ones(8)", label="sum").blocked_autorange(min_run_time=0.01)
    >>> m.title, m.number_per_run >= 10
    ('sum', True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        stmt, setup = _plain(stmt), _plain(setup)
        self._globals = dict(globals or {})
        self._timer: timeit.Timer | _CppTimer
        if language in (Language.PYTHON, "py", "python"):
            if global_setup:
                raise ValueError(
                    f"global_setup is C++ only, got `{global_setup}`. Most likely this code can "
                    "simply be moved to `setup`."
                )
            self._language = Language.PYTHON
            known = {"torch": flambeau} | CopyIfCallgrind.unwrap_all(self._globals)
            self._timer = timeit.Timer(stmt, setup, timer, known)
        elif language in (Language.CPP, "cpp", "c++"):
            if self._globals:
                raise ValueError("globals are variables of Python: in C++ write a setup")
            self._language = Language.CPP
            setup = "" if setup == "pass" else setup
            self._timer = _CppTimer(stmt, setup, global_setup)
        else:
            raise ValueError(f"Invalid language `{language}`.")
        self._task_spec = TaskSpec(
            stmt, setup, global_setup, label, sub_label, description, env, num_threads
        )

    def _timeit(self, number: int) -> float:
        # A clock may stand still between two looks, and times are divided by.
        return max(self._timer.timeit(number), 1e-9)

    def _measurement(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task_spec)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Runs the statement ``number`` times, after some runs that do not count."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(number // 100, 2))
            return self._measurement(number, [self._timeit(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        raise NotImplementedError("Timer.repeat: use blocked_autorange, which repeats")

    def autorange(self, callback=None) -> None:
        raise NotImplementedError("Timer.autorange: use blocked_autorange")

    def _block_size(self, min_run_time: float) -> int:
        """So many runs that looking at the clock is at most 1/10000 of them, in powers of ten."""
        with set_torch_threads(self._task_spec.num_threads):
            overhead = statistics.median(self._timeit(0) for _ in range(5))
            number = 1
            while number * 10 <= 2**31 - 1:
                taken = self._timeit(number)
                fine = overhead <= taken * 1e-4 and taken >= min_run_time / 1000
                if fine or taken > min_run_time:
                    break
                number *= 10
        return number

    def _repeat(self, number, enough, min_run_time, max_run_time, callback) -> Measurement:
        times: list[float] = []
        with set_torch_threads(self._task_spec.num_threads):
            while True:
                times.append(self._timeit(number))
                if callback:
                    callback(number, times[-1])
                total = sum(times)
                if max_run_time is not None and total > max_run_time:
                    break
                if total >= min_run_time and enough(times):
                    break
        return self._measurement(number, times)

    def blocked_autorange(
        self,
        callback: Callable[[int, float], Any] | None = None,
        min_run_time: float = 0.2,
    ) -> Measurement:
        """Times blocks of runs for ``min_run_time`` seconds.

        A block is so long that the clock costs nothing. ``callback(number, seconds)`` hears of
        each.
        """
        number = self._block_size(min_run_time)
        return self._repeat(number, lambda times: True, min_run_time, None, callback)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """Times blocks until the quartiles lie within ``threshold`` of the median.

        There are four blocks at least, of ``min_run_time`` seconds together, and it ends after
        ``max_run_time`` in any case.
        """

        def enough(times: list[float]) -> bool:
            return len(times) > 3 and self._measurement(number, times).meets_confidence(threshold)

        number = self._block_size(0.05)
        return self._repeat(number, enough, min_run_time, max_run_time, callback)

    def collect_callgrind(
        self,
        number: int = 100,
        *,
        repeats: int | None = None,
        collect_baseline: bool = True,
        retain_out_file: bool = False,
    ) -> CallgrindStats | tuple[CallgrindStats, ...]:
        """Counts the instructions of ``number`` runs, by function, in a process under valgrind.

        They are the same from one measurement to the next, but for a few of Python's own.
        Variables go to that process as copies: numbers, texts, tensors and modules. With
        ``collect_baseline`` the loop is counted without the statement too.
        """
        if repeats is not None and repeats < 1:
            raise ValueError("If specified, `repeats` must be >= 1")
        if self._language is not Language.PYTHON:
            raise NotImplementedError("collect_callgrind: statements in C++ are not supported")
        made = tuple(
            collect(self._task_spec, self._globals, number, collect_baseline, retain_out_file)
            for _ in range(repeats or 1)
        )
        return made[0] if repeats is None else made
