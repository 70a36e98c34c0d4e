"""The cross entropy of what a layer gives, whose scores need not be kept."""

from __future__ import annotations

import math
import warnings

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

from ._losses import cross_entropy

__all__ = ["linear_cross_entropy"]

_linear = flambeau._C._nn.linear


class _Chunked(flambeau.autograd.Function):
    """Scores are made for a chunk of the batch at a time, and once more for its gradient."""

    @staticmethod
    def forward(ctx, input, weight, bias, target, class_weight, reduction, ignore_index, size):
        ctx.save_for_backward(input, weight, bias, target, class_weight)
        ctx.how = reduction, ignore_index, size
        parts = [
            cross_entropy(
                _linear(x, weight, bias),
                t,
                class_weight,
                reduction="none" if reduction == "none" else "sum",
                ignore_index=ignore_index,
            )
            for x, t in zip(input.split(size), target.split(size), strict=True)
        ]
        if reduction == "none":
            return flambeau.cat(parts)
        total = flambeau.stack([p.to(_wide(p.dtype)) for p in parts]).sum()
        ctx.count = _count(target, class_weight, ignore_index) if reduction == "mean" else 1
        return (total / ctx.count).to(input.dtype)

    @staticmethod
    @flambeau.autograd.function.once_differentiable
    def backward(ctx, g):
        input, weight, bias, target, class_weight = ctx.saved_tensors
        reduction, ignore_index, size = ctx.how
        g = g if reduction == "none" else g / ctx.count
        made, sums = [], [None, None]
        w = weight.detach().requires_grad_()
        b = None if bias is None else bias.detach().requires_grad_()
        for k, (x, t) in enumerate(zip(input.split(size), target.split(size), strict=True)):
            x = x.detach().requires_grad_()
            with flambeau.enable_grad():
                loss = cross_entropy(
                    _linear(x, w, b),
                    t,
                    class_weight,
                    reduction="none" if reduction == "none" else "sum",
                    ignore_index=ignore_index,
                )
            own = g[k * size : k * size + len(t)] if reduction == "none" else g.to(loss.dtype)
            leaves = [x, w] if b is None else [x, w, b]
            first, *others = flambeau.autograd.grad(loss, leaves, own)
            made.append(first)
            for i, grad in enumerate(others):
                grad = grad.to(_wide(grad.dtype))
                sums[i] = grad if sums[i] is None else sums[i] + grad
        of_weight, of_bias = (s if s is None else s.to(input.dtype) for s in sums)
        return flambeau.cat(made), of_weight, of_bias, None, None, None, None, None


def _wide(dtype):
    return flambeau.float32 if dtype.itemsize == 2 else dtype


def _count(target, class_weight, ignore_index: int):
    kept = target != ignore_index
    if class_weight is None:
        return kept.sum()
    return (class_weight[target.masked_fill(~kept, 0)] * kept).sum()


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options=None,
):
    """``cross_entropy`` of ``linear(input, linear_weight, linear_bias)``.

    Args:
        input: the features of each item.
        linear_weight: the layer's weight, whose first dimension are the classes.
        target: class numbers, or a probability for each class.
        linear_bias: the layer's bias.
        weight: a factor for each class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        ignore_index: a class number that counts nothing.
        label_smoothing: how much of the target is spread evenly over the classes.
        options: an ``nn.LinearCrossEntropyOptions``: keep the scores of a chunk at a time.

    Shape:
        - input: (N, D) or (D); linear_weight: (C, ..., D); linear_bias: (C, ...).
        - target: (N, ...) or () class numbers, or probabilities (N, C, ...) or (C).
        - output: a scalar, or shaped like the class numbers for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.linear_cross_entropy(flambeau.zeros(1, 3), flambeau.ones(4, 3), flambeau.tensor([2]))
        tensor(1.3863)
    """
    tensors = (input, linear_weight, target, linear_bias, weight)
    if _overridden_in(tensors):
        return handle_torch_function(
            linear_cross_entropy,
            tensors,
            input,
            linear_weight,
            target,
            linear_bias=linear_bias,
            weight=weight,
            reduction=reduction,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            options=options,
        )
    op = "linear_cross_entropy"
    if input.dim() not in (1, 2):
        raise RuntimeError(f"{op}: expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(
            f"{op}: expected linear_weight with dimensionality at least 2, got "
            f"{linear_weight.dim()}"
        )
    features, (classes, *outer) = input.shape[-1], linear_weight.shape[:-1]
    if features != linear_weight.shape[-1]:
        raise RuntimeError(
            f"{op}: expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {linear_weight.shape[-1]}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *outer):
        raise RuntimeError(
            f"{op}: expected linear_bias shape {(classes, *outer)}, got {tuple(linear_bias.shape)}"
        )
    if outer and input.dim() == 1:
        raise RuntimeError(
            f"{op}: linear_weight of shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {features}), got {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], classes, *outer)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError(
            f"{op}: ignore_index cannot be specified when target contains probabilities"
        )
    ignored = -100 if ignore_index is None else ignore_index
    chunks = target.dtype == flambeau.int64 and not outer and label_smoothing == 0.0
    if options is not None and not (chunks and reduction in ("mean", "sum", "none")):
        warnings.warn(
            f"{op}: ``options`` need reduction in {{'mean','sum','none'}}, label_smoothing == 0, "
            "class numbers as targets and a matrix as linear_weight: all scores are made at once.",
            stacklevel=2,
        )
    elif options is not None:
        x, t = (input, target) if input.dim() == 2 else (input.unsqueeze(0), target.unsqueeze(0))
        size = options._size(x.size(0), features, classes, x.dtype.itemsize == 2)
        made = _Chunked.apply(x, linear_weight, linear_bias, t, weight, reduction, ignored, size)
        return made.squeeze(0) if input.dim() == 1 else made
    if outer:
        rows = math.prod(outer, start=classes)
        linear_weight = linear_weight.reshape(rows, features)
        linear_bias = None if linear_bias is None else linear_bias.reshape(rows)
    return cross_entropy(
        _linear(input, linear_weight, linear_bias).reshape(shape),
        target,
        weight,
        reduction=reduction,
        ignore_index=ignored,
        label_smoothing=label_smoothing,
    )
