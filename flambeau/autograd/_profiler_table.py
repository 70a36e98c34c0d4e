"""The table of a profile's events, and times and sizes as texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["format_memory", "format_time", "format_time_share", "table"]

_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}


def format_time(time_us: float, time_unit: str | None = None) -> str:
    """Microseconds with a unit that fits: ``1500`` is ``"1.500ms"``."""
    for unit, size in _UNITS.items():
        if unit == time_unit or (time_unit is None and (time_us >= size or unit == "us")):
            return f"{time_us / size:.3f}{unit}"
    raise ValueError(f"time_unit must be one of {list(_UNITS)}, not {time_unit!r}")


def format_time_share(time_us: float, total_time_us: float) -> str:
    """A part of a whole in per cent."""
    if total_time_us == 0:
        if time_us > 0:
            raise AssertionError(f"a part of {time_us} us of nothing")
        return "NaN"
    return f"{time_us * 100.0 / total_time_us:.2f}%"


def format_memory(nbytes: int) -> str:
    """Bytes with a unit that fits: ``2048`` is ``"2.00 KB"``."""
    for unit, power in (("GB", 30), ("MB", 20), ("KB", 10)):
        if abs(nbytes) >= 1 << power:
            return f"{nbytes / (1 << power):.2f} {unit}"
    return f"{nbytes} B"


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 1)] + "..."


def _sorted(events: Iterable, sort_by: str) -> list:
    name = sort_by.replace("cuda", "device").replace("xpu", "device")
    events = list(events)
    if events and not hasattr(events[0], name):
        known = "cpu_time cpu_time_total self_cpu_time_total cpu_memory_usage count".split()
        raise AttributeError(f"table: there is no column {sort_by!r} to sort by; there are {known}")
    return sorted(events, key=lambda event: getattr(event, name), reverse=True)


def table(
    events: Iterable,
    sort_by: str | None,
    row_limit: int,
    widths: tuple[int, int, int],
    header: str | None,
    top_level: bool,
    time_unit: str | None,
    memory: bool,
    flops: bool,
) -> str:
    """See :meth:`EventList.table <flambeau.autograd.profiler_util.EventList.table>`."""
    shown = list(events)
    if not shown:
        return ""
    whole = sum(e.self_cpu_time_total for e in shown)
    if sort_by is not None:
        shown = _sorted(shown, sort_by)
    if top_level:
        shown = [e for e in shown if e.cpu_parent is None]
    if row_limit >= 0:
        shown = shown[:row_limit]
    columns = _columns(shown, whole, widths, time_unit, memory, flops)
    texts = [[name, *map(cell, shown)] for name, cell, _ in columns]
    sizes = [max(map(len, column)) for column in texts]
    aligned = [right for _, _, right in columns]

    def line(cells: Iterable[str]) -> str:
        parts = zip(cells, sizes, aligned)
        return "  ".join(f"{c:>{w}}" if right else f"{c:<{w}}" for c, w, right in parts).rstrip()

    rule = "  ".join("-" * size for size in sizes)
    rows = [line(row) for row in zip(*texts)]
    lines = [rule, rows[0], rule, *rows[1:], rule]
    if header is not None:
        lines = ["=" * len(rule), header, *lines]
    lines.append(f"Self CPU time total: {format_time(whole, time_unit)}")
    return "\n".join(lines) + "\n"


def _columns(
    shown: list,
    whole: float,
    widths: tuple[int, int, int],
    time_unit: str | None,
    memory: bool,
    flops: bool,
) -> list[tuple[str, Callable[[Any], str], bool]]:
    """Of each column its name, the text of an event, and whether it stands to the right."""
    name_width, shapes_width, source_width = widths

    def share(time: float, event: Any) -> str:
        return "0.00%" if event.is_async else format_time_share(time, whole)

    columns: list[tuple[str, Callable[[Any], str], bool]] = [
        ("Name", lambda e: _clip(e.key, name_width), True)
    ]
    if any(getattr(e, "overload_name", "") for e in shown):
        columns.append(("Overload Name", lambda e: _clip(e.overload_name, name_width), True))
    columns += [
        ("Self CPU %", lambda e: share(e.self_cpu_time_total, e), True),
        ("Self CPU", lambda e: format_time(e.self_cpu_time_total, time_unit), True),
        ("CPU total %", lambda e: share(e.cpu_time_total, e), True),
        ("CPU total", lambda e: format_time(e.cpu_time_total, time_unit), True),
        ("CPU time avg", lambda e: format_time(e.cpu_time, time_unit), True),
    ]
    if memory:
        columns += [
            ("CPU Mem", lambda e: format_memory(e.cpu_memory_usage), True),
            ("Self CPU Mem", lambda e: format_memory(e.self_cpu_memory_usage), True),
        ]
    columns.append(("# of Calls", lambda e: str(e.count), True))
    if any(e.input_shapes for e in shown):
        columns.append(("Input Shapes", lambda e: _clip(str(e.input_shapes), shapes_width), True))
    if any(e.stack for e in shown):
        columns.append(
            ("Source Location", lambda e: _clip(e.stack[0] if e.stack else "", source_width), False)
        )
    if flops:
        most = max(e.flops or 0 for e in shown)
        at = min(int(f"{most:.0e}".partition("e+")[2] or 0) // 3, 5) if most else 0
        unit = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")[at]
        columns.append(
            (f"Total {unit}", lambda e: f"{e.flops / 1e3**at:.3f}" if e.flops else "--", True)
        )
    return columns
