"""The windows of an image, each as one number."""

from __future__ import annotations

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = ["max_pool2d", "max_pool2d_with_indices"]


def max_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest value in each window.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        ceil_mode: round the output's size up.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool2d(flambeau.arange(16.0).view(1, 4, 4), 2)
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """
    if _overridden(input):
        return handle_torch_function(
            max_pool2d,
            (input,),
            input,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
            return_indices=return_indices,
        )
    stride = () if stride is None else stride
    if return_indices:
        return flambeau._C._nn.max_pool2d_with_indices(
            input, kernel_size, stride, padding, dilation, ceil_mode
        )
    return flambeau.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """`max_pool2d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: two tensors, the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool2d_with_indices(flambeau.arange(16.0).view(1, 4, 4), 2)[1]
        tensor([[[ 5,  7],
                 [13, 15]]])
    """
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
