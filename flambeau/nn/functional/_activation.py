"""Activations, and what turns scores into probabilities."""

from __future__ import annotations

import warnings

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

_nn = flambeau._C._nn
_relu = flambeau.relu
_silu = _nn.silu
_silu_ = _nn.silu_

celu_ = flambeau.celu_
elu_ = _nn.elu_
gelu = _nn.gelu
hardshrink = flambeau.hardshrink
hardtanh_ = _nn.hardtanh_
leaky_relu_ = _nn.leaky_relu_
logsigmoid = _nn.log_sigmoid
prelu = flambeau.prelu
relu_ = flambeau.relu_
rrelu_ = flambeau.rrelu_
selu_ = flambeau.selu_
softplus = _nn.softplus
softshrink = _nn.softshrink
threshold_ = flambeau.threshold_


def relu(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``max(input, 0)``, elementwise; into ``input`` itself when ``inplace``.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.relu(flambeau.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    if _overridden(input):
        return handle_torch_function(relu, (input,), input, inplace=inplace)
    return relu_(input) if inplace else _relu(input)


def silu(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``input * sigmoid(input)``, elementwise; into ``input`` itself when ``inplace``.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.silu(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    if _overridden(input):
        return handle_torch_function(silu, (input,), input, inplace=inplace)
    return _silu_(input) if inplace else _silu(input)


def sigmoid(input: flambeau.Tensor) -> flambeau.Tensor:
    """``1 / (1 + exp(-input))``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.sigmoid(flambeau.zeros(2))
        tensor([0.5000, 0.5000])
    """
    return input.sigmoid()


def tanh(input: flambeau.Tensor) -> flambeau.Tensor:
    """The hyperbolic tangent, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.tanh(flambeau.zeros(2))
        tensor([0., 0.])
    """
    return input.tanh()


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension that softmax took before it had to be told."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: flambeau.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None
) -> flambeau.Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``.

    Args:
        dim: the dimension whose values add up to 1.
        dtype: what to cast the input to first.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.softmax(flambeau.zeros(4), dim=0)
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if _overridden(input):
        return handle_torch_function(
            softmax, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype
        )
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    if dtype is None:
        return input.softmax(dim)
    return input.softmax(dim, dtype=dtype)


def log_softmax(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """``log(softmax(input))`` along ``dim``, exact where the softmax itself would underflow.

    Args:
        dim: the dimension whose probabilities add up to 1.
        dtype: what to cast the input to first.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.log_softmax(flambeau.zeros(1, 2), dim=1)
        tensor([[-0.6931, -0.6931]])
    """
    if _overridden(input):
        return handle_torch_function(
            log_softmax, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype
        )
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    if dtype is None:
        return input.log_softmax(dim)
    return input.log_softmax(dim, dtype=dtype)


def celu(input: flambeau.Tensor, alpha: float = 1.0, inplace: bool = False) -> flambeau.Tensor:
    """``x`` above 0 and ``alpha * (exp(x / alpha) - 1)`` below, elementwise.

    Args:
        alpha: minus the value far below 0.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.celu(flambeau.tensor([-1.0, 2.0]), 2.0)
        tensor([-0.7869,  2.0000])
    """
    if _overridden(input):
        return handle_torch_function(celu, (input,), input, alpha=alpha, inplace=inplace)
    return flambeau.celu_(input, alpha) if inplace else flambeau.celu(input, alpha)


def elu(input: flambeau.Tensor, alpha: float = 1.0, inplace: bool = False) -> flambeau.Tensor:
    """``x`` above 0 and ``alpha * (exp(x) - 1)`` below, elementwise.

    Args:
        alpha: minus the value far below 0.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.elu(flambeau.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    if _overridden(input):
        return handle_torch_function(elu, (input,), input, alpha=alpha, inplace=inplace)
    return _nn.elu_(input, alpha) if inplace else _nn.elu(input, alpha)


def glu(input: flambeau.Tensor, dim: int = -1) -> flambeau.Tensor:
    """The first half of ``input`` along ``dim`` times the sigmoid of the second.

    Args:
        dim: the dimension that is halved.

    Shape:
        - input: (*, 2 N, *); output: (*, N, *).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.glu(flambeau.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """
    if _overridden(input):
        return handle_torch_function(glu, (input,), input, dim=dim)
    if input.dim() == 0:
        raise RuntimeError(
            "glu: glu does not support scalars because halving size must be even: give the input a "
            "dimension"
        )
    return _nn.glu(input, dim)


def gumbel_softmax(
    logits: flambeau.Tensor,
    tau: float = 1,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
) -> flambeau.Tensor:
    """A sample of the Gumbel-softmax distribution (Jang et al., 2016).

    Args:
        logits: log-probabilities, not normalised.
        tau: the temperature: the lower, the closer to one-hot.
        hard: whether to give one-hot vectors, with the gradient of the soft ones.
        eps: without effect, as in PyTorch; another value than the default warns.
        dim: the dimension along which samples add up to 1.

    Shape:
        - logits, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.gumbel_softmax(flambeau.zeros(2, 3), hard=True).sum(1)
        tensor([1., 1.])
    """
    if _overridden(logits):
        return handle_torch_function(
            gumbel_softmax, (logits,), logits, tau=tau, hard=hard, eps=eps, dim=dim
        )
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = flambeau.empty_like(logits, memory_format=flambeau.contiguous_format)
    soft = ((logits - noise.exponential_().log()) / tau).softmax(dim)
    if not hard:
        return soft
    largest = soft.max(dim, keepdim=True)[1]
    chosen = flambeau.zeros_like(logits, memory_format=flambeau.contiguous_format)
    return chosen.scatter_(dim, largest, 1.0) - soft.detach() + soft


def hardsigmoid(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``relu6(x + 3) / 6``, elementwise.

    Args:
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.hardsigmoid(flambeau.tensor([-4.0, 0.0, 1.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """
    if _overridden(input):
        return handle_torch_function(hardsigmoid, (input,), input, inplace=inplace)
    return _nn.hardsigmoid_(input) if inplace else _nn.hardsigmoid(input)


def hardswish(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``x * relu6(x + 3) / 6``, elementwise.

    Args:
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.hardswish(flambeau.tensor([0.0, 1.5, 5.0]))
        tensor([0.0000, 1.1250, 5.0000])
    """
    if _overridden(input):
        return handle_torch_function(hardswish, (input,), input, inplace=inplace)
    return _nn.hardswish_(input) if inplace else _nn.hardswish(input)


def hardtanh(
    input: flambeau.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> flambeau.Tensor:
    """``x`` between ``min_val`` and ``max_val``, elementwise.

    Args:
        min_val, max_val: the bounds.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.hardtanh(flambeau.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if _overridden(input):
        return handle_torch_function(
            hardtanh, (input,), input, min_val=min_val, max_val=max_val, inplace=inplace
        )
    if min_val > max_val:
        raise ValueError(
            f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}"
        )
    return (
        _nn.hardtanh_(input, min_val, max_val) if inplace else _nn.hardtanh(input, min_val, max_val)
    )


def leaky_relu(
    input: flambeau.Tensor, negative_slope: float = 0.01, inplace: bool = False
) -> flambeau.Tensor:
    """``x`` above 0 and ``negative_slope * x`` below, elementwise.

    Args:
        negative_slope: the slope below 0.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.leaky_relu(flambeau.tensor([-1.0, 2.0]), 0.1)
        tensor([-0.1000,  2.0000])
    """
    if _overridden(input):
        return handle_torch_function(
            leaky_relu, (input,), input, negative_slope=negative_slope, inplace=inplace
        )
    return (
        _nn.leaky_relu_(input, negative_slope) if inplace else _nn.leaky_relu(input, negative_slope)
    )


def mish(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``x * tanh(softplus(x))``, elementwise.

    Args:
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.mish(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8651])
    """
    if _overridden(input):
        return handle_torch_function(mish, (input,), input, inplace=inplace)
    return _nn.mish_(input) if inplace else _nn.mish(input)


def relu6(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``x`` between 0 and 6, elementwise.

    Args:
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.relu6(flambeau.tensor([-1.0, 3.0, 8.0]))
        tensor([0., 3., 6.])
    """
    if _overridden(input):
        return handle_torch_function(relu6, (input,), input, inplace=inplace)
    return _nn.relu6_(input) if inplace else _nn.relu6(input)


def rrelu(
    input: flambeau.Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> flambeau.Tensor:
    """``x`` above 0; below, ``x`` times a slope that is drawn for each element.

    Args:
        lower, upper: between which slopes are drawn.
        training: whether to draw; else the slope is the mean of both.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.rrelu(flambeau.tensor([-1.0, 2.0]), 0.25, 0.75)
        tensor([-0.5000,  2.0000])
    """
    if _overridden(input):
        return handle_torch_function(
            rrelu,
            (input,),
            input,
            lower=lower,
            upper=upper,
            training=training,
            inplace=inplace,
        )
    if inplace:
        return rrelu_(input, lower, upper, training)
    return flambeau.rrelu(input, lower, upper, training)


def selu(input: flambeau.Tensor, inplace: bool = False) -> flambeau.Tensor:
    """``scale * elu(x, alpha)`` with the scales that keep mean 0 and variance 1, elementwise.

    Args:
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.selu(flambeau.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    if _overridden(input):
        return handle_torch_function(selu, (input,), input, inplace=inplace)
    return flambeau.selu_(input) if inplace else flambeau.selu(input)


def softmin(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """``softmax(-input)`` along ``dim``.

    Args:
        dim: the dimension whose values add up to 1.
        dtype: what to cast the input to first.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.softmin(flambeau.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if _overridden(input):
        return handle_torch_function(
            softmin, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype
        )
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    if dtype is None:
        return (-input).softmax(dim)
    return (-input).softmax(dim, dtype=dtype)


def softsign(input):
    """``x / (1 + abs(x))``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.softsign(flambeau.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    if _overridden(input):
        return handle_torch_function(softsign, (input,), input)
    return input / (input.abs() + 1)


def tanhshrink(input):
    """``x - tanh(x)``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.tanhshrink(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.2384])
    """
    if _overridden(input):
        return handle_torch_function(tanhshrink, (input,), input)
    return input - input.tanh()


def threshold(
    input: flambeau.Tensor, threshold: float, value: float, inplace: bool = False
) -> flambeau.Tensor:
    """``x`` above ``threshold``, else ``value``, elementwise.

    Args:
        threshold: what is not above it is replaced.
        value: what it is replaced with.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.threshold(flambeau.tensor([-1.0, 2.0]), 0.5, 20.0)
        tensor([20.,  2.])
    """
    if _overridden(input):
        # Its own name is that of an argument here.
        return handle_torch_function(
            flambeau.nn.functional.threshold, (input,), input, threshold, value, inplace=inplace
        )
    return (
        flambeau.threshold_(input, threshold, value)
        if inplace
        else flambeau.threshold(input, threshold, value)
    )
