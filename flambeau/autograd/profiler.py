"""Where the time of a block goes: :class:`profile`, and ranges that a program names.

:mod:`flambeau.profiler` has the same with a schedule over steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ContextDecorator
from typing import Any, NoReturn

from flambeau import _C
from flambeau.autograd._profiler_activity import ProfilerActivity, supported_activities
from flambeau.autograd._profiler_events import Recording
from flambeau.autograd.profiler_util import DeviceType, EventList, FunctionEvent, MemRecordsAcc

__all__ = [
    "EnforceUnique",
    "EventList",
    "FunctionEvent",
    "KinetoStepTracker",
    "MemRecordsAcc",
    "emit_itt",
    "emit_nvtx",
    "load_nvprof",
    "parse_nvprof_trace",
    "profile",
    "record_function",
]

_enter, _exit, _is_on = _C._profile_enter, _C._profile_exit, _C._is_profiled


def kineto_available() -> bool:
    """True: profiles have all that ``torch.profiler`` asks for."""
    return True


class record_function(ContextDecorator):
    """Names a range of the program, as a ``with`` block or a decorator.

    Costs next to nothing while nothing is profiled.

    Args:
        name: of the range, by which a profile shows it.
        args: a text that is shown with it, ``"name(args)"``.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.profiler.profile() as prof:
        ...     with torch.profiler.record_function("my loss"):
        ...         loss = torch.ones(3).exp().sum()
        >>> [event.key for event in prof.key_averages()]
        ['my loss', 'aten::ones', 'aten::exp', 'aten::sum']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._range: Any = None

    def _recreate_cm(self) -> record_function:
        return record_function(self.name, self.args)

    def __enter__(self) -> record_function:
        if _is_on():
            self._range = _enter(f"{self.name}({self.args})" if self.args else self.name)
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if self._range is not None:
            _exit(self._range)
            self._range = None


class profile:
    """Looks at all that a ``with`` block calls: ops with their parts, backward passes, ranges.

    Args:
        enabled: False makes it do nothing.
        use_cuda: deprecated; True is refused where there is no such device.
        use_device: an accelerator to look at; None, or one that is there.
        record_shapes: keeps the shapes of arguments.
        with_flops: counts the floating-point operations of matrix products and convolutions.
        profile_memory: counts bytes that are allocated and freed. They are of the whole process.
        with_stack: keeps the lines of the program.
        with_modules: keeps which module called.
        use_kineto: makes no difference.
        use_cpu: has to be true: nothing else is there to look at.
        experimental_config: None, or :class:`flambeau.profiler._ExperimentalConfig`.
        acc_events: keeps the events of earlier blocks when it is entered again.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> x = torch.randn(4, 4, requires_grad=True)
        >>> with torch.autograd.profiler.profile(record_shapes=True) as prof:
        ...     (x @ x).sum().backward()
        >>> [e.input_shapes for e in prof.function_events if e.name == "aten::matmul"]
        [[[4, 4], [4, 4]]]
        >>> print(prof)  # doctest: +SKIP
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Any = None,
        post_processing_timeout_s: float | None = None,
        activity_filters: dict | None = None,
    ) -> None:
        if use_cuda or use_device not in (None, "cpu"):
            raise NotImplementedError(
                f"profile: there is no device {use_device or 'cuda'!r} to look at: leave out "
                "use_cuda= and use_device="
            )
        if not use_cpu:
            raise ValueError("profile: use_cpu=False leaves nothing to look at: only the CPU is")
        if activity_filters:
            raise NotImplementedError("profile: activity_filters= is not supported")
        self.enabled = enabled
        self.use_device = None
        self.entered = False
        self.record_shapes = record_shapes or with_flops
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.experimental_config = experimental_config
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.trace_id = ""
        self._recordings: list[Recording] = []
        self._running: Recording | None = None
        self._events: EventList | None = None

    def default_trace_id(self) -> str:
        """32 digits that no other trace has."""
        import uuid

        return uuid.uuid4().hex.upper()

    def create_trace_id(self) -> str:
        """What the trace is known by: what the caller's function gives, or ``default_trace_id``."""
        callback = self.custom_trace_id_callback
        return callback() if callback else self.default_trace_id()

    # ---- starting and stopping

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._prepare_trace()
        self._start_trace()
        return self

    def _prepare_trace(self) -> None:
        self.entered = True
        self.trace_id = self.create_trace_id()

    def _start_trace(self) -> None:
        self.entered = True
        if not self.acc_events:
            self._recordings.clear()
        config = self.experimental_config
        self._running = Recording(
            shapes=self.record_shapes,
            memory=self.profile_memory,
            stacks=self.with_stack,
            modules=self.with_modules,
            all_threads=bool(getattr(config, "profile_all_threads", False)),
        )

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> bool:
        if not self.enabled or self._running is None:
            return False
        self._running.stop()
        self._recordings.append(self._running)
        self._running = None
        self._events = None
        self.entered = False
        return False

    def toggle_collection_dynamic(
        self, enabled: bool, activities: Iterable[ProfilerActivity]
    ) -> NoReturn:
        """Raises: collection is on from the begin of the block to its end."""
        raise NotImplementedError(
            "toggle_collection_dynamic: use the schedule of flambeau.profiler.profile, or start() "
            "and stop()"
        )

    # ---- what was found

    def _finished(self) -> list[Recording]:
        if not self._recordings:
            raise RuntimeError("Profiler didn't finish running")
        return self._recordings

    @property
    def function_events(self) -> EventList:
        """All events, in the order in which they began."""
        if self._events is None:
            self._events = EventList(
                (e for r in self._finished() for e in r.events(self.with_flops)),
                profile_memory=self.profile_memory,
                with_flops=self.with_flops,
            )
        return self._events

    def __repr__(self) -> str:
        return repr(self.function_events) if self._recordings else "<unfinished profile>"

    def __str__(self) -> str:
        return str(self.function_events) if self._recordings else "<unfinished profile>"

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """All events as a table; see :meth:`EventList.table`."""
        return self.function_events.table(
            sort_by=sort_by,
            row_limit=row_limit,
            max_src_column_width=max_src_column_width,
            max_name_column_width=max_name_column_width,
            max_shapes_column_width=max_shapes_column_width,
            header=header,
            top_level_events_only=top_level_events_only,
        )

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Sums of events by name; see :meth:`EventList.key_averages`."""
        return self.function_events.key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def total_average(self) -> Any:
        """The sum of all events."""
        return self.function_events.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each counted once."""
        return self.function_events.self_cpu_time_total

    def export_chrome_trace(
        self, path: str, metadata: dict | None = None, use_python_export: bool = False
    ) -> None:
        """Writes a file that ``chrome://tracing`` and https://ui.perfetto.dev show; a name that
        ends in ``.gz`` gets a packed one."""
        from flambeau.profiler._trace import write_trace

        facts = {
            "trace_id": self.trace_id,
            "record_shapes": int(self.record_shapes),
            "profile_memory": int(self.profile_memory),
            "with_stack": int(self.with_stack),
            "with_flops": int(self.with_flops),
            "with_modules": int(self.with_modules),
        }
        write_trace(self._finished(), path, {**facts, **(metadata or {})}, self.with_flops)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes lines of the program for a flame graph; see :meth:`EventList.export_stacks`."""
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        self.function_events.export_stacks(path, metric)

    def summary(self) -> str:
        """In words: where the time went, what took the memory, and what to look at.

        Example::

            >>> import flambeau as torch
            >>> with torch.autograd.profiler.profile() as prof:
            ...     _ = torch.ones(64, 64) @ torch.ones(64, 64)
            >>> "matmul" in prof.summary()
            True
        """
        from flambeau.profiler._summary import summary

        return summary(self._finished(), self.with_flops)


class _Refused:
    _needs: str

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes

    def __enter__(self) -> Any:
        if not self.enabled:
            return self
        raise RuntimeError(
            f"{type(self).__name__}: {self._needs}, which this build does not have: use "
            "flambeau.profiler.profile and export_chrome_trace"
        )

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> bool:
        return False


class emit_nvtx(_Refused):
    """Marks ops for NVIDIA's tools; refused where there is no such device.

    Args:
        enabled: False makes it do nothing.
        record_shapes: tells shapes too.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.profiler.emit_nvtx(enabled=False):
        ...     y = torch.ones(2)
    """

    _needs = "marks are for NVTX"


class emit_itt(_Refused):
    """Marks ops for Intel's tools; refused, because this build does not have them.

    Args:
        enabled: False makes it do nothing.
        record_shapes: tells shapes too.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.profiler.emit_itt(enabled=False):
        ...     y = torch.ones(2)
    """

    _needs = "marks are for ITT"


def load_nvprof(path: str) -> NoReturn:
    """Raises: traces of nvprof are not read."""
    raise NotImplementedError("load_nvprof: traces of nvprof are not read")


def parse_nvprof_trace(path: str) -> NoReturn:
    """Raises: traces of nvprof are not read."""
    raise NotImplementedError("parse_nvprof_trace: traces of nvprof are not read")


class EnforceUnique:
    """Raises where a key comes twice.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler import EnforceUnique
        >>> seen = EnforceUnique()
        >>> seen.see("a")
        >>> seen.see("a")
        Traceback (most recent call last):
        RuntimeError: duplicate key: a
    """

    def __init__(self) -> None:
        self.seen: set = set()

    def see(self, *key: Any) -> None:
        """Notes a key."""
        if key in self.seen:
            raise RuntimeError("duplicate key: " + (str(key) if len(key) > 1 else str(key[0])))
        self.seen.add(key)


class KinetoStepTracker:
    """Counts steps that several parts of a program may announce; the highest count is the step.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.autograd.profiler import KinetoStepTracker
        >>> KinetoStepTracker.init_step_count("trainer")
        >>> before = KinetoStepTracker.current_step()
        >>> KinetoStepTracker.increment_step("trainer") == before + 1
        True
        >>> KinetoStepTracker.erase_step_count("trainer")
        True
    """

    _current_step = 0
    _step_dict: dict[str, int] = {}

    @classmethod
    def init_step_count(cls, requester: str) -> None:
        """Adds one who counts, from the present step on."""
        cls._step_dict[requester] = cls._current_step

    @classmethod
    def erase_step_count(cls, requester: str) -> bool:
        """Takes one away; False where there is none."""
        return cls._step_dict.pop(requester, None) is not None

    @classmethod
    def increment_step(cls, requester: str) -> int:
        """One step more of who counts; gives the step."""
        if requester not in cls._step_dict:
            cls.init_step_count(requester)
        cls._step_dict[requester] += 1
        cls._current_step = max(cls._current_step, *cls._step_dict.values())
        return cls._current_step

    @classmethod
    def current_step(cls) -> int:
        """The step."""
        return cls._current_step


def _facts_of(config: Any) -> str:
    return json.dumps(vars(config)) if config else ""


def __getattr__(name: str) -> Any:
    if name == "DeviceType":
        return DeviceType
    if name == "supported_activities":
        return supported_activities
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
