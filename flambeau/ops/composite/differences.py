"""Differences of neighbours and sums over steps, and sums that leave some elements out."""

from flambeau.ops.language import Error, dtype_name, dtypes, show, wrap_dim
from flambeau.ops.record import ALL, BOOL, FLOATING, NUMERIC, REAL, composite, native
from flambeau.ops.samples import call, np, values


def neighbours(t, dim, ops):
    """The later and the earlier of each two neighbours."""
    size = t.size(dim)
    later = ops.slice_Tensor(t, dim, min(1, size), size)
    earlier = ops.slice_Tensor(t, dim, 0, max(size - 1, 0))
    return later, earlier


@composite(
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor"
)
def diff(self, n, dim, prepend, append, ops):
    """The differences of neighbours along a dimension, ``n`` times over; of bools, whether they
    differ. ``prepend`` and ``append`` are joined to the tensor first.

    >>> flambeau.diff(flambeau.tensor([1, 4, 9, 16]), n=2)
    tensor([2, 2])
    """
    if self.dim() == 0:
        raise Error("diff: diff expects input to be at least one-dimensional")
    if n < 0:
        raise Error(f"diff: order must be non-negative but got {n}")
    d = wrap_dim(dim, self.dim(), "diff")
    parts = [self]
    if prepend is not None:
        if prepend.dim() != self.dim():
            raise Error(
                "diff: diff expects prepend or append to be the same dimension as input, got "
                f"{prepend.dim()}-D and {self.dim()}-D"
            )
        parts.insert(0, prepend)
    if append is not None:
        if append.dim() != self.dim():
            raise Error(
                "diff: diff expects prepend or append to be the same dimension as input, got "
                f"{append.dim()}-D and {self.dim()}-D"
            )
        parts.append(append)
    whole = self
    if len(parts) > 1:
        whole = ops.cat(parts, d)
    if n == 0:
        return ops.clone(whole)
    result = whole
    if n >= whole.size(d):  # nothing is left, which one step shows as well as many
        result = ops.slice_Tensor(whole, d, 0, 1)
    for _ in range(1 if n >= whole.size(d) else n):
        later, earlier = neighbours(result, d, ops)
        if result.dtype == dtypes.bool:
            result = ops.logical_xor(later, earlier)
        else:
            result = ops.sub_Tensor(later, earlier, 1)
    return result


diff.samples(
    call(values(2, 5)),
    call(values(2, 5), 2, 0),
    call(values(4), 3),
    call(values(2, 3), 0),
    call(values(2, 3), 1, 1, values(2, 1), values(2, 2)),
    call(values(0, 3), 1, 0),
    dtypes=ALL,
)


@diff.reference
def _(x, n=1, dim=-1, prepend=None, append=None):
    parts = [part for part in (prepend, x, append) if part is not None]
    x = np.concatenate(parts, dim)
    return np.diff(x, min(n, x.shape[dim]), dim)


def steps_along(x, y, dim, ops):
    """What lies between places, in the shape of ``y``."""
    if x.dim() == 1:
        if x.size(0) != y.size(dim):
            raise Error(
                f"trapezoid: There must be one `x` value for each sample point: x has "
                f"{x.size(0)}, y has shape {show(y.shape)}"
            )
        sizes = [1] * y.dim()
        sizes[dim] = x.size(0)
        later, earlier = neighbours(ops.view(x, sizes), dim, ops)
        return ops.sub_Tensor(later, earlier, 1)
    wide = x
    if x.dim() < y.dim():
        sizes = [1] * (y.dim() - x.dim()) + list(x.shape)
        wide = ops.view(x, sizes)
    if wide.dim() <= dim:
        raise Error("trapezoid: `x` has no dimension to integrate over")
    later, earlier = neighbours(wide, dim, ops)
    return ops.sub_Tensor(later, earlier, 1)


def means(y, dim, ops):
    """Twice the mean of each two neighbours."""
    later, earlier = neighbours(y, dim, ops)
    return ops.add_Tensor(later, earlier, 1)


def no_bool(y, name):
    if y.dtype == dtypes.bool:
        raise Error(f"{name}: received a bool input for `x` or `y`, but bool is not supported")


@composite("trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", out=False, method=False)
def trapezoid_x(y, x, dim, ops):
    """The integral of samples ``y`` at places ``x``, by straight lines between them.

    >>> flambeau.trapezoid(flambeau.tensor([1., 2., 3.]), flambeau.tensor([0., 1., 3.]))
    tensor(6.5000)
    """
    no_bool(y, "trapezoid")
    no_bool(x, "trapezoid")
    d = wrap_dim(dim, y.dim(), "trapezoid")
    areas = ops.mul_Tensor(means(y, d, ops), steps_along(x, y, d, ops))
    return ops.div_Scalar(ops.sum_dim_IntList(areas, [d], False, None), 2.0)


@composite("trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", out=False, method=False)
def trapezoid_dx(y, dx, dim, ops):
    """The integral of samples ``y`` that lie ``dx`` apart.

    >>> flambeau.trapezoid(flambeau.tensor([1., 2., 3.]), dx=2)
    tensor(8.)
    """
    no_bool(y, "trapezoid")
    if isinstance(dx, bool) or isinstance(dx, complex):
        raise Error("trapezoid: Currently, we only support dx as a real number.")
    d = wrap_dim(dim, y.dim(), "trapezoid")
    whole = ops.sum_dim_IntList(means(y, d, ops), [d], False, None)
    return ops.mul_Scalar(ops.div_Scalar(whole, 2.0), dx)


@composite("trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", out=False, method=False)
def trapz_x(y, x, dim, ops):
    """The old name of `trapezoid`."""
    return ops.trapezoid_x(y, x, dim=dim)


@composite("trapz.dx(Tensor y, *, float dx=1, int dim=-1) -> Tensor", out=False, method=False)
def trapz_dx(y, dx, dim, ops):
    """The old name of `trapezoid`.

    >>> flambeau.trapz(flambeau.tensor([1., 2., 3.]))
    tensor(4.)
    """
    return ops.trapezoid_dx(y, dx=dx, dim=dim)


@composite(
    "cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", out=False, method=False
)
def cumulative_trapezoid_x(y, x, dim, ops):
    """The integrals of samples ``y`` at places ``x`` up to each place behind the first.

    >>> flambeau.cumulative_trapezoid(flambeau.tensor([1., 2., 3.]), flambeau.tensor([0., 1., 3.]))
    tensor([1.5000, 6.5000])
    """
    no_bool(y, "cumulative_trapezoid")
    no_bool(x, "cumulative_trapezoid")
    d = wrap_dim(dim, y.dim(), "cumulative_trapezoid")
    areas = ops.mul_Tensor(means(y, d, ops), steps_along(x, y, d, ops))
    return ops.div_Scalar(ops.cumsum(areas, d, None), 2.0)


@composite(
    "cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
    out=False,
    method=False,
)
def cumulative_trapezoid_dx(y, dx, dim, ops):
    """The integrals of samples ``y`` that lie ``dx`` apart, up to each behind the first.

    >>> flambeau.cumulative_trapezoid(flambeau.tensor([1., 2., 3.]))
    tensor([1.5000, 4.0000])
    """
    no_bool(y, "cumulative_trapezoid")
    if isinstance(dx, bool) or isinstance(dx, complex):
        raise Error("cumulative_trapezoid: Currently, we only support dx as a real number.")
    d = wrap_dim(dim, y.dim(), "cumulative_trapezoid")
    whole = ops.cumsum(means(y, d, ops), d, None)
    return ops.mul_Scalar(ops.div_Scalar(whole, 2.0), dx)


def areas_of(y, x, dim):
    if x.ndim == 1:
        x = x.reshape([-1 if i == dim % y.ndim else 1 for i in range(y.ndim)])
    x = x.reshape([1] * (y.ndim - x.ndim) + list(x.shape))
    later, earlier = np.split(y, [1], dim)[1], np.delete(y, -1, dim)
    return (later + earlier) * np.diff(x, axis=dim) / 2


trapezoid_x.samples(
    call(values(2, 5), values(5)),
    call(values(3, 4), values(3, 4), dim=0),
    call(values(2, 3, 4), values(3, 4), dim=1),
    dtypes=NUMERIC,
)
trapezoid_x.reference(lambda y, x, dim=-1: areas_of(y, x, dim).sum(dim), tolerance=16)
trapz_x.samples(call(values(2, 5), values(5)), dtypes=NUMERIC)
trapz_x.reference(lambda y, x, dim=-1: areas_of(y, x, dim).sum(dim), tolerance=16)
cumulative_trapezoid_x.samples(
    call(values(2, 5), values(5)), call(values(3, 4), values(3, 4), dim=0), dtypes=NUMERIC
)
cumulative_trapezoid_x.reference(lambda y, x, dim=-1: areas_of(y, x, dim).cumsum(dim), tolerance=16)


def steps_of(y, dx, dim):
    return areas_of(y, np.arange(y.shape[dim]) * dx, dim)


def kind_of(y):
    return y.dtype if y.dtype.kind in "fc" else np.float32


for _record in (trapezoid_dx, trapz_dx):
    _record.samples(
        call(values(2, 5)), call(values(3, 4), dx=0.5, dim=0), call(values(2, 1)), dtypes=NUMERIC
    )
    _record.reference(
        lambda y, dx=1, dim=-1: steps_of(y, dx, dim).sum(dim).astype(kind_of(y)), tolerance=16
    )
cumulative_trapezoid_dx.samples(
    call(values(2, 5)), call(values(3, 4), dx=0.5, dim=0), dtypes=NUMERIC
)
cumulative_trapezoid_dx.reference(
    lambda y, dx=1, dim=-1: steps_of(y, dx, dim).cumsum(dim).astype(kind_of(y)), tolerance=16
)


@native("trace(Tensor self) -> Tensor")
def trace(self, ops):
    """The sum of the diagonal of a matrix.

    >>> flambeau.trace(flambeau.tensor([[1., 2.], [3., 4.]]))
    tensor(5.)
    """
    if self.dim() != 2:
        raise Error(f"trace: expected a matrix, but got tensor with dim {self.dim()}")
    return ops.sum(ops.diagonal(self, 0, 0, 1), None)


trace.samples(call(values(3, 3)), call(values(2, 4)), call(values(0, 3)), dtypes=ALL)
trace.reference(np.trace)
trace.jvp("linear")


@trace.batching
def _(b, self):
    return self.first.diagonal(0, 1, 2).sum(-1)


@trace.gradient
def _(g, self, ops):
    ones = ops.eye_m(self.shape[0], self.shape[1], g.dtype, None, g.device, None)
    return ops.mul_Tensor(ones, g)


@composite(
    "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def nansum(self, dim, keepdim, dtype, ops):
    """The sum over ``dim``, or over all, in which NaN counts as 0.

    >>> flambeau.nansum(flambeau.tensor([1., float("nan"), 3.]))
    tensor(4.)
    """
    if self.is_complex():
        raise Error(f"nansum: nansum does not support complex inputs, got {dtype_name(self.dtype)}")
    if not self.is_floating_point():
        return ops.sum_dim_IntList(self, dim, keepdim, dtype)
    numbers = ops.masked_fill_Scalar(self, ops.isnan(self), 0)
    return ops.sum_dim_IntList(numbers, dim, keepdim, dtype)


nansum.samples(
    call(values(2, 3)), call(values(2, 3), [1], True), call(values(0, 3), 0), dtypes=REAL | BOOL
)
nansum.reference(
    lambda x, dim=None, keepdim=False, dtype=None: np.nansum(
        x, None if dim is None else tuple(np.atleast_1d(dim)), keepdims=keepdim
    ),
    tolerance=16,
)


@composite(
    "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) "
    "-> Tensor"
)
def nanmean(self, dim, keepdim, dtype, ops):
    """The mean over ``dim``, or over all, of what is not NaN.

    >>> flambeau.nanmean(flambeau.tensor([1., float("nan"), 3.]))
    tensor(2.)
    """
    if not self.is_floating_point() and not self.is_complex():
        raise Error(
            "nanmean: expected input to have floating point or complex dtype but got "
            f"{dtype_name(self.dtype)}"
        )
    there = ops.logical_not(ops.isnan(self))
    count = ops.sum_dim_IntList(there, dim, keepdim, None)
    return ops.div_Tensor(ops.nansum(self, dim, keepdim, dtype=dtype), count)


nanmean.samples(
    call(values(2, 3)), call(values(2, 3), [1], True), call(values(2, 3), 0), dtypes=FLOATING
)
nanmean.reference(
    lambda x, dim=None, keepdim=False, dtype=None: np.nanmean(
        x, None if dim is None else tuple(np.atleast_1d(dim)), keepdims=keepdim
    ),
    tolerance=16,
)

for _record in (
    diff,
    trapezoid_x,
    trapezoid_dx,
    trapz_x,
    trapz_dx,
    cumulative_trapezoid_x,
    cumulative_trapezoid_dx,
    nansum,
    nanmean,
    trace,
):
    _record.without("benchmark")
trace.without("autocast")
