"""Products of integers wrap around, whatever the sizes and strides."""

import numpy as np
import pytest

import flambeau as torch

DTYPES = ("uint8", "int8", "int16", "int32", "int64")
# m, k, n: single rows and columns, whole blocks, tails, more than one block of the depth
SIZES = [(1, 1, 1), (1, 300, 5), (7, 300, 1), (4, 8, 16), (5, 3, 70), (33, 17, 129), (130, 520, 31)]


def drawn(dtype, *shape, seed=0):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def layouts(x):
    """The same matrix in other places of memory."""
    t = torch.tensor(x)
    yield t
    yield torch.tensor(np.ascontiguousarray(x.T)).t()
    wide = torch.zeros(x.shape[0], 2 * x.shape[1], dtype=t.dtype)
    wide[:, ::2] = t
    yield wide[:, ::2]
    yield torch.tensor(np.concatenate([x, x], 1))[:, x.shape[1] :]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_mm(dtype, size):
    m, k, n = size
    a, b = drawn(dtype, m, k), drawn(dtype, k, n, seed=1)
    want = (a.astype("uint64") @ b.astype("uint64")).astype(dtype)
    for x in layouts(a):
        for y in layouts(b):
            assert (torch.mm(x, y).numpy() == want).all()
    assert (torch.mv(torch.tensor(a), torch.tensor(b[:, 0])).numpy() == want[:, 0]).all()
    assert torch.dot(torch.tensor(a[0]), torch.tensor(b[:, 0].copy())).item() == want[0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_addmm_and_baddbmm(dtype):
    a, b, c = drawn(dtype, 3, 9, 20), drawn(dtype, 3, 20, 35, seed=1), drawn(dtype, 35, seed=2)
    wide = [x.astype("uint64") for x in (a, b, c)]
    want = (3 * (wide[0] @ wide[1]) + 2 * wide[2]).astype(dtype)
    ta, tb, tc = map(torch.tensor, (a, b, c))
    got = torch.baddbmm(tc.expand(3, 9, 35), ta, tb, beta=2, alpha=3)
    assert (got.numpy() == want).all()
    assert (torch.addmm(tc, ta[0], tb[0], beta=2, alpha=3).numpy() == want[0]).all()
    assert (torch.bmm(ta, tb).numpy() == (wide[0] @ wide[1]).astype(dtype)).all()
    nothing = torch.addmm(tc, ta[0, :, :0], tb[0, :0])
    assert (nothing.numpy() == np.broadcast_to(c, (9, 35))).all()


def test_any_number_of_threads():
    a, b = (torch.tensor(drawn("int64", 300, 300, seed=s)) for s in (0, 1))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = a @ b
        torch.set_num_threads(3)
        assert (a @ b == one).all()
    finally:
        torch.set_num_threads(threads)
