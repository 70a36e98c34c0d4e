"""Activation functions."""

from flambeau.ops.record import COMPLEX, FLOATING, REAL, pointwise
from flambeau.ops.trace import f

_SQRT_HALF = 0.7071067811865476
_TANH_SCALE = 0.7978845608028654  # sqrt(2 / pi)
_TANH_CUBE = 0.044715
_DENSITY = 0.3989422804014327  # 1 / sqrt(2 pi)


@pointwise("relu(Tensor self) -> Tensor", dtypes=REAL, piecewise=True)
def relu(self):
    """``max(self, 0)``; NaN stays.

    >>> flambeau.relu(flambeau.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    return f.maximum(self, 0)


@relu.gradient
def _(g, result):
    return f.where(result > 0, g, g * 0)


@pointwise(
    "gelu(Tensor self, *, str approximate='none') -> Tensor",
    dtypes=FLOATING,
    static={"approximate": ("none", "tanh")},
    module="_nn",
    method=False,
)
def gelu(self, approximate):
    """Gaussian error linear unit (Hendrycks and Gimpel, 2016): x times the normal distribution.

    ``approximate="tanh"`` uses the paper's tanh form.

    >>> flambeau.nn.functional.gelu(flambeau.tensor([-1., 0., 1.]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate == "none":
        return self * 0.5 * (1 + f.erf(self * _SQRT_HALF))
    inner = _TANH_SCALE * (self + _TANH_CUBE * self * self * self)
    return 0.5 * self * (1 + f.tanh(inner))


@gelu.gradient
def _(g, self, approximate):
    if approximate == "none":
        cdf = 0.5 * (1 + f.erf(self * _SQRT_HALF))
        return g * (cdf + self * (_DENSITY * f.exp(-0.5 * self * self)))
    square = self * self
    t = f.tanh(_TANH_SCALE * (self + _TANH_CUBE * self * square))
    slope = _TANH_SCALE * (1 + 3 * _TANH_CUBE * square)
    return g * (0.5 * (1 + t) + 0.5 * self * (1 - t * t) * slope)


@pointwise("silu(Tensor self) -> Tensor", dtypes=FLOATING | COMPLEX, module="_nn", method=False)
def silu(self):
    """``self * sigmoid(self)`` (Elfwing et al., 2017).

    >>> flambeau.nn.functional.silu(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.7311])
    """
    return self / (1 + f.exp(-self))


@silu.gradient
def _(g, self):
    s = f.sigmoid(self)
    return g * f.conj(s * (1 + self * (1 - s)))
