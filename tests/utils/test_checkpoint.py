"""utils.checkpoint: the same gradients with what was not kept."""

import gc
import weakref

import pytest

import flambeau as torch
from flambeau.utils import checkpoint as C

nn = torch.nn


def network():
    torch.manual_seed(0)
    layers = nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 4)
    return nn.Sequential(*layers), torch.randn(3, 4, requires_grad=True)


def gradients(call):
    net, x = network()
    torch.manual_seed(1)
    y = call(net, x)
    y.pow(2).sum().backward()
    return [y.tolist(), x.grad.tolist(), *(p.grad.tolist() for p in net.parameters())], torch.rand(
        1
    )


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("segments", [None, 1, 2, 3])
def test_gradients_and_random_numbers_are_the_same(reentrant, segments):
    def checkpointed(net, x):
        if segments is None:
            return C.checkpoint(net, x, use_reentrant=reentrant)
        return C.checkpoint_sequential(net, segments, x, use_reentrant=reentrant)

    expected, after = gradients(lambda net, x: net(x))
    found, after_found = gradients(checkpointed)
    assert found == expected and after == after_found


@pytest.mark.parametrize("reentrant", [True, False])
def test_random_numbers_may_be_left_alone(reentrant):
    drawn = []

    def noisy(x):
        drawn.append(torch.rand(()).item())
        return x.sin().exp()

    for keep in (True, False):
        drawn.clear()
        x = torch.ones(2, requires_grad=True)
        C.checkpoint(noisy, x, use_reentrant=reentrant, preserve_rng_state=keep).sum().backward()
        assert (drawn[0] == drawn[1]) is keep


def test_nothing_between_is_kept():
    kept = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            kept.append(weakref.ref(y))
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = torch.ones(3, requires_grad=True)
    for reentrant in (True, False):
        kept.clear()
        y = C.checkpoint(lambda x: Watched.apply(x).sin(), x, use_reentrant=reentrant)
        gc.collect()
        assert kept[0]() is None and y.requires_grad
    y.sum().backward()
    gc.collect()
    assert all(ref() is None for ref in kept)


def test_checkpoints_within_checkpoints():
    calls = [0, 0]

    def inner(x):
        calls[0] += 1
        return x.sin().exp()

    def outer(x):
        calls[1] += 1
        return C.checkpoint(inner, x * 2, use_reentrant=False).cos()

    x = torch.ones(3, requires_grad=True)
    C.checkpoint(outer, x, use_reentrant=False).sum().backward()
    z = torch.ones(3, requires_grad=True)
    (z * 2).sin().exp().cos().sum().backward()
    assert torch.equal(x.grad, z.grad) and calls[1] == 2


def test_graphs_that_are_used_again():
    x = torch.ones(3, requires_grad=True)
    calls = [0]

    def function(x):
        calls[0] += 1
        return x.sin().exp()

    y = C.checkpoint(function, x, use_reentrant=False).sum()
    first = torch.autograd.grad(y, x, retain_graph=True)
    assert torch.equal(torch.autograd.grad(y, x)[0], first[0]) and calls == [3]
    (g,) = torch.autograd.grad(
        C.checkpoint(function, x, use_reentrant=False).sum(), x, create_graph=True
    )
    (h,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    assert torch.equal(torch.autograd.grad(g.sum(), x)[0], torch.autograd.grad(h.sum(), x)[0])


def test_keyword_arguments_and_contexts():
    entered = []

    class Context:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *args):
            entered.append(-self.name)

    x = torch.ones(2, requires_grad=True)
    y = C.checkpoint(
        lambda a, b=1: (a * b).exp(), x, use_reentrant=False, b=x,
        context_fn=lambda: (Context(1), Context(2)),
    )  # fmt: skip
    assert entered == [1, -1]
    y.sum().backward()
    assert entered == [1, -1, 2, -2]
    assert torch.allclose(x.grad, 2 * x * (x * x).exp())
    with torch.no_grad():
        assert not C.checkpoint(torch.exp, x, use_reentrant=False).requires_grad


@pytest.mark.parametrize("early", [True, False])
def test_computing_again_stops_early(early):
    steps = []

    def function(x):
        for i in range(3):
            x = x.sin()
            steps.append(i)
        return x + 1

    x = torch.ones(2, requires_grad=True)
    C.checkpoint(function, x, use_reentrant=False, early_stop=early).sum().backward()
    assert steps[3:] == ([0, 1] if early else [0, 1, 2])
    steps.clear()
    with C.set_checkpoint_early_stop(not early):
        y = C.checkpoint(function, x, use_reentrant=False, early_stop=early).sum()
    y.backward()
    assert steps[3:] == ([0, 1, 2] if early else [0, 1])


def test_functions_that_do_something_else_the_second_time():
    turn = [0]

    def fewer(x):
        turn[0] += 1
        return (x.sin().exp() if turn[0] % 2 else x.sin()).cos()

    def other(x):
        turn[0] += 1
        return (x if turn[0] % 2 else x.double()).sin().cos()

    x = torch.ones(2, requires_grad=True)
    turn[0] = 0
    with pytest.raises(C.CheckpointError, match="different number of tensors"):
        C.checkpoint(fewer, x, use_reentrant=False).sum().backward()
    turn[0] = 0
    with pytest.raises(C.CheckpointError, match="(?s)different metadata.*float32.*float64"):
        C.checkpoint(other, x, use_reentrant=False).sum().backward()
    turn[0] = 0
    C.checkpoint(other, x, use_reentrant=False, determinism_check="none").sum().backward()
    assert x.grad.shape == (2,)


def test_misuse():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="determinism_check"):
        C.checkpoint(torch.exp, x, use_reentrant=False, determinism_check="strict")
    with pytest.raises(ValueError, match="Unexpected keyword arguments: y"):
        C.checkpoint(torch.exp, x, use_reentrant=True, y=1)
    with pytest.raises(ValueError, match="context_fn"):
        C.checkpoint(torch.exp, x, use_reentrant=True, context_fn=lambda: None)
    with pytest.raises(NotImplementedError, match="debug"):
        C.checkpoint(torch.exp, x, use_reentrant=False, debug=True)
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        torch.autograd.grad(C.checkpoint(torch.exp, x, use_reentrant=True).sum(), x)
    with pytest.warns(UserWarning, match="None of the inputs"):
        C.checkpoint(torch.exp, torch.ones(2), use_reentrant=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter"):
        C.checkpoint(torch.exp, x)
    with pytest.raises(RuntimeError, match="tuple"):
        C.detach_variable([x])
    with pytest.raises(RuntimeError, match="not necessary"):
        C.checkpoint(lambda x: x.detach().exp(), x, use_reentrant=True).sum().backward()
