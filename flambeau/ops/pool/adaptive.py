"""Pooling to a size: windows that cover the input evenly."""

from flambeau.ops.language import Error, dtypes, same, show, zeros_for
from flambeau.ops.pool.max_pool import check_sequences
from flambeau.ops.pool.windows import (
    check_floating,
    documented,
    gradient_of_maxima,
    gradient_of_scattered,
    image_spec,
    lies_last,
    several,
    slopes_of_maxima,
)
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, ints, values


def adapted_sizes(op, self, output_size, rank):
    size = several(op, "output_size", output_size, rank)
    if self.dim() != rank + 1 and self.dim() != rank + 2:
        raise Error(f"{op}: Expected {rank + 1}D or {rank + 2}D tensor, but got {show(self.shape)}")
    for d in range(1 if self.dim() == rank + 2 else 0, self.dim()):
        if self.shape[d] == 0:
            raise Error(
                f"{op}: Expected input to have non-zero size for non-batch dimensions, but input "
                f"has sizes {show(self.shape)} with dimension {d} being empty"
            )
    for n in size:
        if n < 0:
            raise Error(
                f"{op}: elements of output_size must be greater than or equal to 0 but received "
                f"{show(size)}"
            )
    check_floating(op, self.dtype)
    return list(self.shape[: self.dim() - rank]) + size


# ---- averages


def _average(name, n):
    op, backward = name.removeprefix("_"), f"{name}_backward"

    def body():
        pass

    def rule(self, output_size):
        sizes = adapted_sizes(op, self, output_size, n)
        return image_spec(sizes, self.dtype, lies_last(self, n))

    def gradient(g, self, ops):
        return getattr(ops, backward)(g, self)

    def batching(b, self, output_size):
        return b.folded(lambda x: b.op(x, output_size), n + 2, self)

    made = structured(
        f"{name}(Tensor self, SymInt[{n}] output_size) -> Tensor",
        cpu=f"cpu::adaptive_avg_pool(result, self, {n})",
        method=False,
        out=True,
        separate_out=True,
    )(documented(body, f"The averages of windows that cover {n} dimensions evenly."))
    made.samples(
        call(values(1, 2, *[5] * n), [3] * n),
        call(values(2, *[3, 4, 2][:n]), [4, 2, 1][:n]),
        dtypes=FLOATING,
    )
    made.benchmark(call(values(16, 64, *[(56, 56), (8, 28, 28)][n - 2]), [7] * n))
    made.rule(rule)
    made.gradient(gradient)
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast")


def _average_backward(name, n):
    forward = name.removesuffix("_backward")

    def body():
        pass

    def rule(grad_output, self):
        g = grad_output.shape
        if len(g) != self.dim() or not same(g[: len(g) - n], self.shape[: self.dim() - n]):
            raise Error(
                f"{name}: a grad_output of shape {show(g)} does not fit an input of shape "
                f"{show(self.shape)}"
            )
        adapted_sizes(name, self, g[len(g) - n :], n)
        for d in range(len(g) - n, len(g)):
            if g[d] == 0:
                raise Error(
                    f"{name}: Expected grad_output to have non-zero size for non-batch dimensions, "
                    f"but grad_output has sizes {show(g)} with dimension {d} being empty"
                )
        if grad_output.dtype != self.dtype:
            raise Error(f"{name}: expected grad_output of the dtype of the input")
        return image_spec(self.shape, self.dtype, lies_last(self, n))

    def gradient(g, grad_output, self, ops):
        size = grad_output.shape
        made = getattr(ops, forward)(g, list(size[len(size) - n :]))
        return made, zeros_for(g, self.shape, ops)

    def batching(b, grad_output, self):
        return b.folded(b.op, n + 2, grad_output, self)

    def jvp(t, grad_output, self):
        return t.op(t.get("grad_output"), self)

    made = structured(
        f"{name}(Tensor grad_output, Tensor self) -> Tensor",
        cpu=f"cpu::adaptive_avg_pool_backward(result, grad_output, {n})",
        method=False,
    )(documented(body, f"The gradient of `{forward}`."))
    made.samples(
        call(values(1, 2, *[3] * n), values(1, 2, *[5] * n)),
        call(values(2, *[4, 2, 1][:n]), values(2, *[3, 4, 2][:n])),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp(jvp)
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


_average("_adaptive_avg_pool2d", 2)
_average("_adaptive_avg_pool3d", 3)
_average_backward("_adaptive_avg_pool2d_backward", 2)
_average_backward("_adaptive_avg_pool3d_backward", 3)


@composite(
    "adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor",
    module="_nn",
    method=False,
    out=True,
)
def adaptive_avg_pool2d(self, output_size, ops):
    """The averages of as many windows as the output has elements; they cover the input evenly.

    >>> flambeau._C._nn.adaptive_avg_pool2d(flambeau.arange(4.).view(1, 2, 2), [1, 2])
    tensor([[[1., 2.]]])
    """
    sizes = adapted_sizes("adaptive_avg_pool2d", self, output_size, 2)
    size = sizes[len(sizes) - 2 :]
    if size[0] == 1 and size[1] == 1:
        return ops.mean_dim(self, [-1, -2], True)
    return ops._adaptive_avg_pool2d(self, size)


adaptive_avg_pool2d.samples(
    call(values(1, 2, 5, 4), [2, 3]), call(values(2, 3, 4), [1, 1]), dtypes=FLOATING
)
adaptive_avg_pool2d.without("benchmark")


@composite(
    "adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor",
    module="_nn",
    method=False,
    out=True,
)
def adaptive_avg_pool3d(self, output_size, ops):
    """The averages of as many windows as the output has elements; they cover volumes evenly.

    >>> flambeau._C._nn.adaptive_avg_pool3d(flambeau.arange(4.).view(1, 1, 2, 2), [1, 1, 2])
    tensor([[[[1., 2.]]]])
    """
    sizes = adapted_sizes("adaptive_avg_pool3d", self, output_size, 3)
    size = sizes[len(sizes) - 3 :]
    if size[0] == 1 and size[1] == 1 and size[2] == 1:
        return ops.mean_dim(self, [-1, -2, -3], True)
    return ops._adaptive_avg_pool3d(self, size)


adaptive_avg_pool3d.samples(
    call(values(1, 2, 3, 5, 4), [2, 2, 3]), call(values(2, 3, 4, 2), [1, 1, 1]), dtypes=FLOATING
)
adaptive_avg_pool3d.without("benchmark")


@composite("adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor", method=False)
def adaptive_avg_pool1d(self, output_size, ops):
    """The averages of as many windows as the output has elements; they cover sequences evenly.

    >>> flambeau.adaptive_avg_pool1d(flambeau.tensor([[1., 3., 5., 7.]]), 2)
    tensor([[2., 6.]])
    """
    check_sequences("adaptive_avg_pool1d", self)
    size = several("adaptive_avg_pool1d", "output_size", output_size, 1)
    return ops.squeeze_dim(ops.adaptive_avg_pool2d(ops.unsqueeze(self, -2), [1, size[0]]), -2)


adaptive_avg_pool1d.samples(call(values(1, 2, 5), 2), call(values(2, 3), [4]), dtypes=FLOATING)
adaptive_avg_pool1d.without("benchmark")


# ---- maxima


def _maxima(name, n):
    backward = f"{name}_backward"

    def body():
        pass

    def rule(self, output_size):
        sizes = adapted_sizes(name, self, output_size, n)
        last = lies_last(self, n)
        return image_spec(sizes, self.dtype, last), image_spec(sizes, dtypes.int64, last)

    def gradient(g, self, result1, ops):
        return getattr(ops, backward)(g, self, result1)

    def batching(b, self, output_size):
        return b.folded(lambda x: b.op(x, output_size), n + 2, self)

    made = structured(
        f"{name}(Tensor self, int[{n}] output_size) -> (Tensor, Tensor)",
        cpu=f"cpu::adaptive_max_pool(result0, result1, self, {n})",
        module="_nn",
        method=False,
        differentiable=(0,),
        places=(1,),
        out=True,
    )(
        documented(
            body,
            "The largest elements of windows that cover the input evenly, and their places in its "
            "planes.",
            f">>> x = flambeau.arange({2**n}.).view(1{', 2' * n})",
            f">>> flambeau._C._nn.{name}(x, [1{', 1' * (n - 1)}])[1].item()",
            f"{2**n - 1}",
        )
    )
    made.samples(
        call(values(1, 2, *[5] * n), [3] * n),
        call(values(2, *[3, 4, 2][:n]), [4, 2, 1][:n]),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp(slopes_of_maxima(n))
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


def _maxima_backward(name, n):
    def body():
        pass

    def rule(grad_output, self, indices):
        check_floating(name, self.dtype)
        return gradient_of_maxima(name, grad_output, self, indices, n)

    def gradient(g, self, indices, ops):
        return gradient_of_scattered(g, self.shape, indices, n, ops)

    def batching(b, grad_output, self, indices):
        return b.folded(b.op, n + 2, grad_output, self, indices)

    made = structured(
        f"{name}(Tensor grad_output, Tensor self, Tensor indices) -> Tensor",
        cpu=f'cpu::max_pool_backward(result, grad_output, indices, {n}, "{name}")',
        checks_values=True,
        module="_nn",
        method=False,
    )(
        documented(
            body,
            "Each window's gradient at the place of its largest element.",
            f">>> g, x = flambeau.ones(1{', 1' * n}), flambeau.zeros(1{', 2' * n})",
            f">>> flambeau._C._nn.{name}(g, x, g.long()).flatten()[:3]",
            "tensor([0., 1., 0.])",
        )
    )
    places = [[[0, 3], [5, 6]]] if n == 2 else [[[[0, 3], [5, 6]]]]
    made.samples(
        call(values(*[1] * (n - 1), 2, 2), values(*[1] * (n - 1), 2, 4), ints(places)),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


_maxima("adaptive_max_pool2d", 2)
_maxima("adaptive_max_pool3d", 3)
_maxima_backward("adaptive_max_pool2d_backward", 2)
_maxima_backward("adaptive_max_pool3d_backward", 3)


@composite("adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)", method=False)
def adaptive_max_pool1d(self, output_size, ops):
    """The largest elements of windows that cover sequences evenly, and their places.

    >>> flambeau.adaptive_max_pool1d(flambeau.tensor([[1., 3., 5., 2.]]), 2)[1]
    tensor([[1, 2]])
    """
    check_sequences("adaptive_max_pool1d", self)
    size = several("adaptive_max_pool1d", "output_size", output_size, 1)
    made = ops.adaptive_max_pool2d(ops.unsqueeze(self, -2), [1, size[0]])
    return ops.squeeze_dim(made[0], -2), ops.squeeze_dim(made[1], -2)


adaptive_max_pool1d.samples(call(values(1, 2, 5), 2), call(values(2, 3), [4]), dtypes=FLOATING)
adaptive_max_pool1d.without("benchmark")
