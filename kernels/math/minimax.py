"""Where the coefficients of the leaves come from.

``python kernels/math/minimax.py [NAME ...]`` fits the polynomials again and prints them with the
error that they leave; ``--check`` tells whether the headers hold them. Needs mpmath, NumPy, SciPy.

A fit minimises the largest |w(x) (p(x) - f(x))| on an interval: least squares first, then linear
programmes on the remaining error, scaled so that doubles suffice for them. Coefficients are rounded
one by one, lowest first, and the rest is fitted again after each (`refits` says how often; those of
float results that are computed in double need none).
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np
from mpmath import mp, mpf
from scipy.optimize import linprog

mp.dps = 50
TINY = mpf(10) ** -14


@dataclass
class Fit:
    """p(x) of one degree for f(x) with weight w(x); rational if `denominator` is not 0."""

    name: str
    f: callable
    w: callable
    interval: tuple
    degree: int
    dtype: type = np.float64
    refits: int | None = None  # all by default
    denominator: int = 0

    def nodes(self, count):
        low, high = map(mpf, self.interval)
        angles = [mp.pi * (i + mpf(1) / 2) / count for i in range(count)]
        nodes = [(low + high) / 2 - (high - low) / 2 * mp.cos(a) for a in angles]
        return [x for x in nodes if x != 0]

    def rounded(self, c):
        return mpf(float(self.dtype(float(c))))


def value(coefficients, x):
    return mp.polyval(coefficients[::-1], x)


def weighted_least_squares(columns, target, weights):
    rows = len(target)
    a = mpmath.matrix(rows, len(columns))
    b = mpmath.matrix(rows, 1)
    for i in range(rows):
        for j, column in enumerate(columns):
            a[i, j] = weights[i] * column[i]
        b[i] = weights[i] * target[i]
    return list(mp.lu_solve(a, b))


def polynomial(fit):
    """Coefficients, and the largest weighted error before and after they were rounded."""
    count = fit.degree + 1
    scale = max(map(abs, map(mpf, fit.interval)))
    xs = fit.nodes(40 * count)
    ts = [x / scale for x in xs]
    target, weights = [fit.f(x) for x in xs], [abs(fit.w(x)) for x in xs]
    some = slice(None, None, len(xs) // (4 * count))
    columns = [[t**j for t in ts[some]] for j in range(count)]
    c = weighted_least_squares(columns, target[some], weights[some])
    basis = np.array([[float(w * t**j) for j in range(count)] for t, w in zip(ts, weights)])

    def errors(c):
        return [w * (value(c, t) - y) for t, y, w in zip(ts, target, weights)]

    def worst(c):
        return max(map(abs, errors(c)))

    def improve(c, first):
        """The best change of the coefficients from `first` on, by linear programming."""
        for _ in range(2):
            unit = worst(c)
            error = np.array([float(e / unit) for e in errors(c)])
            size = np.abs(basis[:, first:]).max(axis=0)
            change, ones = basis[:, first:] / size, np.ones((len(error), 1))
            solved = linprog(
                [*[0] * change.shape[1], 1],
                A_ub=np.block([[change, -ones], [-change, -ones]]),
                b_ub=np.concatenate([-error, error]),
                bounds=[(None, None)] * change.shape[1] + [(0, None)],
                method="highs",
            )
            if solved.status != 0:
                break
            steps = [mpf(float(s)) * unit for s in solved.x[:-1] / size]
            better = c[:first] + [a + s for a, s in zip(c[first:], steps)]
            if worst(better) >= unit:
                break
            c = better
        return c

    c = improve(c, 0)
    exact = worst(c)
    for i in range(count):
        c[i] = fit.rounded(c[i] / scale**i) * scale**i
        if i + 1 < count and (fit.refits is None or i < fit.refits):
            c = improve(c, i + 1)
    return [a / scale**i for i, a in enumerate(c)], exact, worst(c)


def rational(fit):
    """Numerator, denominator: linearised least squares, reweighted until the errors are even."""
    n, m = fit.degree, fit.denominator
    xs = fit.nodes(6 * (n + m + 2))
    target, weights = [fit.f(x) for x in xs], [abs(fit.w(x)) for x in xs]
    even, below, best = [mpf(1)] * len(xs), [mpf(1)] * len(xs), None
    columns = [[x**j for x in xs] for j in range(n + 1)]
    columns += [[-y * x**j for x, y in zip(xs, target)] for j in range(1, m + 1)]
    for step in range(40):
        now = [mp.sqrt(e) * w / abs(q) for e, w, q in zip(even, weights, below)]
        c = weighted_least_squares(columns, target, now)
        p, q = c[: n + 1], [mpf(1), *c[n + 1 :]]
        below = [value(q, x) for x in xs]
        error = [w * abs(value(p, x) / b - y) for x, b, y, w in zip(xs, below, target, weights)]
        if best is None or max(error) < best[2]:
            best = p, q, max(error)
        if step >= 3:
            even = [e * (d / max(error)) for e, d in zip(even, error)]
            even = [e * len(xs) / sum(even) + mpf(10) ** -6 for e in even]
    p, q = ([fit.rounded(c) for c in part] for part in best[:2])
    error = [w * abs(value(p, x) / value(q, x) - y) for x, y, w in zip(xs, target, weights)]
    return p, q, best[2], max(error)


# ------------------------------------------------------------------------------------ the fits


def odd(name, function, limit, degree, dtype=np.float64, refits=None):
    """(function(x) / x - 1) / x^2 in z = x^2 up to |x| = limit, relative to the function."""

    def f(z):
        x = mp.sqrt(z)
        return (function(x) - x) / (x * z)

    def w(z):
        return mp.sqrt(z) * z / function(mp.sqrt(z))

    start = TINY * 100 if function is mp.tanh else TINY
    return Fit(name, f, w, (start, mpf(limit) ** 2), degree, dtype, refits)


LN2_HALF = mp.log(2) / 2 * 1.0001
SQRT_HALF, SQRT_2 = mp.sqrt(mpf(1) / 2), mp.sqrt(2)
LOG_Z = ((SQRT_2 - 1) / (SQRT_2 + 1)) ** 2


def exp_tail(degree, dtype=np.float64, refits=None):
    return Fit(
        "exp_tail",
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.expm1(r),
        (-LN2_HALF, LN2_HALF),
        degree,
        dtype,
        refits,
    )


def exp2_tail(degree, dtype):
    return Fit(
        "exp2_tail (with ln 2 before it)",
        lambda r: (mpf(2) ** r - 1) / r,
        lambda r: r / mpf(2) ** r,
        (-0.5, 0.5),
        degree,
        dtype,
    )


def log_in_s(name, degree, refits=None):
    def f(z):
        s = mp.sqrt(z)
        return (mp.log((1 + s) / (1 - s)) - 2 * s) / (s * z)

    return Fit(name, f, lambda z: z / 2, (TINY * 100, LOG_Z), degree, refits=refits)


def log_pair_rest():
    fifth = mpf(float(mpf(2) / 5))

    def f(z):
        s = mp.sqrt(z)
        return (mp.log((1 + s) / (1 - s)) - s * (2 + 2 * z / 3 + fifth * z * z)) / (s * z**3)

    high = LOG_Z * (1 + mpf(10) ** -9)
    return Fit("log_pair", f, lambda z: z**3 / 2, (mpf(10) ** -8, high), 6)


def erf_near_zero(limit, degree, dtype=np.float64):
    def f(z):
        return mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1

    def w(z):
        return mp.sqrt(z) / mp.erf(mp.sqrt(z))

    return Fit("erf_near_zero", f, w, (TINY, mpf(limit) ** 2), degree, dtype)


def erf_far(low, high, degree, dtype=np.float64):
    return Fit(
        "erf_far_exponent (with the slope before it)",
        lambda x: mp.log(mp.erfc(x), 2) / x,
        lambda x: x * mp.erfc(x) * mp.log(2) / mp.erf(x),
        (low, high),
        degree,
        dtype,
        refits=4,
    )


def erfc_h(c, largest, degree, refits):
    c = mpf(c)

    def f(t):
        a = c * (1 + t) / (1 - t)
        return mp.exp(a * a) * mp.erfc(a) * (a + c)

    high = (largest - c) / (largest + c)
    return Fit(f"erfc, c = {c}", f, lambda t: 1 / f(t), (-1, high), degree, refits=refits)


def stirling(name, f, full, degree):
    """A series in u = 1 / x^2 from x = 6 on, relative to the full function."""
    return Fit(
        name,
        lambda u: f(1 / mp.sqrt(u)),
        lambda u: full(1 / mp.sqrt(u)),
        (mpf(10) ** -8, mpf(1) / 36),
        degree,
    )


def log2_mills(degree, dtype):
    half_log2e = mpf(float(dtype(1 / (2 * np.log(2)))))  # as the leaf multiplies by it

    def f(t):
        return mp.log(mp.erfc((t + 2) / mp.sqrt(2)) / 2, 2) + half_log2e * (t + 2) ** 2

    return Fit("log2_mills", f, lambda t: 1, (-2, 2), degree, dtype)


def lgamma_quotient():
    c = mpf(5) / 4

    def quotient(v):
        x = c * (1 + v) / (1 - v)
        if abs(x - 1) < TINY or abs(x - 2) < TINY:
            return mp.euler if x < 1.5 else 1 - mp.euler
        return mp.loggamma(x) / ((x - 1) * (x - 2))

    ends = (mpf(1) / 2 - c) / (mpf(1) / 2 + c), (3 - c) / (3 + c)
    f = lambda v: quotient(v) - mpf(1) / 2  # noqa: E731
    return Fit("lgamma_quotient", f, lambda v: 1 / quotient(v), ends, 24, refits=3)


def digamma_rational():
    zero = mp.findroot(mp.digamma, 1.4616)

    def quotient(t):
        x = t + mpf(1) / 2
        return mp.digamma(x) / (x - zero)

    f = lambda t: quotient(t) - mpf(3) / 4  # noqa: E731
    return Fit("digamma", f, lambda t: 1 / quotient(t), (0, 2.5), 7, denominator=7)


def erf_inverse_centre():
    return Fit(
        "erf_inverse_centre",
        lambda z: mp.erfinv(mp.sqrt(z)) / mp.sqrt(z),
        lambda z: mp.sqrt(z) / mp.erfinv(mp.sqrt(z)),
        (TINY, mpf(49) / 100),
        22,
    )


def erfc_inverse(s):
    """y with erfc(y) = exp(-s^2), by Newton's steps on the logarithm."""
    y = s * mpf("0.9")
    for _ in range(60):
        step = (mp.log(mp.erfc(y)) + s * s) * mp.erfc(y) * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
        y += step
        if abs(step) < mpf(10) ** -30:
            break
    return y


def erf_inverse_tail(c, low, high):
    def f(t):
        s = c * (1 + t) / (1 - t)
        return erfc_inverse(s) / s

    return Fit(
        "erf_inverse_tail",
        f,
        lambda t: 1 / f(t),
        ((low - c) / (low + c), (high - c) / (high + c)),
        30,
        refits=4,
    )


def bessel_near(order, degree):
    """I0(x), or I1(x) / x, in z = x^2 up to x = 8."""

    def f(z):
        x = mp.sqrt(z)
        return mp.besseli(order, x) / x**order

    return Fit(f"bessel_i{order}_near", f, lambda z: 1 / f(z), (TINY, 64), degree)


def bessel_far(order, degree):
    """sqrt(x) exp(-x) I(x) in u = 1 / x from x = 8 on."""

    def f(u):
        return mp.besseli(order, 1 / u) * mp.exp(-1 / u) / mp.sqrt(u)

    return Fit(f"bessel_i{order}_far", f, lambda u: 1 / f(u), (mpf(10) ** -6, mpf(1) / 8), degree)


HALF_LOG_2PI = mp.log(2 * mp.pi) / 2
PI_HALF, PI_QUARTER = (mp.pi / k * (1 + mpf(10) ** -6) for k in (2, 4))
F32 = np.float32
FITS = [
    exp_tail(5, F32),
    exp_tail(10),
    exp_tail(5, refits=0),
    Fit(
        "exp_minus_one",
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2,
        (-LN2_HALF, LN2_HALF),
        4,
        F32,
    ),
    Fit(
        "exp2_near_zero",
        lambda r: (mp.power(2, r) - 1) / r,
        lambda r: r,
        (mpf(-1) / 2, mpf(1) / 2),
        5,
        F32,
    ),
    exp2_tail(6, F32),
    exp2_tail(11, np.float64),
    Fit(
        "log_tail",
        lambda f: (mp.log1p(f) - f + f * f / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        (SQRT_HALF - 1, SQRT_2 - 1),
        7,
        F32,
    ),
    log_in_s("log_tail", 6),
    log_in_s("pow_magnitude", 4, refits=0),
    log_pair_rest(),
    odd("tanh_near_zero", mp.tanh, 1, 7, F32),
    odd("tanh_near_zero", mp.tanh, "0.6", 10),
    odd("sinh_near_zero", mp.sinh, 1, 3, F32),
    odd("sinh_near_zero", mp.sinh, 1, 6),
    erf_near_zero("0.9", 6, F32),
    erf_near_zero(1, 11),
    erf_far(mpf("0.88"), 4, 6, F32),
    erf_far(1, 6, 17),
    log2_mills(9, F32),
    log2_mills(21, np.float64),
    erfc_h(4, 10.2, 10, refits=0),
    erfc_h("4.2265625", 27.3, 23, refits=2),
    odd("sin_of", mp.sin, PI_HALF, 4, refits=0),
    odd("sin_of", mp.sin, PI_HALF, 7),
    odd("tan_of", mp.tan, PI_QUARTER, 6, refits=0),
    odd("tan_of", mp.tan, PI_QUARTER, 14),
    odd("atan_tail", mp.atan, "0.5", 5, refits=0),
    odd("atan_tail", mp.atan, "0.5", 11),
    odd("asin_tail", mp.asin, "0.5", 5, refits=0),
    odd("asin_tail", mp.asin, "0.5", 12),
    stirling(
        "lgamma, series",
        lambda x: (mp.loggamma(x) - (x - mpf(1) / 2) * mp.log(x) + x - HALF_LOG_2PI) * x,
        lambda x: 1 / (x * mp.loggamma(x)),
        6,
    ),
    stirling(
        "digamma, series",
        lambda x: (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) * x * x,
        lambda x: 1 / (x * x * mp.digamma(x)),
        6,
    ),
    lgamma_quotient(),
    digamma_rational(),
    erf_inverse_centre(),
    erf_inverse_tail(mpf("3.5"), mpf("1.09"), mpf("27.3")),
    bessel_near(0, 17),
    bessel_near(1, 16),
    bessel_far(0, 23),
    bessel_far(1, 23),
]


def literal(c):
    mantissa, exponent = float(c).hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{int(exponent)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="fit only what starts with one of these")
    parser.add_argument("--check", action="store_true", help="compare with the headers instead")
    options = parser.parse_args()
    headers = "".join(p.read_text() for p in sorted(Path(__file__).parent.glob("*.h")))
    known = [float.fromhex(c) for c in re.findall(r"-?0x[0-9a-f.]+p[+-]?\d+", headers)]
    missing = 0
    for fit in FITS:
        if options.names and not fit.name.startswith(tuple(options.names)):
            continue
        *parts, exact, rounded = (rational if fit.denominator else polynomial)(fit)
        bits = ", rounded ".join(f"2^{float(mp.log(e, 2)):.2f}" for e in (exact, rounded))
        literals = [literal(c) for part in parts for c in part]
        if options.check:
            held = {float(fit.dtype(c)) for c in known if abs(c) < 1e30}
            lost = [c for c in literals if float.fromhex(c) not in held]
            missing += len(lost)
            print(f"{fit.name}: {len(literals) - len(lost)} of {len(literals)} in the headers")
        else:
            print(f"// {fit.name}, {fit.dtype.__name__}: {bits}\n{', '.join(literals)}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
