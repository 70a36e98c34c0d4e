"""Patches as columns and back, against loops over windows."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck

# (image, kernel, dilation, padding, stride)
GEOMETRIES = [
    ((2, 3, 6, 7), (3, 3), (1, 1), (0, 0), (1, 1)),
    ((2, 3, 6, 7), (2, 3), (2, 1), (1, 2), (2, 3)),
    ((1, 2, 3, 3), (1, 2), (1, 1), (3, 2), (1, 1)),
    ((1, 1, 2, 40), (2, 2), (1, 5), (0, 4), (1, 1)),
    ((1, 2, 9, 9), (2, 2), (1, 1), (0, 0), (4, 5)),
]


def windows(x, kernel, dilation, padding, stride):
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    counts = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, d, s in zip(x.shape[2:], kernel, dilation, stride)
    ]
    parts = []
    for tap in np.ndindex(*kernel):
        at = [
            slice(t * d, t * d + (c - 1) * s + 1, s)
            for t, d, c, s in zip(tap, dilation, counts, stride)
        ]
        parts.append(x[(..., *at)])
    columns = np.stack(parts, 2)
    return columns.reshape(x.shape[0], -1, counts[0] * counts[1])


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "every_other"])
@pytest.mark.parametrize("image, kernel, dilation, padding, stride", GEOMETRIES)
def test_unfold_and_fold(image, kernel, dilation, padding, stride, layout):
    x = drawn(image)
    t = torch.tensor(x)
    if layout == "channels_last":
        t = t.contiguous(memory_format=torch.channels_last)
    if layout == "every_other":
        t = torch.stack([t, t], -1).flatten(-2)[..., ::2]
    rest = (kernel, dilation, padding, stride)
    columns = F.unfold(t, *rest)
    expected = windows(x, *rest)
    np.testing.assert_array_equal(columns.numpy(), expected)
    np.testing.assert_array_equal(F.unfold(t[0], *rest).numpy(), expected[0])
    # Fold is the adjoint.
    g = drawn(expected.shape, 1)
    folded = F.fold(torch.tensor(g), image[2:], *rest)
    assert folded.shape == image
    for at in np.random.default_rng(2).integers(0, x.size, 20):
        unit = np.zeros(x.size)
        unit[at] = 1
        sum_of = np.vdot(windows(unit.reshape(image), *rest), g)
        assert folded.numpy().flat[at] == pytest.approx(sum_of, rel=1e-12, abs=1e-12)
    assert torch.equal(F.fold(torch.tensor(g[0]), image[2:], *rest), folded[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "bool"])
def test_other_dtypes(dtype):
    x = torch.tensor(drawn((2, 3, 5, 6))).to(getattr(torch, dtype))
    columns = F.unfold(x, 3, padding=1)
    assert columns.dtype == x.dtype
    assert torch.equal(columns[:, 4::9].reshape(x.shape), x)  # the middle tap
    ones = torch.ones(1, 9, 30, dtype=x.dtype)
    counts = F.fold(ones, (5, 6), 3, padding=1)
    assert counts.dtype == x.dtype
    assert counts[0, 0, 2, 2].item() == (True if dtype == "bool" else 9)


def test_halves_are_summed_in_float():
    """257 ones are 256 in bfloat16, when they are added one by one."""
    columns = torch.ones(300, 300, dtype=torch.bfloat16)
    total = F.fold(columns, (1, 599), (1, 300))
    assert total[0, 0, 299].item() == 300


def test_derivatives():
    x = torch.tensor(drawn((1, 2, 4, 3))).requires_grad_()
    columns = torch.tensor(drawn((1, 8, 6))).requires_grad_()
    assert gradcheck(lambda x: F.unfold(x, 2, 1, 1, 2), (x,))
    assert gradgradcheck(lambda x: F.unfold(x, 2, 1, 1, 2), (x,))
    assert gradcheck(lambda c: F.fold(c, (4, 3), 2), (columns,))
    assert gradgradcheck(lambda c: F.fold(c, (4, 3), 2), (columns,))


def test_empty_batch():
    assert F.unfold(torch.ones(0, 2, 4, 4), 2).shape == (0, 8, 9)
    assert F.fold(torch.ones(0, 8, 9), 4, 2).shape == (0, 2, 4, 4)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: F.unfold(torch.ones(2, 2), 2), "Expected 3D or 4D"),
        (lambda: F.unfold(torch.ones(1, 1, 2, 2), 3), "components must be at least one"),
        (lambda: F.unfold(torch.ones(1, 1, 2, 2), 0), "kernel_size should be at least 1"),
        (lambda: F.unfold(torch.ones(1, 1, 2, 2), 1, stride=0), "stride should be at least 1"),
        (lambda: F.fold(torch.ones(1, 3, 9), 4, 2), "divisible by the product"),
        (lambda: F.fold(torch.ones(1, 4, 8), 4, 2), "number of sliding blocks"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()
