"""The functions of flambeau.functional, against NumPy."""

import random

import numpy as np
import pytest

import flambeau
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck


def double(*shape, seed=0, requires_grad=False):
    array = np.random.default_rng(seed).standard_normal(shape)
    return flambeau.tensor(array, requires_grad=requires_grad)


# ---- split


def test_split_into_equal_parts_and_into_sizes():
    x = flambeau.arange(10)
    assert [p.tolist() for p in flambeau.split(x, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [p.tolist() for p in flambeau.split(x, [3, 0, 7])] == [[0, 1, 2], [], list(range(3, 10))]
    assert isinstance(flambeau.split(x, 5), tuple)
    matrix = double(4, 6)
    for ours, theirs in zip(flambeau.split(matrix, 2, 1), np.split(matrix.numpy(), 3, 1)):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_parts_are_views():
    x = flambeau.zeros(6)
    flambeau.split(x, 2)[1].fill_(1)
    flambeau.split(x, [5, 1])[1].fill_(2)
    assert x.tolist() == [0, 0, 1, 1, 0, 2]


def test_split_errors():
    x = flambeau.arange(10)
    for sizes, text in [([3, 3], "sum exactly"), (0, "can only be 0"), (-1, "non-negative")]:
        with pytest.raises(RuntimeError, match=text):
            flambeau.split(x, sizes)
    with pytest.raises(TypeError):
        flambeau.split(x, [2.5])
    with pytest.raises(RuntimeError, match="1-dimensional"):
        flambeau.split(flambeau.tensor(1.0), 1)


# ---- einsum

SHAPES = {"i": 2, "j": 3, "k": 4, "b": 2, "c": 1}

EQUATIONS = [
    *"ij,jk->ik ij,jk ij,jk->ki ij,jk-> ij->ji ij-> ij->j ii->i ii iij->ij iijj->ji".split(),
    *"i,j->ij i,i-> i,i->i i,ij,j-> bij,bjk->bik bij,bkj->bik bic,bjc->bij ij,jk,kb->ib".split(),
    *"ij,ij,ij->ij ijk,kji->j bi,bj,bk->bijk c,ic->i -> ,->".split(),
    " i j , j k -> i k ",
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation):
    terms = equation.replace(" ", "").split("->")[0].split(",")
    operands = [double(*(SHAPES[c] for c in t), seed=i) for i, t in enumerate(terms)]
    expected = np.einsum(equation.replace(" ", ""), *(o.numpy() for o in operands))
    np.testing.assert_allclose(flambeau.einsum(equation, *operands).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
        ("...j,jk", [(2, 3), (3, 4)]),
        ("a...b->b...a", [(2, 3, 4)]),
        ("i...,...i->...", [(2, 3), (4, 3, 2)]),
        ("...ii->...i", [(4, 3, 3)]),
    ],
)
def test_einsum_with_an_ellipsis(equation, shapes):
    operands = [double(*s, seed=i) for i, s in enumerate(shapes)]
    expected = np.einsum(equation, *(o.numpy() for o in operands))
    np.testing.assert_allclose(flambeau.einsum(equation, *operands).numpy(), expected, atol=1e-12)


def test_einsum_of_random_equations():
    choose = random.Random(0)
    for _ in range(200):
        sizes = {c: choose.choice([1, 2, 3]) for c in "abcde"}
        terms = ["".join(choose.choices("abcde", k=choose.randrange(4))) for _ in range(3)]
        letters = sorted(set("".join(terms)))
        output = "".join(choose.sample(letters, choose.randrange(len(letters) + 1)))
        operands = [double(*(sizes[c] for c in t), seed=i) for i, t in enumerate(terms)]
        equation = f"{','.join(terms)}->{output}"
        expected = np.einsum(equation, *(o.numpy() for o in operands))
        result = flambeau.einsum(equation, *operands)
        np.testing.assert_allclose(result.numpy(), expected, atol=1e-10, err_msg=equation)


def test_einsum_with_lists_of_dimensions():
    a, b = double(2, 3), double(3, 4, seed=1)
    product = a.numpy() @ b.numpy()
    for result in (
        flambeau.einsum(a, [0, 1], b, [1, 2]),
        flambeau.einsum(a, [0, 40], b, [40, 51], [0, 51]),
        flambeau.einsum(a, [..., 1], b, [1, 2], [..., 2]),
        flambeau.einsum("ij,jk", [a, b]),
    ):
        np.testing.assert_allclose(result.numpy(), product)
    with pytest.raises(ValueError, match="valid range"):
        flambeau.einsum(a, [0, 52])


def test_einsum_of_one_operand_is_a_view():
    a = double(2, 3)
    assert flambeau.einsum("ij->ji", a).data_ptr() == a.data_ptr()


def test_einsum_broadcasts_dimensions_of_size_one():
    a, b = double(2, 3), double(1, 3, seed=1)
    np.testing.assert_array_equal(flambeau.einsum("ij,ij->ij", a, b).numpy(), a.numpy() * b.numpy())


def test_einsum_follows_a_path():
    a, b, c = double(2, 3), double(3, 4, seed=1), double(4, 5, seed=2)
    result = flambeau.ops.aten.einsum("ij,jk,kl->il", [a, b, c], path=[1, 2, 0, 1])
    np.testing.assert_allclose(result.numpy(), a.numpy() @ (b.numpy() @ c.numpy()))


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        ("ij", "more operands"),
        ("ij,jk,kl", "fewer operands"),
        ("ij,jk->iz", "z does not appear"),
        ("ij,jk->ii", "i appears more than once"),
        ("ij,jk->i->j", "invalid subscript given at index 8"),
        ("i1,jk", "invalid subscript given at index 1"),
        ("ijk,jk", r"number of subscripts in the equation \(3\)"),
        ("..ij,jk", "not part of any ellipsis"),
        ("...i...,jk", "already found"),
        ("ij,ik", "i has size 3 for operand 1"),
        ("ii,jk", "i is repeated for operand 0"),
        ("ij,kk", "k is repeated for operand 1"),
    ],
)
def test_einsum_errors(equation, text):
    with pytest.raises(RuntimeError, match=text):
        flambeau.einsum(equation, double(2, 3), double(3, 4))


def test_einsum_argument_errors():
    with pytest.raises(ValueError, match="equation string"):
        flambeau.einsum("ij")
    with pytest.raises(TypeError, match="must be str, not int"):
        flambeau.einsum(1, double(2, 3))
    with pytest.raises(RuntimeError, match="expected scalar type"):
        flambeau.einsum("i,i", double(2), double(2).to(flambeau.float32))


def test_einsum_gradients():
    a, b = double(2, 3, requires_grad=True), double(3, 4, seed=1, requires_grad=True)
    for equation in ("ij,jk->ik", "ij,jk->j", "ij,jk->", "ij,jk->ijk"):
        f = lambda a, b, e=equation: flambeau.einsum(e, a, b) ** 2  # noqa: E731
        assert gradcheck(f, (a, b))
        assert gradgradcheck(f, (a, b))
    square = double(3, 3, requires_grad=True)
    assert gradcheck(lambda s: flambeau.einsum("ii->i", s) ** 2, (square,))


# ---- broadcasting


def test_broadcast_shapes():
    assert flambeau.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    assert flambeau.broadcast_shapes((0,), (1,)) == (0,)
    assert flambeau.broadcast_shapes() == ()
    assert isinstance(flambeau.broadcast_shapes((2,)), flambeau.Size)
    with pytest.raises(RuntimeError, match="length 3 at -1"):
        flambeau.broadcast_shapes((2,), (3,))
    with pytest.raises(ValueError, match="negative"):
        flambeau.broadcast_shapes((-1,))


def test_broadcast_tensors():
    a, b = double(2, 1), double(3, seed=1)
    x, y = flambeau.broadcast_tensors(a, b)
    for ours, theirs in zip((x, y), np.broadcast_arrays(a.numpy(), b.numpy())):
        np.testing.assert_array_equal(ours.numpy(), theirs)
    assert x.data_ptr() == a.data_ptr()
    with pytest.raises(RuntimeError):
        flambeau.broadcast_tensors(double(2), double(3))


# ---- norm and argwhere


@pytest.mark.parametrize("p", ["fro", 2, 1, float("inf"), 3.5])
@pytest.mark.parametrize("dim", [None, 0, (0, 1)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_norm(p, dim, keepdim):
    x = double(3, 4)
    order = 2 if p == "fro" else p
    magnitude = np.abs(x.numpy())
    if order == float("inf"):
        expected = magnitude.max(axis=dim, keepdims=keepdim)
    else:
        expected = (magnitude**order).sum(axis=dim, keepdims=keepdim) ** (1 / order)
    np.testing.assert_allclose(flambeau.norm(x, p, dim, keepdim).numpy(), expected, rtol=1e-12)


def test_norm_options():
    x = double(3, 4).to(flambeau.float32)
    assert flambeau.norm(x, dtype=flambeau.float64).dtype == flambeau.float64
    out = flambeau.empty(0)
    assert flambeau.norm(x, 1, 0, out=out) is out
    with pytest.raises(NotImplementedError, match="nuc"):
        flambeau.norm(x, "nuc")
    with pytest.raises(RuntimeError, match="2-tuple"):
        flambeau.norm(double(2, 2, 2), "fro", (0, 1, 2))


def test_argwhere():
    assert flambeau.argwhere(flambeau.tensor([[0, 1], [2, 0]])).tolist() == [[0, 1], [1, 0]]


# ---- __torch_function__


class Recording(flambeau.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("split", (1,)),
        ("unique", ()),
        ("unique_consecutive", ()),
        ("norm", ()),
        ("broadcast_tensors", ()),
    ],
)
def test_subclasses_may_answer(name, args):
    x = flambeau.ones(2).as_subclass(Recording)
    assert getattr(flambeau, name)(x, *args) == name
    assert flambeau.einsum("i,i", flambeau.ones(2), x) == "einsum"
