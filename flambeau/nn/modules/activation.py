"""Activations."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module

__all__ = ["GELU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Module):
    """``max(x, 0)``, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReLU()(flambeau.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class SiLU(Module):
    """``x * sigmoid(x)``, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.SiLU()(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """``x * Phi(x)``, elementwise, with Phi the normal distribution function.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the faster approximation of Phi.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.GELU()(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8413])
    """

    __constants__ = ["approximate"]
    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Sigmoid()(flambeau.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return input.sigmoid()


class Tanh(Module):
    """The hyperbolic tangent, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Tanh()(flambeau.zeros(2))
        tensor([0., 0.])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return input.tanh()


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
