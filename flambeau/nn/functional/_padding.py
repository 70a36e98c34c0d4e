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
    return flambeau._C._nn.pad(input, integers("pad", pad, "pad", 2), mode, value)


_pad = pad  # inside `pad`, the name means its argument
