"""Dual tensors."""

import pytest

import flambeau
import flambeau.autograd.forward_ad as fw
from flambeau.autograd import gradcheck

X = flambeau.tensor([0.5, -1.0, 2.0], dtype=flambeau.float64)
T = flambeau.tensor([1.0, 2.0, 3.0], dtype=flambeau.float64)


def close(a, b):
    flambeau.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_tangents_follow():
    with fw.dual_level():
        y = fw.unpack_dual((fw.make_dual(X, T).sin() * 2).sum())
    close(y.primal, (X.sin() * 2).sum())
    close(y.tangent, (2 * X.cos() * T).sum())


def test_what_has_no_tangent_is_a_plain_tensor():
    with fw.dual_level():
        made = flambeau.ones(2) * 2
        assert fw.unpack_dual(made).tangent is None
    assert made.numpy().tolist() == [2, 2]


def test_a_model_inside():
    layer = flambeau.nn.Linear(3, 2).double()
    with fw.dual_level():
        out = fw.unpack_dual(layer(fw.make_dual(X, T)))
    close(out.tangent, layer.weight @ T)
    out.tangent.sum().backward()
    close(layer.weight.grad, T.expand(2, 3))


def test_gradient_of_a_tangent():
    x = X.clone().requires_grad_()
    with fw.dual_level():
        fw.unpack_dual(fw.make_dual(x, T) ** 3).tangent.sum().backward()
    close(x.grad, 6 * X * T)


def test_backward_of_a_dual_tensor_is_refused():
    x = X.clone().requires_grad_()
    with fw.dual_level():
        y = (fw.make_dual(x, T) ** 2).sum()
        with pytest.raises(NotImplementedError, match="dual tensor"):
            y.backward()


def test_gradients_of_a_dual_tensor_have_tangents():
    x = X.clone().requires_grad_()
    with fw.dual_level():
        y = fw.make_dual(x, T)
        (g,) = flambeau.autograd.grad((y**3).sum() * y[0], y)
        g = fw.unpack_dual(g)
    f = lambda x: (x**3).sum() * x[0]  # noqa: E731
    close(g.primal, flambeau.func.grad(f)(X))
    close(g.tangent, flambeau.func.hessian(f)(X) @ T)


def test_gradients_of_a_constant_with_a_tangent_are_refused():
    w = flambeau.ones(3, dtype=X.dtype, requires_grad=True)
    with fw.dual_level(), pytest.raises(NotImplementedError, match="must require grad"):
        flambeau.autograd.grad((fw.make_dual(X, T) * w).sum(), w)


def test_views_and_in_place():
    with fw.dual_level():
        x = fw.make_dual(X.clone(), T.clone())
        x[0] = x[1] * 2
        x.mul_(3)
        out = fw.unpack_dual(x)
    close(out.primal, flambeau.tensor([-6.0, -3, 6], dtype=X.dtype))
    close(out.tangent, flambeau.tensor([12.0, 6, 9], dtype=X.dtype))


def test_detach_drops_the_tangent():
    with fw.dual_level():
        assert fw.unpack_dual(fw.make_dual(X, T).detach()).tangent is None


def test_levels_do_not_nest():
    with fw.dual_level(), pytest.raises(RuntimeError, match="Nested forward mode"):
        fw.enter_dual_level()


def test_after_the_level_it_is_the_value():
    with fw.dual_level():
        x = fw.make_dual(X, T)
    assert fw.unpack_dual(x).tangent is None
    close(x + 1, X + 1)


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: fw.make_dual(X, T), RuntimeError),
        (lambda: fw.exit_dual_level(level=3), RuntimeError),
        (lambda: inside(lambda: fw.make_dual(flambeau.arange(3), T)), ValueError),
        (lambda: inside(lambda: fw.make_dual(X, flambeau.arange(3))), ValueError),
        (lambda: inside(lambda: fw.make_dual(X, T[:2])), RuntimeError),
        (lambda: inside(lambda: X.clone().add_(fw.make_dual(X, T))), RuntimeError),
    ],
)
def test_errors(make, error):
    with pytest.raises(error):
        make()


def inside(f):
    with fw.dual_level():
        return f()


def test_a_function_of_the_old_style():
    class Square(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            return x * x

        @staticmethod
        def jvp(ctx, t):
            return 7 * t * ctx.saved_tensors[0]

    with fw.dual_level():
        out = fw.unpack_dual(Square.apply(fw.make_dual(X, T)))
    close(out.primal, X * X)
    close(out.tangent, 7 * T * X)


def test_gradcheck_checks_forward_mode_and_batches():
    x = X.clone().requires_grad_()
    options = {"check_forward_ad": True, "check_batched_forward_grad": True}
    options["check_batched_grad"] = True
    assert gradcheck(lambda t: (t.sin(), t.sum()), x, **options)
    assert gradcheck(lambda t: (t.sin(), t.sum()), x, fast_mode=True, **options)


def test_gradcheck_finds_a_wrong_tangent():
    class Wrong(flambeau.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g * 2

        @staticmethod
        def jvp(ctx, t):
            return t * 3

    x = X.clone().requires_grad_()
    assert gradcheck(Wrong.apply, x)
    assert not gradcheck(Wrong.apply, x, check_forward_ad=True, raise_exception=False)
