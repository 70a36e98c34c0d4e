"""Layers that shrink their input, and that undo it."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module
from .utils import _ntuple, _single

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


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


class MaxPool1d(_MaxPoolNd):
    """The largest value in each window of each channel.

    Args:
        kernel_size: size of the window, a number; the next three too.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        return_indices: also give the position of each maximum in its plane.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> flambeau.nn.MaxPool1d(2)(flambeau.tensor([[3.0, 1.0, 2.0, 5.0]]))
        tensor([[3., 5.]])
    """

    def forward(self, input: flambeau.Tensor):
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool2d(_MaxPoolNd):
    """The largest value in each window of each channel.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``; the next three too.
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

    def forward(self, input: flambeau.Tensor):
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool3d(_MaxPoolNd):
    """The largest value in each window of each channel.

    Args:
        kernel_size: size of the window, a number or ``(depth, height, width)``; the next three too.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        return_indices: also give the position of each maximum in its plane.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.MaxPool3d(2)(flambeau.arange(8.0).view(1, 2, 2, 2))
        tensor([[[[7.]]]])
    """

    def forward(self, input: flambeau.Tensor):
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class _MaxUnpoolNd(Module):
    _rank: int

    def __init__(self, kernel_size, stride=None, padding=0) -> None:
        super().__init__()
        each = _ntuple(self._rank)
        self.kernel_size = each(kernel_size)
        self.stride = each(stride if stride is not None else kernel_size)
        self.padding = each(padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Undoes `MaxPool1d`: the largest values at their places, zeros elsewhere.

    Args:
        kernel_size: size of the window, a number; the next two too.
        stride: step of the window, ``kernel_size`` when None.
        padding: that of the pooling.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> pool = flambeau.nn.MaxPool1d(2, return_indices=True)
        >>> x, i = pool(flambeau.arange(2.0).view(1, 2))
        >>> flambeau.nn.MaxUnpool1d(2)(x, i).flatten()[-2:]
        tensor([0., 1.])
    """

    _rank = 1

    def forward(self, input: flambeau.Tensor, indices, output_size=None) -> flambeau.Tensor:
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpoolNd):
    """Undoes `MaxPool2d`: the largest values at their places, zeros elsewhere.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``; the next two too.
        stride: step of the window, ``kernel_size`` when None.
        padding: that of the pooling.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> pool = flambeau.nn.MaxPool2d(2, return_indices=True)
        >>> x, i = pool(flambeau.arange(4.0).view(1, 2, 2))
        >>> flambeau.nn.MaxUnpool2d(2)(x, i).flatten()[-2:]
        tensor([0., 3.])
    """

    _rank = 2

    def forward(self, input: flambeau.Tensor, indices, output_size=None) -> flambeau.Tensor:
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpoolNd):
    """Undoes `MaxPool3d`: the largest values at their places, zeros elsewhere.

    Args:
        kernel_size: size of the window, a number or ``(depth, height, width)``; the next two too.
        stride: step of the window, ``kernel_size`` when None.
        padding: that of the pooling.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> pool = flambeau.nn.MaxPool3d(2, return_indices=True)
        >>> x, i = pool(flambeau.arange(8.0).view(1, 2, 2, 2))
        >>> flambeau.nn.MaxUnpool3d(2)(x, i).flatten()[-2:]
        tensor([0., 7.])
    """

    _rank = 3

    def forward(self, input: flambeau.Tensor, indices, output_size=None) -> flambeau.Tensor:
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class _AvgPoolNd(Module):
    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The average of each window of each channel.

    Args:
        kernel_size: size of the window, a number; the next two too.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of zeros, at most half the window.
        ceil_mode: round the output's size up.
        count_include_pad: whether the border counts.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AvgPool1d(2)(flambeau.arange(2.0).view(1, 2)).item()
        0.5
    """

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool2d(_AvgPoolNd):
    """The average of each window of each channel.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``; the next two too.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of zeros, at most half the window.
        ceil_mode: round the output's size up.
        count_include_pad: whether the border counts.
        divisor_override: what sums are divided by, in place of the size of the window.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AvgPool2d(2)(flambeau.arange(4.0).view(1, 2, 2)).item()
        1.5
    """

    __constants__ = [*_AvgPoolNd.__constants__, "divisor_override"]

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPoolNd):
    """The average of each window of each channel.

    Args:
        kernel_size: size of the window, a number or ``(depth, height, width)``; the next two too.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of zeros, at most half the window.
        ceil_mode: round the output's size up.
        count_include_pad: whether the border counts.
        divisor_override: what sums are divided by, in place of the size of the window.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AvgPool3d(2)(flambeau.arange(8.0).view(1, 2, 2, 2)).item()
        3.5
    """

    __constants__ = [*_AvgPoolNd.__constants__, "divisor_override"]

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _FractionalMaxPoolNd(Module):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _rank: int

    def __init__(
        self,
        kernel_size,
        output_size=None,
        output_ratio=None,
        return_indices: bool = False,
        _random_samples=None,
    ) -> None:
        super().__init__()
        name, each = f"FractionalMaxPool{self._rank}d", _ntuple(self._rank)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        self.kernel_size = each(kernel_size)
        if any(k <= 0 for k in self.kernel_size):
            raise ValueError(f"kernel_size must greater than zero, but got {kernel_size}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = each(output_size) if output_size is not None else None
        self.output_ratio = each(output_ratio) if output_ratio is not None else None
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest values of windows at random places.

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
        >>> pool = flambeau.nn.FractionalMaxPool2d(2, output_ratio=0.5)
        >>> pool(flambeau.zeros(1, 6, 6)).shape
        torch.Size([1, 3, 3])
    """

    _rank = 2

    def forward(self, input: flambeau.Tensor):
        return F.fractional_max_pool2d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest values of windows at random places.

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
        >>> pool = flambeau.nn.FractionalMaxPool3d(2, output_ratio=0.5)
        >>> pool(flambeau.zeros(1, 6, 6, 6)).shape
        torch.Size([1, 3, 3, 3])
    """

    _rank = 3

    def forward(self, input: flambeau.Tensor):
        return F.fractional_max_pool3d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class _LPPoolNd(Module):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    norm_type: float
    ceil_mode: bool

    def __init__(self, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window: the root of the sum of its elements' powers.

    Args:
        norm_type: the power.
        kernel_size: size of the window, a number.
        stride: step of the window, ``kernel_size`` when None.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LPPool1d(1, 2)(flambeau.ones(1, 2)).item()
        2.0
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(_LPPoolNd):
    """The p-norm of each window: the root of the sum of its elements' powers.

    Args:
        norm_type: the power.
        kernel_size: size of the window, a number or ``(height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LPPool2d(2, 2)(flambeau.ones(1, 2, 2)).item()
        2.0
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool3d(_LPPoolNd):
    """The p-norm of each window: the root of the sum of its elements' powers.

    Args:
        norm_type: the power.
        kernel_size: size of the window, a number or ``(depth, height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        ceil_mode: round the output's size up.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LPPool3d(3, 2)(flambeau.ones(1, 2, 2, 2)).item()
        2.0
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.lp_pool3d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class _AdaptivePoolNd(Module):
    __constants__ = ["output_size"]

    def __init__(self, output_size) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    __constants__ = ["output_size", "return_indices"]
    return_indices: bool

    def __init__(self, output_size, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Largest values of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AdaptiveMaxPool1d(1)(flambeau.arange(2.0).view(1, 2)).item()
        1.0
    """

    def forward(self, input: flambeau.Tensor):
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Largest values of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(height, width)``; None keeps a size.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AdaptiveMaxPool2d(1)(flambeau.arange(4.0).view(1, 2, 2)).item()
        3.0
    """

    def forward(self, input: flambeau.Tensor):
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Largest values of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(depth, height, width)``; None keeps a size.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AdaptiveMaxPool3d(1)(flambeau.arange(8.0).view(1, 2, 2, 2)).item()
        7.0
    """

    def forward(self, input: flambeau.Tensor):
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(_AdaptivePoolNd):
    """Averages of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number.

    Shape:
        - input: (N, C, L) or (C, L).
        - output: the same but for L.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AdaptiveAvgPool1d(1)(flambeau.arange(2.0).view(1, 2)).item()
        0.5
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePoolNd):
    """Averages of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(height, width)``; None keeps a size.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AdaptiveAvgPool2d(1)(flambeau.arange(4.0).view(1, 2, 2)).item()
        1.5
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePoolNd):
    """Averages of windows that cover the input evenly, as many as asked for.

    Args:
        output_size: a number or ``(depth, height, width)``; None keeps a size.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.AdaptiveAvgPool3d(1)(flambeau.arange(8.0).view(1, 2, 2, 2)).item()
        3.5
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)
