"""Times convolution and max pooling on flambeau and, where it is installed, on PyTorch.

    python benchmarks/conv.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

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

    @property
    def name(self):
        groups = f"g{self.groups}" if self.groups > 1 else ""
        return f"{self.n}x{self.c}x{self.size}_{self.k}k{self.kernel}s{self.stride}{groups}"

    @property
    def flops(self):
        out = (self.size + 2 * self.padding - self.kernel) // self.stride + 1
        return 2 * self.n * self.k * out * out * self.c // self.groups * self.kernel**2


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
]
# What is timed: the forward pass, both ways of one, and the gradients of one leaf alone.
KINDS = ("fwd", "fwd_cl", "train", "train_cl", "grad_input", "grad_weight")


def convolution(lib, conv, kind):
    F = lib.nn.functional
    x = lib.randn(conv.n, conv.c, conv.size, conv.size)
    w = lib.randn(conv.k, conv.c // conv.groups, conv.kernel, conv.kernel)
    if kind.endswith("_cl"):
        x = x.to(memory_format=lib.channels_last)
        w = w.to(memory_format=lib.channels_last)
    b = lib.zeros(conv.k)

    def forward():
        return F.conv2d(x, w, b, conv.stride, conv.padding, groups=conv.groups)

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
        for kind in KINDS:
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
