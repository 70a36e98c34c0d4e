"""max_pool2d gives the same values and places whether planes or channels are neighbours."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

DTYPES = ("float32", "float64", "bfloat16", "float16", "int64", "int32", "int16", "int8", "uint8")
GEOMETRIES = [
    dict(kernel_size=2),
    dict(kernel_size=3, stride=2, padding=1),
    dict(kernel_size=3, stride=1, padding=1),
    dict(kernel_size=(1, 2), stride=(2, 1)),
    dict(kernel_size=2, stride=1, dilation=2),
    dict(kernel_size=3, stride=2, padding=1, dilation=2),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("channels", [2, 3, 16, 37])
def test_same_as_planes(dtype, geometry, channels):
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 9, (3, channels, 9, 7)).astype(float)  # many are equal
    x = torch.tensor(drawn).to(getattr(torch, dtype))
    if x.is_floating_point():
        x[0, 1, 4:6, 3] = float("nan")
        x[1, 0] = -float("inf")
    last = x.contiguous(memory_format=torch.channels_last)
    want = F.max_pool2d(x, **geometry, return_indices=True)
    got = F.max_pool2d(last, **geometry, return_indices=True)
    for a, b in zip(got, want):
        assert a.is_contiguous(memory_format=torch.channels_last)
        a, b = a.double().numpy(), b.double().numpy()
        assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("channels", [5, 70, 128])
def test_gradient(channels):
    x = torch.tensor(np.random.default_rng(1).standard_normal((2, channels, 8, 8)))
    grads = []
    for leaf in (x, x.contiguous(memory_format=torch.channels_last)):
        leaf = leaf.detach().requires_grad_()
        y = F.max_pool2d(leaf, 3, 2, 1)
        (y * torch.arange(y.numel()).view(y.shape)).sum().backward()
        grads.append(leaf.grad)
    assert grads[1].is_contiguous(memory_format=torch.channels_last)
    assert (grads[0] == grads[1]).all()
