"""Convolutions."""

from __future__ import annotations

import math

import flambeau

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module
from .utils import _pair, _reverse_repeat_tuple, _single, _triple

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]


class _ConvNd(Module):
    __constants__ = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: flambeau.Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        _check_arguments(in_channels, out_channels, stride, padding, groups, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        # What `pad` takes: both sides of each dimension, the last dimension first.
        self._reversed_padding_repeated_twice: list[int] | tuple[int, ...]
        if padding == "same":
            self._reversed_padding_repeated_twice = _same_padding(kernel_size, dilation)
        elif padding == "valid":
            self._reversed_padding_repeated_twice = [0, 0] * len(kernel_size)
        else:
            self._reversed_padding_repeated_twice = _reverse_repeat_tuple(padding, 2)
        outer, inner = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(
            flambeau.empty((outer, inner // groups, *kernel_size), device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(flambeau.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        if self.padding != (0,) * len(self.padding):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.dilation):
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.output_padding):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")

    def _weight_and_bias(self):
        # See Note [Reading parameters].
        params = self._parameters
        try:
            return params["weight"], params["bias"]
        except KeyError:
            return self.weight, self.bias


def _check_arguments(in_channels, out_channels, stride, padding, groups, padding_mode) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups != 0:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups != 0:
        raise ValueError("out_channels must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of 'same' and 'valid'"
            )
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    modes = ("zeros", "reflect", "replicate", "circular")
    if padding_mode not in modes:
        raise ValueError(f"padding_mode must be one of {modes}, but got {padding_mode=}")


def _same_padding(kernel_size, dilation) -> list[int]:
    """Padding that keeps the size; an odd one puts the extra element behind."""
    padding: list[int] = []
    for kernel, step in zip(reversed(kernel_size), reversed(dilation)):
        total = step * (kernel - 1)
        padding += [total // 2, total - total // 2]
    return padding


class Conv1d(_ConvNd):
    """Slides a kernel over sequences: each output channel is a weighted sum of the input's patches.

    Args:
        in_channels, out_channels: channels of input and output, multiples of ``groups``.
        kernel_size: size of the kernel, a number; so are the next three.
        stride: step of the kernel.
        padding: border around the input, or ``"same"`` (the output is as large as the input) or
            ``"valid"`` (none).
        dilation: distance of the kernel's elements.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device, dtype: of the parameters.

    Shape:
        - input: (N, in_channels, L) or (in_channels, L).
        - output: (N, out_channels, L'), with
          ``L' = (L + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.
        - weight: (out_channels, in_channels / groups, length), bias: (out_channels).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Conv1d(16, 33, 3, stride=2)(flambeau.zeros(20, 16, 50)).shape
        torch.Size([20, 33, 24])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _single(kernel_size),
            _single(stride),
            padding if isinstance(padding, str) else _single(padding),
            _single(dilation),
            False,
            _single(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return self._conv_forward(input, *self._weight_and_bias())


class Conv2d(_ConvNd):
    """Slides a kernel over images: each output channel is a weighted sum of the input's patches.

    Args:
        in_channels, out_channels: channels of input and output, multiples of ``groups``.
        kernel_size: size of the kernel, a number or ``(height, width)``; so are the next three.
        stride: step of the kernel.
        padding: border around the input, or ``"same"`` (the output is as large as the input) or
            ``"valid"`` (none).
        dilation: distance of the kernel's elements.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device, dtype: of the parameters.

    Shape:
        - input: (N, in_channels, H, W) or (in_channels, H, W).
        - output: (N, out_channels, H', W'), with
          ``H' = (H + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.
        - weight: (out_channels, in_channels / groups, height, width), bias: (out_channels).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Conv2d(16, 33, 3, stride=2)(flambeau.zeros(20, 16, 50, 100)).shape
        torch.Size([20, 33, 24, 49])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            _pair(stride),
            padding if isinstance(padding, str) else _pair(padding),
            _pair(dilation),
            False,
            _pair(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return self._conv_forward(input, *self._weight_and_bias())


class Conv3d(_ConvNd):
    """Slides a kernel over volumes: each output channel is a weighted sum of the input's patches.

    Args:
        in_channels, out_channels: channels of input and output, multiples of ``groups``.
        kernel_size: size of the kernel, a number or ``(depth, height, width)``; so are the next
            three.
        stride: step of the kernel.
        padding: border around the input, or ``"same"`` (the output is as large as the input) or
            ``"valid"`` (none).
        dilation: distance of the kernel's elements.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device, dtype: of the parameters.

    Shape:
        - input: (N, in_channels, D, H, W) or (in_channels, D, H, W).
        - output: (N, out_channels, D', H', W'), with
          ``D' = (D + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.
        - weight: (out_channels, in_channels / groups, depth, height, width), bias: (out_channels).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Conv3d(4, 8, 3, stride=2)(flambeau.zeros(2, 4, 7, 9, 9)).shape
        torch.Size([2, 8, 3, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _triple(kernel_size),
            _triple(stride),
            padding if isinstance(padding, str) else _triple(padding),
            _triple(dilation),
            False,
            _triple(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return self._conv_forward(input, *self._weight_and_bias())


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device=None,
        dtype=None,
    ) -> None:
        if padding_mode != "zeros":
            name = type(self).__name__
            raise ValueError(f'Only "zeros" padding mode is supported for {name}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            transposed,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _padding_for(self, input, output_size) -> list[int] | tuple[int, ...]:
        """``output_padding``, or what makes the output as large as is asked for."""
        if output_size is None:
            return self.output_padding
        n = len(self.kernel_size)
        outer = input.dim() - n
        sizes = list(output_size)
        if len(sizes) == outer + n:
            sizes = sizes[outer:]
        if len(sizes) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or "
                f"{outer + n} elements (got {len(sizes)})"
            )
        least = [
            (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
            for size, stride, padding, dilation, kernel in zip(
                input.shape[outer:], self.stride, self.padding, self.dilation, self.kernel_size
            )
        ]
        most = [size + stride - 1 for size, stride in zip(least, self.stride)]
        if any(not low <= size <= high for size, low, high in zip(sizes, least, most)):
            raise ValueError(
                f"ConvTranspose{n}D: requested an output size of {sizes}, but valid sizes range "
                f"from {least} to {most} (for an input of {tuple(input.shape[outer:])})"
            )
        return [size - low for size, low in zip(sizes, least)]


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of `Conv1d` as a layer: each element of a sequence adds the kernel, times
    itself.

    Args:
        in_channels, out_channels: channels of input and output, multiples of ``groups``.
        kernel_size: size of the kernel, a number; so are the next three, and ``dilation``.
        stride: distance of neighbours in the output.
        padding: how much is cut off at each end.
        output_padding: how much longer the output is at its end; less than stride or dilation.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        dilation: distance of the kernel's elements.
        padding_mode: ``"zeros"``.
        device, dtype: of the parameters.

    Shape:
        - input: (N, in_channels, L) or (in_channels, L).
        - output: (N, out_channels, L'), with ``L' = (L - 1) * stride - 2 * padding
          + dilation * (kernel - 1) + output_padding + 1``, or as ``output_size`` of the call says,
          which may be up to stride - 1 longer than without output_padding.
        - weight: (in_channels, out_channels / groups, length), bias: (out_channels).

    Example::

        >>> import flambeau
        >>> flambeau.nn.ConvTranspose1d(16, 33, 3, stride=2)(flambeau.zeros(20, 16, 50)).shape
        torch.Size([20, 33, 101])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _single(kernel_size),
            _single(stride),
            _single(padding),
            _single(dilation),
            True,
            _single(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: flambeau.Tensor, output_size=None) -> flambeau.Tensor:
        weight, bias = self._weight_and_bias()
        return F.conv_transpose1d(
            input,
            weight,
            bias,
            self.stride,
            self.padding,
            self._padding_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of `Conv2d` as a layer: each element of an image adds the kernel, times itself.

    Args:
        in_channels, out_channels: channels of input and output, multiples of ``groups``.
        kernel_size: size of the kernel, a number or ``(height, width)``; so are the next three and
            ``dilation``.
        stride: distance of neighbours in the output.
        padding: how much is cut off at each end.
        output_padding: how much longer the output is at its end; less than stride or dilation.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        dilation: distance of the kernel's elements.
        padding_mode: ``"zeros"``.
        device, dtype: of the parameters.

    Shape:
        - input: (N, in_channels, H, W) or (in_channels, H, W).
        - output: (N, out_channels, H', W'), with ``H' = (H - 1) * stride - 2 * padding
          + dilation * (kernel - 1) + output_padding + 1``, or as ``output_size`` of the call says,
          which may be up to stride - 1 longer than without output_padding.
        - weight: (in_channels, out_channels / groups, height, width), bias: (out_channels).

    Example::

        >>> import flambeau
        >>> flambeau.nn.ConvTranspose2d(16, 33, 3, stride=2)(flambeau.zeros(2, 16, 5, 9)).shape
        torch.Size([2, 33, 11, 19])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            _pair(stride),
            _pair(padding),
            _pair(dilation),
            True,
            _pair(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: flambeau.Tensor, output_size=None) -> flambeau.Tensor:
        weight, bias = self._weight_and_bias()
        return F.conv_transpose2d(
            input,
            weight,
            bias,
            self.stride,
            self.padding,
            self._padding_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of `Conv3d` as a layer: each element of a volume adds the kernel, times itself.

    Args:
        in_channels, out_channels: channels of input and output, multiples of ``groups``.
        kernel_size: size of the kernel, a number or ``(depth, height, width)``; so are the next
            three and ``dilation``.
        stride: distance of neighbours in the output.
        padding: how much is cut off at each end.
        output_padding: how much longer the output is at its end; less than stride or dilation.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        dilation: distance of the kernel's elements.
        padding_mode: ``"zeros"``.
        device, dtype: of the parameters.

    Shape:
        - input: (N, in_channels, D, H, W) or (in_channels, D, H, W).
        - output: (N, out_channels, D', H', W'), with ``D' = (D - 1) * stride - 2 * padding
          + dilation * (kernel - 1) + output_padding + 1``, or as ``output_size`` of the call says,
          which may be up to stride - 1 longer than without output_padding.
        - weight: (in_channels, out_channels / groups, depth, height, width), bias: (out_channels).

    Example::

        >>> import flambeau
        >>> flambeau.nn.ConvTranspose3d(4, 8, 3, stride=2)(flambeau.zeros(2, 4, 3, 4, 4)).shape
        torch.Size([2, 8, 7, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _triple(kernel_size),
            _triple(stride),
            _triple(padding),
            _triple(dilation),
            True,
            _triple(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: flambeau.Tensor, output_size=None) -> flambeau.Tensor:
        weight, bias = self._weight_and_bias()
        return F.conv_transpose3d(
            input,
            weight,
            bias,
            self.stride,
            self.padding,
            self._padding_for(input, output_size),
            self.groups,
            self.dilation,
        )
