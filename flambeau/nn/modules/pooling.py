"""Layers that shrink their input."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["MaxPool2d"]


class _MaxPoolNd(Module):
    __constants__ = [
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    ]
    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool2d(_MaxPoolNd):
    """The largest value in each window of each channel.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``; so are the next three.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        return_indices: also give the position of each maximum in its plane.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: (N, C, H', W'), with
          ``H' = (H + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.MaxPool2d(2)(flambeau.arange(16.0).view(1, 4, 4))
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )
