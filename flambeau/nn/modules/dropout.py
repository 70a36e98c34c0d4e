"""Layers that drop values at random in training."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


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


class Dropout1d(_DropoutNd):
    """In training, zeroes whole channels with probability ``p`` and scales the others by
    ``1 / (1 - p)``; in evaluation, gives its input back.

    Args:
        p: probability of a channel to be dropped.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: (N, C, L) or (C, L), the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Dropout1d(0.2).eval()(flambeau.ones(3, 1)).flatten()
        tensor([1., 1., 1.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """In training, zeroes whole channels with probability ``p`` and scales the others by
    ``1 / (1 - p)``; in evaluation, gives its input back.

    Args:
        p: probability of a channel to be dropped.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: (N, C, H, W), the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Dropout2d(0.2).eval()(flambeau.ones(1, 3, 1, 1)).flatten()
        tensor([1., 1., 1.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """In training, zeroes whole channels with probability ``p`` and scales the others by
    ``1 / (1 - p)``; in evaluation, gives its input back.

    Args:
        p: probability of a channel to be dropped.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: (N, C, D, H, W) or (C, D, H, W), the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Dropout3d(0.2).eval()(flambeau.ones(3, 1, 1, 1)).flatten()
        tensor([1., 1., 1.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """In training, drops elements to the value that ``selu`` has far below zero and brings mean and
    variance back; in evaluation, gives its input back.

    Args:
        p: probability of an element to be dropped.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AlphaDropout(0.2).eval()(flambeau.ones(3)).flatten()
        tensor([1., 1., 1.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """``AlphaDropout`` of whole channels.

    Args:
        p: probability of a channel to be dropped.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: (N, C, *), the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.FeatureAlphaDropout(0.2).eval()(flambeau.ones(1, 3)).flatten()
        tensor([1., 1., 1.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
