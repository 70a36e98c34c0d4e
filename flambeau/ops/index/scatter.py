"""Writing at places that a tensor names."""

from flambeau.ops.index.pick import at_least_1d, check_index_dtype, check_same_device
from flambeau.ops.language import (
    Error,
    Spec,
    check_apart,
    check_fits,
    check_written,
    conj_of,
    dtype_name,
    show,
    wrap_dim,
)
from flambeau.ops.record import structured
from flambeau.ops.samples import call, ints, values


@structured(
    "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    cpu="cpu::scatter(result, self, dim, index, src)",
    out=True,
    opaque=True,
    checks_values=True,
)
def scatter():
    """A copy with ``out[index[i][j]][j] = src[i][j]`` for dim 0, and so on.

    >>> flambeau.zeros(3).scatter(0, flambeau.tensor([2]), flambeau.tensor([5.]))
    tensor([0., 0., 5.])
    """


scatter.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), values(2, 2)),
    call(values(3), 0, ints([2]), values(2)),
)
scatter.batching("dims")
scatter.jvp("linear")


@structured(
    "scatter_.src(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)",
    checks_values=True,
    cpu="cpu::scatter_into(self, dim, index, src, cpu::Scatter::write)",
    function_variant=False,
    opaque=True,
)
def scatter_():
    """``scatter`` in place.

    >>> flambeau.zeros(3).scatter_(0, flambeau.tensor([2, 0]), flambeau.tensor([1., 2.]))
    tensor([2., 0., 1.])
    """


scatter_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), values(2, 2)),
    call(values(3), 0, ints([2]), values(2)),
)
scatter_.batching("dims")
scatter_.jvp("linear")


def check_scattered(op, self, dim, index):
    """What all scatters ask of the index; gives the dimension."""
    check_same_device(op, self, index)
    d = wrap_dim(dim, self.dim(), op)
    if index.numel() == 0:
        return d
    check_index_dtype(op, index)
    own, places = at_least_1d(self.shape), at_least_1d(index.shape)
    if len(own) != len(places):
        raise Error(
            f"{op}: Index tensor must have the same number of dimensions as self tensor, got "
            f"shapes {show(index.shape)} and {show(self.shape)}"
        )
    return d


def scattered(op, self, dim, index, src):
    check_same_device(op, self, src)
    if self.dtype != src.dtype:
        raise Error(
            f"{op}: Expected self.dtype to be equal to src.dtype, got {dtype_name(self.dtype)} and "
            f"{dtype_name(src.dtype)}"
        )
    d = check_scattered(op, self, dim, index)
    if index.numel() == 0:
        return Spec(self.shape, self.dtype)
    own, places, given = at_least_1d(self.shape), at_least_1d(index.shape), at_least_1d(src.shape)
    if len(places) != len(given):
        raise Error(
            f"{op}: Index tensor must have the same number of dimensions as src tensor, got shapes "
            f"{show(index.shape)} and {show(src.shape)}"
        )
    for k in range(len(own)):
        if (k != d and places[k] > own[k]) or places[k] > given[k]:
            raise Error(
                f"{op}: Expected index {show(index.shape)} to be no larger than self "
                f"{show(self.shape)} apart from dimension {d} and to be no larger size than src "
                f"{show(src.shape)}"
            )
    return Spec(self.shape, self.dtype)


def scattered_value(self, dim, index, value):
    check_fits("scatter", value, self.dtype)
    d = check_scattered("scatter", self, dim, index)
    if index.numel() == 0:
        return Spec(self.shape, self.dtype)
    own, places = at_least_1d(self.shape), at_least_1d(index.shape)
    for k in range(len(own)):
        if k != d and places[k] > own[k]:
            raise Error(
                f"scatter: Expected index {show(index.shape)} to be no larger than self "
                f"{show(self.shape)} apart from dimension {d}"
            )
    return Spec(self.shape, self.dtype)


def check_reduce(reduce):
    if reduce != "add" and reduce != "multiply":
        raise Error(f"scatter: reduce argument must be either add or multiply, got '{reduce}'")


@scatter.rule
def _(self, dim, index, src):
    return scattered("scatter", self, dim, index, src)


@scatter_.rule
def _(self, dim, index, src):
    scattered("scatter", self, dim, index, src)
    check_written("scatter_", self)
    check_apart("scatter_", self, index)
    check_apart("scatter_", self, src)


def of_source(g, dim, index, sizes, ops):
    """The gradient of what was scattered: zero where the index does not reach."""
    used = ops.gather(g, dim, index)
    for d, n in enumerate(sizes):
        reached = used.size(d)
        if reached != n:
            padded = list(used.shape)
            padded[d] = n
            used = ops.slice_backward(used, padded, d, 0, reached, 1)
    return used


@scatter.gradient
@scatter_.gradient
def _(g, dim, index, src, ops):
    return (
        ops.scatter_value(g, dim, index, 0),
        None,
        of_source(g, dim, index, src.shape, ops),
    )


@structured(
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    cpu="cpu::scatter_value(result, self, dim, index, value)",
    out=True,
    checks_values=True,
)
def scatter_value():
    """``scatter`` of one value."""


scatter_value.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), 1), call(values(3), -1, ints([2]), 2)
)
scatter_value.batching("dims")
scatter_value.jvp("linear")


@structured(
    "scatter_.value(Tensor(a!) self, int dim, Tensor index, Scalar value) -> Tensor(a!)",
    checks_values=True,
    cpu="cpu::scatter_value_into(self, dim, index, value, cpu::Scatter::write)",
    function_variant=False,
)
def scatter_value_():
    """``scatter`` of one value, in place."""


scatter_value_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), 1), call(values(3), -1, ints([2]), 2)
)
scatter_value_.batching("dims")
scatter_value_.jvp("linear")


@scatter_value.rule
def _(self, dim, index, value):
    return scattered_value(self, dim, index, value)


@scatter_value_.rule
def _(self, dim, index, value):
    scattered_value(self, dim, index, value)
    check_written("scatter_", self)
    check_apart("scatter_", self, index)


@scatter_value.gradient
@scatter_value_.gradient
def _(g, dim, index, ops):
    return ops.scatter_value(g, dim, index, 0), None


@structured(
    "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
    cpu="cpu::scatter_reduce(result, self, dim, index, src, reduce)",
    out=True,
    checks_values=True,
)
def scatter_reduce():
    """``scatter`` that adds or multiplies (``reduce="add"`` or ``"multiply"``)."""


scatter_reduce.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), reduce="add"),
    call(values(3), 0, ints([2]), values(2), reduce="add"),
)
scatter_reduce.batching("dims")


@structured(
    "scatter_.reduce(Tensor(a!) self, int dim, Tensor index, Tensor src, *, str reduce)"
    " -> Tensor(a!)",
    checks_values=True,
    cpu="cpu::scatter_into(self, dim, index, src, cpu::scatter_kind(reduce))",
    function_variant=False,
)
def scatter_reduce_():
    """``scatter`` that adds or multiplies, in place."""


scatter_reduce_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), reduce="add"),
    call(values(3), 0, ints([2]), values(2), reduce="add"),
)
scatter_reduce_.batching("dims")


@scatter_reduce.rule
def _(self, dim, index, src, reduce):
    check_reduce(reduce)
    return scattered("scatter", self, dim, index, src)


@scatter_reduce_.rule
def _(self, dim, index, src, reduce):
    check_reduce(reduce)
    scattered("scatter", self, dim, index, src)
    check_written("scatter_", self)
    check_apart("scatter_", self, index)
    check_apart("scatter_", self, src)


@scatter_reduce.gradient
@scatter_reduce_.gradient
def _(g, dim, index, src, reduce, ops, needs):
    if reduce == "add":
        return g, None, of_source(g, dim, index, src.shape, ops)
    if needs[2]:
        raise NotImplementedError(
            "scatter: the derivative of reduce='multiply' for src is not implemented"
        )
    return ops.scatter_reduce(g, dim, index, ops.conj(src), reduce), None, None


@structured(
    "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> "
    "Tensor",
    cpu="cpu::scatter_value_reduce(result, self, dim, index, value, reduce)",
    out=True,
    checks_values=True,
)
def scatter_value_reduce():
    """``scatter`` of one value that adds or multiplies."""


scatter_value_reduce.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), 2, reduce="add"),
    call(values(3), 0, ints([2]), 2, reduce="multiply"),
)
scatter_value_reduce.batching("dims")


@structured(
    "scatter_.value_reduce(Tensor(a!) self, int dim, Tensor index, Scalar value, *, "
    "str reduce) -> Tensor(a!)",
    checks_values=True,
    cpu="cpu::scatter_value_into(self, dim, index, value, cpu::scatter_kind(reduce))",
    function_variant=False,
)
def scatter_value_reduce_():
    """``scatter`` of one value that adds or multiplies, in place."""


scatter_value_reduce_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), 2, reduce="add"),
    call(values(3), 0, ints([2]), 2, reduce="multiply"),
)
scatter_value_reduce_.batching("dims")


@scatter_value_reduce.rule
def _(self, dim, index, value, reduce):
    check_reduce(reduce)
    return scattered_value(self, dim, index, value)


@scatter_value_reduce_.rule
def _(self, dim, index, value, reduce):
    check_reduce(reduce)
    scattered_value(self, dim, index, value)
    check_written("scatter_", self)
    check_apart("scatter_", self, index)


@scatter_value_reduce.gradient
@scatter_value_reduce_.gradient
def _(g, dim, index, value, reduce, ops):
    if reduce == "add":
        return g, None
    return ops.scatter_value_reduce(g, dim, index, conj_of(value), reduce), None


@structured(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    cpu="cpu::scatter_add(result, self, dim, index, src)",
    out=True,
    checks_values=True,
)
def scatter_add():
    """A copy with ``out[index[i][j]][j] += src[i][j]`` for dim 0, and so on.

    >>> flambeau.zeros(2).scatter_add(0, flambeau.tensor([1, 1]), flambeau.tensor([2., 3.]))
    tensor([0., 5.])
    """


scatter_add.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2)),
    call(values(3), 0, ints([2, 2]), values(2)),
)
scatter_add.batching("dims")
scatter_add.jvp("linear")


@structured(
    "scatter_add_(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)",
    checks_values=True,
    cpu="cpu::scatter_into(self, dim, index, src, cpu::Scatter::add)",
    function_variant=False,
)
def scatter_add_():
    """``scatter_add`` in place.

    >>> flambeau.zeros(2).scatter_add_(0, flambeau.tensor([1, 1]), flambeau.tensor([1., 2.]))
    tensor([0., 3.])
    """


scatter_add_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2)),
    call(values(3), 0, ints([2, 2]), values(2)),
)
scatter_add_.batching("dims")
scatter_add_.jvp("linear")


@scatter_add.rule
def _(self, dim, index, src):
    return scattered("scatter_add", self, dim, index, src)


@scatter_add_.rule
def _(self, dim, index, src):
    scattered("scatter_add", self, dim, index, src)
    check_written("scatter_", self)
    check_apart("scatter_", self, index)
    check_apart("scatter_", self, src)


@scatter_add.gradient
@scatter_add_.gradient
def _(g, dim, index, src, ops):
    return g, None, of_source(g, dim, index, src.shape, ops)
