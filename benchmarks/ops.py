"""Times small calls and large elementwise work, reductions and copies.

    python benchmarks/ops.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import harness
from harness import Case

SIZE = 4096


def small(expression):
    """What a call costs where the work is next to nothing."""

    def build(lib):
        names = {"torch": lib, "F": lib.nn.functional}
        names |= {"a": lib.randn(4, 4), "b": lib.randn(4, 4)}
        names["w"] = lib.randn(4, 4, requires_grad=True)
        return eval(f"lambda: {expression}", names)

    return build


def large(expression):
    def build(lib):
        names = {"torch": lib, "F": lib.nn.functional}
        names |= {"a": lib.randn(SIZE, SIZE), "b": lib.randn(SIZE, SIZE)}
        names |= {"column": lib.randn(SIZE, 1), "index": lib.randint(0, SIZE, (SIZE,))}
        return eval(f"lambda: {expression}", names)

    return build


SMALL = {
    "add": "a + b",
    "add_scalar": "a + 1",
    "matmul": "a @ b",
    "view": "a.view(16)",
    "index": "a[0]",
    "sum": "a.sum()",
    "item": "a[0, 0].item()",
    "softmax": "a.softmax(-1)",
    "layer_norm": "F.layer_norm(a, (4,))",
    "backward": "torch.autograd.grad((w * b).sum(), w)",
}
LARGE = {
    "add": "a + b",
    "add_inplace": "a.add_(b)",
    "broadcast_add": "a + column",
    "exp": "a.exp()",
    "gelu": "F.gelu(a)",
    "where": "torch.where(a > b, a, b)",
    "sum": "a.sum()",
    "sum_dim0": "a.sum(0)",
    "max_dim1": "a.max(1)",
    "softmax": "a.softmax(-1)",
    "cumsum": "a.cumsum(1)",
    "transpose_copy": "a.t().contiguous()",
    "cat": "torch.cat((a, b), 1)",
    "index_select": "a[index]",
    "randn": "torch.randn(4096, 4096)",
}


def cases():
    for name, expression in SMALL.items():
        yield Case(f"small/{name}", small(expression), calls=1000)
    for name, expression in LARGE.items():
        yield Case(f"large/{name}", large(expression))


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
