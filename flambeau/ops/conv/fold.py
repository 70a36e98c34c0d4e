"""Patches of images as columns, and back: what ``unfold`` and ``fold`` of layers run."""

from flambeau.ops.language import Error, Spec, dtype_name, is_integral, show
from flambeau.ops.record import BOOL, COMPLEX, FLOATING, structured
from flambeau.ops.samples import call, values

_WINDOWS = "int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride"


def both(op, what, v, least):
    """A number for rows and one for columns, for which one may stand."""
    if len(v) != 1 and len(v) != 2:
        raise Error(f"{op}: {what} must either be a single int, or a tuple of two ints: {show(v)}")
    for n in v:
        if n < least:
            raise Error(
                f"{op}: {what} should be at least {least}, but got {what}_height: {v[0]} "
                f"{what}_width: {v[-1]}"
            )
    return [v[0], v[-1]]


def check_columns_dtype(op, dtype):
    if is_integral(dtype, False):
        raise NotImplementedError(
            f'{op}: "{op}_out_cpu" not implemented for {dtype_name(dtype)}: convert with '
            ".to(torch.float32)"
        )


def windows_of(op, image, kernel_size, dilation, padding, stride):
    """How many windows an image of two sizes has, by rows and by columns."""
    kernel = both(op, "kernel_size", kernel_size, 1)
    apart = both(op, "dilation", dilation, 1)
    pad = both(op, "padding", padding, 0)
    step = both(op, "stride", stride, 1)
    counts = [
        (image[d] + 2 * pad[d] - apart[d] * (kernel[d] - 1) - 1) // step[d] + 1 for d in range(2)
    ]
    if counts[0] < 1 or counts[1] < 1:
        raise Error(
            f"{op}: Given an image of {show(image)}, kernel_size={show(kernel)}, "
            f"dilation={show(apart)}, padding={show(pad)}, stride={show(step)}, calculated shape "
            f"of the array of sliding blocks as {show(counts)}, but its components must be at "
            "least one"
        )
    return counts


@structured(
    f"im2col(Tensor self, {_WINDOWS}) -> Tensor",
    cpu="cpu::im2col(result, self, kernel_size, dilation, padding, stride)",
    module="_nn",
    method=False,
    out=True,
)
def im2col():
    """Each window of an image (N, C, H, W) or (C, H, W) as a column: (N, C * R * S, windows).

    >>> flambeau._C._nn.im2col(flambeau.arange(4.).view(1, 2, 2), [1, 2], [1, 1], [0, 0], [1, 1])
    tensor([[0., 2.],
            [1., 3.]])
    """


im2col.samples(
    call(values(2, 2, 4, 3), [2, 2], [1, 1], [0, 0], [1, 1]),
    call(values(1, 2, 5, 4), [2, 3], [2, 1], [1, 2], [2, 1]),
    call(values(2, 3, 3), [2], [1], [1], [1]),
    dtypes=FLOATING | COMPLEX | BOOL,
)
im2col.jvp("linear")
im2col.without("decomposition", "sharding", "autocast", "benchmark")


@im2col.rule
def _(self, kernel_size, dilation, padding, stride):
    check_columns_dtype("im2col", self.dtype)
    n = self.dim()
    if n != 3 and n != 4:
        raise Error(
            "im2col: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {show(self.shape)}"
        )
    for d in range(n - 3, n):
        if self.shape[d] == 0:
            raise Error(
                "im2col: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and "
                f"other non-zero dimensions for input, but got: {show(self.shape)}"
            )
    counts = windows_of("im2col", self.shape[n - 2 :], kernel_size, dilation, padding, stride)
    kernel = both("im2col", "kernel_size", kernel_size, 1)
    columns = [self.shape[n - 3] * kernel[0] * kernel[1], counts[0] * counts[1]]
    return Spec([self.shape[0]] + columns if n == 4 else columns, self.dtype)


@im2col.batching
def _(b, self, kernel_size, dilation, padding, stride):
    return b.folded(lambda x: b.op(x, kernel_size, dilation, padding, stride), 4, self)


@im2col.gradient
def _(g, self, kernel_size, dilation, padding, stride, ops):
    image = [self.shape[self.dim() - 2], self.shape[self.dim() - 1]]
    return ops.col2im(g, image, kernel_size, dilation, padding, stride)


@structured(
    f"col2im(Tensor self, SymInt[2] output_size, {_WINDOWS}) -> Tensor",
    cpu="cpu::col2im(result, self, kernel_size, dilation, padding, stride)",
    module="_nn",
    method=False,
    out=True,
)
def col2im():
    """The image of ``output_size`` whose windows are these columns; where they overlap, sums.

    >>> flambeau._C._nn.col2im(flambeau.ones(2, 2), [1, 3], [1, 2], [1, 1], [0, 0], [1, 1])
    tensor([[[1., 2., 1.]]])
    """


col2im.samples(
    call(values(2, 8, 6), [4, 3], [2, 2], [1, 1], [0, 0], [1, 1]),
    call(values(1, 12, 18), [5, 4], [2, 3], [2, 1], [1, 2], [2, 1]),
    call(values(8, 16), [3, 3], [2], [1], [1], [1]),
    dtypes=FLOATING | COMPLEX | BOOL,
)
col2im.jvp("linear")
col2im.without("decomposition", "sharding", "autocast", "benchmark")


@col2im.rule
def _(self, output_size, kernel_size, dilation, padding, stride):
    check_columns_dtype("col2im", self.dtype)
    n = self.dim()
    if n != 2 and n != 3:
        raise Error(
            "col2im: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size "
            f"and non-zero dimensions for input, but got: {show(self.shape)}"
        )
    for d in range(n - 2, n):
        if self.shape[d] == 0:
            raise Error(
                "col2im: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch "
                f"size and non-zero dimensions for input, but got: {show(self.shape)}"
            )
    image = both("col2im", "output_size", output_size, 1)
    kernel = both("col2im", "kernel_size", kernel_size, 1)
    taps, rows, columns = kernel[0] * kernel[1], self.shape[n - 2], self.shape[n - 1]
    if rows % taps != 0:
        raise Error(
            f"col2im: Expected size of input's dimension {n - 2} to be divisible by the product of "
            f"kernel_size, but got input of shape {show(self.shape)} and "
            f"kernel_size={show(kernel)}"
        )
    counts = windows_of("col2im", image, kernel_size, dilation, padding, stride)
    if columns != counts[0] * counts[1]:
        raise Error(
            f"col2im: Given output_size={show(image)}, kernel_size={show(kernel)}, "
            f"dilation={show(dilation)}, padding={show(padding)}, stride={show(stride)}, expected "
            f"size of input's dimension {n - 1} to match the calculated number of sliding blocks "
            f"{counts[0]} * {counts[1]} = {counts[0] * counts[1]}, but got {columns}"
        )
    sizes = [rows // taps, image[0], image[1]]
    return Spec([self.shape[0]] + sizes if n == 3 else sizes, self.dtype)


@col2im.batching
def _(b, self, output_size, kernel_size, dilation, padding, stride):
    rest = (output_size, kernel_size, dilation, padding, stride)
    return b.folded(lambda x: b.op(x, *rest), 3, self)


@col2im.gradient
def _(g, kernel_size, dilation, padding, stride, ops):
    return ops.im2col(g, kernel_size, dilation, padding, stride)
