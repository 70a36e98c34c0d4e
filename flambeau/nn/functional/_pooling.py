"""The windows of sequences, images and volumes, each as one number."""

from __future__ import annotations

import math
from collections.abc import Iterable

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau._C import _nn
from flambeau.overrides import handle_torch_function

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

avg_pool1d = flambeau.avg_pool1d
avg_pool2d = _nn.avg_pool2d
avg_pool3d = _nn.avg_pool3d
adaptive_avg_pool1d = flambeau.adaptive_avg_pool1d


def _each(value, rank: int) -> tuple:
    """One number stands for all dimensions."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * rank


def _sizes(output_size, input) -> list | int:
    """Sizes of which None keeps that of the input."""
    if isinstance(output_size, int):
        return output_size
    if input.dim() <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    kept = input.shape[-len(output_size) :]
    return [n if size is None else size for size, n in zip(output_size, kept)]


def max_pool1d(
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
        kernel_size: size of the window, a number.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        ceil_mode: round the output's size up.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool1d(flambeau.tensor([[3.0, 1.0, 2.0, 5.0]]), 2)
        tensor([[3., 5.]])
    """
    if _overridden(input):
        return handle_torch_function(
            max_pool1d,
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
        return flambeau.max_pool1d_with_indices(
            input, kernel_size, stride, padding, dilation, ceil_mode
        )
    return flambeau.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """`max_pool1d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: two tensors, the same but for L.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool1d_with_indices(flambeau.tensor([[3.0, 1.0, 2.0, 5.0]]), 2)[1]
        tensor([[0, 3]])
    """
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


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
        return _nn.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
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


def max_pool3d(
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
        kernel_size: size of the window, a number or ``(depth, height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        ceil_mode: round the output's size up.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool3d(flambeau.arange(8.0).view(1, 2, 2, 2), 2)
        tensor([[[[7.]]]])
    """
    if _overridden(input):
        return handle_torch_function(
            max_pool3d,
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
        return _nn.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return flambeau.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """`max_pool3d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: two tensors, the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool3d_with_indices(flambeau.arange(8.0).view(1, 2, 2, 2), 2)[1]
        tensor([[[[7]]]])
    """
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_avg_pool2d(input, output_size):
    """Averages of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(height, width)``; None keeps a size.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_avg_pool2d(flambeau.arange(4.0).view(1, 2, 2), 1).item()
        1.5
    """
    if _overridden(input):
        return handle_torch_function(
            adaptive_avg_pool2d,
            (input,),
            input,
            output_size,
        )
    return _nn.adaptive_avg_pool2d(input, _sizes(output_size, input))


def adaptive_avg_pool3d(input, output_size):
    """Averages of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(depth, height, width)``; None keeps a size.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_avg_pool3d(flambeau.arange(8.0).view(1, 2, 2, 2), 1).item()
        3.5
    """
    if _overridden(input):
        return handle_torch_function(
            adaptive_avg_pool3d,
            (input,),
            input,
            output_size,
        )
    return _nn.adaptive_avg_pool3d(input, _sizes(output_size, input))


def adaptive_max_pool1d(input, output_size, return_indices: bool = False):
    """Largest values of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_max_pool1d(flambeau.arange(2.0).view(1, 2), 1).item()
        1.0
    """
    if _overridden(input):
        return handle_torch_function(
            adaptive_max_pool1d,
            (input,),
            input,
            output_size,
            return_indices=return_indices,
        )
    made = flambeau.adaptive_max_pool1d(input, output_size)
    return made if return_indices else made[0]


def adaptive_max_pool1d_with_indices(input, output_size, return_indices: bool = False):
    """`adaptive_max_pool1d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: two tensors, the same but for L.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_max_pool1d_with_indices(flambeau.arange(2.0).view(1, 2), 1)[1].item()
        1
    """
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d(input, output_size, return_indices: bool = False):
    """Largest values of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(height, width)``; None keeps a size.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_max_pool2d(flambeau.arange(4.0).view(1, 2, 2), 1).item()
        3.0
    """
    if _overridden(input):
        return handle_torch_function(
            adaptive_max_pool2d,
            (input,),
            input,
            output_size,
            return_indices=return_indices,
        )
    made = _nn.adaptive_max_pool2d(input, _sizes(output_size, input))
    return made if return_indices else made[0]


def adaptive_max_pool2d_with_indices(input, output_size, return_indices: bool = False):
    """`adaptive_max_pool2d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: two tensors, the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_max_pool2d_with_indices(flambeau.arange(4.0).view(1, 2, 2), 1)[1].item()
        3
    """
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d(input, output_size, return_indices: bool = False):
    """Largest values of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(depth, height, width)``; None keeps a size.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_max_pool3d(flambeau.arange(8.0).view(1, 2, 2, 2), 1).item()
        7.0
    """
    if _overridden(input):
        return handle_torch_function(
            adaptive_max_pool3d,
            (input,),
            input,
            output_size,
            return_indices=return_indices,
        )
    made = _nn.adaptive_max_pool3d(input, _sizes(output_size, input))
    return made if return_indices else made[0]


def adaptive_max_pool3d_with_indices(input, output_size, return_indices: bool = False):
    """`adaptive_max_pool3d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: two tensors, the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.adaptive_max_pool3d_with_indices(flambeau.arange(8.0).view(1, 2, 2, 2), 1)[1].item()
        7
    """
    return adaptive_max_pool3d(input, output_size, True)


def fractional_max_pool2d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples=None,
):
    """Largest values of windows at random places.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``.
        output_size: how many windows there are along each dimension, or
        output_ratio: their number as a part, below 1, of the input's size.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.fractional_max_pool2d(flambeau.zeros(1, 6, 6), 2, output_size=3).shape
        torch.Size([1, 3, 3])
    """
    if _overridden(input):
        return handle_torch_function(
            fractional_max_pool2d,
            (input,),
            input,
            kernel_size,
            output_size=output_size,
            output_ratio=output_ratio,
            return_indices=return_indices,
            _random_samples=_random_samples,
        )
    if output_size is None and output_ratio is None:
        raise ValueError(
            "fractional_max_pool2d requires specifying either an output_size or an output_ratio"
        )
    if output_size is None:
        ratios = _each(output_ratio, 2)
        output_size = [int(input.size(d - 2) * ratios[d]) for d in range(2)]
    if _random_samples is None:
        images = 1 if input.dim() == 3 else input.size(0)
        _random_samples = flambeau.rand(
            images, input.size(-3), 2, dtype=input.dtype, device=input.device
        )
    made = _nn.fractional_max_pool2d(input, kernel_size, output_size, _random_samples)
    return made if return_indices else made[0]


def fractional_max_pool2d_with_indices(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples=None,
):
    """`fractional_max_pool2d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: two tensors, the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x = flambeau.zeros(1, 6, 6)
        >>> F.fractional_max_pool2d_with_indices(x, 2, output_size=3)[1].shape
        torch.Size([1, 3, 3])
    """
    return fractional_max_pool2d(
        input, kernel_size, output_size, output_ratio, True, _random_samples
    )


def fractional_max_pool3d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples=None,
):
    """Largest values of windows at random places.

    Args:
        kernel_size: size of the window, a number or ``(depth, height, width)``.
        output_size: how many windows there are along each dimension, or
        output_ratio: their number as a part, below 1, of the input's size.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.fractional_max_pool3d(flambeau.zeros(1, 6, 6, 6), 2, output_size=3).shape
        torch.Size([1, 3, 3, 3])
    """
    if _overridden(input):
        return handle_torch_function(
            fractional_max_pool3d,
            (input,),
            input,
            kernel_size,
            output_size=output_size,
            output_ratio=output_ratio,
            return_indices=return_indices,
            _random_samples=_random_samples,
        )
    if output_size is None and output_ratio is None:
        raise ValueError(
            "fractional_max_pool3d requires specifying either an output_size or an output_ratio"
        )
    if output_size is None:
        ratios = _each(output_ratio, 3)
        output_size = [int(input.size(d - 3) * ratios[d]) for d in range(3)]
    if _random_samples is None:
        images = 1 if input.dim() == 4 else input.size(0)
        _random_samples = flambeau.rand(
            images, input.size(-4), 3, dtype=input.dtype, device=input.device
        )
    made = _nn.fractional_max_pool3d(input, kernel_size, output_size, _random_samples)
    return made if return_indices else made[0]


def fractional_max_pool3d_with_indices(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples=None,
):
    """`fractional_max_pool3d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: two tensors, the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x = flambeau.zeros(1, 6, 6, 6)
        >>> F.fractional_max_pool3d_with_indices(x, 2, output_size=3)[1].shape
        torch.Size([1, 3, 3, 3])
    """
    return fractional_max_pool3d(
        input, kernel_size, output_size, output_ratio, True, _random_samples
    )


def lp_pool1d(
    input,
    norm_type: int | float,
    kernel_size,
    stride=None,
    ceil_mode: bool = False,
):
    """The p-norm of each window: the root of the sum of its elements' powers.

    Args:
        norm_type: the power; infinity would be `max_pool1d`.
        kernel_size: size of the window, a number.
        stride: step of the window, ``kernel_size`` when None.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.lp_pool1d(flambeau.ones(1, 2), 1, 2).item()
        2.0
    """
    if _overridden(input):
        return handle_torch_function(
            lp_pool1d,
            (input,),
            input,
            norm_type,
            kernel_size,
            stride=stride,
            ceil_mode=ceil_mode,
        )
    size = _each(kernel_size, 1)
    stride = () if stride is None else stride
    mean = avg_pool1d(input.pow(norm_type), size, stride, 0, ceil_mode)
    return _root(mean, math.prod(size), norm_type)


def lp_pool2d(
    input,
    norm_type: int | float,
    kernel_size,
    stride=None,
    ceil_mode: bool = False,
):
    """The p-norm of each window: the root of the sum of its elements' powers.

    Args:
        norm_type: the power; infinity would be `max_pool2d`.
        kernel_size: size of the window, a number or ``(height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.lp_pool2d(flambeau.ones(1, 2, 2), 2, 2).item()
        2.0
    """
    if _overridden(input):
        return handle_torch_function(
            lp_pool2d,
            (input,),
            input,
            norm_type,
            kernel_size,
            stride=stride,
            ceil_mode=ceil_mode,
        )
    size = _each(kernel_size, 2)
    stride = () if stride is None else stride
    mean = avg_pool2d(input.pow(norm_type), size, stride, 0, ceil_mode)
    return _root(mean, math.prod(size), norm_type)


def lp_pool3d(
    input,
    norm_type: int | float,
    kernel_size,
    stride=None,
    ceil_mode: bool = False,
):
    """The p-norm of each window: the root of the sum of its elements' powers.

    Args:
        norm_type: the power; infinity would be `max_pool3d`.
        kernel_size: size of the window, a number or ``(depth, height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.lp_pool3d(flambeau.ones(1, 2, 2, 2), 3, 2).item()
        2.0
    """
    if _overridden(input):
        return handle_torch_function(
            lp_pool3d,
            (input,),
            input,
            norm_type,
            kernel_size,
            stride=stride,
            ceil_mode=ceil_mode,
        )
    size = _each(kernel_size, 3)
    stride = () if stride is None else stride
    mean = avg_pool3d(input.pow(norm_type), size, stride, 0, ceil_mode)
    return _root(mean, math.prod(size), norm_type)


def _root(mean, count, norm_type):
    return (mean.sign() * flambeau.relu(mean.abs())).mul(count).pow(1.0 / norm_type)
