"""Losses."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    count,
    dtype_name,
    dtypes,
    joint_dtype,
    same,
    scalar_type_name,
    show,
    sum_to,
    zeros_for,
)
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, ints, np, values

NONE, MEAN, SUM = 0, 1, 2  # reductions, by ATen's numbers


@structured(
    "mse_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
    cpu="cpu::mse_loss(result, self, target, reduction)",
    module="_nn",
    method=False,
    out=True,
)
def mse_loss():
    """The squared difference: each (0), its mean (1) or its sum (2).

    >>> flambeau.nn.functional.mse_loss(flambeau.tensor([1., 2.]), flambeau.tensor([1., 4.]))
    tensor(2.)
    """


mse_loss.samples(
    call(values(2, 3), values(2, 3)),
    call(values(2, 3), values(2, 3), 0),
    call(values(2), values(2), 2),
    dtypes=FLOATING,
)
mse_loss.reference(
    lambda x, y, reduction=1: (lambda a: a, np.mean, np.sum)[reduction]((x - y) ** 2)
)
mse_loss.autocast("float32")


@mse_loss.decomposition
def _(self, target, reduction, ops):
    dtype = joint_dtype(self, target)  # of bools there is no difference
    each = ops.square(ops.to_dtype(self, dtype) - ops.to_dtype(target, dtype))
    return each if reduction == NONE else ops.mean(each) if reduction == MEAN else ops.sum(each)


@mse_loss.jvp
def _(t, self, target, reduction):
    each = 2 * (self - target) * (t.get("self") - t.get("target"))
    return each if reduction == NONE else each.mean() if reduction == MEAN else each.sum()


def check_reduction(op, reduction):
    if reduction < NONE or reduction > SUM:
        raise ValueError(
            f"{op}: {reduction} is not a valid value for reduction: 0 is none, 1 mean, 2 sum"
        )


def check_mse(op, dtype):
    if not dtype.is_floating_point:
        raise NotImplementedError(
            f"{op}: \"mse_cpu\" not implemented for '{dtype_name(dtype)}': convert with "
            ".to(torch.float32)"
        )


@mse_loss.rule
def _(self, target, reduction):
    check_reduction("mse_loss", reduction)
    dtype = joint_dtype(self, target)
    check_mse("mse_loss", dtype)
    shape = broadcast(self.shape, target.shape, "mse_loss")
    return Spec(shape if reduction == NONE else [], dtype)


@mse_loss.batching
def _(b, self, target, reduction):
    rank = max(self.rank, target.rank)
    return b.reduced((b.aligned(self, rank) - b.aligned(target, rank)) ** 2, reduction)


@mse_loss.gradient
def _(g, self, target, reduction, ops):
    grad = ops.mse_loss_backward(g, self, target, reduction)
    return grad, ops.mse_loss_backward(g, target, self, reduction)


@structured(
    "mse_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction) -> Tensor",
    cpu="cpu::mse_loss_backward(result, grad_output, self, target, reduction)",
    module="_nn",
    method=False,
)
def mse_loss_backward():
    """The gradient of ``mse_loss``.

    >>> flambeau._C._nn.mse_loss_backward(
    ...     flambeau.tensor(1.), flambeau.tensor([3.]), flambeau.tensor([1.]), 2)
    tensor([4.])
    """


mse_loss_backward.samples(
    call(values(), values(2, 3), values(2, 3), 1),
    call(values(2), values(2), values(2), 0),
    dtypes=FLOATING,
)


@mse_loss_backward.rule
def _(grad_output, self, target, reduction):
    check_reduction("mse_loss_backward", reduction)
    dtype = joint_dtype(self, target)
    check_mse("mse_loss_backward", dtype)
    shape = broadcast(self.shape, target.shape, "mse_loss_backward")
    return Spec(broadcast(shape, grad_output.shape, "mse_loss_backward"), dtype)


@mse_loss_backward.batching
def _(b, grad_output, self, target, reduction):
    rank = max(self.rank, target.rank)
    slope = (b.spread(self, rank) - b.spread(target, rank)) * 2
    count = slope[0].numel() if reduction == MEAN else 1
    return b.aligned(grad_output, rank) * slope / count


@mse_loss_backward.gradient
def _(g, grad_output, self, target, reduction, ops):
    scale = 2.0 / float(max(g.numel(), 1)) if reduction == MEAN else 2.0
    scaled = ops.mul_Scalar(g, scale)
    of_self = scaled * grad_output
    return (
        sum_to(scaled * (self - target), grad_output.shape, ops),
        sum_to(of_self, self.shape, ops),
        sum_to(-of_self, target.shape, ops),
    )


_NLL = "Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index"


@structured(
    f"nll_loss_forward({_NLL}) -> (Tensor output, Tensor total_weight)",
    checks_values=True,
    cpu="cpu::nll_loss(output, total_weight, self, target, weight, reduction, ignore_index)",
    module="_nn",
    method=False,
    differentiable=(0,),
    node="NllLossBackward0",
)
def nll_loss_forward():
    """The negative log-likelihood and the sum of the weights that went into it.

    >>> flambeau._C._nn.nll_loss_forward(
    ...     flambeau.tensor([[-1., -2.]]), flambeau.tensor([1]), None, 2, -100)
    torch.return_types.nll_loss_forward(
    output=tensor(2.),
    total_weight=tensor(1.))
    """


nll_loss_forward.samples(
    call(values(3, 4), ints([1, 0, 3]), None, 1, -100),
    call(values(3, 4), ints([1, 0, 3]), values(4, low=0.1, constant=True), 2, 0),
    dtypes=FLOATING,
)
nll_loss_forward.autocast("float32")


def check_nll(op, self, target, weight, classes, reduction):
    check_reduction(op, reduction)
    if not self.is_floating_point():
        raise Error(f"{op}: expected floating scores, got {dtype_name(self.dtype)}")
    if target.dtype != dtypes.int64 and target.dtype != dtypes.uint8:
        raise Error(
            f"{op}: expected scalar type Long but found {dtype_name(target.dtype)}: class indices "
            "are torch.int64"
        )
    if weight is None:
        return
    if weight.dim() != 1 or weight.numel() != classes:
        raise Error(
            f"{op}: weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {show(weight.shape)}"
        )
    if weight.dtype != self.dtype:
        raise Error(
            f"{op}: expected scalar type {scalar_type_name(self.dtype)} but found "
            f"{scalar_type_name(weight.dtype)}: weight and input must be of one dtype"
        )


def nll_specs(self, target, weight, reduction):
    if self.dim() == 0 or self.dim() > 2:
        raise Error(f"nll_loss: input tensor should be 1D or 2D, got shape {show(self.shape)}")
    if target.dim() > 1:
        raise Error(
            "nll_loss: 0D or 1D target tensor expected, multi-target not supported, got shape "
            f"{show(target.shape)}"
        )
    no_batch = self.dim() == 1 and target.dim() == 0
    if not no_batch and (target.dim() != 1 or self.shape[0] != target.shape[0]):
        raise Error(
            f"nll_loss: size mismatch (got input: {show(self.shape)}, target: {show(target.shape)})"
        )
    check_nll("nll_loss", self, target, weight, self.shape[-1], reduction)
    shape = [self.shape[0]] if reduction == NONE and self.dim() == 2 else []
    return Spec(shape, self.dtype), Spec([], self.dtype)


@nll_loss_forward.rule
def _(self, target, weight, reduction):
    return nll_specs(self, target, weight, reduction)


def _by_class(x):
    """Items, samples, classes, places."""
    samples = x.full if x.rank > 1 else x.full.unsqueeze(1)
    return samples.flatten(3) if samples.dim() > 3 else samples.unsqueeze(3)


def _targets(b, x, target, ignore_index):
    places = _by_class(x)
    t = target.full.reshape(b.size, places.size(1), 1, places.size(3))
    return t.masked_fill(t == ignore_index, 0)


def _picked(b, x, target, ignore_index):
    return _by_class(x).gather(2, _targets(b, x, target, ignore_index))


def _class_weights(b, x, target, weight, ignore_index):
    """The weight of each target's class; 0 where it is to be ignored."""
    places = _by_class(x)
    t = target.full.reshape(b.size, places.size(1), places.size(3))
    kept = (t != ignore_index).to(x.dtype)
    if weight is None:
        return kept
    classes = _targets(b, x, target, ignore_index).flatten(1)
    return kept * weight.full.gather(1, classes).reshape(t.shape)


def _losses_of_items(b, self, target, weight, reduction, ignore_index):
    picked = -_picked(b, self, target, ignore_index).squeeze(2)
    each = _class_weights(b, self, target, weight, ignore_index)
    losses = picked * each
    if reduction == NONE:
        losses = losses.reshape([b.size, *target.shape])
        return losses, b.ops.new_zeros(losses, [b.size])
    total = each.flatten(1).sum(1)
    losses = losses.flatten(1).sum(1)
    return (losses / total if reduction == MEAN else losses), total


nll_loss_forward.batching(_losses_of_items)


@nll_loss_forward.gradient
def _(g, self, target, weight, reduction, ignore_index, total_weight, ops):
    return ops.nll_loss_backward(
        g, self, target, weight, reduction, ignore_index, total_weight
    ), None


@structured(
    f"nll_loss_backward(Tensor grad_output, {_NLL}, Tensor total_weight) -> Tensor",
    checks_values=True,
    cpu="cpu::nll_loss_backward(result, grad_output, self, target, weight, reduction, ignore_index,"
    " total_weight)",
    module="_nn",
    method=False,
)
def nll_loss_backward():
    """The gradient of ``nll_loss``.

    >>> flambeau._C._nn.nll_loss_backward(
    ...     flambeau.tensor(1.), flambeau.zeros(1, 2), flambeau.tensor([1]), None, 2, -100,
    ...     flambeau.tensor(1.))
    tensor([[ 0., -1.]])
    """


nll_loss_backward.samples(
    call(values(), values(3, 4), ints([1, 0, 3]), None, 2, -100, values(constant=True)),
    dtypes=FLOATING,
)


def _slopes_of_items(b, grad_output, self, target, weight, reduction, ignore_index, total_weight):
    each = _class_weights(b, self, target, weight, ignore_index)
    g = grad_output.full
    if reduction == MEAN:
        g = g / total_weight.full
    g = -each * g.reshape(each.shape if reduction == NONE else [b.size, 1, 1])
    shape = b.ops.zeros_like(_by_class(self))
    made = shape.scatter(2, _targets(b, self, target, ignore_index), g.unsqueeze(2))
    return made.reshape(self.full.shape)


nll_loss_backward.batching(_slopes_of_items)


@structured(
    f"nll_loss2d_forward({_NLL}) -> (Tensor output, Tensor total_weight)",
    checks_values=True,
    cpu="cpu::nll_loss2d(output, total_weight, self, target, weight, reduction, ignore_index)",
    module="_nn",
    method=False,
    differentiable=(0,),
    node="NllLoss2DBackward0",
)
def nll_loss2d_forward():
    """The negative log-likelihood of (N, C, H, W) input.

    >>> flambeau._C._nn.nll_loss2d_forward(
    ...     flambeau.full((1, 2, 1, 1), -1.), flambeau.tensor([[[1]]]), None, 2, -100)
    torch.return_types.nll_loss2d_forward(
    output=tensor(1.),
    total_weight=tensor(1.))
    """


nll_loss2d_forward.samples(
    call(values(1, 3, 2, 1), ints([[[1], [2]]]), None, 1, -100),
    call(values(1, 3, 2, 1), ints([[[1], [2]]]), values(3, low=0.1, constant=True), 0, 2),
    dtypes=FLOATING,
)
nll_loss2d_forward.autocast("float32")


def nll_plane_specs(self, target, weight, reduction):
    if self.dim() != 4:
        raise Error(
            "nll_loss2d: only batches of spatial inputs supported (4D tensors), but got input of "
            f"size: {show(self.shape)}"
        )
    if target.dim() != 3:
        raise Error(
            "nll_loss2d: only batches of spatial targets supported (3D tensors) but got targets of "
            f"size: : {show(target.shape)}"
        )
    x, y = self.shape, target.shape
    if x[0] != y[0] or x[2] != y[1] or x[3] != y[2]:
        raise Error(f"nll_loss2d: size mismatch (got input: {show(x)} , target: {show(y)})")
    check_nll("nll_loss2d", self, target, weight, x[1], reduction)
    return Spec(y if reduction == NONE else [], self.dtype), Spec([], self.dtype)


@nll_loss2d_forward.rule
def _(self, target, weight, reduction):
    return nll_plane_specs(self, target, weight, reduction)


nll_loss2d_forward.batching(_losses_of_items)


@nll_loss2d_forward.gradient
def _(g, self, target, weight, reduction, ignore_index, total_weight, ops):
    return ops.nll_loss2d_backward(
        g, self, target, weight, reduction, ignore_index, total_weight
    ), None


@structured(
    f"nll_loss2d_backward(Tensor grad_output, {_NLL}, Tensor total_weight) -> Tensor",
    checks_values=True,
    cpu="cpu::nll_loss2d_backward(result, grad_output, self, target, weight, reduction, "
    "ignore_index,"
    " total_weight)",
    module="_nn",
    method=False,
)
def nll_loss2d_backward():
    """The gradient of ``nll_loss`` for (N, C, H, W) input.

    >>> flambeau._C._nn.nll_loss2d_backward(
    ...     flambeau.tensor(1.), flambeau.zeros(1, 1, 1, 1), flambeau.tensor([[[0]]]), None, 2,
    ...     -100, flambeau.tensor(1.))
    tensor([[[[-1.]]]])
    """


nll_loss2d_backward.samples(
    call(values(), values(1, 3, 2, 1), ints([[[1], [2]]]), None, 2, -100, values(constant=True)),
    dtypes=FLOATING,
)


def nll_gradient(op, loss, grad, self, total_weight):
    """What the loss was computed from is checked by the rule that gave ``loss``."""
    fits = same(grad.shape, loss.sizes) if loss.sizes else grad.numel() == 1
    if not fits:
        raise Error(
            f"{op}: grad_output of shape {show(grad.shape)} does not fit a loss of shape "
            f"{show(loss.sizes)}"
        )
    if total_weight.numel() != 1:
        raise Error(
            f"{op}: expected total_weight to be a single element tensor, got shape "
            f"{show(total_weight.shape)}"
        )
    return Spec(self.shape, self.dtype)


@nll_loss_backward.rule
def _(grad_output, self, target, weight, reduction, total_weight):
    loss = nll_specs(self, target, weight, reduction)[0]
    return nll_gradient("nll_loss_backward", loss, grad_output, self, total_weight)


@nll_loss2d_backward.rule
def _(grad_output, self, target, weight, reduction, total_weight):
    loss = nll_plane_specs(self, target, weight, reduction)[0]
    return nll_gradient("nll_loss2d_backward", loss, grad_output, self, total_weight)


nll_loss2d_backward.batching(_slopes_of_items)


@nll_loss_backward.gradient
@nll_loss2d_backward.gradient
def _(g, self, target, weight, reduction, ignore_index, ops):
    # The gradient is linear in grad_output, so this is the loss itself, of g.
    loss = ops.nll_loss_nd(g, target, weight, reduction, ignore_index)
    return loss, zeros_for(g, self.shape, ops)


_NLL_PUBLIC = (
    "Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, SymInt ignore_index=-100"
)


@composite(f"nll_loss({_NLL_PUBLIC}) -> Tensor", module="_nn", method=False)
def nll_loss(self, target, weight, reduction, ignore_index, ops):
    """The mean (or sum) of ``-weight[t] * self[n, t]`` over rows n with target t.

    >>> flambeau.nn.functional.nll_loss(flambeau.tensor([[-1., -2.]]), flambeau.tensor([0]))
    tensor(1.)
    """
    return ops.nll_loss_forward(self, target, weight, reduction, ignore_index)[0]


nll_loss.autocast("float32")
nll_loss.samples(
    call(values(3, 4), ints([1, 0, 3])),
    call(values(3, 4), ints([1, 0, 3]), values(4, low=0.1, constant=True), 2, 0),
    call(values(4), ints(1)),
    dtypes=FLOATING,
)


@composite(f"nll_loss_nd({_NLL_PUBLIC}) -> Tensor", module="_nn", method=False)
def nll_loss_nd(self, target, weight, reduction, ignore_index, ops):
    """``nll_loss`` for any number of dimensions after the classes.

    >>> flambeau._C._nn.nll_loss_nd(flambeau.tensor([[-1., -2.]]), flambeau.tensor([1]), None, 1)
    tensor(2.)
    """
    n = self.dim()
    if n < 1:
        raise ValueError(f"nll_loss: Expected 1 or more dimensions (got {n})")
    if n > 1 and (target.dim() == 0 or self.shape[0] != target.shape[0]):
        raise ValueError(
            f"nll_loss: Expected input batch_size ({self.shape[0]}) to match target batch_size "
            f"({target.shape[0] if target.dim() > 0 else 0})."
        )
    if n <= 2:
        return ops.nll_loss(self, target, weight, reduction, ignore_index)
    if n == 4:
        return ops.nll_loss2d_forward(self, target, weight, reduction, ignore_index)[0]
    # Any number of dimensions behind the classes is one plane.
    batch, classes = self.shape[0], self.shape[1]
    made = [batch] + list(self.shape[2:])
    if not same(target.shape, made):
        raise ValueError(f"nll_loss: Expected target size {show(made)}, got {show(target.shape)}")
    inner = count(made) // max(batch, 1)
    scores = ops.reshape(self, [batch, classes, inner, 1])
    wanted = ops.reshape(target, [batch, inner, 1])
    result = ops.nll_loss2d_forward(scores, wanted, weight, reduction, ignore_index)[0]
    return ops.view(result, made) if reduction == NONE else result


nll_loss_nd.samples(
    call(values(3, 4), ints([1, 0, 3])),
    call(values(1, 3, 2), ints([[1, 2]]), None, 2),
    dtypes=FLOATING,
)


def _weighted(terms, weight, class_dim, ops):
    if weight is None:
        return terms
    shape = [1] * terms.dim()
    shape[class_dim] = terms.shape[class_dim]
    return terms * ops.view(weight, shape)


def share_of_class(smoothing, classes):
    """What smoothing gives each class. Of no classes the loss of any sample is not a number."""
    return smoothing / float(classes) if classes > 0 else math.inf


def _soft_cross_entropy(log_p, target, weight, reduction, smoothing, class_dim, ops):
    """Of targets that are probabilities."""
    classes = log_p.shape[class_dim]
    wanted = target
    if smoothing > 0:
        kept = ops.mul_Scalar(target, 1 - smoothing)
        wanted = ops.add_Scalar(kept, share_of_class(smoothing, classes))
    terms = _weighted(log_p * wanted, weight, class_dim, ops)
    if reduction == NONE:
        return -ops.sum_dim_IntList(terms, [class_dim])
    total = -ops.sum(terms)
    if reduction == SUM:
        return total
    return ops.div_Scalar(total, log_p.numel() // max(classes, 1))


def _smoothed_cross_entropy(
    log_p, target, weight, reduction, ignore_index, smoothing, class_dim, ops
):
    """Of class indices, some of whose weight goes to all classes alike."""
    nll = ops.nll_loss_nd(log_p, target, weight, reduction, ignore_index)
    terms = _weighted(log_p, weight, class_dim, ops)
    ignored = ops.eq_Scalar(target, ignore_index)
    smooth = ops.masked_fill_Scalar(-ops.sum_dim_IntList(terms, [class_dim]), ignored, 0.0)
    if reduction == SUM:
        smooth = ops.sum(smooth)
    elif reduction == MEAN:
        kept = ops.logical_not(ignored)
        if weight is None:
            total = ops.sum(kept, log_p.dtype)
        else:
            safe = ops.masked_fill_Scalar(target, ignored, 0)
            own = ops.index_select(weight, 0, ops.flatten_using_ints(safe, 0, -1))
            total = ops.sum(own * ops.flatten_using_ints(kept, 0, -1))
        smooth = ops.sum(smooth) / total
    share = share_of_class(smoothing, log_p.shape[class_dim])
    return ops.mul_Scalar(nll, 1 - smoothing) + ops.mul_Scalar(smooth, share)


@composite(
    "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, "
    "SymInt ignore_index=-100, float label_smoothing=0.0) -> Tensor",
    module="_nn",
    method=False,
)
def cross_entropy_loss(self, target, weight, reduction, ignore_index, label_smoothing, ops):
    """``nll_loss`` of ``log_softmax``; targets are class indices or probabilities.

    >>> flambeau.nn.functional.cross_entropy(flambeau.zeros(1, 2), flambeau.tensor([0]))
    tensor(0.6931)
    """
    check_reduction("cross_entropy", reduction)
    if self.dim() == 0:
        raise Error("cross_entropy: expected input with a dimension of classes, got a 0-dim tensor")
    class_dim = 0 if self.dim() == 1 else 1
    soft = same(self.shape, target.shape)
    if soft and not target.is_floating_point():
        raise Error(
            "cross_entropy: Expected floating point type for target with class probabilities, "
            f"got {dtype_name(target.dtype)}"
        )
    if soft and ignore_index >= 0:
        raise Error("cross_entropy: ignore_index is not supported for floating point target")
    if not soft and (
        label_smoothing < 0 or label_smoothing > 1 or label_smoothing != label_smoothing
    ):
        raise Error(
            f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}"
        )
    log_p = ops.log_softmax_int(self, class_dim, self.dtype)
    if soft:
        return _soft_cross_entropy(
            log_p, target, weight, reduction, label_smoothing, class_dim, ops
        )
    if label_smoothing > 0:
        return _smoothed_cross_entropy(
            log_p, target, weight, reduction, ignore_index, label_smoothing, class_dim, ops
        )
    return ops.nll_loss_nd(log_p, target, weight, reduction, ignore_index)


cross_entropy_loss.autocast("float32")
cross_entropy_loss.samples(
    call(values(3, 4), ints([1, 0, 3])),
    call(values(3, 4), ints([1, 0, 3]), values(4, low=0.1, constant=True), 2, 0, 0.25),
    call(values(2, 3), values(2, 3, low=0.1, high=1)),
    dtypes=FLOATING,
)
