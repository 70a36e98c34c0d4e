"""softmax and log_softmax along dimensions that are not the last, and of short rows."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

CASES = [
    ((7, 64), 0),
    ((3, 5, 100), 1),
    ((2, 130, 16), 1),
    ((2, 3, 17), 1),
    ((1, 4, 3), 1),
    ((400, 200), 0),
    ((5, 31), 1),
    ((5, 33), 1),
    ((3, 100), -1),
    ((2, 515), -1),
]


def reference(x, dim):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("shape", "dim"), CASES)
def test_values_and_gradients(shape, dim, dtype):
    rng = np.random.default_rng(0)
    exact = torch.tensor(rng.standard_normal(shape) * 4).to(getattr(torch, dtype))
    x = exact.double().numpy()
    want, g = reference(x, dim), rng.standard_normal(shape)
    tolerance = {"float32": 2e-6, "float64": 1e-14, "bfloat16": 2e-2}[dtype]
    gradient = torch.tensor(g).to(exact.dtype)
    g = gradient.double().numpy()
    for function, values, slope in (
        (F.softmax, want, want * (g - (want * g).sum(dim, keepdims=True))),
        (F.log_softmax, np.log(want), g - want * g.sum(dim, keepdims=True)),
    ):
        leaf = exact.clone().requires_grad_()
        y = function(leaf, dim)
        y.backward(gradient)
        np.testing.assert_allclose(y.detach().double().numpy(), values, tolerance, 20 * tolerance)
        got = leaf.grad.double().numpy()
        np.testing.assert_allclose(got, slope, 20 * tolerance, 40 * tolerance)


def test_layouts_give_the_same():
    x = torch.tensor(np.random.default_rng(1).standard_normal((2, 20, 5, 6)))
    for dim in range(4):
        want = F.log_softmax(x, dim)
        last = x.contiguous(memory_format=torch.channels_last)
        for same in (last, x.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)):
            torch.testing.assert_close(F.log_softmax(same, dim), want, rtol=1e-14, atol=1e-14)


def test_columns_of_infinities_and_nan():
    x = torch.zeros(5, 64)
    x[:, 1] = -float("inf")
    x[2, 2] = float("nan")
    x[3, 3] = float("inf")
    x[1:, 4] = -float("inf")
    y, rows = F.softmax(x, 0), F.softmax(x.t().contiguous(), 1).t()
    assert y[:, 1:4].isnan().all() and y[:, 4].tolist() == [1, 0, 0, 0, 0]
    torch.testing.assert_close(y, rows, equal_nan=True)
