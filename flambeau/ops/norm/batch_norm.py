"""Batch and instance normalisation: over all samples of a channel, or over each by itself."""

from flambeau.ops.language import (
    Error,
    Spec,
    absent,
    channels_last_strides,
    dtype_name,
    dtypes,
    formats,
    same,
    show,
    suggest_memory_format,
)
from flambeau.ops.norm.softmax import _differentiable, _normal, _plus
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, np, values

_STATISTICS = "Tensor? running_mean, Tensor? running_var"
_REST = "bool training, float momentum, float eps"


def check_channel_numbers(op, name, t, n, input):
    """One number for each channel, in the input's dtype; of halves also in float32."""
    if t.numel() != n:
        raise Error(
            f"{op}: {name} should contain {n} elements not {t.numel()}: input of shape "
            f"{show(input.shape)} has {n} channels"
        )
    half = input.dtype == dtypes.float16 or input.dtype == dtypes.bfloat16
    if t.dtype != input.dtype and not (half and t.dtype == dtypes.float32):
        raise Error(
            f"{op}: expected {name} to be {dtype_name(input.dtype)} as the input is, or float32 "
            f"where that is a half type, got {dtype_name(t.dtype)}"
        )


def check_same_dtype(op, name, t, dtype):
    if t.dtype != dtype:
        raise Error(
            f"{op}: mixed dtype (CPU): weight, bias and statistics must be of one dtype, got "
            f"{dtype_name(dtype)} and {dtype_name(t.dtype)} in {name}"
        )


def check_channels(op, input):
    if input.dim() < 2:
        raise Error(
            f"{op}: expected an input of shape (N, C, ...), got {input.dim()}-D tensor of shape "
            f"{show(input.shape)}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(input.dtype)}': convert with "
            ".to(torch.float32)"
        )


def is_channels_last(t):
    found = suggest_memory_format(t)
    return found == formats.channels_last or found == formats.channels_last_3d


def of_channels(t):
    """An output like ``t``, in its memory format."""
    if is_channels_last(t):
        return Spec(t.shape, t.dtype, channels_last_strides(t.shape))
    return Spec(t.shape, t.dtype)


def parameter_dtype(op, input, weight, bias, running_mean, running_var):
    """Checks what there is for each channel; what dtype it has, the input's where there is none."""
    check_channels(op, input)
    n = input.shape[1]
    dtype = input.dtype
    given = False
    for t in [running_mean, running_var, weight, bias]:
        if t is not None and not given:
            dtype = t.dtype
            given = True
    if running_mean is not None:
        check_channel_numbers(op, "running_mean", running_mean, n, input)
        check_same_dtype(op, "running_mean", running_mean, dtype)
    if running_var is not None:
        check_channel_numbers(op, "running_var", running_var, n, input)
        check_same_dtype(op, "running_var", running_var, dtype)
    if weight is not None:
        check_channel_numbers(op, "weight", weight, n, input)
        check_same_dtype(op, "weight", weight, dtype)
    if bias is not None:
        check_channel_numbers(op, "bias", bias, n, input)
        check_same_dtype(op, "bias", bias, dtype)
    return dtype


@structured(
    f"native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, {_STATISTICS}, {_REST})"
    " -> (Tensor, Tensor, Tensor)",
    cpu="native_batch_norm",
    method=False,
    differentiable=(0,),
)
def native_batch_norm():
    """Batch normalisation (Ioffe and Szegedy, 2015): the output; in training also the mean of each
    channel and 1 / its standard deviation, and the running statistics follow them.

    >>> flambeau.native_batch_norm(
    ...     flambeau.tensor([[1.], [3.]]), None, None, None, None, True, 0.1, 0.0)
    (tensor([[-1.],
            [ 1.]]), tensor([2.]), tensor([1.]))
    """


native_batch_norm.samples(
    call(values(3, 2, 2), values(2), values(2), None, None, True, 0.1, 1e-5),
    call(values(4, 3), None, None, None, None, True, 0.1, 1e-5),
    call(
        values(2, 2, 2, 2),
        values(2),
        None,
        values(2, constant=True),
        values(2, low=0.1, constant=True),
        False,
        0.1,
        1e-5,
    ),
    dtypes=FLOATING,
)
native_batch_norm.without("decomposition", "sharding", "autocast")
native_batch_norm.benchmark(
    call(values(16, 64, 56, 56), values(64), values(64), None, None, True, 0.1, 1e-5)
)


@native_batch_norm.rule
def _(input, weight, bias, running_mean, running_var, training):
    dtype = parameter_dtype("batch_norm", input, weight, bias, running_mean, running_var)
    if not training and (running_mean is None or running_var is None):
        raise Error(
            "batch_norm: running_mean and running_var must be defined in evaluation mode; give "
            "them or training=True"
        )
    kept = [input.shape[1]] if training else [0]
    return of_channels(input), Spec(kept, dtype), Spec(kept, dtype)


def joined(t):
    """The channels of all items side by side: (items, N, C, ...) as (N, items * C, ...)."""
    return t.full.movedim(0, 1).flatten(1, 2)


def split(t, b, n):
    return t.unflatten(1, [b.size, n]).movedim(1, 0)


def numbers(t):
    """Of the channels of all items."""
    return None if t is None else t.full.flatten()


@native_batch_norm.batching
def _(b, input, weight, bias, running_mean, running_var, training, momentum, eps):
    running = (running_mean, running_var)
    if training and any(t is not None and not t.batched for t in running):
        raise ValueError(
            "batch_norm: the input is batched, and the running statistics, which would be updated "
            "in place, are not: give each item its own, or none"
        )
    kept = [numbers(t) for t in running]
    made = b.op(joined(input), numbers(weight), numbers(bias), *kept, training, momentum, eps)
    n = input.shape[1]
    out = split(made[0], b, n)
    if not training:
        return out, b.at(made[1], None), b.at(made[2], None)
    for t, new in zip(running, kept):
        if t is not None:
            t.full.copy_(new.view(b.size, n))
    return out, made[1].unflatten(0, [b.size, n]), made[2].unflatten(0, [b.size, n])


@native_batch_norm.jvp
def _(t, input, weight, bias, running_mean, running_var, training, eps, result):
    column = [1, -1] + [1] * (input.dim() - 2)
    axes = [d for d in range(input.dim()) if d != 1]
    moved = t.get("input")
    if training:
        centered = input - input.mean(axes, True)
        normal, rstd = _differentiable(centered, result[2].view(column), axes)
        along = (normal * moved).mean(axes, True)
        made = (moved - moved.mean(axes, True) - normal * along) * rstd
    else:
        rstd = (running_var + eps).rsqrt().view(column)
        normal = (input - running_mean.view(column)) * rstd
        made = moved * rstd
    if weight is not None:
        made = made * weight.view(column) + normal * t.get("weight").view(column)
    made = made if bias is None else made + t.get("bias").view(column)
    return made.to(input.dtype), None, None


@native_batch_norm.gradient
def _(
    g,
    input,
    weight,
    running_mean,
    running_var,
    result1,
    result2,
    training,
    eps,
    needs,
    ops,
):
    return ops.native_batch_norm_backward(
        g,
        input,
        weight,
        running_mean,
        running_var,
        result1,
        result2,
        training,
        eps,
        [needs[0], needs[1], needs[2]],
    )


@structured(
    f"native_batch_norm_backward(Tensor grad_out, Tensor input, Tensor? weight, {_STATISTICS}, "
    "Tensor? save_mean, Tensor? save_invstd, bool train, float eps, bool[3] output_mask)"
    " -> (Tensor, Tensor, Tensor)",
    cpu="native_batch_norm_backward",
    function_variant=False,
    method=False,
)
def native_batch_norm_backward():
    """The gradients of batch normalisation.

    >>> flambeau.ops.aten.native_batch_norm_backward(
    ...     flambeau.ones(2, 1), flambeau.tensor([[1.], [3.]]), None, None, None,
    ...     flambeau.tensor([2.]), flambeau.tensor([1.]), True, 0.0, [False, False, True])[2]
    tensor([2.])
    """


_BACK = (values(3, 2, 2), values(3, 2, 2))
native_batch_norm_backward.samples(
    call(*_BACK, values(2), None, None, values(2), values(2, low=0.1), True, 1e-5, [True] * 3),
    call(
        *_BACK,
        values(2),
        values(2, constant=True),
        values(2, low=0.1, constant=True),
        None,
        None,
        False,
        1e-5,
        [True] * 3,
    ),
)
native_batch_norm_backward.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@native_batch_norm_backward.rule
def _(grad_out, input, weight, running_mean, running_var, save_mean, save_invstd, train):
    op = "batch_norm_backward"
    dtype = parameter_dtype(op, input, weight, absent(), running_mean, running_var)
    if not same(grad_out.shape, input.shape):
        raise Error(
            f"{op}: grad_out of shape {show(grad_out.shape)} does not fit an input of shape "
            f"{show(input.shape)}"
        )
    n = input.shape[1]
    mean = save_mean if train else running_mean
    deviation = save_invstd if train else running_var
    if mean is None or deviation is None:
        raise Error(
            f"{op}: needs save_mean and save_invstd in training, else running_mean and running_var"
        )
    if mean.numel() != n or deviation.numel() != n:
        raise Error(
            f"{op}: statistics of shapes {show(mean.shape)} and {show(deviation.shape)} do not fit "
            f"the {n} channels of an input of shape {show(input.shape)}"
        )
    return of_channels(input), Spec([n], dtype), Spec([n], dtype)


@native_batch_norm_backward.batching
def _(
    b,
    grad_out,
    input,
    weight,
    running_mean,
    running_var,
    save_mean,
    save_invstd,
    train,
    eps,
    output_mask,
):
    statistics = [numbers(t) for t in (weight, running_mean, running_var)]
    # What is saved outside of training has no elements.
    saved = [numbers(t) if train else None for t in (save_mean, save_invstd)]
    made = b.op(joined(grad_out), joined(input), *statistics, *saved, train, eps, output_mask)
    n = input.shape[1]
    return split(made[0], b, n), *(t.unflatten(0, [b.size, n]) for t in made[1:])


@native_batch_norm_backward.gradient
def _(
    grads,
    grad_out,
    input,
    weight,
    running_mean,
    running_var,
    save_invstd,
    train,
    eps,
    ops,
):
    gx, gw, gb = grads[0], grads[1], grads[2]
    axes = [d for d in range(input.dim()) if d != 1]
    column = [input.shape[1] if d == 1 else 1 for d in range(input.dim())]
    to_grad, to_input, to_weight = None, None, None
    if train:
        # As in layer normalisation: mean and deviation are differentiated with the input.
        normal = (input - ops.mean_dim(input, axes, True)) * ops.view(save_invstd, column)
        share = ops.mean_dim(normal * normal, axes, True)
        scale = ops.rsqrt(share + ops.detach(1.0 - share))
        xhat = normal * scale
        slope = ops.view(save_invstd, column) * scale
        if gx is not None:
            dy = grad_out if weight is None else grad_out * ops.view(weight, column)
            n = _normal(gx, xhat, slope, axes, ops)
            to_grad = n if weight is None else n * ops.view(weight, column)
            if weight is not None:
                to_weight = ops.sum_dim_IntList(n * grad_out, axes)
            b = ops.mean_dim(dy * xhat, axes, True)
            through_xhat = -(slope * (gx * b + dy * ops.mean_dim(gx * xhat, axes, True)))
            dx = _normal(dy, xhat, slope, axes, ops)
            through_rstd = -(xhat * slope * ops.mean_dim(gx * dx, axes, True))
            to_input = _normal(through_xhat, xhat, slope, axes, ops) + through_rstd
        if gw is not None:
            wide = ops.view(gw, column)
            to_grad = _plus(to_grad, xhat * wide)
            to_input = _plus(to_input, _normal(grad_out * wide, xhat, slope, axes, ops))
    else:
        rstd = ops.view(ops.rsqrt(ops.add_Scalar(running_var, eps)), column)
        if gx is not None:
            moved = gx * rstd
            to_grad = moved if weight is None else moved * ops.view(weight, column)
            if weight is not None:
                to_weight = ops.sum_dim_IntList(moved * grad_out, axes)
        if gw is not None:
            along = ops.view(gw, column) * rstd
            to_grad = _plus(to_grad, (input - ops.view(running_mean, column)) * along)
            to_input = grad_out * along
    if gb is not None:
        to_grad = _plus(to_grad, ops.expand(ops.view(gb, column), input.shape))
    if to_input is not None and to_input.dtype != input.dtype:
        to_input = ops.to_dtype(to_input, input.dtype)
    if to_grad is not None and to_grad.dtype != grad_out.dtype:
        to_grad = ops.to_dtype(to_grad, grad_out.dtype)
    return to_grad, to_input, to_weight


def normalised(x, axes, weight, bias, mean=None, variance=None, eps=1e-5):
    """The reference: over ``axes`` of ``x``, or by statistics that are given."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean = np.mean(x, axes, keepdims=True) if mean is None else mean.reshape(shape)
    variance = np.var(x, axes, keepdims=True) if variance is None else variance.reshape(shape)
    out = (x - mean) / np.sqrt(variance + eps)
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


@composite(
    f"batch_norm(Tensor input, Tensor? weight, Tensor? bias, {_STATISTICS}, {_REST}, "
    "bool cudnn_enabled) -> Tensor",
    method=False,
)
def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, ops):
    """Normalises each channel over all samples, then scales and shifts it.

    >>> x = flambeau.tensor([[1.], [3.]])
    >>> flambeau.batch_norm(x, None, None, None, None, True, 0.1, 0.0, True)
    tensor([[-1.],
            [ 1.]])
    """
    if input.dim() == 1 and input.numel() == 0:
        return ops.clone(input)
    return ops.native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )[0]


batch_norm.samples(
    call(values(3, 2, 2), values(2), values(2), None, None, True, 0.1, 1e-5, True),
    call(
        values(2, 2, 2),
        values(2),
        values(2),
        values(2, constant=True),
        values(2, low=0.1, constant=True),
        False,
        0.1,
        1e-5,
        True,
    ),
    dtypes=FLOATING,
)
batch_norm.reference(
    lambda x, weight, bias, mean, var, training, momentum, eps, cudnn: normalised(
        x, tuple(d for d in range(x.ndim) if d != 1), weight, bias, mean, var, eps
    ),
    tolerance=32,
)
batch_norm.without("benchmark", "sharding", "autocast", "decomposition")


@composite(
    "_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, "
    f"Tensor(a!) running_mean, Tensor(b!) running_var, {_REST}) -> (Tensor, Tensor, Tensor)",
    method=False,
)
def _native_batch_norm_legit(
    input, weight, bias, running_mean, running_var, training, momentum, eps, ops
):
    """``native_batch_norm`` with a schema that says what it writes."""
    return ops.native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )


_native_batch_norm_legit.samples(
    call(
        values(3, 2, 2),
        values(2),
        values(2),
        values(2, constant=True),
        values(2, low=0.1, constant=True),
        False,
        0.1,
        1e-5,
    ),
    dtypes=FLOATING,
)
_native_batch_norm_legit.without("benchmark")


@composite(
    "_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, "
    f"{_REST}) -> (Tensor, Tensor, Tensor)",
    method=False,
)
def _native_batch_norm_legit_no_stats(input, weight, bias, training, momentum, eps, ops):
    """``native_batch_norm`` without running statistics."""
    return ops.native_batch_norm(input, weight, bias, None, None, training, momentum, eps)


_native_batch_norm_legit_no_stats.samples(
    call(values(3, 2, 2), values(2), values(2), True, 0.1, 1e-5), dtypes=FLOATING
)
_native_batch_norm_legit_no_stats.without("benchmark")


@composite(
    "_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, "
    "Tensor running_mean, Tensor running_var, float momentum, float eps)"
    " -> (Tensor, Tensor, Tensor)",
    method=False,
)
def _native_batch_norm_legit_no_training(
    input, weight, bias, running_mean, running_var, momentum, eps, ops
):
    """``native_batch_norm`` in evaluation."""
    return ops.native_batch_norm(
        input, weight, bias, running_mean, running_var, False, momentum, eps
    )


_native_batch_norm_legit_no_training.samples(
    call(
        values(3, 2, 2),
        values(2),
        values(2),
        values(2, constant=True),
        values(2, low=0.1, constant=True),
        0.1,
        1e-5,
    ),
    dtypes=FLOATING,
)
_native_batch_norm_legit_no_training.without("benchmark")


@composite(
    f"instance_norm(Tensor input, Tensor? weight, Tensor? bias, {_STATISTICS}, "
    "bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
    method=False,
)
def instance_norm(
    input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, ops
):
    """Normalises each channel of each sample by itself, then scales and shifts it.

    >>> x = flambeau.tensor([[[1., 3.]]])
    >>> flambeau.instance_norm(x, None, None, None, None, True, 0.1, 0.0, True)
    tensor([[[-1.,  1.]]])
    """
    if input.dim() < 2:
        raise Error(
            f"instance_norm: expected an input of shape (N, C, ...), got {input.dim()}-D tensor of "
            f"shape {show(input.shape)}"
        )
    if not use_input_stats and (running_mean is None or running_var is None):
        raise Error(
            "instance_norm: Expected running_mean and running_var to be defined when "
            "use_input_stats is false"
        )
    b, c = input.shape[0], input.shape[1]
    whole = [1, b * c] + list(input.shape[2:])
    every = ops.reshape(ops.contiguous(input), whole)
    own_mean = None if running_mean is None else ops.repeat(running_mean, [b])
    own_var = None if running_var is None else ops.repeat(running_var, [b])
    out = ops.batch_norm(
        every,
        None if weight is None else ops.repeat(weight, [b]),
        None if bias is None else ops.repeat(bias, [b]),
        own_mean,
        own_var,
        use_input_stats,
        momentum,
        eps,
        True,
    )
    # What was found of the samples is averaged.
    if use_input_stats and running_mean is not None:
        mean = ops.mean_dim(ops.view(own_mean, [b, c]), [0], False)
        ops.copy_(ops.detach(running_mean), mean)
    if use_input_stats and running_var is not None:
        variance = ops.mean_dim(ops.view(own_var, [b, c]), [0], False)
        ops.copy_(ops.detach(running_var), variance)
    return ops.view(out, input.shape)


instance_norm.samples(
    call(values(2, 2, 3), values(2), values(2), None, None, True, 0.1, 1e-5, True),
    call(values(2, 2, 2, 2), None, None, None, None, True, 0.1, 1e-5, True),
    dtypes=FLOATING,
)
instance_norm.reference(
    lambda x, weight, bias, mean, var, training, momentum, eps, cudnn: normalised(
        x, tuple(range(2, x.ndim)), weight, bias, mean, var, eps
    ),
    tolerance=32,
)
instance_norm.without("benchmark", "sharding", "autocast", "decomposition")
