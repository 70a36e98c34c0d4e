"""Lazily conjugated and negated tensors mean their values to every op."""

import copy
import io
import pickle

import numpy as np
import pytest

import flambeau

A = np.array([[1 + 2j, 3 - 1j], [0.5j, -2.0]])
B = np.array([[1j, 2.0], [3 - 3j, 1 + 1j]])


def lazy_conj(array):
    t = flambeau.tensor(array).conj()
    assert t.is_conj()
    return t


def lazy_neg(array):
    """The imaginary part of a conjugate, negated lazily."""
    t = flambeau.tensor(array * 1j).conj().imag
    assert t.is_neg()
    return t  # -array


FUNCTIONS = {
    "mul": (lambda x, y: x * y, lambda x, y: x * y),
    "exp": (lambda x, y: x.exp(), lambda x, y: np.exp(x)),
    "sum": (lambda x, y: x.sum(0), lambda x, y: x.sum(0)),
    "matmul": (lambda x, y: x @ y, lambda x, y: x @ y),
    "cat": (lambda x, y: flambeau.cat((y, x)), lambda x, y: np.concatenate((y, x))),
    "gather": (lambda x, y: x[[1, 0]], lambda x, y: x[[1, 0]]),
    "pow": (lambda x, y: x**2, lambda x, y: x**2),
    "permute": (lambda x, y: x.t() + y, lambda x, y: x.T + y),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name):
    ours, numpy = FUNCTIONS[name]
    b = flambeau.tensor(B)
    np.testing.assert_allclose(ours(lazy_conj(A), b).numpy(), numpy(A.conj(), B))
    np.testing.assert_allclose(ours(lazy_conj(A), lazy_conj(B)).numpy(), numpy(A.conj(), B.conj()))
    real = B.real.copy()
    got = ours(lazy_neg(A.real), flambeau.tensor(real))
    np.testing.assert_allclose(got.numpy(), numpy(-A.real, real))


def test_writing_goes_through_the_bit():
    x = flambeau.tensor(A)
    view = x.conj()
    assert view.mul_(2j) is view
    np.testing.assert_allclose(view.resolve_conj().numpy(), A.conj() * 2j)
    np.testing.assert_allclose(x.numpy(), (A.conj() * 2j).conj())
    view.fill_(1j)
    assert x.tolist() == [[-1j, -1j], [-1j, -1j]]


def test_out_keeps_its_bit():
    x = flambeau.zeros(2, 2, dtype=flambeau.complex128)
    out = x.conj()
    assert flambeau.add(flambeau.tensor(A), flambeau.tensor(B), out=out) is out
    assert out.is_conj()
    np.testing.assert_allclose(out.resolve_conj().numpy(), A + B)
    np.testing.assert_allclose(x.numpy(), (A + B).conj())


def test_gradients():
    x = flambeau.tensor(A, requires_grad=True)
    (x.conj() * flambeau.tensor(B)).sum().abs().backward()
    total = (A.conj() * B).sum()
    np.testing.assert_allclose(x.grad.numpy(), B * (total / abs(total)).conj())


@pytest.mark.parametrize("make", [lazy_conj, lazy_neg])
def test_copies_keep_the_bits(make):
    t = make(A)
    module = flambeau.nn.Module()
    module.register_buffer("t", t)
    file = io.BytesIO()
    flambeau.save([t], file)
    file.seek(0)
    copies = [
        copy.deepcopy(t),
        copy.deepcopy([t])[0],
        copy.deepcopy(module).t,
        pickle.loads(pickle.dumps(t)),
        flambeau.load(file)[0],
    ]
    for made in copies:
        assert (made.is_conj(), made.is_neg()) == (t.is_conj(), t.is_neg())
        assert flambeau.equal(made, t)
        assert made.untyped_storage().data_ptr() != t.untyped_storage().data_ptr()


def test_bits_are_not_read_as_another_dtype():
    conj, neg = lazy_conj(A), lazy_neg(A)
    for other in (flambeau.float64, flambeau.complex64, flambeau.int64):
        with pytest.raises(RuntimeError, match="view: a conjugated tensor cannot be viewed"):
            conj.view(other)
    for other in (flambeau.int64, flambeau.float32, flambeau.complex128):
        with pytest.raises(RuntimeError, match="view: a lazily negated tensor cannot be viewed"):
            neg.view(other)
    negated = flambeau._neg_view(flambeau.tensor(A))
    flambeau.view_as_real(negated).zero_()
    assert not negated.any()


@pytest.mark.parametrize(
    "call",
    [lambda f, z: f(z), lambda f, z: flambeau.func.vmap(f)(z)],
    ids=["plain", "vmap"],
)
def test_parts_of_a_conjugate_are_those_of_a_copy(call):
    z = flambeau.tensor(A)
    parts = call(lambda z: flambeau.view_as_real(z.conj()), z)
    assert flambeau.equal(parts, flambeau.view_as_real(z.conj().resolve_conj()))
    parts.zero_()
    assert flambeau.equal(z, flambeau.tensor(A))


@pytest.mark.parametrize("foreach", [False, None])
def test_adam_takes_a_gradient_that_is_a_conjugate(foreach):
    steps = []
    for grad in (flambeau.tensor(A).conj(), flambeau.tensor(A).conj().resolve_conj()):
        w = flambeau.tensor(A, requires_grad=True)
        w.grad = grad
        flambeau.optim.Adam([w], foreach=foreach).step()
        steps.append(w)
    assert flambeau.equal(*steps)


@pytest.mark.parametrize("name", ["T", "mT", "H", "mH"])
def test_transposes_are_not_assigned(name):
    x = flambeau.zeros(2, 3)
    with pytest.raises(AttributeError, match="not writable"):
        setattr(x, name, flambeau.ones(3, 2))
    assert not x.any()


def test_parts_are_assigned():
    z = flambeau.zeros(2, dtype=flambeau.complex64)
    z.real, z.imag = flambeau.ones(2), flambeau.tensor([2.0, 3.0])
    assert z.tolist() == [1 + 2j, 1 + 3j]


def test_booleans_take_no_lazy_negation():
    with pytest.raises(RuntimeError, match="_neg_view: booleans"):
        flambeau._neg_view(flambeau.tensor([True]))


@pytest.mark.parametrize(
    "dtype, value, negative",
    [
        ("int64", 2**53 + 1, -(2**53) - 1),
        ("int64", -(2**63), -(2**63)),
        ("uint8", 3, 253),
        ("uint8", 0, 0),
        ("int8", -128, -128),
        ("int16", 5, -5),
        ("float32", 2.5, -2.5),
    ],
)
def test_a_negated_number_is_read_as_it_is(dtype, value, negative):
    t = flambeau._neg_view(flambeau.tensor(value, dtype=getattr(flambeau, dtype)))
    read = [t.item(), t.tolist(), t.view(1).tolist()[0], t.resolve_neg().item()]
    assert read == [negative] * 4 and {type(v) for v in read} == {type(value)}
    assert int(t) == int(negative)
