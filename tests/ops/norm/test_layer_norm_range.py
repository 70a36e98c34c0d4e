"""layer_norm of rows whose sums or squares leave the range of their dtype."""

import mpmath
import numpy as np
import pytest

import flambeau as torch

mpmath.mp.dps = 40


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("eps", [1e-5, 0.0])
def test_large_and_tiny_rows(dtype, eps):
    big, tiny = (3e38, 1e-30) if dtype == "float32" else (1.7e308, 1e-250)
    rows = [
        [big, -big, big / 2],
        [big, big, big / 2],
        [tiny, -tiny, 3 * tiny],
        [1.0, 2.0, 4.0],
        [big**0.6, 0.0, 1.0],
    ]
    x = torch.tensor(rows, dtype=getattr(torch, dtype))
    weight, bias = (
        torch.tensor([1.0, 2.0, 0.5]).to(x.dtype),
        torch.tensor([0.0, 1.0, -1.0]).to(x.dtype),
    )
    for w, b in ((None, None), (weight, None), (None, bias), (weight, bias)):
        got = torch.nn.functional.layer_norm(x, (3,), w, b, eps)
        for row, result in zip(x.tolist(), got.tolist()):
            values = [mpmath.mpf(v) for v in row]
            mean = mpmath.fsum(values) / 3
            var = mpmath.fsum((v - mean) ** 2 for v in values) / 3
            want = [(v - mean) / mpmath.sqrt(var + mpmath.mpf(eps)) for v in values]
            want = [v * (1 if w is None else w[i].item()) for i, v in enumerate(want)]
            want = [float(v + (0 if b is None else b[i].item())) for i, v in enumerate(want)]
            np.testing.assert_allclose(result, want, rtol=2e-5, atol=1e-6)


def test_equal_elements_give_zeros():
    x = torch.full((2, 5), 3e38)
    assert torch.nn.functional.layer_norm(x, (5,)).abs().max().item() == 0
