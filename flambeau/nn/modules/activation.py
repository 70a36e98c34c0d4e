"""Activations."""

from __future__ import annotations

import warnings

import flambeau

from .. import functional as F
from .. import init as initial
from ..parameter import Parameter
from ._softmax import LogSoftmax, Softmax, Softmax2d, Softmin
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]

# Where a class is written is not what pickles call it by.
for _kind in (LogSoftmax, Softmax, Softmax2d, Softmin):
    _kind.__module__ = __name__


def _inplace(module) -> str:
    return ", inplace=True" if module.inplace else ""


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


class CELU(Module):
    """``x`` above 0 and ``alpha * (exp(x / alpha) - 1)`` below, elementwise.

    Args:
        alpha: minus the value far below 0.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.CELU(2.0)(flambeau.tensor([-1.0, 2.0]))
        tensor([-0.7869,  2.0000])
    """

    __constants__ = ["alpha", "inplace"]
    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + _inplace(self)


class ELU(Module):
    """``x`` above 0 and ``alpha * (exp(x) - 1)`` below, elementwise.

    Args:
        alpha: minus the value far below 0.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ELU()(flambeau.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    __constants__ = ["alpha", "inplace"]
    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + _inplace(self)


class GLU(Module):
    """The first half of the input along ``dim`` times the sigmoid of the second.

    Args:
        dim: the dimension that is halved.

    Shape:
        - input: (*, 2 N, *); output: (*, N, *).

    Example::

        >>> import flambeau
        >>> flambeau.nn.GLU()(flambeau.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """

    __constants__ = ["dim"]
    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Hardshrink(Module):
    """``x``, but 0 between ``-lambd`` and ``lambd``, elementwise.

    Args:
        lambd: the bound.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Hardshrink()(flambeau.tensor([-1.0, 0.25]))
        tensor([-1.,  0.])
    """

    __constants__ = ["lambd"]
    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Hardsigmoid(Module):
    """``relu6(x + 3) / 6``, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Hardsigmoid()(flambeau.tensor([0.0, 1.5]))
        tensor([0.5000, 0.7500])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.hardsigmoid(input, self.inplace)


class Hardswish(Module):
    """``x * relu6(x + 3) / 6``, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Hardswish()(flambeau.tensor([1.5, 5.0]))
        tensor([1.1250, 5.0000])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.hardswish(input, self.inplace)


class Hardtanh(Module):
    """``x`` between ``min_val`` and ``max_val``, elementwise.

    Args:
        min_val, max_val: the bounds.
        inplace: whether to work in the input itself.
        min_value, max_value: what the bounds were called once.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Hardtanh(-2, 2)(flambeau.tensor([-3.0, 1.0]))
        tensor([-2.,  1.])
    """

    __constants__ = ["min_val", "max_val", "inplace"]
    min_val: float
    max_val: float
    inplace: bool

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, given in (("min", min_value), ("max", max_value)):
            if given is not None:
                warnings.warn(
                    f"keyword argument `{old}_value` is deprecated and renamed to `{old}_val`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"Hardtanh: max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + _inplace(self)


class ReLU6(Hardtanh):
    """``x`` between 0 and 6, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.ReLU6()(flambeau.tensor([-1.0, 3.0, 8.0]))
        tensor([0., 3., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """``x`` above 0 and ``negative_slope * x`` below, elementwise.

    Args:
        negative_slope: the slope below 0.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LeakyReLU(0.1)(flambeau.tensor([-1.0, 2.0]))
        tensor([-0.1000,  2.0000])
    """

    __constants__ = ["inplace", "negative_slope"]
    negative_slope: float
    inplace: bool

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + _inplace(self)


class LogSigmoid(Module):
    """``log(sigmoid(x))``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LogSigmoid()(flambeau.zeros(2))
        tensor([-0.6931, -0.6931])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.logsigmoid(input)


class Mish(Module):
    """``x * tanh(softplus(x))``, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Mish()(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8651])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.mish(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class PReLU(Module):
    """``x`` above 0 and ``weight * x`` below, elementwise; the weight is learned.

    Args:
        num_parameters: 1, or the number of channels, each of which has a weight then.
        init: the value that weights start with.
        device, dtype: of the weights.

    Shape:
        - input, output: any, the same; channels are dimension 1.
        - weight: (num_parameters).

    Example::

        >>> import flambeau
        >>> flambeau.nn.PReLU()(flambeau.tensor([-1.0, 2.0])).detach()
        tensor([-0.2500,  2.0000])
    """

    __constants__ = ["num_parameters"]
    num_parameters: int

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device=None, dtype=None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(flambeau.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give all weights the value that they start with."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """``x`` above 0; below, ``x`` times a slope: in training one that is drawn for each element, in
    evaluation the mean of the bounds.

    Args:
        lower: the least slope.
        upper: the largest slope.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.RReLU(0.25, 0.75).eval()(flambeau.tensor([-1.0, 2.0]))
        tensor([-0.5000,  2.0000])
    """

    __constants__ = ["lower", "upper", "inplace"]
    lower: float
    upper: float
    inplace: bool

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + _inplace(self)


class SELU(Module):
    """``scale * elu(x, alpha)`` with the scales that keep mean 0 and variance 1, elementwise.

    Args:
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.SELU()(flambeau.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``, elementwise; ``x`` itself far above 0.

    Args:
        beta: how sharp the bend is.
        threshold: where ``beta * x`` is above it, ``x`` is given.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Softplus()(flambeau.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])
    """

    __constants__ = ["beta", "threshold"]
    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Module):
    """``x`` moved by ``lambd`` towards 0, where it stops, elementwise.

    Args:
        lambd: how far.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Softshrink()(flambeau.tensor([-1.0, 0.25]))
        tensor([-0.5000,  0.0000])
    """

    __constants__ = ["lambd"]
    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softsign(Module):
    """``x / (1 + abs(x))``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Softsign()(flambeau.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Tanhshrink()(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.2384])
    """

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.tanhshrink(input)


class Threshold(Module):
    """``x`` above ``threshold``, else ``value``, elementwise.

    Args:
        threshold: what is not above it is replaced.
        value: what it is replaced with.
        inplace: whether to work in the input itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> flambeau.nn.Threshold(0.5, 20.0)(flambeau.tensor([-1.0, 2.0]))
        tensor([20.,  2.])
    """

    __constants__ = ["threshold", "value", "inplace"]
    threshold: float
    value: float
    inplace: bool

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + _inplace(self)
