"""Ops as rules see them: arguments by name, tensors apart from the rest."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

import flambeau
from flambeau import _C
from flambeau.ops import slots


class Form:
    """What rules ask of an op again and again, worked out once."""

    def __init__(self, op: Any) -> None:
        self.op = op
        arguments = op._schema.arguments
        self.names = tuple(a.name for a in arguments)
        self.defaults = tuple(a.default_value for a in arguments)
        self.keyword_only = tuple(a.kwarg_only for a in arguments)
        self.tensors = tuple(i for i, a in enumerate(arguments) if a.type.startswith("Tensor"))
        self.mutated = tuple(
            i for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write
        )
        self.out = any(a.is_out for a in arguments)
        self.record = slots.record_of(op)
        self.returns = op._schema.returns
        self.gives_tensors = all("Tensor" in r.type for r in self.returns)
        self.gives_list = len(self.returns) == 1 and "[" in self.returns[0].type
        self.is_view = op.is_view and not self.mutated
        self.name = op.name().removesuffix(".default")
        self.takes_keywords = any(self.keyword_only)
        self.jvp = slots.jvp_rule(self.record)
        self.batching = slots.batching_rule(self.record)
        self.elementwise = self.batching == "pointwise" and not (self.mutated or self.out)

    def bind(self, args: tuple, kwargs: dict) -> list:
        """The value of each argument, defaults filled in."""
        values = list(args)
        for i in range(len(args), len(self.names)):
            values.append(kwargs.get(self.names[i], self.defaults[i]))
        return values

    def call(self, values: list) -> Any:
        """The op itself."""
        if not self.takes_keywords:
            return self.op(*values)
        return run(self.op, self.names, self.keyword_only, values)

    @functools.cached_property
    def functional(self) -> Any:
        """The op that gives what an in-place op writes; None for ops that have no such form."""
        if not self.mutated or self.record is None or self.record.inplace_only:
            return None
        return _C._find_op("aten::" + self.record.schema.full_name)


def run(op: Any, names: tuple, keyword_only: tuple, values: list) -> Any:
    keywords = {n: v for n, k, v in zip(names, keyword_only, values) if k}
    positional = [v for k, v in zip(keyword_only, values) if not k]
    return op(*positional, **keywords)


@functools.lru_cache(None)
def parameters_of(rule: Any) -> tuple:
    """What a rule asks for, by name."""
    return tuple(inspect.signature(rule).parameters)


@functools.lru_cache(None)
def form_of(op: Any) -> Form:
    return Form(op)


def like(func: Any) -> Any:
    """As ``functools.wraps``; the docstring of an op is not made for it."""
    assigned = ["__module__", "__name__", "__qualname__"]
    if isinstance(func, types.FunctionType):
        assigned.append("__doc__")
    return functools.wraps(func, assigned)


def is_tensor(value: Any) -> bool:
    return isinstance(value, flambeau.Tensor)


def map_tensors(f: Any, value: Any) -> Any:
    """``f`` of a tensor, or of each tensor of a list; anything else as it is."""
    if isinstance(value, flambeau.Tensor):
        return f(value)
    if isinstance(value, (list, tuple)) and any(map(is_tensor, value)):
        return [f(v) if isinstance(v, flambeau.Tensor) else v for v in value]
    return value


def differentiable(value: Any) -> bool:
    return isinstance(value, flambeau.Tensor) and (
        value.dtype.is_floating_point or value.dtype.is_complex
    )
