"""Extremes that pass over NaN, signs, neighbours and whole divisors; sums of exponentials."""

import math

from flambeau.ops.language import (
    Error,
    default_dtype,
    dtype_name,
    dtypes,
    grad_to,
    is_integral,
)  # fmt: skip
from flambeau.ops.record import (
    ALL,
    BOOL,
    FLOATING,
    INTEGRAL,
    REAL,
    native,
    pointwise,
)  # fmt: skip
from flambeau.ops.samples import call, np, special, values
from flambeau.ops.trace import f

_LN2 = 0.6931471805599453
_EXTREME = dict(dtypes=REAL | BOOL, inplace=False, number_ok=())


@pointwise("fmax(Tensor self, Tensor other) -> Tensor", **_EXTREME)
def fmax(self, other):
    """The larger of two elements; where one is NaN, the other.

    >>> flambeau.fmax(flambeau.tensor([1., float("nan")]), flambeau.tensor([3., 2.]))
    tensor([3., 2.])
    """
    return f.fmax(self, other)


fmax.reference(np.fmax)


@fmax.gradient
def _(g, self, other):
    first = (self >= other) | f.isnan(other)
    return f.where(first, g, 0), f.where(first, 0, g)


@pointwise("fmin(Tensor self, Tensor other) -> Tensor", **_EXTREME)
def fmin(self, other):
    """The smaller of two elements; where one is NaN, the other.

    >>> flambeau.fmin(flambeau.tensor([1., float("nan")]), flambeau.tensor([3., 2.]))
    tensor([1., 2.])
    """
    return f.fmin(self, other)


fmin.reference(np.fmin)


@fmin.gradient
def _(g, self, other):
    first = (self <= other) | f.isnan(other)
    return f.where(first, g, 0), f.where(first, 0, g)


@pointwise("hypot(Tensor self, Tensor other) -> Tensor", dtypes=FLOATING, number_ok=())
def hypot(self, other):
    """``sqrt(self**2 + other**2)``, without overflow on the way.

    >>> flambeau.hypot(flambeau.tensor([3.]), flambeau.tensor([4.]))
    tensor([5.])
    """
    return f.hypot(self, other)


hypot.domain(self=(0.5, 3.0))
hypot.reference(np.hypot)


@hypot.gradient
def _(g, self, other, result):
    return g * (self / result), g * (other / result)


@pointwise(
    "copysign.Tensor(Tensor self, Tensor other) -> Tensor",
    promote="floating",
    dtypes=REAL | BOOL,
    out_overload="out",
    number_ok=(),
    scalar_overloads={"Scalar": ("other",)},
)
def copysign(self, other):
    """The size of ``self`` with the sign of ``other``; -0.0 is negative.

    >>> flambeau.copysign(flambeau.tensor([1., 2.]), flambeau.tensor([-3., 4.]))
    tensor([-1.,  2.])
    """
    return f.copysign(self, other)


copysign.reference(np.copysign)


@copysign.gradient
def _(g, self, result):
    return g * f.where(self == 0, 0, result / self), g * 0


@pointwise(
    "nextafter(Tensor self, Tensor other) -> Tensor",
    dtypes=frozenset({"float32", "float64"}),
    number_ok=(),
)
def nextafter(self, other):
    """The number next to ``self`` on the way to ``other``.

    >>> flambeau.nextafter(flambeau.tensor([1.]), flambeau.tensor([2.])) > 1
    tensor([True])
    """
    return f.nextafter(self, other)


nextafter.reference(np.nextafter)


@nextafter.gradient
def _(g, self, other):
    return f.where(self == other, 0, g), g * 0


@pointwise(
    "logaddexp(Tensor self, Tensor other) -> Tensor", dtypes=FLOATING, inplace=False, number_ok=()
)
def logaddexp(self, other):
    """``log(exp(self) + exp(other))``, without overflow on the way.

    >>> flambeau.logaddexp(flambeau.tensor([-1000.]), flambeau.tensor([-1000.]))
    tensor([-999.3068])
    """
    return f.logaddexp(self, other)


logaddexp.reference(np.logaddexp)


@logaddexp.gradient
def _(g, self, other):
    d = f.where(self == other, 0, self - other)
    return g * f.sigmoid(d), g * f.sigmoid(-d)


@pointwise(
    "logaddexp2(Tensor self, Tensor other) -> Tensor", dtypes=FLOATING, inplace=False, number_ok=()
)
def logaddexp2(self, other):
    """``log2(2 ** self + 2 ** other)``, without overflow on the way.

    >>> flambeau.logaddexp2(flambeau.tensor([-1000.]), flambeau.tensor([-1000.]))
    tensor([-999.])
    """
    d = f.where(self == other, 0, self - other)
    return f.maximum(self, other) + f.log1p(f.exp2(-f.abs(d))) / _LN2


logaddexp2.reference(np.logaddexp2)


@logaddexp2.gradient
def _(g, self, other, ops):
    d = ops.masked_fill_Scalar((self - other) * _LN2, ops.eq_Tensor(self, other), 0.0)
    return (
        grad_to(g * ops.sigmoid(d), self.shape, self.dtype, ops),
        grad_to(g * ops.sigmoid(ops.neg(d)), other.shape, other.dtype, ops),
    )


@logaddexp2.jvp
def _(t, self, other):
    share = ((self - other) * _LN2).masked_fill(self == other, 0.0).sigmoid()
    return t.get("self") * share + t.get("other") * (1 - share)


@pointwise("signbit(Tensor self) -> Tensor", result="boolean", dtypes=REAL | BOOL, inplace=False)
def signbit(self):
    """Whether a number has a minus sign; -0.0 has.

    >>> flambeau.signbit(flambeau.tensor([-0.0, 0.0]))
    tensor([ True, False])
    """
    return f.signbit(self)


signbit.reference(np.signbit)


@pointwise("gcd(Tensor self, Tensor other) -> Tensor", dtypes=INTEGRAL, number_ok=())
def gcd(self, other):
    """The greatest common divisor, which is not negative; that of 0 and 0 is 0.

    >>> flambeau.gcd(flambeau.tensor([12, -12]), flambeau.tensor([18, 0]))
    tensor([ 6, 12])
    """
    return f.gcd(self, other)


gcd.reference(np.gcd)


@pointwise("lcm(Tensor self, Tensor other) -> Tensor", dtypes=INTEGRAL, number_ok=())
def lcm(self, other):
    """The least common multiple, which is not negative; 0 where one is 0.

    >>> flambeau.lcm(flambeau.tensor([4, 0]), flambeau.tensor([6, 5]))
    tensor([12,  0])
    """
    return f.lcm(self, other)


lcm.reference(np.lcm)


# ---- what is chosen by value


def _part(text, dtypes):
    return pointwise(
        text, dtypes=dtypes, function_variant=False, method=False, inplace_functions=()
    )


@_part("_heaviside(Tensor self, Tensor values) -> Tensor", REAL | BOOL)
def _heaviside(self, values):
    """What ``heaviside`` runs."""
    return f.where(self == 0, values, f.where(self > 0, 1, 0))


_heaviside.reference(np.heaviside)


def check_heaviside(self, values):
    if self.is_complex() or values.is_complex():
        raise Error("heaviside: heaviside is not yet implemented for complex tensors.")
    if self.dtype != values.dtype:
        raise Error(
            "heaviside: heaviside is not yet implemented for tensors with different dtypes: self "
            f"has {dtype_name(self.dtype)}, values {dtype_name(values.dtype)}. Convert one with "
            ".to()"
        )


@native("heaviside(Tensor self, Tensor values) -> Tensor", inplace=True, out=True)
def heaviside(self, values, ops):
    """0 below zero, 1 above, and ``values`` at zero.

    >>> flambeau.heaviside(flambeau.tensor([-1., 0., 2.]), flambeau.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_heaviside(self, values)
    return ops._heaviside(self, values)


heaviside.samples(
    call(values(2, 3), values(3)), call(values(), values()), call(values(0, 3), values(3)),
    dtypes=REAL | BOOL,
)  # fmt: skip
heaviside.reference(np.heaviside)
heaviside.batching("pointwise")
heaviside.without("autocast", "benchmark")


@_part("_nan_to_num(Tensor self, *, Scalar nan, Scalar posinf, Scalar neginf) -> Tensor", FLOATING)
def _nan_to_num(self, nan, posinf, neginf):
    """What ``nan_to_num`` runs."""
    finite = f.where(self == math.inf, posinf, f.where(self == -math.inf, neginf, self))
    return f.where(f.isnan(self), nan, finite)


_nan_to_num.samples(call(values(2, 3), nan=0.0, posinf=1.0, neginf=-1.0))
_nan_to_num.reference(
    lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
)


def largest(dtype):
    """The largest finite number."""
    if dtype == dtypes.float16:
        return 65504.0
    if dtype == dtypes.bfloat16:
        return 3.3895313892515355e38
    if dtype == dtypes.float32:
        return 3.4028234663852886e38
    return 1.7976931348623157e308


@native(
    "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
    inplace=True,
    out=True,
    inplace_functions=("nan_to_num",),
)
def nan_to_num(self, nan, posinf, neginf, ops):
    """Replaces NaN (by 0), infinity and minus infinity (by the largest number and the smallest).

    >>> flambeau.nan_to_num(flambeau.tensor([float("nan"), float("inf")]), posinf=9.)
    tensor([0., 9.])
    """
    if is_integral(self.dtype, True):
        return ops.clone(self)
    if self.is_complex():
        parts = ops.nan_to_num(ops.view_as_real(self), nan, posinf, neginf)
        return ops.view_as_complex(parts)
    high = largest(self.dtype)
    return ops._nan_to_num(
        self,
        0.0 if nan is None else nan,
        high if posinf is None else posinf,
        -high if neginf is None else neginf,
    )


nan_to_num.samples(
    call(values(2, 3)), call(values(), 1.0), call(values(0, 3), posinf=2.0, neginf=-2.0), dtypes=ALL
)
nan_to_num.reference(lambda x, *a, **kw: np.nan_to_num(x, True, *a, **kw))
nan_to_num.batching("pointwise")
nan_to_num.without("autocast", "benchmark")


@nan_to_num.jvp
def _(t, self):
    return t.get("self") * self.isfinite()


@nan_to_num.gradient
def _(g, self, ops):
    return (g * ops.isfinite(self),)


# ---- logit


@_part("_logit(Tensor self, *, Scalar eps) -> Tensor", FLOATING)
def _logit(self, eps):
    """What ``logit`` runs; a negative ``eps`` is none."""
    inside = f.at_most(f.at_least(self, eps), 1 - eps)
    z = f.where(f.isnan(self) | (eps < 0), self, inside)
    return f.log(z / (1 - z))


_logit.domain(self=(0.1, 0.9))
_logit.samples(call(values(2, 3, low=0.1, high=0.9), eps=0.2))
_logit.reference(lambda x, eps: special.logit(np.clip(x, eps, 1 - eps)), tolerance=16)


@pointwise(
    "_logit_backward(Tensor grad_output, Tensor self, *, Scalar eps) -> Tensor",
    dtypes=FLOATING,
    function_variant=False,
    method=False,
    inplace=False,
    out=False,
    node="LogitBackwardBackward0",
)
def _logit_backward(grad_output, self, eps):
    """The gradient of ``logit``: 0 where it is clamped, NaN beyond 0 and 1 where it is not."""
    inside = grad_output / (self * (1 - self))
    low = f.where(eps < 0, 0, eps)
    beyond = f.where(eps < 0, math.nan, 0)
    return f.where((self < low) | (self > 1 - low), beyond, inside)


_logit_backward.samples(call(values(2, 3), values(2, 3, low=0.3, high=0.7), eps=0.1))
_logit_backward.reference(lambda g, x, eps: g / (x * (1 - x)), tolerance=16)


@_logit_backward.gradient
def _(g, grad_output, self, eps):
    share = self * (1 - self)
    low = f.where(eps < 0, 0, eps)
    beyond = (self < low) | (self > 1 - low)
    bend = g * grad_output * (2 * self - 1) / (share * share)
    return f.where(beyond, 0, g / share), f.where(beyond, 0, bend)


@native(
    "logit(Tensor self, float? eps=None) -> Tensor",
    inplace=True,
    out=True,
    inplace_functions=("logit",),
)
def logit(self, eps, ops):
    """``log(self / (1 - self))``, the inverse of ``sigmoid``.

    With ``eps``, ``self`` is clamped to ``[eps, 1 - eps]``; without, it is NaN beyond 0 and 1.

    >>> flambeau.logit(flambeau.tensor([0.5, 0.75]))
    tensor([0.0000, 1.0986])
    """
    x = ops.to_dtype(self, default_dtype()) if is_integral(self.dtype, True) else self
    return ops._logit(x, -1.0 if eps is None else eps)


logit.samples(
    call(values(2, 3, low=0.1, high=0.9)),
    call(values(2, 3, low=0.2, high=0.8), 0.1),
    call(values(0, 3)),
    dtypes=REAL | BOOL,
)
logit.reference(
    lambda x, eps=None: special.logit(x if eps is None else np.clip(x, eps, 1 - eps)), tolerance=16
)
logit.batching("pointwise")
logit.without("jvp", "autocast", "benchmark")


@logit.gradient
def _(g, self, eps, ops):
    return (ops._logit_backward(g, self, -1.0 if eps is None else eps),)
