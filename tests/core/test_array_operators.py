"""Operators between tensors and NumPy's arrays: the values are NumPy's, the result is a tensor."""

import operator

import numpy as np
import pytest

import flambeau

ARITHMETIC = "add sub mul truediv floordiv mod pow".split()
BITS = "and_ or_ xor lshift rshift".split()
COMPARISONS = "lt le eq ne gt ge".split()
X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=np.float32)


def check(name, left, right):
    """``left`` and ``right`` are arrays; either becomes a tensor in turn."""
    function = getattr(operator, name)
    expected = function(left, right)
    for result in (
        function(flambeau.from_numpy(left), right),
        function(left, flambeau.from_numpy(right)),
    ):
        assert type(result) is flambeau.Tensor
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name, dtype):
    check(name, X, np.array([2, 1, 3], dtype=dtype))


@pytest.mark.parametrize("name", BITS)
def test_bits(name):
    check(name, np.array([[6, 5]]), np.array([[3], [1]]))


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_give_truth_values(name):
    check(name, X, np.array([2.0, 2.0, 2.0]))
    assert getattr(operator, name)(flambeau.from_numpy(X), X).dtype == flambeau.bool


def test_products():
    check("matmul", X, np.ones((3, 2), np.float32))


def test_dtypes_are_promoted_as_numpy_does():
    assert (flambeau.ones(3) + np.ones(3)).dtype == flambeau.float64
    assert (flambeau.ones(3) + np.ones(3, np.int64)).dtype == flambeau.float64
    assert (np.ones(3, np.float32) * flambeau.ones(3)).dtype == flambeau.float32
    # As in PyTorch, truth values come back from NumPy as numbers.
    assert (flambeau.tensor([True]) & np.array([True])).dtype == flambeau.uint8


def test_in_place_makes_a_new_tensor_as_in_pytorch():
    x = before = flambeau.ones(2)
    x += np.array([1.0, 2.0])
    assert x is not before and x.tolist() == [2.0, 3.0] and before.tolist() == [1.0, 1.0]


def test_ufuncs_give_tensors():
    assert type(np.sin(flambeau.zeros(2))) is flambeau.Tensor
    fraction, whole = np.modf(flambeau.tensor([1.5]))
    assert type(whole) is flambeau.Tensor and fraction.item() == 0.5


def test_what_numpy_cannot_see_is_refused():
    with pytest.raises(RuntimeError, match="requires grad"):
        flambeau.ones(2, requires_grad=True) * np.ones(2)
    with pytest.raises(RuntimeError, match="requires grad"):
        np.ones(2) - flambeau.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="bfloat16"):
        flambeau.ones(2, dtype=flambeau.bfloat16) * np.ones(2)
    with pytest.raises(ValueError):
        flambeau.ones(2) * np.ones(3)
    with pytest.raises(RuntimeError, match="size"):
        operator.eq(flambeau.ones(2), np.ones(3))
    with pytest.raises(TypeError):
        operator.lt(flambeau.ones(2), np.array(["a", "b"]))


def test_the_complement_of_truth_values():
    mask = flambeau.tensor([True, False])
    assert (~mask).tolist() == [False, True] and (~mask).dtype == flambeau.bool
    assert flambeau.bitwise_not(mask).view(flambeau.uint8).tolist() == [0, 1]
    assert mask.bitwise_not_().tolist() == [False, True]
    big = flambeau.arange(1000) % 2 == 0
    assert (~big).tolist() == [i % 2 == 1 for i in range(1000)]
    assert (~big[::3]).tolist() == [i % 2 == 1 for i in range(0, 1000, 3)]


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arrays_of_no_dimensions_are_arrays(name):
    for dtype in (np.float32, np.float64, np.int64, np.int8):
        check(name, X, np.array(2, dtype=dtype))
        got = getattr(operator, name)(flambeau.from_numpy(X), np.array(2, dtype=dtype))
        assert got.numpy().dtype == getattr(operator, name)(X, np.array(2, dtype=dtype)).dtype


def test_dtypes_with_an_array_of_no_dimensions():
    x = flambeau.ones(2)
    assert (x + np.array(1)).dtype == flambeau.float64 == (np.array(1) + x).dtype
    assert (x * np.array(1, np.float32)).dtype == flambeau.float32
    # NumPy's numbers are numbers.
    assert (x + np.float64(1)).dtype == flambeau.float32 == (np.int64(1) * x).dtype
    before = x
    x += np.array(1.0)
    assert x is not before and x.dtype == flambeau.float64 and before.tolist() == [1.0, 1.0]
    x **= np.array(2)
    assert x.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        flambeau.ones(2, requires_grad=True) + np.array(1.0)
