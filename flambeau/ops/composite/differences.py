"""Sums over steps: areas below lines."""

from flambeau.ops.language import Error, dtypes, show, wrap_dim
from flambeau.ops.record import NUMERIC, composite
from flambeau.ops.samples import call, np, values


def neighbours(t, dim, ops):
    """The later and the earlier of each two neighbours."""
    size = t.size(dim)
    later = ops.slice_Tensor(t, dim, min(1, size), size)
    earlier = ops.slice_Tensor(t, dim, 0, max(size - 1, 0))
    return later, earlier


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


for _record in (
    trapezoid_x,
    trapezoid_dx,
    trapz_x,
    trapz_dx,
    cumulative_trapezoid_x,
    cumulative_trapezoid_dx,
):
    _record.without("benchmark")
