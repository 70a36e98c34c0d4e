"""Random programs of views, in-place operations, hooks and backward passes, run on both libraries.

A program is a list of statements. They are drawn one after the other, each knowing what PyTorch's
tensors look like by then, and run on both libraries; at random moments and at the end everything
that can be seen of every tensor is compared. A failing program is printed as a script.

    python tests/parity/test_programs_parity.py --programs 10000

runs more of them than the test does; FLAMBEAU_PROGRAMS=10000 makes the test run as many.
"""

from __future__ import annotations

import math
import os
import random
import sys
import warnings

import pytest

torch = pytest.importorskip("torch")

PROGRAMS = int(os.environ.get("FLAMBEAU_PROGRAMS", "500"))
BATCH = 50

PRELUDE = """
log = []

def hook(name, scale=None):
    def f(grad):
        log.append((name, tuple(grad.shape)))
        return None if scale is None else grad * scale
    return f

def accumulated(name):
    return lambda p: log.append((name, p.grad is None))

def node_hook(name):
    def f(inputs, outputs):
        log.append((name, [i is None for i in inputs], [o is None for o in outputs]))
    return f

class Gradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, grad):
        return grad

def returned(grads):
    # The steps that made a gradient are nobody's business: neither how often it was written nor by
    # which operations.
    recorded = any(g is not None and g.requires_grad for g in grads)
    out = []
    for g in grads:
        if g is not None and g.requires_grad:
            g = Gradient.apply(g)
        elif g is not None and recorded:
            g = g.clone()  # the graph may have saved it with its version
        elif g is not None:
            set_version((g,), (0,))
        out.append(g)
    return out

class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor
    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None

class Product(torch.autograd.Function):
    @staticmethod
    def forward(x, y):
        return x * y
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        return (grad * y, grad * x)

class Inplace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.mul_(2.0)
        return x
    @staticmethod
    def backward(ctx, grad):
        return grad * 2.0

class AsView(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)
    @staticmethod
    def backward(ctx, grad):
        return grad * 3.0

class AsIs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x
    @staticmethod
    def backward(ctx, grad):
        return grad * 5.0

class Two(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        first, second = x * 2.0, x + 1.0
        ctx.mark_non_differentiable(second)
        return first, second
    @staticmethod
    def backward(ctx, grad, none):
        return None if grad is None else grad * 2.0
"""


# ---- drawing statements


class Writer:
    """Draws the next statement from what PyTorch's tensors look like."""

    def __init__(self, rng: random.Random, names: dict):
        self.rng, self.names = rng, names
        self.made = 0

    def tensors(self) -> list[str]:
        return [n for n in self.names if n[0] == "t" and n[1:].isdigit()]

    def pick(self, want=lambda t: True) -> str | None:
        fitting = [n for n in self.tensors() if want(self.names[n])]
        if not fitting:
            return None
        if self.rng.random() < 0.5:
            fitting = fitting[-4:]
        return self.rng.choice(fitting)

    def fresh(self) -> str:
        self.made += 1
        return f"t{self.made - 1}"

    def statement(self) -> str:
        if len(self.tensors()) < 2:
            return self.leaf()
        kinds = [
            (self.leaf, 4), (self.pointwise, 14), (self.binary, 12), (self.reduction, 4),
            (self.view, 26), (self.several_views, 4), (self.inplace, 24), (self.inplace_binary, 12),
            (self.assign_item, 5), (self.flag, 4), (self.mode, 6), (self.detach, 4),
            (self.hooks, 8), (self.function, 5), (self.backward, 8), (self.grad, 5),
        ]  # fmt: skip
        draw = self.rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        return draw() or self.leaf()

    def leaf(self) -> str:
        rng = self.rng
        shape = tuple(rng.choice((1, 2, 2, 3)) for _ in range(rng.choice((0, 1, 1, 2, 2, 2, 3))))
        count = math.prod(shape)
        values = [rng.choice((-2, -1, 0.5, 1, 1.5, 2, 3)) for _ in range(count)]
        flag = ", requires_grad=True" if rng.random() < 0.55 else ""
        name = self.fresh()
        if not shape:
            return f"{name} = torch.tensor({float(values[0])}{flag})"
        made = f"torch.tensor({[float(v) for v in values]}).view({', '.join(map(str, shape))})"
        return f"{name} = {made}.clone(){'.requires_grad_()' if flag else ''}"

    def pointwise(self) -> str | None:
        x = self.pick()
        op = self.rng.choice(
            "neg() clone() sin() tanh() sigmoid() relu() contiguous() abs()".split()
            + ["mul(2.0)", "add(1.0)", "mul(-0.5)", "pow(2)", "sub(0.5)", "div(2.0)"]
        )
        return f"{self.fresh()} = {x}.{op}"

    def binary(self) -> str | None:
        x = self.pick()
        y = self.pick(lambda t: broadcastable(t.shape, self.names[x].shape))
        op = self.rng.choice(("add", "sub", "mul", "mul", "maximum"))
        return y and f"{self.fresh()} = torch.{op}({x}, {y})"

    def reduction(self) -> str | None:
        x = self.pick()
        ndim = self.names[x].dim()
        op = self.rng.choice(("sum", "mean", "sum"))
        if ndim == 0 or self.rng.random() < 0.5:
            return f"{self.fresh()} = {x}.{op}()"
        dim, keep = self.rng.randrange(-ndim, ndim), self.rng.random() < 0.5
        return f"{self.fresh()} = {x}.{op}({dim}, keepdim={keep})"

    def view(self) -> str | None:
        x = self.pick()
        made = self.view_of(self.names[x])
        return made and f"{self.fresh()} = {x}{made}"

    def view_of(self, t) -> str:
        rng, ndim, shape = self.rng, t.dim(), tuple(t.shape)

        def commas(items) -> str:
            return ", ".join(map(str, items)) or "()"

        draws = [f"unsqueeze({rng.randrange(-ndim - 1, ndim + 1)})", "squeeze()", "detach()"]
        draws += [f"view({commas(shape)})"]
        if ndim == 0:
            draws += ["expand(2)", "view(1)", "expand(2, 3)"]
            return "." + rng.choice(draws)
        dim, other = rng.randrange(ndim), rng.randrange(ndim)
        size, first = shape[dim], shape[0]
        start = rng.randrange(size)
        draws += ["view(-1)", "reshape(-1)", "flatten()", f"squeeze({dim})"]
        draws += [
            f"select({dim}, {start})",
            f"narrow({dim}, {start}, {rng.randint(1, size - start)})",
        ]
        draws += [f"expand({commas((2, *shape))})", f"movedim({dim}, {other})"]
        draws += [f"unfold({dim}, 1, 1)", f"transpose({dim}, {other})"]
        draws += [f"permute({commas(rng.sample(range(ndim), ndim))})"]
        if 1 in shape:
            wide = [rng.choice((2, 3)) if s == 1 else s for s in shape]
            draws += [f"expand({commas(wide)})"] * 2
        if ndim >= 2:
            draws += ["diagonal()", "as_strided((2,), (1,))"]
        if ndim == 2:
            draws += ["t()", "T"]
        index = ["...", "None", str(rng.randrange(-first, first)), f"{rng.randrange(first)}:"]
        index += ["::2"] * (first > 1)
        return rng.choice(["." + d for d in draws] + [f"[{i}]" for i in index])

    def several_views(self) -> str | None:
        x = self.pick(lambda t: t.dim() > 0)
        if x is None:
            return None
        dim = self.rng.randrange(self.names[x].dim())
        size = self.names[x].shape[dim]
        how, parts = self.rng.choice(
            [(f"unbind({dim})", size), (f"split(1, {dim})", size), (f"chunk({size}, {dim})", size)]
        )
        return f"{', '.join(self.fresh() for _ in range(parts))}, = {x}.{how}"

    def inplace(self) -> str | None:
        x = self.pick()
        op = self.rng.choice(
            "neg_() sin_() sigmoid_() tanh_() relu_() zero_() fill_(0.5)".split()
            + ["mul_(2.0)", "mul_(0.5)", "add_(1.0)", "sub_(1.0)", "div_(2.0)", "clamp_(-1.0, 2.0)"]
        )
        return f"{x}.{op}"

    def inplace_binary(self) -> str | None:
        x = self.pick()
        shape = self.names[x].shape
        y = self.pick(
            lambda t: broadcastable(t.shape, shape, into=True) and ordered(self.names[x], t)
        )
        if self.rng.random() < 0.05:
            y = self.pick(lambda t: ordered(self.names[x], t))  # often an error
        op = self.rng.choice(("add_", "mul_", "sub_", "copy_", "copy_"))
        return y and f"{x}.{op}({y})"

    def assign_item(self) -> str | None:
        x = self.pick(lambda t: t.dim() > 0)
        if x is None:
            return None
        size = self.names[x].shape[0]
        index = self.rng.choice((str(self.rng.randrange(size)), "0:1", "...", "-1"))
        if self.rng.random() < 0.4:
            return f"{x}[{index}] = {self.rng.choice((0.0, 1.5))}"
        y = self.pick(lambda t: t.numel() == 1 and ordered(self.names[x], t))
        return y and f"{x}[{index}] = {y}"

    def flag(self) -> str | None:
        return f"{self.pick()}.requires_grad_({self.rng.random() < 0.7})"

    def mode(self) -> str:
        return f"torch._C._set_grad_enabled({self.rng.random() < 0.6})"

    def detach(self) -> str | None:
        x = self.pick(lambda t: not t.retains_grad)  # PyTorch asserts when such a one is detached
        if x and self.rng.random() < 0.3:
            return f"{x}.detach_()"
        x = self.pick()
        return f"{self.fresh()} = {x}.{self.rng.choice(('detach()', 'data', 'detach().clone()'))}"

    def hooks(self) -> str | None:
        x = self.pick(lambda t: t.requires_grad) or self.pick()
        kind = self.rng.randrange(6)
        tag = f"{x}.{self.rng.randrange(1000)}"
        fresh = f"{x}.grad_fn; "  # PyTorch crashes when a stale view is given a hook
        if kind == 0:
            return f"{fresh}{x}.retain_grad()"
        if kind == 1:
            return f"{x}.register_post_accumulate_grad_hook(accumulated('{tag}'))"
        if kind == 2:
            return f"{x}.grad_fn.register_hook(node_hook('{tag}'))"
        if kind == 3:
            return f"{fresh}handle = {x}.register_hook(hook('{tag}', 3.0)); handle.remove()"
        scale = self.rng.choice((None, 2.0))
        return f"{fresh}{x}.register_hook(hook('{tag}', {scale}))"

    def function(self) -> str | None:
        x = self.pick()
        kind = self.rng.randrange(6)
        if kind == 0:
            return f"{self.fresh()} = Scale.apply({x}, 3.0)"
        if kind == 1:
            y = self.pick(lambda t: t.shape == self.names[x].shape)
            return f"{self.fresh()} = Product.apply({x}, {y})"
        if kind == 2:
            return f"{self.fresh()}, {self.fresh()} = Two.apply({x})"
        name = ("Inplace", "AsView", "AsIs")[kind - 3]
        return f"{self.fresh()} = {name}.apply({x})"

    def backward(self) -> str | None:
        x = self.pick(lambda t: t.requires_grad) or self.pick()
        options = ""
        if self.rng.random() < 0.5:
            options += ", retain_graph=True"
        if self.rng.random() < 0.2:
            options += ", create_graph=True"
        if self.rng.random() < 0.15:
            y = self.pick(lambda t: t.requires_grad)
            options += f", inputs=[{y}]" if y else ""
        return f"{x}.backward({self.seed_of(x)}{options})"

    def grad(self) -> str | None:
        x = self.pick(lambda t: t.requires_grad) or self.pick()
        inputs = sorted({n for n in (self.pick(lambda t: t.requires_grad) for _ in range(3)) if n})
        if not inputs:
            return None
        options = "".join(
            f", {o}=True" for o in ("retain_graph", "create_graph") if self.rng.random() < 0.4
        )
        unused = self.rng.random() < 0.7
        out = ", ".join(self.fresh() for _ in inputs)
        return (
            f"{out}, = returned(torch.autograd.grad({x}, [{', '.join(inputs)}], {self.seed_of(x)}"
            f"{options}, allow_unused={unused}))"
        )

    def seed_of(self, x: str) -> str:
        return f"torch.full_like({x}, {self.rng.choice((1.0, 2.0))})"


def ordered(x, y) -> bool:
    """Whether the result of writing y to x does not depend on the order of the elements."""
    if x is y or x.untyped_storage().data_ptr() != y.untyped_storage().data_ptr():
        return True
    return x.is_contiguous() and y.is_contiguous()


def broadcastable(a, b, into: bool = False) -> bool:
    """Whether shapes a and b broadcast; `into`: to b."""
    if into and len(a) > len(b):
        return False
    pairs = zip(reversed(a), reversed(b))
    return all(m == n or m == 1 or (n == 1 and not into) for m, n in pairs)


# ---- running and looking


class Side:
    """One library and the names that the program has given to its tensors."""

    def __init__(self, library):
        self.library = library
        internals = getattr(library._C, "_autograd", library._C)
        self.names: dict = {
            "torch": library,
            "set_version": internals._unsafe_set_version_counter,
        }
        exec(compile(PRELUDE, "<prelude>", "exec"), self.names)

    def run(self, statement: str) -> str | None:
        """The name of the exception's type; None when there was none."""
        code = compile(statement, "<program>", "exec")
        try:
            exec(code, self.names)
        except Exception as e:
            return type(e).__name__
        # A gradient that does not exist is no tensor.
        for name in [n for n, v in self.names.items() if n[0] == "t" and v is None]:
            del self.names[name]
        return None

    def look(self) -> dict:
        names = self.names
        tensors = {n: t for n, t in names.items() if n[0] == "t" and n[1:].isdigit()}
        seen = {n: look_at(t, tensors) for n, t in tensors.items()}
        seen["log"] = list(names["log"])
        return seen


def look_at(t, tensors: dict) -> dict:
    def attempt(f):
        try:
            return f()
        except Exception as e:
            return type(e).__name__

    def base():
        # A gradient may be a view of something that the program has never seen.
        return next((n for n, other in tensors.items() if other is t._base), None)

    def gradient():
        g = t.grad
        return None if g is None else (tuple(g.shape), strides(g), values(g))

    return {
        "shape": tuple(t.shape),
        "strides": strides(t),
        "offset": t.storage_offset(),
        "version": t._version,
        "base": base(),
        "is_leaf": attempt(lambda: t.is_leaf),
        "requires_grad": t.requires_grad,
        "grad_fn": attempt(lambda: graph(t.grad_fn, 3)),
        "output_nr": attempt(lambda: t.output_nr),
        "retains_grad": t.retains_grad,
        "values": values(t),
        "grad": attempt(gradient),
    }


def strides(t) -> tuple:
    """Where a dimension has one element its stride means nothing."""
    return tuple(st for st, size in zip(t.stride(), t.shape) if size != 1)


def values(t) -> list:
    return t.detach().reshape(-1).tolist()


def graph(node, depth: int):
    if node is None:
        return None
    if depth == 0 or node.name() == "GradientBackward":
        return node.name()
    return (node.name(), [(graph(n, depth - 1), i) for n, i in node.next_functions])


def same(a, b) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (
            a == b
            or (math.isnan(a) and math.isnan(b))
            or math.isclose(a, b, rel_tol=2e-5, abs_tol=1e-6)
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def difference(expected: dict, got: dict) -> str | None:
    for name in expected:
        if same(expected[name], got.get(name)):
            continue
        if not isinstance(expected[name], dict) or name not in got:
            return f"{name}: expected {expected[name]}, got {got.get(name)}"
        for what, value in expected[name].items():
            if not same(value, got[name][what]):
                return f"{name}.{what}: expected {value}, got {got[name][what]}"
    extra = got.keys() - expected.keys()
    return f"unexpected {sorted(extra)}" if extra else None


def run_program(seed: int, subject) -> str | None:
    """None when both libraries agree on a program; else the program and the difference."""
    rng = random.Random(seed)
    oracle, other = Side(torch), Side(subject)
    writer = Writer(rng, oracle.names)
    lines: list[str] = []

    def report(problem: str) -> str:
        return f"seed {seed}\n    " + "\n    ".join(lines) + f"\n  {problem}"

    try:
        for _ in range(rng.randint(6, 28)):
            lines.append(writer.statement())
            expected, got = oracle.run(lines[-1]), other.run(lines[-1])
            if expected:
                lines[-1] += f"  # {expected}"
            if expected != got:
                return report(f"raises: expected {expected}, got {got}")
            if rng.random() < 0.12:
                problem = difference(oracle.look(), other.look())
                if problem:
                    return report(problem)
        problem = difference(oracle.look(), other.look())
        return report(problem) if problem else None
    finally:
        for library in (torch, subject):
            library._C._set_grad_enabled(True)


# ---- tests


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_programs_reach_what_they_are_for():
    """Programs are worth their time: few end in errors, many have in-place operations on views."""
    statements, errors, slices, stale = 0, 0, 0, 0
    for seed in range(60):
        rng = random.Random(seed)
        side = Side(torch)
        writer = Writer(rng, side.names)
        for _ in range(25):
            statements += 1
            errors += side.run(writer.statement()) is not None
        torch._C._set_grad_enabled(True)
        text = str(side.look())
        slices += "CopySlices" in text
        stale += "AsStridedBackward0" in text
    assert errors < 0.3 * statements
    assert slices > 10 and stale > 10


def test_a_difference_is_found():
    a, b = Side(torch), Side(torch)
    for side, last in ((a, "t0.mul_(2.0)"), (b, "t0 = t0.mul(2.0)")):
        side.run("t0 = torch.tensor([1.0, 2.0])")
        side.run(last)
    assert "t0.version: expected 1, got 0" in difference(a.look(), b.look())


@pytest.mark.parametrize("start", range(0, PROGRAMS, BATCH))
def test_programs(start):
    import flambeau

    problems = [run_program(seed, flambeau) for seed in range(start, start + BATCH)]
    assert not any(problems), next(p for p in problems if p)


def main() -> int:
    import argparse
    import importlib

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument(
        "--subject", default="flambeau", help="the module that PyTorch is compared to"
    )
    parser.add_argument("--show", type=int, default=3, help="how many failing programs to print")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    subject = importlib.import_module(options.subject)
    failed = 0
    for seed in range(options.start, options.start + options.programs):
        problem = run_program(seed, subject)
        if problem:
            failed += 1
            if failed <= options.show:
                print(problem, "\n")
    print(f"{options.programs - failed} of {options.programs} programs agree")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
