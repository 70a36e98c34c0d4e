"""What is added up in float16 and bfloat16 at places of a tensor is rounded once, at the end."""

import numpy as np
import pytest

import flambeau as torch

HALVES = ("float16", "bfloat16")
COUNT = 5000
# Added one by one in the dtype itself, ones stop at 256 and at 2048.
WANT = {"float16": 5000.0, "bfloat16": 4992.0}


def gradient(f, x):
    x = x.detach().requires_grad_()
    f(x).sum().backward()
    return x.grad


SUMS = {
    "scatter_add": lambda z, i, ones: z.scatter_add(0, i, ones),
    "scatter_add_": lambda z, i, ones: z.clone().scatter_add_(0, i, ones),
    "scatter_add of a column": lambda z, i, ones: z[:, None].scatter_add(
        0, i[:, None], ones[:, None]
    )[:, 0],
    "scatter of a tensor": lambda z, i, ones: z.scatter(0, i, ones, reduce="add"),
    "scatter of a number": lambda z, i, ones: z.scatter(0, i, 1, reduce="add"),
    "index_add": lambda z, i, ones: z.index_add(0, i, ones),
    "index_add with alpha": lambda z, i, ones: z.index_add(0, i, ones / 2, alpha=2),
    "index_add of rows": lambda z, i, ones: (
        z[:, None].expand(-1, 3).index_add(0, i, ones[:, None].expand(-1, 3))[:, 1]
    ),
    "index_add_ with steps": lambda z, i, ones: torch.stack([z, z], 1)[:, 1].index_add_(0, i, ones),
    "index_put": lambda z, i, ones: z.index_put((i,), ones, accumulate=True),
    "index_put of one": lambda z, i, ones: z.index_put((i,), ones[0], accumulate=True),
    "gradient of gather": lambda z, i, ones: gradient(lambda x: x.gather(0, i), z),
    "gradient of as_strided": lambda z, i, ones: gradient(
        lambda x: torch.cat([x.as_strided((COUNT,), (0,)), x[1:] * 0]), z
    ),
    "gradient of an index": lambda z, i, ones: gradient(lambda x: x[i], z),
    "gradient of index_select": lambda z, i, ones: gradient(lambda x: x.index_select(0, i), z),
    "gradient of expand": lambda z, i, ones: gradient(lambda x: x[:1].expand(COUNT), z),
}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", SUMS)
def test_many_ones(name, dtype):
    kind = getattr(torch, dtype)
    zeros, ones = torch.zeros(2, dtype=kind), torch.ones(COUNT, dtype=kind)
    got = SUMS[name](zeros, torch.zeros(COUNT, dtype=torch.int64), ones)
    assert got.dtype is kind and got.tolist() == [WANT[dtype], 0.0]


@pytest.mark.parametrize("dtype", HALVES)
def test_many_windows(dtype):
    kind = getattr(torch, dtype)
    got = gradient(lambda x: x.unfold(0, COUNT, 1), torch.zeros(2 * COUNT, dtype=kind))
    assert got.dtype is kind and got.max().item() == WANT[dtype]
    assert got[:3].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("dtype", HALVES)
def test_many_factors(dtype):
    kind = getattr(torch, dtype)
    # Rounded each time, the product drifts away.
    factors = torch.full((100,), 1.0078125, dtype=kind)
    got = torch.ones(2, dtype=kind).scatter(
        0, torch.zeros(100, dtype=torch.int64), factors, reduce="multiply"
    )
    assert got.tolist() == torch.tensor([1.0078125**100, 1.0]).to(kind).tolist()


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", HALVES)
def test_rounded_once_whatever_the_threads(dtype, threads):
    kind = getattr(torch, dtype)
    rng = np.random.default_rng(0)
    # Multiples of 1 / 64 whose sums float holds exactly.
    numbers = rng.integers(-512, 512, (6000, 40)) / 64.0
    source = torch.tensor(numbers).to(kind)
    start = torch.tensor(rng.integers(-512, 512, (30, 40)) / 64.0).to(kind)
    index = rng.integers(0, 30, 6000)
    exact = start.double().numpy().copy()
    np.add.at(exact, index, source.double().numpy())
    want = torch.tensor(exact).to(kind)
    at = torch.tensor(index)
    for count in (1, 2, 5):
        threads(count)
        for got in (
            start.index_add(0, at, source),
            start.index_put((at,), source, accumulate=True),
            start.scatter_add(0, at[:, None].expand(6000, 40), source),
            start.scatter_add(0, at[:, None].repeat(1, 40), source),
            start.t().clone().t().index_add_(0, at, source),
        ):
            assert torch.equal(got, want)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("integers", ["int64", "int32"])
def test_few_slices_of_many(dtype, integers, threads):
    kind = getattr(torch, dtype)
    rng = np.random.default_rng(1)
    index = rng.integers(0, 500, 300)
    index[:40] = 7
    at = torch.tensor(np.stack([index, index], 1)).to(getattr(torch, integers))[:, 1]
    source = torch.tensor(rng.integers(-512, 512, (300, 5)) / 64.0).to(kind)
    for start in (torch.ones(1000, 5, dtype=kind), torch.ones(5, 1000, dtype=kind).t()):
        exact = np.ones((1000, 5))
        np.add.at(exact, index, -2 * source.double().numpy())
        want = torch.tensor(exact).to(kind)
        for count in (1, 2, 5):
            threads(count)
            assert torch.equal(start.index_add(0, at, source, alpha=-2), want)
            assert torch.equal(start.t().index_add(1, at, source.t(), alpha=-2), want.t())
            assert torch.equal(start.clone().index_add_(0, at, source, alpha=-2), want)
    line = torch.zeros(9, dtype=kind).index_add(0, torch.tensor(3), torch.ones(1, dtype=kind))
    assert line.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        line.index_add_(0, torch.tensor([2, 9]), torch.ones(2, dtype=kind))
    assert line.sum() == 1


@pytest.mark.parametrize("dtype", HALVES)
def test_a_bad_index_changes_nothing(dtype):
    x = torch.ones(3, dtype=getattr(torch, dtype))
    at = torch.tensor([0, 3])
    for change in (
        lambda: x.index_add_(0, at, x[:2].clone()),
        lambda: x.scatter_add_(0, at, x[:2].clone()),
        lambda: x.index_put_((at,), x[:2].clone(), accumulate=True),
    ):
        with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
            change()
        assert x.tolist() == [1.0, 1.0, 1.0]
