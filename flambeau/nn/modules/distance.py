"""Distances and similarities."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """The p-norm of the difference of two vectors.

    Args:
        p: the norm.
        eps: added to differences.
        keepdim: whether to keep the last dimension.

    Shape:
        - x1, x2: (N, D) or (D).
        - output: (N) or (), with a last dimension of 1 for ``keepdim``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.PairwiseDistance()(flambeau.zeros(1, 2), flambeau.tensor([[3.0, 4.0]]))
        tensor([5.0000])
    """

    __constants__ = ["norm", "eps", "keepdim"]
    norm: float
    eps: float
    keepdim: bool

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: flambeau.Tensor, x2: flambeau.Tensor) -> flambeau.Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between two vectors.

    Args:
        dim: the dimension of the vectors.
        eps: the least norm.

    Shape:
        - x1, x2: any, the same or broadcast.
        - output: the same without ``dim``.

    Example::

        >>> import flambeau
        >>> similarity = flambeau.nn.CosineSimilarity()
        >>> similarity(flambeau.tensor([[1.0, 0.0]]), flambeau.tensor([[3.0, 4.0]]))
        tensor([0.6000])
    """

    __constants__ = ["dim", "eps"]
    dim: int
    eps: float

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: flambeau.Tensor, x2: flambeau.Tensor) -> flambeau.Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
