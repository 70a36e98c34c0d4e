"""Reductions where results and elements lie in many orders: each is compared with NumPy."""

import itertools

import numpy as np
import pytest

import flambeau as torch

# Few and many columns, short and long rows, with rests of every kind.
SHAPES = [(7, 3), (2, 9, 14), (40, 3, 33), (3, 200, 7), (5, 65, 9), (6, 5, 4, 17), (3, 16, 130)]
DTYPES = ["float32", "float64", "int64", "float16", "uint8"]


def orders(n):
    return {tuple(range(n)), tuple(reversed(range(n))), (n - 1, *range(n - 1))}


def views(rng, shape, dtype):
    """Arrays of integers, which any order adds up to the same, in several layouts."""
    for order in orders(len(shape)):
        made = rng.integers(0, 9, [shape[d] for d in order]).astype(dtype)
        yield made.transpose(np.argsort(order))
    for step in (2, 3, 4, 5):
        yield rng.integers(0, 9, (*shape[:-1], step * shape[-1])).astype(dtype)[..., ::step]
    yield rng.integers(0, 9, (shape[0] * 2, *shape[1:])).astype(dtype)[::2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_and_extremes(shape, dtype):
    rng, kept = np.random.default_rng(1), np.float16 if dtype == "float16" else np.float64
    for a in views(rng, shape, dtype):
        t = torch.from_numpy(a)
        for r in range(1, len(shape) + 1):
            for dims in itertools.combinations(range(len(shape)), r):
                wide = a.astype(np.float64)
                for op, want in (("sum", wide.sum(dims)), ("amax", wide.max(dims))):
                    for keep in (False, True):
                        got = getattr(torch, op)(t, dims, keep).double().numpy()
                        assert np.array_equal(got.reshape(want.shape), want.astype(kept)), (
                            op,
                            a.strides,
                            dims,
                        )


@pytest.mark.parametrize("op", ["amax", "amin"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_nan_wins_wherever_it_is(op, dtype):
    for shape in ((9, 70), (200, 5), (16, 200)):
        for at in itertools.product((0, shape[0] // 2, shape[0] - 1), (0, 3, shape[1] - 1)):
            t = torch.zeros(shape, dtype=dtype)
            t[at] = float("nan")
            for dim in (0, 1):
                got = getattr(torch, op)(t, dim).isnan().tolist()
                assert got == [i == at[1 - dim] for i in range(shape[1 - dim])], (shape, at, dim)
            assert getattr(torch, op)(t).isnan()


def test_long_sums_are_as_good_as_a_tree():
    t = torch.full((3_000_001,), 0.1)
    assert abs(t.sum().item() / (3_000_001 * np.float64(np.float32(0.1))) - 1) < 1e-6
    assert abs(t.cumsum(0)[-1].item() / (3_000_001 * np.float64(np.float32(0.1))) - 1) < 1e-6
