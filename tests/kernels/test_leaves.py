"""The leaves (kernels/math) against mpmath, on every instruction set that this processor has."""

import math

import leaf_tools as tools
import mpmath
import numpy as np
import pytest
from mpmath import mp

F32, F64 = np.float32, np.float64
INF, NAN = math.inf, math.nan
SUFFIX = {F32: "float32", F64: "float64"}


# ------------------------------------------------------------------- functions of one number


def sigmoid(x):
    return 1 / (1 + mp.exp(-x)) if abs(x) < 1000 else mp.mpf(x > 0)


def saturated(function, limit):
    """`function`, or 0 or infinity of the right sign, beyond where doubles hold it anyway."""

    def f(x):
        return function(x) if abs(x) < limit else function(mp.sign(x) * limit)

    return f


def gamma_pole(x):
    return x <= 0 and x == mp.floor(x)


def lgamma(x):
    if gamma_pole(x):
        return mp.inf
    return mp.log(abs(mp.gamma(x))) if abs(x) < 100 else mp.re(mp.loggamma(x))


def digamma(x):
    return mp.nan if gamma_pole(x) else mp.digamma(x)


def trigamma(x):
    if gamma_pole(x):
        return mp.inf
    return mp.psi(1, x) if x > 0 else (mp.pi / mp.sinpi(x)) ** 2 - mp.psi(1, 1 - x)


def erfcx(x):
    if abs(x) < 1e10:
        return mp.exp(x * x) * mp.erfc(x)
    return 1 / (x * mp.sqrt(mp.pi)) if x > 0 else mp.inf


def ndtri(p):
    """The inverse of the normal distribution, by Newton's steps on the logarithm of its tail."""
    if not 0 < p < 1:
        return mp.inf if p == 1 else -mp.inf if p == 0 else mp.nan
    tail = min(p, 1 - p)
    y = mp.sqrt(-2 * mp.log(2 * tail)) * mp.mpf("0.9")
    for _ in range(100):
        share = mp.erfc(y / mp.sqrt(2)) / 2
        step = mp.log(share / tail) * share * mp.sqrt(2 * mp.pi) * mp.exp(y * y / 2)
        y += step
        if abs(step) < mp.mpf(10) ** -32 * (abs(y) + mp.mpf(10) ** -320):
            break
    return -y if p < 0.5 else y


def bessel(order, scaled):
    def f(x):
        a = abs(x)
        if a > 1e9:
            y = (
                1 / mp.sqrt(2 * mp.pi * a) * (1 - (4 * order**2 - 1) / (8 * a))
                if scaled
                else mp.inf
            )
        else:
            y = mp.besseli(order, a) * (mp.exp(-a) if scaled else 1)
        return -y if order and x < 0 else y

    return f


# name: (exact function, interval that matters, bound in float32, bound in float64)
UNARY = {
    "exp": (saturated(mp.exp, 2000), (-20, 20), 1, 1),
    "exp2": (saturated(lambda x: mp.power(2, x), 2000), (-20, 20), 1, 1),
    "expm1": (saturated(mp.expm1, 2000), (-3, 3), 1, 1.1),
    "log": (mp.log, (0, 4), 1, 1),
    "log2": (lambda x: mp.log(x, 2), (0, 4), 1, 1),
    "log10": (mp.log10, (0, 4), 1, 1),
    "log1p": (mp.log1p, (-1, 3), 1, 1),
    "sqrt": (mp.sqrt, (0, 4), 0.5, 0.5),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), (0, 4), 1, 1.5),
    "tanh": (mp.tanh, (-3, 3), 1, 1.5),
    "sigmoid": (sigmoid, (-20, 20), 1, 1),
    "silu": (lambda x: x * sigmoid(x), (-20, 20), 3, 3),
    "sinh": (saturated(mp.sinh, 2000), (-5, 5), 1, 1.5),
    "cosh": (saturated(mp.cosh, 2000), (-5, 5), 1, 1.5),
    "asinh": (mp.asinh, (-5, 5), 1, 2),
    "acosh": (mp.acosh, (1, 5), 1, 2),
    "atanh": (mp.atanh, (-1, 1), 1, 2),
    "erf": (saturated(mp.erf, 50), (-4, 4), 1, 1.5),
    "erfc": (saturated(mp.erfc, 50), (-3, 27), 1, 2),
    "sin": (mp.sin, (-10, 10), 1, 2),
    "cos": (mp.cos, (-10, 10), 1, 2),
    "tan": (mp.tan, (-10, 10), 1, 1.5),
    "atan": (mp.atan, (-5, 5), 1, 1.5),
    "asin": (mp.asin, (-1, 1), 1, 1.5),
    "acos": (mp.acos, (-1, 1), 1, 1.5),
    "lgamma": (lgamma, (-0.5, 10), 1, 2),
    "digamma": (digamma, (-0.25, 10), 1, 2),
    "trigamma": (trigamma, (-3, 12), 1, 4),
    "erfcx": (erfcx, (-6, 30), 1, 3),
    "erfinv": (lambda x: mp.erfinv(x) if abs(x) <= 1 else mp.nan, (-1, 1), 1, 3),
    "ndtri": (ndtri, (0, 1), 1, 4),
    "i0": (bessel(0, False), (-20, 20), 1, 4),
    "i0e": (bessel(0, True), (-20, 20), 1, 4),
    "i1": (bessel(1, False), (-20, 20), 1, 4),
    "i1e": (bessel(1, True), (-20, 20), 1, 4),
}
COUNT = {"lgamma": 250, "digamma": 250, "trigamma": 250, "ndtri": 400}
LEFTMOST = {"lgamma": -0.5, "digamma": -0.25}  # where the bounds hold; see below for the rest


@pytest.fixture(scope="session")
def measured():
    """Arguments and exact values of one function, worked out once for all instruction sets."""
    known = {}

    def get(name, dtype):
        if (name, dtype) not in known:
            exact, interval, *_ = UNARY[name]
            x = tools.spread(dtype, *interval, COUNT.get(name, 1200), seed=len(name))
            if name in LEFTMOST:
                x = x[(x > LEFTMOST[name]) & (x < min(1e305, float(np.finfo(dtype).max)))]
            known[name, dtype] = x, tools.reference(exact, x)
        return known[name, dtype]

    return get


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
@pytest.mark.parametrize("name", UNARY)
def test_unary_is_within_its_bound(lib, measured, name, dtype):
    x, ref = measured(name, dtype)
    y = lib.call(f"{name}_{SUFFIX[dtype]}", x, out=dtype)
    error = tools.ulp_errors(y, ref)
    worst = error.argmax()
    bound = UNARY[name][2 if dtype is F32 else 3]
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r}, off by {error[worst]} ulp"


# name: values at 0, -0, inf, -inf, then pairs of further arguments and values
SPECIAL = {
    "exp": (1, 1, INF, 0),
    "exp2": (1, 1, INF, 0, (10, 1024), (-3, 0.125)),
    "expm1": (0, -0.0, INF, -1),
    "log": (-INF, -INF, INF, NAN, (1, 0), (-1, NAN)),
    "log2": (-INF, -INF, INF, NAN, (1, 0), (8, 3), (0.25, -2), (-1, NAN)),
    "log10": (-INF, -INF, INF, NAN, (1, 0), (1000, 3), (-1, NAN)),
    "log1p": (0, -0.0, INF, NAN, (-1, -INF), (-2, NAN)),
    "sqrt": (0, -0.0, INF, NAN, (4, 2), (-1, NAN)),
    "rsqrt": (INF, -INF, 0, NAN, (4, 0.5), (-1, NAN)),
    "tanh": (0, -0.0, 1, -1),
    "sigmoid": (0.5, 0.5, 1, 0),
    "silu": (0, -0.0, INF, -0.0),
    "sinh": (0, -0.0, INF, -INF),
    "cosh": (1, 1, INF, INF),
    "asinh": (0, -0.0, INF, -INF),
    "acosh": (NAN, NAN, INF, NAN, (1, 0), (0.5, NAN)),
    "atanh": (0, -0.0, NAN, NAN, (1, INF), (-1, -INF), (2, NAN)),
    "erf": (0, -0.0, 1, -1),
    "erfc": (1, 1, 0, 2),
    "sin": (0, -0.0, NAN, NAN),
    "cos": (1, 1, NAN, NAN),
    "tan": (0, -0.0, NAN, NAN),
    "atan": (0, -0.0, math.pi / 2, -math.pi / 2),
    "asin": (0, -0.0, NAN, NAN, (1, math.pi / 2), (1.5, NAN)),
    "acos": (math.pi / 2, math.pi / 2, NAN, NAN, (1, 0), (-1, math.pi), (1.5, NAN)),
    "lgamma": (INF, INF, INF, INF, (1, 0), (2, 0), (-1, INF), (-1e300, INF)),
    "digamma": (-INF, INF, INF, NAN, (-1, NAN), (-7, NAN)),
    "trigamma": (INF, INF, 0, NAN, (-1, INF), (-7, INF)),
    "erfcx": (1, 1, 0, INF, (-30, INF)),
    "erfinv": (0, -0.0, NAN, NAN, (1, INF), (-1, -INF), (1.5, NAN)),
    "ndtri": (-INF, -INF, NAN, NAN, (1, INF), (0.5, 0), (-0.5, NAN), (1.5, NAN)),
    "i0": (1, 1, INF, INF, (-1e30, INF)),
    "i0e": (1, 1, 0, 0),
    "i1": (0, -0.0, INF, -INF, (-1e30, -INF)),
    "i1e": (0, -0.0, 0, -0.0),
    "floor": (0, -0.0, INF, -INF, (2.5, 2), (-0.5, -1), (1e300, 1e300)),
    "ceil": (0, -0.0, INF, -INF, (2.5, 3), (-0.5, -0.0)),
    "trunc": (0, -0.0, INF, -INF, (2.7, 2), (-2.7, -2), (-0.5, -0.0)),
    "round": (0, -0.0, INF, -INF, (0.5, 0), (1.5, 2), (2.5, 2), (-0.5, -0.0), (-1.5, -2)),
    "abs": (0, 0, INF, INF, (-1.5, 1.5)),
    "angle": (0, 0, 0, math.pi, (-1, math.pi), (3, 0)),
}


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
@pytest.mark.parametrize("name", SPECIAL)
def test_unary_special_values(lib, name, dtype):
    at_zero, at_minus_zero, at_inf, at_minus_inf, *more = SPECIAL[name]
    pairs = [(0.0, at_zero), (-0.0, at_minus_zero), (INF, at_inf), (-INF, at_minus_inf)]
    pairs += [(NAN, NAN), *more]
    with np.errstate(over="ignore"):
        x, expected = (np.array(column, F64).astype(dtype) for column in zip(*pairs))
    y = lib.call(f"{name}_{SUFFIX[dtype]}", x, out=dtype)
    wrong = [f"{name}({a}) = {b}, not {c}" for a, b, c in zip(x, y, expected) if repr(b) != repr(c)]
    assert not wrong


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
def test_rounding_and_predicates_are_numpys(lib, dtype):
    x = np.concatenate([tools.spread(dtype, -9, 9, 500, 1), [0, -0.0, INF, -INF, NAN]])
    x = np.concatenate([x.astype(dtype), np.arange(-20, 20, dtype=dtype) / 2])
    for name, same in {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
                       "abs": np.abs, "sqrt": np.sqrt}.items():  # fmt: skip
        with np.errstate(invalid="ignore"):
            expected = same(x)
        y = lib.call(f"{name}_{SUFFIX[dtype]}", x, out=dtype)
        assert tools.same_bits(y, expected).all(), name
    for name in ("isnan", "isinf", "isfinite", "signbit"):
        y = lib.call(f"{name}_{SUFFIX[dtype]}", x, out=np.uint8)
        assert (y == getattr(np, name)(x)).all(), name


# Between the poles on the negative side both functions have zeros, where only the absolute error
# can be bounded: by that of the terms which cancel there.
@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_gamma_left_of_zero(lib, name):
    x = np.random.default_rng(3).uniform(-30, LEFTMOST[name], 400)
    exact = tools.reference(UNARY[name][0], x)
    with mpmath.workdps(30):
        if name == "lgamma":
            terms = [abs(mp.loggamma(-v)) + abs(mp.log(-v * abs(mp.sinpi(v)) / mp.pi)) for v in x]
        else:
            terms = [abs(mp.digamma(-v)) + abs(mp.pi / mp.tan(mp.pi * v)) for v in x]
    size = np.array([float(t) for t in terms])
    y = lib.call(f"{name}_float64", x, out=F64)
    assert (np.abs(y - exact.value) <= 2.0**-51 * size).all()
    ours = lib.call(f"{name}_float32", x.astype(F32), out=F32)
    ref = tools.reference(UNARY[name][0], x.astype(F32))
    assert tools.ulp_errors(ours, ref).max() <= 1


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_near_leaf_has_the_bits_of_the_full_one(lib, name, dtype):
    x = tools.spread(dtype, -(2.0**20), 2.0**20, 1000, 4)
    near = lib.call(f"is_near_pi_{SUFFIX[dtype]}", x, out=np.uint8) != 0
    assert (near == (np.abs(x) <= 2.0**20)).all()
    x = x[near]
    full = lib.call(f"{name}_{SUFFIX[dtype]}", x, out=dtype)
    assert tools.same_bits(lib.call(f"{name}_near_{SUFFIX[dtype]}", x, out=dtype), full).all()


def test_sine_reduces_the_worst_arguments(lib):
    # The doubles and floats that come closest to a multiple of pi / 2.
    for dtype, x in ((F64, 6381956970095103 * 2.0**797), (F32, 16367173 * 2.0**72)):
        for name in ("sin", "cos", "tan"):
            a = np.array([x], dtype)
            y = lib.call(f"{name}_{SUFFIX[dtype]}", a, out=dtype)
            ref = tools.reference(UNARY[name][0], a)
            assert tools.ulp_errors(y, ref)[0] <= UNARY[name][2 if dtype is F32 else 3], name


# ------------------------------------------------------------------ functions of two numbers


def pairs(dtype, seed, count=700):
    """Pairs of all kinds, the special values against each other among them."""
    edges = np.array([0.0, -0.0, INF, -INF, NAN, 1, -1, 2, -3, 0.5, -2.5, 1e30, 1e-30], dtype)
    a, b = (m.ravel() for m in np.meshgrid(edges, edges))
    rng = np.random.default_rng(seed)
    x, y = tools.spread(dtype, -9, 9, count, seed), tools.spread(dtype, -9, 9, count, seed + 1)
    n = min(len(x), len(y))
    rng.shuffle(y)
    whole = rng.integers(-40, 40, (2, count)).astype(dtype) / 2
    return np.concatenate([a, x[:n], whole[0]]), np.concatenate([b, y[:n], whole[1]])


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
@pytest.mark.parametrize("name", ["pow", "hypot", "atan2"])
def test_binary_is_within_its_bound(lib, name, dtype):
    a, b = pairs(dtype, 5, 350)
    y = lib.call(f"{name}_{SUFFIX[dtype]}", a, b, out=dtype)
    exact = {
        "pow": lambda x, y: mp.power(x, y) if abs(y * mp.log(abs(x))) < 2000 else mp.nan,
        "hypot": mp.hypot,
        "atan2": mp.atan2,
    }[name]
    regular = np.isfinite(a) & np.isfinite(b) & (a != 0) & (b != 0)
    ref = tools.reference(exact, a[regular], b[regular])
    known = ~np.isnan(ref.value)
    error = tools.ulp_errors(y[regular], ref)[known]
    assert known.sum() > 300 and error.max() <= {"pow": 1, "hypot": 1.5, "atan2": 2}[name]
    # Where a value is special, or known to overflow, libm's rules decide.
    with np.errstate(all="ignore"):
        libm = {"pow": np.power, "hypot": np.hypot, "atan2": np.arctan2}[name](a, b)
    special = ~regular | ~np.isfinite(libm) | (libm == 0)
    close = np.isclose(y, libm, rtol=1e-6, atol=0, equal_nan=True)
    wrong = special & ~(close & ((np.signbit(y) == np.signbit(libm)) | np.isnan(y)))
    assert not wrong.any(), [
        (p, q, r, s) for p, q, r, s in zip(*(v[wrong] for v in (a, b, y, libm)))
    ]


def python_remainder(m, b):
    return np.where((m != 0) & ((m < 0) != (b < 0)), m + b, m)


def expected_floor_divide(m, a, b):
    exact = (a - m) / b
    exact = np.where((m != 0) & ((m < 0) != (b < 0)), exact - 1, exact)
    down = np.floor(exact)
    down = np.where(exact - down > 0.5, down + 1, down)
    down = np.where(exact == 0, np.copysign(0, a / b), down).astype(a.dtype)
    return np.where(b == 0, a / b, down)


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
def test_quotients_and_remainders(lib, dtype):
    a, b = pairs(dtype, 6, 2000)
    suffix = SUFFIX[dtype]
    near = lib.call(f"is_near_quotient_{suffix}", a, b, out=np.uint8) != 0
    with np.errstate(all="ignore"):
        m = np.fmod(a, b)
        expected = {
            "fmod": m,
            "remainder": python_remainder(m, b),
            "floor_divide": expected_floor_divide(m, a, b),
        }
        assert near.sum() > 3000 and (~near).sum() > 500
        for name, value in expected.items():
            full = lib.call(f"{name}_{suffix}", a, b, out=dtype)
            assert tools.same_bits(full, value).all(), name
            fast = lib.call(f"{name}_near_{suffix}", a, b, out=dtype)
            assert tools.same_bits(fast, value)[near].all(), name
        assert tools.same_bits(
            lib.call(f"trunc_divide_{suffix}", a, b, out=dtype), np.trunc(a / b)
        ).all()


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
def test_extremes_and_interpolation(lib, dtype):
    a, b = pairs(dtype, 7)
    suffix = SUFFIX[dtype]
    for name in ("minimum", "maximum", "fmin", "fmax"):
        y = lib.call(f"{name}_{suffix}", a, b, out=dtype)
        assert np.array_equal(y, getattr(np, name)(a, b), equal_nan=True), name
    y = lib.call(f"copysign_{suffix}", a, b, out=dtype)
    assert tools.same_bits(y, np.copysign(a, b)).all()
    a, b, w = a[:-1], b[:-1], b[1:]
    with np.errstate(all="ignore"):
        low, high = a + w * (b - a), b - (b - a) * (1 - w)
    y = lib.call(f"lerp_{suffix}", a, b, w, out=dtype)
    assert tools.same_bits(y, np.where(np.abs(w) < 0.5, low, high)).all()


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
def test_logaddexp(lib, dtype):
    a, b = pairs(dtype, 8)
    y = lib.call(f"logaddexp_{SUFFIX[dtype]}", a, b, out=dtype)
    with np.errstate(all="ignore"):
        expected = np.logaddexp(a.astype(F64), b.astype(F64))
        d = np.abs(a.astype(F64) - b)
        terms = np.abs(expected), np.abs(np.maximum(a, b).astype(F64)), d * np.exp(-d)
        size = np.maximum.reduce(terms)
        off = np.abs(y - expected) > 3 * np.finfo(dtype).eps * size
    finite = np.isfinite(expected) & (np.abs(expected) < np.finfo(dtype).max)
    assert not (off & finite).any()
    assert np.array_equal(y[~finite], expected[~finite].astype(dtype), equal_nan=True)


# ------------------------------------------------------------------------------- same bits


NEAR = ["sin_near", "cos_near", "tan_near", "angle", "floor", "round"]


@pytest.mark.parametrize("dtype", [F32, F64], ids=SUFFIX.get)
def test_bits_depend_on_the_element_alone(lib, dtype):
    x = np.concatenate([tools.spread(dtype, -3, 3, 40, 9), [0, -0.0, INF, -INF, NAN]]).astype(dtype)
    for name in [*UNARY, *NEAR]:
        symbol = f"{name}_{SUFFIX[dtype]}"
        whole = lib.call(symbol, x, out=dtype)
        for k in range(1, 18):
            assert tools.same_bits(lib.call(symbol, x[k:], out=dtype), whole[k:]).all(), name
        single = np.concatenate([lib.call(symbol, x[i : i + 1], out=dtype) for i in range(len(x))])
        assert tools.same_bits(single, whole).all(), name
    for name in ("pow", "atan2", "hypot", "logaddexp", "fmod_near", "floor_divide_near"):
        symbol = f"{name}_{SUFFIX[dtype]}"
        whole = lib.call(symbol, x, x[::-1], out=dtype)
        for k in range(1, 18):
            part = lib.call(symbol, x[k:], x[::-1][k:], out=dtype)
            assert tools.same_bits(part, whole[k:]).all(), name


SCALAR = ["INTEGER(BINARY_OF, pow)", "BINARY(fmod)", "BINARY(remainder)", "BINARY(floor_divide)"]
SCALAR += ["BINARY(zeta)", "BINARY(polygamma)", "BINARY(igamma)", "BINARY(igammac)"]


def test_loops_over_leaves_become_vector_code(lib):
    if lib.loops is None:
        pytest.skip("only GCC reports which loops it vectorised")
    source = (tools.HERE / "leaves.cpp").read_text().splitlines()
    lines = {
        n: text for n, text in enumerate(source, 1) if text.split("(")[0] in ("UNARY", "BINARY")
    }
    assert len(lines) > 50
    scalar = {text for n, text in lines.items() if lib.loops[n] < 2}  # float and double
    assert scalar == set(SCALAR[1:])


# -------------------------------------------------------------------------------- integers

INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


def wrap(value, dtype):
    info = np.iinfo(dtype)
    return (value - int(info.min)) % (1 << info.bits) + int(info.min)


def truncate(a, b):
    return 0 if b == 0 else (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)


def integer_power(a, b, bits):
    if b < 0:
        return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)
    return pow(a, b, 1 << bits)


def integer_results(name, a, b, bits, signed):
    inside = 0 <= b < bits
    return {
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "mul": lambda: a * b,
        "minimum": lambda: min(a, b),
        "maximum": lambda: max(a, b),
        "trunc_divide": lambda: truncate(a, b),
        "floor_divide": lambda: a // b if b else 0,
        "remainder": lambda: a % b if b else 0,
        "fmod": lambda: a - truncate(a, b) * b if b else 0,
        "pow": lambda: integer_power(a, b, bits),
        "left_shift": lambda: a << b if inside else 0,
        "right_shift": lambda: a >> b if inside else (-1 if signed and a < 0 else 0),
        "gcd": lambda: math.gcd(a, b),
    }[name]()


BINARY_INTEGER = (
    "add sub mul minimum maximum trunc_divide floor_divide remainder fmod pow "
    "left_shift right_shift gcd"
).split()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_wrap_and_never_trap(lib, dtype):
    info = np.iinfo(dtype)
    edges = [
        0,
        1,
        2,
        3,
        7,
        info.bits - 1,
        info.bits,
        info.max,
        info.max - 1,
        info.min,
        info.min + 1,
    ]
    edges += [v for v in (-1, -2, -3, -7) if info.min < 0]
    rng = np.random.default_rng(11)
    a = rng.integers(info.min, info.max, 500, dtype, endpoint=True)
    b = rng.integers(info.min, info.max, 500, dtype, endpoint=True)
    b[:250] >>= dtype(info.bits // 2)
    x, y = (m.ravel() for m in np.meshgrid(np.array(edges, dtype), np.array(edges, dtype)))
    a, b = np.concatenate([x, a]), np.concatenate([y, b])
    for name in BINARY_INTEGER:
        got = lib.call(f"{name}_{info.dtype.name}", a, b, out=dtype).tolist()
        for p, q, r in zip(a.tolist(), b.tolist(), got):
            expected = wrap(integer_results(name, p, q, info.bits, info.min < 0), dtype)
            assert r == expected, f"{name}({p}, {q}) of {info.dtype.name}"
    small = a // dtype(1 << info.bits // 2), b // dtype(1 << info.bits // 2)
    got = lib.call(f"lcm_{info.dtype.name}", *small, out=dtype).tolist()
    assert got == [wrap(math.lcm(p, q), dtype) for p, q in zip(*(v.tolist() for v in small))]
    if info.min < 0:
        for name, exact in (("neg", lambda v: -v), ("abs", abs)):
            got = lib.call(f"{name}_{info.dtype.name}", a, out=dtype).tolist()
            assert got == [wrap(exact(v), dtype) for v in a.tolist()], name


# ------------------------------------------------------------------------------ half types


def bfloat16_bits(x):
    """float32 to nearest even in integers; a NaN keeps its upper bits and becomes quiet."""
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(x), bits >> 16 | 0x40, rounded).astype(np.uint16)


def test_half_types_widen_exactly(lib):
    bits = np.arange(1 << 16, dtype=np.uint16)
    half = lib.call("to_float_float16", bits, out=F32)
    assert tools.same_bits(half, bits.view(np.float16).astype(F32)).all()
    brain = lib.call("to_float_bfloat16", bits, out=F32)
    assert tools.same_bits(brain, (bits.astype(np.uint32) << 16).view(F32)).all()
    assert (np.signbit(half) == (bits >> 15)).all() and (np.signbit(brain) == (bits >> 15)).all()
    for kind, one_by_one in (("float16", half), ("bfloat16", brain)):
        for k in (0, 1, 7, 65500):
            whole = lib.call(f"convert_{kind}", bits[k:], out=F32)
            assert (whole.view(np.uint32) == one_by_one[k:].view(np.uint32)).all()


def test_half_types_round_to_nearest_even(lib):
    rng = np.random.default_rng(12)
    anything = rng.integers(0, 1 << 32, 100_000, np.uint32).view(F32)
    with np.errstate(all="ignore"):
        values = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(F32)
        between = (values[:-1].astype(F64) + values[1:]) / 2
        ties = between[np.isfinite(between)].astype(F32)
        near = np.concatenate([ties, np.nextafter(ties, F32(INF)), np.nextafter(ties, F32(-INF))])
        x = np.concatenate([anything, near, np.array([65519.99, 65520, -65520, 3.4e38, NAN], F32)])
        expected = x.astype(np.float16)
    half = lib.call("to_float16_float32", x, out=np.uint16)
    assert tools.same_bits(half.view(np.float16), expected).all()
    assert (half >> 15 == np.signbit(x)).all()
    brain = lib.call("to_bfloat16_float32", x, out=np.uint16)
    assert (brain == bfloat16_bits(x)).all()
    for kind, one_by_one in (("float16", half), ("bfloat16", brain)):
        for k in (0, 1, 9):
            assert (lib.call(f"convert_to_{kind}", x[k:], out=np.uint16) == one_by_one[k:]).all()


# ----------------------------------------------------------------------------------- casts

CAST_TYPES = {
    "bool": np.bool_, "int8": np.int8, "uint8": np.uint8, "int16": np.int16, "uint16": np.uint16,
    "int32": np.int32, "uint32": np.uint32, "int64": np.int64, "uint64": np.uint64,
    "float16": np.float16, "bfloat16": np.uint16, "float32": F32, "float64": F64,
    "complex64": np.complex64, "complex128": np.complex128,
}  # fmt: skip
CAST_FROM = [
    "bool", "int8", "int64", "uint64", "float16", "bfloat16", "float32", "float64", "complex128"
]  # fmt: skip


def fit(value, dtype):
    """What the processor leaves in a signed integer: its minimum where the value does not fit."""
    info = np.iinfo(dtype)
    whole = int(value) if math.isfinite(value) else info.min
    return whole if info.min <= whole <= info.max else int(info.min)


def float_to_integer(value, to):
    if to == "uint64" and value >= 2.0**63:
        return wrap(fit(value - 2.0**63, np.int64) + (1 << 63), np.uint64)
    through = np.int64 if to in ("int64", "uint8", "uint32", "uint64") else np.int32
    return wrap(fit(value, through), CAST_TYPES[to])


def cast_arguments(source):
    kind = CAST_TYPES[source]
    rng = np.random.default_rng(13)
    if source == "bool":
        return np.array([False, True] * 20)
    if source == "bfloat16":
        return rng.integers(0, 1 << 16, 2000, np.uint16)
    if np.issubdtype(kind, np.integer):
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, 2000, kind, endpoint=True) >> rng.integers(
            0, info.bits, 2000, kind
        )
    steps = np.array([0, 0.5, 0.999, 1, 1.5], F64)
    powers = np.concatenate([2.0 ** np.arange(0, 70) + s for s in steps] + [steps])
    edges = np.concatenate([powers, -powers, [INF, -INF, NAN, -0.0, 1e300, 3e9, 4294967295.0]])
    with np.errstate(all="ignore"):
        values = np.concatenate([edges, rng.normal(0, 1e3, 500), rng.normal(0, 1e12, 500)])
        if source == "complex128":
            return values + 1j * rng.permutation(values)
        return values.astype(kind)


def expected_cast(x, source, to):
    """The same in NumPy and Python, widened first and a float at a time where it truncates."""
    if source == "bfloat16":
        x, source = (x.astype(np.uint32) << 16).view(F32), "float32"
    if to == "bool":
        return x != 0
    if np.iscomplexobj(x) and not to.startswith("complex"):
        x = x.real
    if to == "bfloat16":
        return bfloat16_bits(x.astype(F32))
    if to == "float16":
        return x.astype(F32).astype(np.float16)
    if x.dtype.kind == "f" and to in ("int8", "int16", "int32", "int64") + UNSIGNED:
        return np.array([float_to_integer(v, to) for v in x.tolist()], CAST_TYPES[to])
    return x.astype(CAST_TYPES[to])


UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


@pytest.mark.parametrize("source", CAST_FROM)
def test_casts(lib, source):
    x = cast_arguments(source)
    for to, dtype in CAST_TYPES.items():
        if to == "complex128":
            continue
        y = lib.call(f"cast_{source}_{to}", x, out=dtype)
        with np.errstate(all="ignore"):
            expected = expected_cast(x, source, to)
        if to == "bfloat16":  # which NaN it is does not matter here
            nan = (expected & 0x7FFF) > 0x7F80
            assert ((y == expected) | (nan & ((y & 0x7FFF) > 0x7F80))).all(), to
        else:
            wrong = ~tools.same_bits(y, expected)
            assert not wrong.any(), f"{x[wrong][:3]} to {to}: {y[wrong][:3]}"


# --------------------------------------------------------------------------------- complex

# name: (exact function, bound of the distance in ulp of the modulus, of each part in its own ulp)
COMPLEX = {
    "exp": (mp.exp, 4, 4),
    "exp2": (lambda z: mp.power(2, z), 4, 4),
    "expm1": (lambda z: mp.exp(z) - 1, 4, None),
    "log": (mp.log, 3, 4),
    "log2": (lambda z: mp.log(z) / mp.log(2), 4, None),
    "log10": (mp.log10, 4, None),
    "log1p": (lambda z: mp.log(1 + z), 4, None),
    "sqrt": (mp.sqrt, 3, 4),
    "rsqrt": (lambda z: 1 / mp.sqrt(z), 6, None),
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), 8, None),
    "reciprocal": (lambda z: 1 / z, 4, None),
    "sgn": (lambda z: z / abs(z), 3, 3),
    "sin": (mp.sin, 4, 4),
    "cos": (mp.cos, 4, 4),
    "tan": (mp.tan, 12, None),
    "sinh": (mp.sinh, 4, 4),
    "cosh": (mp.cosh, 4, 4),
    "tanh": (mp.tanh, 12, None),
    "asin": (mp.asin, 6, None),
    "acos": (mp.acos, 6, None),
    "atan": (mp.atan, 6, None),
    "asinh": (mp.asinh, 6, None),
    "acosh": (mp.acosh, 6, None),
    "atanh": (mp.atanh, 6, None),
}


def complex_arguments(dtype):
    rng = np.random.default_rng(14)
    small = rng.normal(0, 2, (2, 250))
    unit = np.exp(2j * np.pi * rng.random(80)) * (1 + rng.normal(0, 1e-6, 80))
    sizes = 2.0 ** rng.uniform(-20, 8, (2, 120)) * rng.choice([-1, 1], (2, 120))
    huge = 2.0 ** rng.uniform(-300, 300, (2, 40)) if dtype is np.complex128 else small[:, :0]
    parts = np.concatenate([small, [unit.real, unit.imag], sizes, huge], axis=1)
    return (parts[0] + 1j * parts[1]).astype(dtype)


def complex_reference(function, z):
    """mpmath works on a complex number as a whole: small parts need digits for the large ones."""

    def exact(v):
        spread = sum(abs(math.log10(abs(part))) for part in (v.real, v.imag) if part)
        with mpmath.workdps(40 + 2 * int(spread)):
            return function(mpmath.mpc(v.real, v.imag))

    return [exact(v) for v in z.tolist()]


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions(lib, name, dtype):
    exact, bound, bound_of_parts = COMPLEX[name]
    z = complex_arguments(dtype)
    z = z[np.abs(z) < 300] if name not in ("log", "sqrt", "rsqrt", "sgn", "reciprocal") else z
    y = lib.call(f"{name}_{z.dtype.name}", z, out=dtype)
    eps = np.finfo(dtype).eps
    largest, smallest = np.finfo(dtype).max, np.finfo(dtype).tiny
    for a, got, ref in zip(z.tolist(), y.tolist(), complex_reference(exact, z)):
        if not (smallest < abs(ref) and abs(ref.real) < largest and abs(ref.imag) < largest):
            continue
        off = abs(mpmath.mpc(got) - ref)
        assert off <= bound * eps * abs(ref), f"{name}({a}) = {got}, off by {off / abs(ref) / eps}"
        for part, part_ref in ((got.real, ref.real), (got.imag, ref.imag)):
            if bound_of_parts and abs(part_ref) > smallest:
                assert abs(part - part_ref) <= bound_of_parts * eps * abs(part_ref), f"{name}({a})"


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_arithmetic(lib, dtype):
    a, b = complex_arguments(dtype), complex_arguments(dtype)[::-1]
    kind, eps = a.dtype.name, np.finfo(dtype).eps
    with mpmath.workdps(40), np.errstate(all="ignore"):
        exact = [mpmath.mpc(v) for v in a.tolist()], [mpmath.mpc(v) for v in b.tolist()]
        for name, op in (("mul", lambda p, q: p * q), ("div", lambda p, q: p / q)):
            y = lib.call(f"{name}_{kind}", a, b, out=dtype).tolist()
            for p, q, got in zip(*exact, y):
                ref = op(p, q)
                if 1e-30 < abs(ref) < 1e30:
                    assert abs(mpmath.mpc(got) - ref) <= 4 * eps * abs(ref), name
        y = lib.call(f"pow_{kind}", a, b, out=dtype).tolist()
        for p, q, got in zip(*exact, y):
            size = abs(q * mp.log(p))
            if size < 60:
                ref = mp.power(p, q)
                assert abs(mpmath.mpc(got) - ref) <= (4 + 4 * size) * eps * abs(ref), "pow"
    part = a.real.dtype.type
    with np.errstate(all="ignore"):
        assert np.allclose(lib.call(f"abs_{kind}", a, out=part), np.abs(a), rtol=2 * eps, atol=0)
    assert np.allclose(lib.call(f"angle_{kind}", a, out=part), np.angle(a), rtol=3 * eps, atol=0)
    assert (lib.call(f"conj_{kind}", a, out=dtype) == a.conj()).all()


def category(z):
    """A special value as far as C99 fixes it: the sign of an infinity beside NaN is free."""

    def part(v, other):
        if math.isinf(v) and math.isnan(other):
            return "inf"
        return "nan" if math.isnan(v) else v if math.isinf(v) else round(v, 12)

    return part(z.real, z.imag), part(z.imag, z.real)


C99_SPECIAL = "exp log sqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh".split()


@pytest.mark.parametrize("name", C99_SPECIAL)
def test_complex_special_values_are_c99s(lib, name):
    edges = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN]
    z = np.array([complex(p, q) for p in edges for q in edges])
    y = lib.call(f"{name}_complex128", z, out=np.complex128)
    numpys = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
    numpys |= {f"{k}h": f"{v}h" for k, v in numpys.items()}
    with np.errstate(all="ignore"):
        expected = getattr(np, numpys.get(name, name))(z)
    wrong = [
        (a, b, c)
        for a, b, c in zip(z.tolist(), y.tolist(), expected.tolist())
        if category(b) != category(c)
    ]
    assert not wrong


def test_complex_division_by_zero_and_powers_of_zero(lib):
    a = np.array([1 + 2j, -1 + 0j, 0j, 3 - 4j])
    y = lib.call("div_complex128", a, np.zeros(4, complex), out=np.complex128)
    assert np.array_equal(y[:1], [complex(INF, INF)]) and math.isnan(y[2].real)
    zero = np.zeros(3, complex)
    y = lib.call("pow_complex128", zero, np.array([0j, 2 + 0j, 0.5 + 3j]), out=np.complex128)
    assert y.tolist() == [1, 0, 0]


# ------------------------------------------------------------------------------ the headers


def test_leaves_need_nothing_that_nvrtc_lacks():
    done = tools.compiles_as_device_code()
    assert done.returncode == 0, done.stderr[:3000]
    for path in (tools.ROOT / "kernels" / "math").glob("*.h"):
        assert path.name == "base.h" or "__builtin_" not in path.read_text(), path.name


def test_leaves_define_no_symbol_that_another_instruction_set_could_take(lib):
    defined = tools.defined_symbols(lib)
    assert {"exp_float32", "cast_float32_int8"} <= defined
    assert not [name for name in defined if name.startswith("_Z")]
