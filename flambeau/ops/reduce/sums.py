"""Sums, means, products, variances."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    conj_of_tensor,
    default_dtype,
    dtype_name,
    is_differentiable,
    is_integral,
    scalar_type_name,
    to_real,
    under_dispatch,
    wants_ops,
    wrap_dim,
)
from flambeau.ops.record import COMPLEX, FLOATING, composite, structured
from flambeau.ops.reduce.dims import (
    expanded,
    reduced_count,
    reduced_dims,
    reduced_sizes,
    restored,
    sum_dtype,
)
from flambeau.ops.samples import call, dtype, np, special, values


@structured(
    "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
    cpu="cpu::sum(result, self, shape::all_dims(self))",
)
def sum():
    """The sum of all elements, or along ``dim``; integers add up in int64.

    >>> flambeau.sum(flambeau.tensor([[1., 2.], [3., 4.]]), dim=0)
    tensor([4., 6.])
    """


sum.samples(
    call(values(2, 3)), call(values()), call(values(0, 3)), call(values(2), dtype=dtype("double"))
)
sum.reference(lambda x, dtype=None: np.sum(x), tolerance=16)
sum.jvp("linear")


@sum.batching
def _(b, self, dtype):
    return b.op_of("dim_IntList")(b.flat(self), [1], dtype=dtype)


@sum.rule
def _(self, dtype):
    return Spec([], sum_dtype(self.dtype, dtype))


@sum.gradient
def _(g, self, ops):
    return ops.expand(g, self.shape)


@structured(
    "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) "
    "-> Tensor",
    cpu="cpu::sum(result, self, shape::dims_of(self, dim))",
    out=True,
    out_overload="IntList_out",
)
def sum_dim():
    """The sum along some dimensions."""


sum_dim.samples(
    call(values(2, 3), [1]),
    call(values(2, 3, 2), [0, -1], True),
    call(values(2, 3), None),
    call(values(0, 3), [0]),
)
sum_dim.reference(
    lambda x, dim, keepdim=False: np.sum(x, dim and tuple(dim), keepdims=keepdim), tolerance=16
)
sum_dim.batching("reduce")
sum_dim.jvp("linear")


@sum_dim.rule
def _(self, dim, keepdim, dtype):
    sizes = reduced_sizes(self.shape, reduced_dims(self.dim(), dim, "sum"), keepdim)
    return Spec(sizes, sum_dtype(self.dtype, dtype))


@sum_dim.gradient
def _(g, self, dim, keepdim, ops):
    return expanded(g, self.shape, dim, keepdim, ops)


@structured(
    "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor",
    cpu="cpu::mean(result, self, shape::all_dims(self))",
    out=True,
    out_overload="dtype_out",
)
def mean():
    """The mean of all elements, or along ``dim``.

    >>> flambeau.mean(flambeau.tensor([1., 2., 6.]))
    tensor(3.)
    """


mean.samples(
    call(values(2, 3)),
    call(values()),
    call(values(2), dtype=dtype("double")),
    dtypes=FLOATING | COMPLEX,
)
mean.reference(lambda x, dtype=None: np.mean(x), tolerance=16)
mean.jvp("linear")


@mean.batching
def _(b, self, dtype):
    return b.op_of("dim")(b.flat(self), [1], dtype=dtype)


def mean_dtype(own, wanted, op):
    result = own if wanted is None else wanted
    if not is_differentiable(result):
        which = "Input" if wanted is None else "Optional"
        raise Error(
            f"{op}(): could not infer output dtype. {which} dtype must be either a floating point "
            f"or complex dtype. Got: {scalar_type_name(result)}"
        )
    return result


@mean.rule
def _(self, dtype):
    return Spec([], mean_dtype(self.dtype, dtype, "mean"))


@mean.gradient
def _(g, self, ops):
    return ops.div_Scalar(ops.expand(g, self.shape), self.numel())


@structured(
    "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    cpu="cpu::mean(result, self, shape::dims_of(self, dim))",
    out=True,
    out_overload="out",
)
def mean_dim():
    """The mean along some dimensions."""


mean_dim.samples(
    call(values(2, 3), [1]),
    call(values(2, 3, 2), [0, -1], True),
    call(values(2, 3), None),
    call(values(0, 3), [1]),
    dtypes=FLOATING | COMPLEX,
)
mean_dim.reference(
    lambda x, dim, keepdim=False: np.mean(x, dim and tuple(dim), keepdims=keepdim), tolerance=16
)
mean_dim.batching("reduce")
mean_dim.jvp("linear")


def reduction_spec(self, dim, keepdim, dtype, op):
    return Spec(reduced_sizes(self.shape, reduced_dims(self.dim(), dim, op), keepdim), dtype)


@mean_dim.rule
def _(self, dim, keepdim, dtype):
    return reduction_spec(self, dim, keepdim, mean_dtype(self.dtype, dtype, "mean"), "mean")


@mean_dim.gradient
def _(g, self, dim, keepdim, ops):
    wide = expanded(g, self.shape, dim, keepdim, ops)
    return ops.div_Scalar(wide, reduced_count(self.shape, dim))


@structured(
    "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
    cpu="cpu::prod(result, self, shape::all_dims(self))",
)
def prod():
    """The product of all elements, or along ``dim``.

    >>> flambeau.prod(flambeau.tensor([2., 3.]))
    tensor(6.)
    """


prod.samples(
    call(values(2, 3)), call(values()), call(values(0, 3)), call(values(2), dtype=dtype("double"))
)
prod.reference(lambda x, dtype=None: np.prod(x), tolerance=16)
prod.autocast("float32")


@prod.rule
def _(self, dtype):
    return Spec([], sum_dtype(self.dtype, dtype))


@prod.batching
def _(b, self, dtype):
    return b.op_of("dim_int")(b.flat(self), 1, dtype=dtype)


def products_of_others(t, again, ops):
    """Products of all elements but each one, along the last dimension.

    Where they are differentiated again: what stands before times what stands behind.
    """
    last = t.dim() - 1
    if not again:
        return ops._prod_others(t, last)
    edge = list(t.shape)
    edge[last] = 1
    one = ops.new_ones(t, edge)

    def before(x):
        shorter = ops.slice_Tensor(x, last, 0, t.shape[last] - 1)
        return ops.cumprod(ops.cat([one, shorter], last), last)

    front = before(t)
    behind = before(ops.flip(t, [last]))
    return front * ops.flip(behind, [last])


@prod.gradient
def _(g, self, ops):
    if self.dim() == 0:
        return ops.clone(g)
    if self.numel() == 0:
        return g * self
    line = ops.reshape(self, [-1])
    others = products_of_others(line, wants_ops(g, self, False), ops)
    return g * conj_of_tensor(ops.reshape(others, self.shape), ops)


@structured(
    "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    cpu="cpu::prod(result, self, shape::one_dim(self, dim))",
    out=True,
    out_overload="int_out",
)
def prod_dim():
    """The product along a dimension."""


prod_dim.samples(call(values(2, 3), 1), call(values(2, 3), 0, True), call(values(0, 3), 0))
prod_dim.reference(lambda x, dim, keepdim=False: np.prod(x, dim, keepdims=keepdim), tolerance=16)
prod_dim.batching("dims")
prod_dim.autocast("float32")


@prod_dim.rule
def _(self, dim, keepdim, dtype):
    return reduction_spec(self, [dim], keepdim, sum_dtype(self.dtype, dtype), "prod")


@prod_dim.gradient
def _(g, self, dim, keepdim, ops):
    if self.dim() == 0:
        return ops.clone(g)
    d = wrap_dim(dim, self.dim(), "prod_backward")
    if self.numel() == 0:
        return restored(g, self.dim(), [d], keepdim, ops) * self
    moved = ops.transpose_int(self, d, -1)
    others = products_of_others(moved, wants_ops(g, self, False), ops)
    others_there = ops.transpose_int(others, d, -1)
    wide = restored(g, self.dim(), [d], keepdim, ops)
    return wide * conj_of_tensor(others_there, ops)


@structured(
    "var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)"
    " -> Tensor",
    cpu="cpu::var(result, self, shape::dims_of(self, dim), "
    'shape::freedom_of("var", correction, self, result))',
    out=True,
    out_overload="correction_out",
)
def var():
    """The variance, divided by N - correction (1 unless given).

    >>> flambeau.var(flambeau.tensor([1., 2., 3.]))
    tensor(1.)
    """


var.samples(
    call(values(2, 3)),
    call(values(2, 3), [1], correction=0),
    call(values(2, 3, 2), [0, -1], correction=2, keepdim=True),
    dtypes=FLOATING | COMPLEX,
)
var.reference(
    lambda x, dim=None, correction=1, keepdim=False: np.var(
        x, dim and tuple(dim), ddof=correction, keepdims=keepdim
    ),
    tolerance=16,
)
var.batching("reduce")


def check_spread(self, op):
    if not is_differentiable(self.dtype):
        raise Error(
            f"{op}: std and var only support floating point and complex dtypes, got "
            f"{dtype_name(self.dtype)}"
        )


@var.rule
def _(self, dim, keepdim):
    check_spread(self, "var")
    return reduction_spec(self, dim, keepdim, to_real(self.dtype), "var")


def correction_of(correction):
    return 1.0 if correction is None else float(correction)


def mean_of(t, dim, ops):
    return ops.mean_dim(t, dim, True) if dim else ops.mean(t)


def distances(t, dim, ops):
    """From the mean; once more from the mean of the distances.

    A large mean is rounded by as much as small distances are.
    """
    rough = t - mean_of(t, dim, ops)
    if under_dispatch(t):  # a mode sees the ops that it knows
        return rough
    return rough - mean_of(rough, dim, ops)


def through_var(g, t, dim, correction, keepdim, ops):
    """The gradient of a variance."""
    n = reduced_count(t.shape, dim)
    rest = n - correction_of(correction)
    wide = restored(g, t.dim(), dim, keepdim, ops)
    if rest <= 0:
        # The variance is infinite or NaN; so is its slope.
        slope = math.nan if rest == 0 and n > 0 else math.inf
        return wide * ops.full_like(t, slope)
    far = distances(t, dim, ops)  # first, as PyTorch has it: modes see the order
    return ops.mul_Scalar(wide, 2.0 / rest) * far


@var.gradient
def _(g, self, dim, correction, keepdim, ops):
    return through_var(g, self, dim, correction, keepdim, ops)


@structured(
    "std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)"
    " -> Tensor",
    cpu="cpu::std(result, self, shape::dims_of(self, dim), "
    'shape::freedom_of("std", correction, self, result))',
    out=True,
    out_overload="correction_out",
)
def std():
    """The standard deviation, the square root of ``var``.

    >>> flambeau.std(flambeau.tensor([1., 2., 3.]))
    tensor(1.)
    """


std.samples(
    call(values(2, 3)),
    call(values(2, 3), [1], correction=0),
    call(values(2, 3, 2), [0, -1], correction=2, keepdim=True),
    dtypes=FLOATING | COMPLEX,
)
std.reference(
    lambda x, dim=None, correction=1, keepdim=False: np.std(
        x, dim and tuple(dim), ddof=correction, keepdims=keepdim
    ),
    tolerance=16,
)
std.batching("reduce")


@std.rule
def _(self, dim, keepdim):
    check_spread(self, "std")
    return reduction_spec(self, dim, keepdim, to_real(self.dtype), "std")


@std.gradient
def _(g, self, result, dim, correction, keepdim, ops):
    rest = reduced_count(self.shape, dim) - correction_of(correction)
    zero = ops.eq_Scalar(result, 0)
    if rest <= 0:
        share = g / ops.mul_Scalar(result, 2.0)
        kept = ops.masked_fill_Scalar(share, zero, 0.0)
        return through_var(kept, self, dim, correction, keepdim, ops)
    # Distances in units of the deviation are about 1, whatever that is.
    safe = ops.masked_fill_Scalar(result, zero, 1.0)
    far = distances(self, dim, ops)
    shares = far / restored(safe, self.dim(), dim, keepdim, ops)
    kept = ops.masked_fill_Scalar(g, zero, 0.0)
    wide = restored(kept, self.dim(), dim, keepdim, ops)
    return ops.div_Scalar(wide, rest) * shares


@structured(
    "var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, "
    "bool keepdim=False) -> (Tensor, Tensor)",
    cpu="cpu::var_mean(result0, result1, self, shape::dims_of(self, dim), "
    'shape::freedom_of("var_mean", correction, self, result0))',
    method=False,
)
def var_mean():
    """The variance and the mean in one pass.

    >>> flambeau.var_mean(flambeau.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """


var_mean.samples(
    call(values(2, 3)),
    call(values(2, 3), [1], correction=0),
    call(values(2, 3, 2), [0, -1], correction=2, keepdim=True),
    dtypes=FLOATING | COMPLEX,
)
var_mean.batching("reduce")


@var_mean.rule
def _(self, dim, keepdim):
    check_spread(self, "var_mean")
    return (
        reduction_spec(self, dim, keepdim, to_real(self.dtype), "var_mean"),
        reduction_spec(self, dim, keepdim, self.dtype, "var_mean"),
    )


@var_mean.gradient
def _(grads, self, dim, correction, keepdim, ops):
    through, mean = grads[0], grads[1]
    total = None
    if through is not None:
        total = through_var(through, self, dim, correction, keepdim, ops)
    if mean is not None:
        wide = expanded(mean, self.shape, dim, keepdim, ops)
        share = ops.div_Scalar(wide, reduced_count(self.shape, dim))
        total = share if total is None else total + share
    if self.is_complex() and total is not None and not total.is_complex():
        total = ops.to_dtype(total, self.dtype)
    return total


@structured(
    "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
    cpu="cpu::logsumexp(result, self, shape::dims_of(self, dim))",
    out=True,
    checks_values=True,
)
def logsumexp():
    """``log(sum(exp(self)))`` along dimensions, without overflow.

    >>> flambeau.logsumexp(flambeau.tensor([1000., 1000.]), 0)
    tensor(1000.6932)
    """


logsumexp.samples(call(values(2, 3), [1]), call(values(2, 3, 2), [0, -1], True))
logsumexp.reference(
    lambda x, dim, keepdim=False: special.logsumexp(x, tuple(dim), keepdims=keepdim)
)
logsumexp.batching("reduce")


@logsumexp.rule
def _(self, dim, keepdim):
    dtype = default_dtype() if is_integral(self.dtype, True) else self.dtype
    return reduction_spec(self, dim, keepdim, dtype, "logsumexp")


@logsumexp.jvp
def _(t, self, dim, keepdim):
    dims = dim or list(range(self.dim()))
    top = self.detach().real.amax(dims, True)
    powers = (self - top.masked_fill(top.isinf(), 0)).exp()
    share = (powers / powers.sum(dims, True)).masked_fill(top.isinf(), 0)
    return (t.get("self") * share).sum(dims, keepdim)


@logsumexp.gradient
def _(g, self, dim, keepdim, ops):
    # Not exp(self - result): what the logarithm adds to a large maximum is rounded off.
    top = ops.amax(ops.real(ops.detach(self)), dim, True)
    powers = ops.exp(self - ops.masked_fill_Scalar(top, ops.isinf(top), 0.0))
    share = powers / ops.sum_dim_IntList(powers, dim, True)
    return restored(g, self.dim(), dim, keepdim, ops) * conj_of_tensor(share, ops)


@structured(
    "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
    "ScalarType? dtype=None) -> Tensor",
    cpu="cpu::norm(result, self, shape::dims_of(self, dim), ord)",
    out=True,
    method=False,
    module="_linalg",
)
def linalg_vector_norm():
    """The p-norm of the elements along dimensions.

    >>> flambeau._C._linalg.linalg_vector_norm(flambeau.tensor([3., 4.]))
    tensor(5.)
    """


linalg_vector_norm.samples(
    call(values(2, 3)),
    call(values(2, 3), 1, [1], True),
    call(values(2, 3), 3, [0]),
    dtypes=FLOATING | COMPLEX,
)
linalg_vector_norm.reference(
    lambda x, ord=2, dim=None, keepdim=False: np.linalg.norm(
        x if dim else np.ravel(x), ord, dim[0] if dim else None, keepdim
    ),
    tolerance=16,
)
linalg_vector_norm.batching("reduce")


def check_norm_dtype(op, own, dtype):
    if not is_differentiable(dtype):
        raise Error(
            f"{op}: dtype should be floating point or complex, but got {scalar_type_name(dtype)}"
        )
    if own.is_complex != dtype.is_complex:
        kind = "complex for complex" if own.is_complex else "real for real"
        raise Error(f"{op}: dtype should be {kind} inputs, but got {scalar_type_name(dtype)}")


@linalg_vector_norm.rule
def _(self, ord, dim, keepdim, dtype):
    op = "linalg.vector_norm"
    if isinstance(ord, complex):
        raise Error(f"{op}: Expected a non-complex scalar as the order of norm.")
    if not is_differentiable(self.dtype):
        raise Error(
            f"{op}: Expected a floating point or complex tensor as input. Got "
            f"{scalar_type_name(self.dtype)}"
        )
    if dtype is not None:
        check_norm_dtype(op, self.dtype, dtype)
    dims = reduced_dims(self.dim(), dim, "linalg.vector_norm")
    p = float(ord)
    if p < 0 or p == math.inf:
        for d in dims:
            if self.shape[d] == 0:
                raise Error(
                    f"{op} cannot compute the {p:g} norm on an empty tensor because the operation "
                    "does not have an identity"
                )
    result = to_real(self.dtype if dtype is None else dtype)
    return Spec(reduced_sizes(self.shape, dims, keepdim), result)


@linalg_vector_norm.gradient
def _(g, self, result, ord, dim, keepdim, ops):
    p = float(ord)
    wide = restored(g, self.dim(), dim, keepdim, ops)
    norm = restored(result, self.dim(), dim, keepdim, ops)
    if p == 0:
        return ops.zeros_like(self)
    if p == 1:
        return wide * ops.sgn(self)
    zero = ops.eq_Scalar(norm, 0)
    # Powers above 1 are taken of shares of the norm: they do not overflow.
    safe = ops.masked_fill_Scalar(norm, zero, 1.0)
    if p == 2:
        return ops.masked_fill_Scalar(wide * (self / safe), zero, 0.0)
    size = ops.abs(self)
    if math.isinf(p):
        at = ops.eq_Tensor(size, norm)
        ties = ops.sum_dim_IntList(at, dim, True, norm.dtype)
        slope = ops.masked_fill_Scalar(ops.sgn(self), ops.logical_not(at), 0.0)
        # None are equal to a norm that is NaN.
        return slope * ops.masked_fill_Scalar(wide / ties, ops.eq_Scalar(ties, 0), 0.0)
    weight = ops.masked_fill_Scalar(wide, zero, 0.0)
    none = ops.eq_Scalar(self, 0)
    if 0 < p < 2:
        sign = ops.sgn(self)
        slope = ops.masked_fill_Scalar(sign * ops.pow_Tensor_Scalar(size, p - 1), none, 0.0)
        return slope * (weight / ops.pow_Tensor_Scalar(safe, p - 1))
    share = size / safe
    if p < 0:
        sign = ops.sgn(self)
        slope = sign * ops.pow_Tensor_Scalar(share, p - 1)
        return ops.masked_fill_Scalar(slope, none, 0.0) * weight
    direction = self / safe
    return direction * ops.pow_Tensor_Scalar(share, p - 2) * weight


@composite(
    "linalg__powsum(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
    "ScalarType? dtype=None) -> Tensor",
    method=False,
    module="_linalg",
)
def linalg__powsum(self, ord, dim, keepdim, dtype, ops):
    """The sum of absolute values to a power: ``linalg_vector_norm`` without its root.

    >>> flambeau._C._linalg.linalg__powsum(flambeau.tensor([3., 4.]))
    tensor(25.)
    """
    if not is_differentiable(self.dtype):
        raise Error(
            f"linalg__powsum: Expected a floating point or complex tensor as input. Got "
            f"{scalar_type_name(self.dtype)}"
        )
    wide = self if dtype is None else ops.to_dtype(self, dtype)
    return ops.sum_dim_IntList(ops.pow_Tensor_Scalar(ops.abs(wide), ord), dim, keepdim)


linalg__powsum.samples(
    call(values(2, 3)),
    call(values(2, 3), 3, [0], True),
    call(values(0)),
    dtypes=FLOATING | COMPLEX,
)
linalg__powsum.reference(
    lambda x, ord=2, dim=None, keepdim=False: (np.abs(x) ** ord).sum(
        tuple(dim) if dim else None, keepdims=keepdim
    ),
    tolerance=16,
)
linalg__powsum.without("benchmark")
