"""Counts, quantiles, differences and integrals of sampled functions."""

import math

from flambeau.ops.language import (
    Error,
    dtype_name,
    dtypes,
    is_differentiable,
    is_integral,
    show,
    wrap_dim,
)
from flambeau.ops.record import BOOL, FLOATING, REAL, composite
from flambeau.ops.samples import call, np, values

# ---- counts, and sums that pass over NaN


@composite("count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor")
def count_nonzero_dims(self, dim, ops):
    """How many elements along dimensions are not zero."""
    return ops.sum_dim_IntList(ops.ne_Scalar(self, 0), dim)


count_nonzero_dims.samples(call(values(2, 3), [0]), call(values(2, 3, 2), [0, -1]))
count_nonzero_dims.reference(lambda x, dim: np.count_nonzero(x, tuple(dim)))


@composite("count_nonzero(Tensor self, int? dim=None) -> Tensor")
def count_nonzero(self, dim, ops):
    """How many elements are not zero, of all or along dimensions.

    >>> flambeau.count_nonzero(flambeau.tensor([[0, 1], [2, 3]]), dim=1)
    tensor([1, 2])
    """
    mask = ops.ne_Scalar(self, 0)
    if dim is None:
        return ops.sum(mask)
    return ops.sum_dim_IntList(mask, [dim])


count_nonzero.samples(call(values(2, 3)), call(values(2, 3), 1), call(values(0, 3)))
count_nonzero.reference(lambda x, dim=None: np.count_nonzero(x, dim))


@composite(
    "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    out=True,
)
def nansum(self, dim, keepdim, dtype, ops):
    """The sum of the elements that are numbers.

    >>> flambeau.nansum(flambeau.tensor([1., float("nan"), 2.]))
    tensor(3.)
    """
    if self.is_complex():
        raise Error("nansum: nansum does not support complex inputs")
    if is_integral(self.dtype, True):
        return ops.sum_dim_IntList(self, dim, keepdim, dtype)
    whole = ops.masked_fill_Scalar(self, ops.isnan(self), 0)
    return ops.sum_dim_IntList(whole, dim, keepdim, dtype)


nansum.samples(
    call(values(2, 3)), call(values(2, 3), [1], True), call(values(0, 3)), dtypes=REAL | BOOL
)
nansum.reference(
    lambda x, dim=None, keepdim=False: np.nansum(x, tuple(dim) if dim else None, keepdims=keepdim),
    tolerance=16,
)


@composite(
    "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    out=True,
)
def nanmean(self, dim, keepdim, dtype, ops):
    """The mean of the elements that are numbers.

    >>> flambeau.nanmean(flambeau.tensor([1., float("nan"), 3.]))
    tensor(2.)
    """
    if self.is_complex():
        raise Error("nanmean: nansum does not support complex inputs")
    if not is_differentiable(self.dtype):
        raise Error(
            f"nanmean: nanmean(): expected input to have floating point or complex dtype but got "
            f"{dtype_name(self.dtype)}"
        )
    known = ops.logical_not(ops.isnan(self))
    count = ops.sum_dim_IntList(known, dim, keepdim)
    whole = ops.masked_fill_Scalar(self, ops.logical_not(known), 0)
    return ops.sum_dim_IntList(whole, dim, keepdim, dtype) / count


nanmean.samples(call(values(2, 3)), call(values(2, 3), [1], True), dtypes=FLOATING)
nanmean.reference(
    lambda x, dim=None, keepdim=False: np.nanmean(x, tuple(dim) if dim else None, keepdims=keepdim),
    tolerance=16,
)


# ---- order statistics

_PLACED = dict(out=True, out_overload="values", places=(1,))
_DIM_PLACED = _PLACED | dict(out_overload="dim_values")


def placed_in_order(self, dim, k, skip, ops):
    """Along a dimension the ``k``-th element and its index, with the dimension kept; with 0 for
    ``k`` the median, of the numbers alone with ``skip``, else NaN where there is one."""
    ordered, places = ops.sort_stable(self, True, dim, False)
    n = self.shape[dim]
    if k > 0 or not self.is_floating_point():
        at = k - 1 if k > 0 else (n - 1) // 2
        return ops.narrow(ordered, dim, at, 1), ops.narrow(places, dim, at, 1)
    known = ops.sum_dim_IntList(ops.logical_not(ops.isnan(self)), [dim], True)
    middle = ops.div_Scalar_mode(ops.clamp_min(known - 1, 0), 2, "floor")
    if not skip:
        middle = ops.where_self(ops.lt_Scalar(known, n), known, middle)  # where the first NaN is
    return ops.gather(ordered, dim, middle), ops.gather(places, dim, middle)


def order_dim(op, self, dim):
    d = wrap_dim(dim, self.dim(), op)
    if self.is_complex() or self.dtype == dtypes.bool:
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(self.dtype)}': convert it with .to()"
        )
    if self.dim() > 0 and self.shape[d] == 0:
        raise IndexError(
            f"{op}: {op}(): Expected reduction dim {d} to have non-zero size, got shape "
            f"{show(self.shape)}"
        )
    return d


def order_statistic(op, self, dim, k, keepdim, skip, ops):
    d = order_dim(op, self, dim)
    if self.dim() == 0:
        return ops.clone(self), ops.zeros_like(self, dtype=dtypes.int64)
    value, index = placed_in_order(self, d, k, skip, ops)
    if keepdim:
        return value, index
    return ops.squeeze_dim(value, d), ops.squeeze_dim(index, d)


@composite(
    "kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False)"
    " -> (Tensor values, Tensor indices)",
    **_PLACED,
)
def kthvalue(self, k, dim, keepdim, ops):
    """The ``k``-th smallest element along a dimension, counted from 1, and where it is.

    >>> flambeau.kthvalue(flambeau.tensor([3, 1, 2]), 2)
    torch.return_types.kthvalue(
    values=tensor(2),
    indices=tensor(2))
    """
    d = wrap_dim(dim, self.dim(), "kthvalue")
    n = 1 if self.dim() == 0 else self.shape[d]
    if k < 1 or k > n:
        raise Error(
            f"kthvalue: kthvalue(): selected number k out of range for dimension {d}: k is {k}, "
            f"and {show(self.shape)} has {n}"
        )
    return order_statistic("kthvalue", self, dim, k, keepdim, False, ops)


kthvalue.samples(call(values(2, 3), 2), call(values(3, 2), 1, 0, True), dtypes=REAL)


@composite("median(Tensor self) -> Tensor")
def median(self, ops):
    """The middle one of all elements, the lower one of two; NaN if one is NaN.

    >>> flambeau.median(flambeau.tensor([3, 1, 2, 4]))
    tensor(2)
    """
    flat = ops.reshape(self, [-1])
    if flat.shape[0] == 0:
        return ops.sum(self) / 0.0
    return order_statistic("median", flat, 0, 0, False, False, ops)[0]


median.samples(call(values(2, 3)), call(values()), dtypes=REAL)
median.reference(lambda x: np.sort(np.ravel(x))[(x.size - 1) // 2])


@composite(
    "median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    **_DIM_PLACED,
)
def median_dim(self, dim, keepdim, ops):
    """The middle element along a dimension, and where it is."""
    return order_statistic("median", self, dim, 0, keepdim, False, ops)


median_dim.samples(call(values(2, 3), 1), call(values(4, 2), 0, True), dtypes=REAL)


@composite("nanmedian(Tensor self) -> Tensor")
def nanmedian(self, ops):
    """The middle one of the elements that are numbers.

    >>> flambeau.nanmedian(flambeau.tensor([3., float("nan"), 1.]))
    tensor(1.)
    """
    flat = ops.reshape(self, [-1])
    if flat.shape[0] == 0:
        return ops.sum(self) / 0.0
    return order_statistic("nanmedian", flat, 0, 0, False, True, ops)[0]


nanmedian.samples(call(values(2, 3)), call(values()), dtypes=REAL)
nanmedian.reference(lambda x: np.sort(np.ravel(x))[(x.size - 1) // 2])


@composite(
    "nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    **_DIM_PLACED,
)
def nanmedian_dim(self, dim, keepdim, ops):
    """The middle one of the elements along a dimension that are numbers, and where it is."""
    return order_statistic("nanmedian", self, dim, 0, keepdim, True, ops)


nanmedian_dim.samples(call(values(2, 3), 1), call(values(4, 2), 0, True), dtypes=REAL)


def quantiles(op, self, q, dim, keepdim, interpolation, skip, ops):
    if self.dtype not in (dtypes.float32, dtypes.float64):
        raise Error(f"{op}: {op}() input tensor must be either float or double dtype")
    if q.dtype != self.dtype:
        raise Error(f"{op}: {op}() q tensor must be same dtype as the input tensor")
    if q.dim() > 1:
        raise Error(f"{op}: {op}() q must be a scalar or 1D tensor, got {show(q.shape)}")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise Error(
            f"{op}: {op}() interpolation must be one of linear, lower, higher, midpoint or nearest"
        )
    if self.numel() == 0:
        raise Error(f"{op}: {op}() input tensor must be non-empty")
    d = 0 if dim is None else wrap_dim(dim, self.dim(), op)
    if dim is None or self.dim() == 0:
        last = ops.reshape(self, [-1])
    else:
        last = ops.movedim_int(self, d, -1)
    ordered = ops.sort(last, -1, False)[0]
    known = ops.sum_dim_IntList(ops.logical_not(ops.isnan(ordered)), [-1], True)
    points = ops.reshape(q, [-1])
    if skip:
        ranks = points * ops.to_dtype(ops.clamp_min(known - 1, 0), self.dtype)
    else:
        ranks = points * (last.shape[-1] - 1.0) + ops.zeros_like(known, dtype=self.dtype)
    if interpolation == "lower":
        near = ops.floor(ranks)
    elif interpolation == "higher":
        near = ops.ceil(ranks)
    elif interpolation == "nearest":
        near = ops.round(ranks)
    else:
        near = ops.floor(ranks)
    low = ops.gather(ordered, -1, ops.to_dtype(near, dtypes.int64))
    if interpolation == "linear" or interpolation == "midpoint":
        high = ops.gather(ordered, -1, ops.to_dtype(ops.ceil(ranks), dtypes.int64))
        weight = ranks - near
        if interpolation == "midpoint":
            weight = ops.full_like(ranks, 0.5)
        low = ops.lerp_Tensor(low, high, weight)
    if not skip:
        low = ops.masked_fill_Scalar(low, ops.lt_Scalar(known, last.shape[-1]), math.nan)
    if q.dim() == 0:
        result = ops.squeeze_dim(low, -1)
        if keepdim and dim is None:
            return ops.reshape(result, [1] * self.dim())
        return ops.unsqueeze(result, d) if keepdim and self.dim() > 0 else result
    front = ops.movedim_int(low, -1, 0)
    if keepdim and dim is None:
        return ops.reshape(front, [q.shape[0]] + [1] * self.dim())
    return ops.unsqueeze(front, d + 1) if keepdim and self.dim() > 0 else front


@composite(
    "quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, "
    "str interpolation='linear') -> Tensor",
    out=True,
)
def quantile(self, q, dim, keepdim, interpolation, ops):
    """The ``q`` quantiles of all elements or along a dimension; NaN where one is NaN.

    >>> flambeau.quantile(flambeau.tensor([0., 1., 2.]), flambeau.tensor([0.25, 0.5]))
    tensor([0.5000, 1.0000])
    """
    return quantiles("quantile", self, q, dim, keepdim, interpolation, False, ops)


@composite(
    "quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, "
    "str interpolation='linear') -> Tensor",
    out=True,
)
def quantile_scalar(self, q, dim, keepdim, interpolation, ops):
    """``quantile`` at one point."""
    if not (q >= 0 and q <= 1):
        raise Error(f"quantile: quantile() q must be in the range [0, 1] but got {q:g}")
    point = ops.full([], q, dtype=self.dtype, device=self.device)
    return quantiles("quantile", self, point, dim, keepdim, interpolation, False, ops)


@composite(
    "nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, "
    "str interpolation='linear') -> Tensor",
    out=True,
)
def nanquantile(self, q, dim, keepdim, interpolation, ops):
    """The ``q`` quantiles of the elements that are numbers.

    >>> flambeau.nanquantile(flambeau.tensor([0., float("nan"), 2.]), 0.5)
    tensor(1.)
    """
    return quantiles("nanquantile", self, q, dim, keepdim, interpolation, True, ops)


@composite(
    "nanquantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, "
    "str interpolation='linear') -> Tensor",
    out=True,
)
def nanquantile_scalar(self, q, dim, keepdim, interpolation, ops):
    """``nanquantile`` at one point."""
    if not (q >= 0 and q <= 1):
        raise Error(f"nanquantile: nanquantile() q must be in the range [0, 1] but got {q:g}")
    point = ops.full([], q, dtype=self.dtype, device=self.device)
    return quantiles("nanquantile", self, point, dim, keepdim, interpolation, True, ops)


def _described(of_tensor, of_number, function):
    """Samples of both overloads, and ``function`` of NumPy as what they give."""
    of_tensor.samples(
        call(values(2, 3), values(2, low=0.1, high=0.9, constant=True)),
        call(values(2, 3), values(low=0.3, high=0.4, constant=True), 1, True),
        call(values(4), values(low=0.3, high=0.4, constant=True), interpolation="lower"),
        dtypes=_SINGLE_AND_DOUBLE,
    )
    of_number.samples(
        call(values(2, 3), 0.25),
        call(values(2, 3), 0.5, 0, True, interpolation="midpoint"),
        call(values(5), 0.3, interpolation="nearest"),
        dtypes=_SINGLE_AND_DOUBLE,
    )
    for record in of_tensor, of_number:
        record.reference(
            lambda x, q, dim=None, keepdim=False, interpolation="linear": function(
                x, q, dim, keepdims=keepdim, method=interpolation
            ),
            tolerance=16,
        )


_SINGLE_AND_DOUBLE = frozenset({"float32", "float64"})
_described(quantile, quantile_scalar, np.quantile)
_described(nanquantile, nanquantile_scalar, np.nanquantile)


# ---- differences and integrals


@composite(
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
    out=True,
)
def diff(self, n, dim, prepend, append, ops):
    """The differences of neighbours along a dimension, ``n`` times.

    >>> flambeau.diff(flambeau.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if self.dim() == 0:
        raise Error("diff: diff expects input to be at least one-dimensional")
    if n < 0:
        raise Error(f"diff: order must be non-negative but got {n}")
    d = wrap_dim(dim, self.dim(), "diff")
    if n == 0:
        return ops.clone(self)
    whole = self
    if prepend is not None:
        whole = ops.cat([prepend, whole], d)
    if append is not None:
        whole = ops.cat([whole, append], d)
    for _ in range(min(n, whole.shape[d])):
        left = whole.shape[d] - 1
        low, high = ops.narrow(whole, d, 0, left), ops.narrow(whole, d, 1, left)
        if self.dtype == dtypes.bool:
            whole = ops.logical_xor(high, low)
        else:
            whole = high - low
    return whole


diff.samples(
    call(values(5)),
    call(values(2, 4), 2, 1),
    call(values(3, 2), 1, 0, values(1, 2), values(2, 2)),
    call(values(0, 2)),
)
diff.reference(
    lambda x, n=1, dim=-1, before=None, after=None: np.diff(
        x if before is None else np.concatenate([before, x, after], dim), n, dim
    )
)
for _op in (count_nonzero_dims, count_nonzero, nansum, nanmean, kthvalue, median, median_dim):
    _op.without("benchmark")
for _op in (nanmedian, nanmedian_dim, quantile, quantile_scalar, nanquantile, nanquantile_scalar):
    _op.without("benchmark")
diff.without("benchmark")
