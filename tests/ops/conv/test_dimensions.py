"""Convolution over one to three dimensions, transposed or not, against sums over taps.

The gradients of a bilinear map y = conv(x, w) are its adjoints: <conv(x, w), g> equals
<x, dx> and <w, dw> for every x, w and g.
"""

import itertools

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck

ROUNDING = {"float64": 1e-13, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}

# (x, filters of (outs, ins / groups, ...), stride, padding, dilation, groups)
GEOMETRIES = [
    ((2, 3, 11), (4, 3, 3), [1], [1], [1], 1),
    ((2, 4, 40), (6, 2, 5), [2], [3], [2], 2),
    ((3, 6, 9), (12, 1, 2), [3], [0], [1], 6),
    ((1, 2, 5), (3, 2, 1), [7], [4], [1], 1),
    ((2, 20, 64), (33, 20, 3), [1], [2], [4], 1),
    ((2, 3, 6, 7), (4, 3, 3, 2), [2, 1], [1, 0], [1, 2], 1),
    ((2, 3, 5, 6, 7), (4, 3, 3, 3, 3), [1, 1, 1], [1, 1, 1], [1, 1, 1], 1),
    ((2, 4, 7, 6, 5), (6, 2, 2, 3, 2), [2, 1, 2], [1, 2, 0], [1, 1, 2], 2),
    ((1, 2, 9, 4, 4), (3, 2, 3, 2, 2), [1, 2, 1], [3, 0, 1], [3, 1, 1], 1),  # taps far apart
    ((2, 3, 8, 3, 3), (2, 3, 3, 2, 2), [2, 1, 1], [2, 0, 0], [2, 1, 1], 1),  # in steps as far
    ((2, 3, 9, 3, 3), (2, 3, 3, 2, 2), [3, 1, 1], [2, 0, 0], [2, 1, 1], 1),  # in others
    ((2, 4, 3, 5, 5), (4, 1, 3, 3, 3), [1, 1, 1], [1, 1, 1], [1, 1, 1], 4),
    ((2, 5, 4, 6, 6), (3, 5, 1, 3, 3), [1, 1, 1], [0, 1, 1], [1, 1, 1], 1),  # slices alone
    ((2, 5, 6, 4, 3), (3, 5, 3, 1, 1), [2, 1, 1], [1, 0, 0], [1, 1, 1], 1),  # the depth alone
    (
        (1, 5, 1, 4, 3),
        (3, 5, 3, 3, 3),
        [1, 1, 1],
        [1, 1, 1],
        [1, 1, 1],
        1,
    ),  # slices seen by one tap
    ((1, 1, 6, 9, 9), (8, 1, 3, 3, 3), [1, 2, 2], [1, 1, 1], [1, 1, 1], 1),
    ((1, 2, 2, 3, 3), (3, 2, 2, 1, 1), [1, 1, 1], [5, 0, 0], [1, 1, 1], 1),  # slices without input
    ((1, 2, 9, 3, 3), (3, 2, 2, 1, 1), [4, 1, 1], [0, 0, 0], [1, 1, 1], 1),  # input without slices
    ((3, 6, 3), (2, 6, 3), [1], [0], [1], 1),  # one window, which is all there is
    ((3, 4, 4, 3), (6, 2, 4, 3), [2, 1], [0, 0], [1, 1], 2),
    ((2, 24, 4, 14, 14), (20, 24, 3, 3, 3), [1, 1, 1], [1, 1, 1], [1, 1, 1], 1),
]


def slices_of(size, stride, dilation, tap):
    first = tap * dilation
    return slice(first, first + (size - 1) * stride + 1, stride)


def reference(x, w, stride, padding, dilation, groups):
    n = len(stride)
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    sizes = [
        (x.shape[2 + d] - dilation[d] * (w.shape[2 + d] - 1) - 1) // stride[d] + 1 for d in range(n)
    ]
    outs, ins = w.shape[0] // groups, w.shape[1]
    y = np.zeros((x.shape[0], w.shape[0], *sizes))
    for tap in np.ndindex(*w.shape[2:]):
        at = [slices_of(sizes[d], stride[d], dilation[d], tap[d]) for d in range(n)]
        for g in range(groups):
            seen = x[(slice(None), slice(g * ins, (g + 1) * ins), *at)]
            by = w[(slice(g * outs, (g + 1) * outs), slice(None), *tap)]
            y[:, g * outs : (g + 1) * outs] += np.einsum("nc...,kc->nk...", seen, by)
    return y


def transposed_reference(y, w, sizes, stride, padding, dilation, groups):
    """What `reference` gives is linear in x; this is the sum of what each element of y adds."""
    n = len(stride)
    longer = [size + 2 * p for size, p in zip(sizes, padding)]
    # Windows may begin in rows that no output has: of a transposed convolution's own padding.
    longer = [
        max(size, (y.shape[2 + d] - 1) * stride[d] + dilation[d] * (w.shape[2 + d] - 1) + 1)
        for d, size in enumerate(longer)
    ]
    outs, ins = w.shape[0] // groups, w.shape[1]
    x = np.zeros((y.shape[0], ins * groups, *longer))
    for tap in np.ndindex(*w.shape[2:]):
        at = [slices_of(y.shape[2 + d], stride[d], dilation[d], tap[d]) for d in range(n)]
        for g in range(groups):
            by = w[(slice(g * outs, (g + 1) * outs), slice(None), *tap)]
            x[(slice(None), slice(g * ins, (g + 1) * ins), *at)] += np.einsum(
                "nk...,kc->nc...", y[:, g * outs : (g + 1) * outs], by
            )
    return x[(..., *(slice(p, p + size) for p, size in zip(padding, sizes)))]


def rng(seed):
    return np.random.default_rng(seed)


def tensor(array, dtype="float64", layout="contiguous"):
    t = torch.tensor(array).to(getattr(torch, dtype))
    if layout == "last" and t.dim() == 3:
        return t.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "last":
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        return t.contiguous(memory_format=formats[t.dim()])
    if layout == "every_other":
        wider = torch.zeros(*t.shape[:-1], 2 * t.shape[-1], dtype=t.dtype)[..., ::2]
        return wider.copy_(t)
    return t


def values(t):
    return t.detach().to(torch.float64).contiguous().numpy()


def close(actual, expected, dtype, terms):
    scale = max(1.0, np.abs(expected).max(initial=0))
    bound = ROUNDING[dtype] * scale * (np.sqrt(terms) if dtype in ("float32", "float64") else 1)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)


def operands(x_shape, w_shape, dtype, layout):
    w_scale = np.sqrt(np.prod(w_shape[1:]))
    x = tensor(rng(3).standard_normal(x_shape), dtype, layout)
    w = tensor(rng(4).standard_normal(w_shape) / w_scale, dtype, layout)
    return x.requires_grad_(), w.requires_grad_()


def check_adjoints(y, product, x, w, b, dtype, layout):
    g = tensor(rng(5).standard_normal(y.shape), dtype, layout)
    y.backward(g)
    exact = values(g)
    close(values(b.grad), exact.sum((0, *range(2, exact.ndim))), dtype, exact.size / len(b))
    inner = np.vdot(product, exact)
    norm = np.linalg.norm(exact) * np.linalg.norm(product)
    for variable in (x, w):
        assert variable.grad.shape == variable.shape
        adjoint = np.vdot(values(variable), values(variable.grad))
        assert abs(adjoint - inner) <= 4 * ROUNDING[dtype] * norm


LAYOUTS = ["contiguous", "last", "every_other"]


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("x_shape, w_shape, stride, padding, dilation, groups", GEOMETRIES)
def test_values_and_adjoints(x_shape, w_shape, stride, padding, dilation, groups, layout, dtype):
    geometry = stride, padding, dilation, groups
    x, w = operands(x_shape, w_shape, dtype, layout)
    b = tensor(rng(6).standard_normal(w_shape[0]), dtype).requires_grad_()
    y = getattr(F, f"conv{len(stride)}d")(x, w, b, *geometry)
    product = reference(values(x), values(w), *geometry)
    ones = (1,) * len(stride)
    close(values(y), product + values(b).reshape(-1, *ones), dtype, np.prod(w_shape[1:]))
    check_adjoints(y, product, x, w, b, dtype, layout)


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("x_shape, w_shape, stride, padding, dilation, groups", GEOMETRIES)
def test_transposed(x_shape, w_shape, stride, padding, dilation, groups, layout, dtype):
    """From what would be the output, with the longest and the shortest result."""
    n = len(stride)
    counts = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x_shape[2:], w_shape[2:], stride, padding, dilation)
    ]
    most = [max(s, d) - 1 for s, d in zip(stride, dilation)]
    for extra in ([0] * n, most):
        sizes = [
            (c - 1) * s - 2 * p + d * (k - 1) + 1 + e
            for c, k, s, p, d, e in zip(counts, w_shape[2:], stride, padding, dilation, extra)
        ]
        if min(sizes) <= 0:
            continue
        y, w = operands((x_shape[0], w_shape[0], *counts), w_shape, dtype, layout)
        b = tensor(rng(6).standard_normal(x_shape[1]), dtype).requires_grad_()
        call = getattr(F, f"conv_transpose{n}d")
        x = call(y, w, b, stride, padding, extra, groups, dilation)
        product = transposed_reference(
            values(y), values(w), sizes, stride, padding, dilation, groups
        )
        terms = w_shape[0] * np.prod(w_shape[2:])
        close(values(x), product + values(b).reshape(-1, *(1,) * n), dtype, terms)
        check_adjoints(x, product, y, w, b, dtype, layout)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("x_shape, w_shape, stride, padding, dilation, groups", GEOMETRIES)
def test_integers_are_exact(x_shape, w_shape, stride, padding, dilation, groups, transposed):
    counts = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x_shape[2:], w_shape[2:], stride, padding, dilation)
    ]
    if transposed:
        x_shape = (x_shape[0], w_shape[0], *counts)
    x, w = (rng(7).integers(-90, 90, shape) for shape in (x_shape, w_shape))
    zeros = [0] * len(stride)
    arguments = (None, stride, padding, dilation, transposed, zeros, groups)
    if transposed and x_shape[2:] == (2,):  # of which the padding leaves nothing
        with pytest.raises(RuntimeError, match="Output size is too small"):
            torch.convolution(tensor(x, "int64"), tensor(w, "int64"), *arguments)
        return
    exact = torch.convolution(tensor(x), tensor(w), *arguments)
    for dtype in ("int8", "int32", "int64"):
        got = torch.convolution(tensor(x, dtype), tensor(w, dtype), *arguments)
        np.testing.assert_array_equal(got.numpy(), values(exact).astype("int64").astype(dtype))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_complex_is_four_real_ones(n, transposed):
    x_shape, w_shape = (2, 4, 5, 4, 3)[: 2 + n], (4, 2, 2, 3, 1)[: 2 + n]
    parts = [
        [tensor(rng(8 + i).standard_normal(shape)) for i in range(2)]
        for shape in (x_shape, w_shape, (4,))
    ]
    x, w, b = (
        torch.complex(re, im) if hasattr(torch, "complex") else re + 1j * im for re, im in parts
    )
    call = getattr(F, f"conv_transpose{n}d" if transposed else f"conv{n}d")
    y = call(x, w, b, padding=1, groups=2)
    (xr, xi), (wr, wi), (br, bi) = parts

    def real(x, w, b):
        return values(call(x, w, b, padding=1, groups=2))

    expected = real(xr, wr, br) - real(xi, wi, None) + 1j * (real(xr, wi, bi) + real(xi, wr, None))
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_derivatives(n, transposed):
    x_shape, w_shape = (2, 4, 4, 3, 3)[: 2 + n], (4, 2, 3, 2, 1)[: 2 + n]
    outs = 4
    x, w = (tensor(rng(9).standard_normal(s)).requires_grad_() for s in (x_shape, w_shape))
    b = tensor(rng(10).standard_normal(outs)).requires_grad_()
    rest = ([2, 1, 1][:n], [1, 1, 0][:n], [1, 2, 1][:n], transposed, [1, 0, 0][:n], 2)

    def f(x, w, b):
        return torch.convolution(x, w, b, *rest)

    assert gradcheck(f, (x, w, b))
    assert gradgradcheck(f, (x, w, b))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 3])
def test_same_keeps_the_size(n, kernel, dilation):
    """More zeros behind than before, where their number is odd."""
    x = tensor(rng(11).standard_normal((2, 3, 9, 10, 11)[: 2 + n]))
    w = tensor(rng(12).standard_normal((4, 3, *[kernel] * n)))
    call = getattr(F, f"conv{n}d")
    y = call(x, w, padding="same", dilation=dilation)
    total = dilation * (kernel - 1)
    wider = np.pad(x.numpy(), [(0, 0)] * 2 + [(total // 2, total - total // 2)] * n)
    close(values(y), values(call(tensor(wider), w, dilation=dilation)), "float64", w[0].numel())
    assert y.shape[2:] == x.shape[2:]
    unbatched = call(x[0], w, padding="same", dilation=dilation)
    close(values(unbatched), values(y)[0], "float64", w[0].numel())
    assert torch.equal(call(x, w[..., :1], padding="valid"), call(x, w[..., :1]))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_layout_follows_input_and_weight(n, transposed):
    last = {2: torch.channels_last, 3: torch.channels_last_3d}[n]
    call = getattr(F, f"conv_transpose{n}d" if transposed else f"conv{n}d")
    for layouts in itertools.product(["contiguous", "last"], repeat=2):
        x = tensor(rng(0).standard_normal((2, 4, 5, 6, 5)[: 2 + n]), "float32", layouts[0])
        w = tensor(rng(0).standard_normal((4, 4, 2, 2, 2)[: 2 + n]), "float32", layouts[1])
        x.requires_grad_()
        y = call(x, w)
        for t in (y, *torch.autograd.grad(y.sum(), [x])):
            assert t.is_contiguous(memory_format=last) == ("last" in layouts)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_empty_batch_and_no_channels(n, transposed):
    call = getattr(F, f"conv_transpose{n}d" if transposed else f"conv{n}d")
    b = torch.ones(4, requires_grad=True)
    # A transposed one without channels has no groups of filters.
    for batch, channels in [(0, 3)] + [(2, 0)] * (not transposed):
        x = torch.zeros(batch, channels, *[5] * n, requires_grad=True)
        w = torch.zeros(*((channels, 4) if transposed else (4, channels)), *[3] * n)
        w.requires_grad_()
        y = call(x, w, b)
        assert y.shape == (batch, 4, *[7 if transposed else 3] * n)
        assert (y == 1).all()
        gx, gw, gb = torch.autograd.grad(y.sum(), (x, w, b))
        assert gx.shape == x.shape and gw.shape == w.shape
        assert (gw == 0).all() and (gb == y.numel() / 4).all()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "x_shape, w_shape",
    [((3, 24, 500), (40, 24, 5)), ((3, 12, 9, 20, 20), (16, 12, 3, 3, 3)), ((2, 8, 64), (8, 8, 3))],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_same_bits_for_any_number_of_threads(x_shape, w_shape, transposed, dtype):
    n = len(x_shape) - 2
    if transposed:
        w_shape = (w_shape[1], w_shape[0], *w_shape[2:])

    def run(threads):
        torch.set_num_threads(threads)
        x, w = operands(x_shape, w_shape, dtype, "contiguous")
        y = torch.convolution(x, w, None, [2] * n, [1] * n, [1] * n, transposed, [0] * n, 1)
        g = tensor(rng(9).standard_normal(y.shape), dtype)
        return [values(t) for t in (y, *torch.autograd.grad(y, (x, w), g))]

    before = torch.get_num_threads()
    try:
        single = run(1)
        for threads in (2, 3, 5):
            for one, other in zip(single, run(threads)):
                np.testing.assert_array_equal(one, other)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: F.conv1d(torch.ones(1, 3, 2), torch.ones(4, 3, 5)), "size: .5.*actual input size"),
        (lambda: F.conv1d(torch.ones(3), torch.ones(4, 3, 5)), r"conv1d: Expected 2D.*3D.*\[3\]"),
        (lambda: F.conv3d(torch.ones(1, 3, 2), torch.ones(4, 3, 1, 1, 1)), "conv3d: Expected 4D"),
        (
            lambda: F.conv_transpose1d(torch.ones(1, 3, 2), torch.ones(4, 3, 1)),
            "transposed=1, .* to have 4 channels, but got 3",
        ),
        (
            lambda: F.conv_transpose1d(torch.ones(1, 4, 2), torch.ones(4, 3, 1), output_padding=1),
            "output padding must be smaller than either stride or dilation",
        ),
        (
            lambda: F.conv_transpose1d(torch.ones(1, 4, 1), torch.ones(4, 3, 1), padding=1),
            "Output size is too small",
        ),
        (
            lambda: F.conv1d(torch.ones(1, 3, 9), torch.ones(4, 3, 1), stride=[1, 2]),
            "expected stride to be a single integer value or a list of 1",
        ),
        (
            lambda: F.conv1d(torch.ones(1, 3, 9), torch.ones(4, 3, 1), stride=2, padding="same"),
            "padding='same' is not supported for strided convolutions",
        ),
        (
            lambda: F.conv_tbc(torch.ones(4, 2, 3), torch.ones(2, 2, 2), torch.ones(2)),
            "conv_tbc: Input dim 2",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


def test_conv_tbc_is_conv1d_with_time_first():
    x, w = tensor(rng(1).standard_normal((7, 2, 3))), tensor(rng(2).standard_normal((3, 3, 4)))
    b = tensor(rng(3).standard_normal(4))
    y = F.conv_tbc(x, w, b, 1)
    expected = F.conv1d(x.permute(1, 2, 0), w.permute(2, 1, 0), b, padding=1).permute(2, 0, 1)
    close(values(y), values(expected), "float64", 9)
    assert y.is_contiguous()
