"""Reading and writing at places that tensors name."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    check_apart,
    check_fits,
    check_written,
    dtype_name,
    dtypes,
    is_differentiable,
    same,
    show,
    wrap_dim,
)
from flambeau.ops.record import composite, native, structured
from flambeau.ops.samples import bools, call, ints, np, values


@native(
    "index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
    cxx="index",
    method=False,
    function_variant=False,
    out=True,
    out_overload="Tensor_out",
    tags=frozenset({"dynamic_shape"}),
)
def index():
    """Elements at the places that index tensors (or masks, from their true elements) name."""


index.samples(
    call(values(3, 4), [ints([0, 2]), ints([3, 1])]),
    call(values(3, 4), [None, ints([[0], [2]])]),
    call(values(2, 3), [bools([True, False])]),
)
index.reference(lambda x, indices: x[tuple(slice(None) if i is None else i for i in indices)])


@index.gradient
def _(g, self, indices, cxx):
    return (cxx.index_backward(g, self.shape, self.options, indices),)


@native(
    "index_put_(Tensor(a!) self, Tensor?[] indices, Tensor values, bool accumulate=False)"
    " -> Tensor(a!)"
)
def index_put_():
    """Writes ``values`` at the places that index tensors name.

    >>> flambeau.zeros(3).index_put_((flambeau.tensor([0, 2]),), flambeau.tensor(1.))
    tensor([1., 0., 1.])
    """


index_put_.samples(
    call(values(4), [ints([0, 2])], values(2)),
    call(values(3, 4), [None, ints([1, 1])], values(2), True),
    call(values(2, 3), [bools([True, False])], values(3)),
)


@index_put_.gradient
def _(g, indices, values, accumulate, cxx):
    return (
        cxx.index_put_backward_self(g, indices, accumulate),
        None,
        cxx.index_put_backward_values(g, indices, values.shape, values.dtype),
    )


@native("index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor")
def index_put():
    """A copy with ``values`` at the places that index tensors name.

    >>> flambeau.index_put(flambeau.zeros(3), (flambeau.tensor([2]),), flambeau.tensor(5.))
    tensor([0., 0., 5.])
    """


index_put.samples(
    call(values(4), [ints([0, 2])], values(2)),
    call(values(3, 4), [None, ints([1, 1])], values(2), True),
    call(values(2, 3), [bools([True, False])], values(3)),
)


@index_put.gradient
def _(g, indices, values, accumulate, cxx):
    return (
        cxx.index_put_backward_self(g, indices, accumulate),
        None,
        cxx.index_put_backward_values(g, indices, values.shape, values.dtype),
    )


@structured(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    cpu="cpu::gather(result, self, dim, index)",
    out=True,
    separate_out=True,
)
def gather():
    """``out[i][j] = self[index[i][j]][j]`` for dim 0, and so on.

    >>> flambeau.gather(flambeau.tensor([[1, 2], [3, 4]]), 1, flambeau.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """


gather.samples(
    call(values(2, 3), 1, ints([[2, 0], [1, 1]])),
    call(values(2, 3), 0, ints([[1, 0, 1]])),
    call(values(), 0, ints(0)),
)
gather.reference(lambda x, dim, index: np.take_along_axis(x, index, dim) if x.ndim else x)


def check_same_device(op, a, b):
    if a.device != b.device:
        raise Error(
            f"{op}: Expected all tensors to be on the same device, but found at least two devices, "
            f"{a.device} and {b.device}!"
        )


def at_least_1d(sizes):
    """A 0-dim tensor counts as one of one dimension."""
    return sizes if sizes else [1]


def check_index_dtype(op, index):
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise Error(f"{op}: Expected dtype int32/int64 for index, got {dtype_name(index.dtype)}")


@gather.rule
def _(self, dim, index, sparse_grad):
    if sparse_grad:
        raise NotImplementedError("gather: sparse_grad=True is not supported")
    check_same_device("gather", self, index)
    d = wrap_dim(dim, self.dim(), "gather")
    if index.numel() != 0:
        check_index_dtype("gather", index)
        own, places = at_least_1d(self.shape), at_least_1d(index.shape)
        if len(own) != len(places):
            raise Error(
                "gather: Index tensor must have the same number of dimensions as input tensor, got "
                f"shapes {show(index.shape)} and {show(self.shape)}"
            )
        for k in range(len(own)):
            if k != d and places[k] > own[k]:
                raise Error(
                    f"gather: Size does not match at dimension {k} expected index "
                    f"{show(index.shape)} to be no larger than self {show(self.shape)} apart from "
                    f"dimension {d}"
                )
    return Spec(index.shape, self.dtype)


@gather.gradient
def _(g, self, dim, index, cxx):
    return cxx.gather_backward(g, self.shape, self.options, dim, index), None


@structured(
    "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    cpu="cpu::scatter(result, self, dim, index, src)",
    out=True,
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


@structured(
    "scatter_.src(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)",
    cpu="cpu::scatter_into(self, dim, index, src, cpu::Scatter::write)",
    function_variant=False,
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
        raise Error(
            f"scatter: reduce argument must be either add or multiply, got '{reduce}'"
        )


@scatter.rule
def _(self, dim, index, src):
    return scattered("scatter", self, dim, index, src)


@scatter_.rule
def _(self, dim, index, src):
    scattered("scatter", self, dim, index, src)
    check_written("scatter_", self)
    check_apart("scatter_", self, index)
    check_apart("scatter_", self, src)


@scatter.gradient
@scatter_.gradient
def _(g, dim, index, src, ops, cxx):
    return (
        ops.scatter_value(g, dim, index, 0),
        None,
        cxx.scatter_backward_src(g, dim, index, src.shape),
    )


@structured(
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    cpu="cpu::scatter_value(result, self, dim, index, value)",
    out=True,
)
def scatter_value():
    """``scatter`` of one value."""


scatter_value.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), 1), call(values(3), -1, ints([2]), 2)
)


@structured(
    "scatter_.value(Tensor(a!) self, int dim, Tensor index, Scalar value) -> Tensor(a!)",
    cpu="cpu::scatter_value_into(self, dim, index, value, cpu::Scatter::write)",
    function_variant=False,
)
def scatter_value_():
    """``scatter`` of one value, in place."""


scatter_value_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), 1), call(values(3), -1, ints([2]), 2)
)


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
)
def scatter_reduce():
    """``scatter`` that adds or multiplies (``reduce="add"`` or ``"multiply"``)."""


scatter_reduce.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), reduce="add"),
    call(values(3), 0, ints([2]), values(2), reduce="add"),
)


@structured(
    "scatter_.reduce(Tensor(a!) self, int dim, Tensor index, Tensor src, *, str reduce)"
    " -> Tensor(a!)",
    cpu="cpu::scatter_into(self, dim, index, src, cpu::scatter_kind(reduce))",
    function_variant=False,
)
def scatter_reduce_():
    """``scatter`` that adds or multiplies, in place."""


scatter_reduce_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), reduce="add"),
    call(values(3), 0, ints([2]), values(2), reduce="add"),
)


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
def _(g, dim, index, src, reduce, cxx):
    return (
        cxx.scatter_reduce_backward_self(g, dim, index, src, reduce),
        None,
        cxx.scatter_reduce_backward_src(g, dim, index, src.shape, reduce),
    )


@structured(
    "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> "
    "Tensor",
    cpu="cpu::scatter_value_reduce(result, self, dim, index, value, reduce)",
    out=True,
)
def scatter_value_reduce():
    """``scatter`` of one value that adds or multiplies."""


scatter_value_reduce.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), 2, reduce="add"),
    call(values(3), 0, ints([2]), 2, reduce="multiply"),
)


@structured(
    "scatter_.value_reduce(Tensor(a!) self, int dim, Tensor index, Scalar value, *, "
    "str reduce) -> Tensor(a!)",
    cpu="cpu::scatter_value_into(self, dim, index, value, cpu::scatter_kind(reduce))",
    function_variant=False,
)
def scatter_value_reduce_():
    """``scatter`` of one value that adds or multiplies, in place."""


scatter_value_reduce_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), 2, reduce="add"),
    call(values(3), 0, ints([2]), 2, reduce="multiply"),
)


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
def _(g, dim, index, value, reduce, cxx):
    return cxx.scatter_value_reduce_backward(g, dim, index, value, reduce), None


@structured(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    cpu="cpu::scatter_add(result, self, dim, index, src)",
    out=True,
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


@structured(
    "scatter_add_(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)", cpu="cpu::scatter_into(self, dim, index, src, cpu::Scatter::add)",
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
def _(g, dim, index, src, cxx):
    return g, None, cxx.scatter_backward_src(g, dim, index, src.shape)


@structured(
    "index_select(Tensor self, int dim, Tensor index) -> Tensor",
    cpu="cpu::index_select(result, self, dim, index)",
    out=True,
    separate_out=True,
)
def index_select():
    """The slices along a dimension that a vector of indices names.

    >>> flambeau.index_select(flambeau.tensor([5, 6, 7]), 0, flambeau.tensor([2, 0]))
    tensor([7, 5])
    """


index_select.samples(
    call(values(2, 3), 1, ints([2, 0, 2])),
    call(values(2, 3), 0, ints(1)),
    call(values(2, 3), -1, ints([])),
)
index_select.reference(lambda x, dim, index: np.take(x, np.atleast_1d(index), dim))


@index_select.rule
def _(self, dim, index):
    check_same_device("index_select", self, index)
    d = wrap_dim(dim, self.dim(), "index_select")
    if index.dim() > 1:
        raise IndexError(
            f"index_select: Index is supposed to be a vector, got shape {show(index.shape)}"
        )
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise Error(
            "index_select: Expected dtype int32 or int64 for index, got "
            f"{dtype_name(index.dtype)}"
        )
    if self.dim() == 0 and index.numel() != 1:
        raise Error(
            f"index_select: Index to scalar can have only 1 value, got {index.numel()} value(s)"
        )
    sizes = list(self.shape)
    if self.dim() > 0:
        sizes[d] = index.numel()
    return Spec(sizes, self.dtype)


@index_select.gradient
def _(g, self, dim, index, cxx):
    return cxx.index_select_backward(g, self.shape, self.options, dim, index), None


@structured(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    cpu="cpu::index_add(result, self, dim, index, source, alpha)",
    out=True,
)
def index_add():
    """A copy with ``alpha * source`` added to the slices that a vector of indices names.

    >>> flambeau.zeros(2).index_add(0, flambeau.tensor([1, 1]), flambeau.tensor([2., 3.]))
    tensor([0., 5.])
    """


index_add.samples(
    call(values(3), 0, ints([2, 2]), values(2)),
    call(values(2, 3), 1, ints([2, 0]), values(2, 2), alpha=2),
)


@structured(
    "index_add_(Tensor(a!) self, int dim, Tensor index, Tensor source, *, Scalar alpha=1)"
    " -> Tensor(a!)", cpu="cpu::index_add_into(self, dim, index, source, alpha)",
    function_variant=False,
)
def index_add_():
    """``index_add`` in place.

    >>> flambeau.zeros(3).index_add_(0, flambeau.tensor([2, 2]), flambeau.tensor([1., 2.]))
    tensor([0., 0., 3.])
    """


index_add_.samples(
    call(values(3), 0, ints([2, 2]), values(2)),
    call(values(2, 3), 1, ints([2, 0]), values(2, 2), alpha=2),
)


def index_added(self, dim, index, source, alpha):
    check_same_device("index_add", self, index)
    check_same_device("index_add", self, source)
    d = wrap_dim(dim, self.dim(), "index_add")
    if index.dim() > 1:
        raise IndexError(
            f"index_add: Index is supposed to be a vector, but got dim: {index.dim()} with type: "
            f"{dtype_name(index.dtype)} and size: {show(index.shape)}"
        )
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise Error(
            "index_add: Expected dtype int32/int64 for index but got: "
            f"{dtype_name(index.dtype)}"
        )
    if self.dtype != source.dtype:
        raise Error(
            f"index_add: self ({dtype_name(self.dtype)}) and source ({dtype_name(source.dtype)}) "
            "must have the same scalar type"
        )
    given = 1
    if source.dim() > 0:
        given = source.shape[d] if d < source.dim() else 0
    if given != index.numel():
        raise Error(
            f"index_add: Number of indices ({index.numel()}) should be equal to source.size(dim): "
            f"({given}), for dim: {d}"
        )
    expected = list(self.shape)
    if self.dim() > 0:
        expected[d] = given
    if not same(expected, source.shape):
        raise Error(
            "index_add: source tensor shape must match self tensor shape, excluding the specified "
            f"dimension. Got self.shape = {show(self.shape)} source.shape = {show(source.shape)}"
        )
    if isinstance(alpha, float) and not is_differentiable(self.dtype):
        raise Error(
            "index_add: For integral input tensors, argument alpha must not be a floating point "
            "number."
        )
    check_fits("index_add", alpha, self.dtype)
    return Spec(self.shape, self.dtype)


@index_add.rule
def _(self, dim, index, source, alpha):
    return index_added(self, dim, index, source, alpha)


@index_add_.rule
def _(self, dim, index, source, alpha):
    index_added(self, dim, index, source, alpha)
    check_written("index_add_", self)
    check_apart("index_add_", self, index)
    check_apart("index_add_", self, source)


@index_add.gradient
@index_add_.gradient
def _(g, dim, index, alpha, cxx):
    return g, None, cxx.index_add_backward(g, dim, index, alpha)


@structured(
    "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
    cpu="cpu::masked_fill(result, self, mask, value)",
    function_variant=True,
)
def masked_fill_scalar():
    """A copy with ``value`` where ``mask`` is true.

    >>> flambeau.zeros(2).masked_fill(flambeau.tensor([True, False]), 3)
    tensor([3., 0.])
    """


masked_fill_scalar.samples(
    call(values(2, 3), bools([[True], [False]]), 2), call(values(), bools(True), 1)
)
masked_fill_scalar.reference(lambda x, mask, value: np.where(mask, value, x))


def masked(self, mask):
    check_same_device("masked_fill", self, mask)
    if mask.dtype != dtypes.bool:
        raise Error(
            "masked_fill: masked_fill only supports boolean masks, but got mask with dtype "
            f"{dtype_name(mask.dtype)}"
        )
    return Spec(broadcast(self.shape, mask.shape, "masked_fill"), self.dtype)


def masked_in_place(self, mask):
    sizes = masked(self, mask).sizes
    if not same(sizes, self.shape):
        raise Error(
            f"masked_fill_: output with shape {show(self.shape)} doesn't match the broadcast shape "
            f"{show(sizes)}"
        )


def check_number(value):
    if value.dim() != 0:
        raise Error(
            "masked_fill: masked_fill only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.dim()} dimension(s)."
        )


@masked_fill_scalar.rule
def _(self, mask, value):
    check_fits("masked_fill", value, self.dtype)
    return masked(self, mask)


@masked_fill_scalar.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None


@structured(
    "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
    cpu="cpu::masked_fill_tensor(result, self, mask, value)",
)
def masked_fill_tensor():
    """``masked_fill`` with the value of a 0-dim tensor."""


masked_fill_tensor.samples(call(values(2, 3), bools([[True], [False]]), values()))
masked_fill_tensor.reference(lambda x, mask, value: np.where(mask, value, x))


@masked_fill_tensor.rule
def _(self, mask, value):
    check_number(value)
    return masked(self, mask)


@masked_fill_tensor.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None, cxx.masked_sum(g, mask)


@structured(
    "masked_fill_.Scalar(Tensor(a!) self, Tensor mask, Scalar value) -> Tensor(a!)",
    cpu="cpu::masked_fill_into(self, mask, value)",
    function_variant=False,
)
def masked_fill_scalar_():
    """Writes ``value`` where ``mask`` is true.

    >>> flambeau.zeros(2).masked_fill_(flambeau.tensor([True, False]), 1)
    tensor([1., 0.])
    """


masked_fill_scalar_.samples(
    call(values(2, 3), bools([[True], [False]]), 2), call(values(), bools(True), 1)
)
masked_fill_scalar_.reference(lambda x, mask, value: np.where(mask, value, x))


@masked_fill_scalar_.rule
def _(self, mask, value):
    check_fits("masked_fill", value, self.dtype)
    masked_in_place(self, mask)


@masked_fill_scalar_.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None


@structured(
    "masked_fill_.Tensor(Tensor(a!) self, Tensor mask, Tensor value) -> Tensor(a!)",
    cpu="cpu::masked_fill_tensor_into(self, mask, value)",
    function_variant=False,
)
def masked_fill_tensor_():
    """Writes the value of a 0-dim tensor where ``mask`` is true."""


masked_fill_tensor_.samples(call(values(2, 3), bools([[True], [False]]), values()))
masked_fill_tensor_.reference(lambda x, mask, value: np.where(mask, value, x))


@masked_fill_tensor_.rule
def _(self, mask, value):
    check_number(value)
    masked_in_place(self, mask)


@masked_fill_tensor_.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None, cxx.masked_sum(g, mask)


@native(
    "masked_select(Tensor self, Tensor mask) -> Tensor",
    tags=frozenset({"dynamic_shape"}),
    out=True,
    separate_out=True,
)
def masked_select():
    """The elements where ``mask`` is true, in one dimension.

    >>> flambeau.masked_select(flambeau.tensor([1, 2]), flambeau.tensor([False, True]))
    tensor([2])
    """


masked_select.samples(
    call(values(2, 3), bools([True, False, True])), call(values(2), bools([False, False]))
)
masked_select.reference(lambda x, mask: x[np.broadcast_to(mask, x.shape)])


@masked_select.gradient
def _(g, self, mask, cxx):
    return cxx.masked_select_backward(g, self.shape, self.options, mask), None


@native(
    "nonzero(Tensor self) -> Tensor",
    tags=frozenset({"dynamic_shape"}),
    out=True,
    function_variant=False,
    method=False,
)
def nonzero():
    """The indices of nonzero elements, a row for each; ``flambeau.nonzero`` is the Python face."""


nonzero.samples(call(values(2, 3)), call(values(0, 3)), call(ints([0, 3, 0, 4])))
nonzero.reference(np.argwhere)


@composite("nonzero_numpy(Tensor self) -> Tensor[]", function_variant=False, method=False)
def nonzero_numpy():
    """The indices of nonzero elements, a tensor for each dimension.

    >>> flambeau.ops.aten.nonzero_numpy(flambeau.tensor([0, 3, 4]))
    (tensor([1, 2]),)
    """


nonzero_numpy.samples(call(values(2, 3)), call(ints([[0, 3], [0, 4]])))
nonzero_numpy.reference(np.nonzero)


@composite("where(Tensor condition) -> Tensor[]", method=False, cxx="nonzero_numpy")
def where():
    """The indices where the condition holds, a tensor for each dimension."""


where.samples(call(bools([[True, False], [False, True]])))
where.reference(np.nonzero)


@structured(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, "
    "bool sparse=False) -> Tensor",
    cpu="cpu::embedding(result, weight, indices)",
    method=False,
)
def embedding():
    """The rows of ``weight`` that ``indices`` name.

    >>> flambeau.embedding(flambeau.tensor([[1., 2.], [3., 4.]]), flambeau.tensor([1]))
    tensor([[3., 4.]])
    """


embedding.samples(call(values(3, 2), ints([[2, 0], [1, 1]])), call(values(3, 2), ints(1)))
embedding.reference(lambda weight, indices: weight[indices])


def check_embedding_indices(op, dtype):
    if dtype not in (dtypes.int64, dtypes.int32):
        raise Error(
            f"{op}: Expected tensor for argument #1 'indices' to have one of the following scalar "
            f"types: Long, Int; but got {dtype_name(dtype)} instead"
        )


@embedding.rule
def _(weight, indices, sparse):
    if sparse:
        raise NotImplementedError("embedding: sparse=True is not supported")
    check_same_device("embedding", weight, indices)
    if weight.dim() != 2:
        raise Error(f"embedding: 'weight' must be 2-D, got shape {show(weight.shape)}")
    check_embedding_indices("embedding", indices.dtype)
    sizes = list(indices.shape)
    sizes.append(weight.shape[1])
    return Spec(sizes, weight.dtype)


@embedding.gradient
def _(g, weight, indices, padding_idx, scale_grad_by_freq, ops, cxx):
    return ops.embedding_dense_backward(
        g, indices, cxx.first(weight.shape), padding_idx, scale_grad_by_freq
    ), None


@structured(
    "embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int "
    "padding_idx, "
    "bool scale_grad_by_freq) -> Tensor",
    cpu="cpu::embedding_backward(result, grad_output, indices, padding_idx, scale_grad_by_freq)",
    function_variant=False,
    method=False,
)
def embedding_dense_backward():
    """The gradient of ``embedding``: rows of the gradient added up by index.

    >>> flambeau.ops.aten.embedding_dense_backward(
    ...     flambeau.ones(2, 1), flambeau.tensor([0, 0]), 2, -1, False)
    tensor([[2.],
            [0.]])
    """


embedding_dense_backward.samples(
    call(values(3, 2), ints([1, 0, 1]), 4, -1, False),
    call(values(3, 2), ints([1, 0, 1]), 2, 0, False),
)


@embedding_dense_backward.rule
def _(grad_output, indices, num_weights):
    check_same_device("embedding_dense_backward", grad_output, indices)
    check_embedding_indices("embedding_dense_backward", indices.dtype)
    if num_weights < 0:
        raise Error(
            f"embedding_dense_backward: num_weights must not be negative, got {num_weights}"
        )
    sizes = grad_output.shape
    if not sizes or not same(sizes[:-1], indices.shape):
        raise Error(
            f"embedding_dense_backward: grad_output of shape {show(sizes)} must have the shape of "
            f"indices, {show(indices.shape)}, and one dimension more"
        )
    return Spec([num_weights, sizes[-1]], grad_output.dtype)


@embedding_dense_backward.gradient
def _(g, indices, padding_idx, scale_grad_by_freq, cxx):
    return cxx.embedding_double_backward(g, indices, padding_idx, scale_grad_by_freq), None
