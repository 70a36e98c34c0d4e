"""Floating-point operations of ops, from what was noted of their arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["flops_of"]

Arguments = dict[str, tuple[str, Any]]


def _shape(arguments: Arguments, name: str) -> tuple[int, ...]:
    kind, value = arguments[name]
    if kind != "tensor" or value is None:
        raise ValueError(name)
    return value[1]


def _product(a: str, b: str) -> Callable[[Arguments], int]:
    def flops(arguments: Arguments) -> int:
        left, right = _shape(arguments, a), _shape(arguments, b)
        return 2 * math.prod(left) * right[-1]

    return flops


def _elements(arguments: Arguments) -> int:
    kind, other = arguments.get("other", ("", None))
    sizes = [_shape(arguments, "self")]
    if kind == "tensor" and other is not None:
        sizes.append(other[1])
    return max(map(math.prod, sizes))


def _spatial(value: Any, n: int) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return values * n if len(values) == 1 else values


def _convolution(arguments: Arguments) -> int:
    image, weight = _shape(arguments, "input"), _shape(arguments, "weight")
    n = len(weight) - 2
    if len(image) == n + 1:
        image = (1, *image)
    groups = arguments["groups"][1]
    step, pad, spread = (_spatial(arguments[k][1], n) for k in ("stride", "padding", "dilation"))
    if arguments.get("transposed", ("bool", False))[1]:
        return 2 * math.prod(image) * math.prod(weight[1:])
    out = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(image[2:], weight[2:], step, pad, spread)
    ]
    per_element = 2 * (image[1] // groups) * math.prod(weight[2:])
    return image[0] * weight[0] * math.prod(out) * per_element


_FLOPS: dict[str, Callable[[Arguments], int]] = {
    "aten::mm": _product("self", "mat2"),
    "aten::addmm": _product("mat1", "mat2"),
    "aten::bmm": _product("self", "mat2"),
    "aten::baddbmm": _product("batch1", "batch2"),
    "aten::mul": _elements,
    "aten::add": _elements,
    "aten::convolution": _convolution,
}


def flops_of(name: str, arguments: Arguments) -> int | None:
    """Of one call; None where they are not counted."""
    count = _FLOPS.get(name)
    if count is None:
        return None
    try:
        return count(arguments)
    except (KeyError, ValueError, TypeError, IndexError):
        return None
