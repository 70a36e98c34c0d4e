"""What a timer gives: the times of one task, and what they say."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import flambeau

_MOST_FIGURES = 4
_LEAST_INTERVAL = 25e-9  # seconds: no clock is better
_SPREAD, _GROSS_SPREAD = 0.1, 0.25  # of which a measurement warns


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """What is timed, and under which names: all of a ``Timer`` but its variables."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or the statement itself."""
        more = self.sub_label
        if self.label is not None or "\n" not in self.stmt:
            name = self.stmt if self.label is None else self.label
            return f"{name}: {more}" if more else name
        head = f"stmt: ({more})" if more else "stmt:"
        return f"{head}\n{textwrap.indent(self.stmt, '  ')}"

    def setup_str(self) -> str:
        """The setup, where there is any."""
        if self.setup in ("", "pass"):
            return ""
        if "\n" in self.setup:
            return f"setup:\n{textwrap.indent(self.setup, '  ')}"
        return f"setup: {self.setup}"

    def summarize(self) -> str:
        """Title, description and setup."""
        parts = (self.title, self.description or "", self.setup_str())
        return "\n".join(f"{p}\n" if "\n" in p else p for p in parts if p)


@dataclasses.dataclass(repr=False)
class Measurement:
    """Times of one task: each of ``number_per_run`` runs of its statement.

    >>> from flambeau.utils.benchmark import Measurement, TaskSpec
    >>> m = Measurement(10, [1e-4, 1.1e-4, 1.2e-4, 1.3e-4], TaskSpec("f(x)", "pass"))
    >>> print("\\n".join(repr(m).splitlines()[1:]))
    f(x)
      Median: 11.50 us
      IQR:    1.50 us (10.75 to 12.25)
      4 measurements, 10 runs per measurement, 1 thread
      WARNING: Interquartile range is 13.0% of the median measurement.
               This could indicate system fluctuation.
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None  # of the program's

    def __getattr__(self, name: str):
        if name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute {name!r}")

    @property
    def times(self) -> list[float]:
        """Of one run each."""
        return [t / self.number_per_run for t in self.raw_times]

    def _quantile(self, q: float) -> float:
        ordered = sorted(self.times)
        if not ordered:
            return -1.0
        place = q * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    @property
    def median(self) -> float:
        return self._quantile(0.5)

    @property
    def mean(self) -> float:
        return math.fsum(self.times) / len(self.times) if self.raw_times else -1.0

    @property
    def iqr(self) -> float:
        """From the first quartile to the third."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def significant_figures(self) -> int:
        """How many figures of the median mean something: 1 to 4.

        From the spread of the middle half of the times, whose mean is taken to be as far off as
        those of nine samples in ten.
        """
        ordered, n = sorted(self.times), len(self.times)
        middle = ordered[n // 4 : math.ceil(3 * n / 4)]
        mean = math.fsum(middle) / len(middle)
        deviation = math.sqrt(math.fsum((t - mean) ** 2 for t in middle) / len(middle))
        interval = max(1.645 * deviation / math.sqrt(len(middle)), _LEAST_INTERVAL)
        return min(max(math.floor(math.log10(self.median / interval)), 1), _MOST_FIGURES)

    def meets_confidence(self, threshold: float = _SPREAD) -> bool:
        """Whether the quartiles lie within this share of the median."""
        return self.iqr / self.median < threshold

    @property
    def _warnings(self) -> tuple[str, ...]:
        if not self.raw_times or self.meets_confidence(_SPREAD):
            return ()
        gross = not self.meets_confidence(_GROSS_SPREAD)
        reason = (
            "This suggests significant environmental influence."
            if gross
            else "This could indicate system fluctuation."
        )
        share = self.iqr / self.median * 100
        return (
            f"  WARNING: Interquartile range is {share:.1f}% of the median measurement.\n"
            f"           {reason}",
        )

    @property
    def has_warnings(self) -> bool:
        """Whether the times spread too widely."""
        return bool(self._warnings)

    @property
    def title(self) -> str:
        return self.task_spec.title

    @property
    def as_row_name(self) -> str:
        return self.sub_label or self.stmt or "[Unknown]"

    def __repr__(self) -> str:
        n = len(self.raw_times)
        unit, scale = select_unit(self.median)
        shown = [q / scale for q in map(self._quantile, (0.5, 0.25, 0.75))]
        several = "s" if self.num_threads > 1 else ""
        lines = [
            object.__repr__(self),
            self.task_spec.summarize(),
            f"  {'Median: ' if n > 1 else ''}{shown[0]:.2f} {unit}",
        ]
        if n >= 4:
            lines.append(
                f"  IQR:    {self.iqr / scale:.2f} {unit} ({shown[1]:.2f} to {shown[2]:.2f})"
            )
        lines.append(
            f"  {n} measurement{'s' if n > 1 else ''}, {self.number_per_run} runs "
            f"{'per measurement,' if n > 1 else ','} {self.num_threads} thread{several}"
        )
        return "\n".join([*lines, *self._warnings])

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One for each task, with the times of all that measured it, and no metadata."""
        groups: dict[TaskSpec, list[float]] = {}
        for m in measurements:
            groups.setdefault(m.task_spec, []).extend(m.times)
        return [Measurement(1, times, task) for task, times in groups.items()]


_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time has one to three digits before the point, and its length.

    >>> from flambeau.utils.benchmark import select_unit
    >>> select_unit(3e-5)
    ('us', 1e-06)
    """
    power = int(math.log10(t) // 3) if t > 0 else 0
    unit = {-3: "ns", -2: "us", -1: "ms"}.get(power, "s")
    return unit, _UNITS[unit]


def unit_to_english(u: str) -> str:
    """``"us"`` is a microsecond."""
    return {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}[u]


def trim_sigfig(x: float, n: int) -> float:
    """``x`` to ``n`` significant figures.

    >>> from flambeau.utils.benchmark import trim_sigfig
    >>> trim_sigfig(3.14159, 2)
    3.1
    """
    if n != int(n):
        raise AssertionError("Number of significant figures must be an integer")
    if x == 0:
        return 0.0
    digits = n - math.ceil(math.log10(abs(x)))
    return round(x, digits)


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, in the order in which they come."""
    return list(dict.fromkeys(elements))


@contextlib.contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Within it kernels use so many threads."""
    before = flambeau.get_num_threads()
    flambeau.set_num_threads(n)
    try:
        yield
    finally:
        flambeau.set_num_threads(before)
