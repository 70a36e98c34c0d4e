"""Layers that make pixels of channels, and channels of pixels."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Squares of pixels from channels.

    Args:
        upscale_factor: the side of a square.

    Shape:
        - input: (*, C, H, W), with C a multiple of the factor's square.
        - output: (*, C / factor², H * factor, W * factor).

    Example::

        >>> import flambeau
        >>> flambeau.nn.PixelShuffle(2)(flambeau.arange(4).view(4, 1, 1))
        tensor([[[0, 1],
                 [2, 3]]])
    """

    __constants__ = ["upscale_factor"]
    upscale_factor: int

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Channels from squares of pixels: undoes `PixelShuffle`.

    Args:
        downscale_factor: the side of a square.

    Shape:
        - input: (*, C, H, W), with H and W multiples of the factor.
        - output: (*, C * factor², H / factor, W / factor).

    Example::

        >>> import flambeau
        >>> flambeau.nn.PixelUnshuffle(2)(flambeau.zeros(1, 4, 6)).shape
        torch.Size([4, 2, 3])
    """

    __constants__ = ["downscale_factor"]
    downscale_factor: int

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
