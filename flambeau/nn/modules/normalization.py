"""Layers that normalise each sample by itself over its last dimensions or its channels."""

from __future__ import annotations

import numbers

import flambeau

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LayerNorm(Module):
    """Centres and scales each sample over its last dimensions, then applies weight and bias.

    Args:
        normalized_shape: sizes of these dimensions; a number for the last one alone.
        eps: added to the variance.
        elementwise_affine: whether there is a weight, and a bias.
        bias: whether there is a bias besides the weight.
        device, dtype: of the parameters.

    Shape:
        - input, output: (*, normalized_shape).
        - weight: normalized_shape, starts as 1; bias: normalized_shape, starts as 0.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LayerNorm(2)(flambeau.tensor([[1.0, 3.0]])).detach()
        tensor([[-1.0000,  1.0000]])
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]
    normalized_shape: tuple[int, ...]
    eps: float
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if isinstance(normalized_shape, numbers.Integral):
            normalized_shape = (normalized_shape,)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in (("weight", True), ("bias", bias)):
            value = None
            if elementwise_affine and wanted:
                value = Parameter(flambeau.empty(self.normalized_shape, device=device, dtype=dtype))
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        # See Note [Reading parameters].
        params = self._parameters
        try:
            weight, bias = params["weight"], params["bias"]
        except KeyError:
            weight, bias = self.weight, self.bias
        return F.layer_norm(input, self.normalized_shape, weight, bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides each sample by the root of its mean square over the last dimensions, then applies the
    weight.

    Args:
        normalized_shape: sizes of these dimensions; a number for the last one alone.
        eps: added to the mean square; the dtype's epsilon when None.
        elementwise_affine: whether there is a weight.
        device, dtype: of the weight.

    Shape:
        - input, output: (*, normalized_shape).
        - weight: normalized_shape, starts as 1.

    Example::

        >>> import flambeau
        >>> flambeau.nn.RMSNorm(2)(flambeau.tensor([[1.0, 7.0]])).detach()
        tensor([[0.2000, 1.4000]])
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]
    normalized_shape: tuple[int, ...]
    eps: float | None
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if isinstance(normalized_shape, numbers.Integral):
            normalized_shape = (normalized_shape,)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        value = None
        if elementwise_affine:
            value = Parameter(flambeau.empty(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: flambeau.Tensor) -> flambeau.Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Centres and scales groups of the channels of each sample, then applies weight and bias.

    Args:
        num_groups: how many groups there are; it divides ``num_channels``.
        num_channels: how many channels there are.
        eps: added to the variance.
        affine: whether there is a weight, and a bias.
        device, dtype: of the parameters.
        bias: whether there is a bias besides the weight.

    Shape:
        - input, output: (N, num_channels, *).
        - weight: (num_channels), starts as 1; bias: (num_channels), starts as 0.

    Example::

        >>> import flambeau
        >>> flambeau.nn.GroupNorm(1, 2)(flambeau.tensor([[1.0, 3.0]])).detach()
        tensor([[-1.0000,  1.0000]])
    """

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]
    num_groups: int
    num_channels: int
    eps: float
    affine: bool

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, wanted in (("weight", True), ("bias", bias)):
            value = None
            if affine and wanted:
                value = Parameter(flambeau.empty(num_channels, device=device, dtype=dtype))
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divides each element by a power of the mean square in neighbouring channels, see
    `flambeau.nn.functional.local_response_norm`.

    Args:
        size: how many channels are neighbours.
        alpha, beta, k: the divisor is ``(k + alpha * mean) ** beta``.

    Shape:
        - input, output: (N, C, *).

    Example::

        >>> import flambeau
        >>> flambeau.nn.LocalResponseNorm(2)(flambeau.zeros(1, 4, 5)).shape
        torch.Size([1, 4, 5])
    """

    __constants__ = ["size", "alpha", "beta", "k"]
    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """`LocalResponseNorm` of (N, C, H, W), whose neighbours are as many on either side.

    Args:
        size: how many channels are neighbours; one less where that is even.
        alpha, beta, k: the divisor is ``(k + alpha * mean) ** beta``.

    Shape:
        - input, output: (N, C, H, W).

    Example::

        >>> import flambeau
        >>> flambeau.nn.CrossMapLRN2d(3)(flambeau.zeros(1, 4, 5, 5)).shape
        torch.Size([1, 4, 5, 5])
    """

    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        # The channel in the middle, and as many on either side.
        channels, beside = input.size(1), (self.size - 1) // 2
        squares = F.pad(input.mul(input), [0, 0, 0, 0, beside, beside])
        total = squares.narrow(1, 0, channels)
        for i in range(1, 2 * beside + 1):
            total = total + squares.narrow(1, i, channels)
        # In PyTorch the first channel stays a neighbour of all that come behind its own.
        late = flambeau.arange(channels, device=input.device) > beside
        total = total + squares.narrow(1, beside, 1) * late.to(input.dtype).view(1, -1, 1, 1)
        return input / total.mul(self.alpha / self.size).add(self.k).pow(self.beta)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
