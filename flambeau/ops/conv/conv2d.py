"""Convolution over two dimensions."""

from flambeau.ops.record import FLOATING, NUMERIC, composite, structured
from flambeau.ops.samples import call, values

_CONV = (
    "int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups"
)


@structured(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, {_CONV}) -> Tensor",
    shape="convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding,"
    " groups)",
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
    dtypes=FLOATING,
)


@convolution.gradient
def _(
    g, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, ops, cxx
):
    return ops.convolution_backward(
        g,
        input,
        weight,
        cxx.optional_sizes(bias.sizes),
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        cxx.needs,
    )


@structured(
    "convolution_backward(Tensor grad_output, Tensor input, Tensor weight, int[]? bias_sizes, "
    f"{_CONV}, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    shape="convolution_backward(grad_output, input, weight, stride, padding, dilation, transposed,"
    " output_padding, groups, output_mask)",
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
    cxx,
):
    return cxx.convolution_double_backward_all(
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
        cxx.needs,
    )


@composite(
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, "
    "int[2] dilation=1, int groups=1) -> Tensor",
    method=False,
)
def conv2d():
    """Slides ``weight`` (O, C / groups, R, S) over ``input`` (N, C, H, W).

    >>> flambeau.conv2d(flambeau.ones(1, 1, 3, 3), flambeau.ones(1, 1, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """


conv2d.samples(
    call(values(2, 2, 4, 3), values(2, 2, 2, 2)),
    call(values(1, 2, 4, 4), values(2, 1, 2, 2), values(2), 2, 1, 1, 2),
    call(values(2, 4, 3), values(2, 2, 1, 2)),
    dtypes=NUMERIC,
)


@composite(
    "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, "
    "str padding='valid', int[2] dilation=1, int groups=1) -> Tensor",
    method=False,
    cxx="conv2d_named",
)
def conv2d_named():
    """``conv2d`` with ``padding="same"`` or ``"valid"``."""


conv2d_named.samples(
    call(values(1, 2, 4, 3), values(2, 2, 3, 3), None, 1, "same"),
    call(values(1, 2, 4, 3), values(2, 2, 2, 2)),
    dtypes=NUMERIC,
)
