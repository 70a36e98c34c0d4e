"""Activation functions."""

from flambeau.ops.language import grad_to, zeros_for
from flambeau.ops.record import COMPLEX, FLOATING, REAL, pointwise
from flambeau.ops.samples import np, special
from flambeau.ops.trace import f

# How the gradients of activations appear, which are ops of their own.
BACKWARD = dict(out_overload="grad_input", module="_nn", method=False, inplace=False)

_SQRT_HALF = 0.7071067811865476
_TANH_SCALE = 0.7978845608028654  # sqrt(2 / pi)
_TANH_CUBE = 0.044715
_DENSITY = 0.3989422804014327  # 1 / sqrt(2 pi)


@pointwise("relu(Tensor self) -> Tensor", dtypes=REAL)
def relu(self):
    """``max(self, 0)``; NaN stays.

    >>> flambeau.relu(flambeau.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    return f.at_least(self, 0)  # -0 stays, as in PyTorch


relu.reference(lambda x: np.maximum(x, 0))


@relu.gradient
def _(g, result, ops):
    return ops.threshold_backward(g, result, 0)


@pointwise(
    "threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor",
    dtypes=REAL,
    out_overload="grad_input",
    function_variant=False,
    method=False,
    inplace=False,
)
def threshold_backward(grad_output, self, threshold):
    """The gradient of a function that is constant up to ``threshold`` and has slope 1 above.

    >>> flambeau.ops.aten.threshold_backward(flambeau.ones(2), flambeau.tensor([-1., 2.]), 0)
    tensor([0., 1.])
    """
    return f.where(self <= threshold, 0, grad_output)


threshold_backward.reference(lambda g, x, threshold: np.where(x <= threshold, 0, g))


@threshold_backward.gradient
def _(g, grad_output, self, threshold, ops):
    passed = ops.threshold_backward(g, self, threshold)
    zeros = zeros_for(g, self.shape, ops)
    return grad_to(passed, grad_output.shape, grad_output.dtype, ops), zeros


@threshold_backward.jvp
def _(t, self, threshold):
    return t.op(t.get("grad_output"), self, threshold)


@pointwise(
    "tanh_backward(Tensor grad_output, Tensor output) -> Tensor",
    dtypes=FLOATING | COMPLEX,
    **BACKWARD,
)
def tanh_backward(grad_output, output):
    """The gradient of ``tanh``, of its output.

    >>> flambeau._C._nn.tanh_backward(flambeau.ones(2), flambeau.tensor([0., 0.5]))
    tensor([1.0000, 0.7500])
    """
    return grad_output * f.conj(1 - output * output)


tanh_backward.reference(lambda g, y: g * np.conj(1 - y * y))


@tanh_backward.gradient
def _(g, grad_output, output):
    return g * (1 - output * output), f.conj(g) * (-2 * grad_output * f.conj(output))


@pointwise(
    "sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor",
    dtypes=FLOATING | COMPLEX,
    **BACKWARD,
)
def sigmoid_backward(grad_output, output):
    """The gradient of ``sigmoid``, of its output.

    >>> flambeau._C._nn.sigmoid_backward(flambeau.ones(2), flambeau.tensor([0.5, 1.]))
    tensor([0.2500, 0.0000])
    """
    return grad_output * f.conj((1 - output) * output)


sigmoid_backward.reference(lambda g, y: g * np.conj((1 - y) * y))


@sigmoid_backward.gradient
def _(g, grad_output, output):
    return g * ((1 - output) * output), f.conj(g) * grad_output * (1 - 2 * f.conj(output))


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
        return f.gelu(self)
    s = _gelu_sigmoid(self)[0]
    return _below(s, self) * s


gelu.reference(
    lambda x, approximate="none": (
        x / 2 * special.erfc(-x * _SQRT_HALF)
        if approximate == "none"
        else x / 2 * (1 + np.tanh(_TANH_SCALE * (x + _TANH_CUBE * x**3)))
    ),
    tolerance=32,
)


@gelu.gradient
def _(g, self, approximate, ops):
    return ops.gelu_backward(g, self, approximate)


@pointwise(
    "gelu_backward(Tensor grad_output, Tensor self, *, str approximate='none') -> Tensor",
    dtypes=FLOATING,
    static={"approximate": ("none", "tanh")},
    **BACKWARD,
)
def gelu_backward(grad_output, self, approximate):
    """The gradient of ``gelu``.

    >>> flambeau._C._nn.gelu_backward(flambeau.ones(2), flambeau.tensor([0., 1.]))
    tensor([0.5000, 1.0833])
    """
    if approximate == "none":
        return grad_output * f.gelu_slope(self)
    return grad_output * _gelu_slope(self, approximate)


@gelu_backward.gradient
def _(g, grad_output, self, approximate):
    return g * _gelu_slope(self, approximate), g * grad_output * _gelu_curvature(self, approximate)


def _below(share, x):
    """``x`` as the factor of a share of it: where the share is 0, not infinite any more."""
    return f.where(share == 0, -1, x)


def _unless_flat(height, value):
    """0 where the height of a bell is: what it is multiplied by may have overflowed there."""
    return f.where(height == 0, 0, value)


def _gelu_slope(x, approximate):
    if approximate == "none":
        height = f.exp(-0.5 * x * x)
        return 0.5 * f.erfc(x * -_SQRT_HALF) + _unless_flat(height, x * (_DENSITY * height))
    s, slope = _gelu_sigmoid(x)
    return s + _unless_flat(s * (1 - s), x * s * (1 - s) * slope)


def _gelu_curvature(x, approximate):
    if approximate == "none":
        height = f.exp(-0.5 * x * x)
        return _unless_flat(height, _DENSITY * height * (2 - x * x))
    s, slope = _gelu_sigmoid(x)
    bend = 12 * _TANH_SCALE * _TANH_CUBE * x
    height = s * (1 - s)
    return _unless_flat(height, height * (2 * slope + x * (bend + (1 - 2 * s) * slope * slope)))


def _gelu_sigmoid(x):
    """``(1 + tanh(u)) / 2`` within gelu as the sigmoid of ``2 u``, and the slope of ``2 u``.

    The sum would lose the tail below zero.
    """
    square = x * x
    s = f.sigmoid(2 * _TANH_SCALE * (x + _TANH_CUBE * x * square))
    return s, 2 * _TANH_SCALE * (1 + 3 * _TANH_CUBE * square)


@pointwise("silu(Tensor self) -> Tensor", dtypes=FLOATING | COMPLEX, module="_nn", method=False)
def silu(self):
    """``self * sigmoid(self)`` (Elfwing et al., 2017).

    >>> flambeau.nn.functional.silu(flambeau.tensor([0., 1.]))
    tensor([0.0000, 0.7311])
    """
    return f.silu(self)


silu.reference(lambda x: x / (1 + np.exp(-x)), tolerance=8)


@silu.gradient
def _(g, self, ops):
    return ops.silu_backward(g, self)


@pointwise(
    "silu_backward(Tensor grad_output, Tensor self) -> Tensor",
    dtypes=FLOATING | COMPLEX,
    **BACKWARD,
)
def silu_backward(grad_output, self):
    """The gradient of ``silu``.

    >>> flambeau._C._nn.silu_backward(flambeau.ones(2), flambeau.tensor([0., 1.]))
    tensor([0.5000, 0.9277])
    """
    return grad_output * f.conj(f.silu_slope(self))


def _silu_slope(x):
    s = f.sigmoid(x)
    return s * (1 + _unless_flat(s * (1 - s), x * (1 - s)))


@silu_backward.gradient
def _(g, grad_output, self):
    s = f.sigmoid(self)
    height = s * (1 - s)
    bend = _unless_flat(height, height * (2 + self * (1 - 2 * s)))
    return g * _silu_slope(self), f.conj(g) * grad_output * f.conj(bend)
