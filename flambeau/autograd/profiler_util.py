"""What a profile found: events, sums of events, and lists of either with a table."""

from __future__ import annotations

import bisect
import enum
import itertools
from collections import defaultdict, namedtuple
from collections.abc import Iterable
from typing import Any

from flambeau.autograd._profiler_table import format_memory, format_time, format_time_share, table

__all__ = [
    "EventList",
    "EventMetadata",
    "FormattedTimesMixin",
    "FunctionEvent",
    "FunctionEventAvg",
    "Interval",
    "Kernel",
    "MemRecordsAcc",
    "StringTable",
]

_format_time = format_time
_format_time_share = format_time_share
_format_memory = format_memory


class DeviceType(enum.Enum):
    """Where an event ran."""

    CPU = 0
    CUDA = 1


Kernel = namedtuple("Kernel", "name device duration")
EventMetadata = namedtuple("EventMetadata", "key value")


class Interval:
    """From ``start`` to ``end``, in microseconds since the profile began.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler_util import Interval
        >>> Interval(2.0, 5.0).elapsed_us()
        3.0
    """

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """How long it is."""
        return self.end - self.start


class StringTable(defaultdict):
    """Texts by themselves.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler_util import StringTable
        >>> StringTable()["aten::add"]
        'aten::add'
    """

    def __missing__(self, key: str) -> str:
        self[key] = key
        return key


class MemRecordsAcc:
    """Records of memory by time.

    Args:
        mem_records: pairs of a record, which has ``start_ns()``, and anything.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler_util import MemRecordsAcc
        >>> list(MemRecordsAcc([]).in_interval(0, 10))
        []
    """

    def __init__(self, mem_records: Iterable) -> None:
        self._mem_records = sorted(mem_records, key=lambda r: r[0].start_ns())
        self._start_nses = [r[0].start_ns() for r in self._mem_records]

    def in_interval(self, start_ns: int, end_ns: int) -> Iterable:
        """Those that begin between the two, in their order."""
        first = bisect.bisect_left(self._start_nses, start_ns)
        last = bisect.bisect_right(self._start_nses, end_ns)
        return itertools.islice(self._mem_records, first, last)


def _text(attribute: str) -> property:
    def get(self: Any) -> str:
        return format_time(getattr(self, attribute))

    get.__doc__ = f"``{attribute}`` as a text with its unit."
    return property(get)


class FormattedTimesMixin:
    """Times as texts, and per call.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler_util import FunctionEventAvg
        >>> FunctionEventAvg().cpu_time_total_str
        '0.000us'
    """

    count: int
    cpu_time_total: float
    device_time_total: float

    cpu_time_str = _text("cpu_time")
    device_time_str = _text("device_time")
    cpu_time_total_str = _text("cpu_time_total")
    device_time_total_str = _text("device_time_total")
    self_cpu_time_total_str = _text("self_cpu_time_total")
    self_device_time_total_str = _text("self_device_time_total")

    @property
    def cpu_time(self) -> float:
        """Microseconds of one call, on average."""
        return 0.0 if self.count == 0 else 1.0 * self.cpu_time_total / self.count

    @property
    def device_time(self) -> float:
        """Microseconds of one call on an accelerator, on average."""
        return 0.0 if self.count == 0 else 1.0 * self.device_time_total / self.count

    @property
    def cuda_time(self) -> float:
        """The former name of ``device_time``."""
        return self.device_time


class FunctionEvent(FormattedTimesMixin):
    """One op, node of a backward pass, or range that the program named.

    ``cpu_parent`` and ``cpu_children`` tell what it was called by and what it called on its thread;
    ``self_*`` is what is left without the children.

    Args:
        id: its number within the profile.
        name: ``"aten::add"``, ``"AddmmBackward0"``, ...
        thread: the system's number of its thread.
        start_us: when it began, in microseconds since the profile did.
        end_us: when it ended.
        overload_name: of an op, ``"Tensor"``.
        fwd_thread: of a node, the thread of its forward.
        input_shapes: of an op, the sizes of each argument; empty for what is no tensor.
        stack: the program's lines, innermost first.
        scope: 0 for an op, 1 for a node of a backward pass, 7 for a range.
        cpu_memory_usage: bytes allocated in it, less those that were freed.
        sequence_nr: what an op has in common with its node in the backward pass; -1 for none.
        flops: floating-point operations; None where they are not known.
        concrete_inputs: the arguments that are numbers.
        is_user_annotation: whether it is a range.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler_util import FunctionEvent
        >>> FunctionEvent(0, "aten::add", 1, 0.0, 2.5).cpu_time_total
        2.5
    """

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start_us: float,
        end_us: float,
        overload_name: str | None = None,
        fwd_thread: int | None = None,
        input_shapes: list | None = None,
        stack: list[str] | None = None,
        scope: int = 0,
        use_device: str | None = None,
        cpu_memory_usage: int = 0,
        device_memory_usage: int = 0,
        is_async: bool = False,
        is_remote: bool = False,
        sequence_nr: int = -1,
        node_id: int = -1,
        device_type: Any = DeviceType.CPU,
        device_index: int = 0,
        is_legacy: bool = False,
        flops: int | None = None,
        trace_name: str | None = None,
        concrete_inputs: list | None = None,
        kwinputs: dict | None = None,
        is_user_annotation: bool = False,
        is_python_function: bool = False,
        input_dtypes: list | None = None,
        module_hierarchy: str = "",
    ) -> None:
        self.id = id
        self.node_id = node_id
        self.name = name
        self.overload_name = overload_name or ""
        self.trace_name = trace_name or name
        self.time_range = Interval(start_us, end_us)
        self.thread = thread
        self.fwd_thread = fwd_thread
        self.kernels: list[Kernel] = []
        self.count = 1
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes = input_shapes if input_shapes is not None else []
        self.input_dtypes = input_dtypes if input_dtypes is not None else []
        self.concrete_inputs = concrete_inputs if concrete_inputs is not None else []
        self.kwinputs = kwinputs if kwinputs is not None else {}
        self.stack = stack if stack is not None else []
        self.scope = scope
        self.use_device = use_device
        self.cpu_memory_usage = cpu_memory_usage
        self.device_memory_usage = device_memory_usage
        self.is_async = is_async
        self.is_remote = is_remote
        self.sequence_nr = sequence_nr
        self.device_type = device_type
        self.device_index = device_index
        self.is_legacy = is_legacy
        self.flops = flops
        self.is_user_annotation = is_user_annotation
        self.is_python_function = is_python_function
        self.module_hierarchy = module_hierarchy
        self.self_cpu_percent = -1
        self.total_cpu_percent = -1
        self.total_device_percent = -1

    def append_kernel(self, name: str, device: int, duration: int) -> None:
        """Adds what it started on an accelerator."""
        self.kernels.append(Kernel(name, device, duration))

    def append_cpu_child(self, child: FunctionEvent) -> None:
        """Adds an event that began and ended inside of it, on the same thread."""
        self.cpu_children.append(child)

    def set_cpu_parent(self, parent: FunctionEvent) -> None:
        """Says what it is a part of."""
        self.cpu_parent = parent

    @property
    def key(self) -> str:
        """The name, under which events are summed."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """Microseconds from begin to end."""
        return 0 if self.is_async else self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:
        """Without its children."""
        if self.is_async:
            return 0
        return self.cpu_time_total - sum(c.cpu_time_total for c in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """Without its children."""
        if self.is_async:
            return 0
        return self.cpu_memory_usage - sum(c.cpu_memory_usage for c in self.cpu_children)

    @property
    def device_time_total(self) -> float:
        """Microseconds on an accelerator."""
        return sum(k.duration for k in self.kernels)

    @property
    def self_device_time_total(self) -> float:
        """Without its children."""
        return self.device_time_total - sum(c.device_time_total for c in self.cpu_children)

    @property
    def self_device_memory_usage(self) -> int:
        """Without its children."""
        return self.device_memory_usage - sum(c.device_memory_usage for c in self.cpu_children)

    @property
    def cuda_time_total(self) -> float:
        """The former name of ``device_time_total``."""
        return self.device_time_total

    @property
    def self_cuda_time_total(self) -> float:
        """The former name of ``self_device_time_total``."""
        return self.self_device_time_total

    @property
    def self_cuda_memory_usage(self) -> int:
        """The former name of ``self_device_memory_usage``."""
        return self.self_device_memory_usage

    def __repr__(self) -> str:
        children = [c.id for c in self.cpu_children]
        return (
            f"<FunctionEvent id={self.id} name={self.name} overload_name={self.overload_name} "
            f"node_id={self.node_id} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={children} thread={self.thread} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} is_async={self.is_async} "
            f"seq_nr={self.sequence_nr}>"
        )


_SUMMED = (
    "cpu_time_total device_time_total self_cpu_time_total self_device_time_total count"
    " cpu_memory_usage device_memory_usage self_cpu_memory_usage self_device_memory_usage"
).split()


class FunctionEventAvg(FormattedTimesMixin):
    """The sum of events with one key.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler_util import FunctionEvent, FunctionEventAvg
        >>> total = FunctionEventAvg()
        >>> for start in (0.0, 4.0):
        ...     _ = total.add(FunctionEvent(0, "aten::add", 1, start, start + 2.0))
        >>> total.key, total.count, total.cpu_time
        ('aten::add', 2, 2.0)
    """

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.node_id = 0
        self.is_async = False
        self.is_remote = False
        self.use_device: str | None = None
        self.cpu_time_total = 0.0
        self.device_time_total = 0.0
        self.self_cpu_time_total = 0.0
        self.self_device_time_total = 0.0
        self.input_shapes: Any = None
        self.overload_name: str | None = None
        self.stack: list | None = None
        self.scope: int | None = None
        self.cpu_memory_usage = 0
        self.device_memory_usage = 0
        self.self_cpu_memory_usage = 0
        self.self_device_memory_usage = 0
        self.cpu_children: list[FunctionEvent] | None = None
        self.cpu_parent: FunctionEvent | None = None
        self.device_type: Any = DeviceType.CPU
        self.is_legacy = False
        self.is_user_annotation = False
        self.flops = 0

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Adds an event, or a sum, of the same key."""
        if self.key is None:  # the first one says what this is a sum of
            self.key = other.key
            for name in (
                "node_id is_async is_remote use_device input_shapes overload_name stack scope"
                " cpu_parent cpu_children device_type is_legacy is_user_annotation"
            ).split():
                setattr(self, name, getattr(other, name))
        if other.key != self.key:
            raise ValueError(f"FunctionEventAvg: cannot add {other.key!r} to a sum of {self.key!r}")
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.flops += other.flops or 0
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_device_time={self.self_device_time_total_str} "
            f"device_time={self.device_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} "
            f"device_memory_usage={self.device_memory_usage}>"
        )


class EventList(list):
    """Events, or sums of events; printing it shows a table.

    Args:
        args: as of :class:`list`.
        use_device: the accelerator that was looked at.
        profile_memory: whether bytes were counted.
        with_flops: whether floating-point operations were.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.profiler.profile() as prof:
        ...     y = torch.ones(3).exp()
        >>> [event.name for event in prof.function_events]
        ['aten::ones', 'aten::exp']
        >>> print(prof.key_averages().table(sort_by="count"))  # doctest: +SKIP
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._use_device = kwargs.pop("use_device", None)
        self._profile_memory = kwargs.pop("profile_memory", False)
        self._with_flops = kwargs.pop("with_flops", False)
        super().__init__(*args, **kwargs)

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all, each counted once."""
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """A table of what it holds.

        Args:
            sort_by: ``"cpu_time"``, ``"cpu_time_total"``, ``"self_cpu_time_total"``,
                ``"cpu_memory_usage"``, ``"self_cpu_memory_usage"``, ``"count"`` or another column;
                largest first. None leaves the order.
            row_limit: as many rows at most; -1 for all.
            max_src_column_width: of the column of source lines.
            max_name_column_width: of the column of names.
            max_shapes_column_width: of the column of shapes.
            header: a line above.
            top_level_events_only: leaves out what was called by another event.
            time_unit: ``"us"``, ``"ms"`` or ``"s"`` for all; None chooses for each.
        """
        return table(
            self,
            sort_by=sort_by,
            row_limit=row_limit,
            widths=(max_name_column_width, max_shapes_column_width, max_src_column_width),
            header=header,
            top_level=top_level_events_only,
            time_unit=time_unit,
            memory=self._profile_memory,
            flops=self._with_flops,
        )

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The sums of events with the same name.

        Args:
            group_by_input_shapes: and the same shapes of arguments.
            group_by_stack_n: and the same so many innermost lines of the program.
            group_by_overload_name: and the same overload.
        """
        sums: dict[tuple, FunctionEventAvg] = defaultdict(FunctionEventAvg)
        for event in self:
            key: list = [event.key, event.node_id, event.is_user_annotation]
            if group_by_overload_name:
                key.append(event.overload_name)
            if group_by_input_shapes:
                key.append(str(event.input_shapes))
            if group_by_stack_n > 0:
                key.append(tuple(event.stack[:group_by_stack_n]))
            sums[tuple(key)].add(event)
        out = EventList(
            sums.values(),
            use_device=self._use_device,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
        )
        for total in out:
            total.stack = (total.stack or [])[:group_by_stack_n]
            if not group_by_input_shapes:
                total.input_shapes = ""
            if not group_by_overload_name:
                total.overload_name = ""
        return out

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        total = FunctionEventAvg()
        for event in self:
            total.key = event.key if total.count else None
            total.add(event)
        total.key = "Total"
        return total

    def export_chrome_trace(self, path: str) -> None:
        """Writes a file that ``chrome://tracing`` and https://ui.perfetto.dev show."""
        from flambeau.profiler._trace import write_events

        write_events(self, path)

    def supported_export_stacks_metrics(self) -> list[str]:
        """What ``export_stacks`` can count."""
        return ["self_cpu_time_total", "self_cuda_time_total"]

    def export_stacks(self, path: str, metric: str) -> None:
        """Writes the lines of the program with what was spent in each, for a flame graph.

        Args:
            path: of the file, which ``flamegraph.pl`` and https://speedscope.app read.
            metric: ``"self_cpu_time_total"``.
        """
        known = self.supported_export_stacks_metrics()
        if metric not in known:
            raise ValueError(f"metric should be one of: {known}")
        table = str.maketrans(" ;\t\n", "____")
        with open(path, "w") as file:
            for event in self:
                amount = int(getattr(event, metric))
                if event.stack and amount > 0:
                    lines = ";".join(line.translate(table) for line in reversed(event.stack))
                    file.write(f"{lines} {amount}\n")
