"""Largest and smallest elements, and truth over dimensions."""

from flambeau.ops.record import composite, structured


@structured(
    "amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
    shape="extreme(self, dim, keepdim)",
    cpu="cpu::amax(result, self, shape::dims_of(self, dim))",
    out=True,
)
def amax():
    """The largest element along dimensions; NaN wins.

    >>> flambeau.amax(flambeau.tensor([[1, 5], [3, 2]]), dim=1)
    tensor([5, 3])
    """


@amax.gradient
def _(g, self, result, dim, keepdim, cxx):
    return cxx.spread_evenly(g, self, result, dim, keepdim)


@structured(
    "amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
    shape="extreme(self, dim, keepdim)",
    cpu="cpu::amin(result, self, shape::dims_of(self, dim))",
    out=True,
)
def amin():
    """The smallest element along dimensions; NaN wins.

    >>> flambeau.amin(flambeau.tensor([[1, 5], [3, 2]]), dim=1)
    tensor([1, 2])
    """


@amin.gradient
def _(g, self, result, dim, keepdim, cxx):
    return cxx.spread_evenly(g, self, result, dim, keepdim)


@structured(
    "max(Tensor self) -> Tensor",
    shape="extreme_all(self)",
    cpu="cpu::amax(result, self, shape::all_dims(self))",
    out=True,
    out_overload="unary_out",
)
def max():
    """The largest element; with ``dim``, (values, indices) along it; with a tensor, ``maximum``.

    >>> flambeau.max(flambeau.tensor([1, 5, 3]))
    tensor(5)
    """


@max.gradient
def _(g, self, result, cxx):
    return cxx.spread_evenly_over(g, self, result)


@composite(
    "max.other(Tensor self, Tensor other) -> Tensor", cxx="max_other", out=True, out_overload="out"
)
def max_other():
    """``maximum``."""


@structured(
    "max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    shape="extreme_with_indices(self, dim, keepdim)",
    cpu="cpu::max(values, indices, self, shape::wrap(self, dim))",
    differentiable=(0,),
    out=True,
    out_overload="dim_max",
)
def max_dim():
    """The largest elements along a dimension, and where they are."""


@max_dim.gradient
def _(g, self, indices, dim, keepdim, cxx):
    return cxx.value_selecting_backward(g, dim, indices, self.sizes, keepdim)


@structured(
    "min(Tensor self) -> Tensor",
    shape="extreme_all(self)",
    cpu="cpu::amin(result, self, shape::all_dims(self))",
    out=True,
    out_overload="unary_out",
)
def min():
    """The smallest element; with ``dim``, (values, indices) along it; with a tensor, ``minimum``.

    >>> flambeau.min(flambeau.tensor([4, 2, 3]))
    tensor(2)
    """


@min.gradient
def _(g, self, result, cxx):
    return cxx.spread_evenly_over(g, self, result)


@composite(
    "min.other(Tensor self, Tensor other) -> Tensor", cxx="min_other", out=True, out_overload="out"
)
def min_other():
    """``minimum``."""


@structured(
    "min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    shape="extreme_with_indices(self, dim, keepdim)",
    cpu="cpu::min(values, indices, self, shape::wrap(self, dim))",
    differentiable=(0,),
    out=True,
    out_overload="dim_min",
)
def min_dim():
    """The smallest elements along a dimension, and where they are."""


@min_dim.gradient
def _(g, self, indices, dim, keepdim, cxx):
    return cxx.value_selecting_backward(g, dim, indices, self.sizes, keepdim)


@structured(
    "aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
    shape="both_extremes(self, dim, keepdim)",
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


@aminmax.gradient
def _(grads, self, min, max, dim, keepdim, cxx):
    return cxx.aminmax_backward(grads, self, min, max, dim, keepdim)


@structured(
    "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
    shape="arg_extreme(self, dim, keepdim)",
    cpu="cpu::argmax(result, self, dim)",
    out=True,
)
def argmax():
    """The index of the first largest element, of all or along a dimension.

    >>> flambeau.argmax(flambeau.tensor([1, 5, 3]))
    tensor(1)
    """


@structured(
    "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
    shape="arg_extreme(self, dim, keepdim)",
    cpu="cpu::argmin(result, self, dim)",
    out=True,
)
def argmin():
    """The index of the first smallest element, of all or along a dimension.

    >>> flambeau.argmin(flambeau.tensor([4, 2, 3]))
    tensor(1)
    """


@structured(
    "any(Tensor self) -> Tensor",
    shape="truth_all(self)",
    cpu="cpu::any(result, self, shape::all_dims(self))",
    out=True,
    out_overload="all_out",
)
def any():
    """Whether some element is nonzero.

    >>> flambeau.any(flambeau.tensor([False, True]))
    tensor(True)
    """


@structured(
    "any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    shape="truth_dim(self, dim, keepdim)",
    cpu="cpu::any(result, self, shape::one_dim(self, dim))",
    out=True,
    out_overload="out",
)
def any_dim():
    """Whether some element along a dimension is nonzero."""


@structured(
    "any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
    shape="truth_dims(self, dim, keepdim)",
    cpu="cpu::any(result, self, shape::dims_of(self, dim))",
    out=True,
    out_overload="dims_out",
)
def any_dims():
    """Whether some element along dimensions is nonzero."""


@structured(
    "all(Tensor self) -> Tensor",
    shape="truth_all(self)",
    cpu="cpu::all(result, self, shape::all_dims(self))",
    out=True,
    out_overload="all_out",
)
def all():
    """Whether every element is nonzero.

    >>> flambeau.all(flambeau.tensor([False, True]))
    tensor(False)
    """


@structured(
    "all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    shape="truth_dim(self, dim, keepdim)",
    cpu="cpu::all(result, self, shape::one_dim(self, dim))",
    out=True,
    out_overload="out",
)
def all_dim():
    """Whether every element along a dimension is nonzero."""


@structured(
    "all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
    shape="truth_dims(self, dim, keepdim)",
    cpu="cpu::all(result, self, shape::dims_of(self, dim))",
    out=True,
    out_overload="dims_out",
)
def all_dims():
    """Whether every element along dimensions is nonzero."""
