"""``rrelu``: below zero a slope that is drawn anew for each element (Xu et al., 2015)."""

from flambeau.ops.language import (
    Error,
    Spec,
    check_inplace,
    check_written,
    dtype_name,
    dtypes,
    same,
    show,
)
from flambeau.ops.pointwise.rectifiers import check_floats
from flambeau.ops.record import FLOATING, composite, pointwise, structured
from flambeau.ops.samples import call, values

_RANDOM = frozenset({"random"})
_DRAWN = (
    "Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, "
    "Generator? generator=None"
)


def check_bounds(op, lower, upper):
    if not float(lower) <= float(upper):
        raise Error(
            f"{op}: Lower bound should be less than or equal to the upper bound, got lower="
            f"{float(lower):g} and upper={float(upper):g}"
        )


@structured(
    "_rrelu_slopes(Tensor self, float lower, float upper, Generator? generator=None) -> Tensor",
    cpu="_rrelu_slopes",
    method=False,
    function_variant=False,
    tags=_RANDOM,
)
def _rrelu_slopes():
    """A uniform number for each element that is not above zero, in their order, and ones."""


_rrelu_slopes.samples(call(values(2, 3), 0.25, 0.5), call(values(0), 0.25, 0.5), dtypes=FLOATING)


@_rrelu_slopes.rule
def _(self):
    if not self.is_floating_point():
        raise NotImplementedError(
            f"rrelu: \"rrelu_with_noise_out_cpu\" not implemented for '{dtype_name(self.dtype)}': "
            "use float32, float64, bfloat16 or float16"
        )
    return Spec(self.shape, dtypes.float64 if self.dtype == dtypes.float64 else dtypes.float32)


@composite(f"rrelu(Tensor self, {_DRAWN}) -> Tensor", method=False, tags=_RANDOM)
def rrelu(self, lower, upper, training, generator, ops):
    """``self`` above 0; below, ``self`` times a number between ``lower`` and ``upper``, which is
    drawn in training and their mean else.

    >>> flambeau.rrelu(flambeau.tensor([-1., 2.]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    check_bounds("rrelu", lower, upper)
    noise = ops.new_empty(self, self.shape)
    return ops.rrelu_with_noise(self, noise, lower, upper, training, generator)


rrelu.samples(
    call(values(2, 3)), call(values(2, 3), 0.25, 0.5, True), call(values(0, 3)), dtypes=FLOATING
)


@composite(f"rrelu_(Tensor(a!) self, {_DRAWN}) -> Tensor(a!)", method=False, tags=_RANDOM)
def rrelu_(self, lower, upper, training, generator, ops):
    """``rrelu`` in place.

    >>> flambeau.rrelu_(flambeau.tensor([-1., 2.]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    check_bounds("rrelu_", lower, upper)
    noise = ops.new_empty(self, self.shape)
    ops.rrelu_with_noise_(self, noise, lower, upper, training, generator)


rrelu_.samples(call(values(2, 3)), call(values(2, 3), 0.25, 0.5, True), dtypes=FLOATING)


def mean_slope(lower, upper):
    return (float(lower) + float(upper)) / 2


def check_noise(op, self, noise, lower, upper):
    check_floats(op, self)
    check_bounds(op, lower, upper)
    if not same(self.shape, noise.shape):
        raise Error(
            f"{op}: noise of shape {show(noise.shape)} must have the shape of self, "
            f"{show(self.shape)}"
        )


@composite(
    f"rrelu_with_noise(Tensor self, Tensor(b!) noise, {_DRAWN}) -> Tensor",
    module="_nn",
    method=False,
    tags=_RANDOM,
)
def rrelu_with_noise(self, noise, lower, upper, training, generator, ops):
    """``rrelu`` that keeps the slopes in ``noise``.

    >>> noise = flambeau.zeros(2)
    >>> flambeau._C._nn.rrelu_with_noise(flambeau.tensor([-1., 2.]), noise, 0.25, 0.25, True)
    tensor([-0.2500,  2.0000])
    >>> noise
    tensor([0.2500, 1.0000])
    """
    check_noise("rrelu_with_noise", self, noise, lower, upper)
    if not training:
        return ops.leaky_relu(self, mean_slope(lower, upper))
    ops.copy_(noise, ops._rrelu_slopes(self, float(lower), float(upper), generator))
    return ops._rrelu(self, noise, lower, upper, training)


rrelu_with_noise.samples(
    call(values(2, 3), values(2, 3, constant=True), 0.25, 0.5), dtypes=FLOATING
)


@composite(
    f"rrelu_with_noise_(Tensor(a!) self, Tensor(b!) noise, {_DRAWN}) -> Tensor(a!)",
    module="_nn",
    method=False,
    tags=_RANDOM,
)
def rrelu_with_noise_(self, noise, lower, upper, training, generator, ops):
    """``rrelu_with_noise`` in place.

    >>> x = flambeau.tensor([-1., 2.])
    >>> flambeau._C._nn.rrelu_with_noise_(x, flambeau.zeros(2), 0.25, 0.25, True)
    tensor([-0.2500,  2.0000])
    """
    check_noise("rrelu_with_noise_", self, noise, lower, upper)
    if not training:
        ops.leaky_relu_(self, mean_slope(lower, upper))
        return
    check_written("rrelu_with_noise_", self)
    check_inplace(self, True, "rrelu_with_noise_")
    ops.copy_(noise, ops._rrelu_slopes(self, float(lower), float(upper), generator))
    ops._rrelu_(self, noise, lower, upper, training)


rrelu_with_noise_.samples(
    call(values(2, 3), values(2, 3, constant=True), 0.25, 0.5), dtypes=FLOATING
)


@pointwise(
    "_rrelu(Tensor self, Tensor noise, Scalar lower, Scalar upper, bool training) -> Tensor",
    dtypes=FLOATING,
    method=False,
    function_variant=False,
    out=False,
    node="RreluWithNoiseBackward0",
    inplace_node="RreluWithNoiseBackward1",
)
def _rrelu(self, noise):
    """``rrelu`` with slopes that were drawn."""
    return self * noise


_rrelu.samples(call(values(2, 3), values(2, 3, constant=True), 0.25, 0.5, True))
_rrelu.reference(lambda x, noise, lower, upper, training: x * noise)


@_rrelu.gradient
def _(g, self, noise, lower, upper, training, ops):
    return ops.rrelu_with_noise_backward(g, self, noise, lower, upper, training, False), None


@_rrelu.inplace_gradient
def _(g, result, noise, lower, upper, training, ops):
    return ops.rrelu_with_noise_backward(g, result, noise, lower, upper, training, True), None


@pointwise(
    "_rrelu_slope(Tensor grad_output, Tensor self, Tensor noise) -> Tensor",
    dtypes=FLOATING,
    method=False,
    function_variant=False,
    inplace=False,
    out=False,
)
def _rrelu_slope(grad_output, noise):
    """The gradient of ``_rrelu``, whose own with respect to ``self`` is 0."""
    return grad_output * noise


_rrelu_slope.reference(lambda g, x, noise: g * noise)


@_rrelu_slope.gradient
def _(g, grad_output, noise):
    return g * noise, 0, g * grad_output


@composite(
    "rrelu_with_noise_backward(Tensor grad_output, Tensor self, Tensor noise, Scalar lower, "
    "Scalar upper, bool training, bool self_is_result) -> Tensor",
    function_variant=False,
    method=False,
)
def rrelu_with_noise_backward(
    grad_output, self, noise, lower, upper, training, self_is_result, ops
):
    """The gradient of ``rrelu_with_noise``.

    >>> flambeau.ops.aten.rrelu_with_noise_backward(
    ...     flambeau.ones(2), flambeau.tensor([-1., 2.]), flambeau.tensor([0.25, 1.]), 0, 1, True,
    ...     False)
    tensor([0.2500, 1.0000])
    """
    check_floats("rrelu_with_noise_backward", self)
    if training and float(upper) - float(lower) > 1e-6:
        return ops._rrelu_slope(grad_output, self, noise)
    return ops.leaky_relu_backward(grad_output, self, mean_slope(lower, upper), self_is_result)


rrelu_with_noise_backward.samples(
    call(values(2, 3), values(2, 3), values(2, 3, constant=True), 0.25, 0.5, True, False),
    call(values(2, 3), values(2, 3), values(2, 3, constant=True), 0.25, 0.5, False, False),
    dtypes=FLOATING,
)

_rrelu_slopes.without("decomposition", "sharding", "autocast", "benchmark")

for _op in (rrelu, rrelu_, rrelu_with_noise, rrelu_with_noise_, rrelu_with_noise_backward):
    _op.without("benchmark")
