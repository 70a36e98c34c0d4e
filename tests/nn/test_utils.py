"""`nn.utils`: bounds on gradients, parameters as a vector."""

import warnings

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.nn import utils


def with_grads(*grads):
    params = []
    for g in grads:
        p = nn.Parameter(flambeau.zeros(g.shape, dtype=g.dtype))
        p.grad = g.clone()
        params.append(p)
    return [*params, nn.Parameter(flambeau.ones(2))]  # one that has none


GRADS = (flambeau.tensor([[3.0, -1.0], [0.5, 2.0]]), flambeau.tensor(-4.0), flambeau.ones(0))
WHOLE = np.array([3.0, -1.0, 0.5, 2.0, -4.0])


@pytest.mark.parametrize("order", [1.0, 2, 3.0, float("inf"), 0.5])
def test_a_norm_is_bounded(order):
    # Without elements there is no largest one.
    grads = GRADS[:2] if order == float("inf") else GRADS
    due = (
        np.abs(WHOLE).max()
        if order == float("inf")
        else (np.abs(WHOLE) ** order).sum() ** (1 / order)
    )
    params = with_grads(*grads)
    total = utils.clip_grad_norm_((p for p in params), 0.75, order)
    np.testing.assert_allclose(float(total), due, rtol=1e-6)
    after = np.concatenate([p.grad.numpy().ravel() for p in params if p.grad is not None])
    np.testing.assert_allclose(after, WHOLE * 0.75 / (due + 1e-6), rtol=1e-6)


def test_small_gradients_stay():
    params = with_grads(*GRADS)
    utils.clip_grad_norm_(params, 100.0)
    assert all(flambeau.equal(p.grad, g) for p, g in zip(params, GRADS))
    assert utils.clip_grad_norm_([nn.Parameter(flambeau.ones(1))], 1.0).tolist() == 0.0


def test_halves_keep_their_dtype():
    params = with_grads(flambeau.full((4,), 3.0, dtype=flambeau.bfloat16))
    utils.clip_grad_norm_(params[0], 3.0)
    assert params[0].grad.dtype == flambeau.bfloat16
    assert params[0].grad.tolist() == [1.5] * 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_norm_that_is_no_number(bad):
    params = with_grads(flambeau.tensor([1.0, bad]))
    with pytest.raises(RuntimeError, match="total norm of order 2.0 .* non-finite"):
        utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[0].grad[0].item() == 1.0
    assert not np.isfinite(float(utils.clip_grad_norm_(params, 1.0)))


def test_elements_are_bounded():
    params = with_grads(*GRADS)
    utils.clip_grad_value_(params, 1)
    assert params[0].grad.tolist() == [[1.0, -1.0], [0.5, 1.0]]
    assert params[1].grad.item() == -1.0


def test_old_name_and_used_up_generators_warn():
    params = with_grads(*GRADS)
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        assert float(utils.clip_grad_norm(params, 1.0)) > 1
    generator = (p for p in params)
    list(generator)
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_(generator, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        utils.clip_grad_value_([], 1.0)


def test_parameters_as_a_vector():
    net = nn.Linear(3, 2)
    vector = utils.parameters_to_vector(net.parameters())
    due = np.concatenate([p.detach().numpy().ravel() for p in net.parameters()])
    np.testing.assert_array_equal(vector.detach().numpy(), due)
    vector.sum().backward()
    assert net.weight.grad.tolist() == [[1.0] * 3] * 2
    new = flambeau.arange(8.0)
    utils.vector_to_parameters(new, net.parameters())
    assert net.weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert net.bias.tolist() == [6.0, 7.0] and net.bias.requires_grad


@pytest.mark.parametrize("vector", [flambeau.ones(7), flambeau.ones(8, 1)])
def test_a_vector_that_does_not_fit_changes_nothing(vector):
    net = nn.Linear(3, 2)
    before = net.weight.detach().clone()
    with pytest.raises(RuntimeError, match="the parameters have 8 elements"):
        utils.vector_to_parameters(vector, net.parameters())
    assert flambeau.equal(net.weight, before)


def test_refusals():
    with pytest.raises(TypeError, match="expected torch.Tensor"):
        utils.vector_to_parameters([1.0], [])
    mixed = [flambeau.ones(1), flambeau.ones(1, device="meta")]
    with pytest.raises(TypeError, match="on different devices"):
        utils.parameters_to_vector(mixed)
