"""Activations made of straight lines."""

from flambeau.ops.language import Error, dtype_name, grad_to, show, zeros_for
from flambeau.ops.record import FLOATING, REAL, composite, native, pointwise
from flambeau.ops.samples import call, np, values
from flambeau.ops.trace import f

# A function of torch._C._nn, which is no method.
NN = dict(module="_nn", method=False)
# The gradient of one, which Python sees as an op of torch.ops.aten.
OF_GRADIENT = dict(
    out_overload="grad_input", function_variant=False, method=False, inplace=False, dtypes=FLOATING
)


def passed_on(g, passed, sizes, dtype, own, ops):
    """The gradients of an op that is linear in ``grad_output``, of these sizes and dtype, and whose
    slope does not change where ``self``, of sizes ``own``, moves a little.
    """
    return grad_to(passed, sizes, dtype, ops), zeros_for(g, own, ops)


def check_floats(op, t):
    if not t.is_floating_point():
        raise NotImplementedError(
            f"{op}: \"{op}_cpu\" not implemented for '{dtype_name(t.dtype)}': use float32, "
            "float64, bfloat16 or float16"
        )


@pointwise(
    "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
    dtypes=REAL,
    method=False,
    inplace_functions=("threshold",),
)
def threshold(self, threshold, value):
    """``self`` where it is above ``threshold``, else ``value``.

    >>> flambeau.threshold(flambeau.tensor([-1., 2.]), 0.5, 20.)
    tensor([20.,  2.])
    """
    return f.where(self <= threshold, value, self)


threshold.samples(call(values(2, 3), 1, 2), call(values(), 0, -2), call(values(0, 3), 1, 1))
threshold.reference(lambda x, threshold, value: np.where(x <= threshold, value, x))


@threshold.gradient
def _(g, self, threshold, ops):
    return ops.threshold_backward(g, self, threshold)


@pointwise(
    "hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
    dtypes=REAL,
    inplace_functions=("hardtanh",),
    **NN,
)
def hardtanh(self, min_val, max_val):
    """``self`` between ``min_val`` and ``max_val``.

    >>> flambeau.nn.functional.hardtanh(flambeau.tensor([-2., 0.5, 2.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    return f.at_most(f.at_least(self, min_val), max_val)


hardtanh.samples(call(values(2, 3)), call(values(), 0, 2), call(values(0, 3), 1, 2))
hardtanh.reference(lambda x, low=-1, high=1: np.clip(x, low, high))


@hardtanh.gradient
def _(g, self, min_val, max_val, ops):
    return ops.hardtanh_backward(g, self, min_val, max_val)


@pointwise(
    "hardtanh_backward(Tensor grad_output, Tensor self, Scalar min_val, Scalar max_val) -> Tensor",
    **OF_GRADIENT,
)
def hardtanh_backward(grad_output, self, min_val, max_val):
    """The gradient of ``hardtanh``: what lies between the bounds passes.

    >>> flambeau.ops.aten.hardtanh_backward(
    ...     flambeau.ones(3), flambeau.tensor([-2., 0.5, 2.]), -1, 1)
    tensor([0., 1., 0.])
    """
    return f.where((self <= min_val) | (self >= max_val), 0, grad_output)


hardtanh_backward.samples(
    call(values(2, 3), values(2, 3), -1, 1), call(values(2, 1), values(3), -1, 2)
)
hardtanh_backward.reference(lambda g, x, low, high: np.where((x <= low) | (x >= high), 0, g))


@hardtanh_backward.gradient
def _(g, grad_output, self, min_val, max_val, ops):
    passed = ops.hardtanh_backward(g, self, min_val, max_val)
    return passed_on(g, passed, grad_output.shape, grad_output.dtype, self.shape, ops)


@hardtanh_backward.jvp
def _(t, self, min_val, max_val):
    return t.op(t.get("grad_output"), self, min_val, max_val)


@composite("relu6(Tensor self) -> Tensor", **NN)
def relu6(self, ops):
    """``self`` between 0 and 6.

    >>> flambeau.nn.functional.relu6(flambeau.tensor([-1., 3., 8.]))
    tensor([0., 3., 6.])
    """
    return ops.hardtanh(self, 0, 6)


relu6.samples(call(values(2, 3, low=-3, high=9)), call(values(0)), dtypes=REAL)
relu6.reference(lambda x: np.clip(x, 0, 6))


@composite("relu6_(Tensor(a!) self) -> Tensor(a!)", **NN)
def relu6_(self, ops):
    """``relu6`` in place.

    >>> flambeau._C._nn.relu6_(flambeau.tensor([-1., 3., 8.]))
    tensor([0., 3., 6.])
    """
    ops.hardtanh_(self, 0, 6)


relu6_.samples(call(values(2, 3, low=-3, high=9)), dtypes=REAL)


@pointwise(
    "leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor",
    dtypes=FLOATING,
    inplace_functions=("leaky_relu",),
    inplace_node="LeakyReluBackward1",
    **NN,
)
def leaky_relu(self, negative_slope):
    """``self`` above 0, ``negative_slope * self`` below.

    >>> flambeau.nn.functional.leaky_relu(flambeau.tensor([-1., 2.]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return f.where(self > 0, self, self * negative_slope)


leaky_relu.reference(lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope))


@leaky_relu.gradient
def _(g, self, negative_slope, ops):
    return ops.leaky_relu_backward(g, self, negative_slope, False)


@leaky_relu.inplace_gradient
def _(g, result, negative_slope, ops):
    if float(negative_slope) < 0:
        raise Error(
            "leaky_relu_: In-place leakyReLu backward calculation is triggered with a negative "
            f"slope ({float(negative_slope):g}), which is not supported: the result does not tell "
            "the sign of what was there. Call leaky_relu(), which keeps its input"
        )
    return ops.leaky_relu_backward(g, result, negative_slope, True)


@pointwise(
    "leaky_relu_backward(Tensor grad_output, Tensor self, Scalar negative_slope, "
    "bool self_is_result) -> Tensor",
    **OF_GRADIENT,
)
def leaky_relu_backward(grad_output, self, negative_slope):
    """The gradient of ``leaky_relu``, of its input or of its result.

    >>> flambeau.ops.aten.leaky_relu_backward(
    ...     flambeau.ones(2), flambeau.tensor([-1., 2.]), 0.5, False)
    tensor([0.5000, 1.0000])
    """
    return f.where(self > 0, grad_output, grad_output * negative_slope)


leaky_relu_backward.samples(
    call(values(2, 3), values(2, 3), 0.25, False), call(values(2, 1), values(3), 2, True)
)
leaky_relu_backward.reference(lambda g, x, slope, of_result: np.where(x > 0, g, g * slope))


@leaky_relu_backward.gradient
def _(g, grad_output, self, negative_slope, self_is_result, ops):
    passed = ops.leaky_relu_backward(g, self, negative_slope, self_is_result)
    return passed_on(g, passed, grad_output.shape, grad_output.dtype, self.shape, ops)


@leaky_relu_backward.jvp
def _(t, self, negative_slope, self_is_result):
    return t.op(t.get("grad_output"), self, negative_slope, self_is_result)


@composite("prelu(Tensor self, Tensor weight) -> Tensor")
def prelu(self, weight, ops):
    """``self`` above 0, ``weight * self`` below; one weight for all, or one for each channel.

    >>> flambeau.prelu(flambeau.tensor([-1., 2.]), flambeau.tensor([0.25]))
    tensor([-0.2500,  2.0000])
    """
    check_floats("prelu", self)
    if self.dtype != weight.dtype:
        raise Error(
            f"prelu: Type promoting not supported. Got {dtype_name(self.dtype)} and "
            f"{dtype_name(weight.dtype)}: convert one of them"
        )
    if weight.numel() != 1:
        if self.dim() == 0:
            raise Error("prelu: Not allow zero-dim input tensor with several weights.")
        channels = self.shape[1] if self.dim() > 1 else 1
        if weight.numel() != channels:
            raise Error(
                "prelu: Mismatch of parameter numbers and input channel size. Found parameter "
                f"numbers = {weight.numel()} and channel size = {channels}."
            )
    if weight.dim() > 1:
        raise Error(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
            f"{weight.dim()}, of shape {show(weight.shape)}"
        )
    if self.dim() == weight.dim():
        return ops._prelu_kernel(self, weight)
    sizes = [1] * self.dim()
    if self.dim() > 1:
        sizes[1] = weight.numel()
    return ops._prelu_kernel(self, ops.reshape(weight, sizes))


prelu.samples(
    call(values(2, 3), values(1)),
    call(values(2, 3, 2), values(3)),
    call(values(), values()),
    call(values(0, 3), values(3)),
    dtypes=FLOATING,
)
prelu.reference(
    lambda x, w: np.where(
        x > 0,
        x,
        x * (w.reshape(-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else w.reshape(x.ndim * [1])),
    )
)


@pointwise(
    "_prelu_kernel(Tensor self, Tensor weight) -> Tensor",
    dtypes=FLOATING,
    method=False,
    inplace=False,
    out=False,
)
def _prelu_kernel(self, weight):
    """The op under ``prelu``: the weight broadcasts."""
    return f.where(self > 0, self, self * weight)


_prelu_kernel.reference(lambda x, w: np.where(x > 0, x, x * w))


@_prelu_kernel.gradient
def _(g, self, weight, ops):
    of_self = ops._prelu_of_self(g, self, weight)
    of_weight = ops._prelu_of_weight(g, self, weight)
    return (
        grad_to(of_self, self.shape, self.dtype, ops),
        grad_to(of_weight, weight.shape, weight.dtype, ops),
    )


@_prelu_kernel.jvp
def _(t, self, weight):
    above, total = self > 0, None
    if t.get("self") is not None:
        total = t.get("self") * (weight * ~above + above)
    if t.get("weight") is not None:
        part = t.get("weight") * self.masked_fill(above, 0)
        total = part if total is None else total + part
    return total


_FORMULA = dict(function_variant=False, method=False, inplace=False, out=False, dtypes=FLOATING)


@pointwise(
    "_prelu_of_self(Tensor grad_output, Tensor self, Tensor weight) -> Tensor",
    node="PreluKernelBackwardBackward0",
    **_FORMULA,
)
def _prelu_of_self(grad_output, self, weight):
    """What ``_prelu_kernel`` gives its input."""
    return f.where(self > 0, grad_output, grad_output * weight)


_prelu_of_self.reference(lambda g, x, w: np.where(x > 0, g, g * w))


@_prelu_of_self.gradient
def _(g, grad_output, self, weight):
    return f.where(self > 0, g, g * weight), 0, f.where(self > 0, 0, g * grad_output)


@pointwise(
    "_prelu_of_weight(Tensor grad_output, Tensor self, Tensor weight) -> Tensor",
    node="PreluKernelBackwardBackward1",
    **_FORMULA,
)
def _prelu_of_weight(grad_output, self):
    """What ``_prelu_kernel`` gives its weight, before it is added up."""
    return f.where(self > 0, 0, grad_output * self)


_prelu_of_weight.reference(lambda g, x, w: np.where(x > 0, 0, g * x))


@_prelu_of_weight.gradient
def _(g, grad_output, self):
    return f.where(self > 0, 0, g * self), f.where(self > 0, 0, g * grad_output), 0


@composite(
    "_prelu_kernel_backward(Tensor grad_output, Tensor self, Tensor weight) -> (Tensor, Tensor)",
    function_variant=False,
    method=False,
)
def _prelu_kernel_backward(grad_output, self, weight, ops):
    """The gradients of ``_prelu_kernel``, as large as ``grad_output``."""
    check_floats("_prelu_kernel_backward", self)
    of_self = ops._prelu_of_self(grad_output, self, weight)
    return of_self, ops._prelu_of_weight(grad_output, self, weight)


_prelu_kernel_backward.samples(call(values(2, 3), values(2, 3), values(2, 3)), dtypes=FLOATING)
_prelu_kernel_backward.reference(
    lambda g, x, w: (np.where(x > 0, g, g * w), np.where(x > 0, 0, g * x))
)


@pointwise("hardsigmoid(Tensor self) -> Tensor", dtypes=FLOATING, **NN)
def hardsigmoid(self):
    """``relu6(self + 3) / 6``.

    >>> flambeau.nn.functional.hardsigmoid(flambeau.tensor([-4., 0., 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    return f.at_most(f.at_least(self + 3, 0), 6) / 6


hardsigmoid.reference(lambda x: np.clip(x + 3, 0, 6) / 6)


@hardsigmoid.gradient
def _(g, self, ops):
    return ops.hardsigmoid_backward(g, self)


@pointwise(
    "hardsigmoid_backward(Tensor grad_output, Tensor self) -> Tensor",
    **OF_GRADIENT,
)
def hardsigmoid_backward(grad_output, self):
    """The gradient of ``hardsigmoid``.

    >>> flambeau.ops.aten.hardsigmoid_backward(flambeau.ones(2), flambeau.tensor([0., 4.]))
    tensor([0.1667, 0.0000])
    """
    return f.where((self > -3) & (self < 3), grad_output / 6, 0)


hardsigmoid_backward.reference(lambda g, x: np.where(abs(x) < 3, g / 6, 0))


@hardsigmoid_backward.gradient
def _(g, grad_output, self, ops):
    passed = ops.hardsigmoid_backward(g, self)
    return passed_on(g, passed, grad_output.shape, grad_output.dtype, self.shape, ops)


@hardsigmoid_backward.jvp
def _(t, self):
    return t.op(t.get("grad_output"), self)


@pointwise("hardswish(Tensor self) -> Tensor", dtypes=FLOATING, **NN)
def hardswish(self):
    """``self * relu6(self + 3) / 6``.

    >>> flambeau.nn.functional.hardswish(flambeau.tensor([0., 1.5, 5.]))
    tensor([0.0000, 1.1250, 5.0000])
    """
    return self * f.at_most(f.at_least(self + 3, 0), 6) / 6


hardswish.reference(lambda x: x * np.clip(x + 3, 0, 6) / 6)


@hardswish.gradient
def _(g, self, ops):
    return ops.hardswish_backward(g, self)


def _hardswish_slope(g, x):
    return f.where(x <= -3, 0, f.where(x < 3, g * (2 * x + 3) / 6, g))


@pointwise(
    "hardswish_backward(Tensor grad_output, Tensor self) -> Tensor",
    **{**OF_GRADIENT, "out": False},
)
def hardswish_backward(grad_output, self):
    """The gradient of ``hardswish``.

    >>> flambeau.ops.aten.hardswish_backward(flambeau.ones(2), flambeau.tensor([0., 4.]))
    tensor([0.5000, 1.0000])
    """
    return _hardswish_slope(grad_output, self)


hardswish_backward.reference(
    lambda g, x: np.where(x <= -3, 0, np.where(x < 3, g * (2 * x + 3) / 6, g))
)


@hardswish_backward.gradient
def _(g, grad_output, self):
    inside = (self > -3) & (self < 3)
    return _hardswish_slope(g, self), f.where(inside, g * grad_output / 3, 0)


@pointwise("hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", dtypes=FLOATING, inplace=False)
def hardshrink(self, lambd):
    """``self``, but 0 between ``-lambd`` and ``lambd``.

    >>> flambeau.hardshrink(flambeau.tensor([-1., 0.25, 2.]))
    tensor([-1.,  0.,  2.])
    """
    return f.where((self >= -lambd) & (self <= lambd), 0, self)


hardshrink.reference(lambda x, lambd=0.5: np.where(abs(x) <= lambd, 0, x))


@hardshrink.gradient
def _(g, self, lambd, ops):
    return ops.hardshrink_backward(g, self, lambd)


def _flat_within(grad, x, lambd):
    return f.where((x >= -lambd) & (x <= lambd), 0, grad)


@pointwise(
    "hardshrink_backward(Tensor grad_out, Tensor self, Scalar lambd) -> Tensor", **OF_GRADIENT
)
def hardshrink_backward(grad_out, self, lambd):
    """The gradient of ``hardshrink``.

    >>> flambeau.ops.aten.hardshrink_backward(flambeau.ones(2), flambeau.tensor([0.25, 2.]), 0.5)
    tensor([0., 1.])
    """
    return _flat_within(grad_out, self, lambd)


hardshrink_backward.reference(lambda g, x, lambd: np.where(abs(x) <= lambd, 0, g))


@hardshrink_backward.gradient
def _(g, grad_out, self, lambd, ops):
    passed = ops.hardshrink_backward(g, self, lambd)
    return passed_on(g, passed, grad_out.shape, grad_out.dtype, self.shape, ops)


@hardshrink_backward.jvp
def _(t, self, lambd):
    return t.op(t.get("grad_out"), self, lambd)


@native("softshrink(Tensor self, Scalar lambd=0.5) -> Tensor", out=True, **NN)
def softshrink(self, lambd, ops):
    """``self`` moved by ``lambd`` towards 0, where it stops.

    >>> flambeau.nn.functional.softshrink(flambeau.tensor([-1., 0.25, 2.]))
    tensor([-0.5000,  0.0000,  1.5000])
    """
    if not float(lambd) >= 0:
        raise Error(
            f"softshrink: lambda must be greater or equal to 0, but found to be {float(lambd):g}."
        )
    return ops._softshrink(self, lambd)


softshrink.samples(call(values(2, 3)), call(values(), 1), call(values(0, 3), 0.25), dtypes=FLOATING)
softshrink.reference(lambda x, lambd=0.5: np.sign(x) * np.maximum(abs(x) - lambd, 0))
softshrink.batching("pointwise")


@softshrink.jvp
def _(t, self, lambd):
    return t.get("self").masked_fill((self >= -lambd) & (self <= lambd), 0)


@softshrink.gradient
def _(g, self, lambd, ops):
    return ops.softshrink_backward(g, self, lambd)


@pointwise(
    "_softshrink(Tensor self, Scalar lambd) -> Tensor",
    dtypes=FLOATING,
    method=False,
    function_variant=False,
    inplace=False,
    out=False,
)
def _softshrink(self, lambd):
    """The op under ``softshrink``, which has checked ``lambd``."""
    # Not a number stays none where it is compared with nothing.
    below = f.where(self < -lambd, self + lambd, self * 0)
    return f.where(self > lambd, self - lambd, below)


@_softshrink.gradient
def _(g, self, lambd, ops):
    return ops.softshrink_backward(g, self, lambd)


@pointwise(
    "softshrink_backward(Tensor grad_output, Tensor self, Scalar lambd) -> Tensor", **OF_GRADIENT
)
def softshrink_backward(grad_output, self, lambd):
    """The gradient of ``softshrink``.

    >>> flambeau.ops.aten.softshrink_backward(flambeau.ones(2), flambeau.tensor([0.25, 2.]), 0.5)
    tensor([0., 1.])
    """
    return _flat_within(grad_output, self, lambd)


softshrink_backward.reference(lambda g, x, lambd: np.where(abs(x) <= lambd, 0, g))


@softshrink_backward.gradient
def _(g, grad_output, self, lambd, ops):
    passed = ops.softshrink_backward(g, self, lambd)
    return passed_on(g, passed, grad_output.shape, grad_output.dtype, self.shape, ops)


@softshrink_backward.jvp
def _(t, self, lambd):
    return t.op(t.get("grad_output"), self, lambd)


for _op in (relu6, relu6_, prelu, _prelu_kernel_backward):
    _op.without("benchmark")

softshrink.without("autocast", "benchmark")
