"""A profile in words: where the time went, what took the memory, what to look at."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from flambeau.autograd._profiler_events import MODULE, Noted, Recording
from flambeau.autograd._profiler_table import format_memory, format_time

__all__ = ["summary"]

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
DATA = ("enumerate(DataLoader)",)
OPTIMIZER = ("Optimizer.step#", "Optimizer.zero_grad#")
STEP = "ProfilerStep#"
NAMES = {
    "forward": "ops of the forward and elsewhere",
    "backward": "the backward pass",
    "optimizer": "the optimiser",
    "data": "waiting for data",
    "python": "Python between ops",
}
COPIES = ("aten::_to_copy", "aten::copy_", "aten::clone", "aten::contiguous")
READS = "aten::_local_scalar_dense"


def _plain(name: str) -> str:
    return name.removeprefix("aten::")


@dataclass
class _Found:
    """Nanoseconds and numbers, of all recordings together."""

    wall: int = 0
    steps: int = 0
    parts: Counter = field(default_factory=Counter)  # of NAMES
    inside: dict = field(default_factory=lambda: defaultdict(Counter))  # outermost ops, by part
    own: Counter = field(default_factory=Counter)  # time of ops without their parts
    calls: Counter = field(default_factory=Counter)  # of ops that the program calls
    shapes: dict = field(default_factory=lambda: defaultdict(Counter))
    modules: Counter = field(default_factory=Counter)
    gaps: Counter = field(default_factory=Counter)  # time before an op, by its program's line
    paths: dict = field(default_factory=dict)
    flops: int = 0
    other_threads: int = 0
    peak: int = 0
    growth: int = 0
    largest: tuple[int, str] = (0, "")  # bytes that one call added
    memory: bool = False


def _look(recording: Recording, found: _Found, with_flops: bool) -> None:
    found.wall += recording.end - recording.begin
    found.memory |= recording.memory
    found.peak = max(found.peak, recording.peak)
    found.paths.update(recording.paths)
    for thread, log in recording.logs:
        here = thread == recording.thread
        if not here:
            found.other_threads += sum(e.end - e.begin for e in log if e.parent < 0)
        _look_at_thread(log, found, here, with_flops)
        if here and recording.memory and log:
            found.growth += log[-1].bytes_after - log[0].bytes_before


def _look_at_thread(log: list[Noted], found: _Found, here: bool, with_flops: bool) -> None:
    from flambeau.profiler._flops import flops_of

    children = [0] * len(log)
    last = 0  # end of what was outermost
    parts: list[str] = []  # which part of the time an event belongs to; "" for none yet
    for at, e in enumerate(log):
        part = parts[e.parent] if e.parent >= 0 else ""
        taken = e.end - e.begin
        outermost = not part
        if outermost:
            part = _part(e)
            if part and here:
                found.parts[part] += taken
                if last and e.stack:
                    found.gaps[_line(e)] += e.begin - last
                last = e.end
        parts.append(part)
        if e.kind == "range" and e.name.startswith(STEP):
            found.steps += 1
        if e.parent >= 0:
            children[e.parent] += taken
        if e.kind == "op":
            above = log[e.parent].kind if e.parent >= 0 else "range"
            if above == "range":
                found.calls[e.name] += 1
            name = _outer_name(log, at)
            if part and above != "op" and here:
                found.inside[part][name] += taken
            if e.arguments:
                sizes = [v[1] for k, v in e.arguments.values() if k == "tensor" and v is not None]
                found.shapes[e.name][tuple(sizes)] += taken
                if with_flops:
                    found.flops += flops_of(e.name, e.overload, e.arguments) or 0
            if found.memory:
                grown = e.bytes_after - e.bytes_before
                if grown > found.largest[0]:
                    found.largest = (grown, e.name)
    for at, e in enumerate(log):
        if e.kind in ("op", "node"):
            found.own[e.shown] += e.end - e.begin - children[at]
        if e.is_module and here:
            found.modules[e.name] += e.end - e.begin
            outer = e.parent
            while outer >= 0 and not log[outer].is_module:
                outer = log[outer].parent
            if outer >= 0:
                found.modules[log[outer].name] -= e.end - e.begin


def _outer_name(log: list[Noted], at: int) -> str:
    """Of the node that an op belongs to, else its own."""
    up = log[at].parent
    while up >= 0:
        if log[up].kind == "node":
            return log[up].name
        up = log[up].parent
    return log[at].name


def _line(e: Noted) -> str:
    """The innermost line of the program, past those of this package."""
    lines = e.lines
    own = (line for line in lines if not line.startswith(_PACKAGE))
    return os.path.basename(next(own, lines[0] if lines else ""))


def _part(e: Noted) -> str:
    if e.kind == "op":
        return "forward"
    if e.kind in ("node", "visit"):
        return "backward"
    if e.name.startswith(DATA):
        return "data"
    return "optimizer" if e.name.startswith(OPTIMIZER) else ""


def _most(counts: Counter, whole: int, n: int = 4, least: float = 0.005) -> str:
    """The largest of them with their share."""
    chosen = [(k, v / whole) for k, v in counts.most_common(n) if v / whole >= least]
    return ", ".join(f"{_plain(k)} {share:.1%}" for k, share in chosen)


def summary(recordings: Iterable[Recording], with_flops: bool = False) -> str:
    """What a person would say of the profile; percentages are of the time that passed."""
    found = _Found()
    for recording in recordings:
        _look(recording, found, with_flops)
    wall = max(found.wall, 1)
    found.parts["python"] = max(wall - sum(found.parts.values()), 0)
    lines = [_head(found)]
    for part, taken in found.parts.most_common():
        if taken:
            most = _most(found.inside[part], wall)
            lines.append(f"  {taken / wall:6.1%}  {NAMES[part]}" + (f": {most}" if most else ""))
    own = _most(found.own, wall, 5)
    if own:
        lines.append(f"By own time, without what they call: {own}.")
    if found.modules:
        named = Counter({_place(found, k): v for k, v in found.modules.items()})
        lines.append(f"By module in forward, without those inside: {_most(named, wall, 5)}.")
    if found.gaps:
        lines.append(f"Of Python between ops, before these lines: {_most(found.gaps, wall, 3)}.")
    if found.other_threads:
        lines.append(f"Other threads were busy for {format_time(found.other_threads / 1e3)}.")
    if found.flops:
        busy = sum(v for k, v in found.parts.items() if k not in ("python", "data"))
        rate = found.flops / max(busy, 1)
        lines.append(
            f"Products and convolutions: {found.flops / 1e9:.3g} GFLOP, {rate:.3g} GFLOP/s."
        )
    if found.memory:
        lines.append(_memory(found))
    advice = _advice(found, wall)
    lines.append("What to look at:" if advice else "Nothing stands out.")
    lines += [f"  - {text}" for text in advice]
    return "\n".join(lines)


def _head(found: _Found) -> str:
    time = format_time(found.wall / 1e3)
    if found.steps:
        each = format_time(found.wall / 1e3 / found.steps)
        return f"{time} for {found.steps} step{'s' * (found.steps > 1)}, {each} each:"
    return f"{time}:"


def _place(found: _Found, name: str) -> str:
    return found.paths.get(name, name.removeprefix(MODULE))


def _memory(found: _Found) -> str:
    text = f"Memory: tensors had {format_memory(found.peak)} at the most"
    if found.largest[0]:
        text += f"; a call of {_plain(found.largest[1])} added {format_memory(found.largest[0])}"
    if found.growth:
        way = "more" if found.growth > 0 else "less"
        text += f"; at the end {format_memory(abs(found.growth))} {way} than at the begin"
    return text + "."


def _advice(found: _Found, wall: int) -> list[str]:
    out = []
    calls = sum(found.calls.values())
    python = found.parts["python"] / wall
    if python > 0.3 and calls:
        out.append(
            f"{python:.0%} of the time no op ran: Python was between {calls:,} calls. Larger "
            "batches and fewer, larger ops keep the processor busy."
        )
    if found.parts["data"] / wall > 0.15:
        out.append(
            f"{found.parts['data'] / wall:.0%} went into waiting for data: give the DataLoader "
            "workers (num_workers=), or cache what each item costs."
        )
    for name, taken in found.own.most_common(1):
        if taken / wall > 0.3:
            shapes = found.shapes[name].most_common(1)
            sizes = " and ".join(str(list(s)) for s in shapes[0][0]) if shapes else ""
            out.append(
                f"{_plain(name)} alone took {taken / wall:.0%}"
                + (f", most of it with {sizes}." if sizes else ".")
            )
    copies = sum(found.own[name] for name in COPIES) / wall
    if copies > 0.1:
        out.append(
            f"{copies:.0%} went into copies: look for .to(), .contiguous() and transposed inputs."
        )
    per_step = found.calls[READS] / max(found.steps, 1)
    if per_step > 10:
        out.append(
            f"item(), float() or an if on a tensor read a number {per_step:.0f} times "
            + ("in each step." if found.steps else "in all.")
        )
    if found.memory and found.growth > 0.2 * max(found.peak, 1) and found.steps > 1:
        out.append(
            f"Memory grew by {format_memory(found.growth)} over the steps: losses kept without "
            ".item() or .detach() keep their graphs."
        )
    return out
