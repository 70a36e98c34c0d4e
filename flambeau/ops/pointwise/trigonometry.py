"""Trigonometric and hyperbolic functions beside sine and cosine, and their inverses."""

from flambeau.ops.language import conj_of_tensor
from flambeau.ops.record import BOOL, FLOATING, REAL, native, pointwise
from flambeau.ops.samples import call, np, values
from flambeau.ops.trace import f


@pointwise("tan(Tensor self) -> Tensor", promote="floating")
def tan(self):
    """The tangent of each element, in radians.

    >>> flambeau.tan(flambeau.tensor([0., 1.]))
    tensor([0.0000, 1.5574])
    """
    return f.tan(self)


tan.domain(self=(-1.3, 1.3))
tan.reference(np.tan)
tan.jvp("holomorphic")


@tan.gradient
def _(g, result):
    return g * f.conj(1 + result * result)


@pointwise("asin(Tensor self) -> Tensor", promote="floating", aliases=("arcsin",))
def asin(self):
    """The arc sine, in radians; NaN beyond -1 and 1.

    >>> flambeau.asin(flambeau.tensor([0., 0.5]))
    tensor([0.0000, 0.5236])
    """
    return f.asin(self)


asin.domain(self=(-0.9, 0.9))
asin.reference(np.arcsin)
asin.jvp("holomorphic")


@asin.gradient
def _(g, self):
    return g * f.conj(f.rsqrt(1 - self * self))


@pointwise("acos(Tensor self) -> Tensor", promote="floating", aliases=("arccos",))
def acos(self):
    """The arc cosine, in radians; NaN beyond -1 and 1.

    >>> flambeau.acos(flambeau.tensor([0., 0.5]))
    tensor([1.5708, 1.0472])
    """
    return f.acos(self)


acos.domain(self=(-0.9, 0.9))
acos.reference(np.arccos)
acos.jvp("holomorphic")


@acos.gradient
def _(g, self):
    return -g * f.conj(f.rsqrt(1 - self * self))


@pointwise("atan(Tensor self) -> Tensor", promote="floating", aliases=("arctan",))
def atan(self):
    """The arc tangent, in radians.

    >>> flambeau.atan(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.7854])
    """
    return f.atan(self)


atan.domain(self=(-0.9, 0.9))
atan.reference(np.arctan)
atan.jvp("holomorphic")


@atan.gradient
def _(g, self):
    return g / f.conj(1 + self * self)


@pointwise(
    "atan2(Tensor self, Tensor other) -> Tensor",
    promote="floating",
    dtypes=REAL | BOOL,
    aliases=("arctan2",),
)
def atan2(self, other):
    """The angle of the point whose height is ``self`` and whose width is ``other``, in radians.

    >>> flambeau.atan2(flambeau.tensor([1., -1.]), flambeau.tensor([1., -1.]))
    tensor([ 0.7854, -2.3562])
    """
    return f.atan2(self, other)


atan2.domain(other=(0.5, 3.0))
atan2.reference(np.arctan2)


@atan2.gradient
def _(g, self, other):
    scaled = g / (self * self + other * other)
    return scaled * other, -scaled * self


@pointwise("sinh(Tensor self) -> Tensor", promote="floating")
def sinh(self):
    """The hyperbolic sine.

    >>> flambeau.sinh(flambeau.tensor([0., 1.]))
    tensor([0.0000, 1.1752])
    """
    return f.sinh(self)


sinh.reference(np.sinh)
sinh.jvp("holomorphic")


@sinh.gradient
def _(g, self):
    return g * f.conj(f.cosh(self))


@pointwise("cosh(Tensor self) -> Tensor", promote="floating")
def cosh(self):
    """The hyperbolic cosine.

    >>> flambeau.cosh(flambeau.tensor([0., 1.]))
    tensor([1.0000, 1.5431])
    """
    return f.cosh(self)


cosh.reference(np.cosh)
cosh.jvp("holomorphic")


@cosh.gradient
def _(g, self):
    return g * f.conj(f.sinh(self))


@pointwise("asinh(Tensor self) -> Tensor", promote="floating", aliases=("arcsinh",))
def asinh(self):
    """The inverse of ``sinh``.

    >>> flambeau.asinh(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.8814])
    """
    return f.asinh(self)


asinh.domain(self=(-0.9, 0.9))
asinh.reference(np.arcsinh)
asinh.jvp("holomorphic")


@asinh.gradient
def _(g, self):
    return g * f.conj(f.rsqrt(1 + self * self))


@pointwise("acosh(Tensor self) -> Tensor", promote="floating", aliases=("arccosh",))
def acosh(self):
    """The inverse of ``cosh``; NaN below 1.

    >>> flambeau.acosh(flambeau.tensor([1., 2.]))
    tensor([0.0000, 1.3170])
    """
    return f.acosh(self)


acosh.domain(self=(1.1, 3.0))
acosh.reference(np.arccosh)
acosh.jvp("holomorphic")


@acosh.gradient
def _(g, self):
    return g * f.conj(f.rsqrt(self - 1) * f.rsqrt(self + 1))


@pointwise("atanh(Tensor self) -> Tensor", promote="floating", aliases=("arctanh",))
def atanh(self):
    """The inverse of ``tanh``; infinite at -1 and 1, NaN beyond.

    >>> flambeau.atanh(flambeau.tensor([0., 0.5]))
    tensor([0.0000, 0.5493])
    """
    return f.atanh(self)


atanh.domain(self=(-0.9, 0.9))
atanh.reference(np.arctanh)
atanh.jvp("holomorphic")


@atanh.gradient
def _(g, self):
    return g / f.conj(1 - self * self)


@pointwise(
    "_sinc(Tensor self) -> Tensor",
    promote="floating",
    dtypes=REAL | BOOL,
    function_variant=False,
    method=False,
    inplace_functions=(),
)
def _sinc(self):
    """What ``sinc`` runs for real numbers: the sine of a part of a turn, which is exact."""
    whole = f.round(self)
    odd = whole - 2 * f.floor(whole / 2)
    sine = f.sin((self - whole) * 3.141592653589793) * (1 - 2 * odd)
    return f.where(self == 0, 1, sine / f.where(self == 0, 1, self * 3.141592653589793))


# NumPy's multiplies by a rounded pi, which shows around whole numbers.
_sinc.domain(self=(-0.9, 0.9))
_sinc.reference(lambda x: np.where((x == np.round(x)) & (x != 0), 0.0, np.sinc(x)))


@native("sinc(Tensor self) -> Tensor", inplace=True, out=True)
def sinc(self, ops):
    """``sin(pi * self) / (pi * self)``, which is 1 at 0.

    >>> flambeau.sinc(flambeau.tensor([0., 0.5]))
    tensor([1.0000, 0.6366])
    """
    if not self.is_complex():
        return ops._sinc(self)
    turn, at = self * 3.141592653589793, ops.eq_Scalar(self, 0)
    quotient = ops.sin(turn) / ops.masked_fill_Scalar(turn, at, 1.0)
    return ops.masked_fill_Scalar(quotient, at, 1.0)


sinc.samples(call(values(2, 3)), call(values()), call(values(0, 3)))
sinc.reference(np.sinc, tolerance=16)
sinc.batching("pointwise")
sinc.without("jvp", "autocast", "benchmark")


@sinc.gradient
def _(g, self, ops):
    turn, at = self * 3.141592653589793, ops.eq_Scalar(self, 0)
    below = ops.masked_fill_Scalar(turn * self, at, 1.0)
    slope = (turn * ops.cos(turn) - ops.sin(turn)) / below
    return (g * conj_of_tensor(ops.masked_fill_Scalar(slope, at, 0.0), ops),)


@pointwise("exp2(Tensor self) -> Tensor", promote="floating")
def exp2(self):
    """2 to the power of each element.

    >>> flambeau.exp2(flambeau.tensor([0., 3.]))
    tensor([1., 8.])
    """
    return f.exp2(self)


exp2.reference(np.exp2)
exp2.jvp("holomorphic")


@exp2.gradient
def _(g, result):
    return g * f.conj(result) * 0.6931471805599453


@pointwise("frac(Tensor self) -> Tensor", dtypes=FLOATING)
def frac(self):
    """What is left of each element without its whole part: ``self - trunc(self)``.

    >>> flambeau.frac(flambeau.tensor([-1.5, 2.25]))
    tensor([-0.5000,  0.2500])
    """
    return self - f.trunc(self)


frac.reference(lambda x: x - np.trunc(x))


@frac.gradient
def _(g):
    return g
