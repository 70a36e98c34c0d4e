"""Cumulative sums and products."""

from flambeau.ops.language import Spec, wrap_dim
from flambeau.ops.record import structured
from flambeau.ops.reduce.dims import sum_dtype
from flambeau.ops.samples import call, np, values


@structured(
    "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
    cpu="cpu::cumsum(result, self, dim)",
    out=True,
    inplace=True,
)
def cumsum():
    """Running sums along a dimension.

    >>> flambeau.cumsum(flambeau.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """


cumsum.samples(call(values(2, 3), 1), call(values(2, 3), 0), call(values(0, 3), 1))
cumsum.reference(np.cumsum, tolerance=16)
cumsum.batching("dims")
cumsum.jvp("linear")


@cumsum.rule
def _(self, dim, dtype):
    wrap_dim(dim, self.dim(), "cumsum/cumprod")
    return Spec(self.shape, sum_dtype(self.dtype, dtype))


@cumsum.gradient
def _(g, self, dim, cxx):
    return cxx.cumsum_backward(g, dim, self.dtype)


@structured(
    "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
    shape="cumulative(self, dim, dtype)",
    cpu="cpu::cumprod(result, self, dim)",
    out=True,
    inplace=True,
)
def cumprod():
    """Running products along a dimension.

    >>> flambeau.cumprod(flambeau.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """


cumprod.samples(call(values(2, 3), 1), call(values(2, 3), 0), call(values(0, 3), 1))
cumprod.reference(np.cumprod, tolerance=16)
cumprod.batching("dims")


@cumprod.gradient
def _(g, self, result, dim, cxx):
    return cxx.cumprod_backward(g, self, dim, result)
