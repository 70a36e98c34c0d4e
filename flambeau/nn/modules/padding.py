"""Layers that add a border."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .module import Module
from .utils import _ntuple, _pair, _quadruple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

_sextuple = _ntuple(6, "_sextuple")


class _ConstantPadNd(Module):
    __constants__ = ["padding", "value"]
    padding: tuple[int, ...]
    value: float

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _EdgePadNd(Module):
    """Pads with elements that are there, as ``_mode`` says."""

    __constants__ = ["padding"]
    padding: tuple[int, ...]
    _mode: str

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_EdgePadNd):
    _mode = "reflect"


class _ReplicationPadNd(_EdgePadNd):
    _mode = "replicate"


class _CircularPadNd(_EdgePadNd):
    _mode = "circular"
    _rank: int

    def _check_input_dim(self, input) -> None:
        if input.dim() not in (self._rank + 1, self._rank + 2):
            raise ValueError(
                f"expected {self._rank + 1}D or {self._rank + 2}D input (got {input.dim()}D input)"
            )

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """The last dimension with a border of the elements of the other end.

    Args:
        padding: one number for all sides, or ``(left, right)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, W) or (C, W).
        - output: the same but for W, which grows by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.CircularPad1d(1)(flambeau.tensor([[1, 2, 3]]))
        tensor([[3, 1, 2, 3, 1]])
    """

    _rank = 1

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _pair(padding)


class CircularPad2d(_CircularPadNd):
    """The last two dimensions with a border of the elements of the other end.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.CircularPad2d(1)(flambeau.zeros(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    _rank = 2

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _quadruple(padding)


class CircularPad3d(_CircularPadNd):
    """The last three dimensions with a border of the elements of the other end.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom, front, back)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.CircularPad3d(1)(flambeau.zeros(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    _rank = 3

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _sextuple(padding)


class ConstantPad1d(_ConstantPadNd):
    """The last dimension with a border of one value.

    Args:
        padding: one number for all sides, or ``(left, right)``.
            A negative number cuts off.
        value: what the border holds.

    Shape:
        - input: any with at least 1 dimension, usually (N, C, W) or (C, W).
        - output: the same but for W, which grows by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ConstantPad1d(1, 5)(flambeau.tensor([[1, 2, 3]]))
        tensor([[5, 1, 2, 3, 5]])
    """

    def __init__(self, padding, value: float) -> None:
        super().__init__(value)
        self.padding = _pair(padding)


class ConstantPad2d(_ConstantPadNd):
    """The last two dimensions with a border of one value.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom)``.
            A negative number cuts off.
        value: what the border holds.

    Shape:
        - input: any with at least 2 dimensions, usually (N, C, H, W) or (C, H, W).
        - output: the same but for H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ConstantPad2d(1, 5)(flambeau.zeros(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    def __init__(self, padding, value: float) -> None:
        super().__init__(value)
        self.padding = _quadruple(padding)


class ConstantPad3d(_ConstantPadNd):
    """The last three dimensions with a border of one value.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom, front, back)``.
            A negative number cuts off.
        value: what the border holds.

    Shape:
        - input: any with at least 3 dimensions, usually (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ConstantPad3d(1, 5)(flambeau.zeros(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    def __init__(self, padding, value: float) -> None:
        super().__init__(value)
        self.padding = _sextuple(padding)


class ReflectionPad1d(_ReflectionPadNd):
    """The last dimension with a border of mirrored neighbours of the edge.

    Args:
        padding: one number for all sides, or ``(left, right)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, W) or (C, W).
        - output: the same but for W, which grows by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReflectionPad1d(1)(flambeau.tensor([[1, 2, 3]]))
        tensor([[2, 1, 2, 3, 2]])
    """

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _pair(padding)


class ReflectionPad2d(_ReflectionPadNd):
    """The last two dimensions with a border of mirrored neighbours of the edge.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReflectionPad2d(1)(flambeau.zeros(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _quadruple(padding)


class ReflectionPad3d(_ReflectionPadNd):
    """The last three dimensions with a border of mirrored neighbours of the edge.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom, front, back)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReflectionPad3d(1)(flambeau.zeros(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _sextuple(padding)


class ReplicationPad1d(_ReplicationPadNd):
    """The last dimension with a border of copies of the edge.

    Args:
        padding: one number for all sides, or ``(left, right)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, W) or (C, W).
        - output: the same but for W, which grows by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReplicationPad1d(1)(flambeau.tensor([[1, 2, 3]]))
        tensor([[1, 1, 2, 3, 3]])
    """

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _pair(padding)


class ReplicationPad2d(_ReplicationPadNd):
    """The last two dimensions with a border of copies of the edge.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReplicationPad2d(1)(flambeau.zeros(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _quadruple(padding)


class ReplicationPad3d(_ReplicationPadNd):
    """The last three dimensions with a border of copies of the edge.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom, front, back)``.
            A negative number cuts off.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReplicationPad3d(1)(flambeau.zeros(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _sextuple(padding)


class ZeroPad1d(ConstantPad1d):
    """The last dimension with a border of zeros.

    Args:
        padding: one number for all sides, or ``(left, right)``.
            A negative number cuts off.

    Shape:
        - input: any with at least 1 dimension, usually (N, C, W) or (C, W).
        - output: the same but for W, which grows by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ZeroPad1d(1)(flambeau.tensor([[1, 2, 3]]))
        tensor([[0, 1, 2, 3, 0]])
    """

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """The last two dimensions with a border of zeros.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom)``.
            A negative number cuts off.

    Shape:
        - input: any with at least 2 dimensions, usually (N, C, H, W) or (C, H, W).
        - output: the same but for H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ZeroPad2d(1)(flambeau.zeros(2, 3, 3)).shape
        torch.Size([2, 5, 5])
    """

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """The last three dimensions with a border of zeros.

    Args:
        padding: one number for all sides, or ``(left, right, top, bottom, front, back)``.
            A negative number cuts off.

    Shape:
        - input: any with at least 3 dimensions, usually (N, C, D, H, W) or (C, D, H, W).
        - output: the same but for D, H and W, which grow by the padding of both sides.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ZeroPad3d(1)(flambeau.zeros(2, 3, 3, 3)).shape
        torch.Size([2, 5, 5, 5])
    """

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
