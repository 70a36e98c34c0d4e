"""Max pooling, and its inverse."""

from flambeau.ops.language import Error, dtypes, same, show
from flambeau.ops.pool.windows import (
    check_floating,
    check_indices,
    check_maxima,
    documented,
    gradient_of_maxima,
    gradient_of_scattered,
    image_spec,
    lies_last,
    pooled_sizes,
    read_places,
    several,
    slopes_of_maxima,
    steps_of,
)
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, ints, values

_POOL = (
    "int[{n}] kernel_size, int[{n}] stride=[], int[{n}] padding=0, int[{n}] dilation=1, "
    "bool ceil_mode=False"
)
_GIVEN = (
    "int[{n}] kernel_size, int[{n}] stride, int[{n}] padding, int[{n}] dilation, bool ceil_mode"
)
_DTYPES = FLOATING | frozenset({"int32", "int8", "int16", "int64", "uint8"})


def _with_indices(name, n):
    op, backward = name.removesuffix("_with_indices"), f"{name}_backward"

    def body():
        pass

    def rule(self, kernel_size, stride, padding, dilation, ceil_mode):
        kernel = several(op, "kernel_size", kernel_size, n)
        step = steps_of(op, kernel, stride, n)
        pad = several(op, "padding", padding, n)
        dilate = several(op, "dilation", dilation, n)
        check_maxima(op, self.dtype)
        sizes = pooled_sizes(op, self, kernel, step, pad, dilate, ceil_mode, n)
        last = lies_last(self, n)
        return image_spec(sizes, self.dtype, last), image_spec(sizes, dtypes.int64, last)

    def gradient(g, self, kernel_size, stride, padding, dilation, ceil_mode, result1, ops):
        return getattr(ops, backward)(
            g, self, kernel_size, stride, padding, dilation, ceil_mode, result1
        )

    def batching(b, self, kernel_size, stride, padding, dilation, ceil_mode):
        rest = (kernel_size, stride, padding, dilation, ceil_mode)
        return b.folded(lambda x: b.op(x, *rest), n + 2, self)

    made = structured(
        f"{name}(Tensor self, {_POOL.format(n=n)}) -> (Tensor, Tensor)",
        cpu=f"cpu::max_pool(result0, result1, self, kernel_size, stride, padding, dilation, {n})",
        module="_nn",
        method=False,
        differentiable=(0,),
        places=(1,),
        out=True,
    )(
        documented(
            body,
            "The largest element in each window, and where it is in its plane.\n\nA window that "
            "has none of the input's elements, which dilation makes possible, gives the\nleast "
            "number of its dtype and the place -1, to which no gradient goes.",
            f">>> x = flambeau.arange({2**n}.).view(1{', 2' * n})",
            f">>> flambeau._C._nn.{name}(x, 2)[1].item()",
            f"{2**n - 1}",
        )
    )
    made.samples(
        call(values(1, 2, *[4] * n), 2),
        call(values(2, *[4, 3, 2][:n]), [2] * n, [1] * n, 1),
        call(values(1, *[5] * n), 2, 2, 0, 1, True),
        dtypes=_DTYPES,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp(slopes_of_maxima(n))
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


def _with_indices_backward(name, n):
    def body():
        pass

    def rule(grad_output, self, indices):
        check_maxima(name, self.dtype)
        return gradient_of_maxima(name, grad_output, self, indices, n)

    def gradient(g, self, indices, ops):
        return gradient_of_scattered(g, self.shape, indices, n, ops)

    def batching(b, grad_output, self, kernel_size, stride, padding, dilation, ceil_mode, indices):
        rest = (kernel_size, stride, padding, dilation, ceil_mode)
        return b.folded(lambda g, x, i: b.op(g, x, *rest, i), n + 2, grad_output, self, indices)

    made = structured(
        f"{name}(Tensor grad_output, Tensor self, {_GIVEN.format(n=n)}, Tensor indices) -> Tensor",
        cpu=f'cpu::max_pool_backward(result, grad_output, indices, {n}, "{name}")',
        checks_values=True,
        module="_nn",
        method=False,
    )(
        documented(
            body,
            "The gradient of max pooling: each window's goes to its largest element.",
            f">>> g, x = flambeau.ones(1{', 1' * n}), flambeau.zeros(1{', 2' * n})",
            f">>> flambeau._C._nn.{name}(g, x, 2, 2, 0, 1, False, g.long()).flatten()[:3]",
            "tensor([0., 1., 0.])",
        )
    )
    windows = [1] * (n - 1) + [2]
    places = [[0, 3], [5, 6]] if n == 2 else [[[0, 3], [5, 6]]]
    shape, size = ((1, 2, 2), (1, 2, 4)) if n == 2 else ((1, 1, 2, 2), (1, 1, 2, 4))
    made.samples(
        call(values(*shape), values(*size), windows, windows, 0, 1, False, ints([places])),
        dtypes=_DTYPES,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


_with_indices("max_pool2d_with_indices", 2)
_with_indices("max_pool3d_with_indices", 3)
_with_indices_backward("max_pool2d_with_indices_backward", 2)
_with_indices_backward("max_pool3d_with_indices_backward", 3)


@composite(f"max_pool2d(Tensor self, {_POOL.format(n=2)}) -> Tensor", method=False)
def max_pool2d(self, kernel_size, stride, padding, dilation, ceil_mode, ops):
    """The largest element in each window.

    >>> flambeau.max_pool2d(flambeau.arange(4.).view(1, 1, 2, 2), 2)
    tensor([[[[3.]]]])
    """
    return ops.max_pool2d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode)[0]


max_pool2d.samples(
    call(values(1, 2, 4, 4), 2),
    call(values(2, 4, 3), [2, 2], [1, 1], 1),
    dtypes=_DTYPES,
)
max_pool2d.benchmark(call(values(16, 64, 56, 56), 3, 2, 1), call(values(16, 64, 56, 56), 2))


@composite(f"max_pool3d(Tensor self, {_POOL.format(n=3)}) -> Tensor", method=False)
def max_pool3d(self, kernel_size, stride, padding, dilation, ceil_mode, ops):
    """The largest element in each window of volumes.

    >>> flambeau.max_pool3d(flambeau.arange(8.).view(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return ops.max_pool3d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode)[0]


max_pool3d.samples(
    call(values(1, 2, 4, 4, 2), 2),
    call(values(2, 4, 3, 2), [2, 2, 1], [1, 1, 1], [1, 0, 0]),
    dtypes=_DTYPES,
)
max_pool3d.benchmark(call(values(2, 16, 16, 56, 56), 3, 2, 1))


def check_sequences(op, self):
    if self.dim() != 2 and self.dim() != 3:
        raise Error(f"{op}: Expected 2D or 3D input tensor, but got shape {show(self.shape)}")


@composite(
    f"max_pool1d_with_indices(Tensor self, {_POOL.format(n=1)}) -> (Tensor, Tensor)", method=False
)
def max_pool1d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode, ops):
    """The largest element in each window of sequences, and where it is.

    >>> flambeau.max_pool1d_with_indices(flambeau.tensor([[3., 1., 2., 5.]]), 2)[1]
    tensor([[0, 3]])
    """
    check_sequences("max_pool1d", self)
    kernel = several("max_pool1d", "kernel_size", kernel_size, 1)
    step = steps_of("max_pool1d", kernel, stride, 1)
    made = ops.max_pool2d_with_indices(
        ops.unsqueeze(self, -2),
        [1, kernel[0]],
        [1, step[0]],
        [0, several("max_pool1d", "padding", padding, 1)[0]],
        [1, several("max_pool1d", "dilation", dilation, 1)[0]],
        ceil_mode,
    )
    return ops.squeeze_dim(made[0], -2), ops.squeeze_dim(made[1], -2)


max_pool1d_with_indices.samples(
    call(values(1, 2, 4), 2), call(values(2, 4), [2], [1], 1), dtypes=_DTYPES
)
max_pool1d_with_indices.without("benchmark")


@composite(f"max_pool1d(Tensor self, {_POOL.format(n=1)}) -> Tensor", method=False)
def max_pool1d(self, kernel_size, stride, padding, dilation, ceil_mode, ops):
    """The largest element in each window of sequences.

    >>> flambeau.max_pool1d(flambeau.tensor([[3., 1., 2., 5.]]), 2)
    tensor([[3., 5.]])
    """
    return ops.max_pool1d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode)[0]


max_pool1d.samples(call(values(1, 2, 4), 2), call(values(2, 4), [2], [1], 1), dtypes=_DTYPES)
max_pool1d.benchmark(call(values(16, 64, 4096), 3, 2, 1))


# ---- the inverse


def unpooled(op, self, indices, output_size, rank):
    check_indices(op, indices)
    check_floating(op, self.dtype)
    if len(output_size) != rank:
        raise Error(
            f"{op}: There should be exactly {rank} elements in output_size, got {show(output_size)}"
        )
    if self.dim() != rank + 1 and self.dim() != rank + 2:
        raise Error(
            f"{op}: Input to {op} should be a {rank + 1}d or {rank + 2}d Tensor, got shape "
            f"{show(self.shape)}"
        )
    if not same(self.shape, indices.shape):
        raise Error(
            f"{op}: Expected shape of indices to be same as that of the input tensor "
            f"({show(self.shape)}) but got indices tensor with shape: {show(indices.shape)}"
        )
    for d in range(self.dim() - rank - 1, self.dim()):
        if self.shape[d] == 0:
            raise Error(
                f"{op}: Expected input to have non-zero size for non-batch dimensions, but got "
                f"shape {show(self.shape)}"
            )
    for n in output_size:
        if n < 0:
            raise Error(f"{op}: sizes of output_size must not be negative: {show(output_size)}")
    sizes = list(self.shape[: self.dim() - rank]) + list(output_size)
    return image_spec(sizes, self.dtype, lies_last(self, rank))


@structured(
    "max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor",
    cpu="cpu::max_unpool(result, self, indices, 2)",
    checks_values=True,
    module="_nn",
    method=False,
    out=True,
)
def max_unpool2d():
    """Elements at the places of planes that they came from; the rest is zero.

    >>> x, at = flambeau.tensor([[[5.]]]), flambeau.tensor([[[3]]])
    >>> flambeau._C._nn.max_unpool2d(x, at, [2, 2])
    tensor([[[0., 0.],
             [0., 5.]]])
    """


max_unpool2d.samples(
    call(values(2, 1, 2), ints([[[0, 3]], [[1, 5]]]), [2, 3]),
    call(values(1, 1, 1, 2), ints([[[[0, 3]]]]), [2, 3]),
    dtypes=FLOATING,
)


@max_unpool2d.rule
def _(self, indices, output_size):
    return unpooled("max_unpool2d", self, indices, output_size, 2)


@max_unpool2d.gradient
def _(g, indices, ops):
    return read_places(g, indices, 2, ops)


@max_unpool2d.jvp
def _(t, self, indices, output_size):
    return t.op(t.get("self"), indices, output_size)


@max_unpool2d.batching
def _(b, self, indices, output_size):
    return b.folded(lambda x, i: b.op(x, i, output_size), 4, self, indices)


max_unpool2d.without("decomposition", "sharding", "autocast", "benchmark")


@structured(
    "max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, "
    "int[3] padding) -> Tensor",
    cpu="cpu::max_unpool(result, self, indices, 3)",
    checks_values=True,
    module="_nn",
    method=False,
    out=True,
)
def max_unpool3d():
    """Elements at the places of volumes that they came from; the rest is zero.

    >>> x, at = flambeau.tensor([[[[5.]]]]), flambeau.tensor([[[[3]]]])
    >>> flambeau._C._nn.max_unpool3d(x, at, [1, 2, 2], [1, 1, 1], [0, 0, 0])
    tensor([[[[0., 0.],
              [0., 5.]]]])
    """


max_unpool3d.samples(
    call(values(1, 1, 1, 2), ints([[[[0, 3]]]]), [1, 2, 3], [1, 1, 1], [0, 0, 0]),
    dtypes=FLOATING,
)


@max_unpool3d.rule
def _(self, indices, output_size, stride, padding):
    if len(stride) != 3 or len(padding) != 3:
        raise Error("max_unpool3d: There should be exactly three elements in stride and padding")
    for step in stride:
        if step <= 0:
            raise Error(
                f"max_unpool3d: strides should be greater than zero, but got stride: {show(stride)}"
            )
    return unpooled("max_unpool3d", self, indices, output_size, 3)


@max_unpool3d.gradient
def _(g, indices, ops):
    return read_places(g, indices, 3, ops)


@max_unpool3d.jvp
def _(t, self, indices, output_size, stride, padding):
    return t.op(t.get("self"), indices, output_size, stride, padding)


@max_unpool3d.batching
def _(b, self, indices, output_size, stride, padding):
    return b.folded(lambda x, i: b.op(x, i, output_size, stride, padding), 5, self, indices)


max_unpool3d.without("decomposition", "sharding", "autocast", "benchmark")
