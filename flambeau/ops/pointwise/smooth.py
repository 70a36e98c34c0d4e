"""Smooth activations."""

from flambeau.ops.language import Error, same, show, wrap_dim
from flambeau.ops.pointwise.rectifiers import NN, OF_GRADIENT, check_floats
from flambeau.ops.record import FLOATING, composite, native, pointwise
from flambeau.ops.samples import call, np, special, values
from flambeau.ops.trace import f

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _elu(x, alpha=1, scale=1, input_scale=1):
    return np.where(x > 0, x * scale, alpha * scale * np.expm1(np.minimum(x, 0) * input_scale))


@pointwise(
    "elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
    dtypes=FLOATING,
    inplace_functions=("elu",),
    inplace_node="EluBackward1",
    **NN,
)
def elu(self, alpha, scale, input_scale):
    """``self`` above 0, ``alpha * (exp(self) - 1)`` below (Clevert et al., 2015).

    ``scale`` multiplies both, ``input_scale`` what is raised.

    >>> flambeau.nn.functional.elu(flambeau.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    return f.where(self < 0, f.expm1(self * input_scale) * alpha * scale, self * scale)


elu.reference(_elu)


@elu.gradient
def _(g, self, alpha, scale, input_scale, ops):
    return ops.elu_backward(g, alpha, scale, input_scale, False, self)


@elu.inplace_gradient
def _(g, result, alpha, scale, input_scale, ops):
    return of_elu_result(g, result, alpha, scale, input_scale, ops)


def of_elu_result(g, result, alpha, scale, input_scale, ops):
    if float(alpha) < 0:
        raise Error(
            "elu_: In-place elu backward calculation is triggered with a negative slope (alpha="
            f"{float(alpha):g}), which is not supported: the result does not tell the sign of what "
            "was there. Call elu(), which keeps its input"
        )
    return ops.elu_backward(g, alpha, scale, input_scale, True, result)


@pointwise(
    "elu_backward(Tensor grad_output, Scalar alpha, Scalar scale, Scalar input_scale, "
    "bool is_result, Tensor self_or_result) -> Tensor",
    static={"is_result": (False, True)},
    **OF_GRADIENT,
)
def elu_backward(grad_output, alpha, scale, input_scale, is_result, self_or_result):
    """The gradient of ``elu``, of its input or of its result.

    >>> flambeau.ops.aten.elu_backward(
    ...     flambeau.ones(2), 1, 1, 1, True, flambeau.tensor([-0.75, 2.]))
    tensor([0.2500, 1.0000])
    """
    x = self_or_result
    if is_result:
        below = grad_output * (x + alpha * scale) * input_scale
    else:
        below = grad_output * f.exp(x * input_scale) * alpha * scale * input_scale
    return f.where(x <= 0, below, grad_output * scale)


elu_backward.samples(
    call(values(2, 3), 1, 1, 1, False, values(2, 3)),
    call(values(2, 1), 0.5, 2, 1.5, False, values(3)),
    call(values(2, 3), 0.5, 2, 1.5, True, values(2, 3, low=-0.9)),
)
elu_backward.reference(
    lambda g, alpha, scale, inner, is_result, x: (
        g
        * np.where(
            x > 0,
            scale,
            inner * (x + alpha * scale if is_result else alpha * scale * np.exp(x * inner)),
        )
    )
)


@elu_backward.gradient
def _(g, grad_output, alpha, scale, input_scale, is_result, self_or_result):
    x = self_or_result
    if is_result:
        below = g * (x + alpha * scale) * input_scale
        bend = g * grad_output * input_scale
    else:
        below = g * f.exp(x * input_scale) * alpha * scale * input_scale
        bend = below * grad_output * input_scale
    return f.where(x <= 0, below, g * scale), f.where(x <= 0, bend, 0)


@composite("selu(Tensor self) -> Tensor", method=False)
def selu(self, ops):
    """``elu`` whose scales keep mean 0 and variance 1 from layer to layer (Klambauer et al., 2017).

    >>> flambeau.selu(flambeau.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    return ops.elu(self, _SELU_ALPHA, _SELU_SCALE, 1)


selu.samples(call(values(2, 3)), call(values()), call(values(0, 3)), dtypes=FLOATING)
selu.reference(lambda x: _elu(x, _SELU_ALPHA, _SELU_SCALE))


@composite("selu_(Tensor(a!) self) -> Tensor(a!)", method=False)
def selu_(self, ops):
    """``selu`` in place.

    >>> flambeau.selu_(flambeau.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    ops.elu_(self, _SELU_ALPHA, _SELU_SCALE, 1)


selu_.samples(call(values(2, 3)), dtypes=FLOATING)


def inverse_of_alpha(alpha):
    if alpha == 0:
        raise Error("celu: ZeroDivisionError: alpha cannot be 0 for CELU")
    return 1.0 / float(alpha)


@native("celu(Tensor self, Scalar alpha=1.0) -> Tensor", method=False)
def celu(self, alpha, ops):
    """``self`` above 0, ``alpha * (exp(self / alpha) - 1)`` below (Barron, 2017).

    >>> flambeau.celu(flambeau.tensor([-1., 2.]), 2.)
    tensor([-0.7869,  2.0000])
    """
    return ops.elu(self, alpha, 1.0, inverse_of_alpha(alpha))


celu.samples(call(values(2, 3)), call(values(), 2.0), call(values(0, 3), 0.5), dtypes=FLOATING)
celu.reference(lambda x, alpha=1.0: _elu(x, alpha, 1, 1 / alpha))
celu.batching("pointwise")


@celu.jvp
def _(t, self, alpha):
    slope = (self / alpha).exp()
    return t.get("self") * slope.masked_fill(self > 0, 1)


@celu.gradient
def _(g, self, alpha, ops):
    return ops.elu_backward(g, alpha, 1.0, inverse_of_alpha(alpha), False, self)


@native(
    "celu_(Tensor(a!) self, Scalar alpha=1.0) -> Tensor(a!)", method=False, node="CeluBackward1"
)
def celu_(self, alpha, ops):
    """``celu`` in place.

    >>> flambeau.celu_(flambeau.tensor([-1., 2.]), 2.)
    tensor([-0.7869,  2.0000])
    """
    ops.elu_(self, alpha, 1.0, inverse_of_alpha(alpha))


celu_.samples(call(values(2, 3)), call(values(2), 2.0), dtypes=FLOATING)
celu_.batching("pointwise")


@celu_.jvp
def _(t, self, alpha):
    slope = (self / alpha).exp()
    return t.get("self") * slope.masked_fill(self > 0, 1)


@celu_.gradient
def _(g, result, alpha, ops):
    return of_elu_result(g, result, alpha, 1.0, inverse_of_alpha(alpha), ops)


@pointwise(
    "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
    dtypes=FLOATING,
    inplace=False,
    **NN,
)
def softplus(self, beta, threshold):
    """``log(1 + exp(beta * self)) / beta``; ``self`` where ``beta * self`` is above ``threshold``.

    >>> flambeau.nn.functional.softplus(flambeau.tensor([-1., 0., 30.]))
    tensor([ 0.3133,  0.6931, 30.0000])
    """
    scaled = self * beta
    return f.where(scaled > threshold, self, f.log1p(f.exp(scaled)) / beta)


softplus.reference(
    lambda x, beta=1, threshold=20: np.where(
        x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta
    )
)


@softplus.gradient
def _(g, self, beta, threshold, ops):
    return ops.softplus_backward(g, self, beta, threshold)


@pointwise(
    "softplus_backward(Tensor grad_output, Tensor self, Scalar beta, Scalar threshold) -> Tensor",
    **OF_GRADIENT,
)
def softplus_backward(grad_output, self, beta, threshold):
    """The gradient of ``softplus``.

    >>> flambeau.ops.aten.softplus_backward(flambeau.ones(2), flambeau.tensor([0., 30.]), 1, 20)
    tensor([0.5000, 1.0000])
    """
    scaled = self * beta
    return f.where(scaled > threshold, grad_output, grad_output * f.sigmoid(scaled))


softplus_backward.samples(
    call(values(2, 3), values(2, 3), 1, 20), call(values(2, 1), values(3), 2.0, 3)
)
softplus_backward.reference(
    lambda g, x, beta, threshold: g * np.where(x * beta > threshold, 1, special.expit(x * beta))
)


@softplus_backward.gradient
def _(g, grad_output, self, beta, threshold):
    scaled = self * beta
    s = f.sigmoid(scaled)
    bend = g * grad_output * (s * (1 - s)) * beta
    return f.where(scaled > threshold, g, g * s), f.where(scaled > threshold, 0, bend)


@composite("log_sigmoid(Tensor self) -> Tensor", out=True, **NN)
def log_sigmoid(self, ops):
    """``log(sigmoid(self))``, accurate far from 0.

    >>> flambeau.nn.functional.logsigmoid(flambeau.tensor([-100., 0.]))
    tensor([-100.0000,   -0.6931])
    """
    return ops.log_sigmoid_forward(self)[0]


log_sigmoid.samples(call(values(2, 3)), call(values()), call(values(0, 3)), dtypes=FLOATING)
log_sigmoid.reference(lambda x: -np.log1p(np.exp(-x)))


@native(
    "log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)",
    function_variant=False,
    method=False,
    differentiable=(0,),
    node="LogSigmoidBackward0",
)
def log_sigmoid_forward(self, ops):
    """The op under ``log_sigmoid``. The buffer is for what PyTorch keeps in it, and empty."""
    return ops._log_sigmoid(self), ops.new_empty(self, [0])


log_sigmoid_forward.samples(call(values(2, 3)), call(values()), dtypes=FLOATING)
log_sigmoid_forward.reference(lambda x: (-np.log1p(np.exp(-x)), np.zeros(0)))


@log_sigmoid_forward.jvp
def _(t, self):
    return t.get("self") * (-self).sigmoid(), None


@log_sigmoid_forward.batching
def _(b, self):
    return b.ops._log_sigmoid(self.full), b.ops.new_empty(self.full, [b.size, 0])


@log_sigmoid_forward.gradient
def _(g, self, buffer, ops):
    return ops.log_sigmoid_backward(g, self, buffer)


@composite(
    "log_sigmoid_backward(Tensor grad_output, Tensor self, Tensor buffer) -> Tensor",
    function_variant=False,
    method=False,
)
def log_sigmoid_backward(grad_output, self, buffer, ops):
    """The gradient of ``log_sigmoid``.

    >>> flambeau.ops.aten.log_sigmoid_backward(
    ...     flambeau.ones(1), flambeau.zeros(1), flambeau.zeros(0))
    tensor([0.5000])
    """
    if buffer.numel() > 0 and not same(buffer.shape, self.shape):
        raise Error(
            f"log_sigmoid_backward: buffer of shape {show(buffer.shape)} must be empty or have the "
            f"shape of self, {show(self.shape)}"
        )
    return ops._log_sigmoid_backward(grad_output, self)


log_sigmoid_backward.samples(
    call(values(2, 3), values(2, 3), values(0, constant=True)), dtypes=FLOATING
)
log_sigmoid_backward.reference(lambda g, x, buffer: g * special.expit(-x))

_PART = dict(function_variant=False, method=False, inplace=False, out=False, dtypes=FLOATING)


@pointwise("_log_sigmoid(Tensor self) -> Tensor", **_PART)
def _log_sigmoid(self):
    """The formula of ``log_sigmoid``."""
    return f.at_most(self, 0) - f.log1p(f.exp(-f.abs(self)))


_log_sigmoid.reference(lambda x: -np.log1p(np.exp(-x)))


@_log_sigmoid.gradient
def _(g, self):
    return g * f.sigmoid(-self)


@pointwise(
    "_log_sigmoid_backward(Tensor grad_output, Tensor self) -> Tensor",
    node="LogSigmoidBackwardBackward0",
    **_PART,
)
def _log_sigmoid_backward(grad_output, self):
    """The formula of its gradient."""
    return grad_output * f.sigmoid(-self)


_log_sigmoid_backward.reference(lambda g, x: g * special.expit(-x))


@_log_sigmoid_backward.gradient
def _(g, grad_output, self):
    s = f.sigmoid(-self)
    return g * s, g * grad_output * (s * (s - 1))


# exp(x) (exp(x) + 2), by which tanh(softplus(x)) is a quotient; beyond this it is 1.
_FLAT = 20


def _mish_parts(x):
    """``tanh(softplus(x))`` and its slope."""
    n = f.exp(x)
    w = n * (n + 2)
    flat = x > _FLAT
    return f.where(flat, 1, w / (w + 2)), f.where(flat, 0, 4 * n * (n + 1) / ((w + 2) * (w + 2)))


def _times(x, slope):
    """0 where the slope is, however large ``x``."""
    return f.where(slope == 0, 0, x * slope)


def _mish_slope(x):
    t, slope = _mish_parts(x)
    return t + _times(x, slope)


@pointwise("mish(Tensor self) -> Tensor", dtypes=FLOATING, **NN)
def mish(self):
    """``self * tanh(softplus(self))`` (Misra, 2019).

    >>> flambeau.nn.functional.mish(flambeau.tensor([-1., 0., 1.]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    return self * _mish_parts(self)[0]


mish.reference(lambda x: x * np.tanh(np.log1p(np.exp(x))), tolerance=8)


@mish.gradient
def _(g, self, ops):
    return ops.mish_backward(g, self)


@pointwise(
    "mish_backward(Tensor grad_output, Tensor self) -> Tensor", **{**OF_GRADIENT, "out": False}
)
def mish_backward(grad_output, self):
    """The gradient of ``mish``.

    >>> flambeau.ops.aten.mish_backward(flambeau.ones(2), flambeau.tensor([0., 1.]))
    tensor([0.6000, 1.0490])
    """
    return grad_output * _mish_slope(self)


@mish_backward.gradient
def _(g, grad_output, self):
    t, slope = _mish_parts(self)
    s = f.sigmoid(self)
    bend = slope * (2 + self * (1 - s - 2 * s * t))
    return g * _mish_slope(self), g * grad_output * f.where(slope == 0, 0, bend)


def check_halves(op, self, dim):
    """The dimension that is halved."""
    if self.dim() == 0:
        raise Error(f"{op}: glu does not support 0-dimensional tensors")
    d = wrap_dim(dim, self.dim(), "glu")
    if self.shape[d] % 2 != 0:
        raise Error(
            f"{op}: Halving dimension must be even, but dimension {d} is size {self.shape[d]} in "
            f"{show(self.shape)}"
        )
    return d


@native("glu(Tensor self, int dim=-1) -> Tensor", out=True, **NN)
def glu(self, dim, ops):
    """The first half of ``self`` along ``dim``, times the sigmoid of the second.

    >>> flambeau.nn.functional.glu(flambeau.tensor([1., 2., 0., 0.]))
    tensor([0.5000, 1.0000])
    """
    check_floats("glu", self)
    d = check_halves("glu", self, dim)
    half = self.shape[d] // 2
    return ops._glu(ops.narrow(self, d, 0, half), ops.narrow(self, d, half, half))


glu.samples(
    call(values(2, 4)), call(values(4, 3), 0), call(values(2, 4, 3), 1), call(values(0, 2)),
    dtypes=FLOATING,
)  # fmt: skip
glu.reference(lambda x, dim=-1: np.split(x, 2, dim)[0] * special.expit(np.split(x, 2, dim)[1]))
glu.batching("dims")


@glu.jvp
def _(t, self, dim):
    gate = self.chunk(2, dim)
    moved = t.get("self").chunk(2, dim)
    s = gate[1].sigmoid()
    return moved[0] * s + gate[0] * (s * (1 - s)) * moved[1]


@glu.gradient
def _(g, self, dim, ops):
    return ops.glu_backward(g, self, dim)


@composite(
    "glu_backward(Tensor grad_output, Tensor self, int dim) -> Tensor",
    out=True,
    out_overload="grad_input",
    function_variant=False,
    method=False,
)
def glu_backward(grad_output, self, dim, ops):
    """The gradient of ``glu``.

    >>> flambeau.ops.aten.glu_backward(flambeau.ones(1), flambeau.tensor([4., 0.]), 0)
    tensor([0.5000, 1.0000])
    """
    check_floats("glu_backward", self)
    d = check_halves("glu_backward", self, dim)
    half = self.shape[d] // 2
    first = ops.narrow(self, d, 0, half)
    gate = ops.narrow(self, d, half, half)
    return ops.cat([ops._glu(grad_output, gate), ops._glu_gate(grad_output, first, gate)], d)


glu_backward.samples(
    call(values(2, 2), values(2, 4), 1), call(values(2, 3), values(4, 3), 0), dtypes=FLOATING
)


@pointwise("_glu(Tensor self, Tensor gate) -> Tensor", **_PART)
def _glu(self, gate):
    """``self * sigmoid(gate)``."""
    return self * f.sigmoid(gate)


_glu.reference(lambda x, gate: x * special.expit(gate))


@_glu.gradient
def _(g, self, gate):
    s = f.sigmoid(gate)
    return g * s, g * self * (s * (1 - s))


@pointwise("_glu_gate(Tensor grad_output, Tensor self, Tensor gate) -> Tensor", **_PART)
def _glu_gate(grad_output, self, gate):
    """What ``_glu`` gives its gate."""
    s = f.sigmoid(gate)
    return grad_output * self * (s * (1 - s))


_glu_gate.reference(lambda g, x, gate: g * x * special.expit(gate) * special.expit(-gate))


@_glu_gate.gradient
def _(g, grad_output, self, gate):
    s = f.sigmoid(gate)
    slope = s * (1 - s)
    return g * self * slope, g * grad_output * slope, g * grad_output * self * slope * (1 - 2 * s)


for _op in (selu, selu_, log_sigmoid, log_sigmoid_backward, glu_backward):
    _op.without("benchmark")

for _op in (celu, celu_, log_sigmoid_forward, glu):
    _op.without("autocast", "benchmark")
