"""Pooling by averages."""

from flambeau.ops.language import Error, dtype_name, dtypes, same, show, zeros_for
from flambeau.ops.pool.max_pool import check_sequences
from flambeau.ops.pool.windows import (
    documented,
    image_spec,
    lies_last,
    pooled_sizes,
    several,
    steps_of,
)
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, values

_POOL = (
    "int[{n}] kernel_size, int[{n}] stride=[], int[{n}] padding=0, bool ceil_mode=False, "
    "bool count_include_pad=True, int? divisor_override=None"
)
_GIVEN = (
    "int[{n}] kernel_size, int[{n}] stride, int[{n}] padding, bool ceil_mode, "
    "bool count_include_pad, int? divisor_override"
)


def averaged_sizes(op, self, kernel_size, stride, padding, ceil_mode, divisor_override, rank):
    kernel = several(op, "kernel_size", kernel_size, rank)
    step = steps_of(op, kernel, stride, rank)
    pad = several(op, "padding", padding, rank)
    if divisor_override is not None and divisor_override == 0:
        raise Error(f"{op}: divisor must be not zero")
    return pooled_sizes(op, self, kernel, step, pad, [1] * rank, ceil_mode, rank)


def _average(name, n):
    backward = f"{name}_backward"

    def body():
        pass

    def rule(self, kernel_size, stride, padding, ceil_mode, divisor_override):
        if self.dim() < n + 1 and n == 2:
            raise IndexError(
                f"{name}: Dimension out of range: expected a 3D or 4D tensor, got shape "
                f"{show(self.shape)}"
            )
        if not self.dtype.is_floating_point and self.dtype != dtypes.int64:
            raise NotImplementedError(
                f"{name}: not implemented for {dtype_name(self.dtype)}: convert with "
                ".to(torch.float32)"
            )
        sizes = averaged_sizes(
            name, self, kernel_size, stride, padding, ceil_mode, divisor_override, n
        )
        return image_spec(sizes, self.dtype, lies_last(self, n))

    def gradient(
        g, self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, ops
    ):
        return getattr(ops, backward)(
            g, self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    def batching(
        b, self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        rest = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return b.folded(lambda x: b.op(x, *rest), n + 2, self)

    made = structured(
        f"{name}(Tensor self, {_POOL.format(n=n)}) -> Tensor",
        cpu="cpu::avg_pool(result, self, kernel_size, stride, padding, count_include_pad, "
        f"divisor_override, {n})",
        module="_nn",
        method=False,
        out=True,
        separate_out=True,
    )(
        documented(
            body,
            "The average of each window; of padding too, unless ``count_include_pad`` is False.",
            f">>> flambeau._C._nn.{name}(flambeau.arange({2**n}.).view(1{', 2' * n}), 2).item()",
            f"{(2**n - 1) / 2}",
        )
    )
    made.samples(
        call(values(1, 2, *[4] * n), 2),
        call(values(2, *[5, 4, 3][:n]), [3] * n, [2] * n, 1, True, False),
        call(values(2, *[5, 4, 3][:n]), [3] * n, [2] * n, 1, divisor_override=5),
        dtypes=FLOATING | frozenset({"int64"}),
    )
    made.benchmark(call(values(16, 64, *[(56, 56), (8, 28, 28)][n - 2]), 3, 2, 1))
    made.rule(rule)
    made.gradient(gradient)
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast")


def _average_backward(name, n):
    forward = name.removesuffix("_backward")

    def body():
        pass

    def rule(grad_output, self, kernel_size, stride, padding, ceil_mode, divisor_override):
        if not self.dtype.is_floating_point or grad_output.dtype != self.dtype:
            raise NotImplementedError(
                f"{name}: not implemented for {dtype_name(grad_output.dtype)} and "
                f"{dtype_name(self.dtype)}: gradients are floating point, of the input's dtype"
            )
        sizes = averaged_sizes(
            name, self, kernel_size, stride, padding, ceil_mode, divisor_override, n
        )
        if not same(sizes, grad_output.shape):
            raise Error(
                f"{name}: Expected a grad_output of shape {show(sizes)}, but got "
                f"{show(grad_output.shape)}"
            )
        return image_spec(self.shape, self.dtype, lies_last(self, n))

    def gradient(
        g, self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, ops
    ):
        made = getattr(ops, forward)(
            g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
        return made, zeros_for(g, self.shape, ops)

    def batching(
        b,
        grad_output,
        self,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    ):
        rest = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return b.folded(lambda g, x: b.op(g, x, *rest), n + 2, grad_output, self)

    def jvp(
        t,
        grad_output,
        self,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    ):
        rest = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return t.op(t.get("grad_output"), self, *rest)

    made = structured(
        f"{name}(Tensor grad_output, Tensor self, {_GIVEN.format(n=n)}) -> Tensor",
        cpu="cpu::avg_pool_backward(result, grad_output, kernel_size, stride, padding, "
        f"count_include_pad, divisor_override, {n})",
        module="_nn",
        method=False,
    )(
        documented(
            body,
            f"The gradient of `{forward}`: that of each window, spread over its elements.",
            f">>> g, x = flambeau.ones(1{', 1' * n}), flambeau.zeros(1{', 2' * n})",
            f">>> flambeau._C._nn.{name}(g, x, 2, 2, 0, False, True, None).flatten()[0].item()",
            f"{1 / 2**n}",
        )
    )
    made.samples(
        call(values(1, 2, *[2] * n), values(1, 2, *[4] * n), [2], [2], [0], False, True, None),
        call(
            values(2, *[3, 2, 2][:n]),
            values(2, *[5, 4, 3][:n]),
            [3] * n,
            [2] * n,
            [1],
            False,
            False,
            None,
        ),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp(jvp)
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


_average("avg_pool2d", 2)
_average("avg_pool3d", 3)
_average_backward("avg_pool2d_backward", 2)
_average_backward("avg_pool3d_backward", 3)


@composite(
    "avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, "
    "bool ceil_mode=False, bool count_include_pad=True) -> Tensor",
    method=False,
)
def avg_pool1d(self, kernel_size, stride, padding, ceil_mode, count_include_pad, ops):
    """The average of each window of sequences.

    >>> flambeau.avg_pool1d(flambeau.tensor([[3., 1., 2., 5.]]), 2)
    tensor([[2.0000, 3.5000]])
    """
    check_sequences("avg_pool1d", self)
    kernel = several("avg_pool1d", "kernel_size", kernel_size, 1)
    step = steps_of("avg_pool1d", kernel, stride, 1)
    pad = several("avg_pool1d", "padding", padding, 1)
    made = ops.avg_pool2d(
        ops.unsqueeze(self, -2),
        [1, kernel[0]],
        [1, step[0]],
        [0, pad[0]],
        ceil_mode,
        count_include_pad,
        None,
    )
    return ops.squeeze_dim(made, -2)


avg_pool1d.samples(
    call(values(1, 2, 4), 2),
    call(values(2, 5), [3], [2], 1, True, False),
    dtypes=FLOATING | frozenset({"int64"}),
)
avg_pool1d.without("benchmark")
