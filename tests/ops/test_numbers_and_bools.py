"""Numbers in the place of tensors, refusals of booleans, and methods whose self is not first."""

import pytest

import flambeau


def test_numbers_stand_for_either_operand_of_a_function():
    x = flambeau.tensor([1.0, 2.0])
    assert flambeau.add(2, x).tolist() == [3, 4]
    assert flambeau.sub(2, x).tolist() == [1, 0]
    assert flambeau.mul(2.0, x).tolist() == [2, 4]
    assert flambeau.true_divide(2, x).tolist() == [2, 1]
    assert flambeau.div(3, x, rounding_mode="floor").tolist() == [3, 1]
    assert flambeau.floor_divide(5, x).tolist() == [5, 2]
    assert flambeau.add(2, flambeau.tensor([1], dtype=flambeau.int8)).dtype is flambeau.int8


def test_other_functions_want_a_tensor_first():
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        flambeau.maximum(2, flambeau.ones(1))


@pytest.mark.parametrize(
    "call",
    [
        lambda b: -b,
        lambda b: flambeau.neg(b),
        lambda b: b - b,
        lambda b: 1.5 - b,
        lambda b: flambeau.ones(2) - b,
    ],
)
def test_what_booleans_have_no_meaning_for(call):
    with pytest.raises(RuntimeError, match="a bool tensor is not supported") as error:
        call(flambeau.tensor([True, False]))
    assert error.type is RuntimeError


def test_where_as_a_method():
    x, mask = flambeau.tensor([1.0, 2.0]), flambeau.tensor([True, False])
    assert x.where(mask, flambeau.tensor([5.0, 6.0])).tolist() == [1, 6]
    assert x.where(mask, 0).tolist() == [1, 0]
    assert x.where(condition=mask, other=flambeau.zeros(2)).tolist() == [1, 0]


def test_bounds_that_are_tensors():
    x = flambeau.tensor([-1.0, 0.5, 3.0], requires_grad=True)
    low = flambeau.tensor([0.0, 0.5, 0.0], requires_grad=True)
    high = flambeau.tensor([1.0, 1.0, 1.0], requires_grad=True)
    flambeau.clamp_max(flambeau.clamp_min(x, low), high).sum().backward()
    assert x.grad.tolist() == [0, 1, 0]
    assert low.grad.tolist() == [1, 0, 0]
    assert high.grad.tolist() == [0, 0, 1]
    assert flambeau.clamp(x, low, high).tolist() == [0, 0.5, 1]


def test_nonzero_as_a_tuple_indexes():
    x = flambeau.tensor([[0, 3], [4, 0]])
    where = x.nonzero(as_tuple=True)
    assert [w.tolist() for w in where] == [[0, 1], [1, 0]]
    assert x[where].tolist() == [3, 4]
    assert flambeau.nonzero(x).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("name", ["eq_", "logical_and_", "logical_xor_"])
def test_truth_in_a_complex_tensor(name):
    x = flambeau.tensor([1 + 1j, 0j])
    assert getattr(x, name)(flambeau.tensor([1 + 1j, 1j])).dtype is flambeau.complex64
    assert set(x.tolist()) <= {0j, 1 + 0j}


@pytest.mark.parametrize("value", [1j, 300])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_masked_fill_wants_a_value_that_the_dtype_holds(value, as_tensor):
    x = flambeau.tensor([1, 2], dtype=flambeau.uint8)
    with pytest.raises(RuntimeError, match="value cannot be converted"):
        x.masked_fill(flambeau.tensor(True), flambeau.tensor(value) if as_tensor else value)


def test_zero_dim_tensors_are_tensors_before_they_are_numbers():
    x, y = flambeau.tensor([2.0, 3.0], requires_grad=True), flambeau.tensor(2.0)
    assert (x**y).grad_fn.name() == "PowBackward1"
    assert (x**2).grad_fn.name() == "PowBackward0"


def test_numbers_alone_have_the_default_dtype():
    assert flambeau.where(flambeau.tensor(True), 2.0, 3.0).dtype is flambeau.float32
    assert flambeau.add(2.0, 3.0).dtype is flambeau.float32
    assert flambeau.add(2, 3).dtype is flambeau.int64
