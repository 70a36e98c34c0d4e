"""What must hold of the drills' ops; run with a build that has them.

Prints one JSON object: the name of each check, and its failure or an empty text.
"""

import doctest
import json
import traceback

import flambeau as torch
from flambeau import ops
from flambeau._recorder import record
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.ops.generator import explain
from flambeau.ops.generator.stubs import Stubs
from flambeau.ops.record import load
from flambeau.ops.slots import stated
from flambeau.utils._python_dispatch import TorchDispatchMode


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


X, Y = leaf(0.5, -2.0, 3.0), leaf(0.1, 0.7, -1.5)
W = leaf(0.25, -4.0)


class Logged(torch.Tensor):
    calls: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class LoggingMode(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append(str(func))
        return func(*args, **(kwargs or {}))


def raised(function) -> str:
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was raised")


def run_examples(name):
    runner, failures = doctest.DocTestRunner(verbose=False), []
    text = getattr(torch, name).__doc__
    assert ">>>" in text
    test = doctest.DocTestParser().get_doctest(text, {"flambeau": torch}, name, None, 0)
    runner.run(test, out=failures.append)
    assert not failures, failures


# ---- damped: numbers stand for either tensor


def damped_numbers():
    for x, y in [(X, Y), (X, 0.5), (2.0, Y), (X, 2), (2, Y)]:
        wide = [torch.as_tensor(v, dtype=torch.float64) for v in (x, y)]
        assert torch.equal(torch.damped(x, y), wide[0] / (1 + wide[1] * wide[1]))
    assert str(torch.ops.aten.damped.Scalar_first._schema).startswith(
        "aten::damped.Scalar_first(Scal"
    )
    out = torch.empty(3, dtype=torch.float64)
    assert torch.damped(2.0, Y.detach(), out=out) is out and torch.equal(out, torch.damped(2.0, Y))
    assert torch.equal(X.detach().clone().damped_(2), torch.damped(X, 2))


def damped_gradients():
    for call in (torch.damped, lambda x, y: torch.damped(2.0, y), lambda x, y: x.damped(3) * y):
        assert gradcheck(call, (X, Y)) and gradgradcheck(call, (X, Y))


# ---- squash


def squash_function():
    assert torch.allclose(torch.squash(X, Y, scale=2), X * (2 * Y).tanh())
    assert torch.allclose(torch.squash(X, 0.5), X * torch.tensor(0.5, dtype=torch.float64).tanh())


def squash_method():
    assert torch.equal(X.squash(Y), torch.squash(X, Y))


def squash_inplace():
    x = X.detach().clone()
    assert x.squash_(Y.detach(), scale=2) is x
    assert torch.equal(x, torch.squash(X, Y, scale=2)) and x._version == 1


def squash_out():
    out = torch.empty(0, dtype=torch.float64)
    assert torch.squash(X.detach(), Y.detach(), out=out) is out
    assert torch.equal(out, torch.squash(X, Y))


def squash_broadcasts_promotes_and_takes_strides():
    table = torch.arange(6.0).view(2, 3).t()
    made = torch.squash(table, torch.tensor([1.0, 2.0], dtype=torch.bfloat16))
    assert made.shape == (3, 2) and made.dtype == torch.float32
    assert torch.allclose(made, table * torch.tensor([1.0, 2.0]).tanh())


def squash_meta():
    made = torch.squash(X.detach().to("meta"), torch.empty(2, 1, device="meta"))
    assert made.is_meta and made.shape == (2, 3) and made.dtype == torch.float64


def squash_gradient():
    assert torch.squash(X, Y).grad_fn.name() == "SquashBackward0"
    assert gradcheck(lambda x, y: torch.squash(x, y, scale=1.5), (X, Y))
    assert gradcheck(lambda x, y: x.clone().squash_(y), (X, Y))


def squash_double_backward():
    assert gradgradcheck(lambda x, y: torch.squash(x, y, scale=1.5), (X, Y))


def squash_torch_function():
    Logged.calls.clear()
    assert type(torch.squash(X.detach().as_subclass(Logged), Y.detach())) is Logged
    assert Logged.calls == ["squash"]


def squash_torch_dispatch():
    with LoggingMode() as mode:
        torch.squash(X, Y)
        X.detach().clone().squash_(Y.detach())
    assert [c for c in mode.calls if "squash" in c] == [
        "aten.squash.default",
        "aten.squash_.default",
    ]


def squash_recorder():
    graph = record(torch.squash, X.detach(), Y.detach())
    assert [str(n.op) for n in graph.nodes] == ["aten.squash.default"]
    assert torch.equal(graph(Y.detach(), X.detach()), torch.squash(Y, X))


def squash_op_object():
    assert ops.aten.squash.overloads() == ["default", "out"]
    assert torch.equal(ops.aten.squash.default(X, Y), torch.squash(X, Y))


def squash_error():
    text = raised(lambda: torch.squash(torch.tensor([1]), torch.tensor([1])))
    assert text.startswith('NotImplementedError: squash: "squash_cpu" not implemented for'), text
    assert "squash" in raised(lambda: torch.squash(torch.ones(2), torch.ones(3)))


def squash_doc():
    run_examples("squash")
    assert torch.squash.__doc__.startswith("squash(input, other, *, scale=1, out=None) -> Tensor")
    assert "struct squash_0_formula" in explain.show("squash")


def squash_stub():
    stubs = Stubs(load(), "", set())
    method = "def squash(self, other: Tensor | Number, *, scale: Number = ...) -> Tensor: ..."
    assert method in stubs.methods() and method.replace("squash", "squash_") in stubs.methods()


# ---- blend


def blend_function():
    total, largest = torch.blend((X, Y), W, scale=2.0)
    assert torch.allclose(total, 2 * (X * W[0] + Y * W[1]))
    assert torch.equal(largest, (Y > X).to(torch.int64))


def blend_without_the_optional_argument():
    assert torch.allclose(torch.blend([X, Y]).total, X + Y)
    assert torch.allclose(torch.blend([X, Y], None).total, X + Y)


def blend_takes_strides():
    table = torch.arange(6.0, dtype=torch.float64).view(2, 3).t()
    assert torch.equal(torch.blend((table, table)).total, 2 * table)


def blend_out():
    outs = torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.int64)
    total, largest = torch.blend((X.detach(), Y.detach()), out=outs)
    assert total is outs[0] and largest is outs[1]
    assert torch.equal(total, torch.blend((X, Y)).total)


def blend_sharding():
    """A program that splits tensors runs the op on the parts, as its record allows."""
    op = ops.aten.blend.default
    tensors = [torch.arange(6.0, dtype=torch.float64).view(2, 3), torch.eye(2, 3).double()]
    ways = stated(op, "sharding")(tensors)
    assert [w["tensors"] for w in ways] == [0, 1]
    whole = op(tensors, scale=2.0)
    for way in ways:
        split = [t.unbind(way["tensors"]) for t in tensors]
        parts = [op(list(given), scale=2.0) for given in zip(*split, strict=True)]
        for i, name in enumerate(("total", "largest")):
            assert torch.equal(torch.stack([p[i] for p in parts], way[name]), whole[i])


def blend_meta():
    total, largest = torch.blend((X.detach().to("meta"),))
    assert total.is_meta and total.shape == (3,) and largest.dtype == torch.int64


def blend_gradient():
    total, largest = torch.blend((X, Y), W)
    assert total.grad_fn.name() == "BlendBackward0" and not largest.requires_grad
    assert gradcheck(lambda x, y, w: torch.blend((x, y), w, scale=3.0).total, (X, Y, W))
    assert gradcheck(lambda x, y: torch.blend((x, y)).total, (X, Y))
    assert gradcheck(lambda w: torch.blend((X.detach(), Y.detach()), w).total, (W,))


def blend_double_backward():
    assert gradgradcheck(lambda x, y, w: torch.blend((x, y), w, scale=3.0).total, (X, Y, W))


def blend_torch_function():
    Logged.calls.clear()
    total, _ = torch.blend([X.detach(), Y.detach().as_subclass(Logged)])
    assert type(total) is Logged and Logged.calls == ["blend"]


def blend_torch_dispatch():
    with LoggingMode() as mode:
        torch.blend((X, Y), W)
    assert mode.calls[0] == "aten.blend.default"


def blend_recorder():
    graph = record(lambda x, y: torch.blend((x, y)).total, X.detach(), Y.detach())
    assert [str(n.op) for n in graph.nodes] == ["aten.blend.default"]
    assert torch.equal(graph(Y.detach(), Y.detach()), 2 * Y.detach())


def blend_error():
    text = raised(lambda: torch.blend((X, Y), X))
    assert text == "RuntimeError: blend: expected 2 weights, one for each tensor, got 3", text
    assert "at least one tensor" in raised(lambda: torch.blend([]))


def blend_doc():
    run_examples("blend")
    assert "BlendBackward0" in explain.show("blend")


def blend_stub():
    lines = Stubs(load(), "", set()).functions()
    at = lines.index("def blend(")
    assert "weight: Tensor | None = ..." in "".join(lines[at : at + 8])
    assert "class blend(NamedTuple):" in Stubs(load(), "", set()).results()


NAMES = ("squash_", "blend_", "damped_")
CHECKS = {n: f for n, f in list(globals().items()) if n.startswith(NAMES)}


def failure(check) -> str:
    try:
        check()
        return ""
    except BaseException:
        return traceback.format_exc()


if __name__ == "__main__":
    print(json.dumps({name: failure(check) for name, check in CHECKS.items()}))
