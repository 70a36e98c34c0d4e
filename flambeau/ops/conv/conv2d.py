"""Convolution over one to three dimensions: what programs call."""

from flambeau.ops.conv.convolution import check_bias, check_input_dtype, image_spec
from flambeau.ops.language import Error, show
from flambeau.ops.record import NUMERIC, composite
from flambeau.ops.samples import call, values

__all__ = ["image_spec"]  # for pooling


def check_batch(op, input, n):
    """An input of ``n`` dimensions besides the channels, and perhaps a batch."""
    if input.dim() != n + 1 and input.dim() != n + 2:
        raise Error(
            f"{op}: Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {op}, but got "
            f"input of size: {show(input.shape)}"
        )


def check_weight(op, weight, n):
    if weight.dim() != n + 2:
        raise Error(f"{op}: Expected {n + 2}D weight, but got weight of size: {show(weight.shape)}")


def of_parts(
    input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, ops
):
    """``convolution`` of complex numbers: three of real ones, of which two make the rest."""
    check_input_dtype("weight", input, weight)
    if bias is not None:
        check_input_dtype("bias", input, bias)

    def real(x, w):
        return ops.convolution(
            x, w, None, stride, padding, dilation, transposed, output_padding, groups
        )

    xr, xi = ops.real(input), ops.imag(input)
    wr, wi = ops.real(weight), ops.imag(weight)
    plus, minus = real(xr, wr), real(xi, wi)
    cross = real(xr + xi, wr + wi) - plus - minus
    made = ops.view_as_complex(ops.stack([plus - minus, cross], -1))
    if bias is None:
        return made
    check_bias(weight.shape, made.shape[1], bias)
    return made + ops.view(bias, [bias.shape[0]] + [1] * (input.dim() - 2))


def convolved(
    op, n, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, ops
):
    """``convolution`` of an item or a batch of them."""
    check_batch(op, input, n)
    check_weight(op, weight, n)
    batched = input.dim() == n + 2
    x = input if batched else ops.unsqueeze(input, 0)
    if x.is_complex():
        made = of_parts(
            x, weight, bias, stride, padding, dilation, transposed, output_padding, groups, ops
        )
    else:
        made = ops.convolution(
            x, weight, bias, stride, padding, dilation, transposed, output_padding, groups
        )
    return made if batched else ops.squeeze_dim(made, 0)


def longer(input, extra, ops):
    """The last dimensions with zeros behind."""
    shape = list(input.shape)
    first = input.dim() - len(extra)
    for d, more in enumerate(extra):
        shape[first + d] += more
    out = ops.new_zeros(input, shape)
    inside = out
    for d in range(len(extra)):
        inside = ops.slice_Tensor(inside, first + d, 0, input.shape[first + d])
    ops.copy_(inside, input)
    return out


def convolved_within(op, n, input, weight, bias, stride, padding, dilation, groups, ops):
    """``convolved`` with ``padding="same"`` or ``"valid"``."""
    if padding == "valid":
        return convolved(op, n, input, weight, bias, stride, [0], dilation, False, [0], groups, ops)
    if padding != "same":
        raise Error(f"{op}: Invalid padding string: '{padding}': 'same' and 'valid' exist")
    check_batch(op, input, n)
    check_weight(op, weight, n)
    for step in stride:
        if step != 1:
            raise Error(f"{op}: padding='same' is not supported for strided convolutions")
    apart = [dilation[0] if len(dilation) == 1 else dilation[d] for d in range(n)]
    totals = [(weight.shape[2 + d] - 1) * apart[d] for d in range(n)]
    before = [total // 2 for total in totals]
    extra = [total % 2 for total in totals]
    if sum(extra) == 0:
        return convolved(
            op, n, input, weight, bias, stride, before, dilation, False, [0], groups, ops
        )
    # An odd total: one more zero behind.
    wider = longer(input, extra, ops)
    return convolved(op, n, wider, weight, bias, stride, before, dilation, False, [0], groups, ops)


def _rest(n, padding):
    size = f"SymInt[{n}]"
    pad = f"{size} padding=0" if padding is None else f"str padding='{padding}'"
    return (
        f"Tensor input, Tensor weight, Tensor? bias=None, {size} stride=1, {pad}, "
        f"{size} dilation=1, SymInt groups=1"
    )


@composite(f"conv1d({_rest(1, None)}) -> Tensor", method=False)
def conv1d(input, weight, bias, stride, padding, dilation, groups, ops):
    """Slides ``weight`` (O, C / groups, S) over ``input`` (N, C, L) or (C, L).

    >>> flambeau.conv1d(flambeau.ones(1, 1, 3), flambeau.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """
    return convolved(
        "conv1d", 1, input, weight, bias, stride, padding, dilation, False, [0], groups, ops
    )


conv1d.samples(
    call(values(2, 2, 5), values(4, 2, 3), values(4)),
    call(values(1, 2, 6), values(2, 1, 2), None, 2, 1, 2, 2),
    call(values(2, 4), values(2, 2, 2)),
    dtypes=NUMERIC,
)
conv1d.autocast("lower")
conv1d.without("benchmark")


@composite(f"conv1d.padding({_rest(1, 'valid')}) -> Tensor", method=False)
def conv1d_named(input, weight, bias, stride, padding, dilation, groups, ops):
    """``conv1d`` with ``padding="same"`` or ``"valid"``."""
    return convolved_within(
        "conv1d", 1, input, weight, bias, stride, padding, dilation, groups, ops
    )


conv1d_named.samples(
    call(values(1, 2, 4), values(2, 2, 3), None, 1, "same"),
    call(values(2, 4), values(2, 2, 2), None, 1, "same", 3),
    call(values(1, 2, 4), values(2, 2, 2)),
    dtypes=NUMERIC,
)
conv1d_named.autocast("lower")
conv1d_named.without("benchmark")


@composite(f"conv2d({_rest(2, None)}) -> Tensor", method=False)
def conv2d(input, weight, bias, stride, padding, dilation, groups, ops):
    """Slides ``weight`` (O, C / groups, R, S) over ``input`` (N, C, H, W) or (C, H, W).

    >>> flambeau.conv2d(flambeau.ones(1, 1, 3, 3), flambeau.ones(1, 1, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """
    return convolved(
        "conv2d", 2, input, weight, bias, stride, padding, dilation, False, [0], groups, ops
    )


conv2d.samples(
    call(values(2, 2, 4, 3), values(2, 2, 2, 2)),
    call(values(1, 2, 4, 4), values(2, 1, 2, 2), values(2), 2, 1, 1, 2),
    call(values(2, 4, 3), values(2, 2, 1, 2)),
    dtypes=NUMERIC,
)
conv2d.autocast("lower")


@composite(f"conv2d.padding({_rest(2, 'valid')}) -> Tensor", method=False)
def conv2d_named(input, weight, bias, stride, padding, dilation, groups, ops):
    """``conv2d`` with ``padding="same"`` or ``"valid"``."""
    return convolved_within(
        "conv2d", 2, input, weight, bias, stride, padding, dilation, groups, ops
    )


conv2d_named.samples(
    call(values(1, 2, 4, 3), values(2, 2, 3, 3), None, 1, "same"),
    call(values(1, 2, 4, 3), values(2, 2, 2, 2)),
    dtypes=NUMERIC,
)
conv2d_named.autocast("lower")


@composite(f"conv3d({_rest(3, None)}) -> Tensor", method=False)
def conv3d(input, weight, bias, stride, padding, dilation, groups, ops):
    """Slides ``weight`` (O, C / groups, T, R, S) over ``input`` (N, C, D, H, W) or (C, D, H, W).

    >>> flambeau.conv3d(flambeau.ones(1, 1, 3, 3, 3), flambeau.ones(1, 1, 2, 2, 2), stride=2)
    tensor([[[[[8.]]]]])
    """
    return convolved(
        "conv3d", 3, input, weight, bias, stride, padding, dilation, False, [0], groups, ops
    )


conv3d.samples(
    call(values(2, 2, 3, 4, 3), values(2, 2, 2, 2, 2), values(2)),
    call(values(1, 2, 3, 4, 4), values(2, 1, 2, 1, 2), None, 2, 1, 1, 2),
    call(values(2, 2, 4, 3), values(2, 2, 1, 1, 2)),
    dtypes=NUMERIC,
)
conv3d.autocast("lower")
conv3d.without("benchmark")


@composite(f"conv3d.padding({_rest(3, 'valid')}) -> Tensor", method=False)
def conv3d_named(input, weight, bias, stride, padding, dilation, groups, ops):
    """``conv3d`` with ``padding="same"`` or ``"valid"``."""
    return convolved_within(
        "conv3d", 3, input, weight, bias, stride, padding, dilation, groups, ops
    )


conv3d_named.samples(
    call(values(1, 2, 2, 4, 3), values(2, 2, 2, 3, 3), None, 1, "same"),
    call(values(1, 2, 2, 4, 3), values(2, 2, 2, 2, 2)),
    dtypes=NUMERIC,
)
conv3d_named.autocast("lower")
conv3d_named.without("benchmark")
