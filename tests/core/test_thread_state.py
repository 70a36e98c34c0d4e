"""What a thread carries: counted stacks that backward passes and other threads take along."""

import threading

import pytest

import flambeau as torch
from flambeau import _C
from flambeau.overrides import TorchFunctionMode
from flambeau.utils._python_dispatch import TorchDispatchMode


class Counting(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Nested(torch.autograd.Function):
    """A backward that runs a backward, as deep as it is told."""

    @staticmethod
    def forward(ctx, x, depth):
        ctx.depth = depth
        return x * 1

    @staticmethod
    def backward(ctx, grad):
        if ctx.depth:
            with torch.enable_grad():
                x = torch.ones(1, requires_grad=True)
                (Nested.apply(x, ctx.depth - 1) * torch.ones(1)).sum().backward()
            grad = grad * x.grad
        return grad, None


@pytest.mark.parametrize("depth", [1, 45, 90])
def test_nested_backward_under_a_mode(depth):
    x = torch.ones(1, requires_grad=True)
    with Counting() as mode:
        y = Nested.apply(x, depth).sum()
        del mode.seen[:]
        y.backward()
    assert x.grad.item() == 1
    # The innermost pass has its mode too, though it may run on another thread.
    assert mode.seen.count("aten.sum.default") == depth
    assert _C._len_torch_dispatch_stack() == 0


def test_nested_backward_with_saved_tensor_hooks():
    packed = []
    x = torch.ones(1, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(1) or t, lambda t: t):
        Nested.apply(x, 45).sum().backward()
    assert x.grad.item() == 1 and len(packed) >= 45


def test_a_snapshot_carries_modes_to_another_thread():
    counts = {}
    with Counting() as mode, torch.no_grad():
        state = _C._ThreadState()

    def plain():
        torch.ones(1) + 1
        counts["plain"] = (len(mode.seen), torch.is_grad_enabled())

    def carried():
        with state:
            torch.ones(1) + 1
            counts["carried"] = (len(mode.seen), torch.is_grad_enabled())
        torch.ones(1) + 1
        counts["after"] = (len(mode.seen), torch.is_grad_enabled())

    for target in (plain, carried):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert counts["plain"] == (0, True)
    assert counts["carried"][0] > 0 and counts["carried"][1] is False
    assert counts["after"] == (counts["carried"][0], True)


def test_a_snapshot_keeps_what_left_the_stack():
    class Adding(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            return result + 1 if func is torch.mul else result

    with Adding():
        state = _C._ThreadState()
    assert torch.mul(torch.tensor(2), 3).item() == 6
    with state:
        assert torch.mul(torch.tensor(2), 3).item() == 7
        with pytest.raises(RuntimeError, match="in force already"), state:
            pass
    assert torch.mul(torch.tensor(2), 3).item() == 6


def test_deep_stacks_are_freed_without_recursion():
    class Mode:
        pass

    for _ in range(200_000):
        _C._push_on_torch_function_stack(Mode)
    state = _C._ThreadState()
    for _ in range(200_000):
        _C._pop_torch_function_stack()
    del state
    assert _C._len_torch_function_stack() == 0
    with pytest.raises(RuntimeError, match="no torch function mode"):
        _C._pop_torch_function_stack()


def test_stacks_are_read_by_index():
    modes = [Counting(), Counting(), Counting()]
    for mode in modes:
        _C._push_on_torch_dispatch_stack(mode)
    try:
        assert [_C._get_dispatch_stack_at(i) for i in range(3)] == modes
        assert _C._get_dispatch_stack_at(-1) is modes[2]
        with pytest.raises(IndexError):
            _C._get_dispatch_stack_at(3)
    finally:
        for mode in reversed(modes):
            assert _C._pop_torch_dispatch_stack() is mode


def test_a_mode_that_raises_leaves_the_stack_as_it_was():
    class Failing(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise ZeroDivisionError

    x = torch.ones(1)
    with Counting() as outer, Failing():
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                x + 1
        assert _C._len_torch_dispatch_stack() == 2
    assert outer.seen == []


def test_autocast_state_belongs_to_the_thread():
    assert torch.get_autocast_dtype("cpu") is torch.bfloat16
    assert torch.get_autocast_dtype("cuda") is torch.float16
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", torch.float16)
    try:
        state = _C._ThreadState()
        seen = []

        def look():
            seen.append(torch.is_autocast_enabled("cpu"))
            with state:
                seen.append((torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert seen == [False, (True, torch.float16)]
    finally:
        torch.set_autocast_enabled("cpu", False)
        torch.set_autocast_dtype("cpu", torch.bfloat16)
    assert not torch.is_autocast_enabled("cpu")
    assert torch.autocast_increment_nesting() == 1 and torch.autocast_decrement_nesting() == 0
