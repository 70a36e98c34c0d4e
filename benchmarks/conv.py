"""Times convolution and max pooling on flambeau and, where it is installed, on PyTorch.

    python benchmarks/conv.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import math
from dataclasses import dataclass

import harness
from harness import Case


@dataclass(frozen=True)
class Conv:
    n: int
    c: int
    size: int
    k: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    dims: int = 2
    transposed: bool = False
    depth: int = 0  # of volumes, where it is not as large as the other sizes

    @property
    def sizes(self):
        return [self.depth or self.size, *[self.size] * (self.dims - 1)]

    @property
    def name(self):
        kind = "t" * self.transposed + f"{self.dims}d_" if self.dims != 2 or self.transposed else ""
        groups = f"g{self.groups}" if self.groups > 1 else ""
        depth = f"{self.depth}x" if self.depth else ""
        sizes = f"{self.n}x{self.c}x{depth}{self.size}"
        return f"{kind}{sizes}_{self.k}k{self.kernel}s{self.stride}{groups}"

    @property
    def flops(self):
        windows = math.prod(
            size if self.transposed else (size + 2 * self.padding - self.kernel) // self.stride + 1
            for size in self.sizes
        )
        return 2 * self.n * self.k * windows * self.c // self.groups * self.kernel**self.dims


CONVOLUTIONS = [
    Conv(8, 64, 56, 64, 3, 1, 1),
    Conv(8, 64, 56, 256, 1),
    Conv(8, 128, 28, 128, 3, 1, 1),
    Conv(8, 512, 7, 512, 3, 1, 1),
    Conv(8, 3, 224, 64, 7, 2, 3),
    Conv(1, 64, 56, 64, 3, 1, 1),
    Conv(64, 1, 28, 32, 3),
    Conv(64, 32, 26, 64, 3),
    Conv(32, 32, 20, 64, 5),
    Conv(64, 1, 28, 6, 5, 1, 2),
    Conv(64, 6, 14, 16, 5),
    Conv(64, 1, 8, 16, 3, 1, 1),
    Conv(64, 16, 8, 32, 3, 1, 1),
    Conv(16, 64, 32, 64, 3, 1, 1, groups=64),
    Conv(16, 64, 32, 64, 3, 2, 1, groups=64),
    Conv(8, 96, 28, 96, 5, 1, 2, groups=96),
    Conv(8, 512, 7, 512, 3, 1, 1, groups=512),
    Conv(8, 64, 28, 64, 3, 1, 1, groups=8),
    Conv(8, 256, 14, 256, 3, 2, 1, groups=32),
    Conv(16, 64, 1000, 128, 3, 1, 1, dims=1),
    Conv(32, 256, 100, 256, 5, 1, 2, dims=1),
    Conv(8, 1, 16000, 64, 80, 16, dims=1),
    Conv(16, 256, 200, 256, 31, 1, 15, groups=256, dims=1),
    Conv(64, 16, 40, 32, 3, dims=1),
    Conv(2, 3, 56, 64, 3, 1, 1, dims=3, depth=16),
    Conv(2, 64, 28, 64, 3, 1, 1, dims=3, depth=8),
    Conv(2, 128, 14, 256, 3, 2, 1, dims=3, depth=8),
    Conv(4, 16, 16, 32, 3, 1, 1, dims=3),
    Conv(1, 8, 32, 8, 3, 1, 1, dims=3),
    Conv(2, 32, 16, 32, 3, 1, 1, groups=32, dims=3),
    Conv(16, 128, 100, 64, 4, 2, 1, dims=1, transposed=True),
    Conv(16, 128, 14, 64, 4, 2, 1, transposed=True),
    Conv(8, 64, 32, 64, 2, 2, transposed=True),
    Conv(64, 100, 1, 256, 4, transposed=True),
    Conv(8, 64, 28, 64, 3, 1, 1, transposed=True),
    Conv(2, 32, 8, 16, 2, 2, dims=3, transposed=True),
]
# What is timed: the forward pass, both ways of one, and the gradients of one leaf alone.
KINDS = ("fwd", "fwd_cl", "train", "train_cl", "grad_input", "grad_weight")


def convolution(lib, conv, kind):
    name = "conv_transpose" if conv.transposed else "conv"
    call = getattr(lib.nn.functional, f"{name}{conv.dims}d")
    x = lib.randn(conv.n, conv.c, *conv.sizes)
    filters = (conv.c, conv.k) if conv.transposed else (conv.k, conv.c)
    w = lib.randn(filters[0], filters[1] // conv.groups, *[conv.kernel] * conv.dims)
    if kind.endswith("_cl"):
        last = lib.channels_last if conv.dims == 2 else lib.channels_last_3d
        x, w = x.to(memory_format=last), w.to(memory_format=last)
    b = lib.zeros(conv.k)

    def forward():
        return call(x, w, b, conv.stride, conv.padding, groups=conv.groups)

    if kind.startswith("fwd"):
        return forward
    if kind != "grad_weight":
        x.requires_grad_()
    if kind != "grad_input":
        w.requires_grad_()
        b.requires_grad_()
    g = lib.randn_like(forward().detach())
    leaves = [t for t in (x, w, b) if t.requires_grad]
    if kind.startswith("train"):
        return lambda: lib.autograd.grad(forward(), leaves, g)
    y = forward()
    return lambda: lib.autograd.grad(y, leaves, g, retain_graph=True)


def pooling(lib, shape, kernel, stride):
    x = lib.randn(*shape).requires_grad_()
    pool = lib.nn.functional.max_pool2d
    g = lib.randn_like(pool(x, kernel, stride).detach())
    return lambda: lib.autograd.grad(pool(x, kernel, stride), [x], g)


def cases():
    for conv in CONVOLUTIONS:
        for kind in KINDS if conv.dims > 1 else [k for k in KINDS if not k.endswith("_cl")]:
            flops = conv.flops * (3 if kind.startswith("train") else 1)
            yield Case(
                f"{conv.name}_{kind}", lambda lib, c=conv, k=kind: convolution(lib, c, k), flops
            )
    for shape, kernel, stride in (
        ((16, 64, 56, 56), 2, 2),
        ((64, 64, 24, 24), 2, 2),
        ((8, 64, 112, 112), 3, 2),
    ):
        name = f"maxpool_{'x'.join(map(str, shape))}_{kernel}s{stride}_train"
        yield Case(name, lambda lib, a=(shape, kernel, stride): pooling(lib, *a))


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
