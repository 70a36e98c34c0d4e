"""Transposed convolution over one to three dimensions, and over time, batch and channels."""

from flambeau.ops.conv.conv2d import convolved
from flambeau.ops.language import Error, show
from flambeau.ops.record import NUMERIC, REAL, composite
from flambeau.ops.samples import call, values


def _rest(n):
    size = f"SymInt[{n}]"
    return (
        f"Tensor input, Tensor weight, Tensor? bias=None, {size} stride=1, {size} padding=0, "
        f"{size} output_padding=0, SymInt groups=1, {size} dilation=1"
    )


@composite(f"conv_transpose1d({_rest(1)}) -> Tensor", method=False)
def conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation, ops):
    """The gradient of ``conv1d`` as an op: each element of ``input`` (N, C, L) or (C, L) adds
    ``weight`` (C, O / groups, S), times itself.

    >>> flambeau.conv_transpose1d(flambeau.ones(1, 1, 2), flambeau.ones(1, 1, 2))
    tensor([[[1., 2., 1.]]])
    """
    return convolved(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        True,
        output_padding,
        groups,
        ops,
    )


conv_transpose1d.samples(
    call(values(2, 2, 4), values(2, 3, 3), values(3)),
    call(values(1, 4, 3), values(4, 1, 3), None, 2, 1, 1, 2, 2),
    call(values(2, 4), values(2, 2, 2)),
    dtypes=NUMERIC,
)
conv_transpose1d.autocast("lower")
conv_transpose1d.without("benchmark")


@composite(f"conv_transpose2d.input({_rest(2)}) -> Tensor", method=False)
def conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation, ops):
    """The gradient of ``conv2d`` as an op: each element of ``input`` (N, C, H, W) or (C, H, W) adds
    ``weight`` (C, O / groups, R, S), times itself.

    >>> flambeau.conv_transpose2d(flambeau.ones(1, 1, 1, 2), flambeau.ones(1, 1, 1, 2), stride=2)
    tensor([[[[1., 1., 1., 1.]]]])
    """
    return convolved(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        True,
        output_padding,
        groups,
        ops,
    )


conv_transpose2d.samples(
    call(values(2, 2, 3, 4), values(2, 3, 3, 2), values(3)),
    call(values(1, 4, 3, 2), values(4, 1, 3, 2), None, [2, 1], 1, [1, 0], 2, [1, 2]),
    call(values(2, 2, 4), values(2, 2, 2, 1)),
    dtypes=NUMERIC,
)
conv_transpose2d.autocast("lower")
conv_transpose2d.without("benchmark")


@composite(f"conv_transpose3d.input({_rest(3)}) -> Tensor", method=False)
def conv_transpose3d(input, weight, bias, stride, padding, output_padding, groups, dilation, ops):
    """The gradient of ``conv3d`` as an op: each element of ``input`` (N, C, D, H, W) or
    (C, D, H, W) adds ``weight`` (C, O / groups, T, R, S), times itself.

    >>> flambeau.conv_transpose3d(flambeau.ones(1, 1, 1, 1, 2), flambeau.ones(1, 1, 1, 1, 2))
    tensor([[[[[1., 2., 1.]]]]])
    """
    return convolved(
        "conv_transpose3d",
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        True,
        output_padding,
        groups,
        ops,
    )


conv_transpose3d.samples(
    call(values(2, 2, 2, 2, 3), values(2, 3, 2, 3, 2), values(3)),
    call(values(1, 4, 2, 3, 2), values(4, 1, 3, 2, 2), None, [2, 1, 1], 1, [1, 0, 0], 2, 1),
    call(values(2, 2, 2, 2), values(2, 2, 1, 2, 1)),
    dtypes=NUMERIC,
)
conv_transpose3d.autocast("lower")
conv_transpose3d.without("benchmark")


@composite("conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor", method=False)
def conv_tbc(self, weight, bias, pad, ops):
    """``conv1d`` of ``self`` (T, N, C), time first, with ``weight`` (S, C, O) and ``bias`` (O).

    >>> flambeau.conv_tbc(flambeau.ones(3, 1, 1), flambeau.ones(2, 1, 1), flambeau.zeros(1))
    tensor([[[2.]],
    <BLANKLINE>
            [[2.]]])
    """
    if self.dim() != 3:
        raise Error(
            f"conv_tbc: Input must have 3 dims: time, batch, in_channel, got {show(self.shape)}"
        )
    if weight.dim() != 3:
        raise Error(
            "conv_tbc: Weight tensor must have 3 dims: kernel_width, in_channels, out_channels, "
            f"got {show(weight.shape)}"
        )
    if bias.dim() != 1:
        raise Error(f"conv_tbc: Bias must be 1-D, got {show(bias.shape)}")
    if self.shape[2] != weight.shape[1]:
        raise Error(
            "conv_tbc: Input dim 2 (input channels) is not == dim 1 in the weight tensor: "
            f"{show(self.shape)}, {show(weight.shape)}"
        )
    if weight.shape[2] != bias.shape[0]:
        raise Error(
            "conv_tbc: Bias size must equal dim 2 in the weight tensor (output channels): "
            f"{show(bias.shape)}, {show(weight.shape)}"
        )
    x, w = ops.permute(self, [1, 2, 0]), ops.permute(weight, [2, 1, 0])
    made = ops.convolution(x, w, bias, [1], [pad], [1], False, [0], 1)
    return ops.contiguous(ops.permute(made, [2, 0, 1]))


conv_tbc.samples(
    call(values(5, 2, 3), values(2, 3, 2), values(2)),
    call(values(3, 1, 2), values(3, 2, 4), values(4), 1),
    dtypes=REAL,
)
conv_tbc.autocast("lower")
conv_tbc.without("benchmark")
