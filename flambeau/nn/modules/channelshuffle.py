"""A layer that mixes channels."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Channels in another order: one of each group in turn.

    Args:
        groups: number of groups.

    Shape:
        - input: (N, C, *), with C a multiple of ``groups``.
        - output: the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ChannelShuffle(2)(flambeau.arange(4).view(1, 4, 1)).flatten()
        tensor([0, 2, 1, 3])
    """

    __constants__ = ["groups"]
    groups: int

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
