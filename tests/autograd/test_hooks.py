"""Hooks of tensors and nodes: order, replacement, removal, and that cycles through them die."""

import gc
import weakref

import pytest

import flambeau as torch


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_order_of_all_kinds():
    log = []
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: log.append("tensor"))
    y.grad_fn.register_prehook(lambda gs: log.append("pre"))
    y.grad_fn.register_hook(lambda i, o: log.append("post"))
    x.register_hook(lambda g: log.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("accumulated", p.grad.item())))
    y.sum().backward()
    assert log == ["tensor", "pre", "post", "leaf", ("accumulated", 2.0)]


def test_hooks_run_in_the_order_of_registration_and_pass_on_what_they_return():
    x = leaf(1.0)
    y = x * 1
    seen = []
    y.register_hook(lambda g: g * 2)
    y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert seen == [2.0] and x.grad.item() == 3.0


def test_removal_before_and_while_they_run():
    x = leaf(1.0)
    y = x * 1
    log = []
    first = y.register_hook(lambda g: (log.append("first"), second.remove())[0])
    second = y.register_hook(lambda g: log.append("second"))
    y.sum().backward(retain_graph=True)
    y.sum().backward(retain_graph=True)
    first.remove()
    first.remove()
    y.sum().backward()
    assert log == ["first", "second", "first"]


def test_hooks_belong_to_the_value_at_the_time():
    x = leaf(1.0)
    y = x * 1
    y.register_hook(lambda g: g * 10)
    y.mul_(2)
    assert y._backward_hooks is None
    y.register_hook(lambda g: g * 100)
    y.sum().backward()
    assert x.grad.item() == 2000.0


@pytest.mark.parametrize(
    "value, error, text",
    [
        (lambda g: g[:1], RuntimeError, "has changed the size of value"),
        (lambda g: g.double(), RuntimeError, "has changed the type of value"),
        (lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
    ],
)
def test_what_a_hook_may_not_return(value, error, text):
    y = leaf(1.0, 2.0) * 1
    y.register_hook(value)
    with pytest.raises(error, match=text):
        y.sum().backward()


def test_who_may_have_hooks():
    with pytest.raises(RuntimeError, match="cannot register a hook"):
        torch.ones(1).register_hook(print)
    with pytest.raises(RuntimeError, match="non-leaf"):
        (leaf(1.0) * 2).register_post_accumulate_grad_hook(print)


def test_node_hooks_replace_gradients():
    x, y = leaf(1.0), leaf(1.0)
    z = x * y
    z.grad_fn.register_prehook(lambda gs: (gs[0] * 3,))
    z.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 2, None))
    z.sum().backward()
    assert x.grad.item() == 6.0 and y.grad is None
    with pytest.raises(RuntimeError, match="incorrect number of values"):
        z = x * y
        z.grad_fn.register_hook(lambda inputs, outputs: inputs + inputs)
        z.sum().backward()


def test_retain_grad():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad and not x.retains_grad
    (y * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [6.0, 12.0]
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        torch.ones(1).retain_grad()


def test_retain_grad_sees_what_tensor_hooks_return_and_follows_writes():
    x = leaf(1.0)
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert y.grad.item() == 2.0
    y = x * 1
    y.retain_grad()
    y.mul_(5)
    (y * 3).sum().backward()
    assert y.grad.item() == 3.0


def test_hooks_of_inputs_of_grad():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    assert torch.autograd.grad((y * 3).sum(), y, retain_graph=True)[0].item() == 30.0
    # Where the gradient goes on, the hook concerns what goes on.
    assert [g.item() for g in torch.autograd.grad((y * 3).sum(), [x, y])] == [60.0, 3.0]


def test_a_closure_over_its_tensor_is_collected():
    class Big:
        pass

    def make(on_leaf):
        x = leaf(1.0)
        y = x if on_leaf else x * 2
        big = Big()
        y.register_hook(lambda g: (y, big))
        if on_leaf:
            y.register_post_accumulate_grad_hook(lambda p: (y, big))
        return weakref.ref(big)

    for on_leaf in (True, False):
        gone = make(on_leaf)
        gc.collect()
        assert gone() is None


def test_post_accumulate_hooks_can_step():
    x = leaf(1.0)

    def step(p):
        with torch.no_grad():
            p.sub_(p.grad)
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 0.25).sum().backward()
    assert x.item() == 0.75 and x.grad is None
    handle.remove()
    x.sum().backward()
    assert x.item() == 0.75


def test_multi_grad_hook():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    log = []
    handle = torch.autograd.graph.register_multi_grad_hook(
        (a, b, c), lambda gs: log.append([None if g is None else g.item() for g in gs])
    )
    (a * b * c).sum().backward()
    (a * b).sum().backward()
    handle.remove()
    (a * b).sum().backward()
    assert log == [[6.0, 3.0, 2.0], [2.0, 1.0, None]]
    first = []
    torch.autograd.graph.register_multi_grad_hook((a, b), first.append, mode="any")
    (a * b).sum().backward()
    (a + b).sum().backward()
    assert len(first) == 2
    with pytest.raises(ValueError, match="mode"):
        torch.autograd.graph.register_multi_grad_hook((a,), print, mode="some")


def test_hooks_dictionaries_survive_assignment():
    x = leaf(1.0)
    x.register_hook(lambda g: g * 2)
    hooks = x._backward_hooks
    assert len(hooks) == 1
    y = leaf(1.0)
    y._backward_hooks = hooks
    y.sum().backward()
    assert y.grad.item() == 2.0
    y._backward_hooks = None
    y.sum().backward()
    assert y.grad.item() == 3.0
