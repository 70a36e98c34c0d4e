"""Indexing and sorting against PyTorch in the same process: values, strides, errors."""

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402

DTYPES = ["uint8", "int16", "int64", "bool", "float16", "bfloat16", "float32", "complex64"]


def pair(tensor):
    """The same tensor for both libraries, with the same strides."""
    if tensor.dtype == torch.bfloat16:
        ours = flambeau.from_numpy(tensor.contiguous().view(torch.int16).numpy())
        ours = ours.view(flambeau.bfloat16)
    else:
        ours = flambeau.from_numpy(tensor.contiguous().numpy())
    made = flambeau.empty_strided(tensor.shape, tensor.stride(), dtype=ours.dtype)
    made.copy_(ours)
    return made, tensor


def make(shape, dtype):
    kind = getattr(torch, dtype)
    if dtype == "bool":
        return torch.rand(shape) > 0.5
    if dtype == "complex64":
        return torch.complex(*torch.randint(-9, 9, (2, *shape)).float())
    return torch.randint(0, 9, shape).to(kind)


def laid_out(choose, tensor):
    """The tensor contiguous or with its dimensions in another order in memory."""
    order = list(range(tensor.dim()))
    choose.shuffle(order)
    inverse = [order.index(d) for d in range(tensor.dim())]
    return choose.choice([tensor, tensor.permute(order).contiguous().permute(inverse)])


def numpy_of(tensor):
    if str(tensor.dtype).endswith("bfloat16"):
        tensor = tensor.to(
            flambeau.float32 if isinstance(tensor, flambeau.Tensor) else torch.float32
        )
    return tensor.numpy()


def same(ours, theirs, strides=True):
    if isinstance(theirs, (tuple, list)):
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, strides)
        return
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_array_equal(numpy_of(ours), numpy_of(theirs))
    if strides and theirs.numel() > 1:
        assert ours.stride() == theirs.stride()


@pytest.fixture(params=range(40))
def case(request):
    choose = random.Random(request.param)
    torch.manual_seed(request.param)
    shape = [choose.choice([1, 2, 3, 5]) for _ in range(choose.randrange(1, 5))]
    dtype = choose.choice(DTYPES)
    tensor = laid_out(choose, make(shape, dtype))
    return choose, shape, choose.randrange(len(shape)), tensor


def test_picking_along_a_dimension(case):
    choose, shape, dim, tensor = case
    ours, theirs = pair(tensor)
    sizes = [choose.randrange(1, n + 1) for n in shape]
    sizes[dim] = 4
    index, torch_index = pair(laid_out(choose, torch.randint(0, shape[dim], sizes)))
    same(flambeau.gather(ours, dim, index), torch.gather(theirs, dim, torch_index))
    vector, torch_vector = pair(torch.randint(0, shape[dim], (6,)))
    same(
        flambeau.index_select(ours, dim, vector),
        torch.index_select(theirs, dim, torch_vector),
    )
    source, torch_source = pair(make(sizes, str(theirs.dtype).split(".")[1]))
    same(
        flambeau.scatter_add(ours, dim, index, source),
        torch.scatter_add(theirs, dim, torch_index, torch_source),
    )


def test_advanced_indexing(case):
    choose, shape, _, tensor = case
    ours, theirs = pair(tensor.contiguous())
    indices = [
        None
        if choose.random() < 0.4
        else torch.randint(-n, n, choose.choice([(3,), (2, 1), (2, 3), ()]))
        for n in shape
    ]
    if all(i is None for i in indices):
        indices[-1] = torch.rand(shape[-1]) > 0.4
    our_indices = [None if i is None else pair(i)[0] for i in indices]
    expected = torch.ops.aten.index(theirs, indices)
    same(flambeau.ops.aten.index(ours, our_indices), expected, strides=False)
    values, torch_values = pair(make(list(expected.shape), str(theirs.dtype).split(".")[1]))
    ours.index_put_(tuple(our_indices), values, accumulate=True)
    same(ours, torch.ops.aten.index_put(theirs, indices, torch_values, True))


def test_masks(case):
    choose, shape, _, tensor = case
    ours, theirs = pair(tensor)
    mask, torch_mask = pair(torch.rand([choose.choice([1, n]) for n in shape]) > 0.5)
    same(flambeau.masked_fill(ours, mask, 1), torch.masked_fill(theirs, torch_mask, 1))
    same(flambeau.masked_select(ours, mask), torch.masked_select(theirs, torch_mask))
    same(flambeau.nonzero(ours), torch.nonzero(theirs))


def test_joining_and_rearranging(case):
    _, shape, dim, tensor = case
    ours, theirs = pair(tensor)
    same(flambeau.cat([ours, ours], dim), torch.cat([theirs, theirs], dim))
    same(flambeau.stack([ours, ours], dim), torch.stack([theirs, theirs], dim), strides=False)
    same(flambeau.flip(ours, (dim,)), torch.flip(theirs, (dim,)))
    same(flambeau.roll(ours, 2, dim), torch.roll(theirs, 2, dim))
    if len(shape) > 1:
        same(flambeau.tril(ours, 1), torch.tril(theirs, 1))
        same(flambeau.triu(ours, -1), torch.triu(theirs, -1))


def test_order(case):
    choose, shape, dim, tensor = case
    if tensor.dtype.is_complex:
        pytest.skip("complex numbers have no order")
    ours, theirs = pair(tensor)
    descending = choose.random() < 0.5
    expected = torch.sort(theirs, dim=dim, descending=descending, stable=True)
    same(flambeau.sort(ours, dim=dim, descending=descending, stable=True), expected)
    if tensor.dtype != torch.bool:
        values = flambeau.topk(ours, shape[dim], dim, descending).values
        same(values, torch.topk(theirs, shape[dim], dim, descending).values, strides=False)
    for options in ({}, {"dim": dim}):
        both = {"return_inverse": True, "return_counts": True, **options}
        same(flambeau.unique(ours, **both), torch.unique(theirs, **both), strides=False)
        same(
            flambeau.unique_consecutive(ours, **both),
            torch.unique_consecutive(theirs, **both),
            strides=False,
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x, i: t.gather(x, 0, i[None] + 5),
        lambda t, x, i: t.gather(x, 0, i[None] - 5),
        lambda t, x, i: t.gather(x, 3, i[None]),
        lambda t, x, i: t.gather(x, 0, i),
        lambda t, x, i: t.scatter(x, 0, i[None] + 5, 1.0),
        lambda t, x, i: t.scatter(x, 0, i[None], x.to(t.float64)),
        lambda t, x, i: t.index_select(x, 0, i + 5),
        lambda t, x, i: t.index_select(x, 0, x),
        lambda t, x, i: t.index_add(x, 0, i + 5, x[:2]),
        lambda t, x, i: t.index_add(x, 0, i, x),
        lambda t, x, i: t.index_add(x, 0, i[None], x),
        lambda t, x, i: t.index_put(x, (i + 5,), x[0, 0]),
        lambda t, x, i: t.index_put(x, (i, i, i), x[0, 0]),
        lambda t, x, i: t.index_put(x, (i,), x[:, :3]),
        lambda t, x, i: t.index_put(x, (x,), x[0, 0]),
        lambda t, x, i: t.embedding(x, i + 5),
        lambda t, x, i: t.embedding(x, x),
        lambda t, x, i: t.masked_fill(x, x, 1),
        lambda t, x, i: t.masked_select(x, x),
        lambda t, x, i: t.cat([]),
        lambda t, x, i: t.cat([x, x[0]]),
        lambda t, x, i: t.stack([x, x[0]]),
        lambda t, x, i: t.stack([]),
        lambda t, x, i: t.flip(x, (0, 0)),
        lambda t, x, i: t.roll(x, (1, 2), (0,)),
        lambda t, x, i: t.roll(x[0, 0], 0, 0),
        lambda t, x, i: t.tril(x[0]),
        lambda t, x, i: x.repeat(2),
        lambda t, x, i: x.repeat(-1, 1),
        lambda t, x, i: t.topk(x, 9),
        lambda t, x, i: t.topk(x, 1, 2),
        lambda t, x, i: t.sort(x, 2),
        lambda t, x, i: t.sort(x.to(t.complex64)),
        lambda t, x, i: t.split(x, [1, 1]),
        lambda t, x, i: t.split(x, 0),
        lambda t, x, i: t.einsum("ij,jk", x),
        lambda t, x, i: t.nn.functional.one_hot(i - 5),
        lambda t, x, i: t.nn.functional.one_hot(x),
        lambda t, x, i: x.expand(2, 3, 4).scatter_(0, i[None, None], 1.0),
        lambda t, x, i: x[0].scatter_(0, i, x[0]),
    ],
)
def test_errors_are_of_one_type(call):
    raised = []
    for library in (torch, flambeau):
        x = library.ones(3, 4)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is what is compared
            call(library, x, library.tensor([0, 1]))
        raised.append(caught.type)
    assert raised[0] is raised[1]
