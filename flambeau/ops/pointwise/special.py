"""Special functions that are no elementary ones."""

import math

from flambeau.ops.language import Error, grad_to
from flambeau.ops.record import BOOL, FLOATING, REAL, composite, native, pointwise
from flambeau.ops.samples import call, special, values
from flambeau.ops.trace import f

# A function of torch._C._special, which is no method: flambeau.special has its name without
# `special_`.
SPECIAL = dict(module="_special", method=False, inplace=False, promote="floating")
_REAL = dict(promote="floating", dtypes=REAL | BOOL)
_HALF_ROOT_PI = 0.886226925452758
_ROOT_2_PI = 2.5066282746310002
_ROOT_2 = 1.4142135623730951
_ROOT_HALF = 0.7071067811865476
_TWICE_INVERSE = 1.1283791670955126  # 2 / sqrt(pi)
_ROOT_2_BY_PI = 0.7978845608028654


@pointwise("erfinv(Tensor self) -> Tensor", inplace_functions=(), **_REAL)
def erfinv(self):
    """The inverse of ``erf``; infinite at -1 and 1, NaN beyond.

    >>> flambeau.erfinv(flambeau.tensor([0., 0.5]))
    tensor([0.0000, 0.4769])
    """
    return f.erfinv(self)


erfinv.domain(self=(-0.9, 0.9))
erfinv.reference(special.erfinv)


@erfinv.gradient
def _(g, result):
    return g * _HALF_ROOT_PI * f.exp(result * result)


@pointwise("special_ndtri(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_ndtri(self):
    """The inverse of ``ndtr``: where the normal distribution has this much to the left.

    >>> flambeau.special.ndtri(flambeau.tensor([0.025, 0.5]))
    tensor([-1.9600,  0.0000])
    """
    return f.ndtri(self)


special_ndtri.domain(self=(0.05, 0.95))
special_ndtri.reference(special.ndtri)


@special_ndtri.gradient
def _(g, result, ops):
    return (g * (ops.exp(result * result * 0.5) * _ROOT_2_PI),)


@composite("special_ndtr(Tensor self) -> Tensor", module="_special", method=False, out=True)
def special_ndtr(self, ops):
    """The distribution function of the normal distribution.

    >>> flambeau.special.ndtr(flambeau.tensor([-1.96, 0.]))
    tensor([0.0250, 0.5000])
    """
    return ops.erfc(self * -_ROOT_HALF) * 0.5


special_ndtr.samples(call(values(2, 3)), call(values()), call(values(0, 3)), dtypes=REAL | BOOL)
special_ndtr.reference(special.ndtr)
special_ndtr.without("benchmark")


@pointwise("special_erfcx(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_erfcx(self):
    """``exp(self ** 2) * erfc(self)``, without underflow on the way.

    >>> flambeau.special.erfcx(flambeau.tensor([0., 50.]))
    tensor([1.0000, 0.0113])
    """
    return f.erfcx(self)


special_erfcx.reference(special.erfcx)


@special_erfcx.gradient
def _(g, self, result, ops):
    return (g * (self * result * 2.0 - _TWICE_INVERSE),)


@pointwise("special_log_ndtr(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_log_ndtr(self):
    """``log(ndtr(self))``, accurate where that underflows.

    >>> flambeau.special.log_ndtr(flambeau.tensor([-50., 0.]))
    tensor([-1.2548e+03, -6.9315e-01])
    """
    scaled = self / _ROOT_2
    left = f.log(f.erfcx(-scaled) / 2) - scaled * scaled
    return f.where(self < -1, left, f.log1p(-f.erfc(scaled) / 2))


special_log_ndtr.reference(special.log_ndtr, tolerance=8)


@special_log_ndtr.gradient
def _(g, self, ops):
    return (g * _ROOT_2_BY_PI / ops.special_erfcx(self * -_ROOT_HALF),)


@pointwise("i0(Tensor self) -> Tensor", **_REAL)
def i0(self):
    """The modified Bessel function of the first kind, of order 0.

    >>> flambeau.i0(flambeau.tensor([0., 1.]))
    tensor([1.0000, 1.2661])
    """
    return f.i0(self)


i0.reference(special.i0, tolerance=8)


@i0.gradient
def _(g, self, ops):
    return (g * ops.special_i1(self),)


@pointwise("special_i0e(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_i0e(self):
    """``exp(-abs(self)) * i0(self)``.

    >>> flambeau.special.i0e(flambeau.tensor([0., 1.]))
    tensor([1.0000, 0.4658])
    """
    return f.i0e(self)


special_i0e.reference(special.i0e, tolerance=8)


@special_i0e.gradient
def _(g, self, result, ops):
    return (g * (ops.special_i1e(self) - ops.sign(self) * result),)


@pointwise("special_i1(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_i1(self):
    """The modified Bessel function of the first kind, of order 1.

    >>> flambeau.special.i1(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.5652])
    """
    return f.i1(self)


special_i1.reference(special.i1, tolerance=8)


@special_i1.gradient
def _(g, self, result, ops):
    near = ops.le_Scalar(ops.abs(self), 1e-7)
    divisor = ops.masked_fill_Scalar(self, near, 1.0)
    return (g * ops.masked_fill_Scalar(ops.i0(self) - result / divisor, near, 0.5),)


@pointwise("special_i1e(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_i1e(self):
    """``exp(-abs(self)) * i1(self)``.

    >>> flambeau.special.i1e(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.2079])
    """
    return f.i1e(self)


special_i1e.reference(special.i1e, tolerance=8)


@special_i1e.gradient
def _(g, self, result, ops):
    near = ops.le_Scalar(ops.abs(self), 1e-7)
    divisor = ops.masked_fill_Scalar(self, near, 1.0)
    slope = ops.special_i0e(self) - result * (ops.sign(self) + ops.reciprocal(divisor))
    return (g * ops.masked_fill_Scalar(slope, near, 0.5),)


# ---- products with logarithms


@pointwise(
    "xlogy.Tensor(Tensor self, Tensor other) -> Tensor",
    out_overload="OutTensor",
    number_ok=("self", "other"),
    scalar_overloads={"Scalar_Self": ("self",), "Scalar_Other": ("other",)},
    **_REAL,
)
def xlogy(self, other):
    """``self * log(other)``, which is 0 where ``self`` is 0 and ``other`` no NaN.

    >>> flambeau.xlogy(flambeau.tensor([0., 2.]), flambeau.tensor([0., 3.]))
    tensor([0.0000, 2.1972])
    """
    return f.where(f.isnan(other), other, f.where(self == 0, 0, self * f.log(other)))


xlogy.domain(other=(0.1, 3.0))
xlogy.reference(special.xlogy)


@xlogy.gradient
def _(g, self, other):
    flat = (self == 0) & (other <= 0)
    return g * f.where(flat, 0, f.log(f.where(flat, 1, other))), g * self / other


@pointwise(
    "special_xlog1py(Tensor self, Tensor other) -> Tensor",
    number_ok=("self", "other"),
    scalar_overloads={"other_scalar": ("other",), "self_scalar": ("self",)},
    **SPECIAL,
    dtypes=REAL | BOOL,
)
def special_xlog1py(self, other):
    """``self * log1p(other)``, which is 0 where ``self`` is 0 and ``other`` no NaN.

    >>> flambeau.special.xlog1py(flambeau.tensor([0., 2.]), flambeau.tensor([-1., 3.]))
    tensor([0.0000, 2.7726])
    """
    return f.where(f.isnan(other), other, f.where(self == 0, 0, self * f.log1p(other)))


special_xlog1py.domain(other=(-0.8, 3.0))
special_xlog1py.reference(special.xlog1py)


@special_xlog1py.gradient
def _(g, self, other):
    flat = (self == 0) & (other <= -1)
    return g * f.where(flat, 0, f.log1p(f.where(flat, 0, other))), g * self / (other + 1)


@pointwise("special_entr(Tensor self) -> Tensor", **SPECIAL, dtypes=REAL | BOOL)
def special_entr(self):
    """``-self * log(self)``: 0 at 0, minus infinity below.

    >>> flambeau.special.entr(flambeau.tensor([-1., 0., 0.5]))
    tensor([  -inf, 0.0000, 0.3466])
    """
    inside = -self * f.log(self)
    edge = f.where(self == 0, 0, -math.inf)
    return f.where(f.isnan(self), self, f.where(self > 0, inside, edge))


special_entr.domain(self=(0.1, 3.0))
special_entr.reference(special.entr)


@special_entr.gradient
def _(g, self, ops):
    return (g * (ops.neg(ops.log(self)) - 1.0),)


# ---- the gamma function's relatives


def _own(text, **options):
    return pointwise(
        text, function_variant=False, method=False, inplace_functions=(), **_REAL, **options
    )


@_own("_polygamma(Tensor self, *, Scalar n) -> Tensor")
def _polygamma(self, n):
    """What ``polygamma`` runs for ``n`` from 2 on."""
    return f.polygamma(self, n)


_polygamma.samples(call(values(2, 3, low=0.5), n=2), call(values(low=0.5), n=5))
_polygamma.reference(lambda x, n: special.polygamma(n, x), tolerance=64)


def check_order(n):
    if n < 0:
        raise Error(f"polygamma: polygamma(n, x) does not support negative n, got {n}")


@native("polygamma(int n, Tensor self) -> Tensor", out=True)
def polygamma(n, self, ops):
    """The ``n``-th derivative of ``digamma``.

    >>> flambeau.polygamma(1, flambeau.tensor([1., 2.]))
    tensor([1.6449, 0.6449])
    """
    check_order(n)
    if n == 0:
        return ops.digamma(self)
    if n == 1 and self.is_floating_point():
        return ops._trigamma(self)
    return ops._polygamma(self, n)


polygamma.samples(
    call(3, values(2, 3, low=0.5)),
    call(0, values(2, 3, low=0.5)),
    call(1, values(low=0.5)),
    call(2, values(0, 3)),
    dtypes=REAL | BOOL,
)
polygamma.reference(lambda n, x: special.polygamma(n, x), tolerance=64)
polygamma.batching("pointwise")
polygamma.without("jvp", "autocast", "benchmark")


@polygamma.gradient
def _(g, n, self, ops):
    return (g * ops.polygamma(n + 1, self),)


@pointwise("igamma(Tensor self, Tensor other) -> Tensor", dtypes=FLOATING, number_ok=())
def igamma(self, other):
    """The regularised lower incomplete gamma function, of ``self`` degrees and up to ``other``.

    >>> flambeau.igamma(flambeau.tensor([4.]), flambeau.tensor([3.]))
    tensor([0.3528])
    """
    return f.igamma(self, other)


_PAIR = [values(2, 3, low=0.5, high=3.0, constant=True), values(2, 3, low=0.5, high=3.0)]
igamma.samples(call(*_PAIR), call(_PAIR[0], values(low=0.5)))
igamma.reference(special.gammainc, tolerance=64)


@pointwise("igammac(Tensor self, Tensor other) -> Tensor", dtypes=FLOATING, number_ok=())
def igammac(self, other):
    """The regularised upper incomplete gamma function: ``1 - igamma``, exact where that is small.

    >>> flambeau.igammac(flambeau.tensor([4.]), flambeau.tensor([3.]))
    tensor([0.6472])
    """
    return f.igammac(self, other)


igammac.samples(call(*_PAIR), call(_PAIR[0], values(low=0.5)))
igammac.reference(special.gammaincc, tolerance=64)


def gamma_density(self, other, ops):
    return ops.exp((self - 1.0) * ops.log(other) - other - ops.lgamma(self))


@igamma.gradient
def _(g, self, other, needs, ops):
    if needs[0]:
        raise NotImplementedError(
            "igamma: the derivative with respect to 'self' is not implemented"
        )
    slope = gamma_density(self, other, ops)
    return None, grad_to(g * slope, other.shape, other.dtype, ops)


@igammac.gradient
def _(g, self, other, needs, ops):
    if needs[0]:
        raise NotImplementedError(
            "igammac: the derivative with respect to 'self' is not implemented"
        )
    slope = ops.neg(gamma_density(self, other, ops))
    return None, grad_to(g * slope, other.shape, other.dtype, ops)


def _tangent_of_share(t, self, other):
    if t.tangents[0] is not None:
        raise NotImplementedError(
            f"{t.form.record.name}: the derivative with respect to 'self' is not implemented"
        )
    return t.get("other") * ((self - 1.0) * other.log() - other - self.lgamma()).exp()


@igamma.jvp
def _(t, self, other):
    return _tangent_of_share(t, self, other)


@igammac.jvp
def _(t, self, other):
    return -_tangent_of_share(t, self, other)
