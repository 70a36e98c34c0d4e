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
