"""Forward mode through functions that write in place: where they start from has no tangent."""

import pytest

import flambeau
from flambeau.autograd import forward_ad
from flambeau.func import jacfwd, jacrev, jvp, vmap

X = flambeau.tensor([1.0, 2.0, 3.0], dtype=flambeau.float64)
D = flambeau.float64


def set_item(x):
    y = flambeau.zeros(3, dtype=D)
    y[1] = x[0] ** 2
    return y


def add_to_part(x):
    y = flambeau.zeros_like(x)
    y[1:] += x[1:] * x[0]
    y[0] = x[2] ** 2
    return y


def copy(x):
    y = x.new_zeros(3)
    y.copy_(x * x)
    y *= x
    return y


def multiply_twice(x):
    y = x.clone()
    y.mul_(x)
    y.mul_(x)
    return y


def transposed_row(x):
    y = flambeau.zeros(3, 3, dtype=D)
    y.t()[0] = x
    y[0].mul_(x.sin())
    return y


def put(x):
    y = x.new_ones(3)
    y.index_put_((flambeau.tensor([0, 2]),), x[:2] * x[1])
    return y


def masked(x):
    y = flambeau.ones(3, dtype=D)
    y.masked_fill_(flambeau.tensor([True, False, True]), x[0] ** 2)
    y[flambeau.tensor([False, True, False])] = x[:1]
    return y


def index_add(x):
    y = flambeau.zeros(3, dtype=D)
    y.index_add_(0, flambeau.tensor([0, 1, 0]), x * x)
    y.add_(x)
    return y


def scattered(x):
    y = flambeau.zeros(4, dtype=D)
    y.scatter_(0, flambeau.tensor([3, 1, 0]), x.exp())
    return y


def view_of_result(x):
    y = x * 2
    part = y[1:]
    part.mul_(x[:2])
    y[0] = part.sum()
    return y


def rows(x):
    y = flambeau.empty(2, 3, dtype=D)
    y[0].copy_(x)
    y[1].copy_(x**2)
    return y.prod(0)


def fill(x):
    y = flambeau.zeros(3, dtype=D)
    y.fill_(x[0] * x[1])
    return y


def diagonal(x):
    y = flambeau.zeros(2, 2, dtype=D)
    y.diagonal().copy_(x[:2] ** 2)
    y.sub_(x[0])
    return y


def chain(x):
    y = flambeau.zeros(3, dtype=D)
    y.addcmul_(x, x)
    y.pow_(2)
    y.clamp_(0, 50)
    return y


FUNCTIONS = [set_item, add_to_part, copy, multiply_twice, transposed_row, put, masked, index_add]
FUNCTIONS += [scattered, view_of_result, rows, fill, diagonal, chain]


def close(a, b):
    flambeau.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_jacobians(f):
    right = jacrev(f)(X)
    close(jacfwd(f)(X), right)
    vectorized = flambeau.autograd.functional.jacobian(
        f, X, vectorize=True, strategy="forward-mode"
    )
    close(vectorized, right)
    columns = [jvp(f, (X,), (row,))[1] for row in flambeau.eye(3, dtype=D)]
    close(flambeau.stack(columns, -1), right)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_second_derivatives(f):
    right = jacrev(jacrev(f))(X)
    for outer, inner in ((jacfwd, jacfwd), (jacrev, jacfwd), (jacfwd, jacrev)):
        close(outer(inner(f))(X), right)
    of_sum = lambda x: f(x).sum()  # noqa: E731
    vectorized = flambeau.autograd.functional.hessian(
        of_sum, X, vectorize=True, outer_jacobian_strategy="forward-mode"
    )
    close(vectorized, jacrev(jacrev(of_sum))(X))


# In-place ops that read what they write, beside what they compute.
READS_ITS_TARGET = {
    "mul_": (lambda y: y.mul_(y), lambda x: x * x),
    "div_": (lambda y: y.div_(y), lambda x: x / x),
    "pow_": (lambda y: y.pow_(y), lambda x: x**x),
    "lerp_": (lambda y: y.lerp_(y * 2, y), lambda x: flambeau.lerp(x, x * 2, x)),
    "addcdiv_": (lambda y: y.addcdiv_(y, y), lambda x: flambeau.addcdiv(x, x, x)),
    "clamp_": (lambda y: y.clamp_(max=y), lambda x: x.clamp(max=x)),
    "a view": (lambda y: y.mul_(y.view(3)), lambda x: x * x),
    "matrix": (
        lambda y: y.expand(1, 3).clone().addmm_(y.view(1, 3), y.view(3, 1) @ y.view(1, 3)),
        lambda x: x.view(1, 3) + x.view(1, 3) @ (x.view(3, 1) @ x.view(1, 3)),
    ),
    "list": (
        lambda y: y.index_put_((flambeau.tensor([0, 1, 2]),), y.clone(), True),
        lambda x: x * 2,
    ),
}


@pytest.mark.parametrize("name", READS_ITS_TARGET)
def test_what_reads_its_own_target(name):
    change, same = READS_ITS_TARGET[name]

    def f(x):
        y = x * 1
        changed = change(y)
        return changed if changed.dim() > 1 else changed[:1]

    def g(x):
        out = same(x)
        return out if out.dim() > 1 else out[:1]

    close(jacfwd(f)(X), jacfwd(g)(X))
    close(jacfwd(jacfwd(f))(X), jacfwd(jacfwd(g))(X))
    if name != "pow_":  # its own gradient wants what it has overwritten: an error in reverse mode
        close(jacrev(jacfwd(f))(X), jacrev(jacfwd(g))(X))
    row = flambeau.tensor([1.0, -2.0, 0.5], dtype=D)
    with forward_ad.dual_level():
        made = f(forward_ad.make_dual(X, row))
        close(forward_ad.unpack_dual(made).tangent, jvp(g, (X,), (row,))[1])


def test_a_part_that_reads_another_part_of_its_memory():
    def f(x):
        y = x * 1
        y[1:].mul_(y[:1])
        return y

    close(jacfwd(f)(X), jacrev(lambda x: flambeau.cat([x[:1], x[1:] * x[:1]]))(X))


def test_a_batch_that_reads_its_own_target():
    batch = flambeau.stack([X, X + 1])
    slopes = vmap(lambda x: jvp(lambda v: (v * 1).mul_(x).pow_(2), (x,), (x,))[1])(batch)
    close(slopes, 2 * batch**4)
    own = vmap(lambda x: jvp(lambda v: READS_ITS_TARGET["mul_"][0](v * 1), (x,), (x,))[1])(batch)
    close(own, 2 * batch**2)


DIRECTION = flambeau.tensor([1.0, 0.5, 2.0], dtype=D)


@pytest.mark.parametrize(
    "f", [add_to_part, copy, multiply_twice, put, view_of_result], ids=lambda f: f.__name__
)
def test_a_batch_with_a_direction_that_is_the_same_for_all(f):
    xs = flambeau.stack([X, X * 0.5])
    each = flambeau.stack([jvp(f, (x,), (DIRECTION,))[1] for x in xs])
    close(vmap(lambda x: jvp(f, (x,), (DIRECTION,))[1])(xs), each)
    close(vmap(jacfwd(f))(xs), flambeau.stack([jacrev(f)(x) for x in xs]))


@pytest.mark.parametrize("op", ["sin_", "relu_", "exp_", "neg_", "sigmoid_"])
def test_a_batch_under_views_that_were_there_before(op):
    def f(x):
        y = x * 1
        part, other = y[:2], y[1:]
        getattr(part, op)()
        other.mul_(x[:2])
        return y * part.sum() + other.sum()

    xs = flambeau.stack([X, X * 0.5, -X])
    close(vmap(jacfwd(f))(xs), flambeau.stack([jacfwd(f)(x) for x in xs]))
    close(vmap(jacfwd(jacfwd(f)))(xs), flambeau.stack([jacfwd(jacfwd(f))(x) for x in xs]))


def test_complex_tangents_that_need_the_batch():
    def whole(x):
        y = x * (1 + 2j)
        y.sin_()
        return y.imag

    def views(x):
        y = x * (1 + 2j)
        shown, conjugate = y.imag, y.conj()
        y.sin_()
        conjugate.mul_(x)
        return shown + conjugate.imag.clone().square_() + flambeau.view_as_real(y)[:, 0]

    xs = flambeau.stack([X, X * 0.5])
    for f in (whole, views):
        close(vmap(jacfwd(f))(xs), flambeau.stack([jacrev(f)(x) for x in xs]))


def test_a_view_that_was_there_before_its_base_had_a_tangent():
    def f(x, q):
        x = x.clone()
        part = x[:1]
        x.mul_(q)
        return part

    xs = flambeau.stack([X, X * 2])
    value, tangent = vmap(lambda x, y: jvp(lambda q: f(x, q), (y,), (y,)))(xs, xs)
    close(value, (xs * xs)[:, :1])
    close(tangent, (xs * xs)[:, :1])


PARTS = {"real": lambda t: t.real, "imag": lambda t: t.imag}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_parts_of_a_conjugate_are_views_of_its_base(part):
    z = flambeau.tensor([1 + 2j, 3 - 1j], dtype=flambeau.complex128)
    dz = flambeau.tensor([1 + 1j, 2 + 0.5j], dtype=flambeau.complex128)

    def below(x):  # its base is written after the view is there
        y = x.clone()
        shown = part(y.conj())
        y.mul_(2j)
        return shown * 1

    def through(x):
        y = x.clone()
        part(y.conj()).mul_(3)
        return flambeau.view_as_real(y * 1)

    def late(x):  # and has no tangent until then
        y = flambeau.zeros(2, dtype=flambeau.complex128)
        shown = part(y.conj())
        y.copy_(x)
        return shown * 1

    for f in (below, through, late):
        value, tangent = jvp(f, (z,), (dz,))
        assert flambeau.equal(value, f(z)) and flambeau.equal(tangent, f(dz)), f.__name__
    for f in (below, through):
        both = vmap(f)(flambeau.stack([z, dz]))
        assert flambeau.equal(both[0], f(z)) and flambeau.equal(both[1], f(dz)), f.__name__
        right = flambeau.autograd.functional.jacobian(f, z)
        assert flambeau.equal(jacrev(f)(z), right), f.__name__


def conjugate_then_base(x):
    y = x * (1 + 2j)
    conjugate = y.conj()
    y.sin_()
    return conjugate.imag


def base_through_conjugate(x):
    y = x * (1 + 2j)
    y.conj().mul_(x)
    return y.imag


def part_then_base(x):
    y = x * (1 + 2j)
    shown = y.imag
    y.sin_()
    return shown * 1


def both_ways(x):
    y = x * (1 + 2j)
    conjugate = y.conj()
    y.sin_()
    conjugate.mul_(x)
    return conjugate.imag * 1


@pytest.mark.parametrize(
    "f", [conjugate_then_base, base_through_conjugate, part_then_base, both_ways]
)
def test_conjugates_written_in_every_mode(f):
    right = flambeau.autograd.functional.jacobian(f, X)
    step = 1e-6
    moved = [(f(X + step * e) - f(X - step * e)) / (2 * step) for e in flambeau.eye(3, dtype=D)]
    flambeau.testing.assert_close(right, flambeau.stack(moved, 1), rtol=1e-6, atol=1e-6)
    close(jacrev(f)(X), right)
    close(jacfwd(f)(X), right)
    xs = flambeau.stack([X, X * 0.5])
    close(vmap(jacfwd(f))(xs)[0], right)
