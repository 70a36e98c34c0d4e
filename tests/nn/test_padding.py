"""F.pad by what is there, against NumPy, with and without a gradient."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.func import jvp, vmap

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
