"""Layers that drop values at random in training."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["Dropout"]


class _DropoutNd(Module):
    __constants__ = ["p", "inplace"]
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, zeroes each element with probability ``p`` and scales the others by
    ``1 / (1 - p)``; in evaluation, gives its input back.

    Args:
        p: probability of an element to be zeroed.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Dropout(0.2).eval()(flambeau.ones(3))
        tensor([1., 1., 1.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)
