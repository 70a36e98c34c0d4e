"""What the core noted of one block, and the events that are made of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from flambeau import _C
from flambeau.autograd.profiler_util import FunctionEvent

__all__ = ["Noted", "Recording"]

MODULE = "nn.Module: "  # what the ranges of modules begin with
VISIT = "autograd::engine::evaluate_function: "
MEMORY = "[memory]"
_FOLDER = os.path.dirname(__file__)
_OWN = (  # files whose lines are none of the program's
    os.path.join(_FOLDER, "profiler.py"),
    os.path.join(_FOLDER, "_profiler_events.py"),
    os.path.join(os.path.dirname(_FOLDER), "profiler", ""),
)


class Noted(NamedTuple):
    """One event as the core gives it; times are nanoseconds, ``parent`` an index of its thread."""

    kind: str  # op, node, visit (of a node, with what is around it), range
    name: str
    overload: str
    parent: int
    begin: int
    end: int
    sequence: int
    bytes_before: int
    bytes_after: int
    arguments: dict[str, tuple[str, Any]] | None
    stack: tuple[str, ...] | None

    @property
    def shown(self) -> str:
        """The name that events have."""
        if self.kind not in ("node", "visit"):
            return self.name
        name = "torch::autograd::AccumulateGrad" if self.name == "AccumulateGrad" else self.name
        return VISIT + name if self.kind == "visit" else name

    @property
    def lines(self) -> list[str]:
        """The program's, innermost first."""
        return [line for line in self.stack or () if not line.startswith(_OWN)]

    @property
    def is_module(self) -> bool:
        return self.kind == "range" and self.name.startswith(MODULE)


class _Modules:
    """Ranges around the forward of every module, while it is on."""

    def __init__(self) -> None:
        from flambeau.nn.modules import module

        self._numbers: dict[int, str] = {}
        self._counts: dict[str, int] = {}
        self._alive: list = []  # so that no id is used twice
        self._here = threading.local()
        self.paths: dict[str, str] = {}  # of each range the place of its module
        self._handles = (
            module.register_module_forward_pre_hook(self._begin),
            module.register_module_forward_hook(self._end, always_call=True),
        )

    def _name(self, module: Any) -> str:
        name = self._numbers.get(id(module))
        if name is None:
            kind = type(module).__name__
            number = self._counts.get(kind, 0)
            self._counts[kind] = number + 1
            name = self._numbers[id(module)] = f"{MODULE}{kind}_{number}"
            self._alive.append(module)
        return name

    def _begin(self, module: Any, args: Any) -> None:
        stack = self._here.__dict__.setdefault("stack", [])
        name = self._name(module)
        if name not in self.paths:
            kind = type(module).__name__
            path = f"TOP({kind})"
            if stack:
                outer = stack[-1][0]
                found = (k for k, child in outer._modules.items() if child is module)
                path = f"{self.paths[self._name(outer)]}.{next(found, '')}({kind})"
            self.paths[name] = path
        stack.append((module, _C._profile_enter(name)))

    def _end(self, module: Any, args: Any, output: Any) -> None:
        stack = getattr(self._here, "stack", [])
        if stack and stack[-1][0] is module:
            _C._profile_exit(stack.pop()[1])

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


class _Optimizers:
    """Ranges around the steps of every optimiser, while it is on."""

    def __init__(self) -> None:
        from flambeau.optim import optimizer

        self._here = threading.local()
        self._handles = (
            optimizer.register_optimizer_step_pre_hook(self._begin),
            optimizer.register_optimizer_step_post_hook(self._end),
        )

    def _begin(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        name = f"Optimizer.step#{type(optimizer).__name__}.step"
        self._here.__dict__.setdefault("stack", []).append((optimizer, _C._profile_enter(name)))

    def _end(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        stack = getattr(self._here, "stack", [])
        while stack:  # a step that raised has left its range
            whose, range = stack.pop()
            _C._profile_exit(range)
            if whose is optimizer:
                break

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


class Recording:
    """One block that is looked at, from when it is made to :meth:`stop`."""

    def __init__(
        self, *, shapes: bool, memory: bool, stacks: bool, modules: bool, all_threads: bool
    ) -> None:
        self.memory = memory
        self.thread = threading.get_native_id()
        self.logs: list[tuple[int, list[Noted]]] = []
        self._modules = _Modules() if modules else None
        # A program that has not touched optimisers by now may do so in the block.
        self._optimizers = _Optimizers()
        self.peak = 0  # bytes of tensors, where it is known
        self._peak_before = _C._memory_stats()["peak_allocated_bytes"]
        self.wall_ns = time.time_ns()
        self.begin = time.monotonic_ns()
        self.end = self.begin
        self._handle = _C._profile_start(shapes, memory, stacks, all_threads)

    def stop(self) -> None:
        logs = _C._profile_stop(self._handle)
        self.end = time.monotonic_ns()
        self._optimizers.remove()
        if self._modules is not None:
            self._modules.remove()
        self.logs = [(thread, [Noted(*e) for e in events]) for thread, events in logs]
        seen = [b for _, log in self.logs for e in log for b in (e.bytes_before, e.bytes_after)]
        self.peak = max(seen, default=0)
        after = _C._memory_stats()["peak_allocated_bytes"]
        if after > self._peak_before:  # it was reached in the block, maybe within an op
            self.peak = max(self.peak, after)

    @property
    def paths(self) -> dict[str, str]:
        """Of each range of a module the module's place."""
        return self._modules.paths if self._modules is not None else {}

    def us(self, ns: int) -> float:
        """Microseconds since the begin."""
        return (ns - self.begin) / 1e3

    def events(self, with_flops: bool) -> list[FunctionEvent]:
        """All but the ranges of modules, in the order in which they began."""
        out: list[FunctionEvent] = []
        for thread, log in self.logs:
            made: list[FunctionEvent | None] = []
            for noted in log:
                made.append(None if noted.is_module else self._event(thread, noted, with_flops))
                event, at, path = made[-1], noted.parent, ""
                while at >= 0 and log[at].is_module:
                    path = path or self.paths.get(log[at].name, "")
                    at = log[at].parent
                if event is None:
                    continue
                parent = made[at] if at >= 0 else None
                if parent is not None:
                    event.set_cpu_parent(parent)
                    parent.append_cpu_child(event)
                    path = path or parent.module_hierarchy
                event.module_hierarchy = path
            out += [e for e in made if e is not None]
            if self.memory:
                out += self._between(thread, log)
        out.sort(key=lambda e: (e.time_range.start, -e.time_range.end))
        for number, event in enumerate(out):
            event.id = number
        _name_forwards(out)
        return out

    def _event(self, thread: int, e: Noted, with_flops: bool) -> FunctionEvent:
        arguments = e.arguments or {}
        shapes = [_sizes(kind, value) for kind, value in arguments.values()]
        dtypes = [_dtype(kind, value) for kind, value in arguments.values()]
        numbers = [value if kind in _NUMBERS else None for kind, value in arguments.values()]
        scopes = {"op": 0, "node": 1, "visit": 0, "range": 7}
        flops = None
        if with_flops and e.kind == "op" and arguments:
            from flambeau.profiler._flops import flops_of

            flops = flops_of(e.name, e.overload, arguments)
        return FunctionEvent(
            id=0,
            name=e.shown,
            thread=thread,
            start_us=self.us(e.begin),
            end_us=self.us(e.end),
            overload_name=e.overload,
            fwd_thread=thread if e.kind in ("node", "visit") and e.sequence >= 0 else None,
            input_shapes=shapes,
            input_dtypes=dtypes,
            concrete_inputs=numbers,
            stack=e.lines,
            scope=scopes[e.kind],
            cpu_memory_usage=e.bytes_after - e.bytes_before,
            sequence_nr=e.sequence,
            flops=flops,
            is_user_annotation=e.kind == "range",
        )

    def _between(self, thread: int, log: list[Noted]) -> Iterator[FunctionEvent]:
        """What was allocated and freed while no event ran."""
        outer = [e for e in log if e.parent < 0]
        for before, after in zip(outer, outer[1:]):
            change = after.bytes_before - before.bytes_after
            if change:
                at = self.us(after.begin)
                yield FunctionEvent(0, MEMORY, thread, at, at, cpu_memory_usage=change)


_NUMBERS = ("int", "float", "bool", "ints")


def _sizes(kind: str, value: Any) -> list:
    if kind == "tensor" and value is not None:
        return list(value[1])
    if kind == "tensors":
        return [list(t[1]) if t is not None else [] for t in value]
    return []


def _dtype(kind: str, value: Any) -> str:
    if kind == "tensor" and value is not None:
        return str(value[0]).rpartition(".")[2]
    if kind == "tensors":
        return "TensorList"
    return "Scalar" if kind in ("int", "float", "bool") else "ScalarList" if kind == "ints" else ""


def _name_forwards(events: list[FunctionEvent]) -> None:
    """Nodes of a backward pass, and what they call, have the lines and the module of their
    forward."""
    lines: dict[int, list[str]] = {}
    modules: dict[int, str] = {}
    for event in events:
        if event.scope == 0 and event.sequence_nr >= 0 and event.fwd_thread is None:
            found: FunctionEvent | None = event
            while found is not None and not found.stack:
                found = found.cpu_parent
            if found is not None:
                lines[event.sequence_nr] = found.stack
            modules[event.sequence_nr] = event.module_hierarchy
    for event in events:  # parents come before their children
        parent, number = event.cpu_parent, event.sequence_nr
        if event.fwd_thread is not None and number in modules:
            event.stack = lines.get(number, [])
            event.module_hierarchy = modules[number]
        elif parent is not None:
            event.stack = event.stack or parent.stack
            event.module_hierarchy = event.module_hierarchy or parent.module_hierarchy
