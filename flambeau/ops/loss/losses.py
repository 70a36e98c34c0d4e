"""Losses."""

from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, ints, np, values


@structured(
    "mse_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
    shape="mse_loss(self, target, reduction)",
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
    shape="mse_loss_backward(grad_output, self, target)",
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


@mse_loss_backward.batching
def _(b, grad_output, self, target, reduction):
    rank = max(self.rank, target.rank)
    slope = (b.spread(self, rank) - b.spread(target, rank)) * 2
    count = slope[0].numel() if reduction == 1 else 1
    return b.aligned(grad_output, rank) * slope / count


@mse_loss_backward.gradient
def _(g, grad_output, self, target, reduction, cxx):
    return cxx.mse_loss_double_backward_all(g, grad_output, self, target, reduction)


_NLL = "Tensor self, Tensor target, Tensor? weight, int reduction, int ignore_index"


@structured(
    f"nll_loss_forward({_NLL}) -> (Tensor output, Tensor total_weight)",
    shape="nll_loss(self, target, weight, reduction)",
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


@nll_loss_forward.batching
def _(b, self, target, weight, reduction, ignore_index):
    picked = -_picked(b, self, target, ignore_index).squeeze(2)
    each = _class_weights(b, self, target, weight, ignore_index)
    losses = picked * each
    if reduction == 0:
        losses = losses.reshape([b.size, *target.shape])
        return losses, b.ops.new_zeros(losses, [b.size])
    total = each.flatten(1).sum(1)
    losses = losses.flatten(1).sum(1)
    return (losses / total if reduction == 1 else losses), total


@nll_loss_forward.gradient
def _(g, self, target, weight, reduction, ignore_index, total_weight, ops):
    return ops.nll_loss_backward(
        g, self, target, weight, reduction, ignore_index, total_weight
    ), None


@structured(
    f"nll_loss_backward(Tensor grad_output, {_NLL}, Tensor total_weight) -> Tensor",
    shape="nll_loss_backward(grad_output, self, target, weight, reduction, total_weight)",
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


@nll_loss_backward.batching
def _(b, grad_output, self, target, weight, reduction, ignore_index, total_weight):
    each = _class_weights(b, self, target, weight, ignore_index)
    g = grad_output.full
    if reduction == 1:
        g = g / total_weight.full
    g = -each * g.reshape(each.shape if reduction == 0 else [b.size, 1, 1])
    shape = b.ops.zeros_like(_by_class(self))
    made = shape.scatter(2, _targets(b, self, target, ignore_index), g.unsqueeze(2))
    return made.reshape(self.full.shape)


@structured(
    f"nll_loss2d_forward({_NLL}) -> (Tensor output, Tensor total_weight)",
    shape="nll_loss2d(self, target, weight, reduction)",
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


@nll_loss2d_forward.batching
def _(b, self, target, weight, reduction, ignore_index):
    picked = -_picked(b, self, target, ignore_index).squeeze(2)
    each = _class_weights(b, self, target, weight, ignore_index)
    losses = picked * each
    if reduction == 0:
        losses = losses.reshape([b.size, *target.shape])
        return losses, b.ops.new_zeros(losses, [b.size])
    total = each.flatten(1).sum(1)
    losses = losses.flatten(1).sum(1)
    return (losses / total if reduction == 1 else losses), total


@nll_loss2d_forward.gradient
def _(g, self, target, weight, reduction, ignore_index, total_weight, ops):
    return ops.nll_loss2d_backward(
        g, self, target, weight, reduction, ignore_index, total_weight
    ), None


@structured(
    f"nll_loss2d_backward(Tensor grad_output, {_NLL}, Tensor total_weight) -> Tensor",
    shape="nll_loss2d_backward(grad_output, self, target, weight, reduction, total_weight)",
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


@nll_loss2d_backward.batching
def _(b, grad_output, self, target, weight, reduction, ignore_index, total_weight):
    each = _class_weights(b, self, target, weight, ignore_index)
    g = grad_output.full
    if reduction == 1:
        g = g / total_weight.full
    g = -each * g.reshape(each.shape if reduction == 0 else [b.size, 1, 1])
    shape = b.ops.zeros_like(_by_class(self))
    made = shape.scatter(2, _targets(b, self, target, ignore_index), g.unsqueeze(2))
    return made.reshape(self.full.shape)


@nll_loss_backward.gradient
@nll_loss2d_backward.gradient
def _(g, target, weight, reduction, ignore_index, total_weight, cxx):
    return cxx.nll_loss_double_backward(
        g, target, weight, reduction, ignore_index, total_weight
    ), None


_NLL_PUBLIC = (
    "Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, int ignore_index=-100"
)


@composite(f"nll_loss({_NLL_PUBLIC}) -> Tensor", module="_nn", method=False)
def nll_loss():
    """The mean (or sum) of ``-weight[t] * self[n, t]`` over rows n with target t.

    >>> flambeau.nn.functional.nll_loss(flambeau.tensor([[-1., -2.]]), flambeau.tensor([0]))
    tensor(1.)
    """


nll_loss.samples(
    call(values(3, 4), ints([1, 0, 3])),
    call(values(3, 4), ints([1, 0, 3]), values(4, low=0.1, constant=True), 2, 0),
    call(values(4), ints(1)),
    dtypes=FLOATING,
)


@composite(f"nll_loss_nd({_NLL_PUBLIC}) -> Tensor", module="_nn", method=False)
def nll_loss_nd():
    """``nll_loss`` for any number of dimensions after the classes.

    >>> flambeau._C._nn.nll_loss_nd(flambeau.tensor([[-1., -2.]]), flambeau.tensor([1]), None, 1)
    tensor(2.)
    """


nll_loss_nd.samples(
    call(values(3, 4), ints([1, 0, 3])),
    call(values(1, 3, 2), ints([[1, 2]]), None, 2),
    dtypes=FLOATING,
)


@composite(
    "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, "
    "int ignore_index=-100, float label_smoothing=0.0) -> Tensor",
    module="_nn",
    method=False,
)
def cross_entropy_loss():
    """``nll_loss`` of ``log_softmax``; targets are class indices or probabilities.

    >>> flambeau.nn.functional.cross_entropy(flambeau.zeros(1, 2), flambeau.tensor([0]))
    tensor(0.6931)
    """


cross_entropy_loss.samples(
    call(values(3, 4), ints([1, 0, 3])),
    call(values(3, 4), ints([1, 0, 3]), values(4, low=0.1, constant=True), 2, 0, 0.25),
    call(values(2, 3), values(2, 3, low=0.1, high=1)),
    dtypes=FLOATING,
)
