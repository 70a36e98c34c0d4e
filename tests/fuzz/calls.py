"""One call: which record, what it is given, what it may and may not do."""

from __future__ import annotations

import contextlib
import random
import re
from dataclasses import dataclass, field

from flambeau.ops.record import load
from tests.fuzz.hostile import Hostile, Scene
from tests.fuzz.values import SHAPES, Values

# Types that tell of a fault of ours, and words that belong in no message.
NEVER = (SystemError, AssertionError, UnboundLocalError, KeyError, UnicodeError, EOFError, OSError)
NEVER += (RecursionError, NameError, ZeroDivisionError)
WORDS = re.compile(r"internal|std::|vector::|bad_alloc|length_error|basic_string|unknown", re.I)
# `_local_scalar_dense` reads a value and nothing else; KeyError and OSError are none of ops.
SKIP = {"_local_scalar_dense"}


@dataclass
class Target:
    where: str  # function, _nn, _linalg, method, overload
    name: str
    schema: object

    def function(self, torch):
        if self.where == "overload":
            packet = getattr(torch.ops.aten, self.schema.name)
            return getattr(packet, self.schema.overload or "default")
        if self.where == "method":
            return getattr(torch.Tensor, self.name, None)
        owner = torch if self.where == "function" else getattr(torch._C, self.where, None)
        return getattr(owner, self.name, None)


def targets(torch) -> list[Target]:
    """Every name of every form of every record, in a fixed order."""
    found = []
    for record in load():
        for schema in record.schemas():
            if schema.name in SKIP:
                continue
            names = [schema.name, *(str(a) for a in record.aliases)]
            module = f"_{record.module.lstrip('_')}" if record.module else "function"
            for where in (module, "method"):
                found += [Target(where, name, schema) for name in names]
            found.append(Target("overload", schema.name, schema))
    return [t for t in found if callable(t.function(torch))]


@dataclass
class Call:
    number: int
    target: Target
    scene: Scene
    r: random.Random
    args: list = field(default_factory=list)
    kwargs: dict = field(default_factory=dict)
    mutable: list = field(default_factory=list)


class Fuzz:
    def __init__(self, torch, seed: int, only: str | None = None, leave_out=()) -> None:
        self.torch, self.seed, self.leave_out = torch, seed, frozenset(leave_out)
        self.targets = targets(torch)
        if only:
            self.targets = [t for t in self.targets if only in (t.name, t.schema.name)]

    def build(self, number: int) -> Call:
        r = random.Random(f"{self.seed}:{number}")
        scene = Scene()
        call = Call(number, r.choice(self.targets), scene, r)
        values = Values(self.torch, r, scene, self.leave_out)
        shape = r.choice(SHAPES) if r.random() < 0.9 else None
        dtype = r.choice(["float32", "float64"]) if r.random() < 0.35 else values.dtype_name()
        self._arguments(call, values, shape, dtype)
        self._mistakes(call, values)
        scene.call = (call.target.function(self.torch), call.args, call.kwargs)
        return call

    def _arguments(self, call: Call, values: Values, shape, dtype) -> None:
        r, outs = call.r, []
        exact = call.target.where == "overload"
        by_name = r.random() < 0.2
        for i, a in enumerate(call.target.schema.args):
            if a.out and not exact:
                outs.append(values.tensor(shape if r.random() < 0.6 else None, dtype))
                continue
            if a.default is not None and r.random() < 0.5:
                by_name = True
                continue
            value = values.argument(a, shape, dtype)
            is_self = call.target.where == "method" and not call.args and a.name == "self"
            if is_self and not isinstance(value, self.torch.Tensor):
                value = values.tensor(shape, dtype)
            if a.mutated or a.out:
                call.mutable.append(value)
            if a.keyword_only or (by_name and (call.kwargs or (i > 0 and r.random() < 0.8))):
                call.kwargs[a.name] = value
            else:
                call.args.append(value)
        if outs:
            call.mutable += outs
            several = tuple(outs) if r.random() < 0.9 else list(outs)
            call.kwargs["out"] = outs[0] if len(outs) == 1 else several

    def _mistakes(self, call: Call, values: Values) -> None:
        r = call.r
        if r.random() < 0.02:
            call.args.append(values.junk())
        if r.random() < 0.02:
            names = ["dim", "axis", "out", "foo", "dtype", "requires_grad", "\0"]
            call.kwargs[r.choice(names)] = values.junk()
        if r.random() < 0.01:
            del call.args[-1:]

    # ---- running one

    def run(self, number: int, note=lambda text: None) -> tuple[str, list[str]]:
        """The outcome in a word, and what is wrong with it."""
        note("building")
        try:
            call = self.build(number)
        except Hostile:
            return "hostile", []
        note(f"{call.target.where} {call.target.name}")
        before = [(t, self._state(t)) for t in call.mutable]
        mode = call.r.random()
        scope = contextlib.nullcontext()
        if mode < 0.08:
            scope = self.torch.inference_mode() if mode < 0.04 else self.torch.no_grad()
        function, args, kwargs = call.scene.call
        try:
            with scope:
                result = function(*args, **kwargs)
        except Hostile:
            return "hostile", []
        except Exception as error:
            wrong = self._judge(call, error)
            if not call.scene.acted:
                wrong += self._changes(call, before, error)
            return type(error).__name__, wrong
        note(f"results of {call.target.name}")
        return "ok", self._use(call, result, mode, note)

    def _use(self, call: Call, result, mode: float, note) -> list[str]:
        """Reads the results, and goes back through the graph."""
        torch, wrong = self.torch, []
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        for t in results[:3]:
            if type(t) is not torch.Tensor or t.is_meta or t.numel() > 10000:
                continue
            try:
                if t.requires_grad and mode > 0.3:
                    note(f"gradient of {call.target.name}")
                    self._backward(call, t, mode > 0.8)
                elif t.numel() < 200:
                    t.tolist()
            except Hostile:
                pass
            except Exception as error:
                wrong += self._judge(call, error)
        return wrong

    def _backward(self, call: Call, t, create_graph: bool) -> None:
        torch = self.torch
        leaves = [
            x
            for x in call.scene.tensors
            if type(x) is torch.Tensor and x.requires_grad and x.is_leaf
        ]
        total = t.abs().sum() if t.is_complex() else t.sum()
        for g in torch.autograd.grad(total, leaves, allow_unused=True, create_graph=create_graph):
            if g is not None and g.numel() < 100:
                g.tolist()

    def _judge(self, call: Call, error: Exception) -> list[str]:
        text = str(error)
        bad = isinstance(error, NEVER) or WORDS.search(text)
        if isinstance(error, AssertionError):  # a device that this build lacks
            bad = not re.match(r"Torch not compiled with [A-Z]+ enabled", text)
        return [f"{type(error).__name__}: {text[:200]}"] if bad else []

    def _state(self, t):
        """All that a failed call must leave as it was; None where that cannot be read."""
        torch = self.torch
        if type(t) is not torch.Tensor or t.is_meta:
            return None
        try:
            if t.layout is not torch.strided:
                return self._parts(t)
            storage = t.untyped_storage()
            geometry = (tuple(t.shape), t.stride(), t.storage_offset(), t.dtype, t.requires_grad)
            return (*geometry, storage.nbytes(), bytes(storage))
        except Exception:
            return None

    def _parts(self, t):
        """The same of a sparse tensor."""
        parts = [t._indices()] if t.is_sparse else [t._plain_indices()]
        parts.append(t._values().detach())
        shown = [bytes(p.contiguous().clone().untyped_storage()) for p in parts]
        return (tuple(t.shape), None, None, t.dtype, t.requires_grad, *shown)

    def _changes(self, call: Call, before, error: Exception) -> list[str]:
        names = ("shape", "stride", "offset", "dtype", "requires_grad", "nbytes", "bytes")
        wrong = []
        for t, state in before:
            now = self._state(t) if state is not None else None
            if now is None or now == state:
                continue
            what = ", ".join(n for n, a, b in zip(names, state, now) if a != b)
            wrong.append(f"changed {what} and raised {type(error).__name__}: {str(error)[:100]}")
        return wrong

    # ---- showing one

    def show(self, number: int) -> str:
        call = self.build(number)
        lines = [f"{call.target.where} {call.target.name}: {call.target.schema.text()}"]
        lines += [f"  {self._shown(a)}" for a in call.args]
        lines += [f"  {name}={self._shown(a)}" for name, a in call.kwargs.items()]
        return "\n".join(lines)

    def _shown(self, value) -> str:
        if isinstance(value, self.torch.Tensor):
            try:
                plain = type(value) is self.torch.Tensor and value.numel() < 10
                kind = f"{type(value).__name__}{tuple(value.shape)} {value.stride()}"
                place = f"+{value.storage_offset()} of {value.untyped_storage().nbytes()} bytes"
                rest = f"{value.dtype} {value.device} grad={value.requires_grad}"
                return f"{kind} {place} {rest} {value.tolist() if plain else ''}"
            except Exception as error:
                return f"{type(value).__name__} ({error})"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}({', '.join(map(self._shown, value))})"
        try:
            return repr(value)[:200]
        except Exception:
            return object.__repr__(value)
