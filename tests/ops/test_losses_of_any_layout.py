"""Losses of strided, half and large operands, against their definition."""

import numpy as np
import pytest
from ops.record_calls import Call, overload

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.ops.record import load


def scores(shape, dtype, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


def losses(x, target, weight, ignore):
    x = np.moveaxis(x.double().numpy(), 1, -1).reshape(-1, x.shape[1])
    t = target.numpy().reshape(-1)
    kept = t != ignore
    w = np.where(kept, (np.ones(x.shape[1]) if weight is None else weight)[t * kept], 0)
    return -x[np.arange(len(t)), t * kept] * w, w


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(9, 4), (20000, 3), (3, 5, 4, 6), (2, 6, 100, 90)])
@pytest.mark.parametrize("weighted", [False, True])
def test_nll(dtype, shape, weighted):
    x = scores(shape, dtype)
    places = [shape[0], *shape[2:]]
    target = torch.tensor(np.random.default_rng(1).integers(0, shape[1], places))
    target.view(-1)[::7] = -100
    weight = torch.arange(1, shape[1] + 1).to(dtype) / 4 if weighted else None
    numbers = None if weight is None else weight.double().numpy()
    each, w = losses(x, target, numbers, -100)
    strided = torch.stack([x, x], -1)[..., 0]
    layouts = [x, strided]
    if len(shape) == 4:
        layouts.append(x.contiguous(memory_format=torch.channels_last))
    eps = torch.finfo(dtype).eps
    for same in layouts:
        same = same.detach().requires_grad_()
        for reduction, want in (
            ("none", each),
            ("sum", each.sum()),
            ("mean", each.sum() / w.sum()),
        ):
            got = F.nll_loss(same, target, weight, reduction=reduction)
            close = got.detach().double().numpy().reshape(np.shape(want))
            np.testing.assert_allclose(close, want, 2 * eps + 1e-13, 2 * eps)
        F.nll_loss(same, target, weight, reduction="sum").backward()
        slope = np.zeros((len(w), shape[1]))
        t = target.numpy().reshape(-1)
        slope[np.arange(len(w)), t * (t != -100)] = -w
        got = np.moveaxis(same.grad.double().numpy(), 1, -1).reshape(-1, shape[1])
        np.testing.assert_allclose(got, slope, 2 * eps, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n", [1, 15, 1024, 1030, 40001])
def test_mse(dtype, n):
    x, y, g = scores((n, 2), dtype), scores((2,), dtype, 1), scores((n, 2), dtype, 2)
    exact, other = x.double().numpy(), y.double().numpy()
    want = (exact - other) ** 2
    eps = torch.finfo(dtype).eps
    for same in (x, torch.stack([x, x], -1)[..., 0]):
        same = same.detach().requires_grad_()
        each = F.mse_loss(same, y.expand(n, 2), reduction="none")
        np.testing.assert_allclose(each.detach().double().numpy(), want, 4 * eps, 4 * eps)
        mean = F.mse_loss(same, y.expand(n, 2))
        np.testing.assert_allclose(mean.item(), want.mean(), 8 * eps)
        (slope,) = torch.autograd.grad(each, same, g)
        expected = 2 * g.double().numpy() * (exact - other)
        np.testing.assert_allclose(slope.double().numpy(), expected, 4 * eps, 4 * eps)
        (slope,) = torch.autograd.grad(mean, same)
        expected = (exact - other) / n
        np.testing.assert_allclose(slope.double().numpy(), expected, 4 * eps, 4 * eps)


WITH_REDUCTION = [r for r in load() if any(a.name == "reduction" for a in r.schema.args)]


@pytest.mark.parametrize("record", WITH_REDUCTION, ids=lambda r: r.schema.full_name)
@pytest.mark.parametrize("reduction", [-1, 3, 9])
def test_there_is_no_other_reduction(record, reduction):
    place = [a.name for a in record.schema.args].index("reduction")
    for index in range(len(record.cases())):
        args, kwargs = Call(record, index, "float32").tensors()
        if len(args) > place:
            args[place] = reduction
        else:
            kwargs["reduction"] = reduction
        with pytest.raises(ValueError, match="not a valid value for reduction"):
            overload(record.schema)(*args, **kwargs)
