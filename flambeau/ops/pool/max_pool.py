"""Max pooling over two dimensions."""

from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, ints, values

_POOL = (
    "int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, "
    "bool ceil_mode=False"
)


@structured(
    f"max_pool2d_with_indices(Tensor self, {_POOL}) -> (Tensor, Tensor)",
    shape="max_pool2d(self, kernel_size, stride, padding, dilation, ceil_mode)",
    cpu="cpu::max_pool2d(result0, result1, self, kernel_size, stride, padding, dilation)",
    module="_nn",
    method=False,
    differentiable=(0,),
    out=True,
)
def max_pool2d_with_indices():
    """The largest element in each window, and where it is in its plane.

    >>> flambeau._C._nn.max_pool2d_with_indices(flambeau.arange(4.).view(1, 1, 2, 2), 2)[1]
    tensor([[[[3]]]])
    """


max_pool2d_with_indices.samples(
    call(values(1, 2, 4, 4), 2),
    call(values(2, 4, 3), [2, 2], [1, 1], 1),
    dtypes=FLOATING | frozenset({"int32", "int8", "int16", "int64", "uint8"}),
)


@max_pool2d_with_indices.jvp
def _(t, self, result):
    picked = t.get("self").flatten(-2).gather(-1, result[1].flatten(-2))
    return picked.reshape(result[0].shape), None


@max_pool2d_with_indices.batching
def _(b, self, kernel_size, stride, padding, dilation, ceil_mode):
    rest = (kernel_size, stride, padding, dilation, ceil_mode)
    return b.folded(lambda x: b.op(x, *rest), 4, self)


@max_pool2d_with_indices.gradient
def _(g, self, kernel_size, stride, padding, dilation, ceil_mode, result1, ops):
    return ops.max_pool2d_with_indices_backward(
        g, self, kernel_size, stride, padding, dilation, ceil_mode, result1
    )


@structured(
    "max_pool2d_with_indices_backward(Tensor grad_output, Tensor self, int[2] kernel_size, "
    "int[2] stride, int[2] padding, int[2] dilation, bool ceil_mode, Tensor indices) -> Tensor",
    shape="max_pool2d_backward(grad_output, self)",
    cpu="cpu::max_pool2d_backward(result, grad_output, indices)",
    module="_nn",
    method=False,
)
def max_pool2d_with_indices_backward():
    """The gradient of max pooling: each window's goes to its largest element.

    >>> flambeau._C._nn.max_pool2d_with_indices_backward(
    ...     flambeau.ones(1, 1, 1), flambeau.arange(4.).view(1, 2, 2), 2, 2, 0, 1, False,
    ...     flambeau.tensor([[[3]]]))
    tensor([[[0., 0.],
             [0., 1.]]])
    """


max_pool2d_with_indices_backward.samples(
    call(values(1, 2, 2), values(1, 2, 4), [1, 2], [1, 2], 0, 1, False, ints([[[0, 3], [5, 6]]])),
    dtypes=FLOATING | frozenset({"int32", "int8", "int16", "int64", "uint8"}),
)
max_pool2d_with_indices_backward.jvp("linear")


@max_pool2d_with_indices_backward.batching
def _(b, grad_output, self, kernel_size, stride, padding, dilation, ceil_mode, indices):
    rest = (kernel_size, stride, padding, dilation, ceil_mode)
    return b.folded(lambda g, x, i: b.op(g, x, *rest, i), 4, grad_output, self, indices)


@max_pool2d_with_indices_backward.gradient
def _(g, indices, ops):
    # Each window's gradient came from one place of its plane: it is read there.
    lead = indices.dim() - 2
    planes = ops.reshape(g, g.shape[:lead] + [g.shape[lead] * g.shape[lead + 1]])
    at = indices.shape[:lead] + [indices.shape[lead] * indices.shape[lead + 1]]
    read = ops.gather(planes, -1, ops.reshape(indices, at))
    return ops.view(read, indices.shape), None, None


@composite(f"max_pool2d(Tensor self, {_POOL}) -> Tensor", method=False)
def max_pool2d(self, kernel_size, stride, padding, dilation, ceil_mode, ops):
    """The largest element in each window.

    >>> flambeau.max_pool2d(flambeau.arange(4.).view(1, 1, 2, 2), 2)
    tensor([[[[3.]]]])
    """
    return ops.max_pool2d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode)[0]


max_pool2d.samples(
    call(values(1, 2, 4, 4), 2),
    call(values(2, 4, 3), [2, 2], [1, 1], 1),
    dtypes=FLOATING | frozenset({"int32", "int8", "int16", "int64", "uint8"}),
)
