"""Distances, bags of rows, and losses of layers."""

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau import nn


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 2.0, 3.0, float("inf")])
def test_cdist_and_pdist_are_norms_of_differences(p):
    x, y = flambeau.randn(2, 4, 3, dtype=flambeau.float64), flambeau.randn(5, 3).double()
    moved = (x.unsqueeze(-2) - y.unsqueeze(-3)).numpy()
    np.testing.assert_allclose(flambeau.cdist(x, y, p).numpy(), np.linalg.norm(moved, p, -1))
    rows = np.triu_indices(4, 1)
    expected = flambeau.cdist(x[0], x[0], p).numpy()[rows]
    np.testing.assert_allclose(F.pdist(x[0], p).numpy(), expected)


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, float("inf")])
def test_first_and_second_gradients_of_cdist(p, mode):
    x = flambeau.randn(3, 2, dtype=flambeau.float64, requires_grad=True)
    y = flambeau.randn(4, 2, dtype=flambeau.float64, requires_grad=True)
    assert flambeau.autograd.gradcheck(lambda a, b: flambeau.cdist(a, b, p, mode), (x, y))
    assert flambeau.autograd.gradgradcheck(lambda a, b: flambeau.cdist(a, b, p, mode), (x, y))


def test_vectors_in_one_place_have_no_slope():
    x = flambeau.zeros(2, 2, requires_grad=True)
    for mode in (1, 2):
        flambeau.cdist(x, x.detach(), 2.0, mode).sum().backward()
        assert x.grad.tolist() == [[0, 0], [0, 0]]


def test_cdist_has_the_same_bits_for_any_number_of_threads():
    x, y = flambeau.randn(100, 40), flambeau.randn(90, 40)
    before, made = flambeau.get_num_threads(), []
    for n in (1, 2, 5):
        flambeau.set_num_threads(n)
        made.append(flambeau.cdist(x, y, 2.0, 2).tolist())
    flambeau.set_num_threads(before)
    assert made[0] == made[1] == made[2]


def test_cdist_says_what_does_not_fit():
    with pytest.raises(RuntimeError, match="cdist: X1 and X2 must have the same number of columns"):
        flambeau.cdist(flambeau.zeros(2, 3), flambeau.zeros(2, 4))
    with pytest.raises(RuntimeError, match="cdist: possible modes: 0, 1, 2, but was: 3"):
        flambeau.cdist(flambeau.zeros(2, 3), flambeau.zeros(2, 3), 2.0, 3)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_bags_are_sums_means_and_maxima(mode, dtype):
    table = flambeau.randn(6, 4).to(getattr(flambeau, dtype)).requires_grad_()
    ids, starts = flambeau.tensor([1, 5, 2, 2, 0]), [0, 2, 2]
    got = F.embedding_bag(ids, table, flambeau.tensor(starts), mode=mode, padding_idx=5)
    wide = table.detach().float()
    bags = [wide[[1]], wide[[]], wide[[2, 2, 0]]]
    for row, bag in zip(got.float(), bags):
        expected = flambeau.zeros(4)
        if len(bag):
            expected = bag.max(0).values if mode == "max" else getattr(bag, mode)(0)
        np.testing.assert_allclose(row.detach(), expected, rtol=1e-2, atol=1e-2)
    got.sum().backward()
    assert table.grad[5].abs().sum() == 0 and table.grad[3].abs().sum() == 0


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_gradients_of_bags(mode):
    table = flambeau.randn(5, 3, dtype=flambeau.float64, requires_grad=True)
    factors = flambeau.randn(6, dtype=flambeau.float64, requires_grad=True)
    ids, starts = flambeau.tensor([4, 1, 1, 0, 2, 4]), flambeau.tensor([0, 0, 4])

    def bags(table, factors):
        own = factors if mode == "sum" else None
        return F.embedding_bag(ids, table, starts, mode=mode, per_sample_weights=own)

    given = (table, factors) if mode == "sum" else (table,)
    call = bags if mode == "sum" else lambda table: bags(table, None)
    assert flambeau.autograd.gradcheck(call, given)
    assert flambeau.autograd.gradgradcheck(call, given)


def test_rows_of_ids_are_bags_and_offsets_may_end_with_the_end():
    bag = nn.EmbeddingBag(6, 3, mode="sum")
    ids = flambeau.tensor([[1, 2], [5, 5]])
    rows = bag(ids)
    assert (rows == bag(ids.flatten(), flambeau.tensor([0, 2]))).all()
    bag.include_last_offset = True
    assert (rows == bag(ids.flatten(), flambeau.tensor([0, 2, 4]))).all()
    assert repr(bag) == "EmbeddingBag(6, 3, mode='sum')"


def test_bags_say_what_does_not_fit():
    table, ids = flambeau.zeros(3, 2), flambeau.tensor([0, 3])
    with pytest.raises(RuntimeError, match="found idx to be 3"):
        F.embedding_bag(ids, table, flambeau.tensor([0]))
    with pytest.raises(RuntimeError, match="start from position 0"):
        F.embedding_bag(flambeau.tensor([0]), table, flambeau.tensor([1]))


def test_rows_are_shortened_where_they_are_used():
    table = flambeau.tensor([[3.0, 4.0], [3.0, 4.0], [0.1, 0.0]])
    F.embedding(flambeau.tensor([0, 2, 0]), table, max_norm=1.0)
    np.testing.assert_allclose(table.numpy(), [[0.6, 0.8], [3, 4], [0.1, 0]], rtol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_chunks_of_a_linear_cross_entropy_are_the_whole(reduction):
    x = flambeau.randn(9, 4, dtype=flambeau.float64, requires_grad=True)
    w = flambeau.randn(5, 4, dtype=flambeau.float64, requires_grad=True)
    target = flambeau.tensor([0, 1, 2, 3, 4, 1, 1, 2, 0])
    factors = flambeau.rand(5, dtype=flambeau.float64)

    def loss(options):
        y = F.linear_cross_entropy(
            x, w, target, weight=factors, reduction=reduction, ignore_index=2, options=options
        )
        return y, flambeau.autograd.grad((y * y).sum(), (x, w))

    whole, grads = loss(None)
    parts, others = loss(nn.LinearCrossEntropyOptions(batch_chunk_size=4))
    np.testing.assert_allclose(parts.detach().numpy(), whole.detach().numpy())
    for a, b in zip(grads, others):
        np.testing.assert_allclose(a.numpy(), b.numpy())


def test_probabilities_of_an_adaptive_softmax_add_up():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
    x, target = flambeau.randn(6, 8), flambeau.tensor([0, 3, 5, 12, 19, 4])
    full = layer.log_prob(x)
    np.testing.assert_allclose(full.exp().sum(1).detach().numpy(), np.ones(6), rtol=1e-5)
    output, loss = layer(x, target)
    own = full.gather(1, target.unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(output.detach().numpy(), own.detach().numpy(), rtol=1e-5)
    assert loss.item() == pytest.approx(-own.mean().item(), rel=1e-5)
    assert (layer.predict(x) == full.argmax(1)).all()
    with pytest.raises(RuntimeError, match=r"in range \[0, 20\]"):
        layer(x[:2], flambeau.tensor([0, 20]))
