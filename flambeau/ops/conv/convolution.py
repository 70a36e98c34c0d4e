"""Convolution over one to three dimensions, transposed or not, and its gradient."""

import math

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
from flambeau.ops.record import FLOATING, REAL, structured
from flambeau.ops.samples import call, values

_CONV = (
    "SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, "
    "SymInt[] output_padding, SymInt groups"
)


@structured(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, {_CONV}) -> Tensor",
    cpu="cpu::convolution(result, input, weight, bias, stride, padding, dilation, transposed,"
    " groups)",
    method=False,
)
def convolution():
    """Convolution (cross-correlation) of (N, C, ...) input over 1 to 3 dimensions, or, transposed,
    the gradient of one; the op under ``conv2d`` and its like.

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
    call(values(2, 2, 5), values(4, 1, 2), values(4), [2], [1], [1], False, [0], 2),
    call(values(2, 2, 3, 3, 2), values(2, 2, 2, 2, 1), None, [1], [1, 1, 0], [1], False, [0], 1),
    call(values(2, 4, 3), values(4, 1, 3), values(2), [2], [1], [1], True, [1], 2),
    call(
        values(1, 2, 2, 3, 2),
        values(2, 1, 2, 2, 2),
        values(1),
        [2, 1, 1],
        [0, 1, 0],
        [1, 1, 2],
        True,
        [1, 0, 0],
        1,
    ),
    dtypes=REAL,
)
convolution.autocast("lower")


def flops(input, weight, stride, padding, dilation, transposed, output_padding, groups):
    # Each element of the result, or of the input of a transposed one, meets a window once.
    met = input.shape
    if not transposed:
        met = convolution_sizes(
            input.shape, weight.shape, stride, padding, dilation, False, output_padding, groups
        )
    return 2 * met[0] * math.prod(met[2:]) * math.prod(weight.shape)


convolution.flops(flops)


def image_spec(sizes, dtype, last):
    if last:
        return Spec(sizes, dtype, channels_last_strides(sizes))
    return Spec(sizes, dtype)


def channels_last(input, weight):
    """Whether what comes of both has its channels last; lines never have."""
    if input.dim() < 4:
        return False
    return (
        suggest_memory_format(input) != formats.contiguous_format
        or suggest_memory_format(weight) != formats.contiguous_format
    )


def for_each(what, values, n):
    """``values`` for each of ``n`` dimensions, for all of which one stands."""
    if len(values) != 1 and len(values) != n:
        raise Error(
            f"convolution: expected {what} to be a single integer value or a list of {n} values to "
            f"match the convolution dimensions, but got {what}={show(values)}"
        )
    return [values[0] if len(values) == 1 else values[i] for i in range(n)]


def check_windows(stride, padding, dilation):
    for d in range(len(stride)):
        if stride[d] <= 0:
            raise Error(f"convolution: non-positive stride is not supported, got {show(stride)}")
        if padding[d] < 0:
            raise Error(f"convolution: negative padding is not supported, got {show(padding)}")
        if dilation[d] <= 0:
            raise Error(f"convolution: dilation should be greater than zero, got {show(dilation)}")


def check_output_padding(output_padding, stride, dilation):
    for d, extra in enumerate(output_padding):
        if extra < 0:
            raise Error(
                f"convolution: negative output_padding is not supported, got {show(output_padding)}"
            )
        if extra >= stride[d] and extra >= dilation[d]:
            raise Error(
                "convolution: output padding must be smaller than either stride or dilation, but "
                f"got output_padding={show(output_padding)}, stride={show(stride)}, "
                f"dilation={show(dilation)}"
            )


def check_channels(x, w, transposed, groups):
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
    if transposed:
        if x[1] != w[0]:
            raise Error(
                f"convolution: Given transposed=1, weight of size {show(w)}, expected "
                f"input{show(x)} to have {w[0]} channels, but got {x[1]} channels instead"
            )
    elif x[1] != w[1] * groups:
        raise Error(
            f"convolution: Given groups={groups}, weight of size {show(w)}, expected "
            f"input{show(x)} to have {w[1] * groups} channels, but got {x[1]} channels instead"
        )


def check_bias(w, outs, bias):
    if bias.dim() != 1 or bias.shape[0] != outs:
        raise Error(
            f"convolution: Given weight of size {show(w)}, expected bias to be 1-dimensional with "
            f"{outs} elements, but got bias of size {show(bias.shape)} instead"
        )


def check_input_dtype(what, input, other):
    if other.dtype != input.dtype:
        raise Error(
            f"convolution: Input type ({dtype_name(input.dtype)}) and {what} type "
            f"({dtype_name(other.dtype)}) should be the same"
        )


def window_counts(x, w, stride, padding, dilation):
    """How many windows there are along each dimension."""
    n = len(stride)
    room = [x[2 + d] + 2 * padding[d] for d in range(n)]
    windows = [dilation[d] * (w[2 + d] - 1) + 1 for d in range(n)]
    sizes = []
    for d in range(n):
        if w[2 + d] <= 0:
            raise Error(
                f"convolution: kernel size should be greater than zero, but got weight {show(w)}"
            )
        if windows[d] > room[d]:
            raise Error(
                f"convolution: Calculated padded input size per channel: {show(room)}. Kernel "
                f"size: {show(windows)}. Kernel size can't be greater than actual input size"
            )
        sizes.append((room[d] - windows[d]) // stride[d] + 1)
    return sizes


def spread_sizes(x, w, stride, padding, dilation, output_padding):
    """How long a transposed convolution is along each dimension."""
    n = len(stride)
    sizes = [
        (x[2 + d] - 1) * stride[d]
        - 2 * padding[d]
        + dilation[d] * (w[2 + d] - 1)
        + output_padding[d]
        + 1
        for d in range(n)
    ]
    for size in sizes:
        if size <= 0:
            raise Error(
                f"convolution: Given input size per channel: {show(x[2:])}. Calculated output size "
                f"per channel: {show(sizes)}. Output size is too small"
            )
    return sizes


def convolution_sizes(x, w, stride, padding, dilation, transposed, output_padding, groups):
    n = len(w) - 2
    step = for_each("stride", stride, n)
    pad = for_each("padding", padding, n)
    apart = for_each("dilation", dilation, n)
    check_windows(step, pad, apart)
    check_channels(x, w, transposed, groups)
    if transposed:
        extra = for_each("output_padding", output_padding, n)
        check_output_padding(extra, step, apart)
        return [x[0], w[1] * groups] + spread_sizes(x, w, step, pad, apart, extra)
    return [x[0], w[0]] + window_counts(x, w, step, pad, apart)


def convolution_spec(
    input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
):
    n = weight.dim() - 2
    if n < 1:
        raise Error(
            "convolution: weight should have at least three dimensions, but got weight of size "
            f"{show(weight.shape)}"
        )
    if input.dim() != n + 2:
        raise Error(
            f"convolution: Expected {n + 2}-dimensional input for {n + 2}-dimensional weight "
            f"{show(weight.shape)}, but got {input.dim()}-dimensional input of size "
            f"{show(input.shape)} instead"
        )
    if n > 3:
        raise NotImplementedError(
            "convolution: only 1 to 3 dimensions besides batch and channels are supported, got "
            f"shapes {show(input.shape)} and {show(weight.shape)}"
        )
    sizes = convolution_sizes(
        input.shape, weight.shape, stride, padding, dilation, transposed, output_padding, groups
    )
    if bias is not None:
        check_bias(weight.shape, sizes[1], bias)
    check_input_dtype("weight", input, weight)
    if bias is not None:
        check_input_dtype("bias", input, bias)
    if not (input.dtype.is_floating_point or is_integral(input.dtype, False)):
        raise NotImplementedError(
            f"convolution: not implemented for {dtype_name(input.dtype)}: convert with "
            ".to(torch.float32)"
        )
    return image_spec(sizes, input.dtype, channels_last(input, weight))


@convolution.rule
def _(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    return convolution_spec(
        input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


@convolution.jvp
def _(t, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    rest = (stride, padding, dilation, transposed, output_padding, groups)
    made = t.op(t.get("input"), weight, None, *rest) + t.op(input, t.get("weight"), None, *rest)
    if bias is None:
        return made
    return made + t.get("bias").reshape(-1, *[1] * (weight.dim() - 2))


@convolution.batching
def _(b, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    rest = (stride, padding, dilation, transposed, output_padding)
    size, spatial = b.size, weight.rank - 2
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
    return made + bias.first.reshape(-1, 1, bias.shape[0], *[1] * spatial)


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
    " padding, dilation, transposed, groups, output_mask)",
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
    call(
        values(2, 2, 5),
        values(2, 4, 3),
        values(4, 1, 3),
        [2],
        [2],
        [1],
        [1],
        True,
        [0],
        2,
        [True, True, True],
    ),
    call(
        values(1, 2, 2, 2, 3),
        values(1, 2, 3, 2, 4),
        values(2, 1, 2, 3, 2),
        [2],
        [1],
        [0, 1, 0],
        [1],
        False,
        [0],
        2,
        [True, True, True],
    ),
    dtypes=FLOATING,
)


@convolution_backward.flops
def _(
    input, weight, stride, padding, dilation, transposed, output_padding, groups, output_mask
):  # fmt: skip
    once = flops(input, weight, stride, padding, dilation, transposed, output_padding, groups)
    # PyTorch's figure, for a gradient between all channels, of whatever groups they are.
    return once * (output_mask[0] + groups * output_mask[1])


@convolution_backward.rule
def _(
    grad_output,
    input,
    weight,
    stride,
    padding,
    dilation,
    transposed,
    output_padding,
    groups,
    output_mask,
):
    output = convolution_spec(
        input, weight, absent(), stride, padding, dilation, transposed, output_padding, groups
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
            [output.sizes[1]] if output_mask[2] else [0],
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
            ones = [1] * (grad_output.dim() - 2)
            wide = ops.expand(ops.view(gb, [1, gb.shape[0]] + ones), grad_output.shape)
            to_grad = _plus(to_grad, wide)
    if needs[1] and gw is not None:
        to_input = gradient(input, gw, [True, False, False])[0]
    if needs[2] and gx is not None:
        to_weight = gradient(gx, weight, [False, True, False])[1]
    return to_grad, to_input, to_weight
