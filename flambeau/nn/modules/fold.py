"""Patches of images as columns, and back."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["Fold", "Unfold"]


class Fold(Module):
    """The image whose windows are the columns of the input; where windows overlap, their sum.

    Args:
        output_size: size of the image, a number or ``(height, width)``; so are the others.
        kernel_size: size of the window.
        dilation: distance of the window's elements.
        padding: zeros around the image, which windows reach into.
        stride: step of the window.

    Shape:
        - input: (N, C * height * width, windows) or (C * height * width, windows).
        - output: (N, C, H, W) or (C, H, W).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Fold((4, 5), (2, 2))(flambeau.zeros(1, 12, 12)).shape
        torch.Size([1, 3, 4, 5])
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """Each window of an image as a column.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``; so are the others.
        dilation: distance of the window's elements.
        padding: zeros around the image.
        stride: step of the window.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: (N, C * height * width, windows) or (C * height * width, windows).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Unfold((2, 3))(flambeau.zeros(2, 5, 3, 4)).shape
        torch.Size([2, 30, 4])
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
