"""Reductions into places that a tensor names."""

from flambeau.ops.index.scatter import scattered
from flambeau.ops.language import (
    Error,
    dtype_name,
    dtypes,
    is_integral,
    same,
    show,
    wrap_dim,
)
from flambeau.ops.record import BOOL, REAL, composite, native, structured
from flambeau.ops.samples import call, ints, values


@structured(
    "_scatter_extreme(Tensor self, int dim, Tensor index, Tensor src, bool largest) -> Tensor",
    cpu="_scatter_extreme",
    function_variant=False,
    method=False,
    checks_values=True,
    no_gradient="used below ops that have one",
)
def _scatter_extreme():
    """A copy in which the largest or smallest of what is there and what comes there stays."""


@_scatter_extreme.rule
def _(self, dim, index, src, largest):
    if self.is_complex():
        raise Error("_scatter_extreme: complex numbers have no order")
    return scattered("_scatter_extreme", self, dim, index, src)


_scatter_extreme.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), True),
    call(values(3), 0, ints([2, 2]), values(2), False),
    dtypes=REAL | BOOL,
)


def check_kind(op, reduce):
    known = reduce == "sum" or reduce == "prod" or reduce == "mean"
    if not known and reduce != "amax" and reduce != "amin":
        raise Error(
            f"{op}: reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )


def narrowed(t, sizes, ops):
    """The first elements along each dimension, as many as the index has."""
    made = t
    for d in range(t.dim()):
        if t.shape[d] != sizes[d]:
            made = ops.slice_Tensor(made, d, 0, sizes[d])
    return made


def widened(t, sizes, ops):
    """Zeros behind, where the index does not reach."""
    used = t
    for d, n in enumerate(sizes):
        reached = used.size(d)
        if reached != n:
            padded = list(used.shape)
            padded[d] = n
            used = ops.slice_backward(used, padded, d, 0, reached, 1)
    return used


def counts_like(t, src, dim, index, include_self, ops):
    """How many elements come to each place."""
    start = ops.ones_like(t) if include_self else ops.zeros_like(t)
    counts = ops.scatter_add(start, dim, index, ops.ones_like(src))
    return ops.masked_fill_Scalar(counts, ops.eq_Scalar(counts, 0), 1)


def scattered_sum(self, dim, index, src, reduce, include_self, ops):
    base = self if include_self else ops.scatter_value(self, dim, index, 0)
    total = ops.scatter_add(base, dim, index, src)
    if reduce == "sum":
        return total
    counts = counts_like(self, src, dim, index, include_self, ops)
    if is_integral(self.dtype, True):
        return ops.div_Tensor_mode(total, counts, "floor")
    return ops.div_Tensor(total, counts)


@native(
    "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, "
    "bool include_self=True) -> Tensor",
    inplace=True,
    out=True,
)
def scatter_reduce(self, dim, index, src, reduce, include_self, ops):
    """A copy with the sum, product, mean, largest or smallest of what comes to each place.

    ``include_self``: with what is there already.

    >>> flambeau.zeros(2).scatter_reduce(
    ...     0, flambeau.tensor([1, 1]), flambeau.tensor([3., 2.]), "amax")
    tensor([0., 3.])
    """
    check_kind("scatter_reduce", reduce)
    logical = self.dtype == dtypes.bool
    if self.is_complex() or (logical and reduce == "mean"):
        raise NotImplementedError(
            f"scatter_reduce: not implemented for '{dtype_name(self.dtype)}': convert with "
            ".to(torch.float32)"
        )
    scattered("scatter_reduce", self, dim, index, src)
    if logical:
        kind = "amax" if reduce in ("sum", "amax") else "amin"  # or, and
        digits = ops.to_dtype(self, dtypes.uint8)
        found = ops.scatter_reduce_two(
            digits, dim, index, ops.to_dtype(src, dtypes.uint8), kind, include_self=include_self
        )
        return ops.to_dtype(found, dtypes.bool)
    if index.numel() == 0:
        return ops.clone(self)
    if reduce == "sum" or reduce == "mean":
        return scattered_sum(self, dim, index, src, reduce, include_self, ops)
    if reduce == "prod":
        base = self if include_self else ops.scatter_value(self, dim, index, 1)
        return ops.scatter_reduce(base, dim, index, src, "multiply")
    base = self
    if not include_self:
        d = wrap_dim(dim, self.dim(), "scatter_reduce")
        base = ops.scatter_src(self, d, index, src)
    return ops._scatter_extreme(base, dim, index, src, reduce == "amax")


def both_of_product(g, self, dim, index, src, result, include_self, ops):
    """The gradients of a product: a single zero is left out of the rest, more make all 0."""
    plain = ops.masked_fill_Scalar(self, ops.eq_Scalar(self, 0), 1)
    rest = ops.scatter_reduce_two(plain, dim, index, src, "prod", include_self=include_self)
    to_self = ops.div_Tensor(g * rest, plain)
    zero = ops.eq_Scalar(src, 0)
    marks = ops.to_dtype(zero, self.dtype)
    zeros = ops.scatter_add(ops.zeros_like(self), dim, index, marks)
    single = ops.logical_and(zero, ops.eq_Scalar(ops.gather(zeros, dim, index), 1))
    others = ops.scatter_reduce_two(
        self,
        dim,
        index,
        ops.masked_fill_Scalar(src, single, 1),
        "prod",
        include_self=include_self,
    )
    shares = ops.div_Tensor(
        ops.gather(g * result, dim, index), ops.masked_fill_Scalar(src, zero, 1)
    )
    return to_self, ops.where_self(single, ops.gather(g * others, dim, index), shares)


@scatter_reduce.gradient
def _(g, self, dim, index, src, result, reduce, include_self, ops):
    if index.numel() == 0:
        return g, None, ops.zeros_like(src)
    used = narrowed(src, index.shape, ops)
    to_self, to_src = g, g
    if reduce == "sum":
        to_src = ops.gather(g, dim, index)
    elif reduce == "mean":
        to_self = ops.div_Tensor(g, counts_like(g, used, dim, index, include_self, ops))
        to_src = ops.gather(to_self, dim, index)
    elif reduce == "prod":
        to_self, to_src = both_of_product(g, self, dim, index, used, result, include_self, ops)
    else:
        own = ops.to_dtype(ops.eq_Tensor(self, result), g.dtype)
        came = ops.to_dtype(ops.eq_Tensor(used, ops.gather(result, dim, index)), g.dtype)
        base = own if include_self else ops.scatter_value(own, dim, index, 0)
        shares = ops.div_Tensor(g, ops.scatter_add(base, dim, index, came))
        to_self, to_src = own * shares, came * ops.gather(shares, dim, index)
    if not include_self:
        to_self = ops.scatter_value(to_self, dim, index, 0)
    return to_self, None, widened(to_src, src.shape, ops)


_KINDS = ("sum", "prod", "mean", "amax", "amin")
scatter_reduce.samples(
    *(
        call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 3), reduce, include_self=own)
        for reduce in sorted(_KINDS, key="mean".__ne__)  # first what bool does not have
        for own in (True, False)
    ),
    dtypes=REAL,
)


@composite(
    "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, "
    "bool include_self=True) -> Tensor",
    inplace=True,
    out=True,
)
def index_reduce(self, dim, index, source, reduce, include_self, ops):
    """``scatter_reduce`` of the slices that a vector of indices names.

    >>> flambeau.ones(2).index_reduce(
    ...     0, flambeau.tensor([1, 1]), flambeau.tensor([3., 2.]), "prod")
    tensor([1., 6.])
    """
    if reduce != "prod" and reduce != "mean" and reduce != "amax" and reduce != "amin":
        raise Error(
            f"index_reduce: reduce argument must be either prod, mean, amax or amin, got {reduce}"
        )
    if self.is_complex() or self.dtype == dtypes.bool:
        raise NotImplementedError(
            f"index_reduce: not implemented for '{dtype_name(self.dtype)}': convert with "
            ".to(torch.float32)"
        )
    d = wrap_dim(dim, self.dim(), "index_reduce")
    if index.dim() > 1:
        raise Error(f"index_reduce: Index is supposed to be a vector, got {show(index.shape)}")
    if self.dim() != source.dim():
        raise Error(
            f"index_reduce: source of shape {show(source.shape)} does not fit self of shape "
            f"{show(self.shape)}"
        )
    if self.dim() == 0:
        return ops.scatter_reduce_two(
            self, 0, ops.reshape(index, []), source, reduce, include_self=include_self
        )
    wanted = list(self.shape)
    wanted[d] = index.numel()
    if not same(wanted, source.shape):
        raise Error(
            f"index_reduce: expected source of shape {show(wanted)}, as {index.numel()} slices of "
            f"self have, got {show(source.shape)}"
        )
    sizes = [1] * self.dim()
    sizes[d] = index.numel()
    places = ops.expand(ops.view(index, sizes), source.shape)
    return ops.scatter_reduce_two(self, d, places, source, reduce, include_self=include_self)


index_reduce.samples(
    *(call(values(3, 2), 0, ints([2, 0, 2]), values(3, 2), reduce) for reduce in _KINDS[1:]),
    call(values(2, 3), 1, ints([2]), values(2, 1), "amax", include_self=False),
    dtypes=REAL,
)


# ---- fill


def wrapped_places(op, self, dim, index, ops):
    """The places of a vector of indices in all lines; negative ones count from behind."""
    if index.dim() > 1:
        raise IndexError(f"{op}: Index is supposed to be a vector, got {show(index.shape)}")
    if index.dtype != dtypes.int64 and index.dtype != dtypes.int32:
        raise IndexError(
            f"{op}: Expected dtype int64 or int32 for index, got {dtype_name(index.dtype)}"
        )
    d = wrap_dim(dim, self.dim(), op)
    length = 1 if self.dim() == 0 else self.shape[d]
    whole = ops.to_dtype(index, dtypes.int64)
    behind = ops.lt_Scalar(whole, 0)
    places = ops.where_self(behind, ops.add_Scalar(whole, length), whole)
    if self.dim() == 0:
        return ops.reshape(places, [places.numel()])
    sizes = [1] * self.dim()
    sizes[d] = places.numel()
    shape = list(self.shape)
    shape[d] = places.numel()
    return ops.expand(ops.view(places, sizes), shape)


@composite(
    "index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    inplace=True,
)
def index_fill(self, dim, index, value, ops):
    """A copy with one value in the slices that a vector of indices names.

    >>> flambeau.zeros(3).index_fill(0, flambeau.tensor([0, 2]), 1)
    tensor([1., 0., 1.])
    """
    places = wrapped_places("index_fill", self, dim, index, ops)
    if self.dim() == 0:
        line = ops.scatter_value(ops.reshape(self, [1]), 0, places, value)
        return ops.reshape(line, [])
    return ops.scatter_value(self, dim, places, value)


@composite(
    "index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
    inplace=True,
)
def index_fill_tensor(self, dim, index, value, ops):
    """The same with the value of a 0-dim tensor."""
    if value.dim() != 0:
        raise Error(
            "index_fill: index_fill_ only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.dim()} dimension(s)."
        )
    places = wrapped_places("index_fill", self, dim, index, ops)
    mask = ops.zeros_like(self, dtypes.bool)
    if self.dim() == 0:
        mask = ops.reshape(ops.scatter_value(ops.reshape(mask, [1]), 0, places, True), [])
    else:
        mask = ops.scatter_value(mask, dim, places, True)
    return ops.where_self(mask, ops.to_dtype(value, self.dtype), self)


index_fill.samples(call(values(3, 2), 0, ints([2, 0]), 1), call(values(2, 3), 1, ints([-1]), 0))
index_fill_tensor.samples(call(values(3, 2), 0, ints([2, 0]), values()))
_scatter_extreme.batching("dims")
_scatter_extreme.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
scatter_reduce.batching("dims")
scatter_reduce.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
for _record in (index_reduce, index_fill, index_fill_tensor):
    _record.without("benchmark")
