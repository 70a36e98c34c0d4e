"""Strides, dilations and padding of any size take the memory of what is computed, and no more."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

FAR = 2**28
# (out channels, kernel, stride, padding, dilation)
WIDE = [
    (32, (1, 1), (1, FAR), (0, 4 * FAR), 1),
    (32, (1, 2), 1, (0, FAR // 2), (1, FAR)),
    (32, (2, 1), 1, (FAR // 2, 0), (FAR, 1)),
    (2, (2, 1), 1, (FAR // 2, 0), (FAR, 1)),
    (2, (1, 1), (FAR, 1), (4 * FAR, 0), 1),
    (32, (1, 1), (FAR, FAR), (4 * FAR, 4 * FAR), 1),
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("outs, kernel, stride, padding, dilation", WIDE)
def test_far_apart(outs, kernel, stride, padding, dilation, layout):
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((1, 32, 5, 5))).float().contiguous(memory_format=layout)
    w = torch.tensor(rng.standard_normal((outs, 32, *kernel))).float().requires_grad_()
    pairs = [v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation)]
    sizes = [(5 + 2 * p - d * (k - 1) - 1) // s + 1 for k, s, p, d in zip(kernel, *pairs)]
    assert max(sizes) <= 9
    y = F.conv2d(x, w, None, *pairs)
    assert y.shape == (1, outs, *sizes)
    want = np.zeros(y.shape)
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            for i in range(sizes[0]):
                for j in range(sizes[1]):
                    row = i * pairs[0][0] - pairs[1][0] + r * pairs[2][0]
                    col = j * pairs[0][1] - pairs[1][1] + s * pairs[2][1]
                    if 0 <= row < 5 and 0 <= col < 5:
                        seen = x.numpy()[0, :, row, col]
                        want[0, :, i, j] += w.detach().numpy()[:, :, r, s] @ seen
    assert np.allclose(y.detach().numpy(), want, atol=1e-4)
    y.sum().backward()
    assert w.grad.shape == w.shape
