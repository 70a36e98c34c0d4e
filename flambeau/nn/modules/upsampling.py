"""Layers that change the size of their input."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """A batch of sequences, images or volumes at another size.

    Args:
        size: the new size, a number or one for each dimension, or
        scale_factor: what the size is multiplied with, a number or one for each dimension.
        mode: ``"nearest"``, ``"linear"`` (3-D input), ``"bilinear"``, ``"bicubic"`` (4-D) or
            ``"trilinear"`` (5-D).
        align_corners: whether the centres of the corner elements stay where they are.
        recompute_scale_factor: whether the factor is that of the sizes, rounded as they are.

    Shape:
        - input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        - output: the same but for the last dimensions.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Upsample(scale_factor=2)(flambeau.tensor([[[1.0, 2.0]]]))
        tensor([[[1., 1., 2., 2.]]])
    """

    __constants__ = [
        "size",
        "scale_factor",
        "mode",
        "align_corners",
        "name",
        "recompute_scale_factor",
    ]

    def __init__(
        self,
        size=None,
        scale_factor=None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state) -> None:
        state.setdefault("recompute_scale_factor", True)  # as it was before there was a choice
        super().__setstate__(state)

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            size = f"scale_factor={self.scale_factor!r}"
        else:
            size = f"size={self.size!r}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images at another size, of the nearest pixels: `Upsample` by an older name.

    Args:
        size: the new size, a number or ``(height, width)``, or
        scale_factor: what the size is multiplied with, a number or one for each dimension.

    Shape:
        - input: (N, C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> flambeau.nn.UpsamplingNearest2d(scale_factor=2)(flambeau.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """

    def __init__(self, size=None, scale_factor=None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images at another size, interpolated between aligned corners: `Upsample` by an older name.

    Args:
        size: the new size, a number or ``(height, width)``, or
        scale_factor: what the size is multiplied with, a number or one for each dimension.

    Shape:
        - input: (N, C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> x = flambeau.tensor([[[[1.0, 2.0]]]])
        >>> flambeau.nn.UpsamplingBilinear2d((1, 3))(x)
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

    def __init__(self, size=None, scale_factor=None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
