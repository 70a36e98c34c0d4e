"""backward and grad: values, arguments, errors, deep and shared graphs."""

import threading

import numpy as np
import pytest

import flambeau as torch


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_backward_accumulates():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (3 * x).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [5.0, 7.0]


def test_a_leaf_used_twice_gets_the_sum():
    x = leaf(2.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [5.0]


def test_gradient_argument_and_its_shape():
    x = leaf(1.0, 2.0)
    (x * 2).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 20.0]
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(torch.ones(3))
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        (x * 2).backward()


def test_what_has_no_history_cannot_be_differentiated():
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        torch.ones(1).sum().backward()


def test_a_second_backward_needs_retain_graph():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_create_graph_gives_higher_derivatives():
    x = leaf(2.0)
    y = x**4
    for expected in (32.0, 48.0, 48.0, 24.0):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == expected


def test_create_graph_keeps_the_gradient_differentiable():
    x = leaf(3.0)
    (x * x * x).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (second,) = torch.autograd.grad(x.grad.sum(), x)
    assert second.item() == 18.0


def test_grad_of_several_outputs_and_inputs():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    gx, gy = torch.autograd.grad([(x * y).sum(), x.sum()], [x, y])
    assert gx.tolist() == [4.0, 5.0] and gy.tolist() == [1.0, 2.0]
    assert x.grad is None


def test_grad_outputs_weigh_the_outputs():
    x = leaf(1.0, 2.0)
    (g,) = torch.autograd.grad([x * 2, x * 3], x, [torch.ones(2), torch.tensor([0.0, 1.0])])
    assert g.tolist() == [2.0, 5.0]


def test_unused_inputs():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="index 1 appears to not have been used in the graph"):
        torch.autograd.grad(x.sum(), [x, y])
    assert torch.autograd.grad(x.sum(), [x, y], allow_unused=True)[1] is None
    assert torch.autograd.grad(x.sum(), [x, y], materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(ValueError, match="allow_unused"):
        torch.autograd.grad(x.sum(), [y], allow_unused=False, materialize_grads=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(x.sum(), [torch.ones(1)])
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.grad(x.sum(), [])


def test_grad_of_intermediate_tensors_runs_no_more_than_needed():
    x = leaf(1.0, 2.0)
    ran = []
    y = x * 2
    y.grad_fn.register_hook(lambda *_: ran.append("y"))
    z = y * 3
    (g,) = torch.autograd.grad(z.sum(), y)
    assert g.tolist() == [3.0, 3.0] and ran == []


def test_inputs_of_backward_limit_what_is_accumulated():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.item() == 3.0 and y.grad is None
    h = x * y
    (h * h).sum().backward(inputs=h)
    assert h.grad.item() == 12.0 and y.grad is None
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (x * y).sum().backward(inputs=[])


def test_a_gradient_edge_stands_for_a_tensor():
    x = leaf(1.0, 2.0)
    h = x * 2
    edge = torch.autograd.graph.get_gradient_edge(h)
    loss = (h * h).sum()
    del h
    (g,) = torch.autograd.grad(loss, edge, retain_graph=True)
    assert g.tolist() == [4.0, 8.0]
    (g,) = torch.autograd.grad(edge, x, torch.ones(2))
    assert g.tolist() == [2.0, 2.0]


def test_gradients_are_brought_to_shape_and_dtype():
    x = torch.ones(3, 1, dtype=torch.float64, requires_grad=True)
    y = torch.ones(4, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.dtype == torch.float64
    assert y.grad.shape == (4,) and y.grad.dtype == torch.float32
    assert x.grad.flatten().tolist() == [4.0] * 3


def test_gradient_takes_the_layout_of_its_tensor():
    x = torch.ones(2, 3).t().requires_grad_()
    (x * torch.ones(3, 2)).sum().backward()
    assert x.grad.stride() == (1, 3)
    y = torch.ones(4, 4)[:, ::2].requires_grad_()
    (y * 2).sum().backward()
    assert y.grad.is_contiguous()


def test_leaves_do_not_share_the_memory_of_a_gradient():
    x, y = torch.ones(4, requires_grad=True), torch.ones(2, 2, requires_grad=True)
    seed = torch.ones(4)
    (x + y.view(4)).backward(seed)
    x.grad.zero_()
    assert y.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]] and seed.tolist() == [1.0] * 4


def test_assigned_gradients_are_checked():
    x = leaf(1.0, 2.0)
    x.grad = torch.zeros(2)
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    x.grad = None
    with pytest.raises(RuntimeError, match="size"):
        x.grad = torch.zeros(3)
    with pytest.raises(RuntimeError, match="dtype"):
        x.grad = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="own grad"):
        x.grad = x
    with pytest.raises(TypeError, match="Tensor or None"):
        x.grad = 3


def test_requires_grad_is_for_floating_leaves():
    with pytest.raises(RuntimeError, match="floating point"):
        torch.arange(3).requires_grad_()
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="leaf variables"):
        y.requires_grad_(False)
    assert y.requires_grad_() is y


def test_grad_of_a_non_leaf_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


def test_a_chain_of_a_million_nodes():
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + x
    y.backward()
    assert x.grad.item() == 1_000_001.0
    del y


def test_errors_leave_everything_usable():
    x = leaf(2.0)
    y = x * x

    def fail(grad):
        raise ValueError("from a hook")

    handle = y.register_hook(fail)
    z = y.sum()
    with pytest.raises(ValueError, match="from a hook"):
        z.backward(retain_graph=True)
    assert torch.is_grad_enabled() and x.grad is None
    handle.remove()
    z.backward()
    assert x.grad.item() == 4.0


class Nested(torch.autograd.Function):
    """Its backward runs a backward of its own, `depth` levels deep."""

    @staticmethod
    def forward(ctx, x, depth):
        ctx.depth = depth
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        if ctx.depth > 0:
            with torch.enable_grad():
                inner = torch.ones(1, requires_grad=True)
                Nested.apply(inner, ctx.depth - 1).sum().backward()
            grad = grad + inner.grad
        return grad, None


@pytest.mark.parametrize("depth", [1, 39, 40, 41, 500])
def test_backward_within_backward(depth):
    x = leaf(1.0)
    Nested.apply(x, depth).sum().backward()
    assert x.grad.item() == depth + 1


def test_errors_come_back_from_deep_within():
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, depth):
            ctx.depth = depth
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            if ctx.depth == 0:
                raise KeyError("at the bottom")
            with torch.enable_grad():
                Fails.apply(torch.ones(1, requires_grad=True), ctx.depth - 1).sum().backward()
            return grad, None

    with pytest.raises(KeyError, match="at the bottom"):
        Fails.apply(leaf(1.0), 100).sum().backward()


def test_threads_share_a_graph():
    x = torch.ones(8, requires_grad=True)
    h = x * 2
    errors = []

    def work():
        try:
            for _ in range(50):
                (h * h).sum().backward(retain_graph=True)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and x.grad.tolist() == [8.0 * 200] * 8


def test_other_threads_run_during_a_long_backward():
    x = torch.ones(256, 256, requires_grad=True)
    y = x
    for _ in range(30):
        y = torch.tanh(y @ x)
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        counted[0] = 0
        y.sum().backward()
        during = counted[0]
    finally:
        done.set()
        thread.join()
    assert during > 0


def test_complex_gradients():
    z = torch.tensor([1.0 + 2.0j, -0.5j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), 2 * z.detach().numpy())
    with pytest.raises(RuntimeError, match="complex"):
        (leaf(1.0) * 2).backward(torch.ones(1, dtype=torch.complex64))


def test_gradients_do_not_depend_on_the_order_of_creation():
    rng = np.random.default_rng(0)
    values = [torch.from_numpy(rng.standard_normal(16)) for _ in range(8)]
    sums = []
    for _ in range(3):
        x = torch.ones(16, dtype=torch.float64, requires_grad=True)
        sum((x * v).sum() for v in values).backward()
        sums.append(x.grad.tolist())
    assert sums[0] == sums[1] == sums[2]


def test_final_callbacks():
    calls = []
    x = leaf(1.0)
    y = x * 2
    queue = torch.autograd.Variable._execution_engine.queue_callback
    y.register_hook(lambda g: queue(lambda: calls.append(x.grad.item())))
    y.sum().backward()
    assert calls == [2.0]
    with pytest.raises(RuntimeError, match="during backward"):
        queue(lambda: None)


def test_batched_gradients_are_those_of_a_loop():
    x, unused = leaf(1.0, 2.0), leaf(1.0)
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0]])
    got = torch.autograd.grad(x**2, x, rows, is_grads_batched=True)[0]
    assert got.tolist() == [[2.0, 0.0], [0.0, 4.0], [4.0, 12.0]]
    assert (
        torch.autograd.grad(x**2, (unused, x), rows, is_grads_batched=True, allow_unused=True)[0]
        is None
    )
