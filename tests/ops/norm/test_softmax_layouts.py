"""Softmax and its gradients along every dimension of short, middle and long lines."""

import numpy as np
import pytest

import flambeau as torch

SHAPES = [
    (70, 3),
    (3, 70),
    (5, 200, 11),
    (40, 7, 65),
    (2, 3, 4, 129),
    (20, 33),
    (9000, 2),
    (1, 5000),
]


def reference(x, dim):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


def layouts(shape):
    x = np.random.default_rng(2).normal(0, 3, shape)
    yield x, lambda t: t
    yield x, lambda t: t.transpose(0, -1).contiguous().transpose(0, -1)
    yield x, lambda t: torch.stack([t, t], -1)[..., 0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients(shape, dtype):
    near = {"float32": 1e-5, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}[dtype]
    for x, laid in layouts(shape):
        g = np.cos(np.arange(x.size)).reshape(shape)
        t = laid(torch.from_numpy(x).to(getattr(torch, dtype)))
        x, g_t = t.double().numpy(), laid(torch.from_numpy(g).to(t.dtype))
        g = g_t.double().numpy()
        for dim in range(len(shape)):
            y = reference(x, dim)
            plain = t.detach().requires_grad_()
            got = plain.softmax(dim)
            assert np.allclose(got.detach().double().numpy(), y, near, near), dim
            got.backward(g_t)
            want = (g - (g * y).sum(dim, keepdims=True)) * y
            assert np.allclose(plain.grad.double().numpy(), want, near, 3 * near), dim
            log = t.detach().requires_grad_()
            got = log.log_softmax(dim)
            assert np.allclose(got.detach().double().numpy(), np.log(y), near, near), dim
            got.backward(g_t)
            total = g.sum(dim, keepdims=True)
            want, far = g - y * total, near * (1 + 3 * np.abs(total).max())
            assert np.allclose(log.grad.double().numpy(), want, near, far), dim


def test_infinities_and_nan():
    inf, nan = float("inf"), float("nan")
    rows = [[-inf, 0.0, 0.0], [inf, 0.0, 0.0], [nan, 0.0, 0.0], [-inf, -inf, -inf], [1.0, 1.0, nan]]
    for width in (3, 40):
        t = torch.full((len(rows), width), -inf)
        t[:, :3] = torch.tensor(rows)
        for x, dim in ((t, 1), (t.t().contiguous(), 0), (t.repeat(10, 1), 1)):
            columns = x.softmax(dim) if dim == 1 else x.softmax(dim).t()
            assert columns[0, :3].tolist() == [0.0, 0.5, 0.5]
            assert columns[1:5, :3].isnan().any(1).all()
            assert columns[2].isnan().all() and columns[3].isnan().all()
            logs = x.log_softmax(dim) if dim == 1 else x.log_softmax(dim).t()
            assert logs[0, 0] == -inf and logs[2].isnan().all() and logs[4].isnan().all()
