"""Nested levels, what crosses them, and what a call costs that no transform sees."""

import gc
import threading
import warnings
import weakref

import pytest

import flambeau
from flambeau import _C
from flambeau.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap

X = flambeau.tensor([0.5, -1.0, 2.0], dtype=flambeau.float64)


def close(a, b):
    flambeau.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_no_level_is_left_behind():
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1 / 0)(X)
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: 1 / 0)(X)
    with pytest.raises(ZeroDivisionError):
        jvp(lambda x: 1 / 0, (X,), (X,))
    assert _C._transform_level() is None
    assert (X + 1).tolist() == [1.5, 0, 3]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_grad_nests(depth):
    f = lambda x: x**6  # noqa: E731
    factor, power = 1, 6
    for _ in range(depth):
        f = grad(f)
        factor, power = factor * power, power - 1
    close(f(X[2]), factor * X[2] ** power)


@pytest.mark.parametrize(
    "order", ["grad jvp vmap", "vmap jvp grad", "jvp vmap grad", "vmap grad jvp"]
)
def test_orders_of_nesting(order):
    """x ** 4 * w, twice differentiated, for each x."""

    def along(f):
        return lambda x: jvp(f, (x,), (flambeau.ones_like(x),))[1]

    def over(f):
        return lambda x: vmap(f)(x.unsqueeze(0)).sum()

    wrap = {"grad": grad, "jvp": along, "vmap": over}
    f = lambda x: x**4 * 3  # noqa: E731
    for word in reversed(order.split()):
        f = wrap[word](f)
    close(f(X[0]), 36 * X[0] ** 2)


def test_captured_tensors_belong_to_their_level():
    # d/dx of (d/dy of x * y ** 2 at y = x): x * 2y has two parts.
    f = grad(lambda x: grad(lambda y: x * y**2)(x))
    close(f(X[2]), 4 * X[2])


def test_perturbations_are_not_confused():
    # The derivative by y of x + y is 1, whatever x is differentiated by.
    f = lambda x: x * jvp(lambda y: x + y, (X[0],), (flambeau.ones_like(X[0]),))[1]  # noqa: E731
    close(jvp(f, (X[1],), (flambeau.ones_like(X[1]),))[1], flambeau.ones_like(X[0]))


def test_leaves_outside_get_their_gradients():
    w = flambeau.ones(3, dtype=flambeau.float64, requires_grad=True)
    grad(lambda x: (x**2 * w).sum())(X).sum().backward()
    close(w.grad, 2 * X)
    w.grad = None
    vmap(lambda x: (x * w).sum())(X.expand(4, 3)).sum().backward()
    close(w.grad, 4 * X)
    w.grad = None
    jvp(lambda x: x * w, (X,), (flambeau.ones_like(X),))[1].sum().backward()
    close(w.grad, flambeau.ones_like(X))


def test_wrappers_print():
    seen = []
    grad(lambda x: seen.append(repr(x)) or x.sum())(flambeau.ones(2))
    vmap(lambda x: seen.append(repr(x)) or x)(flambeau.ones(2, 1))
    assert seen == [
        "GradTrackingTensor(lvl=1, value=\n    tensor([1., 1.])\n)",
        "BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[1.],\n            [1.]])\n)",
    ]


def test_plain_tensors_print_inside():
    plain, seen = flambeau.ones(2), []
    vmap(lambda x: seen.append(repr(plain)) or x)(flambeau.ones(2))
    assert seen == ["tensor([1., 1.])"]


def test_wrappers_are_freed():
    kept = []

    def f(x):
        y = x * 2
        kept.append(weakref.ref(y))
        return y.sum()

    grad(f)(flambeau.ones(2))
    vmap(f)(flambeau.ones(2, 2))
    jvp(f, (flambeau.ones(2),), (flambeau.ones(2),))
    gc.collect()
    assert [ref() for ref in kept] == [None] * 3


def test_levels_belong_to_their_thread():
    found = []

    def inside(x):
        other = threading.Thread(target=lambda: found.append(_C._transform_level()))
        other.start()
        other.join()
        return x.sum()

    grad(inside)(X)
    assert found == [None]


def test_threads_transform_at_once():
    results = {}

    def work(k):
        for _ in range(20):
            results[k] = vmap(grad(lambda x: (x**k).sum()))(X.expand(2, 3))

    threads = [threading.Thread(target=work, args=(k,)) for k in (2, 3, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in (2, 3, 4):
        close(results[k][1], k * X ** (k - 1))


def test_a_loop_says_so():
    op = flambeau.library.custom_op("func_tests::twice", mutates_args=())(twice)
    with pytest.warns(UserWarning, match="batching rule for func_tests::twice"):
        out = vmap(op)(X)
    close(out, 2 * X)


def twice(x: flambeau.Tensor) -> flambeau.Tensor:
    return x * 2


def test_inplace_geometry():
    def f(x):
        y = x * 1
        y.unsqueeze_(0).transpose_(0, 1).squeeze_(1)
        return y * 2

    close(vmap(f)(X.expand(2, 3)), 2 * X.expand(2, 3))
    close(grad(lambda x: f(x).sum())(X), flambeau.full_like(X, 2))
    close(jvp(f, (X,), (X,))[1], 2 * X)


def test_jacobians_agree():
    f = lambda x: (x.sin() * x.roll(1), x.exp().sum())  # noqa: E731
    for a, b in zip(jacrev(f)(X), jacfwd(f)(X)):
        close(a, b)
    g = lambda x: (x.sin() * x.roll(1)).sum()  # noqa: E731
    close(hessian(g)(X), jacrev(jacrev(g))(X))
    close(hessian(g)(X), jacfwd(jacfwd(g))(X))


def test_linearize_runs_the_function_once():
    runs = []

    def f(x):
        runs.append(1)
        return x.sin()

    y, push = linearize(f, X)
    close(push(X), X.cos() * X)
    close(push(X * 2), 2 * X.cos() * X)
    assert len(runs) == 1


def test_vjp_outlives_its_level():
    _, pull = vjp(lambda x: x.sin(), X)
    rows = flambeau.eye(3, dtype=X.dtype)
    close(vmap(lambda g: pull(g)[0])(rows), rows * X.cos())
    close(jvp(lambda g: pull(g)[0], (X,), (X,))[1], X.cos() * X)


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_randomness(randomness):
    def f(x):
        return (
            flambeau.randn(4),
            flambeau.rand_like(x),
            flambeau.bernoulli(flambeau.full((64,), 0.5)),
            flambeau.randperm(64),
            flambeau.nn.functional.dropout(x.repeat(64) + 1),
            x.clone().normal_(),
            flambeau.randint(0, 1000, (4,)),
        )

    flambeau.manual_seed(0)
    for out in vmap(f, randomness=randomness)(flambeau.zeros(2, 4)):
        assert out.shape[0] == 2
        assert flambeau.equal(out[0], out[1]) == (randomness == "same")


def test_random_in_place_on_a_tensor_of_all():
    with pytest.raises(RuntimeError, match="different inplace randomness on an unbatched tensor"):
        vmap(lambda x: x + flambeau.zeros(2).normal_(), randomness="different")(flambeau.zeros(3))


def test_chunks_draw_the_same():
    f = vmap(lambda x: x + flambeau.randn(2), randomness="same", chunk_size=2)
    out = f(flambeau.zeros(5, 2))
    assert all(flambeau.equal(row, out[0]) for row in out)


def test_item_under_grad_reads_the_value():
    assert grad(lambda x: x.sum() * x.sum().item())(flambeau.ones(2)).tolist() == [2, 2]


def test_constants_of_vmap_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vmap(lambda x: flambeau.arange(3))(flambeau.ones(2)).shape == (2, 3)


def test_dtypes_without_derivatives_are_refused():
    whole, x = flambeau.arange(3), flambeau.ones(3)
    for primal, tangent in ((whole, whole), (whole, x), (x, whole)):
        with pytest.raises(ValueError, match="to be floating point or complex"):
            jvp(lambda x: x * 2, (primal,), (tangent,))
    for f in (lambda x: (x * 2).long(), lambda x: x > 0):
        with pytest.raises(RuntimeError, match="All outputs of f must be floating-point"):
            jacrev(f)(x)
        with pytest.raises(RuntimeError, match="All outputs of f must be floating-point"):
            vjp(f, x)
        assert not jvp(f, (x,), (x,))[1].any()
