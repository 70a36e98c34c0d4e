"""Group normalisation: over groups of the channels of each sample."""

from flambeau.ops.language import Error, Spec, count, same, show
from flambeau.ops.norm.batch_norm import (
    absent,
    check_channel_numbers,
    check_channels,
    joined,
    numbers,
    of_channels,
    parameter_dtype,
    split,
)
from flambeau.ops.norm.softmax import _differentiable, _normal, _plus
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, np, values

_SIZES = "SymInt N, SymInt C, SymInt HxW, int group"


def check_groups(op, input, channels, group):
    if group <= 0:
        raise Error(f"{op}: Expected num groups to be greater than 0, got {group}")
    if channels % group != 0:
        raise Error(
            f"{op}: Expected number of channels in input to be divisible by num_groups, but got "
            f"input of shape {show(input.shape)} and num_groups={group}"
        )


def group_norm_specs(op, input, weight, bias, n, c, inner, group):
    """The output, and one number for each group."""
    dtype = parameter_dtype(op, input, weight, bias, absent(), absent())
    check_groups(op, input, c, group)
    if input.shape[0] != n or input.shape[1] != c or input.numel() != n * c * inner:
        raise Error(
            f"{op}: N={n}, C={c} and HxW={inner} do not fit an input of shape {show(input.shape)}"
        )
    return of_channels(input), Spec([n, group], dtype), Spec([n, group], dtype)


@structured(
    f"native_group_norm(Tensor input, Tensor? weight, Tensor? bias, {_SIZES}, float eps)"
    " -> (Tensor, Tensor, Tensor)",
    cpu="native_group_norm",
    method=False,
    differentiable=(0,),
)
def native_group_norm():
    """Group normalisation (Wu and He, 2018): output, mean and 1 / standard deviation of each group.

    >>> flambeau.native_group_norm(flambeau.tensor([[1., 3.]]), None, None, 1, 2, 1, 1, 0.0)
    (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """


native_group_norm.samples(
    call(values(2, 4, 3), values(4), values(4), 2, 4, 3, 2, 1e-5),
    call(values(2, 4, 2, 2), None, None, 2, 4, 4, 4, 1e-5),
    call(values(3, 4), values(4), None, 3, 4, 1, 2, 1e-5),
    dtypes=FLOATING,
)
native_group_norm.without("decomposition", "sharding", "autocast")
native_group_norm.benchmark(
    call(values(8, 64, 32, 32), values(64), values(64), 8, 64, 1024, 8, 1e-5)
)


@native_group_norm.rule
def _(input, weight, bias, N, C, HxW, group):
    return group_norm_specs("group_norm", input, weight, bias, N, C, HxW, group)


@native_group_norm.batching
def _(b, input, weight, bias, N, C, HxW, group, eps):
    # The groups of all items, side by side.
    sizes = (N, C * b.size, HxW, group * b.size)
    made = b.op(joined(input), numbers(weight), numbers(bias), *sizes, eps)
    return split(made[0], b, C), split(made[1], b, group), split(made[2], b, group)


@native_group_norm.jvp
def _(t, input, weight, bias, N, C, HxW, group, result):
    column = [1, -1] + [1] * (input.dim() - 2)
    grouped = [N, group, -1]
    x, moved = input.reshape(grouped), t.get("input").reshape(grouped)
    centered = x - x.mean(-1, True)
    normal, rstd = _differentiable(centered, result[2].unsqueeze(-1), [-1])
    along = (normal * moved).mean(-1, True)
    made = ((moved - moved.mean(-1, True) - normal * along) * rstd).reshape(input.shape)
    if weight is not None:
        beside = normal.reshape(input.shape) * t.get("weight").view(column)
        made = made * weight.view(column) + beside
    made = made if bias is None else made + t.get("bias").view(column)
    return made.to(input.dtype), None, None


@native_group_norm.gradient
def _(g, input, weight, N, C, HxW, group, result1, result2, needs, ops):
    return ops.native_group_norm_backward(
        g, input, result1, result2, weight, N, C, HxW, group, [needs[0], needs[1], needs[2]]
    )


@structured(
    "native_group_norm_backward(Tensor grad_out, Tensor input, Tensor mean, Tensor rstd, "
    f"Tensor? weight, {_SIZES}, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    cpu="native_group_norm_backward",
    function_variant=False,
    method=False,
)
def native_group_norm_backward():
    """The gradients of group normalisation.

    >>> flambeau.ops.aten.native_group_norm_backward(
    ...     flambeau.ones(1, 2), flambeau.tensor([[1., 3.]]), flambeau.tensor([[2.]]),
    ...     flambeau.tensor([[1.]]), None, 1, 2, 1, 1, [False, False, True])[2]
    tensor([1., 1.])
    """


native_group_norm_backward.samples(
    call(
        values(2, 4, 3),
        values(2, 4, 3),
        values(2, 2),
        values(2, 2, low=0.1),
        values(4),
        2,
        4,
        3,
        2,
        [True, True, True],
    )
)
native_group_norm_backward.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@native_group_norm_backward.rule
def _(grad_out, input, mean, rstd, weight, N, C, HxW, group):
    op = "group_norm_backward"
    made = group_norm_specs(op, input, weight, absent(), N, C, HxW, group)
    if not same(grad_out.shape, input.shape):
        raise Error(
            f"{op}: grad_out of shape {show(grad_out.shape)} does not fit an input of shape "
            f"{show(input.shape)}"
        )
    if mean.numel() != N * group or rstd.numel() != N * group:
        raise Error(
            f"{op}: mean of shape {show(mean.shape)} and rstd of shape {show(rstd.shape)} do not "
            f"fit {N} samples of {group} groups"
        )
    return made[0], Spec([C], made[1].dtype), Spec([C], made[1].dtype)


@native_group_norm_backward.batching
def _(b, grad_out, input, mean, rstd, weight, N, C, HxW, group, output_mask):
    sizes = (N, C * b.size, HxW, group * b.size)
    given = [joined(t) for t in (grad_out, input, mean, rstd)]
    made = b.op(*given, numbers(weight), *sizes, output_mask)
    return split(made[0], b, C), *(t.unflatten(0, [b.size, C]) for t in made[1:])


@native_group_norm_backward.gradient
def _(grads, grad_out, input, rstd, weight, N, C, HxW, group, ops):
    gx, gw, gb = grads[0], grads[1], grads[2]
    grouped = [N, group, C // group, HxW]
    column = [1, group, C // group, 1]
    inner = [2, 3]
    outer = [0, 3]
    to_grad, to_input, to_weight = None, None, None
    # As in layer normalisation: mean and deviation are differentiated with the input.
    x = ops.reshape(input, grouped)
    dout = ops.reshape(grad_out, grouped)
    slopes = ops.reshape(rstd, [N, group, 1, 1])
    normal = (x - ops.mean_dim(x, inner, True)) * slopes
    share = ops.mean_dim(normal * normal, inner, True)
    scale = ops.rsqrt(share + ops.detach(1.0 - share))
    xhat = normal * scale
    slope = slopes * scale
    if gx is not None:
        moved = ops.reshape(gx, grouped)
        dy = dout if weight is None else dout * ops.reshape(weight, column)
        n = _normal(moved, xhat, slope, inner, ops)
        to_grad = n if weight is None else n * ops.reshape(weight, column)
        if weight is not None:
            to_weight = ops.sum_dim_IntList(n * dout, outer)
        b = ops.mean_dim(dy * xhat, inner, True)
        through_xhat = -(slope * (moved * b + dy * ops.mean_dim(moved * xhat, inner, True)))
        dx = _normal(dy, xhat, slope, inner, ops)
        through_rstd = -(xhat * slope * ops.mean_dim(moved * dx, inner, True))
        to_input = _normal(through_xhat, xhat, slope, inner, ops) + through_rstd
    if gw is not None:
        wide = ops.reshape(gw, column)
        to_grad = _plus(to_grad, xhat * wide)
        to_input = _plus(to_input, _normal(dout * wide, xhat, slope, inner, ops))
    if gb is not None:
        to_grad = _plus(to_grad, ops.expand(ops.reshape(gb, column), grouped))
    if to_weight is not None:
        to_weight = ops.reshape(to_weight, [C])
    if to_input is not None:
        to_input = ops.to_dtype(ops.reshape(to_input, input.shape), input.dtype)
    if to_grad is not None:
        to_grad = ops.to_dtype(ops.reshape(to_grad, input.shape), grad_out.dtype)
    return to_grad, to_input, None, None, to_weight


def grouped_reference(x, groups, weight=None, bias=None, eps=1e-5):
    split = x.reshape(x.shape[0], groups, -1)
    mean, variance = np.mean(split, 2, keepdims=True), np.var(split, 2, keepdims=True)
    out = ((split - mean) / np.sqrt(variance + eps)).reshape(x.shape)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


@composite(
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, "
    "float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
    method=False,
)
def group_norm(input, num_groups, weight, bias, eps, ops):
    """Normalises each of ``num_groups`` groups of channels, then scales and shifts each channel.

    >>> flambeau.group_norm(flambeau.tensor([[1., 3.]]), 1)
    tensor([[-1.0000,  1.0000]])
    """
    if input.dim() < 2:
        raise IndexError(
            f"group_norm: Dimension out of range: expected an input of shape (N, C, ...), got "
            f"{input.dim()}-D tensor of shape {show(input.shape)}"
        )
    check_channels("group_norm", input)
    n, c = input.shape[0], input.shape[1]
    if weight is not None:
        check_channel_numbers("group_norm", "weight", weight, c, input)
    if bias is not None:
        check_channel_numbers("group_norm", "bias", bias, c, input)
    check_groups("group_norm", input, c, num_groups)
    inner = count(input.shape[2:])
    return ops.native_group_norm(input, weight, bias, n, c, inner, num_groups, eps)[0]


group_norm.samples(
    call(values(2, 4, 3), 2),
    call(values(2, 4, 2, 2), 4, values(4), values(4), 1e-3),
    call(values(3, 4), 2, values(4), values(4)),
    dtypes=FLOATING,
)
group_norm.reference(grouped_reference, tolerance=32)
group_norm.without("benchmark", "sharding", "autocast", "decomposition")
