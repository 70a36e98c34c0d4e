"""Max pooling of windows at random places."""

from flambeau.ops.language import Error, Spec, dtypes, show
from flambeau.ops.pool.windows import (
    check_floating,
    documented,
    gradient_of_maxima,
    gradient_of_scattered,
    slopes_of_maxima,
)
from flambeau.ops.record import FLOATING, structured
from flambeau.ops.samples import call, ints, values


def drawn_sizes(op, self, kernel_size, output_size, random_samples, rank):
    check_floating(op, self.dtype)
    if len(kernel_size) != rank or len(output_size) != rank:
        raise Error(
            f"{op}: kernel_size and output_size must either be a single Int or tuple of {rank} "
            f"Ints, got {show(kernel_size)} and {show(output_size)}"
        )
    if self.dim() != rank + 1 and self.dim() != rank + 2:
        raise Error(
            f"{op}: Expected {rank + 1}D or {rank + 2}D tensor, but got: {show(self.shape)}"
        )
    first = self.dim() - rank
    for d in range(first - 1, self.dim()):
        if self.shape[d] == 0:
            raise Error(
                f"{op}: Expected input to have non-zero size for non-batch dimensions, but got: "
                f"{show(self.shape)}"
            )
    for d in range(rank):
        if kernel_size[d] <= 0 or output_size[d] <= 0:
            raise Error(
                f"{op}: kernel_size and output_size must be greater than zero, got "
                f"{show(kernel_size)} and {show(output_size)}"
            )
        if output_size[d] + kernel_size[d] - 1 > self.shape[first + d]:
            raise Error(
                f"{op}: pool size {kernel_size[d]} for {output_size[d]} results is too large "
                f"relative to input size {self.shape[first + d]} of dimension {d}"
            )
    samples, images = random_samples.shape, self.shape[0] if first == 2 else 1
    if len(samples) != 3 or samples[2] != rank:
        raise Error(f"{op}: Expected _random_samples of shape (N, C, {rank}), got {show(samples)}")
    if samples[0] < images or samples[1] != self.shape[first - 1]:
        raise Error(
            f"{op}: Expected _random_samples for {images} images of {self.shape[first - 1]} "
            f"channels, got {show(samples)}"
        )
    if random_samples.dtype != self.dtype:
        raise Error(f"{op}: Expect _random_samples to have the same dtype as input")
    return list(self.shape[:first]) + list(output_size)


def _fractional(name, n):
    backward = f"{name}_backward"

    def body():
        pass

    def rule(self, kernel_size, output_size, random_samples):
        sizes = drawn_sizes(name, self, kernel_size, output_size, random_samples, n)
        return Spec(sizes, self.dtype), Spec(sizes, dtypes.int64)

    def gradient(g, self, kernel_size, output_size, result1, ops):
        return getattr(ops, backward)(g, self, kernel_size, output_size, result1)

    def batching(b, self, kernel_size, output_size, random_samples):
        batched = self.rank == n + 2
        images = self.full.shape[1] if batched else 1
        samples = random_samples.full[:, :images].flatten(0, 1)
        x = self.full.flatten(0, 1) if batched else self.full
        made = b.op(x, kernel_size, output_size, samples)
        return [t.unflatten(0, [b.size, -1]) if batched else t for t in made]

    made = structured(
        f"{name}(Tensor self, int[{n}] kernel_size, int[{n}] output_size, "
        "Tensor random_samples) -> (Tensor, Tensor)",
        cpu="cpu::fractional_max_pool(result0, result1, self, kernel_size, random_samples)",
        module="_nn",
        method=False,
        differentiable=(0,),
        places=(1,),
        out=True,
        out_overload="output",
    )(
        documented(
            body,
            "The largest elements of windows, and their places in planes. How far windows are "
            "apart is\nrounded up or down by samples in [0, 1), one for each dimension of a plane.",
            f">>> x, samples = flambeau.arange({3**n}.).view(1{', 3' * n}), "
            f"flambeau.zeros(1, 1, {n})",
            f">>> flambeau._C._nn.{name}(x, [2{', 2' * (n - 1)}], [1{', 1' * (n - 1)}], samples)"
            "[0].item()",
            f"{3**n - 1}.0",
        )
    )
    made.samples(
        call(
            values(2, 3, *[5] * n),
            [2] * n,
            [3] * n,
            values(2, 3, n, low=0.1, high=0.9, constant=True),
        ),
        call(
            values(2, *[5, 4, 3][:n]),
            [2] * n,
            [2] * n,
            values(1, 2, n, low=0.1, high=0.9, constant=True),
        ),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp(slopes_of_maxima(n))
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


def _fractional_backward(name, n):
    def body():
        pass

    def rule(grad_output, self, indices):
        check_floating(name, self.dtype)
        return gradient_of_maxima(name, grad_output, self, indices, n)

    def gradient(g, self, indices, ops):
        return gradient_of_scattered(g, self.shape, indices, n, ops)

    def batching(b, grad_output, self, kernel_size, output_size, indices):
        return b.folded(
            lambda g, x, i: b.op(g, x, kernel_size, output_size, i),
            n + 2,
            grad_output,
            self,
            indices,
        )

    made = structured(
        f"{name}(Tensor grad_output, Tensor self, int[{n}] kernel_size, int[{n}] output_size, "
        "Tensor indices) -> Tensor",
        cpu=f'cpu::max_pool_backward(result, grad_output, indices, {n}, "{name}")',
        checks_values=True,
        module="_nn",
        method=False,
    )(
        documented(
            body,
            "Each window's gradient at the place of its largest element.",
            f">>> g, x = flambeau.ones(1{', 1' * n}), flambeau.zeros(1{', 2' * n})",
            f">>> flambeau._C._nn.{name}(g, x, 2, 1, g.long()).flatten()[:3]",
            "tensor([0., 1., 0.])",
        )
    )
    places = [[[0, 3], [5, 6]]] if n == 2 else [[[[0, 3], [5, 6]]]]
    made.samples(
        call(
            values(*[1] * (n - 1), 2, 2),
            values(*[1] * (n - 1), 2, 4),
            [1] * n,
            [1] * (n - 2) + [2, 2],
            ints(places),
        ),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(gradient)
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


_fractional("fractional_max_pool2d", 2)
_fractional("fractional_max_pool3d", 3)
_fractional_backward("fractional_max_pool2d_backward", 2)
_fractional_backward("fractional_max_pool3d_backward", 3)
