"""Functions that take tensors one by one or as a list, and names around them, against NumPy."""

import numpy as np
import pytest

import flambeau


def array(t):
    return t.detach().numpy()


def test_meshgrid():
    a, b, c = flambeau.arange(2), flambeau.arange(3), flambeau.arange(4)
    for indexing in ("ij", "xy"):
        wanted = np.meshgrid(array(a), array(b), array(c), indexing=indexing)
        for made in (
            flambeau.meshgrid(a, b, c, indexing=indexing),
            flambeau.meshgrid([a, b, c], indexing=indexing),
        ):
            assert all(np.array_equal(array(x), y) for x, y in zip(made, wanted, strict=True))
    with pytest.warns(UserWarning, match="indexing"):
        flambeau.meshgrid(a, b)
    with pytest.raises(RuntimeError, match='"xy" or "ij"'):
        flambeau.meshgrid(a, b, indexing="yx")


def test_at_least_so_many_dimensions():
    one, row = flambeau.tensor(1), flambeau.arange(3)
    assert flambeau.atleast_1d(one).shape == (1,)
    assert [t.shape for t in flambeau.atleast_2d(one, row)] == [(1, 1), (1, 3)]
    assert [t.shape for t in flambeau.atleast_3d([one, row])] == [(1, 1, 1), (1, 3, 1)]


def test_blocks_and_products():
    x = flambeau.ones(2, 1, requires_grad=True)
    made = flambeau.block_diag(x, flambeau.tensor([2, 3]))
    assert array(made).tolist() == [[1, 0, 0], [1, 0, 0], [0, 2, 3]]
    made.sum().backward()
    assert x.grad.tolist() == [[1], [1]]
    rows = flambeau.cartesian_prod(flambeau.arange(2), flambeau.arange(3))
    assert array(rows).tolist() == [[i, j] for i in range(2) for j in range(3)]


def test_counts_and_places():
    assert flambeau.bincount(flambeau.tensor([1, 3])).tolist() == [0, 1, 0, 1]
    with pytest.raises(RuntimeError, match="non-negative"):
        flambeau.bincount(flambeau.tensor([-1]))
    x = flambeau.tensor([0.5, float("nan"), 3.0])
    line = flambeau.tensor([1.0, 2.0, 2.0])
    assert flambeau.bucketize(x, line).tolist() == [0, 3, 3]
    assert flambeau.searchsorted(line, 2, side="right").item() == 3
    order = flambeau.tensor([2, 0, 1])
    shuffled = flambeau.tensor([2.0, 3.0, 1.0])
    assert flambeau.searchsorted(shuffled, flambeau.tensor([2.5]), sorter=order).item() == 2
    with pytest.raises(RuntimeError, match="histc.*not finite"):
        flambeau.histc(flambeau.tensor([1.0, float("inf")]))


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_reductions_into_places(reduce, include_self):
    flambeau.manual_seed(0)
    x = flambeau.rand(4, 3, dtype=flambeau.float64) + 0.5
    src = flambeau.rand(5, 3, dtype=flambeau.float64) + 0.5
    index = flambeau.tensor([0, 2, 2, 0, 2])
    made = x.scatter_reduce(0, index[:, None].expand(5, 3), src, reduce, include_self=include_self)
    fold = {"amax": np.max, "amin": np.min}.get(reduce) or getattr(np, reduce)
    for row in range(4):
        came = [array(src)[i] for i in range(5) if index[i] == row]
        if include_self or not came:
            came.append(array(x)[row])
        np.testing.assert_allclose(array(made)[row], fold(np.stack(came), 0))
    if reduce != "sum":
        same = x.index_reduce(0, index, src, reduce, include_self=include_self)
        assert flambeau.equal(same, made)
    assert flambeau.autograd.gradcheck(
        lambda a, b: a.scatter_reduce(
            0, index[:, None].expand(5, 3), b, reduce, include_self=include_self
        ),
        (x.requires_grad_(), src.requires_grad_()),
    )


def test_repeated_elements_have_memory_of_their_own():
    x = flambeau.tensor(3.0)
    made = x.repeat_interleave(2)
    made[0] = 1
    assert made.tolist() == [1, 3] and x.item() == 3
    with pytest.raises(RuntimeError, match="negative"):
        x.repeat_interleave(flambeau.tensor([-1]))
    with pytest.raises(RuntimeError, match="same size as input along dim"):
        flambeau.ones(2, 2).repeat_interleave(flambeau.tensor([1, 2, 3]), 0)
