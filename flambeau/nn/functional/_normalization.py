"""Centring and scaling."""

from __future__ import annotations

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

__all__ = ["layer_norm"]


def layer_norm(input, normalized_shape, weight=None, bias=None, eps: float = 1e-5):
    """Centre and scale over the last dimensions, then apply ``weight`` and ``bias``.

    Args:
        normalized_shape: sizes of the dimensions to normalise over, the last ones of ``input``.
        weight, bias: factor and summand for each element of these dimensions.
        eps: added to the variance.

    Shape:
        - input, output: (*, normalized_shape).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.layer_norm(flambeau.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    if _overridden_in((input, weight, bias)):
        return handle_torch_function(
            layer_norm,
            (input, weight, bias),
            input,
            normalized_shape,
            weight=weight,
            bias=bias,
            eps=eps,
        )
    return flambeau.layer_norm(input, normalized_shape, weight, bias, eps)
