"""Joining, rearranging and indexing, against NumPy and against loops that say what is meant."""

import itertools

import numpy as np
import pytest

import flambeau
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck

DTYPES = ["uint8", "int16", "int64", "bool", "float16", "float32", "float64", "complex64"]


def rng(seed=0):
    return np.random.default_rng(seed)


def values(shape, dtype="float32", seed=0):
    """Numbers that every dtype holds and no two dtypes would round differently."""
    array = rng(seed).integers(0, 2 if dtype == "bool" else 100, shape)
    return array.astype(dtype) * 1j if dtype == "complex64" else array.astype(dtype)


def tensor(array):
    return flambeau.tensor(np.asarray(array))


def layouts(array):
    """The same tensor contiguous, transposed in memory, and with gaps."""
    yield tensor(array)
    if array.ndim > 1:
        yield tensor(np.ascontiguousarray(array.T)).permute(*reversed(range(array.ndim)))
    wide = flambeau.zeros([2 * n for n in array.shape], dtype=tensor(array).dtype)
    strided = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    strided.copy_(tensor(array))
    yield strided


def same(result, expected):
    assert tuple(result.shape) == expected.shape
    np.testing.assert_array_equal(result.numpy(), expected)


def double(*shape, seed=0):
    return flambeau.tensor(rng(seed).standard_normal(shape), requires_grad=True)


def check_gradients(f, *inputs):
    assert gradcheck(f, inputs)
    assert gradgradcheck(f, inputs)


# ---- cat and stack


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_cat_of_any_layouts(dtype, dim):
    shapes = [[2, 3, 4] for _ in range(3)]
    for i, n in enumerate([1, 5, 2]):
        shapes[i][dim] = n
    arrays = [values(s, dtype, i) for i, s in enumerate(shapes)]
    for parts in itertools.product(*map(layouts, arrays)):
        same(flambeau.cat(parts, dim), np.concatenate(arrays, dim))


def test_cat_promotes_and_leaves_out_legacy_empty_tensors():
    result = flambeau.cat([flambeau.ones(2, 2), flambeau.zeros(0), tensor(values((1, 2), "int64"))])
    assert result.shape == (3, 2)
    assert result.dtype == flambeau.float32


def test_cat_keeps_channels_last():
    a = flambeau.randn(2, 3, 4, 5).to(memory_format=flambeau.channels_last)
    result = flambeau.cat([a, a], 1)
    assert result.is_contiguous(memory_format=flambeau.channels_last)
    same(result, np.concatenate([a.numpy(), a.numpy()], 1))
    assert flambeau.cat([a, a.contiguous()], 1).is_contiguous()


def test_cat_of_pieces_of_any_length():
    for n in (*range(1, 70), 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 3000):
        a, b = values((5, n), "uint8"), values((5, 2 * n + 1), "uint8", 1)
        same(flambeau.cat([tensor(a), tensor(b), tensor(a)], 1), np.concatenate([a, b, a], 1))
        rows = [tensor(row) for row in b]
        same(flambeau.stack(rows, 1), b.T)


def test_cat_larger_than_one_task():
    arrays = [
        rng(i).standard_normal((300, n)).astype("float32") for i, n in enumerate([700, 1, 999])
    ]
    same(flambeau.cat([tensor(a) for a in arrays], 1), np.concatenate(arrays, 1))


def test_cat_out():
    out = flambeau.empty(0)
    result = flambeau.cat([flambeau.ones(2), flambeau.zeros(1)], out=out)
    assert result is out
    same(out, np.array([1, 1, 0], "float32"))


@pytest.mark.parametrize(
    ("error", "call", "text"),
    [
        (ValueError, lambda: flambeau.cat([]), "non-empty list"),
        (RuntimeError, lambda: flambeau.cat([flambeau.tensor(1.0)]), "zero-dimensional"),
        (
            RuntimeError,
            lambda: flambeau.cat([flambeau.ones(2, 3), flambeau.ones(2, 4)]),
            "number 1",
        ),
        (
            RuntimeError,
            lambda: flambeau.cat([flambeau.ones(2, 3), flambeau.ones(2)]),
            "same number",
        ),
        (IndexError, lambda: flambeau.cat([flambeau.ones(2)], 1), "out of range"),
        (RuntimeError, lambda: flambeau.stack([]), "non-empty"),
        (RuntimeError, lambda: flambeau.stack([flambeau.ones(2), flambeau.ones(3)]), "equal size"),
    ],
)
def test_join_errors(error, call, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_stack(dim):
    arrays = [values((2, 3), "float32", i) for i in range(3)]
    for parts in itertools.product(*map(layouts, arrays)):
        same(flambeau.stack(parts, dim), np.stack(arrays, dim))
    assert flambeau.stack([flambeau.tensor(1), flambeau.tensor(2.5)]).tolist() == [1.0, 2.5]


def test_join_gradients():
    a, b = double(2, 3), double(2, 2, seed=1)
    check_gradients(lambda a, b: flambeau.cat([a, b * b, a], 1), a, b)
    check_gradients(lambda a, b: flambeau.stack([a[:, :2], b * b], 1), a, b)
    single = flambeau.ones(2, requires_grad=True)
    flambeau.cat([single, flambeau.ones(2, dtype=flambeau.float64)]).sum().backward()
    assert single.grad.dtype == flambeau.float32


# ---- flip, roll, repeat, triangles


@pytest.mark.parametrize("dims", [(), (0,), (1,), (2,), (0, 2), (-1, 0, 1)])
def test_flip(dims):
    array = values((3, 4, 35), "float32")
    for t in layouts(array):
        same(flambeau.flip(t, dims), np.flip(array, dims))


def test_flip_keeps_strides_and_checks_dims():
    assert flambeau.ones(3, 4).t().flip(0).stride() == (1, 4)
    with pytest.raises(RuntimeError, match="multiple times"):
        flambeau.ones(2, 2).flip(0, -2)


@pytest.mark.parametrize(
    ("shifts", "dims"),
    [(1, 0), (-7, 1), ((1, 2), (0, 1)), ((1, 1), (0, 0)), ((3, -1, 40), (0, 1, 2)), (0, 0)],
)
def test_roll(shifts, dims):
    array = values((3, 4, 5), "int64")
    for t in layouts(array):
        same(flambeau.roll(t, shifts, dims), np.roll(array, shifts, dims))
        same(flambeau.roll(t, 7), np.roll(array, 7))


@pytest.mark.parametrize("width", [1, 3, 20, 33, 80, 150, 300, 100000])
def test_roll_of_rows_of_any_length(width):
    array = values((2, 3, width), "float32")
    for shifts, dims in (((1,), (2,)), ((width // 2 + 1, 1), (2, 1)), ((2, -1), (0, 2))):
        same(flambeau.roll(tensor(array), shifts, dims), np.roll(array, shifts, dims))


def test_roll_keeps_channels_last():
    x = flambeau.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    last = x.contiguous(memory_format=flambeau.channels_last)
    for shifts, dims in ((1, 3), ((1, 2), (1, 2)), (-1, 0)):
        moved = last.roll(shifts, dims)
        assert moved.stride() == last.stride()
        assert flambeau.equal(moved, x.roll(shifts, dims))
    assert last.roll(1).is_contiguous()


@pytest.mark.parametrize("repeats", [(2,), (2, 3), (1, 2, 1), (0, 2), (3, 1, 2)])
def test_repeat(repeats):
    array = values((4, 5) if len(repeats) > 1 else (4,), "int16")
    for t in layouts(array):
        same(t.repeat(*repeats), np.tile(array, repeats))


@pytest.mark.parametrize("diagonal", [-(2**63), -3, -1, 0, 1, 4, 2**63 - 1])
@pytest.mark.parametrize("name", ["tril", "triu"])
def test_triangles(name, diagonal):
    array = values((2, 4, 6), "float32")
    rows, columns = np.indices(array.shape[1:])
    difference = columns.astype(object) - rows
    kept = difference <= diagonal if name == "tril" else difference >= diagonal
    expected = np.where(kept.astype(bool), array, 0)
    for t in layouts(array):
        same(getattr(flambeau, name)(t, diagonal), expected)
        getattr(t, name + "_")(diagonal)
        same(t, expected)


def test_rearranging_gradients():
    a = double(3, 4)
    check_gradients(lambda a: flambeau.flip(a, (0, 1)) ** 2, a)
    check_gradients(lambda a: flambeau.roll(a, (1, -2), (0, 1)) ** 2, a)
    check_gradients(lambda a: flambeau.roll(a, 5) ** 2, a)
    check_gradients(lambda a: a.repeat(2, 1, 3) ** 2, a)
    check_gradients(lambda a: flambeau.tril(a, 1) ** 2 + flambeau.triu(a) ** 3, a)
    check_gradients(lambda a: (a * 2).tril_(-1) ** 2, a)
    a.repeat(0, 1).sum().backward()
    assert a.grad.abs().sum() == 0


def test_one_hot():
    one_hot = flambeau.nn.functional.one_hot
    index = tensor([[0, 2], [1, 0]])
    same(one_hot(index), np.eye(3, dtype="int64")[index.numpy()])
    same(one_hot(index.t(), 5), np.eye(5, dtype="int64")[index.numpy().T])
    for bad, classes, text in [([-1], -1, "non-negative"), ([3], 3, "smaller"), ([], -1, "empty")]:
        with pytest.raises(RuntimeError, match=text):
            one_hot(flambeau.tensor(bad, dtype=flambeau.int64), classes)
    with pytest.raises(RuntimeError, match="LongTensor"):
        one_hot(flambeau.ones(2))


# ---- gather and scatter


def along(index, dim):
    """NumPy's index for `a[index[i][j]][j]` (dim 0) and the like."""
    grid = list(np.indices(index.shape, sparse=True))
    grid[dim] = index
    return tuple(grid)


def picks(shape, dim, size, count, seed=0):
    """An index along `dim`, shorter than the tensor in the others."""
    sizes = [count if d == dim else max(n - 1, 1) for d, n in enumerate(shape)]
    return rng(seed).integers(0, size, sizes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_gather(dtype, dim):
    array = values((4, 5, 6), dtype)
    index = picks(array.shape, dim % 3, array.shape[dim], 7)
    for t, i in itertools.product(layouts(array), layouts(index)):
        same(flambeau.gather(t, dim, i), array[along(index, dim % 3)])
        same(flambeau.gather(t, dim, i.to(flambeau.int32)), array[along(index, dim % 3)])


def test_gather_with_an_expanded_index():
    array = values((50, 300), "float32")
    index = rng().integers(0, 50, (2000, 1))
    expanded = tensor(index).expand(2000, 300)
    same(flambeau.gather(tensor(array), 0, expanded), array[index[:, 0]])


def test_gather_of_scalars():
    assert flambeau.gather(flambeau.tensor(3.0), 0, flambeau.tensor(0)).item() == 3
    assert flambeau.gather(flambeau.tensor(3.0), 0, flambeau.tensor([0, 0])).tolist() == [3, 3]


def scatter_by_loop(array, dim, index, source, combine):
    # Halves are rounded once, at the end.
    out = array.astype("float32") if array.dtype == "float16" else array.copy()
    for place in np.ndindex(*index.shape):
        at = list(place)
        at[dim] = index[place]
        out[tuple(at)] = combine(out[tuple(at)], source[place])
    with np.errstate(over="ignore"):
        return out.astype(array.dtype)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["int64", "float32", "float16", "bool", "complex64"])
def test_scatter_and_its_reductions(dtype, dim):
    array = values((4, 5, 6), dtype)
    index = picks(array.shape, dim, array.shape[dim], 3)
    source = values(index.shape, dtype, 1)
    add, multiply = (np.logical_or, np.logical_and) if dtype == "bool" else (np.add, np.multiply)
    replaced = scatter_by_loop(array, dim, index, source, lambda old, new: new)
    added = scatter_by_loop(array, dim, index, source, add)
    product = scatter_by_loop(array, dim, index, source, multiply)
    for t, i, s in itertools.product(layouts(array), layouts(index), layouts(source)):
        same(t.scatter(dim, i, s), replaced)
        same(t.scatter_add(dim, i, s), added)
        same(t.scatter(dim, i, s, reduce="add"), added)
        same(t.scatter(dim, i, s, reduce="multiply"), product)
        same(t.clone().scatter_add_(dim, i, s), added)


def test_scatter_of_a_value_and_in_place():
    array, index = values((3, 4), "float32"), np.array([[0, 2, 2, 1]])
    expected = array.copy()
    expected[index[0], np.arange(4)] = 9
    for t in layouts(array):
        same(t.scatter(0, tensor(index), 9), expected)
        version = t._version
        assert t.scatter_(0, tensor(index), 9) is t
        assert t._version == version + 1
        same(t, expected)
    t = tensor(array).scatter_(0, tensor(index), 2, reduce="multiply")
    expected = array.copy()
    expected[index[0], np.arange(4)] *= 2
    same(t, expected)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.gather(0, flambeau.tensor([[3, 0]])), "index 3 is out of bounds"),
        (lambda x: x.gather(0, flambeau.tensor([[-1, 0]])), "index -1 is out of bounds"),
        (lambda x: x.gather(0, flambeau.tensor([0])), "same number of dimensions"),
        (lambda x: x.gather(0, flambeau.zeros(1, 9, dtype=flambeau.int64)), "no larger than self"),
        (lambda x: x.gather(0, flambeau.zeros(1, 1)), "int32/int64"),
        (lambda x: x.scatter(0, flambeau.tensor([[3]]), 1.0), "index 3 is out of bounds"),
        (lambda x: x.scatter(0, flambeau.tensor([[0]]), x.to(flambeau.float64)), "self.dtype"),
        (lambda x: x.scatter(0, flambeau.tensor([[0, 0]]), x[:1, :1]), "no larger size than src"),
        (lambda x: x.scatter(0, flambeau.tensor([[0]]), x, reduce="mean"), "add or multiply"),
        (
            lambda x: x.expand(2, 3, 2).scatter_(
                0, flambeau.zeros(1, 1, 1).to(flambeau.int64), 1.0
            ),
            "memory",
        ),
        (
            lambda x: x[0].scatter_(0, flambeau.tensor([0, 1]), x[0].flip(0)[:2].set_(x[0])),
            "memory",
        ),
        (lambda x: x.to(flambeau.int32).scatter(0, flambeau.tensor([[0]]), 2.0**40), "overflow"),
        (
            lambda x: x.gather(0, flambeau.zeros(1, 1, dtype=flambeau.int64, device="meta")),
            "device",
        ),
    ],
)
def test_gather_and_scatter_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(flambeau.ones(3, 2))


def test_gather_and_scatter_gradients():
    a, s = double(4, 3), double(2, 3, seed=1)
    index = flambeau.tensor([[0, 3, 3], [1, 2, 3]])
    check_gradients(lambda a: flambeau.gather(a, 0, index) ** 2, a)
    check_gradients(lambda a, s: a.scatter(0, flambeau.tensor([[0, 3, 3]]), s) ** 2, a, s)
    check_gradients(lambda a, s: a.scatter_add(0, flambeau.tensor([[2, 3]]), s) ** 2, a, s)
    check_gradients(lambda a, s: (a * 2).scatter_(0, flambeau.tensor([[0, 1, 3]]), s) ** 2, a, s)
    check_gradients(lambda a: a.scatter(0, index, 2.0) ** 2, a)
    check_gradients(lambda a, s: a.scatter_add(0, index, s) ** 2, a, s)
    check_gradients(lambda a, s: a.scatter(0, index, s, reduce="add") ** 2, a, s)
    check_gradients(lambda a: a.scatter(0, index, 3.0, reduce="multiply") ** 2, a)


# ---- index_select, index_add


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_index_select(dim):
    array = values((4, 5, 6), "float32")
    index = rng().integers(0, array.shape[dim], 9)
    for t in layouts(array):
        same(flambeau.index_select(t, dim, tensor(index)), np.take(array, index, dim))
        same(
            flambeau.index_select(t, dim, tensor(index).to(flambeau.int32)),
            np.take(array, index, dim),
        )
    with pytest.raises(IndexError, match="out of range in self"):
        flambeau.index_select(tensor(array), dim, flambeau.tensor([6]))


def add_by_loop(array, dim, index, source, alpha):
    out = np.moveaxis(array.copy(), dim, 0)
    for i, row in zip(index, np.moveaxis(source, dim, 0)):
        out[i] += alpha * row
    return np.moveaxis(out, 0, dim)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("alpha", [1, 3])
def test_index_add(dim, alpha):
    array = values((4, 5, 6), "float32")
    index = rng().integers(0, array.shape[dim], 9)
    source = values([9 if d == dim else n for d, n in enumerate(array.shape)], "float32", 1)
    expected = add_by_loop(array, dim, index, source, alpha)
    for t, s in itertools.product(layouts(array), layouts(source)):
        same(flambeau.index_add(t, dim, tensor(index), s, alpha=alpha), expected)
    for t in layouts(array):
        assert t.index_add_(dim, tensor(index), tensor(source), alpha=alpha) is t
        same(t, expected)


def test_index_add_has_the_same_bits_for_any_number_of_threads():
    index, source = tensor(rng().integers(0, 500, 20000)), flambeau.randn(20000, 48)
    threads, results = flambeau.get_num_threads(), []
    try:
        for n in (1, 2, 5):
            flambeau.set_num_threads(n)
            results.append(flambeau.zeros(500, 48).index_add_(0, index, source))
            results.append(flambeau.zeros(500, 48).index_put_((index,), source, accumulate=True))
    finally:
        flambeau.set_num_threads(threads)
    for result in results[1:]:
        assert flambeau.equal(result, results[0])
    exact = np.zeros((500, 48))
    np.add.at(exact, index.numpy(), source.numpy().astype("float64"))
    np.testing.assert_allclose(results[0].numpy(), exact, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "index", "source", "text"),
    [
        (RuntimeError, [5], (1, 4), "index 5 is out of bounds"),
        (RuntimeError, [0, 0], (1, 4), "Number of indices"),
        (RuntimeError, [0], (1, 3), "source tensor shape must match"),
        (IndexError, [[0]], (1, 4), "supposed to be a vector"),
        (RuntimeError, [0.0], (1, 4), "int32/int64"),
    ],
)
def test_index_add_errors(error, index, source, text):
    with pytest.raises(error, match=text):
        flambeau.zeros(3, 4).index_add(0, flambeau.tensor(index), flambeau.ones(source))


def test_index_select_and_add_gradients():
    a, s = double(3, 4), double(3, 5, seed=1)
    index = flambeau.tensor([1, 1, 3, 0, 1])
    check_gradients(lambda a: flambeau.index_select(a, 1, index) ** 2, a)
    check_gradients(lambda a, s: flambeau.index_add(a, 1, index, s, alpha=2.5) ** 2, a, s)
    check_gradients(lambda a, s: (a * 1).index_add_(1, index, s) ** 2, a, s)
    check_gradients(lambda a: flambeau.index_select(a, 0, flambeau.tensor(0)), double())


# ---- advanced indexing

INDICES = [
    lambda: (np.array([2, -1, 0]),),
    lambda: (slice(None), np.array([[1, 2], [-3, 0]])),
    lambda: (np.array([1, 0]), np.array([2, 4])),
    lambda: (np.array([[1], [0]]), np.array([2, 4, -5])),
    lambda: (np.array([1, 0]), slice(None), np.array([2, 4])),
    lambda: (slice(None), np.array([1, 0]), np.array([2, 4])),
    lambda: (np.array([1, 0]), slice(None), slice(None), np.array([1, 0])),
    lambda: (np.array(1), slice(None), np.array([1, 2])),
    lambda: (rng().random((4, 5)) > 0.5,),
    lambda: (slice(None), rng().random((5, 6)) > 0.5),
    lambda: (rng().random(4) > 0.2, slice(None), np.array([3])),
    lambda: (np.zeros(4, bool),),
    lambda: (np.zeros((0,), "int64"),),
    lambda: (np.zeros((2, 0), "int64"), np.zeros((1, 1), "int64")),
]


def torch_index(index):
    return [None if isinstance(i, slice) else tensor(i) for i in index]


@pytest.mark.parametrize("make", INDICES)
def test_index_and_index_put(make):
    index = make()
    array = values((4, 5, 6, 2), "float32")
    expected = array[index]
    source = values(expected.shape, "float32", 1)
    for t in layouts(array):
        same(flambeau.ops.aten.index(t, torch_index(index)), expected)
        added = array.copy()
        np.add.at(added, index, source)
        same(t.index_put(tuple(torch_index(index)), tensor(source), accumulate=True), added)
        one = t.index_put(tuple(torch_index(index)), flambeau.tensor(7.0))
        written = array.copy()
        written[index] = 7
        same(one, written)
        t.index_put_(tuple(torch_index(index)), flambeau.tensor(7.0))
        same(t, written)


def test_the_last_of_several_writes_to_a_place_stays():
    index, source = rng().integers(0, 100, 50000), np.arange(50000, dtype="float32")
    result = flambeau.zeros(100).index_put_((tensor(index),), tensor(source))
    expected = np.zeros(100, "float32")
    for i, v in zip(index, source):
        expected[i] = v
    same(result, expected)


def test_index_of_uint8_is_a_mask():
    array = values((3, 4), "float32")
    mask = flambeau.tensor([1, 0, 2], dtype=flambeau.uint8)
    same(flambeau.ops.aten.index(tensor(array), [mask]), array[[0, 2]])


@pytest.mark.parametrize(
    ("index", "text"),
    [
        ([[5]], "index 5 is out of bounds for dimension 0 with size 3"),
        ([None, [-5]], "index -5 is out of bounds for dimension 1 with size 4"),
        ([[0.0]], "must be long, int, byte or bool"),
        ([[0, 1], [0, 1, 2]], r"could not be broadcast together with shapes \[2\], \[3\]"),
        ([[0], [0], [0]], r"too many indices for tensor of dimension 2 \(got 3\)"),
        ([[True, False]], r"shape of the mask \[2\] at index 0 does not match"),
        ([], "at least one index"),
    ],
)
def test_index_errors(index, text):
    indices = [None if i is None else flambeau.tensor(i) for i in index]
    with pytest.raises(IndexError, match=text):
        flambeau.ops.aten.index(flambeau.ones(3, 4), indices)
    if index:
        with pytest.raises(IndexError, match=text):
            flambeau.ones(3, 4).index_put_(tuple(indices), flambeau.tensor(1.0))


def test_index_put_errors():
    x, at = flambeau.arange(6.0), (flambeau.tensor([0, 1]),)
    with pytest.raises(RuntimeError, match="dtypes match"):
        x.index_put_(at, flambeau.tensor(1))
    with pytest.raises(RuntimeError, match="cannot be broadcast"):
        x.index_put_(at, flambeau.ones(3))
    with pytest.raises(RuntimeError, match="memory"):
        x[:5].index_put_(at, x[1:3])
    with pytest.raises(IndexError, match="size 0"):
        flambeau.ops.aten.index(flambeau.ones(0, 2), [flambeau.tensor([0])])


def test_index_on_meta():
    x = flambeau.empty(4, 5, 6, device="meta")
    at = flambeau.empty(2, 3, dtype=flambeau.int64, device="meta")
    assert flambeau.ops.aten.index(x, [None, at]).shape == (4, 2, 3, 6)
    with pytest.raises(NotImplementedError):
        flambeau.ops.aten.index(x, [flambeau.empty(4, dtype=flambeau.bool, device="meta")])


def test_index_gradients():
    a, v = double(4, 3), double(3, seed=1)
    at = [flambeau.tensor([0, 3, 3]), flambeau.tensor([2, 1, 1])]
    mask = flambeau.tensor([[True, False, True]] * 4)
    index, put = flambeau.ops.aten.index, flambeau.index_put
    check_gradients(lambda a: index(a, at) ** 2, a)
    check_gradients(lambda a: index(a, [None, at[1]]) ** 2, a)
    check_gradients(lambda a: index(a, [mask]) ** 2, a)
    check_gradients(lambda a, v: put(a, at, v, accumulate=True) ** 2, a, v)
    apart = [flambeau.tensor([0, 3, 2]), flambeau.tensor([2, 1, 1])]
    check_gradients(lambda a, v: put(a, apart, v) ** 2, a, v)
    check_gradients(lambda a, v: (a * 1).index_put_(apart, v[:1]) ** 2, a, v)


# ---- masks


@pytest.mark.parametrize("dtype", DTYPES)
def test_masked_fill_and_select(dtype):
    array = values((5, 4, 70), dtype)
    mask = rng(1).random(array.shape) > 0.6
    filled = np.where(mask, np.ones((), dtype), array)
    for t, m in itertools.product(layouts(array), layouts(mask)):
        same(t.masked_fill(m, 1), filled)
        same(t.masked_fill(m, flambeau.tensor(1)), filled)
        same(t.masked_select(m), array[mask])
    for t in layouts(array):
        assert t.masked_fill_(tensor(mask), 1) is t
        same(t, filled)


def test_masks_broadcast():
    array, mask = values((3, 4), "float32"), np.array([[True], [False], [True]])
    same(tensor(array).masked_fill(tensor(mask), 5), np.where(mask, np.float32(5), array))
    same(tensor(array[0]).masked_fill(tensor(mask), 5), np.where(mask, np.float32(5), array[:1]))
    same(tensor(array).masked_select(tensor(mask)), array[[0, 2]].ravel())
    same(tensor(array[:1]).masked_select(tensor(mask)), array[[0, 0]].ravel())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.masked_fill(x, 1), "boolean masks"),
        (lambda x: x.masked_fill(x > 0, 1j), "overflow"),
        (lambda x: x.to(flambeau.int32).masked_fill(x > 0, float("nan")), "overflow"),
        (lambda x: x.to(flambeau.uint8).masked_fill(x > 0, 256), "overflow"),
        (lambda x: x.masked_fill(x > 0, flambeau.ones(2)), "0-dimensional value"),
        (lambda x: x.masked_fill_(flambeau.ones(2, 3, 4) > 0, 1), "broadcast shape"),
        (lambda x: x.masked_fill(flambeau.ones(2, 4) > 0, 1), "must match the size"),
        (lambda x: x.masked_select(x), "BoolTensor"),
    ],
)
def test_mask_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(flambeau.ones(3, 4))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (3,), (70000,), (4, 5, 6), (3, 1, 40000), (2, 0, 3)])
def test_nonzero(shape, dtype):
    array = values(shape, dtype) * (rng(2).random(shape) > 0.7).astype(dtype)
    for t in layouts(array):
        same(t.nonzero(), np.argwhere(array))
    for found, expected in zip(flambeau.where(tensor(array)), np.nonzero(array)):
        same(found, expected)


def test_nonzero_of_scalars_and_signed_zeros():
    assert flambeau.tensor(5).nonzero().shape == (1, 0)
    assert flambeau.tensor(0).nonzero().shape == (0, 0)
    assert flambeau.tensor(5).nonzero(as_tuple=True)[0].tolist() == [0]
    assert flambeau.tensor([-0.0, float("nan"), 0.0]).nonzero().tolist() == [[1]]


def test_mask_gradients():
    a, v = double(3, 4), double(seed=1)
    mask = flambeau.tensor([[True], [False], [True]])
    check_gradients(lambda a: a.masked_fill(mask, 2.0) ** 2, a)
    check_gradients(lambda a, v: a.masked_fill(mask, v) ** 2, a, v)
    check_gradients(lambda a, v: (a * 1).masked_fill_(mask, v) ** 2, a, v)
    check_gradients(lambda a: a[0].masked_fill(mask, 2.0) ** 2, a)
    check_gradients(lambda a: a.masked_select(mask) ** 2, a)
    check_gradients(lambda a: a[0].masked_select(mask) ** 2, a)


# ---- embedding


@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0,), (4000,)])
@pytest.mark.parametrize("width", [1, 3, 8, 64])
def test_embedding(shape, width):
    table, index = values((10, width), "float32"), rng().integers(0, 10, shape)
    for t in layouts(table):
        same(flambeau.embedding(t, tensor(index)), table[index])
        same(flambeau.embedding(t, tensor(index).to(flambeau.int32)), table[index])


def test_embedding_errors():
    table = flambeau.ones(3, 2)
    for bad in (3, -1):
        with pytest.raises(IndexError, match="out of range in self"):
            flambeau.embedding(table, flambeau.tensor([bad]))
    with pytest.raises(RuntimeError, match="2-D"):
        flambeau.embedding(table[0], flambeau.tensor([0]))
    with pytest.raises(RuntimeError, match="Long, Int"):
        flambeau.embedding(table, flambeau.tensor([0.0]))
    with pytest.raises(NotImplementedError, match="sparse"):
        flambeau.embedding(table, flambeau.tensor([0]), sparse=True)


@pytest.mark.parametrize("padding", [-1, 2])
@pytest.mark.parametrize("by_frequency", [False, True])
@pytest.mark.parametrize("n", [7, 30000])
def test_embedding_backward(n, by_frequency, padding):
    index = rng().integers(0, 20, n)
    grad = rng(1).standard_normal((n, 17))
    expected = np.zeros((20, 17))
    np.add.at(expected, index, grad)
    if by_frequency:
        expected /= np.maximum(np.bincount(index, minlength=20), 1)[:, None]
    if padding >= 0:
        expected[padding] = 0
    backward = flambeau.ops.aten.embedding_dense_backward
    for dtype, tolerance in [("float64", 1e-9), ("float32", 1e-3), ("bfloat16", None)]:
        g = tensor(grad).to(getattr(flambeau, dtype))
        result = backward(g, tensor(index), 20, padding, by_frequency)
        assert result.dtype == g.dtype
        if tolerance:
            np.testing.assert_allclose(
                result.to(flambeau.float64).numpy(), expected, atol=tolerance
            )
        else:  # rounded once: as good as the float result of the same rounded gradients
            exact = backward(g.to(flambeau.float32), tensor(index), 20, padding, by_frequency)
            assert flambeau.equal(result, exact.to(flambeau.bfloat16))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64", "uint8", "complex64", "complex128"])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_embedding_backward_of_other_dtypes(dtype, by_frequency):
    """Whole numbers are multiplied with 1 / count as whole numbers are: 0, unless it is one."""
    index = np.array([0, 0, 1, 3, 0])
    grad = rng(1).integers(0, 100, (5, 9)).astype(dtype)
    expected = np.zeros((4, 9), dtype)
    np.add.at(expected, index, grad)
    if by_frequency:
        expected[0] = expected[0] / 3 if dtype.startswith("complex") else 0
    backward = flambeau.ops.aten.embedding_dense_backward
    result = backward(tensor(grad), tensor(index), 4, -1, by_frequency)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)


def test_embedding_backward_adds_up_truth_and_large_whole_numbers():
    backward = flambeau.ops.aten.embedding_dense_backward
    truth = flambeau.tensor([[True], [False], [True]])
    rows = flambeau.tensor([1, 1, 1])
    assert backward(truth, rows, 2, -1, True).tolist() == [[False], [True]]
    large = flambeau.full((3, 1), 30000, dtype=flambeau.int16)
    assert backward(large, rows, 2, -1, False).tolist() == [[0], [90000 - 65536]]


def test_embedding_gradients():
    table, index = double(5, 3), flambeau.tensor([[0, 4, 4], [1, 2, 4]])
    check_gradients(lambda t: flambeau.embedding(t, index) ** 2, table)
    check_gradients(lambda t: flambeau.embedding(t, index, padding_idx=4)[:, 0] ** 2, table)


def test_a_second_ellipsis_takes_dimensions_that_are_not_there():
    x = flambeau.ones(2, 2)
    for index in ((..., ..., 0), (..., ..., None)):
        with pytest.raises(IndexError):
            x[index]
        with pytest.raises(IndexError):
            x[index] = 3
    with pytest.raises(IndexError):
        flambeau.ones(2, 2, 2)[..., ..., flambeau.tensor([0])]
    assert x[..., ...].shape == (2, 2)


IDX = flambeau.tensor([0, 1])


@pytest.mark.parametrize(
    "index, shape, ones",
    [
        (IDX, (3,), (1, 1, 2)),
        (flambeau.tensor([True, True, False]), (3,), (1, 2)),
        ((slice(None), IDX), (3, 3), (1, 1, 3, 2)),
        ((slice(None), IDX), (3, 3), (1, 2)),
        ((None, IDX), (3,), (1, 1, 1, 2)),
        (flambeau.tensor([[0, 1]]), (3,), (1, 1, 1, 2)),
        ([0, 1], (3,), (1, 1, 1)),
        (flambeau.tensor([], dtype=flambeau.long), (3,), (1, 1, 1)),
    ],
)
def test_assigned_values_may_have_leading_ones(index, shape, ones):
    x, value = flambeau.zeros(shape), flambeau.ones(ones, requires_grad=True)
    x[index] = value
    expected = flambeau.zeros(shape)
    expected[index] = 1.0
    assert x.tolist() == expected.tolist()
    if x.requires_grad:
        x.sum().backward()
        assert value.grad.shape == value.shape and value.grad.sum() == expected.sum()


def test_index_put_takes_no_leading_ones():
    with pytest.raises(RuntimeError, match="cannot be broadcast to indexing result"):
        flambeau.zeros(3).index_put_((IDX,), flambeau.ones(1, 1, 2))
    with pytest.raises(RuntimeError, match="cannot be broadcast to indexing result"):
        flambeau.zeros(3)[IDX] = flambeau.ones(2, 1, 2)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_a_complex_number_that_does_not_fit_is_refused_as_any_other(dtype):
    x = flambeau.zeros(2, 2, dtype=getattr(flambeau, dtype))
    for place in ((0, 0), 0, x == 0, flambeau.tensor([0])):
        with pytest.raises(RuntimeError, match="setitem: value cannot be converted to type"):
            x[place] = 1 + 2j
    assert not x.any()
    x[0, 0] = 1 + 0j
    assert x.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("reduce, function", [("sum", "any"), ("prod", "all"), ("amax", "any")])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_of_bools(reduce, function, include_self):
    own, index = flambeau.tensor([True, False, True]), flambeau.tensor([0, 1, 1, 0, 0])
    src = flambeau.tensor([True, False, False, False, True])
    found = own.scatter_reduce(0, index, src, reduce, include_self=include_self)
    for place in (0, 1):
        came = [bool(v) for v, i in zip(src, index) if i == place]
        came += [bool(own[place])] * include_self
        assert bool(found[place]) == {"any": any, "all": all}[function](came)
    assert found[2] and found.dtype == flambeau.bool
