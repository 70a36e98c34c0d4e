"""Times some 300 everyday calls on a few million elements, to find what falls far behind.

    python benchmarks/everyday.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says. Operands are named below: ``a`` and ``b`` are 2000 x 2000
floats, ``at`` is transposed, ``a2`` every other column, ``i`` int64 of 1 to 99, ``h`` bfloat16,
``f`` float16, ``d`` double, ``m`` a mask, ``z`` complex, ``n`` a batch of images, ``nl`` the same
channels_last, ``s`` a quarter million rows of 16, ``sh`` the same in bfloat16.
"""

import functools
import io

import harness
from harness import Case

N = 2000


@functools.cache
def operands(lib):
    lib.manual_seed(0)
    a, b, i = lib.randn(N, N), lib.randn(N, N), lib.randint(1, 100, (N, N))
    n = lib.randn(16, 64, 32, 32)
    return {
        "io": io,
        "torch": lib,
        "F": lib.nn.functional,
        "a": a,
        "b": b,
        "w": a.clone(),
        "v": lib.randn(N),
        "column": lib.randn(N, 1),
        "at": a.t(),
        "a2": a[:, ::2],
        "b2": b[:, ::2],
        "i": i,
        "i32": i.to(lib.int32),
        "i8": i.to(lib.int8),
        "u8": i.to(lib.uint8),
        "h": a.to(lib.bfloat16),
        "f": a.to(lib.float16),
        "d": a.to(lib.float64),
        "m": a > 0,
        "z": lib.view_as_complex(lib.stack((a[:1000], b[:1000]), -1)),
        "rows": i[0] * 20 % N,
        "n": n,
        "nl": n.to(memory_format=lib.channels_last),
        "deep": lib.randn(64, 1, 3, 3),
        "s": a.view(-1, 16),
        "sh": a.to(lib.bfloat16).view(-1, 16),
    }


POINTWISE = """
a + b; a + v; a + column; a + at; at + at; a2 + b2; a2 * 2; a2.exp(); a2.clamp(-1, 1); a2.relu()
F.gelu(at); a.sigmoid(); a.tanh(); a ** 2; a ** 3; a ** 4; a ** -1; a ** 0.5; a.abs() ** 2.5
a / b; 1 / a; torch.where(m, a, b); torch.where(m, a, 0.0); a.masked_fill(m, 0.0)
torch.lerp(a, b, 0.3); torch.addcmul(a, a, b); i + i; i * i; i // 7; i // i; i % 7; i / 3; i32 % 7
u8 + u8; u8 * u8; u8.float(); u8 / 255; i.float(); a.long(); a.bool(); m.float(); h + h; h * a
d.float(); a.bfloat16(); a == b; i < 50; m & m; a.logical_not(); a.isnan(); z * z; z.abs()
z.exp(); w.add_(b); w.copy_(b); w.copy_(at); w[:, ::2].copy_(b2); a.clone(); a.clone().fill_(1.0)
b.clone().zero_(); a.floor(); a.round(); torch.maximum(a, b); F.silu(a); a.erf(); a.sign(); i << 2
"""
REDUCE = """
a.sum(); a.sum(0); a.sum(1); at.sum(1); a2.sum(1); a2.sum(0); n.mean((2, 3)); n.mean((0, 2, 3))
a.var(1); a.std(0); a.max(); a.max(1)[0]; a.max(0)[0]; a.argmax(1); a.amax(0); i.sum(); m.sum()
m.all(); m.any(1); a.norm(); a.norm(dim=1); a.cumsum(0); a.cumsum(1); a.prod(1); h.sum(1)
h.mean(); a.logsumexp(0); a.softmax(0); a.softmax(1); h.softmax(1); nl.sum((2, 3)); z.sum()
a.cumprod(1); F.log_softmax(a, 1); F.layer_norm(a, (2000,)); F.mse_loss(a, b)
F.cross_entropy(a, rows); F.nll_loss(a, rows)
"""
MOVE = """
at.contiguous(); nl.contiguous(); n.contiguous(memory_format=torch.channels_last)
n.permute(0, 2, 3, 1).contiguous(); torch.cat([a, b]); torch.cat([a, b], 1)
torch.stack([a, b], 2); torch.stack([a, b]); a.flip(1); a.flip(0); a.roll(3, 1); a.roll(3, 0)
a[rows]; a[:, rows]; a.gather(1, i); a.clone().scatter_(1, i, b); a.clone().index_add_(0, rows, b)
a[m]; m.nonzero(); a.clone().masked_fill_(m, 1.0); a.sort(1)[0]; a.sort(0)[0]; i.argsort(1)
a.topk(10, 1)[0]; i.unique(); a.tril(); v.repeat(2000, 1); v.expand(2000, 2000).clone()
F.one_hot(rows, 2000); F.embedding(i, a[:100, :16].contiguous()); F.max_pool2d(n, 2)
F.max_pool2d(nl, 2); a.split(10); a.unbind(0); list(a); [a[k] for k in range(2000)]
[a[0, k].item() for k in range(1000)]; v.tolist(); torch.tensor(list(range(10000)))
a.numpy().sum(); F.conv2d(n, deep, padding=1, groups=64)
"""
MAKE = """
torch.rand(2000, 2000); torch.randn(2000, 2000); torch.randint(0, 10, (2000, 2000))
torch.randperm(1000000); a.sigmoid().bernoulli(); F.dropout(a, 0.5)
torch.multinomial(a[:100].exp(), 10); torch.arange(4000000); torch.arange(0, 4e6, 1.0)
torch.zeros(2000, 2000); torch.ones(2000, 2000); torch.linspace(0, 1, 4000000); torch.eye(2000)
torch.full((2000, 2000), 3)
"""
PRODUCTS = """
a @ v; v @ a; v @ v; v[:, None] * v; torch.bmm(n.view(-1, 32, 32), n.view(-1, 32, 32))
[a[:16, :16] @ a[:16, :16] for _ in range(100)]; a[:500] @ a[:500].t(); a2[:500] @ b2[:500].t()
d[:500, :500] @ d[:500, :500]; i[:300, :300] @ i[:300, :300]; h[:512, :512] @ h[:512, :512]
torch.einsum("ij,kj->ik", a[:500], b[:500]); F.linear(a, b[:100])
torch.addmm(v[:500], a[:500], b[:, :500].contiguous())
"""
# Calls that are here because they were found far behind.
FOUND_POINTWISE = """
a.clamp(-1, 1); a // 3; a % 3; i32 * i32; u8 < u8; u8 << 1; u8.clamp(5, 50); i8 + i8; i8.sign()
h * 2; h.relu(); h - h; w[:, ::2].relu_(); w[:, ::2].zero_(); a[:, ::3].relu(); F.gelu(a)
F.gelu(h); F.silu(at); F.silu(d); a.sin(); f.cos(); a.log1p(); f.log2(); -h; f.abs(); f + f; f * 2
f / f; f.clamp(-1, 1); f.sqrt(); f < f; u8 >> 1; u8 * 3; i32 * 3; i32.clamp(2, 50); m * m
w.mul_(1.0); u8 + 1; a - column; a[:, :1] * v; a ** 0; a ** -2; z ** -2; i32 ** 5
w.copy_(a).pow_(2); w.clamp_(-1, 1); torch.clamp(a, b, a); a.round(decimals=2)
torch.lerp(h, h, 0.3); z.sigmoid(); i8 * i8; u8 - u8; torch.lerp(h, h, h); torch.lerp(f, f, 0.3)
torch.pow(a, 0, out=w)
"""
FOUND_REDUCE = """
h.sum(); h.amax(1); u8.max(); a[:, ::3].sum(1); a[:, ::4].sum(1); i.cumsum(1); F.log_softmax(h, 1)
F.log_softmax(n, 1); F.log_softmax(n, 3); F.mse_loss(a, b, reduction="none"); F.nll_loss(h, rows)
F.nll_loss(a, rows, reduction="none"); F.mse_loss(h, h); s.softmax(1); F.log_softmax(s, 1)
sh.softmax(1); F.layer_norm(s, (16,)); F.layer_norm(h, (2000,)); s.sum(1); s.amax(1); s.sum(0)
s.cumsum(1); n.softmax(1); nl.softmax(1); n.sum((1, 3)); n.sum(3); nl.sum(0); nl.sum(3)
n.transpose(0, 1).sum(2); h.norm(dim=1); u8.any(); d[:, ::2].sum(1); a[:, ::2].max()
"""
FOUND_MOVE = """
F.conv2d(nl, deep, padding=1, groups=64); F.max_pool2d(nl, 3, 2, 1); w.copy_(column)
torch.stack([a, b, a], 2); at.clone(); a.gather(1, i * 20); u8.gather(1, i)
a.clone().scatter_add_(1, i, b); w.scatter_(1, i * 20, b); w.__setitem__(m, 0.0)
w.__setitem__(rows, 0.0); n.roll(1, 3); nl.roll(1, 3); a2.flip(1); w.tril_(); m.half(); d.half()
i.unique_consecutive(); a[:, :100].sort(1)[0]; a.topk(1, 1)[0]
F.pad(n, (1, 1, 1, 1), mode="reflect"); F.pad(n, (1, 1, 1, 1)); torch.from_numpy(a.numpy())
torch.save(a, io.BytesIO()); F.pad(nl, (1, 1, 1, 1), mode="reflect"); F.pad(nl, (1, 1, 1, 1))
F.pad(n, (2, 2, 2, 2), mode="circular"); F.pad(n[0], (0, 3), mode="replicate")
n.roll((1, 2), (2, 3)); w.copy_(v); i.unique_consecutive(return_inverse=True)
"""
FOUND_PRODUCTS = """
i[:300] @ i[0]; u8[:300, :300] @ u8[:300, :300]; z[:300, :300] @ z[:300, :300]
a.view(-1) @ b.view(-1)
"""
FAMILIES = {
    "pointwise": POINTWISE,
    "reduce": REDUCE,
    "move": MOVE,
    "make": MAKE,
    "products": PRODUCTS,
    "found/pointwise": FOUND_POINTWISE,
    "found/reduce": FOUND_REDUCE,
    "found/move": FOUND_MOVE,
    "found/products": FOUND_PRODUCTS,
}


def everyday(expression):
    return lambda lib: eval(f"lambda: {expression}", operands(lib))


def cases():
    for family, text in FAMILIES.items():
        for expression in text.replace("\n", ";").split(";"):
            if expression.strip():
                name = f"{family}/{expression.strip().replace(' ', '')}"
                yield Case(name, everyday(expression.strip()))


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
