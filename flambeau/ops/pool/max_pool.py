"""Max pooling over two dimensions."""

from flambeau.ops.conv.conv2d import image_spec
from flambeau.ops.language import (
    Error,
    dtype_name,
    dtypes,
    formats,
    same,
    show,
    suggest_memory_format,
    zeros_for,
)
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, ints, values

_POOL = (
    "int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, "
    "bool ceil_mode=False"
)


@structured(
    f"max_pool2d_with_indices(Tensor self, {_POOL}) -> (Tensor, Tensor)",
    cpu="cpu::max_pool2d(result0, result1, self, kernel_size, stride, padding, dilation)",
    module="_nn",
    method=False,
    differentiable=(0,),
    places=(1,),
    out=True,
)
def max_pool2d_with_indices():
    """The largest element in each window, and where it is in its plane.

    A window that has none of the input's elements, which dilation makes possible, gives the least
    number of its dtype and the place -1, to which no gradient goes.

    >>> flambeau._C._nn.max_pool2d_with_indices(flambeau.arange(4.).view(1, 1, 2, 2), 2)[1]
    tensor([[[[3]]]])
    """


max_pool2d_with_indices.samples(
    call(values(1, 2, 4, 4), 2),
    call(values(2, 4, 3), [2, 2], [1, 1], 1),
    dtypes=FLOATING | frozenset({"int32", "int8", "int16", "int64", "uint8"}),
)


def pair(op, name, v):
    """One number stands for both dimensions."""
    if len(v) != 1 and len(v) != 2:
        raise Error(f"{op}: {name} must either be a single int, or a tuple of two ints")
    return [v[0], v[-1]]


def check_pools(op, dtype):
    """The kernels know the other dtypes only."""
    if dtype.is_complex or dtype in (dtypes.bool, dtypes.uint16, dtypes.uint32, dtypes.uint64):
        raise NotImplementedError(
            f"{op}: \"max_pool2d\" not implemented for '{dtype_name(dtype)}': convert with "
            ".to(torch.float32)"
        )


def pooled_size(n, kernel, step, pad, dilate, ceil_mode):
    room = n + 2 * pad - (dilate * (kernel - 1) + 1)
    if not ceil_mode:
        return room // step + 1
    size = (room + step - 1) // step + 1
    # A window that would begin in the padding behind is left out.
    return size - 1 if (size - 1) * step >= n + pad else size


@max_pool2d_with_indices.rule
def _(self, kernel_size, stride, padding, dilation, ceil_mode):
    kernel = pair("max_pool2d", "kernel_size", kernel_size)
    if len(stride) > 2:
        raise Error(
            "max_pool2d: stride must either be omitted, a single int, or a tuple of two ints"
        )
    step = pair("max_pool2d", "stride", stride) if stride else kernel
    pad = pair("max_pool2d", "padding", padding)
    dilate = pair("max_pool2d", "dilation", dilation)
    if self.dim() != 3 and self.dim() != 4:
        raise Error(
            "max_pool2d: non-empty 3D or 4D (batch mode) tensor expected for input, got shape "
            f"{show(self.shape)}"
        )
    check_pools("max_pool2d", self.dtype)
    sizes = list(self.shape)
    for d in range(2):
        if kernel[d] <= 0:
            raise Error(
                f"max_pool2d: kernel size should be greater than zero, but got {show(kernel_size)}"
            )
        if step[d] <= 0:
            raise Error(f"max_pool2d: stride should be greater than zero, but got {show(stride)}")
        if dilate[d] <= 0:
            raise Error(
                f"max_pool2d: dilation should be greater than zero, but got {show(dilation)}"
            )
        if pad[d] < 0:
            raise Error(f"max_pool2d: pad must be non-negative, but got pad: {pad[d]}")
        if pad[d] > (dilate[d] * (kernel[d] - 1) + 1) // 2:
            raise Error(
                "max_pool2d: pad should be at most half of effective kernel size, but got "
                f"pad={pad[d]}, kernel_size={kernel[d]} and dilation={dilate[d]}"
            )
        at = self.dim() - 2 + d
        size = pooled_size(self.shape[at], kernel[d], step[d], pad[d], dilate[d], ceil_mode)
        if size < 1:
            raise Error(
                f"max_pool2d: Given input size: {show(self.shape)}. Output size is too small"
            )
        sizes[at] = size
    for d in range(1 if self.dim() == 4 else 0, self.dim()):
        if self.shape[d] <= 0:
            raise Error(
                "max_pool2d: Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size "
                f"for input, but got: {show(self.shape)}"
            )
    last = self.dim() == 4 and suggest_memory_format(self) == formats.channels_last
    return image_spec(sizes, self.dtype, last), image_spec(sizes, dtypes.int64, last)


@max_pool2d_with_indices.jvp
def _(t, self, result):
    places = result[1].flatten(-2)
    picked = t.get("self").flatten(-2).gather(-1, places.clamp(min=0))
    return picked.masked_fill(places < 0, 0).reshape(result[0].shape), None


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
    cpu="cpu::max_pool2d_backward(result, grad_output, indices)",
    checks_values=True,
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


@max_pool2d_with_indices_backward.rule
def _(grad_output, self, indices):
    check_pools("max_pool2d_with_indices_backward", self.dtype)
    g, planes = grad_output.shape, self.dim() - 2
    fits = (self.dim() == 3 or self.dim() == 4) and len(g) == self.dim()
    if not fits or not same(g, indices.shape) or not same(g[:planes], self.shape[:planes]):
        raise Error(
            f"max_pool2d_with_indices_backward: grad_output of shape {show(g)} and indices of "
            f"shape {show(indices.shape)} do not fit an input of shape {show(self.shape)}"
        )
    if indices.dtype != dtypes.int64 or grad_output.dtype != self.dtype:
        raise Error(
            "max_pool2d_with_indices_backward: indices must be int64 and grad_output of the "
            f"input's dtype, got {dtype_name(indices.dtype)} and {dtype_name(grad_output.dtype)} "
            f"for {dtype_name(self.dtype)}"
        )
    last = self.dim() == 4 and suggest_memory_format(self) == formats.channels_last
    return image_spec(self.shape, self.dtype, last)


@max_pool2d_with_indices_backward.gradient
def _(g, self, indices, ops):
    # Each window's gradient came from one place of its plane: it is read there.
    lead = indices.dim() - 2
    planes = ops.reshape(g, list(g.shape[:lead]) + [g.shape[lead] * g.shape[lead + 1]])
    at = list(indices.shape[:lead]) + [indices.shape[lead] * indices.shape[lead + 1]]
    places = ops.reshape(indices, at)
    read = ops.gather(planes, -1, ops.clamp_min(places, 0))
    read = ops.masked_fill_Scalar(read, ops.lt_Scalar(places, 0), 0)
    return ops.view(read, indices.shape), zeros_for(g, self.shape, ops), None


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
