"""Borders."""

from __future__ import annotations

import flambeau
from flambeau._arguments import integers
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = ["pad"]


def pad(input, pad, mode: str = "constant", value: float | None = None):
    """Add a border to the last dimensions.

    Args:
        pad: ``(left, right)`` of the last dimension, then of the one before it, and so on; a
            negative number cuts off.
        mode: ``"constant"``, ``"reflect"`` (without repeating the edge), ``"replicate"`` (the edge)
            or ``"circular"``.
        value: what ``"constant"`` fills with, 0 when None.

    Shape:
        - input: any; the other modes pad the last 1, 2 or 3 dimensions of at most 2 more.
        - output: each padded dimension grows by left + right.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.pad(flambeau.tensor([[1, 2, 3]]), (1, 2), mode="circular")
        tensor([[3, 1, 2, 3, 1, 2]])
    """
    if _overridden(input):
        return handle_torch_function(_pad, (input,), input, pad, mode=mode, value=value)
    pad = integers("pad", pad, "pad", 2)
    if len(pad) % 2 != 0:
        raise RuntimeError(f"pad: padding length must be divisible by 2, got {len(pad)}")
    if len(pad) > 2 * input.dim():
        raise RuntimeError(
            f"pad: padding length should be at most twice the input's dimensions, got {len(pad)} "
            f"for an input of dimension {input.dim()}"
        )
    # (dimension, left, right) for each dimension that changes
    borders = [
        (input.dim() - 1 - i // 2, pad[i], pad[i + 1])
        for i in range(0, len(pad), 2)
        if pad[i] or pad[i + 1]
    ]
    for dim, left, right in borders:
        if input.size(dim) + left + right < 0:
            raise RuntimeError(
                f"pad: dimension {dim} of size {input.size(dim)} would get a negative size from "
                f"padding ({left}, {right})"
            )
    if mode == "constant":
        return _pad_constant(input, borders, 0 if value is None else value)
    if mode not in _PAD_POSITIONS:
        raise NotImplementedError(f"pad: unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'pad: mode "{mode}" doesn\'t take in value argument')
    if not 0 < len(pad) <= 6 or input.dim() - len(pad) // 2 not in (1, 2):
        raise NotImplementedError(
            f"pad: padding size {len(pad)} is not supported for a {input.dim()}D input; mode "
            f'"{mode}" pads the last 1, 2 or 3 dimensions of an input that has 1 or 2 more.'
        )
    for dim, left, right in borders:
        _check_border(input, dim, left, right, mode)
    if min(pad) >= 0:
        return flambeau._border(input, pad, list(_PAD_POSITIONS).index(mode))
    for dim, left, right in borders:
        if mode == "circular":
            # It is what is left after cutting off that is repeated.
            start, end = max(-left, 0), input.size(dim) - max(-right, 0)
            input = input.narrow(dim, start, end - start)
            left, right = max(left, 0), max(right, 0)
        size = input.size(dim)
        positions = flambeau.arange(-left, size + right, device=input.device)
        input = input.index_select(dim, _PAD_POSITIONS[mode](positions, size))
    return input


_pad = pad  # inside `pad`, the name means its argument

# Where the element at each position of the padded dimension comes from.
_PAD_POSITIONS = {
    "reflect": lambda position, size: (size - 1) - ((size - 1) - position.abs()).abs(),
    "replicate": lambda position, size: position.clamp(0, size - 1),
    "circular": lambda position, size: position.remainder(size),
}


def _pad_constant(input, borders: list, value):
    pad = [0] * (2 * input.dim())
    for dim, left, right in borders:
        # What is cut off first need not be copied.
        start, end = max(-left, 0), input.size(dim) - max(-right, 0)
        if left < 0 or right < 0:
            input = input.narrow(dim, start, end - start)
        at = 2 * (input.dim() - 1 - dim)
        pad[at], pad[at + 1] = max(left, 0), max(right, 0)
    return flambeau._border(input, pad, len(_PAD_POSITIONS), value)


def _check_border(input, dim: int, left: int, right: int, mode: str) -> None:
    size = input.size(dim)
    largest = {"reflect": size - 1, "circular": size, "replicate": max(left, right)}[mode]
    if max(left, right) > largest or size == 0:
        raise RuntimeError(
            f'pad: mode "{mode}" can pad dimension {dim} of size {size} by at most {largest} on '
            f"each side, got ({left}, {right})"
        )
