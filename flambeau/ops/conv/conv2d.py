"""Convolution over two dimensions."""

from flambeau.ops.language import (
    Error,
    Spec,
    absent,
    channels_last_strides,
    dtype_name,
    formats,
    is_integral,
    same,
    show,
    suggest_memory_format,
)
from flambeau.ops.record import FLOATING, NUMERIC, REAL, composite, structured
from flambeau.ops.samples import call, values

_CONV = (
    "SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, "
    "SymInt[] output_padding, SymInt groups"
)


@structured(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, {_CONV}) -> Tensor",
    cpu="cpu::convolution(result, input, weight, bias, stride, padding, dilation, groups)",
    method=False,
)
def convolution():
    """Convolution (cross-correlation) of (N, C, H, W) input; the op under ``conv2d``.

    >>> flambeau.convolution(
    ...     flambeau.ones(1, 1, 1, 2), flambeau.ones(1, 1, 1, 1), None, [1, 1], [0, 0], [1, 1],
    ...     False, [0, 0], 1)
    tensor([[[[1., 1.]]]])
    """


convolution.samples(
    call(
        values(2, 2, 4, 3), values(2, 2, 2, 2), values(2), [1, 1], [0, 0], [1, 1], False, [0, 0], 1
    ),
    call(values(1, 2, 4, 4), values(2, 1, 2, 2), None, [2, 1], [1, 0], [1, 2], False, [0, 0], 2),
    dtypes=REAL,
)
convolution.autocast("lower")


def channels_last(input, weight):
    return (
        suggest_memory_format(input) == formats.channels_last
        or suggest_memory_format(weight) == formats.channels_last
    )


def image_spec(sizes, dtype, last):
    if last:
        return Spec(sizes, dtype, channels_last_strides(sizes))
    return Spec(sizes, dtype)


def check_windows(stride, padding, dilation):
    if len(stride) != 2 or len(padding) != 2 or len(dilation) != 2:
        raise Error("convolution: stride, padding and dilation need 2 elements each")
    for d in range(2):
        if stride[d] <= 0:
            raise Error(f"convolution: non-positive stride is not supported, got {show(stride)}")
        if padding[d] < 0:
            raise Error(f"convolution: negative padding is not supported, got {show(padding)}")
        if dilation[d] <= 0:
            raise Error(f"convolution: dilation should be greater than zero, got {show(dilation)}")


def check_channels(x, w, groups):
    if groups <= 0:
        raise Error("convolution: non-positive groups is not supported")
    if w[0] < groups:
        raise Error(
            f"convolution: Given groups={groups}, expected weight to be at least {groups} at "
            f"dimension 0, but got weight of size {show(w)} instead"
        )
    if w[0] % groups != 0:
        raise Error(
            f"convolution: Given groups={groups}, expected weight to be divisible by {groups} at "
            f"dimension 0, but got weight of size {show(w)} instead"
        )
    if x[1] != w[1] * groups:
        raise Error(
            f"convolution: Given groups={groups}, weight of size {show(w)}, expected "
            f"input{show(x)} to have {w[1] * groups} channels, but got {x[1]} channels instead"
        )


def check_bias(w, bias):
    if bias.dim() != 1 or bias.shape[0] != w[0]:
        raise Error(
            f"convolution: Given weight of size {show(w)}, expected bias to be 1-dimensional with "
            f"{w[0]} elements, but got bias of size {show(bias.shape)} instead"
        )


def check_input_dtype(what, input, other):
    if other.dtype != input.dtype:
        raise Error(
            f"convolution: Input type ({dtype_name(input.dtype)}) and {what} type "
            f"({dtype_name(other.dtype)}) should be the same"
        )


def image_sizes(x, w, stride, padding, dilation):
    sizes = [x[0], w[0]]
    for d in range(2):
        window = dilation[d] * (w[2 + d] - 1) + 1
        padded = x[2 + d] + 2 * padding[d]
        if window > padded:
            raise Error(
                "convolution: Calculated padded input size per channel: "
                f"({x[2] + 2 * padding[0]} x {x[3] + 2 * padding[1]}). Kernel size: "
                f"({dilation[0] * (w[2] - 1) + 1} x {dilation[1] * (w[3] - 1) + 1}). Kernel size "
                "can't be greater than actual input size"
            )
        sizes.append((padded - window) // stride[d] + 1)
    return sizes


def convolution_spec(input, weight, bias, stride, padding, dilation, transposed, groups):
    if transposed:
        raise NotImplementedError("convolution: transposed=True is not supported")
    if input.dim() != 4 or weight.dim() != 4:
        raise NotImplementedError(
            "convolution: only 4-D input and weight are supported, got shapes "
            f"{show(input.shape)} and {show(weight.shape)}"
        )
    check_windows(stride, padding, dilation)
    check_channels(input.shape, weight.shape, groups)
    if bias is not None:
        check_bias(weight.shape, bias)
    check_input_dtype("weight", input, weight)
    if bias is not None:
        check_input_dtype("bias", input, bias)
    if not (input.dtype.is_floating_point or is_integral(input.dtype, False)):
        raise NotImplementedError(
            f"convolution: not implemented for {dtype_name(input.dtype)}: convert with "
            ".to(torch.float32)"
        )
    sizes = image_sizes(input.shape, weight.shape, stride, padding, dilation)
    return image_spec(sizes, input.dtype, channels_last(input, weight))


@convolution.rule
def _(input, weight, bias, stride, padding, dilation, transposed, groups):
    return convolution_spec(input, weight, bias, stride, padding, dilation, transposed, groups)


@convolution.jvp
def _(t, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    rest = (stride, padding, dilation, transposed, output_padding, groups)
    made = t.op(t.get("input"), weight, None, *rest) + t.op(input, t.get("weight"), None, *rest)
    if bias is None:
        return made
    return made + t.get("bias").reshape(-1, *[1] * len(stride))


@convolution.batching
def _(b, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    rest = (stride, padding, dilation, transposed, output_padding)
    size = b.size
    x = input.first
    if not weight.batched:
        made = b.op(x.flatten(0, 1), weight.value, None, *rest, groups)
        made = made.unflatten(0, [size, -1])
    else:
        # The items side by side among the channels, as groups.
        x = input.full.movedim(0, 1)
        w = weight.first.flatten(0, 1)
        made = b.op(x.flatten(1, 2), w, None, *rest, groups * size)
        made = made.unflatten(1, [size, -1]).movedim(1, 0)
    if bias is None:
        return made
    return made + bias.first.reshape(-1, 1, bias.shape[0], *[1] * len(stride))


@convolution.gradient
def _(
    g,
    input,
    weight,
    bias,
    stride,
    padding,
    dilation,
    transposed,
    output_padding,
    groups,
    ops,
    needs,
):
    return ops.convolution_backward(
        g,
        input,
        weight,
        None if bias is None else bias.shape,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        [needs[0], needs[1], needs[2]],
    )


@structured(
    "convolution_backward(Tensor grad_output, Tensor input, Tensor weight, SymInt[]? bias_sizes, "
    f"{_CONV}, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    cpu="cpu::convolution_backward(result0, result1, result2, grad_output, input, weight, stride,"
    " padding, dilation, groups, output_mask)",
    function_variant=False,
    method=False,
)
def convolution_backward():
    """The gradients of ``convolution``; one whose ``output_mask`` is false has no elements.

    >>> flambeau.ops.aten.convolution_backward(
    ...     flambeau.ones(1, 1, 1, 1), flambeau.ones(1, 1, 2, 2), flambeau.ones(1, 1, 2, 2), [1],
    ...     [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, False, True])[2]
    tensor([1.])
    """


convolution_backward.samples(
    call(
        values(1, 2, 3, 2),
        values(1, 2, 4, 3),
        values(2, 2, 2, 2),
        [2],
        [1, 1],
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        1,
        [True, True, True],
    ),
    dtypes=FLOATING,
)


@convolution_backward.rule
def _(grad_output, input, weight, stride, padding, dilation, transposed, groups, output_mask):
    output = convolution_spec(
        input, weight, absent(), stride, padding, dilation, transposed, groups
    )
    if not same(grad_output.shape, output.sizes):
        raise Error(
            f"convolution_backward: expected grad_output of shape {show(output.sizes)}, as the "
            f"output of the convolution, but got {show(grad_output.shape)}"
        )
    if grad_output.dtype != input.dtype:
        raise Error(
            f"convolution_backward: grad_output type ({dtype_name(grad_output.dtype)}) and input "
            f"type ({dtype_name(input.dtype)}) should be the same"
        )
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"convolution_backward: not implemented for {dtype_name(input.dtype)}: convert with "
            ".to(torch.float32)"
        )
    last = channels_last(input, weight)
    return (
        image_spec(input.shape if output_mask[0] else [0], input.dtype, last and output_mask[0]),
        image_spec(
            weight.shape if output_mask[1] else [0],
            weight.dtype if output_mask[1] else input.dtype,
            last and output_mask[1],
        ),
        Spec(
            [weight.shape[0]] if output_mask[2] else [0],
            weight.dtype if output_mask[2] else input.dtype,
        ),
    )


@convolution_backward.batching
def _(
    b,
    grad_output,
    input,
    weight,
    bias_sizes,
    stride,
    padding,
    dilation,
    transposed,
    output_padding,
    groups,
    output_mask,
):
    size = b.size
    rest = (stride, padding, dilation, transposed, output_padding)
    x, w, g = (t.full for t in (input, weight, grad_output))
    sides = [t.movedim(0, 1).flatten(1, 2) for t in (g, x)]
    mask = [output_mask[0], output_mask[1], False]
    to_input, to_weight, _ = b.op(
        sides[0], sides[1], w.flatten(0, 1), None, *rest, groups * size, mask
    )
    return (
        to_input.unflatten(1, [size, -1]).movedim(1, 0) if mask[0] else None,
        to_weight.unflatten(0, [size, -1]) if mask[1] else None,
        g.transpose(1, 2).flatten(2).sum(2) if output_mask[2] else None,
    )


def _plus(total, t):
    return t if total is None else total + t


@convolution_backward.gradient
def _(
    grads,
    grad_output,
    input,
    weight,
    stride,
    padding,
    dilation,
    transposed,
    output_padding,
    groups,
    ops,
    needs,
):
    # The gradients are convolutions too, linear in each argument: the gradient with respect to
    # grad_output is the forward of (gx, weight), (input, gw) and gb; that to the input is its own
    # gradient under the weight gw, and the other way round.
    gx, gw, gb = grads[0], grads[1], grads[2]

    def forward(x, w):
        return ops.convolution(
            x, w, None, stride, padding, dilation, transposed, output_padding, groups
        )

    def gradient(x, w, mask):
        return ops.convolution_backward(
            grad_output,
            x,
            w,
            None,
            stride,
            padding,
            dilation,
            transposed,
            output_padding,
            groups,
            mask,
        )

    to_grad, to_input, to_weight = None, None, None
    if needs[0]:
        if gx is not None:
            to_grad = forward(gx, weight)
        if gw is not None:
            to_grad = _plus(to_grad, forward(input, gw))
        if gb is not None:
            wide = ops.expand(ops.view(gb, [1, gb.shape[0], 1, 1]), grad_output.shape)
            to_grad = _plus(to_grad, wide)
    if needs[1] and gw is not None:
        to_input = gradient(input, gw, [True, False, False])[0]
    if needs[2] and gx is not None:
        to_weight = gradient(gx, weight, [False, True, False])[1]
    return to_grad, to_input, to_weight


def pair(v):
    """One number stands for both dimensions."""
    return [v[0], v[0]] if len(v) == 1 else list(v)


def padded(input, before, behind, ops):
    """The last two dimensions with zeros before and behind."""
    shape, first = list(input.shape), input.dim() - 2
    for d in range(2):
        shape[first + d] += before[d] + behind[d]
    out = ops.new_zeros(input, shape)
    inside = out
    for d in range(2):
        end = before[d] + input.shape[first + d]
        inside = ops.slice_Tensor(inside, first + d, before[d], end)
    ops.copy_(inside, input)
    return out


def window_convolution(input, weight, bias, stride, padding, dilation, groups, ops):
    """A product of the weight with all windows, for dtypes that ``convolution`` leaves out."""
    out = list(
        convolution_spec(input, weight, bias, stride, padding, dilation, False, groups).sizes
    )
    x = padded(input, padding, padding, ops)
    w, s = weight.shape, x.stride()
    patch = w[1] * w[2] * w[3]
    windows = ops.as_strided(
        x,
        [out[0], groups, w[1], w[2], w[3], out[2], out[3]],
        [
            s[0],
            w[1] * s[1],
            s[1],
            dilation[0] * s[2],
            dilation[1] * s[3],
            stride[0] * s[2],
            stride[1] * s[3],
        ],
        x.storage_offset(),
    )
    columns = ops.reshape(windows, [out[0], groups, patch, out[2] * out[3]])
    rows = ops.reshape(weight, [groups, w[0] // groups, patch])
    result = ops.reshape(ops.matmul(rows, columns), out)
    return result if bias is None else result + ops.view(bias, [w[0], 1, 1])


def check_weight(weight):
    if weight.dim() != 4:
        raise Error(f"conv2d: Expected 4D weight, but got weight of size: {show(weight.shape)}")


def convolved(input, weight, bias, stride, padding, dilation, groups, ops):
    """``convolution`` of an image or a batch of them."""
    if input.dim() != 3 and input.dim() != 4:
        raise Error(
            "conv2d: Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of "
            f"size: {show(input.shape)}"
        )
    check_weight(weight)
    batched = input.dim() == 4
    x = input if batched else ops.unsqueeze(input, 0)
    step, apart = pair(stride), pair(dilation)
    if x.dtype.is_floating_point:
        made = ops.convolution(x, weight, bias, step, padding, apart, False, [0, 0], groups)
    else:
        made = window_convolution(x, weight, bias, step, padding, apart, groups, ops)
    return made if batched else ops.squeeze_dim(made, 0)


@composite(
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] "
    "padding=0, "
    "SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
    method=False,
)
def conv2d(input, weight, bias, stride, padding, dilation, groups, ops):
    """Slides ``weight`` (O, C / groups, R, S) over ``input`` (N, C, H, W).

    >>> flambeau.conv2d(flambeau.ones(1, 1, 3, 3), flambeau.ones(1, 1, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """
    return convolved(input, weight, bias, stride, pair(padding), dilation, groups, ops)


conv2d.samples(
    call(values(2, 2, 4, 3), values(2, 2, 2, 2)),
    call(values(1, 2, 4, 4), values(2, 1, 2, 2), values(2), 2, 1, 1, 2),
    call(values(2, 4, 3), values(2, 2, 1, 2)),
    dtypes=NUMERIC,
)
conv2d.autocast("lower")


@composite(
    "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, "
    "str padding='valid', SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
    method=False,
)
def conv2d_named(input, weight, bias, stride, padding, dilation, groups, ops):
    """``conv2d`` with ``padding="same"`` or ``"valid"``."""
    if padding == "valid":
        return convolved(input, weight, bias, stride, [0, 0], dilation, groups, ops)
    if padding != "same":
        raise Error(f"conv2d: Invalid padding string: '{padding}': 'same' and 'valid' exist")
    check_weight(weight)
    step = pair(stride)
    if step[0] != 1 or step[1] != 1:
        raise Error("conv2d: padding='same' is not supported for strided convolutions")
    apart = pair(dilation)
    totals = [apart[d] * (weight.shape[2 + d] - 1) for d in range(2)]
    before = [total // 2 for total in totals]
    extra = [total % 2 for total in totals]
    if extra[0] == 0 and extra[1] == 0:
        return convolved(input, weight, bias, stride, before, dilation, groups, ops)
    # An odd total: one more row or column of zeros behind.
    wider = padded(input, [0, 0], extra, ops)
    return convolved(wider, weight, bias, stride, before, dilation, groups, ops)


conv2d_named.samples(
    call(values(1, 2, 4, 3), values(2, 2, 3, 3), None, 1, "same"),
    call(values(1, 2, 4, 3), values(2, 2, 2, 2)),
    dtypes=NUMERIC,
)
