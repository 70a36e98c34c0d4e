"""Convolutions whose groups have one channel, against dense ones with zeros between channels."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

GEOMETRIES = [
    dict(padding=1),
    dict(),
    dict(stride=2, padding=1),
    dict(stride=(1, 3), padding=(0, 2)),
    dict(padding=3, dilation=3),
    dict(stride=2, padding=2, dilation=2),
    dict(padding=5),
]
IMAGES = [(2, 5, 9, 11), (1, 19, 7, 7), (3, 16, 5, 40), (1, 33, 1, 1)]


def drawn(*shape, seed):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def dense(weight, groups):
    """As many channels as groups, each seen by its own outputs alone."""
    outs, _, r, s = weight.shape
    full = torch.zeros(outs, groups, r, s, dtype=weight.dtype)
    for k in range(outs):
        full[k, k * groups // outs] = weight[k, 0]
    return full


def results(x, weight, bias, groups, last, geometry):
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    leaves = [t.detach().requires_grad_() for t in (x, weight, bias)]
    y = F.conv2d(*leaves, groups=groups, **geometry)
    g = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).view(y.shape).to(y.dtype)
    return y.detach(), torch.autograd.grad(y, leaves, g)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (5, 2)], ids=str)
@pytest.mark.parametrize("multiple", [1, 2, 5])
def test_same_as_dense(last, geometry, kernel, multiple):
    for image in IMAGES:
        groups = image[1]
        reach = [1 + (k - 1) * geometry.get("dilation", 1) for k in kernel]
        padding = geometry.get("padding", 0)
        padding = padding if isinstance(padding, tuple) else (padding, padding)
        if any(n + 2 * p < r for n, p, r in zip(image[2:], padding, reach)):
            continue
        x = drawn(*image, seed=0)
        outs = groups * multiple
        weight, bias = drawn(outs, 1, *kernel, seed=1), drawn(outs, seed=2)
        got, grads = results(x, weight, bias, groups, last, geometry)
        want, dense_grads = results(x, dense(weight, groups), bias, 1, last, geometry)
        assert got.stride() == want.stride()
        close(got, want)
        close(grads[0], dense_grads[0])
        close(grads[2], dense_grads[2])
        for k in range(outs):
            close(grads[1][k, 0], dense_grads[1][k, k * groups // outs])


def close(a, b, tolerance=1e-12):
    scale = max(1.0, b.abs().max().item())
    assert (a.double() - b.double()).abs().max().item() <= tolerance * scale


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_other_dtypes(last, dtype):
    """Sums of 16-bit types are in float32, and rounded once."""
    dtype = getattr(torch, dtype)
    x, weight, bias = drawn(2, 21, 9, 35, seed=0), drawn(21, 1, 3, 3, seed=1), drawn(21, seed=2)
    x, weight, bias = (t.to(dtype) for t in (x, weight, bias))
    for geometry in (dict(padding=1), dict(stride=2)):
        got = results(x, weight, bias, 21, last, geometry)[0]
        exact = results(*(t.double() for t in (x, weight, bias)), 21, last, geometry)[0]
        assert got.dtype == dtype
        # Nine products and the bias, rounded one by one in float32, and their sum in the dtype.
        sizes = results(*(t.double().abs() for t in (x, weight, bias)), 21, last, geometry)[0]
        roundings = 10 * torch.finfo(torch.float32).eps * sizes
        bound = roundings + torch.finfo(dtype).eps / 2 * (exact.abs() + roundings)
        assert ((got.double() - exact).abs() <= bound).all()


@pytest.mark.parametrize("last", [False, True])
def test_any_number_of_threads(last):
    x, weight, bias = drawn(4, 40, 30, 30, seed=0), drawn(40, 1, 3, 3, seed=1), drawn(40, seed=2)
    x, weight, bias = x.float(), weight.float(), bias.float()
    threads = torch.get_num_threads()
    runs = []
    try:
        for n in (1, 2, 3, 5):
            torch.set_num_threads(n)
            y, grads = results(x, weight, bias, 40, last, dict(padding=1))
            runs.append([t.numpy().tobytes() for t in (y, *grads)])
    finally:
        torch.set_num_threads(threads)
    assert all(run == runs[0] for run in runs)
