"""Exponentials, logarithms, trigonometry and special functions."""

from flambeau.ops.record import BOOL, FLOATING, REAL, pointwise
from flambeau.ops.samples import np, special
from flambeau.ops.trace import f


@pointwise("exp(Tensor self) -> Tensor", promote="floating")
def exp(self):
    """e to the power of each element.

    >>> flambeau.exp(flambeau.tensor([0., 1.]))
    tensor([1.0000, 2.7183])
    """
    return f.exp(self)


exp.reference(np.exp)
exp.jvp("holomorphic")


@exp.gradient
def _(g, result):
    return g * f.conj(result)


@pointwise("expm1(Tensor self) -> Tensor", promote="floating")
def expm1(self):
    """``exp(self) - 1`` without cancellation near zero.

    >>> flambeau.expm1(flambeau.tensor([0., 1.]))
    tensor([0.0000, 1.7183])
    """
    return f.expm1(self)


expm1.reference(np.expm1)
expm1.jvp("holomorphic")


@expm1.gradient
def _(g, result):
    return g * f.conj(result + 1)


@pointwise("log(Tensor self) -> Tensor", promote="floating")
def log(self):
    """The natural logarithm.

    >>> flambeau.log(flambeau.tensor([1., 2.7182817]))
    tensor([0., 1.])
    """
    return f.log(self)


log.domain(self=(0.1, 3.0))
log.reference(np.log)
log.jvp("holomorphic")


@log.gradient
def _(g, self):
    return g / f.conj(self)


@pointwise("log1p(Tensor self) -> Tensor", promote="floating")
def log1p(self):
    """``log(1 + self)``, accurate near zero.

    >>> flambeau.log1p(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.6931])
    """
    return f.log1p(self)


log1p.domain(self=(-0.8, 3.0))
log1p.reference(np.log1p)
log1p.jvp("holomorphic")


@log1p.gradient
def _(g, self):
    return g / f.conj(self + 1)


@pointwise("log2(Tensor self) -> Tensor", promote="floating")
def log2(self):
    """The logarithm to base 2.

    >>> flambeau.log2(flambeau.tensor([1., 8.]))
    tensor([0., 3.])
    """
    return f.log2(self)


log2.domain(self=(0.1, 3.0))
log2.reference(np.log2)
log2.jvp("holomorphic")


@log2.gradient
def _(g, self):
    return g / (f.conj(self) * 0.6931471805599453)


@pointwise("log10(Tensor self) -> Tensor", promote="floating")
def log10(self):
    """The logarithm to base 10.

    >>> flambeau.log10(flambeau.tensor([1., 1000.]))
    tensor([0., 3.])
    """
    return f.log10(self)


log10.domain(self=(0.1, 3.0))
log10.reference(np.log10)
log10.jvp("holomorphic")


@log10.gradient
def _(g, self):
    return g / (f.conj(self) * 2.302585092994046)


@pointwise("sqrt(Tensor self) -> Tensor", promote="floating")
def sqrt(self):
    """The square root; NaN below zero.

    >>> flambeau.sqrt(flambeau.tensor([4., 2.]))
    tensor([2.0000, 1.4142])
    """
    return f.sqrt(self)


sqrt.domain(self=(0.1, 3.0))
sqrt.reference(np.sqrt)
sqrt.jvp("holomorphic")


@sqrt.gradient
def _(g, result):
    return g / (2 * f.conj(result))


@pointwise("rsqrt(Tensor self) -> Tensor", promote="floating")
def rsqrt(self):
    """``1 / sqrt(self)``.

    >>> flambeau.rsqrt(flambeau.tensor([4., 16.]))
    tensor([0.5000, 0.2500])
    """
    return f.rsqrt(self)


rsqrt.domain(self=(0.1, 3.0))
rsqrt.reference(lambda x: 1 / np.sqrt(x))
rsqrt.jvp("holomorphic")


@rsqrt.gradient
def _(g, result):
    return -0.5 * g * f.conj(result * result * result)


@pointwise("sin(Tensor self) -> Tensor", promote="floating")
def sin(self):
    """The sine of each element, in radians.

    >>> flambeau.sin(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.8415])
    """
    return f.sin(self)


sin.reference(np.sin)
sin.jvp("holomorphic")


@sin.gradient
def _(g, self):
    return g * f.conj(f.cos(self))


@pointwise("cos(Tensor self) -> Tensor", promote="floating")
def cos(self):
    """The cosine of each element, in radians.

    >>> flambeau.cos(flambeau.tensor([0., 1.]))
    tensor([1.0000, 0.5403])
    """
    return f.cos(self)


cos.reference(np.cos)
cos.jvp("holomorphic")


@cos.gradient
def _(g, self):
    return -g * f.conj(f.sin(self))


@pointwise("tanh(Tensor self) -> Tensor", promote="floating")
def tanh(self):
    """The hyperbolic tangent.

    >>> flambeau.tanh(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.7616])
    """
    return f.tanh(self)


tanh.reference(np.tanh)
tanh.jvp("holomorphic")


@tanh.gradient
def _(g, result, ops):
    return ops.tanh_backward(g, result)


@pointwise("sigmoid(Tensor self) -> Tensor", promote="floating")
def sigmoid(self):
    """``1 / (1 + exp(-self))``.

    >>> flambeau.sigmoid(flambeau.tensor([0., 2.]))
    tensor([0.5000, 0.8808])
    """
    return f.sigmoid(self)


sigmoid.reference(lambda x: 1 / (1 + np.exp(-x)))
sigmoid.jvp("holomorphic")


@sigmoid.gradient
def _(g, result, ops):
    return ops.sigmoid_backward(g, result)


@pointwise("erf(Tensor self) -> Tensor", promote="floating", dtypes=REAL | BOOL)
def erf(self):
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0.

    >>> flambeau.erf(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.8427])
    """
    return f.erf(self)


erf.reference(special.erf)


@erf.gradient
def _(g, self):
    return g * 1.1283791670955126 * f.exp(-(self * self))


@pointwise("erfc(Tensor self) -> Tensor", promote="floating", dtypes=REAL | BOOL)
def erfc(self):
    """``1 - erf(self)``, accurate in the tail.

    >>> flambeau.erfc(flambeau.tensor([0., 1.]))
    tensor([1.0000, 0.1573])
    """
    return f.erfc(self)


erfc.reference(special.erfc)


@erfc.gradient
def _(g, self):
    return g * -1.1283791670955126 * f.exp(-(self * self))


@pointwise(
    "lgamma(Tensor self) -> Tensor", promote="floating", dtypes=REAL | BOOL, inplace_functions=()
)
def lgamma(self):
    """The logarithm of the absolute value of the gamma function.

    >>> flambeau.lgamma(flambeau.tensor([1., 4.]))
    tensor([0.0000, 1.7918])
    """
    return f.lgamma(self)


lgamma.domain(self=(2.2, 5.0))  # away from its zeros, where units in the last place say little
lgamma.reference(special.gammaln, tolerance=16)


@lgamma.gradient
def _(g, self):
    return g * f.digamma(self)


@pointwise(
    "digamma(Tensor self) -> Tensor", promote="floating", dtypes=REAL | BOOL, inplace_functions=()
)
def digamma(self):
    """The derivative of ``lgamma``.

    >>> flambeau.digamma(flambeau.tensor([1., 2.]))
    tensor([-0.5772,  0.4228])
    """
    return f.digamma(self)


digamma.domain(self=(1.6, 5.0))
digamma.reference(special.digamma, tolerance=32)


@digamma.gradient
def _(g, self):
    return g * f.trigamma(self)


@pointwise(
    "_trigamma(Tensor self) -> Tensor",
    dtypes=FLOATING,
    function_variant=False,
    method=False,
    inplace=False,
    out=False,
)
def _trigamma(self):
    """The derivative of ``digamma``."""
    return f.trigamma(self)


_trigamma.domain(self=(0.5, 5.0))
_trigamma.reference(lambda x: special.polygamma(1, x), tolerance=8)


@_trigamma.gradient
def _(g, self, ops):
    return (g * ops.polygamma(2, self),)
