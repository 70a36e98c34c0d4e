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


def write(y, x):
    y.mul_(2)


def write_without_recording(y, x):
    with torch.no_grad():
        y.zero_()


def write_detached(y, x):
    y.detach().mul_(2)


def write_view(y, x):
    y.view(-1).mul_(2)


def write_part(y, x):
    y[0].mul_(2)


def write_as_out(y, x):
    with torch.no_grad():
        torch.mul(y, 2, out=y)


WRITES = [write, write_without_recording, write_detached, write_view, write_part, write_as_out]


@pytest.mark.parametrize("change", WRITES)
@pytest.mark.parametrize("saved", ["output", "input"])
def test_what_was_saved_and_changed_since_is_an_error(saved, change):
    for wrap in (lambda t: t.requires_grad_(), lambda t: Wrapper(t, True)):
        x = wrap(torch.ones(3))
        y = x.exp()
        result = y if saved == "output" else y * y
        change(y, x)
        assert y._version == 1
        with pytest.raises(RuntimeError, match="modified by an inplace.*is at version 1; expected"):
            result.sum().backward()


def test_a_mode_counts_a_write_once():
    from flambeau.utils._python_dispatch import TorchDispatchMode

    class Through(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    t = torch.ones(3)
    with Through():
        t.add_(1)
        t.view(-1).add_(1)
    assert t._version == 2


class Unwrapping(Wrapper):
    """Its views are the tensor that it holds."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func._schema.name in ("aten::view", "aten::detach", "aten::alias"):
            return args[0].inner
        return super().__torch_dispatch__(func, types, args, kwargs)


@pytest.mark.parametrize("wrapper_written", [0, 2])
@pytest.mark.parametrize("view", [lambda t: t.view(-1), lambda t: t.detach()])
@pytest.mark.parametrize("held", ["output", "detached", "saved input"])
def test_a_tensor_that_is_there_already_keeps_its_count(held, view, wrapper_written):
    x = torch.ones(3, requires_grad=True)
    y = torch.full((3,), 2.0) if held == "saved input" else x.exp()
    result = x * y if held == "saved input" else y
    inner = y.detach() if held == "detached" else y
    wrapper = Unwrapping(inner)
    torch._C._unsafe_set_version_counter((wrapper,), (wrapper_written,))
    view(wrapper)
    assert y._version == 0
    torch.autograd.grad(result.sum(), x, retain_graph=True)
    with torch.no_grad():
        inner.mul_(5)
    assert y._version == inner._version == 1
    view(wrapper)
    assert y._version == inner._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        result.sum().backward()


def test_what_a_mode_answers_keeps_its_count():
    from flambeau.utils._python_dispatch import TorchDispatchMode

    class Answer(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return y if "view" in str(func) else func(*args, **(kwargs or {}))

    x, other = torch.ones(3, requires_grad=True), torch.ones(3)
    y = x.exp()
    other.add_(1)
    with torch.no_grad():
        y.mul_(5).mul_(1)
    with Answer():
        other.view(3)
    assert y._version == 2 and other._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()
