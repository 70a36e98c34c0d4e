"""Initialisations have the distribution that they promise, in place and without gradients."""

import math

import numpy as np
import pytest
import scipy.stats

import flambeau
from flambeau.nn import init


@pytest.fixture(autouse=True)
def seed():
    flambeau.manual_seed(0)


def p_value(tensor, distribution):
    return scipy.stats.kstest(tensor.numpy().ravel(), distribution.cdf).pvalue


def test_distributions():
    norm, uniform = scipy.stats.norm, scipy.stats.uniform
    assert p_value(init.uniform_(flambeau.empty(2000), -1, 3), uniform(-1, 4)) > 0.01
    assert p_value(init.normal_(flambeau.empty(2000), 1, 2), norm(1, 2)) > 0.01
    for low, high in ((-2, 2), (1.5, 2.5)):
        drawn = init.trunc_normal_(flambeau.empty(2000), 0, 1, low, high)
        assert p_value(drawn, scipy.stats.truncnorm(low, high)) > 0.01
    bound = math.sqrt(6 / (40 + 60))
    assert p_value(init.xavier_uniform_(flambeau.empty(40, 60)), uniform(-bound, 2 * bound)) > 0.01
    assert (
        p_value(init.xavier_normal_(flambeau.empty(40, 60), 2), norm(0, 2 * math.sqrt(0.02))) > 0.01
    )
    std = math.sqrt(2 / (20 * 9))
    weight = init.kaiming_normal_(flambeau.empty(30, 20, 3, 3), nonlinearity="relu")
    assert p_value(weight, norm(0, std)) > 0.01
    weight = init.kaiming_uniform_(flambeau.empty(20, 30, 3, 3), math.sqrt(5), "fan_out")
    bound = math.sqrt(3 * 2 / 6 / (20 * 9))
    assert p_value(weight, uniform(-bound, 2 * bound)) > 0.01


def test_trunc_normal_terminates_at_bounds_that_a_dtype_rounds():
    drawn = init.trunc_normal_(flambeau.empty(100, dtype=flambeau.bfloat16), 0, 1, -1.001, 1.001)
    assert float(drawn.abs().max()) <= 1.01
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(flambeau.empty(3), 5.0, 1.0, -2.0, 2.0)


def test_constants():
    assert init.constant_(flambeau.empty(2), 3).tolist() == [3, 3]
    assert init.ones_(flambeau.empty(1)).item() == 1 and init.zeros_(flambeau.empty(1)).item() == 0
    np.testing.assert_array_equal(init.eye_(flambeau.empty(3, 2)).numpy(), np.eye(3, 2))
    x = flambeau.arange(32.0).view(1, 2, 4, 4)
    weight = init.dirac_(flambeau.empty(2, 2, 3, 3))
    assert flambeau.equal(flambeau.conv2d(x, weight, padding=1), x)
    grouped = init.dirac_(flambeau.empty(4, 1, 3, 3), groups=2)
    assert flambeau.equal(flambeau.conv2d(x, grouped, padding=1, groups=2)[:, ::2], x)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3), (1, 4), (40, 30)])
def test_orthogonal(shape):
    weight = init.orthogonal_(flambeau.empty(shape), gain=2).view(shape[0], -1).numpy()
    small = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_sparse():
    weight = init.sparse_(flambeau.empty(20, 4), 0.31, std=2)
    assert (weight == 0).sum(0).tolist() == [7] * 4


def test_in_place_without_gradient_on_parameters():
    param = flambeau.nn.Parameter(flambeau.empty(3, 3))
    for fill in (
        init.uniform_,
        init.normal_,
        init.trunc_normal_,
        init.ones_,
        init.zeros_,
        init.eye_,
        init.xavier_uniform_,
        init.kaiming_normal_,
        init.orthogonal_,
    ):
        assert fill(param) is param and param.requires_grad and param.grad_fn is None


def test_empty_and_wrong():
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(flambeau.empty(0, 3))
    with pytest.raises(ValueError, match="fewer than 2"):
        init.xavier_uniform_(flambeau.empty(3))
    with pytest.raises(ValueError, match="Mode other"):
        init.kaiming_normal_(flambeau.empty(3, 3), mode="other")
    with pytest.raises(ValueError, match="unsupported nonlinearity"):
        init.calculate_gain("other")
    with pytest.raises(ValueError, match="negative_slope"):
        init.calculate_gain("leaky_relu", True)
    with pytest.warns(FutureWarning, match="init.uniform` is now deprecated"):
        init.uniform(flambeau.empty(1))
