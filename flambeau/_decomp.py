"""Ops as compositions of other ops: what their records say, for exporters and for modes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from flambeau import _C
from flambeau.ops import language, slots
from flambeau.ops.bind import bound


def _composition(record: Any, rule: Callable) -> Callable:
    from flambeau.func._forms import parameters_of

    # A body checks for itself; a composition that is stated beside a kernel has the op's rule.
    steps = [record.rule, rule] if record.rule and rule is record.decomposition else [rule]
    asked = [(step, parameters_of(step)) for step in steps]

    @functools.wraps(rule)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = bound(record.schema, args, kwargs) | {"ops": language.ops}
        given = {n: found.get(n, found.get(n.rstrip("_"))) for _, names in asked for n in names}
        results = [step(**{n: given[n] for n in names}) for step, names in asked]
        return results[-1]

    return call


def get_decompositions(aten_ops: Iterable[Any]) -> dict[Any, Callable]:
    """Op -> the function that composes it of others, where its record knows one.

    Overloads and packets of ``flambeau.ops.aten`` are taken; of a packet all overloads are looked
    up. Forms that write (in place, ``out=``) have none.

    >>> from flambeau._decomp import get_decompositions
    >>> addmm = flambeau.ops.aten.addmm.default
    >>> compose = get_decompositions([addmm])[addmm]
    >>> compose(flambeau.ones(2, 2), flambeau.eye(2), flambeau.eye(2), alpha=3)
    tensor([[4., 1.],
            [1., 4.]])
    """
    table = {}
    for op in aten_ops:
        if isinstance(op, _C.OpOverloadPacket):
            overloads = [getattr(op, name) for name in op.overloads()]
        elif isinstance(op, _C.OpOverload):
            overloads = [op]
        else:
            raise TypeError(f"get_decompositions: ops of flambeau.ops are taken, not {op!r}")
        for overload in overloads:
            record = slots.record_of(overload)
            rule = slots.decomposition_of(record)
            if rule and _C._find_op(f"aten::{record.schema.full_name}") is overload:
                table[overload] = _composition(record, rule)
    return table
