"""In-place ops under transforms on what a formula has kept."""

import pytest

import flambeau
from flambeau.func import grad, hessian, jacfwd, jacrev, vmap

MODIFIED = "modified by an inplace operation"
W = flambeau.arange(6.0).reshape(3, 2) + 1
X = flambeau.arange(12.0).reshape(2, 2, 3) / 10

GEOMETRY = {
    "t_": lambda y: y.t_(),
    "transpose_": lambda y: y.transpose_(0, 1),
    "swapaxes_": lambda y: y.swapaxes_(0, 1),
    "swapdims_": lambda y: y.swapdims_(0, 1),
    "as_strided_": lambda y: y.as_strided_((3, 2), (1, 3)),
    "squeeze_": lambda y: y.squeeze_(),
    "unsqueeze_": lambda y: y.unsqueeze_(0),
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_counts_as_a_change(name):
    def output(x):
        y = x.exp()
        GEOMETRY[name](y)
        return (y * 2).sum()

    def given(x):
        y = x * 2
        z = y * y
        GEOMETRY[name](y)
        return z.sum()

    for f in (output, given):
        with pytest.raises(RuntimeError, match=MODIFIED):
            vmap(grad(f))(X)
        with pytest.raises(RuntimeError, match=MODIFIED):
            grad(lambda x, f=f: vmap(f)(x).sum())(X)


def test_geometry_of_what_nobody_has_kept():
    def f(x):
        y = x * 3
        y.t_()
        return (y * W).sum()

    expected = 3 * W.t().expand(2, 2, 3)
    flambeau.testing.assert_close(vmap(grad(f))(X), expected)
    flambeau.testing.assert_close(grad(lambda x: vmap(f)(x).sum())(X), expected)


OPS = ["exp_", "sigmoid_", "tanh_", "relu_", "sqrt_", "rsqrt_", "reciprocal_"]
VIEWS = {
    "view": lambda y: y.view(-1),
    "select": lambda y: y[0],
    "slice": lambda y: y[:, 1:],
    "t": lambda y: y.t(),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("op", OPS)
def test_a_view_whose_result_is_kept(op, view):
    def written(x):
        y = x * 1
        getattr(VIEWS[view](y), op)()
        return (y * y).sum()

    mask = VIEWS[view](grown := flambeau.zeros(2, 3)).fill_(1) is not None and grown

    def apart(x):
        y = flambeau.where(mask > 0, getattr(x, op[:-1])(), x)
        return (y * y).sum()

    xs = X + 0.5
    close = flambeau.testing.assert_close
    close(grad(written)(xs[0]), grad(apart)(xs[0]))
    close(vmap(grad(written))(xs), vmap(grad(apart))(xs))
    close(jacrev(grad(written))(xs[0]), jacrev(grad(apart))(xs[0]))
    close(hessian(written)(xs[0]), hessian(apart)(xs[0]))
    close(jacfwd(jacrev(written))(xs[0]), hessian(apart)(xs[0]))
