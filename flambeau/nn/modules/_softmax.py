"""What turns scores into probabilities: part of ``activation``."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module


class LogSoftmax(Module):
    """``log(softmax(x))`` along ``dim``.

    Args:
        dim: the dimension whose probabilities add up to 1.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LogSoftmax(dim=1)(flambeau.zeros(1, 2))
        tensor([[-0.6931, -0.6931]])
    """

    __constants__ = ["dim"]
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(Module):
    """``exp(x) / sum(exp(x))`` along ``dim``.

    Args:
        dim: the dimension whose values add up to 1.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Softmax(dim=0)(flambeau.zeros(4))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    __constants__ = ["dim"]
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Softmax over the channels of each place of an image.

    Shape:
        - input, output: (N, C, H, W) or (C, H, W), the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Softmax2d()(flambeau.zeros(2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)


class Softmin(Module):
    """``softmax(-x)`` along ``dim``.

    Args:
        dim: the dimension whose values add up to 1.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Softmin(dim=0)(flambeau.zeros(2))
        tensor([0.5000, 0.5000])
    """

    __constants__ = ["dim"]
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
