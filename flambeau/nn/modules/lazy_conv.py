"""Convolutions that learn the number of their input's channels from the first input."""

from __future__ import annotations

from ..parameter import UninitializedParameter, is_lazy
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .lazy import LazyModuleMixin

__all__ = [
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class _LazyConv(LazyModuleMixin):
    def _leave_open(self, out_channels: int, bias: bool, device, dtype) -> None:
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input, *args, **kwargs) -> None:
        if not self.has_uninitialized_params():
            return
        n = len(self.kernel_size)
        if input.dim() != n + 1 and input.dim() != n + 2:
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {self._get_name()}, "
                f"but got input of size: {input.shape}"
            )
        self.in_channels = input.shape[-n - 1]
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        outer, inner = self.out_channels, self.in_channels
        if self.transposed:
            outer, inner = inner, outer
        if is_lazy(self.weight):
            self.weight.materialize((outer, inner // self.groups, *self.kernel_size))
        if self.bias is not None and is_lazy(self.bias):
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyPlain(_LazyConv):
    def __init__(
        self,
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
            0,
            0,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            False,
            padding_mode,
            device,
            dtype,
        )
        self._leave_open(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
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
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._leave_open(out_channels, bias, device, dtype)


class LazyConv1d(_LazyPlain, Conv1d):
    """`Conv1d` that takes ``in_channels`` from its first input.

    Args:
        out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device,
            dtype: as of `Conv1d`.

    Shape:
        - as of `Conv1d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyConv1d(8, 3)
        >>> _ = layer(flambeau.zeros(2, 4, 5))
        >>> layer
        Conv1d(4, 8, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyPlain, Conv2d):
    """`Conv2d` that takes ``in_channels`` from its first input.

    Args:
        out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device,
            dtype: as of `Conv2d`.

    Shape:
        - as of `Conv2d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyConv2d(8, 3)
        >>> _ = layer(flambeau.zeros(2, 4, 5, 5))
        >>> layer
        Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyPlain, Conv3d):
    """`Conv3d` that takes ``in_channels`` from its first input.

    Args:
        out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device,
            dtype: as of `Conv3d`.

    Shape:
        - as of `Conv3d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyConv3d(8, 3)
        >>> _ = layer(flambeau.zeros(2, 4, 5, 5, 5))
        >>> layer
        Conv3d(4, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """`ConvTranspose1d` that takes ``in_channels`` from its first input.

    Args:
        out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation,
            padding_mode, device, dtype: as of `ConvTranspose1d`.

    Shape:
        - as of `ConvTranspose1d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyConvTranspose1d(8, 3)
        >>> _ = layer(flambeau.zeros(2, 4, 5))
        >>> layer
        ConvTranspose1d(4, 8, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """`ConvTranspose2d` that takes ``in_channels`` from its first input.

    Args:
        out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation,
            padding_mode, device, dtype: as of `ConvTranspose2d`.

    Shape:
        - as of `ConvTranspose2d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyConvTranspose2d(8, 3)
        >>> _ = layer(flambeau.zeros(2, 4, 5, 5))
        >>> layer
        ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """`ConvTranspose3d` that takes ``in_channels`` from its first input.

    Args:
        out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation,
            padding_mode, device, dtype: as of `ConvTranspose3d`.

    Shape:
        - as of `ConvTranspose3d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyConvTranspose3d(8, 3)
        >>> _ = layer(flambeau.zeros(2, 4, 5, 5, 5))
        >>> layer
        ConvTranspose3d(4, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = ConvTranspose3d
