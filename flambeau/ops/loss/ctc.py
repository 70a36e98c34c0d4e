"""Connectionist temporal classification (Graves et al., 2006)."""

import math

from flambeau.ops.language import Error, Spec, dtype_name, dtypes, show
from flambeau.ops.loss.losses import MEAN, NONE, check_reduction
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, ints, values

_DOUBLES = frozenset({"float32", "float64"})
_LENGTHS = "int[] input_lengths, int[] target_lengths"
_BOTH = "Tensor input_lengths, Tensor target_lengths"
_OPTIONS = "int blank=0, int reduction=Mean, bool zero_infinity=False"


def ctc_specs(log_probs, targets, input_lengths, target_lengths, blank):
    if log_probs.dim() != 3:
        raise Error(
            "ctc_loss: log_probs has to be (T, N, C), or (T, C) without a batch, got "
            f"{show(log_probs.shape)}"
        )
    if log_probs.dtype != dtypes.float32 and log_probs.dtype != dtypes.float64:
        raise NotImplementedError(
            f"ctc_loss: \"ctc_loss_cpu\" not implemented for '{dtype_name(log_probs.dtype)}': use "
            "float32 or float64"
        )
    if targets.dtype != dtypes.int64 and targets.dtype != dtypes.int32:
        raise Error(
            f"ctc_loss: targets must be torch.int64 or torch.int32, got {dtype_name(targets.dtype)}"
        )
    steps, items, classes = log_probs.shape[0], log_probs.shape[1], log_probs.shape[2]
    if items == 0:
        raise Error("ctc_loss: batch size must be greater than 0")
    if blank < 0 or blank >= classes:
        raise Error(f"ctc_loss: blank must be in label range, got {blank} of {classes} classes")
    if len(input_lengths) != items:
        raise Error(
            f"ctc_loss: input_lengths must be of size batch_size, got {len(input_lengths)} for "
            f"{items} items"
        )
    if len(target_lengths) != items:
        raise Error(
            f"ctc_loss: target_lengths must be of size batch_size, got {len(target_lengths)} for "
            f"{items} items"
        )
    longest = 0
    total = 0
    for i, n in enumerate(target_lengths):
        if n < 0:
            raise Error(
                f"ctc_loss: Expected target_lengths to have value at least 0, but got value {n}"
            )
        if input_lengths[i] < 0 or input_lengths[i] > steps:
            raise Error(
                "ctc_loss: Expected input_lengths to have value at most "
                f"{steps} and at least 0, but got value {input_lengths[i]}"
            )
        longest = max(longest, n)
        total += n
    if targets.dim() == 1:
        if targets.shape[0] != total:
            raise Error(
                f"ctc_loss: Expected tensor to have size {total} at dimension 0, but got size "
                f"{targets.shape[0]} for argument targets (while checking arguments for ctc_loss)"
            )
    elif targets.dim() != 2 or targets.shape[0] != items or targets.shape[1] < longest:
        raise Error(
            f"ctc_loss: targets have to be ({items}, at least {longest}) or the {total} labels one "
            f"after the other, got {show(targets.shape)}"
        )
    return (
        Spec([items], log_probs.dtype),
        Spec([items, steps, 2 * longest + 1], log_probs.dtype),
    )


@structured(
    f"_ctc_loss(Tensor log_probs, Tensor targets, {_LENGTHS}, int blank=0, "
    "bool zero_infinity=False) -> (Tensor, Tensor)",
    cpu="cpu::ctc_loss(result0, result1, log_probs, targets, input_lengths, target_lengths, blank)",
    method=False,
    checks_values=True,
    differentiable=(0,),
)
def _ctc_loss():
    """The negative log-likelihood of each item, and what its gradient starts from."""


# The gradient is that of scores behind a log_softmax, as in PyTorch: tests/nn tries it there.
_X = values(4, 2, 3, low=-2, high=-0.1, constant=True)
_ctc_loss.samples(
    call(_X, ints([[1, 2], [2, 0]]), [4, 3], [2, 1], 0, False),
    call(_X, ints([1, 1, 0]), [4, 3], [2, 1], 2, True),
    dtypes=_DOUBLES,
)
_ctc_loss.autocast("float32")


@_ctc_loss.rule
def _(log_probs, targets, input_lengths, target_lengths, blank):
    return ctc_specs(log_probs, targets, input_lengths, target_lengths, blank)


@_ctc_loss.gradient
def _(
    g,
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank,
    zero_infinity,
    result0,
    result1,
    ops,
):
    return ops._ctc_loss_backward(
        g,
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        result0,
        result1,
        blank,
        zero_infinity,
    ), None


@structured(
    f"_ctc_loss_backward(Tensor grad, Tensor log_probs, Tensor targets, {_LENGTHS}, "
    "Tensor neg_log_likelihood, Tensor log_alpha, int blank, bool zero_infinity=False) -> Tensor",
    cpu="cpu::ctc_loss_backward(result, grad, log_probs, targets, input_lengths, target_lengths, "
    "neg_log_likelihood, log_alpha, blank, zero_infinity)",
    function_variant=False,
    method=False,
    checks_values=True,
)
def _ctc_loss_backward():
    """The gradient of ``_ctc_loss``."""


_ctc_loss_backward.samples(
    call(
        values(2),
        _X,
        ints([[1, 2], [2, 0]]),
        [4, 3],
        [2, 1],
        values(2, constant=True),
        values(2, 4, 5, constant=True),
        0,
    ),
    dtypes=_DOUBLES,
)


@_ctc_loss_backward.rule
def _(
    grad, log_probs, targets, input_lengths, target_lengths, neg_log_likelihood, log_alpha, blank
):
    loss, alpha = ctc_specs(log_probs, targets, input_lengths, target_lengths, blank)
    if grad.numel() != loss.sizes[0] or neg_log_likelihood.numel() != loss.sizes[0]:
        raise Error(
            f"_ctc_loss_backward: grad of shape {show(grad.shape)} and neg_log_likelihood of shape "
            f"{show(neg_log_likelihood.shape)} must have one element for each of "
            f"{loss.sizes[0]} items"
        )
    sizes = alpha.sizes
    if log_alpha.numel() != sizes[0] * sizes[1] * sizes[2]:
        raise Error(
            f"_ctc_loss_backward: log_alpha must be {show(sizes)}, got {show(log_alpha.shape)}"
        )
    return Spec(log_probs.shape, log_probs.dtype)


@composite(
    f"ctc_loss.IntList(Tensor log_probs, Tensor targets, {_LENGTHS}, {_OPTIONS}) -> Tensor",
    method=False,
)
def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity, ops
):
    """The negative log-likelihood of all ways to align targets to a sequence.

    >>> x = flambeau.full((2, 1, 2), 0.5).log()
    >>> flambeau.ctc_loss(x, flambeau.tensor([[1]]), (2,), (1,))
    tensor(0.2877)
    """
    check_reduction("ctc_loss", reduction)
    batched = log_probs.dim() == 3
    scores = log_probs if batched else ops.unsqueeze(log_probs, 1)
    labels = targets if batched or targets.dim() != 1 else ops.unsqueeze(targets, 0)
    losses = ops._ctc_loss(scores, labels, input_lengths, target_lengths, blank, zero_infinity)[0]
    if zero_infinity:
        losses = ops.masked_fill_Scalar(losses, ops.eq_Scalar(losses, math.inf), 0)
    if reduction == NONE:
        return losses if batched else ops.squeeze_dim(losses, 0)
    if reduction == MEAN:
        parts = ops.split_Tensor(losses, 1)
        shares = []
        for i, part in enumerate(parts):
            shares.append(ops.div_Scalar(part, float(max(target_lengths[i], 1))))
        return ops.mean(ops.cat(shares))
    return ops.sum(losses)


ctc_loss.samples(
    call(_X, ints([[1, 2], [2, 0]]), [4, 3], [2, 1]),
    call(_X, ints([1, 1, 0]), [4, 3], [2, 1], 2, 0, True),
    dtypes=_DOUBLES,
)


@composite(
    f"ctc_loss.Tensor(Tensor log_probs, Tensor targets, {_BOTH}, {_OPTIONS}) -> Tensor",
    method=False,
)
def ctc_loss_tensor(
    log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity, ops
):
    """``ctc_loss`` with lengths as tensors."""
    steps = lengths_of("input_lengths", input_lengths, ops)
    labels = lengths_of("target_lengths", target_lengths, ops)
    return ops.ctc_loss_IntList(log_probs, targets, steps, labels, blank, reduction, zero_infinity)


def lengths_of(name, t, ops):
    if t.is_floating_point() or t.is_complex():
        raise Error(f"ctc_loss: {name} must be integral, got {dtype_name(t.dtype)}")
    made = []
    for part in ops.unbind_int(ops.reshape(t, [-1]), 0):
        made.append(int(part.item()))
    return made


ctc_loss_tensor.samples(
    call(_X, ints([[1, 2], [2, 0]]), ints([4, 3]), ints([2, 1])), dtypes=_DOUBLES
)


@_ctc_loss_backward.gradient
def _(g, ops):
    raise NotImplementedError("_ctc_loss_backward: a second gradient of ctc_loss is not supported")


_ctc_loss.without("jvp", "batching", "decomposition", "sharding", "benchmark")

_ctc_loss_backward.without("jvp", "batching", "decomposition", "sharding", "autocast", "benchmark")

for _op in (ctc_loss, ctc_loss_tensor):
    _op.without("benchmark")
