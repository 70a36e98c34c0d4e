"""A short run of every kind of kernel, for a processor that has nothing past SSE4.2:

    qemu-x86_64 -cpu Nehalem python tools/run_nehalem.py

An instruction of a newer set, be it in one inline function that the linker took from the wrong
object file, ends it with SIGILL.
"""

import flambeau as torch
import flambeau.nn.functional as F


def train() -> float:
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.LayerNorm(16), torch.nn.GELU(), torch.nn.Linear(16, 4)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, y = torch.randn(32, 8), torch.randint(4, (32,))
    for _ in range(3):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def convolve() -> float:
    image = torch.randn(2, 3, 9, 9, requires_grad=True)
    kernel = torch.randn(4, 3, 3, 3, requires_grad=True)
    F.max_pool2d(F.conv2d(image, kernel, padding=1), 2).sum().backward()
    return (image.grad.sum() + kernel.grad.sum()).item()


def order() -> list:
    t = torch.randn(500)
    return [t.sort()[0][0].item(), t.topk(3)[1].tolist(), torch.unique(t.int()).numel()]


def reduce() -> list:
    t = torch.rand(33, 57)
    results = [
        t.softmax(1),
        t.cumsum(0),
        t.var(0),
        t.logsumexp(1),
        t.argmax(1),
        t.norm(),
        t.prod(0),
    ]
    return [float(r.double().sum()) for r in results]


def convert() -> list:
    t = torch.linspace(-3, 3, 101)
    kinds = ("float16", "bfloat16", "float64", "int8", "int64", "complex64", "bool")
    return [str((t.to(getattr(torch, k)) * 2).sum().item()) for k in kinds]


def multiply() -> list:
    kinds = (torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.int64)
    return [str((torch.ones(40, 50).to(k) @ torch.ones(50, 30).to(k)).sum().item()) for k in kinds]


def index() -> float:
    rows = torch.randint(20, (300,))
    table = torch.zeros(20, 7).index_add(0, rows, torch.rand(300, 7))
    return (table[rows].sum() + F.embedding(rows, table).gather(1, rows[:, None] % 7).sum()).item()


def draw() -> list:
    draws = [torch.randperm(50), torch.empty(50).exponential_(), torch.rand(50).bernoulli()]
    return [float(d.double().sum()) for d in draws]


if __name__ == "__main__":
    torch.manual_seed(0)
    for step in (train, convolve, order, reduce, convert, multiply, index, draw):
        print(step.__name__, step())
