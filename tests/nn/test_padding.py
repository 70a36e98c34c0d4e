"""F.pad by what is there, against NumPy, with and without a gradient."""

import time

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.func import jvp, vmap
from flambeau.ops.language import MOST

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
CASES = [
    ((3, 7), (2, 1)),
    ((2, 3, 5, 6), (1, 2, 3, 0)),
    ((2, 4, 6), (0, 3)),
    ((3, 5, 6), (4, 4, 1, 1)),
    ((2, 3, 4, 5), (1, 1, 2, 2, 1, 2)),
    ((4, 1, 2, 2, 3), (2, 0, 1, 1, 0, 1)),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shape", "pad"), CASES)
@pytest.mark.parametrize("dtype", ["float64", "int16", "bool"])
def test_values(mode, shape, pad, dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 99, shape)
    x = torch.tensor(x).to(getattr(torch, dtype))
    widths = [(0, 0)] * (len(shape) - len(pad) // 2)
    widths += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    want = np.pad(x.numpy(), widths, mode=MODES[mode])
    strided = torch.stack([x, x], -1)[..., 0]
    for same in (x, strided):
        got = F.pad(same, pad, mode=mode)
        assert np.array_equal(got.numpy(), want) and got.dtype == x.dtype
    if dtype == "float64":
        leaf = x.clone().requires_grad_()
        assert np.array_equal(F.pad(leaf, pad, mode=mode).detach().numpy(), want)
        mapped = vmap(lambda t: F.pad(t, pad, mode=mode))(torch.stack([x, x + 1]))
        assert np.array_equal(mapped.numpy(), np.stack([want, want + 1]))
        value, slope = jvp(lambda t: F.pad(t, pad, mode=mode), (x,), (2 * x,))
        assert np.array_equal(value.numpy(), want) and np.array_equal(slope.numpy(), 2 * want)


@pytest.mark.parametrize("mode", [*MODES, "constant"])
@pytest.mark.parametrize(("shape", "pad"), CASES)
def test_gradients_are_those_of_every_element(mode, shape, pad):
    rng = np.random.default_rng(1)
    x = torch.tensor(rng.standard_normal(shape), requires_grad=True)
    y = F.pad(x, pad, mode=mode)
    weight = rng.standard_normal(y.shape)
    y.backward(torch.tensor(weight))
    # Where each element of the result comes from; nowhere is 0.
    places = torch.arange(1, x.numel() + 1).reshape(shape)
    source = F.pad(places, pad, mode=mode).numpy()
    want = np.bincount(source.ravel(), weight.ravel(), x.numel() + 1)[1:].reshape(shape)
    assert np.allclose(x.grad.numpy(), want)


@pytest.mark.parametrize("mode", [*MODES, "constant"])
def test_long_rows_and_single_planes(mode):
    x = torch.arange(2 * 200_000).reshape(1, 2, 200_000)
    widths, how = [(0, 0), (0, 0), (1000, 3)], {"mode": MODES.get(mode, "constant")}
    assert np.array_equal(F.pad(x, (1000, 3), mode=mode).numpy(), np.pad(x.numpy(), widths, **how))
    plane = x.reshape(1, 1, 1600, 250)
    widths = [(0, 0), (0, 0), (5, 7), (2, 1)]
    got = F.pad(plane, (2, 1, 5, 7), mode=mode)
    assert np.array_equal(got.numpy(), np.pad(plane.numpy(), widths, **how))


@pytest.mark.parametrize("mode", [*MODES, "constant"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_channels_last_stays(mode, shape):
    form = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    pad = (1, 1) * (len(shape) - 2)
    x = torch.arange(720)[: int(np.prod(shape))].reshape(shape)
    got = F.pad(x.to(memory_format=form), pad, mode=mode)
    assert torch.equal(got, F.pad(x, pad, mode=mode))
    assert got.is_contiguous(memory_format=form) == (mode != "circular")


def test_the_slope_of_a_constant_border_is_zero():
    x = torch.ones(2, 3)
    value, slope = jvp(lambda t: F.pad(t, (1, 0), value=5.0), (x,), (2 * x,))
    assert value.tolist() == [[5, 1, 1, 1]] * 2 and slope.tolist() == [[0, 2, 2, 2]] * 2


@pytest.mark.parametrize(
    ("shape", "pad", "mode", "text"),
    [
        ((2, 3, 4), [100_000_000, 0], 0, "at most 3 on each side"),
        ((2, 3, 4), [5, 5], 0, "at most 3 on each side"),
        ((2, 3, 4), [0, 50], 2, "at most the 4 elements"),
        ((2, 3, 4), [0, 0, 0, 4], 2, "dimension 1 of size 3 by at most the 3 elements"),
        ((2, 3, 4), [-2, 3], 2, "at most the 2 elements"),
        ((2, 3, 5, 1), [-1, 1, 0, 3], 2, "dimension 3 of size 1 by at most the 0 elements"),
        ((2, 0, 4), [1, 1, 1, 1], 1, "other non-zero dimensions"),
        ((2, 3, 4), [1, 1], 7, "7 is not a valid value for mode"),
        ((2, 3, 4), [1, 1], -1, "-1 is not a valid value for mode"),
        ((2, 3, 4), [1] * 10, 0, "at most twice the input's dimensions, got 10"),
        ((), [1, 1], 3, "at most twice the input's dimensions, got 2"),
        ((2, 3, 4), [1], 1, "must be divisible by 2, got 1"),
        ((2, 3, 4), [-3, -2], 1, "negative size"),
        ((2, 3, 4), [-5, 4], 3, "negative size"),
        ((2, 3, 4), [-MOST - 1, -MOST - 1], 3, "negative size"),
        ((2, 3, 4), [MOST, 1], 3, "too large a size"),
        ((2, 3, 4), [1, MOST - 4], 1, "too large a size"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_op_itself(shape, pad, mode, text):
    for device in ("cpu", "meta"):
        x = torch.zeros(shape, device=device)
        for op in (torch._C._nn._pad_enum, torch.ops.aten._pad_enum):
            with pytest.raises(RuntimeError, match=text):
                op(x, pad, mode)
    if 0 <= mode <= 3 and shape:
        with pytest.raises(RuntimeError, match=text):
            F.pad(torch.zeros(shape), pad, [*MODES, "constant"][mode])


@pytest.mark.parametrize("mode", [*MODES, "constant"])
def test_no_border_is_a_copy(mode):
    x = torch.tensor(3.0)
    y = torch.constant_pad_nd(x, [])
    assert y.item() == 3 and y.data_ptr() != x.data_ptr()
    t = torch.arange(6).reshape(2, 3).t()
    made = F.pad(t, [0, 0], mode)
    assert torch.equal(made, t) and made.data_ptr() != t.data_ptr()


@pytest.mark.parametrize("mode", [*MODES, "constant"])
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "complex32"])
def test_elements_that_have_no_arithmetic_are_moved(mode, dtype):
    bits = torch.arange(24, dtype=torch.int32 if dtype == "complex32" else torch.uint8)
    bits = bits.reshape(2, 3, 4)
    same = bits.view(getattr(torch, dtype))
    assert torch.equal(F.pad(same, [1, 2], mode).view(bits.dtype), F.pad(bits, [1, 2], mode))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["reflection", "replication"])
def test_gradients_of_edges(kind, rank):
    op = getattr(torch._C._nn, f"{kind}_pad{rank}d")
    back = getattr(torch._C._nn, f"{kind}_pad{rank}d_backward")
    x = torch.randn(2, 2, *[4] * rank, dtype=torch.float64, requires_grad=True)
    for pad in ([2, 1] * rank, [-1, 3] * rank, [3, -2] * rank):
        assert torch.autograd.gradcheck(lambda x, pad=pad: op(x, pad), x)
        g = torch.randn(op(x, pad).shape, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda g, pad=pad: back(g, x, pad), g)
        assert torch.autograd.gradgradcheck(lambda x, pad=pad: op(x, pad).pow(2), x)
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            form = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.dim())
            low, narrow = g.detach().to(dtype), x.detach().to(dtype)
            if form is not None:
                low, narrow = low.to(memory_format=form), narrow.to(memory_format=form)
            made = back(low, narrow, pad)
            assert made.dtype == dtype and made.stride() == narrow.stride()
            want = back(low.double(), x.detach(), pad)
            step = 2.0 ** {torch.bfloat16: -8, torch.float16: -11}.get(dtype, -23)
            assert ((made.double() - want).abs() <= step * want.abs() + 1e-6).all()


LAYERS = {
    "ReflectionPad": "reflect",
    "ReplicationPad": "replicate",
    "CircularPad": "circular",
    "ZeroPad": "constant",
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", [*LAYERS, "ConstantPad"])
def test_layers(name, rank):
    value = (2.5,) * (name == "ConstantPad")
    layer = getattr(torch.nn, f"{name}{rank}d")(1, *value)
    assert repr(layer) == (
        f"ConstantPad{rank}d(padding={(1,) * (2 * rank)}, value=2.5)"
        if value
        else f"{name}{rank}d({(1,) * (2 * rank)})"
    )
    for outer in ((3,), (2, 3)):
        x = torch.randn(*outer, *[3] * rank)
        mode = LAYERS.get(name, "constant")
        assert torch.equal(layer(x), F.pad(x, (1,) * (2 * rank), mode, *value))
    sides = tuple(range(2 * rank))
    layer = getattr(torch.nn, f"{name}{rank}d")(list(sides), *value)
    assert layer.padding == sides
    if name == "CircularPad":
        with pytest.raises(ValueError, match=f"expected {rank + 1}D or {rank + 2}D input"):
            layer(torch.zeros([3] * rank))


@pytest.mark.parametrize("mode", [*MODES, "constant"])
@pytest.mark.parametrize(
    "pad", [(-1, 2), (3, -2), (-1, -2), (-4, 3), (1, -1, -2, 1), (-1, 1, 2, 0)]
)
def test_a_negative_number_cuts_off(mode, pad):
    x = torch.arange(60.0, dtype=torch.float64).reshape(2, 5, 6).requires_grad_()
    cuts, grown = [slice(None)] * 3, [(0, 0)] * 3
    for k in range(len(pad) // 2):
        left, right = pad[2 * k], pad[2 * k + 1]
        cuts[2 - k] = slice(max(-left, 0), -max(-right, 0) or None)
        grown[2 - k] = (max(left, 0), max(right, 0))

    def padded(a):
        if mode == "constant":
            return np.pad(a[tuple(cuts)], grown)
        if mode == "circular":
            return np.pad(a[tuple(cuts)], grown, mode="wrap")
        return np.pad(a, grown, mode=MODES[mode])[tuple(cuts)]

    if mode == "circular" and pad == (-4, 3):
        with pytest.raises(RuntimeError, match="at most the 2 elements"):
            F.pad(x, pad, mode)
        return
    y = F.pad(x, pad, mode)
    assert np.array_equal(y.detach().numpy(), padded(x.detach().numpy()))
    weight = np.random.default_rng(0).standard_normal(y.shape)
    (slope,) = torch.autograd.grad(y, x, torch.tensor(weight))
    source = padded(np.arange(1, 61).reshape(2, 5, 6))
    want = np.bincount(source.ravel(), weight.ravel(), 61)[1:].reshape(x.shape)
    assert np.allclose(slope.numpy(), want)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("shape", "pad", "dtype"),
    [
        ((1, 1, 300), (299, 299), "int16"),
        ((3, 2, 30), (20, 9), "complex128"),
        ((3, 2, 30), (3, 29), "uint8"),
        ((2, 3, 20, 40), (17, 12, 19, 9), "float32"),
        ((1, 2, 300, 400), (299, 150, 80, 299), "int64"),
        ((1, 1, 200_000), (199_999, 100_000), "float32"),
    ],
)
def test_long_borders(mode, shape, pad, dtype):
    x = torch.arange(int(np.prod(shape))).reshape(shape).to(getattr(torch, dtype))
    widths = [(0, 0)] * (len(shape) - len(pad) // 2)
    widths += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    want = np.pad(x.numpy(), widths, mode=MODES[mode])
    assert np.array_equal(F.pad(x, pad, mode).numpy(), want)
    if len(shape) == 4:
        last = F.pad(x.to(memory_format=torch.channels_last), pad, mode)
        assert np.array_equal(last.numpy(), want)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_long_borders_cost_what_they_hold(mode):
    row, plane = torch.ones(1, 1, 500_000), torch.ones(500, 1, 1, 1000)
    pad = (499_999, 499_999) if mode == "reflect" else (5_000_000, 5_000_000)

    def seconds(run):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)

    # A piece of memory for each element took hundreds of times as long as copying the result.
    result = F.pad(row, pad, mode)
    assert seconds(lambda: F.pad(row, pad, mode)) < 10 * seconds(result.clone)
    result = F.pad(plane, (999, 999, 0, 0), mode)
    assert seconds(lambda: F.pad(plane, (999, 999, 0, 0), mode)) < 10 * seconds(result.clone)


@pytest.mark.parametrize("mode", ["constant", "replicate", "reflect"])
def test_channels_last_is_that_of_the_whole_input(mode):
    x = torch.arange(240.0).reshape(2, 4, 5, 6).to(memory_format=torch.channels_last)
    for pad in ((-5, 1, 0, 1), (-1, 2, 1, -1), (-3, -2, -4, 0)):
        got = F.pad(x, pad, mode)
        assert got.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(got, F.pad(x.contiguous(), pad, mode))
    assert F.pad(x, (-5, 1, 0, 1)).stride() == (48, 1, 8, 4)
    deep = x.reshape(1, 2, 4, 5, 6).to(memory_format=torch.channels_last_3d)
    got = F.pad(deep, (-1, 2, 1, -1, -2, 1), "replicate")
    assert got.is_contiguous(memory_format=torch.channels_last_3d)
