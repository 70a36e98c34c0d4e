"""Cumulative sums and products."""

from flambeau.ops.language import (
    Error,
    Spec,
    conj_of_tensor,
    dtype_name,
    is_differentiable,
    same,
    show,
    wants_ops,
    wrap_dim,
)
from flambeau.ops.record import COMPLEX, FLOATING, structured
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
    wrap_dim(dim, self.dim(), "cumsum")
    return Spec(self.shape, sum_dtype(self.dtype, dtype))


def summed_back(g, dim, ops):
    """The sums from the other end."""
    if g.dim() == 0 or g.numel() == 0:
        return g
    turned = ops.cumsum(ops.flip(g, [dim]), dim)
    return ops.flip(turned, [dim])


@cumsum.gradient
def _(g, self, dim, ops):
    return ops.to_dtype(summed_back(g, dim, ops), self.dtype)


@structured(
    "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
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


@cumprod.rule
def _(self, dim, dtype):
    wrap_dim(dim, self.dim(), "cumprod")
    return Spec(self.shape, sum_dtype(self.dtype, dtype))


def products_back(g, t, dim, ops):
    """The gradient of ``cumprod`` by ops.

    Where an element is zero the quotient of a result and it has no meaning; the sum over the
    products without it has, and is differentiable everywhere: for each element, the products that
    it is part of with one in its place.
    """
    d = wrap_dim(dim, t.dim(), "cumprod_backward")
    n = t.shape[d]
    x = ops.transpose_int(t, d, -1)
    gx = ops.transpose_int(g, d, -1)
    last = t.dim() - 1
    edge = list(x.shape)
    edge[last] = 1
    columns = []
    for k in range(n):
        one = ops.new_ones(x, edge)
        rest = ops.slice_Tensor(x, last, k + 1, n)
        behind = ops.cumprod(ops.cat([one, rest], last), last)
        terms = ops.slice_Tensor(gx, last, k, n) * conj_of_tensor(behind, ops)
        total = ops.sum_dim_IntList(terms, [last])
        if k > 0:
            before = ops.prod_dim_int(ops.slice_Tensor(x, last, 0, k), last)
            total = total * conj_of_tensor(before, ops)
        columns.append(total)
    return ops.transpose_int(ops.stack(columns, last), d, -1)


@cumprod.gradient
def _(g, self, dim, ops):
    if self.dim() == 0 or self.numel() <= 1:
        return g
    if not wants_ops(g, self, False):
        return ops._cumprod_grad(g, self, dim)
    return products_back(g, self, dim, ops)


# Gradients of products of a line, where they are not differentiated again.
_LINE = {
    "function_variant": False,
    "method": False,
    "no_gradient": "used where gradients are not differentiated again",
}


@structured(
    "_prod_others(Tensor self, int dim) -> Tensor",
    cpu="cpu::prod_others(result, self, dim)",
    **_LINE,
)
def _prod_others():
    """The products of all elements along ``dim`` but each one, without overflow on the way."""


_prod_others.batching("dims")


@_prod_others.rule
def _(self, dim):
    wrap_dim(dim, self.dim(), "_prod_others")
    if not is_differentiable(self.dtype):
        raise NotImplementedError(f"_prod_others: not implemented for {dtype_name(self.dtype)}")
    return Spec(self.shape, self.dtype)


_prod_others.samples(
    call(values(2, 3), 1), call(values(4, 2), 0), call(values(0, 3), 1), dtypes=FLOATING | COMPLEX
)
_prod_others.reference(
    lambda x, dim: np.stack([np.prod(np.delete(x, i, dim), dim) for i in range(x.shape[dim])], dim),
    tolerance=16,
)


@structured(
    "_cumprod_grad(Tensor grad, Tensor self, int dim) -> Tensor",
    cpu="cpu::cumprod_grad(result, grad, self, dim)",
    **_LINE,
)
def _cumprod_grad():
    """The gradient of ``cumprod``, without overflow on the way."""


def _cumprod_slopes(g, x, dim):
    """The sum of ``g[m]`` times the products of ``x[: m + 1]`` without one element, one by one."""
    g, x = np.moveaxis(g, dim, 0), np.moveaxis(x, dim, 0)
    out = np.zeros_like(x)
    for k in range(len(x)):
        for m in range(k, len(x)):
            out[k] += g[m] * np.conj(np.prod(np.delete(x[: m + 1], k, 0), 0))
    return np.moveaxis(out, 0, dim)


_cumprod_grad.batching("dims")


@_cumprod_grad.rule
def _(grad, self, dim):
    wrap_dim(dim, self.dim(), "_cumprod_grad")
    if not is_differentiable(self.dtype):
        raise NotImplementedError(f"_cumprod_grad: not implemented for {dtype_name(self.dtype)}")
    if not same(grad.shape, self.shape):
        raise Error(
            f"_cumprod_grad: the gradient has shape {show(grad.shape)} and the input "
            f"{show(self.shape)}; they have to be the same"
        )
    return Spec(self.shape, self.dtype)


_cumprod_grad.samples(
    call(values(2, 3), values(2, 3), 1),
    call(values(4, 2), values(4, 2), 0),
    call(values(0, 3), values(0, 3), 1),
    dtypes=FLOATING | COMPLEX,
)
_cumprod_grad.reference(_cumprod_slopes, tolerance=32)
