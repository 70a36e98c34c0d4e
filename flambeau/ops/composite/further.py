"""Further compositions in C++ that gradients or C++ programs reach."""

from flambeau.ops.language import Error, dtype_name, dtypes, is_differentiable, is_integral
from flambeau.ops.record import BOOL, COMPLEX, FLOATING, REAL, composite, native
from flambeau.ops.samples import call, dtype, np, values


@native(
    "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
    node="ClampBackward1",
    inplace=True,
    inplace_functions=("clamp", "clip"),
    out=True,
    aliases=("clip",),
)
def clamp(self, min, max, ops):
    """``min(max(self, min), max)``; NaN stays.

    >>> flambeau.clamp(flambeau.tensor([-1., 0.5, 2.]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise Error("clamp: At least one of 'min' or 'max' must not be None")
    if min is not None and max is not None:
        if is_nan(min) or is_nan(max):
            return ops.clamp_max(ops.clamp_min(self, min), max)
        return ops._clamp_both(self, min, max)
    if min is not None:
        return ops.clamp_min(self, min)
    return ops.clamp_max(self, max)


def is_nan(number):
    return isinstance(number, float) and float(number) != float(number)


clamp.samples(
    call(values(2, 3), -1, 1),
    call(values(2, 3), max=2),
    call(values(), 0, 1),
    call(values(0, 3), 0),
    dtypes=REAL | BOOL,
)
clamp.reference(lambda x, min=None, max=None: np.clip(x, min, max))
clamp.batching("pointwise")


@clamp.jvp
def _(t, self, min, max):
    moved = t.get("self")
    if min is not None:
        moved = moved.masked_fill(self < min, 0)
    return moved if max is None else moved.masked_fill(self > max, 0)


@clamp.gradient
def _(g, self, min, max, ops):
    if max is None:
        inside = ops.ge_Scalar(self, min)
    elif min is None:
        inside = ops.le_Scalar(self, max)
    else:
        above = ops.ge_Scalar(self, min)
        inside = ops.logical_and(above, ops.le_Scalar(self, max))
    return ops.where_self(inside, g, 0)


@composite(
    "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    aliases=("clip",),
    inplace=True,
    inplace_functions=("clamp", "clip"),
    out=True,
    out_overload="Tensor_out",
)
def clamp_tensor(self, min, max, ops):
    """``clamp`` with tensors as bounds, broadcast."""
    if min is None and max is None:
        raise Error("clamp: At least one of 'min' or 'max' must not be None")
    if min is not None and max is not None:
        return ops._clamp_between(self, min, max)
    if min is not None:
        return ops.clamp_min_Tensor(self, min)
    return ops.clamp_max_Tensor(self, max)


clamp_tensor.samples(
    call(values(2, 3), values(2, 3, high=0), values(3, low=0)),
    call(values(2, 3), max=values(3)),
    call(values(0, 3), values(3)),
    dtypes=REAL | BOOL,
)
clamp_tensor.reference(lambda x, min=None, max=None: np.clip(x, min, max))


@composite(
    "clamp.Mixed(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    aliases=("clip",),
    number_ok=("min", "max"),
    inplace=True,
    inplace_functions=("clamp", "clip"),
    out=True,
    out_overload="Mixed_out",
    tried_last=True,
)
def clamp_mixed(self, min, max, ops):
    """``clamp`` with a number and a tensor."""
    return ops.clamp_Tensor(self, min, max)


clamp_mixed.samples(
    call(values(2, 3), values(2, 3, high=0), values(3, low=0)),
    call(values(2, 3), -1, values(3, low=0)),
    dtypes=REAL | BOOL,
)
clamp_mixed.reference(lambda x, min=None, max=None: np.clip(x, min, max))


@native("equal(Tensor self, Tensor other) -> bool", tags=frozenset({"data_dependent"}))
def equal():
    """Whether two tensors have the same shape and elements.

    >>> flambeau.equal(flambeau.tensor([1, 2]), flambeau.tensor([1, 2]))
    True
    """


equal.samples(
    call(values(2, 3), values(2, 3)), call(values(2), values(3)), call(values(0), values(0))
)
equal.reference(np.array_equal)
equal.batching("none")


@native(
    "_local_scalar_dense(Tensor self) -> Scalar", tags=frozenset({"data_dependent"}), method=False
)
def _local_scalar_dense():
    """The one element of a tensor as a number; the op under ``item``."""


_local_scalar_dense.samples(call(values()), call(values(1, 1)))
_local_scalar_dense.reference(lambda x: x.item())


@_local_scalar_dense.batching
def _(b):
    raise RuntimeError(
        "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over "
        "calling .item() on a Tensor, please try to rewrite what you're doing with other "
        "operations. If error is occurring somewhere inside PyTorch internals, please file a bug "
        "report."
    )


def _integers_close(self, other, rtol, atol, ops):
    """``|a - b| <= atol + rtol |b|``, the difference exactly: modulo 2^64."""
    huge = self.dtype == dtypes.uint64
    a = self if huge else ops.to_dtype(self, dtypes.int64)
    b = other if huge else ops.to_dtype(other, dtypes.int64)
    difference = ops.to_dtype(ops.sub_Tensor(ops.maximum(a, b), ops.minimum(a, b)), dtypes.int64)
    size = ops.to_dtype(difference, dtypes.float64)
    allowed = ops.add_Scalar(ops.mul_Scalar(ops.abs(ops.to_dtype(b, dtypes.float64)), rtol), atol)
    half = 9223372036854775808.0  # 2^63
    whole = ops.to_dtype(ops.clamp_max(allowed, half - 1024.0), dtypes.int64)
    wrapped = ops.lt_Scalar(difference, 0)
    distance = ops.where_self(wrapped, ops.add_Scalar(size, half + half), size)
    far = ops.logical_or(wrapped, ops.ge_Scalar(allowed, half))
    return ops.where_self(far, ops.le_Tensor(distance, allowed), ops.le_Tensor(difference, whole))


@composite(
    "isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> Tensor"
)
def isclose(self, other, rtol, atol, equal_nan, ops):
    """``abs(self - other) <= atol + rtol * abs(other)`` for each element.

    >>> flambeau.isclose(flambeau.tensor([1.]), flambeau.tensor([1. + 1e-9]))
    tensor([True])
    """
    if self.dtype != other.dtype:
        raise Error(f"isclose: {dtype_name(self.dtype)} did not match {dtype_name(other.dtype)}")
    if not rtol >= 0:
        raise Error(f"isclose: rtol must be greater than or equal to zero, but got {rtol:g}")
    if not atol >= 0:
        raise Error(f"isclose: atol must be greater than or equal to zero, but got {atol:g}")
    close = ops.eq_Tensor(self, other)
    if equal_nan and is_differentiable(self.dtype):
        close = ops.logical_or(close, ops.logical_and(ops.isnan(self), ops.isnan(other)))
    if rtol == 0 and atol == 0:
        return close
    if is_integral(self.dtype, True):
        return _integers_close(self, other, rtol, atol, ops)
    allowed = ops.add_Scalar(ops.abs(ops.mul_Scalar(other, rtol)), atol)
    error = ops.abs(ops.sub_Tensor(self, other))
    near = ops.logical_and(ops.isfinite(error), ops.le_Tensor(error, allowed))
    return ops.logical_or(close, near)


isclose.samples(
    call(values(2, 3), values(3)),
    call(values(2, 3), values(2, 3), atol=1.0),
    call(values(), values()),
)
isclose.reference(np.isclose)


@composite(
    "allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> bool"
)
def allclose(self, other, rtol, atol, equal_nan, ops):
    """Whether ``isclose`` holds everywhere.

    >>> flambeau.allclose(flambeau.tensor([1.]), flambeau.tensor([1. + 1e-9]))
    True
    """
    return bool(ops.all(ops.isclose(self, other, rtol, atol, equal_nan)).item())


allclose.samples(
    call(values(2, 3), values(3)),
    call(values(2, 3), values(2, 3), atol=10.0),
    call(values(0), values(0)),
)
allclose.reference(np.allclose)


@composite(
    "norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
    function_variant=False,
    method=False,
)
def norm_scalar(self, p, ops):
    """The p-norm of all elements, or along ``dim``."""
    return ops.linalg_vector_norm(self, p)


norm_scalar.samples(
    call(values(2, 3)), call(values(2, 3), 1), call(values(4), 3), dtypes=FLOATING | COMPLEX
)
norm_scalar.reference(lambda x, p=2: np.linalg.norm(np.ravel(x), p))


@composite(
    "norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor",
    out=True,
    out_overload="out",
    function_variant=False,
    method=False,
)
def norm_dim(self, p, dim, keepdim, ops):
    """The p-norm along dimensions."""
    return ops.linalg_vector_norm(self, 2.0 if p is None else p, dim, keepdim)


norm_dim.samples(
    call(values(2, 3), 2, [1]),
    call(values(2, 3), 1, [0], True),
    call(values(2, 3, 2), 3, [0]),
    dtypes=FLOATING | COMPLEX,
)
norm_dim.reference(lambda x, p, dim, keepdim=False: np.linalg.norm(x, p, dim[0], keepdim))


@composite(
    "norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, "
    "ScalarType dtype) -> Tensor",
    function_variant=False,
    method=False,
)
def norm_dim_dtype(self, p, dim, keepdim, dtype, ops):
    """The p-norm along dimensions, computed in a dtype."""
    return ops.linalg_vector_norm(self, 2.0 if p is None else p, dim, keepdim, dtype)


norm_dim_dtype.samples(
    call(values(2, 3), 2, [1], False, dtype=dtype("double")), dtypes=FLOATING | COMPLEX
)
norm_dim_dtype.reference(
    lambda x, p, dim, keepdim, dtype: np.linalg.norm(x.astype(dtype), p, dim[0], keepdim)
)


@composite(
    "norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
    function_variant=False,
    method=False,
)
def norm_dtype(self, p, dtype, ops):
    """The p-norm of all elements, computed in a dtype."""
    return ops.linalg_vector_norm(self, 2.0 if p is None else p, None, False, dtype)


norm_dtype.samples(call(values(2, 3), 2, dtype=dtype("double")), dtypes=FLOATING | COMPLEX)
norm_dtype.reference(lambda x, p, dtype: np.linalg.norm(np.ravel(x).astype(dtype), p))


@composite("var(Tensor self, bool unbiased=True) -> Tensor")
def var(self, unbiased, ops):
    """The variance of all elements."""
    return ops.var_correction(self, None, 1 if unbiased else 0)


var.samples(call(values(2, 3)), call(values(2, 3), False), dtypes=FLOATING | COMPLEX)
var.reference(lambda x, unbiased=True: np.var(x, ddof=int(unbiased)))


@composite(
    "var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
)
def var_dim(self, dim, unbiased, keepdim, ops):
    """The variance along dimensions."""
    return ops.var_correction(self, dim, 1 if unbiased else 0, keepdim)


var_dim.samples(
    call(values(2, 3), [1]), call(values(2, 3, 2), [0, -1], False, True), dtypes=FLOATING | COMPLEX
)
var_dim.reference(
    lambda x, dim, unbiased=True, keepdim=False: np.var(
        x, tuple(dim), ddof=int(unbiased), keepdims=keepdim
    )
)


@composite("std(Tensor self, bool unbiased=True) -> Tensor")
def std(self, unbiased, ops):
    """The standard deviation of all elements."""
    return ops.std_correction(self, None, 1 if unbiased else 0)


std.samples(call(values(2, 3)), call(values(2, 3), False), dtypes=FLOATING | COMPLEX)
std.reference(lambda x, unbiased=True: np.std(x, ddof=int(unbiased)))


@composite(
    "std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
)
def std_dim(self, dim, unbiased, keepdim, ops):
    """The standard deviation along dimensions."""
    return ops.std_correction(self, dim, 1 if unbiased else 0, keepdim)


std_dim.samples(
    call(values(2, 3), [1]), call(values(2, 3, 2), [0, -1], False, True), dtypes=FLOATING | COMPLEX
)
std_dim.reference(
    lambda x, dim, unbiased=True, keepdim=False: np.std(
        x, tuple(dim), ddof=int(unbiased), keepdims=keepdim
    )
)


@composite(
    "var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
    method=False,
)
def var_mean(self, unbiased, ops):
    """The variance and mean of all elements."""
    return ops.var_mean_correction(self, None, 1 if unbiased else 0)


var_mean.samples(call(values(2, 3)), call(values(2, 3), False), dtypes=FLOATING | COMPLEX)
var_mean.reference(lambda x, unbiased=True: (np.var(x, ddof=int(unbiased)), np.mean(x)))


@composite(
    "var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False)"
    " -> (Tensor, Tensor)",
    method=False,
)
def var_mean_dim(self, dim, unbiased, keepdim, ops):
    """The variance and mean along dimensions."""
    return ops.var_mean_correction(self, dim, 1 if unbiased else 0, keepdim)


var_mean_dim.samples(
    call(values(2, 3), [1]), call(values(2, 3, 2), [0, -1], False, True), dtypes=FLOATING | COMPLEX
)
var_mean_dim.reference(
    lambda x, dim, unbiased=True, keepdim=False: (
        np.var(x, tuple(dim), ddof=int(unbiased), keepdims=keepdim),
        np.mean(x, tuple(dim), keepdims=keepdim),
    )
)
