"""Profiles of training loops: which steps are looked at, and what is done with what was found."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NoReturn

from flambeau import _C
from flambeau.autograd import profiler as prof
from flambeau.autograd._profiler_activity import ProfilerActivity, supported_activities

__all__ = [
    "ExecutionTraceObserver",
    "ProfilerAction",
    "profile",
    "schedule",
    "tensorboard_trace_handler",
]

PROFILER_STEP_NAME = "ProfilerStep"


class ProfilerAction(Enum):
    """What is done with a step.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> torch.profiler.schedule(wait=1, warmup=0, active=1)(0)
        <ProfilerAction.NONE: 0>
    """

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3
    DEVICE_STOPPED = 4


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """Which steps to look at: in each round the first ``wait`` not, the next ``warmup`` as a
    rehearsal, and the next ``active``.

    Args:
        wait: steps at the begin of a round that are not looked at.
        warmup: steps whose events are thrown away.
        active: steps whose events are kept.
        repeat: how many rounds; 0 for as many as there are.
        skip_first: steps before the first round.
        skip_first_wait: not 0 leaves out the ``wait`` of the first round.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
        >>> [plan(step).name for step in range(5)]
        ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if not (wait >= 0 and warmup >= 0 and active > 0 and repeat >= 0 and skip_first >= 0):
        raise AssertionError(
            f"schedule: expected wait >= 0, warmup >= 0, active > 0, repeat >= 0 and "
            f"skip_first >= 0, got {wait}, {warmup}, {active}, {repeat} and {skip_first}"
        )
    if warmup == 0:
        warnings.warn(
            "Profiler won't be using warmup, this can skew profiler results", stacklevel=2
        )
    length = wait + warmup + active

    def schedule_fn(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"schedule: a step cannot be negative: {step}")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait != 0:
            step += wait
        if repeat > 0 and step // length >= repeat:
            return ProfilerAction.NONE
        at = step % length
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return schedule_fn


def _default_schedule_fn(_: int) -> ProfilerAction:
    """Looks at everything from the begin to the end."""
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str,
    worker_name: str | None = None,
    use_gzip: bool = False,
    use_python_export: bool = False,
) -> Callable[[Any], None]:
    """For ``on_trace_ready``: writes each trace into a folder that TensorBoard looks at.

    Args:
        dir_name: the folder, which is made.
        worker_name: who writes; by default the machine and the process.
        use_gzip: packs the files.
        use_python_export: makes no difference.

    Shape:
        - no tensors.

    Example::

        >>> import os, tempfile, flambeau as torch
        >>> folder = tempfile.mkdtemp()
        >>> handler = torch.profiler.tensorboard_trace_handler(folder, "me")
        >>> with torch.profiler.profile(on_trace_ready=handler):
        ...     y = torch.ones(2) + 1
        >>> [name.endswith(".pt.trace.json") for name in os.listdir(folder)]
        [True]
    """

    def handler_fn(prof: Any) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Can't create directory: {dir_name}") from error
        who = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{who}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler_fn


class _ExperimentalConfig:
    """Further wishes. ``profile_all_threads``: looks at the other threads of the program too."""

    def __init__(self, *, profile_all_threads: bool = False, verbose: bool = True, **others: Any):
        for name, value in others.items():
            if value:
                raise NotImplementedError(f"_ExperimentalConfig: {name}= is not supported")
        self.profile_all_threads = profile_all_threads
        self.verbose = verbose


class ExecutionTraceObserver:
    """Writes what runs into a file; not there.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> torch.profiler.ExecutionTraceObserver()
        Traceback (most recent call last):
        NotImplementedError: ExecutionTraceObserver: use profile(...).export_chrome_trace(path)
    """

    def __init__(self) -> None:
        raise NotImplementedError(
            "ExecutionTraceObserver: use profile(...).export_chrome_trace(path)"
        )


class _KinetoProfile:
    """A profile that is started and stopped by hand, without steps."""

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity | dict[ProfilerActivity, list[str]]] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: _ExperimentalConfig | None = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        chosen = supported_activities() if activities is None else list(activities)
        if any(isinstance(a, dict) for a in chosen):
            raise NotImplementedError("profile: activities= with names of events is not supported")
        self.activities = set(chosen)
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        if execution_trace_observer is not None:
            raise NotImplementedError("profile: execution_trace_observer= is not supported")
        if ProfilerActivity.CPU not in self.activities:
            warnings.warn(
                "profile: of the activities asked for, this build has none: it looks at the CPU",
                stacklevel=3,
            )
        self.record_shapes = record_shapes
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.experimental_config = experimental_config
        self.execution_trace_observer = None
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.profiler: prof.profile | None = None
        self.preset_metadata: dict[str, str] = {}
        self._metadata: dict[str, Any] = {}

    def start(self) -> None:
        """Begins to look."""
        self.prepare_trace()
        self.start_trace()

    def stop(self) -> None:
        """Ends it; what was found can be asked for."""
        self.stop_trace()

    def prepare_trace(self) -> None:
        """Makes what looks, without beginning."""
        if self.profiler is None or not self.acc_events:
            self.profiler = self._new_profiler()
        self.profiler._prepare_trace()

    def _new_profiler(self) -> prof.profile:
        return prof.profile(
            record_shapes=self.record_shapes,
            with_flops=self.with_flops,
            profile_memory=self.profile_memory,
            with_stack=self.with_stack,
            with_modules=self.with_modules,
            experimental_config=self.experimental_config,
            acc_events=self.acc_events,
            custom_trace_id_callback=self.custom_trace_id_callback,
        )

    def start_trace(self) -> None:
        """Begins to look, after :meth:`prepare_trace`."""
        self._found("start_trace")._start_trace()
        for key, value in self.preset_metadata.items():
            self.add_metadata_json(key, value)

    def stop_trace(self) -> None:
        """Ends it."""
        self._found("stop_trace").__exit__(None, None, None)

    def _found(self, function: str) -> prof.profile:
        if self.profiler is None:
            raise AssertionError(f"{function}: the profiler must be started first")
        return self.profiler

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Writes a file that ``chrome://tracing`` and https://ui.perfetto.dev show; a name that
        ends in ``.gz`` gets a packed one."""
        self._found("export_chrome_trace").export_chrome_trace(path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes the lines of the program with what was spent in each; needs ``with_stack``."""
        self._found("export_stacks").export_stacks(path, metric)

    def toggle_collection_dynamic(
        self, enable: bool, activities: Iterable[ProfilerActivity]
    ) -> NoReturn:
        """Raises: use a schedule, or start() and stop()."""
        self._found("toggle_collection_dynamic").toggle_collection_dynamic(enable, activities)
        raise AssertionError

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> prof.EventList:
        """Sums of events by name; see ``EventList.key_averages``."""
        return self._found("key_averages").key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def events(self) -> prof.EventList:
        """All events."""
        return self._found("events").function_events

    def summary(self) -> str:
        """In words: where the time went, what took the memory, and what to look at."""
        return self._found("summary").summary()

    def add_metadata(self, key: str, value: str) -> None:
        """Adds a text to the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Adds a value to the trace, in JSON."""
        self._metadata[key] = json.loads(value)

    def preset_metadata_json(self, key: str, value: str) -> None:
        """The same for traces that begin later."""
        self.preset_metadata[key] = value

    def set_custom_trace_id_callback(self, callback: Callable[[], str]) -> None:
        """What gives traces their identity."""
        self.custom_trace_id_callback = callback

    def get_trace_id(self) -> str | None:
        """The identity of the trace."""
        return None if self.profiler is None else self.profiler.trace_id

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Writes how many bytes tensors had when, as JSON: a list of nanoseconds and one of bytes.

        Args:
            path: a name that ends in ``.json`` or ``.json.gz``.
            device: ``"cpu"``.
        """
        if not self.profile_memory:
            raise ValueError("export_memory_timeline: profile_memory=True is needed")
        if device not in (None, "cpu"):
            raise NotImplementedError(f"export_memory_timeline: there is no device {device!r}")
        if not str(path).endswith((".json", ".json.gz")):
            raise NotImplementedError("export_memory_timeline: only .json and .json.gz are written")
        points = sorted(
            point
            for recording in self._found("export_memory_timeline")._finished()
            for _, log in recording.logs
            for e in log
            for point in ((e.begin, e.bytes_before), (e.end, e.bytes_after))
        )
        text = json.dumps([[at for at, _ in points], [[size] for _, size in points]])
        opened = gzip.open(path, "wt") if str(path).endswith(".gz") else open(path, "w")
        with opened as file:
            file.write(text)


class profile(_KinetoProfile):
    """Looks at a program: at all of a ``with`` block, or at the steps that a schedule names.

    Args:
        activities: what to look at: ``[ProfilerActivity.CPU]``, which is all that there is.
        schedule: a function from the number of a step to a :class:`ProfilerAction`; call
            :meth:`step` at the end of each step. By default everything is looked at.
        on_trace_ready: called with the profile when the events of a round are there.
        record_shapes: keeps the shapes of arguments.
        profile_memory: counts bytes that are allocated and freed. They are of the whole process.
        with_stack: keeps the lines of the program.
        with_flops: counts the floating-point operations of matrix products and convolutions.
        with_modules: keeps which module called, and adds modules to the trace.
        experimental_config: ``_ExperimentalConfig(profile_all_threads=True)`` looks at the threads
            that the program runs beside this one.
        execution_trace_observer: not supported.
        acc_events: keeps the events of earlier rounds.
        use_cuda: deprecated; True is refused where there is no such device.
        custom_trace_id_callback: gives a trace its identity.
        post_processing_timeout_s: makes no difference: nothing is waited for.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> net = torch.nn.Linear(8, 8)
        >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=2)
        >>> with torch.profiler.profile(schedule=plan, with_modules=True) as prof:
        ...     for _ in range(4):
        ...         net(torch.ones(2, 8)).sum().backward()
        ...         prof.step()
        >>> sum(e.count for e in prof.key_averages() if e.key == "aten::linear")
        2
        >>> print(prof.summary())  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity | dict[ProfilerActivity, list[str]]] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: _ExperimentalConfig | None = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        if use_cuda:
            raise NotImplementedError("profile: use_cuda=True: there is no such device to look at")
        super().__init__(
            activities=activities,
            record_shapes=record_shapes,
            profile_memory=profile_memory,
            with_stack=with_stack,
            with_flops=with_flops,
            with_modules=with_modules,
            experimental_config=experimental_config,
            execution_trace_observer=execution_trace_observer,
            acc_events=acc_events,
            custom_trace_id_callback=custom_trace_id_callback,
            post_processing_timeout_s=post_processing_timeout_s,
        )
        self.schedule = schedule or _default_schedule_fn
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self.schedule(self.step_num)
        self._step_range: Any = None
        self._looking = False
        self._rehearsal: prof.profile | None = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begins: what is done depends on what the schedule says of step 0."""
        self._to(self.current_action)
        self._begin_step()

    def stop(self) -> None:
        """Ends it; a round that is being looked at counts as over."""
        self._end_step()
        looked = self._looking
        self._pause()
        self._rehearse(False)
        if looked and self.on_trace_ready:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Says that one step of the program is over and the next begins."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before == ProfilerAction.RECORD_AND_SAVE:
            self._pause()
            if self.on_trace_ready:
                self.on_trace_ready(self)
        self._to(self.current_action)
        prof.KinetoStepTracker.increment_step("flambeau.profiler")
        self._begin_step()

    def _to(self, action: ProfilerAction) -> None:
        wanted = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if self._looking and not wanted:
            self._pause()
        if (self._rehearsal is not None) != (action == ProfilerAction.WARMUP):
            self._rehearse(action == ProfilerAction.WARMUP)
        if wanted and not self._looking:
            self.prepare_trace()
            self.start_trace()
            self._looking = True

    def _pause(self) -> None:
        if self._looking:
            self.stop_trace()
            self._looking = False

    def _rehearse(self, on: bool) -> None:
        """What is noted meanwhile is thrown away; what was found before stays."""
        if on:
            self._rehearsal = self._new_profiler()
            self._rehearsal.__enter__()
        elif self._rehearsal is not None:
            rehearsal, self._rehearsal = self._rehearsal, None
            rehearsal.__exit__(None, None, None)

    def _begin_step(self) -> None:
        if self.record_steps and self._looking:
            self._step_range = _C._profile_enter(f"{PROFILER_STEP_NAME}#{self.step_num}")

    def _end_step(self) -> None:
        if self._step_range is not None:
            _C._profile_exit(self._step_range)
            self._step_range = None
