"""Traces for chrome://tracing, Perfetto and TensorBoard's plugin."""

from __future__ import annotations

import gzip
import json
import os
import platform
from collections.abc import Iterable, Iterator
from typing import Any

from flambeau.autograd._profiler_events import MODULE, Noted, Recording, _dtype, _sizes

__all__ = ["write_events", "write_trace"]


def _category(e: Noted) -> str:
    if e.kind == "range":
        return "python_function" if e.is_module else "user_annotation"
    return "cpu_op"


def _facts(e: Noted, recording: Recording, with_flops: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if e.sequence >= 0:
        facts["Sequence number"] = e.sequence
    if e.arguments:
        kinds = e.arguments.values()
        facts["Input Dims"] = [_sizes(*a) for a in kinds]
        facts["Input type"] = [_dtype(*a) for a in kinds]
        numbers = ("int", "float", "bool", "ints")
        facts["Concrete Inputs"] = [
            "" if kind not in numbers else str(list(v) if kind == "ints" else v)
            for kind, v in kinds
        ]
        if with_flops:
            from flambeau.profiler._flops import flops_of

            if flops := flops_of(e.name, e.overload, e.arguments):
                facts["flops"] = flops
    if e.lines:
        facts["Call stack"] = ";".join(e.lines)
    if e.is_module:
        facts["Python module"] = e.name.removeprefix(MODULE)
        facts["Module Hierarchy"] = recording.paths.get(e.name, "")
    if recording.memory and e.bytes_after != e.bytes_before:
        facts["Bytes"] = e.bytes_after - e.bytes_before
    return facts


def _flows(recording: Recording) -> Iterator[dict[str, Any]]:
    """Arrows from each op of the forward to its node in the backward pass."""
    pid, number = os.getpid(), 0
    forwards: dict[tuple[int, int], Noted] = {}
    for thread, log in recording.logs:
        for e in log:
            if e.sequence < 0:
                continue
            if e.kind == "op":
                forwards[thread, e.sequence] = e  # the innermost, which made the node
            elif e.kind == "visit" and (thread, e.sequence) in forwards:
                number += 1
                common = {"id": number, "pid": pid, "tid": thread, "cat": "fwdbwd"}
                common["name"] = "fwdbwd"
                begin = forwards[thread, e.sequence].begin / 1e3
                yield {"ph": "s", "ts": begin, **common}
                yield {"ph": "f", "bp": "e", "ts": e.begin / 1e3, **common}


def _memory(thread: int, log: list[Noted]) -> Iterator[dict[str, Any]]:
    last = None
    points = ((at, b) for e in log for at, b in ((e.begin, e.bytes_before), (e.end, e.bytes_after)))
    for at, total in sorted(points):
        if last is not None and total != last:
            common = {"pid": os.getpid(), "tid": thread, "ts": at / 1e3}
            yield {
                "ph": "i",
                "s": "t",
                "cat": "cpu_instant_event",
                "name": "[memory]",
                "args": {
                    "Total Allocated": total,
                    "Bytes": total - last,
                    "Device Type": 0,
                    "Device Id": -1,
                },
                **common,
            }
            yield {"ph": "C", "name": "bytes of tensors", "args": {"bytes": total}, **common}
        last = total


def trace(
    recordings: Iterable[Recording], metadata: dict[str, Any], with_flops: bool
) -> dict[str, Any]:
    """A trace as the viewers read it."""
    pid = os.getpid()
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": "python"}},
        {"ph": "M", "name": "process_labels", "pid": pid, "tid": 0, "args": {"labels": "CPU"}},
    ]
    base = None
    for recording in recordings:
        base = base if base is not None else recording.wall_ns
        for thread, log in recording.logs:
            name = f"thread {thread}" + (" (python)" if thread == recording.thread else "")
            events.append(
                {
                    "ph": "M",
                    "name": "thread_name",
                    "pid": pid,
                    "tid": thread,
                    "args": {"name": name},
                }
            )
            for number, e in enumerate(log):
                events.append(
                    {
                        "ph": "X",
                        "cat": _category(e),
                        "name": e.shown,
                        "pid": pid,
                        "tid": thread,
                        "ts": e.begin / 1e3,
                        "dur": (e.end - e.begin) / 1e3,
                        "args": {"Ev Idx": number, **_facts(e, recording, with_flops)},
                    }
                )
            if recording.memory:
                events += _memory(thread, log)
        events += _flows(recording)
        events.append(
            {
                "ph": "X",
                "cat": "Trace",
                "name": "flambeau profiler",
                "pid": "Spans",
                "tid": "flambeau profiler",
                "ts": recording.begin / 1e3,
                "dur": (recording.end - recording.begin) / 1e3,
            }
        )
    return {
        "schemaVersion": 1,
        "deviceProperties": [],
        "host_name": platform.node(),
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": base or 0,
        **metadata,
        "traceEvents": events,
    }


def _write(what: dict[str, Any], path: str) -> None:
    text = json.dumps({**what, "traceName": path})
    if path.endswith(".gz"):
        with gzip.open(path, "wt") as packed:
            packed.write(text)
    else:
        with open(path, "w") as file:
            file.write(text)


def write_trace(
    recordings: Iterable[Recording], path: Any, metadata: dict[str, Any], with_flops: bool
) -> None:
    """Writes all that was noted."""
    _write(trace(recordings, metadata, with_flops), os.fspath(path))


def write_events(events: Iterable[Any], path: Any) -> None:
    """Writes a list of events, of which less is known."""
    pid = os.getpid()
    made = [
        {
            "ph": "X",
            "cat": "user_annotation" if e.is_user_annotation else "cpu_op",
            "name": e.trace_name,
            "pid": pid,
            "tid": e.thread,
            "ts": e.time_range.start,
            "dur": e.time_range.elapsed_us(),
            "args": {"Input Dims": e.input_shapes} if e.input_shapes else {},
        }
        for e in events
    ]
    _write({"schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": made}, os.fspath(path))
