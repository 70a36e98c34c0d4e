"""Reductions of small dtypes: computed in wider ones and rounded once."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

SHAPES = [(1,), (7,), (300,), (5, 3), (33, 70), (130, 257), (3, 4, 5), (9, 2, 2100)]


def drawn(*shape):
    rng = np.random.default_rng(0)
    return torch.tensor(rng.integers(-64, 65, shape) / 8).bfloat16()  # whose sums are exact


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin"])
def test_same_as_float32(shape, name):
    x = drawn(*shape)
    for t in (x, x.permute(*reversed(range(len(shape)))), x[::2], x[..., ::3]):
        for dims in [None, *range(t.dim()), *([(0, t.dim() - 1)] if t.dim() > 1 else [])]:
            op = getattr(torch, name)
            args = () if dims is None else (dims,)
            want = op(t.float(), *args).bfloat16()
            assert torch.equal(op(t, *args), want), (t.stride(), dims)


def test_sum_into_float32():
    x = drawn(40, 70)
    assert torch.equal(x.sum(1, dtype=torch.float32), x.float().sum(1))


def test_nan_and_infinity():
    x = drawn(20, 70)
    x[3, 5], x[4, 1], x[5, 2] = float("nan"), float("inf"), -float("inf")
    for op in (torch.sum, torch.amax, torch.amin):
        assert op(x, 1)[3].isnan() and op(x, 0)[5].isnan()
    assert x.sum(1)[4] == float("inf") and x.amin(1)[5] == -float("inf")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 37), (70, 130), (4, 5, 6)], ids=str)
def test_softmax_and_layer_norm(dtype, shape):
    x = drawn(*shape).to(getattr(torch, dtype))
    for t in (x, x.transpose(0, 1)):
        for op in (F.softmax, F.log_softmax):
            for d in range(t.dim()):
                leaf, wide = t.detach().requires_grad_(), t.detach().float().requires_grad_()
                got, want = op(leaf, d), op(wide, d)
                assert torch.equal(got, want.to(x.dtype))
        got = F.layer_norm(t, t.shape[-1:])
        assert torch.equal(got, F.layer_norm(t.float(), t.shape[-1:]).to(x.dtype))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_extremes_of_small_integers(dtype):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    for shape in [(1,), (300,), (33, 70), (3, 4, 5), (2, 2100)]:
        integers = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        x = torch.tensor(integers)
        assert x.max().item() == integers.max() and x.min().item() == integers.min()
        for t, a in ((x, integers), (x[..., ::2], integers[..., ::2]), (x[::2], integers[::2])):
            for d in range(t.dim()):
                assert (t.amax(d).numpy() == a.max(d)).all()
                assert (t.amin(d).numpy() == a.min(d)).all()
                assert (t.max(d)[0].numpy() == a.max(d)).all()
