"""How far an output is from its target."""

from __future__ import annotations

import warnings

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

from .. import _reduction

__all__ = ["cross_entropy", "mse_loss", "nll_loss"]

_nn = flambeau._C._nn


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
):
    """The negative log-likelihood of ``target`` under ``softmax(input, 1)``.

    Args:
        input: scores, not normalised.
        target: class numbers, or a probability for each class.
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: how much of the target is spread evenly over the classes.

    Shape:
        - input: (C), (N, C) or (N, C, ...).
        - target: () , (N) or (N, ...) class numbers, or probabilities shaped like the input.
        - output: a scalar, or shaped like the class numbers for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.cross_entropy(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(1.3863)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            cross_entropy,
            (input, target, weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            ignore_index=ignore_index,
            reduce=reduce,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return _nn.cross_entropy_loss(
        input, target, weight, _reduction.get_enum(reduction), ignore_index, label_smoothing
    )


def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
):
    """The negative log-likelihood of ``target`` under the log-probabilities ``input``.

    Args:
        input: log-probabilities.
        target: class numbers.
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: (C), (N, C) or (N, C, ...); target: the same without C.
        - output: a scalar, or shaped like ``target`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.nll_loss(flambeau.tensor([[-0.5, -2.0]]), flambeau.tensor([1]))
        tensor(2.)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            nll_loss,
            (input, target, weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            ignore_index=ignore_index,
            reduce=reduce,
            reduction=reduction,
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return _nn.nll_loss_nd(input, target, weight, _reduction.get_enum(reduction), ignore_index)


def mse_loss(
    input,
    target,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
    weight=None,
):
    """The squared difference of ``input`` and ``target``.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: a factor for each element; ``"mean"`` divides by their sum.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.mse_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
        tensor(2.)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            mse_loss,
            (input, target, weight),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
            weight=weight,
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=2,
        )
        input, target = flambeau.broadcast_tensors(input, target)
    code = _reduction.get_enum(reduction)
    if weight is None:
        return _nn.mse_loss(input, target, code)
    if weight.shape != input.shape:
        raise ValueError(
            f"mse_loss: weight {tuple(weight.shape)} and input {tuple(input.shape)} must have the "
            "same size."
        )
    weighted = weight * (input - target) ** 2
    if reduction == "none":
        return weighted
    return weighted.sum() if reduction == "sum" else weighted.sum() / weight.sum()
