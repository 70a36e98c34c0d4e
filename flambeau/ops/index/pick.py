"""Reading and writing at places that tensors name."""

from flambeau.ops.language import Error, Spec, dtype_name, dtypes, show, wrap_dim
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
index.jvp("linear")


@index.batching
def _(b, self, indices):
    return b.indexed(self, indices, lambda x, places: b.op(x, places))


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
index_put_.jvp("linear")


@index_put_.batching
def _(b, self, indices, values, accumulate):
    return b.put(self, indices, values, lambda x, places, v: b.op(x, places, v, accumulate))


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
index_put.jvp("linear")


@index_put.batching
def _(b, self, indices, values, accumulate):
    return b.put(self, indices, values, lambda x, places, v: b.op(x, places, v, accumulate))


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
gather.batching("dims")
gather.jvp("linear")


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
    shape="scatter(self, dim, index, src)",
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
scatter.batching("dims")
scatter.jvp("linear")


@native(
    "scatter_.src(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)",
    cxx="scatter_",
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
scatter_.batching("dims")
scatter_.jvp("linear")


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
    shape="scatter_value(self, dim, index, value)",
    cpu="cpu::scatter_value(result, self, dim, index, value)",
    out=True,
)
def scatter_value():
    """``scatter`` of one value."""


scatter_value.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), 1), call(values(3), -1, ints([2]), 2)
)
scatter_value.batching("dims")
scatter_value.jvp("linear")


@native(
    "scatter_.value(Tensor(a!) self, int dim, Tensor index, Scalar value) -> Tensor(a!)",
    cxx="scatter_value_",
    function_variant=False,
)
def scatter_value_():
    """``scatter`` of one value, in place."""


scatter_value_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 2]]), 1), call(values(3), -1, ints([2]), 2)
)
scatter_value_.batching("dims")
scatter_value_.jvp("linear")


@scatter_value.gradient
@scatter_value_.gradient
def _(g, dim, index, ops):
    return ops.scatter_value(g, dim, index, 0), None


@structured(
    "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
    shape="scatter_reduce(self, dim, index, src, reduce)",
    cpu="cpu::scatter_reduce(result, self, dim, index, src, reduce)",
    out=True,
)
def scatter_reduce():
    """``scatter`` that adds or multiplies (``reduce="add"`` or ``"multiply"``)."""


scatter_reduce.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), reduce="add"),
    call(values(3), 0, ints([2]), values(2), reduce="add"),
)
scatter_reduce.batching("dims")


@native(
    "scatter_.reduce(Tensor(a!) self, int dim, Tensor index, Tensor src, *, str reduce)"
    " -> Tensor(a!)",
    cxx="scatter_reduce_",
    function_variant=False,
)
def scatter_reduce_():
    """``scatter`` that adds or multiplies, in place."""


scatter_reduce_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), values(2, 2), reduce="add"),
    call(values(3), 0, ints([2]), values(2), reduce="add"),
)
scatter_reduce_.batching("dims")


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
    shape="scatter_value_reduce(self, dim, index, value, reduce)",
    cpu="cpu::scatter_value_reduce(result, self, dim, index, value, reduce)",
    out=True,
)
def scatter_value_reduce():
    """``scatter`` of one value that adds or multiplies."""


scatter_value_reduce.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), 2, reduce="add"),
    call(values(3), 0, ints([2]), 2, reduce="multiply"),
)
scatter_value_reduce.batching("dims")


@native(
    "scatter_.value_reduce(Tensor(a!) self, int dim, Tensor index, Scalar value, *, "
    "str reduce) -> Tensor(a!)",
    cxx="scatter_value_reduce_",
    function_variant=False,
)
def scatter_value_reduce_():
    """``scatter`` of one value that adds or multiplies, in place."""


scatter_value_reduce_.samples(
    call(values(3, 3), 1, ints([[2, 0], [1, 1]]), 2, reduce="add"),
    call(values(3), 0, ints([2]), 2, reduce="multiply"),
)
scatter_value_reduce_.batching("dims")


@scatter_value_reduce.gradient
@scatter_value_reduce_.gradient
def _(g, dim, index, value, reduce, cxx):
    return cxx.scatter_value_reduce_backward(g, dim, index, value, reduce), None


@structured(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    shape="scatter_add(self, dim, index, src)",
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
scatter_add.batching("dims")
scatter_add.jvp("linear")


@native(
    "scatter_add_(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)",
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


@scatter_add.gradient
@scatter_add_.gradient
def _(g, dim, index, src, cxx):
    return g, None, cxx.scatter_backward_src(g, dim, index, src.shape)


@structured(
    "index_select(Tensor self, int dim, Tensor index) -> Tensor",
    shape="index_select(self, dim, index)",
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
index_select.jvp("linear")


@index_select.batching
def _(b, self, dim, index):
    x = self.full if self.rank else self.full.unsqueeze(1)
    d = b.shifted(dim, max(self.rank, 1))
    if not index.batched:
        return b.op(x, d, index.value) if self.rank else b.op(x, d, index.value).squeeze(1)
    places = index.first.reshape(b.size, *[1] * (d - 1), -1, *[1] * (x.dim() - d - 1))
    sizes = list(x.shape)
    sizes[d] = places.size(d)
    picked = x.gather(d, places.expand(sizes))
    return picked if self.rank else picked.squeeze(1)


@index_select.gradient
def _(g, self, dim, index, cxx):
    return cxx.index_select_backward(g, self.shape, self.options, dim, index), None


@structured(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    shape="index_add(self, dim, index, source, alpha)",
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
index_add.jvp("linear")


@index_add.batching
def _(b, self, dim, index, source, alpha):
    x = self.full if self.rank else self.full.unsqueeze(1)
    s = source.full if source.rank else source.full.unsqueeze(1)
    d = b.shifted(dim, max(self.rank, 1))
    if not index.batched:
        made = b.op(x, d, index.value, s, alpha=alpha)
    else:
        places = index.first.reshape(b.size, *[1] * (d - 1), -1, *[1] * (s.dim() - d - 1))
        made = x.scatter_add(d, places.expand(s.shape), s * alpha)
    return made if self.rank else made.squeeze(1)


@native(
    "index_add_(Tensor(a!) self, int dim, Tensor index, Tensor source, *, Scalar alpha=1)"
    " -> Tensor(a!)",
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
index_add_.jvp("linear")


@index_add_.batching
def _(b, self, dim, index, source, alpha):
    x = self.full if self.rank else self.full.unsqueeze(1)
    s = source.full if source.rank else source.full.unsqueeze(1)
    d = b.shifted(dim, max(self.rank, 1))
    if not index.batched:
        b.op(x, d, index.value, s, alpha=alpha)
    else:
        places = index.first.reshape(b.size, *[1] * (d - 1), -1, *[1] * (s.dim() - d - 1))
        x.scatter_add_(d, places.expand(s.shape), s * alpha)


@index_add.gradient
@index_add_.gradient
def _(g, dim, index, alpha, cxx):
    return g, None, cxx.index_add_backward(g, dim, index, alpha)


@structured(
    "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
    shape="masked_fill(self, mask, value)",
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
masked_fill_scalar.batching("pointwise")
masked_fill_scalar.jvp("linear")


@masked_fill_scalar.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None


@structured(
    "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
    shape="masked_fill_tensor(self, mask, value)",
    cpu="cpu::masked_fill_tensor(result, self, mask, value)",
)
def masked_fill_tensor():
    """``masked_fill`` with the value of a 0-dim tensor."""


masked_fill_tensor.samples(call(values(2, 3), bools([[True], [False]]), values()))
masked_fill_tensor.reference(lambda x, mask, value: np.where(mask, value, x))
masked_fill_tensor.jvp("linear")


@masked_fill_tensor.batching
def _(b, self, mask, value):
    rank = max(self.rank, mask.rank)
    x, m = b.aligned(self, rank), b.aligned(mask, rank)
    if not value.batched:
        return b.op(x, m, value.value)
    return b.ops.where.self(m, b.aligned(value, rank).to(self.dtype), x)


@masked_fill_tensor.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None, cxx.masked_sum(g, mask)


@native(
    "masked_fill_.Scalar(Tensor(a!) self, Tensor mask, Scalar value) -> Tensor(a!)",
    cxx="masked_fill_scalar_",
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
masked_fill_scalar_.batching("pointwise")
masked_fill_scalar_.jvp("linear")


@masked_fill_scalar_.gradient
def _(g, mask, cxx):
    return cxx.masked_fill_backward(g, mask), None


@native(
    "masked_fill_.Tensor(Tensor(a!) self, Tensor mask, Tensor value) -> Tensor(a!)",
    cxx="masked_fill_tensor_",
    function_variant=False,
)
def masked_fill_tensor_():
    """Writes the value of a 0-dim tensor where ``mask`` is true."""


masked_fill_tensor_.samples(call(values(2, 3), bools([[True], [False]]), values()))
masked_fill_tensor_.reference(lambda x, mask, value: np.where(mask, value, x))
masked_fill_tensor_.jvp("linear")


@masked_fill_tensor_.batching
def _(b, self, mask, value):
    x, m = self.first, b.aligned(mask, self.rank)
    if not value.batched:
        return b.op(x, m, value.value)
    return x.copy_(b.ops.where.self(m, b.aligned(value, self.rank).to(self.dtype), x))


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
masked_select.batching("dynamic")
masked_select.jvp("linear")


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
nonzero.batching("dynamic")


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
    shape="embedding(weight, indices, sparse)",
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
embedding.jvp("linear")


@embedding.batching
def _(b, weight, indices, padding_idx, scale_grad_by_freq, sparse):
    if not weight.batched:
        made = b.op(weight.value, indices.value, padding_idx, scale_grad_by_freq, sparse)
        return b.at(made, indices.batch_dim)
    rows, width = weight.shape
    return b.op(weight.first.reshape(-1, width), b.offset(indices, rows))


@embedding.gradient
def _(g, weight, indices, padding_idx, scale_grad_by_freq, ops, cxx):
    return ops.embedding_dense_backward(
        g, indices, cxx.first(weight.shape), padding_idx, scale_grad_by_freq
    ), None


@structured(
    "embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int "
    "padding_idx, "
    "bool scale_grad_by_freq) -> Tensor",
    shape="embedding_backward(grad_output, indices, num_weights)",
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
embedding_dense_backward.jvp("linear")


@embedding_dense_backward.batching
def _(b, grad_output, indices, num_weights, padding_idx, scale_grad_by_freq):
    if scale_grad_by_freq or padding_idx >= 0:
        kept = indices.full != padding_idx
        g = grad_output.full * kept.unsqueeze(-1)
    else:
        g = grad_output.full
    if scale_grad_by_freq:
        counts = b.ops.new_zeros(g, [b.size * num_weights])
        flat = b.offset(indices, num_weights).flatten()
        counts = counts.index_add(0, flat, b.ops.ones_like(flat, dtype=g.dtype))
        g = g / counts.index_select(0, flat).reshape(g.shape[:-1]).unsqueeze(-1)
    made = b.op(g, b.offset(indices, num_weights), b.size * num_weights, -1, False)
    return made.unflatten(0, [b.size, num_weights])


@embedding_dense_backward.gradient
def _(g, indices, padding_idx, scale_grad_by_freq, cxx):
    return cxx.embedding_double_backward(g, indices, padding_idx, scale_grad_by_freq), None
