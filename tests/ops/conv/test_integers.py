"""Convolution of integers: exact, and wrapping around as the dtype does."""

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F

# (x, w, stride, padding, dilation, groups)
GEOMETRIES = [
    ((2, 3, 7, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 4, 9, 8), (6, 2, 2, 5), (2, 3), (0, 4), (2, 1), 2),
    ((1, 2, 3, 4), (2, 1, 2, 2), (1, 1), (5, 3), (1, 1), 2),  # windows without any input
    ((1, 1, 1, 70000), (1, 1, 1, 3), (1, 1), (0, 1), (1, 1), 1),  # a row of more than one task
    ((0, 2, 4, 4), (3, 2, 2, 2), (1, 1), (0, 0), (1, 1), 1),
    ((2, 0, 4, 4), (3, 0, 2, 2), (1, 1), (0, 0), (1, 1), 1),
]
DTYPES = ["uint8", "int8", "int16", "int32", "int64"]


def reference(x, w, b, stride, padding, dilation, groups):
    (n, _, _, _), (k, channels, r, s) = x.shape, w.shape
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    sizes = [
        (x.shape[2 + d] - dilation[d] * (w.shape[2 + d] - 1) - 1) // stride[d] + 1 for d in (0, 1)
    ]
    y = np.zeros((n, k, *sizes), np.uint64)
    for out in range(k):
        y[:, out] = b[out]
        first = out // (k // groups) * channels
        for c, i, j in np.ndindex(channels, r, s):
            rows = slice(
                i * dilation[0], i * dilation[0] + (sizes[0] - 1) * stride[0] + 1, stride[0]
            )
            cols = slice(
                j * dilation[1], j * dilation[1] + (sizes[1] - 1) * stride[1] + 1, stride[1]
            )
            y[:, out] += w[out, c, i, j] * x[:, first + c, rows, cols]
    return y


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "every_other"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("x_shape, w_shape, stride, padding, dilation, groups", GEOMETRIES)
def test_values(x_shape, w_shape, stride, padding, dilation, groups, dtype, layout):
    r = np.random.default_rng(5)
    info = np.iinfo(dtype)
    x, w, b = (
        r.integers(info.min, info.max, shape, dtype, endpoint=True)
        for shape in (x_shape, w_shape, w_shape[0])
    )
    tensors = []
    for array in (x, w):
        t = flambeau.tensor(array)
        if layout == "channels_last":
            t = t.contiguous(memory_format=flambeau.channels_last)
        if layout == "every_other":
            wider = flambeau.zeros(*t.shape[:-1], 2 * t.shape[-1], dtype=t.dtype)[..., ::2]
            t = wider.copy_(t)
        tensors.append(t)
    y = F.conv2d(*tensors, flambeau.tensor(b), stride, padding, dilation, groups)
    unsigned = (a.astype(np.int64).astype(np.uint64) for a in (x, w, b))
    expected = reference(*unsigned, stride, padding, dilation, groups)
    assert y.dtype == getattr(flambeau, dtype)
    np.testing.assert_array_equal(y.numpy(), expected.astype(dtype))


@pytest.mark.parametrize("groups", [0, 2])
def test_shapes_are_checked(groups):
    with pytest.raises(RuntimeError, match="convolution: .*groups"):
        F.conv2d(
            flambeau.ones(1, 3, 4, 4, dtype=flambeau.int64),
            flambeau.ones(3, 3, 2, 2, dtype=flambeau.int64),
            groups=groups,
        )


def test_bool_and_gradients_are_refused():
    x, w = (flambeau.ones(1, 1, 2, 2, dtype=flambeau.bool) for _ in range(2))
    with pytest.raises(NotImplementedError, match="convolution: not implemented for bool"):
        F.conv2d(x, w)
    x, w, g = (flambeau.ones(1, 1, n, n, dtype=flambeau.int64) for n in (2, 2, 1))
    with pytest.raises(NotImplementedError, match="convolution_backward: not implemented for"):
        flambeau.ops.aten.convolution_backward(
            g, x, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, False, False]
        )
