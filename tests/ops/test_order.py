"""Sorting, selecting and sets, against NumPy."""

import numpy as np
import pytest

import flambeau
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck

INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "float32", "float64"]


def rng(seed=0):
    return np.random.default_rng(seed)


def tensor(array):
    return flambeau.tensor(np.asarray(array))


def numbers(shape, dtype, seed=0):
    """With repetitions, both signs, and the extremes of the dtype."""
    r = rng(seed)
    if dtype == "bool":
        return r.random(shape) > 0.5
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        array = r.integers(info.min, info.max, shape, dtype, endpoint=True)
        return np.where(r.random(shape) > 0.5, array, array % 7).astype(dtype)
    array = np.round(r.standard_normal(shape) * 3, 1).astype(dtype)
    special = r.choice(np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype), shape)
    return np.where(r.random(shape) > 0.3, array, special)


def stable_order(array, axis, descending):
    """NumPy's stable order; NaN comes last, and first when descending, as in PyTorch."""
    if not descending:
        return np.argsort(array, axis, kind="stable")
    reverse = np.flip(np.argsort(np.flip(array, axis), axis, kind="stable"), axis)
    return array.shape[axis] - 1 - reverse


def same_bits(a, b):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)
    if a.dtype.kind == "f":
        finite = ~np.isnan(a)
        np.testing.assert_array_equal(np.signbit(a[finite]), np.signbit(b[finite]))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool"])
@pytest.mark.parametrize(
    "shape", [(1,), (7,), (300,), (3, 32), (40, 3, 50), (2, 95), (2, 96), (3, 128), (2, 129)]
)
def test_sort_is_stable(shape, dtype, descending):
    array = numbers(shape, dtype)
    for dim in range(len(shape)):
        order = stable_order(array, dim, descending)
        result = flambeau.sort(tensor(array), dim=dim, descending=descending, stable=True)
        np.testing.assert_array_equal(result.indices.numpy(), order)
        same_bits(result.values.numpy(), np.take_along_axis(array, order, dim))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize("n", [(1 << 17) - 1, 1 << 17, 200000])
def test_sort_of_one_long_row(n, dtype):
    array = numbers(n, dtype)
    values, indices = flambeau.sort(tensor(array))
    order = stable_order(array, 0, False)
    np.testing.assert_array_equal(indices.numpy(), order)
    same_bits(values.numpy(), array[order])


def test_sort_of_bfloat16():
    x = tensor(numbers(500, "float32")).to(flambeau.bfloat16)
    values, indices = flambeau.sort(x, descending=True)
    order = stable_order(x.to(flambeau.float32).numpy(), 0, True)
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_array_equal(
        values.to(flambeau.float32).numpy(), x.to(flambeau.float32).numpy()[order]
    )


def test_sort_of_other_layouts_keeps_strides():
    array = numbers((6, 5), "float32")
    x = tensor(np.ascontiguousarray(array.T)).t()
    values, indices = flambeau.sort(x, 0)
    assert values.stride() == indices.stride() == x.stride()
    same_bits(values.numpy(), np.sort(array, 0))


def test_sort_of_scalars_and_of_nothing():
    values, indices = flambeau.sort(flambeau.tensor(3.0))
    assert (values.item(), indices.item()) == (3.0, 0)
    assert flambeau.sort(flambeau.ones(0)).values.shape == (0,)
    assert flambeau.sort(flambeau.ones(3, 0), 0).indices.shape == (3, 0)


def test_argsort_and_out():
    array = numbers((4, 30), "float32")
    order = stable_order(array, 1, True)
    np.testing.assert_array_equal(flambeau.argsort(tensor(array), 1, True).numpy(), order)
    by_column = flambeau.argsort(tensor(array), dim=0, stable=True).numpy()
    np.testing.assert_array_equal(by_column, stable_order(array, 0, False))
    out = flambeau.empty(0), flambeau.empty(0, dtype=flambeau.int64)
    flambeau.sort(tensor(array), dim=1, descending=True, stable=True, out=out)
    np.testing.assert_array_equal(out[1].numpy(), order)


def test_sort_errors():
    with pytest.raises(RuntimeError, match="complex"):
        flambeau.sort(flambeau.ones(2, dtype=flambeau.complex64))
    with pytest.raises(IndexError, match="out of range"):
        flambeau.sort(flambeau.ones(2), 1)


# ---- topk


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize(
    ("shape", "k"),
    [
        ((1,), 1),
        ((50,), 0),
        ((50,), 50),
        ((3, 400), 5),
        ((4, 3000), 1),
        ((2, 20000), 30),
        ((20000, 2), 30),
        ((1, 9000), 3000),
        ((5000,), 4999),
    ],
)
def test_topk(shape, k, dtype, largest):
    array = numbers(shape, dtype)
    dim = int(np.argmax(shape))
    order = np.take(stable_order(array, dim, largest), range(k), dim)
    values, indices = flambeau.topk(tensor(array), k, dim, largest)
    np.testing.assert_array_equal(indices.numpy(), order)
    same_bits(values.numpy(), np.take_along_axis(array, order, dim))


@pytest.mark.parametrize("order", ["ascending", "descending", "equal"])
def test_topk_of_rows_in_order(order):
    array = np.arange(100000, dtype="float32")
    array = {"ascending": array, "descending": array[::-1].copy(), "equal": array * 0}[order]
    for largest in (False, True):
        values, indices = flambeau.topk(tensor(array), 100, largest=largest)
        expected = stable_order(array, 0, largest)[:100]
        np.testing.assert_array_equal(indices.numpy(), expected)
        np.testing.assert_array_equal(values.numpy(), array[expected])


def test_topk_errors():
    x = flambeau.ones(3, 4)
    for k in (5, -1):
        with pytest.raises(RuntimeError, match="out of range"):
            flambeau.topk(x, k)
    with pytest.raises(IndexError):
        flambeau.topk(x, 1, 2)
    for dtype in (flambeau.bool, flambeau.complex64):
        with pytest.raises(RuntimeError, match="does not support"):
            flambeau.topk(x.to(dtype), 1)


def test_order_gradients():
    x = flambeau.tensor(rng().standard_normal((3, 7)), requires_grad=True)
    for f in (
        lambda x: flambeau.sort(x, 1).values ** 2,
        lambda x: flambeau.sort(x, 0, descending=True).values ** 2,
        lambda x: flambeau.topk(x, 3).values ** 2,
        lambda x: flambeau.topk(x, 2, 0, largest=False).values ** 2,
    ):
        assert gradcheck(f, (x,))
        assert gradgradcheck(f, (x,))
    scalar = flambeau.tensor(2.0, requires_grad=True)
    flambeau.sort(scalar).values.backward()
    assert scalar.grad.item() == 1


# ---- unique


def as_numpy(result):
    return [t.numpy() for t in result]


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(0,), (1,), (200,), (30, 40), (300000,)])
def test_unique(shape, dtype):
    array = numbers(shape, dtype)
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)
    result = flambeau.unique(tensor(array), return_inverse=True, return_counts=True)
    expected = np.unique(array, return_inverse=True, return_counts=True)
    for ours, theirs in zip(as_numpy(result), expected):
        np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))
    np.testing.assert_array_equal(flambeau.unique(tensor(array)).numpy(), expected[0])


def test_each_nan_is_unique():
    x = flambeau.tensor([float("nan"), 1.0, float("nan"), -0.0, 0.0])
    values, inverse, counts = flambeau.unique(x, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values.numpy(), [0, 1, np.nan, np.nan])
    assert inverse.tolist() == [2, 1, 3, 0, 0]
    assert counts.tolist() == [2, 1, 1, 1]


@pytest.mark.parametrize("dtype", ["int64", "int8", "float32", "float64"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_unique_of_slices(dim, dtype):
    array = rng().integers(-1, 1, (6, 7, 2)).astype(dtype)
    result = flambeau.unique(tensor(array), return_inverse=True, return_counts=True, dim=dim)
    expected = np.unique(array, return_inverse=True, return_counts=True, axis=dim)
    for ours, theirs in zip(as_numpy(result), expected):
        np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))


def test_unique_consecutive():
    x = flambeau.tensor([1, 1, 2, 2, 2, 1])
    values, inverse, counts = flambeau.unique_consecutive(x, True, True)
    assert values.tolist() == [1, 2, 1]
    assert inverse.tolist() == [0, 0, 1, 1, 1, 2]
    assert counts.tolist() == [2, 3, 1]
    rows = flambeau.tensor([[1, 2], [1, 2], [0, 1], [1, 2]])
    assert flambeau.unique_consecutive(rows, dim=0).tolist() == [[1, 2], [0, 1], [1, 2]]


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool"])
@pytest.mark.parametrize("n", [0, 1, 70, 200000])
def test_runs_of_every_dtype(dtype, n):
    array = np.repeat(numbers(n // 2 + n % 2, dtype), 2)[:n]
    starts = np.append(n > 0, array[1:] != array[:-1])[:n]
    begins = np.flatnonzero(starts)
    values, inverse, counts = flambeau.unique_consecutive(tensor(array), True, True)
    same_bits(values.numpy(), array[begins])
    np.testing.assert_array_equal(inverse.numpy(), np.cumsum(starts) - 1)
    np.testing.assert_array_equal(counts.numpy(), np.diff(np.append(begins, n)))


def test_unique_errors():
    with pytest.raises(NotImplementedError):
        flambeau.unique(flambeau.ones(2, dtype=flambeau.complex64))
    with pytest.raises(NotImplementedError):
        flambeau.unique(flambeau.ones(2, device="meta"))
    with pytest.raises(RuntimeError, match="0 sized"):
        flambeau.unique(flambeau.ones(2, 0), dim=0)
    with pytest.raises(IndexError):
        flambeau.unique(flambeau.tensor(1.0), dim=0)


@pytest.mark.parametrize("values", [2, 1_000_000])
def test_runs_go_on_from_block_to_block(values):
    x = np.random.default_rng(0).integers(0, values, (1 << 19) + 40_001)
    x[(1 << 19) - 3 : (1 << 19) + 3] = 1
    starts = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])
    got, inverse, counts = flambeau.unique_consecutive(tensor(x), True, True)
    assert np.array_equal(got.numpy(), x[starts])
    assert np.array_equal(counts.numpy(), np.diff(np.r_[starts, len(x)]))
    assert np.array_equal(inverse.numpy(), np.repeat(np.arange(len(starts)), counts.numpy()))


@pytest.mark.parametrize("q", [0.0, 0.3, 1.0])
def test_nanquantile_leaves_out_what_is_no_number(q):
    x = np.array([[1.0, np.nan, 3.0, 0.5], [np.nan, np.nan, 2.0, 7.0]])
    for dim in (None, 0, 1):
        found = flambeau.nanquantile(flambeau.tensor(x), q, dim)
        np.testing.assert_allclose(found.numpy(), np.nanquantile(x, q, dim), rtol=1e-12)
