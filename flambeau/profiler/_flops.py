"""Floating-point operations of ops, from what was noted of their arguments."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["flops_of"]

_BY_ELEMENT = ("aten::add", "aten::mul")


def _value(kind: str, value: Any) -> Any:
    """An argument as the records' rules read it."""
    from flambeau.ops.flops import Shaped

    if kind == "tensor":
        return None if value is None else Shaped(value[1])
    if kind == "tensors":
        return [None if t is None else Shaped(t[1]) for t in value]
    return value


def flops_of(name: str, overload: str, arguments: dict[str, tuple[str, Any]]) -> int | None:
    """Of one call; None where they are not counted.

    What an op costs stands in its record; sums and products of elements count one for each.

    >>> import flambeau
    >>> shape = ("tensor", (flambeau.float32, (2, 3)))
    >>> flops_of("aten::add", "Tensor", {"self": shape, "other": shape})
    6
    """
    if name in _BY_ELEMENT:
        sizes = [v[1] for kind, v in arguments.values() if kind == "tensor" and v is not None]
        return max(map(math.prod, sizes), default=None)
    if not name.startswith("aten::"):
        return None
    from flambeau.ops.flops import count

    op = f"{name}.{overload}" if overload else name
    try:
        return count(op, **{k: _value(*a) for k, a in arguments.items()})
    except (RuntimeError, TypeError, AttributeError, IndexError):
        return None  # shapes of a call that failed, say
