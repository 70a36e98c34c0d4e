"""Largest and smallest elements, and truth over dimensions."""

from flambeau.ops.language import Error, Spec, dtypes, scalar_type_name
from flambeau.ops.order.sorting import put_back
from flambeau.ops.record import BOOL, REAL, composite, structured
from flambeau.ops.reduce.dims import reduced_dims, reduced_sizes, restored
from flambeau.ops.samples import call, np, values


@structured(
    "amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
    cpu="cpu::amax(result, self, shape::dims_of(self, dim))",
    out=True,
)
def amax():
    """The largest element along dimensions; NaN wins.

    >>> flambeau.amax(flambeau.tensor([[1, 5], [3, 2]]), dim=1)
    tensor([5, 3])
    """


amax.samples(
    call(values(2, 3)),
    call(values(2, 3), [1], True),
    call(values(2, 3, 2), [0, -1]),
    call(values(0, 3), [1]),
    call(values()),
    dtypes=REAL | BOOL,
)
amax.reference(lambda x, dim=(), keepdim=False: np.amax(x, tuple(dim) or None, keepdims=keepdim))
amax.batching("reduce")


def check_real(self, op):
    if self.is_complex():
        raise NotImplementedError(
            f"{op}(): \"{op}\" not implemented for '{scalar_type_name(self.dtype)}': complex "
            "numbers have no order"
        )


def check_not_empty(self, dims, op):
    """The largest of no elements does not exist."""
    for d in dims:
        if self.shape[d] == 0:
            raise IndexError(f"{op}(): Expected reduction dim {d} to have non-zero size.")


def check_any_element(self, op):
    if self.numel() == 0:
        raise Error(
            f"{op}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument."
        )


def extreme(self, dim, keepdim, op):
    dims = reduced_dims(self.dim(), dim, op)
    if dim:
        check_not_empty(self, dims, op)
    else:
        check_any_element(self, op)
    if self.numel() != 0:
        check_real(self, op)
    return Spec(reduced_sizes(self.shape, dims, keepdim), self.dtype)


@amax.rule
def _(self, dim, keepdim):
    return extreme(self, dim, keepdim, "amax")


def evenly(g, t, result, dim, keepdim, ops):
    """A gradient in equal parts to the elements that are equal to the result."""
    wide = restored(g, t.dim(), dim, keepdim, ops)
    best = restored(result, t.dim(), dim, keepdim, ops)
    at = ops.eq_Tensor(t, best)
    ties = ops.sum_dim_IntList(at, dim, True)
    return wide / ties * at


def evenly_over_all(g, t, result, ops):
    # A NaN is equal to none, but it comes from those that are NaN.
    at = ops.where_self(ops.isnan(result), ops.isnan(t), ops.eq_Tensor(t, result))
    return g / ops.sum(at) * at


@amax.gradient
def _(g, self, result, dim, keepdim, ops):
    return evenly(g, self, result, dim, keepdim, ops)


@structured(
    "amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
    cpu="cpu::amin(result, self, shape::dims_of(self, dim))",
    out=True,
)
def amin():
    """The smallest element along dimensions; NaN wins.

    >>> flambeau.amin(flambeau.tensor([[1, 5], [3, 2]]), dim=1)
    tensor([1, 2])
    """


amin.samples(
    call(values(2, 3)),
    call(values(2, 3), [1], True),
    call(values(2, 3, 2), [0, -1]),
    call(values(0, 3), [1]),
    call(values()),
    dtypes=REAL | BOOL,
)
amin.reference(lambda x, dim=(), keepdim=False: np.amin(x, tuple(dim) or None, keepdims=keepdim))
amin.batching("reduce")


@amin.rule
def _(self, dim, keepdim):
    return extreme(self, dim, keepdim, "amin")


@amin.gradient
def _(g, self, result, dim, keepdim, ops):
    return evenly(g, self, result, dim, keepdim, ops)


@structured(
    "max(Tensor self) -> Tensor",
    node="MaxBackward1",
    cpu="cpu::amax(result, self, shape::all_dims(self))",
    out=True,
    out_overload="unary_out",
)
def max():
    """The largest element; with ``dim``, (values, indices) along it; with a tensor, ``maximum``.

    >>> flambeau.max(flambeau.tensor([1, 5, 3]))
    tensor(5)
    """


max.samples(call(values(2, 3)), call(values()), dtypes=REAL | BOOL)
max.reference(np.amax)


def extreme_of_all(self, op):
    check_real(self, op)
    check_any_element(self, op)
    return Spec([], self.dtype)


@max.rule
def _(self):
    return extreme_of_all(self, "max")


@max.batching
def _(b, self):
    return b.ops.amax(b.flat(self), [1])


@max.gradient
def _(g, self, result, ops):
    return evenly_over_all(g, self, result, ops)


@composite("max.other(Tensor self, Tensor other) -> Tensor", out=True, out_overload="out")
def max_other(self, other, ops):
    """``maximum``."""
    return ops.maximum(self, other)


max_other.samples(call(values(2, 3), values(3)), call(values(), values()), dtypes=REAL | BOOL)
max_other.reference(np.maximum)


@structured(
    "max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    node="MaxBackward0",
    cpu="cpu::max(values, indices, self, shape::wrap(self, dim))",
    differentiable=(0,),
    out=True,
    out_overload="dim_max",
    places=(1,),
)
def max_dim():
    """The largest elements along a dimension, and where they are."""


max_dim.samples(
    call(values(2, 3), 1), call(values(2, 3), 0, True), call(values(0, 3), 1), dtypes=REAL | BOOL
)
max_dim.reference(
    lambda x, dim, keepdim=False: (
        np.amax(x, dim, keepdims=keepdim),
        np.argmax(x, dim, keepdims=keepdim),
    )
)
max_dim.batching("dims")


def extreme_with_indices(self, dim, keepdim, op):
    if self.is_complex():
        raise Error(f"{op}(): does not support complex input")
    dims = reduced_dims(self.dim(), [dim], op)
    check_not_empty(self, dims, op)
    sizes = reduced_sizes(self.shape, dims, keepdim)
    return Spec(sizes, self.dtype), Spec(sizes, dtypes.int64)


@max_dim.rule
def _(self, dim, keepdim):
    return extreme_with_indices(self, dim, keepdim, "max")


@max_dim.jvp
def _(t, self, dim, keepdim, result):
    if not self.dim():
        return t.get("self"), None
    picked = result[1] if keepdim else result[1].unsqueeze(dim)
    moved = t.get("self").gather(dim, picked)
    return (moved if keepdim else moved.squeeze(dim)), None


@max_dim.gradient
def _(g, self, indices, dim, keepdim, ops):
    return put_back(g, dim, indices, self.shape, keepdim, ops)


@structured(
    "min(Tensor self) -> Tensor",
    node="MinBackward1",
    cpu="cpu::amin(result, self, shape::all_dims(self))",
    out=True,
    out_overload="unary_out",
)
def min():
    """The smallest element; with ``dim``, (values, indices) along it; with a tensor, ``minimum``.

    >>> flambeau.min(flambeau.tensor([4, 2, 3]))
    tensor(2)
    """


min.samples(call(values(2, 3)), call(values()), dtypes=REAL | BOOL)
min.reference(np.amin)


@min.rule
def _(self):
    return extreme_of_all(self, "min")


@min.batching
def _(b, self):
    return b.ops.amin(b.flat(self), [1])


@min.gradient
def _(g, self, result, ops):
    return evenly_over_all(g, self, result, ops)


@composite("min.other(Tensor self, Tensor other) -> Tensor", out=True, out_overload="out")
def min_other(self, other, ops):
    """``minimum``."""
    return ops.minimum(self, other)


min_other.samples(call(values(2, 3), values(3)), call(values(), values()), dtypes=REAL | BOOL)
min_other.reference(np.minimum)


@structured(
    "min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    node="MinBackward0",
    cpu="cpu::min(values, indices, self, shape::wrap(self, dim))",
    differentiable=(0,),
    out=True,
    out_overload="dim_min",
    places=(1,),
)
def min_dim():
    """The smallest elements along a dimension, and where they are."""


min_dim.samples(
    call(values(2, 3), 1), call(values(2, 3), 0, True), call(values(0, 3), 1), dtypes=REAL | BOOL
)
min_dim.reference(
    lambda x, dim, keepdim=False: (
        np.amin(x, dim, keepdims=keepdim),
        np.argmin(x, dim, keepdims=keepdim),
    )
)
min_dim.batching("dims")


@min_dim.rule
def _(self, dim, keepdim):
    return extreme_with_indices(self, dim, keepdim, "min")


@min_dim.jvp
def _(t, self, dim, keepdim, result):
    if not self.dim():
        return t.get("self"), None
    picked = result[1] if keepdim else result[1].unsqueeze(dim)
    moved = t.get("self").gather(dim, picked)
    return (moved if keepdim else moved.squeeze(dim)), None


@min_dim.gradient
def _(g, self, indices, dim, keepdim, ops):
    return put_back(g, dim, indices, self.shape, keepdim, ops)


@structured(
    "aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
    cpu="cpu::aminmax(min, max, self, shape::one_or_all_dims(self, dim))",
    out=True,
)
def aminmax():
    """The smallest and the largest element, of all or along a dimension; NaN wins.

    >>> flambeau.aminmax(flambeau.tensor([4, 2, 3]))
    torch.return_types.aminmax(
    min=tensor(2),
    max=tensor(4))
    """


aminmax.samples(call(values(2, 3)), call(values(2, 3), dim=1, keepdim=True), dtypes=REAL | BOOL)
aminmax.reference(
    lambda x, dim=None, keepdim=False: (
        np.amin(x, dim, keepdims=keepdim),
        np.amax(x, dim, keepdims=keepdim),
    )
)


def one_or_all(self, dim, op):
    """The dimensions of an op that reduces one, or all where none is named."""
    if dim is None:
        return list(range(self.dim()))
    return reduced_dims(self.dim(), [dim], op)


@aminmax.rule
def _(self, dim, keepdim):
    check_real(self, "aminmax")
    dims = one_or_all(self, dim, "aminmax")
    if dim is None:
        check_any_element(self, "aminmax")
    for d in dims:
        if dim is not None and self.shape[d] == 0:
            raise IndexError(f"aminmax(): Expected reduction dim {d} to have non-zero size.")
    sizes = reduced_sizes(self.shape, dims, keepdim)
    return Spec(sizes, self.dtype), Spec(sizes, self.dtype)


@aminmax.batching
def _(b, self, dim, keepdim):
    return b.along(self, dim, keepdim, lambda x, d, keep: b.op(x, dim=d, keepdim=keep))


@aminmax.gradient
def _(grads, self, min, max, dim, keepdim, ops):
    def spread(g, result):
        if g is None:
            return None
        if dim is None:
            return evenly_over_all(g, self, result, ops)
        return evenly(g, self, result, [dim], keepdim, ops)

    from_min = spread(grads[0], min)
    from_max = spread(grads[1], max)
    if from_min is None:
        return from_max
    return from_min if from_max is None else from_min + from_max


@structured(
    "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
    cpu="cpu::argmax(result, self, dim)",
    out=True,
    places=(0,),
)
def argmax():
    """The index of the first largest element, of all or along a dimension.

    >>> flambeau.argmax(flambeau.tensor([1, 5, 3]))
    tensor(1)
    """


argmax.samples(call(values(2, 3)), call(values(2, 3), 1), call(values(2, 3), 0, True), dtypes=REAL)
argmax.reference(lambda x, dim=None, keepdim=False: np.argmax(x, dim, keepdims=keepdim))


def place_of_extreme(self, dim, keepdim, op):
    if self.is_complex() or self.dtype == dtypes.bool:
        kind = "complex" if self.is_complex() else "bool"
        raise Error(f"{op}(): does not support {kind} input")
    dims = one_or_all(self, dim, op)
    if dim is None:
        if self.numel() == 0:
            raise IndexError(
                f"{op}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the reduction dim with the 'dim' argument."
            )
    else:
        check_not_empty(self, dims, op)
    return Spec(reduced_sizes(self.shape, dims, keepdim), dtypes.int64)


@argmax.rule
def _(self, dim, keepdim):
    return place_of_extreme(self, dim, keepdim, "argmax")


@argmax.batching
def _(b, self, dim, keepdim):
    return b.along(self, dim, keepdim, lambda x, d, keep: b.op(x, d, keep))


@structured(
    "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
    cpu="cpu::argmin(result, self, dim)",
    out=True,
    places=(0,),
)
def argmin():
    """The index of the first smallest element, of all or along a dimension.

    >>> flambeau.argmin(flambeau.tensor([4, 2, 3]))
    tensor(1)
    """


argmin.samples(call(values(2, 3)), call(values(2, 3), 1), call(values(2, 3), 0, True), dtypes=REAL)
argmin.reference(lambda x, dim=None, keepdim=False: np.argmin(x, dim, keepdims=keepdim))


@argmin.rule
def _(self, dim, keepdim):
    return place_of_extreme(self, dim, keepdim, "argmin")


@argmin.batching
def _(b, self, dim, keepdim):
    return b.along(self, dim, keepdim, lambda x, d, keep: b.op(x, d, keep))


@structured(
    "any(Tensor self) -> Tensor",
    cpu="cpu::any(result, self, shape::all_dims(self))",
    out=True,
    out_overload="all_out",
)
def any():
    """Whether some element is nonzero.

    >>> flambeau.any(flambeau.tensor([False, True]))
    tensor(True)
    """


any.samples(call(values(2, 3)), call(values()), call(values(0, 3)))
any.reference(np.any)


def truth_dtype(dtype):
    """uint8 stood for truth values before bool existed, and keeps its dtype."""
    return dtypes.uint8 if dtype == dtypes.uint8 else dtypes.bool


def truth(self, dim, keepdim, op):
    sizes = reduced_sizes(self.shape, reduced_dims(self.dim(), dim, op), keepdim)
    return Spec(sizes, truth_dtype(self.dtype))


def truth_over(self, dim, keepdim, op):
    """Unlike other reductions: an empty list names no dimension."""
    if dim is None:
        return truth(self, list(range(self.dim())), keepdim, op)
    if not dim:
        return Spec(self.shape, truth_dtype(self.dtype))
    return truth(self, dim, keepdim, op)


def truth_of_batch(b, self, dim, keepdim):
    named = list(range(self.rank)) if dim is None else dim
    if not self.rank:
        named = []
    return b.op(self.full, b.shifted(named, self.rank), keepdim)


@any.rule
def _(self):
    return Spec([], truth_dtype(self.dtype))


@any.batching
def _(b, self):
    return b.op_of("dim")(b.flat(self), 1)


@structured(
    "any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    cpu="cpu::any(result, self, shape::one_dim(self, dim))",
    out=True,
    out_overload="out",
)
def any_dim():
    """Whether some element along a dimension is nonzero."""


any_dim.samples(call(values(2, 3), 1), call(values(0, 3), 0, True))
any_dim.reference(lambda x, dim, keepdim=False: np.any(x, dim, keepdims=keepdim))
any_dim.batching("dims")


@any_dim.rule
def _(self, dim, keepdim):
    return truth(self, [dim], keepdim, "any")


@structured(
    "any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
    cpu="cpu::any(result, self, shape::named_dims(self, dim))",
    out=True,
    out_overload="dims_out",
)
def any_dims():
    """Whether some element along dimensions is nonzero."""


any_dims.samples(
    call(values(2, 3)),
    call(values(2, 3), []),
    call(values(2, 3), [0, 1]),
    call(values(0, 3), [0], True),
)
any_dims.reference(
    lambda x, dim=None, keepdim=False: np.any(
        x, None if dim is None else tuple(dim), keepdims=keepdim
    )
)


@any_dims.batching
def _(b, self, dim, keepdim):
    return truth_of_batch(b, self, dim, keepdim)


@any_dims.rule
def _(self, dim, keepdim):
    return truth_over(self, dim, keepdim, "any")


@structured(
    "all(Tensor self) -> Tensor",
    cpu="cpu::all(result, self, shape::all_dims(self))",
    out=True,
    out_overload="all_out",
)
def all():
    """Whether every element is nonzero.

    >>> flambeau.all(flambeau.tensor([False, True]))
    tensor(False)
    """


all.samples(call(values(2, 3)), call(values()), call(values(0, 3)))
all.reference(np.all)


@all.rule
def _(self):
    return Spec([], truth_dtype(self.dtype))


@all.batching
def _(b, self):
    return b.op_of("dim")(b.flat(self), 1)


@structured(
    "all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    cpu="cpu::all(result, self, shape::one_dim(self, dim))",
    out=True,
    out_overload="out",
)
def all_dim():
    """Whether every element along a dimension is nonzero."""


all_dim.samples(call(values(2, 3), 1), call(values(0, 3), 0, True))
all_dim.reference(lambda x, dim, keepdim=False: np.all(x, dim, keepdims=keepdim))
all_dim.batching("dims")


@all_dim.rule
def _(self, dim, keepdim):
    return truth(self, [dim], keepdim, "all")


@structured(
    "all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
    cpu="cpu::all(result, self, shape::named_dims(self, dim))",
    out=True,
    out_overload="dims_out",
)
def all_dims():
    """Whether every element along dimensions is nonzero."""


all_dims.samples(
    call(values(2, 3)),
    call(values(2, 3), []),
    call(values(2, 3), [0, 1]),
    call(values(0, 3), [0], True),
)
all_dims.reference(
    lambda x, dim=None, keepdim=False: np.all(
        x, None if dim is None else tuple(dim), keepdims=keepdim
    )
)


@all_dims.rule
def _(self, dim, keepdim):
    return truth_over(self, dim, keepdim, "all")


@all_dims.batching
def _(b, self, dim, keepdim):
    return truth_of_batch(b, self, dim, keepdim)
