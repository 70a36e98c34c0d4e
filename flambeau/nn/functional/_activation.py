"""Activations, and what turns scores into probabilities."""

from __future__ import annotations

import warnings

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = ["gelu", "log_softmax", "relu", "relu_", "sigmoid", "silu", "softmax", "tanh"]

_relu = flambeau.relu
_silu = flambeau._C._nn.silu
_silu_ = flambeau._C._nn.silu_

gelu = flambeau._C._nn.gelu
relu_ = flambeau.relu_


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
