"""Largest and smallest elements of dtypes without an order, and of no elements."""

import pytest

import flambeau as torch

COMPLEX = torch.tensor([1j, 2])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("dim", [(), (0,)])
def test_places_are_of_numbers_with_an_order(name, dim):
    find = getattr(torch, name)
    for kind, x in (("bool", torch.tensor([True, False])), ("complex", COMPLEX)):
        with pytest.raises(RuntimeError, match=rf"{name}\(\): does not support {kind}") as caught:
            find(x, *dim)
        assert caught.type is RuntimeError


@pytest.mark.parametrize("name", ["max", "min"])
def test_complex_numbers_have_no_largest(name):
    with pytest.raises(RuntimeError, match=rf"{name}\(\): does not support complex") as caught:
        getattr(torch, name)(COMPLEX, 0)
    assert caught.type is RuntimeError
    with pytest.raises(NotImplementedError, match="complex numbers have no order"):
        getattr(torch, name)(COMPLEX)


def test_no_elements():
    with pytest.raises(IndexError, match="Expected reduction dim 0 to have non-zero size"):
        torch.aminmax(torch.zeros(0, 3), dim=0)
    with pytest.raises(RuntimeError, match="Expected reduction dim to be specified"):
        torch.aminmax(torch.zeros(0, 3))
    for find in (torch.amin, torch.amax):
        none = torch.zeros(0, 3, dtype=torch.complex64)
        with pytest.raises(IndexError, match="Expected reduction dim 0 to have non-zero size"):
            find(none, 0)
        assert find(none, 1).shape == (0,) and find(none, 1).dtype == torch.complex64
        with pytest.raises(NotImplementedError, match="complex numbers have no order"):
            find(COMPLEX, 0)
