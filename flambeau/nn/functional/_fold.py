"""Patches of images as columns, and back."""

from __future__ import annotations

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = ["fold", "unfold"]


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
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
        >>> import flambeau.nn.functional as F
        >>> F.unfold(flambeau.arange(4.0).view(1, 1, 2, 2), (1, 2))
        tensor([[[0., 2.],
                 [1., 3.]]])
    """
    if _overridden(input):
        return handle_torch_function(
            unfold, (input,), input, kernel_size, dilation=dilation, padding=padding, stride=stride
        )
    return flambeau._C._nn.im2col(input, kernel_size, dilation, padding, stride)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The image whose windows are these columns; where windows overlap, their sum.

    Args:
        output_size: size of the image, a number or ``(height, width)``.
        kernel_size, dilation, padding, stride: as of `unfold`.

    Shape:
        - input: (N, C * height * width, windows) or (C * height * width, windows).
        - output: (N, C, H, W) or (C, H, W).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.fold(flambeau.ones(1, 2, 2), (1, 3), (1, 2))
        tensor([[[[1., 2., 1.]]]])
    """
    if _overridden(input):
        return handle_torch_function(
            fold,
            (input,),
            input,
            output_size,
            kernel_size,
            dilation=dilation,
            padding=padding,
            stride=stride,
        )
    return flambeau._C._nn.col2im(input, output_size, kernel_size, dilation, padding, stride)
