"""Reading and writing at places that tensors name."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    check_apart,
    check_fits,
    check_not_shifted,
    check_written,
    dtype_name,
    dtypes,
    grad_to,
    is_differentiable,
    same,
    scaled,
    show,
    show_shapes,
    wrap_dim,
    zeros_for,
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
    opaque=True,
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
def _(g, self, indices, ops):
    return (ops.index_put(zeros_for(g, self.shape, ops), indices, g, True),)


def is_mask(index):
    return index.dtype == dtypes.bool or index.dtype == dtypes.uint8


def fits_into(have, want):
    """Whether one shape broadcasts to another."""
    n, m = len(have), len(want)
    return n <= m and all(have[n - i] == 1 or have[n - i] == want[m - i] for i in range(1, n + 1))


def go_together(a, b):
    """Whether two shapes broadcast against each other."""
    n, m = len(a), len(b)
    return all(
        a[n - i] == 1 or b[m - i] == 1 or a[n - i] == b[m - i] for i in range(1, min(n, m) + 1)
    )


def indexed_sizes(op, self, indices):
    """The sizes of ``self[indices]``; None where the elements of a mask decide."""
    if len(indices) == 0:
        raise IndexError(f"{op}: at least one index must be provided")
    dims = list(self.shape[:0])  # that are indexed
    sizes = list(self.shape[:0])  # of the indices together
    dim, masked = 0, False
    for i, index in enumerate(indices):
        if index is None:
            dim += 1
            continue
        if is_mask(index):
            for k in range(index.dim()):
                if dim + k >= self.dim() or index.shape[k] != self.shape[dim + k]:
                    raise IndexError(
                        f"{op}: The shape of the mask {show(index.shape)} at index {i} does not "
                        f"match the shape of the indexed tensor {show(self.shape)} at index "
                        f"{dim + k}"
                    )
            masked = True
            dim += index.dim()
            continue
        if index.dtype != dtypes.int64 and index.dtype != dtypes.int32:
            raise IndexError(
                f"{op}: tensors used as indices must be long, int, byte or bool tensors, got "
                f"{dtype_name(index.dtype)}"
            )
        if index.device != self.device and index.device.type != "cpu":
            raise Error(
                f"{op}: indices should be either on cpu or on the same device as the indexed "
                f"tensor ({self.device}), got {index.device}"
            )
        if len(sizes) == 0:
            sizes = list(index.shape)
        elif not same(sizes, index.shape):
            if not go_together(sizes, index.shape):
                raise IndexError(
                    f"{op}: shape mismatch: indexing tensors could not be broadcast together with "
                    f"shapes {show_shapes(indices)}"
                )
            sizes = broadcast(sizes, index.shape, op)
        dims.append(dim)
        dim += 1
    if dim > self.dim():
        raise IndexError(f"{op}: too many indices for tensor of dimension {self.dim()} (got {dim})")
    if masked:
        return None
    # Dimensions of the indices stand where the indexed ones stood, or first when those were apart.
    adjacent = all(dims[i] == dims[i - 1] + 1 for i in range(1, len(dims)))
    place = dims[0] if adjacent and len(dims) > 0 else 0
    made = list(self.shape[:place])
    made.extend(sizes)
    for d in range(place, self.dim()):
        if d not in dims:
            made.append(self.shape[d])
    return made


@structured(
    "index_put_(Tensor(a!) self, Tensor?[] indices, Tensor values, bool accumulate=False)"
    " -> Tensor(a!)",
    cpu="index_put",
    checks_values=True,
    opaque=True,
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


@index_put_.rule
def _(self, indices, values):
    sizes = indexed_sizes("index_put_", self, indices)
    if self.dtype != values.dtype:
        raise Error(
            "index_put_: Index put requires the source and destination dtypes match, got "
            f"{dtype_name(self.dtype)} for the destination and {dtype_name(values.dtype)} for the "
            "source."
        )
    check_same_device("index_put_", self, values)
    if sizes is not None and not fits_into(values.shape, sizes):
        raise Error(
            f"index_put_: shape mismatch: value tensor of shape {show(values.shape)} cannot be "
            f"broadcast to indexing result of shape {show(sizes)}"
        )
    check_written("index_put_", self)
    check_apart("index_put_", self, values)
    for index in indices:
        if index is None:
            continue
        if is_mask(index):
            check_not_shifted("index_put_", self, index)
        else:
            check_apart("index_put_", self, index)


def kept(g, indices, accumulate, ops):
    """The gradient of what was not written over."""
    return g if accumulate else ops.index_put(g, indices, zeros_for(g, [], ops), False)


@index_put_.gradient
def _(g, indices, values, accumulate, ops):
    return (
        kept(g, indices, accumulate, ops),
        None,
        grad_to(ops.index_Tensor(g, indices), values.shape, values.dtype, ops),
    )


@native(
    "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
    opaque=True,
)
def index_put(self, indices, values, accumulate, ops):
    """A copy with ``values`` at the places that index tensors name.

    >>> flambeau.index_put(flambeau.zeros(3), (flambeau.tensor([2]),), flambeau.tensor(5.))
    tensor([0., 0., 5.])
    """
    return ops.index_put_(ops.clone(self), indices, values, accumulate)


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
def _(g, indices, values, accumulate, ops):
    return (
        kept(g, indices, accumulate, ops),
        None,
        grad_to(ops.index_Tensor(g, indices), values.shape, values.dtype, ops),
    )


@structured(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    cpu="cpu::gather(result, self, dim, index)",
    out=True,
    separate_out=True,
    opaque=True,
    checks_values=True,
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
    return list(sizes) if sizes else [1]


def check_index_dtype(op, index):
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise Error(f"{op}: Expected dtype int32/int64 for index, got {dtype_name(index.dtype)}")


@gather.rule
def _(self, dim, index):
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
def _(g, self, dim, index, sparse_grad, ops):
    return gathered_back(g, self.shape, dim, index, sparse_grad, ops), None


def gathered_back(g, sizes, dim, index, sparse, ops):
    if not sparse:
        return ops.scatter_add(zeros_for(g, sizes, ops), dim, index, g)
    own, places = at_least_1d(sizes), at_least_1d(index.shape)
    d = wrap_dim(dim, len(sizes), "gather")
    rows = []
    for k in range(len(own)):
        line = ops.reshape(ops.to_dtype(index, dtypes.int64), [-1])
        if k != d:
            spread = [1] * len(places)
            spread[k] = places[k]
            numbers = ops.arange(places[k], dtypes.int64, None, g.device)
            line = ops.reshape(ops.expand(ops.view(numbers, spread), places), [-1])
        rows.append(line)
    where = ops.stack(rows, 0)
    if len(sizes) == 0:
        where = ops.slice_Tensor(where, 0, 0, 0, 1)
    return ops._sparse_coo_tensor_unsafe(where, ops.reshape(g, [-1]), sizes)


@structured(
    "index_select(Tensor self, int dim, Tensor index) -> Tensor",
    cpu="cpu::index_select(result, self, dim, index)",
    out=True,
    separate_out=True,
    opaque=True,
    checks_values=True,
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
            f"index_select: Expected dtype int32 or int64 for index, got {dtype_name(index.dtype)}"
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
def _(g, self, dim, index, ops):
    return ops.index_add(zeros_for(g, self.shape, ops), dim, index, g), None


@structured(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    cpu="cpu::index_add(result, self, dim, index, source, alpha)",
    out=True,
    checks_values=True,
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


@structured(
    "index_add_(Tensor(a!) self, int dim, Tensor index, Tensor source, *, Scalar alpha=1)"
    " -> Tensor(a!)",
    checks_values=True,
    cpu="cpu::index_add_into(self, dim, index, source, alpha)",
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
            f"index_add: Expected dtype int32/int64 for index but got: {dtype_name(index.dtype)}"
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
def _(g, dim, index, alpha, ops):
    return g, None, scaled(ops.index_select(g, dim, index), alpha, ops)


@structured(
    "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool "
    "scale_grad_by_freq=False, "
    "bool sparse=False) -> Tensor",
    checks_values=True,
    cpu="cpu::embedding(result, weight, indices)",
    method=False,
    opaque=True,
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


def check_embedding_indices(op, dtype):
    if dtype not in (dtypes.int64, dtypes.int32):
        raise Error(
            f"{op}: Expected tensor for argument #1 'indices' to have one of the following scalar "
            f"types: Long, Int; but got {dtype_name(dtype)} instead"
        )


@embedding.rule
def _(weight, indices):
    check_same_device("embedding", weight, indices)
    if weight.dim() != 2:
        raise Error(f"embedding: 'weight' must be 2-D, got shape {show(weight.shape)}")
    check_embedding_indices("embedding", indices.dtype)
    sizes = list(indices.shape)
    sizes.append(weight.shape[1])
    return Spec(sizes, weight.dtype)


@embedding.gradient
def _(g, weight, indices, padding_idx, scale_grad_by_freq, sparse, ops):
    rows = weight.shape[0]
    return (
        ops.embedding_backward(g, indices, rows, padding_idx, scale_grad_by_freq, sparse),
        None,
    )


@composite(
    "embedding_backward(Tensor grad, Tensor indices, SymInt num_weights, SymInt padding_idx, "
    "bool scale_grad_by_freq, bool sparse) -> Tensor",
    function_variant=False,
    method=False,
)
def embedding_backward(grad, indices, num_weights, padding_idx, scale_grad_by_freq, sparse, ops):
    """The gradient of ``embedding``, strided or sparse."""
    if not sparse:
        return ops.embedding_dense_backward(
            grad, indices, num_weights, padding_idx, scale_grad_by_freq
        )
    if scale_grad_by_freq:
        raise Error("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
    return ops.embedding_sparse_backward(
        grad, indices, num_weights, padding_idx, scale_grad_by_freq
    )


embedding_backward.samples(call(values(3, 2), ints([1, 0, 1]), 4, -1, False, False))
embedding_backward.without("benchmark")


@structured(
    "embedding_dense_backward(Tensor grad_output, Tensor indices, SymInt num_weights, SymInt "
    "padding_idx, "
    "bool scale_grad_by_freq) -> Tensor",
    checks_values=True,
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
def _(g, indices, padding_idx, scale_grad_by_freq, ops):
    if scale_grad_by_freq:
        raise NotImplementedError(
            "embedding_dense_backward: the derivative with scale_grad_by_freq=True is not "
            "implemented"
        )
    rows = ops.embedding(g, indices, -1)
    if padding_idx < 0:
        return rows, None
    padding = ops.unsqueeze(ops.eq_Scalar(indices, padding_idx), -1)
    return ops.masked_fill_Scalar(rows, padding, 0), None
