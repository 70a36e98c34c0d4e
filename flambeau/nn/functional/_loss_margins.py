"""Losses of margins and of alignments."""

from __future__ import annotations

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

from .. import _reduction
from ._losses import _code, _reduced, _text

__all__ = [
    "cosine_embedding_loss",
    "ctc_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

_nn = flambeau._C._nn


def margin_ranking_loss(
    input1,
    input2,
    target,
    margin: float = 0,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
):
    """``max(0, margin - target * (input1 - input2))``: 1 as target says that the first is to be
    larger, -1 the second.

    Args:
        margin: how far is far enough.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - inputs and target: any, the same or broadcast.
        - output: a scalar, or shaped like the inputs for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> one = flambeau.ones(1)
        >>> F.margin_ranking_loss(one, 2 * one, one)
        tensor(1.)
    """
    if _overridden_in((input1, input2, target)):
        return handle_torch_function(
            margin_ranking_loss,
            (input1, input2, target),
            input1,
            input2,
            target,
            margin=margin,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    code = _code(size_average, reduce, reduction)
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            "margin_ranking_loss: All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()}"
        )
    return flambeau.margin_ranking_loss(input1, input2, target, margin, code)


def hinge_embedding_loss(
    input, target, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean"
):
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1.

    Args:
        margin: how far is far enough.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.hinge_embedding_loss(flambeau.tensor([0.25, 0.25]), flambeau.tensor([1.0, -1.0]))
        tensor(0.5000)
    """
    if _overridden_in((input, target)):
        return handle_torch_function(
            hinge_embedding_loss,
            (input, target),
            input,
            target,
            margin=margin,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    code = _code(size_average, reduce, reduction)
    return flambeau.hinge_embedding_loss(input, target, margin, code)


def cosine_embedding_loss(
    input1,
    input2,
    target,
    margin: float = 0,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
):
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Args:
        margin: how far is far enough.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input1, input2: (N, D) or (D); target: (N) or ().
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> one = flambeau.ones(1, 2)
        >>> F.cosine_embedding_loss(one, one, flambeau.tensor([-1.0]))
        tensor(1.)
    """
    if _overridden_in((input1, input2, target)):
        return handle_torch_function(
            cosine_embedding_loss,
            (input1, input2, target),
            input1,
            input2,
            target,
            margin=margin,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    code = _code(size_average, reduce, reduction)
    return flambeau.cosine_embedding_loss(input1, input2, target, margin, code)


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction: str = "mean"):
    """How much less than 1 the scores of an item's classes are above those of all others.

    Args:
        target: the classes of each item, followed by -1.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: (N, C) or (C).
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.multilabel_margin_loss(flambeau.zeros(4), flambeau.tensor([2, -1, 0, 0]))
        tensor(0.7500)
    """
    if _overridden_in((input, target)):
        return handle_torch_function(
            multilabel_margin_loss,
            (input, target),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    return _nn.multilabel_margin_loss(input, target, _code(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction: str = "mean"
):
    """The mean over classes of ``binary_cross_entropy_with_logits``.

    Args:
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: (N, C), or any; classes are the last dimension.
        - output: a scalar, or the input without classes for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.multilabel_soft_margin_loss(flambeau.zeros(1, 2), flambeau.ones(1, 2))
        tensor(0.6931)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            multilabel_soft_margin_loss,
            (input, target, weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    reduction = _text(size_average, reduce, reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"multilabel_soft_margin_loss: {reduction} is not valid")
    loss = -(target * _nn.log_sigmoid(input) + (1 - target) * _nn.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    classes = input.dim() - 1
    return _reduced(loss.sum(dim=classes) / input.size(classes), reduction)


def multi_margin_loss(
    input,
    target,
    p: float = 1,
    margin: float = 1.0,
    weight=None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
):
    """How much less than ``margin`` the score of the target's class is above the others, to the
    power ``p``.

    Args:
        p: 1 or 2.
        margin: how far is far enough.
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: (N, C) or (C); target: (N) or ().
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.multi_margin_loss(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(0.7500)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            multi_margin_loss,
            (input, target, weight),
            input,
            target,
            p=p,
            margin=margin,
            weight=weight,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    code = _code(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.dim() != 1:
        raise ValueError(
            f"multi_margin_loss: weight must be one-dimensional, got {tuple(weight.shape)}"
        )
    return _nn.multi_margin_loss(input, target, p, margin, weight, code)


def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
):
    """How much less than ``margin`` closer the anchor is to ``positive`` than to ``negative``.

    Args:
        margin: how far is far enough.
        p: the norm that measures distances.
        eps: added to differences.
        swap: whether the distance of ``positive`` and ``negative`` counts where it is less.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - anchor, positive, negative: (N, D) or (D).
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> a = flambeau.zeros(1, 1)
        >>> F.triplet_margin_loss(a, a + 1, a)
        tensor(2.0000)
    """
    if _overridden_in((anchor, positive, negative)):
        return handle_torch_function(
            triplet_margin_loss,
            (anchor, positive, negative),
            anchor,
            positive,
            negative,
            margin=margin,
            p=p,
            eps=eps,
            swap=swap,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
        )
    code = _code(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be greater than 0, got {margin}")
    return flambeau.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, code)


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
):
    """The negative log-likelihood of all ways to align targets to a sequence (Graves et al., 2006).

    Args:
        log_probs: log-probabilities of classes at each step.
        targets: class numbers, padded, or one after the other.
        input_lengths, target_lengths: how long each item is.
        blank: the class that stands between others.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        zero_infinity: whether what cannot be aligned counts as 0.

    Shape:
        - log_probs: (T, N, C) or (T, C); targets: (N, S) or the sum of all lengths.
        - input_lengths, target_lengths: (N) or ().
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x = flambeau.full((2, 1, 2), 0.5).log()
        >>> F.ctc_loss(x, flambeau.tensor([[1]]), (2,), (1,))
        tensor(0.2877)
    """
    if _overridden_in((log_probs, targets, input_lengths, target_lengths)):
        return handle_torch_function(
            ctc_loss,
            (log_probs, targets, input_lengths, target_lengths),
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            blank=blank,
            reduction=reduction,
            zero_infinity=zero_infinity,
        )
    return flambeau.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        _reduction.get_enum(reduction),
        zero_infinity,
    )


def triplet_margin_with_distance_loss(
    anchor,
    positive,
    negative,
    *,
    distance_function=None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
):
    """``triplet_margin_loss`` with a distance of the caller's.

    Args:
        distance_function: gives distances of two tensors; ``pairwise_distance`` by default.
        margin: how far is far enough.
        swap: whether the distance of ``positive`` and ``negative`` counts where it is less.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - anchor, positive, negative: what the distance takes, of one number of dimensions.
        - output: a scalar, or what the distance gives for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> a = flambeau.zeros(1, 1)
        >>> F.triplet_margin_with_distance_loss(a, a + 1, a)
        tensor(2.0000)
    """
    if _overridden_in((anchor, positive, negative)):
        return handle_torch_function(
            triplet_margin_with_distance_loss,
            (anchor, positive, negative),
            anchor,
            positive,
            negative,
            distance_function=distance_function,
            margin=margin,
            swap=swap,
            reduction=reduction,
        )
    op = "triplet_margin_with_distance_loss"
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: {reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"{op}: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"{op}: The anchor, positive, and negative tensors are expected to have the same "
            f"number of dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and "
            f"negative {negative.ndim}D inputs"
        )
    distance = flambeau.pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = flambeau.minimum(far, distance(positive, negative))
    return _reduced(flambeau.clamp_min(margin + near - far, 0), reduction)
