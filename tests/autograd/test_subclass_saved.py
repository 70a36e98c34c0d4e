"""What formulas keep of tensors whose class answers for ops."""

import pytest

import flambeau as torch
from flambeau.utils import _pytree as pytree


class Wrapper(torch.Tensor):
    seen: list = []

    @staticmethod
    def __new__(cls, inner, requires_grad=False):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, requires_grad=requires_grad
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        tensors = [a for a in pytree.tree_leaves(args) if isinstance(a, torch.Tensor)]
        cls.seen.append((str(func), {type(t).__name__ for t in tensors}))
        bare = pytree.tree_map_only(Wrapper, lambda t: t.inner, (args, kwargs or {}))
        out = func(*bare[0], **bare[1])
        if func._schema.name.endswith("_"):
            return args[0]
        return pytree.tree_map_only(torch.Tensor, Wrapper, out)


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        assert type(y) is Wrapper or type(grad) is torch.Tensor
        return grad * y


FUNCTIONS = {
    "exp": lambda x: x.exp(),
    "sqrt": lambda x: x.sqrt(),
    "softmax": lambda x: x.softmax(-1) * x,
    "norm": lambda x: x.norm(),
    "function": Exp.apply,
    "in place": lambda x: (x * 1).exp_(),
    "view": lambda x: (x * 1).view(-1).tanh_(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_saved_outputs_keep_their_class(name):
    f = FUNCTIONS[name]
    plain = (torch.arange(6.0).reshape(2, 3) + 1).requires_grad_()
    x = Wrapper(plain.detach().clone(), True)
    Wrapper.seen.clear()
    (first,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first * first).sum(), x)
    (right,) = torch.autograd.grad(f(plain).sum(), plain, create_graph=True)
    (right_second,) = torch.autograd.grad((right * right).sum(), plain)
    assert type(first) is Wrapper and type(second) is Wrapper
    torch.testing.assert_close(first.inner, right.detach())
    torch.testing.assert_close(second.inner, right_second)
    f(x).sum().backward()
    torch.testing.assert_close(x.grad.inner, right.detach())
    assert all("Wrapper" in kinds for _, kinds in Wrapper.seen if kinds)


def test_a_class_over_memory_of_its_own_keeps_it():
    kinds = []

    class Logged(torch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            if "mul" in str(func):
                kinds.append([type(a) for a in args])
            plain = pytree.tree_map_only(
                Logged, lambda t: torch.Tensor._make_subclass(torch.Tensor, t), args
            )
            out = func(*plain, **(kwargs or {}))
            return pytree.tree_map_only(
                torch.Tensor, lambda t: torch.Tensor._make_subclass(Logged, t), out
            )

    x = torch.Tensor._make_subclass(Logged, torch.ones(2, 3), True)
    torch.autograd.grad(x.exp().sum(), x)
    assert kinds == [[Logged, Logged]]


def test_hooks_see_the_class():
    seen = []

    def note(t):
        seen.append(type(t))
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, note):
        Wrapper(torch.ones(3), True).exp().sum().backward()
    assert seen == [Wrapper, Wrapper]
