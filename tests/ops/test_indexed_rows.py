"""Indices along rows that are long enough to be read block by block, of every size of element."""

import numpy as np
import pytest

import flambeau as torch

DTYPES = ("uint8", "int16", "bfloat16", "float32", "float64", "complex128")
# (rows, columns of the operand, picks of a row): in one block, in several, with a rest.
SHAPES = [(3, 70, 64), (5, 700, 1300), (4, 2001, 2001), (2, 70000, 3001), (1, 5, 5000)]


def drawn(shape, dtype, seed=0):
    numbers = np.random.default_rng(seed).integers(0, 100, shape)
    return torch.tensor(numbers).to(getattr(torch, dtype))


def picks(rows, size, count, seed=1):
    return np.random.default_rng(seed).integers(0, size, (rows, count))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gather_and_scatter_along_rows(dtype, shape):
    rows, size, count = shape
    x, source = drawn((rows, size), dtype), drawn((rows, count), dtype, 2)
    index = picks(rows, size, count)
    places = torch.tensor(index)
    assert x.gather(1, places).tolist() == [
        [row[i] for i in at] for row, at in zip(x.tolist(), index)
    ]
    want = x.tolist()
    for r in range(rows):
        for i, v in zip(index[r], source[r].tolist()):
            want[r][i] = v
    assert x.scatter(1, places, source).tolist() == want
    # The same where neither side of the elements lies together.
    wide = torch.zeros(rows, 2 * size, dtype=x.dtype)[:, ::2]
    wide.copy_(x)
    wide.scatter_(1, places, torch.stack([source, source], -1)[..., 0])
    assert wide.tolist() == want


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_along_rows(shape):
    rows, size, count = shape
    index = picks(rows, size, count)
    x, source = drawn((rows, size), "int64"), drawn((rows, count), "int64", 2)
    want = x.numpy().copy()
    for r in range(rows):
        np.add.at(want[r], index[r], source[r].numpy())
    assert np.array_equal(x.scatter_add(1, torch.tensor(index), source).numpy(), want)
    across = x.t().contiguous().scatter_add(0, torch.tensor(index).t(), source.t())
    assert np.array_equal(across.numpy(), want.T)


@pytest.mark.parametrize("count", [1, 511, 512, 513, 5000])
def test_negative_indices_of_a_vector(count):
    x = torch.arange(1000)
    index = np.random.default_rng(3).integers(-1000, 1000, count)
    assert np.array_equal(x[torch.tensor(index)].numpy(), x.numpy()[index])
    want = x.numpy().copy()
    want[index] = np.arange(count)
    x[torch.tensor(index)] = torch.arange(count)
    assert np.array_equal(x.numpy(), want)


@pytest.mark.parametrize("bad", [1000, -1001, 1 << 16, 1 << 32, -(1 << 62)])
@pytest.mark.parametrize("at", [0, 7, 700, 1999])
def test_a_bad_index_anywhere_in_a_row(bad, at):
    index = torch.zeros(3, 2000, dtype=torch.int64)
    index[2, at] = bad
    x = torch.ones(3, 1000)
    with pytest.raises(RuntimeError, match=f"index {bad} is out of bounds"):
        x.gather(1, index)
    with pytest.raises(RuntimeError, match=f"index {bad} is out of bounds"):
        x.scatter_(1, index, torch.zeros(3, 2000))
    assert x.eq(1).all()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_a_mask_of_all_elements_takes_one_value(dtype):
    for x in (torch.zeros(5, 7), torch.zeros(7, 5).t(), torch.zeros(5, 14)[:, ::2]):
        mask = torch.arange(35).reshape(5, 7) % 3 == 0
        version = x._version
        x[mask.to(dtype)] = 2.5
        assert torch.equal(x, mask * 2.5) and x._version == version + 1
        assert x[mask.to(dtype)].tolist() == [2.5] * 12
    with pytest.raises(IndexError, match="shape of the mask"):
        x[mask[:, :6].to(dtype)] = 1.0
