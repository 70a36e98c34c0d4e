"""Convolution and max pooling against direct loops, and gradients by the identities they obey.

The gradients of a bilinear map y = conv(x, w) are its adjoints: <conv(x, w), g> equals
<x, dx> and <w, dw> for every x, w and g.
"""

import itertools

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck

ROUNDING = {"float64": 1e-13, "float32": 1e-6, "float16": 2e-3, "bfloat16": 1.6e-2}

# (x, w, stride, padding, dilation, groups)
GEOMETRIES = [
    ((2, 3, 7, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 1, 28, 28), (6, 1, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    ((3, 5, 8, 8), (17, 5, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 4, 15, 12), (6, 4, 7, 3), (2, 3), (3, 1), (1, 1), 1),
    ((2, 2, 20, 33), (3, 2, 2, 5), (3, 2), (0, 4), (2, 3), 1),
    ((2, 6, 9, 9), (9, 2, 3, 3), (1, 2), (1, 0), (2, 1), 3),
    ((2, 8, 10, 10), (8, 1, 3, 3), (2, 2), (1, 1), (1, 1), 8),
    ((2, 3, 4, 4), (5, 3, 2, 2), (1, 1), (5, 3), (1, 1), 1),  # windows without any input
    ((2, 3, 9, 9), (4, 3, 2, 2), (4, 5), (0, 0), (1, 1), 1),  # inputs without any window
    ((1, 40, 6, 50), (70, 40, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((33, 2, 5, 5), (3, 2, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    # borders that are worth leaving out, in one direction or both, in few channels or many
    ((8, 64, 7, 7), (48, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((8, 33, 5, 6), (70, 33, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((4, 600, 3, 4), (40, 600, 2, 3), (1, 1), (1, 1), (1, 1), 1),
    ((4, 80, 6, 30), (96, 40, 5, 3), (1, 1), (2, 1), (1, 1), 2),
    ((6, 64, 8, 8), (64, 64, 3, 3), (1, 1), (2, 2), (2, 2), 1),
    ((8, 64, 9, 9), (64, 64, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((4, 64, 3, 3), (64, 64, 3, 3), (1, 1), (3, 3), (1, 1), 1),  # regions without any tap
    # the same, of the gradient of an input without padding
    ((6, 32, 12, 12), (64, 32, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    # planes that are read in place
    ((2, 5, 16, 16), (15, 5, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 60, 9, 33), (15, 20, 3, 5), (1, 1), (1, 2), (1, 1), 3),
    ((1, 3, 12, 28), (31, 3, 5, 3), (1, 1), (4, 2), (2, 2), 1),
    ((2, 700, 4, 8), (5, 700, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 2, 20, 3), (3, 2, 3, 7), (1, 1), (1, 3), (1, 1), 1),  # more taps than columns
    # the same, of other widths than their results
    ((2, 6, 9, 40), (9, 6, 3, 5), (1, 1), (1, 0), (1, 1), 1),
    ((3, 4, 8, 20), (18, 2, 3, 3), (1, 1), (2, 2), (1, 1), 2),
    ((2, 3, 6, 48), (4, 3, 2, 9), (1, 1), (0, 3), (1, 3), 1),
    # groups of few channels, whose vectors are full or not
    ((2, 32, 9, 11), (32, 4, 3, 3), (1, 1), (1, 1), (1, 1), 8),
    ((2, 12, 8, 20), (18, 2, 3, 5), (2, 1), (1, 2), (1, 1), 6),
    ((1, 40, 7, 19), (80, 1, 5, 7), (1, 1), (2, 4), (1, 1), 40),
    ((2, 15, 6, 9), (10, 3, 4, 2), (1, 3), (2, 2), (2, 1), 5),
    # pixels in place, with and without a border, near each other or far
    ((3, 6, 14, 14), (16, 6, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 20, 22), (24, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((2, 260, 5, 9), (20, 130, 2, 3), (1, 1), (0, 1), (1, 2), 2),
    ((1, 512, 5, 6), (40, 512, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    # few outs over narrow images
    ((3, 16, 10, 10), (6, 16, 5, 5), (1, 1), (1, 2), (1, 1), 1),
    ((2, 6, 14, 14), (16, 6, 5, 5), (1, 1), (2, 1), (1, 1), 1),
]
LAYOUTS = ["contiguous", "channels_last", "transposed", "every_other"]
# Of input and weight.
LAYOUT_PAIRS = [
    ("contiguous", "contiguous"),
    ("channels_last", "channels_last"),
    ("contiguous", "channels_last"),
    ("channels_last", "contiguous"),
    ("transposed", "every_other"),
    ("every_other", "transposed"),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def reference(x, w, stride, padding, dilation, groups):
    (n, c, _, _), (k, _, r, s) = x.shape, w.shape
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    windows = np.lib.stride_tricks.sliding_window_view(
        x, tuple(d * (size - 1) + 1 for d, size in zip(dilation, (r, s))), (2, 3)
    )
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    windows = windows.reshape(n, groups, c // groups, *windows.shape[2:])
    filters = w.reshape(groups, k // groups, *w.shape[1:])
    y = np.einsum("ngchwrs,gkcrs->ngkhw", windows, filters, optimize=True)
    return y.reshape(n, k, *y.shape[3:])


def tensor(array, dtype="float64", layout="contiguous"):
    t = flambeau.tensor(array).to(getattr(flambeau, dtype))
    if layout == "channels_last":
        return t.contiguous(memory_format=flambeau.channels_last)
    if layout == "transposed":
        return t.transpose(2, 3).contiguous().transpose(2, 3)
    if layout == "every_other":
        wider = flambeau.zeros(*t.shape[:-1], 2 * t.shape[-1], dtype=t.dtype)[..., ::2]
        return wider.copy_(t)
    return t


def values(t):
    return t.detach().to(flambeau.float64).contiguous().numpy()


def close(actual, expected, dtype, terms=1):
    """Within the rounding of the dtype, of a result that is a sum of `terms` products."""
    scale = max(1.0, np.abs(expected).max(initial=0))
    bound = ROUNDING[dtype] * scale * (np.sqrt(terms) if dtype in ("float32", "float64") else 1)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)


def operands(x_shape, w_shape, dtype, layouts):
    r = rng(3)
    x = tensor(r.standard_normal(x_shape), dtype, layouts[0])
    w = tensor(r.standard_normal(w_shape) / np.sqrt(np.prod(w_shape[1:])), dtype, layouts[1])
    return x.requires_grad_(), w.requires_grad_()


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("layouts", LAYOUT_PAIRS)
@pytest.mark.parametrize("x_shape, w_shape, stride, padding, dilation, groups", GEOMETRIES)
def test_values_and_adjoints(x_shape, w_shape, stride, padding, dilation, groups, layouts, dtype):
    geometry = stride, padding, dilation, groups
    x, w = operands(x_shape, w_shape, dtype, layouts)
    b = tensor(rng(4).standard_normal(w_shape[0]), dtype).requires_grad_()
    y = F.conv2d(x, w, b, *geometry)
    product = reference(values(x), values(w), *geometry)
    close(values(y), product + values(b)[:, None, None], dtype, np.prod(w_shape[1:]))

    g = tensor(rng(5).standard_normal(y.shape), dtype, layouts[0])
    y.backward(g)
    exact = values(g)
    close(values(b.grad), exact.sum((0, 2, 3)), dtype, exact.size / w_shape[0])
    # Each side of an identity sums as many products as there are elements.
    inner = np.vdot(product, exact)
    norm = np.linalg.norm(exact) * np.linalg.norm(product)
    for variable in (x, w):
        assert variable.grad.shape == variable.shape
        adjoint = np.vdot(values(variable), values(variable.grad))
        assert abs(adjoint - inner) <= 4 * ROUNDING[dtype] * norm


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("x_shape, w_shape, stride, padding, dilation, groups", GEOMETRIES)
def test_gradients_element_by_element(x_shape, w_shape, stride, padding, dilation, groups, last):
    """A gradient's elements are its inner products with unit vectors; a few of them are tried."""
    geometry = stride, padding, dilation, groups
    layout = "channels_last" if last else "contiguous"
    x, w = operands(x_shape, w_shape, "float64", (layout, layout))
    y = F.conv2d(x, w, None, *geometry)
    g = rng(6).standard_normal(y.shape)
    y.backward(tensor(g, layout=layout))
    for variable, other in ((x, w), (w, x)):
        for at in rng(7).integers(0, variable.numel(), 12):
            unit = np.zeros(variable.numel())
            unit[at] = 1
            unit = unit.reshape(variable.shape)
            pair = (unit, values(other)) if variable is x else (values(other), unit)
            expected = np.vdot(reference(*pair, *geometry), g)
            assert values(variable.grad).flat[at] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", ROUNDING)
def test_no_channels_leave_the_bias(dtype, layout):
    x = tensor(np.zeros((2, 0, 16, 16)), dtype, layout).requires_grad_()
    w = tensor(np.zeros((3, 0, 3, 3)), dtype, layout).requires_grad_()
    b = tensor(np.array([1.0, 2.0, 3.0]), dtype).requires_grad_()
    y = F.conv2d(x, w, b, padding=1)
    np.testing.assert_array_equal(values(y), np.broadcast_to([[[1]], [[2]], [[3]]], (2, 3, 16, 16)))
    y.sum().backward()
    assert x.grad.shape == x.shape and w.grad.shape == w.shape
    np.testing.assert_array_equal(values(b.grad), [512, 512, 512])


@pytest.mark.parametrize("groups", [1, 2])
def test_derivatives(groups):
    r = rng(8)
    x = tensor(r.standard_normal((2, 4, 5, 4))).requires_grad_()
    w = tensor(r.standard_normal((2, 4 // groups, 3, 2))).requires_grad_()
    b = tensor(r.standard_normal(2)).requires_grad_()

    def f(x, w, b):
        return F.conv2d(x, w, b, (2, 1), (1, 1), (1, 2), groups)

    assert gradcheck(f, (x, w, b))
    assert gradgradcheck(f, (x, w, b))


# Large enough to be cut in all ways: by images, pixels, filters, and parts of the sum over pixels.
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "x_shape, w_shape, stride, groups",
    [
        ((9, 16, 30, 31), (48, 16, 3, 3), 1, 1),
        ((1, 33, 40, 40), (300, 33, 3, 3), 2, 1),
        ((6, 1, 28, 28), (6, 1, 5, 5), 1, 1),
        ((40, 3, 32, 32), (64, 3, 7, 7), 2, 1),
        ((4, 12, 25, 25), (12, 1, 3, 3), 1, 12),
        ((2, 512, 4, 4), (520, 512, 1, 1), 1, 1),
        ((5, 32, 20, 20), (32, 4, 3, 3), 1, 8),
        ((40, 16, 10, 10), (6, 16, 5, 5), 1, 1),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_same_bits_for_any_number_of_threads(x_shape, w_shape, stride, groups, last, dtype):
    layout = "channels_last" if last else "contiguous"

    def run(threads):
        flambeau.set_num_threads(threads)
        x, w = operands(x_shape, w_shape, dtype, (layout, layout))
        b = flambeau.zeros(w_shape[0], dtype=x.dtype, requires_grad=True)
        y = F.conv2d(x, w, b, stride, 1, 1, groups)
        pooled = F.max_pool2d(y, 2)
        g = tensor(rng(9).standard_normal(pooled.shape), dtype, layout)
        pooled.backward(g)
        return [values(t) for t in (y, pooled, x.grad, w.grad, b.grad)]

    before = flambeau.get_num_threads()
    try:
        single = run(1)
        for threads in (2, 3, 5, 8):
            for one, other in zip(single, run(threads)):
                np.testing.assert_array_equal(one, other)
    finally:
        flambeau.set_num_threads(before)


@pytest.mark.parametrize("x_last", [False, True])
@pytest.mark.parametrize("w_last", [False, True])
def test_memory_format_follows_input_and_weight(x_last, w_last):
    x, w = operands(
        (2, 3, 6, 5),
        (4, 3, 3, 3),
        "float32",
        ["channels_last" if last else "contiguous" for last in (x_last, w_last)],
    )
    y = F.conv2d(x, w)
    for t in (y, *flambeau.autograd.grad(y.sum(), [x])):
        assert t.is_contiguous(memory_format=flambeau.channels_last) == (x_last or w_last)
        assert t.is_contiguous() != (x_last or w_last)


@pytest.mark.parametrize("last", [False, True])
def test_empty_batch(last):
    layout = "channels_last" if last else "contiguous"
    x, w = operands((0, 3, 6, 5), (4, 3, 3, 3), "float32", (layout, layout))
    b = flambeau.ones(4, requires_grad=True)
    y = F.conv2d(x, w, b)
    assert y.shape == (0, 4, 4, 3)
    y.sum().backward()
    assert x.grad.shape == x.shape
    for gradient in (w.grad, b.grad):
        np.testing.assert_array_equal(values(gradient), 0)


def test_unbatched():
    x, w = operands((1, 3, 6, 5), (4, 3, 3, 3), "float64", ("contiguous", "contiguous"))
    np.testing.assert_array_equal(values(F.conv2d(x[0], w)), values(F.conv2d(x, w))[0])


def test_nan_and_infinity_reach_only_their_windows():
    x = np.ones((1, 1, 6, 6))
    x[0, 0, 1, 1], x[0, 0, 4, 4] = np.nan, np.inf
    y = values(F.conv2d(tensor(x), flambeau.ones(1, 1, 2, 2, dtype=flambeau.float64)))[0, 0]
    np.testing.assert_array_equal(np.argwhere(np.isnan(y)), [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(np.argwhere(np.isinf(y)), [[3, 3], [3, 4], [4, 3], [4, 4]])


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize(
    "x_shape, w_shape, groups",
    [
        ((2, 1, 9, 20), (5, 1, 3, 3), 1),
        ((2, 16, 9, 9), (16, 1, 3, 3), 16),
        ((2, 16, 9, 20), (16, 4, 3, 3), 4),
        ((2, 6, 9, 12), (16, 6, 3, 3), 1),
        ((2, 16, 9, 12), (6, 16, 3, 3), 1),
    ],
)
def test_infinity_reaches_only_what_reads_it(x_shape, w_shape, groups, layout):
    """A corner of the image is read by one pixel, through one tap."""
    x, w = operands(x_shape, w_shape, "float32", (layout, layout))
    with flambeau.no_grad():
        x[0, 0, -1, -1] = np.inf
    y = F.conv2d(x, w, None, 1, 0, 1, groups)
    y.backward(flambeau.ones_like(y))
    seen = np.zeros(y.shape, bool)
    seen[0, : w_shape[0] // groups, -1, -1] = True
    np.testing.assert_array_equal(~np.isfinite(values(y)), seen)
    seen = np.zeros(w_shape, bool)
    seen[: w_shape[0] // groups, 0, -1, -1] = True
    np.testing.assert_array_equal(~np.isfinite(values(w.grad)), seen)
    assert np.isfinite(values(x.grad)).all()


@pytest.mark.parametrize(
    "x, w, options, text",
    [
        ((1, 3, 4, 4), (2, 4, 3, 3), {}, "to have 4 channels, but got 3 channels"),
        ((1, 3, 2, 2), (2, 3, 3, 3), {}, "Kernel size can't be greater than actual input size"),
        ((1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}, "divisible by 2"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"stride": 0}, "non-positive stride"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"padding": -1}, "negative padding"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"dilation": 0}, "dilation should be greater than zero"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"groups": 0}, "non-positive groups"),
    ],
)
def test_errors(x, w, options, text):
    with pytest.raises(RuntimeError, match=f"^convolution: .*{text}"):
        F.conv2d(flambeau.zeros(x), flambeau.zeros(w), **options)


def backward_arguments(**changes):
    arguments = {
        "grad_output": flambeau.ones(1, 2, 3, 3),
        "input": flambeau.ones(1, 3, 4, 4),
        "weight": flambeau.ones(2, 3, 2, 2),
        "bias_sizes": [2],
        "stride": [1, 1],
        "padding": [0, 0],
        "dilation": [1, 1],
        "transposed": False,
        "output_padding": [0, 0],
        "groups": 1,
        "output_mask": [True, True, True],
    }
    return (arguments | changes).values()


def test_unwanted_gradients_are_not_computed():
    backward = flambeau.ops.aten.convolution_backward
    wanted = backward(*backward_arguments())
    for mask in itertools.product([False, True], repeat=3):
        for one, all_of_them, on in zip(
            backward(*backward_arguments(output_mask=list(mask))), wanted, mask
        ):
            assert flambeau.equal(one, all_of_them) if on else one.numel() == 0


@pytest.mark.parametrize(
    "changes, error, text",
    [
        ({"grad_output": flambeau.ones(1, 2, 3, 2)}, RuntimeError, "expected grad_output of shape"),
        ({"stride": [0, 1]}, RuntimeError, "non-positive stride"),
        ({"transposed": True}, RuntimeError, "transposed=1, .* to have 2 channels"),
    ],
)
def test_backward_errors(changes, error, text):
    with pytest.raises(error, match=text):
        flambeau.ops.aten.convolution_backward(*backward_arguments(**changes))


def test_dtypes_must_match():
    x, w = flambeau.zeros(1, 1, 3, 3), flambeau.zeros(1, 1, 2, 2, dtype=flambeau.float64)
    with pytest.raises(RuntimeError, match="should be the same"):
        F.conv2d(x, w)


# ---- max pooling


def pooled(x, kernel, stride, padding, dilation):
    """Values and places by direct loops: the first largest, or the last NaN, of each window."""
    n, c, h, w = x.shape
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip((h, w), kernel, stride, padding, dilation)
    ]
    y, places = np.empty((n, c, *sizes), x.dtype), np.empty((n, c, *sizes), np.int64)
    for image, channel, i, j in np.ndindex(y.shape):
        best, place = None, 0
        for r, s in np.ndindex(*kernel):
            row = i * stride[0] - padding[0] + r * dilation[0]
            col = j * stride[1] - padding[1] + s * dilation[1]
            if not (0 <= row < h and 0 <= col < w):
                continue
            v = x[image, channel, row, col]
            if best is None or v > best or v != v:
                best, place = v, row * w + col
        y[image, channel, i, j], places[image, channel, i, j] = best, place
    return y, places


POOLS = [
    ((2, 2), (2, 2), (0, 0), (1, 1)),
    ((3, 3), (2, 2), (1, 1), (1, 1)),
    ((3, 2), (1, 3), (1, 1), (2, 1)),
    ((2, 2), (1, 1), (0, 0), (1, 1)),
    ((1, 4), (1, 4), (0, 2), (1, 1)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kernel, stride, padding, dilation", POOLS)
def test_max_pool2d(kernel, stride, padding, dilation, layout, dtype):
    x = (
        rng(10).integers(0, 9, (3, 5, 11, 39)).astype(dtype)
    )  # small numbers, so that many are equal
    if dtype.startswith("float"):
        x[rng(11).random(x.shape) < 0.03] = np.nan
        x[rng(12).random(x.shape) < 0.03] = -np.inf
    expected, places = pooled(x, kernel, stride, padding, dilation)
    y, indices = F.max_pool2d(
        tensor(x, dtype, layout), kernel, stride, padding, dilation, return_indices=True
    )
    np.testing.assert_array_equal(y.numpy(), expected)
    np.testing.assert_array_equal(indices.numpy(), places)
    last = layout == "channels_last"
    assert y.is_contiguous(memory_format=flambeau.channels_last) == last


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kernel, stride, padding, dilation", POOLS)
def test_max_pool2d_gradient(kernel, stride, padding, dilation, layout):
    x = rng(13).integers(0, 9, (3, 5, 11, 39)).astype(np.float64)
    variable = tensor(x, layout=layout).requires_grad_()
    y = F.max_pool2d(variable, kernel, stride, padding, dilation)
    g = rng(14).standard_normal(y.shape)
    y.backward(tensor(g, layout=layout))
    _, places = pooled(x, kernel, stride, padding, dilation)
    expected = np.zeros((3, 5, 11 * 39))
    for plane in np.ndindex(3, 5):
        np.add.at(expected[plane], places[plane].ravel(), g[plane].ravel())
    np.testing.assert_allclose(values(variable.grad), expected.reshape(x.shape), rtol=1e-14)


@pytest.mark.parametrize(
    "g_shape, place, error, text",
    [
        ((1, 1, 2, 2), 16, IndexError, "index 16 is out of range for a plane of 16 elements"),
        ((1, 1, 2, 2), -2, IndexError, "index -2 is out of range"),
        ((1, 1, 3, 2), 0, RuntimeError, "do not fit"),
        ((2, 1, 2, 2), 0, RuntimeError, "do not fit"),
    ],
)
def test_max_pool2d_backward_errors(g_shape, place, error, text):
    x, g = flambeau.ones(1, 1, 4, 4), flambeau.ones(g_shape)
    places = flambeau.full((1, 1, 2, 2), place)
    with pytest.raises(error, match=f"^max_pool2d_with_indices_backward: .*{text}"):
        flambeau.ops.aten.max_pool2d_with_indices_backward(
            g, x, [2, 2], [2, 2], [0, 0], [1, 1], False, places
        )
