"""Products with a weight."""

from __future__ import annotations

import flambeau
from flambeau._arguments import need_tensor
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

__all__ = ["bilinear", "linear"]

linear = flambeau._C._nn.linear


def bilinear(
    input1: flambeau.Tensor,
    input2: flambeau.Tensor,
    weight: flambeau.Tensor,
    bias: flambeau.Tensor | None = None,
) -> flambeau.Tensor:
    """``input1^T W input2 + bias`` for each matrix W of ``weight``.

    Args:
        input1, input2: the two factors, alike in all but their last dimension.
        weight: one matrix for each output feature.
        bias: added to the output.

    Shape:
        - input1: (*, in1), input2: (*, in2), weight: (out, in1, in2), bias: (out).
        - output: (*, out).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.bilinear(flambeau.ones(2, 3), flambeau.ones(2, 4), flambeau.ones(5, 3, 4)).shape
        torch.Size([2, 5])
    """
    if _overridden_in((input1, input2, weight, bias)):
        return handle_torch_function(
            bilinear, (input1, input2, weight, bias), input1, input2, weight, bias
        )
    for position, name in enumerate(("input1", "input2", "weight")):
        need_tensor("bilinear", (input1, input2, weight)[position], name, position + 1)
    if weight.dim() != 3:
        raise RuntimeError(f"bilinear: weight must be (out, in1, in2), got {tuple(weight.shape)}")
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear: the inputs must agree in all but their last dimension, got "
            f"{tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    if (input1.size(-1), input2.size(-1)) != tuple(weight.shape[1:]):
        raise RuntimeError(
            f"bilinear: weight {tuple(weight.shape)} expects inputs whose last dimensions are "
            f"{weight.size(1)} and {weight.size(2)}, got {input1.size(-1)} and {input2.size(-1)}"
        )
    output = flambeau.einsum("...i,oij,...j->...o", input1, weight, input2)
    return output if bias is None else output + bias
