"""Losses, activations and dropouts where the records' own tests do not reach."""

import itertools
import math
import pickle

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau import nn


def likelihood_of_all_ways(scores, label, blank=0):
    """The sum over every path that collapses to the label."""
    steps, classes = scores.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        kept = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if [c for c in kept if c != blank] == list(label):
            total += math.exp(sum(scores[i, c] for i, c in enumerate(path)))
    return total


@pytest.mark.parametrize("label", [[1], [1, 2], [1, 1], []])
def test_ctc_is_the_sum_over_all_alignments(label):
    x = flambeau.randn(4, 1, 3, dtype=flambeau.float64).log_softmax(2)
    targets = flambeau.tensor([label + [0]])
    loss = F.ctc_loss(x, targets, (4,), (len(label),), reduction="sum")
    expected = -math.log(likelihood_of_all_ways(x[:, 0].numpy(), label))
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_of_ctc_is_a_finite_difference_behind_a_softmax():
    x = flambeau.randn(5, 2, 4, dtype=flambeau.float64, requires_grad=True)
    targets = flambeau.tensor([[1, 1, 2], [3, 0, 0]])

    def loss(x):
        return F.ctc_loss(x.log_softmax(2), targets, (5, 4), (3, 1), reduction="none")

    assert flambeau.autograd.gradcheck(loss, (x,))


def test_targets_of_ctc_may_be_one_after_the_other_and_lengths_tensors():
    x = flambeau.randn(5, 2, 4).log_softmax(2)
    padded = F.ctc_loss(x, flambeau.tensor([[1, 1, 2], [3, 0, 0]]), (5, 4), (3, 1))
    joined = flambeau.tensor([1, 1, 2, 3])
    assert F.ctc_loss(x, joined, (5, 4), (3, 1)) == padded
    lengths = flambeau.tensor([5, 4]), flambeau.tensor([3, 1])
    assert F.ctc_loss(x, joined, *lengths) == padded


def test_what_cannot_be_aligned_is_infinite_or_nothing():
    x = flambeau.randn(2, 1, 3, requires_grad=True)
    call = (flambeau.tensor([[1, 1]]), (2,), (2,))
    assert F.ctc_loss(x.log_softmax(2), *call).item() == math.inf
    loss = F.ctc_loss(x.log_softmax(2), *call, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and not x.grad.any()


def test_ctc_has_the_same_bits_for_any_number_of_threads():
    x = flambeau.randn(30, 8, 6).log_softmax(2)
    targets = flambeau.randint(1, 6, (8, 5))
    made = []
    before = flambeau.get_num_threads()
    for n in (1, 2, 5):
        flambeau.set_num_threads(n)
        made.append(F.ctc_loss(x, targets, (30,) * 8, (5,) * 8, reduction="none").tolist())
    flambeau.set_num_threads(before)
    assert made[0] == made[1] == made[2]


def test_ctc_says_what_does_not_fit():
    x = flambeau.zeros(4, 2, 3)
    with pytest.raises(RuntimeError, match="ctc_loss: blank must be in label range"):
        F.ctc_loss(x, flambeau.tensor([[1], [1]]), (4, 4), (1, 1), blank=3)
    with pytest.raises(RuntimeError, match="ctc_loss: input_lengths"):
        F.ctc_loss(x, flambeau.tensor([[1], [1]]), (4,), (1, 1))
    with pytest.raises(RuntimeError, match="ctc_loss: target 3 is not one of 3 classes"):
        F.ctc_loss(x, flambeau.tensor([[3], [1]]), (4, 4), (1, 1))


def test_multilabel_margin_by_hand():
    x = np.random.default_rng(0).normal(size=(3, 4))
    targets = [[1, 3, -1, 0], [0, -1, 2, 2], [2, 1, 0, 3]]
    expected = []
    for row, own in zip(x, targets):
        there = own[: own.index(-1)] if -1 in own else own
        pairs = [(t, c) for t in there for c in range(4) if c not in there]
        expected.append(sum(max(0, 1 - row[t] + row[c]) for t, c in pairs) / 4)
    got = F.multilabel_margin_loss(flambeau.tensor(x), flambeau.tensor(targets), reduction="none")
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin_by_hand(p):
    x, t, w = flambeau.randn(3, 4), [1, 0, 3], flambeau.rand(4)
    expected = [
        sum(
            w[own].item() * max(0, 0.7 - row[own].item() + row[c].item()) ** p
            for c in range(4)
            if c != own
        )
        / 4
        for row, own in zip(x, t)
    ]
    got = F.multi_margin_loss(x, flambeau.tensor(t), p, 0.7, w, reduction="none")
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


def test_probabilities_out_of_range_are_refused():
    with pytest.raises(RuntimeError, match="between 0 and 1, got 0.5 to 1.5"):
        F.binary_cross_entropy(flambeau.tensor([0.5, 1.5]), flambeau.zeros(2))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(flambeau.tensor([math.nan]), flambeau.zeros(1))


def test_logarithms_of_binary_cross_entropy_end():
    x = flambeau.tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, flambeau.tensor([1.0, 0.0]))
    assert loss.item() == 100


def test_inplace_activations_differentiate_from_their_results():
    for name in ("leaky_relu_", "elu_", "celu_", "selu_", "hardtanh_", "relu6"):
        x = flambeau.randn(50, requires_grad=True)
        plain = getattr(F, name.rstrip("_"))
        expected = flambeau.autograd.grad(plain(x).sum(), x)[0]
        y = x * 1
        y = F.relu6(y, inplace=True) if name == "relu6" else getattr(F, name)(y)
        got = flambeau.autograd.grad(y.sum(), x)[0]
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_results_that_do_not_tell_the_sign_are_refused():
    for call in (lambda t: F.leaky_relu_(t, -0.1), lambda t: F.elu_(t, -1.0)):
        y = call(flambeau.ones(2, requires_grad=True) * 1)
        with pytest.raises(RuntimeError, match="negative slope"):
            y.sum().backward()


def test_rrelu_draws_below_zero_alone():
    flambeau.manual_seed(0)
    x = flambeau.tensor([1.0, -1.0, 2.0, -1.0], requires_grad=True)
    y = F.rrelu(x, 0.25, 0.5, training=True)
    y.sum().backward()
    flambeau.manual_seed(0)
    drawn = flambeau.empty(2, dtype=flambeau.float64).uniform_(0.25, 0.5).float()
    assert x.grad.tolist() == [1.0, drawn[0].item(), 1.0, drawn[1].item()]
    assert y.tolist() == [1.0, -drawn[0].item(), 2.0, -drawn[1].item()]


def test_channels_are_dropped_as_a_whole():
    y = F.dropout2d(flambeau.ones(4, 8, 3, 3), 0.5)
    by_channel = y.flatten(2)
    assert set(by_channel.unique().tolist()) == {0.0, 2.0}
    assert (by_channel.min(2).values == by_channel.max(2).values).all()


def test_alpha_dropout_keeps_mean_and_deviation():
    x = flambeau.randn(200_000)
    y = F.alpha_dropout(x, 0.3, training=True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1) < 0.02


@pytest.mark.parametrize("d, shape", [(1, (2, 3)), (3, (2, 3, 2, 2))])
def test_dropout_without_a_batch(d, shape):
    y = getattr(F, f"dropout{d}d")(flambeau.ones(shape), 0.5)
    assert y.shape == shape
    assert (y.flatten(1).min(1).values == y.flatten(1).max(1).values).all()


def test_layers_are_shown_and_pickled():
    shown = {
        nn.LeakyReLU(0.2, inplace=True): "LeakyReLU(negative_slope=0.2, inplace=True)",
        nn.PReLU(3): "PReLU(num_parameters=3)",
        nn.Softshrink(): "Softshrink(0.5)",
        nn.Hardtanh(-2, 2): "Hardtanh(min_val=-2, max_val=2)",
        nn.ReLU6(): "ReLU6()",
        nn.Threshold(0.1, 20): "Threshold(threshold=0.1, value=20)",
        nn.CTCLoss(): "CTCLoss()",
        nn.AlphaDropout(0.2): "AlphaDropout(p=0.2, inplace=False)",
    }
    for layer, text in shown.items():
        assert repr(layer) == text
        assert repr(pickle.loads(pickle.dumps(layer))) == text


def test_old_arguments_of_reduction_warn_and_count():
    a, b = flambeau.zeros(4), flambeau.ones(4)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert nn.L1Loss(size_average=False)(a, b).item() == 4


def test_weights_of_l1_loss_are_what_its_mean_divides_by():
    a, b, w = flambeau.zeros(2), flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 3.0])
    assert F.l1_loss(a, b, weight=w).item() == pytest.approx(7 / 4)
    assert F.huber_loss(a, b, weight=w).item() == pytest.approx((0.5 + 3 * 1.5) / 2)
