"""How far an output is from its target."""

from __future__ import annotations

import math
import warnings

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

from .. import _reduction

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]

_nn = flambeau._C._nn


def _text(size_average, reduce, reduction: str) -> str:
    """``reduction``, or what the two arguments before it say."""
    if size_average is None and reduce is None:
        return reduction
    return _reduction.legacy_get_string(size_average, reduce)


def _code(size_average, reduce, reduction: str) -> int:
    return _reduction.get_enum(_text(size_average, reduce, reduction))


def _reduced(loss, reduction: str):
    return {"none": lambda: loss, "mean": loss.mean, "sum": loss.sum}[reduction]()


def _warn_of_sizes(input, target) -> None:
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def _weighted(op: str, each, input, weight, reduction: str, by):
    """Losses times ``weight``; their mean is by number, or by the sum of ``by``."""
    if weight.size() != input.size():
        raise ValueError(
            f"{op}: Weights and input must have the same size, got {tuple(weight.shape)} and "
            f"{tuple(input.shape)}."
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"{op}: Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'."
        )
    each = each * weight
    return (
        each.sum() / by.sum()
        if reduction == "mean" and by is not None
        else _reduced(each, reduction)
    )


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


def l1_loss(input, target, size_average=None, reduce=None, reduction: str = "mean", weight=None):
    """The absolute difference of ``input`` and ``target``.

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
        >>> F.l1_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
        tensor(1.)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            l1_loss,
            (input, target, weight),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
            weight=weight,
        )
    _warn_of_sizes(input, target)
    reduction = _text(size_average, reduce, reduction)
    a, b = flambeau.broadcast_tensors(input, target)
    if weight is None:
        return _nn.l1_loss(a, b, _reduction.get_enum(reduction))
    return _weighted("l1_loss", (a - b).abs(), input, weight, reduction, weight)


def smooth_l1_loss(
    input, target, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0
):
    """The absolute difference less ``beta / 2``; below ``beta`` a parabola.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: where the parabola ends.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.smooth_l1_loss(flambeau.tensor([0.5, 3.0]), flambeau.zeros(2))
        tensor(1.3125)
    """
    if _overridden_in((input, target)):
        return handle_torch_function(
            smooth_l1_loss,
            (input, target),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
            beta=beta,
        )
    _warn_of_sizes(input, target)
    code = _code(size_average, reduce, reduction)
    a, b = flambeau.broadcast_tensors(input, target)
    return _nn.l1_loss(a, b, code) if beta == 0.0 else _nn.smooth_l1_loss(a, b, code, beta)


def huber_loss(input, target, reduction: str = "mean", delta: float = 1.0, weight=None):
    """Half the squared difference up to ``delta``, and a line from there on.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: where the line begins.
        weight: a factor for each element.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.huber_loss(flambeau.tensor([0.5, 3.0]), flambeau.zeros(2))
        tensor(1.3125)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            huber_loss,
            (input, target, weight),
            input,
            target,
            reduction=reduction,
            delta=delta,
            weight=weight,
        )
    _warn_of_sizes(input, target)
    a, b = flambeau.broadcast_tensors(input, target)
    if weight is None:
        return _nn.huber_loss(a, b, _reduction.get_enum(reduction), delta)
    each = _nn.huber_loss(a, b, _reduction.get_enum("none"), delta)
    return _weighted("huber_loss", each, input, weight, reduction, None)


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction: str = "mean"):
    """``log(1 + exp(-target * input))`` for targets 1 and -1.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.soft_margin_loss(flambeau.zeros(2), flambeau.tensor([1.0, -1.0]))
        tensor(0.6931)
    """
    if _overridden_in((input, target)):
        return handle_torch_function(
            soft_margin_loss,
            (input, target),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    return _nn.soft_margin_loss(input, target, _code(size_average, reduce, reduction))


def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction: str = "mean"
):
    """``-(t log(p) + (1 - t) log(1 - p))`` for probabilities p and targets t.

    Args:
        weight: a factor for each element, which may be broadcast.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.binary_cross_entropy(flambeau.full((2,), 0.5), flambeau.ones(2))
        tensor(0.6931)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            binary_cross_entropy,
            (input, target, weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    code = _code(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(
            f"binary_cross_entropy: Using a target size ({target.size()}) that is different to the "
            f"input size ({input.size()}) is deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(flambeau.broadcast_shapes(target.size(), weight.size()))
    return _nn.binary_cross_entropy(input, target, weight, code)


def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
    pos_weight=None,
):
    """``binary_cross_entropy`` of ``sigmoid(input)``, accurate for scores of any size.

    Args:
        weight: a factor for each element, which may be broadcast.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: a factor for what the target says is there, which may be broadcast.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.binary_cross_entropy_with_logits(flambeau.zeros(2), flambeau.ones(2))
        tensor(0.6931)
    """
    if _overridden_in((input, target, weight, pos_weight)):
        return handle_torch_function(
            binary_cross_entropy_with_logits,
            (input, target, weight, pos_weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
            pos_weight=pos_weight,
        )
    code = _code(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(
            f"binary_cross_entropy_with_logits: Target size ({target.size()}) must be the same as "
            f"input size ({input.size()})"
        )
    return flambeau.binary_cross_entropy_with_logits(input, target, weight, pos_weight, code)


def kl_div(
    input, target, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False
):
    """The divergence of Kullback and Leibler, of log-probabilities ``input`` from ``target``.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"batchmean"``, ``"mean"``, ``"sum"`` or ``"none"``.
        log_target: whether targets are log-probabilities too.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.kl_div(flambeau.zeros(1, 2), flambeau.ones(1, 2), reduction="batchmean")
        tensor(0.)
    """
    if _overridden_in((input, target)):
        return handle_torch_function(
            kl_div,
            (input, target),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
            log_target=log_target,
        )
    if size_average is not None or reduce is not None:
        code = _reduction.legacy_get_enum(size_average, reduce)
    else:
        if reduction == "mean":
            warnings.warn(
                "kl_div: reduction='mean' divides by the number of elements; 'batchmean' divides "
                "by the batch size alone, as the divergence is defined.",
                stacklevel=2,
            )
        code = _reduction.get_enum("sum" if reduction == "batchmean" else reduction)
    total = flambeau.kl_div(input, target, code, log_target=log_target)
    return total / input.size(0) if reduction == "batchmean" and input.dim() else total


def poisson_nll_loss(
    input,
    target,
    log_input: bool = True,
    full: bool = False,
    size_average=None,
    eps: float = 1e-8,
    reduce=None,
    reduction: str = "mean",
):
    """The negative log-likelihood of counts under Poisson distributions.

    Args:
        log_input: whether ``input`` is the logarithm of the rate.
        full: whether to add Stirling's approximation of what does not depend on the input.
        eps: keeps the logarithm of a rate of 0 finite.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.poisson_nll_loss(flambeau.zeros(2), flambeau.ones(2))
        tensor(1.)
    """
    if _overridden_in((input, target)):
        return handle_torch_function(
            poisson_nll_loss,
            (input, target),
            input,
            target,
            log_input=log_input,
            full=full,
            size_average=size_average,
            eps=eps,
            reduce=reduce,
            reduction=reduction,
        )
    reduction = _text(size_average, reduce, reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"poisson_nll_loss: {reduction} is not a valid value for reduction")
    code = _reduction.get_enum(reduction)
    return flambeau.poisson_nll_loss(input, target, log_input, full, eps, code)


def gaussian_nll_loss(
    input, target, var, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
):
    """The negative log-likelihood of ``target`` under normal distributions.

    Args:
        input: the means.
        target: what was seen.
        var: the variances, or one for all.
        full: whether to add what does not depend on the input.
        eps: the least variance.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: any; target: the same, or broadcast to it.
        - var: as input, as input but for its last dimension, or a number.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.gaussian_nll_loss(flambeau.zeros(2), flambeau.ones(2), flambeau.ones(2))
        tensor(0.5000)
    """
    if _overridden_in((input, target, var)):
        return handle_torch_function(
            gaussian_nll_loss,
            (input, target, var),
            input,
            target,
            var,
            full=full,
            eps=eps,
            reduction=reduction,
        )
    if isinstance(var, float):
        if var < 0:
            raise ValueError(f"gaussian_nll_loss: var has negative entry/entries: {var}")
        var = var * flambeau.ones_like(input)
    elif flambeau.any(var < 0):
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        else:
            pairs = zip(input.size(), var.size(), strict=False)
            others = [v for x, v in pairs if x != v]
            if input.ndim != var.ndim or sum(others) != 1:
                raise ValueError(
                    f"gaussian_nll_loss: var is of incorrect size {tuple(var.shape)} for an input "
                    f"of {tuple(input.shape)}"
                )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"gaussian_nll_loss: {reduction} is not valid")
    var = var.clone()
    with flambeau.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss += 0.5 * math.log(2 * math.pi)
    return _reduced(loss, reduction)
