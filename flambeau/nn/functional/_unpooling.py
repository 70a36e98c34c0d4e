"""Max pooling undone: the largest elements go back to where they were."""

from __future__ import annotations

from flambeau._C import _has_torch_function_unary as _overridden
from flambeau._C import _nn
from flambeau.overrides import handle_torch_function

from ._pooling import _each

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _unpool_output_size(input, kernel_size, stride, padding, output_size):
    """The size whose windows give the input; ``output_size`` may differ by less than a stride."""
    sizes = input.size()[-len(kernel_size) :]
    default = [
        (n - 1) * step + kernel - 2 * pad
        for n, kernel, step, pad in zip(sizes, kernel_size, stride, padding)
    ]
    if output_size is None:
        return default
    rank = len(kernel_size)
    if len(output_size) == rank + 2:
        output_size = output_size[2:]
    if len(output_size) != rank:
        raise ValueError(
            f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it "
            f"has a length of '{len(output_size)}'"
        )
    least = [n - step for n, step in zip(default, stride)]
    most = [n + step for n, step in zip(default, stride)]
    if not all(low < n < high for low, n, high in zip(least, output_size, most)):
        raise ValueError(
            f'invalid output_size "{output_size}" (dim sizes must be between {least} and {most})'
        )
    return output_size


def max_unpool1d(
    input,
    indices,
    kernel_size,
    stride=None,
    padding=0,
    output_size=None,
):
    """The largest values back at their places, zeros elsewhere: what `max_pool1d` loses.

    Args:
        indices: places in planes, as `max_pool1d` gives them.
        kernel_size: size of the window, a number.
        stride: step of the window, ``kernel_size`` when None.
        padding: that of the pooling.
        output_size: where several sizes would give the input.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x, i = F.max_pool1d(flambeau.arange(2.0).view(1, 2), 2, return_indices=True)
        >>> F.max_unpool1d(x, i, 2).flatten()[-2:]
        tensor([0., 1.])
    """
    if _overridden(input):
        return handle_torch_function(
            max_unpool1d,
            (input,),
            input,
            indices,
            kernel_size,
            stride=stride,
            padding=padding,
            output_size=output_size,
        )
    kernel_size = _each(kernel_size, 1)
    stride = kernel_size if stride is None else _each(stride, 1)
    padding = _each(padding, 1)
    size = _unpool_output_size(input, kernel_size, stride, padding, output_size)
    made = _nn.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [*size, 1])
    return made.squeeze(-1)


def max_unpool2d(
    input,
    indices,
    kernel_size,
    stride=None,
    padding=0,
    output_size=None,
):
    """The largest values back at their places, zeros elsewhere: what `max_pool2d` loses.

    Args:
        indices: places in planes, as `max_pool2d` gives them.
        kernel_size: size of the window, a number or ``(height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        padding: that of the pooling.
        output_size: where several sizes would give the input.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x, i = F.max_pool2d(flambeau.arange(4.0).view(1, 2, 2), 2, return_indices=True)
        >>> F.max_unpool2d(x, i, 2).flatten()[-2:]
        tensor([0., 3.])
    """
    if _overridden(input):
        return handle_torch_function(
            max_unpool2d,
            (input,),
            input,
            indices,
            kernel_size,
            stride=stride,
            padding=padding,
            output_size=output_size,
        )
    kernel_size = _each(kernel_size, 2)
    stride = kernel_size if stride is None else _each(stride, 2)
    padding = _each(padding, 2)
    size = _unpool_output_size(input, kernel_size, stride, padding, output_size)
    return _nn.max_unpool2d(input, indices, size)


def max_unpool3d(
    input,
    indices,
    kernel_size,
    stride=None,
    padding=0,
    output_size=None,
):
    """The largest values back at their places, zeros elsewhere: what `max_pool3d` loses.

    Args:
        indices: places in planes, as `max_pool3d` gives them.
        kernel_size: size of the window, a number or ``(depth, height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        padding: that of the pooling.
        output_size: where several sizes would give the input.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x, i = F.max_pool3d(flambeau.arange(8.0).view(1, 2, 2, 2), 2, return_indices=True)
        >>> F.max_unpool3d(x, i, 2).flatten()[-2:]
        tensor([0., 7.])
    """
    if _overridden(input):
        return handle_torch_function(
            max_unpool3d,
            (input,),
            input,
            indices,
            kernel_size,
            stride=stride,
            padding=padding,
            output_size=output_size,
        )
    kernel_size = _each(kernel_size, 3)
    stride = kernel_size if stride is None else _each(stride, 3)
    padding = _each(padding, 3)
    size = _unpool_output_size(input, kernel_size, stride, padding, output_size)
    return _nn.max_unpool3d(input, indices, size, stride, padding)
