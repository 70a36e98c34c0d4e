"""Softmax, layer normalisation and dropout."""

from flambeau.ops.language import (
    Error,
    Spec,
    count,
    dtype_name,
    dtypes,
    same,
    show,
    show_open,
    sum_to,
    wrap_dim,
)
from flambeau.ops.record import BOOL, FLOATING, REAL, composite, native, structured
from flambeau.ops.samples import call, dtype, np, special, values


def cast(t, dtype, ops):
    return t if dtype is None or dtype == t.dtype else ops.to_dtype(t, dtype)


def check_probability(p):
    if p < 0 or p > 1 or p != p:
        raise ValueError(f"dropout: dropout probability has to be between 0 and 1, but got {p:g}")


@composite("softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", out=True)
def softmax(self, dim, dtype, ops):
    """``exp(self) / sum(exp(self))`` along a dimension, without overflow.

    >>> flambeau.softmax(flambeau.tensor([0., 0.]), 0)
    tensor([0.5000, 0.5000])
    """
    return ops._softmax(cast(self, dtype, ops), dim, False)


softmax.samples(
    call(values(2, 3), 1), call(values(2, 3), 0), call(values(0, 3), -1), dtypes=FLOATING
)
softmax.reference(special.softmax)


@composite(
    "log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
    out=True,
)
def log_softmax(self, dim, dtype, ops):
    """``log(softmax(self, dim))``, accurate for small probabilities.

    >>> flambeau.log_softmax(flambeau.tensor([0., 0.]), 0)
    tensor([-0.6931, -0.6931])
    """
    return ops._log_softmax(cast(self, dtype, ops), dim, False)


log_softmax.samples(
    call(values(2, 3), 1), call(values(2, 3), 0), call(values(0, 3), -1), dtypes=FLOATING
)
log_softmax.reference(special.log_softmax)


@structured(
    "_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
    cpu="cpu::softmax(result, self, dim)",
    method=False,
    out=True,
)
def _softmax():
    """Softmax along a dimension; the op under ``softmax``."""


_softmax.samples(call(values(2, 3), 1, False), call(values(), 0, False), dtypes=FLOATING)
_softmax.reference(lambda x, dim, half_to_float: special.softmax(x, dim) if x.ndim else np.ones(()))
_softmax.batching("dims")
_softmax.benchmark(call(values(64, 1000), 1, False), call(values(4096, 10), 1, False))


def softmax_spec(self, dim, half_to_float):
    if half_to_float:
        raise Error("softmax: softmax with half to float conversion is not supported on CPU")
    wrap_dim(dim, self.dim(), "softmax")
    if not self.is_floating_point():
        raise NotImplementedError(
            f"softmax: \"softmax\" not implemented for '{dtype_name(self.dtype)}': give "
            "dtype=torch.float32 or convert"
        )
    return Spec(self.shape, self.dtype)


@_softmax.rule
def _(self, dim, half_to_float):
    return softmax_spec(self, dim, half_to_float)


@_softmax.jvp
def _(t, dim, result):
    moved = t.get("self").to(result.dtype)
    return result * (moved - (result * moved).sum(dim, True))


@_softmax.gradient
def _(g, self, result, dim, ops):
    return ops._softmax_backward_data(g, result, dim, self.dtype)


@structured(
    "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype)"
    " -> Tensor",
    cpu="cpu::softmax_backward(result, grad_output, output, dim)",
    method=False,
)
def _softmax_backward_data():
    """The gradient of softmax."""


_softmax_backward_data.samples(
    call(values(2, 3), values(2, 3, low=0.1, high=1), 1, dtype("same")), dtypes=FLOATING
)
_softmax_backward_data.reference(
    lambda g, y, dim, dtype: y * (g - np.sum(g * y, dim, keepdims=True))
)
_softmax_backward_data.batching("dims")


def softmax_backward_spec(grad, output, dim, input_dtype):
    wrap_dim(dim, grad.dim(), "softmax_backward")
    if not same(grad.shape, output.shape):
        raise Error(
            f"softmax_backward: grad {show(grad.shape)} and output {show(output.shape)} must have "
            "the same shape"
        )
    if grad.dtype != output.dtype or input_dtype != grad.dtype:
        raise Error(
            "softmax_backward: grad, output and input_dtype must be of one dtype, got "
            f"{dtype_name(grad.dtype)}, {dtype_name(output.dtype)} and {dtype_name(input_dtype)}: "
            "convert them first"
        )
    if not input_dtype.is_floating_point:
        raise NotImplementedError(
            'softmax_backward: "softmax_backward" not implemented for '
            f"'{dtype_name(grad.dtype)}' with input_dtype '{dtype_name(input_dtype)}': convert "
            "with .to(torch.float32)"
        )
    return Spec(grad.shape, input_dtype)


@_softmax_backward_data.rule
def _(grad_output, output, dim, input_dtype):
    return softmax_backward_spec(grad_output, output, dim, input_dtype)


@_softmax_backward_data.gradient
def _(g, grad_output, output, dim, ops):
    # y = softmax, dx = (grad - sum(grad y)) y
    dot = ops.sum_dim_IntList(grad_output * output, [dim], True)
    weighted = ops.sum_dim_IntList(g * output, [dim], True)
    return (g - weighted) * output, g * grad_output - g * dot - weighted * grad_output


@structured(
    "_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
    cpu="cpu::log_softmax(result, self, dim)",
    method=False,
    out=True,
)
def _log_softmax():
    """The logarithm of softmax along a dimension; the op under ``log_softmax``."""


_log_softmax.samples(call(values(2, 3), 1, False), call(values(), 0, False), dtypes=FLOATING)
_log_softmax.reference(
    lambda x, dim, half_to_float: special.log_softmax(x, dim) if x.ndim else np.zeros(())
)
_log_softmax.batching("dims")


@_log_softmax.rule
def _(self, dim, half_to_float):
    return softmax_spec(self, dim, half_to_float)


@_log_softmax.jvp
def _(t, dim, result):
    moved = t.get("self").to(result.dtype)
    return moved - (result.exp() * moved).sum(dim, True)


@_log_softmax.gradient
def _(g, self, result, dim, ops):
    return ops._log_softmax_backward_data(g, result, dim, self.dtype)


@structured(
    "_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype)"
    " -> Tensor",
    cpu="cpu::log_softmax_backward(result, grad_output, output, dim)",
    method=False,
)
def _log_softmax_backward_data():
    """The gradient of log-softmax."""


_log_softmax_backward_data.samples(
    call(values(2, 3), values(2, 3, high=0), 1, dtype("same")), dtypes=FLOATING
)
_log_softmax_backward_data.reference(
    lambda g, y, dim, dtype: g - np.exp(y) * np.sum(g, dim, keepdims=True)
)
_log_softmax_backward_data.batching("dims")


@_log_softmax_backward_data.rule
def _(grad_output, output, dim, input_dtype):
    return softmax_backward_spec(grad_output, output, dim, input_dtype)


@_log_softmax_backward_data.gradient
def _(g, grad_output, output, dim, ops):
    # y = log_softmax, dx = grad - exp(y) sum(grad)
    p = ops.exp(output)
    return (
        g - ops.sum_dim_IntList(g * p, [dim], True),
        -(g * p * ops.sum_dim_IntList(grad_output, [dim], True)),
    )


@structured(
    "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, "
    "float eps)"
    " -> (Tensor, Tensor, Tensor)",
    cpu="cpu::layer_norm(result0, result1, result2, input, normalized_shape, weight, bias, eps)",
    method=False,
    differentiable=(0,),
)
def native_layer_norm():
    """Layer normalisation (Ba et al., 2016): output, mean and 1 / standard deviation.

    >>> flambeau.native_layer_norm(flambeau.tensor([1., 3.]), [2], None, None, 0.0)
    (tensor([-1.,  1.]), tensor([2.]), tensor([1.]))
    """


native_layer_norm.samples(
    call(values(2, 3), [3], values(3), values(3), 1e-5),
    call(values(2, 1, 3), [1, 3], None, None, 1e-5),
    dtypes=FLOATING,
)


def check_affine(name, t, normalized_shape):
    if not same(t.shape, normalized_shape):
        raise Error(
            f"layer_norm: Expected {name} to be of same shape as normalized_shape, but got {name} "
            f"of shape {show(t.shape)} and normalized_shape = {show(normalized_shape)}"
        )


def layer_norm_rows(input, normalized_shape, weight, bias):
    """How many of the leading dimensions are rows."""
    if not normalized_shape:
        raise Error(
            "layer_norm: Expected normalized_shape to be at least 1-dimensional, i.e., containing "
            f"at least one element, but got normalized_shape = {show(normalized_shape)}"
        )
    if weight is not None:
        check_affine("weight", weight, normalized_shape)
    if bias is not None:
        check_affine("bias", bias, normalized_shape)
    rows = input.dim() - len(normalized_shape)
    if rows < 0 or not same(input.shape[rows:], normalized_shape):
        raise Error(
            f"layer_norm: Given normalized_shape={show(normalized_shape)}, expected input with "
            f"shape [*, {show_open(normalized_shape)}, but got input of size {show(input.shape)}"
        )
    return rows


def layer_norm_specs(input, normalized_shape, weight, bias):
    rows = layer_norm_rows(input, normalized_shape, weight, bias)
    if not input.is_floating_point():
        raise NotImplementedError(
            f"layer_norm: \"LayerNormKernelImpl\" not implemented for '{dtype_name(input.dtype)}'"
        )
    dtype = input.dtype
    if weight is not None:
        if weight.dtype != input.dtype and weight.dtype != dtypes.float32:
            raise Error(
                "layer_norm: mixed dtype (CPU): expect parameter to have scalar type of Float or "
                f"{dtype_name(input.dtype)}, got {dtype_name(weight.dtype)}"
            )
        dtype = weight.dtype
    stat = [n if d < rows else 1 for d, n in enumerate(input.shape)]
    return Spec(input.shape, input.dtype), Spec(stat, dtype), Spec(stat, dtype)


native_layer_norm.benchmark(
    call(values(64, 768), [768], values(768), values(768), 1e-5),
    call(values(4096, 10), [10], None, None, 1e-5),
)


@native_layer_norm.rule
def _(input, normalized_shape, weight, bias):
    return layer_norm_specs(input, normalized_shape, weight, bias)


def _differentiable(centered, rstd, inner):
    """The normalised input and ``rstd`` as functions of the input.

    As results of the op they are constants to a level further out. ``held`` is what eps adds.
    """
    rstd = rstd.detach()
    normal = centered * rstd
    share = (normal * normal).mean(inner, True)
    held = (1 - share).detach()
    scale = (share + held).rsqrt()
    return normal * scale, rstd * scale


@native_layer_norm.jvp
def _(t, input, normalized_shape, weight, bias, result):
    inner = [d - len(normalized_shape) for d in range(len(normalized_shape))]
    normal, rstd = _differentiable(input - input.mean(inner, True), result[2], inner)
    moved = t.get("input")
    centered = moved - moved.mean(inner, True)
    made = (centered - normal * (normal * moved).mean(inner, True)) * rstd
    if weight is not None:
        made = made * weight + normal * t.get("weight")
    return (made if bias is None else made + t.get("bias")), None, None


@native_layer_norm.batching
def _(b, input, normalized_shape, weight, bias, eps):
    plain = [w is None or not w.batched for w in (weight, bias)]
    given = [w.value if w is not None and p else None for w, p in zip((weight, bias), plain)]
    if all(plain):
        return b.op(input.full, normalized_shape, *given, eps)
    out, mean, rstd = b.op(input.full, normalized_shape, None, None, eps)
    if weight is not None:
        out = out * b.aligned(weight, input.rank)
    if bias is not None:
        out = out + b.aligned(bias, input.rank)
    return out, mean, rstd


@native_layer_norm.gradient
def _(g, input, normalized_shape, weight, bias, result1, result2, ops, needs):
    return ops.native_layer_norm_backward(
        g, input, normalized_shape, result1, result2, weight, bias, [needs[0], needs[1], needs[2]]
    )


@structured(
    "native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor "
    "mean, "
    "Tensor rstd, Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    cpu="cpu::layer_norm_backward(result0, result1, result2, grad_out, input, "
    "normalized_shape, mean,"
    " rstd, weight, bias, output_mask)",
    function_variant=False,
    method=False,
)
def native_layer_norm_backward():
    """The gradients of layer normalisation.

    >>> flambeau.ops.aten.native_layer_norm_backward(
    ...     flambeau.ones(1, 2), flambeau.tensor([[1., 3.]]), [2], flambeau.tensor([[2.]]),
    ...     flambeau.tensor([[1.]]), None, flambeau.zeros(2), [False, False, True])[2]
    tensor([1., 1.])
    """


native_layer_norm_backward.samples(
    call(
        values(2, 3),
        values(2, 3),
        [3],
        values(2, 1),
        values(2, 1, low=0.1),
        values(3),
        values(3),
        [True, True, True],
    )
)


@native_layer_norm_backward.rule
def _(grad_out, input, normalized_shape, mean, rstd, weight, bias):
    forward = layer_norm_specs(input, normalized_shape, weight, bias)
    rows = count(forward[1].sizes)
    if not same(grad_out.shape, input.shape):
        raise Error(
            f"layer_norm_backward: grad_out of shape {show(grad_out.shape)} does not fit an input "
            f"of shape {show(input.shape)}"
        )
    if mean.numel() != rows or rstd.numel() != rows:
        raise Error(
            f"layer_norm_backward: mean of shape {show(mean.shape)} and rstd of shape "
            f"{show(rstd.shape)} do not fit {rows} rows of an input of shape {show(input.shape)}"
        )
    affine = input.dtype if bias is None else bias.dtype
    if weight is not None:
        affine = weight.dtype
    return (
        Spec(input.shape, input.dtype),
        Spec(normalized_shape, affine),
        Spec(normalized_shape, affine),
    )


@native_layer_norm_backward.batching
def _(b, grad_out, input, normalized_shape, mean, rstd, weight, bias, output_mask):
    g, x = grad_out.full, input.full
    inner = [d - len(normalized_shape) for d in range(len(normalized_shape))]
    outer = list(range(1, g.dim() - len(normalized_shape)))
    of_input = of_weight = of_bias = None
    if output_mask[0]:
        scaled = g if weight is None else g * b.aligned(weight, input.rank)
        rest = (normalized_shape, mean.full, rstd.full, None, None, [True, False, False])
        of_input = b.op(scaled, x, *rest)[0]
    if output_mask[1]:
        normal = _differentiable(x - x.mean(inner, True), rstd.full, inner)[0]
        normal = normal + ((x - mean.full) * rstd.full - normal).detach()
        of_weight = (g * normal).sum(outer) if outer else g * normal
    if output_mask[2]:
        of_bias = g.sum(outer) if outer else g
    return of_input, of_weight, of_bias


def _plus(total, t):
    return t if total is None else total + t


def _normal(v, xhat, rstd, inner, ops):
    """The normalising map, which is its own adjoint: rstd (v - mean(v) - xhat mean(v xhat))."""
    along = ops.mean_dim(v * xhat, inner, True)
    return rstd * (v - ops.mean_dim(v, inner, True) - xhat * along)


@native_layer_norm_backward.gradient
def _(grads, grad_out, input, normalized_shape, rstd, weight, ops):
    gx, gw, gb = grads[0], grads[1], grads[2]
    # Over the normalised dimensions. Mean and deviation are made to depend on the input, so that
    # they are differentiated with it: they are saved as constants. What eps adds is one.
    inner = list(range(input.dim() - len(normalized_shape), input.dim()))
    normal = (input - ops.mean_dim(input, inner, True)) * rstd
    share = ops.mean_dim(normal * normal, inner, True)
    scale = ops.rsqrt(share + ops.detach(1.0 - share))
    xhat = normal * scale
    slope = rstd * scale
    to_grad, to_input, to_weight = None, None, None
    if gx is not None:
        dy = grad_out if weight is None else grad_out * weight
        n = _normal(gx, xhat, slope, inner, ops)
        to_grad = n if weight is None else n * weight
        if weight is not None:
            to_weight = sum_to(n * grad_out, weight.shape, ops)
        # dx = rstd (dy - a - xhat b): its derivative along gx with respect to xhat and rstd.
        b = ops.mean_dim(dy * xhat, inner, True)
        through_xhat = -(slope * (gx * b + dy * ops.mean_dim(gx * xhat, inner, True)))
        dx = _normal(dy, xhat, slope, inner, ops)
        through_rstd = -(xhat * slope * ops.mean_dim(gx * dx, inner, True))
        to_input = _normal(through_xhat, xhat, slope, inner, ops) + through_rstd
    if gw is not None:
        to_grad = _plus(to_grad, xhat * gw)
        to_input = _plus(to_input, _normal(grad_out * gw, xhat, slope, inner, ops))
    if gb is not None:
        to_grad = _plus(to_grad, ops.expand(gb, input.shape))
    if to_input is not None and to_input.dtype != input.dtype:
        to_input = ops.to_dtype(to_input, input.dtype)
    return to_grad, to_input, None, None, to_weight, None


@composite(
    "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, "
    "float eps=1e-05, bool cudnn_enable=True) -> Tensor",
    method=False,
)
def layer_norm(input, normalized_shape, weight, bias, eps, ops):
    """Normalises the last dimensions to mean 0 and variance 1, then scales and shifts.

    >>> flambeau.layer_norm(flambeau.tensor([[1., 3.]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return ops.native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


layer_norm.samples(
    call(values(2, 3), [3]),
    call(values(2, 1, 3), [1, 3], values(1, 3), values(1, 3)),
    dtypes=FLOATING,
)
layer_norm.reference(
    lambda x, shape, weight=1, bias=0: (
        weight
        * (x - np.mean(x, tuple(range(-len(shape), 0)), keepdims=True))
        / np.sqrt(np.var(x, tuple(range(-len(shape), 0)), keepdims=True) + 1e-5)
        + bias
    ),
    tolerance=16,
)


@native(
    "native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)",
    method=False,
    tags=frozenset({"random"}),
    differentiable=(0,),
)
def native_dropout(input, p, train, ops):
    """Dropout and its mask.

    >>> flambeau.native_dropout(flambeau.ones(2), 0.0, True)
    (tensor([1., 1.]), tensor([True, True]))
    """
    check_probability(p)
    if input.numel() == 0 or (train is not None and not train):
        return ops.clone(input), ops.ones_like(input, dtypes.bool)
    mask = ops.bernoulli__float(ops.empty_like(input), 1 - p)
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return ops.mul_Scalar(input * mask, scale), ops.to_dtype(mask, dtypes.bool)


native_dropout.samples(
    call(values(2, 3), 0.5, True), call(values(2, 3), 0.5, False), dtypes=REAL | BOOL
)


@native_dropout.jvp
def _(t, p, train, result):
    tangent = t.get("input")
    if train is False:
        return tangent, None
    return tangent * result[1] * (1 / (1 - p) if p < 1 else 0.0), None


@native_dropout.gradient
def _(g, result1, p, train, ops):
    off = train is not None and not train
    return ops.mul_Scalar(g * result1, 1.0 if off else 0.0 if p == 1 else 1 / (1 - p))


@composite(
    "dropout(Tensor input, float p, bool train) -> Tensor", method=False, tags=frozenset({"random"})
)
def dropout(input, p, train, ops):
    """Zeros elements with probability ``p`` and scales the rest by 1 / (1 - p), when training.

    >>> flambeau.dropout(flambeau.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    check_probability(p)
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return input * ops.zeros([], input.dtype, None, input.device)
    noise = ops.empty_like(input)
    ops.bernoulli__float(noise, 1 - p)
    ops.div__Scalar(noise, 1 - p)
    return input * noise


dropout.samples(call(values(2, 3), 0.5, True), call(values(2, 3), 0.5, False), dtypes=FLOATING)


@composite(
    "dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
    method=False,
    tags=frozenset({"random"}),
)
def dropout_(self, p, train, ops):
    """``dropout`` in place.

    >>> flambeau.dropout_(flambeau.ones(2), 1.0, True)
    tensor([0., 0.])
    """
    check_probability(p)
    if p == 0 or not train or self.numel() == 0:
        return
    if p == 1:
        ops.mul__Tensor(self, ops.zeros([], self.dtype, None, self.device))
        return
    noise = ops.empty_like(self)
    ops.bernoulli__float(noise, 1 - p)
    ops.div__Scalar(noise, 1 - p)
    ops.mul__Tensor(self, noise)


dropout_.samples(call(values(2, 3), 0.5, True), dtypes=FLOATING)
