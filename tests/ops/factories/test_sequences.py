"""arange and linspace against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

import flambeau as torch


@pytest.mark.parametrize("ends", [(-3e38, 3e38), (3e38, -3e38), (1e-45, 3e38), (0, 1), (-7, 2.5)])
@pytest.mark.parametrize("steps", [2, 3, 5, 1001])
def test_float32(ends, steps):
    got = torch.linspace(*ends, steps)
    want = np.linspace(*(np.longdouble(np.float32(e)) for e in ends), steps)
    scale = max(abs(e) for e in ends)
    assert np.abs(got.numpy().astype(np.longdouble) - want).max() <= 2e-7 * scale
    assert got[0] == np.float32(ends[0]) and got[-1] == np.float32(ends[1])


@pytest.mark.parametrize("ends", [(-1.7e308, 1.7e308), (1.7e308, -1e308), (0, 1)])
@pytest.mark.parametrize("steps", [2, 3, 101])
def test_float64(ends, steps):
    got = torch.linspace(*ends, steps, dtype=torch.float64).tolist()
    step = (Fraction(ends[1]) - Fraction(ends[0])) / (steps - 1)
    scale = max(abs(e) for e in ends)
    for i, v in enumerate(got):
        assert abs(Fraction(v) - (Fraction(ends[0]) + i * step)) <= Fraction(scale) / 2**50
    assert (got[0], got[-1]) == tuple(map(float, ends))


@pytest.mark.parametrize(
    "ends",
    [
        (-(2**63) + 1, 2**63 - 1),
        (2**63 - 1, -(2**63)),
        (2**53 + 1, 2**53 + 9),
        (1, 2**60 + 1),
        (-7, 5),
        (5, -7),
        (3, 3),
    ],
)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 70001])
def test_integers_are_exact(ends, steps):
    got = torch.linspace(*ends, steps, dtype=torch.int64).tolist()
    a, b = ends
    last = max(steps - 1, 1)
    for i in {0, 1, steps // 2, steps - 2, steps - 1} & set(range(steps)):
        exact = Fraction(a) + Fraction(i * (b - a), last) if steps > 1 else Fraction(a)
        assert got[i] == int(exact)


def test_integer_ends_lose_their_fractions_first():
    assert torch.linspace(0.9, 3.9, 4, dtype=torch.int32).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_linspace_refuses_ends_beyond_the_dtype(dtype):
    for ends in ((0, 2**31), (-(2**40), 0), (float("nan"), 0), (0, float("inf"))):
        with pytest.raises(RuntimeError, match="without overflow"):
            torch.linspace(*ends, 3, dtype=getattr(torch, dtype))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("range_", [(0, 100, 1), (100, -20, -7), (5, 5, 1), (-3, 3, 2)])
def test_arange(dtype, range_):
    kind = getattr(torch, dtype)
    assert torch.arange(*range_, dtype=kind).tolist() == list(range(*range_))


def test_long_arange_has_the_same_values_in_every_task():
    assert (torch.arange(200_001).numpy() == np.arange(200_001)).all()
    assert (torch.arange(2**62, 2**62 + 300_000, 3).numpy()[-1]) == 2**62 + 299_997
    x = torch.arange(0, 30_000, 0.25)
    assert (x.numpy() == np.arange(0, 30_000, 0.25, dtype=np.float32)).all()


def test_arange_refuses_values_beyond_the_dtype():
    assert torch.arange(256, dtype=torch.uint8)[-1] == 255
    for f in (
        lambda: torch.arange(257, dtype=torch.uint8),
        lambda: torch.arange(0, 2**40, 2**39, dtype=torch.int32),
        lambda: torch.arange(2**40, 2**40 + 1, dtype=torch.int32),
    ):
        with pytest.raises(RuntimeError, match="without overflow"):
            f()


def test_arange_of_int64_makes_its_numbers_integers_first():
    def arange(*range_, dtype=torch.int64):
        return torch.arange(*range_, dtype=dtype).tolist()

    assert arange(0, 2.5) == [0, 1] == arange(2.5) == arange(-0.5, 2.5)
    assert arange(0, 5, 2.9) == [0, 2, 4]
    assert arange(3.7, 0.2, -1.9) == [3, 2, 1]
    assert arange(0.5, 0.9) == []
    assert torch.arange(0, 2.5, out=torch.empty(0, dtype=torch.int64)).tolist() == [0, 1]
    assert torch.arange(0, 2.5, dtype=torch.int64, device="meta").shape == (2,)
    # All others count the steps of the numbers as they are.
    assert arange(0, 2.5, dtype=torch.int32) == [0, 1, 2]
    assert arange(1, 2, 0.25, dtype=torch.int32) == [1, 1, 1, 1]
    for range_ in ((1, 2, 0.1), (5, 0, -0.5), (0, 0, 0.5)):
        with pytest.raises(ValueError, match="step must be nonzero"):
            arange(*range_)
    with pytest.raises(RuntimeError, match="without overflow"):
        arange(0, 1e19, 1e18)
