"""Normalisation over dimensions without elements."""

import math

import pytest

import flambeau as torch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_statistics_of_empty_rows(dtype):
    for _ in range(3):  # memory that was used before shows where nothing is written
        del [torch.full((64, 1), 7.0, dtype=dtype) for _ in range(4)][:]
        out, mean, rstd = torch.native_layer_norm(
            torch.zeros(64, 0, dtype=dtype), [0], None, None, 1e-5
        )
        assert out.shape == (64, 0) and mean.shape == rstd.shape == (64, 1)
        assert mean.flatten().tolist() == [0] * 64
        assert all(math.isnan(v) for v in rstd.flatten().tolist())


def test_no_rows():
    out, mean, rstd = torch.native_layer_norm(torch.zeros(0, 3), [3], None, None, 1e-5)
    assert out.shape == (0, 3) and mean.shape == rstd.shape == (0, 1)
