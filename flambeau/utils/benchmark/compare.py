"""Tables that compare measurements: a table for each label, a row for each task of its own."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

from flambeau.utils.benchmark.measurement import (
    Measurement,
    ordered_unique,
    select_unit,
    trim_sigfig,
    unit_to_english,
)

_END = "\033[0m"
_BOLD = "\033[1m"
_BEST, _GOOD, _BAD, _VERY_BAD = "\033[92m", "\033[34m", "\033[2m\033[91m", "\033[31m"


class Colorize(enum.Enum):
    """Whose best time colours are measured by."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


@dataclasses.dataclass
class _Style:
    colorize: Colorize = Colorize.NONE
    trim: bool = False
    warn: bool = False


Cell = Measurement | None


class _Column:
    """How the numbers of a column are written."""

    def __init__(self, cells: Sequence[Cell], scale: float, style: _Style):
        found = [m for m in cells if m is not None]
        self.scale, self.trim = scale, style.trim
        self.warn = style.warn and any(m.has_warnings for m in found)
        leading = [math.ceil(math.log10(m.median / scale)) for m in found]
        self.decimals = 1
        if self.trim:
            figures = [m.significant_figures for m in found]
            self.decimals = min(max(f - n, 0) for f, n in zip(figures, leading))
        self.length = max(leading) + self.decimals + bool(self.decimals)

    def text(self, m: Cell) -> str:
        width = max(self.length, 0)
        if m is None:
            value = trim_sigfig(1, 1) if self.trim else 1
            return " " * len(f"{value:>{width}.{self.decimals}f}{'':>{7 if self.warn else 0}}")
        value = m.median / self.scale
        if self.trim:
            value = trim_sigfig(value, m.significant_figures)
        spread = ""
        if self.warn and m.has_warnings:
            spread = f" (! {m.iqr / m.median * 100:.0f}%)"
        return f"{value:>{width}.{self.decimals}f}{spread:>{7 if self.warn else 0}}"


def _coloured(text: str, value: float, best: float) -> str:
    if value <= best * 1.01 or value <= best + 100e-9:
        return f"{_BEST}{_BOLD}{text}{_END}{_END}"
    if value <= best * 1.1:
        return f"{_GOOD}{_BOLD}{text}{_END}{_END}"
    if value >= best * 5:
        return f"{_VERY_BAD}{_BOLD}{text}{_END}{_END}"
    if value >= best * 2:
        return f"{_BAD}{text}{_END}{_END}"
    return text


class _Table:
    """Measurements of one label."""

    def __init__(self, results: list[Measurement], style: _Style):
        self.results, self.style = results, style
        self.unit, self.scale = select_unit(min(m.median for m in results))
        self.keys = ordered_unique((m.num_threads, m.env, m.as_row_name) for m in results)
        self.keys.sort(key=lambda key: (key[0], key[1] or ""))  # statements as they came
        self.names = ordered_unique(m.description for m in results)
        place = {(m.num_threads, m.env, m.as_row_name, m.description): m for m in results}
        self.rows = [[place.get((*key, name)) for name in self.names] for key in self.keys]
        self.columns = [_Column(cells, self.scale, style) for cells in zip(*self.rows)]

    def _head(self, i: int) -> str:
        """The first cell of a row: its place, where it is another than above, and its name."""
        threads, env, name = self.keys[i]
        places = {e for _, e, _ in self.keys}
        if len(places) == 1:
            return f"      {name}"
        above = self.keys[i - 1][:2] if i else None
        shown = f"({env})" if above != (threads, env) else ""
        width = max(len(str(e)) for e in places) + 4
        return f"  {shown.ljust(width)}{name}"

    def _bests(self, i: int) -> list[float | None]:
        if self.style.colorize is Colorize.ROWWISE:
            best = min(m.median for m in self.rows[i] if m is not None)
            return [best for _ in self.rows[i]]
        same = [row for key, row in zip(self.keys, self.rows) if key[0] == self.keys[i][0]]
        return [min((m.median for m in c if m is not None), default=None) for c in zip(*same)]

    def render(self) -> str:
        names = ["", *(name or "" for name in self.names)]
        texts = [
            [self._head(i), *(c.text(m) for c, m in zip(self.columns, row))]
            for i, row in enumerate(self.rows)
        ]
        widths = [max(map(len, cells)) for cells in zip(names, *texts)]
        lines = ["  |  ".join(map(str.center, names, widths))]
        overall, threads = len(lines[0]), None
        for i, cells in enumerate(texts):
            if self.keys[i][0] != threads:
                threads = self.keys[i][0]
                lines.append(f"{threads} threads: ".ljust(overall, "-"))
            shown = [cells[0].ljust(widths[0])]
            for text, width, m, best in zip(cells[1:], widths[1:], self.rows[i], self._bests(i)):
                text = text.center(width)
                if self.style.colorize is not Colorize.NONE and m is not None and best is not None:
                    text = _coloured(text, m.median, best)
                shown.append(text)
            lines.append("  |  ".join(shown))
        title = f" {self.results[0].label or ''} ".center(overall - 2, "-")
        tail = ""
        if self.style.warn and any(m.has_warnings for m in self.results):
            tail = "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.\n"
        end = f"Times are in {unit_to_english(self.unit)}s ({self.unit}).\n{tail}"
        return "\n".join([f"[{title}]", *lines, "", end])


class Compare:
    """Shows many measurements as tables.

    There is a table for each ``label``; ``sub_label`` names its rows and ``description`` its
    columns. Several measurements of one task are taken together.

    >>> from flambeau.utils.benchmark import Compare, Measurement, TaskSpec
    >>> def timed(t, name, size):
    ...     return Measurement(1, [t], TaskSpec(name, "", label="sum", description=size))
    >>> print(Compare([timed(2e-6, "x.sum()", "one"), timed(9e-6, "x.sum()", "two")]))
    [----------- sum -----------]
                   |  one  |  two
    1 threads: ------------------
          x.sum()  |  2.0  |  9.0
    <BLANKLINE>
    Times are in microseconds (us).
    <BLANKLINE>
    """

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self._style = _Style()
        self.extend_results(results)

    def extend_results(self, results) -> None:
        """Adds measurements."""
        for m in results:
            if not isinstance(m, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(m)} instead.")
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Shows no more figures than mean something."""
        self._style.trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Colours times by how far they are from the best of their column, or of their row."""
        self._style.colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Marks times that spread widely."""
        self._style.warn = True

    def __str__(self) -> str:
        labels: dict[str | None, list[Measurement]] = {}
        for m in Measurement.merge(self._results):
            labels.setdefault(m.label, []).append(m)
        return "\n".join(_Table(results, self._style).render() for results in labels.values())

    def print(self) -> None:
        """Prints the tables."""
        print(str(self))
