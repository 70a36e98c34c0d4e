"""Bytes other than 0 and 1 as truth values, which come from views and from other libraries."""

import numpy as np
import pytest

import flambeau as torch

LENGTHS = [1, 6, 300]


def operands(n):
    """Truth values of odd bytes, and what they stand for."""
    rng = np.random.default_rng(n)
    raw = rng.choice(np.array([0, 0, 1, 2, 3, 128, 254, 255], dtype=np.uint8), n)
    return torch.tensor(raw).view(torch.bool), raw != 0


def same(result, want):
    """Bytes that are read as numbers must be 0 and 1."""
    bytes_ = result.contiguous().view(torch.uint8).numpy()
    assert np.array_equal(bytes_, np.asarray(want).astype(np.uint8))


BINARY = {
    "__and__": np.bitwise_and,
    "__or__": np.bitwise_or,
    "__xor__": np.bitwise_xor,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "__mul__": np.multiply,
    "__add__": np.add,
}


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("name", list(BINARY))
def test_two_truth_values(name, n):
    (a, x), (b, y) = operands(n), operands(n + 1)
    b, y = b[1:], y[1:]
    call = getattr(torch.Tensor, name)
    same(call(a, b), BINARY[name](x, y))
    same(call(a.clone(), a), BINARY[name](x, x))
    for value in (False, True):
        same(call(a, torch.tensor(value)), BINARY[name](x, value))
        if not name.startswith("logical"):  # which take tensors alone
            same(call(a, value), BINARY[name](x, value))
    two = torch.tensor([2], dtype=torch.uint8).view(torch.bool)
    same(call(a, two), BINARY[name](x, True))
    same(call(two, a), BINARY[name](True, x))
    pair = torch.stack([a, b], 1)
    same(call(pair[:, 0], pair[:, 1]), BINARY[name](x, y))


@pytest.mark.parametrize("n", LENGTHS)
def test_one_truth_value(n):
    a, x = operands(n)
    same(~a, ~x)
    same(a.clone().bitwise_not_(), ~x)
    same(a.logical_not(), ~x)
    same(torch.maximum(a, a.flip(0)) != 0, x | x[::-1])
    same(a.any(), x.any())
    same(a.all(), x.all())
    assert a.sum().item() == x.sum()
    assert torch.equal(a, torch.tensor(x))
    assert (a.to(torch.float32).numpy() == x).all()


def test_sums_and_products_by_index():
    a, x = operands(300)
    index = torch.tensor(np.random.default_rng(1).integers(0, 40, 300))
    want = np.zeros(40, dtype=bool)
    np.logical_or.at(want, index.numpy(), x)
    none = torch.zeros(40, dtype=torch.bool)
    same(none.index_add(0, index, a), want)
    same(none.scatter_add(0, index, a), want)
    same(none.index_put((index,), a, True), want)
    product = np.ones(40, dtype=bool)
    np.logical_and.at(product, index.numpy(), x)
    twos = torch.full((40,), 2, dtype=torch.uint8).view(torch.bool)
    made = twos.scatter(0, index, a, reduce="multiply")
    assert np.array_equal(made.numpy().view(np.uint8) != 0, product)


@pytest.mark.parametrize("n", [*LENGTHS, 5000])
def test_what_is_compared_is_given_back_as_truth(n):
    a, x = operands(n)
    same(a.sort()[0], np.sort(x))
    same(a.sort(descending=True)[0], np.sort(x)[::-1])
    same(a.msort(), np.sort(x))
    same(torch.unique(a), np.unique(x))
    kept = np.append(True, x[1:] != x[:-1])
    same(torch.unique_consecutive(a), x[kept])
    same(torch.unique(torch.stack([a, a], 1), dim=0), np.unique(x)[:, None].repeat(2, 1))
