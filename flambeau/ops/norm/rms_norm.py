"""Rows divided by the root of their mean square."""

from flambeau.ops.language import Error, Spec, dtype_name, dtypes, same, show, show_open
from flambeau.ops.norm.softmax import _plus
from flambeau.ops.record import COMPLEX, FLOATING, composite, structured
from flambeau.ops.samples import call, np, values

EPSILON, FINE = 2.0**-23, 2.0**-52  # of float32 and float64


def rms_rows(op, input, normalized_shape, weight):
    """How many of the leading dimensions are rows."""
    if not normalized_shape:
        raise Error(
            f"{op}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at "
            f"least one element, but got normalized_shape = {show(normalized_shape)}"
        )
    if weight is not None and not same(weight.shape, normalized_shape):
        raise Error(
            f"{op}: Expected weight to be of same shape as normalized_shape, but got weight of "
            f"shape {show(weight.shape)} and normalized_shape = {show(normalized_shape)}"
        )
    rows = input.dim() - len(normalized_shape)
    if rows < 0 or not same(input.shape[rows:], normalized_shape):
        raise Error(
            f"{op}: Given normalized_shape={show(normalized_shape)}, expected input with shape "
            f"[*, {show_open(normalized_shape)}, but got input of size {show(input.shape)}"
        )
    return rows


def rms_specs(op, input, normalized_shape, weight):
    """The output, and one number for each row."""
    rows = rms_rows(op, input, normalized_shape, weight)
    if not input.is_floating_point():
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(input.dtype)}': convert with "
            ".to(torch.float32)"
        )
    if weight is not None and weight.dtype != input.dtype:
        raise Error(
            f"{op}: expected weight to be {dtype_name(input.dtype)} as the input is, got "
            f"{dtype_name(weight.dtype)}"
        )
    kept = [n if d < rows else 1 for d, n in enumerate(input.shape)]
    return Spec(input.shape, input.dtype), Spec(kept, input.dtype)


@structured(
    "_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps)"
    " -> (Tensor, Tensor)",
    cpu="_fused_rms_norm",
    method=False,
    differentiable=(0,),
)
def _fused_rms_norm():
    """RMS normalisation (Zhang and Sennrich, 2019): output and 1 / root of the mean square."""


_fused_rms_norm.samples(
    call(values(2, 3), [3], values(3), 1e-5),
    call(values(2, 2, 3), [2, 3], None, 1e-5),
    dtypes=FLOATING,
)
_fused_rms_norm.without("decomposition", "sharding", "autocast")
_fused_rms_norm.benchmark(call(values(64, 768), [768], values(768), 1e-5))


@_fused_rms_norm.rule
def _(input, normalized_shape, weight):
    return rms_specs("rms_norm", input, normalized_shape, weight)


@_fused_rms_norm.batching
def _(b, input, normalized_shape, weight, eps):
    if weight is None or not weight.batched:
        return b.op(input.full, normalized_shape, None if weight is None else weight.value, eps)
    out, rstd = b.op(input.full, normalized_shape, None, eps)
    return out * b.aligned(weight, input.rank), rstd


@_fused_rms_norm.jvp
def _(t, input, normalized_shape, weight, result):
    inner = [d - len(normalized_shape) for d in range(len(normalized_shape))]
    normal = input * result[1].detach()
    share = (normal * normal).mean(inner, True)
    scale = (share + (1 - share).detach()).rsqrt()
    normal, rstd = normal * scale, result[1].detach() * scale
    moved = t.get("input")
    made = (moved - normal * (normal * moved).mean(inner, True)) * rstd
    return (made if weight is None else made * weight + normal * t.get("weight")), None


@_fused_rms_norm.gradient
def _(g, input, normalized_shape, weight, result1, needs, ops):
    return ops._fused_rms_norm_backward(
        g, input, normalized_shape, result1, weight, [needs[0], needs[1]]
    )


@structured(
    "_fused_rms_norm_backward(Tensor grad_out, Tensor input, int[] normalized_shape, Tensor rstd, "
    "Tensor? weight, bool[2] output_mask) -> (Tensor, Tensor)",
    cpu="_fused_rms_norm_backward",
    function_variant=False,
    method=False,
)
def _fused_rms_norm_backward():
    """The gradients of RMS normalisation."""


_fused_rms_norm_backward.samples(
    call(values(2, 3), values(2, 3), [3], values(2, 1, low=0.1), values(3), [True, True])
)
_fused_rms_norm_backward.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@_fused_rms_norm_backward.rule
def _(grad_out, input, normalized_shape, rstd, weight):
    op = "rms_norm_backward"
    made = rms_specs(op, input, normalized_shape, weight)
    if not same(grad_out.shape, input.shape):
        raise Error(
            f"{op}: grad_out of shape {show(grad_out.shape)} does not fit an input of shape "
            f"{show(input.shape)}"
        )
    if not same(rstd.shape, made[1].sizes):
        raise Error(
            f"{op}: rstd of shape {show(rstd.shape)} does not fit the rows of an input of shape "
            f"{show(input.shape)}"
        )
    return made[0], Spec(normalized_shape, input.dtype)


@_fused_rms_norm_backward.batching
def _(b, grad_out, input, normalized_shape, rstd, weight, output_mask):
    g, x, r = grad_out.full, input.full, rstd.full
    inner = [d - len(normalized_shape) for d in range(len(normalized_shape))]
    outer = list(range(1, g.dim() - len(normalized_shape)))
    of_input = of_weight = None
    if output_mask[0]:
        scaled = g if weight is None else g * b.aligned(weight, input.rank)
        of_input = b.op(scaled, x, normalized_shape, r, None, [True, False])[0]
    if output_mask[1]:
        normal = x * r
        share = (normal * normal).mean(inner, True)
        normal = normal * (share + (1 - share).detach()).rsqrt()
        of_weight = (g * normal).sum(outer) if outer else g * normal
    return of_input, of_weight


@_fused_rms_norm_backward.gradient
def _(grads, grad_out, input, normalized_shape, rstd, weight, ops):
    gx, gw = grads[0], grads[1]
    inner = list(range(input.dim() - len(normalized_shape), input.dim()))
    outer = list(range(input.dim() - len(normalized_shape)))
    # rstd is made to depend on the input, so that it is differentiated with it: it is saved as a
    # constant. What eps adds is one.
    normal = input * rstd
    share = ops.mean_dim(normal * normal, inner, True)
    slope = rstd * ops.rsqrt(share + ops.detach(1.0 - share))
    xhat = input * slope
    to_grad, to_input, to_weight = None, None, None
    if gx is not None:
        dy = grad_out if weight is None else grad_out * weight
        # The map v -> slope (v - xhat mean(v xhat)) is its own adjoint.
        along = ops.mean_dim(gx * xhat, inner, True)
        n = slope * (gx - xhat * along)
        to_grad = n if weight is None else n * weight
        if weight is not None:
            to_weight = n * grad_out
        b = ops.mean_dim(dy * xhat, inner, True)
        through = -(gx * b + dy * along)
        dx = slope * (dy - xhat * b)
        shrunk = -(xhat * ops.mean_dim(gx * dx, inner, True))
        flow = slope * through
        to_input = slope * (flow - xhat * ops.mean_dim(flow * xhat, inner, True)) + shrunk * slope
    if gw is not None:
        to_grad = _plus(to_grad, xhat * gw)
        pull = grad_out * gw
        to_input = _plus(to_input, slope * (pull - xhat * ops.mean_dim(pull * xhat, inner, True)))
    if to_weight is not None and len(outer) > 0:
        to_weight = ops.sum_dim_IntList(to_weight, outer)
    return to_grad, to_input, None, to_weight


@composite(
    "rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None)"
    " -> Tensor",
    method=False,
)
def rms_norm(input, normalized_shape, weight, eps, ops):
    """Divides by the root of the mean square over the last dimensions, then scales.

    >>> flambeau.rms_norm(flambeau.tensor([[1., 7.]]), (2,))
    tensor([[0.2000, 1.4000]])
    """
    rows = rms_rows("rms_norm", input, normalized_shape, weight)
    fits = weight is None or weight.dtype == input.dtype
    if input.is_floating_point() and fits:
        return ops._fused_rms_norm(input, normalized_shape, weight, eps)[0]
    if not input.is_floating_point() and not input.is_complex():
        raise NotImplementedError(
            f"rms_norm: \"rms_norm\" not implemented for '{dtype_name(input.dtype)}': convert "
            "with .to(torch.float32)"
        )
    added = FINE if input.dtype == dtypes.complex128 else EPSILON
    if eps is not None:
        added = eps
    inner = list(range(rows, input.dim()))
    square = ops.mean_dim(input * input, inner, True)
    out = input * ops.rsqrt(ops.add_Scalar(square, added))
    return out if weight is None else out * weight


rms_norm.samples(
    call(values(2, 3), [3]),
    call(values(2, 2, 3), [2, 3], values(2, 3), 1e-3),
    dtypes=FLOATING | COMPLEX,
)
rms_norm.reference(
    lambda x, shape, weight=1, eps=2.0**-52: (
        weight * x / np.sqrt(np.mean(x * x, tuple(range(-len(shape), 0)), keepdims=True) + eps)
    ),
    tolerance=32,
)
rms_norm.without("benchmark", "sharding", "autocast", "decomposition")
