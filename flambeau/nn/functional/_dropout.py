"""Dropout."""

from __future__ import annotations

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = ["dropout"]


def dropout(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``; outside
    ``training``, nothing.

    Args:
        p: probability of an element to be zeroed.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.dropout(flambeau.ones(3), 0.5, training=False)
        tensor([1., 1., 1.])
    """
    if _overridden(input):
        return handle_torch_function(
            dropout, (input,), input, p=p, training=training, inplace=inplace
        )
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if inplace:
        return flambeau.dropout_(input, p, training)
    return flambeau.dropout(input, p, training)
