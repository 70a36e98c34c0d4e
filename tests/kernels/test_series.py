"""Leaves that are sums of series, and the next number, against mpmath, SciPy and NumPy."""

import math

import leaf_tools as tools
import mpmath
import numpy as np
import pytest
from mpmath import mp
from scipy import special
from test_leaves import SUFFIX, pairs

F32, F64 = np.float32, np.float64
INF, NAN = math.inf, math.nan


def zeta(s, q):
    with mpmath.workdps(100):  # with fewer digits it has fewer right ones than it should
        return mp.zeta(s, q)


# How far a value may be off, in units of 2^-53 of it: float32 is through double, and exact there.
SERIES = {
    "zeta": (zeta, (1.1, 40), (0.01, 60), 16),
    "polygamma": (lambda x, n: mp.psi(int(n), x), (0.05, 60), (2, 30), 64),
    "igamma": (lambda a, x: mp.gammainc(a, 0, x, regularized=True), (0.01, 90), (0.01, 120), 2**13),
    "igammac": (lambda a, x: mp.gammainc(a, x, regularized=True), (0.01, 90), (0.01, 120), 2**13),
}


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
@pytest.mark.parametrize("name", SERIES)
def test_series_are_within_their_bounds(lib, name, dtype):
    exact, first, second, units = SERIES[name]
    rng = np.random.default_rng(11)
    a, b = (np.exp(rng.uniform(*np.log(ends), 150)).astype(dtype) for ends in (first, second))
    b = np.round(b) if name == "polygamma" else b
    ref = tools.reference(exact, a, b)
    y = lib.call(f"{name}_{SUFFIX[dtype]}", a, b, out=dtype)
    bound = 1 if dtype is F32 else units
    error = tools.ulp_errors(y, ref)
    error[np.abs(ref.value) < np.finfo(dtype).tiny * 2.0**60] = 0
    worst = error.argmax()
    assert error[worst] <= bound, f"{name}({a[worst]!r}, {b[worst]!r}) off by {error[worst]} ulp"


@pytest.mark.parametrize("a", [50.0, 1e3, 2e5, 3e6, 1e8])
def test_incomplete_gamma_functions_around_the_mean(lib, a):
    x = a + math.sqrt(a) * np.array([-6, -2, -0.3, 0.0, 0.4, 1.7, 5])
    lower = lib.call("igamma_float64", np.full_like(x, a), x, out=F64)
    upper = lib.call("igammac_float64", np.full_like(x, a), x, out=F64)
    # The sum of a P(a, x), and the same one step on: P(a, x) - P(a + 1, x) is the density.
    next_lower = lib.call("igamma_float64", np.full_like(x, a + 1), x, out=F64)
    with mpmath.workdps(40):
        density = [mp.exp(a * mp.log(v) - v - mp.loggamma(a + 1)) for v in x]
    step = np.array([float(v) for v in density])
    assert (np.abs(lower - next_lower - step) <= 2.0**-40 * lower * math.sqrt(a)).all()
    assert (np.abs(lower + upper - 1) <= 2.0**-52).all()
    if a < 1e4:
        assert np.allclose(lower, special.gammainc(a, x), rtol=1e-11, atol=0)
        assert np.allclose(upper, special.gammaincc(a, x), rtol=1e-11, atol=0)


def test_series_at_the_edges(lib):
    def of(name, *pairs):
        a, b = (np.array(column, F64) for column in zip(*pairs))
        return lib.call(f"{name}_float64", a, b, out=F64).tolist()

    assert of("zeta", (1, 2), (2, 0), (3, -4), (2, INF)) == [INF, INF, INF, 0]
    assert np.isnan(of("zeta", (0.5, 2), (2.5, -1.5), (NAN, 1), (2, NAN))).all()
    # Left of zero: the reflection of the derivatives of digamma.
    with mpmath.workdps(30):
        for n in (2, 3, 5):
            got = of("polygamma", (-3.3, n), (-0.75, n), (-7.5, n))
            for x, y in zip((-3.3, -0.75, -7.5), got):
                exact = mp.diff(mp.digamma, mp.mpf(x), n)
                assert abs(y - exact) <= 1e-12 * abs(exact) + 1e-9 * (x == -7.5)
    assert of("igamma", (0, 1), (1, 0), (1, INF), (INF, 1)) == [1, 0, 1, 0]
    assert of("igammac", (0, 1), (1, 0), (1, INF), (INF, 1)) == [0, 1, 0, 1]
    assert np.isnan(of("igamma", (0, 0), (-1, 1), (1, -1), (INF, INF), (NAN, 1))).all()


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
def test_nextafter_is_numpys(lib, dtype):
    a, b = pairs(dtype, 9)
    y = lib.call(f"nextafter_{SUFFIX[dtype]}", a, b, out=dtype)
    with np.errstate(all="ignore"):
        assert tools.same_bits(y, np.nextafter(a, b)).all()
