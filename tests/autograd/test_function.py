"""Custom functions."""

import gc
import weakref

import pytest

import flambeau as torch
from flambeau.autograd import Function
from flambeau.autograd.function import once_differentiable


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Axpy(Function):
    """setup_context style, with a number and a default."""

    @staticmethod
    def forward(x, y, a=2.0):
        return a * x + y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.a = inputs[2]

    @staticmethod
    def backward(ctx, grad):
        return ctx.a * grad, grad, None


def test_forward_and_backward():
    x = leaf(3.0)
    y = Square.apply(x)
    assert y.grad_fn.name() == "SquareBackward" == type(y.grad_fn).__name__
    assert y.grad_fn.next_functions[0][0].variable is x
    y.backward()
    assert x.grad.item() == 6.0


def test_double_backward_through_saved_tensors():
    x = leaf(3.0)
    (g,) = torch.autograd.grad(Square.apply(x), x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert (g.item(), h.item()) == (6.0, 2.0)


def test_setup_context_binds_defaults_and_keywords():
    x, y = leaf(1.0), leaf(2.0)
    assert Axpy.apply(x, y).item() == 4.0
    out = Axpy.apply(x, y=y, a=5.0)
    out.backward()
    assert (out.item(), x.grad.item(), y.grad.item()) == (7.0, 5.0, 1.0)


def test_what_ctx_tells():
    seen = {}

    class Tells(Function):
        @staticmethod
        def forward(ctx, x, n, y):
            seen["needs"] = ctx.needs_input_grad
            seen["grad mode"] = torch.is_grad_enabled()
            return x * n + y

        @staticmethod
        def backward(ctx, grad):
            seen["backward needs"] = ctx.needs_input_grad
            seen["backward mode"] = torch.is_grad_enabled()
            return grad, None, None

    Tells.apply(leaf(1.0), 2, torch.ones(1)).backward()
    assert seen == {
        "needs": (True, False, False),
        "grad mode": False,
        "backward needs": (True, False, False),
        "backward mode": False,
    }


def test_without_anything_that_requires_grad():
    y = Square.apply(torch.ones(1))
    assert y.grad_fn is None and not y.requires_grad
    with torch.no_grad():
        assert Square.apply(leaf(1.0)).grad_fn is None


def test_missing_gradients_are_zeros_or_none():
    grads = []

    class Two(Function):
        materialize = True

        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(Two.materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            grads.append((g, h))
            return g

    x = leaf(1.0)
    Two.apply(x)[0].backward()
    Two.materialize = False
    Two.apply(x)[0].backward()
    assert grads[0][1].tolist() == [0.0] and grads[1][1] is None


def test_non_differentiable_outputs():
    class Sorted(Function):
        @staticmethod
        def forward(ctx, x):
            values, indices = x.sort()
            ctx.mark_non_differentiable(indices)
            ctx.save_for_backward(indices)
            return values, indices

        @staticmethod
        def backward(ctx, grad, _):
            (indices,) = ctx.saved_tensors
            return torch.zeros_like(grad).scatter_(0, indices, grad)

    x = leaf(3.0, 1.0, 2.0)
    values, indices = Sorted.apply(x)
    assert not indices.requires_grad and values.requires_grad
    (values * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [3.0, 1.0, 2.0]


class Doubled(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


def test_in_place():
    x = leaf(1.0, 1.0)
    y = x * 1
    out = Doubled.apply(y)
    assert out is y and y.grad_fn.name() == "DoubledBackward"
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        Doubled.apply(x)


def test_in_place_on_a_view():
    x = leaf(1.0, 1.0)
    base = x * 1
    view = base[:1]
    assert Doubled.apply(view) is view
    assert base.grad_fn.name() == "torch::autograd::CopySlices"
    base.sum().backward()
    assert x.grad.tolist() == [2.0, 1.0]


def test_dirty_inputs_must_be_returned():
    class Forgets(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(RuntimeError, match="must all be outputs of the Function"):
        Forgets.apply(leaf(1.0) * 1)


def test_inputs_and_views_as_outputs():
    class AsIs(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 7

    class View(Function):
        @staticmethod
        def forward(ctx, x):
            return x.view(-1)

        @staticmethod
        def backward(ctx, grad):
            return grad.view(1, 1) * 7

    for function, x in ((AsIs, leaf(1.0)), (View, torch.ones(1, 1, requires_grad=True))):
        y = function.apply(x)
        assert y is not x and y._base is x
        y.sum().backward()
        assert x.grad.sum().item() == 7.0
        y = function.apply(x * 1)
        with pytest.raises(RuntimeError, match="created inside a custom Function"):
            y.mul_(2)


def test_outputs_that_are_no_tensors():
    class Mixed(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, "text", None, 3

        @staticmethod
        def backward(ctx, grad, *none):
            assert none == (None, None, None)
            return grad * 2

    x = leaf(1.0)
    y, *rest = Mixed.apply(x)
    assert rest == ["text", None, 3]
    y.backward()
    assert x.grad.item() == 2.0


@pytest.mark.parametrize(
    "result, error, text",
    [
        (
            lambda g: (g, g, g),
            RuntimeError,
            r"incorrect number of gradients \(expected 2, got 3\)",
        ),
        (lambda g: g, RuntimeError, r"incorrect number of gradients \(expected 2, got 1\)"),
        (lambda g: (g, g), RuntimeError, "different than None at position 2"),
        (lambda g: (3, None), RuntimeError, r"expected Variable or None \(got int\)"),
        (
            lambda g: (g[:1], None),
            RuntimeError,
            r"got \[1\] but expected shape compatible with \[2\]",
        ),
    ],
)
def test_wrong_results_of_backward(result, error, text):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, grad):
            return result(grad)

    with pytest.raises(error, match=text):
        Wrong.apply(leaf(1.0, 2.0), 2).sum().backward()


def test_what_must_be_implemented():
    class Empty(Function):
        pass

    class NoBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(NotImplementedError, match="forward function"):
        Empty.apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="backward or vjp"):
        NoBackward.apply(leaf(1.0)).backward()


def test_vjp_is_another_name_of_backward():
    class Vjp(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, grad):
            return grad * 2

    x = leaf(1.0)
    Vjp.apply(x).backward()
    assert x.grad.item() == 2.0


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    x = leaf(3.0)
    seed = leaf(1.0)
    (g,) = torch.autograd.grad(Once.apply(x), x, seed, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_saved_tensors_are_checked_and_freed():
    x = leaf(3.0)
    h = x * 1
    y = Square.apply(h)
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    y = Square.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.grad_fn.saved_tensors  # noqa: B018
    with pytest.raises(TypeError, match="can only save variables"):

        class SavesInt(Square):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(3)
                return x * 2

        SavesInt.apply(x)


def test_saving_an_output_makes_no_cycle():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            ctx.marker = Marker()
            refs.append(weakref.ref(ctx.marker))
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return grad * y

    class Marker:
        pass

    refs = []
    x = leaf(0.0)
    y = Exp.apply(x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert (g.item(), h.item()) == (1.0, 1.0)
    gc.disable()
    try:
        del y, g, h
        assert refs[0]() is None
    finally:
        gc.enable()


def test_a_cycle_through_ctx_is_collected():
    class Keeps(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.result = x * 2
            ctx.marker = Marker()
            refs.append(weakref.ref(ctx.marker))
            return ctx.result

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    class Marker:
        pass

    refs = []
    Keeps.apply(leaf(1.0))
    gc.collect()
    assert refs[0]() is None


def test_the_node_lives_while_its_object_is_held():
    node = Square.apply(leaf(1.0)).grad_fn
    gc.collect()
    assert node.name() == "SquareBackward"
    assert node.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
    assert node.saved_tensors[0].item() == 1.0


def test_a_chain_of_functions_is_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = Square.apply(y)
    del y


def test_hooks_on_a_function_node():
    x = leaf(1.0)
    y = Square.apply(x)
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10,))
    y.backward()
    assert x.grad.item() == 20.0
